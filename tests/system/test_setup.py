"""`outbox setup` by options: what it tries at real servers, what it writes, and what stays as it was."""

import json
import os
import pathlib
import resource
import subprocess
import threading

import lab
from case import message
from dovecot import PASSWORD, USER
from listener import Listener
from process import Process, free_port, wait_for
from setup_case import SetupTest


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
        said = self.refuse(listener.port, status=77, tls="none")
        self.assertIn("would show the password on a connection without TLS", said)
        self.assertNotIn("whole address as the user", said)
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
        self.assertRegex(said, r"outboxd runs already, as process \d+\n")
        self.assertNotIn("start the daemon", said)
        self.assertRegex(said, f"test message [^ ]+ to {ann}: delivered")
        self.wait_copies(1, ann)
        said = self.run_setup(server.port["smtp"], "--test-to", "refused@lab.test", status=69)
        self.assertRegex(said, "test message [^ ]+ to refused@lab.test: failed: .*550 no such user here")
        self.assertRegex(self.run_setup(server.port["smtp"], "--root", ann),
                         r"outboxd runs already: `kill -HUP \d+` has it read what was written\n")
        made = json.loads(self.outbox(*self.arguments(server.port["smtp"], "--root", ann, "--yes", "--json")))
        self.assertEqual((made["changed"], made["daemon"]), (False, "running"))

    def test_who_empties_the_queue_once_is_no_daemon(self):
        """A signal to read the configuration would end it."""
        heard, end = threading.Event(), threading.Event()
        self.addCleanup(end.set)
        silent = Listener(lambda connection: (heard.set(), end.wait(300)))
        self.addCleanup(silent.close)
        server = self.exim()
        self.run_setup(server.port["smtp"])
        self.outbox("queue", self.address(), stdin=message(envelope=False))
        other = self.directory / "other.conf"
        other.write_text(f'spool = {{ directory = "{self.queue.path}"; }};\n'
                         f'relays = ( {{ host = "127.0.0.1"; port = {silent.port}; tls = "none"; }} );\n',
                         encoding="utf-8")
        child = Process([lab.program("outbox"), "--config", other, "process"], self.directory / "process.log")
        self.addCleanup(child.kill)
        wait_for(heard.is_set, lambda: f"a connection: {child.output()}", 60)
        said = self.run_setup(server.port["smtp"], "--root", "me@lab.test")
        self.assertNotIn("runs already", said)
        self.assertIn("start the daemon with", said)

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
        said = self.write("--root", "me@lab.test", status=66)
        self.assertIn("was edited, and stays as it is", said)
        self.assertIn('root = "me@lab.test";', said, "what to add")
        self.assertEqual(self.files(), before)
        done = self.outbox(*self.arguments(25, "--untested", "--yes", "--json", "--root", "me@lab.test", ca=None),
                           status=66)
        made = json.loads(done)
        self.assertEqual((made["config"], made["changed"], made["edited"]), (str(self.configuration), False, True))
        self.assertIn("root = \"me@lab.test\";", made["text"])
        self.assertIn('+ root = "me@lab.test";', made["difference"])
        self.assertNotIn(PASSWORD, done)
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

    def test_a_queue_that_is_not_there(self):
        options = "setup", "--yes", "--json", "--untested", "--relay", "a.test", "-d", self.queue.path
        self.queue.path.rmdir()
        self.assertIn(f"before that: {self.queue.path}: the queue directory does not exist; create it: mkdir",
                      self.write())
        self.assertIn("the queue directory does not exist", json.loads(self.outbox(*options))["missing"])
        self.queue.path.mkdir()
        self.assertIsNone(json.loads(self.outbox(*options))["missing"])

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
            (["--yes", "--relay", "a.test:465"], '--relay: "a.test:465" seems to hold a port'),
            (["--yes", "nobody"], 'outbox: ADDRESS: "nobody" is not'),
            (["--yes", "--relay", "a.test", "-d", self.password], "that is no directory"),
            (["--yes", "--relay", "a.test", "--client-id", "x"], "this relay is another"),
            (["--yes", "--provider", "microsoft365", "--user", "me@a.test"], "Microsoft 365 wants --client-id"),
            (["--yes", "--relay", "a.test", "--user", "me", "--password-file", self.password, "--credential"],
             "--credential goes with"),
            (["--json"], "--json goes with --yes"),
        ):
            done = self.outbox("setup", *arguments, status=None)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(words, done.stderr.decode())
            self.assertFalse(self.configuration.exists())
        done = self.outbox("--set", "local.root=me@a.test", "setup", "--yes", "--relay", "a.test", status=None)
        self.assertEqual(done.returncode, 64)
        self.assertIn("--set local.root=me@a.test: it holds for one command", done.stderr.decode())
        self.assertFalse(self.configuration.exists())
        (self.directory / "empty").touch()
        (self.directory / "zero").write_bytes(b"a\0b\n")
        for name in ("empty", "zero"):
            done = self.outbox("setup", "--yes", "--untested", "--relay", "a.test", "--user", "me",
                               "--password-file", self.directory / name, status=None)
            self.assertEqual(done.returncode, 66)
            self.assertFalse(self.configuration.exists())

    def test_paths_are_absolute(self):
        """The daemon has another working directory."""
        self.outbox("setup", "--yes", "--untested", "--relay", "a.test", "-d", "later/queue", cwd=self.directory)
        self.assertEqual(self.settings()["spool"]["directory"], f"{self.directory.resolve()}/later/queue")


