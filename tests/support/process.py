"""Processes and ports of the tests: start, wait for a condition, stop."""

import os
import signal
import socket
import subprocess
import time


class TimedOut(AssertionError):
    """A condition did not come true in time."""


def wait_for(condition, what, seconds=15.0):
    """Polls until condition() is true and returns what it returned. What is waited for may be a
    function, which is asked when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimedOut(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(0.01)


_next_port = 10000 + os.getpid() * 97 % 20000


def free_port():
    """A TCP port of the loopback interface that nobody uses. It lies below the range of outgoing
    connections, so that none of them can take it before its server does."""
    global _next_port
    while True:
        _next_port = 10000 + (_next_port + 1 - 10000) % 20000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", _next_port))
                return _next_port
            except OSError:
                continue


def is_listening(port):
    """Whether somebody listens on the port, without connecting to it."""
    wanted = f"{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as lines:
                for line in lines:
                    fields = line.split()
                    if fields[3] == "0A" and fields[1].rsplit(":", 1)[1] == wanted:
                        return True
        except FileNotFoundError:
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
            return is_listening(port)

        wait_for(ready, f"{self.name} listens on port {port}", seconds)

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, seconds=15.0):
        """The exit status (negative: the signal that ended it)."""
        return self.child.wait(seconds)

    def kill(self):
        if self.is_running():
            self.child.kill()
        self.child.wait()

    def stop(self, seconds=10.0):
        """SIGTERM to the whole session, then SIGKILL to what is left of it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.child.pid, number)
            except ProcessLookupError:
                pass
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        self.child.wait()
