/* Bytes that may be a secret: wiped when they are freed, and read from a file without a copy that
 * is not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

typedef struct Octets {
    unsigned char *data; /* a NUL stands behind them */
    size_t n;
} Octets;

/* Borrowed bytes. */
typedef struct Bytes {
    const unsigned char *data;
    size_t n;
} Bytes;

static inline Bytes octets_bytes(const Octets *octets)
{
    return (Bytes){octets->data, octets->n};
}

/* `n` bytes of zeros. 0 or -ENOMEM. */
int octets_new(Octets *ret, size_t n);
void octets_done(Octets *octets);

/* A regular file whole: 0, -EFBIG where there are more than `max`, -EISDIR, -ENXIO where it is a
 * pipe or the like, or another negative errno. */
int octets_load(int directory_fd, const char *path, size_t max, Octets *ret);

/* Base64 (RFC 4648), with blanks and line ends anywhere; `url` is the alphabet of its part 5. Its
 * padding may be left out. 0, -EINVAL for anything else, or -ENOMEM. */
int octets_from_base64(const char *text, size_t n, bool url, Octets *ret);

/* Pairs of hexadecimal digits. 0, -EINVAL or -ENOMEM. */
int octets_from_hex(const char *text, size_t n, Octets *ret);

#define _cleanup_octets_ _cleanup_(octets_done)
