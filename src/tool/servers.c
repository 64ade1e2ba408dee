/* What the processes that deliver say of themselves, and what follows from it for a message. Must
 * never say that mail goes on where nobody is known to deliver it. */
#include "tool/servers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/macros.h"
#include "base/text.h"
#include "tool/json.h"
#include "tool/span.h"

/* ---- reading ---- */

const char *servers_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

long long servers_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

usec_t servers_time(const json_t *object, const char *name)
{
    const char *text = servers_text(object, name);
    usec_t time = 0;

    return text && clock_parse_rfc3339(text, &time) == 0 ? time : 0;
}

/* Minutes that have passed since the state was written count as such without a message. */
uint64_t servers_rate(const json_t *server, usec_t now, unsigned minutes)
{
    const json_t *rates = json_object_get(server, "rates"), *sent = json_object_get(rates, "sent");
    uint64_t first = (uint64_t)servers_number(rates, "minute"), n = 0;
    uint64_t passed = now / USEC_PER_MINUTE - MIN(first, now / USEC_PER_MINUTE);

    for (size_t i = 0; i + passed < minutes && i < json_array_size(sent); i++)
        n += (uint64_t)json_integer_value(json_array_get(sent, i));
    return n;
}

/* Whoever answers says so: one of a former version does not. When one that does not answer gave its
 * last sign of life is told with what it said then. */
static int await_answer(Servers *servers, size_t i, usec_t asked)
{
    json_t *state = servers->live[i];
    usec_t silent = json_is_true(json_object_get(state, "answers"))
                        ? presence_await_answer(servers->spool, servers->place[i], asked)
                        : 0;

    servers->silent[i] = silent;
    if (silent > 0 && json_object_set_new(state, "answers", json_false()) < 0)
        return -ENOMEM;
    return json_object_set_new(state, "silent_since", json_time(silent)) < 0 ? -ENOMEM : 0;
}

/* All were asked by having been read, and are waited for together. */
static int await_answers(Servers *servers)
{
    usec_t asked = clock_monotonic();
    int r = 0;

    for (size_t i = 0; i < servers->n && r >= 0; i++)
        r = await_answer(servers, i, asked);
    return r;
}

/* Who was only passing is no daemon that has ended. */
static void add_dead(Servers *servers, json_t *state)
{
    if (json_is_true(json_object_get(state, "passing"))) {
        json_decref(state);
        return;
    }
    if (!servers->last || servers_time(servers->last, "time") < servers_time(state, "time")) {
        json_decref(servers->last);
        servers->last = state;
    } else {
        json_decref(state);
    }
}

static bool has_no_room(const Spool *spool)
{
    struct statvfs fs;

    return fstatvfs(spool_directory_fd(spool), &fs) == 0 &&
           (fs.f_bavail == 0 || (fs.f_files > 0 && fs.f_favail == 0));
}

int servers_look(const Spool *spool, Servers *ret)
{
    _cleanup_buffer_ Buffer text = {0};
    int r;

    *ret = (Servers){.spool = spool};
    for (unsigned i = 0; i < PRESENCE_MAX; i++) {
        bool lives = false;
        json_t *state = NULL;

        r = presence_look(spool, i, &text, &lives);
        if (r >= 0)
            state = json_loadb(buffer_data(&text), buffer_size(&text), 0, NULL);
        if (json_is_object(state) && lives) {
            ret->place[ret->n] = i;
            ret->live[ret->n++] = state;
        } else if (json_is_object(state)) {
            add_dead(ret, state);
        } else {
            json_decref(state);
        }
        if (r == -ENOMEM)
            break;
    }
    if (r != -ENOMEM)
        r = await_answers(ret);
    if (r < 0) {
        servers_done(ret);
        return r;
    }
    ret->looked = clock_realtime();
    ret->unknown = ret->n == 0 && presence_is_anybody(spool);
    ret->full = has_no_room(spool);
    return 0;
}

void servers_done(Servers *servers)
{
    for (size_t i = 0; i < servers->n; i++)
        json_decref(servers->live[i]);
    json_decref(servers->last);
    *servers = (Servers){0};
}

/* ---- what a message waits for ---- */

