"""Mail that comes by SMTP on standard input (sendmail -bs): as the mailers of PHP and Python speak, and as
nobody should."""

import pathlib
import re
import smtplib
import socket
import subprocess
import unittest

from case import as_delivered, message
from preload import ALLOCATIONS, preload
from submission import ALICE, BOB, SubmissionTest, as_user

CONTENT = message(envelope=False).replace(b"\n", b"\r\n")
END = b".\r\n"


class Dialogue:
    """sendmail -bs, and what is said to it."""

    def __init__(self, arguments):
        self.child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def say(self, *lines):
        self.child.stdin.write(b"".join(line if line.endswith(b"\n") else line + b"\r\n" for line in lines))
        self.child.stdin.flush()

    def reply(self):
        """The last line of the next reply, as text."""
        while True:
            line = self.child.stdout.readline()
            if line[3:4] != b"-":
                return line.decode()

    def end(self):
        """The exit status, with what was said since, and the errors."""
        self.child.stdin.close()
        with self.child:
            return self.child.wait(200), self.child.stdout.read().decode(), self.child.stderr.read().decode()


class Receiving(SubmissionTest):
    def setUp(self):
        super().setUp()
        (self.programs / "sendmail").symlink_to(self.programs / "outbox")
        self.aliases = self.home / "aliases"
        self.aliases.write_text("ops: ann@lab.test, bob@lab.test\n", encoding="utf-8")
        self.aliases.chmod(0o644)
        self.rules()

    def rules(self, **spool):
        self.configure(self.down(), spool={"submit_socket": str(self.socket), **spool},
                       local={"aliases": self.aliases, "domain": "here.test"})
        self.configuration.chmod(0o644)

    def command(self, uid=None, *arguments):
        return [*(as_user(uid) if uid else ()), self.programs / "sendmail", "-C", self.configuration, "-bs", *arguments]

    def speak(self, uid=None, *arguments):
        dialogue = Dialogue(self.command(uid, *arguments))
        self.assertRegex(dialogue.reply(), r"^220 \S+ ESMTP outbox\r\n$")
        dialogue.say(b"EHLO [127.0.0.1]")
        self.assertEqual(dialogue.reply(), "250 HELP\r\n")
        return dialogue

    def ask(self, dialogue, line, code):
        dialogue.say(line)
        self.assertTrue(dialogue.reply().startswith(code), line)

    def queued_as(self, reply):
        """The file of a message, which is there as soon as the reply is."""
        identity = re.fullmatch(r"250 2\.0\.0 queued as (\S+)\r\n", reply)
        self.assertTrue(identity, reply)
        path = self.queue.path / f"{identity[1]}.queued"
        return path.read_bytes()

    def waiting(self):
        return sorted(self.queue.in_state("queued"))

    # ---- what programs say ----

    def test_one_command_at_a_time(self):
        """As Symfony does: a session that is kept for many messages, and asked between them whether it lives."""
        dialogue = self.speak(None, "-i")
        for number in range(3):
            self.ask(dialogue, b"MAIL FROM:<shop@lab.test>", "250 2.1.0")
            self.ask(dialogue, b"RCPT TO:<ann@lab.test>", "250 2.1.5")
            self.ask(dialogue, b"DATA", "354")
            dialogue.say(CONTENT + b"..%d\r\n" % number, END)
            self.assertEqual(self.queued_as(dialogue.reply()),
                             b"X-Sender: <shop@lab.test>\r\nX-Receiver: <ann@lab.test>\r\n" + CONTENT + b".%d\r\n" % number)
            self.ask(dialogue, b"NOOP", "250")
            self.ask(dialogue, b"RSET", "250")
        self.ask(dialogue, b"QUIT", "221")
        self.assertEqual(dialogue.end(), (0, "", ""))

    def test_pipelined(self):
        dialogue = self.speak()
        dialogue.say(b"MAIL FROM:<shop@lab.test> SIZE=100", b"RCPT TO:<ann@lab.test>", b"RCPT TO:<a@@b>",
                     b"RCPT TO:<bob@lab.test>", b"DATA")
        self.assertEqual([dialogue.reply()[:9] for _ in range(5)],
                         ["250 2.1.0", "250 2.1.5", "501 5.1.3", "250 2.1.5", "354 end t"])
        dialogue.say(CONTENT, END, b"MAIL FROM:<>", b"RCPT TO:<cid@lab.test>",
                     b"BDAT %d" % len(CONTENT))
        dialogue.say(CONTENT + b"BDAT 0 LAST\r\nQUIT\r\n")
        self.assertIn(b"X-Receiver: <bob@lab.test>", self.queued_as(dialogue.reply()))
        self.assertEqual([dialogue.reply()[:9] for _ in range(3)], ["250 2.1.0", "250 2.1.5", "250 2.0.0"])
        self.assertTrue(self.queued_as(dialogue.reply()).startswith(b"X-Sender: <>\r\nX-Receiver: <cid@lab.test>\r\n"))
        self.assertEqual(dialogue.end()[:2], (0, "221 2.0.0 good bye\r\n"))

    def mailer(self, kind, *arguments):
        """One of Python's, at the other end of a socket pair."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        child = subprocess.Popen(self.command(None, *arguments), stdin=theirs, stdout=theirs)
        self.addCleanup(child.wait, 200)
        theirs.close()
        ours.settimeout(200)

        class Mailer(kind):
            def _get_socket(self, *_):
                return ours

            def connect(self, *_args, **_options):  # LMTP's own goes elsewhere
                return smtplib.SMTP.connect(self, "[127.0.0.1]", 24)

        mailer = Mailer("[127.0.0.1]", 24)
        self.addCleanup(mailer.close)
        return mailer

    def test_smtplib(self):
        mailer = self.mailer(smtplib.SMTP)
        refused = mailer.sendmail("shop@lab.test", ["ann@lab.test", "a@@b", "bob@lab.test"],
                                  "From: Jörg <shop@lab.test>\r\nSubject: ä\r\n\r\nÄ\r\n.\r\n..\r\n".encode(), mail_options=["BODY=8BITMIME"])
        self.assertEqual(list(refused), ["a@@b"])
        self.assertEqual(refused["a@@b"][0], 501)
        mailer.sendmail("dörte@lab.test", ["jörg@lab.test"], "From: dörte@lab.test\r\n\r\nx\r\n".encode(), mail_options=["SMTPUTF8"])
        mailer.quit()
        first, second = ((self.queue.path / name).read_bytes() for name in sorted(
            self.waiting(), key=lambda name: "dörte".encode() in (self.queue.path / name).read_bytes()))
        self.assertTrue(first.endswith("From: Jörg <shop@lab.test>\r\nSubject: ä\r\n\r\nÄ\r\n.\r\n..\r\n".encode()), first)
        self.assertIn("X-Sender: <dörte@lab.test> SMTPUTF8\r\nX-Receiver: <jörg@lab.test>\r\n".encode(), second)

    def test_lmtp(self):
        mailer = self.mailer(smtplib.LMTP)
        refused = mailer.sendmail("shop@lab.test", ["ann@lab.test", "bob@lab.test"], CONTENT)
        self.assertEqual(refused, {})
        self.assertEqual(len(self.waiting()), 1)

    def test_delivered(self):
        self.configure(spool={"submit_socket": ""})
        self.start_again()
        dialogue = self.speak()
        address = self.address()
        dialogue.say(b"MAIL FROM:<shop@lab.test>", b"RCPT TO:<%s>" % address.encode(), b"DATA", CONTENT, b"..x", END)
        self.assertEqual(self.wait_copies(1, address)[0].content, as_delivered(CONTENT + b".x\r\n"))

    def test_names_of_this_machine(self):
        dialogue = self.speak()
        dialogue.say(b"MAIL FROM:<app> RET=HDRS ENVID=4+2B2", b"RCPT TO:<ops> NOTIFY=FAILURE", b"RCPT TO:<dev>", b"DATA",
                     b"To: ops", b"", b"x", END)
        self.assertEqual([dialogue.reply()[:3] for _ in range(4)], ["250", "250", "250", "354"])
        queued = self.queued_as(dialogue.reply()).decode()
        self.assertTrue(queued.startswith("X-Sender: <app@here.test> RET=HDRS ENVID=4+2B2\r\n"), queued)
        for recipient in ("ann@lab.test> NOTIFY=FAILURE ORCPT=rfc822;ops@here.test", "bob@lab.test> NOTIFY=FAILURE ORCPT=rfc822;ops@here.test",
                          "dev@here.test>"):
            self.assertIn(f"X-Receiver: <{recipient}\r\n", queued)
        for field in ("From: app@here.test", "To: ops@here.test"):
            self.assertIn(f"{field}\r\n", queued.replace("\r\n", "\n").replace("\n", "\r\n"))

    # ---- what is refused ----

    def test_wrong_values(self):
        dialogue = self.speak()
        for line, code in ((b"MAIL FROM:<a@@b>", "501 5.1.7"), (b"MAIL FROM:<a@b.test> RET=SOME", "501 5.5.4"),
                           (b"MAIL FROM:<a@b.test> ENVID=x+2", "501 5.5.4"), (b"MAIL FROM:<a@b.test>", "250 2.1.0"),
                           (b"RCPT TO:<a@b.test> NOTIFY=NEVER,SUCCESS", "501 5.5.4"), (b"RCPT TO:<@>", "501 5.1.3"),
                           (b"RCPT TO:<nobody@localhost>", "250 2.1.5"), (b"DATA", "354"),
                           (b"Subject: " + b"x" * 1000 + b"\r\n\r\n.", "554 5.6.0")):
            self.ask(dialogue, line, code)
        self.assertEqual(self.waiting(), [])

    def test_smuggled(self):
        """What other servers take for the end of a message is content here, and refused."""
        inner = b"MAIL FROM:<root@lab.test>\r\nRCPT TO:<ann@lab.test>\r\nDATA\r\nbad\r\n.\r\n"
        dialogue = self.speak()
        for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r"):
            dialogue.say(b"MAIL FROM:<shop@lab.test>", b"RCPT TO:<ann@lab.test>", b"DATA")
            self.assertEqual([dialogue.reply()[:3] for _ in range(3)], ["250", "250", "354"])
            dialogue.say(CONTENT + b"x" + end + inner)
            self.assertTrue(dialogue.reply().startswith("554 5.6.0 the message holds a CR or LF that stands alone"), end)
        self.ask(dialogue, b"NOOP", "250")
        self.assertEqual(self.waiting(), [])
        dialogue.child.stdin.write(b"MAIL FROM:<a@b\nRCPT TO:<x@y>>\r\nNOOP\r\n")
        status, rest, _ = dialogue.end()
        self.assertEqual(status, 0)
        self.assertRegex(rest, r"^500 5\.5\.2 [^\n]*\n$")

    def test_input_that_ends(self):
        whole = b"MAIL FROM:<shop@lab.test>\r\nRCPT TO:<ann@lab.test>\r\nDATA\r\n" + CONTENT + b".\r\n"
        for cut in (0, 5, 30, 60, len(whole) - 4, len(whole) - 1, len(whole)):
            dialogue = self.speak()
            dialogue.child.stdin.write(whole[:cut])
            status, _, errors = dialogue.end()
            self.assertEqual((status, bool(errors)), (0, False) if cut in (0, len(whole)) else (75, True), cut)
        self.assertEqual(len(self.waiting()), 1)
        self.assertEqual([name for name in self.queue.names() if name.startswith(".")], [])

    def test_directory_that_is_missing(self):
        dialogue = self.speak()
        away = self.queue.path.rename(self.directory / "away")
        for end in ("451 4.3.0", "250 2.0.0"):
            dialogue.say(b"MAIL FROM:<shop@lab.test>", b"RCPT TO:<ann@lab.test>", b"DATA", CONTENT + END)
            self.assertEqual([dialogue.reply()[:3] for _ in range(3)], ["250", "250", "354"])
            self.assertTrue(dialogue.reply().startswith(end))
            if away.exists():
                away.rename(self.queue.path)

    def test_rules_are_read_for_each_message(self):
        dialogue = self.speak()
        self.ask(dialogue, b"MAIL FROM:<shop@lab.test>", "250")
        self.configuration.write_text("spool = { directory = 5; };", encoding="utf-8")
        self.ask(dialogue, b"RSET", "250")
        self.ask(dialogue, b"MAIL FROM:<shop@lab.test>", "451 4.3.5")
        self.rules()
        self.ask(dialogue, b"MAIL FROM:<shop@lab.test>", "250")

    # ---- users ----

    def test_as_a_stranger(self):
        """Through the submission socket, as the caller's, and within its limits."""
        self.rules(senders=f"{ALICE}: alice@lab.test; {BOB}: *", submit_max_size="20K")
        daemon = self.start_again(wrapper=as_user(64101), confined=False)
        self.wait_log(daemon, "event=started")
        dialogue = Dialogue(self.command(ALICE))
        dialogue.say(b"EHLO me")
        self.assertTrue(dialogue.reply().startswith("220"))
        self.assertIn(b"250-SIZE 20480\r\n", [dialogue.child.stdout.readline() for _ in range(10)])
        self.ask(dialogue, b"MAIL FROM:<shop@lab.test>", "550 5.7.1")
        self.ask(dialogue, b"MAIL FROM:<alice@lab.test> SIZE=20481", "552 5.3.4")
        self.ask(dialogue, b"MAIL FROM:<alice@lab.test>", "250")
        self.ask(dialogue, b"RCPT TO:<ann@lab.test>", "250")
        self.ask(dialogue, b"DATA", "354")
        self.ask(dialogue, CONTENT + END, "250 2.0.0 queued as ")
        dialogue.say(b"MAIL FROM:<alice@lab.test>", b"RCPT TO:<ann@lab.test>", b"DATA", CONTENT + b"x\r\n" * 8000, END)
        self.assertEqual([dialogue.reply()[:9] for _ in range(4)], ["250 2.1.0", "250 2.1.5", "354 end t", "552 5.3.4"])
        self.assertEqual(self.owners(), [ALICE])
        self.wait_held(daemon, 1)
        self.assertIn(b"X-Outbox-Uid: %d\n" % ALICE, (self.queue.path / self.waiting()[0]).read_bytes())

    # ---- memory ----

    def test_memory_that_fails(self):
        """Each allocation in turn, and all from there on: what is said to be queued is, and is whole; nothing
        else is there but the one message whose answer could not be given."""
        if b"__asan" in (self.programs / "outbox").read_bytes():
            self.skipTest("the sanitizers have an allocator of their own")
        wrapper, count = preload(self.home, ALLOCATIONS), self.home / "count"
        said = b"EHLO x\r\n" + 2 * (b"MAIL FROM:<app@lab.test> RET=HDRS\r\nRCPT TO:<ops> NOTIFY=NEVER\r\nRCPT TO:<dev>\r\n"
                                    b"DATA\r\n" + CONTENT + b".\r\n") + b"QUIT\r\n"

        def speak(*variables):
            done = subprocess.run([*wrapper, *variables, *self.command()], input=said, capture_output=True, check=False,
                                  timeout=100)
            answered = re.findall(rb"queued as (\S+)\r\n", done.stdout)
            there = {name: (self.queue.path / name).read_bytes() for name in self.queue.names()}
            for identity in answered:
                self.assertTrue(there.pop(f"{identity.decode()}.queued").endswith(CONTENT), (variables, done))
            self.assertLessEqual(len(there), 1, (variables, done, there))
            if there or not done.stdout.endswith(b"221 2.0.0 good bye\r\n"):
                self.assertNotEqual(done.returncode, 0, (variables, done))
            for path in self.queue.path.iterdir():
                path.unlink()
            return len(answered)

        self.assertEqual(speak(f"COUNT_TO={count}"), 2)
        total, taken = int(count.read_text(encoding="ascii")), 0
        for number in range(1, total + 1):
            taken += speak(f"FAIL_AT={number}") + speak(f"FAIL_AT={number}", "FAIL_ALL=1")
        self.assertGreater(taken, total // 2)

    # ---- size ----

    def test_large_message_takes_little_memory(self):
        dialogue = self.speak()
        status = pathlib.Path(f"/proc/{dialogue.child.pid}/status")
        line = b"x" * 70 + b"\r\n"
        piece = line * 10000
        dialogue.say(b"MAIL FROM:<shop@lab.test>", b"RCPT TO:<ann@lab.test>", b"DATA", CONTENT)
        for _ in range(140):
            dialogue.child.stdin.write(piece)
        dialogue.say(END)
        for _ in range(3):
            dialogue.reply()
        self.assertEqual(self.queued_as(dialogue.reply()).count(line), 1400000)
        self.assertLess(int(re.search(r"VmHWM:\s+(\d+)", status.read_text(encoding="ascii"))[1]), 80000)


if __name__ == "__main__":
    unittest.main()
