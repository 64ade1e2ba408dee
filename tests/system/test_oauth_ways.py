"""How tokens are reached, and how they are kept: through the relay's proxy, and sealed."""

import fcntl
import os
import pathlib
import threading
import time

import lab
import proxies
from case import message
from listener import Listener
from process import wait_for
from test_oauth import OauthTest

KEY = "c2VhbGVkIGJ5IHRoaXMgbGluZSwgb3Igbm90aGluZw=="
OTHER_KEY = KEY.replace("c2", "d2")


class Gateway(OauthTest):
    def test_its_key_in_the_url(self):
        """It is sent, and shown nowhere, not even where the server repeats it."""
        url, shown = (f"{self.tokens.url()}?p=B2C_1_x&code={code}" for code in ("HIDDEN", "***"))
        self.send(oauth_token_url=url)
        self.assertEqual(self.tokens.asked[0][0], "/token?p=B2C_1_x&code=HIDDEN")
        self.assertIn(f'oauth_token_url = "{shown}";', self.outbox("config"))
        as_json = self.outbox("config", "--json")
        self.assertIn(shown, as_json)
        self.assertNotIn("HIDDEN", as_json)
        for answer in ((302, {}, "https://elsewhere.lab.test/t?code=HIDDEN"), (200, {"access_token": 5}),
                       (400, {"error": "invalid_request", "error_description": "not with HIDDEN"})):
            with self.subTest(answer):
                self.tokens.answer = lambda *_, answer=answer: answer
                self.assertNotIn("HIDDEN", self.send(status=77, oauth_token_url=url))


