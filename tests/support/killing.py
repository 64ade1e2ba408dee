"""Whole programs, killed before and after each system call that changes something, and what becomes of
the messages: each scenario is run once to the end, and then again and again, killed one call later
each time, and started again. Books are balanced from what the relay took."""

import collections
import dataclasses
import functools
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import time

import lab
from case import message
from process import Patience
from recorder import REFUSED, Recorder, key_of

SOURCE = pathlib.Path(__file__).with_name("killed.c")
UNSETTLED = (".queued", ".sending", ".deferred")
OTHER_WORK = ("sendto", "recvfrom", "fsync", "fdatasync", "write stdout", "write log")
KILLED = 137
WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")  # it ends with who started it


@functools.cache
def tracer():
    """The program that kills others, compiled."""
    compiler = shutil.which("cc")
    if not compiler:
        raise lab.Unavailable("there is no C compiler")
    program = lab.shared().new_directory() / "killed"
    subprocess.run([compiler, "-std=gnu17", "-O1", "-o", program, SOURCE], check=True)
    return program


@dataclasses.dataclass(frozen=True)
class Point:
    """Where a program is killed: its call's number, counted from 1, and on which side of it."""

    number: int
    side: str

    def __str__(self):
        return f"{self.side} {self.number}"


class Journal:
    """What the tracer saw of a program."""

    def __init__(self, path):
        self.path = path

    def lines(self):
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines()

    def pid(self):
        lines = self.lines() if self.path.exists() else []
        return int(lines[0].split()[1]) if lines else None

    def calls(self):
        """Every call, in order, without its number."""
        return [line.partition(" ")[2] for line in self.lines()[1:]
                if line != "killed" and line.split()[1] != "="]

    def since_read(self, copy):
        """The calls since the reply by which the relay took this copy was read, None if it was not."""
        lines = self.lines()
        for n, line in enumerate(lines):
            if f" taken as {copy.number} " in f"{line} ":
                return [one.partition(" ")[2] for one in lines[n + 1:] if " = " not in one and " " in one]
        return None

    def removes(self, record):
        """Whether it was killed when the record's message was gone already."""
        message = f"unlinkat {record[:-len('.status')]}."
        gone = [n for n, call in enumerate(self.calls()) if call.startswith(message)]
        return self.was_killed() and bool(gone) and gone[-1] >= len(self.calls()) - 2

    def was_killed(self):
        return self.lines()[-1] == "killed"


@dataclasses.dataclass
class Expected:
    """A message of a run: who should get it, and whether its writer was told that it is queued."""

    key: str
    recipients: list
    body: bytes  # what arrives of it unchanged
    told: bool = True
    deleted: dict = None  # copies that there were when it was deleted: there may be no more

    def is_for(self, recipient):
        return not recipient.startswith(REFUSED)


@dataclasses.dataclass(frozen=True)
class Double:
    """A recipient got a second copy: which, and what had been done of the first."""

    scenario: str
    point: Point
    recipient: str
    read: bool  # the reply to the first
    call: str  # the last one before it was killed


