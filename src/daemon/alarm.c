/* When there is an alarm, and who is told. Must never keep an idle daemon awake, nor run the
 * command more often than it may be. */
#include "daemon/alarm.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/text.h"
#include "daemon/alarm_job.h"
#include "daemon/events.h"
#include "queue/timer.h"

#define LOOK_MIN (USEC_PER_SEC / 4)
#define LOOK_MAX USEC_PER_MINUTE
#define RELAYS_MAX 64
#define INPUT_MAX ((size_t)32 * 1024) /* a shell takes an argument four times as long */
#define TEXT_MAX 300
#define AGAIN_AFTER (10 * USEC_PER_SEC) /* behind a run that failed, whatever the pause is */

typedef enum AlarmKind { ALARM_WAITING, ALARM_RELAY, ALARM_KIND_MAX } AlarmKind;

static const char *const kind_names[] = {[ALARM_WAITING] = "waiting", [ALARM_RELAY] = "relay"};

/* A job that is waited for. */
typedef struct Task {
    Job *job;
    sd_event_source *ended;
} Task;

/* A relay that is at fault, by its name: others may stand in its place after a reload. */
typedef struct RelayFault {
    char *name;   /* NULL: none */
    usec_t since; /* monotonic: held since then; 0: not */
    bool late;    /* for too long, and it has not been of use since */
} RelayFault;

struct Alarm {
    sd_event *loop;
    Worker *worker;
    Log *log;
    Config *config;
    Queue *queue;
    AlarmChanged changed;
    void *user;
    sd_event_source *look;   /* armed while there is something to look at */
    sd_event_source *resume; /* armed while the command waits for its pause */
    Task search, run;
    RelayFault faults[RELAYS_MAX];
    bool away;                    /* it is the database for which ALARM_WAITING has begun */
    char *texts[ALARM_KIND_MAX];  /* of alarms that have begun; NULL: none */
    usec_t since[ALARM_KIND_MAX]; /* realtime: then */
    Buffer input;                 /* lines that the command has not been told */
    Buffer telling;               /* those that it was started with, until it has taken them */
    unsigned left_out;            /* for which there was no room */
    uint64_t begun;               /* alarms, since the start */
    usec_t ran;                   /* monotonic: the command was started last; 0: never */
};

static void task_done(Task *task)
{
    (void)sd_event_source_disable_unref(task->ended);
    (void)job_free(task->job);
    *task = (Task){0};
}

static void task_wait(Alarm *a, Task *task, sd_event_io_handler_t handler)
{
    if (sd_event_add_io(a->loop, &task->ended, job_fd(task->job), EPOLLIN, handler, a) < 0)
        task_done(task);
}

/* ---- the command ---- */

static unsigned count_lines(const Buffer *text)
{
    unsigned n = 0;

    for (size_t i = 0; i < buffer_size(text); i++)
        n += *(const char *)buffer_at(text, i) == '\n';
    return n;
}

/* The command has failed: what it was told goes before what has happened since. Where there is no
 * room for both, the older lines are counted. */
static void tell_again(Alarm *a)
{
    bool fits = buffer_size(&a->telling) + buffer_size(&a->input) <= INPUT_MAX;
    Buffer since = a->input;

    if (!fits || buffer_append(&a->telling, buffer_data(&since), buffer_size(&since)) < 0) {
        a->left_out += count_lines(&a->telling);
        return;
    }
    a->input = a->telling;
    a->telling = since;
}

static int on_run_ended(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    Alarm *a = user;
    const Failure *failure;
    bool failed = alarm_job_result(a->run.job, &failure) < 0;

    if (failed) {
        event_problem(a->log, &(ProblemReport){.failure = failure});
        tell_again(a);
    }
    buffer_clear(&a->telling);
    task_done(&a->run);
    if (buffer_size(&a->input) > 0)
        timer_arm(a->resume, failed ? AGAIN_AFTER : 0);
    return 0;
}

