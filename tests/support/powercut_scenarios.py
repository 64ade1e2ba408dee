"""The scenarios of a power cut: what happens in a queue directory while it is recorded.

Run as `powercut_scenarios.py NAME DIRECTORY`, it plays one of them in DIRECTORY/queue, with the real
programs and a relay of its own. It is itself recorded, so that its marks stand in order with all else:
`told`, a message whose writer was told that it is queued; `accepted`, before the relay says so;
`deleting`, before an operator deletes."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import lab
from powercut_recording import MARKS_FD
from powercut_relay import BookkeepingRelay
from process import Patience, wait_for


def message(key, to, image=0):
    """A message whose copies can be told from all others, and of which a part is known for one."""
    receivers = "".join(f"X-Receiver: <{one}>\n" for one in to)
    return (
        f"X-Sender: <shop@lab.test>\n{receivers}From: Shop <shop@lab.test>\nTo: undisclosed-recipients:;\n"
        f"Subject: image-{image:07d} {key}\n\nBEGIN {key}\n" + "a line of it\n" * 20 + f"END {key}\n"
    ).encode()


class Scene:
    """A queue directory, a relay and the programs."""

    def __init__(self, directory, text=b"later"):
        self.directory = pathlib.Path(directory)
        self.queue = lab.Queue(self.directory / "queue")
        self.gate = threading.Event()  # while it is not set, no content is answered
        self.gate.set()
        self.inside = threading.Semaphore(0)  # a content waits
        self.relay = BookkeepingRelay(self._accepting, self._wait, text=text)
        self.running = []
        os.dup2(os.open("/dev/null", os.O_WRONLY), MARKS_FD, inheritable=False)
        self.configuration = self.directory / "outbox.conf"
        self.configure()

    def configure(self, **settings):
        spool = {"directory": self.queue.path, "keep_sent": settings.pop("keep_sent", False)}
        retry = {"first": "300ms", "factor": 1.0, **settings}
        relay = {"name": "book", "host": "127.0.0.1", "port": self.relay.port, "tls": "none"}
        lab.write_configuration(self.configuration, spool, [relay], retry=retry)

    def _wait(self):
        if not self.gate.is_set():
            self.inside.release()
            self.gate.wait(60)

    def _accepting(self, key, recipients):
        self._wait()
        for one in recipients:
            self.mark("accepted", key=key, recipient=one)

    @staticmethod
    def mark(what, **members):
        os.write(MARKS_FD, json.dumps({"what": what, **members}).encode())

    def drop(self, key, *names, file=None, state="queued", synced=True):
        """As a careful program does, whose messages count as told; or as one that syncs nothing."""
        temporary = self.queue.path / f".{key}.new"
        with open(temporary, "xb") as out:
            out.write(message(key, [f"{name}.{key}@lab.test" for name in names]))
            out.flush()
            if synced:
                os.fsync(out.fileno())
        temporary.rename(self.queue.path / f"{file or key}.{state}")
        if synced:
            directory = os.open(self.queue.path, os.O_RDONLY)
            os.fsync(directory)
            os.close(directory)
            self.mark("told", key=key)

    def later(self, attempts, *addresses):
        """Puts these off so often. The first time they are asked for twice: behind a recipient that was
        accepted, it may be the relay's limit."""
        self.relay.later.update({address: attempts + 1 for address in addresses})

    def outbox(self, *arguments, status=0, **options):
        done = lab.outbox("--config", self.configuration, *arguments, **options)
        if done.returncode != status:
            raise AssertionError(f"{arguments}: {done.returncode} {done.stderr.decode()}")
        return done.stdout.decode()

    def queue_as(self, user, *arguments, stdin=b""):
        """Queues as a user who may not read the configuration."""
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        command = [*who, lab.program("outbox"), "queue", "--directory", self.queue.path, *arguments]
        subprocess.run(command, input=stdin, check=True)

    def process(self):
        """Whatever becomes of the messages."""
        lab.outbox("--config", self.configuration, "process")

    def sendmail(self, key, address):
        """Its exit status is all it tells."""
        link = self.directory / "sendmail"
        link.symlink_to(lab.program("outbox"))
        text = message(key, []).replace(b"X-Sender: <shop@lab.test>\n", b"").replace(
            b"undisclosed-recipients:;", address.encode())
        subprocess.run([link, "-C", self.configuration, "-t", "-i"], input=text, check=True)
        self.mark("told", key=key)

    def start(self):
        directory = self.directory / f"daemon-{len(self.running)}"
        directory.mkdir()
        self.running.append(lab.Outboxd(self.configuration, directory))
        return self.running[-1]

    def stop(self):
        for daemon in self.running:
            daemon.kill()