const char *waits_for_name(WaitsFor what)
{
    static const char *const names[] = {
        "nothing", "turn", "time", "operator", "relay", "machine", "daemon"};

    return (size_t)what < ELEMENTSOF(names) ? names[what] : "unknown";
}

static int set(Waiting *ret, WaitsFor what, usec_t until, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int set(Waiting *ret, WaitsFor what, usec_t until, const char *format, ...)
{
    va_list arguments;
    int r;

    *ret = (Waiting){.what = what, .until = until};
    va_start(arguments, format);
    r = vasprintf(&ret->text, format, arguments);
    va_end(arguments);
    if (r < 0)
        ret->text = NULL;
    return r < 0 ? -ENOMEM : 0;
}

#define DISK_IS_FULL "the file system of the queue directory is full; make room there: df, df -i"

/* Of those who deliver, and could not say how they are. */
static int wait_for_unknown(const Servers *servers, Waiting *ret)
{
    long pid = presence_find_process(servers->spool);
    char who[40] = "a process";

    if (pid > 0)
        snprintf(who, sizeof(who), "process %ld", pid);
    if (servers->full)
        return set(ret, WAITS_FOR_MACHINE, 0,
            "%s delivers from the directory, and could not write down how it is: " DISK_IS_FULL,
            who);
    if (presence_has_no_place(servers->spool))
        return set(ret, WAITS_FOR_TURN, 0,
            "%s delivers from the directory, and could not write down how it is: .state-1 to "
            ".state-%d there are directories; remove them, and it makes a file of its own",
            who, PRESENCE_MAX);
    return set(ret, WAITS_FOR_TURN, 0,
        "%s delivers from the directory, and could not write down how it is: see that its user may "
        "create files there, and `journalctl -u outboxd`",
        who);
}

static int wait_for_daemon(const Servers *servers, Waiting *ret)
{
    const char *ended = servers->last ? servers_text(servers->last, "time") : NULL;

    if (servers->unknown)
        return wait_for_unknown(servers, ret);
    if (servers->database)
        return set(ret, WAITS_FOR_DAEMON, 0,
            "no daemon delivers from this database; start one: systemctl start outboxd, and see "
            "that its spool.database is this one");
    if (!ended)
        return set(ret, WAITS_FOR_DAEMON, 0,
            "no daemon has ever delivered from this directory; start it: systemctl start outboxd, "
            "and see that its spool.directory is this one");
    return set(ret, WAITS_FOR_DAEMON, 0,
        "no daemon runs; the last one was heard of at %s%s; start it: systemctl start outboxd",
        ended,
        json_is_true(json_object_get(servers->last, "stopping"))
            ? ", when it was stopped"
            : ", and has died since: `journalctl -u outboxd` says more");
}

/* Whether it is to take nothing for now, as far as was said. */
static bool is_restrained(const json_t *relay)
{
    return servers_time(json_object_get(relay, "restrained"), "until") > clock_realtime();
}

static bool is_useless(const json_t *relay)
{
    const char *state = servers_text(relay, "state") ?: "";

    return strcmp(state, "held") == 0 || strcmp(state, "probing") == 0 ||
           json_is_true(json_object_get(relay, "silent")) || is_restrained(relay);
}

/* The relay that can be used first, of a server none of whose relays can be used; else NULL. */
static const json_t *find_useless(const json_t *server)
{
    const json_t *relay, *first = NULL, *relays = json_object_get(server, "relays");
    size_t i;

    json_array_foreach(relays, i, relay)
    {
        if (!is_useless(relay))
            return NULL;
        if (!first || servers_time(relay, "until") < servers_time(first, "until"))
            first = relay;
    }
    return first;
}

/* "stage rcpt: 451 4.2.0 full", which the caller frees; NULL without memory. */
static char *describe_fault(const json_t *fault)
{
    const char *enhanced = servers_text(fault, "enhanced") ?: "";
    int code = (int)servers_number(fault, "code");
    char codes[40] = "", *text;

    if (code > 0)
        snprintf(codes, sizeof(codes), "%d %s%s", code, enhanced, *enhanced ? " " : "");
    return asprintf(&text, "stage %s: %s%s", servers_text(fault, "stage") ?: "?", codes,
               servers_text(fault, "text") ?: "?") < 0
               ? NULL
               : text;
}

/* A try that gets no further: what it waits for now is of more use than what the last one met with.
 */
static int wait_for_wait(const json_t *relay, const json_t *waits, const char *fault, Waiting *ret)
{
    const char *what = servers_text(waits, "for"), *advice = servers_text(waits, "hint");

    return set(ret, WAITS_FOR_RELAY, 0, "relay %s is %snot of use yet, stage %s%s%s%s%s%s%s",
        servers_text(relay, "name") ?: "?",
        text_equal(servers_text(relay, "state"), "probing") ? "being tried again, and " : "",
        servers_text(waits, "stage"), what ? ", where what is waited for is " : "", what ?: "",
        advice ? "; " : "", advice ?: "", fault ? "; before that, " : "", fault ?: "");
}

static int wait_for_room(const json_t *relay, Waiting *ret)
{
    const json_t *restrained = json_object_get(relay, "restrained");

    return set(ret, WAITS_FOR_RELAY, servers_time(restrained, "until"),
        "relay %s is to take no message before %s: %s", servers_text(relay, "name") ?: "?",
        servers_text(restrained, "until"), servers_text(restrained, "text") ?: "?");
}

static int wait_for_relay(const json_t *relay, Waiting *ret)
{
    const json_t *fault = json_object_get(relay, "fault"), *waits = json_object_get(relay, "waits");
    const char *until = servers_text(relay, "until"), *name = servers_text(relay, "name") ?: "?";
    const char *hint = servers_text(fault, "hint");
    bool held = text_equal(servers_text(relay, "state"), "held");
    bool tried = text_equal(servers_text(relay, "state"), "probing");
    _cleanup_free_
    char *said = json_is_object(fault) ? describe_fault(fault) : NULL;

    if (json_is_object(fault) && !said)
        return -ENOMEM;
    if (is_restrained(relay) && !held && !tried)
        return wait_for_room(relay, ret);
    if (servers_text(waits, "stage") && !held) /* connections of before may hang while it is held */
        return wait_for_wait(relay, waits, said, ret);
    if (!said || !(held || tried))
        return set(ret, WAITS_FOR_RELAY, 0, "relay %s is waited for and says nothing", name);
    return set(ret, WAITS_FOR_RELAY, servers_time(relay, "until"), "relay %s %s%s, %s%s%s", name,
        held ? "is on hold until " : "is being tried again", held && until ? until : "", said,
        hint ? "; " : "", hint ?: "");
}

/* It cannot be told from one that is stopped what it hangs in. */
static int wait_for_answer(const Servers *servers, size_t i, Waiting *ret)
{
    char span[SPAN_MAX];

    span_format(clock_age(servers->silent[i], servers->looked), span);
    if (servers->database)
        return set(ret, WAITS_FOR_DAEMON, 0,
            "the lease of the daemon on %s ended %s ago: it is stopped, hangs, or does not reach "
            "the database; what it held goes to the next one that is started",
            servers_text(servers->live[i], "machine"), span);
    return set(ret, WAITS_FOR_DAEMON, 0,
        "the daemon (process %lld) does not answer, and gave its last sign of life %s ago: it is "
        "stopped, or hangs; `systemctl restart outboxd` starts it anew",
        servers_number(servers->live[i], "pid"), span);
}

/* 1: this server keeps it waiting for a reason of its own; 0: it does not; or -ENOMEM. */
static int wait_for_server(const Servers *servers, size_t i, Waiting *ret)
{
    const json_t *server = servers->live[i];
    const json_t *pause = json_object_get(server, "pause"), *relay = find_useless(server);
    int r = 0;

    if (servers->silent[i] > 0)
        r = wait_for_answer(servers, i, ret);
    else if (json_is_object(pause))
        r = set(ret, WAITS_FOR_MACHINE, servers_time(pause, "until"), "%s",
            servers_text(pause, "text") ?: "the daemon could not go on");
    else if (json_is_true(json_object_get(server, "stopping")))
        r = set(ret, WAITS_FOR_DAEMON, 0, "the daemon is stopping");
    else if (relay)
        r = wait_for_relay(relay, ret);
    else
        return 0;
    return r < 0 ? r : 1;
}

/* As long as one of them goes on, the others do not matter. */
static int wait_for_servers(const Servers *servers, Waiting *ret)
{
    Waiting first = {0};

    if (servers->n == 0)
        return wait_for_daemon(servers, ret);
    for (size_t i = 0; i < servers->n; i++) {
        Waiting one = {0};
        int r = wait_for_server(servers, i, &one);

        if (r > 0 && !first.text) {
            first = one;
            continue;
        }
        waiting_done(&one);
        if (r < 0) {
            waiting_done(&first);
            return r;
        }
        if (r == 0) {
            waiting_done(&first);
            *ret = (Waiting){.what = WAITS_FOR_TURN};
            return 0;
        }
    }
    *ret = first;
    return 0;
}

/* What a server has met with in that message; else NULL. */
static const json_t *find_problem(const Servers *servers, const char *id)
{
    for (size_t i = 0; i < servers->n; i++) {
        const json_t *problem, *problems = json_object_get(servers->live[i], "problems");
        size_t n;

        json_array_foreach(
            problems, n, problem) if (text_equal(servers_text(problem, "id"), id)) return problem;
    }
    return NULL;
}

static bool is_all_silent(const Servers *servers)
{
    for (size_t i = 0; i < servers->n; i++)
        if (servers->silent[i] == 0)
            return false;
    return servers->n > 0;
}

/* Whether all who deliver have it, if they have, for relays of which none is of use yet, or is
 * known to be again. */
static bool is_waiting_for_relays(const Servers *servers)
{
    for (size_t i = 0; i < servers->n; i++) {
        const json_t *relay = find_useless(servers->live[i]);

        if (!servers_text(json_object_get(relay, "waits"), "stage") &&
            !text_equal(servers_text(relay, "state"), "probing"))
            return false;
    }
    return servers->n > 0;
}

/* A message that is `.sending` while nobody is known to deliver: by `outbox process`, or by a
 * process that has died. A living one takes care of what others have left. */
static int wait_for_sender(const Servers *servers, const char *id, Waiting *ret)
{
    Waiting daemon = {0};
    int r;

    if (is_all_silent(servers))
        return wait_for_answer(servers, 0, ret);
    if (is_waiting_for_relays(servers))
        return wait_for_servers(servers, ret);
    if (servers->full && (servers->n > 0 || servers->unknown))
        return set(ret, WAITS_FOR_MACHINE, 0,
            "what becomes of it may not be written down at present: " DISK_IS_FULL);
    if (servers->unknown)
        return wait_for_unknown(servers, ret);
    if (!id || servers->n > 0 || !servers->spool || !spool_is_abandoned(servers->spool, id))
        return 0;
    r = wait_for_daemon(servers, &daemon);
    if (r >= 0)
        r = set(ret, daemon.what, 0, "the process that was sending it has died; %s", daemon.text);
    waiting_done(&daemon);
    return r;
}

int waiting_find(
    const Servers *servers, const char *id, SpoolState state, usec_t next, usec_t now, Waiting *ret)
{
    const json_t *problem = id ? find_problem(servers, id) : NULL;

    *ret = (Waiting){0};
    if (state == SPOOL_HELD)
        return set(ret, WAITS_FOR_OPERATOR, 0, "somebody put it aside: outbox release");
    if (problem && state != SPOOL_FAILED && state != SPOOL_SENT)
        return set(ret, WAITS_FOR_MACHINE, 0, "%s", servers_text(problem, "text") ?: "?");
    if (state == SPOOL_SENDING)
        return wait_for_sender(servers, id, ret);
    if (state != SPOOL_QUEUED && state != SPOOL_DEFERRED)
        return 0;
    if (next <= now || servers->n == 0 || is_all_silent(servers))
        return wait_for_servers(servers, ret);
    if (state == SPOOL_QUEUED)
        return set(ret, WAITS_FOR_TIME, next,
            "whoever queued it wants it to go then (X-Outbox-Not-Before); `outbox retry` sends it "
            "now");
    ret->what = WAITS_FOR_TIME;
    ret->until = next;
    return 0;
}

void waiting_done(Waiting *waiting)
{
    free(waiting->text);
    waiting->text = NULL;
}

json_t *waiting_to_json(const Waiting *waiting)
{
    return json_pack("{s:s, s:o, s:o}", "for", waits_for_name(waiting->what), "until",
        json_time(waiting->until), "text", json_text(waiting->text));
}