class Sealed(OauthTest):
    """The kept token under a key that is a credential of systemd's, in a directory of the test's."""

    def setUp(self):
        super().setUp()
        self.path = self.kept / "tokens"
        self.credentials = self.directory / "credentials"
        self.credentials.mkdir(mode=0o700)
        self.give(KEY)
        self.extra = {"refresh_token": "refresh-2"}

    def give(self, key):
        (self.credentials / "token-key").write_text(key + "\n", encoding="ascii")

    def check_with(self, status=0, **settings):
        self.configure(self.settings(**{
            "oauth_token_file": self.path, "oauth_token_key_credential": "token-key", **settings}))
        result = self.outbox("check", status=None, env={**os.environ, "CREDENTIALS_DIRECTORY": str(self.credentials)})
        said = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, said)
        for secret in (KEY, OTHER_KEY, "refresh-2"):
            self.assertNotIn(secret, said)
        return said

    def check_refuses(self, words, status=78, **settings):
        """Nobody is asked for a token, and the file stays as it is."""
        before, asked = self.path.read_bytes(), len(self.tokens.asked)
        self.assertIn(words, self.check_with(status, **settings))
        self.assertEqual(self.path.read_bytes(), before)
        self.assertEqual(len(self.tokens.asked), asked)

    def test_rotation(self):
        wrapper = ("env", f"CREDENTIALS_DIRECTORY={self.credentials}")
        settings = self.settings(oauth_token_file=self.path, oauth_token_key_credential="token-key")
        for name in ("a", "b"):
            daemon = self.start(settings, wrapper=wrapper)
            self.queue.drop(name, message(to=[self.address()]))
            self.queue.wait_gone(name)
            self.assertNotIn(KEY, daemon.output())
            self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(self.tokens.grants(), ["refresh&1=%", "refresh-2"])
        self.assertTrue(self.path.read_bytes().startswith(b"sealed:1:"))
        self.assertNotIn(b"refresh-2".hex().encode(), self.path.read_bytes())
        self.assertEqual(self.path.stat().st_mode & 0o7777, 0o600)
        self.assertEqual(sorted(os.listdir(self.kept)), ["tokens", "tokens.lock"])

    def test_file_in_clear_is_sealed(self):
        self.check_with(oauth_token_key_credential=None)
        self.assertIn(b"refresh-2", self.path.read_bytes())
        self.extra = {}
        self.check_with()
        self.assertTrue(self.path.read_bytes().startswith(b"sealed:1:"))
        self.check_with()
        self.assertEqual(self.tokens.grants(), ["refresh&1=%", "refresh-2", "refresh-2"])

    def test_wrong_keys(self):
        self.check_with()
        self.give(OTHER_KEY)
        self.check_refuses("was sealed with another key")
        self.check_refuses("was sealed with another key", oauth_refresh_token="a new one")
        self.give(KEY[:20])
        self.check_refuses("less than 32 characters")
        self.check_refuses("set oauth_token_key_credential", oauth_token_key_credential=None)
        (self.credentials / "token-key").unlink()
        self.check_refuses("oauth_token_key_credential: cannot read the credential")
        self.give(KEY)
        self.check_with()
        self.assertEqual(self.tokens.grants()[-1], "refresh-2")

    def test_missing_key_spends_no_token(self):
        """Not even where there is no file yet: a new token could not be kept."""
        (self.credentials / "token-key").unlink()
        self.assertIn("cannot read the credential", self.check_with(78))
        result = self.outbox("send", "-v", stdin=message(to=[self.address()]), status=None,
                             env={**os.environ, "CREDENTIALS_DIRECTORY": str(self.credentials)})
        self.assertIn(b"the key of oauth_token_file cannot be had: cannot read the credential", result.stdout + result.stderr)
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(self.tokens.asked, [])

    def test_damaged_file(self):
        self.check_with()
        text = bytearray(self.path.read_bytes())
        text[-2] ^= 1
        self.path.write_bytes(text)
        self.check_refuses("is damaged")
        self.path.write_text("sealed:2:more\n", encoding="ascii")
        self.check_refuses("by a later version of outbox")

    def test_key_elsewhere(self):
        key = self.directory / "key"
        key.write_text(KEY + "\n", encoding="ascii")
        key.chmod(0o600)
        self.check_with()
        self.check_with(oauth_token_key_credential=None, oauth_token_key_file=key)
        self.check_with(oauth_token_key_credential=None, oauth_token_key_command=f"cat {key}")
        self.assertEqual(self.tokens.grants()[1:], ["refresh-2", "refresh-2"])
        key.chmod(0o644)
        self.check_refuses("chmod", oauth_token_key_credential=None, oauth_token_key_file=key)

    def test_wrong_settings(self):
        self.check_with()
        for settings, words in (
            ({"oauth_token_file": None}, "set oauth_token_file"),
            ({"oauth_token_key_command": "true"}, "the secret has two sources"),
            ({"oauth_token_key_credential": None, "oauth_token_key_credentials": "x"}, "oauth_token_key_credential"),
        ):
            with self.subTest(words):
                self.check_refuses(words, **settings)

    def test_authorize_keeps_what_it_cannot_open(self):
        self.check_with()
        before = self.path.read_bytes()
        self.give(OTHER_KEY)
        self.configure(self.settings(oauth_token_file=self.path, oauth_token_key_credential="token-key",
                                     oauth_device_url=self.tokens.url("/device")))
        asked = len(self.tokens.asked)
        result = self.outbox("authorize", status=None, env={**os.environ, "CREDENTIALS_DIRECTORY": str(self.credentials)})
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"was sealed with another key", result.stderr)
        self.assertEqual((self.path.read_bytes(), len(self.tokens.asked)), (before, asked))


