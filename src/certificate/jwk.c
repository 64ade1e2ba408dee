/* JSON Web Keys. Must never copy a private number without wiping the copy; jansson's own, which it
 * frees as they are, are what who-reads-secrets.md says of libraries. */
#include "certificate/jwk.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "certificate/limits.h"
#include "certificate/numbers.h"

static void json_p(json_t **json)
{
    json_decref(*json);
}

static int damaged(Failure *f)
{
    return bag_damaged(f, "JSON Web Key (RFC 7517)");
}

/* The bytes of a member; empty where it is not there. 0, -EBADMSG, -ENOMEM. */
static int get_bytes(const json_t *jwk, const char *name, Octets *ret, Failure *f)
{
    const json_t *member = json_object_get(jwk, name);
    int r;

    *ret = (Octets){0};
    if (!member)
        return 0;
    if (!json_is_string(member) || json_string_length(member) > (size_t)4 * KEY_NUMBER_BYTES_MAX)
        return damaged(f);
    r = octets_from_base64(json_string_value(member), json_string_length(member), true, ret);
    return r == -EINVAL ? damaged(f) : r;
}

static int add(Bag *bag, EVP_PKEY *key, bool is_private, Failure *f)
{
    return is_private ? bag_add_proved_key(bag, key, f) : bag_add_key(bag, key, false, f);
}

static int read_rsa(const json_t *jwk, Bag *bag, Failure *f)
{
    _cleanup_octets_ Octets n = {0}, e = {0}, d = {0}, p = {0}, q = {0};
    EVP_PKEY *key = NULL;
    int r = get_bytes(jwk, "n", &n, f)
                ?: get_bytes(jwk, "e", &e, f)
                       ?: get_bytes(jwk, "d", &d, f)
                              ?: get_bytes(jwk, "p", &p, f) ?: get_bytes(jwk, "q", &q, f);

    if (r >= 0 && json_object_get(jwk, "oth"))
        r = bag_refused(f, "its RSA key has more than two primes; use one that has two");
    if (r >= 0)
        r = numbers_rsa(&(const RsaNumbers){octets_bytes(&n), octets_bytes(&e), octets_bytes(&d),
                            octets_bytes(&p), octets_bytes(&q)},
            &key, f);
    return r < 0 ? r : add(bag, key, d.n > 0, f);
}

static int read_ec(const json_t *jwk, Bag *bag, Failure *f)
{
    static const struct {
        const char *name;
        size_t bytes;
    } curves[] = {{"P-256", 32}, {"P-384", 48}, {"P-521", 66}, {"secp256k1", 32}};
    const char *name = json_string_value(json_object_get(jwk, "crv")) ?: "";
    _cleanup_octets_ Octets x = {0}, y = {0}, d = {0};
    unsigned char point[1 + 2 * 66];
    EVP_PKEY *key = NULL;
    size_t n = 0;
    int r = get_bytes(jwk, "x", &x, f) ?: get_bytes(jwk, "y", &y, f) ?: get_bytes(jwk, "d", &d, f);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ELEMENTSOF(curves); i++)
        if (strcmp(name, curves[i].name) == 0)
            n = curves[i].bytes;
    if (n == 0)
        return bag_refused(f, "its curve (crv) is none of P-256, P-384, P-521 and secp256k1");
    if (x.n != n || y.n != n)
        return damaged(f);
    point[0] = 4; /* uncompressed (SEC 1, 2.3.3) */
    memcpy(point + 1, x.data, n);
    memcpy(point + 1 + n, y.data, n);
    r = numbers_ec(name, (Bytes){point, 1 + 2 * n}, octets_bytes(&d), &key, f);
    return r < 0 ? r : add(bag, key, d.n > 0, f);
}

static int read_okp(const json_t *jwk, Bag *bag, Failure *f)
{
    static const char *const kinds[] = {"Ed25519", "Ed448", "X25519", "X448"};
    const char *name = json_string_value(json_object_get(jwk, "crv")) ?: "";
    _cleanup_octets_ Octets x = {0}, d = {0};
    EVP_PKEY *key = NULL;
    int r = get_bytes(jwk, "x", &x, f) ?: get_bytes(jwk, "d", &d, f);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (strcmp(name, kinds[i]) == 0) {
            r = numbers_edwards(name, octets_bytes(&x), octets_bytes(&d), &key, f);
            return r < 0 ? r : add(bag, key, d.n > 0, f);
        }
    return bag_refused(f, "its curve (crv) is none of Ed25519, Ed448, X25519 and X448");
}

/* Of x5c the alphabet is that of ordinary base64 (RFC 7517, 4.7). */
static int read_certificates(const json_t *jwk, Bag *bag, Failure *f)
{
    const json_t *list = json_object_get(jwk, "x5c"), *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        _cleanup_octets_ Octets der = {0};
        const unsigned char *p;
        X509 *certificate;
        int r = json_is_string(one) ? octets_from_base64(json_string_value(one),
                                          json_string_length(one), false, &der)
                                    : -EINVAL;

        if (r == -ENOMEM)
            return r;
        p = der.data;
        certificate = r < 0 ? NULL : d2i_X509(NULL, &p, (long)der.n);
        r = certificate ? bag_add_certificate(bag, certificate, f) : damaged(f);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_one(const json_t *jwk, Bag *bag, Failure *f)
{
    const char *kind = json_string_value(json_object_get(jwk, "kty")) ?: "";
    int r;

    if (strcmp(kind, "RSA") == 0)
        r = read_rsa(jwk, bag, f);
    else if (strcmp(kind, "EC") == 0)
        r = read_ec(jwk, bag, f);
    else if (strcmp(kind, "OKP") == 0)
        r = read_okp(jwk, bag, f);
    else if (strcmp(kind, "oct") == 0)
        r = bag_refused(f, "its JSON Web Key is a shared secret (kty \"oct\"), which has no public "
                           "half; use an RSA, EC or OKP key");
    else
        r = damaged(f);
    return r < 0 ? r : read_certificates(jwk, bag, f);
}

bool jwk_is(Bytes data)
{
    size_t i = 0;

    while (i < data.n && data.data[i] != '\0' && strchr(" \t\r\n", data.data[i]))
        i++;
    return i < data.n && data.data[i] == '{';
}

int jwk_read(Bytes data, Bag *bag, Failure *f)
{
    _cleanup_(json_p) json_t *json =
        json_loadb((const char *)data.data, data.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *set = json_object_get(json, "keys"), *one;
    size_t i;
    int r = 0;

    if (!json_is_object(json))
        return damaged(f);
    if (!set)
        return read_one(json, bag, f);
    if (!json_is_array(set) || json_array_size(set) == 0)
        return damaged(f);
    json_array_foreach(set, i, one)
    {
        r = read_one(one, bag, f);
        if (r < 0)
            break;
    }
    return r;
}
