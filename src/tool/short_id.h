/* How much of an id has to be shown so that it can be told from all others, and given to a command.
 */
#pragma once

#include "spool/spool.h"

/* Of a queue, as they are shown (base/text.h, text_printable); all zero is none. */
typedef struct ShortIds {
    const Spool *spool;
    char **all; /* in order; NULL: they were not read */
    size_t n;
} ShortIds;

/* The bytes of a shown id that are the beginning of no other; those of the whole where they cannot
 * be told. `userdata` is a ShortIds, which reads the queue directory when it is asked first. */
size_t short_ids_needed(void *userdata, const char *id);
void short_ids_done(ShortIds *ids);

/* As many of `n` bytes as do not end within the escape of one. */
size_t short_id_border(const char *id, size_t n);
