"""Mail through proxies: real ones, and those that do everything wrong. A proxy's fault is a fault of the
relay, with error 118, and never of a message; nothing tells its password to whom it is not for.

The component calls it Firewall: Firewall.Host, Firewall.Port, Firewall.FirewallType, Firewall.User,
Firewall.Password, Firewall.AutoDetect, FirewallType, FirewallHost, FirewallPort, FirewallUser,
FirewallPassword, FirewallData, FirewallAutoDetect, FirewallListener, ProxyExceptionsList."""

import errno
import itertools
import json
import subprocess
import threading

import lab
import proxies
from case import SystemTest, message
from dovecot import PASSWORD as MAIL_PASSWORD
from listener import Listener
from proxies import PASSWORD, REFUSED_PORT, USER, environment
from process import free_port, wait_for

GREETING = b"220 here\r\n"


def small_relay(connection):
    """Takes no mail, but says hello."""
    connection.sendall(GREETING)
    for line in connection.makefile("rb"):
        connection.sendall(b"250 fine\r\n")
        if line.upper().startswith(b"QUIT"):
            return


class ProxyTest(SystemTest):
    numbers = itertools.count(1)

    def setUp(self):
        super().setUp()
        self.servers = []

    def logs(self):
        return super().logs() + "".join(f"\n# a proxy said:\n{server.output()[-4000:]}" for server in self.servers)

    def proxy(self, kind, *arguments, **options):
        try:
            server = kind(self.lab.new_directory(), *arguments, **options)
        except proxies.Missing as missing:
            raise lab.Unavailable(str(missing)) from missing
        self.servers.append(server)
        self.addCleanup(server.stop)
        return server

    def listen(self, talk, host=None):
        try:
            server = Listener(talk, host)
        except OSError as error:
            if ":" in host and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise lab.Unavailable("this machine has no IPv6") from None
            raise
        self.addCleanup(server.close)
        return server

    def via(self, proxy, kind, port="plain", **settings):
        """A relay behind it; a password gets a file of its own."""
        if "proxy_password" in settings:
            path = self.directory / "proxy-password"
            path.write_text(settings.pop("proxy_password") + "\n", encoding="ascii")
            path.chmod(0o600)
            settings["proxy_password_file"] = path
        return self.lab.relay(port, proxy_type=kind, proxy_host=getattr(proxy, "address", "127.0.0.1"),
                              proxy_port=proxy.port, **{"timeout": "20s", **settings})

    def known(self, proxy, kind, port="plain", **settings):
        return self.via(proxy, kind, port, **{"proxy_user": USER, "proxy_password": PASSWORD, **settings})

    def relay_port(self):
        return self.lab.relay("plain")["port"]

    def check_delivers(self, relay, *before):
        """Through the daemon, and what waited before."""
        ann = self.address(f"ann-{next(self.numbers)}")
        daemon = self.start(relay)
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m", *before, seconds=60)
        self.wait_copies(1, ann)
        self.assertNotIn(PASSWORD, daemon.output())
        self.assertEqual(daemon.terminate(), 0)

    def check(self, relay, status=0, **options):
        """What outbox check says, with the dialogue; no password of anybody's is in it."""
        self.configure(relay)
        result = self.outbox("check", "--verbose", status=None, **options)
        text = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, text)
        for secret in (PASSWORD, MAIL_PASSWORD):
            self.assertNotIn(secret, text)
        return text

    def check_fails(self, relay, *words, stage="proxy"):
        text = self.check(relay, status=75)
        self.assertIn(f"FAILED at {stage}: ", text)
        self.assertRegex(text, r"(?m)^outbox: 118: ")
        for word in words:
            self.assertIn(word, text)
        return text


