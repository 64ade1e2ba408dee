"""What is said of servers holds of OpenSMTPD, which takes one command at a time and whole messages only, and closes
the connection where others say no."""

import email
import email.policy
import itertools

from case import as_delivered, message
from dovecot import PASSWORD, USER
from opensmtpd import release
from process import wait_for
from servers import BODIES, ServerTest


class OpenSmtpdTest(ServerTest):
    def login(self, port, **settings):
        tls = "implicit" if port == "submissions" else "starttls"
        return self.relay(port, **{"tls": tls, "tls_ca_file": self.lab.certificates.certificate("ca"),
                                   "host": "localhost", "ip_version": 0, "user": USER, "password": PASSWORD, **settings})


class Delivery(OpenSmtpdTest):
    def test_content(self):
        """Byte for byte, from a file with LF and with CRLF, over one connection."""
        self.opensmtpd()
        expected = {}
        for number, (body, line_end) in enumerate(itertools.product(BODIES, (b"\n", b"\r\n"))):
            ann = self.address(f"r{number}")
            expected[ann] = as_delivered(message(body, envelope=False))
            self.queue.drop(f"m{number}", message(body, to=[ann]).replace(b"\n", line_end))
        count = len(expected)
        self.start(self.relay(connections=1))
        for copy in self.wait_copies(count, seconds=40):
            self.assertEqual(copy.content, expected.pop(copy.recipient))
            self.assertEqual(copy.sender, "shop@lab.test")
        self.queue.wait_gone(*(f"m{number}" for number in range(count)))
        self.assertEqual(self.server.log().count(" smtp connected "), 1)

    def test_size(self):
        """What is larger than it says it takes is refused here, and its own word counts where that is not seen."""
        self.opensmtpd(options="smtp max-message-size 20K")
        large = message(b"x" * 70 * 2 + b"\n", to=[self.address()]) + (b"y" * 70 + b"\n") * 300
        said = self.send(large, self.relay(), status=69)
        self.assertIn("more than the relay takes (20480, its SIZE limit)", said)
        self.assertNotIn("MAIL FROM", said)
        said = self.send(large, self.relay(discard_ehlo_keywords="SIZE"), status=69)
        self.assertIn("< 554 5.3.4 Message too big", said)
        self.send(message(to=[self.address()]), self.relay())
        self.wait_copies(1, self.address())

    def test_refused_recipients(self):
        self.opensmtpd()
        ann = self.address()
        self.start(self.relay())
        self.queue.drop("m", message(to=[ann, "refused@lab.test", "bob@elsewhere.test"]))
        self.queue.wait_state("m", "failed")
        self.wait_copies(1, ann)
        refused = {line["recipient"]: line["code"] for line in self.queue.events("m", "refused")}
        self.assertEqual(refused, {"refused@lab.test": 550, "bob@elsewhere.test": 550})

    def test_refused_messages_between_others(self):
        """A message that nobody takes spoils none on the same connection."""
        self.opensmtpd()
        good, bad = [f"good{n}" for n in range(4)], [f"bad{n}" for n in range(4)]
        for one, other in zip(good, bad):
            self.queue.drop(other, message(to=["refused@lab.test"]))
            self.queue.drop(one, message(to=[self.address(one)]))
        daemon = self.start(self.relay(connections=1))
        self.queue.wait_gone(*good)
        for name in bad:
            self.queue.wait_state(name, "failed")
        self.wait_copies(4, *(self.address(one) for one in good))
        self.assertNotIn("event=relay-held", daemon.output())

    def test_notifications(self):
        """RFC 3461: its own report has what the queue file asked for."""
        self.opensmtpd()
        ann, sender = self.address(), self.address("shop")
        front = (f"X-Sender: <{sender}> RET=HDRS ENVID=order+2B42\n"
                 f"X-Receiver: <{ann}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bann@lab.test\n")
        said = self.send(front.encode() + message(b"the body\n", envelope=False), self.relay())
        self.assertIn("RET=HDRS ENVID=order+2B42", said)
        self.assertIn("NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bann@lab.test", said)
        self.wait_copies(1, ann)
        copy, = self.wait_copies(1, sender)
        self.assertNotIn(b"the body", copy.content)
        parsed = email.message_from_bytes(copy.content, policy=email.policy.default)
        self.assertIn("message/delivery-status", [part.get_content_type() for part in parsed.walk()])


