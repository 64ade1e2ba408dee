"""The queue directory: every change of state by mv and by the tool, and whatever else happens to a
directory."""

import fcntl
import os
import shutil
import signal
import time

from case import SystemTest, message
from process import wait_for


class States(SystemTest):
    def move(self, old, new):
        (self.queue.path / old).rename(self.queue.path / new)

    def test_held_message_waits(self):
        ann = self.address()
        self.start()
        self.queue.drop("h", message(to=[ann]), state="held")
        self.queue.drop("m", message(to=[self.address("bob")]))
        self.queue.wait_gone("m")
        self.assertTrue(self.queue.has("h.held"))
        self.move("h.held", "h.queued")
        self.queue.wait_gone("h")
        self.wait_copies(1, ann)

    def test_failed_message_is_tried_again_by_mv(self):
        self.start()
        self.queue.drop("m", message(to=["refused@lab.test"]))
        self.queue.wait_state("m", "failed")
        self.move("m.failed", "m.queued")
        wait_for(lambda: len(self.queue.events("m", "refused")) == 2, "the second attempt")
        self.queue.wait_state("m", "failed")

    def test_delivered_recipients_are_left_out_of_a_retry(self):
        ann = self.address()
        self.start()
        self.queue.drop("m", message(to=[ann, "refused@lab.test"]))
        self.queue.wait_state("m", "failed")
        self.move("m.failed", "m.queued")
        wait_for(lambda: len(self.queue.events("m", "refused")) == 2, "the second attempt")
        self.queue.wait_state("m", "failed")
        self.wait_copies(1, ann)
        self.assertEqual(len(self.queue.events("m", "delivered")), 1)

    def test_deferred_message_is_tried_now_by_mv(self):
        self.start(retry={"first": "1h", "max": "1h"})
        self.queue.drop("m", message(to=["tempfail@lab.test"]))
        self.queue.wait_state("m", "deferred")
        self.move("m.deferred", "m.queued")
        wait_for(lambda: len(self.queue.events("m", "deferred")) == 2, "the second attempt")

    def test_deferred_message_goes_on_after_a_restart(self):
        retry = {"first": "2s", "factor": 1.0, "max": "2s"}
        daemon = self.start(retry=retry)
        self.queue.drop("m", message(to=["tempfail@lab.test"]))
        self.queue.wait_state("m", "deferred")
        self.assertEqual(daemon.terminate(), 0)
        attempts = len(self.queue.events("m", "deferred"))
        self.start(retry=retry)
        wait_for(lambda: len(self.queue.events("m", "deferred")) > attempts, "the next attempt")
        numbers = [e["attempt"] for e in self.queue.events("m", "deferred")]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_hold_release_retry_delete_by_the_tool(self):
        self.start()
        self.queue.drop("m", message(to=["refused@lab.test"]))
        self.queue.wait_state("m", "failed")
        self.outbox("retry", "m")
        wait_for(lambda: len(self.queue.events("m", "refused")) == 2, "the second attempt")
        self.queue.wait_state("m", "failed")
        self.outbox("delete", "m")
        self.assertTrue(self.queue.is_empty(), self.queue.names())

    def test_hold_and_release_by_the_tool(self):
        ann = self.address()
        self.configure()
        self.queue.drop("m", message(to=[ann]))
        self.outbox("hold", "m")
        self.assertEqual(self.queue.names(), ["m.held"])
        self.start_again()
        self.outbox("release", "m")
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def test_keep_sent(self):
        ann = self.address()
        self.start(spool={"keep_sent": True})
        content = message(to=[ann, self.address("bob")])
        self.queue.drop("m", content)
        self.queue.wait_state("m", "sent")
        self.assertEqual((self.queue.path / "m.sent").read_bytes(), content)
        delivered = [e["recipient"] for e in self.queue.events("m", "delivered")]
        self.assertEqual(sorted(delivered), sorted([ann, self.address("bob")]))
        self.assertEqual(self.queue.record("m")[-1]["event"], "sent")

    def test_an_operator_finds_that_it_was_sent(self):
        """The process died after the record, and before the name: hold and retry end it as the daemon does."""
        for command in ("hold", "retry"):
            daemon = self.start(spool={"keep_sent": True})
            self.queue.drop("m", message(to=[self.address()]))
            self.queue.wait_state("m", "sent")
            self.assertEqual(daemon.terminate(), 0)
            for keeps, names in ((True, ["m.sent", "m.status"]), (False, [])):
                self.configure(spool={"keep_sent": keeps})
                (self.queue.path / "m.sent").rename(self.queue.path / "m.sending")
                done = self.outbox(command, "m", status=None)
                self.assertEqual((done.stdout, done.stderr.decode(), done.returncode),
                                 (b"", f"outbox: {self.queue.path}/m: it had been delivered to everybody when its process "
                                  f"died, and is {'m.sent' if keeps else 'gone'} now\n", 66))
                self.assertEqual(sorted(name.name for name in self.queue.path.iterdir() if name.name[0] != "."), names)

    def test_collisions_overwrite_nothing(self):
        old = message(b"old\n", to=["refused@lab.test"])
        self.queue.drop("m", old, state="failed")
        self.queue.drop("n", old, state="sent")
        ann = self.address()
        self.start(spool={"keep_sent": True})
        self.queue.drop("m", message(to=["refused@lab.test"]))
        self.queue.drop("n", message(to=[ann]))
        self.wait_copies(1, ann)
        wait_for(
            lambda: len(self.queue.in_state("failed")) == 2 and len(self.queue.in_state("sent")) == 2,
            "two failed and two sent messages",
        )
        self.assertEqual((self.queue.path / "m.failed").read_bytes(), old)
        self.assertEqual((self.queue.path / "n.sent").read_bytes(), old)

    def test_other_names_are_left_alone(self):
        names = ["README", ".hidden.queued", "m.eml", "m.tmp", "queued", ".queued"]
        for name in names:
            (self.queue.path / name).write_bytes(message(to=[self.address()]))
        self.start()
        self.queue.drop("m", message(to=[self.address("bob")]))
        self.queue.wait_gone("m")
        self.assertEqual(self.queue.names(), sorted(names))

    def test_dead_process_left_a_message_sending(self):
        ann, bob = self.address("ann"), self.address("bob")
        self.queue.drop("m", message(to=[ann, bob]), state="sending")
        line = '{"time":"2026-03-02T10:20:30.000000Z","event":"delivered","recipient":"%s",' % ann
        line += '"attempt":1,"code":250,"stage":"data","text":"ok","relay":"plain"}\n'
        (self.queue.path / "m.status").write_text(line, encoding="utf-8")
        self.start()
        self.queue.wait_gone("m")
        self.wait_copies(1, bob)
        self.assertEqual(self.copies(ann), [])

    def test_torn_record(self):
        ann, bob = self.address("ann"), self.address("bob")
        self.queue.drop("m", message(to=[ann, bob]), state="sending")
        line = '{"time":"2026-03-02T10:20:30.000000Z","event":"delivered","recipient":"%s",' % ann
        (self.queue.path / "m.status").write_text(
            line + '"attempt":1,"code":250}\n{"time":"2026-03-02T10:2', encoding="utf-8"
        )
        self.start()
        self.queue.wait_gone("m")
        self.wait_copies(1, bob)
        self.assertEqual(self.copies(ann), [])

    def test_sending_of_a_live_process_is_left_alone(self):
        ann = self.address()
        path = self.queue.drop("m", message(to=[ann]), state="sending")
        with open(path, "rb") as locked:
            fcntl.flock(locked, fcntl.LOCK_EX)
            self.start()
            self.queue.drop("n", message(to=[self.address("bob")]))
            self.queue.wait_gone("n")
            self.assertTrue(self.queue.has("m.sending"))
            self.assertEqual(self.copies(ann), [])


