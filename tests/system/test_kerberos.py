"""Logins by Kerberos (AuthMechanism amKerberos) at Dovecot and at Cyrus SASL, with a realm of the tests' own."""

import os
import re
import threading
import time

from case import message
from kerberos import USER
from listener import Listener
from process import wait_for
from servers import ServerTest


GSSAPI_IN_EXIM = """
gssapi:
  driver = cyrus_sasl
  public_name = GSSAPI
  server_hostname = localhost
  server_set_id = $auth1
"""


class KerberosTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.realm = self.lab.kerberos()
        self.addCleanup(self.realm.stop)

    def send(self, relay, status=0, environment=None):
        self.configure(relay)
        result = self.outbox("send", "-v", stdin=message(to=[self.address()]), status=None,
                             env={**os.environ, **self.realm.environment, **(environment or {})})
        said = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, said)
        return said

    def ticket_relay(self, port, **settings):
        base = {"tls": "starttls", "tls_ca_file": self.lab.certificates.certificate("ca"), "auth": "gssapi",
                "host": "localhost", "ip_version": 0, "kerberos_keytab": self.realm.keytab, **settings}
        return self.relay(port, **{name: value for name, value in base.items() if value is not None})


class Dovecot(KerberosTest):
    def setUp(self):
        super().setUp()
        self.server = self.lab.dovecot_in(self.realm)
        self.addCleanup(self.server.stop)

    def wrapper(self):
        return ["env", *(f"{name}={value}" for name, value in self.realm.environment.items())]

    def check_log(self, pattern):
        wait_for(lambda: re.search(pattern, self.server.log()), lambda: f"{pattern} in {self.server.log()}")

    def test_keytab(self):
        said = self.send(self.ticket_relay("submission", auth="amKerberos"))
        self.assertIn("> AUTH GSSAPI", said)
        self.check_log(f"(?i)user=<{USER}@LAB.TEST>, method=GSSAPI")

    def test_principal_by_user(self):
        self.send(self.ticket_relay("submission", user=f"{USER}@LAB.TEST"))
        self.assertIn("no-one", self.send(self.ticket_relay("submission", user="no-one"), status=77))

    def test_tickets_in_a_cache(self):
        self.send(self.ticket_relay("submission", kerberos_keytab=None, kerberos_ccache=self.realm.kinit()))
        self.send(self.ticket_relay("submission", kerberos_keytab=None),
                  environment={"KRB5CCNAME": self.realm.kinit("more")})

    def test_service_by_name(self):
        self.send(self.ticket_relay("submission", kerberos_service="smtp/localhost@LAB.TEST"))
        self.send(self.ticket_relay("submission", host="127.0.0.1", tls_name="localhost"))
        said = self.send(self.ticket_relay("submission", kerberos_service="smtp/other.lab.test"), status=77)
        self.assertRegex(said, "9006: .*no Kerberos ticket for the service smtp/other.lab.test can be had: .*not found")

    def test_no_ticket(self):
        said = self.send(self.ticket_relay("submission", kerberos_keytab=None), status=77)
        self.assertRegex(said, "9006: .*there is no Kerberos ticket for .*run kinit")

    def test_expired_ticket(self):
        cache = self.realm.kinit(life="1s")
        time.sleep(2)  # the ticket's own life
        said = self.send(self.ticket_relay("submission", kerberos_keytab=None, kerberos_ccache=cache), status=77)
        self.assertRegex(said, "9006: .*([Tt]icket|[Cc]redentials).* expired")

    def test_no_centre(self):
        self.realm.stop()
        said = self.send(self.ticket_relay("submission"), status=77)
        self.assertRegex(said, "9006: .*Cannot contact any KDC")

    def test_silent_centre(self):
        """One that takes connections and says nothing holds up nobody else for longer than the relay may take."""
        self.realm.stop()
        ended = threading.Event()
        silent = Listener(lambda connection: ended.wait(), port=self.realm.port)
        self.addCleanup(silent.close)
        self.addCleanup(ended.set)
        other = {**self.lab.relay("plain"), "name": "other"}
        daemon = self.start(self.ticket_relay("submission", timeout="5s", hold_first="1h", hold_max="1h"), other,
                            wrapper=self.wrapper())
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_gone("m")
        self.wait_log(daemon, "was waited for longer than 5s: for a Kerberos ticket for localhost; "
                      "see whether the key distribution centres of /etc/krb5.conf")

    def test_authorization_identity(self):
        """AuthorizationIdentity: whom the user may not act for, the server refuses."""
        said = self.send(self.ticket_relay("submission", authorization_identity="bob"), status=77)
        self.assertRegex(said, "9006: .*5[0-9][0-9] ")

    def test_not_offered(self):
        said = self.send({**self.ticket_relay("submission"), "port": self.lab.dovecot.port["submission"]}, status=77)
        self.assertIn("does not offer GSSAPI", said)

    def test_daemon(self):
        """Several connections at a time, each with a ticket of its own; and one after the tickets were gone."""
        names = [f"m{number}" for number in range(6)]
        for name in names:
            self.queue.drop(name, message(to=[self.address()]))
        daemon = self.start(self.ticket_relay("submission", connections=3, messages_per_connection=1),
                            wrapper=self.wrapper())
        self.queue.wait_gone(*names)
        self.assertNotIn("on hold", daemon.output())
        self.realm.stop()
        self.queue.drop("later", message(to=[self.address()]))
        self.queue.wait_gone("later")  # by the ticket that there is

    def test_daemon_without_a_ticket(self):
        daemon = self.start(self.ticket_relay("submission", kerberos_keytab=None, hold_first="1h", hold_max="1h"),
                            wrapper=self.wrapper())
        self.queue.drop("m", message(to=[self.address()]))
        self.wait_log(daemon, "on hold")
        self.assertIn("there is no Kerberos ticket", daemon.output())
        self.assertEqual(self.queue.record("m"), [])


