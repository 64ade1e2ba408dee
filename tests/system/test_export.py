"""outbox export: messages leave the queue as files or a stream, and come back with the same bytes."""

import datetime
import json
import mailbox
import os
import stat
import subprocess

import lab
from case import SystemTest, message
from submission import ALICE, BOB, SubmissionTest, as_user


class Export(SystemTest):
    def setUp(self):
        super().setUp()
        self.target = self.lab.new_directory()
        self.configure()

    def export(self, *arguments, status=0):
        result = lab.outbox("--config", self.configuration, "export", *arguments)
        self.assertEqual(result.returncode, status, result)
        return result

    def content_in(self, directory):
        """What each message has behind its envelope, and the envelope's lines."""
        found = []
        for path in sorted(directory.iterdir()):
            front, _, rest = path.read_bytes().partition(b"From: ")
            found.append((sorted(line for line in front.splitlines() if not line.startswith(b"X-Outbox-Uid")),
                          b"From: " + rest))
        return sorted(found)

    @staticmethod
    def silent(body):
        return message(body, to=["ann@lab.test"]).replace(
            b"X-Receiver: <ann@lab.test>", b"X-Receiver: <ann@lab.test> NOTIFY=NEVER")

    def drop(self):
        self.queue.drop("a", self.silent(b".a\r\n..\n.\n" + b"y" * 300000 + b"\xff\nno end"))
        self.queue.drop("b", message(to=["bob@lab.test", "eve@lab.test"], sender=""), state="held")

    def test_files_come_back_the_same(self):
        self.drop()
        before = {name: (self.queue.path / name).read_bytes() for name in os.listdir(self.queue.path)}
        self.export(self.target)
        self.assertEqual(sorted(os.listdir(self.target)), ["a.eml", "b.eml"])
        self.assertEqual(stat.S_IMODE((self.target / "a.eml").stat().st_mode), 0o600)
        self.assertEqual(self.content_in(self.target), self.content_in(self.queue.path))
        self.assertEqual(before, {n: (self.queue.path / n).read_bytes() for n in os.listdir(self.queue.path)})
        self.check_import("eml", self.target)

    def test_maildir(self):
        self.drop()
        said = self.export("--format", "maildir", self.target).stdout.decode()
        self.assertEqual(sorted(os.listdir(self.target)), ["cur", "new", "tmp"])
        self.assertEqual((os.listdir(self.target / "tmp"), os.listdir(self.target / "cur")), ([], []))
        self.assertEqual(self.content_in(self.target / "new"), self.content_in(self.queue.path))
        box = mailbox.Maildir(self.target, create=False)
        self.assertEqual(sorted(one["X-Receiver"] for one in box), ["<ann@lab.test> NOTIFY=NEVER", "<bob@lab.test>"])
        for path in (self.target / "new").iterdir():
            self.assertIn(f" -> {path}\n", said)
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        (one,) = json.loads(self.export("--json", "--format", "maildir", "a", self.target).stdout)
        self.assertTrue((self.target / one["file"]).is_file(), one)
        self.assertEqual(len(os.listdir(self.target / "new")), 3)
        (self.directory / "other").mkdir()
        (self.directory / "other" / "new").write_text("")
        self.assertIn(b"its tmp and new cannot be opened",
                      self.export("--format", "maildir", self.directory / "other", status=66).stderr)
        self.assertIn(b"the formats are eml, maildir and bsmtp",
                      self.export("--format", "mbox", self.target, status=64).stderr)

    def check_import(self, form, path):
        other = self.lab.new_directory()
        result = lab.outbox("--config", self.configuration, "import", "--directory", other, form, path)
        self.assertEqual(result.returncode, 0, result)
        self.assertEqual(self.content_in(other), self.content_in(self.queue.path))

    def test_lane_and_time_come_back(self):
        time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)
        front = b"X-Outbox-Lane: bulk\nX-Outbox-Not-Before: %s.000000Z\n" % time.strftime("%FT%T").encode()
        self.queue.drop("a", front + message())
        self.export(self.target)
        self.check_import("eml", self.target)
        for stream in ((self.target / "a",), ("--json", self.target / "b")):
            told = self.export("--format", "bsmtp", *stream).stderr
            self.assertIn(b"as 1 of them does: who takes the stream sends them at once", told)

    def test_stream_comes_back_the_same(self):
        self.queue.drop("a", self.silent(b".a\n..\n.\n" + b"y" * 300000 + b"\n"))
        self.queue.drop("b", message(to=["bob@lab.test", "eve@lab.test"], sender=""), state="held")
        stream = self.target / "mail.bsmtp"
        self.export("--format", "bsmtp", stream)
        self.check_import("bsmtp", stream)
        self.assertEqual(self.export("-").stdout, stream.read_bytes())
        again = self.export("--format", "bsmtp", stream, status=66)
        self.assertIn(b"is there already, and stays", again.stderr)

    def test_nobody_reads_the_stream(self):
        self.queue.drop("a", self.silent(b"y" * 300000 + b"\n"))
        reader, writer = os.pipe()
        os.close(reader)
        result = subprocess.run([lab.program("outbox"), "--config", self.configuration, "export", "-"], stdout=writer,
                                stderr=subprocess.PIPE, check=False, timeout=60)
        os.close(writer)
        self.assertEqual(result.returncode, 74, result.stderr)
        self.assertIn(b"standard output cannot be written to: Broken pipe", result.stderr)

    def test_names_do_not_collide(self):
        self.drop()
        (self.target / "a.eml").write_bytes(b"mine\n")
        (self.target / "a-2.eml").symlink_to("/etc/passwd")
        self.export(self.target)
        self.assertEqual(sorted(os.listdir(self.target)), ["a-2.eml", "a-3.eml", "a.eml", "b.eml"])
        self.assertEqual((self.target / "a.eml").read_bytes(), b"mine\n")

    def test_selection(self):
        self.drop()
        answer = json.loads(self.export("--json", "--state", "held", self.target).stdout)
        self.assertEqual(answer, [{"id": "b", "file": "b.eml", "delivered": 0, "error": None}])
        self.export("a", self.target)
        self.assertEqual(sorted(os.listdir(self.target)), ["a.eml", "b.eml"])
        self.assertIn(b"there is no message", self.export("nothing", self.target, status=66).stderr)

    def test_who_has_had_it_is_left_out(self):
        relay = self.lab.relay("plain")
        self.start(relay)
        self.queue.drop("m", message(to=[self.address(), "refused@lab.test"]))
        self.queue.wait_state("m", "failed")
        result = self.export(self.target)
        self.assertIn(b"m.eml (without 1 who has it)\n", result.stdout)
        text = (self.target / "m.eml").read_text()
        self.assertIn("X-Receiver: <refused@lab.test>", text)
        self.assertNotIn(self.address(), text.split("\n\n", 1)[0].split("From:")[0])

    def test_what_is_no_message_is_told(self):
        (self.queue.path / "x.queued").write_bytes(b"")
        self.queue.drop("y", message(), state="sent")
        os.symlink("/etc/passwd", self.queue.path / "z.queued")
        result = self.export(self.target, status=65)
        self.assertEqual(os.listdir(self.target), [])
        self.assertIn(b"x: ", result.stderr)
        self.assertIn(b"symbolic link", result.stderr)
        self.assertIn(b"there is no directory", self.export(self.target / "no", status=66).stderr)

    def test_wrong_words(self):
        for words in ((), ("--format", "mbox", self.target), ("--format", "eml", "-"), ("--json", "-"),
                      ("--state", "held", "a", self.target)):
            self.export(*words, status=64)

    def test_hostile_files_to_import(self):
        os.mkfifo(self.target / "fifo.eml")
        (self.target / "link.eml").symlink_to("/etc/passwd")
        (self.target / "two.eml").write_bytes(b"X-Sender: <a@b.test>\nX-Sender: <c@b.test>\n" + message())
        for name, line in (("lane", b"X-Outbox-Lane: b"), ("time", b"X-Outbox-Not-Before: 2026-12-01T00:00:00Z")):
            (self.target / f"{name}s.eml").write_bytes((line + b"\n") * 2 + message())
        (self.target / "far.eml").write_bytes(b"X-Outbox-Not-Before: 2099-12-01T00:00:00Z\n" + message())
        (self.target / "no-lane.eml").write_bytes(b"X-Outbox-Lane: a b\n" + message())
        (self.target / "no-time.eml").write_bytes(b"X-Outbox-Not-Before: soon\n" + message())
        (self.target / "nul.eml").write_bytes(b"X-Sender: <a@b.test>\0\n" + message())
        (self.target / "none.eml").write_bytes(b"")
        (self.target / "other.txt").write_bytes(message())
        (self.target / "long.eml").write_bytes(b"X-Receiver: <" + b"a" * 100000 + b"@b.test>\n" + message())
        (self.target / "folded.eml").write_bytes(b"X-Receiver:\n" + (b" " * 8000 + b"\n") * 100 + message())
        (self.target / "good.eml").write_bytes(
            b"\xef\xbb\xbfX-Sender: <s@lab.test>\r\nX-Receiver:\r\n <r@lab.test>\r\n" + message(envelope=False))
        result = lab.outbox("--config", self.configuration, "import", "--remove", "eml", self.target)
        self.assertEqual(result.returncode, 65, result)
        self.assertIn(b"1 message imported, 12 left", result.stdout)
        self.assertNotIn("good.eml", os.listdir(self.target))
        self.assertEqual(len(os.listdir(self.target)), 13)
        found = json.loads(lab.outbox("--config", self.configuration, "list", "--json").stdout)
        self.assertEqual([(m["sender"], m["recipients"]) for m in found], [("s@lab.test", ["r@lab.test"])])


class OnesOwn(SubmissionTest):
    def run_as(self, uid, *arguments):
        return subprocess.run(
            [*as_user(uid), self.programs / "outbox", "--config", self.configuration, "export", *arguments],
            capture_output=True, check=False, timeout=280)

    def test_a_stranger_gets_his_own(self):
        self.serve(self.down())
        for uid, address in ((ALICE, "ann@lab.test"), (BOB, "bob@lab.test")):
            self.assertEqual(self.queue_as(uid, address).returncode, 0)
        result = self.run_as(ALICE, "-")
        self.assertEqual(result.returncode, 0, result)
        self.assertEqual(result.stdout.count(b"RCPT TO:<ann@lab.test>"), 1)
        self.assertNotIn(b"bob@lab.test", result.stdout)
        place = self.lab.new_directory()
        place.chmod(0o777)
        result = self.run_as(ALICE, place)
        self.assertEqual(result.returncode, 77, result)
        self.assertIn(b"on standard output alone", result.stderr)
        self.assertEqual(os.listdir(place), [])