class Socks(ProxyTest):
    def test_socks5(self):
        """microsocks: FirewallType 3, FirewallHost, FirewallPort."""
        self.check_delivers(self.via(self.proxy(proxies.microsocks), "socks5"))

    def test_socks5_by_its_other_names(self):
        proxy = self.proxy(proxies.microsocks)
        relay = {**self.lab.relay("plain"), "FirewallType": "fwSOCKS5", "FirewallHost": "127.0.0.1",
                 "FirewallPort": proxy.port}
        self.assertIn("SOCKS5: connected", self.check(relay))

    def test_socks5_login(self):
        """FirewallUser and FirewallPassword, at two makes of proxies."""
        for kind in (proxies.dante, proxies.microsocks):
            with self.subTest(kind):
                proxy = self.proxy(kind, login=True)
                text = self.check(self.known(proxy, "socks5"))
                self.assertIn("proxy> SOCKS5: user ann, password ***", text)
                self.assertIn(f"proxy        127.0.0.1 port {proxy.port}", text)
                self.check_fails(self.known(proxy, "socks5", proxy_password="wrong"),
                                 "does not take the login of ann: check proxy_user and proxy_password")
                self.check_fails(self.via(proxy, "socks5"), "wants a login (SOCKS5 method 255): set proxy_user")

    def test_socks5_login_through_the_daemon(self):
        self.check_delivers(self.known(self.proxy(proxies.dante, login=True), "socks5"))

    def test_socks4(self):
        proxy = self.proxy(proxies.dante)
        self.check_delivers(self.via(proxy, "socks4"))
        self.check_fails({**self.via(proxy, "socks4"), "port": REFUSED_PORT},
                         f"did not connect to 127.0.0.1:{REFUSED_PORT} (SOCKS4 code 91, rejected or failed)")

    def test_socks5_refusals(self):
        rules = self.proxy(proxies.dante)
        self.check_fails({**self.via(rules, "socks5"), "port": REFUSED_PORT}, "(SOCKS5 code 2, not allowed by its rules)")
        plain = self.proxy(proxies.microsocks)
        nobody = free_port()
        self.check_fails({**self.via(plain, "socks5"), "port": nobody},
                         f"did not connect to 127.0.0.1:{nobody} (SOCKS5 code 5, connection refused)")

    def test_socks4a_looks_names_up(self):
        proxy = proxies.Socks4a()
        self.addCleanup(proxy.close)
        relay = {**self.via(proxy, "socks4a", proxy_user="bob"), "host": "localhost"}
        self.check_delivers(relay)
        self.assertEqual(set(proxy.asked), {("localhost", self.lab.postfix.port["plain"], "bob")})
        self.check_fails({**relay, "host": "relay.invalid"},
                         "did not connect to relay.invalid:", "(SOCKS4a code 91, rejected or failed)")

    def test_socks4_user_refused(self):
        proxy = proxies.Socks4a(users=["carol"])
        self.addCleanup(proxy.close)
        self.check_fails(self.via(proxy, "socks4", proxy_user="bob"), "SOCKS4 code 93", "check proxy_user")
        self.assertEqual(len(proxy.asked), 1)

    def test_star_leaves_the_lookup_to_the_proxy(self):
        """MailServer with a * in front."""
        proxy = self.proxy(proxies.microsocks)
        relay = self.via(proxy, "socks5")
        text = self.check({**relay, "host": "*localhost"})
        self.assertIn(f"proxy> SOCKS5: connect to localhost:{relay['port']}", text)
        self.check_fails({**relay, "host": "*relay.invalid"}, "did not connect to relay.invalid:")

    def test_name_is_looked_up_here(self):
        relay = {**self.via(self.proxy(proxies.microsocks), "socks5"), "host": "localhost"}
        self.assertRegex(self.check(relay), rf"proxy> SOCKS5: connect to (127\.0\.0\.1|\[::1\]):{relay['port']}")

    def test_ipv6(self):
        """The proxy at ::1, and the relay."""
        lab.need_ipv6()
        relay = self.listen(small_relay, "::1")
        for kind in (proxies.dante, proxies.microsocks):
            with self.subTest(kind):
                proxy = self.proxy(kind, address="::1")
                self.assertIn("through the proxy", self.check(self.via(proxy, "socks5")))
                text = self.check({**self.via(proxy, "socks5"), "host": "::1", "port": relay.port})
                self.assertIn(f"proxy> SOCKS5: connect to [::1]:{relay.port}", text)

    def test_every_address_of_the_relay_is_tried(self):
        """A name of both families: the relays listen at one of them each."""
        lab.need_ipv6()
        lab.need_namespace("mount")
        names = self.directory / "hosts"
        names.write_text("::1 both.test\n127.0.0.1 both.test\n", encoding="ascii")
        proxy, texts = self.proxy(proxies.microsocks), []
        for host in ("::1", "127.0.0.1"):
            relay = self.listen(small_relay, host)
            self.configure({**self.via(proxy, "socks5"), "host": "both.test", "port": relay.port})
            wrapper = ["unshare", "-m", "sh", "-c", f"mount --bind {names} /etc/hosts && exec \"$@\"", "sh"]
            result = subprocess.run(
                [*wrapper, str(lab.program("outbox")), "--config", str(self.configuration), "check", "-v"],
                capture_output=True, timeout=300, check=False)
            texts.append((result.stdout + result.stderr).decode())
            self.assertEqual(result.returncode, 0, texts[-1])
            where = f"[{host}]" if ":" in host else host
            self.assertIn(f"connected to {where}:{relay.port} through the proxy", texts[-1])
        self.assertIn("SOCKS5: code 5, connection refused", "".join(texts))