SCENARIOS = {}
# What is promised there is what file systems with a journal do: a file's sync brings its names along.
WITH_JOURNAL = ("drop_box",)


def scenario(play):
    SCENARIOS[play.__name__] = play
    return play


@scenario
def one(s):
    """One recipient, delivered: no record."""
    s.start()
    s.drop("one", "ann")
    s.queue.wait_gone("one")


@scenario
def several(s):
    """Some accepted, one refused, one put off: given up when the last is delivered."""
    s.later(1, "late.several@lab.test")
    s.start()
    s.drop("several", "ann", "bad", "late", "bob")
    s.queue.wait_state("several", "failed")


@scenario
def deferral(s):
    """Put off twice, then delivered: the record goes with the message."""
    s.later(2, "late.deferral@lab.test")
    s.drop("deferral", "ann", "late")
    s.start()
    s.queue.wait_gone("deferral")


@scenario
def give_up(s):
    """Put off for ever."""
    s.configure(max_attempts=2)
    s.later(99, "never.give@lab.test")
    s.start()
    s.drop("give", "never", "ann")
    s.queue.wait_state("give", "failed")


@scenario
def keep_sent(s):
    s.configure(keep_sent=True)
    s.start()
    s.drop("kept", "ann", "bob")
    s.drop("kept1", "ann")
    for name in ("kept", "kept1"):
        s.queue.wait_state(name, "sent")


@scenario
def operators(s):
    """Held, released, refused, retried, deleted; with the tool, and by mv and rm."""
    s.drop("held", "ann", "bob")
    s.outbox("hold", "held")
    daemon = s.start()
    s.drop("refused", "ann", "bad")
    s.queue.wait_state("refused", "failed")
    s.outbox("release", "held")
    s.queue.wait_gone("held")
    s.outbox("retry", "refused")
    wait_for(lambda: len(s.queue.events("refused", "failed")) == 2, "given up again")
    s.queue.wait_state("refused", "failed")
    os.rename(s.queue.path / "refused.failed", s.queue.path / "refused.queued")
    wait_for(lambda: len(s.queue.events("refused", "failed")) == 3, "given up again")
    s.queue.wait_state("refused", "failed")
    s.mark("deleting", key="refused")
    s.outbox("delete", "refused")
    daemon.terminate()
    s.later(9, "late.waits@lab.test")
    s.drop("waits", "ann", "late")
    s.configure(first="1h")
    s.process()
    s.queue.wait_state("waits", "deferred")
    s.outbox("hold", "waits")
    s.outbox("release", "waits")
    s.mark("deleting", key="waits")
    for name in ("waits.queued", "waits.status"):
        os.unlink(s.queue.path / name)


@scenario
def recovery(s):
    """The daemon dies while it is sending, and with an answer that it has not read."""
    s.later(1, "late.second@lab.test")
    first = s.start()
    s.drop("second", "ann", "late")
    s.queue.wait_state("second", "deferred")
    s.gate.clear()
    s.drop("first", "ann", "bob")
    s.inside.acquire()
    first.kill()
    s.gate.set()
    s.start()
    s.queue.wait_gone("first", "second")


@scenario
def id_in_use(s):
    """One program uses the same id again and again, whatever became of the one before."""
    s.start()
    s.drop("report1", "ann", "bad", file="report")
    s.queue.wait_state("report", "failed")
    s.drop("report2", "ann", "bob", "bad", file="report")
    wait_for(lambda: len(s.queue.in_state("failed")) == 2, "the second is given up under a new id")
    s.later(1, "late.report3@lab.test")
    s.drop("report3", "ann", "late", file="report")
    wait_for(lambda: len(s.queue.names()) == 4, "the third is delivered")
    s.mark("deleting", key="report1")
    s.outbox("delete", "report")
    s.drop("report4", "ann", file="report")
    s.queue.wait_gone("report")


