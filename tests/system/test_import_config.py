"""outbox import-config: what is printed does what the other system's configuration did, and no password is in it."""

import json
import pathlib
import subprocess

import lab
from case import SystemTest

MSMTP = """# the system's
defaults
auth           on
tls            on
tls_trust_file /etc/ssl/certs/ca-certificates.crt
logfile        /var/log/msmtp
syslog         LOG_MAIL

account        work
host           smtp.work.example
port           587
from           me@work.example
user           me
password       "sec ret\\"1"

account        home : work
host           smtp.home.example
tls_starttls   off
auth           cram-md5
passwordeval   sh -c "cat /run/secret | head -n1"
undisclosed_recipients on
set_from_header auto
port           465
timeout        90

account default : work
aliases        ALIASES
"""


class ImportConfig(SystemTest):
    def setUp(self):
        super().setUp()
        self.secrets = self.lab.new_directory()
        self.other = self.lab.new_directory()

    def write(self, name, text):
        path = self.other / name
        path.write_text(text, encoding="utf-8")
        return path

    def take(self, *arguments, status=0):
        """What is printed, what is said, and what `outbox config` has of it."""
        done = lab.outbox("import-config", "--secrets", self.secrets, *arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        if status != 0:
            return done.stderr.decode()
        path = self.other / "made.conf"
        path.write_bytes(done.stdout)
        settings = json.loads(lab.outbox("--config", path, "config", "--json").stdout)
        return done.stdout.decode(), settings

    def secret(self, name="password"):
        path = self.secrets / name
        self.assertEqual(path.stat().st_mode & 0o7777, 0o600)
        return path.read_text(encoding="utf-8")

    def assert_relay(self, relay, **expected):
        self.assertEqual({name: relay.get(name) for name in expected}, expected)

    def test_msmtp(self):
        aliases = self.write("aliases", "root: me@work.example\n")
        text, made = self.take("msmtp", self.write("msmtprc", MSMTP.replace("ALIASES", str(aliases))))
        (relay,) = made["relays"]
        self.assert_relay(relay, host="smtp.work.example", port=587, tls="starttls", user="me", auth="auto",
                          tls_ca_file="/etc/ssl/certs/ca-certificates.crt", password_file=f"{self.secrets}/password")
        self.assertEqual(made["local"]["aliases"], str(aliases))
        self.assertEqual(self.secret(), 'sec ret\\"1\n')  # nothing is escaped there
        self.assertNotIn("sec ret", text)
        self.assertIn("rewrite_from", text)
        self.assertIn("--account home has it", text.replace("\n# ", " "))
        self.assertNotIn("logfile", text)

    def test_account_of_msmtp(self):
        text, made = self.take("msmtp", "--account", "home", self.write("msmtprc", MSMTP))
        (relay,) = made["relays"]
        self.assert_relay(relay, host="smtp.home.example", port=465, tls="implicit", auth="cram-md5",
                          password_command='sh -c "cat /run/secret | head -n1"', user="me")
        self.assertFalse((self.secrets / "password").exists())
        self.assertIn("undisclosed_recipients on has no match here", text.replace("\n# ", " "))
        self.assertNotIn("set_from_header", text)
        self.assertIn("no account gone", self.take("msmtp", "--account", "gone", self.other / "msmtprc", status=78))

    def test_nullmailer(self):
        self.write("remotes", "smart.example.net smtp --port=2525 starttls user=me pass='my \\pass phrase' auth-login\n"
                              "# second\nother.example\n")
        self.write("me", "vm.example.org\n")
        self.write("adminaddr", "ops@example.org\n")
        self.write("defaultdomain", "example.org\n")
        self.write("allmailfrom", "all@example.org\n")
        self.write("pausetime", "120\n")
        self.write("queuelifetime", "86400\n")
        text, made = self.take("nullmailer", self.other)
        first, second = made["relays"]
        self.assertIn('here a line "*: root" in /etc/aliases does so', text.replace("\n# ", " "))
        self.assert_relay(first, host="smart.example.net", port=2525, tls="starttls", user="me", auth="login", hello="vm.example.org",
                          password_file=f"{self.secrets}/password")
        self.assert_relay(second, host="other.example", tls="none", hello="vm.example.org")
        self.assertEqual({name: made["local"][name] for name in ("root", "domain")}, {"root": "ops@example.org", "domain": "example.org"})
        self.assertIn("all@example.org", json.dumps(made["local"]["rewrite_from"]))
        self.assertEqual(self.secret(), "my \\pass phrase\n")

    def test_ssmtp(self):
        text, made = self.take("ssmtp", self.write("ssmtp.conf", "root=ops@example.org\nmailhub=smtp.example.net:465\nUseTLS=YES\n"
                                                   "AuthUser=me\nAuthPass=p=a # mine\nAuthMethod=LOGIN\nhostname=vm.example.org\n"
                                                   "rewriteDomain=example.org\nFromLineOverride=YES\nOdd=1\n"))
        (relay,) = made["relays"]
        self.assert_relay(relay, host="smtp.example.net", port=465, tls="implicit", user="me", auth="login", hello="vm.example.org")
        self.assertEqual(made["local"]["root"], "ops@example.org")
        self.assertEqual(self.secret(), "p=a\n")
        self.assertIn("Odd has no match here", text)
        self.assertIn('here a line "*: root" in /etc/aliases does so', text.replace("\n# ", " "))

    def test_password_in_clear_is_not_taken_over(self):
        text, made = self.take("ssmtp", self.write("ssmtp.conf", "mailhub=smtp.example.net\nAuthUser=me\nAuthPass=secret\n"))
        self.assertEqual(made["relays"][0]["tls"], "starttls")
        self.assertIn("in clear", text)

    def test_dma(self):
        auth = self.write("auth.conf", "# x\nother|elsewhere:no\nme|smtp.example.net:pass:word\n")
        name = self.write("mailname", "vm.example.org\n")
        _, made = self.take("dma", self.write("dma.conf", f"SMARTHOST smtp.example.net\nPORT 587\nAUTHPATH {auth}\nSECURETRANSFER\nSTARTTLS\n"
                                                          f"MAILNAME {name}\nMASQUERADE example.org\nALIASES /etc/aliases\n"))
        (relay,) = made["relays"]
        self.assert_relay(relay, host="smtp.example.net", port=587, tls="starttls", user="me", hello="vm.example.org")
        self.assertEqual(made["local"]["domain"], "vm.example.org")
        self.assertEqual(self.secret(), "pass:word\n")

    def test_what_is_said_twice(self):
        """The last one holds, and an unknown word may be a password."""
        self.write("remotes", "h.example smtp --user=one --port=26 --user=two --port=99999 --pass first --password=second\n")
        text, made = self.take("nullmailer", self.other)
        self.assert_relay(made["relays"][0], user="two", port=26)
        self.assertIn('"99999" is no port', text)
        self.assertNotIn("first", text)
        self.assertNotIn("second", text)
        auth = self.write("auth.conf", "me|h.example:one\nyou|h.example:two\n")
        _, made = self.take("dma", self.write("dma.conf", f"SMARTHOST h.example\nAUTHPATH {auth}\nSTARTTLS\n"))
        self.assert_relay(made["relays"][0], user="you")
        self.assertEqual(self.secret(), "two\n")

    def test_what_is_there_stays(self):
        (self.secrets / "password").write_text("precious", encoding="utf-8")
        told = self.take("msmtp", self.write("msmtprc", MSMTP), status=66)
        self.assertIn(f"{self.secrets}/password is there already", told)
        self.assertEqual((self.secrets / "password").read_text(encoding="utf-8"), "precious")

    def test_without_secrets(self):
        done = lab.outbox("import-config", "msmtp", self.write("msmtprc", MSMTP))
        self.assertIn(b'password_file = "', done.stdout)
        self.assertIn(b"a password is not printed", done.stderr)
        self.assertNotIn(b"sec ret", done.stdout + done.stderr)

    def test_what_cannot_be_read(self):
        for arguments, status, words in (
            (["dma", self.write("dma.conf", "PORT 25\n")], 78, "names no relay"),
            (["msmtp", self.other / "gone"], 66, "is not there"),
            (["nullmailer", self.other], 66, "nullmailer's configuration"),
            (["exim"], 64, "nullmailer, msmtp, ssmtp, dma"),
            ([], 64, "none was named"),
            (["msmtp", self.write("loop", "account a : b\n")], 78, "no account b above"),
        ):
            done = subprocess.run([lab.program("outbox"), "import-config", *map(str, arguments)], capture_output=True, check=False, text=True)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.returncode, status, done.stderr)

    def test_what_is_made_passes_the_check(self):
        path = self.write("ssmtp.conf", "mailhub=mail.lab.test:587\nUseSTARTTLS=YES\nAuthUser=me\nAuthPass=x\n")
        done = lab.outbox("import-config", "--secrets", self.secrets, "ssmtp", path)
        made = pathlib.Path(self.write("made.conf", done.stdout.decode()))
        check = subprocess.run([lab.program("outboxd"), "--check", "--config", made, "--set", f"spool.directory={self.queue.path}"], capture_output=True, check=False, text=True)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)