class Started(SetupTest):
    """The configuration of the service, on a machine whose systemd writes down what it is told."""

    MACHINE = ('mount --bind "$1" /etc && mount -t tmpfs none /run && mkdir -p /run/systemd/system && '
               'PATH="$2:$PATH" && export PATH && shift 2 && exec "$@"')

    def setUp(self):
        super().setUp()
        lab.need_namespace("mount")
        self.etc, programs = self.lab.new_directory(), self.lab.new_directory()
        (self.etc / "outbox").mkdir()
        for name in ("passwd", "group", "hosts", "nsswitch.conf"):
            (self.etc / name).write_bytes((pathlib.Path("/etc") / name).read_bytes())
        self.told, systemctl = self.directory / "told", programs / "systemctl"
        systemctl.write_text(f'#!/bin/sh\necho "$@" >> {self.told}\ncase "$1" in\n'
                             'cat) echo "[Service]"; echo "ExecStart=/usr/sbin/outboxd";;\n'
                             f'is-active) test -e {self.directory}/active;;\nesac\n', encoding="utf-8")
        systemctl.chmod(0o755)
        self.machine = ["unshare", "-m", "sh", "-c", self.MACHINE, "sh", self.etc, programs, lab.program("outbox")]

    def setup_there(self, *options):
        """What it says, and what systemd was told."""
        self.told.write_text("", encoding="utf-8")
        done = subprocess.run([str(word) for word in (*self.machine, *self.arguments(
            25, "--untested", "--yes", *options, ca=None))], capture_output=True, check=False, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, [line for line in self.told.read_text(encoding="utf-8").splitlines() if "cat" not in line]

    def test_started_and_reloaded(self):
        said, told = self.setup_there()
        self.assertIn("outboxd.service: started, and enabled", said)
        self.assertEqual(told[1:], ["enable --now outboxd.service"])
        self.assertEqual((self.etc / "outbox/password").read_text(encoding="utf-8"), PASSWORD + "\n")
        self.assertEqual((self.etc / "outbox/outbox.conf").stat().st_mode & 0o777, 0o644)
        (self.directory / "active").touch()
        said, told = self.setup_there()
        self.assertEqual(told[1:], ["enable --now outboxd.service"])
        said, told = self.setup_there("--root", "me@lab.test")
        self.assertIn("outboxd.service: reloaded, and enabled", said)
        self.assertEqual(told[1:], ["reload outboxd.service", "enable --now outboxd.service"])
        self.assertEqual(self.setup_there("--no-start")[1], [])

    def test_credential(self):
        """It is loaded when the daemon starts, and at no other time."""
        (self.directory / "active").touch()
        said, told = self.setup_there("--credential")
        self.assertIn("restarted", said)
        self.assertEqual(told[1:], ["restart outboxd.service", "enable --now outboxd.service"])
        credential = self.etc / "credstore/outbox.password"
        self.assertEqual(credential.read_text(encoding="utf-8"), PASSWORD + "\n")
        self.assertEqual((credential.stat().st_uid, credential.stat().st_mode & 0o7777), (0, 0o600))
        self.assertFalse((self.etc / "outbox/password").exists())
        written = (self.etc / "outbox/outbox.conf").read_text(encoding="utf-8")
        self.assertIn('password_credential = "password";', written)
