/* The listening socket for submissions. Must never take a name away from somebody who serves it, or
 * from what is no socket. */
#include "daemon/submit_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/macros.h"
#include "settings/table.h"

#define BACKLOG 1024

/* The first that was handed over and will do. The service manager hands over sockets that block,
 * unless the unit says otherwise; the loop would wait in accept() for one more. */
static int take_from_manager(void)
{
    int n = sd_listen_fds(1);

    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
        int flags = fcntl(fd, F_GETFL);

        if (flags >= 0 && sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0 &&
            fcntl(fd, F_SETFL, flags | O_NONBLOCK) >= 0)
            return fd;
    }
    return -1;
}

/* Whether it is a socket that nobody listens at: of a process that died. */
static bool is_left_over(const struct sockaddr_un *address)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    return fd >= 0 && lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
           connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
           errno == ECONNREFUSED;
}

/* Everybody may connect: who may queue is asked of each. */
static int make(const struct sockaddr_un *address, int *ret)
{
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return -errno;
    r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    if (r == -EADDRINUSE && is_left_over(address) && unlink(address->sun_path) == 0)
        r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    if (r < 0)
        return r;
    if (chmod(address->sun_path, 0666) < 0 || listen(fd, BACKLOG) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(address->sun_path);
    else
        *ret = TAKE_FD(fd);
    return r;
}

static bool is_default(const char *path)
{
    const char *text = setting_find(SECTION_SPOOL, "submit_socket")->default_text;

    return strcmp(path, text) == 0;
}

static bool is_wanted(const SpoolConfig *spool)
{
    return spool->submit_socket && !user_list_is_none(spool->submit);
}

static int check_length(const char *path, Failure *f)
{
    size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (strlen(path) <= max)
        return 0;
    return failure_set(f, -ENAMETOOLONG, ERROR_CONFIGURATION,
        "spool.submit_socket: \"%s\" is longer than the %zu bytes that the path of a socket may "
        "have",
        path, max);
}

static int explain(const char *path, int r, Failure *f)
{
    if (r == -EADDRINUSE)
        return failure_set(f, r, ERROR_EADDRINUSE,
            "%s: the submission socket cannot be made: another process serves it, or something "
            "else bears its name; name another one in spool.submit_socket, or \"\" for none",
            path);
    return failure_set_errno(f, r,
        "%s: the submission socket cannot be made; its directory must be there, and this user "
        "be allowed to write in it",
        path);
}

/* Whether something could be made there, without making it. */
static int judge_place(const char *path)
{
    const char *end = strrchr(path, '/');
    _cleanup_free_
    char *directory = end ? strndup(path, MAX((size_t)(end - path), (size_t)1)) : strdup(".");
    struct stat st;

    if (!directory)
        return -ENOMEM;
    if (lstat(path, &st) == 0) /* a daemon that runs serves it, or another program */
        return S_ISSOCK(st.st_mode) ? 0 : -EADDRINUSE;
    if (errno != ENOENT)
        return -errno;
    return access(directory, W_OK | X_OK) < 0 ? -errno : 0;
}

int submit_socket_check(const SpoolConfig *spool, Failure *f)
{
    const char *path = spool->submit_socket;
    int r;

    if (!is_wanted(spool))
        return 0;
    r = check_length(path, f);
    if (r < 0)
        return r;
    r = judge_place(path);
    return r >= 0 || (r == -ENOENT && is_default(path)) ? 0 : explain(path, r, f);
}

int submit_socket_open(const SpoolConfig *spool, int *ret_fd, char **ret_path, Failure *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = spool->submit_socket;
    int r;

    *ret_path = NULL;
    *ret_fd = take_from_manager();
    if (*ret_fd >= 0 || !is_wanted(spool))
        return 0;
    r = check_length(path, f);
    if (r < 0)
        return r;
    strcpy(address.sun_path, path);
    r = make(&address, ret_fd);
    if (r < 0)
        return r == -ENOENT && is_default(path) ? 0 : explain(path, r, f);
    *ret_path = strdup(path);
    return 0;
}

int submit_socket_renew(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    int fd = -1, r;

    if (lstat(path, &st) == 0 || errno != ENOENT)
        return -EEXIST;
    strcpy(address.sun_path, path);
    r = make(&address, &fd);
    return r < 0 ? r : fd;
}

void submit_socket_close(int fd, char *path)
{
    if (path)
        (void)unlink(path);
    free(path);
    if (fd >= 0)
        (void)close(fd);
}
