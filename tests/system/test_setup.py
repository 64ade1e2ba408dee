"""`outbox setup`: what it tries at real servers, what it writes, and what stays as it was."""

import json
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import threading

import lab
from dovecot import PASSWORD, USER
from listener import Listener
from process import free_port
from servers import ServerTest
from terminal import Terminal

MOUNTED = 'mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"'


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


class Servers(SetupTest):
    def test_starttls_and_implicit(self):
        server = self.exim()
        for port, tls in (("smtp", "starttls"), ("smtps", "implicit")):
            said = self.run_setup(server.port[port], "--root", "me@lab.test", tls=tls)
            self.assertIn("  ok", said)
            (relay,) = self.settings()["relays"]
            self.assertEqual((relay["tls"], relay["user"], relay["password_file"]), (tls, USER, str(self.secret)))
        self.assertNotIn(PASSWORD, self.configuration.read_text(encoding="utf-8"))
        self.assertEqual(self.secret.read_text(encoding="utf-8"), PASSWORD + "\n")
        self.assertEqual(self.secret.stat().st_mode & 0o7777, 0o600)
        self.assertEqual(self.secret.stat().st_uid, self.queue.path.stat().st_uid)
        check = subprocess.run([lab.program("outboxd"), "--check", "--config", self.configuration], check=False)
        self.assertEqual(check.returncode, 0)

    def test_whose_the_password_is(self):
        """The daemon's user is whose the queue directory is."""
        server = self.exim()
        os.chown(self.queue.path, 65534, 65534)
        self.run_setup(server.port["smtp"])
        status = self.secret.stat()
        self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o7777), (65534, 0, 0o600))

    def test_wrong_password(self):
        server = self.exim()
        self.use_password("not this one")
        said = self.refuse(server.port["smtp"], status=77)
        self.assertIn("FAILED at auth", said)
        self.assertIn("nothing was changed", said)

    def test_wrong_way_of_tls(self):
        """It says what works there."""
        server = self.exim()
        said = self.refuse(server.port["smtp"], status=75, tls=None)
        self.assertIn(f"it works with --port {server.port['smtp']} --tls starttls", said)

    def test_self_signed(self):
        server = self.exim(certificate="stranger")
        said = self.refuse(server.port["smtp"], status=75)
        self.assertIn("--accept-certificate", said)
        found = subprocess.run(["openssl", "x509", "-in", self.lab.certificates.certificate("stranger"), "-noout",
                                "-fingerprint", "-sha256"], capture_output=True, check=True, text=True).stdout
        self.run_setup(server.port["smtp"], "--accept-certificate", found.split("=")[1].strip().replace(":", ""))

    def test_nothing_listens(self):
        self.assertIn("FAILED at connect", self.refuse(free_port(), status=75))

    def test_no_tls_and_a_password(self):
        """The password does not go out in clear, and the user hears why."""
        heard = []

        def talk(connection):
            stream = connection.makefile("rwb")
            stream.write(b"220 there ESMTP\r\n")
            stream.flush()
            while line := stream.readline():
                heard.append(line)
                stream.write(b"250-there\r\n250 AUTH PLAIN LOGIN\r\n" if line.startswith(b"EHLO") else b"250 yes\r\n")
                stream.flush()

        listener = Listener(talk)
        self.addCleanup(listener.close)
        self.refuse(listener.port, status=75)
        self.assertFalse([line for line in heard if b"AUTH" in line], heard)

    def test_without_a_login(self):
        self.run_setup(self.lab.postfix.port["plain"], tls="none", user=None, ca=None)
        (relay,) = self.settings()["relays"]
        self.assertNotIn("password_file", {key for key, value in relay.items() if value})
        self.assertFalse(self.secret.exists())

    def test_dry_run(self):
        before = self.files()
        said = self.run_setup(self.exim().port["smtp"], "--dry-run")
        self.assertIn('host = "localhost";', said)
        self.assertEqual(self.files(), before)

    def test_a_test_message(self):
        """It is followed to what the relay says of it."""
        server = self.exim()
        self.run_setup(server.port["smtp"])
        self.assertIn(": queued\n  it is sent as soon as outboxd runs",
                      self.run_setup(server.port["smtp"], "--test-to", "first@lab.test"))
        self.start_again()
        ann = self.address()
        said = self.run_setup(server.port["smtp"], "--test-to", ann)
        self.assertRegex(said, f"test message [^ ]+ to {ann}: delivered")
        self.wait_copies(1, ann)
        said = self.run_setup(server.port["smtp"], "--test-to", "refused@lab.test", status=69)
        self.assertRegex(said, "test message [^ ]+ to refused@lab.test: failed: .*550 no such user here")

    def test_json(self):
        done = self.outbox(*self.arguments(self.exim().port["smtp"], "--yes", "--json", "--test-to", "a@lab.test"))
        made = json.loads(done)
        self.assertEqual((made["config"], made["secret"], made["changed"]),
                         (str(self.configuration), str(self.secret), True))
        self.assertTrue(made["relay"]["ok"])
        self.assertEqual(made["test"]["state"], "queued")
        self.use_password("wrong")
        done = self.outbox(*self.arguments(self.server.port["smtp"], "--yes", "--json"), status=None)
        self.assertEqual(done.returncode, 77)
        made = json.loads(done.stdout)
        self.assertEqual(made["relay"]["stage"], "auth")
        self.assertNotIn("config", made)


