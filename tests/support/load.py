"""Many writers, a relay with faults, and a daemon that is killed again and again; and the books of it all."""

import bisect
import collections
import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import lab
from killing import WITH_US
from process import Patience, Process, free_port

HERE = pathlib.Path(__file__).parent


class Writer:
    """A process that queues messages in one way; it notes each key once the message is queued."""

    def __init__(self, number, count, directory, queue, configuration):
        self.number, self.count, self.configuration = number, count, configuration
        self.queue = pathlib.Path(queue)
        self.told = directory / f"told-{number}"
        self.way = (self.rename, self.link, self.in_place, self.outbox_queue, self.sendmail)[number % 5]
        self.sendmail_name = directory / "sendmail"
        self.chance = random.Random(number)

    def content(self, n):
        """Key, recipients, envelope, message."""
        key = f"w{self.number}n{n}"
        people = [f"r{i}.{key}@lab.test" for i in range(self.chance.choice((1, 1, 1, 2, 5)))]
        filling = b"All work and no play.\n" * self.chance.choice((1, 10, 300))
        envelope = f"X-Sender: <{key}@lab.test>\n" + "".join(f"X-Receiver: <{one}>\n" for one in people)
        text = (f"From: {key}@lab.test\nTo: undisclosed-recipients:;\nSubject: {key}\n\n".encode() + filling +
                f"end of {key}\n".encode())
        return key, people, envelope.encode(), text

    def write_file(self, key, content):
        path = self.queue / f".{key}.new"
        path.write_bytes(content)
        return path

    def rename(self, key, people, envelope, text):
        self.write_file(key, envelope + text).rename(self.queue / f"{key}.queued")

    def link(self, key, people, envelope, text):
        """Under few names, so that ids are used again."""
        path = self.write_file(key, envelope + text)
        for n in range(100):
            try:
                os.link(path, self.queue / f"report{self.number}-{n}.queued")
                break
            except FileExistsError:
                continue
        else:
            path.rename(self.queue / f"{key}.queued")
            return
        path.unlink()

    def in_place(self, key, people, envelope, text):
        with open(self.queue / f"{key}.queued", "xb") as file:
            file.write(envelope)
            file.write(text)

    def outbox_queue(self, key, people, envelope, text):
        subprocess.run([lab.program("outbox"), "queue", "--directory", self.queue], input=envelope + text,
                       check=True, stdout=subprocess.DEVNULL)

    def sendmail(self, key, people, envelope, text):
        subprocess.run([self.sendmail_name, "-C", self.configuration, "-i", "-f", f"{key}@lab.test", *people],
                       input=text, check=True)

    def run(self):
        with open(self.told, "w", buffering=1, encoding="ascii") as told:
            for n in range(self.count):
                key, people, envelope, text = self.content(n)
                self.way(key, people, envelope, text)
                told.write(f"{key} {','.join(people)}\n")

    def start(self):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_DFL)
                self.run()
                status = 0
            except BaseException as error:  # pylint: disable=broad-except
                print(f"writer {self.number}: {error!r}", file=sys.stderr, flush=True)
            finally:
                os._exit(status)
        return pid


@dataclasses.dataclass
class Taken:
    """A copy in the relay's books."""

    number: str
    time: float
    begun: float  # the connection
    said: bool
    whole: bool
    client: str


@dataclasses.dataclass
class Double:
    """A copy too many, and why: what became of the one before."""

    recipient: str
    first: Taken
    second: Taken
    reason: str
    after: float  # seconds from when the relay took it to the kill


def read_books(path):
    """What the relay took, for each recipient in order, and whom it has ever refused."""
    taken, refused = collections.defaultdict(list), set()
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, number, when, *rest = line.split(" ")
        if kind == "taken":
            begun, said, whole, client, _, people = rest
            copy = Taken(number, float(when), float(begun), said == "yes", whole == "yes", client)
            for one in people.split(","):
                taken[one].append(copy)
        else:
            _, _, key, people = rest
            refused.update((key, one) for one in people.split(","))
    return taken, refused


def read_reported(log):
    """The numbers of the replies that a daemon reported as deliveries, once each message was settled."""
    seen = set()
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            before, mark, after = line.partition("taken as ")
            if mark and " delivered to " in before:
                seen.add(after.partition(".")[0])
    return seen


