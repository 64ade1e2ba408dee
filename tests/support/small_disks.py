"""File systems on which there is no room for more: no inodes, or a quota that is used up. Each is mounted,
filled and given room again by a test."""

import os
import pathlib
import shutil
import subprocess

from preload import preload

# The queue's quota is used up while FLAG is there: no file can be created below a `queue`, and none grows.
QUOTA = """
#include <sys/stat.h>

static int is_full(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n < 0 ? 0 : n] = '\\0';
    errno = EDQUOT;
    return strstr(path, "/queue") && syscall(SYS_access, FLAG, F_OK) == 0;
}

int openat(int fd, const char *name, int flags, ...)
{
    va_list list;
    int mode = 0;

    va_start(list, flags);
    if (flags & (O_CREAT | __O_TMPFILE))
        mode = va_arg(list, int);
    va_end(list);
    if (flags & O_CREAT && is_full(fd))
        return errno = EDQUOT, -1;
    return (int)syscall(SYS_openat, fd, name, flags, mode);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return is_full(fd) ? (errno = EDQUOT, -1) : (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

ssize_t write(int fd, const void *data, size_t n)
{
    return is_full(fd) ? (errno = EDQUOT, -1) : syscall(SYS_write, fd, data, n);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    return is_full(fd) ? (errno = EDQUOT, -1) : syscall(SYS_writev, fd, parts, n);
}
"""


class Disk:
    """A mount in `directory`, and the queue's directory on it. `renames`: whether names can be changed
    while there is no room."""

    renames = True
    wrapper = ()  # of the programs

    def __init__(self, directory):
        self.mounted, self.image = directory / "disk", directory / "disk.img"
        self.mounted.mkdir()
        self.place = self.mounted
        self.fillers = 0

    def run(self, *command):
        done = subprocess.run([str(one) for one in command], check=False, capture_output=True)
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stderr.decode()}")

    def make(self, size, *command):
        with open(self.image, "wb") as file:
            file.truncate(size)
        self.run(*command, self.image)
        self.run("mount", "-o", "loop", self.image, self.mounted)

    def unmount(self):
        subprocess.run(["umount", "-l", self.mounted], check=False, stderr=subprocess.DEVNULL)

    def filler(self, number):
        return pathlib.Path(self.mounted, f"filler-{number}")

    def fill(self):
        """Until no file can be created."""
        try:
            while True:
                self.filler(self.fillers).touch(exist_ok=False)
                self.fillers += 1
        except OSError:
            pass

    def free(self, most=10 ** 6):
        """Room again, for so many files."""
        for _ in range(min(most, self.fillers)):
            self.fillers -= 1
            self.filler(self.fillers).unlink()


class Inodes(Disk):
    """No inodes are left, and much room."""

    def __init__(self, directory):
        super().__init__(directory)
        self.run("mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=64,mode=755", "outbox-test", self.mounted)


class Blocks(Disk):
    """No blocks are left, and many inodes."""

    def __init__(self, directory):
        super().__init__(directory)
        self.run("mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "outbox-test", self.mounted)

    def fill(self):
        try:
            with open(self.filler(0), "ab", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        except OSError:
            pass

    def free(self, most=0):
        self.filler(0).unlink(missing_ok=True)


class InodesOfExt4(Disk):
    def __init__(self, directory):
        super().__init__(directory)
        self.make(8 << 20, "mkfs.ext4", "-q", "-F", "-N", "64")


class QuotaOfBtrfs(Disk):
    """A quota group that is used up: there, nothing can be created, written to or renamed."""

    renames = False

    def __init__(self, directory):
        super().__init__(directory)
        self.make(120 << 20, "mkfs.btrfs", "-q", "-f", "-K", "-M")
        self.place = self.mounted / "volume"
        self.run("btrfs", "quota", "enable", self.mounted)
        self.run("btrfs", "subvolume", "create", self.place)

    def limit(self, size):
        """Of the first subvolume there is; by the path of another, for this one can hold it up."""
        self.run("btrfs", "qgroup", "limit", size, "0/256", self.mounted)

    def fill(self):
        self.limit("1M")
        try:
            with open(self.place / "filler", "wb", buffering=0) as file:
                while True:
                    file.write(os.urandom(4096))
                    os.fsync(file.fileno())
        except OSError:
            pass

    def free(self, most=0):
        self.limit("none")


class Quota(Disk):
    """The same said by a library that is preloaded, of what is created and written."""

    def __init__(self, directory):
        super().__init__(directory)
        self.flag = directory / "is-full"
        self.wrapper = preload(directory, f'#define FLAG "{self.flag}"\n' + QUOTA)

    def fill(self):
        self.flag.touch()

    def free(self, most=0):
        self.flag.unlink(missing_ok=True)


def why_not(disk):
    """Why this cannot be tried here, or None."""
    if disk is Quota:
        return None
    if os.geteuid() != 0:
        return "only root can mount"
    system = {InodesOfExt4: "ext4", QuotaOfBtrfs: "btrfs"}.get(disk, "tmpfs")
    if f"\t{system}\n" not in pathlib.Path("/proc/filesystems").read_text(encoding="ascii"):
        return f"this kernel has no {system} (/proc/filesystems)"
    if system != "tmpfs" and not os.path.exists("/dev/loop-control"):
        return "there are no loop devices (/dev/loop-control)"
    if system != "tmpfs" and not shutil.which(f"mkfs.{system}"):
        return f"mkfs.{system} is not installed (scripts/install-packages disks)"
    return None
