"""What is kept from going at once: messages that are not to be sent before their time, and relays that take no
more than they may."""

import json
import re
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
        self.queue.wait_names("later.queued")
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
        self.queue.wait_names("later.queued")
        self.assertEqual(relay.copies("later@lab.test"), 0)

    def test_it_goes_when_its_time_has_come(self):
        relay = self.odd()
        self.start(self.settings(relay))
        when = time.time() + 3
        self.schedule("soon", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)))
        self.schedule("past", "Mon, 02 Mar 2026 10:20:30 +0000")
        self.wait_taken(relay, "past", "soon")
        self.assertGreaterEqual(time.time(), int(when))
        self.queue.wait_names()

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
        self.queue.wait_names("three.queued")

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


class Rates(RelayTest):
    def status(self):
        relay, = json.loads(self.outbox("status", "--json"))["daemons"][0]["relays"]
        return relay

    def test_a_relay_takes_no_more_than_it_may(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay, message_rate="5/h"))
        names = [f"m{n}" for n in range(12)]
        self.drop(*names)
        self.wait_log(daemon, "event=relay-restrained")
        wait_for(lambda: len(self.queue.in_state("queued")) == 7, "seven that wait")
        wait_for(lambda: daemon.output().count(" event=delivered ") == 5, "five that are delivered")
        self.assertEqual(sum(relay.copies(f"{name}@lab.test") for name in names), 5)
        line, = [line for line in daemon.output().splitlines() if "event=relay-restrained" in line]
        self.assertIn("it has taken 5 messages in 1h (message_rate)", line)
        restrained = wait_for(lambda: self.status()["restrained"], "that it is said")
        self.assertIn("5 messages in 1h", restrained["text"])
        entry = json.loads(self.outbox("list", "--json"))[0]
        self.assertEqual(entry["waits"]["for"], "relay")
        self.assertIn("is to take no message before", entry["waits"]["text"])
        self.assertIn("is to take no message before", self.outbox("status"))
        self.assertEqual(daemon.terminate(), 0)

    def test_a_restart_spends_nothing_twice(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay, message_rate="5/h"))
        self.drop("one", "two", "three")
        self.wait_taken(relay, "one", "two", "three")
        self.assertEqual(daemon.terminate(), 0)
        daemon = self.start_again()
        names = [f"m{n}" for n in range(6)]
        self.drop(*names)
        self.wait_log(daemon, "event=relay-restrained")
        wait_for(lambda: sum(relay.copies(f"{name}@lab.test") for name in names) == 2, "two to be sent")
        wait_for(lambda: len(self.queue.names()) == 4, "four that wait")
        self.assertEqual(sum(relay.copies(f"{name}@lab.test") for name in names), 2)

    def test_a_short_rate_takes_its_time(self):
        relay = self.odd()
        began = time.monotonic()
        self.start(self.settings(relay, message_rate="3/s"))
        names = [f"m{n}" for n in range(10)]
        self.drop(*names)
        self.wait_taken(relay, *names)
        self.assertGreaterEqual(time.monotonic() - began, 3)
        self.queue.wait_names()

    def test_the_next_relay_gets_the_rest(self):
        first, second = self.odd(), self.odd()
        self.start(self.settings(first, name="first", message_rate="2/d"), self.settings(second, name="second"))
        names = [f"m{n}" for n in range(6)]
        self.drop(*names)
        wait_for(lambda: self.queue.is_empty(), "all to be sent")
        taken = [sum(relay.copies(f"{name}@lab.test") for name in names) for relay in (first, second)]
        self.assertEqual(taken, [2, 4])

    def test_recipients_count(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay, recipient_rate="10/h"))
        self.queue.drop("many", message(to=[f"many{n}@lab.test" for n in range(8)]))
        self.wait_taken(relay, "many0", "many7")
        self.queue.drop("more", message(to=[f"more{n}@lab.test" for n in range(3)]))
        self.wait_log(daemon, "may not take 3 recipients at once yet")
        self.drop("one", "two")
        self.wait_taken(relay, "one", "two")
        self.assertEqual(relay.copies("more0@lab.test"), 0)
        self.assertEqual(self.queue.in_state("queued"), ["more.queued"])

    def test_transactions_count(self):
        """One that is sent in three waits where two are left, and others pass it."""
        relay = self.odd()
        daemon = self.start(self.settings(relay, message_rate="5/h", recipients_per_transaction=2))
        self.queue.drop("many", message(to=[f"many{n}@lab.test" for n in range(6)]))
        self.wait_taken(relay, "many0", "many5")
        self.queue.drop("more", message(to=[f"more{n}@lab.test" for n in range(6)]))
        self.wait_log(daemon, "may not take 6 recipients, in 3 transactions, at once yet")
        self.drop("one", "two")
        self.wait_taken(relay, "one", "two")
        self.assertEqual(relay.copies("more0@lab.test"), 0)

    def test_process_ends_and_says_why(self):
        relay = self.odd()
        self.configure(self.settings(relay, message_rate="2/h"))
        self.drop("one", "two", "three")
        done = self.outbox("process", status=None)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("is to take no message before", done.stderr.decode())
        self.assertEqual(len(self.queue.in_state("queued")), 1)


class Quiet(RelayTest):
    def hours(self, first, last):
        """From so many hours from now on until so many."""
        now = time.time()
        return "-".join(time.strftime("%H:00", time.localtime(now + hours * 3600)) for hours in (first, last))

    def test_nothing_goes_in_quiet_hours(self):
        first, second = self.odd(), self.odd()
        daemon = self.start(self.settings(first, name="first", quiet=self.hours(-1, 2)))
        self.drop("one")
        self.wait_log(daemon, "event=relay-restrained")
        self.assertIn("it is quiet at these hours (quiet)", daemon.output())
        self.queue.wait_names("one.queued")
        self.assertRegex(self.outbox("list"), re.compile("relay first is to take no message before .*: it is quiet"))
        self.configure(self.settings(first, name="first", quiet=self.hours(-1, 2)),
                       self.settings(second, name="second"))
        daemon.signal(signal.SIGHUP)
        self.wait_taken(second, "one")
        self.assertEqual(first.connections, 0)

    def test_a_mistake_is_told_with_its_place(self):
        for setting, value, why in (("message_rate", "14 a second", "with a / between them"),
                                    ("quiet", "22-06", "a time is written 22:00")):
            self.configure(self.settings(self.odd(), **{setting: value}))
            done = self.outbox("config", status=None)
            self.assertEqual(done.returncode, 78)
            self.assertIn(f"relays.odd.{setting}: \"{value}\"", done.stderr.decode())
            self.assertIn(why, done.stderr.decode())
