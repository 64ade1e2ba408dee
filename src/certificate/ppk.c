/* PuTTY's private keys. Must never use a key before its MAC was found right, nor derive one for as
 * long as a file may say. */
#include "certificate/ppk.h"

#include <argon2.h>
#include <dlfcn.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "certificate/limits.h"
#include "certificate/numbers.h"
#include "certificate/ssh.h"

#define START "PuTTY-User-Key-File-"
#define ARGON2_LIBRARY "libargon2.so.1"
#define CIPHER_KEY_BYTES 32
#define CIPHER_IV_BYTES 16
#define CIPHER_BLOCK 16
#define MAC_KEY_BYTES 32
#define LINES_MAX 1000

static void cipher_p(EVP_CIPHER_CTX **cipher)
{
    EVP_CIPHER_CTX_free(*cipher);
}

typedef struct Line {
    const char *text;
    size_t n;
} Line;

typedef struct Ppk {
    unsigned version;
    Line kind, encryption, comment;
    Line derivation, salt;
    unsigned memory_kib, passes, lanes;
    Octets public, private;
    Octets mac;
    bool encrypted;
    /* derived: */
    unsigned char key[CIPHER_KEY_BYTES + CIPHER_IV_BYTES + MAC_KEY_BYTES];
    size_t n_mac_key;
} Ppk;

static void ppk_done(Ppk *ppk)
{
    octets_done(&ppk->public);
    octets_done(&ppk->private);
    octets_done(&ppk->mac);
    OPENSSL_cleanse(ppk->key, sizeof(ppk->key));
}

static int damaged(Failure *f)
{
    return bag_damaged(f, "key of PuTTY (PPK)");
}

/* ---- the lines ---- */

typedef struct Lines {
    const char *at, *end;
} Lines;

static bool next_line(Lines *lines, Line *ret)
{
    size_t n = (size_t)(lines->end - lines->at);
    const char *newline = memchr(lines->at, '\n', n);

    if (n == 0)
        return false;
    *ret = (Line){lines->at, newline ? (size_t)(newline - lines->at) : n};
    lines->at += ret->n + (newline ? 1 : 0);
    if (ret->n > 0 && ret->text[ret->n - 1] == '\r')
        ret->n--;
    return true;
}

/* The value of the next line, which must be "NAME: value". */
static bool next_value(Lines *lines, const char *name, Line *ret)
{
    size_t n = strlen(name);

    if (!next_line(lines, ret) || ret->n < n + 2 || memcmp(ret->text, name, n) != 0 ||
        memcmp(ret->text + n, ": ", 2) != 0)
        return false;
    ret->text += n + 2;
    ret->n -= n + 2;
    return true;
}

static bool next_count(Lines *lines, const char *name, unsigned max, unsigned *ret)
{
    Line value;

    if (!next_value(lines, name, &value) || value.n == 0 || value.n > 9)
        return false;
    *ret = 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.text[i] < '0' || value.text[i] > '9')
            return false;
        *ret = *ret * 10 + (unsigned)(value.text[i] - '0');
    }
    return *ret <= max;
}

static bool is(Line line, const char *text)
{
    return line.n == strlen(text) && memcmp(line.text, text, line.n) == 0;
}

/* "NAME: count", and behind it so many lines of base64. */
static int next_blob(Lines *lines, const char *name, Octets *ret, Failure *f)
{
    const char *start;
    unsigned n;
    Line line;
    int r;

    if (!next_count(lines, name, LINES_MAX, &n))
        return damaged(f);
    start = lines->at;
    for (unsigned i = 0; i < n; i++)
        if (!next_line(lines, &line))
            return damaged(f);
    r = octets_from_base64(start, (size_t)(lines->at - start), false, ret);
    return r == -EINVAL ? damaged(f) : r;
}

