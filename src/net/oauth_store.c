/* One JSON object on one line, sealed where there is a key, replaced by rename. Must never be
 * readable by more than its owner, at no time, nor be lost where a new one cannot be written, or
 * the key is another. */
#include "net/oauth_store.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "net/seal.h"
#include "settings/secret_source.h"

#define LOOK_MS 20 /* at a lock that another has */
#define PURPOSE "outbox oauth_token_file"
/* Of a token as long as an answer may be, with an escape for each of its bytes, in two digits each
 * where it is sealed. */
#define STORE_BYTES_MAX ((size_t)272 * 1024)

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
        "oauth_token_file: cannot keep tokens in %s (its directory must be the daemon's user's, "
        "and "
        "the disk have room)",
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

/* Whoever has it may wait for a server: without `stop` there is nothing to look for meanwhile. */
static int wait_for_lock(int fd, CommandStop *stop)
{
    int stop_fd = stop ? command_stop_fd(stop) : -1;

    if (stop && stop_fd < 0)
        return stop_fd;
    while (flock(fd, stop ? LOCK_EX | LOCK_NB : LOCK_EX) < 0) {
        struct pollfd p = {stop_fd, POLLIN, 0};

        if (errno != EINTR && errno != EWOULDBLOCK)
            return -errno;
        if (stop && poll(&p, 1, LOOK_MS) > 0)
            return -ECANCELED;
    }
    return 0;
}

