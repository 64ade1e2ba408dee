/* Secrets in what others say, for people who read it: a server or a proxy may tell what it was
 * told, as it stands or in another writing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct MaskSecret {
    const char *data; /* borrowed */
    size_t n;
    bool any_case; /* it is as good in capitals: hexadecimal digits */
} MaskSecret;

/* Writes asterisks over what is told of secrets (as secret_told() has it): over them, also with the
 * escapes of JSON (RFC 8259, 7) and \xNN in them, and over a word of base64 (that for URLs, too,
 * RFC 4648), of hexadecimal digits or with percent-encoding (RFC 3986, 2.1) that holds one. What it
 * takes grows with `n` alone. 0, or -ENOMEM: then there are asterisks only. */
int mask_secrets(char *data, size_t n, const MaskSecret *secrets, size_t n_secrets);

/* The secrets that are known at a moment. Begun zeroed; what is in it is borrowed. */
typedef struct MaskList {
    MaskSecret *all;
    size_t n, room;
} MaskList;
int mask_list_add(MaskList *list, const char *data, size_t n); /* 0 or -ENOMEM; empty: not added */
void mask_list_done(MaskList *list);

/* What a stranger says, masked, and then as text_printable() has it. NULL when memory is short. */
char *mask_printable(const MaskList *list, const char *data, size_t n, size_t max);
