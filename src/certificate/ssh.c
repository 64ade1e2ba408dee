/* SSH's keys. Must never read behind what is there: the lengths in it are a stranger's. */
#include "certificate/ssh.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "certificate/limits.h"
#include "certificate/numbers.h"

typedef struct SshKind {
    const char *name;
    const char *curve_name; /* in the blob, behind the name */
    const char *curve;      /* OpenSSL's */
    const char *edwards;
} SshKind;

static const SshKind kinds[] = {
    {"ssh-rsa", NULL, NULL, NULL},
    {"ecdsa-sha2-nistp256", "nistp256", "P-256", NULL},
    {"ecdsa-sha2-nistp384", "nistp384", "P-384", NULL},
    {"ecdsa-sha2-nistp521", "nistp521", "P-521", NULL},
    {"ssh-ed25519", NULL, NULL, "ED25519"},
    {"ssh-ed448", NULL, NULL, "ED448"},
};

/* ---- the wire format (RFC 4251, 5) ---- */

unsigned ssh_read_number(SshReader *reader)
{
    const unsigned char *p = reader->rest.data;

    if (reader->rest.n < 4) {
        *reader = (SshReader){.bad = true};
        return 0;
    }
    reader->rest = (Bytes){p + 4, reader->rest.n - 4};
    return (unsigned)p[0] << 24 | (unsigned)p[1] << 16 | (unsigned)p[2] << 8 | p[3];
}

Bytes ssh_read_string(SshReader *reader)
{
    unsigned n = ssh_read_number(reader);
    Bytes string = {reader->rest.data, n};

    if (reader->bad || n > reader->rest.n) {
        *reader = (SshReader){.bad = true};
        return (Bytes){NULL, 0};
    }
    reader->rest = (Bytes){reader->rest.data + n, reader->rest.n - n};
    return string;
}

static bool is(Bytes bytes, const char *text)
{
    return bytes.n == strlen(text) && memcmp(bytes.data, text, bytes.n) == 0;
}