static void tell_left_out(Alarm *a)
{
    if (a->left_out > 0)
        (void)buffer_appendf(&a->input, "{\"alarm\": \"left-out\", \"count\": %u}\n", a->left_out);
    a->left_out = 0;
}

/* What happens while it runs, or in its pause, it is told together. */
static void run_command(Alarm *a)
{
    const AlarmConfig *config = &a->config->alarm;
    usec_t now = clock_monotonic();
    Buffer since;

    if (!config->command || buffer_size(&a->input) == 0 || a->run.job)
        return;
    if (a->ran > 0 && now < usec_add(a->ran, config->pause)) {
        timer_arm(a->resume, usec_add(a->ran, config->pause) - now);
        return;
    }
    tell_left_out(a);
    a->ran = now;
    if (alarm_job_run(a->worker, config->command, &a->input, &a->run.job) < 0)
        return;
    since = a->telling;
    a->telling = a->input;
    a->input = since;
    buffer_clear(&a->input);
    task_wait(a, &a->run, on_run_ended);
}

static int on_resume(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    run_command(user);
    return 0;
}

/* As `outbox list --json` has it: as it is, unless it is no UTF-8. */
static char *name_id(const char *id)
{
    size_t n = strlen(id);

    return text_is_utf8(id, n) ? strdup(id) : text_printable_whole(id, n);
}

/* {"time": "...", "alarm": "relay", "state": "begins", "text": "..."} */
static void tell_command(
    Alarm *a, const char *kind, const char *state, const char *id, const char *text)
{
    char time[RFC3339_MAX];
    _cleanup_free_
    char *printable = text_printable(text, strlen(text), TEXT_MAX), *line = NULL;
    _cleanup_free_
    char *name = id ? name_id(id) : NULL;
    json_t *json;

    if (!a->config->alarm.command || !printable)
        return;
    if (buffer_size(&a->input) >= INPUT_MAX) {
        a->left_out++;
        return;
    }
    json = json_pack("{s:s, s:s, s:s*, s:s*, s:s}", "time",
        clock_format_rfc3339(clock_realtime(), time), "alarm", kind, "state", state, "id", name,
        "text", printable);
    line = json ? json_dumps(json, 0) : NULL;
    json_decref(json);
    if (line && buffer_appendf(&a->input, "%s\n", line) >= 0)
        run_command(a);
}

/* ---- alarms that begin and end ---- */

static void begin(Alarm *a, AlarmKind kind, const char *text)
{
    if (a->texts[kind])
        return;
    a->texts[kind] = strdup(text);
    if (!a->texts[kind])
        return;
    a->since[kind] = clock_realtime();
    a->begun++;
    event_alarm(a->log, kind_names[kind], true, text);
    tell_command(a, kind_names[kind], "begins", NULL, text);
    a->changed(a->user);
}

static void end(Alarm *a, AlarmKind kind)
{
    _cleanup_free_
    char *text = TAKE_PTR(a->texts[kind]);

    if (!text)
        return;
    event_alarm(a->log, kind_names[kind], false, text);
    tell_command(a, kind_names[kind], "ends", NULL, text);
    a->changed(a->user);
}

/* Where, and with what words: "stage auth: 535 no". */
static void tell_relay(const EngineRelay *relay, const char *span, char *text, size_t size)
{
    const DeliveryOutcome *fault = relay->fault;
    char code[16] = "";

    if (fault && fault->code > 0)
        (void)snprintf(code, sizeof(code), "%d ", fault->code);
    (void)snprintf(text, size, "relay %s could not be used for %s%s%s%s%s%s", relay->config->name,
        span ?: "too long", fault ? ", stage " : "", fault ? delivery_stage_name(fault->stage) : "",
        fault ? ": " : "", code, fault && fault->text ? fault->text : "");
}

/* What is known of it, which is taken from there. */
static RelayFault take_fault(Alarm *a, const char *name)
{
    for (size_t i = 0; i < RELAYS_MAX; i++)
        if (text_equal(a->faults[i].name, name)) {
            RelayFault fault = a->faults[i];

            a->faults[i] = (RelayFault){0};
            return fault;
        }
    return (RelayFault){.name = strdup(name)};
}

