/* NTLM's three messages (MS-NLMP, 2.2). Must never read outside of a challenge, whatever its
 * offsets and lengths say. */
#include "smtp/ntlm.h"

#include <errno.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"

#define SIGNATURE "NTLMSSP" /* with its NUL */

enum {
    TYPE_NEGOTIATE = 1,
    TYPE_CHALLENGE = 2,
    TYPE_AUTHENTICATE = 3,
};

/* MS-NLMP, 2.2.2.5. */
enum {
    FLAG_UNICODE = 1 << 0,
    FLAG_OEM = 1 << 1,
    FLAG_REQUEST_TARGET = 1 << 2,
    FLAG_NTLM = 1 << 9,
    FLAG_ALWAYS_SIGN = 1 << 15,
    FLAG_EXTENDED_SECURITY = 1 << 19,
    FLAG_TARGET_INFO = 1 << 23,
    FLAG_128 = 1 << 29,
};

/* MS-NLMP, 2.2.2.1. */
enum {
    PAIR_END = 0,
    PAIR_FLAGS = 6,
    PAIR_TIME = 7,
    PAIR_BINDING = 10,
};

#define PAIR_FLAG_MIC 2u
#define CHALLENGE_MIN 32 /* up to where the target information stands in newer ones */
#define CHALLENGE_WITH_INFO 48
#define AUTHENTICATE_SIZE 88 /* before what its offsets point at */
#define MIC_OFFSET 72
#define NEGOTIATE_SIZE 32
#define FIELD_MAX UINT16_MAX
#define TIME_1601 UINT64_C(11644473600) /* seconds from there to 1970 */

/* What a challenge says; pointers into it. */
typedef struct Challenge {
    uint32_t flags;
    const uint8_t *challenge;
    const uint8_t *info; /* pairs, checked; NULL: none */
    size_t info_n;       /* without the pair that ends them */
    const uint8_t *time; /* the server's, eight bytes, or NULL */
} Challenge;

/* The answers, and what else the AUTHENTICATE message points at. */
typedef struct Answer {
    Buffer lm, nt, domain, user;
    uint8_t session_key[NTLM_HASH_SIZE];
    bool with_mic;
} Answer;

static void answer_done(Answer *answer)
{
    buffer_done(&answer->lm);
    buffer_done(&answer->nt);
    buffer_done(&answer->domain);
    buffer_done(&answer->user);
    OPENSSL_cleanse(answer->session_key, sizeof(answer->session_key));
}

/* ---- numbers ---- */

static uint32_t read_16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t read_32(const uint8_t *at)
{
    return read_16(at) | read_16(at + 2) << 16;
}

static void write_16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void write_32(uint8_t *at, size_t value)
{
    write_16(at, value);
    write_16(at + 2, value >> 16);
}

int ntlm_fresh_at(usec_t realtime, NtlmFresh *ret)
{
    if (gsasl_nonce((char *)ret->challenge, sizeof(ret->challenge)) != GSASL_OK)
        return -EIO;
    ret->time = (realtime + TIME_1601 * USEC_PER_SEC) * 10;
    return 0;
}

/* ---- NEGOTIATE ---- */

/* Version 1 is not made stronger by the client's challenge: servers that know nothing newer do not
 * know that either. */
static uint32_t flags_of(const NtlmLogin *login)
{
    uint32_t flags =
        FLAG_UNICODE | FLAG_OEM | FLAG_REQUEST_TARGET | FLAG_NTLM | FLAG_ALWAYS_SIGN | FLAG_128;

    return login->version_1 ? flags : flags | FLAG_EXTENDED_SECURITY | FLAG_TARGET_INFO;
}

static void make_negotiate(const NtlmLogin *login, uint8_t ret[static NEGOTIATE_SIZE])
{
    memset(ret, 0, NEGOTIATE_SIZE);
    memcpy(ret, SIGNATURE, sizeof(SIGNATURE));
    write_32(ret + 8, TYPE_NEGOTIATE);
    write_32(ret + 12, flags_of(login));
    /* Neither domain nor host is told; where they would be is said all the same. */
    write_32(ret + 20, NEGOTIATE_SIZE);
    write_32(ret + 28, NEGOTIATE_SIZE);
}

