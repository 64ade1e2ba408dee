"""A machine whose systemd is real, with outbox installed and users of its own: what tests in it share."""

import json
import pathlib
import subprocess
import sys
import unittest

import lab
import process
from process import wait_for

SPOOL = pathlib.Path("/var/spool/outbox")
CONFIGURATION = pathlib.Path("/etc/outbox/outbox.conf")
process.LEAST = 200.0  # the daemon and the journal descend from systemd, and how busy they are is not seen


def run(*command, status=0, user=None, stdin=""):
    """Runs a command, as that user; its output, both streams together."""
    if user:
        command = ("runuser", "-u", user, "--", *command)
    result = subprocess.run(
        [str(c) for c in command], input=stdin, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if status is not None and result.returncode != status:
        raise AssertionError(f"{command}: status {result.returncode}\n{result.stdout}")
    return result.stdout


def shell(script, **options):
    return run("sh", "-c", script, **options)


def journal(*matches):
    """The unit's entries, decoded."""
    run("journalctl", "--sync")
    text = run("journalctl", "-o", "json", "-u", "outboxd", *matches)
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def configure(*relays, local=None, **spool):
    CONFIGURATION.parent.mkdir(exist_ok=True)
    lab.write_configuration(CONFIGURATION, {"directory": SPOOL, **spool}, list(relays), local=local)
    CONFIGURATION.chmod(0o644)


class Machine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run("systemd-sysusers")
        run("systemd-tmpfiles", "--create", "outbox-tmpfiles.conf")
        run("systemctl", "daemon-reload")
        for user in ("alice", "bob"):
            run("useradd", "--groups", "outbox", user)
        run("useradd", "mallory")
        cls.lab = lab.shared()
        cls.postfix = cls.lab.postfix

    def setUp(self):
        configure(self.lab.relay("plain", name="relay"))
        run("systemctl", "reset-failed", status=None)
        run("systemctl", "restart", "outboxd")

    def tearDown(self):
        run("systemctl", "stop", "outboxd")
        shell(f"rm -f {SPOOL}/*.queued {SPOOL}/*.failed {SPOOL}/*.held {SPOOL}/*.status")

    def wait_copy(self, recipient):
        return wait_for(lambda: self.postfix.copies(recipient), f"a copy for {recipient}")[0]

    def wait_name(self, name):
        wait_for(lambda: (SPOOL / name).exists(), f"{name}, there is {list(SPOOL.iterdir())}")

    def drop(self, name, content, user="alice"):
        shell(
            f"cat > {SPOOL}/.{name}.new && mv {SPOOL}/.{name}.new {SPOOL}/{name}.queued",
            user=user, stdin=content.decode("utf-8"),
        )


class Outcome(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.outcomes = {}

    def _note(self, test, word, text=""):
        self.outcomes[getattr(test, "_testMethodName", str(test))] = [word, text]

    def addSuccess(self, test):
        self._note(test, "pass")

    def addSkip(self, test, reason):
        self._note(test, "skip", reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._note(test, "fail", f"{subtest}: {err[1]}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "fail", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "fail", self.errors[-1][1])


def main(case):
    """Runs the tests of a class, and prints what became of each as one JSON object."""
    outcome = Outcome()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcome)
    print(json.dumps(outcome.outcomes))
    sys.exit(0)