int oauth_store_lock(const RelayConfig *relay, CommandStop *stop, Failure *f)
{
    _cleanup_free_
    char *path = NULL;
    _cleanup_close_ int fd = -1;
    int r;

    if (asprintf(&path, "%s.lock", relay->oauth_token_file) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    fd = open_private(path, 0);
    if (fd == -ENOMEM)
        return fd;
    if (fd < 0)
        return fail(fd, relay->oauth_token_file, f);
    command_stop_waits(stop, "see which other process of outbox hangs while it has it (`fuser`)",
        "the lock %.200s", path);
    r = wait_for_lock(fd, stop);
    return r < 0 ? fail(r, relay->oauth_token_file, f) : TAKE_FD(fd);
}

/* ---- sealed or not ---- */

static int fail_key(const RelayConfig *relay, int error, Failure *f)
{
    const char *path = relay->oauth_token_file;

    switch (error) {
    case -EKEYREJECTED:
        return failure_set(f, error, ERROR_CONFIGURATION,
            "oauth_token_file: %s was sealed with another key than the one that oauth_token_key_* "
            "gives; have it give that one, or, where it is lost, remove the file and run `outbox "
            "authorize`",
            path);
    case -EPROTONOSUPPORT:
        return failure_set(f, error, ERROR_CONFIGURATION,
            "oauth_token_file: %s was sealed by a later version of outbox; use that one", path);
    default:
        return failure_set(f, error, ERROR_CONFIGURATION,
            "oauth_token_file: %s is damaged: what is sealed in it cannot be opened; put it back "
            "from a backup, or remove it and run `outbox authorize`",
            path);
    }
}

/* NULL where none is configured. */
static int fetch_key(const RelayConfig *relay, CommandStop *stop, Secret **ret, Failure *f)
{
    int r = secret_source_fetch(&relay->oauth_token_key, stop, ret, f);

    if (r < 0)
        return failure_prefix(f, r, "the key of oauth_token_file cannot be had");
    if (!*ret || secret_size(*ret) >= SEAL_KEY_MIN)
        return 0;
    *ret = secret_unref(*ret);
    return failure_set(f, -EKEYREJECTED, ERROR_CONFIGURATION,
        "the key of oauth_token_file (oauth_token_key_*) has less than %d characters, and could be "
        "guessed; make one by `openssl rand -base64 32`",
        SEAL_KEY_MIN);
}

/* What is in the file, in clear; NULL: there is none. */
static int read_store(
    const RelayConfig *relay, const Secret *key, Secret **ret, bool *ret_sealed, Failure *f)
{
    const SecretSource source = {.file = relay->oauth_token_file,
        .queue = relay->oauth_refresh_token.queue,
        .max = STORE_BYTES_MAX};
    _cleanup_secret_ Secret *line = NULL;
    int r;

    *ret_sealed = false;
    if (access(relay->oauth_token_file, F_OK) < 0 && errno == ENOENT)
        return 0;
    r = secret_source_fetch(&source, NULL, &line, f);
    if (r < 0)
        return r;
    *ret_sealed = seal_is_sealed(secret_text(line));
    if (!*ret_sealed) {
        *ret = TAKE_PTR(line);
        return 0;
    }
    if (!key)
        return failure_set(f, -ENOKEY, ERROR_CONFIGURATION,
            "oauth_token_file: %s is sealed, and there is no key to open it: set "
            "oauth_token_key_credential, or, where the key is lost, remove the file and run "
            "`outbox authorize`",
            relay->oauth_token_file);
    r = seal_open(key, PURPOSE, secret_text(line), ret);
    return r < 0 && r != -ENOMEM ? fail_key(relay, r, f) : r;
}

/* ---- writing ---- */

static int sync_directory(const char *path)
{
    _cleanup_free_
    char *copy = strdup(path);
    _cleanup_close_ int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (!copy)
        return -ENOMEM;
    return fd < 0 ? -errno : file_sync(fd);
}

void oauth_room_done(OauthRoom *room)
{
    if (room->fd >= 0)
        (void)unlink(room->path);
    close_p(&room->fd);
    free(room->path);
    (void)secret_unref(room->key);
    *room = OAUTH_ROOM_NONE;
}

/* One that a process left behind which was killed is in nobody's hands, for the lock is held. */
static int make_room(const RelayConfig *relay, OauthRoom *room)
{
    int r;

    if (asprintf(&room->path, "%s.new", relay->oauth_token_file) < 0) {
        room->path = NULL;
        return -ENOMEM;
    }
    if (unlink(room->path) < 0 && errno != ENOENT)
        return -errno;
    room->fd = open_private(room->path, O_EXCL);
    if (room->fd < 0)
        return room->fd;
    do
        r = posix_fallocate(room->fd, 0, (off_t)STORE_BYTES_MAX);
    while (r == EINTR);
    return -r;
}

static int reserve(const RelayConfig *relay, const Secret *key, OauthRoom *room, Failure *f)
{
    int r = make_room(relay, room);

    room->key = key ? secret_new(secret_text(key), secret_size(key)) : NULL;
    if (r >= 0 && key && !room->key)
        r = -ENOMEM;
    if (r >= 0)
        return 0;
    oauth_room_done(room);
    return r == -ENOMEM ? r : fail(r, relay->oauth_token_file, f);
}

/* In the place of the former one. `line` is sealed where there is a key. */
static int replace(const RelayConfig *relay, const Secret *line, OauthRoom *room, Failure *f)
{
    _cleanup_free_
    char *sealed = NULL;
    int r = room->key ? seal_close(room->key, PURPOSE, line, &sealed) : 0;
    const char *text = sealed ?: secret_text(line);
    size_t n = strlen(text);

    if (r >= 0 && n + 1 > STORE_BYTES_MAX)
        r = -EFBIG; /* it could not be read again */
    if (r >= 0)
        r = file_write_all(room->fd, text, n) ?: file_write_all(room->fd, "\n", 1);
    if (r >= 0 && ftruncate(room->fd, (off_t)n + 1) < 0)
        r = -errno;
    if (r >= 0)
        r = file_sync(room->fd);
    if (r >= 0 && rename(room->path, relay->oauth_token_file) < 0)
        r = -errno;
    if (r >= 0) {
        close_p(&room->fd);
        r = sync_directory(relay->oauth_token_file);
    }
    oauth_room_done(room);
    return r < 0 && r != -ENOMEM ? fail(r, relay->oauth_token_file, f) : r;
}

static int format(const char *origin, const Secret *token, Secret **ret)
{
    json_t *object = json_pack("{s:s, s:s}", "origin", origin, "refresh_token", secret_text(token));
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    *ret = text ? secret_new(text, strlen(text)) : NULL;
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    return *ret ? 0 : -ENOMEM;
}

/* One that is no store at all may be written over. */
int oauth_store_reserve(const RelayConfig *relay, CommandStop *stop, OauthRoom *room, Failure *f)
{
    _cleanup_secret_ Secret *key = NULL, *former = NULL;
    _cleanup_failure_ Failure ignored = {0};
    bool sealed = false;
    int r = fetch_key(relay, stop, &key, f);

    if (r >= 0 && read_store(relay, key, &former, &sealed, &ignored) < 0 && sealed)
        r = read_store(relay, key, &former, &sealed, f);
    return r ?: reserve(relay, key, room, f);
}

int oauth_store_save(
    const RelayConfig *relay, const char *origin, const Secret *token, OauthRoom *room, Failure *f)
{
    _cleanup_secret_ Secret *line = NULL;
    int r = format(origin, token, &line);

    return r ?: replace(relay, line, room, f);
}

/* ---- reading ---- */

static int take_token(
    const RelayConfig *relay, const char *origin, const Secret *line, Secret **ret, Failure *f)
{
    json_t *object = json_loadb(secret_text(line), secret_size(line), 0, NULL);
    const char *text = json_string_value(json_object_get(object, "refresh_token"));
    int r = 0;

    if (!json_is_object(object))
        r = failure_set(f, -EBADMSG, ERROR_CONFIGURATION,
            "oauth_token_file: %s holds no tokens; remove it, and run `outbox authorize`",
            relay->oauth_token_file);
    else if (text && *text &&
             text_equal(json_string_value(json_object_get(object, "origin")), origin)) {
        *ret = secret_new(text, strlen(text));
        r = *ret ? 0 : -ENOMEM;
    }
    json_decref(object);
    return r;
}

int oauth_store_load(
    const RelayConfig *relay, CommandStop *stop, const char *origin, Secret **ret, Failure *f)
{
    _cleanup_secret_ Secret *key = NULL, *line = NULL;
    OauthRoom room = OAUTH_ROOM_NONE;
    bool sealed = false;
    int r;

    *ret = NULL;
    r = fetch_key(relay, stop, &key, f) ?: read_store(relay, key, &line, &sealed, f);
    if (r < 0 || !line)
        return r;
    r = take_token(relay, origin, line, ret, f);
    if (r >= 0 && key && !sealed)
        r = reserve(relay, key, &room, f) ?: replace(relay, line, &room, f);
    if (r < 0)
        *ret = secret_unref(*ret);
    return r;
}
