/* Asking the database, and fetching a message's content and envelope from it. Must never have the
 * whole content of one in memory. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "tool/store_database.h"

#define PIECE_BYTES (1024 * 1024)
#define NUMBER_MAX 24

int store_ask(Database *database, const char *statement, const char *const *values, unsigned n,
    DatabaseRows *ret, Failure *f)
{
    DatabaseValue all[STORE_VALUES_MAX];

    for (unsigned i = 0; i < n; i++)
        all[i] = database_text(values[i]);
    return database_query(database, statement, all, n, ret, f);
}

uint64_t store_number(const DatabaseRows *rows, int row, int column)
{
    const char *text = database_field(rows, row, column);

    return text && *text != '-' ? strtoull(text, NULL, 10) : 0;
}

static int open_temporary(Failure *f)
{
    const char *directory = getenv("TMPDIR") ?: "/var/tmp";
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    return fd < 0 ? failure_set_errno(f, -errno, "cannot make a temporary file in %s", directory)
                  : fd;
}

/* How many bytes were written, or a negative errno. */
static int64_t fetch_piece(Database *database, const char *id, uint64_t start, int fd, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    char at[NUMBER_MAX], length[NUMBER_MAX];
    const char *piece;
    size_t n = 0;
    int r;

    snprintf(at, sizeof(at), "%" PRIu64, start);
    snprintf(length, sizeof(length), "%d", PIECE_BYTES);
    r = database_query_binary(database, "SELECT outbox.content($1, $2, $3)",
        DATABASE_VALUES(database_text(id), database_text(at), database_text(length)), &rows, f);
    if (r < 0)
        return r;
    piece = rows.n > 0 ? database_field(&rows, 0, 0) : NULL;
    n = piece ? database_field_size(&rows, 0, 0) : 0;
    if (!piece)
        return failure_set(f, -ENOENT, ERROR_FILE, "there is no message %s any more", id);
    r = file_write_all(fd, piece, n);
    return r < 0 ? failure_set_errno(f, r, "cannot write to a temporary file") : (int64_t)n;
}

int database_fetch_content(Database *database, const char *id, uint64_t *ret_size, Failure *f)
{
    _cleanup_close_ int fd = open_temporary(f);
    uint64_t size = 0;
    int64_t n = fd < 0 ? fd : PIECE_BYTES;

    while (n == PIECE_BYTES) {
        n = fetch_piece(database, id, size, fd, f);
        size += n > 0 ? (uint64_t)n : 0;
    }
    if (n >= 0 && lseek(fd, 0, SEEK_SET) < 0)
        return failure_set_errno(f, -errno, "cannot read a temporary file");
    if (ret_size)
        *ret_size = size;
    return n < 0 ? (int)n : TAKE_FD(fd);
}

static int take_envelope(
    const DatabaseRows *rows, bool all, Envelope *ret, size_t *n_had, Failure *f)
{
    const char *lane = database_field(rows, 0, 0);
    int r = envelope_set_sender(ret, database_field(rows, 0, 2), database_field(rows, 0, 3), f);

    if (r >= 0 && *lane)
        r = envelope_set_lane(ret, lane, strlen(lane), f);
    ret->not_before = store_number(rows, 0, 1);
    for (int n = 0; r >= 0 && n < rows->n; n++) {
        bool had = text_equal(database_field(rows, n, 6), "delivered");

        if (had && n_had)
            ++*n_had;
        if (!had || all)
            r = envelope_add_recipient(
                ret, database_field(rows, n, 4), database_field(rows, n, 5), f);
    }
    return r;
}

int database_fetch_envelope(
    Database *database, const char *id, bool all, Envelope *ret, size_t *n_had, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r = store_ask(database,
        "SELECT lane, " MICROSECONDS(
            "not_before") ", sender, nullif(sender_parameters, ''), "
                          "address, nullif(parameters, ''), outcome FROM outbox.envelope_of($1)",
        (const char *[]){id}, 1, &rows, f);

    if (r >= 0 && rows.n == 0)
        return failure_set(f, -ENOENT, ERROR_FILE, "there is no message %s any more", id);
    if (r >= 0)
        r = take_envelope(&rows, all, ret, n_had, f);
    return r < 0 && !f->text ? failure_set_errno(f, r, "cannot read message %s", id) : MIN(r, 0);
}
