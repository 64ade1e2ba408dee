/* PKCS#11. Must never ask for a PIN on a terminal, and never show one. */
#define OPENSSL_SUPPRESS_DEPRECATED /* engines, which are all that Debian 12 has for tokens */

#include "certificate/pkcs11.h"

#include <errno.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"

#define SCHEME "pkcs11:"

struct Token {
    ENGINE *engine;
};

static void ui_p(UI_METHOD **ui)
{
    UI_destroy_method(*ui);
}

static void store_p(OSSL_STORE_CTX **store)
{
    OSSL_STORE_close(*store);
}

void token_free(Token *token)
{
    if (!token)
        return;
    if (token->engine) {
        ENGINE_finish(token->engine);
        ENGINE_free(token->engine);
    }
    free(token);
}

/* ---- URIs (RFC 7512) ---- */

bool pkcs11_is_uri(const char *text)
{
    return text_starts_nocase(text, SCHEME);
}

/* Bytes up to the end of the attribute at `at`: those of the path end with ';', those of the query,
 * behind the '?', with '&'. */
static size_t attribute_size(const char *at, bool in_query)
{
    return strcspn(at, in_query ? "&" : ";?");
}

static bool attribute_is(const char *at, size_t n, const char *name)
{
    size_t n_name = strlen(name);

    return n > n_name && strncmp(at, name, n_name) == 0 && at[n_name] == '=';
}

/* Copies the attributes of path and query but those of one name. 0 or -ENOMEM. */
static int copy_without(const char *uri, const char *name, Buffer *out)
{
    const char *at = uri + strlen(SCHEME);
    bool in_query = false;
    char before = '\0';
    int r = buffer_append_string(out, SCHEME);

    for (;;) {
        size_t n = attribute_size(at, in_query);

        if (r >= 0 && n > 0 && !attribute_is(at, n, name)) {
            if (before != '\0')
                r = buffer_append(out, &before, 1);
            if (r >= 0)
                r = buffer_append(out, at, n);
            before = in_query ? '&' : ';';
        }
        if (r < 0 || at[n] == '\0')
            break;
        if (at[n] == '?' && !in_query) {
            in_query = true;
            before = '?';
        }
        at += n + 1;
    }
    return r < 0 ? r : buffer_append(out, "", 1);
}

char *pkcs11_shown(const char *uri)
{
    _cleanup_buffer_ Buffer out = {0};

    if (copy_without(uri, "pin-value", &out) < 0)
        return NULL;
    return strdup(buffer_data(&out));
}

/* The value of an attribute, its %XX undone; NULL: none, or memory is short. */
static char *get_attribute(const char *uri, const char *name)
{
    const char *at = uri + strlen(SCHEME);
    size_t n_name = strlen(name), n = attribute_size(at, false);
    bool in_query = false;
    char *value, *out;

    while (!attribute_is(at, n, name)) {
        if (at[n] == '\0')
            return NULL;
        in_query = in_query || at[n] == '?';
        at += n + 1;
        n = attribute_size(at, in_query);
    }
    value = out = strndup(at + n_name + 1, n - n_name - 1);
    for (const char *in = value; value && *in; in++)
        if (*in == '%' && OPENSSL_hexchar2int((unsigned char)in[1]) >= 0 &&
            OPENSSL_hexchar2int((unsigned char)in[2]) >= 0) {
            *out++ = (char)(OPENSSL_hexchar2int((unsigned char)in[1]) << 4 |
                            OPENSSL_hexchar2int((unsigned char)in[2]));
            in += 2;
        } else
            *out++ = *in;
    if (value)
        *out = '\0';
    return value;
}

/* ---- the PIN ---- */

typedef struct Pin {
    const Bag *bag;
    bool wanted; /* it was asked for */
} Pin;

/* Where there is none it is empty, which no token is asked to take: of a failure pkcs11-provider
 * makes a question on the terminal. */
static int give_pin(char *out, int size, int writing, void *user)
{
    Pin *pin = user;
    size_t n;
    const char *text = bag_password(pin->bag, &n);

    (void)writing;
    pin->wanted = true;
    if (n >= (size_t)size)
        return 0;
    memcpy(out, text, n);
    return (int)n;
}

/* Whether the newest error is one about the PIN. */
static bool pin_was_refused(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text && strstr(text, "PIN");
}

/* Takes the queue of errors: whether one is about the PIN, and the last of them in words. */
static bool take_errors(char *reason, size_t size)
{
    bool of_pin = false, first = true;
    unsigned long code;

    snprintf(reason, size, "nothing there fits the URI");
    while ((code = ERR_get_error()) != 0) {
        const char *text = ERR_reason_error_string(code);

        if (!text)
            continue; /* a system's error on the way */
        of_pin = of_pin || strstr(text, "PIN");
        if (first)
            snprintf(reason, size, "%s", text);
        first = false;
    }
    return of_pin;
}