/* "PuTTY-User-Key-File-2: ssh-rsa". */
static int parse_start(Lines *lines, Ppk *ret, Failure *f)
{
    const size_t n = strlen(START);
    Line line;

    if (!next_line(lines, &line) || line.n < n + 3 || memcmp(line.text, START, n) != 0 ||
        line.text[n + 1] != ':' || line.text[n + 2] != ' ')
        return damaged(f);
    if (line.text[n] != '2' && line.text[n] != '3')
        return bag_refused(f, "it is a PPK file of a version that is neither 2 nor 3; save it anew "
                              "with a newer PuTTYgen");
    ret->version = (unsigned)(line.text[n] - '0');
    ret->kind = (Line){line.text + n + 3, line.n - n - 3};
    return 0;
}

static int parse_derivation(Lines *lines, Ppk *ret, Failure *f)
{
    if (!next_value(lines, "Key-Derivation", &ret->derivation) ||
        !next_count(lines, "Argon2-Memory", 999999999, &ret->memory_kib) ||
        !next_count(lines, "Argon2-Passes", 999999999, &ret->passes) ||
        !next_count(lines, "Argon2-Parallelism", 1000, &ret->lanes) ||
        !next_value(lines, "Argon2-Salt", &ret->salt) || ret->salt.n > (size_t)2 * SALT_BYTES_MAX)
        return damaged(f);
    return 0;
}

static int parse(Bytes data, Ppk *ret, Failure *f)
{
    Lines lines = {(const char *)data.data, (const char *)data.data + data.n};
    Line mac;
    int r = parse_start(&lines, ret, f);

    if (r < 0)
        return r;
    if (!next_value(&lines, "Encryption", &ret->encryption) ||
        !next_value(&lines, "Comment", &ret->comment))
        return damaged(f);
    ret->encrypted = is(ret->encryption, "aes256-cbc");
    if (!ret->encrypted && !is(ret->encryption, "none"))
        return damaged(f);
    r = next_blob(&lines, "Public-Lines", &ret->public, f);
    if (r >= 0 && ret->encrypted && ret->version == 3)
        r = parse_derivation(&lines, ret, f);
    if (r >= 0)
        r = next_blob(&lines, "Private-Lines", &ret->private, f);
    if (r < 0)
        return r;
    if (!next_value(&lines, "Private-MAC", &mac))
        return damaged(f);
    r = octets_from_hex(mac.text, mac.n, &ret->mac);
    return r == -EINVAL ? damaged(f) : r;
}

/* ---- deriving and decrypting ---- */

/* Version 2: SHA-1 of a counter and the password, and of a fixed text and the password. */
static int derive_sha1(const Bag *bag, Ppk *ppk)
{
    static const char label[] = "putty-private-key-file-mac-key";
    unsigned char text[sizeof(label) - 1 + PASSWORD_BYTES_MAX], block[2 * SHA_DIGEST_LENGTH] = {0};
    size_t n;
    const char *password = bag_password(bag, &n);
    bool good = true;

    if (!ppk->encrypted)
        n = 0;
    for (unsigned i = 0; i < 2 && good; i++) {
        const unsigned char counter[4] = {0, 0, 0, (unsigned char)i};

        memcpy(text, counter, sizeof(counter));
        memcpy(text + sizeof(counter), password, n);
        good = EVP_Digest(text, sizeof(counter) + n, block + (size_t)i * SHA_DIGEST_LENGTH, NULL,
                   EVP_sha1(), NULL) == 1;
    }
    memcpy(ppk->key, block, CIPHER_KEY_BYTES); /* the IV behind it is zeros */
    memcpy(text, label, sizeof(label) - 1);
    memcpy(text + sizeof(label) - 1, password, n);
    ppk->n_mac_key = SHA_DIGEST_LENGTH;
    good = good && EVP_Digest(text, sizeof(label) - 1 + n,
                       ppk->key + CIPHER_KEY_BYTES + CIPHER_IV_BYTES, NULL, EVP_sha1(), NULL) == 1;
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(block, sizeof(block));
    return good ? 0 : -ENOMEM;
}

