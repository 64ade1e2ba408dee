"""`outbox check` against servers that are wrong in some way: the whole text, as it is printed into a pipe, and the
outcome as JSON. What is expected is in tests/data/check, a file a case, with what differs from run to run (ports,
dates, digests, ciphers, what the servers' versions offer) as a word in capitals. support/transcript.py
says how to write them anew."""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import threading
import unittest

import dovecot
import lab
from case import SystemTest
from listener import Listener
from process import free_port
from transcript import expect

EXPECTED = lab.SOURCE / "tests/data/check"
MASKS = (
    (r"(?<=checked as user )[^\s,]+", "USER"),
    (r"/[^ \n]*/outbox[^ \n/]*/[^ \n:\"]*", "PATH"),
    (r"(?m)^(  (?:cipher|TLS|extensions|certificate|expires|limit|sent with it)) +.*$", r"\1 ..."),
    (r"(?m)^ {15}(?:issuer|names|valid|SHA-256|in -?\d+ days).*\n", ""),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "DATE"),
    (r"(?<=port )\d{4,}|(?<=[\d\]]:)\d+", "PORT"),
    (r"(?<=failed \()[^)]+(?=\): )", "OPENSSL'S WORDS"),
    (r"\b[0-9a-f]{64}\b", "DIGEST"),
    (r"(?m)^outbox: .* says nothing yet;.*\n", ""),  # told after a while, if at all
    (r"(?<=MAIL FROM:<)[^>]+(?=>)", "SENDER"),
)


def masked(text):
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text)
    return text


def of_release(name):
    """The file for this release of Dovecot, where what it says depends on that."""
    return name if dovecot.is_2_3() else f"{name}-2.4"


