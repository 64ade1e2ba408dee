/* Finding and executing outbox-full. */
#include "tool/full.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "tool/command.h"

#define FULL_NAME "outbox-full"

/* Beside this program where they were built, else where it was installed. */
static void find_full(char path[static PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof(FULL_NAME) - 1);

    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n > 0) {
        strcpy(path + n, FULL_NAME);
        if (access(path, X_OK) == 0)
            return;
    }
    strcpy(path, PKGLIBEXECDIR "/" FULL_NAME);
}

int tool_become_full(char **argv)
{
    char path[PATH_MAX];

    find_full(path);
    execv(path, argv);
    if (error_is_common(-errno))
        return tool_fail_number(
            error_from_errno(errno), "cannot run %s: %s", path, strerror(errno));
    return tool_fail_number(
        ERROR_FILE, "cannot run %s: %s; install outbox completely", path, strerror(errno));
}
