"""What is asked about a server's certificate beside its chain and name: whether it was revoked, of who signed it;
and how long it still holds."""

import datetime
import hashlib
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import threading

import lab
from case import SystemTest, message
from listener import Listener
from process import free_port, wait_for
from servers import ServerTest


class Responder:
    """Answers for the laboratory's authority, by OCSP and with its list, and notes the paths it was asked for."""

    def __init__(self, certificates):
        self.asked = []
        responder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body):
                responder.asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                self.answer(certificates.ocsp(self.rfile.read(int(self.headers["Content-Length"]))))

            def do_GET(self):
                self.answer(certificates.crl())

            def log_message(self, *_):
                pass

        self.port = free_port()
        self._server = http.server.HTTPServer(("127.0.0.1", self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Revocation(ServerTest):
    """SSLCheckOCSP, SSLCheckCRL: an Exim whose certificate says where to ask."""

    def setUp(self):
        super().setUp()
        self.certificates = self.lab.certificates
        self.responder = Responder(self.certificates)
        self.addCleanup(self.responder.close)

    def serve(self, url=None, **options):
        name = f"asked-{self.id()}"
        self.certificates.asked(name, url or self.responder.url)
        if options:
            path = self.certificates.directory / f"{name}.answer"
            path.write_bytes(self.certificates.ocsp(name=name))
            options = {key: path for key in options}
        self.exim(certificate=name, options=options)
        return name

    def secure(self, **settings):
        return self.relay(tls="starttls", tls_ca_file=self.certificates.certificate("ca"), **settings)

    def check_delivered(self, **settings):
        self.send(message(to=[self.address()]), self.secure(**settings))

    def check_refused(self, *words, **settings):
        said = self.send(message(to=[self.address()]), self.secure(**settings), status=75)
        for word in ("280: ", *words):
            self.assertIn(word, said)
        self.assertNotIn("MAIL FROM", said)

    def test_responder_that_hangs(self):
        ended = threading.Event()
        silent = Listener(lambda connection: ended.wait())
        self.addCleanup(silent.close)
        self.addCleanup(ended.set)
        server = f"the OCSP responder http://127.0.0.1:{silent.port}"
        self.serve(url=f"http://127.0.0.1:{silent.port}")
        settings = self.secure(tls_check_ocsp="require", name="mail", hold_first="1s", hold_max="1s")
        daemon = self.start(settings)
        self.queue.drop("m", message(to=[self.address()]))
        self.check_waits(daemon, "certificate", server, 'tls_check_ocsp = "off" does without')
        said = self.outbox("check", status=None)
        said = said.stdout.decode() + said.stderr.decode()
        self.assertIn("FAILED at certificate", said)
        self.assertIn(f"127.0.0.1:{silent.port}", said)
        self.assertNotIn("name service", said)

    def test_a_good_certificate(self):
        self.serve()
        self.check_delivered(tls_check_ocsp="require", tls_check_crl="require")
        self.assertEqual(self.responder.asked, ["/ocsp", "/crl"])

    def test_a_revoked_certificate(self):
        self.certificates.revoke(self.serve())
        self.check_refused("it was revoked on", tls_check_ocsp="try")
        self.check_refused("it was revoked on", tls_check_crl="try")
        self.check_delivered()

    def test_an_answer_that_comes_along(self):
        self.serve(tls_ocsp_file=True)
        self.check_delivered(tls_check_ocsp="require")
        self.assertEqual(self.responder.asked, [])

    def test_nobody_there(self):
        self.serve(url=f"http://127.0.0.1:{free_port()}")
        self.check_delivered(tls_check_ocsp="try", tls_check_crl="try")
        self.check_refused("cannot be told", "Connection refused", tls_check_ocsp="require")
        self.check_refused("cannot be told", "Connection refused", tls_check_crl="require")

    def test_the_daemon_asks_once(self):
        self.serve()
        daemon = self.start(self.secure(tls_check_ocsp="require", tls_reuse_session=False, messages_per_connection=1))
        ann = self.address()
        for number in range(3):
            self.queue.drop(f"m{number}", message(to=[ann]))
            self.queue.wait_gone(f"m{number}")
        self.wait_copies(3, ann)
        self.assertEqual(self.responder.asked, ["/ocsp"])
        self.assertNotIn("relay-held", daemon.output())


class NameServer:
    """Says of every name's TLSA records what it is told, and that all of it is authentic, or not."""

    ADDRESS = "127.0.0.77"  # its port has to be 53

    def __init__(self, record, authentic=True):
        self._record, self._authentic = record, authentic
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.ADDRESS, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _answer(self, query):
        end = query.index(b"\0", 12) + 5  # of the question, which is repeated
        asked = query[12:end]
        tlsa = asked[-4:-2] == b"\0\x34"
        answer = b"\xc0\x0c" + asked[-4:] + struct.pack(">IH", 300, len(self._record)) + self._record
        flags = 0x81A0 if self._authentic else 0x8180
        return query[:2] + struct.pack(">HHHHH", flags, 1, int(tlsa), 0, 0) + asked + (answer if tlsa else b"")

    def _serve(self):
        while True:
            query, peer = self._socket.recvfrom(4096)
            if not query:
                return
            self._socket.sendto(self._answer(query), peer)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", (self.ADDRESS, 53))
        self._thread.join()
        self._socket.close()


class Dane(ServerTest):
    """An Exim whose authority nobody trusts, and a name server on this host that is the only one."""

    def setUp(self):
        super().setUp()
        lab.need_namespace("mount")
        self.exim(certificate="stranger")

    def check(self, status, *words, of="stranger", authentic=True, dane="require"):
        der = ssl.PEM_cert_to_DER_cert(self.lab.certificates.certificate(of).read_text(encoding="ascii"))
        server = NameServer(b"\3\0\1" + hashlib.sha256(der).digest(), authentic)
        try:
            self.configure(self.relay(tls="starttls", tls_name="relay.lab.test", tls_dane=dane))
            resolv = self.queue.path.parent / "resolv.conf"
            resolv.write_text(f"nameserver {server.ADDRESS}\noptions timeout:2\n", encoding="ascii")
            result = subprocess.run(
                [
                    "unshare", "-m", "sh", "-c", 'mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"',
                    resolv, lab.program("outbox"), "--config", self.configuration, "send", "-v",
                ],
                input=message(to=[self.address()]), capture_output=True, check=False,
            )
        finally:
            server.close()
        said = result.stdout.decode() + result.stderr.decode()
        self.assertEqual(result.returncode, status, said)
        for word in words:
            self.assertIn(word, said)

    def test_what_a_signed_record_names(self):
        self.check(0, "TLSA records: 1 of use", "TLSv1")

    def test_what_it_does_not_name(self):
        self.check(75, "280: ", "not what the TLSA records", of="localhost")

    def test_what_nobody_has_signed(self):
        self.check(75, "274: ", "TLSA records: 0 of use", authentic=False, dane="try")


class Expiry(SystemTest):
    def setUp(self):
        super().setUp()
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=10, hours=12)
        self.name = f"ending-{os.getpid()}-{self.id()}"
        self.lab.certificates.ending(self.name, "client", end.strftime("%Y%m%d%H%M%SZ"))
        self.relay = self.lab.relay(
            "client_certificate",
            tls_certificate=self.lab.certificates.certificate(self.name),
            tls_key=self.lab.certificates.key(self.name),
            messages_per_connection=1,
        )

    def test_the_daemon_tells_once_a_day(self):
        daemon = self.start(self.relay)
        for number in range(3):
            self.queue.drop(f"m{number}", message(to=[self.address()]))
            self.queue.wait_gone(f"m{number}")
        wait_for(lambda: "event=relay-expires" in daemon.output(), "the warning")
        self.assertEqual(daemon.output().count("event=relay-expires"), 1)
        self.assertIn("our own certificate (tls_certificate) ends on 20", daemon.output())
        self.assertIn(", in 10 days; ", daemon.output())

    def test_outbox_check_tells(self):
        self.configure(self.relay)
        self.assertIn("expiry       our own certificate (tls_certificate) ends on 20", self.outbox("check"))
        found = json.loads(self.outbox("check", "--json"))[0]
        self.assertIn("in 10 days", found["expiring"])

    def test_nothing_is_told_of_what_holds_for_long(self):
        self.configure(self.lab.relay("opportunistic"))
        self.assertNotIn("expiry", self.outbox("check"))
        found = json.loads(self.outbox("check", "--json"))[0]
        self.assertIsNone(found["expiring"])


class Shown(SystemTest):
    """SSLNegotiatedVersion and its like: outbox check shows what was negotiated, and the chain."""

    def test_negotiated(self):
        self.configure(self.lab.relay("opportunistic", tls_ciphers="TLS_AES_256_GCM_SHA384", tls13_groups="secp256r1"))
        said = self.outbox("check")
        self.assertIn("cipher       aes-256-gcm, 256 bits; ECDHE secp256r1, 256 bits", said)
        found = json.loads(self.outbox("check", "--json"))[0]
        self.assertEqual(
            found["negotiated"],
            {
                "version": "TLSv1.3", "suite": "TLS_AES_256_GCM_SHA384", "cipher": "aes-256-gcm", "cipher_bits": 256,
                "key_exchange": "ECDHE", "group": "secp256r1", "key_exchange_bits": 256, "resumed": False,
            },
        )
        self.assertIn("-----BEGIN CERTIFICATE-----", found["chain"])

    def test_packets(self):
        """LogSSLPackets"""
        self.configure(self.lab.relay("opportunistic", tls_log_packets=True))
        said = self.outbox("check", "-v", status=None).stderr.decode()
        self.assertIn("TLS: sent handshake client_hello, ", said)
        self.assertIn("TLS: received handshake certificate, ", said)

    def test_wrong_names(self):
        """SSLEnabledCipherSuites and its like are judged without a connection."""
        for setting, value, word in (
            ("tls_ciphers", "TLS_AES_256_GCM_SHA348", "did you mean"),
            ("tls13_groups", "x25591", "did you mean"),
            ("tls12_signature_algorithms", "sha265-rsa", "did you mean"),
            ("tls_provider", "no/such", "no provider's name"),
            ("tls_check_ocsp", "always", "require"),
            ("tls_security_flags", "0x4000", "Microsoft"),
        ):
            with self.subTest(setting):
                self.configure(self.lab.relay("opportunistic", **{setting: value}))
                result = self.outbox("check", status=None)
                self.assertEqual(result.returncode, 78)
                self.assertIn(setting, result.stderr.decode())
                self.assertIn(word, result.stderr.decode())
