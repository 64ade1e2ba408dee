/* Rows and pieces of content as a held message. Must never let a recipient be sent to again whose
 * row has an outcome. */
#include "database/held.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/macros.h"
#include "database/clocks.h"
#include "database/source_state.h"

/* The columns of read(). */
enum {
    COLUMN_MESSAGE,
    COLUMN_QUEUED,
    COLUMN_UID,
    COLUMN_LANE,
    COLUMN_SENDER,
    COLUMN_PARAMETERS,
    COLUMN_RECIPIENTS,
    COLUMN_ATTEMPTS,
    COLUMN_FIRST_ATTEMPT,
    COLUMN_SIZE,
    COLUMN_CONTENT,
    COLUMN_RECORD,
    COLUMN_WARNED,
};

DatabaseMessage *database_message_new(DatabaseSource *d, int64_t number)
{
    DatabaseMessage *m = calloc(1, sizeof(DatabaseMessage));

    if (!m)
        return NULL;
    m->number = number;
    m->fd = -1;
    (void)snprintf(m->id, sizeof(m->id), "%lld", (long long)number);
    m->daemon = d->daemon;
    m->older = d->held;
    if (d->held)
        d->held->newer = m;
    d->held = m;
    m->base.source = &d->base;
    m->base.id = m->id;
    m->base.owner = FILE_OWNER_UNKNOWN;
    return m;
}

void database_message_free(DatabaseMessage *m)
{
    if (!m)
        return;
    if (m->older)
        m->older->newer = m->newer;
    if (m->newer)
        m->newer->older = m->older;
    else
        database_source_from(m->base.source)->held = m->older;
    message_free(m->base.message ?: m->opened);
    envelope_done(&m->asked);
    free(m->base.pending);
    free(m->base.routes);
    free(m->outcomes);
    free(m->recipients);
    free(m->numbers);
    buffer_done(&m->memory);
    buffer_done(&m->lines);
    buffer_done(&m->delivered);
    buffer_done(&m->refused);
    buffer_done(&m->end);
    buffer_done(&m->history);
    buffer_done(&m->notice);
    free(m->told);
    failure_done(&m->defect);
    close_p(&m->fd);
    free(m);
}

/* ---- its row ---- */

static const char *text_of(const json_t *array, size_t i)
{
    const char *text = json_string_value(json_array_get(array, i));

    return text && *text ? text : NULL;
}

/* Which recipient of the envelope has that address. */
static int find_recipient(const Envelope *e, const char *address, size_t *ret)
{
    _cleanup_envelope_ Envelope one = {0};
    int r = envelope_add_recipient(&one, address, NULL, NULL);

    if (r < 0)
        return r;
    *ret = envelope_find(e, envelope_mailbox(&one.recipients[0]));
    return *ret == SIZE_MAX ? -EBADMSG : 0;
}

/* [number, address, parameters, outcome]. Two rows may be one recipient. */
static int take_recipient(DatabaseMessage *m, const json_t *row, Failure *f)
{
    size_t before = m->asked.n_recipients, i = m->n_rows;
    const char *address = json_string_value(json_array_get(row, 1)) ?: "";
    const char *outcome = text_of(row, 3);
    int r = envelope_add_recipient(&m->asked, address, text_of(row, 2), f);

    if (r < 0)
        return r;
    m->numbers[i] = atoi(text_of(row, 0) ?: "");
    m->outcomes[i] = outcome ? outcome[0] : ' ';
    m->recipients[i] = before;
    m->n_rows++;
    return m->asked.n_recipients > before ? 0
                                          : find_recipient(&m->asked, address, &m->recipients[i]);
}

static int take_recipients(DatabaseMessage *m, const char *text, size_t n, Failure *f)
{
    json_t *rows = n > 0 ? json_loadb(text, n, 0, NULL) : NULL;
    size_t n_rows = json_array_size(rows);
    int r = 0;

    if (n > 0 && !rows)
        return -ENOMEM; /* it is the database that wrote it */
    m->outcomes = calloc(n_rows + 1, 1);
    m->recipients = calloc(n_rows + 1, sizeof(size_t));
    m->numbers = calloc(n_rows + 1, sizeof(int));
    if (!m->outcomes || !m->recipients || !m->numbers)
        r = -ENOMEM;
    for (size_t i = 0; i < n_rows && r != -ENOMEM; i++) {
        int taken = take_recipient(m, json_array_get(rows, i), r < 0 ? NULL : f);

        r = r < 0 && taken != -ENOMEM ? r : taken; /* the others are told of */
    }
    json_decref(rows);
    if (r == 0 && n_rows == 0)
        r = failure_set(f, -EBADMSG, ERROR_NO_RECIPIENT, "it has no recipient");
    return r;
}

static int take_envelope(DatabaseMessage *m, const DatabaseResult *rows, unsigned row, Failure *f)
{
    const char *parameters = database_result_text(rows, row, COLUMN_PARAMETERS);
    const char *lane = database_result_text(rows, row, COLUMN_LANE);
    size_t n;
    const char *recipients = database_result_bytes(rows, row, COLUMN_RECIPIENTS, &n);
    int r = envelope_set_sender(&m->asked, database_result_text(rows, row, COLUMN_SENDER),
        *parameters ? parameters : NULL, f);

    if (r >= 0 && *lane)
        r = envelope_set_lane(&m->asked, lane, strlen(lane), f);
    if (r >= 0)
        r = take_recipients(m, recipients, n, f);
    return r == -EINVAL ? -EBADMSG : r;
}

