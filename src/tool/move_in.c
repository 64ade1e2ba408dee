/* From a queue directory to a database. The order is src/spool/moved.h's: whatever happens between
 * two steps, either the directory or the database delivers the message, and never both. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "database/put.h"
#include "message/header.h"
#include "message/message.h"
#include "spool/record.h"
#include "tool/move.h"
#include "tool/store_database.h"

#define SETTLE (2 * USEC_PER_SEC) /* as spool.settle has it where nothing is configured */
#define NUMBER_MAX 24

/* What goes. */
typedef struct Going {
    ToolMessage what;
    SpoolClaim *claim; /* of one that might be delivered meanwhile; else NULL */
    SpoolState state;  /* that it has now */
    const char *id;
    int fd;
    struct stat st;
    uid_t uid;
    SpoolHistory history;
    Message *message;
    InputFile content;
    json_t *recipients, *lines;
    char *database_id;
} Going;

static void going_done(Going *g)
{
    message_free(g->message);
    json_decref(g->recipients);
    json_decref(g->lines);
    free(g->database_id);
    spool_history_done(&g->history);
    if (g->claim)
        (void)spool_release(g->claim, NULL, NULL);
    else
        close_p(&g->fd);
}

/* ---- holding it ---- */

static int fail_claim(const Going *g, int result, Failure *f)
{
    switch (result) {
    case SPOOL_GONE: return failure_set(f, -ENOENT, ERROR_FILE, "%s is gone", g->what.id);
    case SPOOL_LOCKED:
        return failure_set(f, -EBUSY, ERROR_WOULD_BLOCK,
            "%s is being sent, or moved; try again when that is done", g->what.id);
    case SPOOL_WRITING:
    case SPOOL_UNSETTLED:
        return failure_set(f, -EAGAIN, ERROR_WOULD_BLOCK,
            "%s may still be written to; try again in a moment", g->what.id);
    default:
        return f->text ? -EBADMSG
                       : failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s is no message", g->what.id);
    }
}

static int hold_claimed(Moving *m, Going *g, Failure *f)
{
    int r = spool_claim(
        m->spool, g->what.id, g->what.state, SETTLE, false, clock_realtime(), &g->claim, NULL, f);

    if (r != SPOOL_CLAIMED)
        return r < 0 ? r : fail_claim(g, r, f);
    g->id = spool_claim_id(g->claim);
    g->fd = spool_claim_fd(g->claim);
    g->state = SPOOL_SENDING;
    return 0;
}

/* What a process was sending that has died is in another state afterwards. */
static int take_over(Moving *m, Going *g, Failure *f)
{
    static const SpoolState states[] = {
        [SPOOL_REQUEUED] = SPOOL_QUEUED,
        [SPOOL_REDEFERRED] = SPOOL_DEFERRED,
        [SPOOL_REFAILED] = SPOOL_FAILED,
    };
    int r = spool_recover(m->spool, g->what.id, false, g->what.id, f);

    if (r == SPOOL_ALIVE)
        return failure_set(f, -EBUSY, ERROR_WOULD_BLOCK,
            "%s is being sent; try again when it is done", g->what.id);
    if (r == SPOOL_COMPLETED)
        return failure_set(f, -ENOENT, ERROR_FILE,
            "%s had been delivered to everybody when its process died", g->what.id);
    if (r > 0)
        g->what.state = states[r];
    return r;
}

