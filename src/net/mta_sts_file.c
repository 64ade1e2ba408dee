/* A policy on the disk. Must never leave a part of one there. */
#include "net/mta_sts_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

#define HEAD "outbox-mta-sts 1 "
#define HEAD_MAX 400

int mta_sts_file_load(const char *path, const char *domain, char ret_id[static MTA_STS_ID_MAX],
    usec_t *ret_fetched, Buffer *ret_text)
{
    char head[HEAD_MAX], of[256], id[MTA_STS_ID_MAX];
    unsigned long long seconds;
    const char *end;
    size_t n;
    int r = file_load(AT_FDCWD, path, HEAD_MAX + MTA_STS_POLICY_MAX, ret_text);

    if (r < 0) {
        buffer_done(ret_text);
        return r;
    }
    end = buffer_size(ret_text) > 0 ? memchr(buffer_data(ret_text), '\n',
                                          MIN(buffer_size(ret_text), (size_t)HEAD_MAX - 1))
                                    : NULL;
    n = end ? (size_t)(end - buffer_data(ret_text)) : 0;
    if (n > 0)
        memcpy(head, buffer_data(ret_text), n);
    head[n] = '\0';
    if (sscanf(head, HEAD "%255s %32s %15llu", of, id, &seconds) != 3 ||
        !text_equal_nocase(of, domain)) {
        buffer_done(ret_text);
        return -EBADMSG;
    }
    buffer_consume(ret_text, n + 1);
    snprintf(ret_id, MTA_STS_ID_MAX, "%s", id);
    *ret_fetched = (usec_t)seconds * USEC_PER_SEC;
    return 0;
}

static int write_new(const char *path, const char *head, const Buffer *text)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    int r = fd < 0 ? -errno : file_write_all(fd, head, strlen(head));

    if (r >= 0)
        r = file_write_all(fd, buffer_data(text), buffer_size(text));
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

int mta_sts_file_save(const char *path, const char *domain, const char *id, usec_t fetched,
    const Buffer *text, Failure *f)
{
    _cleanup_free_
    char *temporary = NULL;
    char head[HEAD_MAX], name[9];
    int r;

    file_random_name(name, sizeof(name) - 1);
    if (asprintf(&temporary, "%s.%s", path, name) < 0) {
        temporary = NULL;
        return -ENOMEM;
    }
    snprintf(head, sizeof(head), HEAD "%.255s %.32s %llu\n", domain, id,
        (unsigned long long)(fetched / USEC_PER_SEC));
    r = write_new(temporary, head, text);
    if (r >= 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(temporary);
    else
        r = sync_directory(path);
    if (r >= 0 || r == -ENOMEM)
        return r;
    return failure_set_errno(f, r,
        "tls_mta_sts_file: cannot keep the policy in %s (its directory must be the daemon's "
        "user's)",
        path);
}
