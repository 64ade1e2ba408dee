"""Time and the delivery record: age is counted from attempts and not from files' times, no time that a
wrong clock left is waited for, and a long record holds nobody up."""

import datetime
import json
import os
import pathlib
import subprocess
import time

import lab
from case import SystemTest, message
from process import free_port, wait_for
from slow_relay import SlowRelay

DAY = 86400


def line(when, event, **members):
    stamp = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    text = {"time": stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "event": event, **members}
    if "next" in members:
        stamp = datetime.datetime.fromtimestamp(members["next"], datetime.timezone.utc)
        text["next"] = stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(text, separators=(",", ":")) + "\n"


def deferral(when, recipient, attempt, text="busy"):
    return line(
        when, "deferred", recipient=recipient, attempt=attempt, code=451, enhanced="4.3.0",
        stage="content", text=text, relay="plain", address="127.0.0.1:25",
    )  # fmt: skip


class TimesTest(SystemTest):
    def start_relay(self, answer=b"451 busy", **settings):
        self.relay = SlowRelay(0, lambda content: self.answer)
        self.addCleanup(self.relay.close)
        self.answer = answer
        settings = {"retry": {"first": "1h", "max": "1h"}, **settings}
        return self.start(self.lab.relay(self.relay.port), **settings)

    def put_record(self, name, lines, due=None):
        path = self.queue.path / f"{name}.status"
        path.write_text("".join(lines), encoding="utf-8")
        if due is not None:
            os.utime(path, (due, due))
        return path

    def attempted(self, name, then, attempts=1):
        """The record's attempts since `then`, when there are so many."""
        found = [e for e in self.queue.events(name, "deferred") if e["time"] >= then]
        return found if len(found) >= attempts else None

    def wait_attempt(self, name, then, seconds=15.0):
        return wait_for(
            lambda: self.attempted(name, then),
            lambda: f"an attempt of {name}: {self.queue.names()}, {self.queue.record(name)[-4:]}",
            seconds,
        )

    @staticmethod
    def now():
        return json.loads(line(time.time(), ""))["time"]


class Age(TimesTest):
    """give_up_after counts from the first attempt that counted, in the present life."""

    def put_old(self, state, attempts=3, days=6):
        """Arrived `days` ago, and tried at once, a few times."""
        begin = time.time() - days * DAY
        content = message(to=["ann@lab.test"])
        path = self.queue.path / f"m.{state}"
        path.write_bytes(content)
        os.utime(path, (begin, begin))
        lines = []
        for attempt in range(1, attempts + 1):
            when = begin + attempt * 60
            lines.append(deferral(when, "ann@lab.test", attempt))
            lines.append(line(when, "retry", attempt=attempt, next=when + 60))
        self.put_record("m", lines, begin + attempts * 60 + 60)

    def check_deferred(self, then, attempt):
        events = self.wait_attempt("m", then)
        self.queue.wait_state("m", "deferred")
        self.assertEqual([e["attempt"] for e in events], [attempt])
        self.assertEqual(self.queue.events("m", "failed"), [])

    def test_held_for_days_and_released(self):
        self.put_old("held")
        then = self.now()
        self.start_relay()
        self.outbox("release", "m")
        self.check_deferred(then, 1)

    def test_held_for_days_and_moved(self):
        self.put_old("held")
        then = self.now()
        self.start_relay()
        (self.queue.path / "m.held").rename(self.queue.path / "m.queued")
        self.check_deferred(then, 1)

    def test_held_for_days_before_its_first_attempt(self):
        self.put_old("held", attempts=0)
        then = self.now()
        self.start_relay()
        self.outbox("release", "m")
        self.check_deferred(then, 1)

    def test_an_old_file(self):
        then = self.now()
        self.start_relay()
        content = message(to=["ann@lab.test"])
        for number, age in enumerate((6 * DAY, 30 * 365 * DAY, -30 * 365 * DAY)):
            path = self.queue.path / f".{number}"
            path.write_bytes(content)
            os.utime(path, (time.time() - age,) * 2)
            path.rename(self.queue.path / f"m{number}.queued")
            self.wait_attempt(f"m{number}", then)
            self.queue.wait_state(f"m{number}", "deferred")

    def test_a_retry_by_hand_begins_anew(self):
        self.put_old("deferred")
        self.configure()
        self.outbox("retry", "m")
        then = self.now()
        self.start_relay()
        self.check_deferred(then, 1)

    def test_none_ends_before_its_second_attempt(self):
        """One attempt, and a week in a bag."""
        self.put_old("queued", attempts=0)
        self.start_relay(retry={"first": "1s", "max": "1s", "give_up_after": "1s"})
        self.queue.wait_state("m", "failed", seconds=20)
        self.assertGreaterEqual(len(self.queue.events("m", "deferred")), 2)

    def test_a_clock_that_was_not_set_yet(self):
        """A machine without a battery begins in 1970: the age counts from the next attempt."""
        self.put_old("deferred", days=time.time() / DAY - 1)
        then = self.now()
        self.start_relay()
        self.check_deferred(then, 4)
        self.assertIn("  ?  ", self.outbox("list"))

    def test_what_has_been_tried_for_long_is_given_up(self):
        self.put_old("deferred")
        self.start_relay()
        self.queue.wait_state("m", "failed")


