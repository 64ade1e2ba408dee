"""What is said of servers holds of real ones, Exim and Postfix: how content gets there, and what they take of it."""

import email
import email.policy
import itertools
import smtplib

from case import as_delivered, message
from servers import BODIES, ServerTest


class Content(ServerTest):
    """However it gets there, it arrives byte for byte."""

    def check_all(self, protocol):
        """Sends every body, as a file with LF and with CRLF; `protocol` matches each message's line in Exim's log."""
        expected = {}
        for number, (body, line_end) in enumerate(itertools.product(BODIES, (b"\n", b"\r\n"))):
            ann = self.address(f"r{number}")
            expected[ann] = as_delivered(message(body, envelope=False))
            self.queue.drop(f"m{number}", message(body, to=[ann]).replace(b"\n", line_end))
        self.start(self.relay(connections=1))
        for copy in self.wait_copies(len(expected)):
            self.assertEqual(copy.content, expected.pop(copy.recipient))
        accepted = [line for line in self.server.log().splitlines() if " <= shop@lab.test " in line]
        for line in accepted:
            self.assertRegex(line, protocol)
        self.queue.wait_gone(*(f"m{number}" for number in range(len(accepted))))

    def test_chunks(self):
        self.exim()
        self.check_all("P=esmtp L. K ")

    def test_chunks_one_command_at_a_time(self):
        self.exim(options={"pipelining_advertise_hosts": ""})
        self.check_all("P=esmtp K ")

    def test_pipelined_data(self):
        self.exim(options={"chunking_advertise_hosts": ""})
        self.check_all("P=esmtp L. S=")

    def test_data_one_command_at_a_time(self):
        self.exim(options={"chunking_advertise_hosts": "", "pipelining_advertise_hosts": ""})
        self.check_all("P=esmtp S=")


class Needs(ServerTest):
    """Of two relays, ports of one Postfix that offer more and less, the first that can take a message gets it."""

    def start_two(self, *ports):
        self.postfix()
        self.start(*(self.relay(port, name=port) for port in ports), retry={"first": "1h", "max": "1h"},
                   spool={"keep_sent": True})

    def relay_of(self, name):
        self.queue.wait_state(name, "sent")
        return [event["relay"] for event in self.queue.events(name, "delivered")]

    def test_the_second_takes_what_the_first_cannot(self):
        signed = b"MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s\n"
        self.start_two("bare", "plain")
        for number in range(20):
            self.queue.drop(f"plain{number}", message(to=[self.address(f"p{number}")]))
            self.queue.drop(f"utf8{number}", message(to=[self.address(f"jörg{number}")]))
        self.queue.drop("signed", message("--s\n\nä\n--s--\n".encode(), to=[self.address("signed")], header=signed))
        self.assertEqual([self.relay_of(f"plain{number}") for number in range(20)], [["bare"]] * 20)
        self.assertEqual([self.relay_of(f"utf8{number}") for number in range(20)], [["plain"]] * 20)
        self.assertEqual(self.relay_of("signed"), ["plain"])
        everybody = [self.address(f"{name}{number}") for name in ("p", "jörg") for number in range(20)]
        self.wait_copies(41, self.address("signed"), *everybody)

    def test_size(self):
        self.start_two("small", "plain")
        self.queue.drop("large", message(b"x" * 70 + b"\n" + b"z\n" * 20000, to=[self.address()]))
        self.queue.drop("little", message(to=[self.address()]))
        self.assertEqual((self.relay_of("large"), self.relay_of("little")), (["plain"], ["small"]))

    def test_sent_at_once(self):
        """`outbox send` as well, each recipient by the first relay that can be given it."""
        self.postfix()
        ann, joerg = self.address("ann"), self.address("jörg")
        self.configure(*(self.relay(port, name=port) for port in ("bare", "plain")))
        result = self.outbox("send", "-v", stdin=message(to=[ann, joerg]), status=None)
        said = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, 0, said)
        self.assertIn("another relay is asked, for this one cannot take the message: relay bare: the address needs "
                      "SMTPUTF8", said)
        self.wait_copies(2, ann, joerg)
        result = self.outbox("send", "--require-tls", stdin=message(to=[ann]), status=None)
        self.assertEqual(result.returncode, 69, result)
        self.assertIn("which the relay does not offer; relay bare: the message asks for REQUIRETLS", result.stderr.decode())

    def test_nobody_can(self):
        self.start_two("bare", "plain")
        self.queue.drop("tls", message(to=[self.address()]).replace(b"<shop@lab.test>\n", b"<shop@lab.test> REQUIRETLS\n", 1))
        self.queue.wait_state("tls", "failed")
        (refused,) = self.queue.events("tls", "refused")
        self.assertEqual(refused["enhanced"], "5.7.30")
        self.assertRegex(refused["text"], "the message asks for REQUIRETLS, which the relay does not offer; "
                         "nor can relay (bare|plain) take it, which does not offer REQUIRETLS")