/* One whose hold is over, and which nobody has tried since, may work: that begins no alarm, and
 * ends none. */
static void judge(const Alarm *a, const EngineRelay *relay, usec_t now, RelayFault *fault)
{
    usec_t limit = a->config->alarm.relay_after;
    bool held = relay->at_fault && strcmp(relay->state, "hold-over") != 0;

    fault->since = !held ? 0 : fault->since > 0 ? fault->since : now;
    fault->late =
        limit > 0 && relay->at_fault && (fault->late || (held && now - fault->since >= limit));
}

static void free_faults(Alarm *a)
{
    for (size_t i = 0; i < RELAYS_MAX; i++)
        free(a->faults[i].name);
}

static void look_at_relays(Alarm *a, usec_t now)
{
    RelayFault faults[RELAYS_MAX] = {0};
    EngineRelay relay;
    char text[TEXT_MAX];
    bool late = false;

    for (size_t i = 0; i < RELAYS_MAX && queue_relay(a->queue, i, &relay); i++) {
        _cleanup_free_
        char *span = NULL;

        faults[i] = take_fault(a, relay.config->name);
        judge(a, &relay, now, &faults[i]);
        if (!faults[i].late || late)
            continue;
        late = true;
        span = text_format_duration(a->config->alarm.relay_after);
        tell_relay(&relay, span, text, sizeof(text));
        begin(a, ALARM_RELAY, text);
    }
    free_faults(a);
    memcpy(a->faults, faults, sizeof(faults));
    if (!late)
        end(a, ALARM_RELAY);
}

/* By the one that has waited longest; 0: none waits. */
static void judge_waiting(Alarm *a, const char *id, usec_t waited)
{
    usec_t limit = a->config->alarm.after;
    _cleanup_free_
    char *span = text_format_duration(limit);
    char text[TEXT_MAX];

    if (limit > 0 && waited >= limit) {
        (void)snprintf(text, sizeof(text), "message %s has waited for %s", id, span ?: "too long");
        begin(a, ALARM_WAITING, text);
    } else {
        end(a, ALARM_WAITING);
    }
}

static int on_searched(
    _unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *user)
{
    Alarm *a = user;
    const AlarmOldest *oldest = alarm_job_oldest(a->search.job);

    judge_waiting(
        a, oldest->id, oldest->arrival > 0 ? clock_age(oldest->arrival, clock_realtime()) : 0);
    task_done(&a->search);
    return 0;
}

/* What waits in a database that cannot be used is not seen: that it cannot is what is told. */
static void judge_away(Alarm *a, usec_t away)
{
    _cleanup_free_
    char *span = text_format_duration(a->config->alarm.after);
    char text[TEXT_MAX];

    if (away < a->config->alarm.after || a->texts[ALARM_WAITING])
        return;
    (void)snprintf(text, sizeof(text), "the database could not be used for %s", span ?: "too long");
    begin(a, ALARM_WAITING, text);
    a->away = true;
}

/* The answer is that of the last time. What another daemon tells of is not told here, too. */
static void look_at_database(Alarm *a, const DatabaseOldest *oldest)
{
    char id[24];

    if (oldest->away > 0) {
        judge_away(a, oldest->away);
        return;
    }
    if (a->away)
        end(a, ALARM_WAITING);
    a->away = false;
    if (!oldest->known)
        return;
    (void)snprintf(id, sizeof(id), "%lld", (long long)oldest->message);
    judge_waiting(a, id, oldest->watches && oldest->message > 0 ? oldest->waited : 0);
}

/* ---- looking ---- */

/* Four times in the shortest time that there is an alarm after. */
static usec_t period(const AlarmConfig *config)
{
    usec_t shortest = USEC_NEVER;

    if (config->after > 0)
        shortest = MIN(shortest, config->after / 4);
    if (config->relay_after > 0)
        shortest = MIN(shortest, config->relay_after / 4);
    return MIN(MAX(shortest, LOOK_MIN), LOOK_MAX);
}

