/* What a store may cost. All that is in one comes from a file that somebody else may have made:
 * nothing in it may take memory or time without an end. */
#pragma once

#define STORE_BYTES_MAX (4 * 1024 * 1024) /* of a file; a bundle of all authorities has 250 KB */
#define STORE_FILES_MAX 1000              /* of a directory, in all STORE_BYTES_MAX, too */
#define STORE_CERTIFICATES_MAX 4096
#define STORE_KEYS_MAX 256
#define STORE_NESTING_MAX 4 /* base64 of PEM of PKCS#12 of safes in safes */

#define PASSWORD_BYTES_MAX 1024 /* hashed in every round of PKCS#12's derivation */
#define SALT_BYTES_MAX 1024     /* so is its salt */

/* The rounds of all derivations of a store together: a few seconds. OpenSSL writes 2048, careful
 * people a million. Whatever else takes time is counted in these. */
#define ROUNDS_MAX 5000000
#define SCRYPT_ROUNDS(n, r, p) ((n) * (r) * (p)*2) /* N, r and p of RFC 7914 */
#define ARGON2_KIB_MAX (256 * 1024)
#define ARGON2_ROUNDS(kib, passes) ((kib) * (passes))
#define BCRYPT_ROUND_COST 10000 /* a round of OpenSSH's derivation: four to eight milliseconds */
#define BCRYPT_ROUNDS_MAX (ROUNDS_MAX / BCRYPT_ROUND_COST)

#define KEY_BITS_MAX 16384      /* OpenSSL's own, of RSA */
#define KEY_DER_MAX (16 * 1024) /* of such a key there are less than 10 KB */
#define KEY_NUMBER_BYTES_MAX (KEY_BITS_MAX / 8)
#define CHAIN_MAX 16
