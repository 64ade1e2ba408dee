/* outbox check: tries each relay step by step, up to the login or what it says of a sender and a
 * recipient, and says what it found and what to do. Must never send anything. */
#include "tool/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/hostname.h"
#include "base/idn.h"
#include "base/text.h"
#include "database/client.h"
#include "database/source.h"
#include "delivery/advice.h"
#include "message/address.h"
#include "net/relay_check.h"
#include "tool/certificate.h"
#include "tool/check_options.h"
#include "tool/dialogue.h"
#include "tool/json.h"
#include "tool/watched.h"

#define EXTENSIONS_MAX 64 /* of one relay; more are not listed */

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
    f->certificates = certificate_expiries_json(f->shown, clock_realtime());
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
                ?: ask(client, "ServerSizeLimit", &f->size_max)
                ?: ask(client, "ServerMechanisms", &f->mechanisms)
                ?: ask(client, "AuthMechanismUsed", &f->mechanism);

    f->tried = connection_describe_tries(connection);
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
    f->stage = judgement.stage;
    f->error = judgement.failure.number;
    f->text = strdup(failure_text(&judgement.failure));
    f->status = error_status(f->error) == EX_TEMPFAIL ? EX_TEMPFAIL : EX_CONFIG;
    f->result = f->text ? 0 : -ENOMEM;
    return false;
}

