/* From a database to a queue directory. The order is src/spool/moved.h's: whatever happens between
 * two steps, either the directory or the database delivers the message, and never both. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/envelope.h"
#include "message/message.h"
#include "message/readdress.h"
#include "spool/enqueue.h"
#include "spool/record.h"
#include "tool/json.h"
#include "tool/move.h"
#include "tool/store_database.h"

#define NUMBER_MAX 24

/* What comes. */
typedef struct Coming {
    const char *number;
    char mark[SPOOL_MARK_MAX]; /* TAG-NUMBER.STATE */
    char id[SPOOL_NAME_MAX];   /* that it is to have */
    SpoolState state;
    uint64_t attempts, due, queued;
    uid_t uid;
    Envelope envelope;
    Buffer lines; /* of its record */
    bool retry_is_last;
} Coming;

static void coming_done(Coming *c)
{
    envelope_done(&c->envelope);
    buffer_done(&c->lines);
}

/* ---- names ---- */

static void format_names(
    const Moving *m, const char *number, SpoolState state, char *mark, char id[SPOOL_NAME_MAX])
{
    snprintf(mark, SPOOL_MARK_MAX, "%s-%s.%s", m->tag, number, spool_state_name(state));
    snprintf(id, SPOOL_NAME_MAX, "%s-%s", m->tag, number);
}

/* False for another database's. */
static bool parse_mark(
    const Moving *m, const char *mark, char number[static NUMBER_MAX], SpoolState *ret)
{
    size_t n, tag = strlen(m->tag);

    if (strncmp(mark, m->tag, tag) != 0 || mark[tag] != '-')
        return false;
    n = strspn(mark + tag + 1, "0123456789");
    if (n == 0 || n >= NUMBER_MAX || mark[tag + 1 + n] != '.')
        return false;
    snprintf(number, NUMBER_MAX, "%.*s", (int)n, mark + tag + 1);
    return spool_state_parse(mark + tag + 2 + n, ret) == 0;
}

/* ---- holding it ---- */

static int fail_to_hold(const char *number, const char *state, Failure *f)
{
    if (text_equal(state, "sending"))
        return failure_set(
            f, -EBUSY, ERROR_WOULD_BLOCK, "%s is being sent; try again when it is done", number);
    if (text_equal(state, "claimed"))
        return failure_set(f, -EBUSY, ERROR_WOULD_BLOCK,
            "%s is claimed by a daemon, which is to send it next: try again in a moment, or "
            "`outbox hold %s` first, which has it given back",
            number, number);
    if (text_equal(state, "sent"))
        return failure_set(
            f, -ENOENT, ERROR_FILE, "%s has been sent, and stays where it is", number);
    if (text_equal(state, "held"))
        return failure_set(f, -EAGAIN, ERROR_WOULD_BLOCK,
            "%s is being moved by another: `outbox show %s` says by whom", number, number);
    return failure_set(f, -ENOENT, ERROR_FILE, "there is no message %s", number);
}

static uint64_t number_at(const DatabaseRows *rows, int column)
{
    const char *text = database_field(rows, 0, column);

    return text && *text != '-' ? strtoull(text, NULL, 10) : 0;
}

static int hold(Moving *m, Coming *c, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = store_ask(m->database,
        "SELECT going, was, attempts, due, uid, queued FROM outbox.depart($1, $2)",
        (const char *[]){m->to, c->number}, 2, &rows, f);

    if (r < 0)
        return r;
    if (!text_equal(database_field(&rows, 0, 0), "t"))
        return fail_to_hold(c->number, database_field(&rows, 0, 1), f);
    if (spool_state_parse(database_field(&rows, 0, 1), &c->state) < 0)
        return failure_set(f, -EPROTO, ERROR_SPOOL, "%s is in an unknown state", c->number);
    c->attempts = number_at(&rows, 2);
    c->due = number_at(&rows, 3);
    c->uid = database_field(&rows, 0, 4) ? (uid_t)number_at(&rows, 4) : geteuid();
    c->queued = number_at(&rows, 5);
    format_names(m, c->number, c->state, c->mark, c->id);
    return 0;
}

/* ---- writing it down here ---- */

static int keep_line(Coming *c, const char *text, Failure *f)
{
    json_t *line = json_loads(text, 0, NULL);
    bool is_message = text_equal(json_string_value(json_object_get(line, "event")), "message");
    int r = is_message ? 0 : buffer_appendf(&c->lines, "%s\n", text);

    if (!is_message)
        c->retry_is_last = text_equal(json_string_value(json_object_get(line, "event")), "retry");
    json_decref(line);
    return r < 0 ? failure_set_errno(f, r, "cannot move %s", c->number) : 0;
}

static int read_record(Moving *m, Coming *c, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = store_ask(m->database, "SELECT * FROM outbox.record_of($1)",
        (const char *[]){c->number}, 1, &rows, f);

    for (int n = 0; r >= 0 && n < rows.n; n++)
        r = keep_line(c, database_field(&rows, n, 0), f);
    /* By that line the directory knows how often it was tried, and until when it waits. */
    if (r >= 0 && c->state == SPOOL_DEFERRED && !c->retry_is_last)
        r = spool_record_retry(&c->lines, clock_realtime(), (unsigned)c->attempts, c->due, NULL);
    return r < 0 && !f->text ? failure_set_errno(f, r, "cannot move %s", c->number) : MIN(r, 0);
}

/* Its envelope in front of it, all its recipients, those too who have had it: the record says so.
 */