class Due(TimesTest):
    """The record's last line tells when; its file's time is a hint."""

    def put_deferred(self, due, hint):
        self.queue.drop("m", message(to=["ann@lab.test"]), state="deferred")
        now = time.time() - 60
        lines = [
            deferral(now, "ann@lab.test", 1),
            line(now, "retry", attempt=1, next=due),
        ]
        return self.put_record("m", lines, hint)

    def check_tried_soon(self, due, hint):
        self.put_deferred(due, hint)
        then = self.now()
        self.start_relay()
        self.wait_attempt("m", then)

    def test_a_record_of_a_wrong_clock(self):
        years = time.time() + 10 * 365 * DAY
        self.check_tried_soon(years, years)

    def test_a_record_just_beyond_what_a_retry_can_be(self):
        later = time.time() + 2 * 3600
        self.check_tried_soon(later, later)

    def test_a_record_that_was_touched_years_ahead(self):
        self.check_tried_soon(time.time() - 10, time.time() + 10 * 365 * DAY)

    def test_a_record_of_the_past(self):
        self.check_tried_soon(time.time() - 20 * 365 * DAY, 0)

    def test_a_record_that_is_touched_while_it_waits(self):
        self.start_relay(retry={"first": "3s", "max": "1h"})
        self.queue.drop("m", message(to=["ann@lab.test"]))
        self.queue.wait_state("m", "deferred")
        then = self.now()
        subprocess.run(["touch", "-d", "+50 minutes", self.queue.path / "m.status"], check=True)
        self.wait_attempt("m", then)

    def test_a_record_that_was_touched_to_an_earlier_time(self):
        """It is not tried before the time that its line tells, and goes on waiting for that."""
        due = time.time() + 6
        path = self.put_deferred(due, time.time() - 3600)
        then = self.now()
        self.start_relay()
        wait_for(lambda: abs(path.stat().st_mtime - due) < 2, "the hint is put right")
        self.assertIsNone(self.attempted("m", then))
        first = self.wait_attempt("m", then)[0]
        self.assertGreaterEqual(first["time"], json.loads(line(due - 1, ""))["time"])