/* What is wrong is part of what was found, and told with it. */
static void on_error(void *user _unused_, int error, const char *text)
{
    if (error == ERROR_NONE)
        watched_error(error, text);
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

/* ---- what the relay offers ---- */

static void note_extension(Finding *f, const char *line, size_t n)
{
    size_t name = 0;
    json_t *parameters = json_array();
    _cleanup_free_
    char *keyword = NULL;

    while (name < n && line[name] != ' ' && line[name] != '=')
        name++;
    keyword = strndup(line, name);
    for (size_t at = name, end; at < n; at = end + 1) {
        _cleanup_free_
        char *word = NULL;

        for (end = at; end < n && line[end] != ' ' && line[end] != '=';)
            end++;
        word = end > at ? strndup(line + at, end - at) : NULL;
        if (word)
            (void)json_array_append_new(parameters, json_text(word));
    }
    if (!f->extensions)
        f->extensions = json_array();
    if (name > 0 && json_array_size(f->extensions) < EXTENSIONS_MAX)
        (void)json_array_append_new(f->extensions,
            json_pack("{s:o, s:O}", "keyword", json_text(keyword), "parameters", parameters));
    json_decref(parameters);
}

/* All that is said to EHLO, also what outbox has no use for; of the last one, for it is said again
 * once TLS is up. */
static void listen_to(Finding *f, int direction, const char *line, size_t n)
{
    if (direction == SMTP_TRACE_CLIENT && n > 4 &&
        (strncmp(line, "EHLO ", 5) == 0 || strncmp(line, "LHLO ", 5) == 0)) {
        f->listening = 1;
        json_decref(f->extensions);
        f->extensions = NULL;
        return;
    }
    if (direction != SMTP_TRACE_SERVER || f->listening == 0 || n < 4 ||
        strncmp(line, "250", 3) != 0)
        return;
    if (f->listening == 2)
        note_extension(f, line + 4, n - 4);
    f->listening = line[3] == '-' ? 2 : 0;
}

static void on_trace(void *user, int direction, const char *line, size_t n)
{
    Finding *f = user;

    listen_to(f, direction, line, n);
    if (f->verbose)
        dialogue_print(NULL, (SmtpTraceDirection)direction, line, n);
}

/* ---- what it says of a sender and a recipient ---- */

/* The address as the relay takes it; `*ret_utf8` where the command has to say that it is one of
 * RFC 6531. Caller frees; NULL when memory is short. */
static char *fit_address(const Connection *connection, const char *address, bool *ret_utf8)
{
    const SmtpSession *session = connection_session((Connection *)connection);
    char *ascii = NULL;

    if (text_is_ascii(address, strlen(address)))
        return strdup(address);
    if (smtp_has(smtp_session_capabilities(session), SMTP_CAP_SMTPUTF8)) {
        *ret_utf8 = true;
        return strdup(address);
    }
    if (address_to_ascii_domain(address, &ascii) < 0)
        return NULL;
    return ascii ?: strdup(address);
}

static json_t *reply_json(const char *command, const SmtpReply *reply)
{
    const char *at = buffer_data(&reply->text), *end = at + buffer_size(&reply->text);
    json_t *lines = json_array();

    while (lines && at < end) {
        const char *next = memchr(at, '\n', (size_t)(end - at)) ?: end;
        _cleanup_free_
        char *text = strndup(at, (size_t)(next - at));

        (void)json_array_append_new(lines, json_text(text));
        at = next + 1;
    }
    return json_pack("{s:o, s:i, s:o, s:o}", "command", json_text(command), "code", reply->code,
        "enhanced", json_text(reply->enhanced[0] ? reply->enhanced : NULL), "lines", lines);
}

static const char *probe_hint(const RelayConfig *relay, DeliveryStage stage, int code)
{
    const DeliveryOutcome wants_login = {.cause = CAUSE_REPLY, .stage = STAGE_AUTH, .code = code};

    if (code == 530)
        return advice_on(&wants_login, relay);
    if (code / 100 != 5)
        return "greylisting is such an answer: the daemon tries such a message again, by retry; if "
               "it lasts, ask who runs the relay";
    return stage == STAGE_MAIL
               ? "the relay does not take this sender from here: its words say why; "
                 "many take only that of the login"
               : "the relay does not take this recipient from here: its words say "
                 "why; where it does not relay, it may want a login (user and a "
                 "password)";
}

static void fail_probe(Finding *f, DeliveryStage stage, const SmtpReply *reply, const char *command)
{
    f->ok = false;
    f->stage = stage;
    f->error = ERROR_SMTP_PROTOCOL;
    f->status = reply->code / 100 == 5 ? EX_UNAVAILABLE : EX_TEMPFAIL;
    if (asprintf(&f->text, "the relay answers %d to %s", reply->code, command) < 0) {
        f->text = NULL;
        f->result = -ENOMEM;
    }
    f->hint = probe_hint(f->relay, stage, reply->code);
}

/* Nobody can be told of such an address: the daemon gives it up, too. 0 or -ENOMEM. */
static int fail_utf8(Finding *f, DeliveryStage stage)
{
    f->ok = false;
    f->stage = stage;
    f->error = ERROR_SMTP_PROTOCOL;
    f->status = EX_UNAVAILABLE;
    f->text = strdup("the address needs SMTPUTF8, which the relay does not offer");
    f->hint = "use an address whose part before the @ is ASCII, or a relay that offers SMTPUTF8";
    return f->text ? 0 : -ENOMEM;
}

/* The client's words for a fault of a relay begin with which it is and at what, which is said here
 * anyway. */
static const char *without_place(const char *text)
{
    const char *end = strncmp(text, "relay ", 6) == 0 ? strstr(text, ": ") : NULL;

    return end ? end + 2 : text;
}

/* Says it and keeps the reply. True where it was a positive one. */
static bool say(Finding *f, OutboxClient *client, DeliveryStage stage, const char *command)
{
    int r = outbox_command(client, command);
    const SmtpReply *reply = outbox_is_connected(client) ? client_last_reply(client) : NULL;

    if (r != 0 && (r != ERROR_SMTP_PROTOCOL || !reply)) {
        f->ok = false;
        f->stage = stage;
        f->error = r;
        f->status = EX_TEMPFAIL;
        f->text = strdup(without_place(outbox_error_text(client)));
        f->result = f->text ? 0 : -ENOMEM;
        return false;
    }
    (void)json_array_append_new(f->probe, reply_json(command, reply));
    if (reply->code / 100 == 2)
        return true;
    if (f->ok)
        fail_probe(f, stage, reply, command);
    return false;
}

/* As the daemon would begin a message, and no further. 0 or -ENOMEM. */
static int probe(Finding *f, OutboxClient *client, const CheckAsked *asked)
{
    const Connection *connection = client_connection(client);
    bool utf8 = false, good;
    _cleanup_free_
    char *sender = fit_address(connection, asked->sender, &utf8);
    _cleanup_free_
    char *recipient = fit_address(connection, asked->recipient, &utf8);
    _cleanup_free_
    char *mail = NULL;
    _cleanup_free_
    char *rcpt = NULL;

    f->probe = json_array();
    if (!sender || !recipient || !f->probe)
        return -ENOMEM;
    if (!utf8 && (address_needs_utf8(sender) || address_needs_utf8(recipient)))
        return fail_utf8(f, address_needs_utf8(sender) ? STAGE_MAIL : STAGE_RCPT);
    if (asprintf(&mail, "MAIL FROM:<%s>%s", sender, utf8 ? " SMTPUTF8" : "") < 0) {
        mail = NULL;
        return -ENOMEM;
    }
    if (asprintf(&rcpt, "RCPT TO:<%s>", recipient) < 0) {
        rcpt = NULL;
        return -ENOMEM;
    }
    good = say(f, client, STAGE_MAIL, mail) && say(f, client, STAGE_RCPT, rcpt);
    if (outbox_is_connected(client))
        (void)say(f, client, good ? STAGE_RCPT : f->stage, "RSET");
    return f->result;
}

/* ---- one relay after the other ---- */

static int conclude(Finding *f, OutboxClient *client, const CheckAsked *asked)
{
    f->result = gather(f, client) ?: finding_take_notes(f);
    if (f->result == 0 && asked->recipient)
        f->result = probe(f, client, asked);
    (void)outbox_disconnect(client);
    return f->result;
}

int check_relay(Config *config, size_t i, const CheckAsked *asked, Finding *f)
{
    _cleanup_(outbox_client_free_p) OutboxClient *client = watched_client(config, false);
    OutboxEvents events = watched_events(false);

    if (!client)
        return tool_fail_memory();
    f->relay = config->relays[i];
    f->as = asked->as;
    f->verbose = asked->verbose;
    if (!judge_settings(f->relay, f))
        return f->result < 0 ? tool_fail_memory() : EX_OK;
    events.trace = on_trace;
    events.error = on_error;
    events.user = f;
    (void)outbox_set_events(client, &events);
    client_use_relay(client, i);
    client_on_fault(client, on_fault, f);
    f->ok = outbox_connect(client) == 0;
    if (f->ok)
        f->result = conclude(f, client, asked);
    else if (!f->text && f->result == 0)
        return tool_fail_number(outbox_error(client), "cannot check relay %s: %s", f->relay->name,
            outbox_error_text(client));
    return f->result < 0 ? tool_fail_memory() : EX_OK;
}

/* Whether both go to the same place, where it is enough to say it once. */
static bool is_one_stream(void)
{
    struct stat out, error;

    return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &error) == 0 &&
           out.st_dev == error.st_dev && out.st_ino == error.st_ino;
}