@scenario
def new_id(s):
    """A message with a record loses its name to another while it is sent, and goes on under a new id."""
    s.configure(first="3s", max_attempts=2)
    s.later(2, "late.former@lab.test")
    s.start()
    s.drop("former", "ann", "late", "bob", file="x")
    s.queue.wait_state("x", "deferred")
    s.gate.clear()
    s.inside.acquire()
    s.drop("other", "ann", "bob", file="x", state="failed")
    s.gate.set()
    wait_for(lambda: len(s.queue.in_state("failed")) == 2, "given up under a new id")
    new = next(name for name in s.queue.in_state("failed") if name != "x.failed").removesuffix(".failed")
    s.later(0, "late.former@lab.test")
    s.outbox("retry", new)
    s.queue.wait_state(new, "deferred")
    s.outbox("retry", "x")
    s.queue.wait_gone(new, "x")


@scenario
def batch(s):
    paths = []
    for number in range(20):
        paths.append(s.directory / f"{number}.eml")
        paths[-1].write_bytes(message(f"batch{number}", [f"ann.batch{number}@lab.test"]))
    s.outbox("queue", "--batch", *paths)
    s.start()
    wait_for(s.queue.is_empty, "all delivered")


@scenario
def in_flight(s):
    """Two on their way at once, each with several recipients, and a third with one."""
    s.gate.clear()
    s.later(1, "late.two@lab.test")
    s.start()
    s.drop("one", "ann", "bob", "bad")
    s.drop("two", "ann", "late", "bob")
    s.drop("three", "ann")
    for _ in range(3):
        s.inside.acquire()
    s.gate.set()
    s.queue.wait_gone("two", "three")
    s.queue.wait_state("one", "failed")


@scenario
def compaction(s):
    """A record that grows until it is replaced by a shorter one."""
    names = [f"late{number}" for number in range(120)]
    s.later(4, *(f"{name}.long@lab.test" for name in names))
    s.start()
    s.drop("long", "ann", *names)
    s.queue.wait_gone("long", seconds=60)


@scenario
def process(s):
    """outbox process, again and again, as cron does it."""
    s.later(1, "late.two@lab.test")
    s.drop("one", "ann")
    s.drop("two", "ann", "late", "bad")
    s.drop("three", "ann", "bob")
    s.process()
    time.sleep(0.5)  # what was put off is due again, or is not looked at
    s.process()


@scenario
def tools(s):
    """outbox queue, sendmail: each says that it is queued by its exit status."""
    s.start()
    s.outbox("queue", stdin=message("queued", ["ann.queued@lab.test"]))
    wait_for(s.queue.is_empty, "delivered")
    s.gate.clear()
    s.sendmail("mailed", "ann.mailed@lab.test")
    s.gate.set()
    wait_for(s.queue.is_empty, "delivered")


@scenario
def drop_box(s):
    """Writers who may not read the directory, and so cannot sync it: alone, and many files at once."""
    writer, daemon = 65534, 1
    os.chown(s.queue.path, daemon, writer)
    s.queue.path.chmod(0o3730)
    paths = []
    for number in range(12):
        paths.append(s.directory / f"{number}.eml")
        paths[-1].write_bytes(message(f"boxed{number}", [f"ann.boxed{number}@lab.test"]))
    s.queue_as(writer, stdin=paths[0].read_bytes())
    s.queue_as(writer, "--batch", *paths[1:])
    s.start()
    wait_for(s.queue.is_empty, "all delivered")


@scenario
def defects(s):
    """What can be no message, and one that has nobody to go to."""
    s.start()
    s.drop("nobody")
    os.symlink("/etc/hostname", s.queue.path / "link.queued")
    for name in ("nobody", "link"):
        s.queue.wait_state(name, "failed")


@scenario
def careless(s):
    """A program that syncs nothing: it was told nothing, and harms nobody else."""
    s.start()
    s.drop("careless", "ann", "bob", synced=False)
    s.drop("careful", "ann")
    s.queue.wait_gone("careless", "careful")


def recover(s):
    """What a power failure has left is gone on with."""
    daemon = s.start()
    asked, patience = time.monotonic(), Patience(60, beat=0.02)
    while any(name.endswith((".queued", ".sending", ".deferred")) for name in s.queue.names()):
        if time.monotonic() > asked + 0.5:
            daemon.flush()
            asked = time.monotonic()
        if patience.is_over():
            raise AssertionError(f"it does not come to an end: {s.queue.names()}")
        time.sleep(0.02)
    daemon.terminate()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[*SCENARIOS, "recover"])
    parser.add_argument("directory")
    arguments = parser.parse_args()
    text = b"\n".join([b"x" * 400] * 20) if arguments.name == "compaction" else b"later"
    scene = Scene(arguments.directory, text)
    try:
        SCENARIOS.get(arguments.name, recover)(scene)
    finally:
        scene.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
