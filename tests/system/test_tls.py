"""A relay that cannot prove who it is gets no message; one that can, does."""

import socket
import ssl
import subprocess
import threading
import unittest

from case import SystemTest, message
from listener import Listener


class Tls(SystemTest):
    def check_delivered(self, relay):
        ann = self.address()
        self.start(relay)
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m")
        return self.wait_copies(1, ann)[0]

    def check_held(self, relay, *words):
        """The relay is put on hold for a reason with these words; the message waits, unblamed."""
        ann = self.address()
        daemon = self.start(relay)
        self.queue.drop("m", message(to=[ann]))
        for word in ("relay-held", *words):
            self.wait_log(daemon, word)
        self.queue.wait_state("m", "queued")
        self.assertEqual(self.queue.record("m"), [])
        self.assertEqual(self.copies(ann), [])

    def test_starttls(self):
        copy = self.check_delivered(self.lab.relay("opportunistic"))
        self.assertIn(" with ESMTPS id ", copy.trace)

    @unittest.skipIf(ssl.OPENSSL_VERSION_INFO < (3, 5), f"ML-KEM comes with OpenSSL 3.5; this is {ssl.OPENSSL_VERSION}")
    def test_hybrid_groups(self):
        """With OpenSSL's choice, alone, and with a key share for another that is offered: Dovecot's own choice is
        the hybrid as well."""
        relay = {**self.lab.relay("submissions"), "port": self.lab.dovecot.port["submissions"]}
        for settings in ({}, {"tls13_groups": "X25519MLKEM768"},
                         {"tls13_groups": "X25519MLKEM768 x25519", "tls13_key_shares": "x25519 X25519MLKEM768"}):
            with self.subTest(settings):
                self.configure({**relay, **settings})
                self.assertRegex(self.outbox("check"), r"cipher .* X25519MLKEM768, [1-9][0-9]* bits")

    def test_server_that_wants_a_small_first_message(self):
        """What it closes the connection for is told, and what is said to be set makes it fit into a packet."""
        sizes = []

        def talk(connection):
            head = connection.recv(5, socket.MSG_WAITALL)
            sizes.append(int.from_bytes(head[3:5], "big"))
            connection.recv(sizes[-1], socket.MSG_WAITALL)

        server = Listener(talk)
        self.addCleanup(server.close)
        relay = {**self.lab.relay("submissions"), "port": server.port}
        for settings in ({}, {"tls13_groups": "x25519 secp256r1 secp384r1"}):
            self.configure({**relay, **settings})
            result = self.outbox("check", status=75)
            self.assertIn("see tls13_groups", result)
        self.assertGreater(sizes[0], sizes[-1])
        self.assertLess(sizes[-1], 1000)

    def test_unknown_authority(self):
        self.check_held(self.lab.relay("stranger"), "certificate", "issuer")

    def test_wrong_name(self):
        self.check_held(self.lab.relay("wrong_name"), "certificate", "127.0.0.1")

    def test_expired(self):
        self.check_held(self.lab.relay("expired"), "certificate", "expired")

    def test_another_name_than_the_host(self):
        self.check_delivered(self.lab.relay("wrong_name", tls_name="other.lab.test"))

    def test_missing_intermediate_is_named(self):
        self.check_held(self.lab.relay("chained"), "middle-ca", "was not sent by the server")

    def test_intermediate_as_an_anchor(self):
        path = self.lab.certificates.certificate("middle-ca")
        self.check_delivered(self.lab.relay("chained", tls_ca_file=path))

    def test_server_s_own_certificate_as_an_anchor(self):
        path = self.lab.certificates.certificate("chained")
        self.check_delivered(self.lab.relay("chained", tls_ca_file=path))

    def test_not_verified_when_told_so(self):
        self.check_delivered(self.lab.relay("expired", tls_verify=False))

    def test_accepted_by_fingerprint(self):
        result = subprocess.run(
            ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in",
             self.lab.certificates.certificate("stranger")],
            capture_output=True, text=True, check=True,
        )
        fingerprint = result.stdout.strip().split("=")[1]
        self.check_delivered(self.lab.relay("stranger", tls_accept_certificate=fingerprint))

    def test_accepted_by_file(self):
        path = self.lab.certificates.certificate("stranger")
        self.check_delivered(self.lab.relay("stranger", tls_accept_certificate=path))

    def test_other_certificate_is_not_accepted(self):
        path = self.lab.certificates.certificate("localhost")
        self.check_held(self.lab.relay("stranger", tls_accept_certificate=path), "certificate")

    def test_client_certificate(self):
        self.check_delivered(
            self.lab.relay(
                "client_certificate",
                tls_certificate=self.lab.certificates.certificate("alice"),
                tls_key=self.lab.certificates.key("alice"),
            )
        )

    def test_without_the_client_certificate(self):
        self.check_held(self.lab.relay("client_certificate"), "certificate")

    def test_starttls_is_required(self):
        self.check_held(self.lab.relay("plain", tls="starttls"), "STARTTLS")

    def test_opportunistic_without_offer(self):
        self.check_delivered(self.lab.relay("plain", tls="opportunistic"))

    def test_opportunistic_with_any_certificate(self):
        copy = self.check_delivered(self.lab.relay("stranger", tls="opportunistic"))
        self.assertIn(" with ESMTPS id ", copy.trace)

    def test_opportunistic_without_a_protocol_in_common(self):
        copy = self.check_delivered(
            self.lab.relay("modern", tls="opportunistic", tls_protocols="TLSv1.2")
        )
        self.assertIn(" with ESMTP id ", copy.trace)

    def test_port_that_speaks_tls_first(self):
        relay = self.lab.relay("submissions", tls="starttls", tls_verify=True)
        self.check_held(relay, "waits for TLS to begin", "implicit")

    def test_nothing_injected_after_starttls_counts(self):
        """A reply that came before the handshake, in clear, must not be taken for one after it."""
        seen, over = [], threading.Event()

        def talk(connection):
            connection.settimeout(200)
            connection.sendall(b"220 trap ESMTP\r\n")
            connection.recv(1000)
            connection.sendall(b"250-trap\r\n250 STARTTLS\r\n")
            connection.recv(1000)
            connection.sendall(b"220 go on\r\n250-trap\r\n250 AUTH PLAIN\r\n")
            try:
                seen.append(connection.recv(1000))
            except OSError:
                seen.append(b"")
            over.set()

        server = Listener(talk)
        self.addCleanup(server.close)
        daemon = self.start(self.lab.relay(server.port, tls="starttls", tls_verify=False))
        self.queue.drop("m", message(to=[self.address()]))
        self.assertTrue(over.wait(SystemTest.seconds), daemon.output())
        self.assertEqual(len(seen), 1)
        self.assertNotIn(b"EHLO", seen[0])
        self.wait_log(daemon, "STARTTLS")
        self.queue.wait_state("m", "queued")
