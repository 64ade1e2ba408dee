"""One call of the C library fails, in the daemon and in the tool. Nothing is lost, nothing is sent
twice, no message is given up for it, and nobody says that something was done that was not.

Usually each function fails once, with what it fails with most often. With OUTBOX_FAULTS=all every call
fails with each error that it can have, once and for good, and every allocation does; what has many cases
is in parts then, which run alone too (faults.Tls7)."""

import fcntl
import itertools
import os
import signal
import ssl
import subprocess
import threading
import time
from errno import EACCES, EINTR, ENOSPC

import lab
from case import message
from faults import ERRORS, Faults, spread
from odd_relay import RelayTest, Slow
from preload import LATER, preload
from process import Patience, wait_for

ALL = os.environ.get("OUTBOX_FAULTS") == "all"
MOST = int(os.environ.get("OUTBOX_FAULTS_MOST", 10 ** 9 if ALL else 2))
ONLY = os.environ.get("OUTBOX_FAULTS_CALL", "").split()

# An error for each of these is no fault of a message's, and may end the daemon: it is started again.
DEATHS = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGPIPE)


class FaultTest(RelayTest):
    seconds = 36000 if MOST > 2 else 900
    part, parts = 0, 1  # of the cases, this one and every so many-th after it

    def setUp(self):
        super().setUp()
        self.faults = Faults(self.directory)
        self.runs, self.failed = 0, []

    def cases(self, counts):
        """Call, which one, error, and whether for good, of what a program that was not disturbed
        called."""
        for call, count in sorted(counts.items()):
            if call not in ERRORS or (ONLY and call not in ONLY):
                continue
            for number in spread(count, MOST):
                for error in ERRORS[call] if ALL else ERRORS[call][:1]:
                    yield call, number, error, False
            for number in spread(count, 200) if ALL else ():
                for error in ERRORS[call]:
                    if error != EINTR:  # no signal comes at every call
                        yield call, number, error, True

    def check_death(self, daemon):
        """A fault may be the daemon's end: a known one, and it says why."""
        status = daemon.wait()
        self.assertNotIn(status, DEATHS, daemon.output())
        self.assertNotEqual(status, 0, f"it ended\n{daemon.output()}")
        self.assertTrue(daemon.output().strip(), "it ended without a word")

    def each(self, counts, run):
        for case in itertools.islice(self.cases(counts), self.part, None, self.parts):
            self.runs += 1
            if self.runs % 200 == 0:
                print(f"    {self.id()}: {self.runs} so far, at {case[0]}", flush=True)
            text = "{}, call {}, {}{}".format(
                case[0], case[1], os.strerror(case[2]), ", and all later ones" if case[3] else "")
            try:
                run(*case)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                self.failed.append(f"{text}: {error}")
                print(f"    FAILED {text}: {error}", flush=True)
            finally:
                self.faults.clear()
        print(f"    {self.runs} faults", flush=True)
        self.assertEqual(self.failed, [])


