/* The message that a report is about, as a part of it. Inside the layer only. */
#pragma once

#include "message/dsn.h"

typedef struct DsnOriginal {
    Buffer text; /* encoded; empty: there is none, or it cannot be read */
    const char *description, *type, *encoding;
} DsnOriginal;

/* Of `{0}`. 0 or -ENOMEM. */
int dsn_original_read(const Dsn *dsn, DsnOriginal *ret);
void dsn_original_done(DsnOriginal *original);
