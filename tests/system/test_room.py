"""No room that a full disk is not: no inodes are left, or a quota is used up. Nothing is lost and nothing
is sent twice, what needs no room goes on, and all mends by itself once there is room. With OUTBOX_ROOM=all,
as scripts/prove has it, on every file system."""

import json
import os
import subprocess

import lab
import small_disks
from case import message
from odd_relay import RelayTest
from process import wait_for

ALL = os.environ.get("OUTBOX_ROOM") == "all"
TEMPORARY = 75
GOOD = [f"good{number}" for number in range(30)]


class RoomTest(RelayTest):
    """On one kind of file system, which `kind` makes."""

    seconds = 120
    kind = None

    def setUp(self):
        super().setUp()
        reason = small_disks.why_not(self.kind)
        if reason:
            self.skipTest(reason)
        self.disk = self.kind(self.directory)
        self.addCleanup(self.disk.unmount)
        self.addCleanup(self.free)
        self.queue = lab.Queue(self.disk.place / "queue")
        self.queue.path.chmod(0o755)
        self.later = 1  # how often `later` is put off
        self.kept = []

    def fill(self):
        """No room any more, nor does the end of a message make any: its inode is in use."""
        self.kept = [os.open(path, os.O_RDONLY) for path in self.queue.path.iterdir()]
        self.disk.fill()

    def free(self):
        while self.kept:
            os.close(self.kept.pop())
        self.disk.free()

    # ---- the daemon ----

    def answer(self, talk, verb, argument):
        if verb != "RCPT" or not argument.startswith(("later", "never", "no-")):
            return None
        self.later -= argument.startswith("later")
        waits = argument.startswith("never") or (argument.startswith("later") and self.later >= 0)
        return "451 4.2.0 not now" if waits else "550 5.1.1 nobody" if argument.startswith("no-") else None

    def start_full(self):
        """A daemon that finds no room: for a record of several recipients, for one of a message that is
        put off, refused or given up, and for the end of one that a dead process was sending."""
        self.relay = self.odd(self.answer)
        self.queue.drop("two", message(to=["ann@lab.test", "ben@lab.test"]))
        self.queue.drop("dead", message(to=["dead@lab.test"]), state="sending")
        self.drop("later", "no-one", *GOOD)
        self.fill()
        self.configure(self.settings(self.relay), retry={"first": "1s", "max": "1s"},
                       daemon={"stop_timeout": "500ms"})
        return self.start_again(wrapper=self.disk.wrapper)

    def check_meanwhile(self, daemon):
        """What needs no room is sent, and nothing else."""
        self.wait_log(daemon, "room" if self.disk.renames else "quota")
        if self.disk.renames:
            self.wait_taken(self.relay, "dead", *GOOD)
            self.queue.wait_gone("dead", *GOOD)
            self.check_told()
        self.assertEqual(self.relay.copies("ann@lab.test"), 0)
        for name in ("two", "later", "no-one"):
            self.assertTrue(any(self.queue.has(f"{name}.{state}") for state in ("queued", "sending")),
                            self.queue.names())

    def check_told(self):
        """Why it waits is told of whatever waits, also where its relay has answered already."""
        listed = json.loads(self.outbox("list", "--json"))
        for one in listed:
            self.assertIn((one["waits"]["for"], self.told in one["waits"]["text"]), [("machine", True), ("turn", True)], one)
        self.assertIn(self.told, self.outbox("list"))

    def check_end(self, daemon):
        """Everything has come to its end, once."""
        wait_for(lambda: self.unfinished() == [], lambda: f"an end: {self.queue.names()}\n{daemon.output()}", 60)
        self.wait_taken(self.relay, "dead", "ann", "ben", "later", *GOOD)
        self.queue.wait_names("no-one.failed", "no-one.status")
        self.assertEqual([one["event"] for one in self.queue.events("no-one")], ["message", "refused", "failed"])
        self.assertEqual(daemon.terminate(), 0, daemon.output())

    def unfinished(self):
        return [name for name in self.queue.names() if name.endswith((".queued", ".sending", ".deferred"))]

    def test_daemon(self):
        daemon = self.start_full()
        self.check_meanwhile(daemon)
        self.free()
        self.check_end(daemon)

    if ALL:
        def test_daemon_that_is_started_again(self):
            """Twice while there is no room, and once afterwards."""
            daemon = self.start_full()
            for _ in range(2):
                self.check_meanwhile(daemon)
                self.later = 1  # that it was put off could not be written down
                self.assertEqual(daemon.terminate(), 0, daemon.output())
                daemon = self.start_again(wrapper=self.disk.wrapper)
            self.free()
            self.check_end(daemon)

        def test_given_up(self):
            """That it was given up is written down once there is room."""
            self.relay = self.odd(self.answer)
            self.drop("never", *GOOD)
            self.fill()
            self.configure(self.settings(self.relay), retry={"first": "1s", "max_attempts": 1})
            daemon = self.start_again(wrapper=self.disk.wrapper)
            if self.disk.renames:
                self.wait_taken(self.relay, *GOOD)
            self.assertFalse(self.queue.has("never.failed"))
            self.free()
            wait_for(lambda: self.unfinished() == [], self.queue.names, 60)
            self.wait_taken(self.relay, *GOOD)
            self.assertEqual([one["event"] for one in self.queue.events("never")], ["message", "deferred", "failed"])
            self.queue.wait_names("never.failed", "never.status")
            self.assertEqual(daemon.terminate(), 0)

    # ---- who queues ----

    def writers(self):
        files = []
        for number in range(3):
            files.append(self.directory / f"{number}.eml")
            files[-1].write_bytes(message(envelope=False, header=b"To: ann@lab.test\n"))
        sendmail = self.directory / "sendmail"
        sendmail.symlink_to(lab.program("outbox"))
        outbox = (lab.program("outbox"), "--config", self.configuration, "queue")
        yield 1, outbox
        yield 1, (*outbox, "--from", "a@lab.test", "--to", "c@lab.test", "--body", "x")
        yield 3, (*outbox, "--batch", *files)
        yield 1, (sendmail, "-C", self.configuration, "-i", "ann@lab.test")

    def call(self, arguments):
        return subprocess.run([str(one) for one in (*self.disk.wrapper, *arguments)], input=message(),
                              capture_output=True, check=False, timeout=300)

    def test_queueing(self):
        self.configure()
        for number, arguments in self.writers():
            with self.subTest(arguments=arguments):
                self.disk.fill()
                result = self.call(arguments)
                self.assertEqual(result.returncode, TEMPORARY, result)
                self.assertIn(b"nothing was queued", result.stderr)
                self.assertEqual(result.stdout, b"")
                self.disk.free()
                self.assertEqual(self.queue.names(), [], "something was left")
                result = self.call(arguments)
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.assertEqual(len(self.queue.in_state("queued")), number)
                for path in self.queue.path.iterdir():
                    path.unlink()


class Inodes(RoomTest):
    kind = small_disks.Inodes
    told = "df -i"

    def test_batch_with_room_for_some(self):
        """What is told to be queued is, and nothing else is there."""
        self.configure()
        (_, arguments), = (one for one in self.writers() if one[0] == 3)
        self.disk.fill()
        self.disk.free(2)
        result = self.call(arguments)
        self.assertEqual(result.returncode, TEMPORARY, result)
        told = sorted(os.path.basename(line) for line in result.stdout.decode().splitlines())
        self.assertEqual(self.queue.names(), told)
        self.assertLess(len(told), 3)


class Quota(RoomTest):
    kind = small_disks.Quota
    told = "could not write down how it is"


if ALL:
    class InodesOfExt4(RoomTest):
        kind = small_disks.InodesOfExt4
        told = "df -i"

    class QuotaOfBtrfs(RoomTest):
        kind = small_disks.QuotaOfBtrfs


del RoomTest
