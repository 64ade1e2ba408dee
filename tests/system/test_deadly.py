"""Messages that kill the process while it reads or sends them: all others are delivered, within a number
of restarts that depends on how many such messages there are, and not on how many others."""

import re
import signal
import time

from case import SystemTest, message
from preload import DEADLY, DEADLY_WHEN_SENT, preload
from process import wait_for
from slow_relay import SlowRelay


class Deadly(SystemTest):
    seconds = 240

    def setUp(self):
        super().setUp()
        self.relay = SlowRelay(0)
        self.addCleanup(self.relay.close)

    def put(self, good, deadly, state="queued"):
        """The deadly ones are the first, the last and some between, in whatever order the directory
        has them."""
        for number in range(good):
            content = message(to=[self.address()])
            self.queue.drop(f"good-{number}", content.replace(b"Your order", b"Order %d" % number), state)
        for number in range(deadly):
            body = b"One line of many.\n" * 40000
            self.queue.drop(f"unread-{number}", message(to=[self.address()], body=body), state)

    def good(self):
        return [name for name in self.queue.names() if name.startswith("good-")]

    def live(self, wrapper):
        """One life: until the process is dead, or no good message is left. Whether it has died."""
        daemon = self.start_again(ready=False, wrapper=wrapper)
        wait_for(lambda: not daemon.is_running() or not self.good(), lambda: self.queue.names(), 60)
        if not self.good():
            daemon.kill()
            return False
        self.assertEqual(daemon.wait(), -signal.SIGKILL, daemon.output())
        return True

    def deaths(self, limit, source=DEADLY, **settings):
        """Lets it live again until all good ones are delivered, which takes `limit` deaths at most, and one more for
        each five seconds: then a deadly one has its turn again."""
        self.configure(self.lab.relay(self.relay.port), **settings)
        wrapper = preload(self.directory, source)
        count, begin = 0, time.monotonic()
        while self.live(wrapper):
            count += 1
            self.assertLessEqual(count, limit + (time.monotonic() - begin) // 5, f"still there: {self.queue.names()}")
        if count == 0:  # all of the good ones may have been first
            daemon = self.start_again(ready=False, wrapper=wrapper)
            wait_for(lambda: not daemon.is_running(), "a death: nothing was deadly", 60)

    def test_one_among_twenty(self):
        self.put(20, 1)
        self.deaths(3)

    def test_three_among_two_hundred(self):
        self.put(197, 3)
        self.deaths(7)

    def test_all_claimed_by_a_process_that_died(self):
        self.put(30, 2, state="sending")
        self.deaths(5)

    def test_among_deferred_ones(self):
        self.put(40, 2, state="deferred")
        self.deaths(5)

    def test_new_mail_while_they_are_there(self):
        self.put(5, 2)
        self.deaths(5)
        self.put(5, 0)
        self.live(preload(self.directory, DEADLY))
        self.assertEqual(self.good(), [])

    def test_when_it_is_sent(self):
        """Nothing tells which of those in flight it was; but it comes first by chance alone."""
        self.put(20, 1)
        self.deaths(40, DEADLY_WHEN_SENT)

    def test_which_one_it_is_is_told(self):
        self.put(3, 1)
        self.deaths(3)
        daemon = self.start_again(wrapper=preload(self.directory, DEADLY))
        self.wait_log(daemon, "a process died while it was reading this message")
        self.assertRegex(daemon.output(), re.compile(r"id=unread-0\b"))
        self.outbox("delete", "unread-0")
        wait_for(self.queue.is_empty, lambda: self.queue.names())
        daemon.kill()


class Killed(SystemTest):
    """Good messages of a process that was killed do not go one after the other for long."""

    seconds = 120

    def test_thousands_in_flight(self):
        """A hundred seconds, if they did."""
        relay = SlowRelay(0.05)
        self.addCleanup(relay.close)
        content = message(to=[self.address()])
        for number in range(2000):
            self.queue.drop(f"m{number}", content, state="sending")
        daemon = self.start(self.lab.relay(relay.port))
        wait_for(self.queue.is_empty, lambda: len(self.queue.names()), 60)
        self.assertEqual(daemon.terminate(), 0, daemon.output())