class Run:
    """One queue directory and the messages in it."""

    def __init__(self, bench, scenario, number):
        self.bench, self.scenario, self.number = bench, scenario, number
        self.directory = bench.directory / f"run-{number}"
        self.directory.mkdir()
        self.queue = lab.Queue(self.directory / "queue")
        self.configuration = lab.write_configuration(
            self.directory / "outbox.conf", {"directory": self.queue.path, **scenario.spool},
            [bench.relay_settings(scenario)], retry={**scenario.retry}, bounce=scenario.bounce,
        )
        self.messages = {}
        self.memory = {}  # the scenario's own
        self.open_doubles = collections.Counter()  # (key, recipient): kills that may cost a copy
        self.why = {}  # the last of them
        self.journals = []
        self.hurried, self.log_start = time.monotonic(), 0

    # ---- what scenarios use ----

    def expect(self, name, people, told=True, **settings):
        """A message that is to be queued; its bytes."""
        key = f"{name}.{self.number}"
        recipients = [f"{one}.{self.number}@lab.test" for one in people]
        content = message(to=recipients, header=b"", **settings).replace(b"Your order", key.encode())
        body = content.partition(b"From: ")[2].replace(b"\n", b"\r\n")
        self.messages[key] = Expected(key, recipients, body, told)
        return content

    def drop(self, name, *people, state="queued", key=None, **settings):
        """Puts a message into the directory by rename."""
        return self.queue.drop(name, self.expect(key or name, people, **settings), state)

    def settle(self):
        """What was queued so far is seen to by a daemon that is not killed."""
        daemon = self.start()
        self.wait_rest(daemon)
        status = self.stop(daemon)
        self.check(status == 0, f"the daemon ended with {status}")

    def outbox(self, *arguments, status=0):
        result = lab.outbox("--config", self.configuration, *arguments)
        if status is not None:
            assert result.returncode == status, f"{arguments}: {result.stderr.decode()}"
        return result

    def move(self, old, new):
        """As an operator does; whether it was there to be moved."""
        try:
            (self.queue.path / old).rename(self.queue.path / new)
            return True
        except FileNotFoundError:
            return False

    def delete(self, name):
        """The message is an operator's to delete: from now on nobody is to get it."""
        key = f"{name}.{self.number}"
        self.messages[key].deleted = {
            one: len(copies) for one, copies in self.bench.relay.copies_of(key).items()}

    # ---- programs ----

    def daemon_arguments(self):
        return [lab.program("outboxd"), "--config", self.configuration, "--log=stderr"]

    def start(self, arguments=None, point=None, stdin=b"", output=None):
        """Starts a program, the daemon if none is named, killed at a point if one is named."""
        log = open(self.directory / "log", "ab")
        self.log_start = len(self.output())
        command = [str(one) for one in arguments or self.daemon_arguments()]
        if point is not None:
            self.journals.append(Journal(self.directory / f"journal-{len(self.journals)}"))
            command = [str(one) for one in (
                tracer(), "--at", point.number, "--side", point.side, "--journal",
                self.journals[-1].path, "--under", self.queue.path, "--", *command)]
        with log:
            child = subprocess.Popen(
                [*WITH_US, *command], stdin=subprocess.PIPE, stdout=output or log, stderr=log,
                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
            )
        child.stdin.write(stdin)
        child.stdin.close()
        return child

    def output(self):
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")

    def has_started(self):
        """Whether the daemon that was started last can be told something by a signal."""
        return "event=started" in self.output()[self.log_start:]

    def is_at_rest(self):
        """Two looks: one may miss a file that is renamed meanwhile."""
        return not any(name.endswith(UNSETTLED) or name.startswith(".notice-") for _ in range(2) for name in os.listdir(self.queue.path))

    def wait_rest(self, child, journal=None):
        """Until the daemon has nothing to do any more, or has ended."""
        patience = Patience(self.bench.seconds)
        while child.poll() is None:
            self.scenario.meanwhile(self)
            if self.has_started() and self.is_at_rest():
                return
            self.hurry(journal.pid() if journal else child.pid)
            if patience.is_over():
                child.kill()
                child.wait()
                raise AssertionError(self.describe("it does not come to rest"))
            time.sleep(0.003)

    def hurry(self, pid):
        """Has what waits tried now: a test of many thousand runs has not the time."""
        now = time.monotonic()
        if self.scenario.patient or now < self.hurried + 0.03:
            return
        self.hurried = now
        if self.has_started() and any(
                name.endswith(".deferred") for name in os.listdir(self.queue.path)):
            try:
                os.kill(pid, signal.SIGUSR1)
            except ProcessLookupError:
                pass

    def stop(self, child, journal=None):
        """Tells the daemon to end, and waits for that; its exit status."""
        pid = journal.pid() if journal else child.pid
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        try:
            return child.wait(200)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise AssertionError(self.describe("it does not end")) from None

    def daemon(self, point):
        """The daemon until all is at rest, or until it is killed; whether it was."""
        child = self.start(point=point)
        self.wait_rest(child, self.journals[-1])
        return self.stop(child, self.journals[-1]) == KILLED

    def tool(self, arguments, point, stdin=b""):
        """Some other program, killed at a point; its exit status and standard output."""
        read, write = os.pipe()
        with os.fdopen(read, "rb") as output:
            child = self.start(arguments, point, stdin, write)
            os.close(write)
            text = output.read()
        return child.wait(200), text.decode()

    # ---- judging ----

    def files(self):
        """Which files hold each message: (id, state)."""
        found = collections.defaultdict(list)
        for path in self.queue.path.iterdir():
            name, _, state = path.name.rpartition(".")
            if state in self.queue.STATES and path.is_file():
                found[key_of(path.read_bytes())].append((name, state))
        return found

    def events(self, name):
        return [(one["event"], one.get("recipient")) for one in self.queue.record(name)]

    def is_recorded(self, files, recipient):
        """Whether the files say that the recipient has the message."""
        return not files or any(
            state == "sent" or ("delivered", recipient) in self.events(name) for name, state in files)

    def note_kill(self, point):
        """Looks at what the killed process left: who may get one more copy for it, and nobody else."""
        self.bench.wait_relay()
        files = self.files()
        for key, one in self.messages.items():
            for recipient, copies in self.bench.relay.copies_of(key).items():
                if not self.is_recorded(files[key], recipient):
                    self.open_doubles[key, recipient] += 1
                    self.note_window(point, key, recipient, self.journals[-1], copies[-1])

    def note_window(self, point, key, recipient, journal, copy):
        """Between a reply that was read and its record nothing else may be done, and nothing waited for."""
        since = journal.since_read(copy)
        self.check(not any(call.startswith(OTHER_WORK) for call in since or ()),
                   f"{recipient} was not on record, and this was done since its reply was read: {since}")
        self.why[key, recipient] = (point, since is not None, (journal.calls() or ["nothing"])[-1])

    def describe(self, text):
        books = [(c.number, c.key, c.recipients) for c in self.bench.relay.books
                 if c.key in self.messages]
        journals = ["\n".join(one.lines()) for one in self.journals if one.path.exists()]
        return "\n".join((
            f"{self.scenario.name}: {text}", f"queue: {self.queue.names()}",
            *(f"{name}: {self.queue.record(name[:-7])}" for name in self.queue.names()
              if name.endswith(".status")),
            f"the relay's books: {books}", *(f"the killed one:\n{one}" for one in journals),
            self.output()))

    def check(self, condition, text):
        if not condition:
            raise AssertionError(self.describe(text))

    def judge(self):
        """Balances the books; the copies that were one too many."""
        self.bench.wait_relay()
        files, doubles = self.files(), []
        for key, one in self.messages.items():
            self.check(len(files[key]) <= 1, f"{key} is there twice: {files[key]}")
            copies = self.bench.relay.copies_of(key)
            for recipient in one.recipients:
                doubles += self.judge_recipient(one, recipient, copies[recipient], files[key])
            for recipient in set(copies) - set(one.recipients):
                self.check(False, f"{key} went to {recipient}")
            if not any(not one.is_for(recipient) for recipient in one.recipients) and not one.deleted:
                self.check(not files[key] or files[key][0][1] == "sent", f"{key} is still there: {files[key]}")
        self.judge_names(files)
        self.scenario.judge(self)
        return doubles

    def judge_recipient(self, one, recipient, copies, files):
        n, most = len(copies), 1 + self.open_doubles[one.key, recipient]
        if one.deleted is not None:
            self.check(n == one.deleted.get(recipient, 0) and not files,
                       f"{one.key} was deleted; {recipient} has {n}, files {files}")
            return []
        if not one.is_for(recipient):
            self.check(n == 0, f"{recipient} got what was refused")
            self.check(not one.told or (files and files[0][1] == "failed" and any(
                event in ("refused", "deferred") and who == recipient for event, who in self.events(files[0][0]))),
                f"{one.key} to {recipient} is lost without a record: {files}")
            return []
        self.check(n >= 1 or not one.told, f"{one.key} to {recipient} is lost")
        self.check(n <= most, f"{one.key} to {recipient} arrived {n} times, {most} are explained")
        for copy in copies:
            self.check(one.body in copy.content, f"{one.key} arrived changed: {copy.content}")
        if n < 2:
            return []
        point, read, call = self.why[one.key, recipient]
        return [Double(self.scenario.name, point, recipient, read, call)] * (n - 1)

    def judge_names(self, files):
        """Nothing is left but what has a message, and what writers that died have left."""
        ids = {name for found in files.values() for name, _ in found}
        for name in self.queue.names():
            stem, _, state = name.rpartition(".")
            known = name.startswith(".tmp-") or stem in ids and state in ("failed", "sent", "held", "status")
            if not known and state == "status" and any(journal.removes(name) for journal in self.journals):
                self.bench.left += 1  # killed between its two unlinks
                continue
            self.check(known or self.scenario.may_leave(self, name), f"{name} is left")


