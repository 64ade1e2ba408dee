/* outbox check: tries each relay step by step, up to the login, and says what it found and what to
 * do. Sends nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "delivery/advice.h"
#include "net/relay_check.h"
#include "tool/certificate.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/terminal.h"
#include "tool/watched.h"

#define SHOWN_MAX 2000 /* bytes of what a stranger wrote */

/* What was found out about a relay. Strings are owned. */
typedef struct Finding {
    const RelayConfig *relay;
    char *address, *local, *proxy, *tls, *certificate, *server, *mechanisms, *mechanism,
        *extensions, *size_max;
    char *policy;             /* of MTA-STS, in words */
    char *tokens;             /* what cannot be kept of OAuth's, or NULL */
    char *expiring;           /* certificates that end soon */
    json_t *logins;           /* how each mechanism fares; NULL: nothing is known of them */
    Certificate *shown;       /* the server's; NULL: none */
    char *chain, *pem;        /* what else the server sent, in words; all that it sent */
    TlsNegotiated negotiated; /* version "": no TLS */
    int result;               /* of finding out: 0 or -ENOMEM */
    bool ok;
    DeliveryStage stage; /* where it failed */
    int error;
    char *text;       /* why */
    const char *hint; /* what to do; NULL: `text` says it */
    int status;       /* to exit with */
} Finding;

static void finding_done(Finding *f)
{
    free(f->address);
    free(f->local);
    free(f->proxy);
    free(f->tls);
    free(f->certificate);
    free(f->expiring);
    free(f->policy);
    free(f->tokens);
    (void)certificate_unref(f->shown);
    free(f->chain);
    free(f->pem);
    free(f->server);
    free(f->mechanisms);
    free(f->mechanism);
    free(f->extensions);
    free(f->size_max);
    free(f->text);
    json_decref(f->logins);
}

/* A copy of what there is to say; NULL for nothing. 0 or -ENOMEM. */
static int copy(const char *text, char **ret)
{
    *ret = text && text[0] ? strdup(text) : NULL;
    return text && text[0] && !*ret ? -ENOMEM : 0;
}

/* The same of what the client knows by that name. */
static int ask(OutboxClient *client, const char *name, char **ret)
{
    return copy(outbox_get(client, name), ret);
}

static void note_login(void *user, const SmtpAuthFit *fit)
{
    Finding *f = user;
    bool used = f->mechanism && strcmp(f->mechanism, fit->name) == 0;

    if (!f->logins)
        f->logins = json_array();
    (void)json_array_append_new(
        f->logins, json_pack("{s:o, s:b, s:b, s:o, s:b}", "mechanism", json_text(fit->name),
                       "offered", (int)fit->offered, "fits", (int)fit->fits, "reason",
                       json_text(fit->reason), "used", (int)used));
}

/* What is known of TLS. */
static int gather_tls(Finding *f, const Connection *connection)
{
    f->certificate = connection_describe_certificate(connection);
    f->shown = connection_certificate(connection);
    f->chain = connection_describe_chain(connection);
    f->expiring = connection_expiring(connection, clock_realtime());
    f->policy = connection_describe_policy(connection, clock_realtime());
    f->pem = connection_chain_pem(connection);
    if (connection_negotiated(connection))
        f->negotiated = *connection_negotiated(connection);
    return copy(connection_secrets_notice(connection), &f->tokens)
               ?: copy(connection_tls(connection), &f->tls);
}

/* What there is to know by now, however far the connection came. 0 or -ENOMEM. */
static int gather(Finding *f, OutboxClient *client)
{
    Connection *connection = client_connection(client);
    char local[ADDRESS_TEXT_MAX];
    int r = gather_tls(f, connection)
                ?: copy(connection_local_address(connection, local), &f->local)
                ?: copy(connection_proxy(connection), &f->proxy)
                ?: ask(client, "RemoteAddress", &f->address)
                ?: ask(client, "ServerName", &f->server)
                ?: ask(client, "ServerExtensions", &f->extensions)
                ?: ask(client, "ServerSizeLimit", &f->size_max)
                ?: ask(client, "ServerMechanisms", &f->mechanisms)
                ?: ask(client, "AuthMechanismUsed", &f->mechanism);

    if (r == 0 && connection_session(connection))
        smtp_session_explain_auth(connection_session(connection), note_login, f);
    return r;
}

/* What no connection is needed for, in the words of one; a token is asked by the connection alone.
 * False when something is wrong. */
