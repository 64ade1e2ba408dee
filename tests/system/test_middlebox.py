"""Relays behind firewalls that know less of SMTP than they let through, and servers of another age: what
is refused of a command says nothing of a message, so that every one is delivered."""

import threading

from case import message
from odd_relay import DROP, SILENCE, UNANSWERED, Bye, OddRelay, RelayTest, Talk
from process import wait_for


class Reading(Talk):
    """Does not know BDAT: reads what follows it as commands, as it came."""

    reply = "500 5.5.1 unknown command"

    def bdat(self, argument):
        self.answer("BDAT", argument, self.reply)

    def command(self, verb, argument):
        if verb in ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "QUIT", "NOOP"):
            super().command(verb, argument)
        else:
            self.answer("JUNK", argument, "500 5.5.1 unknown command")


class Swallowing(Talk):
    """A firewall takes BDAT and what follows it away."""

    def bdat(self, argument):
        self.stream.read(int(argument.split()[0]))
        self.answer("BDAT", argument, UNANSWERED)


class ReadingRelay(OddRelay):
    talk = Reading


class SwallowingRelay(OddRelay):
    talk = Swallowing


class Nobody(Reading):
    """Does not take a chunk away that it refuses."""

    class Relay(OddRelay):
        pass

    def answer(self, verb, argument, usual, message=None):
        if verb == "RCPT" and argument.startswith("nobody"):
            usual = "550 5.1.1 unknown"
        return super().answer(verb, argument, usual, message)

    def bdat(self, argument):
        if self.recipients:
            Talk.bdat(self, argument)
        else:
            self.answer("BDAT", argument, "503 5.5.1 no recipients")


Nobody.Relay.talk = Nobody


