"""Pickup directories: what programs of other systems write there becomes mail, once, and what is no
message hurts nobody."""

import os
import signal
import socket
import stat
import subprocess
import time

import lab
from case import SystemTest, as_delivered, message
from process import wait_for
from submission import ALICE, BOB, GROUP, KEEPER, SubmissionTest


def stuffed(content):
    return b"".join(b"." + line if line.startswith(b".") else line for line in content.splitlines(True))


class Pickup(SystemTest):
    def setUp(self):
        super().setUp()
        self.place = self.lab.new_directory()

    def serve(self, *relays, **pickup):
        self.configure(*relays, spool={"pickup": {"directory": str(self.place), **pickup}})
        return self.start_again()

    def put(self, name, content):
        (self.place / name).write_bytes(content)

    def wait_names(self, *names):
        wait_for(lambda: sorted(os.listdir(self.place)) == sorted(names),
                 lambda: f"there is {os.listdir(self.place)}")

    def test_files_before_and_after_the_start(self):
        ann, bob = self.address("ann"), self.address("bob")
        self.put("a.eml", message(to=[ann]).replace(b"\n", b"\r\n"))
        daemon = self.serve()
        self.wait_copies(1, ann)
        self.wait_log(daemon, "event=picked-up")
        self.put(".b.tmp", message(to=[bob]))
        (self.place / ".b.tmp").rename(self.place / "b.eml")
        self.wait_copies(1, bob)
        self.wait_names()

    def test_dotnet(self):
        """System.Net.Mail writes the envelope in front, with CRLF, and the dots as they are."""
        ann = self.address()
        body = b"From: shop@lab.test\r\nTo: ann@lab.test\r\nDate: 2 Mar 2026 10:20:30 +0100\r\n" \
            b"Message-ID: <net@lab.test>\r\nSubject: x\r\n\r\n.a\r\n..b\r\n"
        self.serve()
        self.put("0f8fad5b-d9cb-469f-a165-70867728950e.eml",
                 f"X-Sender: shop@lab.test\r\nX-Receiver: {ann}\r\n".encode() + body)
        self.assertEqual(self.wait_copies(1, ann)[0].content, as_delivered(body))

    def test_dot_stuffed(self):
        """MailKit's example for such a directory stuffs the dots, as IIS wants them."""
        ann = self.address()
        content = message(b".a\n..b\n\n.\nc\n", to=[ann])
        self.serve(dot_stuffed=True, pattern="*.msg")
        self.put("a.eml", content)
        self.put("a.msg", stuffed(content))
        expected = as_delivered(message(b".a\n..b\n\n.\nc\n", envelope=False))
        self.assertEqual(self.wait_copies(1, ann)[0].content, expected)
        self.wait_names("a.eml")

    def test_who_writes_slowly_is_waited_for(self):
        ann, bob = self.address("ann"), self.address("bob")
        content = message(b"x" * 70 + b"\n" + b"y" * 70 + b"\n", to=[ann])
        with open(self.place / "slow.eml", "wb", buffering=0) as file:
            file.write(content[:-50])
            self.serve()
            self.put("b.eml", message(to=[bob]))
            self.wait_copies(1, bob)
            self.wait_names("slow.eml")
            file.write(content[-50:])
        self.assertTrue(self.wait_copies(1, ann)[0].content.endswith(b"y" * 70 + b"\n"))

    def test_hostile_files(self):
        ann = self.address()
        os.mkfifo(self.place / "fifo.eml")
        (self.place / "link.eml").symlink_to("/etc/passwd")
        (self.place / "directory.eml").mkdir()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.place / "socket.eml"))
        self.put("empty.eml", b"")
        self.put("bad\x1b[31m\n.eml", b"")
        self.put("good.eml", message(to=[ann]))
        daemon = self.serve()
        self.wait_copies(1, ann)
        bad = ["fifo.eml", "link.eml", "directory.eml", "socket.eml", "empty.eml", "bad\x1b[31m\n.eml"]
        self.wait_names(*(name + end for name in bad for end in (".bad", ".bad.reason")))
        self.assertEqual((self.place / "fifo.eml.bad.reason").read_text(),
                         "it is not a regular file; a message is one\n")
        self.assertEqual(stat.S_IMODE((self.place / "fifo.eml.bad.reason").stat().st_mode), 0o644)
        wait_for(lambda: daemon.output().count("event=pickup-refused") >= len(bad), daemon.output)
        log = daemon.output()
        self.assertEqual(log.count("event=pickup-refused"), len(bad), log)
        self.assertNotIn("\x1b", log)
        # Told to who asks, until they are gone; and not told again by another daemon.
        wait_for(lambda: "files here that could not be taken: 6" in self.status(), self.status)
        for name in os.listdir(self.place):
            path = self.place / name
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        wait_for(lambda: "could not be taken" not in self.status(), self.status)

    def test_names_of_refused_files(self):
        """The log has the old name, which is the way back, also where the new one is not that and .bad."""
        fits, long = "f" * 240 + ".eml", "l" * 251 + ".eml"
        (self.place / "taken.eml.bad").mkdir()
        for name in ("taken.eml", fits, long):
            self.put(name, b"")
        daemon = self.serve()
        wait_for(lambda: daemon.output().count("event=pickup-refused") == 3, daemon.output)
        bad = {name for name in os.listdir(self.place) if name.endswith(".bad")} - {"taken.eml.bad"}
        self.assertEqual(len(bad), 3, bad)
        self.assertIn(fits + ".bad", bad)
        for name in bad:
            self.assertEqual((self.place / (name + ".reason")).read_text(), "it is empty\n")
        log = daemon.output()
        taken = next(name for name in bad if name.startswith("taken.eml-"))
        self.assertIn(f"/taken.eml is no message that can be taken, and is called {taken} now: it is empty", log)
        for name in ("taken.eml", fits, long):
            self.assertIn(f"file={self.place}/{name} ", log)

    def status(self):
        return lab.outbox("--config", self.configuration, "status").stdout.decode()

    def test_directory_comes_late(self):
        self.place.rmdir()
        daemon = self.serve()
        self.wait_log(daemon, "there is no such pickup directory")
        wait_for(lambda: "there is no such pickup directory" in self.status(), self.status)
        self.place.mkdir()
        self.put("a.eml", message(to=[self.address()]))
        daemon.reload()
        self.wait_copies(1, self.address())

    def test_reload_takes_another_directory(self):
        other = self.lab.new_directory()
        daemon = self.serve()
        self.configure(spool={"pickup": f"{other}, pattern=*.mail"})
        daemon.reload()
        (other / "a.mail").write_bytes(message(to=[self.address()]))
        self.put("a.eml", message(to=[self.address("nobody")]))
        self.wait_copies(1, self.address())
        self.assertEqual(os.listdir(self.place), ["a.eml"])

    def test_killed_again_and_again(self):
        """Each message arrives once, however often the daemon dies while it takes them."""
        addresses = [self.address(f"r{n}") for n in range(60)]
        daemon = self.serve(self.lab.relay(9, name="down"))
        for number, address in enumerate(addresses):
            self.put(f"m{number}.eml", message(to=[address]))
            if number % 10 == 9:
                daemon.signal(signal.SIGKILL)
                daemon.wait()
                daemon = self.start_again()
        self.wait_names()
        # What a dead daemon was sending is given back with care, one after the other.
        wait_for(lambda: len(self.queue.in_state("queued") + self.queue.in_state("sending")) == 60,
                 lambda: f"there are {self.queue.names()}")

    def check(self):
        result = subprocess.run([lab.program("outboxd"), "--config", self.configuration, "--check"],
                                capture_output=True, check=False, timeout=280)
        return result.returncode, result.stderr.decode()

    def test_check_tells(self):
        self.configure(spool={"pickup": f"{self.place}"})
        self.place.chmod(0o755)
        self.assertEqual(self.check(), (0, ""))
        self.place.chmod(0o777)
        status, text = self.check()
        self.assertEqual(status, 0)
        self.assertRegex(text, "spool.pickup: .*everybody may rename, replace and remove")
        self.place.rmdir()
        status, text = self.check()
        self.assertEqual(status, 78)
        self.assertRegex(text, "spool.pickup: .*there is no such pickup directory; make it")
        self.configure(spool={"pickup": str(self.queue.path)})
        status, text = self.check()
        self.assertEqual(status, 78)
        self.assertRegex(text, "spool.pickup: .*is the queue directory itself")

    def test_read_only_place(self):
        lab.need_namespace("mount")
        self.configure(spool={"pickup": f"{self.place}"})
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c",
             f"mount --bind {self.place} {self.place} && mount -o remount,bind,ro {self.place} && exec \"$@\"",
             "sh", lab.program("outboxd"), "--config", self.configuration, "--check"],
            capture_output=True, check=False, timeout=280)
        self.assertEqual(result.returncode, 78, result)
        self.assertIn(b"may write nothing", result.stderr)
        self.assertIn(f"ReadWritePaths={self.place}".encode(), result.stderr)