static const SshKind *find_kind(Bytes name)
{
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (is(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}

/* ---- public keys ---- */

static int unknown_kind(Failure *f)
{
    return bag_refused(f,
        "its key is of a kind that TLS does not know, as DSA and keys on a security token of SSH; "
        "use an RSA, ECDSA or Ed25519 key");
}

int ssh_parse_public(Bytes blob, SshPublic *ret, Failure *f)
{
    SshReader reader = {blob, false};
    Bytes name = ssh_read_string(&reader);
    const SshKind *kind = find_kind(name);

    *ret = (SshPublic){0};
    if (reader.bad || name.n == 0)
        return bag_damaged(f, "public key of SSH");
    if (!kind)
        return unknown_kind(f);
    ret->curve = kind->curve;
    ret->edwards = kind->edwards;
    if (kind->curve_name && !is(ssh_read_string(&reader), kind->curve_name))
        return bag_damaged(f, "public key of SSH");
    if (kind->curve_name || kind->edwards)
        ret->point = ssh_read_string(&reader);
    else {
        ret->e = ssh_read_string(&reader);
        ret->n = ssh_read_string(&reader);
    }
    return reader.bad || reader.rest.n > 0 ? bag_damaged(f, "public key of SSH") : 0;
}

int ssh_make_public(const SshPublic *public, EVP_PKEY **ret, Failure *f)
{
    const Bytes none = {NULL, 0};

    if (public->curve)
        return numbers_ec(public->curve, public->point, none, ret, f);
    if (public->edwards)
        return numbers_edwards(public->edwards, public->point, none, ret, f);
    return numbers_rsa(&(const RsaNumbers){.n = public->n, .e = public->e}, ret, f);
}

bool ssh_is_blob(Bytes data)
{
    SshReader reader = {data, false};
    Bytes name = ssh_read_string(&reader);

    return !reader.bad && find_kind(name);
}

int ssh_read_blob(Bytes data, Bag *bag, Failure *f)
{
    SshPublic public;
    EVP_PKEY *key = NULL;
    int r = ssh_parse_public(data, &public, f);

    if (r >= 0)
        r = ssh_make_public(&public, &key, f);
    return r < 0 ? r : bag_add_key(bag, key, false, f);
}

static int read_base64(const char *text, size_t n, Bag *bag, Failure *f)
{
    _cleanup_octets_ Octets blob = {0};
    int r = octets_from_base64(text, n, false, &blob);

    if (r == -EINVAL)
        return bag_damaged(f, "public key of SSH");
    return r < 0 ? r : ssh_read_blob(octets_bytes(&blob), bag, f);
}

/* The word at `*at`, within a line that ends at `end`. */
static Bytes next_word(const char **at, const char *end)
{
    const char *start = *at;

    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    *at = start;
    while (*at < end && **at != ' ' && **at != '\t' && **at != '\r')
        (*at)++;
    return (Bytes){(const unsigned char *)start, (size_t)(*at - start)};
}

static const char *end_of_line(const char *at, const char *end)
{
    return memchr(at, '\n', (size_t)(end - at)) ?: end;
}

bool ssh_is_line(Bytes data)
{
    const char *at = (const char *)data.data;

    return data.n > 0 && find_kind(next_word(&at, at + data.n));
}

int ssh_read_lines(Bytes data, Bag *bag, Failure *f)
{
    const char *at = (const char *)data.data, *end = at + data.n;
    int r = 0;

    while (r >= 0 && at < end) {
        const char *line_end = end_of_line(at, end);
        Bytes kind = next_word(&at, line_end), blob;

        if (kind.n > 0 && kind.data[0] != '#') {
            blob = next_word(&at, line_end);
            r = read_base64((const char *)blob.data, blob.n, bag, f);
        }
        at = line_end < end ? line_end + 1 : end;
    }
    return r;
}

#define RFC4716_BEGIN "---- BEGIN SSH2 PUBLIC KEY ----"
#define RFC4716_END "---- END SSH2 PUBLIC KEY ----"

bool ssh_is_rfc4716(Bytes data)
{
    return data.n >= strlen(RFC4716_BEGIN) &&
           memcmp(data.data, RFC4716_BEGIN, strlen(RFC4716_BEGIN)) == 0;
}

/* Headers are "Tag: value", and go on in the next line behind a backslash (RFC 4716, 3.3). */
int ssh_read_rfc4716(Bytes data, Bag *bag, Failure *f)
{
    const char *at = (const char *)data.data, *end = at + data.n;
    _cleanup_buffer_ Buffer body = {0};
    bool in_header = false;

    at = end_of_line(at, end);
    while (at < end) {
        const char *line = ++at, *line_end = end_of_line(line, end);
        size_t n = (size_t)(line_end - line);

        at = line_end;
        if (n > 0 && line[n - 1] == '\r')
            n--;
        if (n == strlen(RFC4716_END) && memcmp(line, RFC4716_END, n) == 0)
            return read_base64(buffer_data(&body), buffer_size(&body), bag, f);
        if (in_header || (buffer_size(&body) == 0 && memchr(line, ':', n)))
            in_header = n > 0 && line[n - 1] == '\\';
        else if (buffer_append(&body, line, n) < 0)
            return -ENOMEM;
    }
    return bag_damaged(f, "public key of SSH");
}

/* ---- formatting ---- */

static int put(Buffer *out, const void *data, size_t n)
{
    const unsigned char size[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
        (unsigned char)(n >> 8), (unsigned char)n};

    return buffer_append(out, size, sizeof(size)) ?: buffer_append(out, data, n);
}

/* A positive number: a zero goes in front of a high bit. */
static int put_number(Buffer *out, EVP_PKEY *key, const char *name)
{
    unsigned char bytes[KEY_NUMBER_BYTES_MAX + 1] = {0};
    BIGNUM *number = NULL;
    int n;

    if (EVP_PKEY_get_bn_param(key, name, &number) != 1 ||
        BN_num_bytes(number) > KEY_NUMBER_BYTES_MAX) {
        BN_free(number);
        return -EOPNOTSUPP;
    }
    n = BN_bn2bin(number, bytes + 1);
    BN_free(number);
    return n > 0 && bytes[1] & 0x80 ? put(out, bytes, (size_t)n + 1)
                                    : put(out, bytes + 1, (size_t)n);
}

static int put_ec(Buffer *out, EVP_PKEY *key)
{
    char group[64] = "";
    unsigned char point[256];
    size_t n;
    const SshKind *kind = NULL;

    if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n) !=
            1)
        return -EOPNOTSUPP;
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (kinds[i].curve && OBJ_txt2nid(group) == EC_curve_nist2nid(kinds[i].curve))
            kind = &kinds[i];
    if (!kind)
        return -EOPNOTSUPP;
    return put(out, kind->name, strlen(kind->name))
               ?: put(out, kind->curve_name, strlen(kind->curve_name)) ?: put(out, point, n);
}