class Tunnel(ProxyTest):
    def test_tunnel(self):
        """tinyproxy: FirewallType 1; what it refuses."""
        proxy = self.proxy(proxies.tinyproxy, [self.lab.postfix.port["plain"]])
        self.check_delivers(self.via(proxy, "tunnel"))
        text = self.check_fails({**self.via(proxy, "tunnel"), "port": REFUSED_PORT},
                                f"did not connect to 127.0.0.1:{REFUSED_PORT} (403 ", "ask who runs it")
        self.assertIn(f"proxy> CONNECT 127.0.0.1:{REFUSED_PORT} HTTP/1.1", text)

    def test_basic_with_a_connection_for_each_try(self):
        proxy = self.proxy(proxies.tinyproxy, [self.lab.postfix.port["plain"]], login=True)
        text = self.check(self.known(proxy, "tunnel"))
        self.assertIn("proxy< HTTP 407", text)
        self.assertIn("proxy> Proxy-Authorization: Basic ***", text)
        self.check_fails(self.known(proxy, "tunnel", proxy_password="wrong"), "check proxy_user and proxy_password")
        self.check_fails(self.via(proxy, "tunnel"), "wants a login (407 ", "it offers Basic): set proxy_user")

    def test_squid_basic(self):
        proxy = self.proxy(proxies.squid, "basic")
        self.check_delivers(self.known(proxy, "tunnel"))
        self.check_fails(self.known(proxy, "tunnel", proxy_password="wrong"), "does not take the login of ann (407 ")
        self.check_fails({**self.known(proxy, "tunnel"), "port": REFUSED_PORT}, "(403 Forbidden)")

    def test_squid_digest(self):
        """The better of two, and a nonce that is used up after one use."""
        proxy = self.proxy(proxies.squid, "both", uses=1)
        text = self.check(self.known(proxy, "tunnel"))
        self.assertIn("proxy> Proxy-Authorization: Digest ***", text)
        self.assertNotIn("Basic ***", text)
        self.check_delivers(self.known(proxy, "tunnel"))
        self.check_fails(self.known(proxy, "tunnel", proxy_password="wrong"), "does not take the login of ann (407 ")

    def test_squid_refuses_what_it_cannot_reach(self):
        proxy, nobody = self.proxy(proxies.squid), free_port()
        self.check_fails({**self.via(proxy, "tunnel"), "port": nobody},
                         f"did not connect to 127.0.0.1:{nobody} (503 Service Unavailable): check host and port")

    def test_tls_with_the_proxy(self):
        proxy = self.proxy(proxies.squid, "basic", certificates=self.lab.certificates)
        trust = {"proxy_tls": True, "proxy_tls_ca_file": self.lab.certificates.certificate("ca")}
        text = self.check(self.known(proxy, "tunnel", **trust))
        self.assertRegex(text, r"TLSv1\.[23] \S+ with the proxy")
        self.check_fails(self.known(proxy, "tunnel", proxy_tls=True), "cannot be used: ", "set proxy_tls_ca_file to")
        other = self.proxy(proxies.squid, certificates=self.lab.certificates, name="wrong-name")
        self.check_fails(self.via(other, "tunnel", **trust), "cannot be used: ", "other.lab.test")
        self.check(self.known(proxy, "tunnel", proxy_tls=True, proxy_tls_verify=False))
        plain = self.proxy(proxies.squid)
        self.check_fails(self.via(plain, "tunnel", **trust), "does not speak TLS at this port: check proxy_port")

    def test_tls_with_the_relay_within_tls_with_the_proxy(self):
        """STARTTLS and implicit TLS with logins; the certificates are the relay's and the proxy's."""
        proxy = self.proxy(proxies.squid, "basic", certificates=self.lab.certificates)
        trust = {"proxy_tls": True, "proxy_tls_ca_file": self.lab.certificates.certificate("ca")}
        for port in ("submission", "submissions", "opportunistic"):
            with self.subTest(port):
                self.queue.drop("large", message(b"0123456789\n" * 200000, to=[self.address(f"large.{port}")]))
                self.check_delivers(self.known(proxy, "tunnel", port, **trust), "large")
                self.wait_copies(1, self.address(f"large.{port}"))

    def test_wrong_name_behind_a_proxy(self):
        proxy = self.proxy(proxies.microsocks)
        text = self.check(self.via(proxy, "socks5", "wrong_name"), status=75)
        self.assertIn("FAILED at certificate: ", text)

    def test_further_lines(self):
        """FirewallData"""
        heard = []

        def talk(connection):
            heard.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 403 No\r\n\r\n")

        proxy = self.listen(talk)
        text = self.check_fails(self.via(proxy, "tunnel", FirewallData="X-Site: seven"), "(403 No)")
        self.assertIn(b"\r\nX-Site: seven\r\n\r\n", heard[0])
        self.assertIn("proxy> X-Site: ***", text)
        self.assertNotIn("seven", text)


