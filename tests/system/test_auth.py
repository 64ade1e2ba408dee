"""Every mechanism, over STARTTLS and over implicit TLS, against Postfix and against Dovecot."""

import dovecot
from case import SystemTest, message
from process import wait_for

TOKEN_MECHANISMS = ("xoauth2", "oauthbearer")


class Auth(SystemTest):
    def check_login(self, relay, mechanism, **settings):
        """Delivers over the relay; Postfix's or Dovecot's log says which mechanism it was."""
        ann = self.address()
        before = self.log_sizes()
        self.start({**relay, "auth": mechanism, **settings})
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)
        expected = f"method={mechanism.upper()}," if mechanism != "auto" else "method="
        wait_for(lambda: expected in self.new_log(before), lambda: self.new_log(before))  # it is written later

    def log_sizes(self):
        return len(self.lab.dovecot.log()), len(self.lab.postfix.log())

    def new_log(self, sizes):
        return self.lab.dovecot.log()[sizes[0] :] + self.lab.postfix.log()[sizes[1] :]

    def dovecot_relay(self, port):
        number = self.lab.dovecot.port[port]
        tls = {"submission": "starttls", "submissions": "implicit"}[port]
        ca = self.lab.certificates.certificate("ca")
        return self.lab.relay(
            number, tls=tls, tls_ca_file=ca, user=dovecot.USER, password=dovecot.PASSWORD
        )

    def test_passwords_over_starttls(self):
        for mechanism in dovecot.PASSWORD_MECHANISMS:
            with self.subTest(mechanism):
                self.check_in_new_queue(self.lab.relay("submission"), mechanism)

    def test_passwords_over_implicit_tls(self):
        for mechanism in dovecot.PASSWORD_MECHANISMS:
            with self.subTest(mechanism):
                self.check_in_new_queue(self.lab.relay("submissions"), mechanism)

    def test_tokens_over_starttls(self):
        for mechanism in TOKEN_MECHANISMS:
            with self.subTest(mechanism):
                relay = self.lab.relay("submission", password=dovecot.token())
                self.check_in_new_queue(relay, mechanism)

    def test_tokens_over_implicit_tls(self):
        for mechanism in TOKEN_MECHANISMS:
            with self.subTest(mechanism):
                relay = self.lab.relay("submissions", password=dovecot.token())
                self.check_in_new_queue(relay, mechanism)

    def test_dovecot_over_starttls(self):
        for mechanism in dovecot.PASSWORD_MECHANISMS:
            with self.subTest(mechanism):
                self.check_in_new_queue(self.dovecot_relay("submission"), mechanism)

    def test_dovecot_over_implicit_tls(self):
        for mechanism in dovecot.PASSWORD_MECHANISMS:
            with self.subTest(mechanism):
                self.check_in_new_queue(self.dovecot_relay("submissions"), mechanism)

    def test_external_by_client_certificate(self):
        relay = self.dovecot_relay("submission")
        del relay["password"], relay["user"]
        self.check_login(
            relay, "external",
            tls_certificate=self.lab.certificates.certificate("alice"),
            tls_key=self.lab.certificates.key("alice"),
        )

    def test_best_mechanism_is_found(self):
        self.check_login(self.lab.relay("submission"), "auto")

    def test_password_file(self):
        path = self.directory / "password"
        path.write_text(dovecot.PASSWORD + "\n", encoding="ascii")
        path.chmod(0o600)
        relay = self.lab.relay("submission", password_file=path)
        del relay["password"]
        self.check_login(relay, "plain")

    def test_password_command(self):
        command = f"echo '{dovecot.PASSWORD}'; echo ignored"
        relay = self.lab.relay("submission", password_command=command)
        del relay["password"]
        self.check_login(relay, "plain")

    def clear_relay(self, **settings):
        return self.lab.relay(
            "login_in_clear", user=dovecot.USER, password=dovecot.PASSWORD, **settings
        )

    def test_no_password_without_tls(self):
        before = self.log_sizes()
        daemon = self.start(self.clear_relay(auth="plain", tls="opportunistic"))
        self.queue.drop("m", message(to=[self.address()]))
        self.wait_log(daemon, "TLS")
        self.assertTrue(self.queue.has("m.queued"))
        self.assertNotIn("method=", self.new_log(before))

    def test_without_tls_a_mechanism_that_hides_the_password_is_chosen(self):
        before = self.log_sizes()
        self.check_login(self.clear_relay(), "auto")
        self.assertRegex(self.new_log(before), "method=(SCRAM|CRAM|DIGEST)-")

    def test_password_without_tls_to_loopback_when_allowed(self):
        self.check_login(self.clear_relay(auth_without_tls=True), "plain")

    def test_wrong_password_is_the_relays_matter(self):
        ann = self.address()
        wrong = self.lab.relay("submission", password="not the password")
        daemon = self.start(wrong)
        self.queue.drop("m", message(to=[ann]))
        self.wait_log(daemon, "535")
        self.assertTrue(self.queue.has("m.queued"))
        self.assertEqual(self.queue.record("m"), [], "a wrong password was held against a message")
        self.configure(self.lab.relay("submission"))
        daemon.reload()
        daemon.flush()
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def check_in_new_queue(self, relay, mechanism):
        self.doCleanups()
        self.setUp()
        self.check_login(relay, mechanism)