static int put_edwards(Buffer *out, EVP_PKEY *key, const char *name)
{
    unsigned char point[64];
    size_t n = sizeof(point);

    if (EVP_PKEY_get_raw_public_key(key, point, &n) != 1)
        return -EOPNOTSUPP;
    return put(out, name, strlen(name)) ?: put(out, point, n);
}

int ssh_format_public(EVP_PKEY *key, Octets *ret)
{
    _cleanup_buffer_ Buffer out = {0};
    int r = -EOPNOTSUPP;

    if (EVP_PKEY_is_a(key, "RSA"))
        r = put(&out, "ssh-rsa", strlen("ssh-rsa"))
                ?: put_number(&out, key, OSSL_PKEY_PARAM_RSA_E)
                       ?: put_number(&out, key, OSSL_PKEY_PARAM_RSA_N);
    else if (EVP_PKEY_is_a(key, "EC"))
        r = put_ec(&out, key);
    else if (EVP_PKEY_is_a(key, "ED25519"))
        r = put_edwards(&out, key, "ssh-ed25519");
    else if (EVP_PKEY_is_a(key, "ED448"))
        r = put_edwards(&out, key, "ssh-ed448");
    ERR_clear_error();
    if (r >= 0)
        r = octets_new(ret, buffer_size(&out));
    if (r >= 0)
        memcpy(ret->data, buffer_data(&out), buffer_size(&out));
    return r;
}

/* ---- OpenSSH's private keys ---- */

/* The numbers behind the kind's name, each kind in an order of its own. */
static int make_private(const SshKind *kind, SshReader *reader, EVP_PKEY **ret, Failure *f)
{
    RsaNumbers rsa = {0};
    Bytes point, secret;

    if (kind->curve) {
        (void)ssh_read_string(reader);
        point = ssh_read_string(reader);
        secret = ssh_read_string(reader);
        return reader->bad ? bag_damaged(f, "private key of OpenSSH")
                           : numbers_ec(kind->curve, point, secret, ret, f);
    }
    if (kind->edwards) {
        point = ssh_read_string(reader);
        secret = ssh_read_string(reader); /* the public half stands behind it once more */
        if (reader->bad || secret.n != 2 * point.n)
            return bag_damaged(f, "private key of OpenSSH");
        secret.n = point.n;
        return numbers_edwards(kind->edwards, point, secret, ret, f);
    }
    rsa.n = ssh_read_string(reader);
    rsa.e = ssh_read_string(reader);
    rsa.d = ssh_read_string(reader);
    (void)ssh_read_string(reader);
    rsa.p = ssh_read_string(reader);
    rsa.q = ssh_read_string(reader);
    return reader->bad ? bag_damaged(f, "private key of OpenSSH") : numbers_rsa(&rsa, ret, f);
}

int ssh_make_private(SshReader *reader, EVP_PKEY **ret, Failure *f)
{
    const SshKind *kind = find_kind(ssh_read_string(reader));

    return kind ? make_private(kind, reader, ret, f) : unknown_kind(f);
}