static int hold(Moving *m, Going *g, Failure *f)
{
    uint64_t size = 0;
    int r = g->what.state == SPOOL_SENDING ? take_over(m, g, f) : 0;

    if (r < 0)
        return r;
    r = 0;
    g->id = g->what.id;
    g->state = g->what.state;
    switch (g->state) {
    case SPOOL_QUEUED:
    case SPOOL_DEFERRED: r = hold_claimed(m, g, f); break;
    case SPOOL_HELD:
    case SPOOL_FAILED:
        g->fd = spool_open_message(m->spool, g->id, g->state, &g->st, f);
        r = MIN(g->fd, 0);
        break;
    default:
        return failure_set(f, -ENOENT, ERROR_FILE, "%s %s", g->id,
            g->state == SPOOL_SENT ? "has been sent, and stays where it is" : "is gone");
    }
    if (r >= 0 && fstat(g->fd, &g->st) < 0)
        return failure_set_errno(f, -errno, "cannot look at %s", g->id);
    if (r < 0)
        return r;
    size = (uint64_t)g->st.st_size;
    g->uid = spool_submitter(m->spool, g->fd, &g->st);
    input_file_init(&g->content, g->fd, size);
    return 0;
}

/* ---- reading it ---- */

static int keep_line(void *user, const char *text, size_t n)
{
    json_t *line;
    int r = spool_record_line_load(text, n, &line);
    const char *event = r < 0 ? NULL : json_string_value(json_object_get(line, "event"));

    if (event && strcmp(event, "message") != 0)
        r = json_array_append(user, line) < 0 ? -ENOMEM : 0;
    json_decref(line);
    return MIN(r, 0);
}

static json_t *to_json(const EnvelopeRecipient *one, const SpoolHistory *history)
{
    const char *outcome = spool_history_has(history, envelope_mailbox(one))           ? "delivered"
                          : spool_history_has_refused(history, envelope_mailbox(one)) ? "refused"
                                                                                      : NULL;

    return json_pack("[s, s, s?]", one->address, one->parameters ?: "", outcome);
}

static int read_recipients(Going *g, Failure *f)
{
    const Envelope *e = message_envelope(g->message);
    int r = 0;

    g->recipients = json_array();
    for (size_t i = 0; r >= 0 && i < e->n_recipients; i++)
        if (json_array_append_new(g->recipients, to_json(&e->recipients[i], &g->history)) < 0)
            r = failure_set_errno(f, -ENOMEM, "cannot read %s", g->id);
    return r;
}

static int read_it(Moving *m, Going *g, Failure *f)
{
    int r = spool_history_load_id(m->spool, g->id, g->state, &g->history, f);

    if (r < 0)
        return f->text ? r : failure_set_errno(f, r, "cannot read the record of %s", g->id);
    r = message_open(&g->content.base, clock_realtime(), g->id, &g->message, f);
    if (r < 0)
        return r;
    g->lines = json_array();
    r = spool_record_read(m->spool, g->id, g->state, keep_line, g->lines, f);
    return r < 0 ? r : read_recipients(g, f);
}

/* ---- writing it down there ---- */

static char *text_of(const json_t *json)
{
    return json_dumps(json, JSON_COMPACT);
}

static const char *format(char text[static NUMBER_MAX], uint64_t number)
{
    snprintf(text, NUMBER_MAX, "%" PRIu64, number);
    return number > 0 ? text : NULL;
}

#define FILE_TEXT_MAX 80

/* What a file keeps with another name, and its copy, too. */
static const char *format_file(const struct stat *st, char file[static FILE_TEXT_MAX])
{
    snprintf(file, FILE_TEXT_MAX, "%" PRIu64 "-%lld", (uint64_t)st->st_size,
        (long long)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec);
    return file;
}

/* With its inode that is what no other has. */
static void format_key(const Moving *m, const Going *g, char key[static 500])
{
    char file[FILE_TEXT_MAX];

    snprintf(key, 500, "move %.380s %" PRIu64 "-%s", m->from + strlen("from "),
        (uint64_t)g->st.st_ino, format_file(&g->st, file));
}

/* When a deferred message is due, or one that was not tried to begin with; 0: it may go at once. */
static uint64_t due_of(const Moving *m, const Going *g)
{
    const Envelope *e = message_envelope(g->message);

    if (g->what.state == SPOOL_DEFERRED)
        return g->history.next > 0 ? g->history.next : spool_next_attempt(m->spool, g->id);
    return g->history.tries == 0 && e->not_before > clock_realtime() ? e->not_before : 0;
}

