/* The messages of NTLM (MS-NLMP), without I/O and without a word of the protocol that carries them,
 * which puts them into base64: SMTP's AUTH, or an HTTP proxy's header fields.
 *
 * The client says NEGOTIATE, the server CHALLENGE, the client AUTHENTICATE. Version 2 of the answer
 * is made where it is asked for; version 1, which anybody who reads along breaks within a day,
 * never because a server would rather have it. Nothing is signed or sealed: TLS is for that. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/secret.h"

#define NTLM_HASH_SIZE 16
#define NTLM_CHALLENGE_SIZE 8
#define NTLM_BINDING_SIZE 16

/* Who logs in; everything borrowed, text in UTF-8. */
typedef struct NtlmLogin {
    const char *user; /* "name", "DOMAIN\name", or "name@domain", which goes as it stands */
    const Secret *password;
    bool version_1;
    const void *end_point; /* of the TLS channel: tls-server-end-point (RFC 5929, 4), or NULL */
    size_t end_point_size;
} NtlmLogin;

/* What is different each time. */
typedef struct NtlmFresh {
    uint8_t challenge[NTLM_CHALLENGE_SIZE]; /* random */
    uint64_t time; /* 100 ns since 1601; the server's counts where it tells one */
} NtlmFresh;

/* Of the wall clock's time, and what the generator of random bytes gives. 0 or -EIO. */
int ntlm_fresh_at(usec_t realtime, NtlmFresh *ret);

/* Appends the NEGOTIATE message (MS-NLMP, 2.2.1.1). 0 or -ENOMEM. */
int ntlm_negotiate(const NtlmLogin *login, Buffer *out);

/* Reads a CHALLENGE message and appends the AUTHENTICATE message (MS-NLMP, 2.2.1.3). 0; -EBADMSG
 * with a Failure (ERROR_AUTHENTICATION) where the challenge is none, or user and password cannot be
 * said to this server; -ENOTSUP where the cryptographic library refuses what NTLM needs; -ENOMEM.
 */
int ntlm_authenticate(const NtlmLogin *login, const NtlmFresh *fresh, const void *challenge,
    size_t n, Buffer *out, Failure *f);

/* ---- of which they are made, for tests with the vectors of MS-NLMP, 4.2 ---- */

/* MD4 (RFC 1320), which OpenSSL has in a provider that need not be installed. */
void ntlm_md4(const void *data, size_t n, uint8_t ret[static NTLM_HASH_SIZE]);

/* NTOWFv1: of the password. 0; -EBADMSG when it is not UTF-8; -ENOMEM. */
int ntlm_hash_password(const Secret *password, uint8_t ret[static NTLM_HASH_SIZE]);

/* NTOWFv2: of password, user and domain. As above, and -ENOTSUP. */
int ntlm_hash_login(const Secret *password, const char *user, size_t user_n, const char *domain,
    size_t domain_n, uint8_t ret[static NTLM_HASH_SIZE]);

/* Three times DES of the challenge, the key being a hash: version 1's answer. 0 or -ENOTSUP. */
#define NTLM_ANSWER_1_SIZE 24
int ntlm_answer_1(const uint8_t hash[static NTLM_HASH_SIZE],
    const uint8_t challenge[static NTLM_CHALLENGE_SIZE], uint8_t ret[static NTLM_ANSWER_1_SIZE]);

/* HMAC-MD5 of two pieces. 0 or -ENOTSUP. */
int ntlm_mac(const uint8_t key[static NTLM_HASH_SIZE], const void *a, size_t a_n, const void *b,
    size_t b_n, uint8_t ret[static NTLM_HASH_SIZE]);

/* The hash that stands for the channel (MS-NLMP, 2.2.2.1: MsvAvChannelBindings; RFC 4121, 4.1.1.2).
 * 0, -ENOMEM or -ENOTSUP. */
int ntlm_hash_binding(const void *end_point, size_t n, uint8_t ret[static NTLM_BINDING_SIZE]);

/* Appends text as UTF-16, little-endian, in capitals where that is asked for. 0; -EBADMSG when it
 * is not UTF-8; -ENOMEM. */
int ntlm_append_utf16(Buffer *out, const char *text, size_t n, bool capitals);
