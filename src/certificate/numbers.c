/* Keys made of numbers. Must never compute with one that is longer than a key may be. */
#include "certificate/numbers.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "certificate/bag.h"
#include "certificate/limits.h"

static void bn_p(BIGNUM **number)
{
    BN_clear_free(*number);
}

static void bn_context_p(BN_CTX **context)
{
    BN_CTX_free(*context);
}

static void key_context_p(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

static void builder_p(OSSL_PARAM_BLD **builder)
{
    OSSL_PARAM_BLD_free(*builder);
}

static void params_p(OSSL_PARAM **params)
{
    for (OSSL_PARAM *p = *params; p && p->key; p++)
        if (p->data_type != OSSL_PARAM_UTF8_PTR && p->data_type != OSSL_PARAM_OCTET_PTR)
            OPENSSL_cleanse(p->data, p->data_size);
    OSSL_PARAM_free(*params);
}

#define _cleanup_bn_ _cleanup_(bn_p)

static int damaged(Failure *f)
{
    ERR_clear_error();
    return bag_damaged(f, "valid key");
}

/* NULL when it is too long, or memory is short. */
static BIGNUM *number(Bytes bytes)
{
    BIGNUM *bn;

    while (bytes.n > 0 && bytes.data[0] == 0) {
        bytes.data++;
        bytes.n--;
    }
    if (bytes.n > KEY_NUMBER_BYTES_MAX)
        return NULL;
    bn = BN_bin2bn(bytes.data, (int)bytes.n, NULL);
    if (bn)
        BN_set_flags(bn, BN_FLG_CONSTTIME);
    return bn;
}

static int make(
    const char *kind, OSSL_PARAM_BLD *builder, bool is_private, EVP_PKEY **ret, Failure *f)
{
    _cleanup_(params_p) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    _cleanup_(key_context_p) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);

    if (!params || !context || EVP_PKEY_fromdata_init(context) != 1)
        return -ENOMEM;
    *ret = NULL;
    if (EVP_PKEY_fromdata(
            context, ret, is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) != 1)
        return damaged(f);
    return 0;
}

/* d mod (prime - 1). */
static BIGNUM *exponent_of(const BIGNUM *d, const BIGNUM *prime, BN_CTX *context)
{
    _cleanup_bn_ BIGNUM *less = BN_dup(prime), *exponent = BN_new();

    if (!less || !exponent || BN_sub_word(less, 1) != 1)
        return NULL;
    BN_set_flags(less, BN_FLG_CONSTTIME);
    return BN_mod(exponent, d, less, context) == 1 ? TAKE_PTR(exponent) : NULL;
}

/* The parts that a private key is faster with. The builder borrows the numbers. */
typedef struct RsaFactors {
    BIGNUM *p, *q, *exponent_p, *exponent_q, *coefficient;
} RsaFactors;

static void factors_done(RsaFactors *factors)
{
    BN_clear_free(factors->p);
    BN_clear_free(factors->q);
    BN_clear_free(factors->exponent_p);
    BN_clear_free(factors->exponent_q);
    BN_clear_free(factors->coefficient);
}

static bool is_prime_like(const BIGNUM *p)
{
    return p && BN_is_odd(p) && BN_num_bits(p) > 8;
}

static int find_factors(const RsaNumbers *numbers, const BIGNUM *d, RsaFactors *ret, Failure *f)
{
    _cleanup_(bn_context_p) BN_CTX *context = BN_CTX_secure_new();

    if (!context)
        return -ENOMEM;
    ret->p = number(numbers->p);
    ret->q = number(numbers->q);
    if (!is_prime_like(ret->p) || !is_prime_like(ret->q))
        return damaged(f);
    ret->exponent_p = exponent_of(d, ret->p, context);
    ret->exponent_q = exponent_of(d, ret->q, context);
    ret->coefficient = BN_mod_inverse(NULL, ret->q, ret->p, context);
    return ret->exponent_p && ret->exponent_q && ret->coefficient ? 0 : damaged(f);
}

static bool push_factors(OSSL_PARAM_BLD *builder, const RsaFactors *factors)
{
    return OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR1, factors->p) == 1 &&
           OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR2, factors->q) == 1 &&
           OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT1, factors->exponent_p) ==
               1 &&
           OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT2, factors->exponent_q) ==
               1 &&
           OSSL_PARAM_BLD_push_BN(
               builder, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, factors->coefficient) == 1;
}

int numbers_rsa(const RsaNumbers *numbers, EVP_PKEY **ret, Failure *f)
{
    _cleanup_(builder_p) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    _cleanup_bn_ BIGNUM *n = number(numbers->n), *e = number(numbers->e), *d = number(numbers->d);
    _cleanup_(factors_done) RsaFactors factors = {0};
    bool has_factors = numbers->d.n > 0 && numbers->p.n > 0 && numbers->q.n > 0;
    int r = 0;

    if (!builder)
        return -ENOMEM;
    if (!n || !e || !d || !BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e) || BN_cmp(e, n) >= 0 ||
        BN_cmp(d, n) >= 0)
        return damaged(f);
    if (has_factors)
        r = find_factors(numbers, d, &factors, f);
    if (r < 0)
        return r;
    if (OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) != 1 ||
        (!BN_is_zero(d) && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, d) != 1) ||
        (has_factors && !push_factors(builder, &factors)))
        return -ENOMEM;
    return make("RSA", builder, !BN_is_zero(d), ret, f);
}

int numbers_ec(const char *curve, Bytes point, Bytes d, EVP_PKEY **ret, Failure *f)
{
    _cleanup_(builder_p) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    _cleanup_bn_ BIGNUM *secret = number(d);

    if (!builder)
        return -ENOMEM;
    if (point.n == 0 || point.n > KEY_NUMBER_BYTES_MAX || !secret)
        return damaged(f);
    if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.n) !=
            1 ||
        (d.n > 0 && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret) != 1))
        return -ENOMEM;
    return make("EC", builder, d.n > 0, ret, f);
}

int numbers_edwards(const char *kind, Bytes x, Bytes d, EVP_PKEY **ret, Failure *f)
{
    EVP_PKEY *public = EVP_PKEY_new_raw_public_key_ex(NULL, kind, NULL, x.data, x.n);
    EVP_PKEY *private;
    bool fits;

    if (!public)
        return damaged(f);
    if (d.n == 0) {
        *ret = public;
        return 0;
    }
    private = EVP_PKEY_new_raw_private_key_ex(NULL, kind, NULL, d.data, d.n);
    fits = private && EVP_PKEY_eq(private, public) == 1;
    EVP_PKEY_free(public);
    if (!fits) {
        EVP_PKEY_free(private);
        return damaged(f);
    }
    *ret = private;
    return 0;
}
