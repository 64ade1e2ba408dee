"""Client certificates out of every kind of store, shown to a Postfix that demands one; what is said of stores
that are of no use; and the server's certificate as `outbox check` shows it."""

import base64
import json
import os
import pathlib
import re
import subprocess

import lab
from case import SystemTest, message
from listener import Listener

PASSWORD = "open sesame"
SLOW_TOKEN = pathlib.Path(__file__).parent.parent / "support" / "slow_token.c"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


class CertificatesTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.certificate = self.lab.certificates.certificate("alice")
        self.key = self.lab.certificates.key("alice")
        self.password = self.write("password", PASSWORD + "\n")

    def write(self, name, text):
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path

    def run_command(self, *command, **options):
        result = subprocess.run([str(c) for c in command], check=False, capture_output=True,
                                stdin=subprocess.DEVNULL, **options)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return result.stdout

    def openssl(self, *arguments):
        return self.run_command("openssl", *arguments)

    def relay(self, **settings):
        return self.lab.relay("client_certificate", **settings)

    def pkcs12(self, *options):
        path = self.write("alice.p12", "")
        self.openssl("pkcs12", "-export", "-in", self.certificate, "-inkey", self.key, "-out", path,
                     "-passout", f"file:{self.password}", *options)
        return path


class ClientCertificate(CertificatesTest):
    """SSLCert: Postfix takes who shows alice's certificate and can sign with its key."""

    def check_accepted(self, **settings):
        self.configure(self.relay(**settings))
        self.outbox("check")

    def check_delivered(self, **settings):
        ann = self.address()
        self.start(self.relay(**settings))
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def test_pkcs12(self):
        self.check_delivered(tls_certificate=self.pkcs12(), tls_key_password_file=self.password)

    def test_pkcs12_with_old_algorithms(self):
        if subprocess.run(["openssl", "list", "-providers", "-provider", "legacy"], capture_output=True,
                          check=False).returncode != 0:
            self.skipTest("OpenSSL's old algorithms are not installed")
        path = self.pkcs12("-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-RC2-40")
        self.check_delivered(tls_certificate=path, tls_key_password_file=self.password)

    def test_encrypted_pem(self):
        path = self.write("alice.key", "")
        self.openssl("pkcs8", "-topk8", "-in", self.key, "-out", path, "-passout", f"file:{self.password}")
        self.check_accepted(tls_certificate=self.certificate, tls_key=path, tls_key_password=PASSWORD)

    def test_der(self):
        certificate, key = self.directory / "alice.der", self.write("alice.key.der", "")
        self.openssl("x509", "-in", self.certificate, "-outform", "DER", "-out", certificate)
        self.openssl("pkey", "-in", self.key, "-outform", "DER", "-out", key)
        self.check_accepted(tls_certificate=certificate, tls_key=key)

    def test_pkcs7_and_jwk(self):
        certificate = self.directory / "alice.p7b"
        self.openssl("crl2pkcs7", "-nocrl", "-certfile", self.certificate, "-out", certificate)
        text = self.openssl("ec", "-in", self.key, "-text", "-noout").decode("ascii")
        numbers = [bytes.fromhex(re.sub("[^0-9a-f]", "", block))
                   for block in re.findall(r"(?:priv|pub):\n((?: +[0-9a-f:]+\n)+)", text)]
        secret, point = numbers[0].lstrip(b"\0").rjust(32, b"\0"), numbers[1]

        def number(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")

        jwk = {"kty": "EC", "crv": "P-256", "x": number(point[1:33]), "y": number(point[33:]), "d": number(secret)}
        self.check_accepted(tls_certificate=certificate, tls_key=self.write("alice.jwk", json.dumps(jwk)))

    def test_ppk(self):
        for name, options in (("old", ("version=2",)), ("new", ("version=3,memory=1024,passes=3",))):
            path = self.write(f"{name}.ppk", "")
            self.run_command("puttygen", self.key, "-O", "private", "-o", path, "--ppk-param", *options,
                             "-P", "--new-passphrase", self.password)
            self.check_accepted(
                tls_certificate=self.certificate, tls_key=path, tls_key_password_file=self.password)

    def test_openssh(self):
        path = self.write("alice.ssh", self.key.read_text(encoding="ascii"))
        self.run_command("ssh-keygen", "-p", "-N", "", "-f", path)
        self.assertIn("OPENSSH", path.read_text(encoding="ascii"))
        self.check_accepted(tls_certificate=self.certificate, tls_key=path)
        pass_phrase = self.password.read_text(encoding="ascii").strip()
        self.run_command("ssh-keygen", "-p", "-N", pass_phrase, "-f", path)
        self.check_accepted(tls_certificate=self.certificate, tls_key=path, tls_key_password_file=self.password)

    def test_directory_and_subject(self):
        """Certificate.Subject, Certificate.ThumbprintSHA1: one of several in a directory."""
        store = self.directory / "store"
        store.mkdir(mode=0o700)
        for name in ("alice", "localhost"):
            (store / f"{name}.pem").write_bytes(self.lab.certificates.certificate(name).read_bytes())
            (store / f"{name}.key").write_bytes(self.lab.certificates.key(name).read_bytes())
        thumbprint = self.openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha1")
        for subject in ("CN=alice", "ALICE", f"Thumbprint={thumbprint.decode().strip().split('=')[1]}"):
            self.check_accepted(tls_certificate=store, tls_certificate_subject=subject)

    def test_store_of_the_user(self):
        store = self.directory / "outbox" / "certificates"
        store.mkdir(mode=0o700, parents=True)
        (store / "alice.p12").write_bytes(self.pkcs12().read_bytes())
        self.configure(self.relay(
            tls_certificate="store:user", tls_certificate_subject="alice", tls_key_password_file=self.password))
        self.outbox("check", env={**os.environ, "XDG_CONFIG_HOME": str(self.directory)})


class TokenTest(CertificatesTest):
    """A token of SoftHSM's with alice's certificate and key."""

    def setUp(self):
        super().setUp()
        tokens = self.directory / "tokens"
        tokens.mkdir(mode=0o700)
        configuration = self.write(
            "softhsm2.conf", f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
        # libp11 leaves something behind when it gave no key.
        self.environment = {**os.environ, "SOFTHSM2_CONF": str(configuration), "ASAN_OPTIONS": "detect_leaks=0"}
        self.pin = self.write("pin", "4711\n")
        module = next(path for path in MODULES if pathlib.Path(path).exists())
        key, der = self.write("alice.pkcs8", ""), self.directory / "alice.der"
        self.openssl("pkcs8", "-topk8", "-nocrypt", "-in", self.key, "-out", key)
        self.openssl("x509", "-in", self.certificate, "-outform", "DER", "-out", der)
        for command in (
            ("softhsm2-util", "--init-token", "--free", "--label", "mail", "--pin", "4711", "--so-pin", "1147"),
            ("softhsm2-util", "--import", key, "--token", "mail", "--label", "alice", "--id", "0a", "--pin", "4711"),
            ("pkcs11-tool", "--module", module, "--login", "--pin", "4711", "--write-object", der, "--type", "cert",
             "--label", "alice", "--id", "0a"),
        ):
            self.run_command(*command, env=self.environment)

    def start_daemon(self, **settings):
        self.configure(self.relay(**settings))
        daemon = lab.Outboxd(self.configuration, self.lab.new_directory(), environment=self.environment)
        self.daemons.append(daemon)
        self.addCleanup(self._end, daemon)
        return daemon


class Token(TokenTest):
    """A key that never leaves its token."""

    def test_certificate_and_key(self):
        ann = self.address()
        self.start_daemon(tls_certificate="pkcs11:token=mail;object=alice", tls_key_password_file=self.pin)
        for name in ("m", "n"):
            self.queue.drop(name, message(to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(2, ann)

    def test_key_alone(self):
        self.configure(self.relay(tls_certificate=self.certificate, tls_key="pkcs11:token=mail;id=%0a",
                                  tls_key_password_file=self.pin))
        self.outbox("check", env=self.environment)

    def test_wrong_pin(self):
        wrong = self.write("wrong", "1234\n")
        self.configure(self.relay(tls_certificate="pkcs11:token=mail;object=alice", tls_key_password_file=wrong))
        result = self.outbox("check", status=None, env=self.environment)
        self.assertEqual(result.returncode, 78, result.stderr)
        self.assertIn("does not take the PIN", result.stderr.decode())
        self.assertNotIn("1234", (result.stdout + result.stderr).decode())


class SlowToken(TokenTest):
    """A token that takes its time, and one that hangs: they hold up their own relay alone."""

    def setUp(self):
        super().setUp()
        module = self.directory / "slow.so"
        self.run_command("cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", module, SLOW_TOKEN)
        self.asked, self.gate, self.logins = (self.directory / name for name in ("asked", "gate", "logins"))
        self.environment.update(
            SLOW_TOKEN_MODULE=next(path for path in MODULES if pathlib.Path(path).exists()),
            SLOW_TOKEN_ASKED=str(self.asked), SLOW_TOKEN_GATE=str(self.gate),
            SLOW_TOKEN_LOGINS=str(self.logins), PKCS11_PROVIDER_MODULE=str(module))
        self.token = {"tls_certificate": self.certificate, "tls_key_password_file": self.pin,
                      "tls_key": f"pkcs11:token=mail;id=%0a?module-path={module}"}

    def start_slow(self, *others, **settings):
        ann = self.address()
        self.configure(self.relay(**self.token, **settings), *others)
        daemon = lab.Outboxd(self.configuration, self.lab.new_directory(), environment=self.environment)
        self.daemons.append(daemon)
        self.addCleanup(self._end, daemon)
        self.queue.drop("m", message(to=[ann]))
        lab.wait_for(self.asked.exists, "a signature that is wanted", 15)
        return daemon, ann

    def check_signs_in_the_end(self, **settings):
        _, ann = self.start_slow(**settings)
        self.gate.touch()
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def test_signs_in_the_end(self):
        self.check_signs_in_the_end()

    def test_signs_in_the_end_with_tls12(self):
        self.check_signs_in_the_end(tls_protocols="TLSv1.2", tls_log_packets=True)

    def test_other_relays_go_on(self):
        _, ann = self.start_slow(self.lab.relay("plain"))
        self.queue.wait_gone("m", seconds=40)
        self.wait_copies(1, ann)
        self.assertFalse(self.gate.exists())

    def test_timeout(self):
        daemon, ann = self.start_slow(timeout=2)
        self.wait_log(daemon, "the token that has the key did not sign for 127.0.0.1 within 2s: check that it answers")
        self.gate.touch()
        daemon.flush()
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def test_reload(self):
        """The connection goes, and the signature that nobody waits for any more comes later."""
        daemon, ann = self.start_slow()
        self.configure(self.lab.relay("plain"))
        daemon.reload()
        self.queue.wait_gone("m", seconds=40)
        self.wait_copies(1, ann)
        self.gate.touch()
        self.assertEqual(daemon.terminate(), 0)

    def test_end(self):
        """What has not signed when the process ends does not keep it."""
        daemon, _ = self.start_slow()
        self.assertEqual(daemon.terminate(), 0)
        self.assertFalse(self.gate.exists())

    def test_failure(self):
        self.gate.write_text("f", encoding="ascii")
        daemon, _ = self.start_slow()
        self.wait_log(daemon, "the token did not sign for 127.0.0.1")
        self.assertNotIn("server's log", daemon.output())

    def test_wrong_pin_is_tried_once(self):
        """A card locks itself after three."""
        self.token["tls_key_password_file"] = self.write("wrong", "9999\n")
        for uri in (self.token["tls_key"], self.token["tls_key"].replace("id=%0a", "object=nothing")):
            self.logins.unlink(missing_ok=True)
            self.configure(self.relay(**{**self.token, "tls_key": uri}))
            result = subprocess.run([lab.program("outboxd"), "--config", self.configuration, "--check"],
                                    capture_output=True, check=False, env=self.environment)
            self.assertEqual(result.returncode, 78, result)
            self.assertIn("does not take the PIN", result.stderr.decode())
            self.assertEqual(self.logins.read_bytes(), b"x")

    def test_wrong_pin_is_not_tried_again(self):
        """Each connection would bring the token nearer to locking itself; another PIN is tried."""
        pin = self.write("wrong", "9999\n")
        connections = []
        listener = Listener(connections.append)
        self.addCleanup(listener.close)
        self.token.update(tls_key_password_file=pin, tls="implicit")
        self.configure(self.lab.relay(listener.port, **self.token))
        daemon = lab.Outboxd(self.configuration, self.lab.new_directory(), environment=self.environment)
        self.daemons.append(daemon)
        self.addCleanup(self._end, daemon)
        self.queue.drop("m", message())
        self.wait_log(daemon, "does not take the PIN")

        def try_again(what, happened):
            def look():
                daemon.flush()
                return happened()
            lab.wait_for(look, what, 15)

        for number in (2, 3, 4):
            try_again("a further try", lambda number=number: len(connections) >= number)
        self.assertEqual(self.logins.read_bytes(), b"x")
        pin.write_text("4711\n", encoding="ascii")
        try_again("the other PIN", lambda: self.logins.read_bytes() == b"xx")

    def test_tool(self):
        self.gate.touch()
        self.configure(self.relay(**self.token))
        self.outbox("check", env=self.environment)
        self.assertTrue(self.asked.exists())
        self.gate.write_text("f", encoding="ascii")
        result = self.outbox("check", status=None, env=self.environment)
        self.assertIn("outbox: 273: relay client_certificate, tls: the token did not sign", result.stderr.decode())


class Mistakes(CertificatesTest):
    """Errors 271, 272, 273 and 281, from `outbox check` and `outboxd --check`."""

    def check_told(self, number, *words, **settings):
        self.configure(self.relay(**settings))
        tool = self.outbox("check", status=None)
        daemon = subprocess.run([lab.program("outboxd"), "--config", self.configuration, "--check"],
                                capture_output=True, check=False)
        self.assertEqual((tool.returncode, daemon.returncode), (78, 78), (tool, daemon))
        self.assertIn(f"outbox: {number}: ", tool.stderr.decode())
        for word in words:
            self.assertIn(word, tool.stderr.decode())
            self.assertIn(word, daemon.stderr.decode())

    def test_not_a_store(self):
        self.check_told(271, "tls_certificate: ", "mail.txt", "of a kind that is known",
                        tls_certificate=self.write("mail.txt", "Dear Ann,\n"))
        store = self.write("store.jks", "")
        store.write_bytes(b"\xfe\xed\xfe\xed\0\0\0\2")
        self.check_told(271, "store.jks", "keytool", tls_certificate=store)

    def test_not_in_the_store(self):
        self.check_told(272, "\"CN=bob\"", "check tls_certificate_subject", tls_certificate=self.pkcs12(),
                        tls_key_password_file=self.password, tls_certificate_subject="CN=bob")

    def test_password(self):
        self.check_told(273, "set tls_key_password_file", tls_certificate=self.pkcs12())
        self.check_told(273, "check tls_key_password", tls_certificate=self.pkcs12(),
                        tls_key_password="Open sesame")

    def test_key_of_another(self):
        self.check_told(273, "tls_key: ", "does not belong to the certificate", tls_certificate=self.certificate,
                        tls_key=self.lab.certificates.key("localhost"))

    def test_without_a_key(self):
        certificate = self.write("alice.pem", self.certificate.read_text(encoding="ascii"))
        self.check_told(281, "CN=alice", "without its private key", "name the key in tls_key",
                        tls_certificate=certificate)

    def test_without_a_certificate(self):
        self.check_told(281, "a key and no certificate", tls_certificate=self.key)

    def test_authorities_that_are_none(self):
        self.configure(self.relay(tls_ca_file=self.key))
        result = self.outbox("check", status=None)
        self.assertIn("outbox: 271: ", result.stderr.decode())
        self.assertIn("holds no certificate", result.stderr.decode())

    def test_chain_missing(self):
        """Error 274: the server does not send who signed it."""
        self.configure(self.lab.relay("chained"))
        result = self.outbox("check", status=None)
        self.assertIn("outbox: 274: ", result.stderr.decode())


class ServerCertificate(CertificatesTest):
    """SSLServerCert, by `outbox check --json`: what openssl(1) says of the same certificate."""

    def setUp(self):
        super().setUp()
        self.configure(self.lab.relay("opportunistic"))
        self.shown = json.loads(self.outbox("check", "--json"))[0]["certificate"]
        self.file = self.lab.certificates.certificate("localhost")

    def say(self, *options):
        return self.openssl("x509", "-in", self.file, "-noout", *options).decode("utf-8").strip()

    def test_names(self):
        """Certificate.Subject, Certificate.Issuer, Certificate.SubjectAltNames, Certificate.SerialNumber"""
        self.assertEqual(self.shown["subject"], "CN=localhost")
        self.assertEqual(self.shown["issuer"], "CN=ca")
        self.assertEqual(self.shown["subject_alt_names"], "localhost,mail.lab.test,127.0.0.1,::1")
        self.assertEqual("serial=" + self.shown["serial_number"], self.say("-serial"))
        self.assertIn("CN = localhost", self.outbox("check"))

    def test_hashes(self):
        """Certificate.Fingerprint, Certificate.FingerprintSHA1, Certificate.FingerprintSHA256"""
        for kind, field in (("md5", "fingerprint"), ("sha1", "fingerprint_sha1"), ("sha256", "fingerprint_sha256")):
            colons = self.say("-fingerprint", f"-{kind}").split("=")[1]
            self.assertEqual(self.shown[field], colons.lower())
            self.assertEqual(self.shown[f"thumbprint_{kind}"], colons.replace(":", ""))

    def test_key(self):
        """Certificate.PublicKey, Certificate.PublicKeyAlgorithm, Certificate.PublicKeyLength"""
        self.assertEqual(self.shown["public_key"].strip(), self.say("-pubkey"))
        self.assertEqual((self.shown["public_key_algorithm"], self.shown["public_key_length"]), ("EC", 256))
        self.assertEqual(self.shown["signature_algorithm"], "ecdsa-with-SHA256")

    def test_use(self):
        """Certificate.EffectiveDate, Certificate.ExpirationDate, Certificate.ExtendedKeyUsage,
        Certificate.Version, Certificate.Encoded"""
        self.assertRegex(self.shown["effective_date"], r"^(31-Dec-2019|01-Jan-2020) \d\d:\d\d:\d\d$")
        self.assertRegex(self.shown["expiration_date"], r"^(31-Dec-2049|01-Jan-2050) \d\d:\d\d:\d\d$")
        self.assertEqual(self.shown["extended_key_usage"], "1.3.6.1.5.5.7.3.1")
        self.assertEqual((self.shown["version"], self.shown["usage_flags"], self.shown["usage"]), ("V3", 0, ""))
        self.assertEqual(self.shown["encoded"].strip(), self.file.read_text(encoding="ascii").strip())
        self.assertNotIn("store", self.shown)

    def test_without_tls(self):
        self.configure(self.lab.relay("plain"))
        self.assertIsNone(json.loads(self.outbox("check", "--json"))[0]["certificate"])