class Daemon(FaultTest):
    """Each fault in a daemon of its own, from its start to its end."""

    messages = (("m", ("ann@lab.test",)),)
    refused = ()  # recipients
    left = ()  # the files that stay
    tls = False

    def answer(self, talk, verb, argument):
        return "550 5.1.1 nobody" if verb == "RCPT" and argument in self.refused else None

    def setUp(self):
        super().setUp()
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificates = self.lab.certificates
            context.load_cert_chain(certificates.certificate("localhost"), certificates.key("localhost"))
        self.relay = self.odd(lambda *a: self.answer(*a), context=context)
        settings = self.settings(self.relay, hold_first="50ms", hold_max="100ms")
        if self.tls:
            settings.update(tls="implicit", tls_ca_file=self.lab.certificates.certificate("ca"))
        self.configure(settings, retry={"first": "50ms", "max": "100ms"}, daemon={"stop_timeout": "2s"})

    def is_done(self):
        """A record whose message is gone may be left: the next message of that id removes it."""
        names = {name for name in self.queue.names() if not name.startswith(".tmp-")}
        return names - {"m.status"} == set(self.left) - {"m.status"} and names >= set(self.left)

    def drop_all(self):
        self.relay.accepted = []
        for path in self.queue.path.iterdir():
            path.unlink()
        for name, recipients in self.messages:
            self.queue.drop(name, message(to=recipients))

    def wait_done(self, daemon, seconds):
        """Whether it came to its end, however often the operator had to ask."""
        patience, asked = Patience(seconds), 0.0
        while not self.is_done():
            if not daemon.is_running() or patience.is_over():
                return False
            if time.monotonic() > asked + 0.3 and daemon.notifications.count("READY=1") > 0:
                daemon.flush()
                asked = time.monotonic()
            time.sleep(0.01)
        return True

    def suffer(self, daemon):
        """Waits until the fault has done what it can."""
        hit_at, patience = None, Patience(10)
        while daemon.is_running() and not self.is_done() and not patience.is_over():
            if hit_at is None and self.faults.hits > 0:
                hit_at = time.monotonic()
            if hit_at is not None and time.monotonic() > hit_at + 0.4:
                break
            time.sleep(0.01)

    def check(self, daemon):
        for _, recipients in self.messages:
            for one in recipients:
                if one not in self.refused:
                    wait_for(lambda one=one: self.relay.copies(one) > 0, f"a copy for {one}", 3)
                copies = self.relay.copies(one)
                if copies == 2 and "may have been delivered" in daemon.output():
                    continue  # its connection broke before the reply was read
                expected = 0 if one in self.refused else 1
                self.assertEqual(copies, expected, f"copies for {one}\n{daemon.output()}")

    def end(self, daemon):
        wait_for(lambda: not daemon.is_running() or daemon.notifications.count("READY=1") > 0, "READY=1")
        status = daemon.terminate() if daemon.is_running() else daemon.wait()
        if status != 0 and self.faults.hits > 0:  # the fault came when all else was done
            self.check_death(daemon)
            return
        self.assertEqual(status, 0, f"at its end\n{daemon.output()}")

    def finish(self, daemon, call):
        """What the fault has left comes to its end, by an operator's word or by a start."""
        died = not daemon.is_running()
        if died:
            self.check_death(daemon)
        if self.wait_done(daemon, 15):
            return daemon
        # What OpenSSL had no memory for it does not try again in the same process.
        self.assertTrue(died or self.tls and call == "malloc", "it goes on only when it is started again\n"
                              f"{self.queue.names()}\n{daemon.output()}")
        daemon.terminate()
        again = self.start_again(ready=False)
        self.daemons.append(again)
        self.assertTrue(
            self.wait_done(again, 60), f"{self.queue.names()}\n{daemon.output()}\n{again.output()}")
        return again

    def run_one(self, call, number, error, forever):
        self.drop_all()
        self.faults.arm(call, number, error, forever)
        daemon = self.start_again(ready=False, wrapper=self.faults.wrapper)
        self.daemons = [daemon]
        try:
            self.suffer(daemon)
            self.faults.clear()
            last = self.finish(daemon, call)
            self.check(daemon)
            self.end(last)
        finally:
            for one in self.daemons:
                one.kill()
                self._end(one)

    def each_call(self):
        self.drop_all()
        self.faults.reset_counts()
        daemon = self.start_again(wrapper=self.faults.wrapper)
        self.assertTrue(self.wait_done(daemon, 60), f"{self.queue.names()}\n{daemon.output()}")
        self.end(daemon)
        self.each(self.faults.counts(), self.run_one)

    if ALL or MOST > 2:
        test = each_call


class Tls(Daemon):
    tls = True


class Room(FaultTest):
    """A full disk: nothing is sent to several recipients when there is no room to note who has had it.
    What has been sent is never sent again by a daemon that is started anew."""

    def start_with(self, relay, connections=4):
        self.configure(self.settings(relay, connections=connections))
        return self.start_again(wrapper=self.faults.wrapper)

    def test_not_sent_without_room(self):
        relay = self.odd()
        self.faults.arm("fallocate", error=ENOSPC, forever=True)
        daemon = self.start_with(relay)
        for number in range(20):
            self.queue.drop(f"two-{number}", message(to=["ann@lab.test", "ben@lab.test"]))
            self.drop(f"one-{number}")
        self.wait_taken(relay, *(f"one-{number}" for number in range(20)))
        wait_for(lambda: len(self.queue.in_state("queued")) == 20, "those to two stay queued")
        self.assertEqual(relay.copies("ann@lab.test"), 0)
        self.assertIn("no room to note who of its recipients has had it", daemon.output())
        self.faults.clear()
        daemon.flush()
        self.queue.wait_gone(*(f"two-{number}" for number in range(20)))
        wait_for(lambda: relay.copies("ann@lab.test") == 20, "a copy of each")
        wait_for(self.queue.is_empty, self.queue.names)

    def test_full_while_they_are_sent(self):
        """No file can be created any more, from the moment on when all are under way."""
        ready = threading.Event()
        names = [f"m-{number}" for number in range(4)]

        def answer(talk, verb, argument):
            if verb == "RCPT" and argument.startswith("bad"):
                return "550 5.1.1 nobody"
            return Slow("354 go on", 20, ready) if verb == "DATA" else None

        relay = self.odd(answer)
        # More than there are messages: a connection that is slow to come is one less.
        daemon = self.start_with(relay, connections=20)
        for name in names:
            self.queue.drop(name, message(to=[f"{name}@lab.test", "bad@lab.test"]))
        wait_for(lambda: relay.said("DATA") == len(names), "all under way")
        spares = [name for name in self.queue.names() if name.startswith(".tmp-")]
        self.assertEqual(len(spares), len(names))
        self.faults.arm("openat", error=ENOSPC, forever=True, creating=True)
        ready.set()
        self.queue.wait_state(names[0], "failed")
        wait_for(lambda: len(self.queue.in_state("failed")) == len(names), self.queue.names)
        daemon.terminate()
        again = self.start_again(wrapper=self.faults.wrapper)
        for name in names:
            self.assertEqual(relay.copies(f"{name}@lab.test"), 1, daemon.output() + again.output())
            self.assertEqual(self.queue.events(name)[-1]["event"], "failed")


