/* Reading who holds a lock. Must never take what cannot be read for somebody's. */
#include "spool/holder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/macros.h"

static void close_stream(FILE **stream)
{
    if (*stream)
        fclose(*stream);
}

/* The effective user of a process; its directory in /proc is root's where it may not be traced.
 * False where it cannot be known. */
static bool find_user(long pid, uid_t *ret)
{
    _cleanup_(close_stream) FILE *status = NULL;
    char line[256];
    unsigned user;

    snprintf(line, sizeof(line), "/proc/%ld/status", pid);
    status = fopen(line, "re");
    while (status && fgets(line, sizeof(line), status))
        if (sscanf(line, "Uid: %*u %u", &user) == 1) {
            *ret = user;
            return true;
        }
    return false;
}

/* A line of proc_locks(5): "1: FLOCK ADVISORY WRITE 4711 08:01:1234 0 EOF". The device is not that
 * of stat(2) everywhere (btrfs), so that the inode alone has to do; whether it is the same is in
 * `ret_sure`. 0: it is of another. */
static long parse_line(const char *line, bool exclusive, const struct stat *st, bool *ret_sure)
{
    unsigned device_major, device_minor;
    char kind[8], way[8];
    unsigned long n;
    long pid;

    if (sscanf(line, "%*d: %7s ADVISORY %7s %ld %x:%x:%lu", kind, way, &pid, &device_major,
            &device_minor, &n) != 6 ||
        strcmp(kind, "FLOCK") != 0 || n != st->st_ino ||
        strcmp(way, exclusive ? "WRITE" : "READ") != 0)
        return 0;
    *ret_sure = makedev(device_major, device_minor) == st->st_dev;
    return pid;
}

bool holder_is_strange(int fd, bool exclusive, uid_t owner)
{
    _cleanup_(close_stream) FILE *locks = fopen("/proc/locks", "re");
    unsigned n = 0;
    char line[256];
    struct stat st;

    if (!locks || fstat(fd, &st) < 0)
        return false;
    while (fgets(line, sizeof(line), locks)) {
        bool sure;
        long pid = parse_line(line, exclusive, &st, &sure);
        uid_t user = owner;

        if (pid == 0)
            continue;
        if (pid < 0 || !find_user(pid, &user) || user == owner || user == 0)
            return false;
        n++;
    }
    return n > 0;
}

long holder_find(int fd, bool exclusive, uid_t owner)
{
    _cleanup_(close_stream) FILE *locks = fopen("/proc/locks", "re");
    char line[256];
    long other = 0;
    struct stat st;
    uid_t user;
    bool sure;

    if (!locks || fstat(fd, &st) < 0)
        return 0;
    while (fgets(line, sizeof(line), locks)) {
        long pid = parse_line(line, exclusive, &st, &sure);

        if (pid <= 0 || !find_user(pid, &user) || (user != owner && user != 0))
            continue;
        if (sure)
            return pid;
        other = other > 0 ? other : pid;
    }
    return other;
}
