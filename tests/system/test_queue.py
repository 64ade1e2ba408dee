"""outbox queue: whole messages with another envelope, large ones, batches, and users who may do little."""

import os
import pathlib
import resource

import lab
from case import SystemTest, message

WRITER = 64012
GROUP = 64013


class Envelope(SystemTest):
    def printed(self, content, *arguments):
        """What would be queued, its line ends as LF."""
        self.configure()
        return self.outbox("queue", "-d", "*", *arguments, stdin=content).replace("\r\n", "\n")

    def test_untouched(self):
        content = b"X-Sender: <a@b>\r\nX-Receiver: <c@d>\r\nSubject: x\r\n\r\nHello.\r\n"
        self.configure()
        self.assertEqual(lab.outbox("queue", "-d", "*", stdin=content).stdout, content)

    def test_recipients_replace_the_envelope_s(self):
        content = b"x-receiver: c@d\nX-Sender:\n <a@b> RET=HDRS\nX-Receiver: e@f\n NOTIFY=NEVER\nFrom: x@y\n\n"
        self.assertEqual(
            self.printed(content, "Ann <ann@lab.test>, bob@lab.test", "eve@lab.test"),
            "X-Receiver: <ann@lab.test>\nX-Receiver: <bob@lab.test>\nX-Receiver: <eve@lab.test>\n"
            "X-Sender:\n <a@b> RET=HDRS\nFrom: x@y\n\n",
        )

    def test_sender_and_recipients_of_a_raw_message(self):
        path = self.directory / "raw"
        path.write_bytes(b"From: x@y\r\nTo: z@y\r\n\r\nHello.")
        self.assertEqual(
            self.printed(b"", "--raw", path, "--from", "Shop <s@lab.test>", "--cc", "c@lab.test"),
            "X-Sender: <s@lab.test>\nX-Receiver: <c@lab.test>\nFrom: x@y\nTo: z@y\n\nHello.",
        )
        self.assertEqual(
            self.printed(path.read_bytes(), "--raw", "-", "--return-path", ""),
            "X-Sender: <>\nFrom: x@y\nTo: z@y\n\nHello.",
        )

    def test_what_is_refused(self):
        self.configure()
        whole = message(envelope=False)
        for content, arguments, status in (
            (b"", (), 65),
            (whole, ("a@@b",), 65),
            (whole, ("Friends:;",), 65),
            (b"X-Sender: a@@b\n" + whole, ("a@b",), 65),
            (b"Subject: x\n" * 110000, ("a@b",), 65),
            (whole, ("--raw", "/nonexistent"), 66),
            (whole, ("--raw", "/"), 66),
            (whole, ("--raw", "-", "--subject", "x"), 64),
            (whole, ("--priority", "high"), 64),
            (whole, ("-d", "/nonexistent", "a@b"), 73),
            (whole, ("--batch",), 64),
        ):
            result = self.outbox("queue", *arguments, stdin=content, status=None)
            self.assertEqual(result.returncode, status, (arguments, result.stderr))
            self.assertRegex(result.stderr.decode(), r"\Aoutbox: .+\n\Z" if status == 64 else r"\Aoutbox: \d+: .+\n\Z")
            self.assertTrue(self.queue.is_empty())

    def test_the_line_of_what_was_given_is_told(self):
        self.configure()
        path = self.directory / "raw"
        for content, arguments, told in (
            (b"From: a@b\nTo: c@d\nno field\n\n", ("e@f", "g@h"), "line 3, "),
            (b"X-Sender: x@y\nX-Receiver: a@@b\nFrom: a@b\n\n", ("--raw", path, "--from", "c@d"), "line 2, X-"),
            (b"\nFrom: a@b\nTo: c@d e@f\n\n", ("--raw", path, "--from", "c@d"), "line 3, To: "),
        ):
            path.write_bytes(content)
            result = self.outbox("queue", *arguments, stdin=content, status=None)
            self.assertEqual(result.returncode, 65)
            self.assertIn(told, result.stderr.decode())

    def test_large(self):
        self.configure()
        content = message(b"0123456789abcde\n" * 500000)
        path = self.outbox("queue", "--raw", "-", "--from", "other@lab.test", stdin=content).strip()
        with open(path, "rb") as file:
            self.assertEqual(file.read(), content.replace(b"shop@lab.test", b"other@lab.test", 1))