class Size(ServerTest):
    """The size that is declared is that on the wire, as the servers count it."""

    LIMIT = 20000

    def of_size(self, size):
        """A message of so many bytes on the wire."""
        rest = size - len(message(b"", envelope=False).replace(b"\n", b"\r\n"))
        lines, last = divmod(rest, 50)
        content = message(b"." + b"x" * 47 + b"\n", to=[self.address()])
        self.assertGreaterEqual(last, 2)
        return content + (b"." + b"x" * 47 + b"\n") * (lines - 1) + b"y" * (last - 2) + b"\n"

    def check(self, port):
        said = self.send(self.of_size(self.LIMIT), self.relay(port))
        self.assertIn(f" SIZE={self.LIMIT}\n", said)
        said = self.send(self.of_size(self.LIMIT + 1), self.relay(port), status=69)
        self.assertIn("5.3.4", said)
        self.assertNotIn("MAIL FROM", said)
        with smtplib.SMTP("127.0.0.1", self.server.port[port]) as client:
            client.ehlo()
            self.assertEqual(client.docmd("MAIL", f"FROM:<a@lab.test> SIZE={self.LIMIT}")[0], 250)
            client.rset()
            self.assertEqual(client.docmd("MAIL", f"FROM:<a@lab.test> SIZE={self.LIMIT + 1}")[0], 552)
        relay = self.relay(port, discard_ehlo_keywords="SIZE")
        self.assertIn("< 552 ", self.send(self.of_size(3 * self.LIMIT), relay, status=69))
        self.wait_copies(1, self.address())

    def test_exim(self):
        self.exim(options={"message_size_limit": self.LIMIT})
        self.check("smtp")

    def test_postfix(self):
        self.postfix()
        self.check("small")


class Notifications(ServerTest):
    """RFC 3461: the server's own report has what the queue file asked for."""

    def check(self, port):
        ann, sender = self.address(), self.address("shop")
        front = (f"X-Sender: <{sender}> RET=HDRS ENVID=order+2B42\n"
                 f"X-Receiver: <{ann}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bann@lab.test\n")
        self.send(front.encode() + message(b"the body\n", envelope=False), self.relay(port))
        copy, = self.wait_copies(1, sender)
        self.assertNotIn(b"the body", copy.content)
        parsed = email.message_from_bytes(copy.content, policy=email.policy.default)
        status = next(part for part in parsed.walk() if part.get_content_type() == "message/delivery-status")
        fields = "".join(str(part) for part in status.get_payload())
        # Exim leaves "+2B" as it came.
        self.assertRegex(fields, r"(?mi)^Original-Envelope-Id: order\+(2B)?42$")
        self.assertRegex(fields, r"(?mi)^Original-Recipient: rfc822; ?first\+(2B)?ann@lab\.test$")
        self.assertRegex(fields, r"(?m)^Action: delivered$")

    def test_exim(self):
        self.exim()
        self.check("smtp")

    def test_postfix(self):
        self.postfix()
        self.check("plain")


def in_8_bits(content_type, text):
    """A part as a mail program makes it for a relay with 8BITMIME."""
    charset = content_type.rpartition("charset=")[2]
    return f"Content-Type: {content_type}\nContent-Transfer-Encoding: 8bit\n\n".encode() + text.encode(charset)


NESTED = (
    b"From: ann@lab.test\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nMIME-Version: 1.0\n"
    + in_8_bits("text/plain; charset=iso-8859-1", "D\u00e9j\u00e0 vu = nothing new \n.\n")
)
PARTS = (
    b'Content-Type: multipart/alternative; boundary="b b"\nContent-Transfer-Encoding: 8bit\n\nnot shown: \xc3\xbc\n'
    b"--b b\n" + in_8_bits("text/plain; charset=utf-8", "Gr\u00fc\u00dfe aus K\u00f6ln\n.dot\nFrom here \n") +
    b"\n--b b\n" + in_8_bits("text/html; charset=utf-8", "<p>Gr\u00fc\u00dfe " + 200 * "\u2713" + "</p>\n") + b"\n--b b--\n",
    b'Content-Type: application/x-bytes; name="a"\nContent-Transfer-Encoding: 8bit\n\n'
    + bytes(b for b in range(1, 256) if b not in b"\r\n") * 3,
    b"Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n" + NESTED,
    b"Content-Type: text/plain; charset=us-ascii\n\nonly ASCII = here\n",
    b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\nAP8A/w==\n",
)
MIXED = b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: 8bit\n"
WHOLE = b"--a\n" + b"\n--a\n".join(PARTS) + b"\n--a--\n"


