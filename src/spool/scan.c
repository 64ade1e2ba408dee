/* Reading a record's lines. Must never take a line for more than it says: what cannot be understood
 * is skipped. */
#include "spool/scan.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/text.h"
#include "spool/internal.h"
#include "spool/losses.h"

/* ---- one line ---- */

bool record_line_is_deferred(const char *data, size_t n)
{
    static const char start[] = "{\"time\":\"", event[] = "\",\"event\":\"deferred\",";
    size_t time = strlen("2026-01-02T03:04:05.678901Z");
    size_t at = strlen(start) + time, end = at + strlen(event);

    return n > end && data[n - 1] == '}' && memcmp(data, start, strlen(start)) == 0 &&
           memcmp(data + at, event, strlen(event)) == 0;
}

static RecordEvent event_of(const json_t *line)
{
    static const struct {
        const char *name;
        RecordEvent event;
    } events[] = {{"delivered", RECORD_DELIVERED}, {"deferred", RECORD_DEFERRED},
        {"refused", RECORD_REFUSED}, {"retry", RECORD_RETRY}, {"queued", RECORD_QUEUED},
        {"sent", RECORD_SENT}, {"failed", RECORD_FAILED}};
    const char *name = json_string_value(json_object_get(line, "event"));
    json_int_t attempt = json_integer_value(json_object_get(line, "attempt"));

    for (size_t i = 0; name && i < ELEMENTSOF(events); i++)
        if (strcmp(name, events[i].name) == 0)
            return events[i].event == RECORD_RETRY && (attempt <= 0 || attempt >= UINT_MAX)
                       ? RECORD_UNKNOWN
                       : events[i].event;
    return name ? RECORD_UNKNOWN : RECORD_NOTHING;
}

/* Where memory is short for a part of a text jansson tells of another error, or of none, and has
 * left a byte out: it is asked for by what it allocates with. How often it was short, of all
 * threads: where it is for one it may be called so for another. No thread has a count of its own,
 * which in a library takes memory when it is first touched, or ends the process. */
static atomic_uint shortages;

static void *allocate(size_t n)
{
    void *memory = malloc(n);

    if (!memory)
        atomic_fetch_add(&shortages, 1);
    return memory;
}

/* A program that has jansson allocate by functions of its own keeps them: what it does where memory
 * is short is its matter. */
static void watch_memory(void)
{
    json_malloc_t get;
    json_free_t give;

    json_get_alloc_funcs(&get, &give);
    if (get == malloc && give == free)
        json_set_alloc_funcs(allocate, free);
}

int spool_record_line_load(const char *data, size_t n, json_t **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned before;

    (void)pthread_once(&once, watch_memory);
    before = atomic_load(&shortages);
    *ret = json_loadb(data, n, 0, NULL);
    if (atomic_load(&shortages) == before)
        return 0;
    json_decref(*ret);
    *ret = NULL;
    return -ENOMEM;
}

int record_line_parse(const char *data, size_t n, RecordEvent *ret_event, json_t **ret)
{
    int r;

    *ret = NULL;
    *ret_event = RECORD_NOTHING;
    if (n == 0)
        return 0;
    if (record_line_is_deferred(data, n)) {
        *ret_event = RECORD_DEFERRED;
        return 0;
    }
    r = spool_record_line_load(data, n, ret);
    if (*ret)
        *ret_event = event_of(*ret);
    return r;
}

usec_t record_line_time(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    usec_t t;

    return text && clock_parse_rfc3339(text, &t) == 0 ? t : 0;
}

/* ---- their sum ---- */

/* The mark's line says nothing any more. */
static void supersede(RecordScan *s, RecordMark *mark)
{
    s->superseded += mark->bytes;
    *mark = (RecordMark){0};
}

static void begin_life(RecordScan *s)
{
    supersede(s, &s->first_retry);
    supersede(s, &s->last_retry);
    supersede(s, &s->queued);
    s->history.attempts = 0;
    s->history.first_attempt = 0;
    s->history.next = 0;
    s->attempt_open = false;
    spool_losses_done(&s->history.losses);
}

static void add_failed(RecordScan *s, RecordMark mark)
{
    begin_life(s);
    supersede(s, &s->failed);
    s->failed = mark;
    s->superseded += s->refused_bytes;
    s->refused_bytes = 0;
    s->refused_from = mark.offset;
    spool_history_forget_refused(&s->history);
}

static void add_retry(RecordScan *s, RecordMark mark, const json_t *line)
{
    s->history.attempts = (unsigned)json_integer_value(json_object_get(line, "attempt"));
    s->history.next = record_line_time(line, "next");
    s->attempt_open = false;
    /* The age of one whose clock was wrong counts from the first time that can be right. */
    if (s->first_retry.bytes == 0 || !clock_is_plausible(s->history.first_attempt)) {
        supersede(s, &s->first_retry);
        s->first_retry = mark;
        s->history.first_attempt = record_line_time(line, "time");
        return;
    }
    supersede(s, &s->last_retry);
    s->last_retry = mark;
}

