/* Stores. Must never wait for a pipe, nor read without an end. */
#include "certificate/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/x509.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/text.h"
#include "certificate/format.h"
#include "certificate/limits.h"
#include "certificate/pkcs11.h"

#define SCHEME "store:"
#define SHOWN_MAX 300

typedef struct Opening {
    const CertificateSource *source;
    const char *text; /* of the source, as far as it has no NUL; else "" */
    Bag *bag;
    Certificate *certificate;
    char *skipped;
    size_t n_files, bytes;
    Failure *f;
} Opening;

/* ---- files ---- */

static int cannot_open(const char *path, int error, Failure *f)
{
    _cleanup_free_
    char *shown = text_printable(path, strlen(path), SHOWN_MAX);

    if (error == -ENOMEM || !shown)
        return -ENOMEM;
    if (error == -EFBIG)
        return failure_set(f, error, ERROR_CERTIFICATE_STORE,
            "%s has more than %d bytes, which no store of certificates needs", shown,
            STORE_BYTES_MAX);
    if (error == -EISDIR || error == -ENXIO)
        return failure_set(f, error, ERROR_CERTIFICATE_STORE,
            "%s is %s and no file; name a regular file", shown,
            error == -EISDIR ? "a directory" : "a pipe, device or socket");
    return failure_set(f, error, ERROR_CERTIFICATE_STORE,
        "the certificate store %s cannot be read: %s; check its name and who may read it", shown,
        strerror(-error));
}

static int named(Failure *f, int r, const char *path)
{
    _cleanup_free_
    char *shown = text_printable(path, strlen(path), SHOWN_MAX);

    return r == -ENOMEM ? r : failure_prefix(f, r, shown ?: "the store");
}

static int read_file(Opening *o, const char *path, CertificateStoreType type)
{
    _cleanup_octets_ Octets content = {0};
    int r = octets_load(AT_FDCWD, path, STORE_BYTES_MAX, &content);

    if (r < 0)
        return cannot_open(path, r, o->f);
    r = format_read(octets_bytes(&content), type, o->bag, &o->certificate->type, o->f);
    return r < 0 ? named(o->f, r, path) : 0;
}

/* ---- directories ---- */

