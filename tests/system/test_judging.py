"""What settings name is judged before a connection needs it: by `outboxd --check`, by a reload, at the start, and
by `outbox check`; without the network, and without asking anybody."""

import os
import signal
import socket
import subprocess

import lab
from case import SystemTest, message
from process import free_port


class JudgingTest(SystemTest):
    def write(self, name, text):
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path

    def silent(self, **settings):
        """A relay that cannot be reached: nobody listens there."""
        return self.lab.relay(free_port(), tls="starttls", tls_ca_file=self.lab.certificates.certificate("ca"),
                              **settings)

    def check(self):
        return subprocess.run([lab.program("outboxd"), "--config", self.configuration, "--check"],
                              capture_output=True, check=False)


class Check(JudgingTest):
    def check_told(self, *words, **settings):
        self.configure({**self.silent(), **settings})
        daemon, tool = self.check(), self.outbox("check", status=None)
        for result in (daemon, tool):
            self.assertEqual(result.returncode, 78, result)
            for word in words:
                self.assertIn(word, result.stderr.decode())
        self.assertNotIn("refused", tool.stderr.decode(), "it was connected to")

    def test_nothing_wrong(self):
        self.configure(self.silent())
        result = self.check()
        self.assertEqual((result.returncode, result.stderr), (0, b""))

    def test_authorities(self):
        self.check_told("tls_ca_file: cannot read certificates", tls_ca_file=self.write("ca.txt", "Dear Ann,\n"))
        pipe = self.directory / "pipe"
        os.mkfifo(pipe)
        self.check_told("tls_ca_file: ", "is a pipe, device or socket", tls_ca_file=pipe)

    def test_secrets(self):
        """Of every source, before anything is connected to."""
        pipe, folder, socket_path = self.directory / "pipe", self.directory / "folder", self.directory / "socket"
        os.mkfifo(pipe, 0o600)
        folder.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(socket_path))
        socket_path.chmod(0o600)
        proxy = {"proxy_type": "tunnel", "proxy_host": "127.0.0.1", "proxy_port": free_port(), "proxy_user": "u"}
        for name, settings in (("password", {"user": "u"}), ("proxy_password", proxy),
                               ("oauth_token_key", {**self.oauth(), "oauth_token_file": self.directory / "tokens"}),
                               ("oauth_client_secret", self.oauth()),
                               ("oauth_refresh_token", {k: v for k, v in self.oauth().items() if k != "oauth_refresh_token"})):
            for path, words in ((pipe, "is not a regular file"), ("/dev/null", "is not a regular file"),
                                (socket_path, "is not a regular file"), (folder, "is a directory"),
                                (self.write("empty", ""), "the first line of"), (self.write("blank", "\nx\n"), "the first line of")):
                with self.subTest(name, path=path):
                    self.check_told(f"{name}_file: ", words, **settings, **{f"{name}_file": path})
            for command, words in (("/no/such/program x", "there is no program /no/such/program,"),
                                   ('"/no/such/program" x', "there is no program /no/such/program,"),
                                   ("no-such-program | head", "there is no program no-such-program in PATH"),
                                   (f"{folder} x", "cannot be run"), (self.write("script", "echo x\n"), "chmod +x")):
                with self.subTest(name, command=command):
                    self.check_told(f"{name}_command: ", words, **settings, **{f"{name}_command": command})

    def oauth(self):
        return {"auth": "xoauth2", "user": "u", "oauth_client_id": "c", "oauth_refresh_token": "r",
                "oauth_token_url": "https://localhost/token"}

    def test_files_of_secrets(self):
        pipe = self.directory / "pipe"
        os.mkfifo(pipe, 0o600)
        for name, settings in (("oauth_token_file", self.oauth()),
                               ("kerberos_keytab", {"auth": "gssapi", "user": "u"})):
            for path, words in ((pipe, "is not a regular file"), (self.write("empty", ""), "is empty")):
                with self.subTest(name, path=path):
                    self.check_told(f"{name}: ", words, **settings, **{name: path})
        self.check_told("tls_certificate: ", "pipe", tls_certificate=pipe, tls_key_password_command="echo x")

    def test_commands_that_cannot_be_told(self):
        """What a shell makes of them, nobody can say without it; and it has words of its own."""
        for command in ("echo x", "$HOME/x", "A=b /no/such", "~/x", "(echo x)", "exec /no/such", "if true; then echo x; fi",
                        "`echo echo` x", "cat /dev/null", "/bin/echo x", "'/bin/echo' x", '/bin/"echo" x'):
            with self.subTest(command):
                self.configure({**self.silent(), "user": "u", "password_command": command})
                self.assertEqual(self.check().returncode, 0)

    def test_reload_and_start(self):
        pipe = self.directory / "pipe"
        os.mkfifo(pipe, 0o600)
        wrong = {**self.silent(), "user": "u", "password_file": pipe}
        daemon = self.start(self.silent())
        self.configure(wrong)
        daemon.signal(signal.SIGHUP)
        self.wait_log(daemon, "password_file: ")
        self.assertIn("is not a regular file", daemon.output())
        self.assertEqual(daemon.terminate(), 0)
        daemon = self.start(wrong)  # which goes on: a file may be there in a moment
        self.wait_log(daemon, "password_file: ")
        self.assertIn("is not a regular file", daemon.output())

    def test_revoked(self):
        self.check_told("tls_crl_file: cannot read lists", tls_check_crl="try",
                        tls_crl_file=self.write("list.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"))

    def test_lists(self):
        self.check_told("tls_ciphers = \"!ALL\"", tls_ciphers="!ALL")
        self.check_told("tls_provider", "nosuch", tls_provider="nosuch")

    def test_own_certificate(self):
        certificate = self.write("alice.pem", self.lab.certificates.certificate("alice").read_text(encoding="ascii"))
        self.check_told("without its private key", tls_certificate=certificate)
        self.check_told("tls_key: ", tls_certificate=certificate, tls_key=self.lab.certificates.key("localhost"))

    def test_key_log(self):
        log = self.directory / "nowhere" / "keys"
        self.check_told("keys\" cannot be written: there is no directory", tls_key_log_file=log)
        log = self.directory / "keys"
        self.configure(self.silent(tls_key_log_file=log))
        self.assertEqual(self.check().returncode, 0)
        self.assertFalse(log.exists())

    def test_example(self):
        self.check_told("host: \"smtp.example.com\" is the name of an example", host="smtp.example.com")

    def test_values(self):
        """What cannot work is refused with the setting's name, and what was meant."""
        for words, settings in (
            (("tls_ciphers: ", "NOPE"), {"tls_ciphers": "NOPE"}),
            (("local_host: ", "300.1.1.1"), {"local_host": "300.1.1.1"}),
            (("tls: ", 'did you mean "starttls"?'), {"tls": "startls"}),
            (("tls: ", '"implicit" from the first byte, on port 465, or "starttls", on port 587'), {"tls": "ssl"}),
            (("auth: ", 'did you mean "cram-md5"?'), {"auth": "crammd5", "user": "a", "password": "b"}),
            (("auth: ", 'did you mean "xoauth2"?'), {"auth": "oauth2", "user": "a", "password": "b"}),
            (("proxy_type: ", 'did you mean "socks5"?'), {"proxy_type": "sock5"}),
            (("auth: ", "would show the password"), {"tls": "none", "auth": "plain", "user": "a", "password": "b"}),
        ):
            with self.subTest(settings=settings):
                self.check_told(*words, **settings)

    def test_certificate_that_has_ended(self):
        certificates = self.lab.certificates
        self.configure(self.silent(tls_certificate=certificates.certificate("expired"),
                                   tls_key=certificates.key("expired")))
        result = self.check()
        self.assertEqual(result.returncode, 0, result)
        self.assertIn("tls_certificate: has ended on", result.stderr.decode())


