"""Logins at proxies that take more than one answer: NTLM, and Kerberos with HTTP and with SOCKS5.

The component calls it Firewall: Firewall.User, Firewall.Password, FirewallUser, FirewallPassword."""

import itertools
import os

import proxies
from case import message
from kerberos import USER as KERBEROS_USER
from process import free_port
from proxies import USER
from test_proxy import ProxyTest


class Ntlm(ProxyTest):
    def test_squid(self):
        """Three messages over one connection, which Samba judges: the password is not told, and is looked at."""
        proxy = self.proxy(proxies.squid, "ntlm")
        text = self.check(self.known(proxy, "tunnel"))
        self.assertEqual(text.count("proxy> Proxy-Authorization: NTLM ***"), 2, text)
        self.assertEqual(text.count("connecting to the proxy"), 1, text)
        self.check_delivers(self.known(proxy, "tunnel", proxy_auth="ntlm", proxy_user=f"LAB\\{USER}"))
        self.check_fails(self.known(proxy, "tunnel", proxy_password="wrong"),
                         "does not take the login of ann (407 ", "check proxy_user and proxy_password")
        self.check_fails(self.known(proxy, "tunnel", proxy_auth="digest"), "it offers NTLM): proxy_auth allows none")
        self.check_fails(self.via(proxy, "tunnel"), "it offers NTLM): set proxy_user and proxy_password")

    def test_squid_over_tls(self):
        proxy = self.proxy(proxies.squid, "ntlm", certificates=self.lab.certificates)
        trust = {"proxy_tls": True, "proxy_tls_ca_file": self.lab.certificates.certificate("ca")}
        self.check_delivers(self.known(proxy, "tunnel", "submission", **trust))

    def test_not_offered(self):
        proxy = self.proxy(proxies.squid, "basic")
        self.check_fails(self.known(proxy, "tunnel", proxy_auth="ntlm"), "it offers Basic): proxy_auth allows none")


class KerberosTest(ProxyTest):
    def setUp(self):
        super().setUp()
        self.realm = self.lab.kerberos(services=("smtp/localhost", "HTTP/localhost", "rcmd/localhost"))
        self.addCleanup(self.realm.stop)

    def environment(self):
        return {**os.environ, **self.realm.environment}

    def by_ticket(self, proxy, kind, port="plain", **settings):
        base = {"proxy_auth": "gssapi", "ip_version": 0, "kerberos_keytab": self.realm.keytab, **settings}
        settings = {name: value for name, value in base.items() if value is not None}
        return {**self.via(proxy, kind, port, **settings), "proxy_host": "localhost"}

    def check(self, relay, status=0, **options):
        return super().check(relay, status, env=self.environment(), **options)

    def wrapper(self):
        return ["env", *(f"{name}={value}" for name, value in self.realm.environment.items())]


class Negotiate(KerberosTest):
    def test_squid(self):
        proxy = self.proxy(proxies.squid, "negotiate", realm=self.realm)
        text = self.check(self.by_ticket(proxy, "tunnel"))
        self.assertIn("proxy> Proxy-Authorization: Negotiate ***", text)
        self.check(self.by_ticket(proxy, "tunnel", proxy_auth="negotiate", proxy_user=f"{KERBEROS_USER}@LAB.TEST"))
        self.check(self.by_ticket(proxy, "tunnel", proxy_kerberos_service="HTTP/localhost@LAB.TEST"))
        self.check(self.by_ticket(proxy, "tunnel", kerberos_keytab=None, kerberos_ccache=self.realm.kinit()))
        self.realm.add_service("HTTP/elsewhere")
        self.check_fails(self.by_ticket(proxy, "tunnel", proxy_kerberos_service="HTTP/elsewhere"),
                         "does not take the login of this machine (407 ", "proxy_kerberos_service")
        self.check_fails(self.known(proxy, "tunnel"), "it offers Negotiate): for Kerberos set proxy_auth")

    def test_no_ticket(self):
        proxy = self.listen(lambda connection: connection.recv(4096))
        text = self.check(self.by_ticket(proxy, "tunnel", kerberos_keytab=None), status=77)
        self.assertIn("the login at the proxy: there is no Kerberos ticket for the proxy's user", text)


class Gssapi(KerberosTest):
    """SOCKS5's own way: all that follows is in envelopes."""

    def socks(self, *arguments, **options):
        return self.proxy(proxies.gssapi_proxy, self.realm, *arguments, **options)

    def deliver(self, relay, content=b"hello\n"):
        ann = self.address(f"ann-{next(self.numbers)}")
        daemon = self.start(relay, wrapper=self.wrapper())
        self.queue.drop("m", message(content, to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)
        self.assertEqual(daemon.terminate(), 0)

    def test_levels(self):
        for level, word in (2, "encrypted"), (1, "signed"):
            with self.subTest(word):
                proxy = self.socks(level)
                text = self.check(self.by_ticket(proxy, "socks5"))
                self.assertIn("proxy> SOCKS5: a Kerberos ticket", text)
                self.assertIn(f"proxy< SOCKS5: logged in, what follows is {word}", text)
                self.assertIn(f"{KERBEROS_USER}@LAB.TEST wants level 2", proxy.output())

    def test_tls_within(self):
        """STARTTLS and implicit TLS with the relay, and mail that takes many envelopes, to and fro."""
        for level, port in itertools.product((2, 1), ("submission", "submissions", "plain")):
            with self.subTest(f"{level} {port}"):
                self.deliver(self.by_ticket(self.socks(level), "socks5", port), b"0123456789\n" * 200000)

    def test_byte_by_byte(self):
        self.deliver(self.by_ticket(self.socks(fault="pieces"), "socks5", "submission"))

    def test_names(self):
        relay = {**self.by_ticket(self.socks(), "socks5", proxy_resolve="proxy"), "host": "localhost"}
        self.assertIn("SOCKS5: connect to localhost:", self.check(relay))
        self.check_fails({**relay, "port": free_port()}, "(SOCKS5 code 5, connection refused)")

    def test_refusals(self):
        self.realm.add_service("rcmd/elsewhere")
        self.check_fails(self.by_ticket(self.socks(), "socks5", proxy_kerberos_service="rcmd/elsewhere"),
                         "cannot be logged in at: the server's answer to the Kerberos ticket is not one", "proxy_kerberos_service")
        self.check_fails(self.known(self.socks(), "socks5"), "takes neither user and password nor no login")
        self.check_fails(self.by_ticket(self.proxy(proxies.microsocks), "socks5"), "does not do GSSAPI")
        for level in 0, 3:
            self.check_fails(self.by_ticket(self.socks(level), "socks5"), f"it answers level {level}")

    def test_hostile(self):
        self.check_fails(self.by_ticket(self.socks(fault="less"), "socks5"), "not encrypted, which was agreed to")
        self.check_fails(self.by_ticket(self.socks(fault="garbage"), "socks5"), "what has come is none")
        self.check_fails(self.by_ticket(self.socks(fault="empty"), "socks5"), "one empty envelope comes after the other")

    def test_authentication_at_both(self):
        """A ticket for the proxy, and one for the relay."""
        server = self.lab.dovecot_in(self.realm)
        self.addCleanup(server.stop)
        relay = self.by_ticket(self.socks(), "socks5", auth="gssapi", tls="starttls",
                               tls_ca_file=self.lab.certificates.certificate("ca"))
        relay = {**relay, "host": "localhost", "port": server.port["submission"]}
        self.assertIn("> AUTH GSSAPI", self.check(relay))