class Proxied(OauthTest):
    """The endpoint is behind the relay's proxy, unless a setting or an exception says otherwise."""

    def proxy(self, kind, *arguments, **options):
        try:
            server = kind(self.lab.new_directory(), *arguments, **options)
        except proxies.Missing as missing:
            raise lab.Unavailable(str(missing)) from missing
        self.addCleanup(server.stop)
        return server

    def via(self, proxy, kind, **settings):
        if settings.pop("login", False):
            path = self.directory / "proxy-password"
            path.write_text(proxies.PASSWORD + "\n", encoding="ascii")
            path.chmod(0o600)
            settings.update(proxy_user=proxies.USER, proxy_password_file=path)
        return {"proxy_type": kind, "proxy_host": "127.0.0.1", "proxy_port": proxy.port, "timeout": "20s",
                "proxy_exceptions": f"localhost:{self.relay.port}", **settings}

    def test_tinyproxy(self):
        self.send(**self.via(self.proxy(proxies.tinyproxy, [self.tokens.port]), "tunnel"))
        said = self.send(**self.via(self.proxy(proxies.tinyproxy, [9]), "tunnel"), status=75)
        self.assertRegex(said, r"no OAuth token can be had: https://localhost:\d+: the proxy 127.0.0.1 port \d+ did not connect "
                         rf"to localhost:{self.tokens.port} \(403")

    def test_squid_with_a_login(self):
        proxy = self.proxy(proxies.squid, login="both")
        self.send(**self.via(proxy, "tunnel", login=True))
        said = self.send(**self.via(proxy, "tunnel"), status=75)
        self.assertIn("wants a login", said)
        self.assertNotIn(proxies.PASSWORD, said)

    def test_squid_over_tls(self):
        certificates = self.lab.certificates
        proxy = self.proxy(proxies.squid, certificates=certificates)
        self.send(**self.via(proxy, "tunnel", proxy_host="localhost", proxy_tls=True,
                             proxy_tls_ca_file=certificates.certificate("ca")))
        said = self.send(**self.via(proxy, "tunnel", proxy_host="localhost", proxy_tls=True), status=75)
        self.assertIn("set proxy_tls_ca_file to", said)

    def test_dante_with_a_login(self):
        proxy = self.proxy(proxies.dante, login=True)
        self.send(**self.via(proxy, "socks5", login=True))
        self.assertIn("wants a login", self.send(**self.via(proxy, "socks5"), status=75))

    def test_who_is_asked_for(self):
        """By name, for the proxy looks it up; the relay itself goes there, too, unless it is an exception."""
        proxy = proxies.Socks4a()
        self.addCleanup(proxy.close)
        endpoint, relay = ("localhost", self.tokens.port, ""), ("localhost", self.relay.port, "")
        self.send(**self.via(proxy, "socks4a"))
        self.assertEqual(proxy.asked, [endpoint])
        self.send(**self.via(proxy, "socks4a", proxy_exceptions=None))
        self.assertEqual(proxy.asked[1:], [endpoint, relay])
        self.send(**self.via(proxy, "socks4a", proxy_exceptions=None, oauth_proxy=False))
        self.assertEqual(proxy.asked[3:], [relay])
        self.send(**self.via(proxy, "socks4a", proxy_exceptions=f"localhost:{self.tokens.port}"))
        self.assertEqual(proxy.asked[4:], [relay])

    def test_environment(self):
        proxy = proxies.Socks4a()
        self.addCleanup(proxy.close)
        self.configure(self.settings(proxy_auto_detect=True))
        for exceptions, asked in (("", [self.tokens.port, self.relay.port]), (f"localhost:{self.tokens.port}", [self.relay.port])):
            del proxy.asked[:]
            self.outbox("check", env=proxies.environment(
                all_proxy=f"socks4a://127.0.0.1:{proxy.port}", no_proxy=exceptions))
            self.assertEqual([port for _, port, _ in proxy.asked], asked)

    def test_daemon(self):
        daemon = self.start(self.settings(**self.via(self.proxy(proxies.squid, login="basic"), "tunnel", login=True)))
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_gone("m")
        self.assertEqual(len(self.tokens.asked), 1)
        self.assertNotIn(proxies.PASSWORD, daemon.output())

    def test_silent_proxy(self):
        ended = threading.Event()
        proxy = Listener(lambda connection: ended.wait())
        self.addCleanup(proxy.close)
        self.addCleanup(ended.set)
        said = self.send(**self.via(proxy, "socks5"), status=75)
        self.assertRegex(said, r"no OAuth token can be had: https://localhost:\d+: (the proxy .* did not answer to the greeting|no answer within)")


