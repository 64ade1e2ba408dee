"""Logins at real servers: by Exim's own mechanisms, by those of Cyrus SASL in it and in Postfix, and by Dovecot's."""

import json
import re
import unittest

import dovecot
from case import as_delivered, message
from cyrus import MECHANISMS
from dovecot import PASSWORD, USER
from process import wait_for
from servers import BODIES, ServerTest

CYRUS_IN_EXIM = """
{name}:
  driver = cyrus_sasl
  public_name = {mechanism}
  server_set_id = $auth1
"""


SPA_IN_EXIM = """
spa:
  driver = spa
  public_name = NTLM
  server_password = ${if eq{$auth1}{%s}{%s}fail}
  server_set_id = $auth1
""" % (USER, PASSWORD)

# Whoever shows a certificate of the authority is let in under its name, or one that he may act for.
EXTERNAL_IN_EXIM = """
external:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = ${if and{{bool{$tls_in_certificate_verified}}{!eq{}{$tls_in_peercert}}}}
  server_param2 = ${certextract {subject,CN}{$tls_in_peercert}}
  server_condition = ${if or {{eq{$auth1}{}}{eq{$auth1}{$auth2}}{eq{$auth1}{deputy}}}}
  server_set_id = $auth2 for $auth1
"""


class LoginTest(ServerTest):
    def login(self, port, **settings):
        """A relay with the user's name and password, over TLS."""
        tls = "implicit" if port in ("smtps", "submissions") else "starttls"
        ca = self.lab.certificates.certificate("ca")
        relay = self.relay(port, **{"tls": tls, "tls_ca_file": ca, "user": USER, "password": PASSWORD, **settings})
        return {name: value for name, value in relay.items() if value is not None}

    def log_in(self, port, auth="auto", status=0, **settings):
        """Sends a message with a login; what the tool said."""
        return self.send(message(to=[self.address()]), self.login(port, auth=auth, **settings), status)

    def check(self, port, pattern, auth="auto", status=0, times=1, **settings):
        """Logs in; the server's log has the pattern so often from then on. `end` is what it writes last."""
        before = len(self.server.log())
        said = self.log_in(port, auth, status, **settings)

        def found():
            log = self.server.log()[before:]
            return log if re.search(self.end, log) else None

        log = wait_for(found, lambda: f"{self.end} in {self.server.log()[before:]}")
        self.assertEqual(len(re.findall(pattern, log)), times, log)
        return said

    def check_held(self, port, *words, **settings):
        """The daemon puts the relay on hold, and blames no message; once it can log in, the message goes."""
        relay = self.login(port, hold_first="1s", **settings)
        daemon = self.start(relay)
        self.queue.drop("m", message(to=[self.address()]))
        for word in ("relay-held", *words):
            self.wait_log(daemon, word)
        self.queue.wait_state("m", "queued")
        self.assertEqual(self.queue.record("m"), [])
        return daemon

    def check_goes_on(self, daemon):
        daemon.flush()
        self.queue.wait_gone("m")
        self.wait_copies(1, self.address())


class Exim(LoginTest):
    end = "closed by QUIT"
    failure = "authenticator failed for .*: 535 "

    def test_mechanisms(self):
        self.exim()
        for port in ("smtp", "smtps"):
            for mechanism, name in (("plain", "plain"), ("login", "login"), ("cram-md5", "cram_md5"), ("auto", "plain")):
                with self.subTest(f"{port} {mechanism}"):
                    self.check(port, f" A={name}:{USER} ", mechanism)

    def test_in_clear_only_what_hides_the_password(self):
        self.exim(options={"tls_advertise_hosts": ""})
        self.check("smtp", f" A=cram_md5:{USER} ", tls="none")

    def test_wrong_password_counts_once(self):
        self.exim()
        for mechanism in ("plain", "login", "cram-md5", "auto"):
            with self.subTest(mechanism):
                self.check("smtp", self.failure, mechanism, status=77, password="wrong")

    def test_wrong_password_is_the_relay_s_matter(self):
        self.exim()
        daemon = self.check_held("smtp", "535 Incorrect authentication data", password="wrong")
        self.assertEqual(len(re.findall(self.failure, self.server.log())), 1)
        self.configure(self.login("smtp"))
        daemon.reload()
        self.check_goes_on(daemon)

    def test_not_now(self):
        self.exim()
        self.check("smtp", "authenticator failed for .*: 435 ", status=75, user="later")
        self.check_held("smtp", "435 Unable to authenticate at present", user="later")


