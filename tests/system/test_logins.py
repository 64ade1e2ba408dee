"""What a relay offers to log in with and what it does then are two things: the login goes on with the next
way that makes sense, in one connection where the relay lets it, and with no more failures than it takes."""

import hashlib
import json
import signal
import ssl
import time

from case import message
from odd_relay import DROP, SILENCE, Bye, RelayTest, Slow
from scram_relay import PASSWORD, USER, ScramRelay
from process import wait_for


class Logins(RelayTest):
    def relay(self, mechanisms, tls=None, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            self.lab.certificates.certificate("localhost"), self.lab.certificates.key("localhost"))
        if tls:
            context.maximum_version = tls
        relay = ScramRelay(mechanisms, context=context, **options)
        self.addCleanup(relay.close)
        return relay

    def login(self, relay, **settings):
        return self.settings(relay, tls="implicit", host="localhost", ip_version=0, user=USER,
                             tls_ca_file=self.lab.certificates.certificate("ca"),
                             **{"password": PASSWORD, **settings})

    def deliver(self, relay, *names, **settings):
        for name in names or ("a",):
            self.queue.drop(name, message(to=[f"{name}@lab.test"]))
        daemon = self.start(self.login(relay, **settings), spool={"keep_sent": True})
        wait_for(lambda: all(self.queue.has(f"{name}.sent") for name in names or ("a",)),
                 lambda: f"{relay.tried} {relay.flags}\n{daemon.output()}")
        self.assertEqual(daemon.terminate(), 0)
        return daemon.output()

    def check(self, relay, status, *texts, **settings):
        self.configure(self.login(relay, **settings))
        result = self.outbox("check", status=None)
        self.assertEqual(result.returncode, status, result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr.decode())

    def end_point(self, _=None):
        der = ssl.PEM_cert_to_DER_cert(
            self.lab.certificates.certificate("localhost").read_text(encoding="ascii")
            .split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
        return {"tls-server-end-point": hashlib.sha256(der).digest()}

    @staticmethod
    def unique(connection):
        return {"tls-unique": connection.get_channel_binding("tls-unique")}

    def test_next_mechanism(self):
        for reply in ("504 5.5.4 unrecognized", "534 5.7.9 too weak"):
            with self.subTest(reply):
                relay = self.relay("SCRAM-SHA-256 PLAIN LOGIN", unknown={"SCRAM-SHA-256": reply, "PLAIN": reply})
                self.deliver(relay, reply[:3])
                self.assertEqual(relay.tried[-1], "LOGIN")
                self.assertEqual(relay.connections, 1)

    def test_other_words_for_it(self):
        for reply in ("553 5.3.0 Auth failure", "502 5.5.2 not implemented",
                      "535 5.7.8 Error: authentication failed: Invalid authentication mechanism"):
            with self.subTest(reply):
                relay = self.relay("PLAIN LOGIN", unknown={"PLAIN": reply})
                self.deliver(relay, f"w{reply[:3]}")
                self.assertEqual(relay.tried, ["PLAIN", "LOGIN"])

    def test_password_without_a_challenge(self):
        relay = self.relay("SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN", knows_scram=False)
        self.deliver(relay)
        self.assertEqual(relay.tried, ["SCRAM-SHA-256", "PLAIN"])

    def test_refused_mechanism_is_told_by_check(self):
        self.configure(self.login(self.relay("SCRAM-SHA-256 PLAIN LOGIN", knows_scram=False)))
        said = self.outbox("check")
        self.assertIn("SCRAM-SHA-256: refused by the server\n", said)
        self.assertIn("PLAIN: used\n", said)
        self.assertIn("LOGIN: fits, and was not needed\n", said)
        fits = {one["mechanism"]: one["fits"] for one in json.loads(self.outbox("check", "--json"))[0]["logins"]}
        self.assertEqual((fits["SCRAM-SHA-256"], fits["PLAIN"], fits["LOGIN"]), (False, True, True))

    def test_what_worked_is_remembered(self):
        relay = self.relay("SCRAM-SHA-256 SCRAM-SHA-1 PLAIN", knows_scram=False)
        self.deliver(relay, "a", "b", "c", connections=1, messages_per_connection=1)
        self.assertEqual(relay.tried, ["SCRAM-SHA-256", "PLAIN", "PLAIN", "PLAIN"])

    def test_wrong_password(self):
        relay = self.relay("SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN", bindings=self.end_point)
        self.check(relay, 77, "535 5.7.8 no", "tried SCRAM-SHA-256-PLUS (tls-exporter)", password="wrong")
        self.assertLessEqual(relay.failures, 2)

    def test_wrong_password_after_a_right_one(self):
        relay = self.relay("SCRAM-SHA-256 PLAIN")
        path = self.directory / "password"
        path.write_text(PASSWORD, encoding="ascii")
        path.chmod(0o600)
        self.queue.drop("a", message(to=["a@lab.test"]))
        settings = self.login(relay, messages_per_connection=1, hold_first="1h", hold_max="1h", password_file=path)
        del settings["password"]
        daemon = self.start(settings)
        self.wait_taken(relay, "a")
        relay.password = "another"
        self.queue.drop("b", message(to=["b@lab.test"]))
        self.wait_log(daemon, "on hold")
        self.assertEqual(relay.failures, 1)

    def clear(self, answer, **settings):
        """A relay without TLS that offers PLAIN, and the settings for it. `answer` is its reply to AUTH."""
        relay = self.odd(lambda talk, verb, _: answer(talk) if verb == "AUTH" else None,
                         extensions=("PIPELINING", "AUTH PLAIN"))
        return relay, self.settings(relay, user=USER, password=PASSWORD, auth_without_tls=True,
                                    connections=20, hold_first="1h", hold_max="1h", **settings)

    def test_wrong_password_with_much_to_send(self):
        """Longer than a connection may take to come up before another one is opened beside it."""
        relay, settings = self.clear(lambda _: Slow("535 5.7.8 no", seconds=4))
        self.drop(*(f"m{number}" for number in range(20)))
        daemon = self.start(settings)
        self.wait_log(daemon, "on hold")
        self.assertEqual(relay.said("AUTH"), 1)
        self.assertEqual(relay.connections, 1)
        self.assertIn("stage auth: 535 5.7.8 no", daemon.output())

    def test_password_that_became_wrong(self):
        """After a reload and after everything was to be tried it is said once more, and once."""
        relay, settings = self.clear(lambda _: "535 5.7.8 no")
        self.drop(*(f"m{number}" for number in range(20)))
        daemon = self.start(settings)
        for tries in range(1, 4):
            wait_for(lambda tries=tries: daemon.output().count("on hold") >= min(tries, 2) and
                     relay.said("AUTH") == tries, lambda: f"{relay}\n{daemon.output()}")
            daemon.reload() if tries == 1 else daemon.signal(signal.SIGUSR1)
        wait_for(lambda: relay.said("AUTH") == 4, lambda: str(relay))
        time.sleep(0.5)
        self.assertEqual(relay.said("AUTH"), 4)

    def test_right_password_costs_a_burst_one_login(self):
        relay, settings = self.clear(lambda _: Slow("235 2.7.0 welcome", seconds=5))
        names = [f"m{number}" for number in range(20)]
        self.drop(*names)
        self.start(settings)
        self.wait_taken(relay, *names)
        self.assertGreater(relay.connections, 2)
        in_turn = 5 * (relay.connections - 1)
        self.assertLess(relay.begun[-1] - relay.begun[0], in_turn, "all the others at once")

    def test_server_that_closes(self):
        for number, reply in enumerate(("504 5.5.4 unrecognized", "535 5.7.8 no")):
            relay = self.relay("SCRAM-SHA-256 PLAIN", unknown={"SCRAM-SHA-256": Bye(reply)})
            log = self.deliver(relay, f"m{number}")
            self.assertEqual(relay.tried, ["SCRAM-SHA-256", "PLAIN"])
            self.assertNotIn("on hold", log)

    def test_not_now(self):
        relay = self.relay("SCRAM-SHA-256 PLAIN", unknown={"SCRAM-SHA-256": "454 4.7.0 not now"})
        self.check(relay, 75, "454 4.7.0 not now")
        self.assertEqual(relay.tried, ["SCRAM-SHA-256"])

    def test_silence_behind_a_refusal(self):
        """The last way to log in has no answer yet: it may be taken another time."""
        for end in (SILENCE, DROP, Bye("421 4.7.0 busy")):
            relay = self.relay("SCRAM-SHA-256 PLAIN", knows_scram=False, unknown={"PLAIN": end})
            self.check(relay, 75, timeout=1, timeout_by_stage=False)
            self.assertEqual(relay.tried[:2], ["SCRAM-SHA-256", "PLAIN"])

    def test_bound_to_tls_unique(self):
        relay = self.relay("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN", tls=ssl.TLSVersion.TLSv1_2, bindings=self.unique)
        self.deliver(relay)
        self.assertEqual(relay.flags, ["p=tls-unique"])

    def test_bound_to_the_certificate(self):
        for version, first in ((ssl.TLSVersion.TLSv1_2, "p=tls-unique"), (None, "p=tls-exporter")):
            relay = self.relay("SCRAM-SHA-1-PLUS PLAIN", tls=version, bindings=self.end_point)
            self.deliver(relay, f"m{first[-4:]}")
            self.assertEqual(relay.flags, [first, "p=tls-server-end-point"])
            self.assertEqual(relay.tried, ["SCRAM-SHA-1-PLUS"] * 2)

    def test_binding_is_refused(self):
        relay = self.relay("SCRAM-SHA-256-PLUS SCRAM-SHA-256")
        self.deliver(relay)
        self.assertEqual(relay.flags, ["p=tls-exporter", "p=tls-server-end-point", "n"])

    def test_proxy_in_between(self):
        """The relay sees another certificate than the client does."""
        relay = self.relay("SCRAM-SHA-256-PLUS SCRAM-SHA-256",
                           bindings=lambda _: {"tls-server-end-point": b"x" * 32, "tls-exporter": b"y" * 32})
        self.deliver(relay)
        self.assertEqual(relay.flags, ["p=tls-exporter", "n"])

    def test_hint_at_binding(self):
        relay = self.relay("SCRAM-SHA-256 PLAIN")
        self.deliver(relay)
        self.assertEqual(relay.flags, ["y"])

    def test_hint_that_is_taken_for_an_attack(self):
        """As by Dovecot 2.4 behind Postfix 3.10, which cannot bind and does not offer it."""
        relay = self.relay("SCRAM-SHA-256", refused_flags=("y",))
        self.deliver(relay)
        self.assertEqual(relay.flags, ["y", "n"])

    def test_no_hint_where_the_mechanism_is_named(self):
        relay = self.relay("SCRAM-SHA-256", refused_flags=("y",))
        self.deliver(relay, auth="scram-sha-256")
        self.assertEqual(relay.flags, ["n"])

    def test_hint_that_is_not_understood(self):
        relay = self.relay("SCRAM-SHA-256", refused_flags=("y",), binding_refusal="553 5.5.4 what?")
        self.deliver(relay)
        self.assertEqual(relay.flags, ["y", "n"])
