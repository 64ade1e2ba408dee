"""Planted secrets, searched for wherever they must not be: logs, dialogues, records, what the commands
print, errors, /proc, and core dumps. And who may read the files that hold them."""

import base64
import os
import pathlib
import signal
import subprocess

import lab
from case import SystemTest, message
from login_relay import LoginRelay
from process import wait_for
from test_failures import AS_NOBODY

WRITER, GROUP = 64012, 64013  # a member of the queue's group
SECRETS = {name: f"hunter-{name}-Zq7xW2" for name in (
    "inline", "file", "command", "credential", "token", "passphrase", "wrong")}


def forms(secret):
    """As it stands, and as it may stand within something in base64 or hexadecimal digits."""
    data = secret.encode("ascii")
    yield data
    yield data.hex().encode("ascii")
    for before in range(3):
        # What is next to it decides on the characters at both ends.
        text = base64.b64encode(b"\0" * before + data)
        yield text[(8 * before + 5) // 6 : (8 * (before + len(data))) // 6]


ALL_FORMS = {form: name for name, secret in SECRETS.items() for form in forms(secret)}


class SecretsTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.credentials = self.directory / "credentials"
        self.credentials.mkdir()
        self.plant(self.credentials / "smtp", "credential")
        self.plant(self.directory / "password", "file")
        self.searched = 0

    def plant(self, path, name):
        path.write_text(SECRETS[name] + "\nsecond line\n", encoding="ascii")
        path.chmod(0o600)
        return path

    def relay(self, reply="235 2.7.0 welcome", mechanisms="PLAIN", **settings):
        relay = LoginRelay(mechanisms, reply)
        self.addCleanup(relay.close)
        base = {"host": "127.0.0.1", "port": relay.port, "tls": "none", "auth_without_tls": True,
                "user": "u", "name": f"relay-{relay.port}", "idle_timeout": "1h", "connections": 1}
        return relay, {**base, **settings}

    def sources(self):
        """A relay for each place that a secret can come from, and what it is."""
        script = self.directory / "print"
        script.write_text(f"echo {SECRETS['command']}\n", encoding="ascii")
        script.chmod(0o700)
        return {
            "inline": {"password": SECRETS["inline"]},
            "file": {"password_file": self.directory / "password"},
            "command": {"password_command": f"sh {script}"},
            "credential": {"password_credential": "smtp"},
            "token": {"auth": "xoauth2", "authorization_identity": SECRETS["token"]},
        }

    def check_bytes(self, data, where):
        self.searched += 1
        for form, name in ALL_FORMS.items():
            self.assertNotIn(form, data, f"the secret \"{name}\" is in {where}")

    def check_directory(self, directory):
        for path in pathlib.Path(directory).rglob("*"):
            if path.is_file():
                self.check_bytes(path.read_bytes(), path)

    def check_process(self, pid):
        for file in (f"/proc/{pid}/environ", f"/proc/{pid}/cmdline",
                     *pathlib.Path(f"/proc/{pid}/task").glob("*/comm")):
            self.check_bytes(pathlib.Path(file).read_bytes(), file)

    def check_command(self, *arguments, stdin=b"", environment=None):
        result = self.outbox(*arguments, stdin=stdin, status=None,
                             env={**os.environ, **(environment or {})})
        self.check_bytes(result.stdout, f"the output of {arguments}")
        self.check_bytes(result.stderr, f"the errors of {arguments}")
        return result


class Searched(SecretsTest):
    def wrapper(self):
        return ("env", f"CREDENTIALS_DIRECTORY={self.credentials}")

    def check_everything(self, daemon):
        self.check_process(daemon.pid)
        for arguments in (("config",), ("config", "--json"), ("config", "password"),
                          ("config", "authorization_identity"), ("status",), ("list",),
                          ("list", "--json"), ("check", "-v"), ("check", "--json"),
                          ("process", "-v"), ("command", "-v", "NOOP"), ("show", "a"), ("show", "--json", "a")):
            self.check_command(*arguments, environment={"CREDENTIALS_DIRECTORY": str(self.credentials)})
        self.check_command("send", "-v", "a@lab.test", stdin=message(envelope=False),
                           environment={"CREDENTIALS_DIRECTORY": str(self.credentials)})
        self.check_directory(self.queue.path)
        self.check_bytes(daemon.output().encode("utf-8"), "the log")

    def check_source(self, name, reply="235 2.7.0 welcome"):
        mechanisms = "XOAUTH2" if name == "token" else "PLAIN"
        relay, settings = self.relay(reply, mechanisms, **self.sources()[name])
        daemon = self.start(settings, wrapper=self.wrapper())
        self.queue.drop("a", message(to=["a@lab.test"]))
        wait_for(lambda: relay.logins, "a login")
        self.assertIn(SECRETS[name].encode("ascii"), relay.logins[0], "it is the planted one")
        if reply.startswith("2"):
            self.queue.wait_gone("a")
        else:
            self.wait_log(daemon, "5.7.8")
        self.check_everything(daemon)
        self._end(daemon)
        print(f"# secrets: \"{name}\" is in none of {self.searched} places")

    def test_every_source(self):
        for name in self.sources():
            with self.subTest(name):
                self.check_source(name)
                for path in self.queue.path.iterdir():
                    path.unlink()

    def test_login_that_is_refused(self):
        for name in ("inline", "token"):
            with self.subTest(name):
                self.check_source(name, "535 5.7.8 no")
                for path in self.queue.path.iterdir():
                    path.unlink()

    def test_relay_that_tells_the_login(self):
        self.check_source("inline", "535 5.7.8 what is {0} to mean")
        self.check_source("token", f"535 5.7.8 the token {SECRETS['token']} is none")
        self.check_source("inline", f"535 5.7.8 your password is {SECRETS['inline']}")

    def test_passphrase_of_a_key(self):
        key, locked = self.lab.certificates.key("alice"), self.directory / "locked.key"
        subprocess.run(
            ["openssl", "pkey", "-in", key, "-aes256", "-passout", "stdin", "-out", locked],
            input=SECRETS["passphrase"].encode("ascii"), check=True, capture_output=True)
        locked.chmod(0o600)
        for name in ("passphrase", "wrong"):
            _, settings = self.relay(
                tls_certificate=self.lab.certificates.certificate("alice"), tls_key=locked,
                tls_key_password=SECRETS[name], password=SECRETS["inline"])
            daemon = self.start({**settings, "tls": "starttls", "auth_without_tls": False})
            self.queue.drop("a", message(to=["a@lab.test"]))
            self.wait_log(daemon, "relay")
            self.check_everything(daemon)
            self._end(daemon)


class Shown(SecretsTest):
    """mask_secrets = false (MaskSensitiveData): the dialogue that the tool prints has the login as it is
    said; nothing else has, the daemon's log least of all."""

    def test_dialogue_of_the_tool_alone(self):
        relay, settings = self.relay(password=SECRETS["inline"], MaskSensitiveData=False)
        daemon = self.start(settings)
        self.queue.drop("a", message(to=["a@lab.test"]))
        self.queue.wait_gone("a")
        self.check_bytes(daemon.output().encode("utf-8"), "the log")
        for arguments in (("check", "-v"), ("command", "-v", "NOOP"), ("send", "-v", "a@lab.test")):
            result = self.outbox(*arguments, stdin=message(envelope=False), status=None)
            login = base64.b64encode(relay.logins[-1])
            self.assertIn(b"> AUTH PLAIN " + login, result.stderr)
            self.assertIn(b"mask_secrets is false", result.stderr)
            self.check_bytes(result.stdout, f"the output of {arguments}")
        self._end(daemon)
        self.queue.drop("b", message(to=["a@lab.test"]))
        self.assertIn(b"> AUTH PLAIN ***", self.check_command("process", "-v").stderr)
        for arguments in (("check",), ("--set", "mask_secrets=yes", "check", "-v"), ("config",)):
            self.check_command(*arguments)


class Errors(SecretsTest):
    def test_words_about_what_is_wrong(self):
        secret = SECRETS["inline"]
        start = 'relays = ( { host = "h"; user = "u"; '
        for text in (
            f'{start} password = {secret}; }} );', f'{start} pasword = "{secret}"; }} );',
            f'{start} password = "{secret}" host = "x"; }} );', f'{start} password = ("{secret}"); }} );',
            f'{start} password = "{secret}; }} );', f'password = "{secret}";', f'password = {secret}',
            f'{start} password = "{secret}"; password_file = "/dev/null"; }} );',
            f'{start} password = "{secret}"; password = "{secret}"; }} );',
            f'{start} user = "{secret}"; password = "x"; port = 0; }} );',
            f'{start} password = "{secret}\\x01"; }} );',
        ):
            self.configuration.write_text(text, encoding="utf-8")
            self.configuration.chmod(0o600)
            for arguments in (("config",), ("check",), ("queue", "a@b")):
                self.check_command(*arguments, stdin=message(envelope=False))
            result = subprocess.run(
                [lab.program("outboxd"), "--config", self.configuration, "--check"],
                capture_output=True, check=False)
            self.check_bytes(result.stdout + result.stderr, "the words of outboxd --check")

    def test_words_about_sources_that_fail(self):
        secret = SECRETS["file"]
        late = self.directory / "late"
        late.write_text(f"\n{secret}\n", encoding="ascii")
        late.chmod(0o600)
        script = self.directory / "fail"
        script.write_text(f"echo {secret}; echo no key >&2; exit 3\n", encoding="ascii")
        for source in ({"password_file": late}, {"password_command": f"sh {script}"},
                       {"password_command": f"sh {script} | tr a-z A-Z; kill -9 $$"}):
            _, settings = self.relay(**source)
            self.configure(settings)
            result = self.check_command("check")
            self.assertNotEqual(result.returncode, 0)

    def test_command_line(self):
        self.configure(self.relay()[1])
        for setting in ("password", "relays.x.password", "tls_key_password", "Password"):
            result = self.check_command("--set", f"{setting}={SECRETS['inline']}", "config")
            self.assertEqual(result.returncode, 78)
            self.assertIn(b"can be read by every user", result.stderr)


class Memory(SecretsTest):
    """What the kernel would show, or write down, of a process that holds secrets."""

    def start_with_core(self, *wrapper):
        where = self.lab.new_directory()
        where.chmod(0o777)
        self.cores = where
        return ("prlimit", "--core=unlimited", "sh", "-c", f'cd {where} && exec "$@"', "sh", *wrapper)

    def test_no_core_dump(self):
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").strip()
        if "/" in pattern or "|" in pattern:
            self.skipTest(f"core dumps go to {pattern}")
        wrapper = self.start_with_core()
        subprocess.run([*wrapper, "sh", "-c", "kill -SEGV $$"], check=False)
        self.assertTrue(list(self.cores.iterdir()), "a process that does not hide leaves one")
        relay, settings = self.relay(**self.sources()["inline"])
        daemon = self.start(settings, wrapper=self.start_with_core())
        self.queue.drop("a", message(to=["a@lab.test"]))
        wait_for(lambda: relay.logins, "a login")
        daemon.signal(signal.SIGSEGV)
        self.assertEqual(daemon.wait(), -signal.SIGSEGV)
        self.assertEqual(list(self.cores.iterdir()), [])

    def test_not_even_its_own_user_may_look(self):
        relay, settings = self.relay(**self.sources()["inline"])
        self.configure(settings)
        self.configuration.chmod(0o600)
        os.chown(self.configuration, 65534, 65534)
        os.chown(self.queue.path, 65534, 65534)
        where = self.lab.new_directory()
        where.chmod(0o777)
        daemon = self.start_again(wrapper=AS_NOBODY, directory=where)
        self.queue.drop("a", message(to=["a@lab.test"]))
        wait_for(lambda: relay.logins, "a login")
        for file in ("mem", "environ", "maps", "fd"):
            path = f"/proc/{daemon.pid}/{file}"
            result = subprocess.run([*AS_NOBODY, "head", "-c", "1", path], check=False, capture_output=True)
            self.assertIn(b"denied", result.stderr, path)


class Readers(SecretsTest):
    """Who may queue may not read."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        os.chown(self.queue.path, 0, GROUP)
        self.queue.path.chmod(0o3730)

    def run_as_writer(self, *command, stdin=b""):
        return subprocess.run([str(c) for c in command], input=stdin, check=False, capture_output=True,
                              user=WRITER, group=GROUP, extra_groups=[])

    def check_refused(self, path):
        """By the daemon and the tool; what the message says to type is enough."""
        for mode, group in ((0o640, GROUP), (0o644, 0)):
            os.chown(path, 65534, group)
            path.chmod(mode)
            result = subprocess.run(
                [lab.program("outboxd"), "--config", self.configuration, "--check"],
                capture_output=True, check=False)
            self.assertEqual(result.returncode, 78)
            self.assertEqual(self.check_command("check").returncode, 78)
            words = result.stderr.decode("utf-8")
            self.assertIn("can read the secret", words)
            subprocess.run(["sh", "-ec", words.split("`")[1]], check=True)
            self.assertEqual(self.outbox("config", "host").strip(), "127.0.0.1")
            self.assertIn(b"denied", self.run_as_writer("cat", path).stderr)

    def test_password_file(self):
        self.configure(self.relay(password_file=self.directory / "password")[1])
        self.check_refused(self.directory / "password")

    def test_configuration(self):
        self.configure(self.relay(password=SECRETS["inline"])[1])
        self.check_refused(self.configuration)

    def test_included_file(self):
        _, settings = self.relay(password=SECRETS["inline"])
        self.configure(settings)
        included = self.directory / "included.conf"
        self.configuration.rename(included)
        self.configuration.write_text('@include "included.conf"\n', encoding="ascii")
        self.check_refused(included)

    def test_file_that_is_opened_to_others_later(self):
        relay, settings = self.relay(password_file=self.directory / "password")
        daemon = self.start(settings)
        os.chown(self.directory / "password", 0, GROUP)
        (self.directory / "password").chmod(0o640)
        self.queue.drop("a", message(to=["a@lab.test"]))
        self.wait_log(daemon, "whose members may queue, can read the secret")
        self.assertEqual(relay.logins, [])
        (self.directory / "password").chmod(0o600)
        daemon.flush()
        self.queue.wait_gone("a")

    def test_member_queues_with_a_configuration_that_is_wrong_elsewhere(self):
        (self.directory / "sendmail").symlink_to(lab.program("outbox"))
        for text in ('relays = ( { host = "h"; port = 99999; } );', "relays = ( { host = ",
                     'relays = ( { host = "h"; user = "u"; password_file = "/root/none"; } );'):
            self.configuration.write_text(
                f'{text}\nspool = {{ directory = "{self.queue.path}"; }};\n', encoding="ascii")
            self.configuration.chmod(0o644)
            for command in ((lab.program("outbox"), "--config", self.configuration, "queue"),
                            (self.directory / "sendmail", "-C", self.configuration, "-i", "a@lab.test")):
                result = self.run_as_writer(*command, stdin=message())
                self.assertEqual((result.returncode, result.stderr), (0, b""), (command, text))
                self.assertEqual(len(self.queue.in_state("queued")), 1)
                for path in self.queue.path.iterdir():
                    path.unlink()
