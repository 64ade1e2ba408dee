"""A reader of the log that stops, comes back, or never comes: neither mail nor a stop waits for it."""

import fcntl
import os
import re

from case import SystemTest, message
from process import wait_for
from slow_relay import SlowRelay

MANY = 300  # entries of some 8 KB: more than is kept for a reader


class StoppedReader(SystemTest):
    def start_with_pipe(self):
        """The daemon with its log in a pipe that only the test may read; the reading end."""
        path = self.directory / "log"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        self.relay = SlowRelay(0)
        self.addCleanup(self.relay.close)
        self.daemon = self.start(
            self.lab.relay(self.relay.port),
            wrapper=("sh", "-c", 'exec "$@" 2> ' + str(path), "sh"),
        )
        return reader

    def make_entries(self):
        """Long ones, of a configuration with many mistakes."""
        right = self.configuration.read_bytes()
        mistakes = "".join(f"{'x' * 75}{number} = 1;\n" for number in range(99))
        self.configuration.write_text("relays = ( { " + mistakes + "} );\n", encoding="ascii")
        for _ in range(MANY):
            self.daemon.reload()
        self.configuration.write_bytes(right)

    def deliver(self, name):
        self.queue.drop(name, message(to=[self.address()]))
        self.queue.wait_gone(name)

    def test_mail_and_a_stop_go_on(self):
        self.start_with_pipe()
        self.make_entries()
        self.deliver("m")
        self.assertEqual(self.daemon.terminate(), 0)

    def test_reader_that_comes_back_is_told_what_it_missed(self):
        reader = self.start_with_pipe()
        self.make_entries()
        self.deliver("m")
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 1 << 20)
        text = b""

        def told():
            nonlocal text
            try:
                while True:
                    text += os.read(reader, 65536)
            except BlockingIOError:
                return b"could not be written" in text

        wait_for(told, "what is missing")
        self.deliver("last")
        wait_for(lambda: told() and b" id=last " in text, "the entry of the last message")
        self.assertEqual(self.daemon.terminate(), 0)
        told()
        entries = re.split(r"\n(?!    )", text.decode("ascii"))
        self.assertEqual(entries.pop(), "")
        for entry in entries:
            self.assertRegex(entry, r"(?s)^20\d\d-\S+Z [a-z]+ .* event=")
        lost = sum(int(n) for n in re.findall(r"(\d+) log entries before this", "\n".join(entries)))
        seen = sum(" event=reload-refused" in entry for entry in entries)
        self.assertGreater(lost, 0)
        self.assertGreater(seen, 0)
        self.assertIn(lost + seen, (MANY, MANY + 1))  # the entry of "m" may be among them

    def test_reader_that_is_gone(self):
        path = self.directory / "log"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.relay = SlowRelay(0)
        self.addCleanup(self.relay.close)
        self.daemon = self.start(
            self.lab.relay(self.relay.port),
            wrapper=("sh", "-c", 'exec "$@" 2> ' + str(path), "sh"),
        )
        os.close(reader)
        self.deliver("m")
        again = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, again)
        text = b""

        def told():
            nonlocal text
            try:
                text += os.read(again, 65536)
            except BlockingIOError:
                pass
            return b"could not be written" in text

        wait_for(told, "what is missing")
        self.assertEqual(self.daemon.terminate(), 0)


class Wording(SystemTest):
    def test_a_doubt_is_said_once(self):
        """The relay took the message and hung up: the entry says so, and does not repeat itself."""
        relay = SlowRelay(0, answer=lambda _: None)
        self.addCleanup(relay.close)
        daemon = self.start(self.lab.relay(relay.port))
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_state("m", "deferred")
        self.wait_log(daemon, "event=deferred")
        line = next(line for line in daemon.output().splitlines() if "event=deferred" in line)
        self.assertEqual(line.partition(" event=")[0].count("may have been delivered"), 1, line)
