/* Finding and executing outbox-full. */
#include "tool/full.h"

#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "tool/command.h"

#define FULL_NAME "outbox-full"

/* The length of what both start with, up to a slash. */
static size_t common_directory(const char *a, const char *b)
{
    size_t n = 0;

    for (size_t i = 0; a[i] == b[i] && a[i]; i++)
        if (a[i] == '/')
            n = i;
    return n;
}

/* As the two lie to each other where they are installed, below whatever directory that was copied
 * to. False when this one is not in its place. */
static bool find_relative(const char *own, char path[static PATH_MAX])
{
    size_t common = common_directory(BINDIR, PKGLIBEXECDIR), n = strlen(own);
    const char *below = &BINDIR[common];

    if (!text_ends(own, below))
        return false;
    return snprintf(path, PATH_MAX, "%.*s%s/" FULL_NAME, (int)(n - strlen(below)), own,
               &PKGLIBEXECDIR[common]) < PATH_MAX &&
           access(path, X_OK) == 0;
}

static void find_full(char path[static PATH_MAX])
{
    char own[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
    char *slash;

    own[MAX(n, 0)] = '\0';
    slash = strrchr(own, '/');
    if (slash) {
        *slash = '\0';
        if (snprintf(path, PATH_MAX, "%s/" FULL_NAME, own) < PATH_MAX && access(path, X_OK) == 0)
            return;
        if (find_relative(own, path))
            return;
    }
    strcpy(path, PKGLIBEXECDIR "/" FULL_NAME);
}

/* The command line, which has a name at least, with the handshake in it; NULL when memory is short.
 */
static char **add_handshake(char **argv)
{
    static char handshake[] = FULL_HANDSHAKE;
    size_t n = 0;
    char **copy;

    while (argv[n])
        n++;
    copy = calloc(n + 2, sizeof(char *));
    if (!copy)
        return NULL;
    copy[0] = argv[0];
    copy[1] = handshake;
    if (n > 1)
        memcpy(copy + 2, argv + 1, (n - 1) * sizeof(char *));
    return copy;
}

int tool_become_full(char **argv)
{
    _cleanup_free_
    char **full_argv = add_handshake(argv);
    char path[PATH_MAX];

    if (!full_argv)
        return tool_fail_memory();
    find_full(path);
    execv(path, full_argv);
    if (error_is_common(-errno))
        return tool_fail_number(
            error_from_errno(errno), "cannot run %s: %s", path, strerror(errno));
    return tool_fail_number(
        ERROR_FILE, "cannot run %s: %s; install outbox completely", path, strerror(errno));
}
