"""Every mechanism, over STARTTLS and over implicit TLS, against Postfix and against Dovecot."""

import os
import pathlib
import signal
import subprocess

import dovecot
import lab
from case import SystemTest, message
from odd_relay import RelayTest
from process import wait_for

TOKEN_MECHANISMS = ("xoauth2", "oauthbearer")


class Sources(RelayTest):
    """Where no secret comes from: the tool and the daemon say the same, and that it is the login's."""

    FIRST = {"timeout_by_stage": False, "hold_first": "1h", "hold_max": "1h", "user": "ann", "auth_without_tls": True}

    def write(self, name, text, mode=0o600):
        path = self.directory / name
        path.write_text(text, encoding="ascii")
        path.chmod(mode)
        return path

    def check_says(self, *words, is_refused=False, **source):
        """`is_refused`: the configuration is, before any relay is looked at."""
        relay = self.odd(extensions=("AUTH PLAIN",))
        settings = self.settings(relay, **self.FIRST, **source)
        self.configure(settings)
        said = self.outbox("check", status=None)
        if not is_refused:
            self.assertIn(b"FAILED at auth", said.stdout)
        sent = self.outbox("send", "-v", stdin=message(to=["ann@lab.test"]), status=None)
        self.assertNotEqual(sent.returncode, 0)
        if is_refused:
            for one in (said, sent):
                self.assertEqual(one.returncode, 78)
                for word in ("password_file: ", *words):
                    self.assertIn(word.encode(), one.stderr)
            return
        self.drop("m")
        daemon = self.start(settings)
        self.wait_log(daemon, "on hold")
        self.assertIn("stage auth", daemon.output())
        for text in (said.stdout + said.stderr, sent.stdout + sent.stderr, daemon.output().encode()):
            for word in words:
                self.assertIn(word.encode(), text)
            self.assertTrue(all(byte >= 32 or byte == 10 for byte in text), text)
        self.assertEqual(relay.said("EHLO"), 0)
        self.assertEqual(self.queue.record("m"), [])
        self.assertEqual(daemon.terminate(), 0)

    def test_empty_file(self):
        path = self.write("empty", "")
        self.check_says(f"the first line of {path} is empty", password_file=path)

    def test_pipe(self):
        path = self.directory / "pipe"
        os.mkfifo(path, 0o600)
        self.check_says(f"{path} is not a regular file", password_file=path)

    def test_directory(self):
        path = self.directory / "place"
        path.mkdir(mode=0o700)
        self.check_says(f"\"{path}\" is a directory", password_file=path, is_refused=True)

    def test_file_that_is_not_there(self):
        path = self.directory / "missing"
        self.check_says(f"\"{path}\" does not exist", password_file=path, is_refused=True)

    def test_file_that_everybody_may_read(self):
        path = self.write("open", "secret\n", 0o644)
        self.check_says(str(path), "chmod", password_file=path, is_refused=True)

    def test_command_without_output(self):
        script = self.write("nothing", "printf 'no \\033[1mkey\\a\\n' >&2\n")
        self.check_says(f"the command `sh {script}` printed no secret on its first line",
                        'and said "no \\x1b[1mkey\\x07"', password_command=f"sh {script}")

    def test_command_that_fails(self):
        script = self.write("fails", "echo secret-1; yes word | head -1000 | tr '\\n' ' ' >&2; exit 7\n")
        self.check_says(f"the command `sh {script}` failed with status 7 and said \"word word ", ' ..."; try it in a shell',
                        password_command=f"sh {script}")

    def test_command_that_is_killed(self):
        self.check_says('was ended by signal 15 and said "that is all"', password_command="echo that is all >&2; kill $$")

    def test_command_ends_with_who_wanted_it(self):
        """With all it has started, whatever ends the tool or the daemon."""
        started = self.directory / "started"
        script = self.write("hangs", f"sleep 900 & echo $$ $! > {started}.new; mv {started}.new {started}; sleep 900\n")
        settings = self.settings(self.odd(extensions=("AUTH PLAIN",)), **self.FIRST, password_command=f"sh {script}")
        self.configure(settings)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            for command in ("send", "check", "process"):
                with self.subTest(command, number=number):
                    self.drop("m")
                    with subprocess.Popen([lab.program("outbox"), "--config", self.configuration, command],
                                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as tool:
                        tool.stdin.write(message(to=["ann@lab.test"]))
                        tool.stdin.close()
                        self.wait_started(started)
                        tool.send_signal(number)
                    self.wait_ended(started)
        self.drop("m")
        for end in ("terminate", "kill"):
            with self.subTest(end):
                daemon = self.start(settings)
                self.wait_started(started)
                getattr(daemon, end)()
                self.wait_ended(started)

    def wait_started(self, path):
        wait_for(path.exists, "the command has started nothing")

    def wait_ended(self, path):
        for pid in path.read_text(encoding="ascii").split():
            wait_for(lambda p=pid: not self.runs(p), f"{pid} lives on")
        path.unlink()

    @staticmethod
    def runs(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False


class Auth(SystemTest):
    def check_login(self, relay, mechanism, **settings):
        """Delivers over the relay; Postfix's or Dovecot's log says which mechanism it was."""
        ann = self.address()
        before = self.log_sizes()
        self.start({**relay, "auth": mechanism, **settings})
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)
        expected = f"method={mechanism.upper()}," if mechanism != "auto" else "method="
        wait_for(lambda: expected in self.new_log(before), lambda: self.new_log(before))  # it is written later

    def log_sizes(self):
        return len(self.lab.dovecot.log()), len(self.lab.postfix.log())

    def new_log(self, sizes):
        return self.lab.dovecot.log()[sizes[0] :] + self.lab.postfix.log()[sizes[1] :]

    def dovecot_relay(self, port):
        number = self.lab.dovecot.port[port]
        tls = {"submission": "starttls", "submissions": "implicit"}[port]
        ca = self.lab.certificates.certificate("ca")
        return self.lab.relay(
            number, tls=tls, tls_ca_file=ca, user=dovecot.USER, password=dovecot.PASSWORD
        )

    def test_passwords_over_starttls(self):
        for mechanism in dovecot.PASSWORD_MECHANISMS:
            with self.subTest(mechanism):
                self.check_in_new_queue(self.lab.relay("submission"), mechanism)

    def test_passwords_over_implicit_tls(self):
        for mechanism in dovecot.PASSWORD_MECHANISMS:
            with self.subTest(mechanism):
                self.check_in_new_queue(self.lab.relay("submissions"), mechanism)

    def test_tokens_over_starttls(self):
        for mechanism in TOKEN_MECHANISMS:
            with self.subTest(mechanism):
                relay = self.lab.relay("submission", password=dovecot.token())
                self.check_in_new_queue(relay, mechanism)

    def test_tokens_over_implicit_tls(self):
        for mechanism in TOKEN_MECHANISMS:
            with self.subTest(mechanism):
                relay = self.lab.relay("submissions", password=dovecot.token())
                self.check_in_new_queue(relay, mechanism)

    def test_dovecot_over_starttls(self):
        for mechanism in dovecot.PASSWORD_MECHANISMS:
            with self.subTest(mechanism):
                self.check_in_new_queue(self.dovecot_relay("submission"), mechanism)

    def test_dovecot_over_implicit_tls(self):
        for mechanism in dovecot.PASSWORD_MECHANISMS:
            with self.subTest(mechanism):
                self.check_in_new_queue(self.dovecot_relay("submissions"), mechanism)

    def test_external_by_client_certificate(self):
        relay = self.dovecot_relay("submission")
        del relay["password"], relay["user"]
        self.check_login(
            relay, "external",
            tls_certificate=self.lab.certificates.certificate("alice"),
            tls_key=self.lab.certificates.key("alice"),
        )

    def test_best_mechanism_is_found(self):
        self.check_login(self.lab.relay("submission"), "auto")

    def test_password_file(self):
        path = self.directory / "password"
        path.write_text(dovecot.PASSWORD + "\n", encoding="ascii")
        path.chmod(0o600)
        relay = self.lab.relay("submission", password_file=path)
        del relay["password"]
        self.check_login(relay, "plain")

    def test_password_command(self):
        command = f"echo '{dovecot.PASSWORD}'; echo ignored"
        relay = self.lab.relay("submission", password_command=command)
        del relay["password"]
        self.check_login(relay, "plain")

    def clear_relay(self, **settings):
        return self.lab.relay(
            "login_in_clear", user=dovecot.USER, password=dovecot.PASSWORD, **settings
        )

    def test_no_password_without_tls(self):
        before = self.log_sizes()
        daemon = self.start(self.clear_relay(auth="plain", tls="opportunistic"))
        self.queue.drop("m", message(to=[self.address()]))
        self.wait_log(daemon, "TLS")
        self.queue.wait_state("m", "queued")
        self.assertNotIn("method=", self.new_log(before))

    def test_without_tls_a_mechanism_that_hides_the_password_is_chosen(self):
        before = self.log_sizes()
        self.check_login(self.clear_relay(), "auto")
        self.assertRegex(self.new_log(before), "method=(SCRAM|CRAM|DIGEST)-")

    def test_password_without_tls_to_loopback_when_allowed(self):
        self.check_login(self.clear_relay(auth_without_tls=True), "plain")

    def test_wrong_password_is_the_relays_matter(self):
        ann = self.address()
        wrong = self.lab.relay("submission", password="not the password")
        daemon = self.start(wrong)
        self.queue.drop("m", message(to=[ann]))
        self.wait_log(daemon, "535")
        self.queue.wait_state("m", "queued")
        self.assertEqual(self.queue.record("m"), [], "a wrong password was held against a message")
        self.configure(self.lab.relay("submission"))
        daemon.reload()
        daemon.flush()
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def check_in_new_queue(self, relay, mechanism):
        self.doCleanups()
        self.setUp()
        self.check_login(relay, mechanism)