class Refused(Daemon):
    """Two recipients, of whom one is refused; and an earlier attempt that deferred both."""

    messages = (("m", ("ann@lab.test", "nobody@lab.test")),)
    refused = ("nobody@lab.test",)
    left = ("m.failed", "m.status")
    put_off = False

    def check(self, daemon):
        super().check(daemon)
        events = self.queue.events("m")
        self.assertEqual([e["recipient"] for e in events if e["event"] == "delivered"], ["ann@lab.test"], events)
        # Where it was given up and could not be put to .failed, it is tried again.
        lives = [e["event"] for e in events].count("failed")
        refused = [e["recipient"] for e in events if e["event"] == "refused"]
        self.assertEqual(refused, ["nobody@lab.test"] * lives, events)
        self.assertEqual(events[-1]["event"], "failed")


class Deferred(Daemon):
    """Put off twice; ann has it the second time, ben the third."""

    messages = (("m", ("ann@lab.test", "ben@lab.test")),)

    def drop_all(self):
        super().drop_all()
        self.mails = 0

    def answer(self, talk, verb, argument):
        self.mails += verb == "MAIL"
        waits = self.mails == 1 or (self.mails == 2 and argument.startswith("ben"))
        return "451 not now" if verb == "RCPT" and waits else None


class Steady(FaultTest):
    """Each function fails, once or for a while, while one daemon goes on."""

    def test(self):
        self.relay = self.odd()
        self.configure(self.settings(self.relay, hold_first="20ms", hold_max="50ms"),
                       retry={"first": "50ms", "max": "100ms"})
        self.daemon = self.start_again(wrapper=self.faults.wrapper)
        self.numbers = itertools.count()
        self.faults.reset_counts()
        self.send_one()
        time.sleep(0.1)  # what comes behind a delivery is counted too

        def run(call, number, error, forever):
            self.faults.arm(call, number, error, forever)
            self.send_one()

        self.each(self.faults.counts(), run)
        self.assertEqual(self.daemon.terminate(), 0, self.daemon.output())

    def left(self):
        """Messages and records; a temporary file that could not be removed goes a day later."""
        return [name for name in self.queue.names() if not name.startswith(".tmp-")]

    def go_on(self, seconds, before):
        """Until nothing is left; the operator asks for what does not come, and starts what has ended. What
        was said since `before`, and whether it had ended."""
        died, said = False, ""
        begin, patience = time.monotonic(), Patience(seconds, beat=0.005)
        asked = begin + 0.4
        while self.left() and not patience.is_over():
            if time.monotonic() > begin + 0.5:
                self.faults.clear()
            if not self.daemon.is_running():
                said, before, died = said + self.daemon.output()[before:], 0, True
                self.check_death(self.daemon)
                self.daemon = self.start_again(ready=False, wrapper=self.faults.wrapper)
            elif time.monotonic() > asked and self.daemon.notifications.count("READY=1") > 0:
                self.daemon.flush()
                asked += 0.2
            time.sleep(0.005)
        return said + self.daemon.output()[before:], died

    def send_one(self):
        """Two messages, one of them to two recipients."""
        number, before = next(self.numbers), len(self.daemon.output())
        one, two = f"one-{number}@lab.test", (f"a-{number}@lab.test", f"b-{number}@lab.test")
        self.queue.drop(f"one-{number}", message(to=[one]))
        self.queue.drop(f"two-{number}", message(to=two))
        said, died = self.go_on(60, before)
        self.assertEqual(self.left(), [], said)
        for recipient in (one, *two):
            wait_for(lambda recipient=recipient: self.relay.copies(recipient) > 0, f"{recipient}: {said}", 3)
            most = 2 if died or "may have been delivered" in said else 1
            self.assertLessEqual(self.relay.copies(recipient), most, said)


