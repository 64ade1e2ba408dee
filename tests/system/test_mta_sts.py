"""MTA-STS (RFC 8461): whether a domain's policy names the relay. The relay is Postfix; the policy's host is an HTTPS
server of the tests' own at port 443 of an address of this host, and the only name server one beside it."""

import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import lab
import proxies
from case import SystemTest, message
from listener import Listener
from preload import STEPPED, preload
from process import wait_for

ENFORCE = "version: STSv1\r\nmode: enforce\r\nmx: {mx}\r\nmax_age: {age}\r\n"
MOUNTED = ('mount --bind "$1" "$(readlink -f /etc/resolv.conf)" && mount --bind "$2" /etc/hosts && shift 2 && '
           'exec "$@"')


class NameServer:
    """Gives the records in `texts` for every question about TXT; none: there is no such name; None: it fails."""

    def __init__(self, address):
        self.address, self.texts, self.asked = address, [], []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _answer(self, query):
        end = query.index(b"\0", 12) + 5
        question = query[12:end]
        self.asked.append(question[:-4])
        texts = self.texts if question[-4:-2] == b"\0\x10" else []
        code = 2 if texts is None else 0 if texts else 3
        records = b""
        for text in texts or []:
            data = b"".join(bytes([len(text[i:i + 255])]) + text[i:i + 255] for i in range(0, len(text), 255))
            records += b"\xc0\x0c\0\x10\0\1" + struct.pack(">IH", 300, len(data)) + data
        return query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(texts or []), 0, 0) + question + records

    def _serve(self):
        while True:
            query, peer = self._socket.recvfrom(4096)
            if not query:
                return
            self._socket.sendto(self._answer(query), peer)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", (self.address, 53))
        self._thread.join()
        self._socket.close()


class PolicyHost:
    """`answer()` gives status, media type and text, or bytes as they are."""

    def __init__(self, address, certificates, certificate):
        self.asked = []
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host.asked.append((self.headers["Host"], self.path))
                answer = host.answer()
                if isinstance(answer, bytes):
                    self.wfile.write(answer)
                    return
                status, kind, text = answer
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Location", "https://elsewhere.lab.test/")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate(certificate), certificates.key(certificate))
        self._server = http.server.ThreadingHTTPServer((address, 443), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.handle_error = lambda *_: None
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class StsTest(SystemTest):
    def setUp(self):
        super().setUp()
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
            raise lab.Unavailable("this machine has no mount name spaces")
        number = os.getpid()
        self.at = f"127.{1 + number // 250 % 250}.{1 + number % 250}.78"  # its ports have to be 53 and 443
        certificates = self.lab.certificates
        if not certificates.certificate("mta-sts").exists():
            certificates.named("mta-sts", "DNS:mta-sts.lab.test")
            certificates.named("not-mta-sts", "DNS:mta-sts.elsewhere.test")
        self.names = NameServer(self.at)
        self.addCleanup(self.names.close)
        self.names.texts = [b"v=spf1 -all", b"v=STSv1; id=1;"]
        self.use_host("mta-sts")
        self.set_policy()
        directory = self.queue.path.parent
        (directory / "resolv.conf").write_text(f"nameserver {self.at}\noptions timeout:1 attempts:1\n", encoding="ascii")
        (directory / "hosts").write_text(f"127.0.0.1 localhost\n{self.at} mta-sts.lab.test\n", encoding="ascii")
        self.wrapper = ("unshare", "-m", "sh", "-c", MOUNTED, "sh", str(directory / "resolv.conf"), str(directory / "hosts"))
        self.kept = self.directory / "policy"

    def use_host(self, certificate):
        if hasattr(self, "host"):
            self.host.close()
        else:
            self.addCleanup(lambda: self.host.close())
        self.host = PolicyHost(self.at, self.lab.certificates, certificate)
        self.host.answer = lambda: (200, "text/plain", self.policy)

    def set_policy(self, text=ENFORCE, mx="*.lab.test", age=86400):
        self.policy = text.format(mx=mx, age=age)

    def settings(self, **settings):
        base = {"name": "relay", "tls": "starttls", "tls_name": "mail.lab.test", "tls_mta_sts": "try",
                "tls_mta_sts_ca_file": self.lab.certificates.certificate("ca"), "hold_first": "1h", "hold_max": "1h",
                **settings}
        return {name: value for name, value in self.lab.relay("opportunistic", **base).items() if value is not None}

    def run_tool(self, *arguments, status=0, stdin=b"", env=None):
        result = subprocess.run(
            [*self.wrapper, str(lab.program("outbox")), "--config", str(self.configuration), *arguments],
            input=stdin, capture_output=True, check=False, env=env)
        said = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, said)
        return said

    def check(self, *words, status=0, **settings):
        self.configure(self.settings(**settings))
        said = self.run_tool("check", "-v", status=status)
        for word in words:
            self.assertIn(word, said)
        return said

    def check_refused(self, *words, **settings):
        return self.check("FAILED at certificate", "280: ", *words, status=75, **settings)