/* "5ed36f99.0": what `openssl rehash` makes, beside which the same certificates lie once more. */
static bool is_hashed(const char *name)
{
    return strspn(name, "0123456789abcdef") == 8 && name[8] == '.';
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int is_visible_hash(const struct dirent *entry)
{
    return is_hashed(entry->d_name);
}

/* What cannot be read is left out; the first is remembered, for where nothing else is found. */
static int skip(Opening *o, const char *path, Failure *why)
{
    if (!o->skipped && asprintf(&o->skipped, "; not all of it could be read, at first %s",
                           why->text && strstr(why->text, path) ? failure_text(why) : path) < 0) {
        o->skipped = NULL;
        return -ENOMEM;
    }
    return 0;
}

static int read_entry(Opening *o, const char *directory, const char *name)
{
    _cleanup_failure_ Failure why = {0};
    _cleanup_octets_ Octets content = {0};
    _cleanup_free_
    char *path = NULL;
    CertificateStoreType type;
    int r;

    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    r = octets_load(AT_FDCWD, path, STORE_BYTES_MAX, &content);
    if (r == -EISDIR)
        return 0;
    o->bytes += content.n;
    if (++o->n_files > STORE_FILES_MAX || o->bytes > STORE_BYTES_MAX)
        return failure_set(o->f, -EFBIG, ERROR_CERTIFICATE_STORE,
            "the directory %s has more than %d files or %d bytes, which is too much for a store",
            directory, STORE_FILES_MAX, STORE_BYTES_MAX);
    if (r < 0)
        r = cannot_open(path, r, &why);
    else
        r = format_read(octets_bytes(&content), CERTIFICATE_AUTO, o->bag, &type, &why);
    if (r >= 0 || r == -ENOMEM)
        return MIN(r, 0);
    return skip(o, path, &why);
}

static int read_directory(Opening *o, const char *path, bool hashed)
{
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, hashed ? is_visible_hash : is_visible, alphasort), r = 0;

    if (n < 0)
        return cannot_open(path, -errno, o->f);
    for (int i = 0; i < n; i++) {
        if (r >= 0)
            r = read_entry(o, path, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* ---- the stores of user and machine ---- */

char *certificate_directory(bool of_user)
{
    const char *base = of_user ? secure_getenv("XDG_CONFIG_HOME") : SYSCONFDIR;
    const char *home = secure_getenv("HOME");
    const struct passwd *user;
    struct passwd entry;
    char buffer[4096], *path = NULL;
    int r;

    if (of_user && (!home || home[0] != '/')) {
        home = getpwuid_r(getuid(), &entry, buffer, sizeof(buffer), (struct passwd **)&user) == 0 &&
                       user
                   ? user->pw_dir
                   : NULL;
    }
    if (base && base[0] == '/')
        r = asprintf(&path, "%s/outbox/certificates", base);
    else
        r = home ? asprintf(&path, "%s/.config/outbox/certificates", home) : -1;
    return r < 0 ? NULL : path;
}

static int read_authorities(Opening *o)
{
    const char *file =
        secure_getenv(X509_get_default_cert_file_env()) ?: X509_get_default_cert_file();
    const char *directory =
        secure_getenv(X509_get_default_cert_dir_env()) ?: X509_get_default_cert_dir();

    return access(file, R_OK) == 0 ? read_file(o, file, CERTIFICATE_AUTO)
                                   : read_directory(o, directory, true);
}

static int read_named(Opening *o, bool of_user)
{
    const char *name = o->text;
    _cleanup_free_
    char *path = NULL, *shown = NULL;

    if (text_equal_nocase(name, "CA") || text_equal_nocase(name, "ROOT"))
        return read_authorities(o);
    if (name[0] != '\0' && !text_equal_nocase(name, "MY")) {
        shown = text_printable(name, strlen(name), SHOWN_MAX);
        return failure_set(o->f, -ENOENT, ERROR_CERTIFICATE_STORE,
            "there is no certificate store \"%s\": of user and machine there are MY, CA and ROOT",
            shown ?: "");
    }
    path = certificate_directory(of_user);
    if (!path)
        return -ENOMEM;
    return read_directory(o, path, false);
}

/* ---- whichever ---- */

static int read_token(Opening *o)
{
    int r = pkcs11_read(o->text, o->bag, &o->certificate->token, o->f);

    if (r < 0)
        return r;
    o->certificate->container = pkcs11_is_uri(o->text) ? pkcs11_shown(o->text) : strdup(o->text);
    return o->certificate->container ? 0 : -ENOMEM;
}

static int read_detected(Opening *o)
{
    const Bytes content = {o->source->store, o->source->n_store};
    struct stat st;

    if (pkcs11_is_uri(o->text)) {
        o->certificate->type = CERTIFICATE_PKCS11;
        return read_token(o);
    }
    if (text_equal_nocase(o->text, SCHEME "user") || text_equal_nocase(o->text, SCHEME "machine")) {
        bool of_user = text_equal_nocase(o->text, SCHEME "user");

        o->certificate->type = of_user ? CERTIFICATE_USER : CERTIFICATE_MACHINE;
        o->text = "";
        return read_named(o, of_user);
    }
    if (o->text[0] != '\0' && stat(o->text, &st) == 0)
        return S_ISDIR(st.st_mode) ? read_directory(o, o->text, false)
                                   : read_file(o, o->text, CERTIFICATE_AUTO);
    if (o->text[0] == '/' || !format_is_known(content))
        return cannot_open(
            o->text[0] ? o->text : "that was given", o->text[0] ? -errno : -EINVAL, o->f);
    return format_read(content, CERTIFICATE_AUTO, o->bag, &o->certificate->type, o->f);
}

static bool is_file(CertificateStoreType type)
{
    switch (type) {
    case CERTIFICATE_PFX_FILE:
    case CERTIFICATE_JKS_FILE:
    case CERTIFICATE_PEM_KEY_FILE:
    case CERTIFICATE_PUBLIC_KEY_FILE:
    case CERTIFICATE_P7B_FILE:
    case CERTIFICATE_SSH_PUBLIC_KEY_FILE:
    case CERTIFICATE_PPK_FILE:
    case CERTIFICATE_XML_FILE:
    case CERTIFICATE_JWK_FILE:
    case CERTIFICATE_BCFKS_FILE: return true;
    default: return false;
    }
}

static int read_any(Opening *o)
{
    const CertificateSource *source = o->source;
    CertificateStoreType found;

    if (!certificate_store_type_name(source->type))
        return failure_set(o->f, -EINVAL, ERROR_CERTIFICATE_STORE,
            "%d is no type of a certificate store; 99 (cstAuto) detects it", (int)source->type);
    o->certificate->type = source->type;
    if (source->type == CERTIFICATE_AUTO)
        return read_detected(o);
    if (source->type == CERTIFICATE_USER || source->type == CERTIFICATE_MACHINE)
        return read_named(o, source->type == CERTIFICATE_USER);
    if (source->type == CERTIFICATE_PKCS11)
        return read_token(o);
    if (is_file(source->type)) {
        int r = read_file(o, o->text, source->type);

        o->certificate->type = source->type;
        return r;
    }
    return format_read((Bytes){source->store, source->n_store}, source->type, o->bag, &found, o->f);
}

/* What a Certificate says it came from. */
static int note_store(const Opening *o)
{
    const CertificateSource *source = o->source;
    _cleanup_free_
    char *shown = pkcs11_is_uri(o->text) ? pkcs11_shown(o->text) : NULL;
    const void *data = shown ?: source->store;
    size_t n = shown ? strlen(shown) : source->n_store;

    if ((pkcs11_is_uri(o->text) && !shown) || octets_new(&o->certificate->store, n) < 0)
        return -ENOMEM;
    if (n > 0)
        memcpy(o->certificate->store.data, data, n);
    return 0;
}

int store_read(const CertificateSource *source, Bag *bag, Certificate *certificate,
    char **ret_skipped, Failure *f)
{
    _cleanup_free_
    char *text = NULL;
    Opening o = {.source = source, .text = "", .bag = bag, .certificate = certificate, .f = f};
    int r;

    *ret_skipped = NULL;
    if (source->n_store > STORE_BYTES_MAX)
        return failure_set(f, -EFBIG, ERROR_CERTIFICATE_STORE,
            "a store of more than %d bytes is none of certificates", STORE_BYTES_MAX);
    if (source->n_store > 0 && !memchr(source->store, '\0', source->n_store)) {
        text = strndup(source->store, source->n_store);
        if (!text)
            return -ENOMEM;
        o.text = text;
    }
    r = read_any(&o);
    o.text = text ?: "";
    if (r >= 0)
        r = note_store(&o);
    *ret_skipped = o.skipped;
    return r;
}