class Middlebox(RelayTest):
    def relay(self, kind, *extensions, answer=lambda *_: None):
        relay = kind(answer, extensions=("PIPELINING", *extensions))
        self.addCleanup(relay.close)
        return relay

    def deliver(self, relay, *names, parameters="", recipient_parameters="", **settings):
        """All arrive, with nothing failed, and by the way the relay takes; the daemon's log."""
        for name in names:
            content = message(to=[f"{name}@lab.test"]).replace(
                b"X-Sender: <shop@lab.test>", b"X-Sender: <shop@lab.test>" + parameters.encode(), 1)
            content = content.replace(b"@lab.test>\nFrom", b"@lab.test>" + recipient_parameters.encode() +
                                      b"\nFrom", 1)
            self.queue.drop(name, content)
        settings.setdefault("hold_first", "50ms")
        daemon = self.start(self.settings(relay, hold_max="100ms", connections=1, **settings),
                            retry={"first": "100ms", "max": "200ms"}, spool={"keep_sent": True})
        wait_for(lambda: all(self.queue.has(f"{name}.sent") for name in names),
                 lambda: f"all sent: {self.queue.names()}\n{daemon.output()}", 30)
        self.assertEqual(daemon.terminate(), 0)
        return daemon.output()

    def test_bdat_is_unknown(self):
        for reply in ("500 what?", "502 5.5.1 not implemented", "503 bad sequence", "504 no", "501 syntax"):
            with self.subTest(reply):
                relay = self.relay(type("R", (ReadingRelay,), {"talk": type("T", (Reading,), {"reply": reply})}),
                                   "CHUNKING")
                names = [f"a{reply[:3]}{i}" for i in range(5)]
                log = self.deliver(relay, *names)
                self.assertIn('discard_ehlo_keywords = "CHUNKING"', log)
                self.assertLessEqual(relay.said("BDAT"), 2)
                self.assertLessEqual(relay.connections, 2)

    def test_content_is_read_as_commands_behind_a_refusal(self):
        """What it answers to the lines of a message that nobody takes is not said of the next one."""
        relay = self.relay(Nobody.Relay, "CHUNKING")
        self.queue.drop("bad", message(to=["nobody@lab.test"]))
        for name in "ab":
            self.queue.drop(name, message(to=[f"{name}@lab.test"]))
        daemon = self.start(self.settings(relay, connections=1, hold_first="50ms"))
        self.wait_taken(relay, "a", "b")
        wait_for(lambda: self.queue.has("bad.failed"), lambda: self.queue.names())
        self.assertEqual(daemon.terminate(), 0)

    def test_bdat_is_never_answered(self):
        relay = self.relay(SwallowingRelay, "CHUNKING")
        self.deliver(relay, "a", "b", "c", timeout="5s", timeout_by_stage=False)
        self.assertEqual({n for n, verb in relay.verbs if verb == "BDAT"}, {1})

    def test_bdat_is_never_used_where_it_is_left_alone(self):
        relay = self.relay(ReadingRelay, "CHUNKING", "SIZE")
        self.deliver(relay, "a", discard_ehlo_keywords="chunking, size")
        self.assertEqual(relay.said("BDAT"), 0)

    def test_send_tries_again_by_itself(self):
        relay = self.relay(ReadingRelay, "CHUNKING")
        self.configure(self.settings(relay))
        self.outbox("send", stdin=message(to=["a@lab.test"]))
        self.assertEqual(relay.copies("a@lab.test"), 1)


    def test_parameters(self):
        for refused, offered in ((" SIZE=", "SIZE"), (" BODY=", "8BITMIME"), (" RET=", "DSN"),
                                 (" NOTIFY=", "DSN"), (" ORCPT=", "DSN")):
            for code in (500, 501, 502, 504, 555):
                with self.subTest(f"{code} to {refused}"):
                    self.refuse_parameter(refused, offered, code)

    def refuse_parameter(self, refused, offered, code):
        def answer(talk, verb, argument):
            if verb in ("MAIL", "RCPT") and refused in talk.line:
                return f"{code} 5.5.4 no such thing"
            return None

        relay = self.relay(SeeingRelay, "SIZE 100000", "8BITMIME", "DSN", answer=answer)
        names = [f"{refused.strip(' =').lower()}{code}{i}" for i in range(3)]
        log = self.deliver(relay, *names, parameters=" RET=HDRS BODY=8BITMIME",
                           recipient_parameters=" NOTIFY=FAILURE ORCPT=rfc822;x@lab.test")
        self.assertIn("discard_ehlo_keywords", log)
        self.assertIn(offered, log)
        self.assertLessEqual(sum(refused in line for line in relay.lines), 2, "it is remembered")

    def test_what_it_refuses_is_remembered_with_the_next_connection(self):
        def answer(talk, verb, argument):
            return "555 unsupported option SIZE" if verb == "MAIL" and " SIZE=" in talk.line else None

        relay = self.relay(SeeingRelay, "SIZE", "DSN", answer=answer)
        self.deliver(relay, "a", "b", "c", messages_per_connection=1, parameters=" RET=HDRS")
        self.assertEqual(sum(" SIZE=" in line for line in relay.lines), 1)
        self.assertEqual(sum(" RET=" in line for line in relay.lines), 4, "only what the reply speaks of")

    def test_no_message_fails_where_mail_is_not_known(self):
        """A relay that knows no MAIL, or wants something else first, is at fault; no message fails."""
        for reply in ("502 5.5.1 not implemented", "503 5.5.1 authenticate first"):
            with self.subTest(reply):
                works = []
                relay = self.relay(
                    OddRelay,
                    answer=lambda _, verb, __, reply=reply: reply if verb == "MAIL" and not works else None)
                for i in range(4):
                    self.queue.drop(f"m{reply[:3]}{i}", message(to=[f"m{reply[:3]}{i}@lab.test"]))
                daemon = self.start(self.settings(relay, hold_first="50ms", hold_max="100ms"))
                wait_for(lambda: relay.said("MAIL") >= 6, "a few tries")
                self.assertFalse([n for n in self.queue.names() if n.endswith(".failed")])
                works.append(True)
                self.wait_taken(relay, *[f"m{reply[:3]}{i}@lab.test"[:5] for i in range(4)])
                self.assertEqual(daemon.terminate(), 0)


class SeeingTalk(Talk):
    line = ""
    nested = False

    def answer(self, verb, argument, usual, message=None):
        """Without MAIL there is no RCPT."""
        if verb in ("RCPT", "DATA") and not self.nested:
            usual = "503 5.5.1 MAIL first"
        code = super().answer(verb, argument, usual, message)
        if verb == "MAIL":
            self.nested = code == 250
        return code

    def command(self, verb, argument):
        self.line = f"{verb} {argument}"
        self.relay.lines.append(self.line)
        super().command(verb, argument)


class SeeingRelay(OddRelay):
    talk = SeeingTalk

    def __init__(self, *arguments, **options):
        self.lines = []
        super().__init__(*arguments, **options)


