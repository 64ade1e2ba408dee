"""Logins at proxies that take more than one answer: NTLM, and Kerberos with HTTP and with SOCKS5.

The component calls it Firewall: Firewall.User, Firewall.Password, FirewallUser, FirewallPassword."""

import base64
import itertools
import os
import socket
import struct

import proxies
from case import message
from kerberos import USER as KERBEROS_USER
from process import free_port
from proxies import PASSWORD, USER
from test_proxy import ProxyTest, small_relay


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


class Hostile(ProxyTest):
    """Proxies that end it at any place of a login; what holds in each case is held to by the daemon's tests."""

    NTLM_CHALLENGE = base64.b64encode(b"NTLMSSP\0" + struct.pack("<IHHII", 2, 0, 0, 48, 0x228201) + b"12345678" +
                                      bytes(8) + struct.pack("<HHI", 4, 4, 48) + bytes(4))

    def answers(self):
        wants = b"HTTP/1.1 407 No\r\nContent-Length: 4\r\nProxy-Authenticate: NTLM%s\r\n\r\nbody"
        return [wants % b"", wants % (b" " + self.NTLM_CHALLENGE), b"HTTP/1.1 200 OK\r\n\r\n"]

    def proxy_that(self, act, piece=None):
        """Answers each request in turn, in pieces; act(connection, stage, sent) may do otherwise."""
        def talk(connection):
            for stage, answer in enumerate(self.answers()):
                if b"\r\n\r\n" not in connection.recv(65536):
                    return
                step = piece or len(answer)
                for at in range(0, len(answer), step):
                    if act(connection, stage, at) is not None:
                        return
                    connection.sendall(answer[at:at + step])
            small_relay(connection)

        return self.listen(talk)

    def test_a_byte_at_a_time(self):
        proxy = self.proxy_that(lambda *_: None, piece=1)
        self.assertIn("connected to 127.0.0.1:", self.check(self.known(proxy, "tunnel")))

    def test_resets(self):
        def reset_at(wanted):
            def act(connection, stage, sent):
                if (stage, sent > 20) == wanted:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return True
                return None
            return act

        for wanted in itertools.product((0, 1, 2), (False, True)):
            if wanted == (2, True):
                continue  # the answer is not so long
            with self.subTest(wanted):
                proxy = self.proxy_that(reset_at(wanted), piece=7)
                # To the first of NTLM's messages another connection may be made, where this proxy begins anew.
                words = "offers NTLM and does not go on" if wanted == (1, False) else "closed the connection"
                self.check_fails(self.known(proxy, "tunnel"), words)

    def test_garbage_before_the_greeting(self):
        """A 200 that leads to no mail server: then it is the relay's fault, and told as such."""
        def talk(connection):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n<html>\x1b[2J</html>\r\n")
            connection.recv(4096)

        text = self.check(self.via(self.listen(talk), "tunnel"), status=75)
        self.assertIn("FAILED at greeting: ", text)
        self.assertNotIn("\x1b", text)

    def test_realms_that_change(self):
        """A new realm and nonce for each answer: the password is hashed for the first alone."""
        asked = []

        def talk(connection):
            while b"CONNECT" in (request := connection.recv(4096)):
                asked.append(request)
                connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: Digest realm=r%d, "
                                   b"nonce=n%d\r\n\r\n" % (len(asked), len(asked)))

        self.check_fails(self.known(self.listen(talk), "tunnel"), "does not take the login of ann")
        self.assertEqual(sum(b"Proxy-Authorization" in request for request in asked), 1)

    def test_challenge_for_ever(self):
        """NTLM's challenge again and again is answered once."""
        asked = []

        def talk(connection):
            while b"CONNECT" in (request := connection.recv(65536)):
                asked.append(request)
                connection.sendall(self.answers()[min(len(asked) - 1, 1)])

        self.check_fails(self.known(self.listen(talk), "tunnel"), "does not take the login of ann")
        self.assertEqual(len(asked), 3)

    def test_a_connection_that_need_not_be_logged_in(self):
        """As proxies do that know this host from a moment ago: 200 to the first of three messages."""
        def talk(connection):
            connection.recv(4096)
            connection.sendall(self.answers()[0])
            connection.recv(4096)
            connection.sendall(self.answers()[2])
            small_relay(connection)

        self.assertIn("connected to 127.0.0.1:", self.check(self.known(self.listen(talk), "tunnel")))

    def test_answer_told_back(self):
        """What a digest was answered with gets into no log, whole or in part."""
        told = []

        def talk(connection):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: Digest realm=x, "
                               b"nonce=y\r\n\r\n")
            response = connection.recv(4096).partition(b'response="')[2].partition(b'"')[0]
            token = base64.b64encode(b"pw=" + PASSWORD.encode())
            told.extend((response.decode(), token.decode()))
            connection.sendall(b"HTTP/1.1 403 bad %s and %s\r\n\r\n" % (response, token))

        text = self.check_fails(self.known(self.listen(talk), "tunnel"), "(403 bad ****")
        for word in told:
            self.assertNotIn(word.rstrip("="), text)
            self.assertNotIn(word[:10], text)
