"""The queue directory in trouble: looks at it that fail, a disk that fills up or turns read-only, and a
directory that goes away while messages are in flight. Nothing is sent twice for it, and nothing is
forgotten."""

import os
import shutil
import pathlib
import resource
import signal
import subprocess
import time

import lab
from case import SystemTest, message
from preload import UNSEEN, UNWATCHED, preload
from process import wait_for
from slow_relay import SlowRelay


def numbered(number, to, **more):
    """A message that SlowRelay.copies() knows again."""
    return message(to=to, **more).replace(b"Subject: Your order\n", b"Subject: Order %d\n" % number)


class DirectoryTest(SystemTest):
    """A slow relay, so that many messages are in flight for long."""

    def slow(self, seconds, answer=None):
        relay = SlowRelay(seconds, answer)
        self.addCleanup(relay.close)
        return relay

    def drop(self, first, last, queue=None):
        for number in range(first, last):
            (queue or self.queue).drop(f"m{number}", numbered(number, [self.address()]))

    def wait_accepted(self, relay, count, seconds=60):
        wait_for(
            lambda: len(relay.copies()) >= count,
            lambda: f"{count} messages accepted; {len(relay.copies())} are, {self.queue.names()}",
            seconds,
        )

    def check_once(self, relay, count):
        """Each of the messages up to `count` was accepted, and none of them twice."""
        copies = relay.copies()
        self.assertEqual(sorted(copies), list(range(count)))
        self.assertEqual({n: c for n, c in copies.items() if c != 1}, {}, "accepted more than once")

    def wait_empty(self, queue=None, seconds=60):
        queue = queue or self.queue
        wait_for(queue.is_empty, lambda: f"an empty directory: {queue.names()}", seconds)


class Descriptors(DirectoryTest):
    """Fewer descriptors than there are things to open: less is done at a time, and that is all."""

    def begin(self, limit):
        """A daemon with this limit, whose relay takes its time, and much to send."""
        relay, queue = self.slow(4), lab.Queue(self.directory / f"queue-{limit}")
        daemon = self.start(
            self.lab.relay(relay.port), spool={"directory": queue.path}, wrapper=("prlimit", f"--nofile={limit}:{limit}")
        )
        self.drop(0, 80, queue)
        return limit, relay, queue, daemon

    def test_few(self):
        """Long enough for whatever is given up meanwhile to be accepted once more; then quickly."""
        begun = [self.begin(limit) for limit in (40, 64, 100, 300)]
        for limit, relay, _, _ in begun:
            wait_for(lambda relay=relay: relay.accepted, f"a message with room for {limit} files")
        time.sleep(14)
        for limit, relay, queue, daemon in begun:
            with self.subTest(limit):
                self.assertEqual(set(relay.copies().values()), {1}, "accepted more than once")
                relay.seconds = 0
                self.wait_accepted(relay, 80)
                self.wait_empty(queue)
                self.check_once(relay, 80)
                self.assertTrue(daemon.is_running())
                self.assertIn("LimitNOFILE", daemon.output())

    def test_a_limit_that_falls_while_mail_is_in_flight(self):
        relay = self.slow(2)
        daemon = self.start(self.lab.relay(relay.port))
        self.drop(0, 60)
        wait_for(lambda: relay.in_data >= 10, "messages in flight")
        hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)[1]
        used = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used - 8, hard))
        for number in (signal.SIGHUP, signal.SIGUSR1):
            daemon.signal(number)
            time.sleep(0.5)
        self.drop(60, 80)
        self.wait_accepted(relay, 40)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (hard, hard))
        self.wait_accepted(relay, 80)
        self.wait_empty()
        self.check_once(relay, 80)


