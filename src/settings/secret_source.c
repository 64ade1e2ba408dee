/* Fetching secrets. Must never leave a copy behind, and never put one into a failure. */
#include "settings/secret_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/macros.h"
#include "settings/command.h"
#include "settings/privacy.h"

#define SECRET_MAX_BYTES ((size_t)64 * 1024)
#define COMMAND_LIMIT (30 * USEC_PER_SEC)

static void wipe(Buffer *buffer)
{
    if (buffer->memory)
        explicit_bzero(buffer->memory, buffer->allocated);
    buffer_done(buffer);
}

#define _cleanup_wipe_ _cleanup_(wipe)

bool secret_source_is_set(const SecretSource *source)
{
    return source->value || source->file || source->command || source->credential;
}

/* The first line, without the mark that some editors put before UTF-8; -ENODATA when it is empty,
 * or no text of one byte a character. */
static int first_line(const Buffer *content, Secret **ret)
{
    static const char mark[] = "\xef\xbb\xbf";
    const char *data = buffer_size(content) ? buffer_data(content) : "";
    size_t n = buffer_size(content);
    const char *end = memchr(data, '\n', n);

    if (n >= strlen(mark) && memcmp(data, mark, strlen(mark)) == 0)
        data += strlen(mark), n -= strlen(mark);
    if (end)
        n = (size_t)(end - data);
    if (n > 0 && data[n - 1] == '\r')
        n--;
    if (n == 0 || memchr(data, '\0', n))
        return -ENODATA;
    *ret = secret_new(data, n);
    return *ret ? 0 : -ENOMEM;
}

/* Reads a file below `directory_fd`. The size is known before, so that the buffer never moves and
 * leaves a copy. */
static int read_secret(int fd, const char *path, size_t max, Secret **ret, Failure *f)
{
    _cleanup_wipe_ Buffer content = {0};
    int r;

    if (!buffer_reserve(&content, max + SECRET_MAX_BYTES))
        return -ENOMEM;
    r = file_read_all(fd, max, &content);
    if (r < 0)
        return failure_set_errno(f, r, "cannot read the secret in %s", path);
    r = first_line(&content, ret);
    if (r == -ENODATA)
        return failure_set(f, r, ERROR_CONFIGURATION,
            "the first line of %s is empty, or not text in ASCII or UTF-8; write the secret there",
            path);
    return r;
}

static int fail_kind(const char *path, Failure *f)
{
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION, "%s is not a regular file; name one", path);
}

static int fetch_file(const SecretSource *source, Secret **ret, Failure *f)
{
    const char *path = source->file;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    _cleanup_free_
    char *readers = NULL;
    struct stat st;
    int r;

    if (fd < 0 && errno == ENXIO)
        return fail_kind(path, f);
    if (fd < 0 || fstat(fd, &st) < 0)
        return failure_set_errno(f, -errno, "cannot read the secret in %s", path);
    if (!S_ISREG(st.st_mode))
        return fail_kind(path, f);
    r = privacy_check(&st, path, &source->queue, &readers);
    if (r > 0)
        return failure_set(f, -EPERM, ERROR_CONFIGURATION, "%s", readers);
    return r < 0 ? r : read_secret(fd, path, source->max ?: SECRET_MAX_BYTES, ret, f);
}

/* The directory is made by systemd for this unit alone, so that its files' modes do not matter. */
static int fetch_credential(const char *name, Secret **ret, Failure *f)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    _cleanup_free_
    char *path = NULL;
    _cleanup_close_ int fd = -1;

    if (strchr(name, '/') || name[0] == '.')
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "the credential \"%s\" is not a plain name; write it as in LoadCredential=", name);
    if (!directory)
        return failure_set(f, -ENOENT, ERROR_CONFIGURATION,
            "there is no credential \"%s\": CREDENTIALS_DIRECTORY is not set; add "
            "LoadCredential=%s:PATH to the unit, or use password_file outside systemd; root's "
            "`outbox check` has what the unit has",
            name, name);
    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    fd = file_open(AT_FDCWD, path, FILE_NO_PIPE);
    if (fd < 0)
        return failure_set_errno(f, fd,
            "cannot read the credential \"%s\" (is LoadCredential=%s:PATH in the unit?), %s", name,
            name, path);
    return read_secret(fd, path, SECRET_MAX_BYTES, ret, f);
}

static int fetch_command(const char *command, CommandStop *stop, Secret **ret, Failure *f)
{
    static const CommandUse use = COMMAND_USE("the command", "print the secret alone, and exit");
    _cleanup_wipe_ Buffer content = {0};
    _cleanup_free_
    char *said = NULL;
    int r;

    if (!buffer_reserve(&content, 2 * SECRET_MAX_BYTES))
        return -ENOMEM;
    r = command_run(command, &use, COMMAND_LIMIT, SECRET_MAX_BYTES, &content, &said, stop, f);
    if (r < 0)
        return r;
    r = first_line(&content, ret);
    if (r == -ENODATA)
        return failure_set(f, r, ERROR_CONFIGURATION,
            "the command `%s` printed no secret on its first line, in ASCII or UTF-8%s; try it "
            "in a shell as the same user",
            command, said);
    return r;
}

int secret_source_fetch(const SecretSource *source, CommandStop *stop, Secret **ret, Failure *f)
{
    *ret = NULL;
    if (source->value) {
        *ret = secret_ref(source->value);
        return 0;
    }
    if (source->file || source->credential)
        command_stop_waits(stop, "see whether the disk or the server that has it answers",
            "the %s %.200s", source->file ? "file" : "credential",
            source->file ?: source->credential);
    if (source->file)
        return fetch_file(source, ret, f);
    if (source->command)
        return fetch_command(source->command, stop, ret, f);
    return source->credential ? fetch_credential(source->credential, ret, f) : 0;
}

/* ---- judging ---- */

static int fail_check(const char *name, const char *end, int r, Failure *f)
{
    char setting[64];

    snprintf(setting, sizeof(setting), "%.40s%s", name, end);
    return failure_prefix(f, r, setting);
}

int secret_source_check(const SecretSource *source, const char *name, Failure *f)
{
    _cleanup_secret_ Secret *secret = NULL;
    int r = 0;

    if (source->file) {
        r = fetch_file(source, &secret, f);
        if (r < 0 && r != -EACCES)
            return fail_check(name, "_file", r, f);
    } else if (source->command) {
        r = command_check(source->command, f);
        if (r < 0)
            return fail_check(name, "_command", r, f);
    } else if (source->credential && getenv("CREDENTIALS_DIRECTORY")) {
        r = fetch_credential(source->credential, &secret, f);
        if (r < 0 && r != -EACCES)
            return fail_check(name, "_credential", r, f);
    }
    if (f)
        failure_done(f);
    return 0;
}

int secret_file_check(const char *path, const char *setting, bool or_directory, Failure *f)
{
    struct stat st;

    if (stat(path, &st) < 0 || (or_directory && S_ISDIR(st.st_mode)))
        return 0;
    if (!S_ISREG(st.st_mode))
        return failure_prefix(f, fail_kind(path, f), setting);
    if (st.st_size > 0)
        return 0;
    return failure_set(f, -ENODATA, ERROR_CONFIGURATION,
        "%s: %s is empty; name the right file, or remove this one and have it made anew", setting,
        path);
}