class OldServer(RelayTest):
    """EHLO is refused, and the connection closed: HELO is said with the next one. Likewise where it is
    closed without a word."""

    def relay(self, reply, end=Bye):
        return self.odd(lambda _, verb, __: end(reply) if verb == "EHLO" else None)

    def test_closes(self):
        self.check_helo(self.relay("502 5.5.1 not implemented"))

    def test_closes_without_a_word(self):
        self.check_helo(self.odd(lambda _, verb, __: DROP if verb == "EHLO" else None))

    def check_helo(self, relay):
        self.drop("a", "b")
        daemon = self.start(self.settings(relay, connections=1))
        self.wait_taken(relay, "a", "b")
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(relay.connections, 2)
        self.assertNotIn("on hold", daemon.output())

    def test_closes_for_another_reason(self):
        """Then EHLO is said again the next time: without it there are no extensions."""
        down = threading.Event()
        down.set()
        relay = self.odd(lambda _, verb, __: DROP if down.is_set() and verb in ("EHLO", "HELO") else None)
        self.drop("a")
        daemon = self.start(self.settings(relay, hold_first="1h", hold_max="1h"))
        self.wait_log(daemon, "on hold")
        self.assertEqual([verb for _, verb in relay.verbs if verb != "CONNECT"], ["EHLO", "HELO"])
        down.clear()
        daemon.flush()
        self.wait_taken(relay, "a")
        self.assertEqual(relay.said("HELO"), 1)

    def test_closes_after_it_has_taken_ehlo(self):
        """As servers do that have enough connections."""
        relay = self.odd(lambda talk, verb, _: DROP if verb == "EHLO" and talk.number > 1 else None)
        self.drop("a")
        daemon = self.start(self.settings(relay, messages_per_connection=1))
        self.wait_taken(relay, "a")
        self.drop("b")
        self.wait_log(daemon, "on hold")
        self.assertEqual(relay.said("HELO"), 0)

    def test_tls_or_a_login_is_required(self):
        for settings in ({"tls": "starttls"}, {"user": "a", "password": "b", "auth_without_tls": True}):
            with self.subTest(**settings):
                relay = self.odd(lambda _, verb, __: DROP if verb == "EHLO" else None)
                self.configure(self.settings(relay, **settings))
                result = self.outbox("check", status=None)
                self.assertEqual(result.returncode, 75)
                self.assertIn(b"without EHLO there is neither TLS nor a login", result.stderr)
                self.assertEqual(relay.said("HELO"), 0)

    def test_check_and_send(self):
        relay = self.relay("500 what?")
        self.configure(self.settings(relay))
        self.assertIn("ok", self.outbox("check"))
        self.outbox("send", stdin=message(to=["a@lab.test"]))
        self.assertEqual(relay.copies("a@lab.test"), 1)

    def test_what_it_said_is_told_where_helo_does_not_help(self):
        relay = self.odd(lambda _, verb, __: Bye("554 5.7.1 your network is not wanted here")
                         if verb in ("EHLO", "HELO") else None)
        self.configure(self.settings(relay))
        result = self.outbox("check", status=None)
        self.assertIn(b"your network is not wanted here", result.stderr)

    def test_closed_behind_ehlo_each_time(self):
        def answer(_, verb, __):
            return {"EHLO": Bye("554 5.7.1 not wanted"), "HELO": DROP}.get(verb)

        relay = self.odd(answer)
        self.configure(self.settings(relay))
        result = self.outbox("check", status=None)
        self.assertIn(b"554 5.7.1 not wanted", result.stderr)


class Said(RelayTest):
    """What a server said is what is told, whatever becomes of the connection."""

    def record_of(self, answer, extensions, name):
        relay = self.odd(answer, extensions=extensions)
        self.drop(name)
        daemon = self.start(self.settings(relay, hold_first="1h", hold_max="1h"))
        self.wait_log(daemon, "on hold")
        self.assertEqual(daemon.terminate(), 0)
        return daemon.output()

    def test_login_required_at_mail(self):
        for number, extensions in enumerate(((), ("PIPELINING",), ("PIPELINING", "CHUNKING"), ("CHUNKING",))):
            for end in (str, Bye):
                with self.subTest(f"{extensions} {end.__name__}"):
                    log = self.record_of(
                        lambda _, verb, __, end=end: end("530 5.7.0 log in") if verb == "MAIL" else None,
                        extensions, f"m{number}{end.__name__}")
                    self.assertIn("530 5.7.0 log in", log)
                    self.assertNotIn("may have been delivered", log)
                    self.assertNotIn("closed the connection", log)


class Quit(RelayTest):
    """QUIT is said to a server that can still hear it."""

    def check(self, answer, **settings):
        relay = self.odd(answer, extensions=("AUTH PLAIN",))
        self.configure(self.settings(relay, auth_without_tls=True, **settings))
        self.assertNotEqual(self.outbox("check", status=None).returncode, 0)
        wait_for(lambda: relay.verbs[-1][1] == "QUIT", lambda: f"QUIT: {relay.verbs}")

    def test_after_a_login_that_failed(self):
        self.check(lambda _, verb, __: "535 5.7.8 no" if verb == "AUTH" else None, user="a", password="b")

    def test_after_ehlo_was_refused(self):
        self.check(lambda _, verb, __: "554 5.7.1 no" if verb in ("EHLO", "HELO") else None)

    def test_after_a_greeting_that_refuses(self):
        self.check(lambda _, verb, __: "554 5.7.1 no" if verb == "CONNECT" else None)

    def test_where_the_login_cannot_be_done(self):
        self.check(lambda *_: None, user="a", password="b", auth="cram-md5")