/* Why an object that was wanted could not be had. */
static int no_token(const char *uri, const Pin *pin, Failure *f)
{
    _cleanup_free_
    char *shown = pkcs11_shown(uri);
    char reason[256];
    bool of_pin = take_errors(reason, sizeof(reason));

    if (!shown)
        return -ENOMEM;
    if (pin->wanted && !pin->bag->password)
        return failure_set(f, -ENOKEY, ERROR_TLS_CREDENTIALS,
            "%s: the token wants its PIN, and there is none", shown);
    if (of_pin)
        return failure_set(f, -EKEYREJECTED, ERROR_TLS_CREDENTIALS,
            "%s: the token does not take the PIN (%s); check it at once, for a token locks itself "
            "after a few wrong ones",
            shown, reason);
    if (strstr(reason, "PKCS#11 module"))
        return failure_set(f, -ELIBACC, ERROR_CERTIFICATE_STORE,
            "%s: %s; check that it is there and configured", shown, reason);
    return failure_set(f, -ENOENT, ERROR_CERTIFICATE_NOT_FOUND,
        "%s: there is no such certificate or key (%s); see what the token has: p11tool --list-all "
        "pkcs11:",
        shown, reason);
}

/* ---- OpenSSL's stores ---- */

static int take_info(OSSL_STORE_INFO *info, Bag *bag, Failure *f)
{
    switch (OSSL_STORE_INFO_get_type(info)) {
    case OSSL_STORE_INFO_CERT: return bag_add_certificate(bag, OSSL_STORE_INFO_get1_CERT(info), f);
    case OSSL_STORE_INFO_PKEY: return bag_add_key(bag, OSSL_STORE_INFO_get1_PKEY(info), true, f);
    case OSSL_STORE_INFO_PUBKEY:
        return bag_add_key(bag, OSSL_STORE_INFO_get1_PUBKEY(info), false, f);
    default: return 0;
    }
}

/* OpenSSL's own provider comes first, or hashes would be made on the token. */
static bool has_provider(void)
{
    (void)OSSL_PROVIDER_available(NULL, "default");
    if (OSSL_PROVIDER_available(NULL, "pkcs11") != 1)
        (void)OSSL_PROVIDER_try_load(NULL, "pkcs11", 1);
    ERR_clear_error();
    return OSSL_PROVIDER_available(NULL, "pkcs11") == 1;
}

/* The provider does not say whether it was the PIN. */
static int no_object(const char *uri, const Pin *pin, Failure *f)
{
    _cleanup_free_
    char *shown = pkcs11_shown(uri);

    if (!pin->wanted || !pin->bag->password)
        return no_token(uri, pin, f);
    return failure_set(f, -EKEYREJECTED, ERROR_TLS_CREDENTIALS,
        "%s: the token does not take the PIN, or has no such certificate or key; check the PIN at "
        "once, for a token locks itself after a few wrong ones",
        shown ?: SCHEME);
}

/* The last error has the words for it. */
static int no_module(const char *uri, Failure *f)
{
    _cleanup_free_
    char *shown = pkcs11_shown(uri);
    const char *words = NULL;
    int flags = 0, r;

    (void)ERR_peek_last_error_all(NULL, NULL, NULL, &words, &flags);
    r = failure_set(f, -ELIBACC, ERROR_CERTIFICATE_STORE,
        "%s: pkcs11-provider cannot open it (%s); check the URI, and that its module is there: "
        "install p11-kit-modules, or name another one in openssl.cnf (pkcs11-module-path)",
        shown ?: SCHEME, words && (flags & ERR_TXT_STRING) ? words : "no reason given");
    ERR_clear_error();
    return r;
}

/* 1 when there was something, 0 when it gave nothing. */
static int read_by_store(const char *uri, UI_METHOD *ui, Pin *pin, Bag *bag, Failure *f)
{
    _cleanup_(store_p) OSSL_STORE_CTX *store = OSSL_STORE_open(uri, ui, pin, NULL, NULL);
    int r = store ? 0 : no_module(uri, f), found = 0;

    while (r >= 0 && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (!info)
            break;
        r = take_info(info, bag, f);
        OSSL_STORE_INFO_free(info);
        found = 1;
    }
    return r < 0 ? r : found;
}

/* ---- the engine ---- */

static bool set(ENGINE *engine, const char *command, const char *value)
{
    return ENGINE_ctrl_cmd_string(engine, command, value, 0) == 1;
}

/* The engine is one for the whole process, and so is what it is told: whoever opens a token has it
 * for himself meanwhile. */
static pthread_mutex_t engine_lock = PTHREAD_MUTEX_INITIALIZER;

static int no_engine(Failure *f)
{
    ERR_clear_error();
    return failure_set(f, -ELIBACC, ERROR_CERTIFICATE_STORE,
        "OpenSSL has neither a provider nor an engine for PKCS#11; install pkcs11-provider or "
        "libengine-pkcs11-openssl");
}

