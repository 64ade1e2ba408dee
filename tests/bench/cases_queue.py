"""Benchmarks of the queue itself: how soon, how much memory, how many wake-ups. Each function returns how many targets were missed."""

import os
import pathlib
import random
import re
import statistics
import subprocess
import threading
import time

from cases_rate import SMALL, drain_rate, plain
from lab import outbox
from measure import Case, report
from process import wait_for
from queue_directory import fill, free_files, message

HERE = pathlib.Path(__file__).resolve().parent


def one_figure(name, unit, values, *targets):
    """A case of figures that were taken together."""
    case = Case(name, unit, len(values))
    case.figures["outboxd"] = values
    return report(case, "outboxd", [(None, limit, word) for limit, word in targets])


def wait_gone(path):
    """Polls as fast as it can without keeping a processor from those who are measured."""
    deadline = time.monotonic() + 10
    while path.exists():
        time.sleep(0.00005)
        if time.monotonic() > deadline:
            raise AssertionError(f"{path} is still there")


def latency(bench):
    """From the rename to `.queued` until the relay has the message and the file is gone; the connection is open."""
    daemon = bench.daemon(plain(bench.sink().port))
    daemon.start()
    took = []
    for i in range(1100):
        name = daemon.queue / f"l{i}"
        temporary, queued, sending = (name.with_suffix(f".{s}") for s in ("new", "queued", "sending"))
        temporary.write_bytes(message(SMALL))
        time.sleep(0.002)
        start = time.perf_counter()
        temporary.rename(queued)
        wait_gone(queued)
        wait_gone(sending)
        took.append((time.perf_counter() - start) * 1000)
    daemon.stop()
    took = sorted(took[100:])
    return one_figure("latency, idle daemon: median of 1,000", "ms", [statistics.median(took)], (1.5, "at most")) + one_figure(
        "latency, idle daemon: 99th percentile", "ms", [took[int(len(took) * 0.99)]], (5, "at most"))


