"""Relays and proxies that mean harm: nothing is lost, nobody waits for them, and neither time nor memory nor
a processor is theirs, whatever they do at whatever byte."""

import os
import pathlib
import re

import lab
from case import message
from hostile_relay import STAGES, WAYS, HostileRelay, cut_behind, saying
from odd_relay import Doing, RelayTest
from process import wait_for

PATIENCE = 2.0
LONGEST = 40.0  # far above the patience, far below what any of it could take
MEMORY = 8 << 20  # bytes more than a daemon needs that is spoken to kindly
PROCESSOR = 2.0  # seconds


def peak_memory(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1]) * 1024


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class HostileTest(RelayTest):
    seconds = 120
    memory = None

    def hostile(self, answer, **options):
        relay = HostileRelay(answer, self.lab.certificates, **options)
        self.addCleanup(relay.close)
        return relay

    def secured(self, relay, **settings):
        return self.settings(relay, **{
            "tls": "starttls", "host": "localhost", "tls_ca_file": self.lab.certificates.certificate("ca"),
            "user": "u", "password": "p", "timeout": f"{PATIENCE:.0f}s", "timeout_by_stage": False,
            "send_rset": True, "idle_timeout": "0", "connections": 1, **settings})


class Beside:
    """A daemon with a hostile relay, and a good one beside it."""

    NAMES = ("one", "two", "three")

    def __init__(self, test, what, answer, body=b"x\n", extensions=("PIPELINING",), names=NAMES,
                 **settings):
        self.test, self.what, self.names = test, what, names
        self.directory = test.lab.new_directory()
        self.queue = lab.Queue(self.directory / "queue")
        self.bad, self.good = test.hostile(answer, extensions=extensions), test.odd(extensions=("PIPELINING", "CHUNKING"))
        bad = test.secured(self.bad, name="bad", hold_first="1h", hold_max="1h", **settings)
        configuration = lab.write_configuration(
            self.directory / "outbox.conf", self.queue, [bad, test.settings(self.good, name="good")],
            retry={"first": "200ms", "max": "200ms"})
        for name in names:
            self.queue.drop(name, message(body, to=[f"{name}@lab.test"]))
        self.daemon = lab.Outboxd(configuration, test.lab.new_directory(), ready=False)
        test.addCleanup(test._end, self.daemon)

    def is_over(self):
        return self.queue.is_empty()

    def yes(self, name):
        return sum(relay.copies(f"{name}@lab.test") for relay in (self.bad, self.good))

    def describe(self):
        return f"{self.what}: {self.queue.names()}\n{self.daemon.output()[-3000:]}"


