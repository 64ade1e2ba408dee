"""What is kept from going at once: messages that are not to be sent before their time, and relays that take no
more than they may."""

import json
import signal
import time

from case import message
from odd_relay import RelayTest
from process import wait_for

FAR = "2028-06-01T09:00:00Z"


class NotBefore(RelayTest):
    def schedule(self, name, when):
        self.queue.drop(name, f"X-Outbox-Not-Before: {when}\n".encode() + message(to=[f"{name}@lab.test"]))

    def waits(self, name):
        return json.loads(self.outbox("show", "--json", name))["waits"]

    def test_it_waits_and_says_so(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay))
        self.schedule("later", FAR)
        self.wait_log(daemon, "it is not to be sent before 2028-06-01T09:00:00")
        self.drop("now")
        self.wait_taken(relay, "now")
        self.assertEqual(self.queue.names(), ["later.queued"])
        waits = self.waits("later")
        self.assertEqual((waits["for"], waits["until"][:19]), ("time", FAR[:19]))
        self.assertIn("X-Outbox-Not-Before", waits["text"])
        self.assertIn("Waits for:  time, until ", self.outbox("show", "later"))
        self.assertEqual(json.loads(self.outbox("list", "--json"))[0]["waits"], waits)
        self.assertEqual(daemon.terminate(), 0)

    def test_it_waits_over_a_restart_and_a_flush(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay))
        self.schedule("later", FAR)
        self.wait_log(daemon, "it is not to be sent before")
        self.assertEqual(daemon.terminate(), 0)
        daemon = self.start_again()
        daemon.signal(signal.SIGUSR1)
        self.drop("now")
        self.wait_taken(relay, "now")
        self.assertEqual(self.queue.names(), ["later.queued"])
        self.assertEqual(relay.copies("later@lab.test"), 0)

    def test_it_goes_when_its_time_has_come(self):
        relay = self.odd()
        self.start(self.settings(relay))
        when = time.time() + 3
        self.schedule("soon", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)))
        self.schedule("past", "Mon, 02 Mar 2026 10:20:30 +0000")
        self.wait_taken(relay, "past", "soon")
        self.assertGreaterEqual(time.time(), int(when))
        self.assertTrue(self.queue.is_empty(), self.queue.names())

    def test_an_operator_sends_it_earlier(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay))
        for name in ("one", "two", "three"):
            self.schedule(name, FAR)
            self.wait_log(daemon, f"{name}: ")
        self.assertEqual(self.outbox("retry", "--all"), "0 messages queued again\n")
        self.assertEqual(self.outbox("retry", "one"), "one queued again\n")
        self.wait_taken(relay, "one")
        (self.queue.path / "two.queued").rename(self.queue.path / "two.deferred")
        self.wait_taken(relay, "two")
        self.assertEqual(self.queue.names(), ["three.queued"])

    def test_what_is_no_time_fails(self):
        relay = self.odd()
        self.start(self.settings(relay))
        for name, when, why in (("word", "soon", "line 1, X-Outbox-Not-Before: this is no date"),
                                ("old", "1970-01-01T00:00:00Z", "the time is before 2026"),
                                ("century", "2126-12-01T09:00:00Z", "more than 3 years ahead")):
            self.schedule(name, when)
            self.queue.wait_state(name, "failed")
            self.assertIn(why, self.queue.record(name)[-1]["text"])

    def test_the_tool_writes_it(self):
        self.configure(self.settings(self.odd()))
        content = message(to=["ann@lab.test"])
        before = time.time()
        shown = self.outbox("queue", "--directory", "*", "--not-before", "2h", stdin=content)
        line = next(line for line in shown.splitlines() if line.startswith("X-Outbox-Not-Before: "))
        self.assertRegex(line, r"^X-Outbox-Not-Before: 20\d\d-\d\d-\d\dT[\d:.]+Z$")
        replaced = self.outbox("queue", "--directory", "*", "--not-before", FAR, stdin=shown.encode())
        self.assertEqual(replaced.count("X-Outbox-Not-Before"), 1)
        self.assertIn(FAR[:19], replaced)
        for when, why in (("yesterday", "is no time"), ("2026-03-01 09:00", "is past"),
                          ("2126-03-01 09:00", "more than 3 years ahead")):
            done = self.outbox("queue", "--not-before", when, stdin=content, status=None)
            self.assertEqual(done.returncode, 64)
            self.assertIn(why, done.stderr.decode())
        self.outbox("queue", "--not-before", "2h", stdin=content)
        entry, = json.loads(self.outbox("list", "--json"))
        self.assertGreater(entry["next"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before + 7190)))
        done = self.outbox("send", "--not-before", "2h", stdin=content, status=None)
        self.assertEqual(done.returncode, 64)
        self.assertIn("outbox queue --not-before", done.stderr.decode())
