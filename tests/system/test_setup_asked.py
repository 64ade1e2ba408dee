"""`outbox setup` at a terminal, where it asks, and what the name servers say of a relay."""

import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading

import lab
from dovecot import PASSWORD, USER
from process import free_port
from setup_case import AskedTest

MOUNTED = 'mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"'


class Asked(AskedTest):
    def test_all(self):
        terminal = self.begin("--tls", "starttls")
        for question, answer in self.steps(self.exim().port["smtp"]):
            terminal.answer(question, str(answer))
        terminal.wait("  ok")
        terminal.answer(r"Write it\? \[Y/n\]", "")
        terminal.answer(r"Send a test message to me@lab.test\?", "n")
        self.assertEqual(terminal.end(), 0)
        self.assertNotIn(PASSWORD, terminal.shown)
        self.assertTrue(terminal.has_echo())
        made = self.settings()
        self.assertEqual((made["relays"][0]["user"], made["local"]["root"]), (USER, "me@lab.test"))
        self.assertEqual(self.secret.read_text(encoding="utf-8"), PASSWORD + "\n")

    def test_interrupted(self):
        """At each question, in each way: everything is as it was, the terminal's echo included."""
        steps = [*self.steps(self.exim().port["smtp"]), (r"Write it\?", "")]
        before = self.files()
        for n in range(len(steps)):
            for end in ("\x03", "\x04", "\x1c"):
                with self.subTest(steps[n][0], end=end):
                    terminal = self.begin("--tls", "starttls")
                    for question, answer in steps[:n]:
                        terminal.answer(question, str(answer))
                    terminal.answer(steps[n][0], "", end=end)
                    terminal.wait("broken off: nothing was changed")
                    self.assertNotEqual(terminal.end(), 0)
                    self.assertTrue(terminal.has_echo())
                    self.assertEqual(self.files(), before)

    def test_ended_at_the_password(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
            terminal = self.begin()
            for question, answer in self.steps(free_port())[:3]:
                terminal.answer(question, str(answer))
            terminal.wait("Password .*: ")
            self.assertFalse(terminal.has_echo())
            terminal.child.send_signal(number)
            self.assertNotEqual(terminal.end(), 0)
            self.assertTrue(terminal.has_echo())
            self.assertFalse(self.configuration.exists())

    def test_what_works_is_offered(self):
        """The port speaks STARTTLS, and was taken for one with TLS from the start."""
        terminal = self.begin()
        for question, answer in self.steps(port := self.exim().port["smtp"]):
            terminal.answer(question, str(answer))
        terminal.wait("FAILED at")
        terminal.answer(f'Port {port} with tls = "starttls" works there. Take it', "y")
        terminal.wait("  ok")
        terminal.answer(r"Write it\?", "y")
        terminal.answer("Send a test message", "n")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(self.settings()["relays"][0]["tls"], "starttls")

    def test_what_was_said_is_suggested(self):
        """Whoever goes over port and TLS once more keeps both with the return key alone."""
        terminal = self.begin("--tls", "opportunistic", "--port", port := free_port())
        terminal.answer("Your mail address, the relay", "localhost")
        terminal.answer(rf"Its port .* \[{port}\]: ", "")
        for question, answer in self.steps(port)[2:]:
            terminal.answer(question, answer)
        terminal.wait("FAILED at connect")
        terminal.answer(r"\[q\]uit \[p\]", "")
        terminal.answer(rf"Its port .* \[{port}\]: ", "")
        terminal.answer(r"Its TLS .* \[opportunistic\]: ", "ssl")
        terminal.wait("It is one of automatic, starttls")
        terminal.answer(r"Its TLS .* \[opportunistic\]: ", "")
        terminal.wait(f"relay localhost:{port}")
        terminal.answer(r"\[q\]uit \[p\]", "q")
        self.assertNotEqual(terminal.end(), 0)

    def test_lines_begin_anew(self):
        """The return key of an answer ends the line: a question behind it that fits is not broken."""
        terminal = self.begin("--untested", columns=100)
        terminal.answer("Your mail address, the relay", "localhost")
        terminal.answer(r"Its port \(587, or 465 for TLS from the start\) \[587\]: ", "\x03", end="")
        self.assertNotEqual(terminal.end(), 0)

    def test_password_again(self):
        terminal = self.begin("--tls", "starttls")
        for question, answer in self.steps(self.exim().port["smtp"]):
            terminal.answer(question, "wrong" if question == "Password" else str(answer))
        terminal.wait("FAILED at auth")
        terminal.answer(r"\[q\]uit \[u\]", "")
        terminal.answer(r"User, as the relay knows it .* \[alice\]", "")
        terminal.answer("Password", PASSWORD)
        terminal.wait("  ok")
        terminal.answer(r"Write it\?", "n")
        self.assertNotEqual(terminal.end(), 0)
        self.assertFalse(self.configuration.exists())

    def test_certificate(self):
        """The one that is to be taken is named by whoever knows it."""
        terminal = self.begin("--tls", "starttls")
        for question, answer in self.steps(self.exim(certificate="stranger").port["smtp"]):
            terminal.answer(question, str(answer))
        digest = terminal.wait("SHA-256 of the certificate: [0-9a-f]{64}").split()[-1]
        terminal.wait("FAILED at certificate")
        terminal.answer(r"\[q\]uit \[q\]", "c")
        terminal.answer("A file with the authority", digest)
        terminal.wait("  ok")
        terminal.answer(r"Write it\?", "y")
        terminal.answer("Send a test message", "n")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(self.settings()["relays"][0]["tls_accept_certificate"], [digest])

    def test_authority(self):
        """A file is named from where one is, and not to the daemon, which is elsewhere."""
        certificates = self.lab.certificates
        (self.directory / "mine.pem").write_bytes(pathlib.Path(certificates.certificate("ca")).read_bytes())
        terminal = self.begin("--tls", "starttls", "--ca-file", certificates.certificate("stranger"), cwd=self.directory)
        for question, answer in self.steps(self.exim().port["smtp"]):
            terminal.answer(question, str(answer))
        terminal.wait("FAILED at certificate")
        terminal.answer(r"\[q\]uit \[q\]", "c")
        terminal.answer("A file with the authority", "mine.pem")
        terminal.wait("  ok")
        terminal.answer(r"Write it\?", "y")
        terminal.answer("Send a test", "n")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(self.settings()["relays"][0]["tls_ca_file"], str(self.directory.resolve() / "mine.pem"))

    def test_untested(self):
        terminal = self.begin()
        for question, answer in self.steps(free_port()):
            terminal.answer(question, str(answer))
        terminal.wait("FAILED at connect")
        terminal.answer(r"\[q\]uit", "x")
        terminal.answer(r"\[q\]uit", "w")
        terminal.answer(r"Write it\?", "y")
        terminal.answer("Send a test message", "n")
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(self.configuration.exists())

    def test_edited(self):
        self.configuration.write_text('relays = ({ host = "old.lab.test"; });\n', encoding="utf-8")
        for answer, kept in (("", True), ("y", False)):
            terminal = self.begin("--untested", "--relay", "new.lab.test", "--user", USER)
            terminal.answer("Password", PASSWORD)
            terminal.answer("Who gets", "-")
            terminal.answer("What all", "-")
            terminal.wait('- host = "old.lab.test"')
            terminal.answer(r"Write over it\? A copy is kept. \[y/N\]", answer)
            self.assertEqual(terminal.end() == 0, not kept)
            self.assertEqual("old.lab.test" in self.configuration.read_text(encoding="utf-8"), kept)
        self.assertIn("old.lab.test", (self.directory / "outbox.conf.before-1").read_text(encoding="utf-8"))

    def test_what_makes_no_configuration(self):
        """It is said, and can be changed."""
        terminal = self.begin("--relay", "localhost", "--accept-certificate", "none", "--user", USER)
        terminal.answer("Password", PASSWORD)
        terminal.answer("Who gets", "-")
        terminal.answer("What all", "-")
        terminal.wait("relays.*tls_accept_certificate")
        terminal.answer(r"\[q\]uit \[r\]", "q")
        terminal.wait("nothing was changed")
        self.assertNotEqual(terminal.end(), 0)

    def test_strange_answers(self):
        terminal = self.begin("--untested")
        terminal.answer("Your mail address", "?")
        terminal.wait("gmail +Gmail and Google Workspace")
        terminal.answer("Your mail address", "nonsense")
        terminal.wait("no provider that is known here")
        terminal.answer("Your mail address", "a.test:465")
        terminal.wait('"a.test:465" seems to hold a port')
        terminal.answer("Your mail address", "a@b@c")
        terminal.answer("Your mail address", "ses")
        terminal.answer("Its region", "../etc")
        terminal.answer("Its region", "us-east-1")
        terminal.answer("User", "AKIA\x1b[2J")
        terminal.wait("control characters")
        terminal.answer("User", "AKIA")
        terminal.answer("Password", "")
        terminal.answer("Password", "secret")
        terminal.answer("Who gets", "root")
        terminal.answer("Who gets", "-")
        terminal.answer("What all", "-")
        terminal.wait("email-smtp.us-east-1.amazonaws.com")
        terminal.answer(r"Write it\?", "n")
        self.assertNotEqual(terminal.end(), 0)
        self.assertNotIn("\x1b[2J", terminal.shown)


class Found(AskedTest):
    """By SRV records (RFC 6186), from the one name server that there is."""

    def setUp(self):
        super().setUp()
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
            raise lab.Unavailable("this machine has no mount name spaces")
        number = os.getpid()
        self.names = NameServer(f"127.{1 + number // 250 % 250}.{1 + number % 250}.79")
        self.addCleanup(self.names.close)
        directory = self.lab.new_directory()
        (directory / "resolv.conf").write_text(
            f"nameserver {self.names.address}\noptions timeout:1 attempts:1\n", encoding="ascii")
        (directory / "hosts").write_text("127.0.0.1 localhost smtp.own.test mail.elsewhere.test\n", encoding="ascii")
        self.wrapper = ("unshare", "-m", "sh", "-c", MOUNTED, "sh", directory / "resolv.conf", directory / "hosts")

    def find(self, *options):
        words = (*self.wrapper, lab.program("outbox"), "--config", self.configuration, "setup", "-d", self.queue.path,
                 "--untested", "--password-file", self.password, *options)
        return subprocess.run([str(word) for word in words], capture_output=True, check=False, text=True,
                              stdin=subprocess.DEVNULL)

    def ask(self, domain, *answers):
        terminal = self.begin("--untested", wrapper=self.wrapper)
        terminal.answer("Your mail address", f"me@{domain}")
        for question, answer in answers:
            terminal.answer(question, answer)
        return terminal

    def test_own_name(self):
        self.names.records = [(b"_submissions", 10, 1, 465, b"smtp.own.test"),
                              (b"_submission", 5, 1, 587, b"old.own.test"),
                              (b"_submissions", 5, 1, 4650, b"first.own.test")]
        terminal = self.ask(
            "own.test", (r"Is first.own.test the relay\? \[Y/n\]", ""), (r"User.* \[me@own.test\]", ""),
            ("Password", "x"), (r"Who gets.* \[me@own.test\]", ""), ("What all", ""), (r"Write it\?", "y"),
            ("Send a test", "n"))
        self.assertEqual(terminal.end(), 0)
        (relay,) = self.settings()["relays"]
        self.assertEqual((relay["host"], relay["port"], relay["tls"], relay["user"]),
                         ("first.own.test", 4650, "implicit", "me@own.test"))
        self.assertEqual(self.settings()["local"]["rewrite_from"], "*@*: me@own.test")

    def test_a_name_elsewhere(self):
        """It is not taken by mistake, and with nobody to ask not at all."""
        self.names.records = [(b"_submission", 5, 1, 587, b"mail.elsewhere.test")]
        terminal = self.ask("own.test", (r"Is mail.elsewhere.test the relay\? \[y/N\]", ""))
        terminal.answer("Your mail address", "", end="\x03")
        self.assertNotEqual(terminal.end(), 0)
        done = self.find("--yes", "me@own.test")
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("--relay mail.elsewhere.test --port 587 --tls starttls", done.stderr)
        self.assertFalse(self.configuration.exists())

    def test_a_name_that_is_not_taken(self):
        """Nothing of it stays, neither its port nor its TLS."""
        self.names.records = [(b"_submissions", 5, 1, 4650, b"mail.elsewhere.test")]
        terminal = self.ask(
            "own.test", (r"Is mail.elsewhere.test the relay\? \[y/N\]", ""), ("Your mail address", "smtp.own.test"),
            (r"Its port .* \[587\]", ""), ("User", "-"), ("Who gets", "-"), (r"Write it\?", "y"))
        self.assertEqual(terminal.end(), 0)
        (relay,) = self.settings()["relays"]
        self.assertEqual((relay["host"], relay["port"], relay["tls"]), ("smtp.own.test", 587, "starttls"))

    def test_hostile_answers(self):
        for records in (
            [(b"_submission", 1, 1, 587, b"a\x1b[2J.own.test")], [(b"_submission", 1, 1, 587, b"a b.test")],
            [(b"_submission", 1, 1, 0, b"mail.own.test")], [(b"_submission", 1, 1, 587, b"127.0.0.1")],
            [(b"_submission", 1, 1, 587, b"")], [(b"_submissions", 1, 1, 25, b"x" * 63 + b"." + b"y" * 63 + b".-\n")],
            [(b"_submission", 1, 1, 587, b'a";.test')], None, b"\xff" * 40, [],
        ):
            self.names.records = records
            done = self.find("--yes", "me@own.test")
            self.assertIn(done.returncode, (75, 78, 68, 69), done.stderr)
            self.assertRegex(done.stderr, "name the relay|check host|does not say")
            self.assertNotIn("\x1b", done.stderr)
            self.assertFalse(self.configuration.exists())

    def test_no_record(self):
        done = self.find("--yes", "me@own.test")
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("own.test does not say where its mail is submitted: it has no record _submissions._tcp.own.test "
                      "nor _submission._tcp.own.test", done.stderr)

    def test_no_answer(self):
        self.names.records = None
        done = self.find("--yes", "me@own.test")
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("no name server tells", done.stderr)


class NameServer:
    """Gives those of `records`, (service, priority, weight, port, target), that are asked for of `domain`; None: it
    fails; bytes as they are."""

    def __init__(self, address, domain=b"own.test"):
        self.address, self.domain, self.records = address, domain, []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @staticmethod
    def _name(text):
        return b"".join(bytes([len(label)]) + label for label in text.split(b".") if label) + b"\0"

    def _answer(self, query):
        question = query[12:query.index(b"\0", 12) + 5]
        if isinstance(self.records, bytes):
            return query[:2] + self.records
        found = [one for one in self.records or []
                 if question == self._name(one[0] + b"._tcp." + self.domain) + b"\0\x21\0\1"]
        code = 2 if self.records is None else 0 if found else 3
        answer = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0) + question
        for _, priority, weight, port, target in found:
            data = struct.pack(">HHH", priority, weight, port) + self._name(target)
            answer += b"\xc0\x0c\0\x21\0\1" + struct.pack(">IH", 300, len(data)) + data
        return answer

    def _serve(self):
        while True:
            query, peer = self._socket.recvfrom(4096)
            if not query:
                return
            self._socket.sendto(self._answer(query), peer)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", (self.address, 53))
        self._thread.join()
        self._socket.close()
