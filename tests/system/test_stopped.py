"""A daemon that is stopped for longer than its time-outs, as by a debugger, a frozen control group or a
machine with too much to do: what the server said meanwhile counts, and nobody is blamed."""

import signal
import threading

from odd_relay import RelayTest

SHORT = {"timeout": "1s", "timeout_by_stage": False}
STOPPED = 2.5  # seconds: more than the time-out and what a loop may be late by


class Stopped(RelayTest):
    def check(self, *verbs, **settings):
        """The daemon is stopped before each of these answers, and goes on some time behind it."""

        def answer(_talk, verb, _argument):
            if verb in verbs and verb not in self.met:
                self.met.append(verb)
                daemon.signal(signal.SIGSTOP)
                self.after(STOPPED, lambda: daemon.signal(signal.SIGCONT))

        self.met = []
        relay = self.odd(answer)
        daemon = self.start(self.settings(relay, connections=1, **SHORT, **settings), retry={"first": "1h", "max": "1h"})
        self.drop("m")
        self.wait_taken(relay, "m", seconds=60)
        self.queue.wait_gone("m")
        self.assertEqual(self.met, list(verbs))
        self.assertEqual(relay.said("EHLO"), 1)
        self.assertNotIn("timed out", daemon.output())
        self.assertNotIn("relay-held", daemon.output())

    def after(self, seconds, act):
        timer = threading.Timer(seconds, act)
        self.addCleanup(timer.join)
        timer.start()

    def test_before_there_is_a_message(self):
        self.check("CONNECT", "EHLO")

    def test_under_a_message(self):
        self.check("MAIL", "RCPT", "DATA", ".")

    def test_in_all_that_absolute_timeout_allows(self):
        self.check("EHLO", "MAIL", absolute_timeout=True)