static int arrive(Moving *m, Going *g, Failure *f)
{
    const Envelope *e = message_envelope(g->message);
    usec_t arrival =
        (usec_t)g->st.st_mtim.tv_sec * USEC_PER_SEC + (usec_t)g->st.st_mtim.tv_nsec / 1000;
    char key[500], uid[NUMBER_MAX], queued[NUMBER_MAX], attempts[NUMBER_MAX], first[NUMBER_MAX],
        due[NUMBER_MAX];
    _cleanup_free_
    char *recipients = text_of(g->recipients);
    _cleanup_free_
    char *lines = text_of(g->lines);
    _cleanup_database_rows_ DatabaseRows rows = {0};
    const char *values[] = {m->from, key, uid, e->lane ?: "", e->sender, e->sender_parameters ?: "",
        recipients, format(queued, arrival), lines, spool_state_name(g->what.state), attempts,
        format(first, g->history.first_attempt), format(due, due_of(m, g))};
    int r;

    if (!recipients || !lines)
        return failure_set_errno(f, -ENOMEM, "cannot read %s", g->id);
    format_key(m, g, key);
    snprintf(uid, sizeof(uid), "%u", g->uid);
    snprintf(attempts, sizeof(attempts), "%u", g->history.attempts);
    r = store_ask(m->database,
        "SELECT outbox.arrive($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)", values,
        ELEMENTSOF(values), &rows, f);
    if (r < 0)
        return r;
    if (!database_field(&rows, 0, 0))
        return failure_set(f, -EEXIST, ERROR_FILE,
            "%s has been moved to the database before, and put back since by a restored backup: it "
            "is delivered from there; remove the file, or give it another name by a copy",
            g->id);
    g->database_id = strdup(database_field(&rows, 0, 0));
    return g->database_id ? 0 : failure_set_errno(f, -ENOMEM, "cannot move %s", g->id);
}

/* In pieces, so that the database never has it twice in memory. */
static int send(Moving *m, Going *g, const char *content, size_t n, Failure *f)
{
    int r = database_run(m->database, "BEGIN", f);

    if (r == 0)
        r = database_append(m->database, content, n, f);
    if (r == 0)
        r = arrive(m, g, f);
    if (r == 0)
        return database_run(m->database, "COMMIT", f);
    (void)database_run(m->database, "ROLLBACK", NULL);
    return r;
}

/* Without the envelope block in front of its header: that is said beside it. */
static int prepare(Moving *m, Going *g, Failure *f)
{
    size_t n = (size_t)g->st.st_size;
    char *data = mmap(NULL, n, PROT_READ, MAP_PRIVATE, g->fd, 0);
    HeaderParts parts;
    int r;

    if (data == MAP_FAILED)
        return failure_set_errno(f, -errno, "cannot read %s", g->id);
    (void)header_locate(data, MIN(n, (size_t)MESSAGE_START_MAX), true, &parts);
    r = send(m, g, parts.header.at, n - (size_t)(parts.header.at - data), f);
    (void)munmap(data, n);
    return r;
}

/* ---- handing it over ---- */

/* TAG-NUMBER: the id that it had here stands behind it, as far as there is room. */
static void format_mark(
    const Moving *m, const char *database_id, const char *id, char mark[static SPOOL_NAME_MAX])
{
    snprintf(mark, SPOOL_NAME_MAX, "%s-%s-%.*s", m->tag, database_id, SPOOL_ID_MAX, id);
}