int ntlm_negotiate(const NtlmLogin *login, Buffer *out)
{
    uint8_t message[NEGOTIATE_SIZE];

    make_negotiate(login, message);
    return buffer_append(out, message, sizeof(message));
}

/* ---- CHALLENGE ---- */

static int fail_challenge(const char *what, Failure *f)
{
    return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
        "NTLM failed on what the server sent: %s (MS-NLMP, 2.2.1.2)", what);
}

/* Goes through the pairs up to their end. */
static bool read_pairs(const uint8_t *at, size_t n, Challenge *ret)
{
    const uint8_t *begin = at, *end = at + n;

    while (end - at >= 4) {
        uint32_t id = read_16(at), size = read_16(at + 2);

        if (id == PAIR_END) {
            ret->info = begin;
            ret->info_n = (size_t)(at - begin);
            return true;
        }
        if (size > (size_t)(end - at) - 4 || (id == PAIR_TIME && size != 8))
            return false;
        if (id == PAIR_TIME)
            ret->time = at + 4;
        at += 4 + size;
    }
    return false;
}

static int read_challenge(const uint8_t *data, size_t n, Challenge *ret, Failure *f)
{
    size_t size, offset;

    *ret = (Challenge){0};
    if (n < CHALLENGE_MIN || memcmp(data, SIGNATURE, sizeof(SIGNATURE)) != 0 ||
        read_32(data + 8) != TYPE_CHALLENGE)
        return fail_challenge("it is no CHALLENGE message", f);
    ret->flags = read_32(data + 20);
    ret->challenge = data + 24;
    if (!(ret->flags & FLAG_TARGET_INFO) || n < CHALLENGE_WITH_INFO)
        return 0;
    size = read_16(data + 40);
    offset = read_32(data + 44);
    if (size == 0)
        return 0;
    if (offset > n || size > n - offset)
        return fail_challenge("its target information lies outside of it", f);
    if (!read_pairs(data + offset, size, ret))
        return fail_challenge("its target information is malformed", f);
    return 0;
}

/* ---- the answer of version 2 (MS-NLMP, 3.3.2) ---- */

static int append_pair(Buffer *out, unsigned id, const void *value, size_t n)
{
    uint8_t head[4];

    write_16(head, id);
    write_16(head + 2, n);
    return buffer_append(out, head, sizeof(head)) ?: (n > 0 ? buffer_append(out, value, n) : 0);
}

/* The server's pairs, but for those that are the client's to say. */
static int copy_pairs(const Challenge *challenge, uint32_t *flags, Buffer *out)
{
    const uint8_t *at = challenge->info, *end = at + challenge->info_n;
    int r = 0;

    while (r >= 0 && at < end) {
        uint32_t id = read_16(at), size = read_16(at + 2);

        if (id == PAIR_FLAGS && size == 4)
            *flags = read_32(at + 4);
        else if (id != PAIR_BINDING)
            r = append_pair(out, id, at + 4, size);
        at += 4 + size;
    }
    return r;
}

static int append_binding(const NtlmLogin *login, Buffer *out)
{
    uint8_t binding[NTLM_BINDING_SIZE] = {0};
    int r = 0;

    if (login->end_point)
        r = ntlm_hash_binding(login->end_point, login->end_point_size, binding);
    return r < 0 ? r : append_pair(out, PAIR_BINDING, binding, sizeof(binding));
}

/* Who tells a time knows the code over all three messages, and what the channel is known by. */
static int append_info(const NtlmLogin *login, const Challenge *challenge, Buffer *out)
{
    uint32_t flags = 0;
    uint8_t value[4];
    int r = challenge->info ? copy_pairs(challenge, &flags, out) : 0;

    if (r >= 0 && challenge->time) {
        write_32(value, flags | PAIR_FLAG_MIC);
        r = append_pair(out, PAIR_FLAGS, value, sizeof(value)) ?: append_binding(login, out);
    }
    return r ?: append_pair(out, PAIR_END, NULL, 0);
}