class Policies(StsTest):
    def test_named(self):
        said = self.check("the policy of lab.test is enforce", "MTA-STS      lab.test: enforce, mx *.lab.test; fetched 0 hours ago")
        self.assertIn("asking for the MTA-STS policy of lab.test", said)
        self.assertEqual(self.host.asked, [("mta-sts.lab.test", "/.well-known/mta-sts.txt")])
        self.assertIn(b"\x08_mta-sts\x03lab\x04test\0", self.names.asked)
        self.check(tls_mta_sts="require")

    def test_mail_goes_out(self):
        ann = self.address()
        self.configure(self.settings(tls_mta_sts="require"))
        self.run_tool("send", stdin=message(to=[ann]))
        self.wait_copies(1, ann)

    def test_not_named(self):
        for mx in ("mail.other.test", "*.mail.lab.test", "lab.test", "*.a.lab.test"):
            self.set_policy(mx=mx)
            self.check_refused(f"mail.lab.test may not be used: the MTA-STS policy of lab.test does not name it (its mx: {mx})")

    def test_tested_only(self):
        self.set_policy(ENFORCE.replace("enforce", "testing"), mx="mail.other.test")
        self.check("which is being tested, does not name mail.lab.test (its mx: mail.other.test)")
        self.check_refused('asks for an MTA-STS policy that is enforced, and the MTA-STS policy of lab.test has the mode "testing"',
                           tls_mta_sts="require")

    def test_mode_none(self):
        self.set_policy("version: STSv1\nmode: none\nmax_age: 86400\n")
        self.check("lab.test: none, mx of nobody")
        self.check_refused('has the mode "none"', tls_mta_sts="require")

    def test_without_a_policy(self):
        for texts, words in (
            ([], "lab.test has no MTA-STS policy: there is no record _mta-sts.lab.test"),
            ([b"v=STSv1; id=1;", b"v=STSv1; id=2;"], "there is not one good record _mta-sts.lab.test"),
            ([b"v=STSv1; id=a-b;"], "there is not one good record"),
            ([b"v=STSv12; id=1;"], "there is not one good record"),
            (None, "cannot be found out: no name server tells"),
        ):
            self.names.texts = texts
            self.check(words)
            self.check_refused(words, tls_mta_sts="require")
        self.assertEqual(self.host.asked, [])

    def test_policies_that_are_none(self):
        url = "https://mta-sts.lab.test/.well-known/mta-sts.txt: "
        for answer, words in (
            ((200, "text/plain", "version: STSv2\n"), "is no policy of MTA-STS"),
            ((200, "text/plain", self.policy + "x" * 70_000), "more than such an answer has"),
            ((200, "text/html", self.policy), "not text/plain"),
            ((200, "text/plainest", self.policy), "not text/plain"),
            ((404, "text/plain", self.policy), "status 404"),
            ((302, "text/plain", self.policy), "sends on elsewhere (status 302)"),
            (b"220 mail.lab.test ESMTP\r\n", "what it answers is not HTTP"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nversion: STSv1\n", "closed the connection before the end of its answer"),
            (b"", "it closed the connection without an answer"),
        ):
            with self.subTest(words):
                self.host.answer = lambda a=answer: a
                self.check(url, words)
                self.check_refused(url, words, tls_mta_sts="require")

    def test_certificate_of_the_policy_host(self):
        self.check_refused("set tls_mta_sts_ca_file", tls_mta_sts="require", tls_mta_sts_ca_file=None)
        self.use_host("not-mta-sts")
        self.check_refused("it is for mta-sts.elsewhere.test", tls_mta_sts="require")
        self.assertEqual(self.host.asked, [])

    def test_domain(self):
        """Of the relay's own name, or the one that is set."""
        self.names.texts = []
        for settings, domain in (({"tls_name": "a.b.example.org"}, "b.example.org"), ({"tls_name": "example.org"}, "example.org"),
                                 ({"tls_mta_sts_domain": "elsewhere.test"}, "elsewhere.test"),
                                 ({"tls_mta_sts_domain": "b\u00fccher.example"}, "xn--bcher-kva.example")):
            self.configure(self.settings(**settings))
            self.run_tool("check", status=75 if "tls_name" in settings else 0)
            labels = b"".join(bytes([len(label)]) + label.encode() for label in domain.split("."))
            self.assertIn(b"\x08_mta-sts" + labels + b"\0", self.names.asked)

    def test_through_the_proxy(self):
        proxy = proxies.Socks4a()
        self.addCleanup(proxy.close)
        self.check(proxy_type="socks4", proxy_host="127.0.0.1", proxy_port=proxy.port, tls_mta_sts="require")
        self.assertIn((self.at, 443, ""), proxy.asked)

    def test_json(self):
        self.configure(self.settings())
        self.assertIn("enforce", json.loads(self.run_tool("check", "--json"))[0]["mta_sts"])
        self.configure(self.settings(tls_mta_sts=None, tls_mta_sts_ca_file=None))
        self.assertIsNone(json.loads(self.run_tool("check", "--json"))[0]["mta_sts"])
        self.assertEqual(len(self.host.asked), 1)

    def test_pinned_certificate(self):
        """Whom the user names is not looked for in a policy."""
        self.set_policy(mx="mail.other.test")
        self.check(tls_accept_certificate=self.lab.certificates.certificate("localhost"))

    def test_wrong_settings(self):
        for settings, words in (
            ({"tls_mta_sts": "enforce"}, "tls_mta_sts"),
            ({"tls_mta_sts": "tri"}, 'it takes one of "off", "try", "require"'),
            ({"tls_mta_st": "try"}, 'did you mean "tls_mta_sts"'),
            ({"tls": "opportunistic"}, "needs TLS in any case"),
            ({"tls_verify": False}, "leave one of the two out"),
            ({"tls_security_flags": 1}, "leave one of the two out"),
            ({"tls_name": None}, "set tls_mta_sts_domain"),
            ({"tls_mta_sts_domain": "192.0.2.1"}, "is an address; name a domain"),
            ({"tls_mta_sts_domain": "https://lab.test"}, "looks like a URL"),
            ({"tls_mta_sts": None}, 'set tls_mta_sts = "try"'),
            ({"tls_mta_sts": None, "tls_mta_sts_ca_file": None, "tls_mta_sts_file": "x"}, 'set tls_mta_sts = "try"'),
            ({"tls_mta_sts_ca_file": "/nowhere"}, "does not exist"),
            ({"host": "mail.lab.test", "proxy_type": "tunnel", "proxy_host": "127.0.0.1", "proxy_port": 9}, 'set proxy_resolve = "here"'),
        ):
            with self.subTest(words):
                self.check(words, status=78, **settings)


class Hanging(StsTest):
    def test_policy_host_that_hangs(self):
        ended = threading.Event()
        self.addCleanup(ended.set)
        self.host.answer = lambda: (ended.wait(), "text/plain", "")
        daemon = self.start(self.settings(tls_mta_sts="require", hold_first="1s", hold_max="1s"), wrapper=self.wrapper)
        self.queue.drop("m", message(to=[self.address()]))
        self.check_waits(daemon, "certificate", "the MTA-STS server https://mta-sts.lab.test",
                         'tls_mta_sts = "off" does without')
        said = self.check_refused("https://mta-sts.lab.test/.well-known/mta-sts.txt: no answer within 20s", tls_mta_sts="require")
        self.assertNotIn("resolv.conf", said)


class Kept(StsTest):
    def check_kept(self, *words, refused=False, **settings):
        settings = {"tls_mta_sts_file": self.kept, **settings}
        return self.check_refused(*words, **settings) if refused else self.check(*words, **settings)

    def test_policy_outlives_its_host(self):
        self.check_kept()
        self.assertTrue(self.kept.read_text().startswith("outbox-mta-sts 1 lab.test 1 "))
        self.host.answer = lambda: (500, "text/plain", "")
        self.names.texts = None
        self.check_kept("lab.test: enforce", tls_mta_sts="require")
        self.check_kept("does not name it (its mx: *.lab.test)", tls_name="localhost", tls_mta_sts_domain="lab.test", refused=True)
        self.assertEqual(sorted(p.name for p in self.kept.parent.iterdir() if p.name.startswith("policy")), ["policy"])

    def test_policy_does_not_wait_for_its_host(self):
        """The one that counts is used, while the newer one does not come."""
        self.check_kept()
        self.names.texts = [b"v=STSv1; id=2;"]
        ended, begun = threading.Event(), threading.Event()
        self.addCleanup(ended.set)
        self.host.answer = lambda: begun.set() or ended.wait() or b""
        daemon = self.start(self.settings(tls_mta_sts_file=self.kept, messages_per_connection=1), wrapper=self.wrapper)
        for name in ("a", "b"):
            self.queue.drop(name, message(to=[self.address()]))
            self.queue.wait_gone(name)
        self.assertTrue(begun.wait(200))
        self.assertEqual(len(self.host.asked), 2)
        self.assertFalse(ended.is_set())
        self.assertEqual(daemon.terminate(), 0)

    def test_newer_policy(self):
        """Once there is a new record the former policy, which allows the relay, is not used any more."""
        self.check_kept()
        self.names.texts = [b"v=STSv1; id=2;"]
        self.set_policy(mx="mail.other.test")
        before = self.kept.read_text()
        daemon = self.start(self.settings(tls_mta_sts_file=self.kept), wrapper=self.wrapper)
        self.queue.drop("a", message(to=[self.address()]))
        self.wait_log(daemon, "does not name it")
        self.assertTrue(self.kept.read_text().startswith("outbox-mta-sts 1 lab.test 2 "))
        self.assertEqual(self.queue.record("a"), [])
        self.assertEqual(daemon.terminate(), 0)
        self.kept.write_text(before)
        self.check_kept("does not name it", refused=True)

    def set_fetched(self, fetched):
        head, _, text = self.kept.read_text().partition("\n")
        self.kept.write_text(" ".join([*head.split()[:-1], str(fetched)]) + "\n" + text)

    def test_time_that_cannot_be(self):
        """Of a clock that was wrong: the policy counts from now on, and its end comes."""
        self.check_kept()
        self.names.texts = None
        for fetched in (int(time.time()) + 400 * 86400, 99999999999, 0):
            self.set_fetched(fetched)
            begun = int(time.time())
            self.check_kept("lab.test: enforce", tls_mta_sts="require")
            written = int(self.kept.read_text().partition("\n")[0].split()[-1])
            self.assertGreaterEqual(written, begun)
            self.assertLessEqual(written, time.time())
        self.set_fetched(int(time.time()) - 86401)
        self.check_kept("no name server tells", tls_mta_sts="require", refused=True)

    def test_policy_that_forbids_is_looked_for_again(self):
        """With a new record, and with one that was forgotten."""
        for texts in ([b"v=STSv1; id=2;"], [b"v=STSv1; id=1;"]):
            self.kept.unlink(missing_ok=True)
            self.names.texts = [b"v=STSv1; id=1;"]
            self.set_policy(mx="mail.other.test")
            self.check_kept("does not name it", refused=True)
            asked = len(self.host.asked)
            self.check_kept("does not name it", refused=True)
            self.assertEqual(len(self.host.asked), asked + 1)
            self.names.texts = texts
            self.set_policy()
            self.check_kept("lab.test: enforce, mx *.lab.test")
            self.set_policy("version: STSv1\nmode: none\nmax_age: 86400\n")
            self.kept.unlink()
            self.check_kept('has the mode "none"', tls_mta_sts="require", refused=True)
            self.set_policy()
            self.check_kept("lab.test: enforce", tls_mta_sts="require")

    def test_policy_ends(self):
        self.check_kept()
        head, _, text = self.kept.read_text().partition("\n")
        words = head.split()
        self.kept.write_text(" ".join([*words[:-1], str(int(words[-1]) - 86401)]) + "\n" + text)
        self.names.texts = []
        self.check_kept("there is no record", tls_mta_sts="require", refused=True)

    def test_file_that_is_none(self):
        for text in ("", "junk", "outbox-mta-sts 1 other.test 1 1700000000\n" + self.policy, "outbox-mta-sts 1 lab.test 1 " + "9" * 60 + "\n",
                     "x" * 70_000, f"outbox-mta-sts 1 lab.test 1 {int(time.time())}\nversion: STSv1\n"):
            self.kept.write_text(text)
            asked = len(self.host.asked)
            self.check_kept("lab.test: enforce", "tls_mta_sts_file: ", "is damaged, or of another domain, and counts as none")
            self.assertEqual(len(self.host.asked), asked + 1)
            self.assertNotIn("is damaged", self.check_kept())
            self.assertTrue(self.kept.read_text().startswith("outbox-mta-sts 1 lab.test 1 "))

    def test_file_that_cannot_be_written(self):
        self.check_kept("lab.test: enforce", "tls_mta_sts_file: cannot keep the policy in", tls_mta_sts_file="/proc/policy")


class Clock(StsTest):
    """The wall clock is set past the policy's max_age, back by years, and right again. Who could keep its host away would
    otherwise only have to wait for that."""

    DAY = 86400
    FORWARD, BACK = 2 * DAY, -20 * 365 * DAY

    def setUp(self):
        super().setUp()
        self.step = self.directory / "step"
        self.wrapper += preload(self.directory, f'#define FLAG "{self.step}"\n' + STEPPED)

    def set_clock(self, seconds):
        new = self.step.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.step)

    def end_policy_host(self):
        self.host.answer = lambda: (500, "text/plain", "")
        self.names.texts = None

    def fetched(self):
        return int(self.kept.read_text().partition("\n")[0].split()[-1])

    def check_kept(self, *words, refused=False):
        check = self.check_refused if refused else self.check
        return check(*words, tls_mta_sts="require", tls_mta_sts_file=self.kept)

    def check_daemon(self, **settings):
        """What is known goes by a clock that nobody sets."""
        daemon = self.start(self.settings(tls_mta_sts="require", messages_per_connection=1, tls_reuse_session=False, **settings),
                            wrapper=self.wrapper)
        for number, seconds in enumerate((0, self.FORWARD, self.BACK, -self.BACK, 0)):
            self.set_clock(seconds)
            self.queue.drop(f"m{number}", message(to=[self.address()]))
            self.queue.wait_gone(f"m{number}")
            self.end_policy_host()
        self.assertEqual(len(self.host.asked), 1)
        self.assertEqual(daemon.terminate(), 0)

    def test_under_a_daemon(self):
        self.check_daemon()

    def test_under_a_daemon_with_a_file(self):
        begun = int(time.time())
        self.check_daemon(tls_mta_sts_file=self.kept)
        self.assertLessEqual(begun, self.fetched())
        self.assertLessEqual(self.fetched(), time.time())
        self.check_kept("lab.test: enforce")

    def test_forward(self):
        """A file that is over by that clock counts as none, but is left alone: it counts when the clock is right again."""
        self.check_kept()
        before = self.kept.read_text()
        self.end_policy_host()
        self.set_clock(self.FORWARD)
        self.check_kept("no name server tells", refused=True)
        self.assertEqual(self.kept.read_text(), before)
        self.set_clock(0)
        self.check_kept("lab.test: enforce", "fetched 0 hours ago")

    def test_back(self):
        """By years, to before outbox was: the file counts, and its time is not one to write down."""
        self.check_kept()
        before = self.kept.read_text()
        self.end_policy_host()
        self.set_clock(self.BACK)
        self.check_kept("lab.test: enforce", "fetched 0 hours ago")
        self.assertEqual(self.kept.read_text(), before)

    def test_fetched_by_a_wrong_clock(self):
        """Once it is right, the policy counts from then on."""
        for seconds in (self.BACK, -self.BACK):
            with self.subTest(seconds):
                self.kept.unlink(missing_ok=True)
                self.names.texts = [b"v=STSv1; id=1;"]
                self.set_clock(seconds)
                self.host.answer = lambda: (200, "text/plain", self.policy)
                self.check_kept("lab.test: enforce")
                self.assertAlmostEqual(self.fetched(), time.time() + seconds, delta=600)
                self.end_policy_host()
                self.set_clock(0)
                self.check_kept("lab.test: enforce", "fetched 0 hours ago")
                self.assertAlmostEqual(self.fetched(), time.time(), delta=600)
                self.set_clock(self.FORWARD)
                self.check_kept("no name server tells", refused=True)


