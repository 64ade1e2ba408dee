"""Processes and ports of the tests: start, wait for a condition, stop."""

import functools
import os
import random
import signal
import socket
import subprocess
import time


class TimedOut(AssertionError):
    """A condition did not come true in time."""


def _processes():
    """Every process, and of each what /proc/PID/stat has from its state on: that, its parent, group, session."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                yield int(name), file.read().rpartition(")")[2].split()
        except OSError:
            continue


def _session_lives(leader):
    """Whether a process of this session still runs, or has its files open."""
    return any(int(fields[3]) == leader and fields[0] not in "ZX" for _, fields in _processes())


def _processor_seconds():
    """What the processes that descend from this one have used of a processor, and have waited for one."""
    parents, seconds = {}, {}
    for pid, fields in _processes():
        try:
            parents[pid] = int(fields[1])
            with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                seconds[pid] = sum(int(n) for n in file.read().split()[:2]) / 1e9
        except OSError:
            continue
    ours = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in ours} - ours
        if not more:
            return sum(seconds.get(pid, 0) for pid in ours)
        ours |= more


class Patience:
    """A limit of time for what may never come; is_over() is to be asked every `beat` seconds. Only what
    had the time is late: when this process was asked much later than it wanted to be, it had none, and
    while our processes are at work or queue up for a processor, the limit is moved, twenty times at most."""

    EXTENSIONS = 20

    def __init__(self, seconds, beat=0.01):
        self.seconds, self.beat = seconds, beat
        self.left = self.EXTENSIONS
        self.used = None  # what most waits are too short to ask for
        self.begin = self.asked = time.monotonic()
        self.deadline = self.asked + self.seconds

    def is_over(self):
        now = time.monotonic()
        stalled = now - self.asked - self.beat
        self.asked = now
        if stalled > 0.3:
            self.deadline += stalled
        if self.used is None and now > self.begin + min(1.0, self.seconds / 10):
            self.used = _processor_seconds()
        if now <= self.deadline:
            return False
        used = _processor_seconds()
        busy = abs(used - self.used) > self.seconds / 4
        self.used = used
        self.left -= 1
        if not busy or self.left <= 0:
            return True
        self.asked = time.monotonic()
        self.deadline = self.asked + self.seconds
        return False


LEAST = 30.0  # what was stopped for seconds, and more than once, is not late either


def wait_for(condition, what, seconds=15.0):
    """Polls until condition() is true and returns what it returned. What is waited for may be a
    function, which is asked when the time is up."""
    patience = None
    begin = time.monotonic()
    while True:
        result = condition()
        if result:
            return result
        if patience is None:
            patience = Patience(max(seconds, LEAST))
        if patience.is_over():
            took = time.monotonic() - begin
            raise TimedOut(f"not within {took:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.01)


BLOCKS = 50  # of 200 ports, from 10000 on; those of the unit tests are above (ports.h)
_block = None
_next_port = 0


def _claim_ports():
    """A block of 200 ports for this process alone: other laboratories on this machine take others. The
    claim is an abstract socket, which ends with the process and belongs to the same network as ports."""
    global _block, _next_port
    first = random.randrange(BLOCKS)
    for number in range(first, first + BLOCKS):
        _block = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            _block.bind(f"\0outbox-ports-{number % BLOCKS}")
            _next_port = 10000 + number % BLOCKS * 200
            return
        except OSError:
            _block.close()
    raise AssertionError(f"{BLOCKS} laboratories run on this machine")


@functools.cache
def loopback():
    """The addresses of this host to itself, each with its family. A name such as localhost may be any of them, or all."""
    both = [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
    return both if _can_bind(*both[1], 0) else both[:1]


def _can_bind(address, family, port):
    try:
        with socket.socket(family) as probe:
            probe.bind((address, port))
    except OSError:
        return False
    return True


def free_port():
    """A TCP port of the loopback interface that nobody uses. It lies below the range of outgoing
    connections, so that none of them can take it before its server does."""
    global _next_port
    if _block is None:
        _claim_ports()
    first = _next_port - _next_port % 200
    while True:
        _next_port = first + (_next_port + 1) % 200
        if all(_can_bind(address, family, _next_port) for address, family in loopback()):
            return _next_port


def is_listening(port, pid="self"):
    """Whether somebody listens on the port, in the network of this process, without connecting to it."""
    wanted = f"{port:04X}"
    for table in (f"/proc/{pid}/net/tcp", f"/proc/{pid}/net/tcp6"):
        try:
            with open(table, encoding="ascii") as lines:
                for line in lines:
                    fields = line.split()
                    if fields[3] == "0A" and fields[1].rsplit(":", 1)[1] == wanted:
                        return True
        except (FileNotFoundError, ProcessLookupError):
            pass
    return False


class Process:
    """A program in the foreground in a session of its own, its output in a file. It is told to end
    when the process that started it dies, however that comes."""

    def __init__(self, arguments, log, **options):
        self.log = log
        self.name = str(arguments[0])
        with open(log, "ab") as output:
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *(str(a) for a in arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child.poll() is None

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_for_port(self, port, seconds=20.0):
        def ready():
            if not self.is_running():
                raise AssertionError(f"{self.name} ended at once:\n{self.output()[-3000:]}")
            return is_listening(port, self.pid)

        wait_for(ready, f"{self.name} listens on port {port}", seconds)

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, seconds=15.0):
        """The exit status (negative: the signal that ended it)."""
        patience = Patience(seconds, beat=0.1)
        while True:
            try:
                return self.child.wait(0.1)
            except subprocess.TimeoutExpired:
                if patience.is_over():
                    raise

    def kill(self):
        if self.is_running():
            self.child.kill()
        self.child.wait()

    def stop(self, seconds=10.0):
        """SIGTERM to the whole session, then SIGKILL to what is left of it; all of it has ended then. A child
        that ends a moment later has the listening port as long, and the next server seems to be there already."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.child.pid, number)
            except ProcessLookupError:
                pass
            try:
                self.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        self.child.wait()
        wait_for(lambda: not _session_lives(self.child.pid), f"every process of {self.name} has ended", seconds)
