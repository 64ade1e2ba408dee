/* outbox, as programs call it: queues whole messages by itself, for that must cost no more than
 * writing them, and becomes outbox-full for all else. Must never need more libraries than that
 * takes. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "tool/input.h"

#define FULL_NAME "outbox-full"

/* The other program: beside this one where they were built, else where it was installed. */
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

/* Comes back only when that fails: an exit status. */
static int become_full(char **argv)
{
    char path[PATH_MAX];

    find_full(path);
    execv(path, argv);
    return tool_fail_number(
        ERROR_FILE, "cannot run %s: %s; install outbox completely", path, strerror(errno));
}

int input_compose(const Input *input, char **recipients _unused_, Buffer *ret_message _unused_)
{
    return become_full(input->tool->argv);
}

int main(int argc, char **argv)
{
    _cleanup_(tool_done) Tool tool = {0};

    /* All other mistakes are the other program's to tell. */
    if (tool_read_options(&tool, argc, argv, true) != TOOL_RUN ||
        strcmp(argv[optind], command_queue.name) != 0)
        return become_full(argv);
    argc -= optind;
    argv += optind;
    optind = 0; /* the command scans its options anew (getopt(3), notes) */
    return command_queue.run(&tool, &command_queue, argc, argv);
}