class Scenario:
    """What is killed: by default the daemon, with what `prepare` puts into the directory."""

    spool, retry, relay, bounce = {}, {"first": "20ms", "max": "40ms"}, {}, None
    patient = False  # whether deferred messages wait until they are due

    @property
    def name(self):
        return type(self).__name__

    def prepare(self, run):
        """Fills the directory."""

    def program(self, run, point):
        """Runs what is killed; whether it was."""
        return run.daemon(point)

    def meanwhile(self, run):
        """What an operator does while a daemon runs; asked again and again."""

    def again(self, run):
        """What is done after the program was killed, before a daemon is started."""

    def judge(self, run):
        """What else has to be so at the end."""

    def may_leave(self, run, name):
        """Whether this file may be left at the end, beside what every scenario may leave."""
        return False


class Bench:
    """The relay and what has been found so far."""

    seconds = 30.0

    def __init__(self, directory, secure=False):
        """`secure`: the relay takes mail over TLS alone, so that the tracer sees no reply."""
        self.directory = directory
        self.secure = secure
        self.relay = Recorder(self._server_tls() if secure else None)
        self.numbers = 0
        self.runs = self.kills = 0
        self.doubles = []
        self.left = 0  # records whose message is gone

    @staticmethod
    def _server_tls():
        certificates, context = lab.shared().certificates, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate("localhost"), certificates.key("localhost"))
        return context

    def _client_tls(self):
        if not self.secure:
            return {"tls": "none"}
        return {"tls": "starttls", "tls_ca_file": lab.shared().certificates.certificate("ca")}

    def relay_settings(self, scenario):
        return {"name": "books", "host": "127.0.0.1", "port": self.relay.port, **self._client_tls(),
                "hello": "client.lab.test", "hold_first": "20ms", "hold_max": "40ms", **scenario.relay}

    def wait_relay(self):
        """Until the relay has seen the end of every connection."""
        patience = Patience(self.seconds)
        while self.relay.open > 0:
            assert not patience.is_over(), "the relay's connections do not end"
            time.sleep(0.001)

    def run(self, scenario, *points):
        """Runs the scenario killed at the first point, the daemon after that at the next, and one that
        is not killed. How many were killed, and the run."""
        self.numbers += 1
        self.runs += 1
        run = Run(self, scenario, self.numbers)
        kills = 0
        scenario.prepare(run)
        for number, point in enumerate(points):
            killed = scenario.program(run, point) if number == 0 else run.daemon(point)
            kills += killed
            if killed:
                run.note_kill(point)
            if number == 0:
                scenario.again(run)
        run.settle()
        self.doubles += run.judge()
        self.kills += kills
        if not lab.KEEP:
            shutil.rmtree(run.directory)
        return kills, run

    def sweep(self, scenario, every=1, first=1, before=(), sides=("before", "after")):
        """Kills it at each call, or at every so manieth, until it ends before that: three times, for the
        number of its calls varies. `before`: where the programs before it are killed."""
        number, whole = first, 0
        while whole < 3:
            killed = 0
            for side in sides:
                kills, _ = self.run(scenario, *before, Point(number, side))
                killed += kills > len(before)
            whole = 0 if killed else whole + 1
            number += every

    def close(self):
        self.relay.close()