class NtlmInExim(LoginTest):
    """AuthMechanism amNTLM, User and Password. Exim's own implementation knows version 1 alone."""

    end = "closed by QUIT"

    def setUp(self):
        super().setUp()
        self.exim(authenticators=SPA_IN_EXIM)

    def test_version_1(self):
        """UseNTLMv2 false."""
        self.check("smtp", f" A=spa:{USER} ", "ntlm", ntlm_v2=False)

    def test_version_2_is_not_given_up(self):
        """UseNTLMv2 is true by default, and a server that refuses gets nothing weaker."""
        said = self.check("smtp", "authenticator failed for .*: 535 ", "ntlm", status=77)
        self.assertIn("9006: ", said)
        self.assertIn("535 Incorrect authentication data", said)
        self.assertIn("ntlm_v2 = false", said)

    def test_wrong_password(self):
        said = self.check("smtp", "authenticator failed for .*: 535 ", "ntlm", status=77, ntlm_v2=False, password="no")
        self.assertIn("535 Incorrect authentication data", said)


class ExternalInExim(LoginTest):
    """AuthMechanism external, and AuthorizationIdentity with it."""

    end = "closed by QUIT"

    def setUp(self):
        super().setUp()
        ca = self.lab.certificates.certificate("ca")
        self.exim(options={"tls_try_verify_hosts": "*", "tls_verify_certificates": ca},
                  authenticators=EXTERNAL_IN_EXIM)

    def login(self, port, **settings):
        return super().login(port, **{
            "tls_certificate": self.lab.certificates.certificate("alice"),
            "tls_key": self.lab.certificates.key("alice"), **settings})

    def test_certificate_alone(self):
        self.check("smtps", " A=external:alice for ", "external", user=None, password=None)

    def test_authorization_identity(self):
        self.check("smtp", " A=external:alice for deputy", "external", user=None, password=None,
                   authorization_identity="deputy")
        self.check("smtp", "authenticator failed for .*: 535 ", "external", status=77, user=None, password=None,
                   authorization_identity="somebody")

    def test_auto_without_a_password(self):
        self.check("smtp", f" A=external:alice for {USER}", password=None)
        self.check("smtp", f" A=plain:{USER} ")

    def test_what_check_says(self):
        self.configure(self.login("smtp"))
        said = self.outbox("check")
        for line in ("PLAIN: used", "LOGIN: fits", "CRAM-MD5: fits", "EXTERNAL: used only where auth names it"):
            self.assertIn(line, said)
        logins = json.loads(self.outbox("check", "--json"))[0]["logins"]
        self.assertEqual([login["mechanism"] for login in logins if login["used"]], ["PLAIN"])
        self.assertIn({"mechanism": "NTLM", "offered": False, "fits": False, "reason": "not offered", "used": False},
                      logins)

    def test_no_certificate(self):
        said = self.log_in("smtp", "external", status=78, tls_certificate=None, tls_key=None)
        self.assertIn("set tls_certificate", said)


class CyrusInExim(LoginTest):
    end = "closed by QUIT"

    def test_mechanisms(self):
        names = ("SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5")
        self.exim(
            options={"add_environment": f"SASL_CONF_PATH={self.lab.cyrus}"},
            authenticators="".join(CYRUS_IN_EXIM.format(name=m.replace("-", "_"), mechanism=m) for m in names),
        )
        for mechanism in (*names, "auto"):
            with self.subTest(mechanism):
                name = names[0] if mechanism == "auto" else mechanism
                self.check("smtp", f" A={name.replace('-', '_')}:{USER} ", mechanism.lower())