class Daemon(StsTest):
    def test_connections_share_one(self):
        daemon = self.start(self.settings(connections=4, messages_per_connection=1, tls_reuse_session=False, tls_mta_sts="require"),
                            wrapper=self.wrapper)
        for number in range(8):
            self.queue.drop(f"m{number}", message(to=[self.address()]))
        wait_for(lambda: not self.queue.in_state("queued") and not self.queue.in_state("sending"), daemon.output)
        self.assertEqual(len(self.host.asked), 1)

    def test_not_named(self):
        """A fault of the relay: mail waits, and goes once the policy names it."""
        self.set_policy(mx="mail.other.test")
        daemon = self.start(self.settings(), wrapper=self.wrapper)
        self.queue.drop("m", message(to=[self.address()]))
        self.wait_log(daemon, "on hold")
        self.assertIn("stage certificate", daemon.output())
        self.assertIn("does not name it", daemon.output())
        self.assertEqual(self.queue.record("m"), [])
        self.set_policy()
        daemon.terminate()
        self.start(self.settings(), wrapper=self.wrapper)
        self.queue.wait_gone("m")

    def test_relay_is_left_out(self):
        """Then nobody waits for its policy's host any more, which takes 20 s otherwise."""
        begun, gone, times = threading.Event(), threading.Event(), []

        def hang(connection):
            times.append(time.monotonic())
            begun.set()
            try:
                while connection.recv(4096):
                    pass
            finally:
                times.append(time.monotonic())
                gone.set()

        self.host.close()
        self.host = Listener(hang, self.at, 443)
        daemon = self.start(self.settings(), wrapper=self.wrapper)
        self.queue.drop("m", message(to=[self.address()]))
        wait_for(begun.is_set, daemon.output)
        self.configure()
        daemon.reload()
        wait_for(gone.is_set, daemon.output, seconds=60)
        self.assertLess(times[1] - times[0], 19)
        self.queue.wait_gone("m")

    def test_tested_only_is_told(self):
        self.set_policy(ENFORCE.replace("enforce", "testing"), mx="mail.other.test")
        daemon = self.start(self.settings(messages_per_connection=1), wrapper=self.wrapper)
        for name in ("a", "b"):
            self.queue.drop(name, message(to=[self.address()]))
            self.queue.wait_gone(name)
        self.wait_log(daemon, "event=relay-policy")
        self.assertEqual(daemon.output().count("event=relay-policy"), 1)
        self.assertIn("is being tested, does not name mail.lab.test", daemon.output())
