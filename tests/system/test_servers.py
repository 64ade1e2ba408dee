"""What is said of servers holds of real ones: Exim with GnuTLS and, where its answer is another, Postfix."""

import itertools

from case import SystemTest, as_delivered, message
from process import wait_for

BODIES = (
    b".\n..\n...\n.leading\n\n.\n\n..\n.\n",
    b"the last line has no end",
    b"",
    bytes(b for b in range(1, 256) if b not in b"\r\n") + b"\n",
    b".0123456789abcdef\n" * 60_000,
)


class ServerTest(SystemTest):
    """Tests that send to `self.server`."""

    def setUp(self):
        super().setUp()
        self.server = None

    def exim(self, **settings):
        """A new Exim, which ends with the test; it is the server from now on."""
        self.server = self.lab.exim(**settings)
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
        wait_for(lambda: text in self.server.log(), lambda: f"{text!r} in {self.server.log()}")


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
