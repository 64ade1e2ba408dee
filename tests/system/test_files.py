"""Whatever else is in the queue directory: files that cannot be handled, of other users, that are never
done, and messages made to do harm. None of them keeps the others waiting."""

import os
import shutil
import socket
import subprocess
import time

import lab
from case import SystemTest, message
from preload import PLAIN_RENAME, UNOPENED, UNREAD, preload
from process import wait_for
from slow_relay import SlowRelay
from test_failures import AS_NOBODY

SOON = 60.0  # for a message that nothing should hold up; each of these took far longer once


class FilesTest(SystemTest):
    def slow(self, seconds, answer=None):
        relay = SlowRelay(seconds, answer)
        self.addCleanup(relay.close)
        return relay

    def start_quick(self, relay=None, **options):
        self.quick = relay or self.slow(0)
        return self.start(self.lab.relay(self.quick.port), **options)

    def start_as_nobody(self, relay):
        self.configure(self.lab.relay(relay.port))
        self.configuration.chmod(0o644)
        directory = self.lab.new_directory()
        directory.chmod(0o777)
        return self.start_again(wrapper=AS_NOBODY, directory=directory)

    def drop_with_mode(self, name, mode):
        self.queue.drop(name, message(to=[self.address()]), state="new").chmod(mode)
        (self.queue.path / f"{name}.new").rename(self.queue.path / f"{name}.queued")

    def check_good_mail(self, count=5):
        for number in range(count):
            self.queue.drop(f"good-{number}", message(to=[self.address()]))
            begin = time.monotonic()
            self.queue.wait_gone(f"good-{number}")
            self.assertLess(time.monotonic() - begin, SOON)


class Leases(FilesTest):
    """Whether others still write to their files takes a capability to tell."""

    def start_for(self, mode):
        shutil.chown(self.queue.path, "nobody", "nogroup")
        self.queue.path.chmod(mode)
        return self.start_as_nobody(self.slow(0))

    def test_it_is_told_once(self):
        daemon = self.start_for(0o1777)
        self.wait_log(daemon, "event=no-leases")
        self.assertIn("AmbientCapabilities=CAP_LEASE", daemon.output())
        check = [*AS_NOBODY, lab.program("outbox"), "--config", self.configuration, "check"]
        result = subprocess.run([str(word) for word in check], capture_output=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"AmbientCapabilities=CAP_LEASE", result.stderr)
        self.assertEqual(daemon.output().count("no-leases"), 1)

    def test_where_nobody_else_writes(self):
        daemon = self.start_for(0o755)
        self.assertNotIn("no-leases", daemon.output())

class Many(FilesTest):
    """A number of files that cannot be handled stops nobody."""

    def test_bad_sectors(self):
        for number in range(40):
            self.queue.drop(f"unopened-{number}", message(to=[self.address()]))
        daemon = self.start_quick(wrapper=preload(self.directory, UNOPENED))
        self.check_good_mail()
        self.assertEqual(len(self.queue.in_state("queued")), 40)
        self.assertIn("unopened-7", daemon.output())

    def test_bad_sectors_within(self):
        for number in range(40):
            self.queue.drop(f"unread-{number}", message(to=[self.address()]))
        daemon = self.start_quick(wrapper=preload(self.directory, UNREAD))
        self.check_good_mail()
        self.assertEqual(len(self.queue.in_state("queued")), 40)
        self.assertIn("unread-7", daemon.output())

    def test_files_that_may_not_be_read(self):
        os.chown(self.queue.path, 65534, 65534)
        for number in range(100):
            self.queue.drop(f"m-{number}", message(to=[self.address()])).chmod(0)
            self.queue.drop(f"s-{number}", message(to=[self.address()]), state="sending").chmod(0)
        self.start_as_nobody(self.slow(0))
        self.check_good_mail()
        self.assertEqual(len(self.queue.names()), 200)

    def test_five_thousand_empty_files(self):
        self.start_quick()
        for number in range(5000):
            (self.queue.path / f"e{number}.queued").touch()
        self.check_good_mail(3)
        wait_for(lambda: len(self.queue.in_state("failed")) == 5000, "all have failed", 60)

    def test_whatever_is_no_file(self):
        for number in range(100):
            path = self.queue.path / f"x{number}"
            path.with_suffix(".dangling.queued").symlink_to("nowhere")
            path.with_suffix(".loop.queued").symlink_to(path.with_suffix(".loop.queued"))
            path.with_suffix(".directory.queued").mkdir()
            os.mkfifo(path.with_suffix(".pipe.queued"))
            os.mkfifo(path.with_suffix(".pipe.deferred"))
            os.mkfifo(path.with_suffix(".pipe.sending"))
            os.mknod(path.with_suffix(".null.queued"), 0o20666, os.makedev(1, 3))
        os.chdir(self.queue.path)
        for number in range(100):
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(f"x{number}.socket.queued")
        daemon = self.start_quick()
        self.check_good_mail()
        wait_for(lambda: len(self.queue.in_state("failed")) == 800, "all have failed", 40)
        self.assertEqual(daemon.terminate(), 0, daemon.output())

    def test_full_of_deferred_ones_that_vanish(self):
        """An operator removes what the daemon knows of."""
        for number in range(3000):
            self.queue.drop(f"d{number}", message(to=[self.address()]), state="deferred")
        daemon = self.start_quick(self.slow(0, lambda content: b"451 busy"))
        for number in range(3000):
            for state in ("deferred", "queued", "failed"):
                (self.queue.path / f"d{number}.{state}").unlink(missing_ok=True)
        self.quick.answer = lambda content: b"250 ok"
        self.check_good_mail()
        self.assertEqual(daemon.terminate(), 0, daemon.output())


