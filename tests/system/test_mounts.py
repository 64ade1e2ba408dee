"""File systems that a user has mounted over files of the queue, and whose server never answers: whoever
asks them waits for ever, so nobody does."""

import ctypes
import errno
import os
import time

import lab
from case import message
from odd_relay import Slow
from test_hostile import ALICE, BOB, GROUP, KEEPER, HostileTest, as_user

LIBC = ctypes.CDLL(None, use_errno=True)
MS_NOSUID, MS_NODEV, MNT_DETACH = 2, 4, 2
STATES = ("queued", "sending", "deferred", "held", "failed", "sent", "status")


class Mounts(HostileTest):
    def mount(self, path, user=ALICE):
        """As fusermount does it with allow_other; what the kernel asks is not even read. What ends it."""
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        mode = "40000" if path.is_dir() else "100000"
        options = f"fd={device},rootmode={mode},user_id={user},group_id={GROUP},allow_other"
        if LIBC.mount(b"evil", os.fsencode(path), b"fuse", MS_NOSUID | MS_NODEV, options.encode()) != 0:
            error = ctypes.get_errno()
            os.close(device)
            if error == errno.EPERM:
                raise lab.Unavailable("nothing can be mounted here")
            raise OSError(error, os.strerror(error), path)

        devices = [device]

        def end():  # the connection first, so that whoever waits is let go
            if devices:
                os.close(devices.pop())
                LIBC.umount2(os.fsencode(path), MNT_DETACH)

        self.addCleanup(end)
        return end

    def setUp(self):
        super().setUp()
        try:
            os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            raise lab.Unavailable(f"/dev/fuse: {error.strerror}") from error

    def mount_over_new(self, *names):
        for name in names:
            as_user(ALICE, self.put, name)
            self.mount(self.path(name))

    def look(self, *arguments):
        return lab.outbox("--config", self.configuration, *arguments)

    def check_tool(self, *ids):
        """Every command ends; what is not mounted over can be handled."""
        for arguments in (("list",), ("list", "--json"), ("status",), *(
                (command, one) for one in ids for command in ("show", "hold", "retry", "adopt", "delete"))):
            self.look(*arguments)

    def test_over_every_name(self):
        self.mount_over_new(*(f"evil-{state}.{state}" for state in STATES))
        relay, _ = self.later()
        daemon = self.start_keeper(relay)
        self.check_soon(relay, "before")
        for ask in (daemon.flush, daemon.reload):
            ask()
            self.check_soon(relay, f"after-{ask.__name__}")
        self.check_tool("before", *(f"evil-{state}" for state in STATES))
        self.check_soon(relay, "last")
        self.assertEqual(daemon.terminate(), 0)

    def test_while_it_runs(self):
        relay, _ = self.later()
        daemon = self.start_keeper(relay)
        self.mount_over_new(*(f"evil-{state}.{state}" for state in ("sending", "held", "failed", "sent", "status")))
        self.check_soon(relay, "new")
        daemon.flush()
        self.check_soon(relay, "old")
        self.assertEqual(daemon.terminate(), 0)

    def test_over_names_beside_a_message(self):
        """Of the same id as one of alice's and one of bob's: theirs go nevertheless, and once."""
        for user, name in ((ALICE, "hers"), (BOB, "his")):
            self.mount_over_new(*(f"{name}.{state}" for state in STATES[1:]))
            self.drop_of(user, name)
        relay, _ = self.later()
        daemon = self.start_keeper(relay)
        self.check_soon(relay, "other")
        self.wait_taken(relay, "hers", "his")
        self.check_tool("hers", "his")
        daemon.flush()
        self.check_soon(relay, "last")
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual([relay.copies(f"{name}@lab.test") for name in ("hers", "his")], [1, 1])

    def test_over_what_is_being_sent(self):
        """It cannot be taken away: its record keeps that it was sent."""
        relay = self.odd(lambda _, verb, argument: Slow("250 taken", 1) if verb == "." else None)
        daemon = self.start_keeper(relay, daemon={"stop_timeout": "2s"})
        self.drop_of(ALICE, "evil")
        self.queue.wait_state("evil", "sending")
        end = self.mount(self.path("evil.sending"))
        self.drop_of(BOB, "good")
        self.wait_taken(relay, "evil", "good")
        self.queue.wait_gone("good")
        daemon.terminate()
        end()
        self.start_keeper(relay)
        self.queue.wait_gone("evil")
        self.assertEqual(relay.copies("evil@lab.test"), 1)

    def test_over_what_is_read_after_a_death(self):
        """The marks of messages that were being read; alice made their directory before there was one."""
        as_user(ALICE, os.mkdir, self.path(".reading"), 0o777)
        self.mount(self.path(".reading"))
        relay, _ = self.later()
        self.drop_of(ALICE, "left.sending")
        self.drop_of(BOB, "waits")
        daemon = self.start_keeper(relay)
        self.wait_taken(relay, "waits", "left.sending")
        self.assertEqual(daemon.terminate(), 0)

    def test_over_what_a_dead_writer_left(self):
        self.mount_over_new(".tmp-0123456789abc")
        relay, _ = self.later()
        daemon = self.start_keeper(relay)
        self.check_soon(relay, "good")
        daemon.flush()
        self.check_soon(relay, "better")
        self.assertEqual(daemon.terminate(), 0)