class Daemon(JudgingTest):
    def relay(self, **settings):
        return self.lab.relay("opportunistic", tls="starttls", **settings)

    def test_reload(self):
        """What is wrong keeps the old configuration, with which mail goes on."""
        ann = self.address()
        daemon = self.start(self.relay())
        self.configure(self.relay(tls_ca_file=self.write("ca.txt", "Dear Ann,\n")))
        daemon.reload()
        self.wait_log(daemon, "the new configuration is not taken, the old one stays")
        self.assertIn("tls_ca_file: cannot read certificates", daemon.output())
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m")
        self.configure(self.relay(name="other"))
        daemon.reload()
        self.wait_log(daemon, "new configuration taken")
        self.queue.drop("n", message(to=[ann]))
        self.queue.wait_gone("n")
        self.wait_log(daemon, "by other")
        self.assertEqual(daemon.terminate(), 0)

    def test_start(self):
        """A file may be there in a moment: it is told of, and mail is taken."""
        ann = self.address()
        authorities = self.write("ca.pem", "Dear Ann,\n")
        daemon = self.start(self.relay(tls_ca_file=authorities))
        self.wait_log(daemon, "tls_ca_file: cannot read certificates")
        authorities.write_bytes(self.lab.certificates.certificate("ca").read_bytes())
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def test_many_reloads(self):
        """The last one counts, and one that is cut off by the end is of no harm."""
        daemon = self.start(self.relay())
        for i in range(20):
            self.configure(self.relay(name=f"relay-{i}"))
            daemon.signal(1)
        self.wait_log(daemon, "by way of relay-19")
        daemon.signal(1)
        self.assertEqual(daemon.terminate(), 0)
