/* What a file is, by its name and by how it begins. Inside the layer only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define MIME_TYPES_FILE "/etc/mime.types"
#define CONTENT_TYPE_MAX 256
#define CONTENT_SAMPLE 4096 /* bytes that are enough to tell by */

/* The file of endings that a system has, read when it is asked for the first time. Zeroed at first.
 */
typedef struct TypesFile {
    const char *path; /* NULL: MIME_TYPES_FILE */
    bool was_read;
    Buffer text;                  /* what there is of it: one that cannot be read knows nothing */
    char found[CONTENT_TYPE_MAX]; /* the last answer */
} TypesFile;

void types_file_done(TypesFile *file);

/* By the ending of the name: of the usual ones first, then of the system's file. NULL: it says
 * nothing. Borrowed from `file` until
 * the next. */
const char *content_type_of_name(const char *name, TypesFile *file);

/* By its first bytes, of which CONTENT_SAMPLE suffice. NULL: they are of no format that is known.
 */
const char *content_type_of_start(const char *data, size_t n);

/* Whether they may be those of a text: some, and none that only other data has. */
bool content_may_be_text(const char *data, size_t n);
