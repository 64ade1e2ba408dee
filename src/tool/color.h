/* A little colour for what a person is to look at. Nothing is allocated. Errors stay with the
 * stream. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "spool/spool.h"

/* What --color asks for. */
typedef enum ColorWhen { COLOR_AUTO, COLOR_NEVER, COLOR_ALWAYS } ColorWhen;

typedef enum Color {
    COLOR_NONE,
    COLOR_GOOD,
    COLOR_WAITS, /* somebody may have to look at it */
    COLOR_BAD,   /* somebody has to */
} Color;

/* "auto", "never" or "always". 0 or -EINVAL. */
int color_parse(const char *text, ColorWhen *ret);

/* Whether standard output is to be coloured. Of COLOR_AUTO: where it is a terminal that can, and
 * NO_COLOR, which users set who want none (no-color.org), is not set or empty. */
bool color_is_wanted(ColorWhen when);

/* Of a message in that state. */
Color color_of_state(SpoolState state);

/* What is printed between the two has the colour; COLOR_NONE writes nothing. */
void color_begin(FILE *out, Color color);
void color_end(FILE *out, Color color);
