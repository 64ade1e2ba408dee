"""RFC 8628, by `outbox authorize`: a code, a user elsewhere, and servers in trouble meanwhile."""

import os
import socket
import threading
import time

from test_oauth import OauthTest


class Device(OauthTest):

    def setUp(self):
        super().setUp()
        self.waiting = ["authorization_pending"]
        self.times = {"interval": 1, "expires_in": 600}
        self.granted = {"access_token": "access-9", "refresh_token": "refresh-9"}
        self.tokens.answer = self.answer_device

    def answer_device(self, path, form):
        if path == "/device":
            return 200, {"device_code": "the device's code", "user_code": "WDJB-MJHT",
                         "verification_uri": "https://localhost/\u001b[2Jdevice", **self.times}
        if path != "/token":
            return 200, {}
        if form["grant_type"] == "refresh_token":
            return self.answer(path, form)
        if not self.waiting:
            return 200, self.granted
        waiting = self.waiting.pop(0)
        return waiting if isinstance(waiting, tuple) else (400, {"error": waiting})

    def authorize(self, *arguments, status=0, **settings):
        self.configure(self.settings(**{
            "oauth_device_url": self.tokens.url("/device"), "oauth_refresh_token": None,
            "oauth_token_file": self.kept / "tokens", "oauth_scope": "mail", **settings}))
        result = self.outbox("authorize", *arguments, status=None)
        self.assertEqual(result.returncode, status, result.stderr)
        if status not in (0, 78):
            self.assertRegex(result.stderr.decode(), r"(?m)^outbox: \d+: relay mail: ")
        return result.stdout.decode() + result.stderr.decode()

    def test_code(self):
        os.chown(self.kept, 65534, 65534)
        said = self.authorize()
        self.assertIn("WDJB-MJHT", said)
        self.assertNotIn("\u001b", said)
        self.assertNotIn("refresh-9", said)
        self.assertEqual(self.tokens.asked[0], ("/device", {"client_id": "the client", "scope": "mail"}))
        self.assertEqual(self.tokens.asked[1], ("/token", {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "the device's code",
            "client_id": "the client"}))
        status = (self.kept / "tokens").stat()
        self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o7777), (65534, 65534, 0o600))
        os.chown(self.kept, 0, 0)
        for name in os.listdir(self.kept):
            os.chown(self.kept / name, 0, 0)
        result = self.outbox("check")
        self.assertIn("XOAUTH2: used", result)
        self.assertEqual(self.tokens.asked[-1][1]["refresh_token"], "refresh-9")

    def test_before_it_was_allowed(self):
        self.authorize("mail", status=77, oauth_device_url=self.tokens.url("/nonsense"))
        result = self.outbox("check", status=None)
        self.assertEqual(result.returncode, 77)
        self.assertIn("run `outbox authorize mail`", result.stderr.decode())

    def test_refused(self):
        for error in ("access_denied", "authorization_declined"):
            with self.subTest(error):
                self.waiting = [error]
                self.assertRegex(self.authorize(status=77), error + ": who was asked .* said no.*run `outbox authorize` again")
                self.assertFalse((self.kept / "tokens").exists())

    def test_code_is_no_good(self):
        """What helps is another code, by the command that runs; no refresh token is to blame."""
        for error in ("invalid_grant", "bad_verification_code", "interaction_required", "consent_required"):
            with self.subTest(error):
                self.waiting = ["authorization_pending", error]
                said = self.authorize(status=77)
                self.assertRegex(said, error + ": .*run the command again, which gives another code")
                self.assertNotIn("refresh", said)

    def test_code_ends(self):
        for error, times in (("expired_token", {"interval": 1, "expires_in": 600}),
                             ("authorization_pending", {"interval": 1000000, "expires_in": 2}),
                             ("slow_down", {"interval": 0.1, "expires_in": 2})):
            with self.subTest(error, **times):
                self.waiting, self.times = [error] * 9, times
                begun = time.monotonic()
                self.assertIn("nobody has entered the code in time", self.authorize(status=75))
                self.assertLess(time.monotonic() - begun, 300)
                self.assertFalse((self.kept / "tokens").exists())

    def test_refresh_token_that_is_none(self):
        self.waiting, self.granted = [], {"access_token": "access-9", "refresh_token": "a\nb"}
        self.assertIn("control characters", self.authorize(status=77))
        self.assertFalse((self.kept / "tokens").exists())

    def test_no_room(self):
        """Before anybody is asked to agree."""
        (self.kept / "tokens.new").mkdir()
        self.assertIn("cannot keep tokens in", self.authorize(status=66))
        self.assertEqual(self.tokens.asked, [])

    def test_no_refresh_token(self):
        self.waiting, self.granted = [], {"access_token": "access-9"}
        self.assertIn("offline_access", self.authorize(status=77))

    def test_which_relay(self):
        self.assertIn("no relay is called other", self.authorize("other", status=78))
        self.assertIn("set oauth_token_url, oauth_device_url", self.authorize("mail", status=78, oauth_device_url=None))

    def test_trouble_while_polling(self):
        """It is polled on, with more time between, and the authorization is not lost."""
        for trouble, words in (
            ((200, b""), "it closed the connection without an answer"),
            ((200, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"), "before the end of its answer"),
            ((200, b"\xff\xff\r\n"), "not HTTP"),
            ((200, b"HTTP/1.1 200 OK\r\n\r\n<html>"), "no JSON object"),
            ((503, {}), "status 503"),
            ((429, {}), "status 429"),
        ):
            with self.subTest(words):
                self.waiting = ["authorization_pending", trouble, "authorization_pending"]
                begun = time.monotonic()
                said = self.authorize()
                self.assertGreater(time.monotonic() - begun, 4.9)
                self.assertRegex(said, rf"relay mail: https://localhost:{self.tokens.port}.*{words}.*asked again as long as")
                self.assertNotIn("authorization_pending", said)
                self.assertTrue((self.kept / "tokens").exists())
                (self.kept / "tokens").unlink()

    def test_trouble_to_the_end(self):
        """The last reason is told, not an earlier one."""
        self.waiting, self.times = ["authorization_pending"] + [(200, b"")] * 9, {"interval": 1, "expires_in": 4}
        said = self.authorize(status=75)
        last = said.splitlines()[-1]
        self.assertIn("it closed the connection without an answer; until the code ended", last)
        self.assertNotIn("authorization_pending", said)

    def test_device_server(self):
        """Its faults name its setting, and where it is."""
        settings = {"oauth_device_url": self.tokens.url("/device")}
        for content, status, words in (
            (b"HTTP/1.1 200 OK\r\n\r\n<html>", 77, "no JSON object: check oauth_device_url"),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", 77, "refuses (status 404): check oauth_device_url"),
            (b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", 77, "correct oauth_device_url"),
            (b"HTTP/1.1 503 No\r\n\r\n", 75, "cannot give a code just now (status 503)"),
            (b'HTTP/1.1 401 No\r\n\r\n{"error":"invalid_client"}', 77, "check oauth_client_id"),
            (b"", 75, "it closed the connection without an answer"),
        ):
            with self.subTest(words):
                self.tokens.answer = lambda *_, c=content: (200, c)
                said = self.authorize(status=status, **settings)
                self.assertIn(words, said)
                self.assertIn(f"https://localhost:{self.tokens.port}", said)
                self.assertEqual(said.count("oauth_device_url"), 1)
                self.assertNotIn("oauth_token_url", said)

    def test_a_proxy_at_fault(self):
        """Which may pass, as `outbox check` has it, whatever it is at fault with."""
        with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as refusing:
            closed = socket.create_server(("127.0.0.1", 0))
            ports = [silent.getsockname()[1], closed.getsockname()[1], refusing.getsockname()[1]]
            closed.close()
            threading.Thread(target=self.refuse_all, args=(refusing,), daemon=True).start()
            for port, words in zip(ports, ("within", "nothing listens there", r"\(403")):
                with self.subTest(words):
                    settings = {"proxy_type": "tunnel", "proxy_host": "127.0.0.1", "proxy_port": port, "timeout": "2s"}
                    self.assertRegex(self.authorize(status=75, **settings), rf"the proxy 127.0.0.1 port {port}.*{words}")

    @staticmethod
    def refuse_all(listener):
        while True:
            try:
                talk = listener.accept()[0]
            except OSError:
                return
            with talk:
                talk.recv(4096)
                talk.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