class Environment(ProxyTest):
    def test_detected(self):
        """FirewallAutoDetect"""
        proxy = self.proxy(proxies.microsocks, login=True)
        url = f"socks5h://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}"
        relay = self.lab.relay("plain", proxy_auto_detect=True)
        self.assertIn("SOCKS5: connected", self.check(relay, env=environment(all_proxy=url)))
        self.assertNotIn("proxy", self.check(relay, env=environment(all_proxy=url, no_proxy="127.0.0.0/8")))
        self.assertNotIn("proxy", self.check(self.lab.relay("plain"), env=environment(all_proxy=url)))
        self.configure(relay)
        result = self.outbox("check", status=None, env=environment(HTTPS_PROXY="ftp://x:topsecret@y"))
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"HTTPS_PROXY of the environment names no proxy", result.stderr)
        self.assertNotIn(b"topsecret", result.stderr)

    def test_exceptions(self):
        """ProxyExceptionsList: nothing is asked of the proxy, which is not there."""
        gone = Listener(lambda _: None)
        gone.close()
        relay = self.via(gone, "socks5", ProxyExceptionsList="*.example.com; 127.0.0.0/8")
        self.assertNotIn("proxy", self.check(relay))
        self.check_fails(self.via(gone, "socks5", proxy_exceptions="*.example.com"),
                         "cannot connect to the proxy 127.0.0.1 port", "check proxy_host and proxy_port")

    def test_send(self):
        """outbox send goes through it, too."""
        proxy, ann = self.proxy(proxies.microsocks), self.address()
        self.configure(self.via(proxy, "socks5"))
        self.outbox("send", "--from", "shop@lab.test", "--to", ann, "--subject", "x", stdin=b"")
        self.wait_copies(1, ann)

    def test_configuration_is_shown_without_secrets(self):
        self.configure(self.lab.relay("plain", proxy_type="tunnel", proxy_host="proxy.test", proxy_user="ann",
                                      proxy_password=PASSWORD, proxy_data="X-Token: seven"))
        text = self.outbox("config")
        self.assertIn("proxy_port = 80;", text)
        self.assertIn('proxy_resolve = "here";', text)
        self.assertNotIn(PASSWORD, text)
        self.assertNotIn("seven", text)
        result = self.outbox("config", "FirewallListener", status=None)
        self.assertIn(b"makes the component a server", result.stderr)


    def test_password_that_cannot_be_had(self):
        proxy = self.listen(lambda connection: connection.recv(4096))
        relay = self.via(proxy, "socks5", proxy_user="ann", proxy_password_command="false")
        text = self.check(relay, status=78)
        self.assertIn("the password for the proxy: the command `false`", text)