static int argon2_type_of(Line name)
{
    if (is(name, "Argon2id"))
        return Argon2_id;
    if (is(name, "Argon2i"))
        return Argon2_i;
    return is(name, "Argon2d") ? Argon2_d : -1;
}

/* libargon2, which few keys need, is loaded with the first of them, and stays. */
static int compute_argon2(argon2_context *context, int type, Failure *f)
{
    void *library = dlopen(ARGON2_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    __typeof__(argon2_ctx) *compute =
        library ? (__typeof__(argon2_ctx) *)dlsym(library, "argon2_ctx") : NULL;
    int r;

    if (!compute)
        return bag_refused(f, "its password is to be derived with Argon2, for which " ARGON2_LIBRARY
                              " cannot be loaded: install libargon2-1");
    r = compute(context, (argon2_type)type);
    if (r == ARGON2_MEMORY_ALLOCATION_ERROR)
        return -ENOMEM;
    return r == ARGON2_OK ? 0 : damaged(f);
}

/* Version 3. One thread does all lanes: what is asked for is a key, and not speed. */
static int derive_argon2(Bag *bag, Ppk *ppk, Failure *f)
{
    _cleanup_octets_ Octets salt = {0};
    size_t n;
    const char *password = bag_password(bag, &n);
    int type = argon2_type_of(ppk->derivation);
    argon2_context context = {.out = ppk->key,
        .outlen = sizeof(ppk->key),
        .pwd = (uint8_t *)password,
        .pwdlen = (uint32_t)n,
        .t_cost = ppk->passes,
        .m_cost = ppk->memory_kib,
        .lanes = ppk->lanes,
        .threads = 1,
        .version = ARGON2_VERSION_13,
        .flags = ARGON2_DEFAULT_FLAGS};
    int r = octets_from_hex(ppk->salt.text, ppk->salt.n, &salt);

    if (r == -ENOMEM)
        return r;
    if (r < 0 || type < 0)
        return damaged(f);
    if (ppk->memory_kib > ARGON2_KIB_MAX)
        return bag_refused(f, "its password is to be derived with more than 256 MB of memory; save "
                              "it anew: puttygen KEY -P --ppk-param memory=8192");
    r = bag_spend(bag, ARGON2_ROUNDS((uint64_t)ppk->memory_kib, ppk->passes), f);
    if (r < 0)
        return r;
    context.salt = salt.data;
    context.saltlen = (uint32_t)salt.n;
    ppk->n_mac_key = MAC_KEY_BYTES;
    return compute_argon2(&context, type, f);
}

static int decrypt(const Ppk *ppk, Octets *private)
{
    _cleanup_(cipher_p) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int n = (int)private->n;
    bool good = cipher &&
                EVP_DecryptInit_ex(
                    cipher, EVP_aes_256_cbc(), NULL, ppk->key, ppk->key + CIPHER_KEY_BYTES) == 1 &&
                EVP_CIPHER_CTX_set_padding(cipher, 0) == 1 &&
                EVP_DecryptUpdate(cipher, private->data, &n, private->data, (int)private->n) == 1;

    return good ? 0 : -ENOMEM;
}

/* ---- the MAC ---- */

static size_t put(unsigned char *to, const void *data, size_t n)
{
    to[0] = (unsigned char)(n >> 24);
    to[1] = (unsigned char)(n >> 16);
    to[2] = (unsigned char)(n >> 8);
    to[3] = (unsigned char)n;
    memcpy(to + 4, data, n);
    return n + 4;
}

/* Over all that is said of the key, each as a string of SSH. 1, 0 or -ENOMEM. */
static int mac_is_right(const Ppk *ppk)
{
    const Line *lines[] = {&ppk->kind, &ppk->encryption, &ppk->comment};
    const Octets *blobs[] = {&ppk->public, &ppk->private};
    _cleanup_octets_ Octets text = {0};
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n_mac = 0;
    size_t n = 0;

    if (octets_new(&text, ppk->kind.n + ppk->encryption.n + ppk->comment.n + ppk->public.n +
                              ppk->private.n + (size_t)5 * 4) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < ELEMENTSOF(lines); i++)
        n += put(text.data + n, lines[i]->text, lines[i]->n);
    for (size_t i = 0; i < ELEMENTSOF(blobs); i++)
        n += put(text.data + n, blobs[i]->data, blobs[i]->n);
    if (!HMAC(ppk->version == 2 ? EVP_sha1() : EVP_sha256(),
            ppk->key + CIPHER_KEY_BYTES + CIPHER_IV_BYTES, (int)ppk->n_mac_key, text.data, n, mac,
            &n_mac))
        return -ENOMEM;
    return n_mac == ppk->mac.n && CRYPTO_memcmp(mac, ppk->mac.data, n_mac) == 0;
}

/* Decrypts the private half and proves it. */
static int open_private(Ppk *ppk, Bag *bag, Failure *f)
{
    int r = 0;

    if (ppk->encrypted && !bag->password)
        return bag_locked(bag, f, "the key");
    if (ppk->encrypted && (ppk->private.n == 0 || ppk->private.n % CIPHER_BLOCK != 0))
        return damaged(f);
    if (ppk->version == 2)
        r = derive_sha1(bag, ppk);
    else if (ppk->encrypted)
        r = derive_argon2(bag, ppk, f);
    if (r >= 0 && ppk->encrypted)
        r = decrypt(ppk, &ppk->private);
    if (r >= 0)
        r = mac_is_right(ppk);
    if (r == 0)
        return ppk->encrypted ? bag_locked(bag, f, "the key") : damaged(f);
    return r;
}

/* ---- the key ---- */

/* Of Ed25519 and Ed448 it is a number, the lowest byte first, without the zeros behind it. */
static int make_edwards(const SshPublic *public, Bytes secret, EVP_PKEY **ret, Failure *f)
{
    unsigned char bytes[64] = {0};
    int r;

    if (secret.n > public->point.n || public->point.n > sizeof(bytes))
        return damaged(f);
    memcpy(bytes, secret.data, secret.n);
    r = numbers_edwards(public->edwards, public->point, (Bytes){bytes, public->point.n}, ret, f);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return r;
}

static int make_key(const Ppk *ppk, EVP_PKEY **ret, Failure *f)
{
    SshReader kind = {octets_bytes(&ppk->public), false};
    SshReader reader = {octets_bytes(&ppk->private), false};
    RsaNumbers rsa = {0};
    SshPublic public;
    Bytes first;
    int r = ssh_parse_public(kind.rest, &public, f);

    if (r < 0)
        return r;
    first = ssh_read_string(&reader);
    if (!public.curve && !public.edwards) {
        rsa = (RsaNumbers){.n = public.n, .e = public.e, .d = first};
        rsa.p = ssh_read_string(&reader);
        rsa.q = ssh_read_string(&reader);
    }
    if (reader.bad || first.n == 0)
        return damaged(f);
    if (public.curve)
        return numbers_ec(public.curve, public.point, first, ret, f);
    return public.edwards ? make_edwards(&public, first, ret, f) : numbers_rsa(&rsa, ret, f);
}

bool ppk_is(Bytes data)
{
    return data.n > strlen(START) && memcmp(data.data, START, strlen(START)) == 0;
}

int ppk_read(Bytes data, Bag *bag, Failure *f)
{
    _cleanup_(ppk_done) Ppk ppk = {0};
    EVP_PKEY *key = NULL;
    int r = parse(data, &ppk, f);

    if (r >= 0)
        r = open_private(&ppk, bag, f);
    if (r >= 0)
        r = make_key(&ppk, &key, f);
    ERR_clear_error();
    return r < 0 ? r : bag_add_proved_key(bag, key, f);
}