class OtherUsers(FilesTest):
    def test_a_live_message_of_another_user_s_process(self):
        os.chown(self.queue.path, 65534, 65534)
        relay = self.slow(6)
        self.start_quick(relay)
        self.drop_with_mode("m", 0o600)
        wait_for(lambda: relay.in_data == 1, "the message in flight")
        other = self.start_as_nobody(self.slow(0))
        for _ in range(5):
            other.flush()
            time.sleep(0.5)
            self.assertEqual(self.queue.names(), ["m.sending"])
        self.wait_log(other, "m.sending: left alone")
        self.queue.wait_gone("m")
        self.assertEqual(relay.accepted, 1)

    def test_another_user_s_message_is_sent_once_it_may_be_read(self):
        os.chown(self.queue.path, 65534, 65534)
        daemon = self.start_as_nobody(self.slow(0))
        self.drop_with_mode("m", 0o644)
        self.drop_with_mode("n", 0)
        self.queue.wait_gone("m")
        self.wait_log(daemon, "n.queued: left alone")
        (self.queue.path / "n.queued").chmod(0o644)
        daemon.flush()
        self.queue.wait_gone("n")


class Writers(FilesTest):
    """What was found being written is looked at again, though no event tells of its end."""

    def check(self, make, name="m", flush=False):
        daemon = self.start_quick(spool={"settle": "1s"})
        content = message(to=[self.address()])
        file = make(self.queue.path)
        with os.fdopen(file, "wb", buffering=0) as writer:
            writer.write(content[:100])
            time.sleep(3)
            self.assertTrue(self.queue.has(f"{name}.queued"))
            writer.write(content[100:])
        if flush:
            daemon.flush()
        self.queue.wait_gone(name, seconds=30)
        self.assertEqual(self.quick.accepted, 1)
        self.assertTrue(self.quick.contents[0].endswith(b"Hello.\r\n"))

    @staticmethod
    def without_a_name(directory, mode=os.O_WRONLY):
        file = os.open(directory, mode | os.O_TMPFILE, 0o644)
        # With a directory's descriptor, which an absolute path makes no use of, Python follows links.
        os.link(f"/proc/self/fd/{file}", directory / "m.queued", src_dir_fd=file)
        return file

    @staticmethod
    def by_a_name_that_is_gone(directory):
        file = os.open(directory / ".m", os.O_WRONLY | os.O_CREAT, 0o644)
        os.link(directory / ".m", directory / "m.queued")
        (directory / ".m").unlink()
        return file

    def by_a_name_elsewhere(self, directory):
        file = os.open(self.directory / "m", os.O_WRONLY | os.O_CREAT, 0o644)
        os.link(self.directory / "m", directory / "m.queued")
        (self.directory / "m").unlink()
        return file

    def test_linked_in_without_a_name(self):
        self.check(self.without_a_name)

    def test_by_a_name_that_was_unlinked(self):
        self.check(self.by_a_name_that_is_gone)

    def test_by_a_name_of_another_directory(self):
        self.check(self.by_a_name_elsewhere)

    def test_looked_at_anew_by_a_flush(self):
        self.check(self.without_a_name, flush=True)

    def test_open_for_both(self):
        self.check(lambda directory: self.without_a_name(directory, os.O_RDWR))


