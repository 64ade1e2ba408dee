"""outbox send, and the relays that it asks one after the other."""

from case import message
from odd_relay import DROP, SILENCE, RelayTest


class AnotherRelay(RelayTest):
    """`outbox send` asks the next relay, unless the message may have been delivered."""

    def send(self, at, reply, **settings):
        bad = self.odd(lambda talk, verb, _: reply if verb == at else None)
        good = self.odd()
        self.configure(self.settings(bad, name="bad", timeout="3s", timeout_by_stage=False, **settings),
                       self.settings(good, name="good"))
        done = self.outbox("send", "ann@lab.test", stdin=message(envelope=False), status=None)
        return done, good

    def test_nothing_can_have_been_delivered(self):
        for at in ("MAIL", "RCPT", "DATA"):
            for reply in (DROP, "hello", SILENCE):
                for pipelining in (True, False):
                    with self.subTest(at, reply=reply, pipelining=pipelining):
                        done, good = self.send(at, reply, pipelining=pipelining)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.assertIn(f"relay bad, {at.lower()}".encode(), done.stderr)
                        self.assertEqual(len(good.accepted), 1)

    def test_it_may_have_been_delivered(self):
        done, good = self.send(".", DROP)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertEqual(len(good.accepted), 0)