static bool has_something(const Alarm *a)
{
    EngineStatistics statistics;

    if (a->config->spool.database && a->config->alarm.after > 0)
        return true; /* what waits there may be nobody's yet */
    (void)queue_statistics(a->queue, &statistics);
    return a->texts[ALARM_WAITING] || a->texts[ALARM_RELAY] || statistics.relays_held > 0 ||
           statistics.waiting + statistics.in_flight + statistics.deferred_waiting > 0;
}

static void look_at_messages(Alarm *a)
{
    DatabaseOldest oldest;

    if (a->config->alarm.after == 0)
        end(a, ALARM_WAITING);
    else if (a->search.job)
        return;
    else if (queue_oldest(a->queue, period(&a->config->alarm), &oldest))
        look_at_database(a, &oldest);
    else if (alarm_job_look(a->worker, a->config->spool.directory, &a->search.job) >= 0)
        task_wait(a, &a->search, on_searched);
}

static int on_look(_unused_ sd_event_source *source, _unused_ usec_t now, void *user)
{
    Alarm *a = user;

    look_at_relays(a, clock_monotonic());
    look_at_messages(a);
    if (has_something(a))
        alarm_note(a);
    return 0;
}

void alarm_note(Alarm *a)
{
    const AlarmConfig *config = &a->config->alarm;

    if (config->after > 0 || config->relay_after > 0 || a->texts[ALARM_WAITING] ||
        a->texts[ALARM_RELAY])
        timer_arm(a->look, period(config));
}

void alarm_note_message(Alarm *a, const MessageReport *report)
{
    if (report->change == MESSAGE_FAILED)
        tell_command(a, "failed", NULL, report->id, report->text ?: "no reason is known");
}

const char *alarm_text(const Alarm *a)
{
    return a ? a->texts[ALARM_RELAY] ?: a->texts[ALARM_WAITING] : NULL;
}

uint64_t alarm_count_begun(const Alarm *a)
{
    return a ? a->begun : 0;
}

bool alarm_at(const Alarm *a, size_t place, AlarmView *ret)
{
    for (AlarmKind kind = 0; a && kind < ALARM_KIND_MAX; kind++) {
        if (!a->texts[kind] || place-- > 0)
            continue;
        *ret = (AlarmView){kind_names[kind], a->texts[kind], a->since[kind]};
        return true;
    }
    return false;
}

/* ---- its life ---- */

void alarm_configure(Alarm *a, Config *config)
{
    Config *former = a->config;

    a->config = config_ref(config);
    (void)config_unref(former);
    timer_disarm(a->look);
    alarm_note(a);
}

int alarm_new(sd_event *loop, Worker *worker, Log *log, Config *config, Queue *queue,
    AlarmChanged changed, void *user, Alarm **ret)
{
    _cleanup_(alarm_free_p) Alarm *a = calloc(1, sizeof(*a));
    int r;

    if (!a)
        return -ENOMEM;
    a->loop = loop;
    a->worker = worker_ref(worker);
    a->log = log;
    a->config = config_ref(config);
    a->queue = queue;
    a->changed = changed;
    a->user = user;
    r = timer_new(loop, on_look, a, &a->look);
    if (r >= 0)
        r = timer_new(loop, on_resume, a, &a->resume);
    if (r < 0)
        return r;
    if (config->spool.database)
        alarm_note(a);
    *ret = TAKE_PTR(a);
    return 0;
}

void alarm_free(Alarm *a)
{
    if (!a)
        return;
    task_done(&a->search);
    task_done(&a->run);
    (void)sd_event_source_disable_unref(a->look);
    (void)sd_event_source_disable_unref(a->resume);
    for (AlarmKind kind = 0; kind < ALARM_KIND_MAX; kind++)
        free(a->texts[kind]);
    free_faults(a);
    buffer_done(&a->input);
    buffer_done(&a->telling);
    (void)worker_unref(a->worker);
    (void)config_unref(a->config);
    free(a);
}