class AtEachStage(HostileTest):
    """Each thing that a relay can do, at each stage: one daemon for each, all at once."""

    def check(self, cases):
        for case in cases:
            wait_for(case.is_over, case.describe, 60)
        figures = []
        for case in cases:
            self.assertGreater(case.bad.connections, 0, case.what)
            memory, seconds = peak_memory(case.daemon.pid), processor_seconds(case.daemon.pid)
            figures.append((memory, seconds, case.bad.longest))
            self.assertLess(memory, self.usual() + MEMORY, case.describe())
            self.assertLess(seconds, PROCESSOR, case.describe())
            for name in case.names:
                self.assertEqual(case.yes(name), 1, f"{name}, {case.describe()}")
        for case in cases:
            self.assertEqual(case.daemon.terminate(), 0, case.describe())
            self.assertLess(case.bad.longest, LONGEST, case.describe())
        most = [max(column) for column in zip(*figures)]
        print(f"# {self.id().rpartition('.')[2]}: {most[0] >> 10} KiB, {most[1]:.2f} s of a processor, "
              f"{most[2]:.1f} s on one connection at most", flush=True)

    def usual(self):
        """What memory a daemon takes whose relays are good."""
        if HostileTest.memory is None:
            case = Beside(self, "good", lambda *_: None)
            wait_for(case.is_over, case.describe)
            HostileTest.memory = peak_memory(case.daemon.pid)
        return HostileTest.memory

    def at_each_stage(self, *ways, **options):
        self.usual()
        self.check([self.case(way, stage, **options) for way in ways for stage in STAGES])

    def case(self, way, stage, **options):
        doing = Doing(WAYS[way])
        return Beside(self, f"{way} at {stage}", lambda _, verb, __: doing if verb == stage else None, **options)

    def test_what_is_no_reply(self):
        self.at_each_stage("garbage", "nuls", "nuls in a line", "no code")

    def test_codes(self):
        self.at_each_stage("999", "199", "code changes")

    def test_an_endless_line(self):
        self.at_each_stage("an endless line")

    def test_endless_lines(self):
        self.at_each_stage("a line every 50 ms", "lines as fast as can be")

    def test_silence(self):
        self.at_each_stage("a line at a time", "neither reads nor writes")

    def test_ends(self):
        self.at_each_stage("half closed", "reset")

    def test_reading_slowly(self):
        """Content that fills what the kernel holds for both."""
        self.usual()
        self.check([self.case(way, stage, body=(b"x" * 79 + b"\n") * 100000, names=("one",),
                              extensions=("PIPELINING", "CHUNKING"))
                    for way in ("reads a byte a second", "neither reads nor writes") for stage in ("MAIL", "BDAT")])

    def test_challenges_without_end(self):
        self.usual()
        challenge = Doing(saying(b"", lambda talk, _: talk.connection.sendall(b"334 \r\n"), 0.01))
        self.check([Beside(self, "challenges", lambda _, verb, __: challenge if verb == "AUTH" else None)])

    def test_ten_thousand_extensions(self):
        self.usual()
        offers = "".join(f"250-X{i}\r\n" for i in range(10000)).encode() + b"250 PIPELINING\r\n"
        doing = Doing(saying(offers))
        self.check([Beside(self, f"extensions at {stage}", lambda _, verb, __, at=stage: doing if verb == at else None)
                    for stage in ("EHLO", "HELLO")])

    def test_numbers_that_are_none(self):
        """What makes no sense is as good as not said: the relay gets the mail."""
        self.usual()
        offers = ("SIZE 99999999999999999999999", "SIZE -1", "SIZE 18446744073709551615", "LIMITS RCPTMAX=-1 MAILMAX=0",
                  "LIMITS RCPTMAX=99999999999999999999 MAILMAX=", "LIMITS =1 RCPTMAX=1=1 RCPTMAX", "SIZE " + "9" * 2000)
        cases = [Beside(self, offer[:40], lambda *_: None, extensions=("PIPELINING", offer)) for offer in offers]
        self.check(cases)
        for case in cases:
            self.assertEqual(len(case.bad.accepted), len(case.names), case.describe())

    def test_replies_in_advance(self):
        """One reply too many must not be taken for a later command's: what is refused was not accepted."""
        self.usual()

        def answer_at(stage):
            def answer(talk, verb, _):
                if verb in (".", "BDAT"):
                    return "554 5.6.0 not this"
                if verb != stage:
                    return None
                return {"CONNECT": "220 odd", "EHLO": "250 STARTTLS", "STARTTLS": "220 go on", "AUTH": "235 in"}.get(
                    verb, "250-odd\r\n250-CHUNKING\r\n250-PIPELINING\r\n250 AUTH PLAIN") + "\r\n250 ok"
            return answer

        for stage in ("CONNECT", "EHLO", "STARTTLS", "HELLO", "AUTH"):
            case = Beside(self, f"in advance at {stage}", answer_at(stage), extensions=("PIPELINING", "CHUNKING"))
            wait_for(case.is_over, case.describe, 60)
            self.assertEqual(len(case.good.accepted), len(case.names), case.describe())
            self.assertEqual(case.bad.accepted, [], case.describe())


class CutAnywhere(HostileTest):
    """The connection ends behind each byte of each reply."""

    class Cuts:
        """What is still to be done, and by which connection."""

        def __init__(self):
            self.at = dict.fromkeys((stage for stage in STAGES if stage != "TLS"), 0)
            self.turn = 0

        def answer(self, talk, verb, _):
            if self.at.get(verb) is None or (verb not in ("RSET", "QUIT") and self.busy(verb)):
                return None
            return Doing(lambda talk, usual: self.cut(talk, verb, usual))

        def busy(self, verb):
            """Stages have their turns, so that each is come to."""
            left = self.left()
            return left[self.turn % len(left)] != verb

        def left(self):
            return [stage for stage, n in self.at.items() if n is not None and stage != "QUIT"]

        def cut(self, talk, verb, usual):
            n = self.at[verb]
            self.turn += 1
            self.at[verb] = n + 1 if n + 1 < len(usual) + 2 else None
            cut_behind(n)(talk, usual)

        def is_over(self):
            return all(n is None for n in self.at.values())

    def test_every_byte(self):
        cuts = self.Cuts()
        relay = self.hostile(cuts.answer)
        daemon = self.start(self.secured(relay, hold_first="10ms", hold_max="10ms"),
                            retry={"first": "100ms", "max": "100ms"})
        names = []

        def go_on():
            # RSET stands between two messages, QUIT behind the last.
            most = 20 if cuts.left() else 1
            while not cuts.is_over() and len(self.queue.names()) < most:
                names.append(f"m{len(names)}")
                self.drop(names[-1])
            return cuts.is_over() and self.queue.is_empty()

        wait_for(go_on, lambda: f"an end; {cuts.at} {self.queue.names()}\n{daemon.output()[-2000:]}", 30)
        for name in names:
            self.assertEqual(relay.copies(f"{name}@lab.test"), 1, name)
        self.assertLess(processor_seconds(daemon.pid), 10)
        self.assertEqual(daemon.terminate(), 0)
        print(f"# {relay.connections} connections, {len(names)} messages, each said yes to once", flush=True)
