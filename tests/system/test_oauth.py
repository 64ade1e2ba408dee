"""Tokens that the daemon gets and renews by itself, at an OAuth server of the tests' own: for Dovecot, which
checks them, and for a relay that takes those that the test says."""

import base64
import json
import os
import re
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import urllib.parse

import dovecot
import lab
from case import SystemTest, message
from odd_relay import OddRelay, Talk
from process import wait_for
from token_server import TokenServer

USER = "alice"


class TokenTalk(Talk):
    """XOAUTH2, as Microsoft and Google do it."""

    def command(self, verb, argument):
        if verb != "AUTH":
            super().command(verb, argument)
            return
        _, _, initial = argument.partition(" ")
        token = base64.b64decode(initial).split(b"auth=Bearer ")[1].rstrip(b"\1").decode("ascii")
        self.relay.tokens.append(token)
        if token in self.relay.good:
            self.answer("AUTH", token, "235 2.7.0 welcome")
            return
        error = base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode("ascii")
        self.answer("AUTH", token, f"334 {error}")
        self.stream.readline()
        self.answer("AUTH", token, "535 5.7.3 Authentication unsuccessful")


class TokenRelay(OddRelay):
    talk = TokenTalk

    def __init__(self, certificates, good):
        self.tokens, self.good = [], set(good)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate("localhost"), certificates.key("localhost"))
        super().__init__(extensions=("AUTH PLAIN XOAUTH2",), context=context)


class OauthTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.number = 0
        self.life = 3600
        self.extra = {}
        self.tokens = TokenServer(self.lab.certificates, self.answer)
        self.addCleanup(self.tokens.close)
        self.relay = TokenRelay(self.lab.certificates, {f"access-{n}" for n in range(1, 100)})
        self.addCleanup(self.relay.close)
        self.kept = self.directory / "kept"
        self.kept.mkdir(mode=0o700)

    def answer(self, _path, _form):
        self.number += 1
        return 200, {"access_token": f"access-{self.number}", "token_type": "Bearer", "expires_in": self.life,
                     **self.extra}

    def refuse(self, error, description="", status=400):
        self.tokens.answer = lambda *_: (status, {"error": error, "error_description": description})

    def settings(self, port=None, **settings):
        ca = self.lab.certificates.certificate("ca")
        base = {
            "host": "localhost", "ip_version": 0, "port": port or self.relay.port, "tls": "implicit", "tls_ca_file": ca,
            "name": "mail", "user": USER, "auth": "xoauth2", "oauth_token_url": self.tokens.url(),
            "oauth_ca_file": ca, "oauth_client_id": "the client", "oauth_refresh_token": "refresh&1=%",
            "hold_first": "1h", "hold_max": "1h", **settings}
        return {name: value for name, value in base.items() if value is not None}

    def send(self, status=0, **settings):
        self.configure(self.settings(**settings))
        result = self.outbox("send", "-v", stdin=message(to=[self.address()]), status=None)
        said = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, said)
        for secret in ("refresh&1=%", "refresh%261", "hush hush", "access-1"):
            self.assertNotIn(secret, said)
        return said


class Grants(OauthTest):
    def test_refresh_token(self):
        self.send(oauth_scope="mail.send offline_access", oauth_client_secret="hush hush")
        path, form = self.tokens.asked[0]
        self.assertEqual(path, "/token")
        self.assertEqual(form, {
            "grant_type": "refresh_token", "refresh_token": "refresh&1=%", "client_id": "the client",
            "client_secret": "hush hush", "scope": "mail.send offline_access"})
        self.assertEqual(self.relay.tokens, ["access-1"])

    def test_client_credentials(self):
        secret = self.directory / "secret"
        secret.write_text("hush hush\n", encoding="ascii")
        secret.chmod(0o600)
        self.send(oauth_grant="client-credentials", oauth_refresh_token=None, oauth_client_secret_file=secret)
        self.assertEqual(self.tokens.asked[0][1], {
            "grant_type": "client_credentials", "client_id": "the client", "client_secret": "hush hush"})
        self.assertEqual(self.relay.tokens, ["access-1"])

    def test_auto_takes_the_token(self):
        self.assertIn("> AUTH XOAUTH2", self.send(auth="auto"))

    def test_dovecot(self):
        """Both mechanisms, at a server that checks the signature."""
        self.tokens.answer = lambda *_: (200, {"access_token": dovecot.token(), "token_type": "bearer",
                                               "expires_in": "3600"})
        for mechanism in ("xoauth2", "oauthbearer"):
            self.send(port=self.lab.dovecot.port["submissions"], auth=mechanism)
            wait_for(lambda m=mechanism: f"method={m.upper()}" in self.lab.dovecot.log(), self.lab.dovecot.log)

    def test_dovecot_refuses(self):
        self.tokens.answer = lambda *_: (200, {"access_token": dovecot.token(seconds=-60), "expires_in": 3600})
        said = self.send(port=self.lab.dovecot.port["submissions"], status=77)
        self.assertRegex(said, r"9006: relay mail, auth: 535 ")
        self.assertIn("the token was not taken: see that user is the mailbox", said)
        self.assertNotIn("password", said)


