/* Basic (RFC 7617) and digest (RFC 7616). Must leave no copy of a password behind. */
#include "proxy/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/encode.h"

#define HEX_MAX (2 * EVP_MAX_MD_SIZE + 1)
#define NONCE_COUNT "00000001" /* each nonce is answered once */

static void to_hex(const unsigned char *data, size_t n, char *text)
{
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", data[i]);
}

void digest_cnonce(char text[static DIGEST_CNONCE_MAX])
{
    unsigned char random[(DIGEST_CNONCE_MAX - 1) / 2];

    /* So few bytes come at once, and without a seed the system waits in its start alone. */
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        memset(random, 0, sizeof(random));
    to_hex(random, sizeof(random), text);
}

/* The hash of strings with colons between them; the list ends with NULL. 0 or -ENOTSUP. */
static int hash(ChallengeScheme scheme, const char *const *parts, char ret[static HEX_MAX])
{
    const EVP_MD *md = scheme == CHALLENGE_DIGEST_SHA256 ? EVP_sha256() : EVP_md5();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    bool good = context && EVP_DigestInit_ex(context, md, NULL) == 1;

    for (size_t i = 0; good && parts[i]; i++)
        good = (i == 0 || EVP_DigestUpdate(context, ":", 1) == 1) &&
               EVP_DigestUpdate(context, parts[i], strlen(parts[i])) == 1;
    good = good && EVP_DigestFinal_ex(context, digest, &n) == 1;
    EVP_MD_CTX_free(context);
    to_hex(digest, n, ret);
    explicit_bzero(digest, sizeof(digest));
    return good ? 0 : -ENOTSUP;
}

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int respond(const Challenge *c, const Credentials *who, char response[static HEX_MAX])
{
    const char *password = who->password ? secret_text(who->password) : "";
    char of_user[HEX_MAX] = "", of_session[HEX_MAX] = "", of_request[HEX_MAX] = "";
    int r = hash(c->scheme, PARTS(who->user, c->realm, password), of_user);

    if (r >= 0 && c->session) {
        r = hash(c->scheme, PARTS(of_user, c->nonce, who->cnonce), of_session);
        memcpy(of_user, of_session, sizeof(of_user));
    }
    r = r ?: hash(c->scheme, PARTS(who->method, who->target), of_request);
    if (r >= 0 && c->qop)
        r = hash(c->scheme, PARTS(of_user, c->nonce, NONCE_COUNT, who->cnonce, "auth", of_request),
            response);
    else if (r >= 0)
        r = hash(c->scheme, PARTS(of_user, c->nonce, of_request), response);
    explicit_bzero(of_user, sizeof(of_user));
    explicit_bzero(of_session, sizeof(of_session));
    return r;
}

/* NAME"VALUE", with quoted pairs where they must be (RFC 9110, 5.6.4). */
static int append_quoted(Buffer *out, const char *name, const char *value)
{
    int r = buffer_appendf(out, "%s\"", name);

    for (; r >= 0 && *value; value++) {
        if (*value == '"' || *value == '\\')
            r = buffer_append(out, "\\", 1);
        r = r ?: buffer_append(out, value, 1);
    }
    return r ?: buffer_append(out, "\"", 1);
}

static int answer_digest(const Challenge *c, const Credentials *who, Buffer *out)
{
    char response[HEX_MAX], hidden[HEX_MAX] = "";
    int r = respond(c, who, response);

    if (r >= 0 && c->userhash)
        r = hash(c->scheme, PARTS(who->user, c->realm), hidden);
    r = r ?: append_quoted(out, "Digest username=", c->userhash ? hidden : who->user);
    r = r ?: append_quoted(out, ", realm=", c->realm);
    r = r ?: append_quoted(out, ", nonce=", c->nonce);
    r = r ?: append_quoted(out, ", uri=", who->target);
    r = r ?: append_quoted(out, ", response=", response);
    if (r >= 0 && c->algorithm)
        r = buffer_appendf(out, ", algorithm=%s", c->algorithm);
    if (r >= 0 && c->opaque)
        r = append_quoted(out, ", opaque=", c->opaque);
    if (r >= 0 && c->userhash)
        r = buffer_append_string(out, ", userhash=true");
    if (r >= 0 && c->qop)
        r = buffer_append_string(out, ", qop=auth, nc=" NONCE_COUNT)
                ?: append_quoted(out, ", cnonce=", who->cnonce);
    return r;
}

static int answer_basic(const Credentials *who, Buffer *out)
{
    const char *password = who->password ? secret_text(who->password) : "";
    size_t n_user = strlen(who->user), n = n_user + 1 + strlen(password);
    char *pair;
    int r;

    if (strchr(who->user, ':'))
        return -EINVAL;
    pair = malloc(n + 1);
    if (!pair)
        return -ENOMEM;
    snprintf(pair, n + 1, "%s:%s", who->user, password);
    /* All the room at once, so that it never moves. */
    r = buffer_reserve(out, encode_base64_size(n) + sizeof("Basic ") + 1) ? 0 : -ENOMEM;
    r = r ?: buffer_append_string(out, "Basic ") ?: encode_base64(pair, n, out);
    explicit_bzero(pair, n + 1);
    free(pair);
    return r;
}

int challenge_answer(const Challenge *challenge, const Credentials *credentials, char **ret)
{
    Buffer out = {0};
    int r = challenge->scheme == CHALLENGE_BASIC ? answer_basic(credentials, &out)
                                                 : answer_digest(challenge, credentials, &out);

    if (r >= 0) {
        *ret = strndup(buffer_data(&out), buffer_size(&out));
        r = *ret ? 0 : -ENOMEM;
    }
    if (out.memory)
        explicit_bzero(out.memory, out.allocated);
    buffer_done(&out);
    return r;
}
