/* Putting messages there. Must never have a long one in memory as a whole, nor tell of one that is
 * not committed. */
#include "database/put.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "database/fault.h"

#define PIECE_SIZE ((size_t)4 * 1024 * 1024)
#define SIZE_LIMIT ((uint64_t)1024 * 1024 * 1024 - 64 * 1024) /* of a value in PostgreSQL */

/* The values of submit(), but the content. */
typedef struct Terms {
    Buffer recipients, parameters; /* as arrays are written, with a NUL behind them */
    char uid[24], not_before[32];
} Terms;

static void terms_done(Terms *terms)
{
    buffer_done(&terms->recipients);
    buffer_done(&terms->parameters);
}

static int append_element(Buffer *array, const char *text)
{
    int r = buffer_append_string(array, buffer_size(array) == 0 ? "{\"" : ",\"");

    for (; r == 0 && *text; text++)
        r = buffer_appendf(array, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    return r ?: buffer_append_string(array, "\"");
}

static int fill_terms(const DatabaseMessage *message, Terms *terms)
{
    const Envelope *e = message->envelope;
    int r = 0;

    for (size_t i = 0; r == 0 && i < e->n_recipients; i++)
        r = append_element(&terms->recipients, e->recipients[i].address)
                ?: append_element(&terms->parameters, e->recipients[i].parameters ?: "");
    if (r == 0)
        r = buffer_append(&terms->recipients, "}", 2) ?: buffer_append(&terms->parameters, "}", 2);
    snprintf(terms->uid, sizeof(terms->uid), "%ju", (uintmax_t)message->uid);
    if (e->not_before > 0)
        snprintf(terms->not_before, sizeof(terms->not_before), "%" PRIu64, (uint64_t)e->not_before);
    return r;
}

/* Whether the role may say whose a message is. */
static int look_for_rights(Database *database, Failure *f)
{
    _cleanup_database_rows_ DatabaseRows rows = {0};
    int r;

    if (database->rights_known)
        return 0;
    r = database_query(database,
        "SELECT has_function_privilege('outbox.submit_as(bigint, text, text, text[], text[], bytea,"
        " text, text, timestamptz)', 'execute')",
        DATABASE_NO_VALUES, &rows, f);
    if (r < 0)
        return r;
    database->rights_known = true;
    database->may_say_who = database_is_true(&rows, 0, 0);
    return 0;
}

/* With the content, or without where it was appended. */
static int submit(Database *database, const DatabaseMessage *message, const Terms *terms,
    DatabaseValue content, char **ret_id, Failure *f)
{
    const Envelope *e = message->envelope;
    _cleanup_database_rows_ DatabaseRows rows = {0};
    const DatabaseValue values[] = {
        database_text(e->sender),
        database_text(e->sender_parameters ?: ""),
        database_text(buffer_data(&terms->recipients)),
        database_text(buffer_data(&terms->parameters)),
        content,
        database_text(message->key),
        database_text(e->lane ?: ""),
        database_text(e->not_before > 0 ? terms->not_before : NULL),
        database_text(terms->uid),
    };
    int r = database_query(database,
        database->may_say_who ? "SELECT outbox.submit_as($9, $1, $2, $3, $4, $5::bytea, $6, $7,"
                                " to_timestamp($8::bigint / 1e6))"
                              : "SELECT outbox.submit($1, $2, $3, $4, $5::bytea, $6, $7,"
                                " to_timestamp($8::bigint / 1e6))",
        values, database->may_say_who ? 9 : 8, &rows, f);

    if (r < 0)
        return r;
    *ret_id = strdup(database_field(&rows, 0, 0) ?: "");
    return *ret_id ? 0 : failure_set_errno(f, -ENOMEM, "the message cannot be queued");
}

bool database_is_doubtful(int error)
{
    return error == -ECONNRESET || error == -ETIMEDOUT;
}

/* It may be there. */
static int explain_lost(const DatabaseMessage *message, int r, Failure *f)
{
    _cleanup_free_
    char *words = NULL;

    if (!database_is_doubtful(r) || !f || !f->text)
        return r;
    words = strdup(f->text);
    return !words
               ? r
               : failure_set(f, r, f->number,
                     "it is not known whether the message was queued: %s; %s", words,
                     message->key ? "queue it again with the same key"
                                  : "look with `outbox list`; what has a key (--key) can be queued "
                                    "again without harm");
}

/* ---- pieces ---- */

/* Up to a piece; 0 at the end, 1 when there is more. */
static int fill_piece(Buffer *piece, DatabaseRead read, void *source, Failure *f)
{
    int more = 1;

    while (more > 0 && buffer_size(piece) < PIECE_SIZE)
        more = read(source, piece, f);
    return more;
}

static int fail_large(Failure *f)
{
    return failure_set(f, -EFBIG, ERROR_MESSAGE,
        "the message is larger than 1 GB, and a database takes no larger one");
}

int database_append(Database *database, const char *data, size_t n, Failure *f)
{
    int r = n > SIZE_LIMIT ? fail_large(f) : 0;

    for (size_t at = 0, size; r == 0 && at < n; at += size) {
        size = MIN(n - at, PIECE_SIZE);
        r = database_query(database, "SELECT outbox.append($1)",
            DATABASE_VALUES(database_octets(data + at, size)), NULL, f);
    }
    return r;
}

static int append_piece(Database *database, const Buffer *piece, Failure *f)
{
    return database_append(database, buffer_data(piece), buffer_size(piece), f);
}

static int put_pieces(Database *database, const DatabaseMessage *message, const Terms *terms,
    Buffer *piece, DatabaseRead read, void *source, char **ret_id, Failure *f)
{
    uint64_t size = 0;
    int r = 0, more = 1;

    while (r == 0 && more > 0) {
        size += buffer_size(piece);
        r = append_piece(database, piece, f);
        buffer_clear(piece);
        more = r == 0 ? fill_piece(piece, read, source, f) : 0;
        if (more < 0)
            r = more;
        else if (size + buffer_size(piece) > SIZE_LIMIT)
            r = fail_large(f);
    }
    if (r == 0 && buffer_size(piece) > 0)
        r = append_piece(database, piece, f);
    return r < 0 ? r : submit(database, message, terms, (DatabaseValue){.octets = true}, ret_id, f);
}

static int put_pieces_alone(Database *database, const DatabaseMessage *message, const Terms *terms,
    Buffer *piece, DatabaseRead read, void *source, char **ret_id, Failure *f)
{
    int r = database_run(database, "BEGIN", f);

    if (r == 0)
        r = put_pieces(database, message, terms, piece, read, source, ret_id, f);
    if (r < 0) {
        (void)database_run(database, "ROLLBACK", NULL);
        return r;
    }
    r = database_run(database, "COMMIT", f);
    if (r < 0)
        *ret_id = (free(*ret_id), NULL);
    return explain_lost(message, r, f);
}

static int put(Database *database, const DatabaseMessage *message, const void *start, size_t n,
    DatabaseRead read, void *source, bool alone, char **ret_id, Failure *f)
{
    _cleanup_(terms_done) Terms terms = {0};
    _cleanup_buffer_ Buffer piece = {0};
    int r = fill_terms(message, &terms) ?: buffer_append(&piece, start, n);

    if (r < 0)
        return failure_set_errno(f, r, "the message cannot be queued");
    r = look_for_rights(database, f) ?: fill_piece(&piece, read, source, f);
    if (r < 0)
        return r;
    if (r > 0)
        return (alone ? put_pieces_alone : put_pieces)(
            database, message, &terms, &piece, read, source, ret_id, f);
    r = submit(database, message, &terms, database_octets(buffer_data(&piece), buffer_size(&piece)),
        ret_id, f);
    return alone ? explain_lost(message, r, f) : r;
}

int database_put(Database *database, const DatabaseMessage *message, const void *start, size_t n,
    DatabaseRead read, void *source, char **ret_id, Failure *f)
{
    return put(database, message, start, n, read, source, true, ret_id, f);
}

int database_put_within(Database *database, const DatabaseMessage *message, const void *start,
    size_t n, DatabaseRead read, void *source, char **ret_id, Failure *f)
{
    return put(database, message, start, n, read, source, false, ret_id, f);
}
