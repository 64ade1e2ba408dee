"""Messages of every kind reach a real relay, and arrive byte for byte."""

import os
import random

from case import SystemTest, as_delivered, message
from process import wait_for


class Delivery(SystemTest):
    def deliver(self, content, recipient, relay="plain", **settings):
        """Queues one file, waits until it is gone, and returns the one copy."""
        self.start(self.lab.relay(relay), **settings)
        self.queue.drop("m", content)
        self.queue.wait_gone("m", seconds=40)
        return self.wait_copies(1, recipient, seconds=30)[0]

    def check_exact(self, body=b"Hello.\n", header=b"", relay="plain", crlf=False):
        """Delivers a message with this body and compares the copy's content."""
        ann = self.address()
        content = message(body, to=[ann], header=header)
        expected = message(body, header=header, envelope=False)
        if crlf:
            content = content.replace(b"\n", b"\r\n")
        copy = self.deliver(content, ann, relay)
        self.assertEqual(copy.sender, "shop@lab.test")
        self.assertEqual(copy.content, as_delivered(expected))
        self.assertTrue(self.queue.is_empty(), self.queue.names())
        return copy

    def test_plain_text(self):
        self.check_exact()

    def test_crlf_line_ends(self):
        self.check_exact(b"one\n\ntwo\n", crlf=True)

    def test_lines_of_dots(self):
        self.check_exact(b".\n..\n...\n.leading\n\n.\n\n..\n.\n")

    def test_lines_of_dots_without_chunking(self):
        self.check_exact(b".\n..\n...\n.leading\n\n.\n\n..\n.\n", relay="no_chunking")

    def test_no_final_line_end(self):
        self.check_exact(b"the last line has no end")

    def test_no_final_line_end_without_chunking(self):
        self.check_exact(b"the last line has no end", relay="no_chunking")

    def test_empty_body(self):
        self.check_exact(b"")

    def test_header_without_the_empty_line(self):
        ann = self.address()
        content = message(b"", to=[ann])[:-1]
        copy = self.deliver(content, ann)
        self.assertEqual(copy.content.rstrip(b"\n"), message(b"", envelope=False).rstrip(b"\n"))

    def test_eight_bit(self):
        header = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\n"
        body = bytes(b for b in range(1, 256) if b not in b"\r\n") + b"\n"
        self.check_exact(body, header + b"Content-Transfer-Encoding: 8bit\n")

    def test_long_lines(self):
        self.check_exact(b"x" * 900 + b"\n" + b"y" * 998 + b"\n")

    def test_old_relay_without_extensions(self):
        self.check_exact(b".\nold\n", relay="bare")

    def test_extensions_switched_off(self):
        ann = self.address()
        self.start(self.lab.relay("plain", extensions=False))
        self.queue.drop("m", message(to=[ann]))
        self.assertIn(" with SMTP id ", self.wait_copies(1, ann)[0].trace)

    def test_twenty_megabytes(self):
        source = random.Random(20)
        lines = [bytes(source.choices(b"abcdefgh.= ", k=75)) + b"\n" for _ in range(1000)]
        self.check_exact(b"".join(lines) * (20_000_000 // 76_000))

    def test_utf8_address(self):
        ann = self.address("jürgen")
        copy = self.deliver(message(to=[ann]), ann)
        self.assertEqual(copy.recipient, ann)

    def test_international_domain_at_a_relay_without_smtputf8(self):
        ann = self.address()
        content = f"From: Shop <shop@b\u00fccher.example>\nTo: {ann}\nSubject: Gr\u00fc\u00dfe\n\nx\n"
        copy = self.deliver(content.encode(), ann, "bare")
        self.assertEqual(copy.sender, "shop@xn--bcher-kva.example")
        self.assertIn("Subject: Gr\u00fc\u00dfe\n".encode(), copy.content)

    def check_dots(self, quote):
        """One recipient with dots at odd places, one that is refused, and a good one."""
        ann = self.address()
        local, _, domain = ann.partition("@")
        content = f"From: shop@lab.test\nTo: {local}..x.@{domain}, refused@{domain}; {ann}\n\nx\n"
        self.start(self.lab.relay("plain", quote_local_part=quote))
        self.queue.drop("m", content.encode())
        self.queue.wait_state("m", "failed")
        self.wait_copies(1, ann)
        self.wait_copies(1, f'"{local}..x."@{domain}', f"{local}..x.@{domain}")

    def test_dots_at_odd_places_stop_nobody(self):
        self.check_dots(True)

    def test_dots_at_odd_places_without_quotes(self):
        self.check_dots(False)

    def test_what_is_no_part_of_a_message_stays_here(self):
        ann = self.address()
        content = f"\n>From x Mon\nReturn-Path: <b@lab.test>\nFrom : a@lab.test\nContent-Length: 2\nTo: {ann}\n\nx\n"
        copy = self.deliver(content.encode(), ann)
        self.assertEqual(copy.sender, "b@lab.test")
        lines = copy.content.decode().split("\n")
        self.assertEqual(lines[:2] + lines[-3:], ["From: a@lab.test", f"To: {ann}", "", "x", ""])

    def test_null_sender(self):
        ann = self.address()
        self.assertEqual(self.deliver(message(to=[ann], sender=""), ann).sender, "")

    def test_recipients_from_the_header(self):
        ann, bob, eve = self.address("ann"), self.address("bob"), self.address("eve")
        content = (
            f"From: Shop <shop@lab.test>\nTo: Ann <{ann}>\nCc: {bob}\nBcc: {eve},\n {ann}\n"
            "Subject: hello\n\nHello.\n"
        ).encode()
        self.start()
        self.queue.drop("m", content)
        self.queue.wait_gone("m")
        for copy in self.wait_copies(3, ann, bob, eve):
            self.assertEqual(copy.sender, "shop@lab.test")
            self.assertNotIn(eve.encode(), copy.content, "Bcc reached a recipient")
            self.assertNotIn(b"bcc:", copy.content.lower())
            self.assertRegex(copy.content, rb"(?m)^Date: .+$")
            self.assertRegex(copy.content, rb"(?m)^Message-ID: <.+@.+>$")
            self.assertTrue(copy.content.endswith(b"\n\nHello.\n"))

    def test_pickup_file_of_dotnet(self):
        ann = self.address()
        body = (
            "MIME-Version: 1.0\r\nFrom: shop@lab.test\r\nTo: ann@lab.test\r\n"
            "Date: 2 Mar 2026 10:20:30 +0100\r\nMessage-ID: <net@lab.test>\r\n"
            "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\nR3LDvMOfZQ==\r\n"
        ).encode()
        front = f"X-Sender: shop@lab.test\r\nX-Receiver: {ann}\r\n".encode()
        copy = self.deliver(front + body, ann)
        self.assertEqual(copy.content, as_delivered(body))

    def test_replay_file_of_exchange(self):
        ann = self.address()
        front = (
            f"X-Receiver: <{ann}> NOTIFY=NEVER ORcpt=rfc822;{ann}\r\n"
            "X-Sender: <shop@lab.test> BODY=8BITMIME RET=HDRS ENVID=42\r\n"
        ).encode()
        copy = self.deliver(front + message(envelope=False).replace(b"\n", b"\r\n"), ann)
        self.assertEqual(copy.sender, "shop@lab.test")
        self.assertEqual(copy.content, message(envelope=False))

    def test_one_id_with_strange_letters(self):
        ann = self.address()
        self.start()
        name = "ünd so %s $(id) \"'weiter"
        self.queue.drop(name, message(to=[ann]))
        self.queue.wait_gone(name)
        self.wait_copies(1, ann)

    def test_five_hundred_messages_share_connections(self):
        recipients = [self.address(f"r{i}") for i in range(500)]
        for number, recipient in enumerate(recipients):
            self.queue.drop(f"m{number}", message(to=[recipient]))
        before = self.lab.postfix.log().count(": connect from")
        self.start(self.lab.relay("plain", connections=4))
        self.queue.wait_gone(*(f"m{n}" for n in range(500)), seconds=40)
        self.wait_copies(500, *recipients, seconds=30)
        connections = self.lab.postfix.log().count(": connect from") - before
        self.assertLessEqual(connections, 100, "connections are not kept")


class Recipients(SystemTest):
    """Recipients are judged one by one."""

    def test_refused_one_among_others(self):
        ann, bob = self.address("ann"), self.address("bob")
        self.start()
        self.queue.drop("m", message(to=[ann, "refused@lab.test", bob, "refused2@lab.test"]))
        self.queue.wait_state("m", "failed")
        self.wait_copies(2, ann, bob)
        refused = {e["recipient"]: e for e in self.queue.events("m", "refused")}
        self.assertEqual(set(refused), {"refused@lab.test", "refused2@lab.test"})
        first = refused["refused@lab.test"]
        self.assertEqual((first["code"], first["enhanced"], first["attempt"]), (550, "5.1.1", 1))
        self.assertIn("no such user here", first["text"])
        self.assertEqual(first["relay"], "plain")
        self.assertIn(str(self.lab.postfix.port["plain"]), first["address"])
        self.assertEqual(refused["refused2@lab.test"]["enhanced"], "5.7.1")
        self.assertEqual(self.queue.record("m")[-1]["event"], "failed")
        for line in self.queue.record("m"):
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")

    def test_all_refused(self):
        self.start()
        self.queue.drop("m", message(to=["refused@lab.test", "refused2@lab.test"]))
        self.queue.wait_state("m", "failed")
        self.assertEqual(len(self.queue.events("m", "refused")), 2)
        self.assertEqual(self.queue.events("m", "delivered"), [])

    def test_all_refused_then_a_good_message_without_pipelining(self):
        ann = self.address()
        self.start(self.lab.relay("plain", pipelining=False, connections=1))
        self.queue.drop("a", message(to=["refused@lab.test"]))
        self.queue.drop("b", message(to=[ann]))
        self.queue.wait_state("a", "failed")
        self.queue.wait_gone("b")
        self.wait_copies(1, ann)

    def test_deferred_one_is_tried_again_alone(self):
        ann = self.address()
        self.start(retry={"first": "1s", "factor": 1.0, "max": "1s"})
        self.queue.drop("m", message(to=[ann, "tempfail@lab.test"]))
        self.queue.wait_state("m", "deferred")
        self.wait_copies(1, ann)

        def attempts():
            return [e["attempt"] for e in self.queue.events("m", "deferred")]

        wait_for(lambda: 3 in attempts(), "the third attempt", 20)
        self.assertEqual(attempts()[:3], [1, 2, 3])
        self.assertEqual(len(self.queue.events("m", "delivered")), 1)
        self.wait_copies(1, ann)
        retry = self.queue.events("m", "retry")[0]
        self.assertEqual(retry["attempt"], 1)
        self.assertIn("next", retry)

    def test_one_attempt_makes_every_error_final(self):
        self.start(retry={"max_attempts": 1})
        self.queue.drop("m", message(to=["tempfail@lab.test"]))
        self.queue.wait_state("m", "failed")

    def test_more_recipients_than_a_transaction_takes(self):
        recipients = [self.address(f"r{i}") for i in range(250)]
        self.start(self.lab.relay("plain", recipients_per_transaction=100))
        self.queue.drop("m", message(to=[*recipients, "refused@lab.test"]))
        self.queue.wait_state("m", "failed", seconds=30)
        self.wait_copies(250, *recipients, seconds=30)

    def test_message_above_the_relays_size(self):
        self.start(self.lab.relay("small"))
        self.queue.drop("m", message(b"x" * 70 + b"\n" * 30_000, to=[self.address()]))
        self.queue.wait_state("m", "failed")
        self.assertIn("20000", str(self.queue.record("m")))
        self.assertEqual(self.copies(self.address()), [])


class NoMessages(SystemTest):
    """Files that cannot be sent are `.failed` at once, and their record says why."""

    def check_failed(self, content, *words):
        self.start()
        self.queue.drop("m", content)
        self.queue.wait_state("m", "failed")
        record = self.queue.events("m", "failed")
        self.assertEqual(len(record), 1)
        self.assertIsInstance(record[0]["error"], int)
        for word in words:
            self.assertIn(word, record[0]["text"].lower())
        self.assertEqual((self.queue.path / "m.failed").read_bytes(), content)

    def test_empty_file(self):
        self.check_failed(b"", "empty")

    def test_no_recipient(self):
        self.check_failed(b"From: a@lab.test\nSubject: x\n\nHello.\n", "recipient")

    def test_no_sender(self):
        self.check_failed(b"To: a@lab.test\nSubject: x\n\nHello.\n", "sender")

    def test_malformed_address(self):
        self.check_failed(message(to=["ann@lab.test", "two words@lab..test>"]), "address")

    def test_command_in_an_address(self):
        self.check_failed(b"X-Sender: <a@lab.test>\nX-Receiver: <b@lab.test\x00RSET>\n\nx\n")

    def test_symbolic_link_is_not_followed(self):
        self.start()
        secret = self.directory / "secret"
        secret.write_bytes(message(to=[self.address()]))
        (self.queue.path / "m.queued").symlink_to(secret)
        self.queue.wait_state("m", "failed")
        self.assertEqual(self.copies(self.address()), [])
        self.assertTrue(secret.exists())

    def test_second_link_is_refused(self):
        self.start()
        secret = self.directory / "secret"
        secret.write_bytes(message(to=[self.address()]))
        (self.queue.path / "m.queued").hardlink_to(secret)
        self.queue.wait_state("m", "failed")
        self.assertEqual(self.copies(self.address()), [])

    def test_directory_and_pipe_do_no_harm(self):
        ann = self.address()
        (self.queue.path / "directory.queued").mkdir()
        os.mkfifo(self.queue.path / "pipe.queued")
        self.start()
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)
        self.queue.wait_state("pipe", "failed")