/* Returns the exit status; what was found is printed, or added to the array. */
static int check_one(Config *config, size_t i, const CheckAsked *asked)
{
    _cleanup_(finding_done) Finding f = {.colors = asked->colors};
    int status = check_relay(config, i, asked, &f);

    if (status != EX_OK)
        return status;
    if (asked->array && json_array_append_new(asked->array, finding_json(&f)) < 0)
        return tool_fail_memory();
    if (!asked->array)
        finding_print(&f);
    if (f.ok)
        return EX_OK;
    fflush(stdout);
    if (asked->array || !is_one_stream())
        (void)tool_fail_number(
            f.error, "relay %s, %s: %s", f.relay->name, delivery_stage_name(f.stage), f.text);
    return f.status;
}

static int check_all(Config *config, const char *only, CheckAsked *asked, bool json)
{
    int status = EX_OK;

    asked->array = json ? json_array() : NULL;
    if (json && !asked->array)
        return tool_fail_memory();
    if (!json)
        check_as_print(asked->as);
    for (size_t i = 0; i < config->n_relays; i++)
        if (!only || strcmp(only, config->relays[i]->name) == 0) {
            int one = check_one(config, i, asked);

            status = advice_join_status(status, one);
        }
    if (json && json_print(asked->array) != EX_OK)
        return EX_TEMPFAIL;
    return status;
}

