/* Secrets in what others say, for people who read it: a server or a proxy may tell what it was
 * told, as it stands or in another writing. */
#pragma once

#include <stddef.h>

typedef struct MaskSecret {
    const char *data; /* borrowed */
    size_t n;
} MaskSecret;

/* Writes asterisks over what is told of secrets (as secret_told() has it): over them, and over a
 * word of base64 (that for URLs, too, RFC 4648), of hexadecimal digits or with percent-encoding
 * (RFC 3986, 2.1) that holds one. What it takes grows with `n` alone. 0, or -ENOMEM: then there are
 * asterisks only. */
int mask_secrets(char *data, size_t n, const MaskSecret *secrets, size_t n_secrets);
