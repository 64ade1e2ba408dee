/* OpenSSH's private keys: the container, and the encryption of what is in it. Must never derive a
 * key for as long as a file may say, nor read what its cipher's tag does not prove. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/text.h"
#include "certificate/bcrypt.h"
#include "certificate/limits.h"
#include "certificate/ssh.h"

#define MAGIC "openssh-key-v1" /* and its NUL */
#define TAG_BYTES 16
#define CHACHA_KEY_BYTES 32
#define CHACHA_IV_BYTES 16 /* a counter of 8 and a nonce of 8, each the lowest byte first */
#define DERIVED_MAX 64

typedef struct Cipher {
    const char *name;
    const char *cipher; /* OpenSSL's */
    unsigned key_bytes, iv_bytes, block_bytes, tag_bytes;
} Cipher;

/* All that "ssh-keygen -Z" takes. */
static const Cipher ciphers[] = {
    {"aes256-ctr", "AES-256-CTR", 32, 16, 16, 0},
    {"aes256-cbc", "AES-256-CBC", 32, 16, 16, 0},
    {"aes192-ctr", "AES-192-CTR", 24, 16, 16, 0},
    {"aes192-cbc", "AES-192-CBC", 24, 16, 16, 0},
    {"aes128-ctr", "AES-128-CTR", 16, 16, 16, 0},
    {"aes128-cbc", "AES-128-CBC", 16, 16, 16, 0},
    {"aes256-gcm@openssh.com", "AES-256-GCM", 32, 12, 16, TAG_BYTES},
    {"aes128-gcm@openssh.com", "AES-128-GCM", 16, 12, 16, TAG_BYTES},
    {"chacha20-poly1305@openssh.com", NULL, 64, 0, 8, TAG_BYTES},
    {"3des-cbc", "DES-EDE3-CBC", 24, 8, 8, 0},
};

/* As it stands in the file; borrowed. */
typedef struct Container {
    Bytes cipher, derivation, options;
    Bytes list; /* the keys, encrypted or not */
    Bytes tag;  /* what stands behind them */
} Container;

static void cipher_p(EVP_CIPHER_CTX **cipher)
{
    EVP_CIPHER_CTX_free(*cipher);
}

static void mac_p(EVP_MAC **mac)
{
    EVP_MAC_free(*mac);
}

static void mac_context_p(EVP_MAC_CTX **context)
{
    EVP_MAC_CTX_free(*context);
}

static int damaged(Failure *f)
{
    return bag_damaged(f, "private key of OpenSSH");
}

static bool is(Bytes bytes, const char *text)
{
    return bytes.n == strlen(text) && memcmp(bytes.data, text, bytes.n) == 0;
}

/* ---- what is derived of the pass-phrase ---- */

static int derive(const Container *container, Bag *bag, Octets *key, Failure *f)
{
    SshReader options = {container->options, false};
    Bytes salt = ssh_read_string(&options), password;
    unsigned rounds = ssh_read_number(&options);
    int r;

    if (options.bad || options.rest.n > 0 || rounds == 0 || salt.n == 0 || salt.n > SALT_BYTES_MAX)
        return damaged(f);
    if (rounds > BCRYPT_ROUNDS_MAX)
        return bag_refused(f, "to derive its key from the pass-phrase would take more than 500 "
                              "rounds; encrypt it anew with fewer: ssh-keygen -p -a 100 -f KEY");
    r = bag_spend(bag, (uint64_t)rounds * BCRYPT_ROUND_COST, f);
    if (r < 0)
        return r;
    password.data = (const unsigned char *)bag_password(bag, &password.n);
    return bcrypt_derive(password, salt, rounds, key);
}

/* ---- ciphers ---- */

/* 1, 0 where the tag is not that of the key, or -ENOMEM. */
static int decrypt_evp(const Cipher *cipher, const unsigned char *key, Bytes tag, Octets *list)
{
    _cleanup_(cipher_p) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *kind = EVP_get_cipherbyname(cipher->cipher);
    int n = 0;

    if (!context || !kind ||
        EVP_DecryptInit_ex(context, kind, NULL, key, key + cipher->key_bytes) != 1 ||
        EVP_CIPHER_CTX_set_padding(context, 0) != 1 ||
        (tag.n > 0 && EVP_CIPHER_CTX_ctrl(
                          context, EVP_CTRL_AEAD_SET_TAG, (int)tag.n, (void *)tag.data) != 1) ||
        EVP_DecryptUpdate(context, list->data, &n, list->data, (int)list->n) != 1)
        return -ENOMEM;
    return EVP_DecryptFinal_ex(context, list->data + n, &n) == 1;
}

/* ChaCha20 from a block on, over `data`. */
static bool chacha(const unsigned char *key, unsigned char block, unsigned char *data, size_t n)
{
    _cleanup_(cipher_p) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    const unsigned char iv[CHACHA_IV_BYTES] = {block};
    int done = 0;

    return context && EVP_EncryptInit_ex(context, EVP_chacha20(), NULL, key, iv) == 1 &&
           EVP_EncryptUpdate(context, data, &done, data, (int)n) == 1;
}

