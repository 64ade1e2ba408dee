/* File names of the queue directory: `X.state`, where X is the message's id. doc/spool.md has the
 * table of states. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum SpoolState {
    SPOOL_QUEUED,
    SPOOL_SENDING,
    SPOOL_SENT,
    SPOOL_FAILED,
    SPOOL_DEFERRED,
    SPOOL_HELD,
    SPOOL_STATE_MAX,
} SpoolState;

/* Of a whole file name, NUL included (NAME_MAX + 1). */
#define SPOOL_NAME_MAX 256

/* Longer ids are shortened when the message is claimed, so that every state's name fits, and a
 * suffix too. */
#define SPOOL_ID_MAX 200

/* "queued", "sending", ... */
const char *spool_state_name(SpoolState state);

/* The state called so. 0 or -EINVAL. */
int spool_state_parse(const char *name, SpoolState *ret);

/* True when `file_name` is that of a message (not of a record, not starting with a dot, id not
 * empty). */
bool spool_name_parse(const char *file_name, SpoolState *ret_state, size_t *ret_id_length);

/* Writes "ID.state"; false when it does not fit or `id` cannot be one (empty, with a slash,
 * starting with a dot). The second form is the record's name, "ID.status". */
bool spool_name_format(const char *id, SpoolState state, char ret_name[static SPOOL_NAME_MAX]);
bool spool_name_format_record(const char *id, char ret_name[static SPOOL_NAME_MAX]);

/* Writes an id nobody else has: `id`, cut at a character's border where it is long, and a random
 * suffix. */
/* Whether a file's name is a record's; `ret_id_length` bytes of it are the id. */
bool spool_name_parse_record(const char *file_name, size_t *ret_id_length);

/* Whether an id, `n` bytes of this, looks as if the next function had made it. */
bool spool_name_is_made(const char *id, size_t n);

void spool_name_make_id(const char *id, char ret_id[static SPOOL_NAME_MAX]);