def leaves(content):
    """What a reader gets: the type, the character set and the decoded content of every part."""
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    return [
        (part.get_content_type(), part.get_content_charset(), part.get_filename(),
         part.get_payload(decode=True).replace(b"\r\n", b"\n"))
        for part in parsed.walk() if not part.is_multipart()
    ]


class Fewer(ServerTest):
    """What a server does not take is given to it in other words, which a reader finds the same."""

    def without_8bitmime(self):
        return self.exim(options={"accept_8bitmime": "false"})

    def check_converted(self, body, header, **settings):
        content = message(body, to=[self.address()], header=header)
        self.assertNotIn("BODY=", self.send(content, self.relay(**settings)))
        copy, = self.wait_copies(1, self.address())
        self.assertTrue(copy.content.isascii())
        self.assertLessEqual(max(map(len, copy.content.split(b"\n"))), 998)
        expected = message(body, header=header, envelope=False)
        self.assertEqual(leaves(copy.content), leaves(expected))
        return copy

    def test_parts_in_8_bits(self):
        self.without_8bitmime()
        copy = self.check_converted(WHOLE, MIXED)
        self.assertIn(b"\nonly ASCII = here\n", copy.content)

    def test_parts_in_8_bits_by_data(self):
        self.without_8bitmime()
        self.check_converted(WHOLE, MIXED, chunking=False)

    def test_parts_in_8_bits_at_an_old_server(self):
        self.postfix()
        content = message(WHOLE, to=[self.address()], header=MIXED)
        self.send(content, self.relay("bare"))
        copy, = self.wait_copies(1, self.address())
        self.assertTrue(copy.content.isascii())
        self.assertEqual(leaves(copy.content), leaves(message(WHOLE, header=MIXED, envelope=False)))

    def test_8_bits_stay_where_they_are_taken(self):
        self.exim()
        said = self.send(message(WHOLE, to=[self.address()], header=MIXED), self.relay())
        self.assertIn(" BODY=8BITMIME\n", said)
        self.assertEqual(self.wait_copies(1)[0].content, message(WHOLE, header=MIXED, envelope=False))

    def test_not_converted_where_that_is_set(self):
        self.without_8bitmime()
        content = message(WHOLE, to=[self.address()], header=MIXED)
        said = self.send(content, self.relay(convert_content=False), status=69)
        self.assertIn("8-bit content, which the relay does not take, and convert_content = false forbids", said)
        self.assertNotIn("MAIL FROM", said)

    def test_long_lines(self):
        self.exim()
        references = b"References:" + b" <0123456789@lab.test>" * 100 + b"\n"
        text = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n"
        body = b"short = short\n" + b"y" * 5000 + b" \n" + b"." * 999 + b"\n"
        copy = self.check_converted(body, text + references)
        self.assertEqual(
            email.message_from_bytes(copy.content)["References"].split(), references.decode().split()[1:])

    def test_998_bytes_are_no_long_line(self):
        self.exim()
        body = b"y" * 998 + b"\n"
        self.send(message(body, to=[self.address()]), self.relay())
        self.assertEqual(self.wait_copies(1)[0].content, message(body, envelope=False))