class CyrusInPostfix(LoginTest):
    end = "disconnect from "
    failure = "authentication failed: .*sasl_username="

    def setUp(self):
        super().setUp()
        self.users = self.lab.cyrus / "users"
        self.postfix()

    def test_mechanisms(self):
        for mechanism in (*MECHANISMS, "auto"):
            with self.subTest(mechanism):
                name = "SCRAM-SHA-256" if mechanism == "auto" else mechanism
                self.check("cyrus", f"sasl_method={name}, sasl_username={USER}", mechanism.lower())

    def test_wrong_password_counts_once(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.check("cyrus", self.failure, mechanism.lower(), status=77, password="wrong")

    def test_component_s_names(self):
        """AuthMechanism, User and Password, as the component calls them and their values."""
        for value, name in (("amUserPassword", "SCRAM-SHA-256"), ("0", "SCRAM-SHA-256"), ("amCRAMMD5", "CRAM-MD5"),
                            ("amNTLM", "NTLM"), ("2", "NTLM"), ("amSASLPlain", "PLAIN"),
                            ("amSASLDigestMD5", "DIGEST-MD5"), ("5", "DIGEST-MD5")):
            with self.subTest(value):
                self.check("cyrus", f"sasl_method={name}, sasl_username={USER}", None, user=None, password=None,
                           AuthMechanism=value, User=USER, Password=PASSWORD)

    def test_pop3_s_mechanism(self):
        self.configure(self.login("cyrus", auth="amAPOP"))
        result = self.outbox("check", status=None)
        self.assertEqual(result.returncode, 78)
        self.assertIn("is a mechanism of POP3, which SMTP does not have", result.stderr.decode())

    def test_wrong_password_for_what_may_not_know_scram(self):
        """A server that has the password as a hash says the same to SCRAM: the password itself is tried once."""
        said = self.check("cyrus", self.failure, status=77, times=2, password="wrong")
        self.assertIn("tried SCRAM-SHA-256, PLAIN", said)

    def test_no_passwords_just_now(self):
        mode = self.users.stat().st_mode
        self.users.chmod(0)
        try:
            self.assertIn("454 4.7.0 ", self.check("cyrus", self.failure, status=75))
            daemon = self.check_held("cyrus", "454 4.7.0 ")
        finally:
            self.users.chmod(mode)
        self.check_goes_on(daemon)


class Dovecot(LoginTest):
    """Its submission service hands on to Postfix."""

    end = "Disconnected: |Login aborted: "

    def setUp(self):
        super().setUp()
        self.server = self.lab.dovecot

    def copies(self, *recipients):
        return [c for c in self.lab.postfix.copies() if c.recipient in recipients]

    def test_auto(self):
        self.check("submission", f"user=<{USER}>, method=SCRAM-SHA-256", tls_protocols="TLSv1.2")
        self.wait_copies(1, self.address())

    def test_content(self):
        for number, body in enumerate(BODIES):
            with self.subTest(number):
                ann = self.address(f"r{number}")
                self.send(message(body, to=[ann]), self.login("submission"))
                copy, = self.wait_copies(1, ann)
                self.assertRegex(copy.content, rb"\AReceived: .*\n(?:\t.*\n)*From: ")
                self.assertTrue(copy.content.endswith(b"\n" + as_delivered(message(body, envelope=False))))

    def test_wrong_password_counts_once(self):
        for mechanism in dovecot.PASSWORD_MECHANISMS:
            with self.subTest(mechanism):
                self.check("submissions", "auth failed, 1 attempts", mechanism, status=77, password="wrong")

    def test_token_as_identity(self):
        """AuthMechanism amXOAUTH2: AuthorizationIdentity is the token, "Bearer " before it or not."""
        for token in (dovecot.token(), f"Bearer {dovecot.token()}"):
            with self.subTest(token[:7]):
                self.check("submissions", f"user=<{USER}>, method=XOAUTH2", None, user=None, password=None,
                           AuthMechanism="amXOAUTH2", User=USER, AuthorizationIdentity=token)

    @unittest.skipIf(dovecot.is_2_3(), "Dovecot 2.3 has no mechanism that is bound to the channel")
    def test_bound_to_the_channel(self):
        for protocol in ("TLSv1.2", "TLSv1.3"):
            for mechanism in (*dovecot.BOUND_MECHANISMS, "auto"):
                with self.subTest(f"{protocol} {mechanism}"):
                    name = dovecot.BOUND_MECHANISMS[-1] if mechanism == "auto" else mechanism
                    said = self.check("submission", f"method={name.upper()}, ", mechanism, tls_protocols=protocol)
                    self.assertIn(f"> AUTH {name.upper()} ", said)
