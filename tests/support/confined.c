/* confined FILTER PROGRAM [ARGUMENT...]
 *
 * Runs the program under a filter of system calls, read from the file: an array of struct
 * sock_filter. Linked statically, so that what is preloaded for the program does not come between
 * here. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct sock_filter code[8192];

int main(int argc, char **argv)
{
    int fd = argc > 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? -1 : read(fd, code, sizeof(code));
    struct sock_fprog filter = {(unsigned short)(n / (ssize_t)sizeof(code[0])), code};

    if (n <= 0 || n == sizeof(code))
        err(125, "confined: cannot read the filter");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
        err(125, "confined: cannot set the filter");
    execvp(argv[2], argv + 2);
    err(127, "%s", argv[2]);
}
