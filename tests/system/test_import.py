"""outbox import: messages of other systems' queues, as those systems leave them when they are stopped."""

import fcntl
import json
import os
import lab
import re
import pathlib
import smtplib
import subprocess

from case import SystemTest
from postfix import SERVICES
from process import Process, free_port, wait_for

NULLMAILER = (b"shop@lab.test\nann@lab.test\nbob@lab.test\n\n"
              b"Received: (nullmailer pid 12 invoked by uid 0)\nFrom: shop@lab.test\nSubject: hello\n\n.dot\nend\n")


class ImportTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.configure()
        self.other = self.directory / "other"
        self.other.mkdir()

    def put(self, name, content):
        path = self.other / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o700)  # as Postfix marks what is whole
        return path

    def queued(self):
        return [path.read_bytes() for path in sorted(pathlib.Path(self.queue.path).glob("*.queued"))]


class Import(ImportTest):
    def test_nullmailer(self):
        path = self.put("queue/1700000000.12", NULLMAILER)
        told = self.outbox("import", "nullmailer", self.other)
        self.assertIn(f"{path} -> {self.queue.path}/", told)
        self.assertIn("1 message imported; it is in the other queue as well", told)
        self.assertEqual(self.queued(), [
            b"X-Sender: <shop@lab.test>\nX-Receiver: <ann@lab.test>\nX-Receiver: <bob@lab.test>\n"
            + NULLMAILER.partition(b"\n\n")[2]])
        self.assertTrue(path.exists())

    def test_what_was_stopped_only(self):
        self.put("queue/1700000000.12", NULLMAILER)
        os.mkfifo(self.other / "trigger")
        self.outbox("import", "nullmailer", self.other)
        reader = os.open(self.other / "trigger", os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        for path in (self.other, self.other / "queue"):
            result = self.outbox("import", "nullmailer", path, status=None)
            self.assertIn("systemctl stop nullmailer", result.stderr.decode())
        self.assertEqual(len(self.queued()), 1)

    def test_what_is_no_file_of_its_own(self):
        """Hard links are one message; what is not read is named."""
        first = self.put("queue/1", NULLMAILER)
        os.link(first, self.other / "queue/2")
        os.symlink(first, self.other / "queue/3")
        os.mkfifo(self.other / "queue/4")
        result = self.outbox("import", "nullmailer", self.other, status=None)
        self.assertEqual(result.returncode, 65)
        self.assertIn("1 message imported, 3 left", result.stdout.decode())
        for name, said in (("2", "another name (a hard link)"), ("3", "a symbolic link"), ("4", "not a regular file")):
            self.assertRegex(result.stderr.decode(), rf"(?m)^outbox: 9003: {self.other}/queue/{name}: it is {re.escape(said)}")
        self.assertEqual(len(self.queued()), 1)

    def test_gravest_status(self):
        """What may pass is told by the status, whatever else there was."""
        self.put("queue/1", NULLMAILER.replace(b"Subject: hello\n", b"Subject: hello\n" + b"X-Long: y\n" * 4000))
        self.put("queue/2", b"shop@lab.test\nnobody\n\nSubject: x\n\n")
        command = [lab.program("outbox"), "--config", str(self.configuration), "import", "nullmailer", str(self.other)]
        result = subprocess.run(["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *command], capture_output=True, check=False, timeout=300)
        self.assertEqual(result.returncode, 73, result.stderr)
        self.assertIn(b"/queue/2: ", result.stderr)
        disk = self.lab.new_directory()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=3730", "none", disk], check=False,
                          capture_output=True).returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        result = subprocess.run([*command[:-2], "--directory", disk, *command[-2:]], capture_output=True, check=False, timeout=300)
        self.assertEqual(result.returncode, 75, result.stderr)
        self.assertIn(b"/queue/2: ", result.stderr)

    def test_removed_when_it_is_queued(self):
        good = self.put("queue/1", NULLMAILER)
        bad = self.put("queue/2", b"shop@lab.test\nnobody\n\nSubject: x\n\n")
        self.assertIn("would be imported", self.outbox("import", "-n", "--remove", "nullmailer", self.other, status=None)
                      .stdout.decode())
        self.assertTrue(good.exists())
        result = self.outbox("import", "--remove", "nullmailer", self.other, status=None)
        self.assertIn("1 message imported, 1 left\n", result.stdout.decode())
        self.assertIn(f"{bad}: ", result.stderr.decode())
        self.assertIn("nobody", result.stderr.decode())
        self.assertEqual((good.exists(), bad.exists(), result.returncode), (False, True, 65))

    def test_dma(self):
        first = self.put("Q1a.2b", b"ID: 1a.2b\nSender: shop@lab.test\nRecipient: ann@lab.test\n")
        self.put("M1a.2b", b"From: shop@lab.test\nX-Receiver: <eve@lab.test>\n\ntext\n")
        busy = self.put("Q1a.2c", b"ID: 1a.2c\nSender:\nRecipient: bob@lab.test\n")
        os.link(self.other / "M1a.2b", self.other / "M1a.2c")
        with open(busy, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            result = self.outbox("import", "--remove", "dma", self.other, status=None)
            self.assertIn("1a.2c: dma is delivering it", result.stderr.decode())
        self.assertFalse(first.exists() or (self.other / "M1a.2b").exists())
        self.assertEqual(self.queued(), [b"X-Sender: <shop@lab.test>\nX-Receiver: <ann@lab.test>\n"
                                         b"From: shop@lab.test\nX-Receiver: <eve@lab.test>\n\ntext\n"])
        self.outbox("import", "dma", self.other)
        self.assertTrue(any(text.startswith(b"X-Sender: <>\nX-Receiver: <bob@lab.test>\n") for text in self.queued()))

    def test_msmtpq(self):
        self.put("2026-01-01-10.10.10.mail", b"From: shop@lab.test\nTo: ann@lab.test\n\ntext\n")
        self.put("2026-01-01-10.10.10.msmtp", b"-oi -a work -t -N failure,delay -R hdrs --from=app@lab.test\n")
        self.put("2026-01-01-10.10.11.mail", b"From: shop@lab.test\n\ntext\n")
        self.put("2026-01-01-10.10.11.msmtp", b"-f app@lab.test --dsn-notify never -- bob@lab.test\n")
        self.put("2026-01-01-10.10.12.mail", b"From: shop@lab.test\n\nhalf of a pair\n")
        self.put("2026-01-01-10.10.13.mail", b"From: shop@lab.test\n\ntext\n")
        self.put("2026-01-01-10.10.13.msmtp", b"--frobnicate bob@lab.test\n")
        result = self.outbox("import", "msmtpq", self.other, status=None)
        self.assertIn("2 messages imported, 2 left", result.stdout.decode())
        self.assertIn("10.10.12.msmtp", result.stderr.decode())
        self.assertIn("option --frobnicate is not known here", result.stderr.decode())
        starts = [text.partition(b"From:")[0] for text in self.queued()]
        self.assertIn(b"X-Sender: <app@lab.test> RET=HDRS\nX-Receiver: <ann@lab.test> NOTIFY=FAILURE,DELAY\n", starts)
        self.assertIn(b"X-Sender: <app@lab.test>\nX-Receiver: <bob@lab.test> NOTIFY=NEVER\n", starts)
        (self.other / ".lock").mkdir()
        result = self.outbox("import", "msmtpq", self.other, status=None)
        self.assertIn(f"remove {self.other}/.lock", result.stderr.decode())

    def test_batch_smtp(self):
        text = ("EHLO x\r\nMAIL FROM:<shop@lab.test> SIZE=10 RET=HDRS\r\nRCPT TO:<ann@lab.test> NOTIFY=NEVER\r\n"
                "DATA\r\nFrom: shop@lab.test\r\n\r\n..dot\r\n" + "x" * 200_000 + "\r\n.x\r\n.\r\n"
                "mail from:<>\r\nrcpt to:<bob@lab.test>\r\ndata\r\nSubject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n")
        told = self.outbox("import", "bsmtp", "-", stdin=text.encode())
        self.assertTrue(told.endswith("2 messages imported\n"), told)  # and nothing of --remove, which it does not take
        first, second = sorted(self.queued(), key=len, reverse=True)
        self.assertEqual(first, b"X-Sender: <shop@lab.test> RET=HDRS\r\nX-Receiver: <ann@lab.test> NOTIFY=NEVER\r\n"
                         b"From: shop@lab.test\r\n\r\n.dot\r\n" + b"x" * 200_000 + b"\r\nx\r\n")
        self.assertTrue(second.startswith(b"X-Sender: <>\r\nX-Receiver: <bob@lab.test>\r\n"), second)

    def test_batch_that_breaks_off(self):
        for text, why in ((b"MAIL FROM:<a@b.c>\nRCPT TO:<d@e.f>\nDATA\nSubject: x\n\nhalf", "ends within a message"),
                          (b"RCPT TO:<d@e.f>\n", "line 1: RCPT comes before MAIL"),
                          (b"EHLO x\nhello\n", "line 2: it is no command"),
                          (b"MAIL FROM:<a@b.c>\nMAIL FROM:<a@b.c>\n", "line 2: MAIL comes twice"),
                          (b"MAIL FROM:<a@b.c>\nRCPT TO:<a b>\n", "line 2: "),
                          (b"MAIL FROM:" + b"x" * 10_000 + b"\n", "line 1, in front of the message, is longer")):
            result = self.outbox("import", "bsmtp", "-", stdin=text, status=None)
            self.assertIn(why, result.stderr.decode())
            self.assertEqual((result.returncode, self.queued()), (65, []), text)

    def test_as_json_and_wrong_use(self):
        path = self.put("queue/1", NULLMAILER)
        told = json.loads(self.outbox("import", "--json", "nullmailer", self.other))
        self.assertEqual([(one["source"], one["error"]) for one in told], [(str(path), None)])
        self.assertTrue(told[0]["path"].endswith(".queued"))
        self.assertIn("no format that can be imported: those are nullmailer",
                      self.outbox("import", "sendmail", self.other, status=None).stderr.decode())
        self.assertIn("are needed", self.outbox("import", "postfix", status=None).stderr.decode())
        self.assertIn("does not go with bsmtp",
                      self.outbox("import", "--remove", "bsmtp", "-", status=None).stderr.decode())
        self.assertIn("cannot look at", self.outbox("import", "dma", self.other / "no", status=None).stderr.decode())


class ImportPostfix(ImportTest):
    """A Postfix that defers everything is stopped, and its queue imported."""

    def setUp(self):
        super().setUp()
        for name in ("etc", "queue", "data"):
            (self.other / name).mkdir(mode=0o755)
        subprocess.run(["chown", "postfix", self.other / "data"], check=True)
        self.port = free_port()
        (self.other / "etc/main.cf").write_text(
            f"compatibility_level = 3.6\nqueue_directory = {self.other}/queue\ndata_directory = {self.other}/data\n"
            f"maillog_file = {self.other}/postfix.log\nmaillog_file_prefixes = {self.other}\nalias_maps =\n"
            "alias_database =\nmydestination =\nmynetworks = 127.0.0.0/8\ninet_interfaces = 127.0.0.1\n"
            "inet_protocols = ipv4\nmyhostname = mail.lab.test\ndefault_transport = smtp\ndefer_transports = smtp\n"
            "relay_domains = hold.test\nrelay_transport = $default_transport\n"
            "smtpd_recipient_restrictions = check_recipient_access inline:{ { held@lab.test = HOLD } }, permit_mynetworks\n"
            "smtpd_relay_restrictions = permit_mynetworks reject\nsmtputf8_enable = yes\n", encoding="ascii")
        (self.other / "etc/master.cf").write_text(
            SERVICES + f"smtp unix - - n - - smtp\n127.0.0.1:{self.port} inet n - n - - smtpd\n", encoding="ascii")
        subprocess.run(["postfix", "-c", self.other / "etc", "check"], capture_output=True, check=True,
                       stdin=subprocess.DEVNULL)
        self.master = Process(["/usr/lib/postfix/sbin/master", "-c", self.other / "etc", "-d"], self.other / "master.log")
        self.addCleanup(self.stop)
        self.master.wait_for_port(self.port)

    def stop(self):
        if self.master:
            self.master.kill()
        self.master = None

    def files(self, *names):
        return [path for name in names for path in (self.other / "queue" / name).rglob("*") if path.is_file()]

    def postcat(self, path):
        """The content as Postfix itself reads it."""
        return subprocess.run(["postcat", "-c", self.other / "etc", "-bh", path], capture_output=True, check=True).stdout

    def test_a_queue(self):
        big = b"".join(b"%07d %s\n" % (i, b"x" * (i % 3000)) for i in range(2000))
        texts = {"ann": b"Subject: one\n\n.dot\n" + b"y" * 5000 + b"\nend\n", "bob": b"Subject: two\n\n" + big,
                 "held": b"Subject: three\n\nheld\n"}
        with smtplib.SMTP("127.0.0.1", self.port) as smtp:
            for name, text in texts.items():
                smtp.sendmail("shop@lab.test", [f"{name}@lab.test"], text, ["RET=HDRS", "ENVID=a+2Bb"],
                              ["NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{name}+2Bx@lab.test"])
        wait_for(lambda: len(self.files("deferred")) == 2 and len(self.files("hold")) == 1, "all is deferred")
        for folder in ("queue", "queue/deferred", "queue/deferred/" + self.files("deferred")[0].parent.name):
            result = self.outbox("import", "postfix", self.other / folder, status=None)
            self.assertIn("stop it first, with postfix stop", result.stderr.decode(), folder)
            self.assertEqual(result.returncode, 66)
        self.stop()
        wait_for(lambda: not self.files("incoming", "active"), "nothing is under way")
        expected = {path.name: self.postcat(path) for path in self.files("deferred")}
        told = self.outbox("import", "--remove", "postfix", self.other / "queue")
        self.assertIn("2 messages imported\n", told)
        self.assertEqual((self.files("deferred"), len(self.files("hold"))), ([], 1))
        for text in self.queued():
            block, _, content = text.partition(b"Received:")
            self.assertIn(b"Received:" + content, expected.values())
            name = b"ann" if b"Subject: one" in content else b"bob"
            self.assertEqual(block, b"X-Sender: <shop@lab.test> RET=HDRS ENVID=a+2Bb\nX-Receiver: <%s@lab.test> "
                             b"NOTIFY=FAILURE,DELAY ORCPT=rfc822;%s+2Bx@lab.test\n" % (name, name))
        self.assertIn("1 message imported", self.outbox("import", "postfix", self.other / "queue/hold"))

    def test_what_filters_have_changed(self):
        def record(kind, data=b""):
            return kind + bytes([len(data)]) + data

        head = record(b"T", b"1700000000") + record(b"A", b"envelope_id=first") + record(b"A", b"envelope_id=last")
        start = head + record(b"S", b"the shop@lab.test")
        end = (record(b"M") + record(b"N", b"Subject: x") + record(b"N") + record(b"L", b"a long ") +
               record(b"N", b"line") + record(b"X") + record(b"E"))
        path = self.put("one", start + record(b"R", b"ann b@lab.test") + record(b"D", b"had@lab.test") +
                        record(b"/", b"taken@lab.test") + end)
        self.outbox("import", "postfix", path)
        self.assertEqual(self.queued(), [b'X-Sender: <"the shop"@lab.test> ENVID=last\nX-Receiver: <"ann b"@lab.test>\n'
                                         b'From: "the shop"@lab.test\nSubject: x\n\na long line\n'])
        for name in self.queue.names():
            os.unlink(self.queue.path / name)
        path = self.put("two", start + record(b"R", b"ann@lab.test") + record(b">", b"boss@lab.test") + end)
        self.outbox("import", "postfix", path)
        self.assertIn(b"X-Receiver: <boss@lab.test>\nFrom:", self.queued()[0])
        for wrong in (record(b"Z", b"ann@lab.test"), record(b"\0")):
            path = self.put("three", start + record(b"R", b"ann@lab.test") + wrong + end)
            self.assertIn("a type that there is not",
                          self.outbox("import", "postfix", path, status=None).stderr.decode())
        path.chmod(0o600)
        self.assertIn("Postfix's mark of whole ones", self.outbox("import", "postfix", path, status=None).stderr.decode())

    def test_a_file_that_is_none(self):
        with smtplib.SMTP("127.0.0.1", self.port) as smtp:
            smtp.sendmail("shop@lab.test", ["ann@lab.test"], b"Subject: one\n\n" + b"text\n" * 1000)
        wait_for(lambda: self.files("deferred"), "it is deferred")
        self.stop()
        whole = self.files("deferred")[0].read_bytes()
        for n in [0, 1, 2, 3, *range(4, len(whole), 97), len(whole) - 1]:
            path = self.put("cut", whole[:n])
            result = self.outbox("import", "postfix", path, status=None)
            self.assertIn("no whole queue file of Postfix", result.stderr.decode(), n)
        self.put("cut", whole[:-2] + b"p\x0f" + b"%15d" % 0 + b"p\x0f" + b"%15d" % 70)
        result = self.outbox("import", "postfix", self.other / "cut", status=None)
        self.assertIn("no whole queue file of Postfix", result.stderr.decode())
        self.assertEqual(self.queued(), [])
