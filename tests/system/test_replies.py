"""Every reply at every place of a message: it is accepted once, whatever a relay says in between, and none
is lost."""

import itertools

from case import message
from odd_relay import DROP, SILENCE, Bye, RelayTest
from process import wait_for

TO_MAIL = (None, "220 ok", "221 ok", "354 what", "421 closing", "451 later", "530 login", "550 no", "599 no",
           Bye("421 closing"), Bye("221 bye"), DROP)
TO_RCPT = (None, "221 ok", "421 closing", "451 later", "503 no", "550 no", Bye("421 closing"), DROP)
TO_CONTENT = (None, "220 ok", "354 what", "421 closing", "451 later", "554 no", Bye("421 closing"), DROP)
REFUSALS = ("503 no", "530 login", "550 no", "554 no", "599 no")


def name_in(argument):
    """The message that a MAIL is about: its sender is called like it."""
    return argument.split("<", 1)[1].split("@", 1)[0]


class EveryReply(RelayTest):
    seconds = 300

    def relay(self, replies, extensions, times=1):
        """One that says to each message what `replies` has for its name, in that many transactions; then
        it takes it."""
        begun = dict.fromkeys(replies, 0)

        def answer(talk, verb, argument):
            if verb == "MAIL":
                talk.name = name_in(argument)
                begun[talk.name] += 1
            place = {"MAIL": 0, "RCPT": 1, ".": 2, "BDAT": 2}.get(verb)
            return None if place is None or begun[talk.name] > times else replies[talk.name][place]

        return self.odd(answer, extensions=extensions)

    def check(self, combinations, extensions, times=1, **settings):
        replies = {f"m{number}": one for number, one in enumerate(combinations)}
        relay = self.relay(replies, extensions, times)
        for name in replies:
            self.queue.drop(name, message(to=[f"{name}@lab.test"], sender=f"{name}@lab.test"))
        daemon = self.start(
            self.settings(relay, hold_first="10ms", hold_max="10ms", connections=4, **settings),
            retry={"first": "100ms", "max": "100ms"}, spool={"keep_sent": True})
        self.wait_settled()
        for name, said in replies.items():
            copies = relay.copies(f"{name}@lab.test")
            sent = self.queue.has(f"{name}.sent")
            self.assertEqual(copies, int(sent), (extensions, name, said, self.queue.record(name)))
            self.assertEqual(len(self.queue.events(name, "delivered")), copies, (extensions, name, said))
            if not set(said) & set(REFUSALS):
                self.assertTrue(sent, (extensions, name, said, self.queue.record(name)))
        self.assertEqual(daemon.terminate(), 0)

    def wait_settled(self):
        def left():
            return [name for name in self.queue.names() if not name.endswith((".sent", ".failed", ".status"))]

        before = len(left())
        while before > 0:
            wait_for(lambda count=before: len(left()) < count,
                     lambda: f"an end of {[(n, self.queue.record(n.rsplit('.', 1)[0])) for n in left()][:3]}", 30)
            before = len(left())

    def test_once_by_chunks(self):
        self.check(itertools.product(TO_MAIL, TO_RCPT, TO_CONTENT), ("PIPELINING", "CHUNKING"))

    def test_once_by_data(self):
        self.check(itertools.product(TO_MAIL, TO_RCPT, TO_CONTENT), ("PIPELINING",))

    def test_once_without_pipelining(self):
        self.check(itertools.product(TO_MAIL, TO_RCPT, TO_CONTENT), ())

    def test_each_time(self):
        """It refuses or closes each time, only to go on, and accept the message."""
        self.check(itertools.product(
            (None, "220 ok", "221 ok", "354 what", "421 closing", "451 later", "530 login", "550 no", "599 no"),
            (None, "221 ok"), (None, "220 ok", Bye("250 taken, and gone"))),
            ("PIPELINING", "CHUNKING"), times=1000)

    def test_silence(self):
        """421, and nothing more: the same as if it had closed."""
        self.check((("421 closing", SILENCE, None), (None, "421 closing", SILENCE)),
                   ("PIPELINING", "CHUNKING"), timeout="5s", timeout_by_stage=False)

    def test_nobody_is_known_to_have_it(self):
        """421 to every RCPT, and the message is accepted: it counts from the first time on."""
        relay = self.odd(lambda talk, verb, _: "421 closing" if verb == "RCPT" else None,
                         extensions=("PIPELINING", "CHUNKING"))
        daemon = self.start(self.settings(relay, hold_first="10ms"), retry={"first": "1h", "max": "1h"})
        self.drop("m")
        self.queue.wait_state("m", "deferred")
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(len(relay.accepted), 1)
        self.assertIn("may have been delivered", str(self.queue.events("m", "deferred")))


class UsedUp(RelayTest):
    """A relay that takes three messages on a connection, and says so when the fourth comes: it goes at once over the
    next one, and nothing counts against it."""

    LIMITS = {
        "MAIL": "452 4.5.3 Too many recipients: Too many messages sent",  # OpenSMTPD
        "DATA": "451 4.4.5 Maximum number of messages per session exceeded.",  # Stalwart
        "BDAT": "452 4.4.5 Maximum number of messages per session exceeded.",
    }

    def check(self, where, extensions):
        relay = self.odd(lambda talk, verb, argument: self.LIMITS[where] if verb == where and talk.count >= 3 else None,
                         extensions=extensions)
        names = [f"m{number}" for number in range(12)]
        self.drop(*names)
        daemon = self.start(self.settings(relay, connections=1))
        self.queue.wait_gone(*names)
        for name in names:
            self.assertEqual(relay.copies(f"{name}@lab.test"), 1)
        for event in ("deferred", "relay-held", "refused"):
            self.assertNotIn(f"event={event}", daemon.output())
        self.assertGreaterEqual(relay.connections, 4)
        self.assertEqual(daemon.terminate(), 0)

    def test_mail(self):
        self.check("MAIL", ())
        self.check("MAIL", ("PIPELINING",))

    def test_data(self):
        self.check("DATA", ())
        self.check("DATA", ("PIPELINING",))

    def test_chunks(self):
        self.check("BDAT", ("CHUNKING",))
        self.check("BDAT", ("PIPELINING", "CHUNKING"))

    def test_first_message(self):
        """To the first message of a connection it is a verdict."""
        relay = self.odd(lambda talk, verb, argument: self.LIMITS["DATA"] if verb == "DATA" else None)
        self.drop("m")
        self.start(self.settings(relay), retry={"first": "1h", "max": "1h"})
        self.queue.wait_state("m", "deferred")
        self.assertEqual(self.queue.events("m", "deferred")[0]["code"], 451)