class Tool(FaultTest):
    """Who is told that it was done finds it done; who is told that it was not finds a reason."""

    text = b"From: shop@lab.test\nTo: ann@lab.test\nDate: Mon, 02 Mar 2026 10:20:30 +0000\n" \
           b"Message-ID: <fixed.1@lab.test>\nSubject: x\n\n" + b"A line of the message.\n" * 4000
    library_deaths = ()  # of libraries that cannot do without memory
    may_be_unsettled = False  # as far as can be told, its writer may not be done with a new file

    def run_tool(self, *arguments, program="outbox", stdin=b""):
        return subprocess.run(
            [str(one) for one in (lab.program(program) if isinstance(program, str) else program, *arguments)],
            input=stdin, capture_output=True, timeout=300, check=False, env=self.faults.environment)

    def clear_queue(self):
        for path in self.queue.path.iterdir():
            path.unlink()

    def contents(self):
        return sorted(path.read_bytes() for path in self.queue.path.glob("*.queued"))

    def check_status(self, result, call):
        status = result.returncode
        if call == "malloc" and status in self.library_deaths:
            return
        self.assertIn(status, (0, *range(64, 79)), result.stderr)
        if status:
            self.assertTrue(result.stderr.strip(), "it failed without a word")

    def suffer(self, tool, check):
        """`tool` runs it, with an empty queue; `check(result, undisturbed)` looks at what it did."""
        self.clear_queue()
        self.faults.reset_counts()
        result = tool()
        self.assertEqual(result.returncode, 0, result.stderr)
        counts, usual = self.faults.counts(), self.contents()

        def run(call, number, error, forever):
            self.clear_queue()
            self.may_be_unsettled = call == "fcntl" or error == EACCES
            self.faults.arm(call, number, error, forever)
            result = tool()
            self.faults.clear()
            self.check_status(result, call)
            check(result, usual)

        self.each(counts, run)

    def check_queued(self, result, usual):
        """What stands in the queue is whole; all of it is there when the status says so."""
        found = self.contents()
        if result.returncode == 0:
            self.assertEqual(found, usual, result.stderr)
        for content in found:
            self.assertIn(content, usual, "in part, or changed")

    def test_queue(self):
        self.configure()
        arguments = ("--config", self.configuration, "queue")
        self.suffer(lambda: self.run_tool(*arguments, stdin=self.text), self.check_queued)

    def test_batch(self):
        self.configure()
        files = []
        for number in range(5):
            files.append(self.directory / f"file-{number}.eml")
            files[-1].write_bytes(self.text.replace(b"fixed.1", f"fixed.{number}".encode()))
        arguments = ("--config", self.configuration, "queue", "--batch", *files)

        def check(result, usual):
            self.check_queued(result, usual)
            paths = [line for line in result.stdout.decode().splitlines() if line]
            for path in paths:
                self.assertTrue(os.path.exists(path), f"{path} was promised")

        self.suffer(lambda: self.run_tool(*arguments), check)

    def test_sendmail(self):
        self.library_deaths += (-signal.SIGSEGV,)  # getaddrinfo() of the C library
        self.configure()
        sendmail = self.directory / "sendmail"
        sendmail.symlink_to(lab.program("outbox"))
        arguments = ("-C", self.configuration, "-i", "-f", "shop@lab.test", "ann@lab.test")
        self.suffer(lambda: self.run_tool(*arguments, program=sendmail, stdin=self.text), self.check_queued)

    def test_process(self):
        relay = self.odd()
        self.configure(self.settings(relay, hold_first="20ms", hold_max="50ms"),
                       retry={"first": "50ms", "max": "100ms"})
        arguments = ("--config", self.configuration, "process")

        def tool():
            relay.accepted = []
            self.queue.drop("m", message(to=["ann@lab.test"]))
            return self.run_tool(*arguments)

        def check(result, usual):
            if result.returncode == 0 and not self.may_be_unsettled:
                self.assertEqual(self.queue.names(), [], result.stderr)
            patience = Patience(30, beat=1)
            while self.queue.names() and not patience.is_over():
                self.outbox("process", status=None)
            self.assertEqual(self.queue.names(), [], result.stderr)
            wait_for(lambda: relay.copies("ann@lab.test") > 0, "a copy", 3)
            said = (result.stdout + result.stderr).decode()
            self.assertLessEqual(relay.copies("ann@lab.test"), 2 if "may have been delivered" in said else 1)

        self.suffer(tool, check)


