/* Moving messages between a queue directory and a database: one at a time, never two of one. */
#pragma once

#include <jansson.h>

#include "database/client.h"
#include "spool/moved.h"
#include "tool/command.h"

#define MOVE_TAG_MAX 16
#define MOVER_MAX 600 /* "from HOST:DIRECTORY" */

/* Between which two. */
typedef struct Moving {
    Spool *spool;
    Database *database;     /* borrowed */
    char tag[MOVE_TAG_MAX]; /* the database in names of the directory's files */
    char from[MOVER_MAX];   /* the directory in the database, as where messages come from */
    char to[MOVER_MAX];     /* and as where they go */
    int lock_fd;
    json_t *resumed;  /* what was finished that another process had begun: new ids */
    size_t n_unknown; /* what was given, of which the database knows nothing: told */
} Moving;

/* Makes ready, and brings to its end what a process that died has begun, also where the directory
 * was `formerly` (HOST, or HOST:DIRECTORY; may be NULL) to it. 0, or a negative errno with a
 * Failure. */
int moving_begin(
    Moving *moving, Spool *spool, Database *database, const char *formerly, Failure *f);
void moving_done(Moving *moving);

/* Moves one message; `ret_id` (the caller frees) is what it is called there. 0; -ENOENT when it is
 * gone; -EBUSY with ERROR_WOULD_BLOCK when it is being sent; or another negative errno, each with a
 * Failure, and it is where it was. */
int move_to_database(Moving *moving, const ToolMessage *message, char **ret_id, Failure *f);
int move_to_directory(Moving *moving, const ToolMessage *message, char **ret_id, Failure *f);

/* ---- the two halves ---- */

/* Each goes on with what was begun in its direction. 0 or a negative errno with a Failure. */
int move_resume_to_database(Moving *moving, Failure *f);
int move_resume_to_directory(Moving *moving, Failure *f);

/* The truth that such a statement answers; or a negative errno with a Failure. */
int move_ask(Moving *moving, const char *statement, const char *mover, const char *id, Failure *f);
