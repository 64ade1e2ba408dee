/* bcrypt_pbkdf(3) of OpenBSD: how OpenSSH makes a cipher's key of a pass-phrase. Its hash is that
 * of bcrypt (Provos and Mazieres, "A Future-Adaptable Password Scheme", 1999) over SHA-512. */
#pragma once

#include "certificate/octets.h"

#define BCRYPT_KEY_MAX 1024 /* bytes that can be derived */

/* Fills `key`, of 1 to BCRYPT_KEY_MAX bytes. A round takes some milliseconds for each 32 bytes of
 * it: who calls has bounded `rounds`, which are at least 1. 0, or -ENOMEM where OpenSSL cannot. */
int bcrypt_derive(Bytes password, Bytes salt, unsigned rounds, Octets *key);