/* NTLMv2_CLIENT_CHALLENGE (MS-NLMP, 2.2.2.7), and four bytes more. */
static int append_temp(
    const NtlmLogin *login, const NtlmFresh *fresh, const Challenge *challenge, Buffer *out)
{
    static const uint8_t zeros[4];
    uint8_t head[28] = {1, 1};
    int r;

    for (size_t i = 0; i < 8; i++)
        head[8 + i] = challenge->time ? challenge->time[i] : (uint8_t)(fresh->time >> (8 * i));
    memcpy(head + 16, fresh->challenge, NTLM_CHALLENGE_SIZE);
    r = buffer_append(out, head, sizeof(head)) ?: append_info(login, challenge, out);
    return r ?: buffer_append(out, zeros, sizeof(zeros));
}

/* The older answer beside it is nought where the server tells a time. */
static int append_lm_2(const uint8_t key[static NTLM_HASH_SIZE], const NtlmFresh *fresh,
    const Challenge *challenge, Buffer *out)
{
    uint8_t answer[NTLM_HASH_SIZE + NTLM_CHALLENGE_SIZE] = {0};
    int r = 0;

    if (!challenge->time) {
        r = ntlm_mac(key, challenge->challenge, NTLM_CHALLENGE_SIZE, fresh->challenge,
            NTLM_CHALLENGE_SIZE, answer);
        memcpy(answer + NTLM_HASH_SIZE, fresh->challenge, NTLM_CHALLENGE_SIZE);
    }
    return r ?: buffer_append(out, answer, sizeof(answer));
}

static int answer_2(const NtlmLogin *login, const NtlmFresh *fresh, const Challenge *challenge,
    const uint8_t key[static NTLM_HASH_SIZE], Answer *ret)
{
    _cleanup_buffer_ Buffer temp = {0};
    uint8_t proof[NTLM_HASH_SIZE];
    int r = append_temp(login, fresh, challenge, &temp);

    if (r >= 0)
        r = ntlm_mac(key, challenge->challenge, NTLM_CHALLENGE_SIZE, buffer_data(&temp),
            buffer_size(&temp), proof);
    ret->with_mic = challenge->time;
    return r
               ?: buffer_append(&ret->nt, proof, sizeof(proof))
               ?: buffer_append(&ret->nt, buffer_data(&temp), buffer_size(&temp))
               ?: append_lm_2(key, fresh, challenge, &ret->lm)
               ?: ntlm_mac(key, proof, sizeof(proof), NULL, 0, ret->session_key);
}

/* ---- names, and which version ---- */

/* Where the user's own name begins, and how long the domain before it is. */
static const char *split_user(const char *user, size_t *ret_domain_n)
{
    const char *slash = strchr(user, '\\');

    *ret_domain_n = slash ? (size_t)(slash - user) : 0;
    return slash ? slash + 1 : user;
}

static int append_name(const Challenge *challenge, const char *name, size_t n, Buffer *out)
{
    if (n == 0)
        return 0;
    if (challenge->flags & FLAG_UNICODE)
        return ntlm_append_utf16(out, name, n, false);
    return text_is_ascii(name, n) ? buffer_append(out, name, n) : -EPROTO;
}

static int answer_1(const NtlmLogin *login, const Challenge *challenge, Answer *ret)
{
    uint8_t hash[NTLM_HASH_SIZE], answer[NTLM_ANSWER_1_SIZE];
    int r = ntlm_hash_password(login->password, hash)
                ?: ntlm_answer_1(hash, challenge->challenge, answer);

    OPENSSL_cleanse(hash, sizeof(hash));
    /* The answer of LAN Manager is weaker still: this one stands in its place, too (3.3.1). */
    return r
               ?: buffer_append(&ret->nt, answer, sizeof(answer))
               ?: buffer_append(&ret->lm, answer, sizeof(answer));
}

static int make_answer(
    const NtlmLogin *login, const NtlmFresh *fresh, const Challenge *challenge, Answer *ret)
{
    uint8_t key[NTLM_HASH_SIZE];
    size_t domain_n;
    const char *name = split_user(login->user, &domain_n);
    int r = append_name(challenge, name, strlen(name), &ret->user)
                ?: append_name(challenge, login->user, domain_n, &ret->domain);

    if (r < 0 || login->version_1)
        return r < 0 ? r : answer_1(login, challenge, ret);
    r = ntlm_hash_login(login->password, name, strlen(name), login->user, domain_n, key)
            ?: answer_2(login, fresh, challenge, key, ret);
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}

/* ---- AUTHENTICATE ---- */