class Files(SetupTest):
    """Without a relay, which others try."""

    def write(self, *options, status=0, user=USER, **choice):
        return self.run_setup(25, "--untested", *options, status=status, user=user, ca=None, **choice)

    def test_again(self):
        """The same answers change nothing; others keep a copy of what was there."""
        self.write()
        before = self.files()
        self.assertIn(f"unchanged: {self.configuration}\n", self.write())
        self.assertEqual(self.files(), before)
        self.use_password("changed it")
        said = self.write("--root", "me@lab.test")
        self.assertIn('+ root = "me@lab.test";', said)
        self.assertEqual((self.directory / "outbox.conf.before-1").read_bytes(), before["outbox.conf"][0])
        kept = self.directory / "outbox.conf.password.before-1"
        self.assertEqual(kept.read_text(encoding="utf-8"), PASSWORD + "\n")
        self.assertEqual(kept.stat().st_mode & 0o7777, 0o600)

    def test_edited(self):
        self.write()
        with self.configuration.open("a", encoding="utf-8") as file:
            file.write("# mine\n")
        before = self.files()
        self.assertIn("was edited, and stays as it is", self.write("--root", "me@lab.test", status=66))
        self.assertEqual(self.files(), before)
        self.write("--root", "me@lab.test", "--overwrite")
        self.assertEqual((self.directory / "outbox.conf.before-1").read_bytes(), before["outbox.conf"][0])

    def test_secrets_of_the_old_configuration(self):
        self.configuration.write_text(
            'relays = ({ host = "old.lab.test"; user = "me"; password = "very old"; });\n', encoding="utf-8")
        self.configuration.chmod(0o600)
        said = self.write("--overwrite")
        self.assertIn('- host = "old.lab.test";', said)
        self.assertNotIn("very old", said)
        self.assertEqual(self.configuration.stat().st_mode & 0o7777, 0o600)

    def test_the_sample_is_nobodys(self):
        self.configuration.write_bytes((lab.SOURCE / "etc/outbox.conf").read_bytes())
        self.write()
        self.assertTrue((self.directory / "outbox.conf.before-1").exists())

    def test_garbage_is_kept(self):
        for garbage in (b"\xff\x00 {{{", b"relays = (", b"\n" * 10):
            self.configuration.write_bytes(garbage)
            self.write(status=66)
            self.assertEqual(self.configuration.read_bytes(), garbage)

    def test_no_room(self):
        """A write that fails leaves what was there, and nothing beside it."""
        self.write()
        before = self.files()
        self.use_password("x" * 3000)
        for limit in (0, 100, 3000):
            done = self.outbox(*self.arguments(25, "--untested", "--yes", ca=None), status=None,
                               preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
            self.assertEqual(done.returncode, 66, done.stderr)
            self.assertIn(b"nothing was changed", done.stderr)
            after = self.files()
            del after["typed"], before["typed"]
            self.assertEqual(after, before)
            before["typed"] = b""

    def test_not_root(self):
        self.directory.chmod(0o755)
        done = self.outbox("setup", "--yes", "--relay", "mail.lab.test", status=None,
                           user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 77)
        self.assertIn(b"sudo outbox setup", done.stderr)

    def test_where_a_link_leads(self):
        real = self.directory / "real.conf"
        self.configuration.symlink_to(real)
        real.write_bytes((lab.SOURCE / "etc/outbox.conf").read_bytes())
        self.write()
        self.assertTrue(self.configuration.is_symlink())
        self.assertIn("localhost", real.read_text(encoding="utf-8"))

    def test_values_are_values(self):
        """Whatever is in an answer, it is one value."""
        self.write(user='a"; password = "b\\')
        (relay,) = self.settings()["relays"]
        self.assertEqual(relay["user"], 'a"; password = "b\\')

    def test_providers(self):
        for options, host, port in (
            (["--provider", "gmail"], "smtp.gmail.com", 587),
            (["--provider", "fastmail"], "smtp.fastmail.com", 465),
            (["--provider", "mailgun-eu"], "smtp.eu.mailgun.org", 587),
            (["--provider", "ses", "--region", "eu-west-1"], "email-smtp.eu-west-1.amazonaws.com", 587),
        ):
            self.outbox("setup", "--yes", "--untested", "-d", self.queue.path, "me@lab.test", *options,
                        "--password-file", self.password)
            (relay,) = self.settings()["relays"]
            self.assertEqual((relay["host"], relay["port"], relay["user"]), (host, port, "me@lab.test"))
        self.outbox("setup", "--yes", "--untested", "-d", self.queue.path, "--provider", "sendgrid",
                    "--password-file", "-", stdin=b"the key\nand more\n")
        self.assertEqual(self.settings()["relays"][0]["user"], "apikey")
        self.assertEqual(self.secret.read_text(encoding="utf-8"), "the key\n")
        said = self.outbox("setup", "--yes", "--untested", "-d", self.queue.path, "--provider", "microsoft365",
                           "--client-id", "11-22", "--tenant", "the-tenant", "me@lab.test")
        self.assertIn("outbox authorize", said)
        (relay,) = self.settings()["relays"]
        self.assertEqual((relay["auth"], relay["oauth_token_url"]),
                         ("xoauth2", "https://login.microsoftonline.com/the-tenant/oauth2/v2.0/token"))

    def test_by_the_domain(self):
        self.outbox("setup", "--yes", "--untested", "-d", self.queue.path, "someone@gmail.com",
                    "--password-file", self.password)
        (relay,) = self.settings()["relays"]
        self.assertEqual((relay["host"], relay["user"]), ("smtp.gmail.com", "someone@gmail.com"))

    def test_wrong_command_lines(self):
        for arguments, words in (
            ([], "there is no terminal to ask at"),
            (["--yes"], "name the relay"),
            (["--yes", "--relay", "a.test", "--user", "me"], "a user needs a password"),
            (["--yes", "--relay", "a.test", "--password-file", self.password], "a password needs a user"),
            (["--yes", "--provider", "nobody"], "those that are known are gmail"),
            (["--yes", "--provider", "ses"], "wants --region"),
            (["--yes", "--provider", "ses", "--region", "a.b"], "letters, digits and hyphens"),
            (["--yes", "--provider", "gmail", "--relay", "a.test"], "exclude each other"),
            (["--yes", "--relay", "a.test", "--port", "70000"], "from 1 to 65535"),
            (["--yes", "--relay", "a.test", "--tls", "ssl"], "--tls ssl"),
            (["--yes", "--relay", "a.test", "--root", "nobody"], "--root"),
            (["--json"], "--json goes with --yes"),
        ):
            done = self.outbox("setup", *arguments, status=None)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(words, done.stderr.decode())
            self.assertFalse(self.configuration.exists())
        (self.directory / "empty").touch()
        done = self.outbox("setup", "--yes", "--relay", "a.test", "--user", "me",
                           "--password-file", self.directory / "empty", status=None)
        self.assertEqual(done.returncode, 66)


class AskedTest(SetupTest):
    """At a terminal."""

    def begin(self, *options, wrapper=()):
        terminal = Terminal([*wrapper, lab.program("outbox"), "--config", self.configuration, "setup",
                             "-d", self.queue.path, "--ca-file", self.lab.certificates.certificate("ca"), *options])
        self.addCleanup(terminal.close)
        return terminal

    def steps(self, port):
        """Questions, and answers to them."""
        return [("Your mail address, the relay", "localhost"), ("Its port", port), ("User, as the relay", USER),
                ("Password", PASSWORD), ("Who gets the mail to root", "me@lab.test"), ("What all mail is sent as", "-")]


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
        terminal = self.begin("--relay", "no_host..test", "--user", USER)
        terminal.answer("Password", PASSWORD)
        terminal.answer("Who gets", "-")
        terminal.answer("What all", "-")
        terminal.wait("relays.*host")
        terminal.answer(r"\[q\]uit \[r\]", "q")
        terminal.wait("nothing was changed")
        self.assertNotEqual(terminal.end(), 0)

    def test_strange_answers(self):
        terminal = self.begin("--untested")
        terminal.answer("Your mail address", "?")
        terminal.wait("gmail +Gmail and Google Workspace")
        terminal.answer("Your mail address", "nonsense")
        terminal.wait("no provider that is known here")
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
                              (b"_submission", 5, 1, 587, b"old.own.test"), (b"_submissions", 5, 1, 4650, b"first.own.test")]
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

    def test_no_answer(self):
        self.names.records = None
        done = self.find("--yes", "me@own.test")
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("no name server tells", done.stderr)


class NameServer:
    """Gives those of `records`, (service, priority, weight, port, target), that are asked for; None: it fails; bytes as
    they are."""

    def __init__(self, address):
        self.address, self.records = address, []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _answer(self, query):
        question = query[12:query.index(b"\0", 12) + 5]
        if isinstance(self.records, bytes):
            return query[:2] + self.records
        asked = question[1:1 + question[0]] if question[-4:-2] == b"\0\x21" else None
        found = [one for one in self.records or [] if asked == one[0]]
        code = 2 if self.records is None else 0 if found else 3
        answer = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0) + question
        for _, priority, weight, port, target in found:
            name = b"".join(bytes([len(label)]) + label for label in target.split(b".") if label) + b"\0"
            data = struct.pack(">HHH", priority, weight, port) + name
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