class PlainRename(FilesTest):
    """A file system whose renames know no flags: each change is a link and an unlink."""

    def start_plain(self, **options):
        wrapper = preload(self.directory, PLAIN_RENAME)
        answers = [b"451 busy"]
        relay = self.slow(0, lambda content: answers.pop(0) if answers else b"250 ok")
        return self.start_quick(relay, wrapper=wrapper, **options)

    def test_deferred_is_tried_again_at_its_time(self):
        self.start_plain(retry={"first": "2s", "max": "2s"})
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_state("m", "deferred")
        self.queue.wait_gone("m")
        self.assertEqual(self.quick.accepted, 1)

    def test_deferred_is_tried_again_by_a_flush(self):
        daemon = self.start_plain(retry={"first": "1h", "max": "1h"})
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_state("m", "deferred")
        daemon.flush()
        self.queue.wait_gone("m")
        self.assertEqual(self.quick.accepted, 1)

    def test_deferred_is_tried_again_by_mv(self):
        self.start_plain(retry={"first": "1h", "max": "1h"})
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_state("m", "deferred")
        (self.queue.path / "m.deferred").rename(self.queue.path / "m.queued")
        self.queue.wait_gone("m")
        self.assertEqual(self.quick.accepted, 1)

    def test_many(self):
        daemon = self.start_plain(retry={"first": "1s", "max": "1s"})
        self.quick.answer = lambda content: b"451 busy"
        for number in range(100):
            self.queue.drop(f"m{number}", message(to=[self.address()]))
        wait_for(lambda: all(self.queue.events(f"m{n}", "deferred") for n in range(100)), "deferred", 30)
        self.quick.answer = lambda content: b"250 ok"
        daemon.flush()
        wait_for(self.queue.is_empty, lambda: self.queue.names(), 30)
        self.assertEqual(self.quick.accepted, 100)


class Names(FilesTest):
    def test_a_failed_message_that_gets_a_new_name(self):
        """The journal names the file as it is called from then on."""
        self.queue.drop("m", b"another one", state="failed")
        self.queue.drop("n", b"another one", state="failed")
        daemon = self.start_quick(self.slow(0, lambda content: b"550 no"))
        self.queue.drop("m", message(to=[self.address()]))
        (self.queue.path / "n.queued").touch()
        wait_for(lambda: len(self.queue.in_state("failed")) == 4, "four failed ones")
        self.assertEqual((self.queue.path / "m.failed").read_bytes(), b"another one")
        new = [name[: -len(".failed")] for name in self.queue.in_state("failed") if "-" in name]
        self.assertEqual(sorted(name[:2] for name in new), ["m-", "n-"])
        for name in new:
            self.wait_log(daemon, f"id={name} old_id={name[0]} ")


class Hostile(FilesTest):
    """A message that was made to take long takes no longer than others of its size."""

    seconds = 300

    def check(self, content):
        self.start_quick()
        self.queue.drop("hostile", content)
        self.check_good_mail()
        wait_for(lambda: not self.queue.has("hostile.queued"), "an end of it", 30)
        self.check_good_mail(2)

    def plain(self, header):
        return header + message(to=[self.address()], envelope=False)

    def test_encoded_words_without_an_end(self):
        self.check(self.plain(b"To: " + b'=?"a"' * (900 * 1024 // 5) + b"\n"))

    def test_half_a_mebibyte_of_encoded_words_without_an_end(self):
        self.check(self.plain(b"To: " + b'=?"a"' * (512 * 1024 // 5) + b"\n"))

    def test_addresses(self):
        many = b",".join(b"u%d@lab.test" % n for n in range(52000))
        self.check(self.plain(b"To: " + many + b"\n"))

    def test_receivers(self):
        many = b"".join(b"X-Receiver: <u%d@lab.test>\n" % (n % 1000) for n in range(25000))
        self.check(b"X-Sender: <shop@lab.test>\n" + many + message(envelope=False))

    def test_comments_quotes_and_the_like(self):
        parts = (b"(", b'"\\', b"<", b"a:", b"=?us-ascii?q?", b"@", b"\t", b"a(", b"a,", b";")
        for number, part in enumerate(parts):
            header = b"To: " + part * (900 * 1024 // len(part)) + b"\n"
            self.queue.drop(f"h{number}", self.plain(header))
        self.check(self.plain(b"Cc: " + b"(" * (900 * 1024) + b"\n"))
