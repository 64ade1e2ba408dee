"""What every system test starts from."""

import json
import signal
import unittest

import lab
from dovecot import PASSWORD
from process import Patience, wait_for

SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "runtime error:")


def message(body=b"Hello.\n", to=("ann@lab.test",), sender="shop@lab.test", header=b"", envelope=True):
    """A complete message as bytes, its envelope in front; LF line ends."""
    content = (
        b"From: Shop <shop@lab.test>\n"
        b"To: undisclosed-recipients:;\n"
        b"Date: Mon, 02 Mar 2026 10:20:30 +0000\n"
        b"Message-ID: <fixed.1@lab.test>\n"
        b"Subject: Your order\n" + header + b"\n" + body
    )
    if not envelope:
        return content
    lines = [f"X-Sender: <{sender}>\n"] + [f"X-Receiver: <{one}>\n" for one in to]
    return "".join(lines).encode("utf-8") + content


def as_delivered(content):
    """What a Maildir holds of a message: LF line ends, and a line end at its end."""
    content = content.replace(b"\r\n", b"\n")
    return content if content.endswith(b"\n") else content + b"\n"


class SystemTest(unittest.TestCase):
    """A directory, a queue, and the shared laboratory; no test may take longer than `seconds`, unless
    the machine is slow."""

    seconds = 280  # below what a stage may do nothing for: scripts/stages.sh
    longMessage = True

    def run(self, result=None):
        try:
            return super().run(result)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def setUp(self):
        self.seconds = max(self.seconds, SystemTest.seconds)
        self.patience = Patience(self.seconds, beat=1)
        signal.signal(signal.SIGALRM, self._look_at_the_time)
        signal.setitimer(signal.ITIMER_REAL, 1, 1)
        self.lab = lab.shared()
        self.daemons = []
        self.directory = self.lab.new_directory()
        self.queue = lab.Queue(self.directory / "queue")
        self.configuration = self.directory / "outbox.conf"

    def _look_at_the_time(self, *_):
        if self.patience.is_over():
            raise AssertionError(f"took more than {self.seconds} s")

    def configure(self, *relays, spool=None, retry=None, daemon=None, local=None, bounce=None,
                  alarm=None):
        """Writes the configuration; the relay is Postfix's plain port when none is given."""
        return lab.write_configuration(
            self.configuration,
            {"directory": self.queue.path, **(spool or {})},
            list(relays) or [self.lab.relay("plain")],
            retry=retry,
            daemon=daemon,
            local=local,
            bounce=bounce,
            alarm=alarm,
        )

    def start(self, *relays, ready=True, directory=None, arguments=(), wrapper=(), confined=True,
              **settings):
        """Configures and starts outboxd, which is killed when the test is over."""
        self.configure(*relays, **settings)
        return self.start_again(ready, directory, arguments, wrapper, confined)

    def start_again(self, ready=True, directory=None, arguments=(), wrapper=(), confined=True):
        """Starts outboxd with the configuration that there is."""
        daemon = lab.Outboxd(self.configuration, directory or self.lab.new_directory(), ready, arguments,
                             wrapper, confined)
        self.daemons.append(daemon)
        self.addCleanup(self._end, daemon)
        return daemon

    def logs(self):
        """The end of what each daemon of this test said, for when it has failed."""
        return "".join(f"\n# the log of a daemon ends:\n{daemon.output()[-8000:]}" for daemon in self.daemons)

    def _end(self, daemon):
        if daemon.is_running():
            daemon.signal(signal.SIGCONT)
            daemon.signal(signal.SIGTERM)
            try:
                daemon.wait(10)
            finally:
                daemon.kill()
        daemon.notifications.close()
        output = daemon.output()
        for word in SANITIZER_WORDS:
            if word in output:
                self.fail(output[max(0, output.index(word) - 200) :])
        self.assertNotIn(PASSWORD, output, "a password was logged")

    def outbox(self, *arguments, stdin=b"", status=0, **options):
        """Runs the tool with the test's configuration; its standard output as text. A status of None
        gives the CompletedProcess."""
        result = lab.outbox("--config", self.configuration, *arguments, stdin=stdin, **options)
        if status is None:
            return result
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stderr.decode()}")
        return result.stdout.decode("utf-8")

    def wait_copies(self, count, *recipients, seconds=15.0):
        """Waits until so many copies for these recipients (all, when none is named) were delivered."""

        def found():
            copies = self.copies(*recipients)
            return copies if len(copies) >= count else None

        copies = wait_for(found, f"{count} copies for {recipients or 'anybody'}", seconds)
        self.assertEqual(len(copies), count)
        return copies

    def copies(self, *recipients):
        return [c for c in self.lab.postfix.copies() if not recipients or c.recipient in recipients]

    def address(self, name="ann"):
        """A recipient that no other test uses."""
        return f"{name}.{self.directory.name}@lab.test"

    def check_waits(self, daemon, stage, server, remedy):
        """Something beside the relay hangs, and every place says so: the log, `status` and `list`."""
        self.wait_log(daemon, "event=relay-silent", seconds=60)
        line = next(line for line in daemon.output().splitlines() if "event=relay-silent" in line)
        self.assertIn(f"stage {stage}, where what is waited for is {server}", line)
        self.assertIn(remedy, line)

        def waits():
            return next((relay["waits"] for one in json.loads(self.outbox("status", "--json"))["daemons"]
                         for relay in one["relays"] if relay["waits"]), None)

        # It is tried again and again; between the tries nothing is waited for.
        found = wait_for(waits, daemon.output, seconds=60)
        self.assertEqual((found["stage"], found["for"]), (stage, server))
        self.assertIn(remedy, found["hint"])
        name = self.queue.names()[0].split(".")[0]
        for told in (line, self.outbox("status"), self.outbox("show", name)):
            self.assertIn(f"stage {stage}", told)  # while it hangs, or after that
            self.assertNotIn("stage lookup", told)
            self.assertNotIn("too slow", told)

    def wait_log(self, daemon, text, seconds=15.0):
        wait_for(
            lambda: text in daemon.output(),
            lambda: f"{text!r} in the log:\n{daemon.output()}\nqueue: {self.queue.names()}",
            seconds,
        )
