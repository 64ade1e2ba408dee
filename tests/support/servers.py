"""Tests whose messages go to a real server, which they choose."""

from case import SystemTest
from process import wait_for

# What may go wrong on the way.
BODIES = (
    b".\n..\n...\n.leading\n\n.\n\n..\n.\n",
    b"the last line has no end",
    b"",
    bytes(b for b in range(1, 256) if b not in b"\r\n") + b"\n",
    b".0123456789abcdef\n" * 60_000,
)


class ServerTest(SystemTest):
    """`self.server` is whoever gets the messages: an Exim or OpenSMTPD of the test's own, or the laboratory's Postfix."""

    def setUp(self):
        super().setUp()
        self.server = None

    def exim(self, **settings):
        """A new Exim with these settings, which ends with the test."""
        self.server = self.lab.exim(**settings)
        self.addCleanup(self.server.stop)
        return self.server

    def opensmtpd(self, **settings):
        """A new OpenSMTPD with these settings, which ends with the test."""
        self.server = self.lab.opensmtpd(**settings)
        self.addCleanup(self.server.stop)
        return self.server

    def postfix(self):
        self.server = self.lab.postfix
        return self.server

    def relay(self, port="smtp", **settings):
        return self.lab.relay(self.server.port[port], **settings)

    def copies(self, *recipients):
        return [c for c in self.server.copies() if not recipients or c.recipient in recipients]

    def wait_server_log(self, text):
        wait_for(lambda: text in self.server.log(), lambda: f"{text!r} in {self.server.log()[-5000:]}")

    def send(self, content, relay, status=0):
        """Sends it at once, without the queue; what the tool said, the dialogue included."""
        self.configure(relay)
        result = self.outbox("send", "-v", stdin=content, status=None)
        said = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, said)
        return said
