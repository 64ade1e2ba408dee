"""Fifty writers, a relay with a fault in every tenth transaction, and a daemon that is killed every half
second. The books are balanced from what the relay took, and every second copy is explained."""

import collections
import os
import time

from case import SystemTest
from load import Load

EVERYTHING = bool(os.environ.get("OUTBOX_PROVE"))
MESSAGES = int(os.environ.get("OUTBOX_LOAD") or (100_000 if EVERYTHING else 2_000))
KILLS = None if EVERYTHING else 5


class Books(SystemTest):
    seconds = 4 * 3600 if EVERYTHING else 120

    def test_balance(self):
        load = Load(self.directory, MESSAGES)
        self.addCleanup(load.end)
        begin = time.monotonic()
        load.run(KILLS, 0.5, self.seconds - 20)
        took = time.monotonic() - begin
        doubles = load.balance()
        reasons = collections.Counter(double.reason for double in doubles)
        print(f"    {load.messages} messages in {took:.0f} s, {len(load.kills)} kills: {load.delivered} recipients "
              f"have theirs, {load.refused} were refused, {len(doubles)} second copies")
        for reason, count in reasons.items():
            longest = max(double.after for double in doubles if double.reason == reason)
            print(f"      {count}: {reason}" + (f", at most {longest * 1000:.1f} ms" if longest else ""))
        if EVERYTHING:
            for double in doubles:
                print(f"      {double}")
        self.assertEqual(load.failures[:20], [], f"of {len(load.failures)}")
        self.assertEqual(len(load.kills) >= (KILLS or 1), True)
