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

    POSTFIX = """# a null client
myhostname = vm.example.org
mydomain = example.org
myorigin = NAME
relayhost = [smtp.example.net]:submission
smtp_fallback_relay = [2001:db8::1]:2525, other.example
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps =
    # which is a table
    hash:TABLE
smtp_sasl_mechanism_filter = LOGIN
smtp_tls_security_level = verify
smtp_tls_CAfile = ${config_directory}/ca.pem
smtp_generic_maps = hash:/etc/postfix/generic
smtp_helo_name = mail.$mydomain
smtp_bind_address = $nowhere
alias_maps = ldap:/x, hash:ALIASES
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
default_destination_concurrency_limit = 5
maximal_queue_lifetime = 2
maximal_backoff_time = 2h
smtpd_banner = hello
relayhost = [smtp.example.net]:587
odd = 1
"""

    def take_postfix(self, text, **values):
        for name, value in values.items():
            text = text.replace(name, str(value))
        return self.take("postfix", self.write("main.cf", text))

    def test_postfix(self):
        table = self.write("sasl_passwd", "# logins\nsmtp.example.net.evil x:no\n[smtp.example.net]:587 me:pass:word\n"
                                          "[smtp.example.net]:587 you:other\n[2001:db8::1]:2525\n  six:6\n")
        aliases = self.write("aliases", "root: me@example.org\n")
        name = self.write("mailname", "vm.example.org\n")
        authorities = self.write("ca.pem", "")
        text, made = self.take_postfix(self.POSTFIX, TABLE=table, ALIASES=aliases, NAME=name)
        first, second, third = made["relays"]
        self.assert_relay(first, host="smtp.example.net", port=587, tls="starttls", user="me", auth="login",
                          tls_ca_file=str(authorities), hello="mail.example.org",
                          ip_version=0, connections=5, password_file=f"{self.secrets}/password")
        self.assert_relay(second, host="2001:db8::1", port=2525, user="six", password_file=f"{self.secrets}/password-2")
        self.assert_relay(third, host="other.example", port=25, user=None, tls="starttls")
        self.assertEqual((self.secret(), self.secret("password-2")), ("pass:word\n", "6\n"))
        self.assertEqual((made["local"]["domain"], made["local"]["aliases"]), ("vm.example.org", str(aliases)))
        self.assertEqual([made["retry"][name] for name in ("give_up_after", "max", "first")], ["2d", "2h", "5m"])
        notes = text.replace("\n# ", " ")
        for note in ("main.cf:14: smtp_generic_maps is not taken: see local.rewrite_from",
                     "what $nowhere stands for is not said", "other.example: without brackets",
                     "alias_maps: ldap:/x is not taken", "main.cf:26: odd has no match"):
            self.assertIn(note, notes)
        for silent in ("smtpd_banner", "mydestination", "loopback", "pass:word"):
            self.assertNotIn(silent, text)

    def test_postfix_as_it_is_on_debian(self):
        """The files that its package has, with a relay; and what Postfix says of them itself is taken as they are."""
        share = pathlib.Path("/usr/share/postfix")
        if not (share / "main.cf.debian").exists():
            self.skipTest("postfix is not installed (scripts/install-packages lab)")
        text = "".join((share / name).read_text(encoding="utf-8") for name in ("main.cf.debian", "main.cf.tls"))
        text += ("myhostname = vm.example.org\nalias_maps = hash:/etc/aliases\nalias_database = hash:/etc/aliases\n"
                 "mydestination = $myhostname, localhost.localdomain, localhost\nrelayhost = [smtp.example.net]:465\n"
                 "mynetworks = 127.0.0.0/8\nmailbox_size_limit = 0\nrecipient_delimiter = +\n"
                 "inet_interfaces = loopback-only\ninet_protocols = all\nsmtp_tls_wrappermode = yes\n"
                 "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:me:secret\n")
        printed, made = self.take_postfix(text)
        self.assert_relay(made["relays"][0], host="smtp.example.net", port=465, tls="implicit", user="me",
                          hello="vm.example.org")
        self.assertEqual(self.secret(), "secret\n")
        notes = printed.replace("\n# ", " ")
        self.assertEqual(notes.count("main.cf:"), 1, printed)
        self.assertIn("accepted any certificate", notes)
        (self.other / "master.cf").touch()
        said = subprocess.run(["postconf", "-c", self.other, "-n"], stdout=subprocess.PIPE, check=True, text=True)
        (self.secrets / "password").unlink()
        again, _ = self.take_postfix(said.stdout)
        self.assertEqual([line for line in again.splitlines() if not line.startswith("#")],
                         [line for line in printed.splitlines() if not line.startswith("#")])

    def test_postfix_without_a_safe_way(self):
        """A password that could have gone in clear does not; tables of other types and loops are told."""
        text, made = self.take_postfix(
            "relayhost = h.example:smtps\nsmtp_tls_security_level = may\nsmtp_sasl_auth_enable = yes\n"
            "smtp_sasl_password_maps = mysql:/x pcre:/y static:{me:se cret}\n"
            "a = $b\nb = ${a}$a\nmyorigin = $a\ntransport_maps = hash:/x\nsmtpd_milters = unix:/y\n")
        self.assert_relay(made["relays"][0], tls="starttls", port=465, user="me")
        self.assertEqual(self.secret(), "se cret\n")
        self.assertNotIn("cret}", text)
        notes = text.replace("\n# ", " ")
        for note in ("in clear", "a table of type mysql", "a table of type pcre", "myorigin is not taken",
                     "transport_maps is not taken", "smtpd_milters is not taken"):
            self.assertIn(note, notes)
        self.assertIn("names no relay", self.take("postfix", self.write("main.cf", "relayhost =\n"), status=78))
        self.assertIn("is not there", self.take("postfix", self.other / "gone", status=66))
        (self.other / "main.cf").write_bytes(b"a = " + b"x" * 8000 + (b"\n " + b"y" * 8000) * 9)
        self.assertIn("too long", self.take("postfix", self.other / "main.cf", status=66))

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
            (["nullmailer", self.write("remote", "")], 66, "remote is no directory"),
            (["exim"], 64, "nullmailer, msmtp, ssmtp, dma"),
            ([], 64, "none was named"),
            (["msmtp", self.write("loop", "account a : b\n")], 78, "no account b above"),
        ):
            done = subprocess.run([lab.program("outbox"), "import-config", *map(str, arguments)], capture_output=True, check=False, text=True)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.returncode, status, done.stderr)

    def assert_passes(self, *arguments):
        """What is made of it, and that outboxd takes it as it is."""
        for secret in self.secrets.iterdir():
            secret.unlink()
        text, made = self.take(*arguments)
        check = subprocess.run([lab.program("outboxd"), "--check", "--config", self.other / "made.conf",
                                "--set", f"spool.directory={self.queue.path}"],
                               capture_output=True, check=False, text=True)
        self.assertEqual(check.returncode, 0, text + check.stdout + check.stderr)
        return text.replace("\n# ", " "), made

    def test_what_is_made_passes_the_check(self):
        path = self.write("ssmtp.conf", "mailhub=mail.lab.test:587\nUseSTARTTLS=YES\nAuthUser=me\nAuthPass=x\n")
        self.assert_passes("ssmtp", path)

    def test_levels_of_postfix_pass_the_check(self):
        for level, dane in (("none", "off"), ("may", "off"), ("encrypt", "off"), ("dane", "try"),
                            ("dane-only", "require"), ("fingerprint", "off"), ("verify", "off"), ("secure", "off")):
            with self.subTest(level=level):
                _, made = self.assert_passes("postfix", self.write(
                    "main.cf", f"relayhost = [mail.lab.test]:587\nsmtp_tls_security_level = {level}\n"))
                self.assertEqual(made["relays"][0]["tls_dane"], dane)

    def test_one_host_twice(self):
        self.write("remotes", "mail.lab.test smtp --user=a --pass=1 --starttls\nmail.lab.test smtp --port=26\n"
                              "mail.lab.test smtp --user=b --pass=2 --starttls\n")
        _, made = self.assert_passes("nullmailer", self.other)
        self.assertEqual([relay["name"] for relay in made["relays"]],
                         ["mail.lab.test:25", "mail.lab.test:26", "mail.lab.test-2"])

    def test_times_pass_the_check(self):
        """Where one is beyond the other, be that the one of another default."""
        postfix = "relayhost = [mail.lab.test]\n"
        for text, both in (("minimal_backoff_time = 10m\nmaximal_backoff_time = 5m\n", "10m"),
                           ("minimal_backoff_time = 6h\n", "6h"), ("maximal_backoff_time = 30s\n", "30s")):
            _, made = self.assert_passes("postfix", self.write("main.cf", postfix + text))
            self.assertEqual((made["retry"]["first"], made["retry"]["max"]), (both, both))
        self.write("remotes", "mail.lab.test\n")
        for name, value in (("pausetime", "7200"), ("maxpause", "30")):
            self.write(name, f"{value}\n")
            self.assert_passes("nullmailer", self.other)
            (self.other / name).unlink()
        self.write("queuelifetime", "7d\n")
        self.write("sendtimeout", "90\n")
        text, _ = self.assert_passes("nullmailer", self.other)
        self.assertIn("queuelifetime = 7d is not taken: see retry.give_up_after", text)
        self.assertIn("sendtimeout = 90 has no match here; see timeout", text)

    def test_revoked_certificates(self):
        text = f"account default\nhost mail.lab.test\ntls on\ntls_crl_file {self.write('crl.pem', '')}\n"
        _, made = self.take("msmtp", self.write("msmtprc", text))
        self.assertEqual(made["relays"][0]["tls_check_crl"], "try")
        _, made = self.assert_passes("msmtp", self.write("msmtprc", f"{text}tls_certcheck off\n"))
        self.assertEqual(made["relays"][0]["tls_check_crl"], "off")

    def test_login_that_msmtp_did_not_use(self):
        text, made = self.assert_passes("msmtp", self.write("msmtprc", "account default\nhost mail.lab.test\ntls on\n"
                                                            "user me\npassword secret\n"))
        self.assertIsNone(made["relays"][0]["user"])
        self.assertIn("msmtp used them with auth alone", text)
        self.assertNotIn("secret", text)

    def test_senders_of_ssmtp(self):
        self.write("revaliases", "# who sends as whom\nroot:me@lab.test:mail.lab.test:587\n"
                                 "www-data:shop@lab.test:other.lab.test\nodd\n")
        text, made = self.assert_passes("ssmtp", self.write("ssmtp.conf", "mailhub=mail.lab.test:587\n"))
        self.assertEqual(made["local"]["rewrite_from"], "root@*: me@lab.test; www-data@*: shop@lab.test")
        self.assertIn("revaliases:3: the relay of www-data alone is not taken", text)
        self.assertIn("revaliases:4: this line is not taken", text)
        self.assertNotIn("the relay of root", text)

    LOGIN = ("relayhost = [mail.lab.test]:587\nsmtp_tls_security_level = secure\nsmtp_sasl_auth_enable = yes\n"
             "smtp_sasl_password_maps = {}\n")

    def test_logins_of_postfix(self):
        """Where there is none for the relay, that is told: it would go without a word."""
        table = self.write("sasl_passwd", "[mail.lab.test] me:no\nmail.lab.test:587 me:no\n")
        for maps in ("", f"hash:{table}", "mysql:/x", f"texthash:{self.other}/gone", "static::no", "inline:{}"):
            text, made = self.assert_passes("postfix", self.write("main.cf", self.LOGIN.format(maps)))
            self.assertIsNone(made["relays"][0]["user"])
            self.assertRegex(text, r"no login for \[mail.lab.test\]:587 is found|has no user, and is not taken")
        for maps, secret in (("inline:{ [mail.lab.test]:587=me:s:1 }", "s:1"),
                             ("inline:{ other=x:y, { [mail.lab.test]:587 = me:two words } }", "two words"),
                             ("proxy:static:me:3", "3")):
            text, made = self.assert_passes("postfix", self.write("main.cf", self.LOGIN.format(maps)))
            self.assertEqual((made["relays"][0]["user"], self.secret()), ("me", f"{secret}\n"))
            self.assertNotIn("no login", text)

    def test_empty_password(self):
        self.write("remotes", "mail.lab.test smtp --user=a --pass= --starttls\n")
        dma = f"SMARTHOST mail.lab.test\nSTARTTLS\nAUTHPATH {self.write('auth.conf', 'me|mail.lab.test:')}\n"
        for system, path in (("nullmailer", self.other), ("dma", self.write("dma.conf", dma)),
                             ("postfix", self.write("main.cf", self.LOGIN.format("static:me:")))):
            with self.subTest(system=system):
                text, made = self.assert_passes(system, path)
                self.assertIsNone(made["relays"][0]["password_file"])
                self.assertIn("the password is empty, and not taken", text)

    def test_text_of_logins_is_gone(self):
        """What postmap has made of it has a way back."""
        maps = f"hash:{self.other}/sasl_passwd"
        text, _ = self.assert_passes("postfix", self.write("main.cf", self.LOGIN.format(maps)))
        self.assertNotIn("postmap", text)
        self.write("sasl_passwd.db", "")
        text, _ = self.assert_passes("postfix", self.write("main.cf", self.LOGIN.format(maps)))
        self.assertIn(f"`umask 077; postmap -s {maps} > {self.other}/sasl_passwd` writes it anew", text)

    def test_instance_of_postfix(self):
        """$config_directory is where the main.cf is that is read, by whichever name."""
        self.write("sasl_passwd", "[mail.lab.test]:587 me:own\n")
        self.write("main.cf", self.LOGIN.format("texthash:$config_directory/sasl_passwd"))
        for path in (self.other, self.other / "main.cf"):
            self.assert_passes("postfix", path)
            self.assertEqual(self.secret(), "own\n")
        self.assertIn("main.cf is not there", self.take("postfix", self.secrets, status=66))

    def test_services_of_postfix(self):
        """What master.cf sets for the client that mail goes out by holds; what it sets for others is told."""
        main = "relayhost = [mail.lab.test]:465\nsmtp_tls_security_level = may\nlogin = me:secret\n"
        master = ("# service type ...\nsmtp inet n - y - - smtpd -o smtpd_tls_wrappermode=no\n"
                  "smtp unix - - y - - smtp\n  -o smtp_sasl_auth_enable=yes\n"
                  "  -o { smtp_sasl_password_maps = static:${login} }\n"
                  "relay unix - - y - - smtp -o syslog_name=postfix/$service_name -o smtp_fallback_relay=\n"
                  "smtps unix - - y - - /usr/lib/postfix/smtp -osmtp_tls_wrappermode=yes\n")
        self.write("master.cf", master)
        text, made = self.assert_passes("postfix", self.write("main.cf", main))
        self.assert_relay(made["relays"][0], user="me", tls="starttls")
        self.assertIn("master.cf:7: what is set for the service smtps alone is not taken", text)
        self.assertNotIn("service relay", text)
        self.assertNotIn("secret", text)
        text, made = self.assert_passes("postfix", self.write("main.cf", f"{main}default_transport = smtps\n"))
        self.assert_relay(made["relays"][0], user=None, tls="implicit")
        self.assertIn("the service smtp alone is not taken", text)
        self.assertNotIn("default_transport", text)

    def test_where_postfix_sends(self):
        _, made = self.assert_passes("postfix", self.write("main.cf", "default_transport = smtp:[mail.lab.test]:587\n"))
        self.assert_relay(made["relays"][0], host="mail.lab.test", port=587)
        text, _ = self.assert_passes("postfix", self.write(
            "main.cf", "default_transport = error\nrelayhost = [mail.lab.test]\ninet_interfaces = all\n"))
        self.assertIn("default_transport is not taken", text)
        self.assertIn("spool.submit_networks", text)
        for text, words in (("relayhost = ${{a} == {a} ? {h} : {i}}\n", "main.cf:1: relayhost = .*`postconf -nx`"),
                            ("transport_maps = hash:/x\n", "main.cf:1: transport_maps is not read"),
                            ("transport_maps =\n", "names no relay: outbox")):
            self.assertRegex(self.take("postfix", self.write("main.cf", text), status=78), words)

    def test_values_of_postfix(self):
        """As postconf -x says them; what it may be is not guessed."""
        for value, host in (("[${set?{mail}}.lab.test]", "mail.lab.test"),
                            ("[${set?mail}${set:no}.lab.test]", "mail.lab.test"),
                            ("[${unset? {no} : {${set}}}.lab.test]", "mail.lab.test"),
                            ("[${unset:{$(set)}}${unset?{no}}.lab.test]", "mail.lab.test"),
                            ("[${recipient_delimiter:{$(set)}}.lab.test]", "mail.lab.test"),
                            ("[${mydomain?{$mydomain}:{mail.lab.test}}]", None),
                            ("[mail${smtp_helo_timeout:no}.lab.test]", None),
                            ("${{a} == {a} ? {b} : {c}}", None), ("${set?{a}x}", None), ("${set?{a}", None),
                            ("${set?{a}:b}", None), ("${set?{" * 30 + "a" + "}}" * 30, None)):
            path = self.write("main.cf", f"relayhost = {value}\nset = mail\n")
            if host is None:
                self.assertIn("`postconf -nx`", self.take("postfix", path, status=78))
            else:
                self.assertEqual(self.assert_passes("postfix", path)[1]["relays"][0]["host"], host)

    def test_comment_behind_a_value(self):
        """To Postfix it is a part of the value."""
        text, made = self.assert_passes("postfix", self.write("main.cf", "relayhost = [mail.lab.test] # theirs\n"))
        self.assertEqual([relay["host"] for relay in made["relays"]], ["mail.lab.test"])
        self.assertIn("main.cf:1: from # on relayhost is no host", text)

    def test_what_postfix_kept_here(self):
        text, _ = self.assert_passes("postfix", self.write("main.cf", "relayhost = [mail.lab.test]\n"
                                     "virtual_mailbox_domains = own.test\nvirtual_mailbox_base = /srv\n"
                                     "mynetworks = 127.0.0.0/8 192.0.2.0/24\n"))
        self.assertIn("virtual_mailbox_domains is not taken: mail to these domains stayed on this machine", text)
        self.assertIn("main.cf:4: Postfix took mail of other hosts", text)
        self.assertEqual(text.count("main.cf:"), 2)
        text, _ = self.assert_passes("postfix", self.write("main.cf", "relayhost = [mail.lab.test]\n"
                                     "mynetworks = 192.0.2.0/24\ninet_interfaces = loopback-only\n"))
        self.assertNotIn("main.cf:", text)

    def test_mechanisms_that_show_the_password(self):
        login = self.LOGIN.format("static:me:x") + "smtp_sasl_security_options = noanonymous, noplaintext\n"
        text, _ = self.assert_passes("postfix", self.write("main.cf", login))
        self.assertIn("main.cf:5: noplaintext is not taken", text)
        text, _ = self.assert_passes("postfix", self.write(
            "main.cf", f"{login}smtp_sasl_tls_security_options = noanonymous\n"))
        self.assertNotIn("noplaintext", text)

    def test_all_secrets_or_none(self):
        self.write("remotes", "mail.lab.test smtp --user=a --pass=1 --starttls\n"
                              "b.lab.test smtp --user=b --pass=2 --starttls\n")
        (self.secrets / "password-2").touch()
        self.assertIn("password-2 is there already", self.take("nullmailer", self.other, status=66))
        self.assertEqual([path.name for path in self.secrets.iterdir()], ["password-2"])
        (self.secrets / "password-2").unlink()
        self.assert_nothing_on_a_full_disk()
        self.assert_passes("nullmailer", self.other)

    def assert_nothing_on_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([lab.program("outbox"), "import-config", "--secrets", self.secrets, "nullmailer",
                                   self.other], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual((done.returncode, list(self.secrets.iterdir())), (74, []), done.stderr)

    def test_no_secrets_beside_a_long_text_that_was_cut_off(self):
        """It is written past the buffer of standard output."""
        self.write("remotes", "".join(f"mail{i}.lab.test smtp --user={'a' * 200} --pass=1 --starttls\n"
                                      for i in range(32)))
        self.assert_nothing_on_a_full_disk()
        self.assertGreater(len(self.take("nullmailer", self.other)[0]), 8192)
