"""Has one call that a program makes fail: the Nth of a function of the C library, once or from then on.
faults.c is preloaded; what is to fail stands in a file that both have mapped, and may be changed while
the program runs."""

import mmap
import os
import pathlib
import re
import shutil
import struct
import subprocess
from errno import (
    EACCES, EADDRNOTAVAIL, EAGAIN, ECONNREFUSED, ECONNRESET, EDQUOT, EINTR, EIO, EMFILE, ENFILE, ENOBUFS,
    ENOLCK, ENOMEM, ENOSPC, EPERM, EPIPE, EROFS, ETIMEDOUT,
)

import lab

SOURCE = pathlib.Path(__file__).with_name("faults.c")
WINDOW = struct.Struct("5i")  # number, calls, the first of those, sum, longest
CALL = struct.Struct("i")
CONTROL = struct.Struct("6i")  # call, left, error, forever, hits, creating

OPENING = (EMFILE, ENFILE, ENOMEM, EIO, EACCES)
CHANGING = (EIO, ENOSPC, EDQUOT, EROFS, EPERM)
WRITING = (ENOSPC, EIO, EDQUOT, EINTR)
READING = (EIO, EINTR, ENOMEM)
LOOKING = (EIO, ENOMEM, EACCES)
MAKING = (EMFILE, ENFILE, ENOMEM)

# What each function can fail with on a machine that has trouble, the commonest first. What no caller
# could do anything about, or what is never said of a valid call, is left out.
ERRORS = {
    "open": OPENING, "openat": (EMFILE, ENFILE, ENOMEM, EIO, EACCES, ENOSPC, EDQUOT, EROFS),
    "fopen": OPENING, "fdopendir": (ENOMEM,), "opendir": OPENING, "close": (EIO,),
    "read": READING, "pread": READING, "preadv2": (EIO, EAGAIN, EINTR, ENOMEM), "readdir": (EIO,),
    "readlink": LOOKING, "write": WRITING, "writev": WRITING,
    "fstat": (EIO, ENOMEM), "fstatat": LOOKING, "lstat": LOOKING, "stat": LOOKING, "statx": LOOKING,
    "fstatfs": (EIO,), "fstatvfs": (EIO,), "renameat": CHANGING, "renameat2": CHANGING, "linkat": CHANGING,
    "unlinkat": (EIO, EROFS, EPERM, ENOMEM), "unlink": (EIO, EROFS, EPERM), "fsync": (EIO, ENOSPC, EDQUOT),
    "fdatasync": (EIO, ENOSPC, EDQUOT), "syncfs": (EIO, ENOSPC), "ftruncate": (EIO, EINTR),
    "fallocate": (ENOSPC, EDQUOT, EIO, EINTR), "fchmod": (EIO, EPERM, EROFS),
    "fchown": (EPERM, EIO, EDQUOT), "utimensat": (EIO, EPERM, EROFS), "futimens": (EIO, EPERM),
    "flock": (ENOLCK, EINTR, ENOMEM), "fcntl": (EAGAIN, ENOLCK, ENOMEM), "faccessat": LOOKING,
    "access": LOOKING, "socket": (EMFILE, ENFILE, ENOBUFS, ENOMEM), "connect": (
        ECONNREFUSED, ETIMEDOUT, EADDRNOTAVAIL, ENOBUFS, EPERM), "bind": (EADDRNOTAVAIL, ENOMEM),
    "send": (ECONNRESET, EPIPE, ENOBUFS, EINTR), "sendto": (ECONNRESET, ENOBUFS, EAGAIN),
    "sendmsg": (ECONNRESET, ENOBUFS, EAGAIN), "recv": (ECONNRESET, ETIMEDOUT, ENOMEM, EINTR),
    "recvmsg": (ENOMEM, EINTR), "setsockopt": (ENOBUFS, ENOMEM), "getsockopt": (ENOBUFS,),
    "getsockname": (ENOBUFS,), "socketpair": MAKING, "poll": (EINTR, ENOMEM), "ppoll": (EINTR, ENOMEM),
    "epoll_create1": MAKING, "epoll_ctl": (ENOMEM, ENOSPC), "epoll_wait": (EINTR,),
    "timerfd_create": MAKING, "timerfd_settime": (ENOMEM,), "signalfd": MAKING, "eventfd": MAKING,
    "eventfd_write": (EAGAIN,), "inotify_init1": MAKING, "inotify_add_watch": (ENOSPC, ENOMEM),
    "pipe2": MAKING, "dup": MAKING, "dup2": (EMFILE,), "memfd_create": MAKING, "getrandom": (EINTR,),
    "gethostname": (EPERM,), "pthread_create": (EAGAIN,),
    "waitpid": (EINTR,), "setrlimit": (EPERM,), "getrlimit": (EPERM,), "mmap": (ENOMEM,),
    "malloc": (ENOMEM,),
}


class Faults:
    """A preloaded library and its control file, in a directory of the test's."""

    def __init__(self, directory):
        compiler = shutil.which("cc")
        if not compiler:
            raise lab.Unavailable("there is no C compiler")
        if "-fsanitize=" in (lab.BUILD / "Makefile").read_text(encoding="utf-8"):
            raise lab.Unavailable("the sanitizers have an allocator of their own")
        self.library, self.path = directory / "faults.so", directory / "faults"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-fno-builtin", "-o", self.library, SOURCE], check=True)
        self.names = re.search(rb"calls: ([a-z0-9_ ]+)", self.library.read_bytes())[1].decode().split()
        with open(self.path, "w+b") as file:
            file.truncate(mmap.PAGESIZE)
            self.control = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.path.chmod(0o666)
        self.clear()

    @property
    def environment(self):
        return {**os.environ, "LD_PRELOAD": str(self.library), "FAULT_CONTROL": str(self.path)}

    @property
    def wrapper(self):
        """For Outboxd."""
        return ("env", f"LD_PRELOAD={self.library}", f"FAULT_CONTROL={self.path}")

    def arm(self, call, number=1, error=EIO, forever=False, creating=False):
        """From now on the Nth such call fails; with `creating`, of those of openat that create a file."""
        self.clear()
        CONTROL.pack_into(self.control, 0, -1, number, error, forever, 0, creating)
        CALL.pack_into(self.control, 0, self.names.index(call))

    def clear(self):
        """No call fails any more. The error stays: a call may be failing with it at this moment."""
        CALL.pack_into(self.control, 0, -1)

    @property
    def hits(self):
        """How often it has failed since arm()."""
        return CONTROL.unpack_from(self.control)[4]

    def counts(self):
        """How often each function was called since reset_counts(), by name."""
        numbers = struct.unpack_from(f"{len(self.names)}i", self.control, CONTROL.size + WINDOW.size)
        return {name: n for name, n in zip(self.names, numbers) if n > 0}

    def window(self):
        """From the read of a reply to the end of the unlink: how many, the most calls in between, the
        name of the first of those, and microseconds, mean and longest."""
        number, calls, first, total, longest = WINDOW.unpack_from(self.control, CONTROL.size)
        return number, calls, self.names[first], total // max(number, 1), longest

    def reset_window(self):
        WINDOW.pack_into(self.control, CONTROL.size, *[0] * 5)

    def reset_counts(self):
        struct.pack_into(f"{len(self.names)}i", self.control, CONTROL.size + WINDOW.size, *[0] * len(self.names))


def spread(count, most):
    """At most so many of the numbers from 1 to `count`: the first, the last, and some between."""
    if count <= most:
        return list(range(1, count + 1))
    if most == 1:
        return [count]
    return sorted({1 + i * (count - 1) // (most - 1) for i in range(most)})