class Daemon(OauthTest):
    def deliver(self, daemon, *names):
        for name in names:
            self.queue.drop(name, message(to=[self.address()]))
        wait_for(lambda: not self.queue.in_state("queued") and not self.queue.in_state("sending"),
                 lambda: f"{self.queue.names()} {daemon.output()}")

    def test_connections_share_one(self):
        daemon = self.start(self.settings(connections=10, messages_per_connection=1))
        self.deliver(daemon, *(f"m{n}" for n in range(30)))
        self.assertEqual(len(self.tokens.asked), 1)
        self.assertEqual(set(self.relay.tokens), {"access-1"})
        for secret in ("access-1", "refresh&1"):
            self.assertNotIn(secret, daemon.output())

    def test_renewed_before_it_expires(self):
        self.life = 0.5
        self.tokens.answer = lambda *_: (self.answer(0, 0)[0], {"access_token": f"access-{self.number}", "expires_in": 1})
        daemon = self.start(self.settings(messages_per_connection=1))
        self.deliver(daemon, "a")
        wait_for(lambda: self.deliver(daemon, "b") or len(self.tokens.asked) > 1, "a second token")
        self.assertIn("access-2", self.relay.tokens)

    def test_refused_token_is_renewed_once(self):
        daemon = self.start(self.settings(messages_per_connection=1))
        self.deliver(daemon, "a")
        self.relay.good.remove("access-1")
        self.deliver(daemon, "b")
        self.assertEqual(self.relay.tokens, ["access-1", "access-1", "access-2"])
        self.assertNotIn("on hold", daemon.output())
        self.relay.good.clear()
        self.queue.drop("c", message(to=[self.address()]))
        self.wait_log(daemon, "on hold")
        self.assertIn('535 5.7.3 Authentication unsuccessful: {"status":"401"', daemon.output())
        self.assertEqual(self.relay.tokens[3:], ["access-2", "access-3"])
        self.assertEqual(self.queue.record("c"), [])

    def test_endpoint_that_fails(self):
        """A fault of the relay's, at its login: no message is blamed, and it goes once tokens come again."""
        good = self.tokens.answer
        self.tokens.answer = lambda *_: (503, {})
        daemon = self.start(self.settings())
        self.queue.drop("m", message(to=[self.address()]))
        self.wait_log(daemon, "on hold")
        self.assertIn("stage auth", daemon.output())
        self.assertIn(f"no OAuth token can be had: {self.tokens.url('')} cannot give tokens just now (status 503)", daemon.output())
        self.assertEqual(self.queue.record("m"), [])
        self.tokens.answer = good
        daemon.flush()
        self.queue.wait_gone("m")

    def test_failing_renewal_uses_what_is_left(self):
        daemon = self.start(self.settings(messages_per_connection=1))
        self.tokens.answer = lambda *_: (200, {"access_token": "access-1", "expires_in": 600})
        self.deliver(daemon, "a")
        self.tokens.answer = lambda *_: (503, {})
        self.deliver(daemon, "b")
        self.assertEqual(self.relay.tokens, ["access-1", "access-1"])

    def test_silent_endpoint_holds_up_nobody_else(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.tokens.answer = lambda *_: (ended.wait(), {})
        daemon = self.start(self.settings(), {**self.lab.relay("plain"), "name": "other"})
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_gone("m", seconds=90)
        self.wait_log(daemon, f"{self.tokens.url('')}: no answer within 30s", seconds=90)

    def test_silent_endpoint_is_what_is_waited_for(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.tokens.answer = lambda *_: (ended.wait(), {})
        daemon = self.start(self.settings(hold_first="1s", hold_max="1s"))
        self.queue.drop("m", message(to=[self.address()]))
        server = f"the token server https://localhost:{self.tokens.port}"
        self.check_waits(daemon, "auth", server, "see whether this host gets there, and oauth_token_url")
        self.assertNotIn("refresh&1", daemon.output())

    def test_silent_command_is_what_is_waited_for(self):
        """Before a token can be asked for."""
        daemon = self.start(self.settings(oauth_refresh_token=None, oauth_refresh_token_command="exec sleep 1000",
                                          hold_first="1s", hold_max="1s"))
        self.queue.drop("m", message(to=[self.address()]))
        self.check_waits(daemon, "auth", "the command `exec sleep 1000`", "run it in a shell as the same user")

    def test_rotation_is_kept(self):
        self.extra = {"refresh_token": "refresh-2"}
        path = self.kept / "tokens"
        daemon = self.start(self.settings(oauth_token_file=path))
        self.deliver(daemon, "a")
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(path.stat().st_mode & 0o7777, 0o600)
        self.assertEqual(json.loads(path.read_text())["refresh_token"], "refresh-2")
        self.extra = {}
        daemon = self.start(self.settings(oauth_token_file=path))
        self.deliver(daemon, "b")
        self.assertEqual(self.tokens.grants(), ["refresh&1=%", "refresh-2"])
        self.assertEqual(daemon.terminate(), 0)
        daemon = self.start(self.settings(oauth_token_file=path, oauth_refresh_token="a new one"))
        self.deliver(daemon, "c")
        self.assertEqual(self.tokens.grants()[-1], "a new one")
        self.assertEqual(sorted(os.listdir(self.kept)), ["tokens", "tokens.lock"])

    def test_rotation_by_several_processes(self):
        """A server that takes each refresh token once, and calls all back when one comes a second time."""
        lock, used = threading.Lock(), set()

        def answer(_path, form):
            with lock:
                token = form["refresh_token"]
                if token in used or token not in ("refresh&1=%", f"refresh-{self.number}"):
                    return 400, {"error": "invalid_grant", "error_description": "used twice"}
                used.add(token)
                self.number += 1
                return 200, {"access_token": f"access-{self.number}", "refresh_token": f"refresh-{self.number}"}

        self.tokens.answer = answer
        self.configure(self.settings(oauth_token_file=self.kept / "tokens"))
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.outbox("check", status=None)))
                   for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([result.returncode for result in results], [0] * 6, results)
        self.assertEqual(self.number, 6)

    def test_rotation_that_cannot_be_written(self):
        """It is told with each connection, outlives a reload, and is written once it can be."""
        path, other = self.kept / "tokens", self.kept / "other"

        def answer(*arguments):
            path.mkdir(exist_ok=True)  # behind the back of who has found that there is room
            return self.answer(*arguments)

        self.extra = {"refresh_token": "refresh-2"}
        self.tokens.answer = answer
        settings = self.settings(oauth_token_file=path, messages_per_connection=1)
        daemon = self.start(settings)
        for number, name in enumerate(("a", "b"), 1):
            self.deliver(daemon, name)
            wait_for(lambda n=number: daemon.output().count("its new refresh token is in memory alone") >= n, daemon.output)
        self.assertIn("tokens is not a regular file", daemon.output())
        self.assertNotIn("refresh-2", daemon.output())
        self.configure({**settings, "oauth_token_file": other})
        daemon.reload()
        self.deliver(daemon, "c")
        self.assertEqual(self.tokens.grants()[:2], ["refresh&1=%", "refresh-2"])
        self.assertEqual(json.loads(other.read_text())["refresh_token"], "refresh-2")
        told = daemon.output().count("in memory alone")
        self.deliver(daemon, "d")
        self.assertEqual(daemon.output().count("in memory alone"), told)
        self.assertEqual(sorted(os.listdir(self.kept)), ["other", "other.lock", "tokens", "tokens.lock"])

    def test_rotation_that_cannot_be_written_outlives_a_reset(self):
        """Of a program with the library: a token that is lost is lost for good."""
        path = self.kept / "tokens"

        def answer(*arguments):
            if self.number == 0:
                path.mkdir()
            return self.answer(*arguments)

        self.extra = {"refresh_token": "refresh-2"}
        self.tokens.answer = answer
        self.configure(self.settings(oauth_token_file=path))
        program = textwrap.dedent(f"""
            import ctypes, os
            library = ctypes.CDLL({str(lab.BUILD / ".libs/liboutbox.so")!r})
            library.outbox_client_new.restype = library.outbox_error_text.restype = ctypes.c_void_p
            client = ctypes.c_void_p(library.outbox_client_new())
            def do(name, *arguments):
                if getattr(library, "outbox_" + name)(client, *arguments) != 0:
                    raise SystemExit(ctypes.string_at(library.outbox_error_text(client)))
            for first in (True, False):
                do("load", {str(self.configuration)!r}.encode())
                do("connect")
                do("reset")
                if first:
                    os.rmdir({str(path)!r})
        """)
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(path.read_text(encoding="ascii"))["refresh_token"], "refresh-2")
        self.assertEqual(self.tokens.grants(), ["refresh&1=%", "refresh-2"])

    def test_rotation_that_another_overtakes(self):
        """What somebody else has put into the file meanwhile is not written over."""
        path = self.kept / "tokens"
        self.extra = {}
        self.configure(self.settings(oauth_token_file=path))
        self.extra = {"refresh_token": "refresh-2"}
        self.outbox("check")
        newer = json.loads(path.read_text())
        original = self.tokens.answer

        def answer(*arguments):
            path.unlink(missing_ok=True)
            path.mkdir()
            self.extra = {"refresh_token": "refresh-3"}
            self.tokens.answer = original
            return original(*arguments)

        self.tokens.answer = answer
        daemon = self.start(self.settings(oauth_token_file=path, messages_per_connection=1))
        self.deliver(daemon, "a")
        self.wait_log(daemon, "in memory alone")
        path.rmdir()
        newer["refresh_token"] = "refresh-of-another"
        path.write_text(json.dumps(newer) + "\n", encoding="ascii")
        path.chmod(0o600)
        self.deliver(daemon, "b")
        self.assertEqual(json.loads(path.read_text())["refresh_token"], "refresh-of-another")
        self.relay.good.clear()
        self.queue.drop("c", message(to=[self.address()]))
        self.wait_log(daemon, "on hold")
        self.assertEqual(self.tokens.grants()[1:], ["refresh-2", "refresh-of-another"])

    def test_rotation_in_memory(self):
        self.extra = {"refresh_token": "refresh-2"}
        daemon = self.start(self.settings(messages_per_connection=1))
        self.deliver(daemon, "a")
        self.relay.good.remove("access-1")
        self.deliver(daemon, "b")
        self.assertEqual(self.tokens.grants(), ["refresh&1=%", "refresh-2"])
        wait_for(lambda: "set oauth_token_file" in daemon.output(), daemon.output)
        self.assertEqual(daemon.output().count("set oauth_token_file"), 1)
        self.assertNotIn("refresh-2", daemon.output())

    def test_rotation_in_memory_is_told_by_check(self):
        self.extra = {"refresh_token": "refresh-2"}
        self.configure(self.settings())
        result = self.outbox("check", status=None)
        said = result.stdout.decode() + result.stderr.decode()
        self.assertIn("set oauth_token_file", said)
        self.assertNotIn("refresh-2", said)
        self.assertEqual(said.count("set oauth_token_file"), 1)
        told = self.outbox("check", "--json", status=None).stdout.decode()
        self.assertIn("set oauth_token_file", told)

    def test_rotation_in_memory_is_told_by_send(self):
        """Whether the login succeeds or not."""
        self.extra = {"refresh_token": "refresh-2"}
        for status, good in ((0, self.relay.good), (77, set())):
            with self.subTest(status):
                self.relay.good = good
                said = self.send(status=status)
                self.assertRegex(said, r"(?m)^outbox: \d+: relay mail: the token server gave a new .* set oauth_token_file")
                self.assertEqual(said.count("outbox: 303: relay mail: the token server gave"), 1)
                self.assertNotIn("refresh-2", said)


