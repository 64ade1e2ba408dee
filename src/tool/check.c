/* outbox check: tries each relay step by step, up to the login, and says what it found and what to
 * do. Sends nothing. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/text.h"
#include "delivery/relay.h"
#include "net/drive_poll.h"
#include "tool/command.h"
#include "tool/dialogue.h"

/* What was found out about a relay. Strings are owned. */
typedef struct Finding {
    const RelayConfig *relay;
    char *address, *tls, *certificate, *server, *mechanisms, *mechanism, *extensions;
    uint64_t size_max;
    bool ok;
    DeliveryStage stage; /* where it failed */
    int error;
    char *text;       /* why */
    const char *hint; /* what to do */
} Finding;

static void finding_done(Finding *f)
{
    free(f->address);
    free(f->tls);
    free(f->certificate);
    free(f->server);
    free(f->mechanisms);
    free(f->mechanism);
    free(f->extensions);
    free(f->text);
}

static char *copy(const char *text)
{
    return text && text[0] ? text_printable(text, strlen(text), 2000) : NULL;
}

/* The outcome's text as a user is to see it. */
static char *with_codes(const DeliveryOutcome *outcome)
{
    char codes[DELIVERY_CODES_MAX], *text;

    delivery_format_codes(outcome, codes);
    return asprintf(&text, "%s%s", codes, outcome->text) < 0 ? NULL : text;
}