class Transcripts(SystemTest):
    maxDiff = None

    def expect(self, name, relay, *arguments, status=None):
        self.configure({**relay, "name": "relay"})
        plain = self.outbox("check", *arguments, status=None)
        found = self.outbox("check", "--json", *arguments, status=None)
        self.assertEqual(plain.returncode, found.returncode)
        if status is not None:
            self.assertEqual(plain.returncode, status, plain)
        (one,) = json.loads(found.stdout)
        self.assertEqual(one["ok"], plain.returncode == 0)
        outcome = {key: one[key] for key in ("ok", "stage", "error", "text", "hint", "notes")}
        text = masked(f"status {plain.returncode}\n\n-- standard output\n{plain.stdout.decode()}\n"
                      f"-- standard error\n{plain.stderr.decode()}\n-- JSON\n{json.dumps(outcome, indent=2)}\n")
        expect(self, EXPECTED / f"{name}.txt", text)
        # One who reads both streams together is told once, at a terminal or in a file.
        both = subprocess.run([lab.program("outbox"), "--config", self.configuration, "check", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout.decode()
        if one["text"]:
            self.assertEqual(both.count(one["text"]), 1, both)

    def listen(self, talk):
        listener = Listener(talk)
        self.addCleanup(listener.close)
        return listener.port

    def speak(self, *words):
        """A server that answers a line for a line."""

        def talk(connection):
            stream = connection.makefile("rwb")
            stream.write(words[0] + b"\r\n")
            stream.flush()
            for word in words[1:]:
                if not stream.readline():
                    return
                stream.write(word + b"\r\n")
                stream.flush()
            stream.readline()

        return self.listen(talk)

    # ---- what works, and what of it was not verified ----

    def test_works(self):
        """By Dovecot 2.4 SCRAM is refused, see doc/decisions/tls-and-trust.md."""
        self.expect(of_release("works"), self.lab.relay("submission", host="localhost", ip_version=0), status=0)

    def test_not_verified(self):
        self.expect("not-verified", self.lab.relay("stranger", tls_verify=False), status=0)

    def test_pinned(self):
        self.expect("pinned", self.lab.relay(
            "stranger", tls_accept_certificate=self.lab.certificates.certificate("stranger")), status=0)

    def test_in_clear(self):
        self.expect("in-clear", self.lab.relay("plain"), status=0)

    def test_login_offered_and_no_user(self):
        relay = self.lab.relay("submission")
        del relay["user"], relay["password"]
        self.expect("no-user", relay, status=0)

    # ---- what does not ----

    def test_wrong_password(self):
        self.expect("wrong-password", self.lab.relay("submission", password="wrong", auth="plain"), status=77)

    def test_wrong_password_by_one_way_after_another(self):
        self.expect("wrong-password-auto", self.lab.relay("submission", password="wrong", auth="auto"), status=77)

    def test_wrong_password_at_dovecot(self):
        self.expect(of_release("wrong-password-dovecot"), {
            **self.lab.relay("submissions", password="wrong", auth="plain", host="localhost", ip_version=0),
            "port": self.lab.dovecot.port["submissions"]}, status=77)

    def test_mechanism_not_offered(self):
        self.expect("mechanism", self.lab.relay("submission", auth="ntlm"))

    def test_login_in_clear(self):
        port = self.speak(b"220 there ESMTP", b"250-there\r\n250 AUTH PLAIN LOGIN", b"221 bye")
        self.expect("login-in-clear", self.lab.relay(port, user="alice", password="wonder land"))

    def test_tls_not_offered(self):
        self.expect("tls-not-offered", {**self.lab.relay("bare"), "tls": "starttls"}, status=75)

    def test_another_name(self):
        self.expect("another-name", self.lab.relay("wrong_name", host="localhost", ip_version=0), status=75)

    def test_expired(self):
        self.expect("expired", self.lab.relay("expired", host="localhost", ip_version=0), status=75)

    def test_unknown_authority(self):
        self.expect("unknown-authority", self.lab.relay("stranger", host="localhost", ip_version=0), status=75)

    def test_too_old_tls(self):
        self.expect("too-old", {**self.lab.relay("modern"), "tls": "starttls", "tls_protocols": "TLSv1.2",
                                "tls_ca_file": self.lab.certificates.certificate("ca")}, status=75)

    def test_starttls_on_a_port_of_implicit_tls(self):
        self.expect("starttls-on-implicit", {**self.lab.relay("submissions"), "tls": "starttls", "timeout": 2}, status=75)

    def test_implicit_tls_on_a_port_of_starttls(self):
        self.expect("implicit-on-starttls", {**self.lab.relay("submission"), "tls": "implicit"}, status=75)

    def test_another_protocol(self):
        self.expect("imap", self.lab.relay(self.speak(b"* OK [CAPABILITY IMAP4rev1] ready")), status=75)

    def test_refused(self):
        self.expect("refused", self.lab.relay(free_port()), status=75)

    def test_black_hole(self):
        """A queue that is full: what comes is dropped, and nobody is told."""
        hole = socket.socket()
        self.addCleanup(hole.close)
        hole.bind(("127.0.0.1", free_port()))
        hole.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        self.expect("black-hole", self.lab.relay(hole.getsockname()[1], connect_timeout=1, timeout=1), status=75)

    def test_proxy_that_refuses(self):
        def refuse(connection):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        self.expect("proxy", self.lab.relay("plain", proxy_type="tunnel", proxy_host="127.0.0.1",
                                            proxy_port=self.listen(refuse)), status=None)

    # ---- the probe ----

    def test_probe(self):
        self.expect("probe", self.lab.relay("plain"), "--probe", "ann@lab.test", "--from", "shop@lab.test", status=0)

    def test_probe_greylisted(self):
        self.expect("probe-greylisted", self.lab.relay("plain"), "--probe", "tempfail@lab.test", "--from", "<>", status=75)

    def test_probe_relay_denied(self):
        port = self.speak(b"220 there ESMTP", b"250-there\r\n250 ENHANCEDSTATUSCODES", b"250 2.1.0 Ok",
                          b"554 5.7.1 <ann@elsewhere.test>: Relay access denied", b"250 2.0.0 Ok", b"221 bye")
        self.expect("probe-denied", self.lab.relay(port), "--probe", "ann@elsewhere.test", status=69)

    def test_probe_wants_a_login(self):
        port = self.speak(b"220 there ESMTP", b"250 there", b"530 5.7.0 Authentication required", b"250 2.0.0 Ok", b"221 bye")
        self.expect("probe-login", self.lab.relay(port), "--probe", "ann@elsewhere.test", status=69)

    def test_probe_needs_what_the_relay_lacks(self):
        port = self.speak(b"220 there ESMTP", b"250 there", b"250 2.0.0 Ok", b"221 bye")
        self.expect("probe-utf8", self.lab.relay(port), "--probe", "j\u00f6rg@elsewhere.test", status=69)

    def test_probe_shut_down(self):
        port = self.speak(b"220 there ESMTP", b"250 there", b"250 2.1.0 Ok", b"421 4.3.2 shutting down")
        self.expect("probe-421", self.lab.relay(port), "--probe", "ann@elsewhere.test", status=75)

    def test_probe_without_an_answer(self):
        def talk(connection):
            stream = connection.makefile("rwb")
            for word in (b"220 there ESMTP", b"250 there"):
                stream.write(word + b"\r\n")
                stream.flush()
                stream.readline()
            stream.read()  # until the other end goes

        self.expect("probe-silent", self.lab.relay(self.listen(talk), timeout=1, timeout_by_stage=False),
                    "--probe", "ann@elsewhere.test", status=75)

    def test_probe_cut_off(self):
        port = self.speak(b"220 there ESMTP", b"250 there")
        self.expect("probe-cut-off", self.lab.relay(port), "--probe", "ann@elsewhere.test", status=75)

    def test_probe_sends_nothing(self):
        ann = self.address()
        self.configure(self.lab.relay("plain"))
        self.outbox("check", "--probe", ann)
        said = self.outbox("check", "-v", "--probe", ann, status=None).stderr.decode()
        self.assertEqual([line for line in said.splitlines() if line.startswith("> ") and "EHLO" not in line][-1:], ["> QUIT"])
        self.assertNotIn("> DATA", said)
        self.assertNotIn("> BDAT", said)
        self.assertEqual(self.copies(ann), [])

    def test_wrong_addresses(self):
        self.configure(self.lab.relay("plain"))
        for arguments, status in ((("--probe", "ann@lab.test>\r\nDATA"), 65), (("--probe", "a b@lab.test"), 65),
                                  (("--probe", ""), 64), (("--probe", "nonsense"), 65),
                                  (("--probe", "a@lab.test", "--from", "x"), 65), (("--from", "x@lab.test"), 64),
                                  (("--probe",), 64)):
            result = self.outbox("check", *arguments, status=None)
            self.assertEqual((result.returncode, result.stdout), (status, b""), arguments)


class Json(SystemTest):
    def found(self, relay, *arguments, status=0):
        self.configure(relay)
        result = self.outbox("check", "--json", *arguments, status=None)
        self.assertEqual(result.returncode, status, result)
        return json.loads(result.stdout)[0]

    def test_lists(self):
        found = self.found(self.lab.relay("submission", host="localhost", ip_version=0))
        extensions = {one["keyword"]: one["parameters"] for one in found["extensions"]}
        self.assertEqual(len(extensions), len(found["extensions"]))
        self.assertEqual(extensions["SIZE"], [str(found["size_max"])])
        self.assertEqual(set(extensions["AUTH"]), set(found["mechanisms"]))
        self.assertIn("ETRN", extensions)  # of which outbox knows nothing
        self.assertIn(found["mechanism"], found["mechanisms"])
        self.assertRegex(found["certificates"][0]["expires"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
        self.assertEqual(found["certificates"][0]["subject"], found["certificate"]["subject"])
        self.assertGreater(found["certificates"][0]["days"], 0)
        self.assertEqual(found["addresses"], [{"address": found["address"], "used": True, "said": None}])
        self.assertEqual((found["notes"], found["probe"], found["error"]), ([], None, 0))

    def test_days_of_a_certificate_that_has_ended(self):
        found = self.found(self.lab.relay("expired"), status=75)
        self.assertLess(found["certificates"][0]["days"], 0)

    def test_addresses(self):
        """Those of no use come before the one in use, with what each said."""
        port = free_port()
        server = self.lab.relay("plain")["port"]

        def copy(source, target):
            with contextlib.suppress(OSError):  # one of them has gone
                for data in iter(lambda: source.recv(4096), b""):
                    target.sendall(data)

        def pass_on(connection):
            with socket.create_connection(("127.0.0.1", server)) as relay:
                threading.Thread(target=copy, args=[connection, relay], daemon=True).start()
                copy(relay, connection)

        listener = Listener(pass_on, port=port)
        self.addCleanup(listener.close)
        hosts = self.directory / "hosts"
        hosts.write_text("127.0.0.9 two.lab.test\n127.0.0.1 two.lab.test\n", encoding="ascii")
        self.configure(self.lab.relay(port, host="two.lab.test"))
        result = subprocess.run(
            ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "-", hosts,
             lab.program("outbox"), "--config", self.configuration, "check", "--json"], capture_output=True, check=False)
        self.assertEqual(result.returncode, 0, result)
        addresses = json.loads(result.stdout)[0]["addresses"]
        self.assertEqual(addresses[-1], {"address": f"127.0.0.1:{port}", "used": True, "said": None})
        for one in addresses[:-1]:
            self.assertEqual(one, {"address": "127.0.0.9", "used": False, "said": "Connection refused"})

    def test_a_server_that_offers_too_much(self):
        """It is cut, and what a terminal would obey is not printed."""
        def talk(connection):
            stream = connection.makefile("rwb")
            stream.write(b"220 there ESMTP\r\n")
            stream.flush()
            stream.readline()
            stream.write(b"250-there\r\n" + b"".join(b"250-X%d \x1b[31m%s\r\n" % (i, b"y" * 100) for i in range(100))
                         + b"250 =\r\n")
            stream.flush()
            stream.readline()
            stream.write(b"221 bye\r\n")
            stream.flush()

        listener = Listener(talk)
        self.addCleanup(listener.close)
        self.assertEqual(len(self.found(self.lab.relay(listener.port))["extensions"]), 64)
        self.assertNotIn("\x1b", self.outbox("check"))


class AsWhom(SystemTest):
    """Without systemd: by the owner of the queue directory. With it: tests/support/inside_systemd.py."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root becomes another user")
        self.nobody = pwd.getpwnam("nobody")
        self.secret = self.directory / "password"
        self.secret.touch(mode=0o600)
        self.secret.write_text("wonder land\n", encoding="ascii")
        self.configure(self.lab.relay("plain", user="alice", password_file=self.secret))

    def give(self):
        """The queue, and what it takes to read the configuration, to the user nobody."""
        for path in (self.queue.path, self.configuration):
            shutil.chown(path, "nobody")
        for path in (self.directory, *self.directory.parents):
            if path != pathlib.Path("/") and not path.stat().st_mode & 0o001:
                self.skipTest(f"others cannot get to {path}")

    def as_whom(self, *arguments, **options):
        result = self.outbox("check", "--json", *arguments, status=None, **options)
        return json.loads(result.stdout)[0]

    def test_as_the_owner(self):
        found = self.as_whom()
        self.assertEqual((found["as"]["user"], found["as"]["unit"]), ("root", None))
        self.assertNotIn("Permission", found["text"] or "")
        self.give()
        found = self.as_whom()
        self.assertEqual(found["as"]["user"], "nobody")
        self.assertIn("credentials, capabilities, sandbox", found["as"]["unseen"])
        said = self.outbox("check", status=None)
        self.assertEqual(said.stdout.decode().splitlines()[0], "checked as user nobody, who owns the queue directory")
        self.assertNotIn("CAP_LEASE", said.stderr.decode())

    def test_as_me(self):
        self.give()
        found = self.as_whom("--as-me")
        self.assertEqual(found["as"]["user"], "root")
        self.assertIn("without --as-me, root checks as the daemon", found["as"]["unseen"])

    def test_credentials_of_ones_own(self):
        self.give()
        found = self.as_whom(env={**os.environ, "CREDENTIALS_DIRECTORY": str(self.directory)})
        self.assertEqual(found["as"]["user"], "root")

    def refuse_as_daemon(self, *arguments, words="without --as-daemon"):
        """What is not the daemon's unit is not it."""
        result = self.outbox("check", *arguments, status=None)
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(result.stdout, b"")
        self.assertIn(words, result.stderr.decode())

    @unittest.skipIf(pathlib.Path("/run/systemd/system").is_dir(), "systemd may have the unit")
    def test_as_the_daemon_or_not_at_all(self):
        self.give()
        self.refuse_as_daemon("--as-daemon")

    def test_the_last_of_both_counts(self):
        self.give()
        self.refuse_as_daemon("--as-me", "--as-daemon")
        self.assertEqual(self.as_whom("--as-daemon", "--as-me")["as"]["user"], "root")