class CyrusInExim(KerberosTest):
    """Another implementation of the mechanism, which offers security layers, too."""

    def setUp(self):
        super().setUp()
        directory = self.lab.new_directory()
        (directory / "exim.conf").write_text(f"keytab: {self.realm.service_keytab}\n", encoding="ascii")
        environment = {"SASL_CONF_PATH": directory, "KRB5_CONFIG": self.realm.configuration,
                       "KRB5_KTNAME": f"FILE:{self.realm.service_keytab}"}
        self.exim(authenticators=GSSAPI_IN_EXIM, options={
            "add_environment": "<; " + " ; ".join(f"{name}={value}" for name, value in environment.items())})

    def test_keytab(self):
        self.send(self.ticket_relay("smtp"))
        wait_for(lambda: re.search(f"A=gssapi:{USER}", self.server.log()), self.server.log)

    def test_wrong_service(self):
        """A ticket for a service whose key the server has not got."""
        self.realm.add_service("smtp/elsewhere")
        said = self.send(self.ticket_relay("smtp", kerberos_service="smtp/elsewhere"), status=77)
        self.assertRegex(said, "9006: relay .*, auth: 535 ")


class Settings(ServerTest):
    def test_wrong_settings(self):
        keytab = self.directory / "keytab"
        keytab.touch(mode=0o644)
        keytab.chmod(0o644)
        for settings, words in (
            ({"kerberos_keytab": keytab}, "set auth = \"gssapi\""),
            ({"auth": "gssapi", "user": "a", "password": "b"}, "leave the password out"),
            ({"auth": "gssapi", "kerberos_keytab": keytab}, "chmod"),
            ({"auth": "gssapi", "kerberos_keytab": self.directory / "none"}, "does not exist"),
            ({"auth": "gsapi"}, "gssapi"),
        ):
            with self.subTest(words):
                self.configure(self.lab.relay(25, **settings))
                result = self.outbox("check", status=None)
                self.assertEqual(result.returncode, 78, result.stderr)
                self.assertIn(words, result.stderr.decode())