class Mounted(DirectoryTest):
    """The queue is a small file system, mounted for the daemon alone."""

    def start_mounted(self, relay, size="1m", **settings):
        """The daemon, and the queue as the daemon sees it."""
        lab.need_namespace("mount")
        mount = f"mount -t tmpfs -o size={size},mode=755 outbox-test '{self.queue.path}'"
        daemon = self.start(
            self.lab.relay(relay.port),
            wrapper=("unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh"),
            **settings,
        )
        return daemon, lab.Queue(f"/proc/{daemon.pid}/root{self.queue.path}")

    @staticmethod
    def within(daemon, *command):
        subprocess.run(["nsenter", "-t", str(daemon.pid), "-m", "-r", *map(str, command)], check=True)

    def remount(self, daemon, mode):
        # While something is open for writing this is refused.
        command = ["nsenter", "-t", str(daemon.pid), "-m", "-r"]
        command += ["mount", "-o", f"remount,{mode}", str(self.queue.path)]
        wait_for(
            lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0,
            f"remounted {mode}",
        )

    def check_read_only(self, *signals):
        relay = self.slow(1.5)
        daemon, queue = self.start_mounted(relay)
        self.drop(0, 60, queue)
        wait_for(lambda: relay.in_data >= 10, "messages in flight")
        self.remount(daemon, "ro")
        for number in signals:
            daemon.signal(number)
        time.sleep(4)
        self.assertTrue(daemon.is_running(), daemon.output())
        self.remount(daemon, "rw")
        self.drop(60, 70, queue)
        self.wait_accepted(relay, 70)
        self.wait_empty(queue)
        self.check_once(relay, 70)

    def test_read_only_for_a_while(self):
        self.check_read_only()

    def test_read_only_and_flushed(self):
        self.check_read_only(signal.SIGUSR1, signal.SIGUSR1)

    def test_read_only_and_reloaded(self):
        self.check_read_only(signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP)

    def test_full_while_records_are_due(self):
        """What the relay said is kept in mind until it can be written."""
        full = [True]
        relay = self.slow(0.5, lambda content: b"451 busy" if full[0] else b"250 ok")
        daemon, queue = self.start_mounted(relay, size="400k", retry={"first": "1s", "max": "1s"})
        self.drop(0, 10, queue)
        filler = queue.path / ".filler"
        with open(filler, "wb", buffering=0) as out:
            try:
                while True:
                    out.write(b"x" * 4096)
            except OSError:
                pass
        for number in (signal.SIGUSR1, signal.SIGHUP):
            time.sleep(1)
            daemon.signal(number)
        wait_for(lambda: len(queue.in_state("sending")) == 10, daemon.output)
        full[0] = False
        filler.unlink()
        self.wait_accepted(relay, 10)
        self.wait_empty(queue)
        self.check_once(relay, 10)

    def test_unmounted_while_mail_is_in_flight(self):
        """What is in flight ends where it was claimed; what comes to the place is delivered from there."""
        relay = self.slow(1.5)
        daemon, queue = self.start_mounted(relay)
        self.drop(0, 20, queue)
        wait_for(lambda: relay.in_data >= 20, "messages in flight")
        self.within(daemon, "umount", "-l", self.queue.path)
        self.drop(20, 40)
        self.wait_accepted(relay, 40)
        self.wait_empty()
        self.check_once(relay, 40)

    def test_mounted_over_while_mail_is_in_flight(self):
        relay = self.slow(1.5)
        daemon, queue = self.start_mounted(relay)
        below = os.open(queue.path, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, below)
        self.drop(0, 20, queue)
        wait_for(lambda: relay.in_data >= 20, "messages in flight")
        self.within(daemon, "mount", "-t", "tmpfs", "-o", "mode=755", "outbox-test", self.queue.path)
        self.drop(20, 40, lab.Queue(queue.path))
        self.wait_accepted(relay, 40)
        self.wait_empty(queue)
        wait_for(lambda: not [name for name in os.listdir(below) if name[0] != "."], "what was in flight has ended below")
        self.within(daemon, "umount", "-l", self.queue.path)
        self.drop(40, 50, lab.Queue(queue.path))
        self.wait_accepted(relay, 50)
        self.check_once(relay, 50)