def wakeups(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return sum(int(n) for n in re.findall(r"^(?:non)?voluntary_ctxt_switches:\s+(\d+)", status, re.M))


def idle(bench):
    """60 s without mail, after a message was sent and the connection was let go."""
    daemon = bench.daemon(plain(bench.sink().port, idle_timeout="1s"))
    daemon.start()
    fill(daemon.queue, 1, SMALL)
    daemon.wait_empty()
    time.sleep(8)
    before = wakeups(daemon.outboxd.pid)
    time.sleep(60)
    woken = wakeups(daemon.outboxd.pid) - before
    memory = daemon.resident_kib() / 1024
    daemon.stop()
    return one_figure("idle for 60 s: context switches (no watchdog set)", "count", [woken], (0, "at most")) + one_figure(
        "idle: resident memory", "MiB", [memory], (6, "at most"))


def arrivals(bench):
    """100,000 messages that arrive, by rename, while the daemon drains."""
    sink, count = bench.sink(), bench.scaled(100000)
    arrive = build(bench, "arrive")

    def arriving():
        daemon = bench.daemon(plain(sink.port))
        staging = daemon.directory / "staging"
        staging.mkdir()
        fill(staging, count, SMALL)
        os.sync()
        free = free_files(daemon.queue)
        daemon.start()
        start = time.monotonic()
        subprocess.run([arrive, staging, daemon.queue, str(count)], check=True)
        daemon.wait_drained(count, free)
        rate = count / (time.monotonic() - start)
        daemon.stop()
        return rate

    case = Case(f"{count:,} messages that arrive while draining", "messages/s", bench.runs)
    case.add("arriving", arriving)
    case.add("queued before", lambda: drain_rate(bench, plain(sink.port), count, synced=True))
    case.measure()
    return report(case, "arriving", [("queued before", 1.0, "at least")])


def build(bench, name):
    """One of the small C programs beside this file."""
    path = bench.new_directory() / name
    subprocess.run(["cc", "-O2", "-o", path, HERE / f"{name}.c"], check=True)
    return path


def enqueue(bench):
    """`outbox queue` of one message beside the minimal program, and a batch that shares its syncs."""
    minimal, tool, count = build(bench, "minimal"), bench.program("outbox"), 50
    sample = bench.directory / "enqueue.eml"
    sample.write_bytes(message(SMALL))

    def loop(command):
        start = time.monotonic()
        for _ in range(count):
            with open(sample, "rb") as content:
                subprocess.run([str(c) for c in command], stdin=content, check=True, capture_output=True)
        return (time.monotonic() - start) * 1000 / count

    def batch():
        files = bench.new_directory()
        paths = []
        for i in range(500):
            (files / f"{i}.eml").write_bytes(message(SMALL))
            paths.append(files / f"{i}.eml")
        start = time.monotonic()
        done = outbox("queue", "--directory", bench.new_directory(), "--batch", *paths)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return 500 / (time.monotonic() - start)

    case = Case("queueing one message", "ms", bench.runs)
    case.add("outbox queue", lambda: loop([tool, "queue", "--directory", bench.new_directory()]))
    case.add("minimal program", lambda: loop([minimal, bench.new_directory()]))
    case.measure()
    missed = report(case, "outbox queue", [("minimal program", 1.3, "at most")])
    rates = Case("queueing in a batch", "messages/s", bench.runs)
    rates.add("outbox queue --batch", batch)
    rates.add("outbox queue, one by one", lambda: 1000 / loop([tool, "queue", "--directory", bench.new_directory()]))
    rates.measure()
    return missed + report(rates, "outbox queue --batch", [("outbox queue, one by one", 5, "at least")])


class PeakMemory:
    """The peak of a daemon's resident memory, looked at every half second."""

    def __init__(self, daemon):
        self.daemon, self.kib = daemon, 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.done.wait(0.5):
            self.kib = max(self.kib, self.daemon.resident_kib("VmHWM"))

    def mib(self):
        self.done.set()
        self.thread.join()
        return self.kib / 1024


def million(bench):
    """A queue of 1,000,000: rate, first delivery, memory."""
    sink, count = bench.sink(), bench.scaled(1000000)
    firsts, peaks = [], []

    def large():
        daemon = bench.daemon(plain(sink.port))
        fill(daemon.queue, count, SMALL)
        os.sync()
        free = free_files(daemon.queue)
        start = time.monotonic()
        daemon.start()
        wait_for(lambda: free_files(daemon.queue) > free + 3, "the first delivery", 60)
        firsts.append(time.monotonic() - start)
        peak = PeakMemory(daemon)
        daemon.wait_drained(count, free, 3600)
        rate = count / (time.monotonic() - start)
        peaks.append(peak.mib())
        daemon.stop()
        return rate

    case = Case(f"drain {count:,} messages", "messages/s", bench.runs)
    case.add("large queue", large)
    case.add("10,000 messages", lambda: drain_rate(bench, plain(sink.port), synced=True))
    case.measure()
    return (report(case, "large queue", [("10,000 messages", 0.8, "at least")])
            + one_figure("large queue: until the first delivery", "s", firsts, (0.5, "at most"))
            + one_figure("large queue: resident memory at its peak", "MiB", peaks, (32, "at most")))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill_deferred(directory, count, start, spread):
    """Deferred messages whose records say, by their modification times, when they are due."""
    line = b'{"time":"2026-01-05T10:00:00.000000Z","event":"retry","attempt":1,"next":"2026-01-05T10:01:00.000000Z"}\n'
    fd = os.open(directory, os.O_RDONLY)
    fill(directory, count, 200, state="deferred")
    for i in range(count):
        file = os.open(f"m{i:07d}.status", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=fd)
        os.write(file, line)
        due = start + random.random() * spread
        os.utime(file, (due, due))
        os.close(file)
    os.close(fd)


def bring_forward(directory, count, some, start, spread):
    """Makes some of them, spread over all, due earlier: when, by name."""
    due = {}
    for i in range(0, count, count // some):
        name = f"m{i:07d}"
        due[name] = start + random.random() * spread
        os.utime(directory / f"{name}.status", (due[name], due[name]))
    return due


def latest(directory, due):
    """How many seconds after its time the one that was taken latest was taken."""
    late = 0.0
    while due:
        now = time.time()
        for name in [n for n in due if not (directory / f"{n}.deferred").exists()]:
            late = max(late, now - due.pop(name))
        time.sleep(0.05)
    return late


def deferred(bench):
    """1,000,000 deferred messages: memory, idle CPU, punctuality of the 1,000 that fall due soon."""
    count = bench.scaled(1000000)
    # A time further away than a retry can be is a wrong clock's, and such a message due at once.
    daemon = bench.daemon(plain(bench.sink().port), retry={"max": "7d"})
    fill_deferred(daemon.queue, count, time.time() + 7200, 86400)
    soon = time.time() + 120
    due = bring_forward(daemon.queue, count, 1000, soon, 10)
    daemon.start()
    wait_for(lambda: idle_for(daemon.outboxd.pid, 1.0), "the scan is over", 90)
    memory = daemon.resident_kib("VmHWM") / 1024
    before = cpu_seconds(daemon.outboxd.pid)
    time.sleep(20)
    busy = cpu_seconds(daemon.outboxd.pid) - before
    if time.time() > soon:
        raise AssertionError("the scan took so long that messages fell due during the idle time")
    late = latest(daemon.queue, due)
    daemon.stop()
    return (one_figure(f"{count:,} deferred messages: resident memory at its peak", "MiB", [memory], (64, "at most"))
            + one_figure("the same: CPU in 20 idle seconds", "s", [busy], (0.01, "at most"))
            + one_figure("the 1,000 of them that are due within 10 s: the latest", "s late", [late], (2, "at most")))


def idle_for(pid, seconds):
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return cpu_seconds(pid) == before