class Limits(OpenSmtpdTest):
    """What it takes no more of goes on at once, over the same or another connection, and counts against nobody."""

    def deliver(self, count, recipients=1, **settings):
        to = [[self.address(f"r{m}.{r}") for r in range(recipients)] for m in range(count)]
        for number, addresses in enumerate(to):
            self.queue.drop(f"m{number}", message(to=addresses))
        daemon = self.start(self.relay(**{"connections": 1, **settings}))
        self.queue.wait_gone(*(f"m{number}" for number in range(count)), seconds=40)
        self.wait_copies(count * recipients, seconds=40)
        for event in ("relay-held", "deferred"):
            self.assertNotIn(f"event={event}", daemon.output())

    def test_recipients_of_a_message(self):
        self.opensmtpd(options="smtp limit max-rcpt 5")
        self.deliver(2, recipients=12)
        self.assertIn("Too many recipients", self.server.log())

    def test_messages_of_a_connection(self):
        self.opensmtpd(options="smtp limit max-mails 3")
        self.deliver(10)
        self.assertIn("Too many messages sent", self.server.log())

    def test_many_recipients(self):
        self.opensmtpd()
        self.deliver(1, recipients=300)


class Login(OpenSmtpdTest):
    def test_mechanisms(self):
        self.opensmtpd()
        for port, mechanism in itertools.product(("submission", "submissions"), ("plain", "login", "auto")):
            with self.subTest(f"{port} {mechanism}"):
                before = len(self.server.log())
                ann = self.address(f"{port}-{mechanism}")
                self.send(message(to=[ann]), self.login(port, auth=mechanism))
                wait_for(lambda before=before: f"authentication user={USER} result=ok" in self.server.log()[before:],
                         "the login in its log")
                self.wait_copies(1, ann)

    def test_wrong_password(self):
        self.opensmtpd()
        for mechanism in ("plain", "login"):
            with self.subTest(mechanism):
                said = self.send(message(), self.login("submission", auth=mechanism, password="wrong"), status=77)
                self.assertIn("outbox: 9006: ", said)
                self.assertIn("535 Authentication failed", said)

    def test_daemon_with_a_wrong_password(self):
        """It is the relay's matter, and no message's."""
        self.opensmtpd()
        daemon = self.start(self.login("submissions", password="wrong"))
        self.queue.drop("m", message(to=[self.address()]))
        self.wait_log(daemon, "relay-held")
        self.wait_log(daemon, "535 Authentication failed")
        self.assertEqual(self.queue.record("m"), [])
        self.configure(self.login("submissions"))
        daemon.reload()
        daemon.flush()
        self.queue.wait_gone("m")
        self.wait_copies(1, self.address())

    def test_without_login(self):
        self.opensmtpd()
        relay = {name: value for name, value in self.login("submissions").items() if name not in ("user", "password")}
        said = self.send(message(), relay, status=77)
        self.assertIn("530 5.5.1 Invalid command: Must issue an AUTH command first", said)
        self.assertIn("set user and a password", said)

    def test_without_tls(self):
        self.opensmtpd()
        relay = self.relay("submission", tls="none")
        said = self.send(message(), relay, status=77)
        self.assertIn("530", said)


class BrokenTls(OpenSmtpdTest):
    """Release 6.8 with OpenSSL 3, as Debian 12 has them: the server loses its key, and each handshake fails there."""

    def setUp(self):
        super().setUp()
        if release() > (6, 8):
            self.skipTest("this release of OpenSMTPD keeps its key")

    def test_tool(self):
        self.opensmtpd(keeps_key=False)
        for port in ("submission", "submissions"):
            with self.subTest(port):
                said = self.send(message(), self.login(port), status=75)
                self.assertRegex(said, r"outbox: 276: relay \d+, tls: TLS with localhost failed \(.*alert internal error\)")
                self.assertIn("the server itself failed: its owner must mend it, and its log says more", said)

    def test_daemon(self):
        self.opensmtpd(keeps_key=False)
        daemon = self.start(self.login("submission"))
        self.queue.drop("m", message(to=[self.address()]))
        self.wait_log(daemon, "event=relay-held")
        self.wait_log(daemon, "error=276")
        self.assertEqual(self.queue.record("m"), [])

    def test_without_tls(self):
        """The port that is in clear works all the same."""
        self.opensmtpd(keeps_key=False)
        self.send(message(to=[self.address()]), self.relay())
        self.wait_copies(1, self.address())


class Order(OpenSmtpdTest):
    def test_greeting_is_waited_for(self):
        """Whoever speaks before it is thrown out; nothing here does."""
        self.opensmtpd()
        self.start(self.relay(connections=5))
        for number in range(20):
            self.queue.drop(f"m{number}", message(to=[self.address(f"r{number}")]))
        self.queue.wait_gone(*(f"m{number}" for number in range(20)), seconds=40)
        self.wait_copies(20, seconds=40)
