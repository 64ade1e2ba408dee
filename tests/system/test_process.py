"""outbox process: ended early, by signals and by who reads its output. Nothing is delivered twice."""

import json
import os
import signal
import subprocess
import time

from case import SystemTest, message
from lab import program
from odd_relay import OddRelay
from preload import preload
from process import wait_for
from slow_relay import SlowRelay

MESSAGES = 12


# What was delivered cannot be removed.
KEPT = """
int unlinkat(int fd, const char *name, int flags)
{
    if (strstr(name, ".sending")) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_unlinkat, fd, name, flags);
}
"""


class Stuck(SystemTest):
    def test_delivered_files_that_cannot_be_removed(self):
        """It ends all the same, and the next run does not send them again."""
        relay = SlowRelay(0)
        self.addCleanup(relay.close)
        self.configure(self.lab.relay(relay.port), daemon={"stop_timeout": "500ms"})
        for number in range(3):
            self.queue.drop(f"m{number}", message(to=[self.address()]))
        command = [*preload(self.directory, KEPT), program("outbox"), "--config", self.configuration, "process"]
        result = subprocess.run(command, capture_output=True, timeout=300, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(b"cannot delete", result.stderr)
        self.outbox("process")
        self.assertEqual(self.queue.names(), [])
        self.assertEqual(relay.accepted, 3)


class Refusals(SystemTest):
    def process(self, name, *recipients):
        """What is said of a message to them, of whom those that begin with `no` are refused."""
        relay = OddRelay(lambda _, verb, argument:
                         "550 5.1.1 no such user" if verb == "RCPT" and argument.startswith("no") else None)
        self.addCleanup(relay.server.close)
        self.configure({**self.lab.relay(relay.port), "name": "odd"})
        self.queue.drop(name, message(to=recipients))
        result = self.outbox("process", status=None)
        self.assertEqual(result.returncode, 69)
        return result.stderr.decode()

    def test_each_is_told_once(self):
        refused = "outbox: 161: %s: %s@x.test refused by odd at rcpt: 550 5.1.1 no such user\n"
        self.assertEqual(self.process("one", "no@x.test"), refused % ("one", "no"))
        self.assertEqual(self.process("two", "no-1@x.test", "no-2@x.test", "yes@x.test"),
                         refused % ("two", "no-1") + refused % ("two", "no-2") +
                         "outbox: 9004: two failed: 2 of 3 recipients refused\n")


class ProcessEnds(SystemTest):
    def start_process(self, seconds, stop_timeout="20s", wrapper=(), output=subprocess.PIPE):
        """`outbox process` with messages in flight to a relay that takes so long for each."""
        self.relay = SlowRelay(seconds)
        self.addCleanup(self.relay.close)
        self.configure(
            self.lab.relay(self.relay.port, connections=2), daemon={"stop_timeout": stop_timeout}
        )
        for number in range(MESSAGES):
            self.queue.drop(f"m{number}", message(to=[self.address()]))
        child = subprocess.Popen(
            [*wrapper, program("outbox"), "--config", self.configuration, "process"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, text=True,
        )
        self.addCleanup(self.end, child)
        wait_for(lambda: self.relay.in_data >= 2, "messages in flight")
        return child

    @staticmethod
    def end(child):
        child.kill()
        child.wait()
        for stream in (child.stdout, child.stderr):
            if stream:
                stream.close()

    def check_none_is_doubled(self):
        left = self.queue.names()
        self.assertTrue(all(name.endswith(".queued") for name in left), left)
        self.assertGreater(self.relay.accepted, 0)
        self.assertEqual(len(left), MESSAGES - self.relay.accepted)

    def test_first_signal_lets_what_is_in_flight_end(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            child = self.start_process(30.0)
            child.send_signal(number)
            told = child.stderr.readline()
            self.assertIn("outbox: 301: interrupted: no more messages are taken", told)
            self.assertIn("20s to end", told)
            self.relay.go_on.set()
            output, errors = child.communicate(timeout=300)
            self.assertEqual(child.returncode, 75, errors)
            self.assertIn("what is left stays queued", output)
            self.check_none_is_doubled()

    def test_status_tells_of_it(self):
        child = self.start_process(3600)
        told = json.loads(self.outbox("status", "--json"))
        self.assertEqual([one["pid"] for one in told["daemons"]], [child.pid])
        self.assertRegex(self.outbox("status"),
                         rf"(?m)^outbox process \S+, process {child.pid} of user")
        listed = json.loads(self.outbox("list", "--json"))
        self.assertEqual({one["waits"]["for"] for one in listed}, {"turn", "nothing"})
        self.end(child)
        told = json.loads(self.outbox("status", "--json"))
        self.assertEqual((told["daemons"], told["last_daemon"]), ([], None))
        self.assertIn("no daemon has ever delivered", told["waits"]["text"])

    def test_second_signal_does_not_wait(self):
        child = self.start_process(600.0, "600s")
        child.send_signal(signal.SIGINT)
        self.assertIn("interrupted: no more", child.stderr.readline())
        begin = time.monotonic()
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(300), 75)
        self.assertLess(time.monotonic() - begin, 300)
        self.assertEqual(len(self.queue.in_state("queued")), MESSAGES)

    def test_stop_timeout_is_the_end(self):
        child = self.start_process(600.0, "1s")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(300), 75)
        self.assertEqual(len(self.queue.in_state("queued")), MESSAGES)

    def test_reader_of_the_output_goes(self):
        child = self.start_process(1.0)
        child.stdout.close()
        child.stdout = None
        _, errors = child.communicate(timeout=300)
        self.assertEqual(child.returncode, 74, errors)
        self.assertEqual(errors.count("cannot write to standard output"), 1)
        self.check_none_is_doubled()
        self.assertGreater(len(self.queue.names()), 0)

    def test_reader_of_the_output_stops(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, b"x" * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(writer, True)
        child = self.start_process(0.5, output=writer)
        os.close(writer)
        wait_for(lambda: self.relay.accepted >= 2, "replies that are to be printed")
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(200), 75)
        self.check_none_is_doubled()

    def test_ignored_signal_stays_ignored(self):
        child = self.start_process(0.5, wrapper=("nohup",))
        child.send_signal(signal.SIGHUP)
        _, errors = child.communicate(timeout=300)
        self.assertEqual(child.returncode, 0, errors)
        self.assertEqual(self.relay.accepted, MESSAGES)
        self.assertTrue(self.queue.is_empty())