static bool poly1305(const unsigned char *key, Bytes data, unsigned char ret[static TAG_BYTES])
{
    _cleanup_(mac_p) EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_POLY1305, NULL);
    _cleanup_(mac_context_p) EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    size_t n = 0;

    return context && EVP_MAC_init(context, key, CHACHA_KEY_BYTES, NULL) == 1 &&
           EVP_MAC_update(context, data.data, data.n) == 1 &&
           EVP_MAC_final(context, ret, &n, TAG_BYTES) == 1 && n == TAG_BYTES;
}

/* OpenSSH's PROTOCOL.chacha20poly1305, for the packet number 0: the key of the tag is what the
 * first block encrypts zeros to. The half of the key that is for a packet's length is not used. */
static int decrypt_chacha(const unsigned char *key, Bytes tag, Octets *list)
{
    unsigned char mac_key[CHACHA_KEY_BYTES] = {0}, mac[TAG_BYTES];
    bool good =
        chacha(key, 0, mac_key, sizeof(mac_key)) && poly1305(mac_key, octets_bytes(list), mac);

    OPENSSL_cleanse(mac_key, sizeof(mac_key));
    if (!good)
        return -ENOMEM;
    if (CRYPTO_memcmp(mac, tag.data, TAG_BYTES) != 0)
        return 0;
    return chacha(key, 1, list->data, list->n) ? 1 : -ENOMEM;
}

static const Cipher *find_cipher(Bytes name)
{
    for (size_t i = 0; i < ELEMENTSOF(ciphers); i++)
        if (is(name, ciphers[i].name))
            return &ciphers[i];
    return NULL;
}

/* The list of keys, decrypted; where nothing proves it, that comes from what is in it. */
static int decrypt(const Container *container, Bag *bag, Octets *ret, Failure *f)
{
    const Cipher *cipher = find_cipher(container->cipher);
    _cleanup_octets_ Octets key = {0};
    int r;

    if (!cipher || !is(container->derivation, "bcrypt"))
        return bag_refused(f,
            "it is encrypted in a way that only a newer OpenSSH knows; encrypt it "
            "anew: ssh-keygen -p -Z aes256-ctr -f KEY");
    if (!bag->password)
        return bag_locked(bag, f, "the key");
    if (container->list.n == 0 || container->list.n % cipher->block_bytes != 0 ||
        container->tag.n != cipher->tag_bytes)
        return damaged(f);
    r = octets_new(&key, cipher->key_bytes + cipher->iv_bytes);
    if (r >= 0)
        r = derive(container, bag, &key, f);
    if (r >= 0)
        r = octets_new(ret, container->list.n);
    if (r < 0)
        return r;
    memcpy(ret->data, container->list.data, ret->n);
    r = cipher->cipher ? decrypt_evp(cipher, key.data, container->tag, ret)
                       : decrypt_chacha(key.data, container->tag, ret);
    ERR_clear_error();
    return r == 0 ? bag_locked(bag, f, "the key") : r;
}

/* ---- the container ---- */

static bool parse(Bytes data, Container *ret)
{
    SshReader reader;
    unsigned n_keys;

    if (data.n < sizeof(MAGIC) || memcmp(data.data, MAGIC, sizeof(MAGIC)) != 0)
        return false;
    reader = (SshReader){{data.data + sizeof(MAGIC), data.n - sizeof(MAGIC)}, false};
    ret->cipher = ssh_read_string(&reader);
    ret->derivation = ssh_read_string(&reader);
    ret->options = ssh_read_string(&reader);
    n_keys = ssh_read_number(&reader);
    (void)ssh_read_string(&reader); /* the public half */
    ret->list = ssh_read_string(&reader);
    ret->tag = reader.rest;
    return !reader.bad && n_keys == 1;
}

int ssh_read_private(Bytes data, Bag *bag, Failure *f)
{
    Container container;
    _cleanup_octets_ Octets opened = {0};
    EVP_PKEY *key = NULL;
    SshReader list;
    unsigned check;
    bool encrypted;
    int r;

    if (!parse(data, &container))
        return damaged(f);
    encrypted = !is(container.cipher, "none");
    list.bad = false;
    list.rest = container.list;
    if (encrypted) {
        r = decrypt(&container, bag, &opened, f);
        if (r < 0)
            return r;
        list.rest = octets_bytes(&opened);
    }
    check = ssh_read_number(&list);
    if (ssh_read_number(&list) != check || list.bad)
        return encrypted ? bag_locked(bag, f, "the key") : damaged(f);
    r = ssh_make_private(&list, &key, f);
    return r < 0 ? r : bag_add_proved_key(bag, key, f);
}