class Batch(SystemTest):
    def files(self, count):
        paths = []
        for i in range(count):
            paths.append(self.directory / f"{i}.eml")
            paths[-1].write_bytes(message(b"%d\n" % i))
        return paths

    def test_all_are_queued_in_order(self):
        self.configure()
        paths = [pathlib.Path(p) for p in self.outbox("queue", "--batch", *self.files(1100)).splitlines()]
        self.assertEqual(len(paths), 1100)
        self.assertEqual(sorted(p.name for p in paths), self.queue.names())
        for i, path in enumerate(paths):
            self.assertTrue(path.read_bytes().endswith(b"\n%d\n" % i))

    def test_a_bad_one_does_not_stop_the_others(self):
        self.configure()
        files = self.files(20)
        files[3].write_bytes(b"garbage")
        files[17] = self.directory / "nonexistent"
        result = self.outbox("queue", "-b", *files, status=None)
        self.assertEqual(result.returncode, 66)
        self.assertEqual(len(result.stdout.splitlines()), 18)
        self.assertEqual(len(self.queue.names()), 18)
        errors = result.stderr.decode().splitlines()
        self.assertEqual(len(errors), 2)
        self.assertRegex(errors[0], r"^outbox: 9003: .*/3\.eml: ")
        self.assertRegex(errors[1], r"^outbox: 303: .*/nonexistent: ")

    def test_with_one_envelope(self):
        self.configure()
        paths = self.outbox("queue", "-b", "--to", "ann@lab.test", *self.files(2)).splitlines()
        for path in paths:
            with open(path, "rb") as file:
                self.assertTrue(file.read().startswith(b"X-Receiver: <ann@lab.test>\nX-Sender: "))

    def test_few_descriptors(self):
        self.configure()
        result = self.outbox("queue", "-b", *self.files(100), status=None,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20)))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(self.queue.names()), 100)


class DropBox(SystemTest):
    """As a member of the queue's group, who may neither list it nor read the relay's password."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        os.chown(self.queue.path, 0, GROUP)
        self.queue.path.chmod(0o3730)
        secret = self.directory / "password"
        secret.write_text("wonder\n", encoding="ascii")
        secret.chmod(0o600)
        self.configure({"host": "127.0.0.1", "user": "u", "password_file": secret})
        self.configuration.chmod(0o644)

    def run_as_writer(self, *arguments, stdin=b""):
        return self.outbox(*arguments, stdin=stdin, status=None, user=WRITER, group=GROUP, extra_groups=[])

    def test_one(self):
        result = self.run_as_writer("queue", stdin=message())
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(self.queue.in_state("queued")), 1)

    def test_batch(self):
        files = []
        for i in range(30):
            files.append(self.directory / f"{i}.eml")
            files[-1].write_bytes(message())
        result = self.run_as_writer("queue", "--batch", *files)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(self.queue.in_state("queued")), 30)
        self.assertEqual(len(self.queue.names()), 30)

    def test_a_stranger(self):
        result = self.outbox("queue", stdin=message(), status=None, user=WRITER, group=WRITER, extra_groups=[])
        self.assertEqual(result.returncode, 77)
        self.assertIn("become a member of that group", result.stderr.decode())

    def test_configuration_that_cannot_be_read(self):
        self.configuration.chmod(0o600)
        result = self.run_as_writer("queue", stdin=message())
        self.assertEqual(result.returncode, 77)
        self.assertIn("--directory", result.stderr.decode())
        result = self.run_as_writer("queue", "--directory", self.queue.path, stdin=message())
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_who_may_not_list_is_told_who_may(self):
        text = self.run_as_writer("list").stderr.decode()
        self.assertRegex(text, r"may not list the queue directory, which belongs to user 0 with mode 3730; run as")
        self.assertNotIn("chown", text)  # the daemon would lose it
        above = self.directory / "above"
        (above / "queue").mkdir(parents=True)
        above.chmod(0o700)
        text = self.run_as_writer("list", "--directory", above / "queue").stderr.decode()
        self.assertIn("may not enter a directory above", text)
        self.assertNotIn("chown", text)