static char *name_extensions(const SmtpCapabilities *c)
{
    static const struct {
        SmtpCapability flag;
        const char *name;
    } names[] = {
        {SMTP_CAP_PIPELINING, "PIPELINING"},
        {SMTP_CAP_CHUNKING, "CHUNKING"},
        {SMTP_CAP_8BITMIME, "8BITMIME"},
        {SMTP_CAP_SMTPUTF8, "SMTPUTF8"},
        {SMTP_CAP_SIZE, "SIZE"},
        {SMTP_CAP_DSN, "DSN"},
        {SMTP_CAP_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"},
        {SMTP_CAP_STARTTLS, "STARTTLS"},
        {SMTP_CAP_AUTH, "AUTH"},
    };
    _cleanup_buffer_ Buffer text = {0};

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (smtp_has(c, names[i].flag))
            (void)buffer_appendf(&text, "%s%s", buffer_size(&text) > 0 ? " " : "", names[i].name);
    return buffer_size(&text) > 0 ? strndup(buffer_data(&text), buffer_size(&text)) : NULL;
}

/* What the connection knows by now, however far it came. */
static void gather(Finding *f, Connection *connection)
{
    SmtpSession *session = connection_session(connection);
    const SmtpCapabilities *capabilities = session ? smtp_session_capabilities(session) : NULL;

    finding_done(f);
    *f = (Finding){.relay = f->relay};
    f->address = copy(connection_address(connection));
    f->tls = copy(connection_tls(connection));
    f->certificate = connection_describe_certificate(connection);
    if (!capabilities)
        return;
    f->server = copy(capabilities->domain);
    f->mechanisms = copy(capabilities->mechanisms);
    f->extensions = name_extensions(capabilities);
    f->size_max = capabilities->size_max;
    f->mechanism = copy(smtp_session_mechanism(session));
}

static int check_relay(Config *config, size_t index, bool verbose, Finding *f)
{
    ConnectionShared *shared = NULL;
    Connection *connection = NULL;
    bool ready = false;
    SmtpEvent event = {.type = SMTP_EVENT_READY};
    int r;

    f->relay = &config->relays[index];
    r = connection_shared_new(config, index, &shared);
    if (r >= 0)
        r = connection_new(
            shared, verbose ? dialogue_print : NULL, NULL, clock_monotonic(), &connection);
    while (r >= 0 && event.type != SMTP_EVENT_CLOSED) {
        r = connection_wait(connection, false, &event);
        if (r > 0 && event.type == SMTP_EVENT_READY) {
            gather(f, connection);
            ready = true;
            smtp_session_quit(connection_session(connection), clock_monotonic());
        }
    }
    if (r >= 0 && !ready) {
        gather(f, connection);
        f->stage = event.outcome->stage;
        f->error = event.outcome->error;
        f->text = with_codes(event.outcome);
        f->hint = relay_hint(event.outcome);
    }
    f->ok = r >= 0 && ready;
    connection_free(connection);
    connection_shared_unref(shared);
    return MIN(r, 0);
}

static void print_if(const char *label, const char *value)
{
    if (value)
        printf("  %-12s %s\n", label, value);
}

static void print_certificate(const char *text)
{
    for (const char *line = text; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        printf("  %-12s %.*s\n", line == text ? "certificate" : "", (int)strcspn(line, "\n"), line);
}

static void print_finding(const Finding *f)
{
    printf("relay %s (%s, port %u)\n", f->relay->name, f->relay->host, f->relay->port);
    print_if("connected", f->address);
    if (f->address && f->ok)
        print_if("TLS", f->tls ?: "none: everything goes in clear");
    else
        print_if("TLS", f->tls);
    print_certificate(f->certificate);
    print_if("server", f->server);
    print_if("extensions", f->extensions);
    if (f->size_max > 0)
        printf("  %-12s %llu bytes a message\n", "limit", (unsigned long long)f->size_max);
    print_if("offers AUTH", f->mechanisms);
    print_if("login", f->mechanism);
    if (f->ok)
        puts("  ok");
    else
        printf("  FAILED at %s: %d: %s\n  what to do: %s\n", delivery_stage_name(f->stage),
            f->error, f->text ?: "", f->hint ?: "");
}

static json_t *string_or_null(const char *text)
{
    json_t *json = text ? json_string(text) : json_null();

    return json ? json : json_null();
}

static json_t *to_json(const Finding *f)
{
    return json_pack(
        "{s:s, s:s, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:i, s:o, s:o}", "relay",
        f->relay->name, "host", f->relay->host, "port", (int)f->relay->port, "ok", (int)f->ok,
        "address", string_or_null(f->address), "tls", string_or_null(f->tls), "certificate",
        string_or_null(f->certificate), "server", string_or_null(f->server), "extensions",
        string_or_null(f->extensions), "size_max", (json_int_t)f->size_max, "mechanisms",
        string_or_null(f->mechanisms), "mechanism", string_or_null(f->mechanism), "stage",
        f->ok ? json_null() : json_string(delivery_stage_name(f->stage)), "error", f->error, "text",
        string_or_null(f->text), "hint", string_or_null(f->hint));
}

static int check_all(Config *config, const char *only, bool json, bool verbose)
{
    json_t *array = json ? json_array() : NULL;
    int status = EX_OK;

    for (size_t i = 0; i < config->n_relays; i++) {
        _cleanup_(finding_done) Finding f = {0};
        int r;

        if (only && strcmp(only, config->relays[i].name) != 0)
            continue;
        r = check_relay(config, i, verbose, &f);
        if (r < 0) {
            json_decref(array);
            return tool_fail_number(error_from_errno(r), "cannot check relay %s: %s",
                config->relays[i].name, strerror(-r));
        }
        if (!f.ok)
            status = error_status(f.error);
        if (json)
            (void)json_array_append_new(array, to_json(&f));
        else
            print_finding(&f);
    }
    if (json) {
        (void)json_dumpf(array, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(array);
    }
    return status;
}

static bool relay_exists(const Config *config, const char *name)
{
    for (size_t i = 0; i < config->n_relays; i++)
        if (strcmp(config->relays[i].name, name) == 0)
            return true;
    return false;
}

static int run_check(const Tool *tool, const Command *command, int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
        {"verbose", no_argument, NULL, 'v'}, TOOL_OPTION_HELP, {0}};
    _cleanup_config_ Config *config = NULL;
    bool json = false, verbose = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv, ":jvh", options)) >= 0)
        switch (c) {
        case 'j': json = true; break;
        case 'v': verbose = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    status = tool_load(tool, &config);
    if (status != 0)
        return status;
    if (argv[optind] && !relay_exists(config, argv[optind]))
        return tool_usage(command, "no relay is called %s", argv[optind]);
    return check_all(config, argv[optind], json, verbose);
}

const Command command_check = {
    .name = "check",
    .synopsis = "[OPTION...] [RELAY]",
    .summary = "Try the relays step by step, without sending anything",
    .help = "  -j, --json     a JSON array, one object a relay\n"
            "  -v, --verbose  print the dialogue\n"
            "  -h, --help     print this\n\n"
            "Name lookup, connection, TLS, certificate, EHLO and login are tried; at what fails it "
            "says what to do.\n",
    .run = run_check,
};
