"""Queues to drain: filled fast, and watched without disturbing whoever drains them."""

import os
import pathlib
import shutil
import time

from lab import Outboxd, write_configuration
from process import wait_for

ENVELOPE = b"X-Sender: <a@example.org>\nX-Receiver: <b@example.net>\n"
HEADER = b"From: a@example.org\nTo: b@example.net\nSubject: bench\nDate: Mon, 05 Jan 2026 10:00:00 +0000\nMessage-ID: <bench@example.org>\n\n"
NEARLY = 200  # files: others on the same file system make and remove some, too


def message(size):
    line = b"x" * 75 + b"\n"
    body = line * (size // len(line) + 1)
    return ENVELOPE + HEADER + body[: max(size - len(HEADER), 0)]


def fill(directory, count, size, state="queued"):
    """`count` messages of `size` bytes, in the page cache only, as a program leaves them that does not sync."""
    content = message(size)
    fd = os.open(directory, os.O_RDONLY)
    try:
        for i in range(count):
            file = os.open(f"m{i:07d}.{state}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=fd)
            os.write(file, content)
            os.close(file)
    finally:
        os.close(fd)


def is_empty(directory):
    """Whether no message is left: outboxd has files of its own there. In a directory that held very many this walks
    over all that is empty of it."""
    with os.scandir(directory) as entries:
        return all(entry.name.startswith(".") for entry in entries)


def free_files(directory):
    """How many files there is room for: a look that disturbs nobody in the directory."""
    return os.statvfs(directory).f_ffree


class Daemon:
    """outboxd on a queue directory of its own."""

    def __init__(self, directory, relays, **settings):
        self.directory = pathlib.Path(directory)
        self.queue = self.directory / "queue"
        self.queue.mkdir(parents=True, exist_ok=True)
        self.configuration = write_configuration(self.directory / "outbox.conf", {"directory": self.queue}, relays, **settings)
        self.outboxd = None

    def start(self, **options):
        self.outboxd = Outboxd(self.configuration, self.directory, **options)

    def wait(self, condition, what, seconds):
        def look():
            self.outboxd.notifications.read()  # sd_notify(3) waits for a manager that does not read
            return condition()

        wait_for(look, what, seconds)

    def wait_empty(self, seconds=600):
        self.wait(lambda: is_empty(self.queue), f"{self.queue} is empty", seconds)

    def wait_drained(self, count, free, seconds=600):
        """As wait_empty(), of a queue of `count` messages beside which there was room for `free` files."""
        nearly = free + count - NEARLY
        self.wait(lambda: free_files(self.queue) >= nearly, f"{self.queue} is nearly empty", seconds)
        self.wait_empty(seconds)

    def drain(self, count, **options):
        """Messages a second, from the start of the process until the directory is empty."""
        free, start = free_files(self.queue), time.monotonic()
        self.start(**options)
        self.wait_drained(count, free)
        rate = count / (time.monotonic() - start)
        self.stop()
        return rate

    def stop(self):
        self.outboxd.stop()
        self.outboxd.notifications.close()
        (self.directory / "notify").unlink(missing_ok=True)

    def resident_kib(self, key="VmRSS"):
        for line in pathlib.Path(f"/proc/{self.outboxd.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise AssertionError(key)

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)
