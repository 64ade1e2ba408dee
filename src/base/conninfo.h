/* Connection strings of libpq, "host=db.example.com dbname=shop" or
 * "postgresql://db.example.com/shop": what can be said of them without that library. */
#pragma once

#include <stdbool.h>

/* What is wrong with it, as the rest of a sentence, or NULL. What its keywords mean is not looked
 * at. libpq is never to see what has such a fault: of a URI it says all, with the password. */
const char *conninfo_fault(const char *text);

bool conninfo_has_secret(const char *text);

/* A copy with "***" in the place of passwords, and of whatever cannot be read. Caller frees; NULL
 * when memory is short. */
char *conninfo_shown(const char *text);
