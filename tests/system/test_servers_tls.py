"""TLS with real servers, of OpenSSL and of GnuTLS: sessions that are resumed, and servers that forget them; whom a
certificate is trusted for; and what "opportunistic" makes of a server that cannot do TLS."""

import re

from case import message
from process import wait_for
from servers import ServerTest

LOGIN = {"user": "alice", "password": "not needed", "auth": "plain"}


class TlsTest(ServerTest):
    def secure(self, port="smtp", **settings):
        """A relay with TLS, whose authority is trusted."""
        tls = "implicit" if port == "smtps" else "starttls"
        return self.relay(port, **{"tls": tls, "tls_ca_file": self.lab.certificates.certificate("ca"), **settings})


class Sessions(TlsTest):
    """A connection for each message, one after the other."""

    def run_with(self, port, **settings):
        self.daemon = self.start(self.secure(port, connections=1, messages_per_connection=1, **settings))

    def deliver(self, name):
        """What the server's log says of this message's connection."""
        ann = self.address(name)
        before = len(self.server.log())
        self.queue.drop(name, message(to=[ann]))
        self.queue.wait_gone(name)
        self.wait_copies(1, ann)
        self.assertEqual([line for line in self.daemon.output().splitlines() if "relay-held" in line], [])
        wait_for(lambda: re.search("closed by QUIT|disconnect from", self.server.log()[before:]), "its end")
        return self.server.log()[before:]

    def check(self, port, resumed, forget):
        """`resumed` is what the server's log says of it."""
        for version in ("TLSv1.2", "TLSv1.3"):
            with self.subTest(version):
                self.run_with(port, tls_protocols=version)
                try:
                    self.assertNotRegex(self.deliver(f"a{version}"), resumed)
                    for name in ("b", "c", "d"):
                        self.assertRegex(self.deliver(f"{name}{version}"), resumed)
                    forget()
                    self.deliver(f"e{version}")
                    self.assertRegex(self.deliver(f"f{version}"), resumed)
                finally:  # the next one's messages are not for this daemon
                    self.assertEqual(self.daemon.terminate(), 0)

    def restart(self):
        self.server.stop()
        self.server.start()

    def test_exim(self):
        self.exim(options={"tls_resumption_hosts": "*"})
        self.check("smtp", r" X=TLS\S+\* ", self.restart)

    def test_exim_with_implicit_tls(self):
        self.exim(options={"tls_resumption_hosts": "*"})
        self.check("smtps", r" X=TLS\S+\* ", self.restart)

    def test_postfix(self):
        self.postfix()
        self.check("opportunistic", "Reusing old session", self.server.reload)


class Trust(TlsTest):
    def check_delivered(self, **settings):
        self.send(message(to=[self.address()]), self.secure(**settings))
        self.assertIn("P=esmtps ", self.server.log())

    def check_refused(self, *words, **settings):
        said = self.send(message(to=[self.address()]), self.secure(**settings), status=75)
        for word in words:
            self.assertIn(word, said)
        self.assertNotIn("MAIL FROM", said)

    def test_authority(self):
        self.exim()
        self.check_delivered()
        self.check_delivered(port="smtps")
        self.check_delivered(host="localhost", ip_version=0)

    def test_stranger_that_is_named_itself(self):
        self.exim(certificate="stranger")
        self.check_refused("cannot be trusted", "stranger-ca")
        self.check_delivered(tls_ca_file=self.lab.certificates.certificate("stranger"))

    def test_name(self):
        self.exim(certificate="wrong-name")
        self.check_refused("it is for other.lab.test, and not for 127.0.0.1")
        self.check_delivered(tls_name="other.lab.test")
        self.check_refused("and not for mail.lab.test", tls_name="mail.lab.test")

    def test_common_name_alone(self):
        self.exim(certificate="nameless")
        self.check_refused("a common name does not count", host="localhost", ip_version=0)
        path = self.lab.certificates.certificate("nameless")
        self.check_delivered(host="localhost", ip_version=0, tls_accept_certificate=path)

    def test_expired_though_it_is_named(self):
        self.exim(certificate="expired")
        self.check_refused("it expired on", tls_ca_file=self.lab.certificates.certificate("expired"))


class Opportunistic(TlsTest):
    """Without a login the mail goes, over TLS or in clear; with one it waits."""

    MODERN = {"tls_require_ciphers": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}
    OLD_CLIENT = {"tls_protocols": "TLSv1.2"}

    def check(self, protocol, *words, **settings):
        said = self.send(message(to=[self.address()]), self.secure(tls="opportunistic", **settings))
        self.wait_server_log(f" P={protocol} ")
        for word in words:
            self.assertIn(word, said)

    def check_not_logged_in(self, **settings):
        said = self.send(message(to=[self.address()]), self.secure(tls="opportunistic", **LOGIN, **settings), 75)
        self.assertNotIn("> AUTH", said)
        self.assertNotIn("MAIL FROM", said)
        return said

    def test_not_offered(self):
        self.exim(options={"tls_advertise_hosts": ""})
        self.check("esmtp")

    def test_bad_certificate(self):
        self.exim(certificate="expired")
        self.check("esmtps")
        self.check_not_logged_in()

    def test_server_without_its_key(self):
        """Exim offers STARTTLS, and says 454 to it."""
        self.exim(options={"tls_privatekey": "{directory}/etc/none"})
        self.check("esmtp", "< 454 TLS currently unavailable")
        self.assertIn("starttls: 454 TLS currently unavailable; then: ", self.check_not_logged_in())

    def test_handshake_that_fails(self):
        self.exim(options=self.MODERN)
        self.check("esmtp", **self.OLD_CLIENT)
        self.check_not_logged_in(**self.OLD_CLIENT)
        self.send(message(to=[self.address()]), self.secure(**self.OLD_CLIENT), status=75)
