"""What relays take of content: its size on the wire, 8-bit bytes and long lines."""

import email
import email.policy
import subprocess

import lab
from case import message
from odd_relay import RelayTest
from test_middlebox import SeeingRelay
from process import wait_for


class Content(RelayTest):
    def relay(self, *extensions):
        relay = SeeingRelay(extensions=("PIPELINING", *extensions))
        self.addCleanup(relay.close)
        return relay

    def deliver(self, relay, content, sent=True, **settings):
        self.queue.drop("m", content)
        daemon = self.start(self.settings(relay, **settings), spool={"keep_sent": True})
        end = "m.sent" if sent else "m.failed"
        wait_for(lambda: self.queue.has(end), lambda: f"{self.queue.names()} {daemon.output()}")
        self.assertEqual(daemon.terminate(), 0)
        return daemon.output()

    def said_size(self, relay):
        return int(next(line for line in relay.lines if "SIZE=" in line).split("SIZE=")[1].split()[0])

    def test_size_is_that_on_the_wire(self):
        for lines in (400, 4000, 40000):
            with self.subTest(lines):
                relay = self.relay("SIZE")
                self.queue.path.joinpath("m.sent").unlink(missing_ok=True)
                log = self.deliver(relay, message(b"x\n.\n" * lines, to=["a@lab.test"]))
                content = relay.accepted[-1][1].replace(b"\r\n..", b"\r\n.")
                self.assertEqual(self.said_size(relay), len(content))
                self.assertIn(f"bytes={len(content)} ", log)

    def test_too_large_on_the_wire_alone(self):
        content = message(b"\n" * 406, to=["a@lab.test"])
        relay = self.relay(f"SIZE {len(content) + 10}")
        log = self.deliver(relay, content, sent=False)
        self.assertIn("5.3.4", log)
        self.assertEqual(relay.said("MAIL"), 0)

    def test_8bit(self):
        relay = self.relay()
        text = "Grüße aus Köln = 1\n"
        header = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
        self.deliver(relay, message(text.encode(), to=["a@lab.test"], header=header))
        content = relay.accepted[0][1]
        self.assertTrue(content.isascii())
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        self.assertEqual(parsed.get_content().replace("\r\n", "\n"), text)

    def test_8bit_stays_where_it_is_taken(self):
        relay = self.relay("8BITMIME")
        self.deliver(relay, message("ä\n".encode(), to=["a@lab.test"]))
        self.assertIn("ä".encode(), relay.accepted[0][1])

    def test_parts(self):
        whole = email.message.EmailMessage()
        whole["From"], whole["To"], whole["Subject"] = "shop@lab.test", "a@lab.test", "x"
        whole.set_content("ä\n", cte="8bit")
        whole.add_attachment(b"\x00\xff" * 1000, "application", "x", filename="a")
        relay = self.relay()
        self.deliver(relay, b"X-Sender: <shop@lab.test>\nX-Receiver: <a@lab.test>\n" + whole.as_bytes())
        parsed = email.message_from_bytes(relay.accepted[0][1], policy=email.policy.default)
        self.assertTrue(relay.accepted[0][1].isascii())
        self.assertEqual(parsed.get_body().get_content().strip(), "ä")
        self.assertEqual(next(parsed.iter_attachments()).get_content(), b"\x00\xff" * 1000)

    def test_long_lines(self):
        relay = self.relay("8BITMIME")
        self.deliver(relay, message(b"y" * 5000 + b"\n", to=["a@lab.test"]))
        content = relay.accepted[0][1]
        self.assertLessEqual(max(len(line) for line in content.split(b"\r\n")), 998)
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        self.assertEqual(parsed.get_content().replace("\r\n", "\n"), "y" * 5000 + "\n")

    def test_long_lines_of_a_large_message(self):
        relay = self.relay("8BITMIME")
        self.deliver(relay, message(b"z\n" * 100000 + b"y" * 5000 + b"\n", to=["a@lab.test"]))
        self.assertLessEqual(max(len(line) for line in relay.accepted[0][1].split(b"\r\n")), 998)

    def test_long_lines_of_a_header(self):
        """Folded where that changes nothing; else told to who queues, and of a file that was dropped, in its
        record."""
        relay = self.relay("8BITMIME")
        people = [f"person{number}@lab.test" for number in range(100)]
        self.deliver(relay, message(to=["a@lab.test"], header=b"Cc: " + ",".join(people).encode() + b"\n"))
        content = relay.accepted[0][1]
        self.assertLessEqual(max(len(line) for line in content.split(b"\r\n")), 998)
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        self.assertEqual([address.addr_spec for address in parsed["Cc"].addresses], people)
        self.queue.path.joinpath("m.sent").unlink()
        whole = message(to=["a@lab.test"], header=b"X-Data: " + b"y" * 1000 + b"\n")
        log = self.deliver(relay, whole, sent=False)
        self.assertIn("X-Data", log)
        self.assertEqual(len(relay.accepted), 1)
        path = self.directory / "whole.eml"
        path.write_bytes(whole)
        for arguments in (("queue",), ("queue", "--batch", path), ("queue", "--raw", path)):
            said = self.outbox(*arguments, stdin=whole, status=None)
            self.assertEqual(said.returncode, 65)
            self.assertIn(b": the field X-Data has a line of more than 998 bytes", said.stderr)

    def test_every_line_end_is_one(self):
        """CR and LF alone end lines, too: nothing that a receiver could take for the end of a message, or for a
        line that nobody has looked at, is on the wire, with DATA nor with BDAT, however the message was queued."""
        body = b"a\rb\n.\nc\r\n.\r.\r\nd\n.\r\nMAIL FROM:<x@lab.test>\r.\n\r\re\r"
        lines = [b"a", b"b", b".", b"c", b".", b".", b"d", b".", b"MAIL FROM:<x@lab.test>", b".", b"", b"", b"e", b""]
        whole = message(body, to=["a@lab.test"])
        (self.directory / "sendmail").symlink_to(lab.program("outbox"))
        for extensions in ((), ("CHUNKING",)):
            relay = self.relay(*extensions)
            self.configure(self.settings(relay))
            self.queue.drop("m", whole)
            self.outbox("queue", stdin=whole)
            subprocess.run([self.directory / "sendmail", "-C", self.configuration, "-i", "a@lab.test"], input=whole,
                           check=True)
            for name in self.queue.in_state("queued"):
                self.assertTrue((self.queue.path / name).read_bytes().endswith(b"\n\n" + body), name)
            self.outbox("process")
            self.outbox("send", stdin=whole)
            self.assertEqual(len(relay.accepted), 4)
            for _, content in relay.accepted:
                self.assertEqual(content.count(b"\r"), content.count(b"\r\n"))
                self.assertEqual(content.count(b"\n"), content.count(b"\r\n"))
                if not extensions:
                    content = content.replace(b"\r\n.", b"\r\n")
                self.assertEqual(content.partition(b"\r\n\r\n")[2].split(b"\r\n"), lines)
        for ending in (b"\r", b"\r\r\n"):
            said = self.outbox("queue", stdin=b"Subject: x" + ending + b"X: y\n" + whole, status=None)
            self.assertEqual(said.returncode, 65)
            self.assertIn(b"carriage return", said.stderr)

    def test_refused_where_that_is_set(self):
        for extensions, body in (((), "ä\n".encode()), (("8BITMIME",), b"y" * 999 + b"\n")):
            relay = self.relay(*extensions)
            self.queue.path.joinpath("m.failed").unlink(missing_ok=True)
            log = self.deliver(relay, message(body, to=["a@lab.test"]), sent=False, convert_content=False)
            self.assertIn("convert_content", log)
            self.assertEqual(relay.said("MAIL"), 0)

    def test_signed_is_refused(self):
        header = b"MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s\n"
        relay = self.relay()
        log = self.deliver(relay, message("--s\n\nä\n--s--\n".encode(), to=["a@lab.test"], header=header), sent=False)
        self.assertIn("signed", log)

    def test_smtputf8_only_for_an_address(self):
        relay = self.relay("SMTPUTF8", "8BITMIME", "DSN")
        content = message("ä\n".encode(), to=["a@lab.test"], header="X-Title: Grüße\n".encode())
        self.deliver(relay, content)
        self.assertFalse([line for line in relay.lines if "SMTPUTF8" in line])

    def test_smtputf8_for_a_local_part(self):
        relay = self.relay("SMTPUTF8", "8BITMIME")
        self.deliver(relay, message(to=["jörg@lab.test"]))
        self.assertTrue([line for line in relay.lines if line.startswith("MAIL") and "SMTPUTF8" in line])