class OthersFiles(SubmissionTest):
    """A daemon with a user of its own, and a directory that several users write into."""

    def setUp(self):
        super().setUp()
        self.place = self.lab.new_directory()
        os.chown(self.place, KEEPER, GROUP)
        self.place.chmod(0o1777)

    def put(self, name, uid, mode=0o644, content=None):
        path = self.place / ("." + name)
        path.write_bytes(content or message(to=[self.address()]))
        os.chown(path, uid, GROUP)
        path.chmod(mode)
        path.rename(self.place / name)

    def pickup(self, *relays, **spool):
        return self.serve(*relays, pickup=str(self.place), settle="100ms", **spool)

    def test_whose_it_is(self):
        self.put("a.eml", ALICE)
        self.put("b.eml", BOB, content=b"X-Outbox-Uid: 0\n" + message(to=[self.address()]))
        self.pickup(self.down())
        wait_for(lambda: len(self.queue.in_state("queued")) == 2, lambda: os.listdir(self.place))
        self.assertEqual(self.owners(), [ALICE, BOB])

    def test_sender_rules_hold(self):
        self.put("a.eml", ALICE)
        self.pickup(self.down(), senders=f"{ALICE}: alice@lab.test; *: *")
        wait_for(lambda: len(self.queue.in_state("failed")) == 1, lambda: os.listdir(self.queue.path))

    def test_hard_link_to_anothers_file(self):
        secret = self.home / "secret"
        secret.write_bytes(message(b"secret\n", to=[self.address()]))
        os.link(secret, self.place / "a.eml")
        past = time.time() - 3600
        os.utime(secret, (past, past))
        self.put("b.eml", BOB)
        self.pickup(self.down())
        wait_for(lambda: (self.place / "a.eml.bad").exists(), lambda: os.listdir(self.place))
        self.assertIn("several names (hard links)", (self.place / "a.eml.bad.reason").read_text())
        self.assertEqual(self.owners(), [BOB])
        self.assertEqual(secret.stat().st_nlink, 2)

    def test_unreadable(self):
        self.put("a.eml", ALICE, mode=0o600)
        self.put("b.eml", BOB)
        self.pickup(self.down())
        wait_for(lambda: (self.place / "a.eml.bad.reason").exists(), lambda: os.listdir(self.place))
        self.assertRegex((self.place / "a.eml.bad.reason").read_text(),
                         f"may not read it: it belongs to user {ALICE}, group {GROUP}, with mode 0600")
        self.assertEqual(self.owners(), [BOB])

    def test_too_large(self):
        self.put("a.eml", ALICE, content=message(b"x\n" * 5000, to=[self.address()]))
        self.pickup(self.down(), submit_max_size="9K")
        wait_for(lambda: (self.place / "a.eml.bad.reason").exists(), lambda: os.listdir(self.place))
        self.assertIn("spool.submit_max_size", (self.place / "a.eml.bad.reason").read_text())

    def test_sticky_directory_of_another(self):
        os.chown(self.place, ALICE, GROUP)
        self.put("a.eml", BOB)
        daemon = self.pickup(self.down())
        self.wait_log(daemon, "the pickup directory is sticky and belongs to user")
        self.assertEqual(os.listdir(self.place), ["a.eml"])
        self.assertEqual(self.queue.in_state("queued"), [])
