"""outboxd is killed again and again under load. No message is lost, few arrive twice, and every file
is in a documented state."""

import collections
import random
import time

from case import SystemTest, message
from process import wait_for

KILLS = 200
MESSAGES = 600
CONNECTIONS, DEPTH = 4, 2  # so many messages may be between the relay's yes and the disk at a time
STATES = (".queued", ".sending", ".status")


class Kill(SystemTest):
    seconds = 120

    def test_two_hundred_times(self):
        chance = random.Random(1)
        self.configure(self.lab.relay("plain", connections=CONNECTIONS))
        recipients = [self.address(f"r{i}") for i in range(MESSAGES)]
        waiting = collections.deque(enumerate(recipients))

        kills = 0
        begin = time.monotonic()
        while kills < KILLS and time.monotonic() - begin < 60:
            for _ in range(min(len(waiting), chance.randrange(2 * MESSAGES // KILLS + 1))):
                number, recipient = waiting.popleft()
                self.queue.drop(f"m{number}", message(to=[recipient], body=b"x" * 60 + b"\n"))
            daemon = self.start_again(ready=False)
            time.sleep(chance.uniform(0.005, 0.15))
            daemon.kill()
            kills += 1
            for name in self.queue.names():
                self.assertTrue(name.startswith(".") or name.endswith(STATES), name)
            self._end(daemon)

        for number, recipient in waiting:
            self.queue.drop(f"m{number}", message(to=[recipient], body=b"x" * 60 + b"\n"))
        self.start_again()
        self.queue.wait_gone(*(f"m{n}" for n in range(MESSAGES)), seconds=40)
        self.check_arrivals(recipients, most_doubled=kills * CONNECTIONS * DEPTH)
        self.assertEqual(self.queue.names(), [])

    def check_arrivals(self, recipients, most_doubled):
        wait_for(self.lab.postfix.is_idle, "Postfix delivers what it took", 30)
        wanted = set(recipients)
        arrived = collections.Counter(
            c.recipient for c in self.lab.postfix.copies() if c.recipient in wanted
        )
        lost = wanted - set(arrived)
        doubled = sum(count - 1 for count in arrived.values())
        print(f"    {len(wanted)} messages, {doubled} arrived twice", flush=True)
        self.assertEqual(lost, set())
        self.assertLessEqual(doubled, most_doubled)