static int finish(Moving *m, const char *mark, const char *database_id, const char *id, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    char file[FILE_TEXT_MAX];
    struct stat st;
    int r = spool_given_stat(m->spool, mark, &st, f);

    if (r >= 0)
        r = store_ask(m->database, "SELECT outbox.arrived($1, $2, $3)",
            (const char *[]){m->from, database_id, format_file(&st, file)}, 3, &rows, f);
    if (r >= 0 && !database_is_true(&rows, 0, 0))
        return failure_set(f, -ENODATA, ERROR_SPOOL,
            "%s/" SPOOL_GIVEN_PREFIX
            "%s was given to the database as message %s, of which that knows "
            "nothing: it was delivered there more than a week ago, or a backup of before was "
            "restored "
            "there; where it was delivered, remove the file, or else call it NAME.queued",
            spool_path(m->spool), mark, database_id);
    return r < 0 ? r : spool_given_remove(m->spool, mark, id, f);
}

int move_to_database(Moving *m, const ToolMessage *message, char **ret_id, Failure *f)
{
    _cleanup_(going_done) Going g = {.what = *message, .fd = -1};
    char mark[SPOOL_NAME_MAX], id[SPOOL_NAME_MAX];
    int r = hold(m, &g, f);

    if (r >= 0)
        r = read_it(m, &g, f);
    if (r >= 0)
        r = prepare(m, &g, f);
    if (r < 0)
        return r;
    snprintf(id, sizeof(id), "%s", g.id);
    format_mark(m, g.database_id, id, mark);
    r = spool_give(m->spool, id, g.state, g.fd, mark, f);
    if (r < 0) {
        (void)move_ask(
            m, "SELECT outbox.not_arrived($1, $2) IS NULL", m->from, g.database_id, NULL);
        return r;
    }
    spool_claim_free(g.claim); /* it has that name no more */
    g.claim = NULL;
    r = finish(m, mark, g.database_id, id, f);
    *ret_id = TAKE_PTR(g.database_id);
    return r;
}

/* ---- what was begun ---- */

typedef struct Resuming {
    Moving *moving;
    Failure *f;
} Resuming;

/* The number and the id behind the tag: false for another database's. */
static bool parse_mark(
    const Moving *m, const char *mark, char number[static NUMBER_MAX], const char **ret_id)
{
    size_t n, tag = strlen(m->tag);

    if (strncmp(mark, m->tag, tag) != 0 || mark[tag] != '-')
        return false;
    n = strspn(mark + tag + 1, "0123456789");
    if (n == 0 || n >= NUMBER_MAX || mark[tag + 1 + n] != '-')
        return false;
    snprintf(number, NUMBER_MAX, "%.*s", (int)n, mark + tag + 1);
    *ret_id = mark + tag + 2 + n;
    return true;
}

static int resume_given(void *user, const char *mark)
{
    Resuming *resuming = user;
    Moving *m = resuming->moving;
    char number[NUMBER_MAX];
    const char *id;
    int r;

    if (!parse_mark(m, mark, number, &id))
        return 0;
    r = finish(m, mark, number, id, resuming->f);
    if (r == -ENODATA) { /* it stays, and the others go on */
        m->n_unknown++;
        (void)tool_fail(resuming->f);
        failure_done(resuming->f);
        *resuming->f = (Failure){0};
        return 0;
    }
    if (r >= 0 && json_array_append_new(m->resumed, json_string(number)) < 0)
        r = -ENOMEM;
    return r;
}

/* What was given is delivered there. What was not, by whoever was about to, never was there. */
int move_resume_to_database(Moving *m, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = spool_moved_each(
        m->spool, SPOOL_GIVEN_PREFIX, resume_given, &(Resuming){.moving = m, .f = f});

    if (r < 0)
        return f->text ? r : failure_set_errno(f, r, "cannot read %s", spool_path(m->spool));
    r = store_ask(m->database, "SELECT outbox.moving($1)", (const char *[]){m->from}, 1, &rows, f);
    for (int n = 0; r >= 0 && n < rows.n; n++)
        r = move_ask(m, "SELECT outbox.not_arrived($1, $2) IS NULL", m->from,
            database_field(&rows, n, 0), f);
    return r;
}