class Moved(DirectoryTest):
    def start_in_flight(self, seconds=1.5, answer=None, count=40, **settings):
        relay = self.slow(seconds, answer)
        daemon = self.start(self.lab.relay(relay.port), **settings)
        self.drop(0, count)
        wait_for(lambda: relay.in_data >= 10, "messages in flight")
        return daemon, relay

    def test_away_and_back(self):
        _, relay = self.start_in_flight()
        away = self.directory / "away"
        self.queue.path.rename(away)
        time.sleep(0.7)
        away.rename(self.queue.path)
        self.wait_accepted(relay, 40)
        self.wait_empty()
        self.check_once(relay, 40)

    def test_away_and_back_again_and_again(self):
        daemon, relay = self.start_in_flight()
        away = self.directory / "away"
        for number in range(12):
            self.queue.path.rename(away)
            time.sleep(0.05 * number)
            if number % 3 == 0:
                daemon.signal(signal.SIGHUP)
            away.rename(self.queue.path)
            time.sleep(0.1)
        self.wait_accepted(relay, 40)
        self.wait_empty()
        self.check_once(relay, 40)

    def test_a_new_one_in_its_place(self):
        """What was in flight ends in the old one, which is not touched otherwise."""
        daemon, relay = self.start_in_flight(count=40)
        old = self.directory / "old"
        self.queue.path.rename(old)
        self.queue.path.mkdir(mode=0o755)
        self.drop(100, 110)
        self.wait_log(daemon, "event=directory-lost")
        wait_for(lambda: sum(n >= 100 for n in relay.copies()) == 10, "new mail is delivered")
        self.wait_empty()
        left = lab.Queue(old)
        wait_for(lambda: not left.in_state("sending"), lambda: f"all ended: {left.names()}")
        copies = relay.copies()
        self.assertEqual({n: c for n, c in copies.items() if c != 1}, {})
        waits = {int(name[1 : -len(".queued")]) for name in left.in_state("queued")}
        self.assertEqual(waits | {n for n in copies if n < 100}, set(range(40)))
        self.assertEqual(waits & set(copies), set())
        old.rename(self.directory / "older")

    def test_a_new_one_with_the_same_names(self):
        """The ids of what is in flight come up again, as other messages."""
        relay = self.slow(2)
        self.start(self.lab.relay(relay.port))
        self.drop(0, 5)
        wait_for(lambda: relay.in_data == 5, "messages in flight")
        self.queue.path.rename(self.directory / "old")
        self.queue.path.mkdir(mode=0o755)
        for number in range(5):
            self.queue.drop(f"m{number}", numbered(100 + number, [self.address()]))
        self.wait_accepted(relay, 10)
        self.wait_empty()
        self.assertEqual(set(relay.copies().values()), {1})

    def test_deferred_in_the_old_one(self):
        """It is written down where it was claimed, and comes up when that is back."""
        busy = [True]
        relay = self.slow(1, lambda content: b"451 busy" if busy[0] else b"250 ok")
        daemon = self.start(self.lab.relay(relay.port), retry={"first": "2s", "max": "2s"})
        self.drop(0, 5)
        wait_for(lambda: relay.in_data == 5, "messages in flight")
        old = self.directory / "old"
        self.queue.path.rename(old)
        self.queue.path.mkdir(mode=0o755)
        left = lab.Queue(old)
        wait_for(lambda: len(left.in_state("deferred")) == 5, lambda: f"deferred: {left.names()}")
        busy[0] = False
        shutil.rmtree(self.queue.path)
        old.rename(self.queue.path)
        self.wait_accepted(relay, 5)
        self.wait_empty()
        self.check_once(relay, 5)
        self.assertEqual(daemon.terminate(), 0, daemon.output())

    def test_removed_with_all_that_is_in_it(self):
        """Gone is gone: nothing is sent twice, and the daemon goes on with the next one."""
        daemon, relay = self.start_in_flight(count=20)
        subprocess.run(["rm", "-rf", self.queue.path], check=True)
        self.queue.path.mkdir(mode=0o755)
        self.drop(100, 110)
        wait_for(lambda: sum(n >= 100 for n in relay.copies()) == 10, "new mail is delivered")
        self.wait_empty()
        self.assertEqual(set(relay.copies().values()), {1})
        self.assertEqual(daemon.terminate(), 0, daemon.output())