/* Who does not deliver needs no right to, nor one to look into it. */
static int check_database(const char *conninfo, bool delivers)
{
    _cleanup_(database_close_p) Database *database = NULL;
    _cleanup_failure_ Failure f = {0};
    int r = delivers ? database_source_check(conninfo, &f) : database_open(conninfo, &database, &f);

    return r >= 0 || (!delivers && database_is_refusal(r)) ? EX_OK : tool_fail(&f);
}

/* Whoever may not look into the queue, or is not the daemon's user, has not got its rights. Returns
 * the exit status for a directory that no daemon can deliver from. */
static int check_queue(const Config *config, const CheckAs *as)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    _cleanup_failure_ Failure f = {0};

    if (config->spool.database)
        return check_database(config->spool.database, !as->is_other);
    if (spool_check(config->spool.directory, &f) < 0)
        return tool_fail(&f);
    if (!as->has_become && spool_open(config->spool.directory, &spool, NULL) == 0 &&
        spool_check_leases(spool, &f) < 0)
        (void)tool_fail(&f);
    return EX_OK;
}

/* The user who runs it, at this host, as mail that names no sender has it. NULL when memory is
 * short. */
static char *default_sender(const CheckAs *as)
{
    _cleanup_free_
    char *host = NULL;
    char name[HOST_NAME_MAX + 1] = "localhost";

    if (host_name_get(&host) < 0)
        return NULL;
    if (!host)
        (void)gethostname(name, sizeof(name) - 1);
    return address_join(as->user, host ?: name);
}

/* Whether the addresses are any. 0 or an exit status. */
static int check_addresses(const Command *command, const CheckAsked *asked)
{
    _cleanup_failure_ Failure f = {0};

    if (!asked->recipient)
        return asked->sender ? tool_usage(command, "--from goes with --probe") : 0;
    if (address_check(asked->recipient, strlen(asked->recipient),
            text_equal_nocase(asked->recipient, "postmaster"), &f) < 0 ||
        (asked->sender && asked->sender[0] &&
            address_check(asked->sender, strlen(asked->sender), false, &f) < 0))
        return tool_fail(&f);
    return 0;
}

static int check_as(const Tool *tool, const Command *command, int argc, char **argv,
    CheckAsked *asked, CheckAsChoice choice, bool json)
{
    _cleanup_(check_as_done) CheckAs as = {0};
    _cleanup_config_ Config *config = NULL;
    _cleanup_free_
    char *sender = NULL;
    int status = check_as_settle(tool, choice, argc, argv, &as), unusable;

    if (status >= 0)
        return status;
    status = tool_load(tool, &config);
    if (status != 0)
        return status;
    if (argv[optind] && !config_find_relay(config, argv[optind]))
        return tool_usage(command, "no relay is called %s", argv[optind]);
    if (asked->recipient && !asked->sender) {
        asked->sender = sender = default_sender(&as);
        if (!sender)
            return tool_fail_memory();
    }
    asked->as = &as;
    unusable = check_queue(config, &as);
    status = check_all(config, argv[optind], asked, json);
    return status != EX_OK ? status : unusable;
}

int run_check(const Tool *tool, const Command *command, int argc, char **argv)
{
    CheckAsChoice choice = CHECK_AS_BEST;
    CheckAsked asked = {.colors = color_is_wanted(tool->color)};
    bool json = false;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'j': json = true; break;
        case 'v': asked.verbose = true; break;
        case CHECK_OPTION_AS_DAEMON: choice = CHECK_AS_DAEMON; break;
        case CHECK_OPTION_AS_ME: choice = CHECK_AS_ME; break;
        case CHECK_OPTION_PROBE: asked.recipient = optarg; break;
        case CHECK_OPTION_FROM: asked.sender = strcmp(optarg, "<>") == 0 ? "" : optarg; break;
        default: return EX_USAGE;
        }
    if (argc - optind > 1)
        return tool_usage(command, "%s: one relay at most is wanted", argv[optind + 1]);
    status = check_addresses(command, &asked);
    return status != 0 ? status : check_as(tool, command, argc, argv, &asked, choice, json);
}
