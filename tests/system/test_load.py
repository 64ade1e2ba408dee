"""Fifty writers, a relay with a fault in every tenth transaction, and a daemon that is killed every half
second. The books are balanced from what the relay took, and every second copy is explained. OUTBOX_LOAD
says how many messages, and is for a long run; otherwise they are few."""

import collections
import os
import time

from case import SystemTest
from load import Load

WANTED = os.environ.get("OUTBOX_LOAD")
MESSAGES = int(WANTED or 2_000)
KILLS = None if WANTED else 5  # for as long as it takes


class Books(SystemTest):
    seconds = 4 * 3600 if WANTED else 1200

    def test_balance(self):
        load = Load(self.directory, MESSAGES)
        self.addCleanup(load.end)
        begin = time.monotonic()
        load.run(KILLS, 0.5, 100)
        took = time.monotonic() - begin
        doubles = load.balance()
        self.tell(load, doubles, took)
        self.assertEqual(load.failures[:20], [], f"of {len(load.failures)}")
        self.assertGreaterEqual(len(load.kills), KILLS or 1)

    @staticmethod
    def tell(load, doubles, took):
        print(f"load: {load.messages} messages in {took:.0f} s, {len(load.kills)} kills: {load.delivered} recipients "
              f"have theirs, {load.refused} were refused, {len(doubles)} second copies, {load.left_alone} records left alone")
        for reason, count in collections.Counter(double.reason for double in doubles).items():
            times = sorted(double.after * 1000 for double in doubles if double.reason == reason)
            when = f", {times[count // 2]:.1f} ms after it (median), {times[-1]:.1f} (at most)" if times[-1] else ""
            print(f"load:   {count}: {reason}{when}")
        if WANTED:
            for double in doubles:
                print(f"    {double}")
