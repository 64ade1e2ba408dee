/* One JSON object on one line, replaced by rename. Must never be readable by more than its owner,
 * at no time, nor be lost where a new one cannot be written. */
#include "net/oauth_store.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "settings/secret_source.h"

int oauth_origin(
    const RelayConfig *relay, const Secret *configured, char ret[static OAUTH_ORIGIN_MAX])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const char *const parts[] = {relay->oauth_token_url ?: "", relay->oauth_client_id ?: "",
        configured ? secret_text(configured) : ""};
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

    for (size_t i = 0; i < ELEMENTSOF(parts); i++)
        ok = ok && EVP_DigestUpdate(context, parts[i], strlen(parts[i]) + 1) == 1;
    ok = ok && EVP_DigestFinal_ex(context, hash, &n) == 1;
    EVP_MD_CTX_free(context);
    for (unsigned i = 0; ok && i < n && 2 * i + 2 < OAUTH_ORIGIN_MAX; i++)
        snprintf(ret + 2 * (size_t)i, 3, "%02x", hash[i]);
    return ok ? 0 : -ENOMEM;
}

static int fail(int error, const char *path, Failure *f)
{
    return failure_set_errno(f, error,
        "oauth_token_file: cannot keep tokens in %s (its directory must be the daemon's user's)",
        path);
}

/* Root, who runs the tool, gives it to whose the directory is. The daemon has no need of that, and
 * is not allowed the call. */
static int give_to_owner(const char *path, int fd)
{
    _cleanup_free_
    char *copy = strdup(path);
    struct stat directory, file;

    if (!copy)
        return -ENOMEM;
    if (stat(dirname(copy), &directory) < 0 || fstat(fd, &file) < 0)
        return -errno;
    if (geteuid() != 0 || file.st_uid == directory.st_uid)
        return 0;
    return fchown(fd, directory.st_uid, directory.st_gid) < 0 ? -errno : 0;
}

/* Makes the file where there is none. A descriptor or a negative errno. */
static int open_private(const char *path, int flags)
{
    _cleanup_close_ int fd = open(path, flags | O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = fd < 0 ? -errno : give_to_owner(path, fd);

    return r < 0 ? r : TAKE_FD(fd);
}

int oauth_store_lock(const RelayConfig *relay, Failure *f)
{
    _cleanup_free_
    char *path = NULL;
    _cleanup_close_ int fd = -1;

    if (asprintf(&path, "%s.lock", relay->oauth_token_file) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    fd = open_private(path, 0);
    if (fd == -ENOMEM)
        return fd;
    if (fd < 0)
        return fail(fd, relay->oauth_token_file, f);
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return fail(-errno, relay->oauth_token_file, f);
    return TAKE_FD(fd);
}

int oauth_store_load(const RelayConfig *relay, const char *origin, Secret **ret, Failure *f)
{
    const SecretSource source = {
        .file = relay->oauth_token_file, .queue = relay->oauth_refresh_token.queue};
    _cleanup_secret_ Secret *line = NULL;
    const char *text;
    json_t *object;
    int r;

    *ret = NULL;
    if (access(relay->oauth_token_file, F_OK) < 0 && errno == ENOENT)
        return 0;
    r = secret_source_fetch(&source, NULL, &line, f);
    if (r < 0)
        return r;
    object = json_loadb(secret_text(line), secret_size(line), 0, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return failure_set(f, -EBADMSG, ERROR_CONFIGURATION,
            "oauth_token_file: %s holds no tokens; remove it, and run `outbox authorize`",
            relay->oauth_token_file);
    }
    text = json_string_value(json_object_get(object, "refresh_token"));
    if (text && *text && text_equal(json_string_value(json_object_get(object, "origin")), origin)) {
        *ret = secret_new(text, strlen(text));
        r = *ret ? 0 : -ENOMEM;
    }
    json_decref(object);
    return r;
}

/* The line; the caller wipes it. */
static char *format(const char *origin, const Secret *token)
{
    json_t *object = json_pack("{s:s, s:s}", "origin", origin, "refresh_token", secret_text(token));
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    return text;
}

static int write_new(const char *path, const char *text)
{
    _cleanup_close_ int fd = open_private(path, O_EXCL);
    int r = fd;

    if (r >= 0)
        r = file_write_all(fd, text, strlen(text)) ?: file_write_all(fd, "\n", 1);
    return r < 0 ? r : file_sync(fd);
}

static int sync_directory(const char *path)
{
    _cleanup_free_
    char *copy = strdup(path);
    _cleanup_close_ int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (!copy)
        return -ENOMEM;
    return fd < 0 ? -errno : file_sync(fd);
}

int oauth_store_save(const RelayConfig *relay, const char *origin, const Secret *token, Failure *f)
{
    const char *path = relay->oauth_token_file;
    _cleanup_free_
    char *temporary = NULL;
    char name[9], *text = format(origin, token);
    int r;

    file_random_name(name, sizeof(name) - 1);
    if (!text || asprintf(&temporary, "%s.%s", path, name) < 0) {
        temporary = NULL;
        r = -ENOMEM;
    } else
        r = write_new(temporary, text);
    if (r >= 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0 && temporary)
        (void)unlink(temporary);
    if (r >= 0)
        r = sync_directory(path);
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    return r < 0 && r != -ENOMEM ? fail(r, path, f) : r;
}
