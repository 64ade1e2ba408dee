/* Algorithms that OpenSSL 3 has put aside, such as RC2 with 40 bits and single DES, by which old
 * PKCS#12 files and keys are encrypted. They are used to open those, and for nothing else. */
#pragma once

#include <openssl/crypto.h>
#include <stdbool.h>

#include "base/failure.h"

/* Until legacy_leave(), what this thread has OpenSSL do may use them. NULL: they cannot be had. A
 * key that was read meanwhile must not be used behind it. */
OSSL_LIB_CTX *legacy_enter(void);
void legacy_leave(OSSL_LIB_CTX *context); /* accepts NULL */

/* Whether what just failed did so because OpenSSL lacks an algorithm; the queue of errors is
 * emptied. */
bool legacy_is_wanted(void);

/* Returns -ENOTSUP, with a Failure that says how they can be had; who gets it may try once more
 * within legacy_enter(). */
int legacy_lacking(Failure *f);
