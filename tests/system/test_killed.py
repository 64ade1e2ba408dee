"""Every program is killed before and after each of its system calls that change something. Nothing is
lost, and nobody gets a second copy but who got the first one unrecorded. Here some scenarios are killed
at some calls; with OUTBOX_KILLED=all each is at every call, and the daemon that is started again too."""

import os
import time

import kill_scenarios
from case import SystemTest
from killing import Bench, Point

EVERYWHERE = os.environ.get("OUTBOX_KILLED") == "all"


class KilledTest(SystemTest):
    seconds = 7200 if EVERYWHERE else 600
    secure = False  # whether all is said over TLS

    def setUp(self):
        super().setUp()
        self.begin = time.monotonic()
        self.bench = Bench(self.directory, self.secure)
        self.addCleanup(self.bench.close)

    def tell(self, name):
        """The figures; where all is gone through, each second copy with its point too."""
        bench = self.bench
        read = sum(double.read for double in bench.doubles)
        known = "" if self.secure else (
            f", {read} of them with the first one's reply read and not yet on record, the others before it was read")
        print(f"killed: {name}{' over TLS' if self.secure else ''}: {bench.kills} times in "
              f"{time.monotonic() - self.begin:.0f} s; {len(bench.doubles)} second copies{known}; "
              f"{bench.left} records left alone", flush=True)
        if EVERYWHERE:
            for double in bench.doubles:
                read = "" if self.secure else f", the reply {'was' if double.read else 'was not'} read"
                print(f"    {double.recipient}, killed {double.point} ({double.call}){read}", flush=True)


class Sample(KilledTest):
    def check(self, scenario, every, first=1):
        self.bench.sweep(scenario(), every, first)
        self.tell(scenario.__name__)

    def test_daemon(self):
        self.check(kill_scenarios.SeveralRecipients, 4)

    def test_daemon_and_an_id_in_use(self):
        self.check(kill_scenarios.IdInUse, 6, first=3)

    def test_daemon_that_tells(self):
        self.check(kill_scenarios.Told, 2)

    def test_queue(self):
        self.check(kill_scenarios.QueueBatch, 3)


class SampleOverTls(KilledTest):
    secure = True

    def test_daemon(self):
        self.bench.sweep(kill_scenarios.SeveralRecipients(), 8)
        self.tell("SeveralRecipients")


class Daemon(KilledTest):
    """The daemon, one test a scenario."""


class DaemonOverTls(KilledTest):
    """The same where all is said over TLS."""

    secure = True


class Programs(KilledTest):
    """All others, one test a scenario."""


class Twice(KilledTest):
    """The daemon is killed, and once more when it has been started again."""

    def check(self, scenario):
        number, killed = 1, True
        while killed:
            before = Point(number, "before")
            killed = self.bench.run(scenario(), before)[0]
            self.bench.sweep(scenario(), before=[before], sides=["before"])
            number += 1
        self.tell(f"{scenario.__name__}, twice")


def add_test(case, scenario, check):
    def test(self):
        check(self, scenario)
    setattr(case, f"test_{scenario.__name__}", test)


def check_everywhere(self, scenario):
    self.bench.sweep(scenario())
    self.tell(scenario.__name__)


if EVERYWHERE:
    for one in kill_scenarios.DAEMON:
        add_test(Daemon, one, check_everywhere)
        add_test(DaemonOverTls, one, check_everywhere)
    for one in (*kill_scenarios.QUEUEING, *kill_scenarios.OPERATING):
        add_test(Programs, one, check_everywhere)
    for one in kill_scenarios.TWICE:
        add_test(Twice, one, Twice.check)
