/* Whether a file is still being written, and whether that can be told. Must never hold a lease
 * while anything else is done: whoever opens the file would wait for it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/errors.h"
#include "spool/internal.h"

int spool_has_writer(int fd)
{
    /* Whoever opens the file for writing just now has a signal sent to us: let it be one that is
     * ignored, for SIGIO kills. */
    (void)fcntl(fd, F_SETSIG, SIGURG);
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
        return errno == EAGAIN ? 1 : -EACCES;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return 0;
}

/* Where that cannot be asked, as by a filter of system calls, there is nothing to warn of. */
static bool may_lease_what_is_others(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

    return syscall(SYS_capget, &header, data) < 0 || (data[0].effective & 1u << CAP_LEASE);
}

int spool_check_leases(Spool *spool, Failure *f)
{
    if (!spool_is_shared(spool) || may_lease_what_is_others())
        return 0;
    return failure_set(f, -EPERM, ERROR_SPOOL,
        "other users may put files into %s, and without CAP_LEASE user %u cannot tell whether one "
        "is still being written: it is sent as it is when it has not changed for spool.settle, and "
        "what is written later is lost. Start outboxd with AmbientCapabilities=CAP_LEASE, as "
        "outboxd.service does, or give its file that capability (setcap cap_lease=ep), or see that "
        "all programs write under another name, which begins with a dot, and rename the file",
        spool->path, geteuid());
}
