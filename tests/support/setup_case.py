"""What the tests of `outbox setup` start from."""

import json
import pathlib

import lab
from dovecot import PASSWORD, USER
from servers import ServerTest
from terminal import Terminal


class SetupTest(ServerTest):
    """The configuration is made by the tool, beside a queue of the test's own."""

    def setUp(self):
        super().setUp()
        self.password = self.directory / "typed"
        self.use_password(PASSWORD)
        self.secret = pathlib.Path(f"{self.configuration}.password")

    def use_password(self, password):
        self.password.write_text(password + "\n", encoding="utf-8")

    def files(self):
        """Each file beside the configuration, with its content, rights and owner."""
        return {path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_uid)
                for path in self.directory.iterdir() if path.is_file()}

    def arguments(self, port, *options, user=USER, tls="starttls", ca="ca"):
        words = ["setup", "-d", self.queue.path, "--relay", "localhost", "--port", port]
        words += ["--tls", tls] if tls else []
        words += ["--user", user, "--password-file", self.password] if user else []
        words += ["--ca-file", self.lab.certificates.certificate(ca)] if ca else []
        return [str(word) for word in (*words, *options)]

    def run_setup(self, port, *options, status=0, **choice):
        """What it says, on both streams; the password is never among it."""
        done = self.outbox(*self.arguments(port, "--yes", *options, **choice), status=None)
        said = done.stdout.decode() + done.stderr.decode()
        self.assertEqual(done.returncode, status, said)
        self.assertNotIn(self.password.read_text(encoding="utf-8").strip(), said)
        return said

    def refuse(self, port, *options, status, **choice):
        """Nothing is written."""
        before = self.files()
        said = self.run_setup(port, *options, status=status, **choice)
        self.assertEqual(self.files(), before)
        return said

    def settings(self):
        return json.loads(self.outbox("config", "--json"))


class AskedTest(SetupTest):
    """At a terminal."""

    def begin(self, *options, wrapper=(), **terminal):
        terminal = Terminal([*wrapper, lab.program("outbox"), "--config", self.configuration, "setup",
                             "-d", self.queue.path, "--ca-file", self.lab.certificates.certificate("ca"), *options],
                            **terminal)
        self.addCleanup(terminal.close)
        return terminal

    def steps(self, port):
        """Questions, and answers to them."""
        return [("Your mail address, the relay", "localhost"), ("Its port", port), ("User, as the relay", USER),
                ("Password", PASSWORD), ("Who gets the mail to root", "me@lab.test"), ("What all mail is sent as", "-")]
