"""A daemon that is stopped for longer than its time-outs, as by a debugger, a frozen control group or a
machine with too much to do: what the server said meanwhile counts, and nobody is blamed."""

import signal
import threading

from odd_relay import RelayTest
from process import wait_for

SHORT = {"timeout": "3s", "timeout_by_stage": False}
STOPPED = 4.5  # seconds: more than the time-out and what a loop may be late by


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


class Commands(RelayTest):
    """A password command ends with the daemon that wanted its word."""

    def check(self, end, command):
        place = self.directory / "pid"
        daemon = self.start(
            self.settings(self.odd(), user="ann", password_command=command.format(place)),
            daemon={"stop_timeout": "1s"},
        )
        self.drop("m")
        wait_for(lambda: place.exists() and place.read_text(), "the command")
        pid = int(place.read_text())
        end(daemon)
        wait_for(lambda: not alive(pid), "the end of the command")

    def test_that_stops(self):
        self.check(lambda daemon: daemon.terminate(), "sleep 900 & echo $! >{}; wait")
        self.queue.wait_state("m", "queued")

    def test_that_is_killed(self):
        self.check(lambda daemon: daemon.signal(signal.SIGKILL), "echo $$ >{}; exec sleep 900")


def alive(pid):
    try:
        state = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