class Clocks(TimesTest):
    """Neither a suspended machine nor a clock that is set stretches a wait: what the kernel says that
    the daemon waits for."""

    REALTIME, BOOTTIME = 0, 7
    CANCEL_ON_SET = 2

    @staticmethod
    def timers(daemon):
        """(clock, flags) of each timer that is armed."""
        found = []
        for path in pathlib.Path(f"/proc/{daemon.pid}/fdinfo").iterdir():
            try:
                text = path.read_text()
            except FileNotFoundError:
                continue  # closed meanwhile
            fields = dict(one.split(": ", 1) for one in text.splitlines() if ": " in one)
            if "clockid" in fields and fields["it_value"] != "(0, 0)":
                found.append((int(fields["clockid"]), int(fields["settime flags"], 8)))
        return found

    def test_a_hold_goes_on_while_the_machine_is_suspended(self):
        daemon = self.start(self.lab.relay(free_port()))
        self.assertNotIn(self.BOOTTIME, [clock for clock, _ in self.timers(daemon)])
        self.queue.drop("m", message(to=["ann@lab.test"]))
        self.wait_log(daemon, "hold")
        wait_for(
            lambda: self.BOOTTIME in [clock for clock, _ in self.timers(daemon)],
            lambda: f"a timer of boot time: {self.timers(daemon)}",
        )

    def test_it_is_told_when_the_clock_is_set(self):
        daemon = self.start_relay()
        set_ = [f for clock, f in self.timers(daemon) if clock == self.REALTIME]
        self.assertTrue(any(flags & self.CANCEL_ON_SET for flags in set_), self.timers(daemon))


class LongRecord(TimesTest):
    """Two thousand recipients that wait. Each attempt syncs the record twenty times, and what waits for a busy
    disk is not seen to be at work."""

    seconds = 600

    def check_quick_mail(self):
        for number in range(5):
            self.queue.drop(f"quick{number}", message(to=["bob@lab.test"]))
            begin = time.monotonic()
            wait_for(lambda n=number: not self.queue.has(f"quick{n}.queued"), "it was claimed")
            self.queue.wait_gone(f"quick{number}")
            self.assertLess(time.monotonic() - begin, 60)

    def size(self):
        return (self.queue.path / "m.status").stat().st_size

    def test_attempts_one_after_the_other(self):
        recipients = [f"recipient.{number}@lab.test" for number in range(2000)]
        daemon = self.start_relay(b"451 4.3.0 " + b"The mailbox is busy, please try again later. " * 4)
        self.queue.drop("m", message(to=recipients))
        sizes = []
        for attempt in range(1, 13):
            wait_for(
                lambda a=attempt: self.queue.has("m.deferred")
                and [e for e in self.queue.events("m", "retry") if e["attempt"] == a],
                lambda: f"attempt {attempt}: {self.queue.names()}",
                30,
            )
            sizes.append(self.size())
            daemon.flush()
        self.assertLess(max(sizes), 4 * sizes[0], sizes)
        self.answer = b"250 ok"
        daemon.flush()
        self.queue.wait_gone("m", seconds=60)

    def test_one_of_many_attempts(self):
        """Over 64 MiB: read beside the loop, made shorter, and no reason to fail."""
        recipients = [f"recipient.{number}@lab.test" for number in range(2000)]
        now, text = time.time() - 2 * DAY, "The mailbox is busy, please try again later. " * 4
        self.queue.drop("m", message(b"wait\n", to=recipients), state="deferred")
        lines = []
        for attempt in range(1, 111):
            lines += [deferral(now + attempt, one, attempt, text) for one in recipients]
            lines.append(line(now + attempt, "retry", attempt=attempt, next=now + attempt + 1))
        self.put_record("m", lines, now)
        before = self.size()
        self.assertGreater(before, 64 << 20)
        self.start_relay()
        busy = b"451 4.3.0 " + text.encode("ascii")
        self.relay.answer = lambda content: busy if content.endswith(b"wait\r\n") else b"250 ok"
        self.check_quick_mail()
        # To read it takes seconds: only its size is asked for, until it is short.
        wait_for(
            lambda: self.queue.has("m.deferred") and self.size() < before / 20,
            lambda: f"a short record: {self.queue.names()}, {self.size()} bytes of {before}",
            60,
        )
        wait_for(lambda: self.queue.events("m", "retry")[-1]["attempt"] == 111, "the next attempt")