class Dropped(OauthTest):
    """What nobody waits for any more is not waited for at the endpoint either, which takes 30 s otherwise."""

    def setUp(self):
        super().setUp()
        self.begun, self.gone, self.times = threading.Event(), threading.Event(), []

    def hang(self, connection):
        self.times.append(time.monotonic())
        self.begun.set()
        try:
            while connection.recv(4096):
                pass
        finally:
            self.times.append(time.monotonic())
            self.gone.set()

    def begin(self, **settings):
        silent = Listener(self.hang)
        self.addCleanup(silent.close)
        daemon = self.start(self.settings(oauth_token_url=f"https://127.0.0.1:{silent.port}/token", **settings))
        self.queue.drop("m", message(to=[self.address()]))
        wait_for(self.begun.is_set, daemon.output)
        return daemon

    def wait_gone(self, daemon):
        wait_for(self.gone.is_set, daemon.output, seconds=60)
        self.assertLess(self.times[1] - self.times[0], 29)

    def test_daemon_ends(self):
        daemon = self.begin()
        self.assertEqual(daemon.terminate(), 0)
        self.wait_gone(daemon)
        self.assertIn("m.queued", self.queue.names())

    def test_relay_is_left_out(self):
        daemon = self.begin()
        self.configure()
        daemon.reload()
        self.wait_gone(daemon)
        self.queue.wait_gone("m")

    def test_file_that_another_has(self):
        """Nobody waits for its lock any more, either."""
        path = self.kept / "tokens.lock"

        def waits():
            descriptors = pathlib.Path(f"/proc/{daemon.pid}/fd")
            return any(os.path.realpath(fd) == str(path) for fd in descriptors.iterdir())

        with open(path, "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            daemon = self.start(self.settings(oauth_token_file=self.kept / "tokens"))
            self.queue.drop("m", message(to=[self.address()]))
            wait_for(waits, daemon.output)
            self.configure()
            daemon.reload()
            wait_for(lambda: not waits(), daemon.output)
        self.assertEqual(self.tokens.asked, [])

    def test_token_that_is_under_way_is_kept(self):
        """The one before may be of no use any more."""
        asked, dropped = threading.Event(), threading.Event()
        self.addCleanup(dropped.set)
        path = self.kept / "tokens"
        self.tokens.answer = lambda *_: (asked.set() or dropped.wait() and 200,
                                         {"access_token": "access-1", "refresh_token": "refresh-2"})
        daemon = self.start(self.settings(oauth_token_file=path))
        self.queue.drop("m", message(to=[self.address()]))
        wait_for(asked.is_set, daemon.output)
        self.configure()
        daemon.reload()
        dropped.set()
        wait_for(lambda: path.exists() and "refresh-2" in path.read_text(), daemon.output)


class Patience(OauthTest):
    def test_who_watches_is_told_of_it(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.tokens.answer = lambda *_: (ended.wait(), {})
        self.configure(self.settings(timeout="5s", oauth_grant="client-credentials", oauth_refresh_token=None,
                                    oauth_client_secret="hush hush"))
        result = self.outbox("check", "--verbose", status=None)
        self.assertEqual(result.returncode, 75, result.stderr)
        self.assertEqual(result.stderr.decode().count("* waiting for "), 1, result.stderr)
        self.assertIn(f"* waiting for the token server https://localhost:{self.tokens.port}\n", result.stderr.decode())

    def test_with_a_token_server(self):
        """An answer that may have the next refresh token is waited for longer than the relay is."""
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.tokens.answer = lambda *_: (ended.wait(), {})
        said = self.send(status=75, timeout=2, oauth_grant="client-credentials", oauth_refresh_token=None,
                         oauth_client_secret="hush hush")
        self.assertIn("no answer within 2s", said)
        self.tokens.answer = lambda *_: ended.wait(4) or self.answer(None, None)
        self.send(timeout=2)
