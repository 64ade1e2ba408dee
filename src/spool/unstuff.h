/* Content with the dots of SMTP (RFC 5321, 4.5.2) as it was before: of a dot that begins a line the
 * first is taken away, and a line with a dot alone ends it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

typedef enum UnstuffPlace {
    UNSTUFF_LINE_START,
    UNSTUFF_DOT,    /* behind the first dot of a line */
    UNSTUFF_DOT_CR, /* and a CR */
    UNSTUFF_INSIDE,
} UnstuffPlace;

/* Begun as {0}. */
typedef struct Unstuff {
    UnstuffPlace place;
    bool ended;    /* by a line with a dot */
    bool has_more; /* text behind that line, which is in nobody's message */
} Unstuff;

/* Appends what the next `n` bytes stand for, in time that is linear in them. 0 or -ENOMEM. */
int unstuff(Unstuff *unstuff, const char *data, size_t n, Buffer *out);