static bool judge_settings(const RelayConfig *relay, Finding *f)
{
    _cleanup_(relay_judgement_done) RelayJudgement judgement = {0};

    relay_check(relay, false, &judgement);
    if (judgement.error >= 0)
        return true;
    f->stage = STAGE_TLS;
    f->error = judgement.failure.number;
    f->text = strdup(failure_text(&judgement.failure));
    f->status = error_status(f->error) == EX_TEMPFAIL ? EX_TEMPFAIL : EX_CONFIG;
    f->result = f->text ? 0 : -ENOMEM;
    return false;
}

static void on_fault(void *user, OutboxClient *client, const DeliveryOutcome *fault)
{
    Finding *f = user;
    char codes[DELIVERY_CODES_MAX];

    f->stage = fault->stage;
    f->error = fault->error;
    f->hint = advice_on(fault, f->relay);
    f->status = advice_status(fault);
    f->result = gather(f, client);
    if (asprintf(&f->text, "%s%s", delivery_format_codes(fault, codes), fault->text) < 0) {
        f->text = NULL;
        f->result = -ENOMEM;
    }
}

/* Returns EX_OK when all is known that can be; or an exit status after having said why not. */
static int check_relay(Config *config, size_t i, bool verbose, Finding *f)
{
    _cleanup_(outbox_client_free_p) OutboxClient *client = watched_client(config, verbose);

    if (!client)
        return tool_fail_memory();
    f->relay = config->relays[i];
    if (!judge_settings(f->relay, f))
        return f->result < 0 ? tool_fail_memory() : EX_OK;
    client_use_relay(client, i);
    client_on_fault(client, on_fault, f);
    f->ok = outbox_connect(client) == 0;
    if (f->ok) {
        f->result = gather(f, client);
        (void)outbox_disconnect(client);
    } else if (!f->text && f->result == 0)
        return tool_fail_number(outbox_error(client), "cannot check relay %s: %s", f->relay->name,
            outbox_error_text(client));
    return f->result < 0 ? tool_fail_memory() : EX_OK;
}

static void print_if(const char *label, const char *value)
{
    if (!value)
        return;
    printf("  %-12s ", label);
    (void)terminal_print(stdout, value, SHOWN_MAX);
    putchar('\n');
}

/* Cipher and key exchange with the strength of each, as far as they can be told. */
static void print_negotiated(const TlsNegotiated *is)
{
    if (!is->version[0])
        return;
    printf("  %-12s %s, %u bits; %s%s%s", "cipher", is->cipher, is->cipher_bits, is->key_exchange,
        is->group[0] ? " " : "", is->group);
    if (is->key_exchange_bits > 0)
        printf(", %u bits", is->key_exchange_bits);
    puts(is->resumed ? "; resumed" : "");
}

static void print_lines(const char *label, const char *text)
{
    for (const char *line = text; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        printf("  %-12s ", line == text ? label : "");
        (void)terminal_print_bytes(stdout, line, strcspn(line, "\n"), SHOWN_MAX);
        putchar('\n');
    }
}

/* In the order in which they are preferred; of those that are not offered, none. */
static void print_logins(const Finding *f)
{
    const char *label = "logins";
    size_t i;
    json_t *login;

    json_array_foreach(f->logins, i, login)
    {
        const char *reason = json_string_value(json_object_get(login, "reason"));
        bool used = json_is_true(json_object_get(login, "used"));

        if (!json_is_true(json_object_get(login, "offered")))
            continue;
        printf("  %-12s ", label);
        (void)terminal_print(
            stdout, json_string_value(json_object_get(login, "mechanism")), SHOWN_MAX);
        printf(": %s\n", used ? (f->ok ? "used" : "tried last") : reason ?: "fits");
        label = "";
    }
}

static void print_fault(const Finding *f)
{
    printf("  FAILED at %s: ", delivery_stage_name(f->stage));
    (void)terminal_print(stdout, f->text, SHOWN_MAX);
    putchar('\n');
    if (f->hint)
        printf("  what to do: %s\n", f->hint);
}