class Path(DirectoryTest):
    """The path comes to lead elsewhere, whatever it is on it that changes."""

    def start_at(self, path, relay):
        self.configure(self.lab.relay(relay.port), spool={"directory": path})
        lab.need_namespace("mount")
        # Mounts elsewhere on the machine have it look where its path leads, too: here are none.
        return self.start_again(wrapper=("unshare", "-m"))

    def check_switch(self, path, one, two, switch):
        """Mail in `one` is delivered, then, after switch(), that in `two`, soon."""
        relay = self.slow(0)
        one, two = lab.Queue(one), lab.Queue(two)
        self.start_at(path, relay)
        self.drop(0, 1, one)
        self.wait_accepted(relay, 1)
        self.drop(1, 2, two)
        switch()
        self.wait_accepted(relay, 2, seconds=20)
        self.drop(2, 3, lab.Queue(path))
        self.wait_accepted(relay, 3, seconds=20)
        self.check_once(relay, 3)

    def make(self, *names):
        for name in names:
            (self.directory / name).mkdir(parents=True)

    @staticmethod
    def link(path, target):
        """As ln -sfn does."""
        new = pathlib.Path(f"{path}.new")
        new.symlink_to(target)
        new.rename(path)

    def test_a_link_is_switched(self):
        d = self.directory
        self.make("one", "two")
        self.link(d / "link", "one")
        self.check_switch(d / "link", d / "one", d / "two", lambda: self.link(d / "link", "two"))

    def test_a_link_in_the_middle_is_switched(self):
        d = self.directory
        self.make("one/queue", "two/queue")
        self.link(d / "link", d / "one")
        self.check_switch(
            d / "link/queue", d / "one/queue", d / "two/queue", lambda: self.link(d / "link", d / "two")
        )

    def test_a_link_that_a_link_leads_to_is_switched(self):
        d = self.directory
        self.make("one", "two", "links")
        self.link(d / "links/stage", "../one")
        self.link(d / "link", "links/stage")
        self.check_switch(
            d / "link", d / "one", d / "two", lambda: self.link(d / "links/stage", "../two")
        )

    def test_a_link_within_a_link_s_target_is_switched(self):
        d = self.directory
        self.make("one/queue", "two/queue")
        self.link(d / "stage", "one")
        self.link(d / "link", "stage/queue")
        self.check_switch(
            d / "link", d / "one/queue", d / "two/queue", lambda: self.link(d / "stage", "two")
        )

    def test_a_directory_above_is_replaced(self):
        d = self.directory
        self.make("var/spool/queue", "new/spool/queue")

        def switch():
            (d / "var").rename(d / "old")
            (d / "new").rename(d / "var")

        self.check_switch(d / "var/spool/queue", d / "var/spool/queue", d / "new/spool/queue", switch)

    def test_a_link_that_leads_nowhere_for_a_while(self):
        d = self.directory
        self.make("one", "two")
        self.link(d / "link", "one")

        def switch():
            (d / "link").unlink()
            time.sleep(0.5)
            self.link(d / "link", "two")

        self.check_switch(d / "link", d / "one", d / "two", switch)


class Unlooked(DirectoryTest):
    """Looks at the path that fail when it counts."""

    def test_a_doubt_that_could_not_be_looked_into(self):
        """No further event comes of the new directory, and yet it is found."""
        relay = self.slow(0)
        flag = self.directory / "flag"
        wrapper = preload(self.directory, f'#define FLAG "{flag}"\n' + UNSEEN)
        daemon = self.start(self.lab.relay(relay.port), wrapper=wrapper)
        flag.touch()
        self.queue.path.rename(self.directory / "old")
        self.queue.path.mkdir(mode=0o755)
        wait_for(lambda: flag.stat().st_size >= 1, "somebody looked")
        time.sleep(0.3)
        flag.unlink()
        self.drop(0, 5)
        self.wait_accepted(relay, 5, 20)
        self.assertEqual(daemon.output().count("event=directory-lost"), 1, daemon.output())

    def test_too_many_watches_are_told_once(self):
        relay = self.slow(0)
        flag = self.directory / "flag"
        wrapper = preload(self.directory, f'#define FLAG "{flag}"\n' + UNWATCHED)
        daemon = self.start(self.lab.relay(relay.port), wrapper=wrapper)
        flag.touch()
        shutil.rmtree(self.queue.path)
        self.wait_log(daemon, "event=directory-lost")
        self.queue.path.mkdir(mode=0o755)
        self.drop(0, 1)
        wait_for(lambda: flag.stat().st_size >= 2, "it was tried again", 30)
        output = daemon.output()
        self.assertEqual(output.count("raise the sysctl fs.inotify.max_user_watches"), 1, output)
        flag.unlink()
        self.wait_log(daemon, "event=directory-back", 30)
        self.wait_accepted(relay, 1)
