/* Algorithms that OpenSSL 3 has put aside, such as RC2 with 40 bits and single DES, by which old
 * PKCS#12 files and keys are encrypted. They are used to open those, and for nothing else. */
#pragma once

#include <openssl/provider.h>
#include <stdbool.h>

#include "base/failure.h"

typedef struct Legacy {
    OSSL_LIB_CTX *context;
    OSSL_PROVIDER *standard, *legacy;
} Legacy;

/* Until legacy_leave(), what this thread has OpenSSL do may use them; false: they cannot be had. A
 * key that was read meanwhile must not be used behind it. */
bool legacy_enter(Legacy *legacy);
void legacy_leave(Legacy *legacy);

/* Whether what just failed did so because OpenSSL lacks an algorithm; the queue of errors is
 * emptied. */
bool legacy_is_wanted(void);

/* Returns -ENOPKG, with a Failure that says how they can be had; who gets it may try once more
 * within legacy_enter(). */
int legacy_lacking(Failure *f);