class Records(SystemTest):
    """A record is one file's, whatever else is called so."""

    def test_the_next_of_a_name_is_another_message(self):
        ann = self.address()
        self.start()
        self.queue.drop("m", message(to=[ann, "refused@lab.test"]))
        self.queue.wait_state("m", "failed")
        (self.queue.path / "m.failed").unlink()
        self.assertTrue(self.queue.has("m.status"))
        self.queue.drop("m", message(b"another\n", to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(2, ann)
        self.assertEqual(self.queue.names(), [])

    def test_what_is_put_beside_a_waiting_one(self):
        ann = self.address()
        daemon = self.start(retry={"first": "1h", "max": "1h"})
        self.queue.drop("m", message(to=[ann, "tempfail@lab.test"]))
        self.queue.wait_state("m", "deferred")
        for state in ("failed", "held", "sent"):
            self.queue.drop("m", message(to=[self.address("eve")]), state=state)
        sending = self.queue.drop("m", message(to=[self.address("eve")]), state="sending")
        with open(sending, "rb") as locked:
            fcntl.flock(locked, fcntl.LOCK_EX)
            daemon.signal(signal.SIGUSR1)
            wait_for(lambda: self.queue.in_state("deferred") not in ([], ["m.deferred"]), "a new id")
        (name,) = self.queue.in_state("deferred")
        self.assertEqual(len(self.queue.events(name.removesuffix(".deferred"), "deferred")), 2)
        self.assertEqual(len(self.copies(ann)), 1)

    def put_back_a_copy(self):
        """Of a message that ann has and another waits for."""
        ann = self.address()
        daemon = self.start(retry={"first": "1h", "max": "1h"})
        self.queue.drop("m", message(to=[ann, "tempfail@lab.test"]))
        self.queue.wait_state("m", "deferred")
        self.assertEqual(daemon.terminate(), 0)
        copy = self.directory / "copy"
        shutil.copytree(self.queue.path, copy)
        for name in ("m.status", "m.deferred"):
            (self.queue.path / name).unlink()
            shutil.copy2(copy / name, self.queue.path / name)
        return ann

    def test_a_copy_that_was_put_back_is_sent_to_all(self):
        ann = self.put_back_a_copy()
        self.start_again()
        self.outbox("retry", "m")
        self.wait_copies(2, ann)

    def test_a_copy_that_was_adopted_goes_on(self):
        ann = self.put_back_a_copy()
        self.outbox("adopt", "--all")
        self.start_again()
        self.outbox("retry", "m")
        wait_for(lambda: len(self.queue.events("m", "deferred")) == 2, "the second attempt")
        self.assertEqual(len(self.copies(ann)), 1)


class Writing(SystemTest):
    """A file that is still being written is never claimed."""

    def check_slow_writer(self, daemon_first):
        ann = self.address()
        content = message(b"line\n" * 1000, to=[ann])
        if daemon_first:
            self.start()
        with open(self.queue.path / "m.queued", "wb") as slow:
            slow.write(content[:2000])
            slow.flush()
            if not daemon_first:
                self.start()
            self.queue.drop("n", message(to=[self.address("bob")]))
            self.queue.wait_gone("n")
            for part in range(2000, len(content), 1000):
                slow.write(content[part : part + 1000])
                slow.flush()
                time.sleep(0.2)
                self.assertTrue(self.queue.has("m.queued"), "claimed while it was written")
        self.queue.wait_gone("m")
        copy = self.wait_copies(1, ann)[0]
        self.assertTrue(copy.content.endswith(b"line\n" * 1000))

    def test_created_under_the_watch(self):
        self.check_slow_writer(daemon_first=True)

    def test_found_by_the_first_scan(self):
        self.check_slow_writer(daemon_first=False)

    def test_write_and_close(self):
        self.start()
        for number in range(20):
            (self.queue.path / f"m{number}.queued").write_bytes(message(to=[self.address()]))
        self.queue.wait_gone(*(f"m{n}" for n in range(20)))
        self.wait_copies(20, self.address())


class Directory(SystemTest):
    def test_two_daemons_and_a_process_share_one(self):
        recipients = [self.address(f"r{i}") for i in range(300)]
        self.configure()
        for number, recipient in enumerate(recipients[:150]):
            self.queue.drop(f"m{number}", message(to=[recipient]))
        self.start_again()
        self.start_again()
        for number, recipient in enumerate(recipients[150:], 150):
            self.queue.drop(f"m{number}", message(to=[recipient]))
        self.outbox("process")
        self.queue.wait_gone(*(f"m{n}" for n in range(300)), seconds=30)
        self.wait_copies(300, *recipients, seconds=30)

    def test_lost_events_are_made_up_by_a_scan(self):
        ann = self.address()
        daemon = self.start()
        daemon.signal(signal.SIGSTOP)
        one, two = self.queue.path / ".one", self.queue.path / ".two"
        with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as limit:
            rounds = int(limit.read()) // 2 + 100
        one.touch()
        for _ in range(rounds // 2):
            one.rename(two)
            two.rename(one)
        one.unlink()
        self.queue.drop("m", message(to=[ann]))
        daemon.signal(signal.SIGCONT)
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def test_removed_and_made_again(self):
        ann = self.address()
        daemon = self.start()
        shutil.rmtree(self.queue.path)
        self.wait_log(daemon, str(self.queue.path))
        self.assertTrue(daemon.is_running())
        self.queue.path.mkdir()
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m", seconds=40)
        self.wait_copies(1, ann)

    def test_replaced(self):
        ann = self.address()
        self.start()
        self.queue.path.rename(self.directory / "old")
        self.queue.path.mkdir()
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m", seconds=40)
        self.wait_copies(1, ann)

    def test_thousands_in_the_directory(self):
        recipients = [self.address(f"r{i}") for i in range(50)]
        for number in range(5000):
            self.queue.drop(f"h{number}", b"x", state="held")
        for number, recipient in enumerate(recipients):
            self.queue.drop(f"m{number}", message(to=[recipient]))
        self.start()
        self.queue.wait_gone(*(f"m{n}" for n in range(50)))
        self.wait_copies(50, *recipients)
        self.assertEqual(len(self.queue.names()), 5000)
