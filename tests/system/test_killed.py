"""Every program is killed before and after each of its system calls that change something. Nothing is
lost, and nobody gets a second copy but who got the first one unrecorded."""

import collections
import os
import time

from case import SystemTest
from kill_scenarios import (DAEMON, OPERATING, QUEUEING, TWICE, Delete, IdInUse, SeveralRecipients, QueueBatch)
from killing import Bench, Point

EVERYWHERE = bool(os.environ.get("OUTBOX_PROVE"))


def show(bench, name, begin):
    kinds = collections.Counter(
        "after the reply was read" if double.read else "before the reply was read" for double in bench.doubles)
    print(f"    {name}: {bench.runs} runs, {bench.kills} killed, {len(bench.doubles)} second copies, "
          f"{', '.join(f'{n} {kind}' for kind, n in kinds.items()) or 'none'} "
          f"({time.monotonic() - begin:.0f} s)", flush=True)
    for double in bench.doubles:
        print(f"      {double.recipient}: {double.point}, {'read' if double.read else 'not read'}, {double.call}")


class KilledTest(SystemTest):
    seconds = 7200 if EVERYWHERE else 60

    def setUp(self):
        super().setUp()
        self.begin = time.monotonic()
        self.bench = Bench(self.directory)
        self.addCleanup(self.bench.close)

    def sweep(self, scenario, **options):
        self.bench.sweep(scenario(), **options)


def add_tests(case, scenarios):
    for scenario in scenarios:
        def test(self, scenario=scenario):
            self.sweep(scenario)
            show(self.bench, scenario.__name__, self.begin)
        setattr(case, f"test_{scenario.__name__}", test)


class Everywhere(KilledTest):
    pass


add_tests(Everywhere, (*DAEMON, *QUEUEING, *OPERATING))