static void print_finding(const Finding *f)
{
    printf("relay %s (%s", f->relay->name, f->relay->host);
    if (!relay_socket_path(f->relay))
        printf(", port %u", f->relay->port);
    puts(")");
    print_if("proxy", f->proxy);
    print_if("address", f->address);
    print_if("from", f->local);
    if (f->address && f->ok)
        print_if("TLS", f->tls ?: "none: everything goes in clear");
    else
        print_if("TLS", f->tls);
    print_negotiated(&f->negotiated);
    print_lines("certificate", f->certificate);
    print_lines("sent with it", f->chain);
    print_lines("ends soon", f->expiring);
    print_lines("MTA-STS", f->policy);
    print_lines("warning", f->tokens);
    print_if("server", f->server);
    print_if("extensions", f->extensions);
    if (f->size_max)
        printf("  %-12s %s bytes a message\n", "limit", f->size_max);
    print_if("offers AUTH", f->mechanisms);
    print_logins(f);
    print_if("login", f->mechanism);
    if (f->ok)
        puts("  ok");
    else
        print_fault(f);
}

static json_t *negotiated_to_json(const TlsNegotiated *is)
{
    if (!is->version[0])
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:i, s:b}", "version", is->version, "suite",
        is->suite, "cipher", is->cipher, "cipher_bits", (int)is->cipher_bits, "key_exchange",
        is->key_exchange, "group", is->group, "key_exchange_bits", (int)is->key_exchange_bits,
        "resumed", (int)is->resumed);
}

static json_t *to_json(const Finding *f)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, "
        "s:o, s:o, s:o, s:o, "
        "s:i, s:o, s:o}",
        "negotiated", negotiated_to_json(&f->negotiated), "chain", json_text(f->pem), "expiring",
        json_text(f->expiring), "mta_sts", json_text(f->policy), "warning", json_text(f->tokens),
        "relay", json_text(f->relay->name), "host", json_text(f->relay->host), "port",
        (int)f->relay->port, "ok", (int)f->ok, "address", json_text(f->address), "local",
        json_text(f->local), "proxy", json_text(f->proxy), "tls", json_text(f->tls), "certificate",
        certificate_json(f->shown), "server", json_text(f->server), "extensions",
        json_text(f->extensions), "size_max", f->size_max ? strtoll(f->size_max, NULL, 10) : 0LL,
        "mechanisms", json_text(f->mechanisms), "mechanism", json_text(f->mechanism), "logins",
        f->logins ? json_incref(f->logins) : json_array(), "stage",
        f->ok ? json_null() : json_text(delivery_stage_name(f->stage)), "error", f->error, "text",
        json_text(f->text), "hint", json_text(f->hint));
}

/* Returns the exit status; what was found is printed, or added to the array. */
static int check_one(Config *config, size_t i, bool verbose, json_t *array)
{
    _cleanup_(finding_done) Finding f = {0};
    int status = check_relay(config, i, verbose, &f);

    if (status != EX_OK)
        return status;
    if (array && json_array_append_new(array, to_json(&f)) < 0)
        return tool_fail_memory();
    if (!array)
        print_finding(&f);
    if (f.ok)
        return EX_OK;
    fflush(stdout);
    (void)tool_fail_number(
        f.error, "relay %s, %s: %s", f.relay->name, delivery_stage_name(f.stage), f.text);
    return f.status;
}

static int check_all(Config *config, const char *only, bool json, bool verbose)
{
    json_t *array = json ? json_array() : NULL;
    int status = EX_OK;

    if (json && !array)
        return tool_fail_memory();
    for (size_t i = 0; i < config->n_relays; i++)
        if (!only || strcmp(only, config->relays[i]->name) == 0) {
            int one = check_one(config, i, verbose, array);

            status = one != EX_OK ? one : status;
        }
    if (json && json_print(array) != EX_OK)
        return EX_TEMPFAIL;
    return status;
}

/* Whoever may not look into the queue, or is not the daemon's user, has not got its rights. */
static void warn_of_queue(const Config *config)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    _cleanup_failure_ Failure f = {0};

    if (spool_open(config->spool.directory, &spool, NULL) == 0 && spool_check_leases(spool, &f) < 0)
        (void)tool_fail(&f);
}

static bool relay_exists(const Config *config, const char *name)
{
    for (size_t i = 0; i < config->n_relays; i++)
        if (strcmp(config->relays[i]->name, name) == 0)
            return true;
    return false;
}

int run_check(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_config_ Config *config = NULL;
    bool json = false, verbose = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'j': json = true; break;
        case 'v': verbose = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    status = tool_load(tool, &config);
    if (status != 0)
        return status;
    if (argc - optind > 1)
        return tool_usage(command, "%s: one relay at most is wanted", argv[optind + 1]);
    if (argv[optind] && !relay_exists(config, argv[optind]))
        return tool_usage(command, "no relay is called %s", argv[optind]);
    warn_of_queue(config);
    return check_all(config, argv[optind], json, verbose);
}