class International(ServerTest):
    """SMTPUTF8 is for addresses alone, and what it is missing for has no effect on anybody else."""

    HEADER = "X-Title: Gr\u00fc\u00dfe\n".encode()

    def protocol(self, *recipients, **settings):
        """What Exim says this message came by."""
        self.send(message(to=recipients, header=self.HEADER), self.relay(), **settings)
        line, = (line for line in self.server.log().splitlines() if " <= shop@lab.test " in line)
        return line.split(" P=")[1].split()[0]

    def test_not_for_a_header(self):
        self.exim()
        self.assertEqual(self.protocol(self.address()), "esmtp")

    def test_not_for_a_domain(self):
        self.exim()
        self.assertEqual(self.protocol("ann@b\u00fccher.lab.test"), "esmtp")
        self.wait_copies(1, "ann@xn--bcher-kva.lab.test")

    def test_for_a_local_part(self):
        self.exim()
        joerg = self.address("j\u00f6rg")
        self.assertEqual(self.protocol(joerg, self.address()), "utf8esmtp")
        self.wait_copies(1, joerg)

    def test_where_it_is_not_offered(self):
        self.exim(options={"smtputf8_advertise_hosts": ""})
        joerg = self.address("j\u00f6rg")
        self.start(self.relay())
        self.queue.drop("m", message(to=[joerg, self.address()], header=self.HEADER))
        self.queue.wait_state("m", "failed")
        self.wait_copies(1, self.address())
        refused, = self.queue.events("m", "refused")
        self.assertEqual((refused["recipient"], refused["enhanced"]), (joerg, "5.6.7"))
        self.assertIn("needs SMTPUTF8, which the relay does not offer", refused["text"])

    def test_sender_where_it_is_not_offered(self):
        self.exim(options={"smtputf8_advertise_hosts": ""})
        content = message(to=[self.address()], sender="sh\u00f6p@lab.test")
        self.assertIn("the sender's address needs SMTPUTF8", self.send(content, self.relay(), status=69))
        self.assertEqual(self.copies(), [])


class Limits(ServerTest):
    """What a server takes of messages and recipients at a time is no message's fault."""

    def deliver(self, count, recipients=1, never=("relay-held", "deferred"), **settings):
        to = [[self.address(f"r{m}.{r}") for r in range(recipients)] for m in range(count)]
        for number, addresses in enumerate(to):
            self.queue.drop(f"m{number}", message(to=addresses))
        daemon = self.start(self.relay(**{"connections": 1, **settings}))
        self.queue.wait_gone(*(f"m{number}" for number in range(count)))
        self.wait_copies(count * recipients)
        for event in never:
            self.assertNotIn(f"event={event}", daemon.output())

    def check_met(self, text):
        """The limit of which Exim's log says this was met, unless Exim offers LIMITS (RFC 9422), as 4.98 does."""
        with smtplib.SMTP("127.0.0.1", self.server.port["smtp"]) as client:
            client.ehlo()
            told = client.has_extn("limits")
        (self.assertNotIn if told else self.assertIn)(text, self.server.log())

    def test_messages_in_a_connection(self):
        self.exim(options={"smtp_accept_max_per_connection": 3})
        self.deliver(10)
        self.check_met("too many messages")

    def test_messages_in_a_connection_one_command_at_a_time(self):
        self.exim(options={"smtp_accept_max_per_connection": 3, "pipelining_advertise_hosts": ""})
        self.deliver(10)
        self.check_met("too many messages")

    def test_recipients_of_a_message(self):
        self.exim(options={"recipients_max": 5})
        self.deliver(3, recipients=12)
        self.check_met("too many recipients")

    def test_commands_between_messages(self):
        self.exim()
        self.deliver(30, send_rset=True)

    def test_connections(self):
        """Exim counts a connection until it has looked after its end, and may refuse the only one there is."""
        self.exim(options={"smtp_accept_max_per_host": 2})
        self.deliver(30, never=("deferred",), connections=5, messages_per_connection=3)
        self.assertIn("too many connections", self.server.log())


class Refused(ServerTest):
    """A message that nobody takes is read to its end by the server, and is no part of what follows."""

    BODY = b"QUIT\n.\nMAIL FROM:<nobody@lab.test>\n" * 2000

    def check(self, **options):
        self.exim(options=options)
        good, bad = [f"good{n}" for n in range(5)], [f"bad{n}" for n in range(5)]
        for one, other in zip(good, bad):
            self.queue.drop(other, message(self.BODY, to=["refused@lab.test"]))
            self.queue.drop(one, message(self.BODY, to=[self.address(one)]))
        daemon = self.start(self.relay(connections=1))
        self.queue.wait_gone(*good)
        for name in bad:
            self.queue.wait_state(name, "failed")
            refused, = self.queue.events(name, "refused")
            self.assertEqual((refused["stage"], refused["code"]), ("rcpt", 550))
        for copy in self.wait_copies(len(good)):
            self.assertEqual(copy.content, message(self.BODY, envelope=False))
        self.assertNotIn("relay-held", daemon.output())
        self.assertNotIn("syntax or protocol error", self.server.log())

    def test_chunks(self):
        self.check()

    def test_data(self):
        self.check(chunking_advertise_hosts="")

    def test_one_command_at_a_time(self):
        self.check(pipelining_advertise_hosts="")