/* The module stays with the engine until no key is left that it has given. */
static int open_engine(const char *uri, Pin *pin, Token **ret, Failure *f)
{
    _cleanup_(token_free_p) Token *token = calloc(1, sizeof(Token));
    _cleanup_free_
    char *module = get_attribute(uri, "module-path");
    ENGINE *engine;
    size_t n;

    if (!token)
        return -ENOMEM;
    ENGINE_load_dynamic();
    engine = ENGINE_by_id("pkcs11");
    if (!engine)
        return no_engine(f);
    (void)set(engine, "QUIET", NULL); /* it would write to standard error */
    if ((module && !set(engine, "MODULE_PATH", module)) ||
        (pin->bag->password && !set(engine, "PIN", bag_password(pin->bag, &n))) ||
        ENGINE_init(engine) != 1) {
        ENGINE_free(engine);
        ERR_clear_error();
        return failure_set(f, -ELIBACC, ERROR_CERTIFICATE_STORE,
            "the PKCS#11 module %s cannot be used; check that it is there and configured",
            module ?: "of p11-kit");
    }
    token->engine = engine;
    *ret = TAKE_PTR(token);
    return 0;
}

static X509 *engine_certificate(ENGINE *engine, const char *uri)
{
    struct {
        const char *id;
        X509 *certificate;
    } parameters = {.id = uri};

    if (ENGINE_ctrl_cmd(engine, "LOAD_CERT_CTRL", 0, &parameters, NULL, 0) != 1)
        return NULL;
    return parameters.certificate;
}

/* Whom it asks, later too: nobody, once this has ended. */
static bool set_ui(ENGINE *engine, const UI_METHOD *ui, Pin *pin)
{
    return ENGINE_ctrl(engine, ENGINE_CTRL_SET_USER_INTERFACE, 0, (void *)ui, NULL) == 1 &&
           ENGINE_ctrl(engine, ENGINE_CTRL_SET_CALLBACK_DATA, 0, pin, NULL) == 1;
}

static int take_objects(
    Token *token, const char *uri, UI_METHOD *ui, Pin *pin, Bag *bag, Failure *f)
{
    X509 *certificate;
    EVP_PKEY *key;
    int r = 0;

    if (!set_ui(token->engine, ui, pin))
        return -ENOMEM;
    certificate = engine_certificate(token->engine, uri);
    key = certificate || !pin_was_refused()
              ? ENGINE_load_private_key(token->engine, uri, ui, pin)
              : NULL; /* a second time would be one of the few that a token allows */
    (void)set_ui(token->engine, UI_null(), NULL);
    if (!key)
        r = no_token(uri, pin, f);
    if (r == -ENOENT && certificate)
        r = 0; /* its key is elsewhere */
    if (r < 0) {
        X509_free(certificate);
        return r;
    }
    if (certificate)
        r = bag_add_certificate(bag, certificate, f);
    if (key && r >= 0)
        return bag_add_key(bag, key, true, f);
    EVP_PKEY_free(key);
    return r;
}

/* libp11 knows no such attribute, and takes no URI that has it. */
static int read_by_engine(
    const char *uri, UI_METHOD *ui, Pin *pin, Bag *bag, Token **ret, Failure *f)
{
    _cleanup_buffer_ Buffer bare = {0};
    int r = copy_without(uri, "module-path", &bare);

    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&engine_lock);
    r = open_engine(uri, pin, ret, f);
    if (r >= 0)
        r = take_objects(*ret, buffer_data(&bare), ui, pin, bag, f);
    (void)pthread_mutex_unlock(&engine_lock);
    ERR_clear_error();
    return r;
}

/* ---- either ---- */

/* A module by its path is the URI that names it. */
static int to_uri(const char *text, Buffer *out)
{
    int r = buffer_append_string(out, SCHEME "?module-path=");

    for (; *text && r >= 0; text++)
        r = text_is_alphanumeric(*text) || strchr("/._-", *text)
                ? buffer_append(out, text, 1)
                : buffer_appendf(out, "%%%02X", (unsigned char)*text);
    return r < 0 ? r : buffer_append(out, "", 1);
}

int pkcs11_read(const char *text, Bag *bag, Token **ret, Failure *f)
{
    _cleanup_buffer_ Buffer uri = {0};
    _cleanup_(ui_p) UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_pin, 0);
    Pin pin = {.bag = bag};
    int r = pkcs11_is_uri(text) ? copy_without(text, "type", &uri) : to_uri(text, &uri);

    *ret = NULL;
    if (r < 0 || !ui)
        return -ENOMEM;
    if (has_provider()) {
        r = read_by_store(buffer_data(&uri), ui, &pin, bag, f);
        return r == 0 ? no_object(buffer_data(&uri), &pin, f) : MIN(r, 0);
    }
    return read_by_engine(buffer_data(&uri), ui, &pin, bag, ret, f);
}