static int write_content(const Coming *c, int fd, SpoolWriter *writer, Failure *f)
{
    _cleanup_buffer_ Buffer start = {0}, out = {0};
    int more = message_read_start(store_read_piece, &fd, &start, f), r = MIN(more, 0);

    if (r >= 0)
        r = message_readdress(buffer_data(&start), buffer_size(&start), &c->envelope, NULL, &out);
    while (r >= 0) {
        r = spool_writer_write(writer, buffer_data(&out), buffer_size(&out), f);
        buffer_clear(&out);
        if (r < 0 || more <= 0)
            break;
        more = r = store_read_piece(&fd, &out, f);
    }
    return r < 0 && !f->text ? failure_set_errno(f, r, "cannot move %s", c->number) : MIN(r, 0);
}

static int write_message(Moving *m, Coming *c, int fd, Failure *f)
{
    _cleanup_(spool_writer_free_p) SpoolWriter *writer = NULL;
    char name[SPOOL_NAME_MAX];
    int r = spool_writer_new(spool_path(m->spool), &writer, f);

    if (r >= 0)
        r = spool_writer_submit(writer, c->uid, f);
    if (r >= 0)
        r = write_content(c, fd, writer, f);
    if (r < 0)
        return r;
    snprintf(name, sizeof(name), SPOOL_COMING_PREFIX "%s", c->mark);
    return spool_writer_stage(TAKE_PTR(writer), name, f);
}

static int write_down(Moving *m, Coming *c, Failure *f)
{
    _cleanup_close_ int fd = -1;
    int r = spool_coming_drop(m->spool, c->mark, c->id, f);

    if (r >= 0)
        r = database_fetch_envelope(m->database, c->number, true, &c->envelope, NULL, f);
    if (r >= 0)
        r = read_record(m, c, f);
    if (r < 0)
        return r;
    fd = database_fetch_content(m->database, c->number, NULL, f);
    r = fd < 0 ? fd : write_message(m, c, fd, f);
    if (r >= 0)
        r = spool_coming_date(m->spool, c->mark, c->queued, f);
    if (r >= 0 && buffer_size(&c->lines) > 0)
        r = spool_coming_record(
            m->spool, c->mark, c->id, &c->lines, c->state == SPOOL_DEFERRED ? c->due : 0, f);
    return r;
}

/* ---- taking it over ---- */

static int arrive(
    Moving *m, const char *mark, const char *number, const char *id, SpoolState state, Failure *f)
{
    int r = spool_coming_arrive(m->spool, mark, id, state, f);

    if (r >= 0)
        (void)move_ask(m, "SELECT outbox.forget_departed($1, $2) IS NULL", m->to, number, NULL);
    return r;
}

static int give_back(Moving *m, const Coming *c, int r)
{
    (void)spool_coming_drop(m->spool, c->mark, c->id, NULL);
    (void)move_ask(m, "SELECT outbox.stay($1, $2) IS NULL", m->to, c->number, NULL);
    return r;
}

int move_to_directory(Moving *m, const ToolMessage *message, char **ret_id, Failure *f)
{
    _cleanup_(coming_done) Coming c = {.number = message->id};
    int r = hold(m, &c, f);

    if (r < 0)
        return r;
    r = write_down(m, &c, f);
    if (r < 0)
        return give_back(m, &c, r);
    r = move_ask(m, "SELECT outbox.depart_for_good($1, $2)", m->to, c.number, f);
    if (r < 0) /* it may have left: the next one finds out */
        return r;
    if (r == 0) {
        (void)spool_coming_drop(m->spool, c.mark, c.id, NULL);
        return failure_set(f, -ENOENT, ERROR_FILE,
            "%s was released or deleted by somebody while it was to be moved", c.number);
    }
    r = arrive(m, c.mark, c.number, c.id, c.state, f);
    *ret_id = strdup(c.id);
    return r;
}

/* ---- what was begun ---- */

typedef struct Resuming {
    Moving *moving;
    Failure *f;
} Resuming;

/* What has left the database for good is here alone; all else is there. */
static int resume_coming(void *user, const char *mark)
{
    Resuming *resuming = user;
    Moving *m = resuming->moving;
    char number[NUMBER_MAX], again[SPOOL_MARK_MAX], id[SPOOL_NAME_MAX];
    SpoolState state;
    int r;

    if (!parse_mark(m, mark, number, &state))
        return 0;
    format_names(m, number, state, again, id);
    /* Whoever is just committing that it leaves is waited for; from then on it cannot any more. */
    r = move_ask(m, "SELECT outbox.stay($1, $2) IS NULL", m->to, number, resuming->f);
    if (r >= 0)
        r = move_ask(m, "SELECT outbox.has_departed($1, $2)", m->to, number, resuming->f);
    if (r == 0)
        return spool_coming_drop(m->spool, mark, id, resuming->f);
    if (r > 0)
        r = arrive(m, mark, number, id, state, resuming->f);
    if (r >= 0 && json_array_append_new(m->resumed, json_text(id)) < 0)
        r = -ENOMEM;
    return r;
}

int move_resume_to_directory(Moving *m, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = spool_moved_each(
        m->spool, SPOOL_COMING_PREFIX, resume_coming, &(Resuming){.moving = m, .f = f});

    if (r < 0)
        return f->text ? r : failure_set_errno(f, r, "cannot read %s", spool_path(m->spool));
    r = store_ask(m->database, "SELECT outbox.moving($1)", (const char *[]){m->to}, 1, &rows, f);
    for (int n = 0; r >= 0 && n < rows.n; n++)
        r = move_ask(
            m, "SELECT outbox.stay($1, $2) IS NULL", m->to, database_field(&rows, n, 0), f);
    return r;
}
