/* The local part of an address as RFC 5321 (4.1.2) wants it: with the quotes it needs and no
 * others. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether the bytes can stand without quotes: atoms with single dots between them. */
bool local_part_is_plain(const char *text, size_t n);

/* Writes the local part that means these bytes to `to`, which has room for `size`. The bytes
 * written; 0 where they do not fit. Nothing is empty: of no bytes `""` is made. */
size_t local_part_format(const char *text, size_t n, char *to, size_t size);
