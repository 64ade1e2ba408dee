/* What follows for a message from what the processes that deliver say of themselves. Must never say
 * that mail goes on where nobody is known to deliver it. */
#include "tool/waiting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "tool/json.h"
#include "tool/message_ways.h"
#include "tool/span.h"

const char *waits_for_name(WaitsFor what)
{
    static const char *const names[] = {
        "nothing", "turn", "time", "operator", "lane", "relay", "machine", "daemon"};

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

static usec_t useless_until(const json_t *relay)
{
    usec_t restrained =
        is_restrained(relay) ? servers_time(json_object_get(relay, "restrained"), "until") : 0;

    return MAX(servers_time(relay, "until"), restrained);
}

/* Of these relays (a bit is a place) the one that can be used first, where none can be now; else
 * NULL. */
static const json_t *find_useless_of(const json_t *server, uint64_t of)
{
    const json_t *relay, *first = NULL, *relays = json_object_get(server, "relays");
    size_t i;

    json_array_foreach(relays, i, relay)
    {
        if (i < ROUTES_RELAYS_MAX && !(of >> i & 1))
            continue;
        if (!is_useless(relay))
            return NULL;
        if (!first || useless_until(relay) < useless_until(first))
            first = relay;
    }
    return first;
}

static bool has_useless(const json_t *server)
{
    const json_t *relay, *relays = json_object_get(server, "relays");
    size_t i;

    json_array_foreach(relays, i, relay) if (is_useless(relay)) return true;
    return false;
}

/* Of a message whose recipients go several ways, NULL as long as one of them is open. */
static const json_t *find_useless_way(const json_t *server, const MessageWays *ways)
{
    const json_t *first = NULL;

    for (size_t i = 0; i < ways->n; i++) {
        const json_t *relay = find_useless_of(server, ways->relays[i]);

        if (!relay)
            return NULL;
        if (!first || useless_until(relay) < useless_until(first))
            first = relay;
    }
    return first;
}

/* The relay that a message waits for at that server, or with NULL all messages; NULL: it need not.
 * 0 or -ENOMEM. */
static int find_useless(
    const Servers *servers, size_t i, const char *id, SpoolState state, const json_t **ret)
{
    const json_t *server = servers->live[i];
    _cleanup_(message_ways_done) MessageWays ways = {0};
    int r = 0;

    *ret = NULL;
    if (!has_useless(server))
        return 0;
    if (id && servers->spool && servers->by_rules[i])
        r = message_ways_find(servers->spool, id, state, servers->by_rules[i]->rules, &ways);
    if (r == -ENOMEM)
        return r;
    *ret = ways.relays ? find_useless_way(server, &ways) : find_useless_of(server, UINT64_MAX);
    return 0;
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

static int explain_relay(const json_t *relay, Waiting *ret)
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

static int wait_for_relay(const json_t *relay, Waiting *ret)
{
    int r = explain_relay(relay, ret);

    if (r < 0)
        return r;
    ret->relay = strdup(servers_text(relay, "name") ?: "?");
    return ret->relay ? 0 : -ENOMEM;
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
static int wait_for_server(
    const Servers *servers, size_t i, const char *id, SpoolState state, Waiting *ret)
{
    const json_t *server = servers->live[i];
    const json_t *pause = json_object_get(server, "pause"), *relay;
    int r = find_useless(servers, i, id, state, &relay);

    if (r < 0)
        return r;
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
static int wait_for_servers(const Servers *servers, const char *id, SpoolState state, Waiting *ret)
{
    Waiting first = {0};

    if (servers->n == 0)
        return wait_for_daemon(servers, ret);
    for (size_t i = 0; i < servers->n; i++) {
        Waiting one = {0};
        int r = wait_for_server(servers, i, id, state, &one);

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
 * known to be again. 1, 0 or -ENOMEM. */
static int is_waiting_for_relays(const Servers *servers, const char *id, SpoolState state)
{
    for (size_t i = 0; i < servers->n; i++) {
        const json_t *relay;
        int r = find_useless(servers, i, id, state, &relay);

        if (r < 0)
            return r;
        if (!servers_text(json_object_get(relay, "waits"), "stage") &&
            !text_equal(servers_text(relay, "state"), "probing"))
            return 0;
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
    r = is_waiting_for_relays(servers, id, SPOOL_SENDING);
    if (r != 0)
        return r < 0 ? r : wait_for_servers(servers, id, SPOOL_SENDING, ret);
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

/* The lane as that server has it; NULL: it has nothing to say of it. */
static const json_t *find_lane(const json_t *server, const char *name)
{
    const json_t *lane, *lanes = json_object_get(server, "lanes");
    size_t i;

    json_array_foreach(lanes, i, lane)
    {
        const char *has = servers_text(lane, "name");

        if (has && text_equal_nocase(has, name))
            return lane;
    }
    return NULL;
}

/* 1: this lane keeps its messages waiting there; 0: it does not; or -ENOMEM. */
static int wait_in_lane(const json_t *lane, Waiting *ret)
{
    const json_t *restrained = json_object_get(lane, "restrained");
    const char *name = servers_text(lane, "name");
    long long connections = servers_number(lane, "connections");
    int r = 0;

    if (servers_time(restrained, "until") > clock_realtime())
        r = set(ret, WAITS_FOR_LANE, servers_time(restrained, "until"),
            "lane %s is to send no message before %s: %s", name, servers_text(restrained, "until"),
            servers_text(restrained, "text") ?: "?");
    else if (connections > 0 && servers_number(lane, "sending") >= connections)
        r = set(ret, WAITS_FOR_LANE, 0,
            "as many messages of lane %s are being sent as may be at a time (connections = %lld)",
            name, connections);
    else
        return 0;
    return r < 0 ? r : 1;
}

/* As long as one server lets it go on, it waits for its turn. */
static int wait_for_lane(const Servers *servers, const char *name, Waiting *ret)
{
    Waiting first = {0};
    int r = servers->n > 0;

    for (size_t i = 0; i < servers->n && r > 0; i++) {
        const json_t *lane = find_lane(servers->live[i], name);
        Waiting one = {0};

        r = lane ? wait_in_lane(lane, &one) : 0;
        if (r > 0 && !first.text)
            first = one;
        else
            waiting_done(&one);
    }
    if (r > 0)
        *ret = first;
    else
        waiting_done(&first);
    return MIN(r, 0);
}

static int wait_for_anybody(
    const Servers *servers, const char *id, const char *lane, SpoolState state, Waiting *ret)
{
    int r = wait_for_servers(servers, id, state, ret);

    return r < 0 || !lane || ret->what != WAITS_FOR_TURN ? r : wait_for_lane(servers, lane, ret);
}

int waiting_find(const Servers *servers, const char *id, const char *lane, SpoolState state,
    usec_t next, usec_t now, Waiting *ret)
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
        return wait_for_anybody(servers, id, lane, state, ret);
    if (state == SPOOL_QUEUED)
        return set(ret, WAITS_FOR_TIME, next,
            "whoever queued it wants it to go then (X-Outbox-Not-Before); `outbox retry` sends it "
            "now");
    ret->what = WAITS_FOR_TIME;
    ret->until = next;
    return 0;
}

int waiting_find_of(const Servers *servers, const Inspection *message, usec_t now, Waiting *ret)
{
    int r =
        waiting_find(servers, message->id, message->lane, message->state, message->next, now, ret);

    if (r < 0 || ret->what != WAITS_FOR_TURN || message->declined <= now)
        return r;
    return set(ret, WAITS_FOR_RELAY, message->declined,
        "no daemon has a relay for it at present, by the rules of routes or their rates (of "
        "several daemons the first alone sends what has more recipients, or transactions, than "
        "the part of each); "
        "those that come are asked at once, and all again then");
}

void waiting_done(Waiting *waiting)
{
    free(waiting->text);
    free(waiting->relay);
    *waiting = (Waiting){0};
}

json_t *waiting_to_json(const Waiting *waiting)
{
    return json_pack("{s:s, s:o, s:o, s:o}", "for", waits_for_name(waiting->what), "relay",
        json_text(waiting->relay), "until", json_time(waiting->until), "text",
        json_text(waiting->text));
}
