/* PEM. Must never ask for a password on a terminal, as OpenSSL does by itself. */
#include "certificate/pem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/text.h"
#include "certificate/der.h"
#include "certificate/handles.h"
#include "certificate/legacy.h"
#include "certificate/limits.h"
#include "certificate/ssh.h"

/* One block; owned. */
typedef struct Block {
    char *name, *header;
    unsigned char *data;
    long n, allocated;
} Block;

static void block_done(Block *block)
{
    OPENSSL_free(block->name);
    OPENSSL_free(block->header);
    OPENSSL_clear_free(block->data, (size_t)block->allocated);
}

static int read_rsa(Bytes der, Bag *bag, Failure *f)
{
    return der_read_traditional(EVP_PKEY_RSA, der, bag, f);
}

static int read_ec(Bytes der, Bag *bag, Failure *f)
{
    return der_read_traditional(EVP_PKEY_EC, der, bag, f);
}

static int read_rsa_public(Bytes der, Bag *bag, Failure *f)
{
    const unsigned char *p = der.data;
    EVP_PKEY *key =
        der.n <= KEY_DER_MAX ? d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)der.n) : NULL;

    ERR_clear_error();
    return key ? bag_add_key(bag, key, false, f) : bag_damaged(f, "public key");
}

static int refuse_dsa(Bytes der, Bag *bag, Failure *f)
{
    (void)der;
    (void)bag;
    return bag_refused(f, "its key is one of DSA, which no TLS server takes; use another");
}

typedef struct BlockKind {
    const char *name;
    int (*read)(Bytes der, Bag *bag, Failure *f);
} BlockKind;

static const BlockKind kinds[] = {
    {PEM_STRING_X509, der_read_certificate},
    {PEM_STRING_X509_OLD, der_read_certificate},
    {PEM_STRING_X509_TRUSTED, der_read_certificate},
    {PEM_STRING_PKCS7, der_read_pkcs7},
    {PEM_STRING_PKCS7_SIGNED, der_read_pkcs7},
    {PEM_STRING_CMS, der_read_pkcs7},
    {"PKCS12", der_read_pkcs12},
    {PEM_STRING_PKCS8, der_read_encrypted_pkcs8},
    {PEM_STRING_PKCS8INF, der_read_pkcs8},
    {PEM_STRING_RSA, read_rsa},
    {PEM_STRING_ECPRIVATEKEY, read_ec},
    {PEM_STRING_DSA, refuse_dsa},
    {PEM_STRING_PUBLIC, der_read_public_key},
    {PEM_STRING_RSA_PUBLIC, read_rsa_public},
    {"OPENSSH PRIVATE KEY", ssh_read_private},
};

static int give_password(char *out, int size, int writing, void *user)
{
    const Bag *bag = user;
    size_t n;
    const char *password = bag_password(bag, &n);

    (void)writing;
    if (!bag->password || n > (size_t)size)
        return -1;
    memcpy(out, password, n);
    return (int)n;
}

/* The encryption of RFC 1421, whose key costs next to nothing. */
static int decrypt(Block *block, Bag *bag, Failure *f)
{
    EVP_CIPHER_INFO cipher;
    bool good;

    if (!block->header || block->header[0] == '\0')
        return 0;
    if (!bag->password && strstr(block->header, "ENCRYPTED"))
        return bag_locked(bag, f, "the key");
    good = PEM_get_EVP_CIPHER_INFO(block->header, &cipher) == 1 &&
           PEM_do_header(&cipher, block->data, &block->n, give_password, bag) == 1;
    if (good)
        return 0;
    return legacy_is_wanted() ? legacy_lacking(f) : bag_locked(bag, f, "the key");
}

/* Blocks of other kinds, such as parameters and requests, are none of ours. */
static int take(Block *block, Bag *bag, Failure *f)
{
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (strcmp(block->name, kinds[i].name) == 0) {
            bool was_encrypted = block->header && block->header[0] != '\0';
            int r = decrypt(block, bag, f);

            if (r >= 0)
                r = kinds[i].read((Bytes){block->data, (size_t)block->n}, bag, f);
            /* Padding is right for one wrong password of 256. */
            return r == -EBADMSG && was_encrypted ? bag_locked(bag, f, "the key") : r;
        }
    return 0;
}

bool pem_is(Bytes data)
{
    static const char start[] = "-----BEGIN ";
    const char *text = (const char *)data.data;
    const char *found = data.n > 0 ? memmem(text, data.n, start, strlen(start)) : NULL;

    return found && (found == text || found[-1] == '\n' || found[-1] == '\r');
}

int pem_read(Bytes data, Bag *bag, Failure *f)
{
    _cleanup_bio_ BIO *bio = BIO_new_mem_buf(data.data, (int)data.n);
    unsigned long error;
    int r = 0;

    if (!bio)
        return -ENOMEM;
    ERR_clear_error();
    while (r >= 0) {
        _cleanup_(block_done) Block block = {0};

        if (PEM_read_bio(bio, &block.name, &block.header, &block.data, &block.n) != 1)
            break;
        block.allocated = block.n;
        r = take(&block, bag, f);
    }
    error = ERR_peek_last_error();
    ERR_clear_error();
    if (r < 0)
        return r;
    return ERR_GET_REASON(error) == PEM_R_NO_START_LINE ? 0 : bag_damaged(f, "PEM file");
}
