"""What programs did to a queue directory, in order, as strace saw it.

A recording is a list of `Op`: what changes a file or a name, what brings it to the disk, and marks, which
tell what somebody was told. Files are numbers, for their names change. Writing is always at the end: the
queue's files are never written to otherwise, and a recording that has it is refused."""

import codecs
import dataclasses
import json
import os
import re
import subprocess

MARKS_FD = 200  # a scenario writes its marks there, so that they stand in order with all else
CALLS = (
    "openat,open,creat,mkdir,mkdirat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,utimensat,fchmod,"
    "fchmodat,fsync,fdatasync,syncfs,sync,sync_file_range,copy_file_range,sendfile,splice"
)


@dataclasses.dataclass
class Op:
    """`kind` is create, link, rename, unlink, write, cut, times, sync or mark; `began` says how many
    operations had been done when it was called, which is what a sync brings to the disk."""

    kind: str
    file: int = -1
    name: str = ""  # of create, link and unlink; where a rename leads
    old: str = ""  # of rename
    data: bytes = b""  # of write; of create, what a symbolic link says
    size: int = 0  # of cut
    mtime: float = 0.0
    began: int = 0
    whole: str = ""  # of sync: "data", "file", "names" or "all"
    mark: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        if self.kind == "mark":
            return "mark " + " ".join(f"{k}={v}" for k, v in self.mark.items())
        text = {
            "rename": f"{self.old} -> {self.name}",
            "write": f"{len(self.data)} bytes {self.data[-60:]!r}",
            "cut": f"to {self.size} bytes",
            "sync": self.whole,
        }.get(self.kind, self.name)
        return f"{self.kind} #{self.file} {text}"


class Unreadable(Exception):
    """The trace has what the recorder does not understand; nothing is proved by it."""


_LINE = re.compile(r"^(\d+) +([0-9.]+) (.*)$", re.S)
_CALL = re.compile(r"^(\w+)\((.*)\) += +(-?\d+|\?)(.*)$", re.S)
_STRING = r'"((?:[^"\\]|\\.)*)"'
_DESCRIPTOR = re.compile(r"^(?:(\d+)|AT_FDCWD)<((?:[^<>\\]|\\.)*)>")


def _decode(text):
    return codecs.escape_decode(text.encode("latin-1"))[0]


def _calls(trace):
    """Each finished call: how many had ended when it began, and with it; where its line ends in the
    trace; its name, arguments, result and what is said behind that."""
    begun, ended, offset = {}, 0, 0
    with open(trace, encoding="latin-1", newline="\n") as lines:
        for line in lines:
            offset += len(line)
            found = _LINE.match(line.rstrip("\n"))
            if not found:
                raise Unreadable(f"a line of strace's: {line[:200]!r}")
            pid, _, text = found.groups()
            if text.endswith("<unfinished ...>"):
                begun[pid] = (ended, text[: -len("<unfinished ...>")].rstrip())
                continue
            began = ended
            resumed = re.match(r"^<\.\.\. \w+ resumed>(.*)$", text, re.S)
            if resumed:
                began, first = begun.pop(pid)
                text = first + (resumed[1] if resumed[1].startswith((")", ",")) else " " + resumed[1])
            call = _CALL.match(text)
            if not call or not call[3].lstrip("-").isdigit():
                continue  # a signal, an exit, or a call that the end of its process cut off
            ended += 1
            yield began, ended, offset, call[1], call[2], int(call[3]), call[4]