class Load:
    """The whole experiment, in a directory of its own."""

    def __init__(self, directory, messages, writers=50, faults=10, seed=1):
        self.directory = pathlib.Path(directory)
        self.queue = lab.Queue(self.directory / "queue")
        (self.directory / "sendmail").symlink_to(lab.program("outbox"))
        self.port, self.log = free_port(), self.directory / "log"
        self.books = self.directory / "books"
        self.configuration = lab.write_configuration(
            self.directory / "outbox.conf", {"directory": self.queue.path},
            [{"name": "faulty", "host": "127.0.0.1", "port": self.port, "tls": "none", "hello": "client.lab.test",
              "timeout": "2s", "timeout_by_stage": False, "hold_first": "5ms", "hold_max": "20ms"}],
            retry={"first": "100ms", "factor": 1.5, "max": "2s"})
        self.relay = Process([sys.executable, HERE / "fault_relay.py", self.port, self.books, seed, faults],
                             self.directory / "relay.log")
        self.relay.wait_for_port(self.port)
        each = messages // writers
        self.writers = [Writer(n, each, self.directory, self.queue.path, self.configuration)
                        for n in range(writers)]
        self.messages = each * writers
        self.pids, self.kills, self.daemon = {}, [], None
        self.failures = []
        self.delivered = self.refused = self.left_alone = 0

    # ---- running ----

    def start(self):
        self.pids = {writer.start(): writer for writer in self.writers}

    def start_daemon(self):
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen(
                [*WITH_US, lab.program("outboxd"), "--config", self.configuration, "--log=stderr"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        self.daemon.kill()
        self.kills.append(time.monotonic())
        status = self.daemon.wait()
        if status != -signal.SIGKILL:
            self.failures.append(f"the daemon ended by itself: {status}")

    def look_at_writers(self):
        for pid in list(self.pids):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                writer = self.pids.pop(pid)
                if status != 0:
                    self.failures.append(f"writer {writer.number} ended with {status}")

    def left(self):
        """How many messages are yet to be settled. Two looks: one may miss a file that is renamed meanwhile."""
        return max(sum(name.endswith((".queued", ".sending", ".deferred")) for name in os.listdir(self.queue.path))
                   for _ in range(2))

    def run(self, kills, every, seconds):
        """Kills the daemon so many times (without end, with None), and waits until all is at rest, for as long
        as something is settled within so many seconds. The last hundredth is left in peace: a daemon may well
        have some messages wait that it died of reading."""
        patience, before = None, None
        self.start()
        while not self.failures:
            if self.daemon is None:
                self.start_daemon()
            time.sleep(every)
            self.look_at_writers()
            left = self.left()
            if not self.pids and left == 0:
                break
            now = (len(self.pids), left, len(self.kills))
            if now != before:
                patience, before = Patience(seconds, beat=every), now
            elif patience.is_over():
                self.failures.append(f"not at rest, and nothing was settled for {seconds} s")
            if self.pids or left > self.messages / 100 if kills is None else len(self.kills) < kills:
                self.kill()
                self.daemon = None
        self.end()

    def end(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.pids = {}
        if self.daemon is not None:
            self.daemon.terminate()
            status = self.daemon.wait()
            if status != 0:
                self.failures.append(f"the daemon ended with {status}")
            self.daemon = None
        self.relay.stop()

    # ---- balancing ----

    def read_told(self):
        told = {}
        for writer in self.writers:
            for line in writer.told.read_text(encoding="ascii").splitlines():
                key, people = line.split()
                told[key] = people.split(",")
        return told

    def read_records(self):
        """The recipients that a record says were refused, whose message is there as failed. A record alone
        is what a process leaves that is killed between removing a message and its record."""
        refused = set()
        for path in self.queue.path.glob("*.status"):
            if not path.with_suffix(".failed").exists():
                self.left_alone += 1
                continue
            for line in path.read_text(encoding="utf-8").splitlines():
                event = lab.decode(line)
                if event["event"] == "refused":
                    refused.add(event["recipient"])
                if event["event"] == "torn":
                    self.failures.append(f"{path.name} has a torn line: {event['line']}")
        return refused

    def life(self, copy):
        """Which of the daemons sent it."""
        return bisect.bisect(self.kills, copy.begun)

    def explain(self, recipient, first, second, reported):
        """Why there is a second copy. What is reported is on record, and never sent again."""
        kill = self.kills[self.life(first)] if self.life(first) < self.life(second) else None
        if first.number in reported:
            reason, kill = "UNEXPLAINED: it was on record", None
        elif not first.said:
            reason, kill = "the relay did not send the reply", None
        elif kill is not None:
            side = "after" if kill > first.time else "before"
            reason = f"killed {side} the relay took it, before that was on record"
        else:
            reason, kill = "UNEXPLAINED: nobody was killed in between", None
        return Double(recipient, first, second, reason, kill - first.time if kill else 0.0)

    def balance(self):
        """The doubles; what is wrong is in `failures`."""
        told, (taken, refused) = self.read_told(), read_books(self.books)
        recorded, reported = self.read_records(), read_reported(self.log)
        doubles = []
        for key, people in told.items():
            for one in people:
                # In the order in which they were sent: a relay may be slow to take what one that was killed sent.
                copies = sorted(taken.get(one, []), key=lambda copy: (self.life(copy), copy.time))
                self.delivered += bool(copies)
                if not all(copy.whole for copy in copies):
                    self.failures.append(f"{one} got a part of {key}")
                if not copies and not (one in recorded and {(key, one), (key, "*")} & refused):
                    self.failures.append(f"{one} is lost")
                self.refused += not copies
                doubles += [self.explain(one, *pair, reported) for pair in zip(copies, copies[1:])]
        self.failures += [f"{double}" for double in doubles if "UNEXPLAINED" in double.reason]
        known = {one for people in told.values() for one in people}
        self.failures += [f"{one} was never queued" for one in set(taken) - known]
        if len(told) != self.messages:
            self.failures.append(f"{len(told)} of {self.messages} messages were queued")
        return doubles