class Failures(OauthTest):
    def test_invalid_grant(self):
        self.refuse("invalid_grant", "Token has been expired or revoked.")
        said = self.send(status=77)
        self.assertRegex(said, r"9006: relay mail, auth: no OAuth token can be had: https://localhost:\d+ refuses \(status 400\): "
                         r"invalid_grant: Token has been expired or revoked\.: .*outbox authorize")
        self.assertEqual(self.relay.tokens, [])

    def test_other_refusals(self):
        for error, words in (("invalid_client", "check oauth_client_id"), ("invalid_scope", "check oauth_scope"),
                             *((error, "must log in there, or agree, again; run `outbox authorize`") for error in (
                                 "interaction_required", "login_required", "consent_required")),
                             ("\u001b[31m", r"\x1b")):
            with self.subTest(error):
                self.refuse(error, status=401)
                self.assertIn(words, self.send(status=77))

    def test_refusals_of_a_client(self):
        """Which has neither a refresh token nor a user, so that `outbox authorize` is of no use."""
        for error, words in (("invalid_grant", "check oauth_grant, oauth_client_id"),
                             ("interaction_required", "no user logs in where oauth_grant is client-credentials"),
                             ("access_denied", "allow the client what it asks for"),
                             ("authorization_declined", "allow the client what it asks for")):
            with self.subTest(error):
                self.refuse(error)
                said = self.send(status=77, oauth_grant="client-credentials", oauth_refresh_token=None,
                                 oauth_client_secret="hush hush")
                self.assertIn(words, said)
                self.assertNotIn("outbox authorize", said)

    def test_server_that_repeats_secrets(self):
        """What was sent, and what came with the answer, in whatever writing."""
        secret, token = "hush hush/+&", "refresh-new/1234"
        for text in ("refresh&1=%", secret, token):
            data = text.encode("ascii")
            for written in (text, urllib.parse.quote(text, safe=""), urllib.parse.quote_plus(text).lower(), data.hex(),
                            data.hex().upper(), base64.b64encode(data).decode(), base64.b64encode(b"x:" + data + b";").decode(),
                            "".join(f"\\u{c:04X}" for c in data), text.replace("/", "\\/").replace("&", "\\u0026")):
                with self.subTest(written):
                    self.tokens.answer = lambda *_, w=written: (400, {
                        "error": f"x {w}", "error_description": f"I do not know {w}.", "refresh_token": token})
                    said = self.send(status=77, oauth_client_secret=secret)
                    self.assertIn("I do not know *", said)
                    self.assertNotIn(written, said)
                    self.tokens.answer = lambda *_, w=written: (302, {"refresh_token": token}, f"https://x/{w}")
                    said = self.send(status=77, oauth_client_secret=secret)
                    self.assertRegex(said, r"sends on to .*\*")
                    self.assertNotIn(written, said)

    def test_server_that_repeats_the_form(self):
        self.tokens.answer = lambda _, form: (400, {
            "error": "invalid_request", "error_description": base64.b64encode(
                urllib.parse.urlencode(form).encode("ascii")).decode() + " and " + urllib.parse.urlencode(form)})
        said = self.send(status=77, oauth_client_secret="hush hush")
        self.assertRegex(said, r"invalid_request: \*+=* and \*+\n")

    def test_answers_that_are_none(self):
        for number, (status, content, words) in enumerate((
            (200, {"token_type": "Bearer"}, "it has no access_token"),
            (200, {"access_token": "x", "token_type": "mac"}, "token_type is not Bearer"),
            (200, {"access_token": 5}, "it has no access_token"),
            (302, {}, "sends on to https://elsewhere.lab.test/token"),
            (200, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "no JSON object: check"),
            (200, b'HTTP/1.1 200 OK\r\n\r\n{"access_token":"access-7","x":9223372036854775808}', "a number that is too large"),
            (200, b'HTTP/1.1 200 OK\r\n\r\n{"access_token":"access-7","x":"\\u0000"}', "a NUL character"),
            (200, b'HTTP/1.1 200 OK\r\n\r\n{"access_token":"access-7","x":"\xff"}', "not in UTF-8"),
            (200, b'HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{"access_token":"access-7"', "for it breaks off"),
            (200, b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000, "more than such an answer has"),
            (200, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "more than such an answer has"),
            (200, b"220 mail.example.com ESMTP\r\n", "what it answers is not HTTP: check oauth_token_url"),
            (200, b"220 mail", "what it answers is not HTTP: check oauth_token_url"),
            (401, b"HTTP/1.1 401 Unauthorized\r\n\r\nno", "refuses (status 401): check oauth_token_url"),
            (403, b"HTTP/1.1 403 Forbidden\r\n\r\n<html>", "refuses (status 403): check oauth_token_url"),
            (404, {"message": "no route"}, "refuses (status 404): check oauth_token_url"),
        )):
            with self.subTest(number):
                self.tokens.answer = lambda *_, s=status, c=content: (s, c)
                self.assertIn(words, self.send(status=77))

    def test_server_in_trouble(self):
        """Worth another try."""
        for status in (500, 503, 429):
            self.tokens.answer = lambda *_, s=status: (s, {"error": "x"})
            self.assertIn(f"cannot give tokens just now (status {status})", self.send(status=75))
        for error in ("temporarily_unavailable", "server_error"):
            self.refuse(error)
            self.assertIn(f"cannot give tokens just now (status 400: {error})", self.send(status=75))

    def test_server_that_cuts_off(self):
        """Whoever closes has said nothing about the login."""
        for content, words in (
            (b"", "it closed the connection without an answer"),
            (b"HTTP/1.1 200 O", "before the end of its answer"),
            (b"HTTP/1.1 100 Continue\r\n\r\n", "before the end of its answer"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", "before the end of its answer"),
            (b'HTTP/1.1 200 OK\r\n\r\n{"access_token":"access-7"', "before the end of its answer"),
        ):
            with self.subTest(content):
                self.tokens.answer = lambda *_, c=content: (200, c)
                said = self.send(status=75)
                self.assertRegex(said, rf"no OAuth token can be had: https://localhost:{self.tokens.port}: .*{words}")

    def test_chunks(self):
        text = json.dumps({"access_token": "access-1"}).encode("ascii")
        self.tokens.answer = lambda *_: (200, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                         b"".join(b"1;x=y\r\n%c\r\n" % c for c in text) + b"0\r\nT: r\r\n\r\n")
        self.send()

    def test_certificate_of_the_endpoint(self):
        said = self.send(status=75, oauth_ca_file=None)
        self.assertRegex(said, r"no OAuth token can be had: https://localhost:\d+: .*certificate.*set oauth_ca_file to")
        self.assertNotRegex(said, r"\btls_")
        self.assertEqual(self.tokens.asked, [])

    def test_nothing_listens(self):
        self.tokens.close()
        self.addCleanup(lambda: None)
        self.tokens.close = lambda: None
        self.assertIn("refused", self.send(status=75).lower())

    def test_token_file_that_cannot_be_kept(self):
        said = self.send(status=78, oauth_token_file=self.kept / "none" / "tokens")
        self.assertIn(f'cannot be written: there is no directory "{self.kept}/none"', said)
        said = self.send(status=66, oauth_token_file="/proc/tokens")  # a directory in which nobody makes a file
        self.assertIn("oauth_token_file: cannot keep tokens in", said)
        self.assertEqual(self.tokens.asked, [])

    def test_token_file_without_room(self):
        """It is found out before the token is spent; and what is left over by a process that was killed is no obstacle."""
        disk = self.directory / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", str(disk)], check=True)
        self.addCleanup(subprocess.run, ["umount", str(disk)], check=True)
        self.extra = {"refresh_token": "refresh-2"}
        path = disk / "tokens"
        self.send(oauth_token_file=path)
        (disk / "tokens.new").write_text("left over")
        self.send(oauth_token_file=path)
        self.assertEqual(sorted(os.listdir(disk)), ["tokens", "tokens.lock"])
        asked, before = len(self.tokens.asked), path.read_bytes()
        (disk / "full").write_bytes(b"x" * 400_000)
        said = self.send(status=75, oauth_token_file=path)
        self.assertIn("oauth_token_file: cannot keep tokens in", said)
        self.assertIn("No space left", said)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        self.assertIn("Read-only file system", self.send(status=75, oauth_token_file=path))
        self.assertEqual((len(self.tokens.asked), path.read_bytes()), (asked, before))

    def test_tokens_that_are_none(self):
        path = self.kept / "tokens"
        for token in ("a\nb", "a\u007fb", "a\u001b[31m"):
            self.extra = {"refresh_token": token}
            self.assertIn("its refresh_token has control characters", self.send(status=77, oauth_token_file=path))
            self.assertFalse(path.exists())
            self.extra = {"access_token": token}
            self.assertIn("its access_token has control characters", self.send(status=77))

    def test_long_tokens(self):
        """As long as an answer may be, each byte to be escaped and sealed: it comes back."""
        path, key = self.kept / "tokens", self.kept / "key"
        key.write_text("k" * 40 + "\n")
        key.chmod(0o600)
        for length in (20_000, 31_000):
            self.extra = {"refresh_token": '"' * length}
            self.send(oauth_token_file=path, oauth_token_key_file=key)
            self.send(oauth_token_file=path, oauth_token_key_file=key)
            self.assertEqual(self.tokens.grants()[-1], '"' * length)
        self.assertTrue(path.read_bytes().startswith(b"sealed:1:"))

    def test_token_file_of_others(self):
        path = self.kept / "tokens"
        path.write_text("{}\n", encoding="ascii")
        path.chmod(0o644)
        self.assertIn("chmod", self.send(status=78, oauth_token_file=path))
        path.chmod(0o600)
        path.write_text("nonsense\n", encoding="ascii")
        self.assertIn("holds no tokens", self.send(status=78, oauth_token_file=path))

    def test_wrong_settings(self):
        for settings, words in (
            ({"oauth_token_url": "http://localhost/token"}, "write https://"),
            ({"oauth_token_url": "localhost"}, "is no URL"),
            ({"oauth_token_url": "https:///token"}, "is no URL"),
            ({"oauth_token_url": "https://u:HIDDEN@localhost/token"}, "a login in the URL"),
            ({"oauth_token_url": "http://u:HIDDEN@localhost/token"}, "a login in the URL"),
            ({"oauth_token_url": "https://localhost/HIDDEN@x"}, 'write "%40"'),
            ({"oauth_token_url": "https://localhost/t?client_secret=HIDDEN"}, "set oauth_client_secret_file"),
            ({"oauth_client_id": None}, "set oauth_client_id"),
            ({"oauth_refresh_token": None}, "outbox authorize"),
            ({"oauth_grant": "client-credentials"}, "set oauth_client_secret_file"),
            ({"oauth_grant": "client-credentials", "oauth_client_secret": "x"}, "leave oauth_refresh_token"),
            ({"oauth_grant": "pasword"}, "refresh-token"),
            ({"oauth_token_url": None}, "set oauth_token_url"),
            ({"oauth_device_url": "https://localhost/device"}, "set oauth_token_file"),
            ({"password": "x"}, "there is a password, too"),
            ({"auth": "plain"}, "takes no OAuth token"),
            ({"user": None}, "set user"),
            ({"oauth_scop": "x"}, "oauth_scope"),
            ({"oauth_proxi": True}, "oauth_proxy"),
            ({"oauth_proxy": "perhaps"}, "oauth_proxy"),
        ):
            with self.subTest(words):
                self.configure(self.settings(**settings))
                result = self.outbox("check", status=None)
                self.assertEqual(result.returncode, 78, result.stderr)
                self.assertIn(words, result.stderr.decode())
                self.assertNotIn("HIDDEN", result.stderr.decode())
