"""A program at a terminal of its own, with somebody who reads what it asks and types."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

from process import Patience


class Terminal:
    """`shown` is all that the terminal has been sent so far."""

    def __init__(self, command, columns=200, **options):
        self._master, slave = pty.openpty()
        self._slave = slave  # kept, so that what the program leaves it as can be looked at
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.shown, self._read = "", 0
        self.child = subprocess.Popen(
            [str(word) for word in command], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), env={**os.environ, "TERM": "dumb"}, **options)

    def _take(self, seconds):
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        self.shown += os.read(self._master, 65536).decode("utf-8", "replace").replace("\r\n", "\n")
        return True

    def wait(self, text, seconds=120):
        """Until it is shown, behind what was waited for before; the words of it."""
        patience = Patience(seconds, beat=0.2)
        while not (found := re.search(text, self.shown[self._read:])):
            if not self._take(0.2) and (self.child.poll() is not None or patience.is_over()):
                raise AssertionError(f"{text!r} is not shown; it is {self.shown!r}")
        self._read += found.end()
        return found.group(0)

    def type(self, text, end="\n"):
        os.write(self._master, (text + end).encode())

    def answer(self, question, text, end="\n"):
        self.wait(question)
        self.type(text, end)

    def has_echo(self):
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def end(self, seconds=120):
        """Its exit status, once it has ended and all that it said is there."""
        patience = Patience(seconds, beat=0.2)
        while self.child.poll() is None:
            if not self._take(0.2) and patience.is_over():
                raise AssertionError(f"it does not end; it has shown {self.shown!r}")
        while self._take(0):
            pass
        return self.child.returncode

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        for fd in (self._master, self._slave):
            os.close(fd)
