/* Makes long inputs of short ones, in which whatever is not linear shows: a piece of an input is
 * repeated where it stands, be it a byte (one huge token), a few (many small ones), a line or all
 * of it; or two bytes are, each where it stands (deep nesting). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

typedef enum RepeatKind {
    REPEAT_BYTE,
    REPEAT_FEW,
    REPEAT_LINE,
    REPEAT_ALL,
    REPEAT_PAIR,
    REPEAT_KIND_MAX,
} RepeatKind;

/* Bytes of an input, each piece to be repeated; the second, behind the first, may be empty. */
typedef struct Repeat {
    size_t first, first_end, second, second_end;
} Repeat;

/* Pieces of that kind in an input that is not empty, where `random` says. */
Repeat repeat_choose(RepeatKind kind, const uint8_t *data, size_t size, uint64_t random);

/* Appends the input with its pieces repeated as often as at most `max` bytes allow, once at least.
 * 0 or -ENOMEM. */
int repeat_make(const Repeat *repeat, const uint8_t *data, size_t size, size_t max, Buffer *out);
