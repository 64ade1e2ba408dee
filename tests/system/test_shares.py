"""A drop box of several users: nobody waits behind the thousands of messages of another."""

import os

from case import message
from odd_relay import RelayTest
from process import wait_for

ALICE, BOB = 61001, 61002
MANY = 6000


class Shares(RelayTest):
    """Alice has queued thousands of messages; bob queues one."""

    def setUp(self):
        super().setUp()
        self.queue.path.chmod(0o1733)

    def drop_of(self, user, name):
        temporary = self.queue.path / f".{name}.new"
        temporary.write_bytes(message(to=[f"{name}@lab.test"]))
        os.chown(temporary, user, user)
        temporary.rename(self.queue.path / f"{name}.queued")

    def before(self, relay, name):
        """How many messages were taken before that one."""
        self.wait_taken(relay, name, seconds=60)
        return [recipients[0] for recipients, _ in relay.accepted].index(f"{name}@lab.test")

    def test_one_that_comes_while_thousands_wait(self):
        relay = self.odd()
        for i in range(MANY):
            self.drop_of(ALICE, f"alice-{i}")
        self.start(self.settings(relay))
        wait_for(lambda: len(relay.accepted) > 50, "alice's first messages")
        seen = len(relay.accepted)
        self.drop_of(BOB, "bob")
        self.assertLess(self.before(relay, "bob") - seen, 300)

    def test_one_among_thousands_that_are_there_at_the_start(self):
        relay = self.odd()
        for i in range(MANY):
            self.drop_of(ALICE, f"alice-{i}")
            if i in (0, MANY // 2):
                self.drop_of(BOB, f"bob-{i}")
        self.start(self.settings(relay))
        self.assertLess(self.before(relay, "bob-0"), 300)
        self.assertLess(self.before(relay, f"bob-{MANY // 2}"), 300)