static int add_deferred(RecordScan *s, RecordMark mark, const RecordLine *line)
{
    bool opens = !s->attempt_open;

    if (opens) {
        s->superseded += s->deferred_bytes;
        s->deferred_bytes = 0;
        s->deferred_from = mark.offset;
        s->attempt_open = true;
    }
    s->deferred_bytes += mark.bytes;
    return spool_losses_add(&s->history.losses, line->data, line->n, opens);
}

/* An attempt that the line is of was made. */
static void count_try(RecordScan *s, const json_t *line)
{
    json_int_t attempt = json_integer_value(json_object_get(line, "attempt"));

    if (attempt <= 0 || attempt >= UINT_MAX)
        return;
    if (s->life_over)
        s->history.tries = 0;
    s->life_over = false;
    s->history.tries = MAX(s->history.tries, (unsigned)attempt);
}

/* It changes nothing of what is to be done, and stands for itself. */
static bool is_warning(const json_t *line)
{
    const char *name = json_string_value(json_object_get(line, "event"));

    return name && strcmp(name, "warned") == 0;
}

static int add_event(RecordScan *s, RecordEvent event, const RecordLine *raw, const json_t *line)
{
    const RecordMark mark = {raw->offset, raw->bytes};
    const char *recipient = json_string_value(json_object_get(line, "recipient"));

    if (event == RECORD_DELIVERED || event == RECORD_REFUSED || event == RECORD_RETRY)
        count_try(s, line);
    switch (event) {
    case RECORD_NOTHING: s->superseded += mark.bytes; break;
    case RECORD_UNKNOWN: s->history.warned = s->history.warned || is_warning(line); break;
    case RECORD_DELIVERED: return spool_history_add_delivered(&s->history, recipient);
    case RECORD_REFUSED:
        s->refused_bytes += mark.bytes;
        return spool_history_add_refused(&s->history, recipient);
    case RECORD_DEFERRED: return add_deferred(s, mark, raw);
    case RECORD_RETRY: add_retry(s, mark, line); break;
    case RECORD_QUEUED:
        begin_life(s);
        s->queued = mark;
        s->history.tries = 0;
        break;
    case RECORD_SENT: break;
    case RECORD_FAILED:
        add_failed(s, mark);
        s->life_over = true;
        break;
    }
    return 0;
}

int record_scan_add(RecordScan *s, const RecordLine *line)
{
    RecordEvent event;
    json_t *json;
    int r = record_line_parse(line->data, line->n, &event, &json);

    if (r < 0)
        return r;
    s->bytes += line->bytes;
    if (event > RECORD_UNKNOWN)
        s->last = event;
    if (event > RECORD_UNKNOWN && event != RECORD_DEFERRED)
        s->history.latest = record_line_time(json, "time");
    r = add_event(s, event, line, json);
    json_decref(json);
    return r;
}

void record_scan_end(RecordScan *s)
{
    s->history.waiting = s->last == RECORD_RETRY;
    s->history.sent = s->last == RECORD_SENT;
    s->history.ended = s->last == RECORD_SENT || s->last == RECORD_FAILED;
    spool_history_sort(&s->history);
    spool_losses_sort(&s->history.losses);
}

void record_scan_done(RecordScan *s)
{
    spool_history_done(&s->history);
}

int record_scan_file(RecordScan *s, int fd)
{
    _cleanup_(line_reader_done) LineReader reader = {.fd = fd};
    RecordLine line;
    int r;

    while ((r = line_reader_next(&reader, &line)) > 0) {
        r = record_scan_add(s, &line);
        if (r < 0)
            return r;
    }
    record_scan_end(s);
    return r;
}

bool record_scan_keeps(const RecordScan *s, RecordEvent event, uint64_t offset)
{
    if (s->keeps_all)
        return event != RECORD_NOTHING;
    switch (event) {
    case RECORD_NOTHING: return false;
    case RECORD_DEFERRED: return offset >= s->deferred_from;
    case RECORD_REFUSED: return offset >= s->refused_from;
    case RECORD_RETRY:
        return (s->first_retry.bytes > 0 && offset == s->first_retry.offset) ||
               (s->last_retry.bytes > 0 && offset == s->last_retry.offset);
    case RECORD_QUEUED: return s->queued.bytes > 0 && offset == s->queued.offset;
    case RECORD_FAILED: return s->failed.bytes > 0 && offset == s->failed.offset;
    default: return true;
    }
}