class Recorder:
    """Makes operations of calls."""

    def __init__(self, directory):
        self.directory = os.path.realpath(directory)
        self.ops, self.names, self.sizes = [], {}, {}
        self.ends = []  # of each operation, how many calls had ended with it
        self.offsets = []  # where its line ends in the trace

    def read(self, trace):
        for began, ended, offset, call, text, result, rest in _calls(trace):
            before = len(self.ops)
            if result >= 0:
                handler = getattr(self, "_" + call, None)
                if handler:
                    handler(text, result, rest)
                elif self.directory in text and call != "mkdir" and f"{self.directory}/.state-" not in text:
                    raise Unreadable(f"{call}({text[:200]})")
            for op in self.ops[before:]:
                op.began = sum(1 for end in self.ends if end <= began)
                self.ends.append(ended)
                self.offsets.append(offset)
        return self.ops

    def begin_with(self, marks=()):
        """What is in the directory already is on the disk, and these marks have been made."""
        numbers = {}
        for name in sorted(os.listdir(self.directory)):
            path = os.path.join(self.directory, name)
            status = os.lstat(path)
            if status.st_ino in numbers:
                self.names[name] = numbers[status.st_ino]
                self._add("link", file=self.names[name], name=name)
                continue
            self._create(name, os.readlink(path).encode() if os.path.islink(path) else b"")
            numbers[status.st_ino] = self.names[name]
            if not os.path.islink(path):
                with open(path, "rb") as file:
                    self._add("write", file=self.names[name], data=file.read())
                self.sizes[self.names[name]] = status.st_size
            if name.endswith(".status"):
                self._add("times", file=self.names[name], mtime=status.st_mtime)
        for mark in marks:
            self._add("mark", mark=mark)
        self._add("sync", whole="all", began=len(self.ops))
        self.ends = [0] * len(self.ops)
        self.offsets = [0] * len(self.ops)

    def _fallocate(self, text, result, rest):
        """Room alone, of which nothing can be read; or a file that becomes as long, with zeros at its end."""
        file = self._file_of(text)
        _, mode, start, size = text.rsplit(", ", 3)
        if "FALLOC_FL_KEEP_SIZE" in mode or file is None:
            return
        end = int(start) + int(size)
        if mode != "0" or file not in self.sizes:
            raise Unreadable(f"fallocate({text[:200]})")
        if end > self.sizes[file]:
            self._add("cut", file=file, size=end)
            self.sizes[file] = end

    def _mkdirat(self, text, *_):
        """The directory of marks: it is not synced, and does as well when it is gone."""
        if self._inside(self._paths(text)[0]) not in (None, ".reading"):
            raise Unreadable(f"mkdirat({text[:200]})")

    # ---- names ----

    def _inside(self, path):
        """The name below the queue directory, or None: also for how a daemon is, which nothing stands on."""
        path = path.removesuffix(" (deleted)")
        head, _, name = path.rpartition("/")
        return name if head == self.directory and not name.startswith(".state-") else None

    def _paths(self, text):
        """Every path of the call, those below a directory's descriptor made whole."""
        paths, at = [], ""
        for found in re.finditer(r"(?:\d+|AT_FDCWD)<((?:[^<>\\]|\\.)*)>|" + _STRING, text):
            if found[1] is not None:
                at = _decode(found[1]).decode("utf-8", "replace")
            elif found[2] is not None:
                name = _decode(found[2]).decode("utf-8", "replace")
                paths.append(name if name.startswith("/") or not at else f"{at}/{name}")
        return paths

    def _file_of(self, text):
        """The number of the file that the call's descriptor is of, or None; "." is the directory."""
        found = _DESCRIPTOR.match(text)
        if not found:
            return None
        path = _decode(found[2]).decode("utf-8", "replace")
        if path == self.directory:
            return "."
        name = self._inside(path)
        return self.names.get(name) if name and not path.endswith(" (deleted)") else None

    def _add(self, kind, **members):
        self.ops.append(Op(kind, **members))

    def _create(self, name, target=b""):
        number = len(self.sizes)
        self.sizes[number] = 0
        self.names[name] = number
        self._add("create", file=number, name=name, data=target)

    def _symlink(self, text, *_):
        target, name = self._paths(text)
        if self._inside(name) is not None:
            self._create(self._inside(name), target.encode())

    _symlinkat = _symlink

    def _openat(self, text, _, rest):
        found = re.match(r"^<((?:[^<>\\]|\\.)*)>", rest)
        name = self._inside(_decode(found[1]).decode("utf-8", "replace")) if found else None
        if name is None or "O_CREAT" not in text and "O_TRUNC" not in text:
            return
        if "O_TMPFILE" in text:
            raise Unreadable("a file without a name in the queue directory")
        if name not in self.names:
            self._create(name)
        elif "O_TRUNC" in text:
            self._add("cut", file=self.names[name], size=0)
            self.sizes[self.names[name]] = 0

    _open = _creat = _openat

    def _renameat2(self, text, *_):
        old, new = (self._inside(path) for path in self._paths(text)[:2])
        if old is None and new is None:
            return
        if old not in self.names or new is None:
            raise Unreadable(f"a rename into the queue or out of it: {text[:200]}")
        file = self.names.pop(old)
        self._add("rename", file=file, old=old, name=new)
        self.names[new] = file

    _rename = _renameat = _renameat2

    def _linkat(self, text, *_):
        old, new = (self._inside(path) for path in self._paths(text)[:2])
        if new is None:
            return
        if old not in self.names:
            raise Unreadable(f"a link from elsewhere: {text[:200]}")
        self._add("link", file=self.names[old], name=new)
        self.names[new] = self.names[old]

    _link = _linkat

    def _unlinkat(self, text, *_):
        name = self._inside(self._paths(text)[0])
        if name in self.names:
            self._add("unlink", file=self.names.pop(name), name=name)

    _unlink = _unlinkat

    # ---- content ----

    def _write(self, text, result, _):
        data = b"".join(_decode(found) for found in re.findall(_STRING, text))
        if text.startswith(f"{MARKS_FD}<"):
            self._add("mark", mark=json.loads(data[:result]))
            return
        if text.startswith("1<"):
            self._printed(data[:result])
        file = self._file_of(text)
        if file not in (None, "."):
            self._add("write", file=file, data=data[:result])
            self.sizes[file] += result

    _writev = _write

    def _printed(self, data):
        """Somebody was told that a message is queued."""
        for line in data.decode("utf-8", "replace").splitlines():
            name = self._inside(line)
            if name and name.endswith(".queued"):
                self._add("mark", mark={"what": "printed", "name": name})

    def _ftruncate(self, text, *_):
        file = self._file_of(text)
        if file is not None:
            size = int(text.rpartition(", ")[2])
            self._add("cut", file=file, size=size)
            self.sizes[file] = size

    def _utimensat(self, text, *_):
        paths = self._paths(text)
        name = self._inside(paths[0]) if paths else None
        file = self.names.get(name) if name else self._file_of(text)
        seconds = re.findall(r"tv_sec=(\d+), tv_nsec=(\d+)", text)
        if file is not None and seconds:
            self._add("times", file=file, mtime=int(seconds[-1][0]) + int(seconds[-1][1]) / 1e9)

    def _fchmod(self, *_):
        """Modes are not judged: what is told to be queued has had its file synced after its chmod."""

    _fchmodat = _fchmod

    # ---- syncs ----

    def _fsync(self, text, *_):
        file = self._file_of(text)
        if file is not None:
            self._add("sync", file=-1 if file == "." else file, whole="names" if file == "." else "file")

    def _fdatasync(self, text, *_):
        file = self._file_of(text)
        if file is not None:
            self._add("sync", file=-1 if file == "." else file, whole="names" if file == "." else "data")

    def _syncfs(self, text, *_):
        if self._file_of(text) is not None:
            self._add("sync", whole="all")


def strace(trace, command, extra=()):
    """The arguments that run a command under strace, its children with it."""
    return [
        "strace", "-f", "-y", "-ttt", "--seccomp-bpf", "-qqq", "-e", "signal=none", "-s", "33554432",
        "-e", f"trace={CALLS}", *extra, "-o", str(trace), *(str(a) for a in command),
    ]


def record(trace, directory, command, extra=(), marks=None):
    """Runs the command, and gives the recorder of what it and its children did to the directory. With
    `marks`, what was there before is a part of it."""
    recorder = Recorder(directory)
    if marks is not None:
        recorder.begin_with(marks)
    done = subprocess.run(strace(trace, command, extra), capture_output=True, check=False)
    if done.returncode != 0:
        raise Unreadable(f"{command}: {done.stderr.decode()[-3000:]}{done.stdout.decode()[-2000:]}")
    recorder.read(trace)
    return recorder