class Window(FaultTest):
    """A daemon that dies after the reply and before the unlink sends the message once more: nothing
    else is done in between."""

    def check_messages(self, recipients, **settings):
        relay = self.odd(context=settings.pop("context", None))
        self.configure(self.settings(relay, **settings))
        daemon = self.start_again(wrapper=self.faults.wrapper)
        self.faults.reset_window()
        names = [f"m-{number}" for number in range(300)]
        for name in names:
            self.queue.drop(name, message(to=recipients))
        self.queue.wait_gone(*names, seconds=30)
        self.assertEqual(daemon.terminate(), 0)
        number, calls, first, mean, longest = self.faults.window()
        print(f"    {number} unlinked, {mean} us after the reply, at most {longest} us", flush=True)
        self.assertGreaterEqual(number, len(names) * 9 // 10)
        self.assertEqual(calls, 0, f"{first} comes between")

    def test_one_recipient(self):
        self.check_messages(["ann@lab.test"])

    def test_twenty_recipients(self):
        self.check_messages([f"a{number}@lab.test" for number in range(20)])


OF_ANOTHER = b'{"time":"2026-01-02T03:04:05.678901Z","event":"message","file":"1/2//3/4","uid":0}\n'


class Leftovers(RelayTest):
    """What crashes have left goes after a day, and nothing else does."""

    def make_records_of_messages(self):
        """Records of ids that the queue makes, which are not to go: their names."""
        sent = OF_ANOTHER + b'{"time":"2026-01-02T03:04:05.678901Z","event":"sent"}\n'
        contents = {"held-01234567": OF_ANOTHER, "failed-01234567": OF_ANOTHER, "gone-01234567": sent,
                    "old-01234567": b"", "given-abc": OF_ANOTHER, "given-0123456w": OF_ANOTHER}
        names = {f"{name}.status" for name in contents}
        for name, content in contents.items():
            self.make(f"{name}.status", content)
        for name in ("held-01234567.held", "failed-01234567.failed"):
            self.make(name)
            names.add(name)
        return names

    def make(self, name, content=b"x"):
        path = self.queue.path / name
        path.write_bytes(content)
        return path

    def test_a_day_later(self):
        relay = self.odd()
        self.configure(self.settings(relay))
        for number in range(3000):
            self.make(f".tmp-{number:013}")
        self.make(".order.new")
        self.make("begun.sent")
        self.make("half.sent")
        self.make("half.status", b'{"time":"2026-01-02T03:04:05.678901Z","event":"delivered",'
                                 b'"recipient":"ann@lab.test","attempt":1}\n')
        self.make("kept.sent")
        self.make("kept.status", b'{"time":"2026-01-02T03:04:05.678901Z","event":"sent"}\n')
        stays = {".order.new", "kept.sent", "kept.status", ".tmp-open", ".tmp-locked", "report.status"}
        self.make("report.status")
        self.make("x-01234567.status", OF_ANOTHER)  # its message never came under that id
        stays |= self.make_records_of_messages()
        with open(self.make(".tmp-open"), "ab"), open(self.make(".tmp-locked"), "rb") as locked:
            fcntl.flock(locked, fcntl.LOCK_EX)
            daemon = self.start_again()
            daemon.flush()
            self.drop("m")
            self.wait_taken(relay, "m")
            time.sleep(0.2)
            self.assertEqual(len(self.queue.names()), 3000 + len(stays) + 4, "none of them is old")
            self.assertEqual(daemon.terminate(), 0)
            daemon = self.start_again(wrapper=preload(self.directory, LATER))
            daemon.flush()
            wait_for(lambda: set(self.queue.names()) == stays, lambda: self.queue.names()[:20])


def in_parts(one, parts):
    """In place of a class of many cases, one class for each part of them, Tls1 and so on: they run side by
    side, or alone."""
    del globals()[one.__name__]
    for part in range(parts):
        name = f"{one.__name__}{part + 1}"
        globals()[name] = type(name, (one,), {"part": part, "parts": parts, "__module__": __name__})


if ALL:
    in_parts(Tls, 16)
    for _ in (Daemon, Refused, Deferred, Tool):
        in_parts(_, 2)
    del _