static int take_record(DatabaseMessage *m, const DatabaseResult *rows, unsigned row)
{
    size_t n;
    const char *lines;

    m->warned = database_result_truth(rows, row, COLUMN_WARNED);
    if (database_result_is_null(rows, row, COLUMN_RECORD))
        return 0;
    lines = database_result_bytes(rows, row, COLUMN_RECORD, &n);
    return buffer_append(&m->history, lines, n) < 0 ? -ENOMEM : buffer_append(&m->history, "\n", 1);
}

static size_t count_bytes(const DatabaseResult *rows, unsigned row)
{
    static const unsigned columns[] = {COLUMN_RECIPIENTS, COLUMN_CONTENT, COLUMN_RECORD};
    size_t sum = 0, n;

    for (size_t i = 0; i < ELEMENTSOF(columns); i++) {
        (void)database_result_bytes(rows, row, columns[i], &n);
        sum += n;
    }
    return sum;
}

int database_message_take_row(
    DatabaseMessage *m, const DatabaseResult *rows, unsigned row, Failure *f)
{
    const DatabaseSource *d = database_source_from(m->base.source);

    m->base.arrival = database_time_here(d, database_result_integer(rows, row, COLUMN_QUEUED));
    m->base.attempts = (unsigned)database_result_integer(rows, row, COLUMN_ATTEMPTS);
    m->base.deferred = m->base.attempts > 0;
    m->size = database_result_integer(rows, row, COLUMN_SIZE);
    m->row_bytes = count_bytes(rows, row);
    if (!database_result_is_null(rows, row, COLUMN_UID))
        m->base.owner = (uid_t)database_result_integer(rows, row, COLUMN_UID);
    if (!database_result_is_null(rows, row, COLUMN_FIRST_ATTEMPT))
        m->base.first_attempt =
            database_time_here(d, database_result_integer(rows, row, COLUMN_FIRST_ATTEMPT));
    if (!database_result_is_null(rows, row, COLUMN_CONTENT)) {
        size_t n;
        const char *content = database_result_bytes(rows, row, COLUMN_CONTENT, &n);

        if (buffer_append(&m->memory, content, n) < 0)
            return -ENOMEM;
        m->fetched = m->size;
    }
    if (take_record(m, rows, row) < 0)
        return -ENOMEM;
    return take_envelope(m, rows, row, f);
}

/* ---- its content ---- */

/* Where no directory takes temporary files: a hundred such are claimed ahead. */
#define IN_MEMORY_MAX (1024 * 1024)

static int no_room(int error, Failure *f)
{
    return failure_set_errno(f, error,
        "cannot keep the content of a large message while it is sent; see to room in the "
        "directory for temporary files (TMPDIR, else /var/tmp)");
}

int database_message_take_piece(DatabaseMessage *m, const char *data, size_t n, Failure *f)
{
    if (n == 0)
        return failure_set(f, -EIO, ERROR_SPOOL, "its content is shorter than it was");
    if (m->fd < 0)
        m->fd = m->size <= IN_MEMORY_MAX ? file_scratch() : file_scratch_on_disk();
    if (m->fd < 0)
        return no_room(m->fd, f);
    while (n > 0) {
        ssize_t written = pwrite(m->fd, data, n, m->fetched);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return no_room(-errno, f);
        data += written;
        n -= (size_t)written;
        m->fetched += written;
    }
    return m->fetched >= m->size;
}

/* ---- opening ---- */

/* Two rows may be one recipient: what one says is true of both. */
static int find_pending(DatabaseMessage *m)
{
    const Envelope *e = message_envelope(m->opened);
    _cleanup_free_
    char *outcomes = calloc(e->n_recipients, 1);

    m->base.pending = malloc(e->n_recipients * sizeof(size_t));
    if (!outcomes || !m->base.pending)
        return -ENOMEM;
    for (size_t i = 0; i < m->n_rows; i++)
        if (m->outcomes[i] != ' ' && outcomes[m->recipients[i]] != 'd')
            outcomes[m->recipients[i]] = m->outcomes[i];
    for (size_t i = 0; i < e->n_recipients; i++) {
        m->base.n_delivered += outcomes[i] == 'd';
        m->base.n_refused += outcomes[i] == 'r';
        if (outcomes[i] == 0)
            m->base.pending[m->base.n_pending++] = i;
    }
    return 0;
}

Input *database_message_input(DatabaseMessage *m)
{
    if (m->fd >= 0) {
        input_file_init(&m->in_file, m->fd, (uint64_t)m->fetched);
        return &m->in_file.base;
    }
    input_memory_init(&m->in_memory, buffer_data(&m->memory), buffer_size(&m->memory));
    return &m->in_memory.base;
}

int database_message_open(DatabaseMessage *m, Failure *f)
{
    int r = message_open_as(
        database_message_input(m), &m->asked, m->base.arrival, m->id, &m->opened, f);

    if (r < 0)
        return r;
    m->base.message = m->opened;
    envelope_done(&m->asked);
    m->asked = (Envelope){0};
    return find_pending(m);
}