static void point_at(uint8_t *field, const Buffer *value, size_t *offset)
{
    write_16(field, buffer_size(value));
    write_16(field + 2, buffer_size(value));
    write_32(field + 4, *offset);
    *offset += buffer_size(value);
}

static int append_all(const Buffer *const parts[], size_t n, Buffer *out)
{
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++)
        if (buffer_size(parts[i]) > 0)
            r = buffer_append(out, buffer_data(parts[i]), buffer_size(parts[i]));
    return r;
}

/* The code over all three messages (MS-NLMP, 3.1.5.1.2). */
static int append_mic(const NtlmLogin *login, const uint8_t key[static NTLM_HASH_SIZE],
    const void *challenge, size_t n, Buffer *message)
{
    uint8_t negotiate[NEGOTIATE_SIZE], mic[NTLM_HASH_SIZE];
    _cleanup_buffer_ Buffer all = {0};
    int r;

    make_negotiate(login, negotiate);
    r = buffer_append(&all, negotiate, sizeof(negotiate))
            ?: buffer_append(&all, challenge, n)
            ?: ntlm_mac(key, buffer_data(&all), buffer_size(&all), buffer_data(message),
                   buffer_size(message), mic);
    if (r >= 0)
        memcpy(message->memory + message->start + MIC_OFFSET, mic, sizeof(mic));
    return r;
}

static int make_authenticate(
    const NtlmLogin *login, const Challenge *challenge, const Answer *answer, Buffer *message)
{
    const Buffer nothing = {0};
    const Buffer *const parts[] = {&answer->domain, &answer->user, &answer->lm, &answer->nt};
    uint8_t head[AUTHENTICATE_SIZE] = {0};
    uint32_t flags = challenge->flags & flags_of(login);
    size_t offset = sizeof(head);

    memcpy(head, SIGNATURE, sizeof(SIGNATURE));
    write_32(head + 8, TYPE_AUTHENTICATE);
    point_at(head + 28, parts[0], &offset);
    point_at(head + 36, parts[1], &offset);
    point_at(head + 44, &nothing, &offset);
    point_at(head + 12, parts[2], &offset);
    point_at(head + 20, parts[3], &offset);
    point_at(head + 52, &nothing, &offset);
    if (flags & FLAG_UNICODE)
        flags &= ~(uint32_t)FLAG_OEM;
    write_32(head + 60, flags);
    return buffer_append(message, head, sizeof(head))
               ?: append_all(parts, ELEMENTSOF(parts), message);
}

static int explain(int r, Failure *f)
{
    switch (r) {
    case -EBADMSG:
        return failure_set(f, r, ERROR_AUTHENTICATION,
            "user or password are not UTF-8, which NTLM needs them in: check where they come from");
    case -EPROTO:
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "the server takes names for NTLM in no other characters than ASCII, and the user has "
            "others: use another mechanism");
    case -EMSGSIZE:
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "a part of the answer of NTLM would be longer than %d bytes: check user, and whether "
            "the server is at fault",
            FIELD_MAX);
    case -ENOTSUP:
        return failure_set(f, r, ERROR_AUTHENTICATION,
            "OpenSSL refuses MD5 or DES here, which NTLM needs (a FIPS provider does): set auth to "
            "another mechanism");
    default: return r;
    }
}

int ntlm_authenticate(const NtlmLogin *login, const NtlmFresh *fresh, const void *challenge,
    size_t n, Buffer *out, Failure *f)
{
    _cleanup_(answer_done) Answer answer = {0};
    _cleanup_buffer_ Buffer message = {0};
    Challenge read;
    int r = read_challenge(challenge, n, &read, f);

    if (r < 0)
        return r;
    r = make_answer(login, fresh, &read, &answer);
    if (r >= 0 && MAX(MAX(buffer_size(&answer.nt), buffer_size(&answer.user)),
                      buffer_size(&answer.domain)) > FIELD_MAX)
        r = -EMSGSIZE;
    r = r ?: make_authenticate(login, &read, &answer, &message);
    if (r >= 0 && answer.with_mic)
        r = append_mic(login, answer.session_key, challenge, n, &message);
    r = r ?: buffer_append(out, buffer_data(&message), buffer_size(&message));
    return r < 0 ? explain(r, f) : 0;
}
