"""The system calls that the unit lets the daemon make. Every daemon of the laboratory runs under the same
filter: one that makes another call is killed, and its test fails."""

import ctypes
import errno
import functools
import pathlib
import re
import shutil
import socket
import subprocess

SOURCE = pathlib.Path(__file__).with_name("confined.c")
ALLOW, KILL = 0x7FFF0000, 0x80000000  # as <seccomp.h> has them
NO_SUCH_FAMILY = 0x00050000 | errno.EAFNOSUPPORT
EQUAL = 4


class _Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


@functools.cache
def _group(name):
    """The calls of a group such as @system-service, those of the groups within it included."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, text=True,
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout
    words = [line.strip() for line in text.splitlines()[1:] if not line.strip().startswith("#")]
    return set().union(*(_group(word) if word.startswith("@") else {word} for word in words if word))


def _settings(unit, name):
    return re.findall(rf"^{name}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def calls(unit):
    """The names of the calls that the unit allows."""
    allowed = set()
    for line in _settings(unit, "SystemCallFilter"):
        words = set().union(*(_group(word) if word.startswith("@") else {word}
                              for word in line.removeprefix("~").split()))
        allowed = allowed - words if line.startswith("~") else allowed | words
    return allowed


def write(unit, path):
    """Writes the unit's filter for `confined`."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(KILL))

    def add(action, name, *comparisons):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0 and library.seccomp_rule_add_array(
                context, ctypes.c_uint32(action), number, len(comparisons),
                (_Comparison * len(comparisons))(*comparisons)) < 0:
            raise OSError(f"no rule for {name}")

    for name in calls(unit) - {"socket"}:
        add(ALLOW, name)
    families = {getattr(socket, family) for line in _settings(unit, "RestrictAddressFamilies")
                for family in line.split()}
    for family in range(64):
        add(ALLOW if family in families else NO_SUCH_FAMILY, "socket", _Comparison(0, EQUAL, family))
    with open(path, "wb") as file:
        if library.seccomp_export_bpf(context, file.fileno()) < 0:
            raise OSError("no filter")
    library.seccomp_release(context)


def compile_confined(program):
    """Compiles `confined`; false where that, or asking for the unit's calls, is not possible here."""
    compiler = shutil.which("cc")
    if not compiler or not shutil.which("systemd-analyze"):
        return False
    subprocess.run([compiler, "-std=gnu17", "-O1", "-static", "-o", program, SOURCE], check=True)
    return True