class Hostile(ProxyTest):
    """What answers is no proxy, or one that means it badly."""

    def held(self, kind, talk, *words, **settings):
        """The daemon holds the relay, with error 118 and the words, and the message waits unblamed."""
        proxy = self.listen(talk)
        ann = self.address()
        daemon = self.start(self.known(proxy, kind, hold_first="60s", **{"timeout": "5s", **settings}))
        self.queue.drop("m", message(to=[ann]))
        for word in ("relay-held", "stage proxy", *words):
            self.wait_log(daemon, word)
        self.queue.wait_state("m", "queued")
        self.assertEqual(self.queue.record("m"), [])
        self.assertNotIn(PASSWORD, daemon.output())
        self.assertEqual(daemon.terminate(), 0)
        (self.queue.path / "m.queued").unlink()

    def test_silence(self):
        waiting = threading.Event()
        self.addCleanup(waiting.set)
        for kind, said in (("socks5", "did not answer to the greeting within 5s: check proxy_type"),
                           ("tunnel", f"did not connect to 127.0.0.1 port {self.relay_port()} within 5s: check proxy_type")):
            with self.subTest(kind):
                self.held(kind, lambda _: waiting.wait(), said)

    def test_silence_in_tls(self):
        """Nothing was asked for yet: it is no matter of where the relay is."""
        waiting = threading.Event()
        self.addCleanup(waiting.set)
        self.held("tunnel", lambda _: waiting.wait(),
                  "did not come to the end of the TLS handshake within 5s: check proxy_port, and whether it speaks TLS",
                  proxy_tls=True)

    def test_silence_at_the_login(self):
        waiting = threading.Event()
        self.addCleanup(waiting.set)

        def talk(connection):
            connection.recv(4096)
            connection.sendall(b"\x05\x02")
            waiting.wait()

        self.held("socks5", talk, "did not answer to the login within 5s", proxy_user="ann", proxy_password="x")

    def test_who_is_waited_for(self):
        """Not the relay, which nobody has reached."""
        waiting = threading.Event()
        self.addCleanup(waiting.set)
        for kind, what, remedy, settings in (
                ("tunnel", "the way to the relay, by the proxy", "check proxy_type and proxy_port", {}),
                ("socks5", "the first answer of the proxy", "check proxy_type and proxy_port", {}),
                ("tunnel", "the TLS handshake with the proxy", "check proxy_port, and whether", {"proxy_tls": True})):
            with self.subTest(kind, **settings):
                proxy = self.listen(lambda _: waiting.wait())
                daemon = self.start(self.known(proxy, kind, timeout="60s", timeout_by_stage=False, **settings))
                self.queue.drop("m", message(to=[self.address()]))
                self.wait_log(daemon, f"stage proxy, where what is waited for is {what} 127.0.0.1 port {proxy.port}", seconds=60)
                self.wait_log(daemon, f"; {remedy}")
                waits = wait_for(lambda: json.loads(self.outbox("status", "--json"))["daemons"][0]["relays"][0]["waits"],
                                 "what is waited for")
                self.assertEqual((waits["stage"], waits["for"]), ("proxy", f"{what} 127.0.0.1 port {proxy.port}"))
                self.assertTrue(waits["hint"].startswith(remedy))
                self.assertEqual(daemon.terminate(), 0)
                self.queue.path.joinpath("m.queued").unlink()

    def test_drops(self):
        """A byte now and then does not keep it waiting."""
        stop = threading.Event()
        self.addCleanup(stop.set)

        def talk(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.1):
                connection.sendall(b"X")

        self.held("tunnel", talk, f"did not connect to 127.0.0.1 port {self.relay_port()} within 5s")

    def test_hangs_up(self):
        self.held("socks5", lambda _: None, "closed the connection")
        self.held("tunnel", lambda connection: connection.recv(4096), "closed the connection without a word")

    def test_garbage(self):
        def talk(connection):
            connection.sendall(b"\x1b[2Jwelcome\r\n")
            connection.recv(4096)

        self.held("tunnel", talk, "does not speak HTTP", "\\x1b[2Jwelcome")
        self.held("socks5", talk, "does not speak SOCKS version 5")

    def test_endless_header(self):
        for text in (b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n"):
            def talk(connection, text=text):
                connection.sendall(text)
                while True:
                    connection.sendall(b"a" * 999 if text.endswith(b" ") else b"X: y\r\n" * 100)

            with self.subTest(text):
                self.held("tunnel", talk, "without end")

    def test_asks_for_ever(self):
        """A new nonce each time: three answers, and no more."""
        asked = []

        def talk(connection):
            while b"CONNECT" in connection.recv(4096):
                asked.append(len(asked))
                connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: Digest "
                                   b"realm=x, nonce=%d, stale=true\r\n\r\n" % len(asked))

        self.held("tunnel", talk, "calls each nonce of its own stale")
        self.assertEqual(len(asked), 4)

    def test_closes_for_ever(self):
        def talk(connection):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 407 No\r\nConnection: close\r\nProxy-Authenticate: Digest "
                               b"realm=x, nonce=y, stale=true\r\n\r\n")

        self.held("tunnel", talk, "calls each nonce of its own stale")

    def test_password_for_nobody_who_has_not_asked(self):
        """Nor a scheme that was not offered, nor in the clear where a digest would do."""
        heard = []

        def talk(connection):
            heard.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nProxy-Authenticate: Basic, Digest "
                               b"realm=x, nonce=y\r\n\r\n")
            heard.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 403 No\r\n\r\n")

        self.held("tunnel", talk, "(403 No)")
        self.assertNotIn(b"Authorization", heard[0])
        self.assertIn(b"Proxy-Authorization: Digest ", heard[1])

    def test_answers_before_it_is_asked(self):
        def talk(connection):
            connection.sendall(b"\x05\x00\x05\x00\x00\x01" + bytes(6) + b"220 hello\r\n")
            connection.recv(4096)

        self.held("socks5", talk, "answers before it is asked")

    def test_early_greeting(self):
        """What is behind the answer is the relay's."""
        def talk(connection):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + GREETING)
            for line in connection.makefile("rb"):
                connection.sendall(b"250 fine\r\n")
                if line.upper().startswith(b"QUIT"):
                    return

        self.assertIn("< 220 here", self.check(self.via(self.listen(talk), "tunnel")))

    def test_a_second_relay_takes_over(self):
        """The proxy's fault is the relay's, and the next relay gets the mail."""
        proxy = self.listen(lambda connection: connection.recv(4096))
        ann = self.address()
        first = self.via(proxy, "tunnel", name="first")
        self.start(first, self.lab.relay("plain", name="second"))
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def test_json(self):
        proxy = self.listen(lambda connection: connection.recv(4096))
        self.configure(self.via(proxy, "tunnel"))
        result = json.loads(self.outbox("check", "--json", status=75))[0]
        self.assertEqual((result["stage"], result["error"]), ("proxy", 118))
        self.assertEqual(result["proxy"], f"127.0.0.1 port {proxy.port}")
