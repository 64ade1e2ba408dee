"""Relays that are at fault, and messages that relays stumble over: each is told from the other, and
nothing waits for what is neither."""

import json
import os
import subprocess
import threading
import time

from case import message
from odd_relay import DROP, SILENCE, Bye, RelayTest, Slow
from process import wait_for

RETRY = {"first": "1h", "max": "1h"}
GOOD = [f"good{number}" for number in range(6)]
CLOSING = Bye("421 4.3.2 closing for now")
SHORT = {"timeout": "4s", "timeout_by_stage": False}  # for servers that say nothing


def stumbling(at, reply):
    """A relay that answers so at this place, whenever the transaction is to the bad message's recipient."""

    def answer(talk, verb, _):
        return reply if verb == at and talk.has("bad") else None

    return answer


class BadMessage(RelayTest):
    """One message that a relay always stumbles over is deferred, and holds up no other."""

    def check(self, at, reply, word=None, **settings):
        relay = self.odd(stumbling(at, reply))
        self.drop("bad", *GOOD)
        daemon = self.start(self.settings(relay, hold_first="300ms", **settings), retry=RETRY)
        self.wait_taken(relay, *GOOD)
        self.queue.wait_state("bad", "deferred")
        events = self.queue.events("bad", "deferred")
        self.assertEqual([e["attempt"] for e in events], [1])
        if word:
            self.assertIn(word, str(events[0]))
            self.assertIn(word, self.outbox("list"))
        self.drop("later")
        self.wait_taken(relay, "later")
        self.queue.wait_gone("later")
        self.assertEqual(self.queue.names(), ["bad.deferred", "bad.status"])
        self.assertLessEqual(max(self.queued(daemon)), 1 + len(GOOD))

    def test_closing_at_rcpt(self):
        self.check("RCPT", CLOSING, "closing for now")

    def test_closing_at_data(self):
        self.check("DATA", CLOSING, "closing for now")

    def test_closing_at_the_end(self):
        self.check(".", CLOSING, "closing for now")

    def test_closing_with_one_connection(self):
        for at in ("RCPT", "."):
            with self.subTest(at):
                self.queue.path = self.directory / f"queue-{at}"
                self.queue.path.mkdir()
                self.check(at, CLOSING, "closing for now", connections=1)

    def test_lost_at_rcpt(self):
        self.check("RCPT", DROP)

    def test_lost_at_the_end(self):
        self.check(".", DROP)

    def test_lost_with_one_connection(self):
        self.check("RCPT", DROP, connections=1)

    def test_odd_reply_at_rcpt(self):
        self.check("RCPT", "199 what")

    def test_odd_reply_at_the_end(self):
        self.check(".", "350 go on, and on")

    def test_no_reply_at_all(self):
        self.check("RCPT", "what is this")

    def test_silence_at_rcpt(self):
        self.check("RCPT", SILENCE, **SHORT)

    def test_silence_at_the_end(self):
        self.check(".", SILENCE, connections=1, **SHORT)

    def test_as_the_only_message(self):
        for at, reply in (("RCPT", CLOSING), (".", CLOSING), ("RCPT", DROP), ("DATA", DROP)):
            with self.subTest(at=at, reply=reply):
                relay = self.odd(stumbling(at, reply))
                daemon = self.start(self.settings(relay, hold_first="100ms"), retry=RETRY)
                self.drop("bad")
                self.queue.wait_state("bad", "deferred")
                self.assertEqual(daemon.terminate(), 0)
                (self.queue.path / "bad.deferred").unlink()
                (self.queue.path / "bad.status").unlink()

    def test_several_bad_ones(self):
        names = [f"bad{number}" for number in range(5)]
        relay = self.odd(stumbling("RCPT", CLOSING))
        self.drop(*names, *GOOD)
        self.start(self.settings(relay, hold_first="300ms"), retry=RETRY)
        self.wait_taken(relay, *GOOD)
        for name in names:
            self.queue.wait_state(name, "deferred", seconds=30)

    def test_process_leaves_no_good_one(self):
        for at in ("RCPT", "."):
            with self.subTest(at):
                relay = self.odd(stumbling(at, CLOSING))
                self.drop("bad", *GOOD)
                self.configure(self.settings(relay, hold_first="300ms"), retry=RETRY)
                self.outbox("process", status=None)
                left = [name for name in self.queue.names() if name.startswith("good")]
                self.assertEqual(left, [])
                for name in self.queue.names():
                    (self.queue.path / name).unlink()

    def test_what_goes_back_is_counted_once(self):
        relay = self.odd(lambda talk, verb, _: CLOSING if verb == "MAIL" else None)
        daemon = self.start(
            self.settings(relay, hold_first="20ms", hold_max="20ms", connections=1),
            retry={"first": "50ms", "max": "50ms"})
        self.drop("one", "two")
        wait_for(lambda: relay.connections > 30, "the relay was asked again and again")
        self.assertLessEqual(max(self.queued(daemon)), 2)


class BadRecipient(RelayTest):
    """A recipient, or a number of them, at which a relay always loses the connection keeps the message
    from no other."""

    BAD = ("bad0@lab.test", "bad1@lab.test")

    def check(self, answer, count, bad=(), **settings):
        relay = self.odd(answer)
        good = [f"r{number}@lab.test" for number in range(count)]
        daemon = self.start(self.settings(relay, hold_first="50ms", hold_max="50ms", **settings),
                            retry={"first": "100ms", "max": "100ms"}, spool={"keep_sent": True})
        self.queue.drop("m", message(to=[*good[:2], *bad, *good[2:]]))
        for one in good:
            wait_for(lambda one=one: relay.copies(one) > 0,
                     lambda one=one: f"{one} at the relay: {self.queue.record('m')[-3:]}", 20)
        if not bad:
            self.queue.wait_state("m", "sent")
        daemon.terminate()
        self.assertEqual([one for one in good if relay.copies(one) != 1], [])
        self.assertFalse({*bad} & {e["recipient"] for e in self.queue.events("m", "delivered")})

    def at_rcpt(self, reply, **settings):
        self.check(lambda talk, verb, argument:
                   reply if verb == "RCPT" and argument.startswith("bad") else None, 5, self.BAD, **settings)

    def test_lost(self):
        self.at_rcpt(DROP)

    def test_closing(self):
        self.at_rcpt(Bye("421 4.7.1 recipient not in route list"))

    def test_odd_reply(self):
        self.at_rcpt("199 what")

    def test_silence(self):
        self.at_rcpt(SILENCE, **SHORT)

    def test_lost_at_the_end(self):
        self.check(lambda talk, verb, _: DROP if verb == "." and talk.has("bad") else None, 5, self.BAD)

    def test_lost_at_the_end_with_too_many(self):
        self.check(lambda talk, verb, _: DROP if verb == "." and len(talk.recipients) > 2 else None, 60)

    def test_lost_at_rcpt_with_too_many(self):
        self.check(lambda talk, verb, _: DROP if verb == "RCPT" and len(talk.recipients) > 2 else None, 60)

    def test_what_is_put_off_goes_together(self):
        """A verdict is no loss."""
        relay = self.odd(lambda talk, verb, _: "451 4.7.1 later" if verb == "RCPT" else None)
        self.start(self.settings(relay), retry={"first": "100ms", "max": "100ms"})
        self.queue.drop("m", message(to=[f"r{number}@lab.test" for number in range(6)]))
        wait_for(lambda: relay.said("RCPT") >= 24, "four attempts")
        self.assertEqual(relay.said("MAIL"), (relay.said("RCPT") + 5) // 6)


class BadRecord(RelayTest):
    """A record that cannot be written holds up no other message."""

    SPOILED = [f"bad{number}" for number in range(20)]

    def check(self, spoil, mend):
        self.check_before(spoil, mend)
        self.check_in_flight(spoil, mend)

    def spoil(self, spoil, mend):
        records = [self.queue.path / f"{name}.status" for name in self.SPOILED]
        for record in records:
            spoil(record)
            self.addCleanup(mend, record)
        return records

    def check_before(self, spoil, mend):
        """It is there before the message is looked at."""
        relay = self.odd()
        self.drop(*self.SPOILED)
        records = self.spoil(spoil, mend)
        daemon = self.start(self.settings(relay), retry=RETRY)
        self.drop(*GOOD)
        self.wait_taken(relay, *GOOD)
        self.queue.wait_gone(*GOOD)
        for record in records:
            mend(record)
        self.flush_until(daemon, lambda: not self.unsent())
        self.wait_taken(relay, *self.SPOILED)
        self.assertEqual(daemon.terminate(), 0)
        self.wait_taken(relay, *self.SPOILED)
        for name in self.queue.names():
            (self.queue.path / name).unlink()

    def flush_until(self, daemon, is_over):
        """Has everything tried until that is true: an attempt that was under way when everything was tried
        may end behind it."""

        def flush():
            daemon.flush()
            time.sleep(0.2)
            return is_over()

        def left():
            return {name: self.queue.record(name.rpartition(".")[0])[-2:] for name in self.unsent()}

        wait_for(flush, lambda: f"an end of {left()}")

    def unsent(self):
        return [name for name in self.queue.names() if not name.endswith((".sent", ".status"))]

    def check_in_flight(self, spoil, mend):
        """It becomes so while the relay has the message, one of whose recipients was refused."""
        go_on = threading.Event()

        def answer(talk, verb, argument):
            if verb == "." and talk.has("bad"):
                return Slow("250 taken", event=go_on)
            return "550 nobody" if verb == "RCPT" and argument.startswith("nobody") else None

        relay = self.odd(answer)
        daemon = self.start(self.settings(relay, connections=60), retry=RETRY)
        for name in self.SPOILED:
            self.queue.drop(name, message(to=[f"{name}@lab.test", "nobody@lab.test"]))
        wait_for(lambda: relay.said(".") == len(self.SPOILED),
                 lambda: f"{relay.said('.')} messages in flight: {self.queue.names()}")
        for record in self.queue.path.glob("*.status"):
            record.unlink()
        records = self.spoil(spoil, mend)
        go_on.set()
        self.drop(*GOOD)
        self.wait_taken(relay, *GOOD)
        self.queue.wait_gone(*GOOD)
        for record in records:
            mend(record)
        self.flush_until(daemon, lambda: len(self.queue.in_state("failed")) == len(self.SPOILED))
        self.assertEqual(daemon.terminate(), 0)
        self.wait_taken(relay, *self.SPOILED)

    def test_directory(self):
        self.check(lambda record: record.mkdir(),
                   lambda record: record.rmdir() if record.is_dir() else None)

    def test_hard_link(self):
        def spoil(record):
            record.touch()
            os.link(record, self.directory / f"{record.name}.link")

        self.check(spoil, lambda record: (self.directory / f"{record.name}.link").unlink(missing_ok=True))

    def test_symbolic_link(self):
        self.check(lambda record: record.symlink_to("/dev/null"),
                   lambda record: record.unlink() if record.is_symlink() else None)

    def test_immutable(self):
        probe = self.queue.path / "probe"
        probe.touch()
        if subprocess.run(["chattr", "+i", probe], capture_output=True, check=False).returncode != 0:
            self.skipTest("no file can be made immutable here")
        subprocess.run(["chattr", "-i", probe], check=True)
        probe.unlink()

        def spoil(record):
            record.touch()
            subprocess.run(["chattr", "+i", record], check=True)

        self.check(spoil, lambda record: subprocess.run(
            ["chattr", "-i", record], capture_output=True, check=False))


class FaultyRelay(RelayTest):
    """A relay that takes connections and loses them is at fault: the next relay gets the mail."""

    def check(self, at, reply, attempts=0, **settings):
        faulty = self.odd(lambda talk, verb, _: reply if verb == at else None)
        good = self.odd()
        self.drop(*GOOD)
        daemon = self.start(
            self.settings(faulty, "faulty", hold_first="1h", hold_max="1h", **settings),
            self.settings(good, "good"), retry={"first": "5s", "max": "5s"},  # the relay is on hold by then
            spool={"keep_sent": True},
        )
        self.wait_taken(good, *GOOD, seconds=20)
        self.wait_log(daemon, "event=relay-held")
        for name in GOOD:
            self.queue.wait_state(name, "sent")
            self.assertLessEqual(len(self.queue.events(name, "deferred")), attempts, name)

    def test_lost_at_mail(self):
        self.check("MAIL", DROP)

    def test_lost_at_mail_with_one_connection(self):
        self.check("MAIL", DROP, connections=1)

    def test_lost_at_rcpt(self):
        self.check("RCPT", DROP)

    def test_lost_at_rcpt_with_one_connection(self):
        self.check("RCPT", DROP, connections=1)

    def test_lost_at_data(self):
        self.check("DATA", DROP)

    def test_lost_at_the_end(self):
        self.check(".", DROP, attempts=1)

    def test_lost_at_the_end_with_one_connection(self):
        self.check(".", DROP, attempts=1, connections=1)

    def test_closing_at_mail(self):
        self.check("MAIL", CLOSING)

    def test_closing_at_rcpt(self):
        self.check("RCPT", CLOSING)

    def test_silence_at_mail(self):
        self.check("MAIL", SILENCE, **SHORT)

    def test_no_reply_at_all(self):
        self.check("MAIL", "+OK this is no SMTP server")


class Accepted(RelayTest):
    """What a relay accepted is known to be accepted, whatever else it says."""

    EXTENSIONS = ((), ("PIPELINING",), ("PIPELINING", "CHUNKING"))

    def check(self, answer, *extensions, names=("one", "two", "three"), seconds=2.0, **settings):
        for offered in extensions or self.EXTENSIONS:
            with self.subTest(offered):
                relay = self.odd(answer, extensions=offered)
                daemon = self.start(
                    self.settings(relay, hold_first="100ms", hold_max="200ms", connections=1, **settings),
                    retry={"first": "200ms", "max": "200ms"}, spool={"keep_sent": True},
                )
                self.drop(*names)
                for name in names:
                    self.queue.wait_state(name, "sent", seconds=20)
                    self.wait_taken(relay, name)
                    self.assertEqual(len(self.queue.events(name, "delivered")), 1)
                self.assertEqual(daemon.terminate(), 0)
                for name in self.queue.names():
                    (self.queue.path / name).unlink()

    @staticmethod
    def on(at, reply):
        return lambda talk, verb, _: reply if verb == at else None

    def test_rset_refused(self):
        for reply in ("500 what", "502 no", "503 bad sequence", "354 huh", "421 closing"):
            self.check(self.on("RSET", reply), send_rset=True)

    def test_closed_at_rset(self):
        self.check(self.on("RSET", Bye("421 closing")), send_rset=True)
        self.check(self.on("RSET", DROP), send_rset=True)

    def test_odd_reply_to_mail_behind_bdat(self):
        for reply in ("220 sender", "354 go on", "299 what"):
            with self.subTest(reply):
                self.check(self.on("MAIL", reply), ("PIPELINING", "CHUNKING"), names=("one",))

    def test_closing_that_does_not_close(self):
        """For one of two recipients: the message is accepted for the other all the same."""
        def answer(talk, verb, argument):
            return "421 closing, or not" if verb == "RCPT" and argument.startswith("other") else None

        relay = self.odd(answer, extensions=("PIPELINING", "CHUNKING"))
        daemon = self.start(self.settings(relay, hold_first="100ms", hold_max="200ms", connections=1),
                            retry=RETRY)
        self.queue.drop("m", message(to=["one@lab.test", "other@lab.test"]))
        self.queue.wait_state("m", "deferred")
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(relay.copies("one@lab.test"), 1)
        self.assertEqual([e["recipient"] for e in self.queue.events("m", "delivered")], ["one@lab.test"])

    def test_other_positive_codes(self):
        codes = {"MAIL": "220 ok", "RCPT": "299 ok", ".": "221 ok", "BDAT": "220 ok", "DATA": "399 go on",
                 "RSET": "251 ok"}
        self.check(lambda talk, verb, _: codes.get(verb) if verb != "DATA" else None, send_rset=True)

    def test_odd_reply_to_the_second(self):
        def answer(talk, verb, _):
            return "354 what" if verb == "MAIL" and talk.count == 1 else None

        self.check(answer)

    def test_lost_behind_the_reply(self):
        def answer(talk, verb, _):
            return Bye("250 taken, and gone") if verb in (".", "BDAT") else None

        self.check(answer)


class ManyRecipients(RelayTest):
    """What is beyond a relay's limit of recipients goes at once, in further transactions."""

    COUNT = 250

    def check(self, answer=lambda *_: None, extensions=("PIPELINING",), most=12, **settings):
        relay = self.odd(answer, extensions=extensions)
        recipients = [f"r{number}@lab.test" for number in range(self.COUNT)]
        daemon = self.start(self.settings(relay, recipients_per_transaction=1000, **settings),
                            retry=RETRY, spool={"keep_sent": True})
        self.queue.drop("m", message(to=recipients))
        self.queue.wait_state("m", "sent")
        self.assertEqual(self.queue.events("m", "deferred"), [])
        for recipient in recipients:
            self.assertEqual(relay.copies(recipient), 1)
        first = len(relay.accepted)
        self.assertLessEqual(first, most)
        self.queue.drop("n", message(to=recipients))
        self.queue.wait_state("n", "sent")
        self.assertEqual(daemon.terminate(), 0)
        return relay

    @staticmethod
    def limit(count, reply):
        return lambda talk, verb, _: reply if verb == "RCPT" and len(talk.recipients) > count else None

    def test_too_many(self):
        self.check(self.limit(40, "452 4.5.3 too many recipients"))

    def test_too_many_without_enhanced_code(self):
        self.check(self.limit(40, "452 too many recipients"))

    def test_too_many_for_good(self):
        self.check(self.limit(40, "552 too many recipients"))

    def test_another_temporary_code(self):
        self.check(self.limit(40, "451 4.3.0 later"))

    def test_without_pipelining(self):
        self.check(self.limit(40, "452 4.5.3 too many recipients"), extensions=())

    def test_by_chunks(self):
        self.check(self.limit(40, "452 4.5.3 too many"), extensions=("PIPELINING", "CHUNKING"))

    def test_one_at_a_time(self):
        self.check(self.limit(1, "452 4.5.3 one at a time"), most=self.COUNT)

    def test_the_limit_is_remembered(self):
        relay = self.check(self.limit(40, "452 4.5.3 too many recipients"))
        self.assertLess(relay.said("RCPT"), 4 * self.COUNT)
        refused = relay.said("RCPT") - 2 * self.COUNT
        self.assertLessEqual(refused, self.COUNT)

    def test_limit_announced(self):
        relay = self.check(self.limit(30, "452 4.5.3 too many"), extensions=(
            "PIPELINING", "LIMITS RCPTMAX=30"))
        self.assertEqual(relay.said("RCPT"), 2 * self.COUNT)

    def test_limit_of_messages_announced(self):
        def answer(talk, verb, _):
            return Bye("421 4.7.0 too much mail") if verb == "MAIL" and talk.verbs.count("MAIL") > 2 else None

        relay = self.check(answer, extensions=("PIPELINING", "LIMITS MAILMAX=2 RCPTMAX=50"))
        self.assertEqual(max(relay.verbs.count((n + 1, "MAIL")) for n in range(relay.connections)), 2)

    def test_nobody_is_taken(self):
        relay = self.odd(lambda talk, verb, _: "452 4.5.3 too many" if verb == "RCPT" else None)
        self.start(self.settings(relay), retry=RETRY)
        self.queue.drop("m", message(to=["one@lab.test", "two@lab.test"]))
        self.queue.wait_state("m", "deferred")
        self.assertLessEqual(relay.said("MAIL"), 2)

    def test_a_full_mailbox_is_no_limit(self):
        def answer(_, verb, argument):
            return "452 4.2.2 mailbox full" if verb == "RCPT" and argument.startswith("full") else None

        relay = self.odd(answer)
        self.start(self.settings(relay, recipients_per_transaction=1000), retry=RETRY)
        recipients = [f"r{number}@lab.test" for number in range(100)]
        self.queue.drop("m", message(to=["first@lab.test", "full@lab.test", *recipients]))
        self.queue.wait_state("m", "deferred")
        self.assertEqual([e["recipient"] for e in self.queue.events("m", "deferred")], ["full@lab.test"])
        self.assertLessEqual(relay.said("MAIL"), 4)
        before = relay.said("MAIL")
        self.queue.drop("n", message(to=recipients))
        self.queue.wait_gone("n")
        self.assertLessEqual(relay.said("MAIL") - before, 2)


class Hints(RelayTest):
    """What can be done stands in the record once an attempt, however many recipients there are."""

    def lines(self, name):
        return [json.loads(line) for line in (self.queue.path / f"{name}.status").read_text().splitlines()]

    def check(self, reply, event, words):
        relay = self.odd(lambda _, verb, __: reply if verb == "RCPT" else None)
        self.queue.drop("m", message(to=[f"r{number}@lab.test" for number in range(1000)]))
        daemon = self.start(self.settings(relay), retry={"first": "1h", "max": "1h"})
        self.wait_log(daemon, f"event={event}")
        self.assertEqual(daemon.terminate(), 0)
        lines = self.lines("m")
        self.assertEqual([line["event"] for line in lines if "hint" in line], [event])
        self.assertIn(words, lines[-1]["hint"])
        self.assertIn(f"hint={lines[-1]['hint']}", self.outbox("show", "m"))
        self.assertGreater(len(lines), 1000)

    def test_deferred(self):
        self.check("451 4.3.0 not now", "retry", "that may pass; if it lasts")

    def test_failed(self):
        self.check("550 5.7.1 no", "failed", "the relay's own log")

    def test_relay_at_fault_with_one_attempt(self):
        relay = self.odd(lambda _, verb, __: Bye("554 no") if verb == "CONNECT" else None)
        self.drop("m")
        daemon = self.start(self.settings(relay), retry={"max_attempts": 1})
        self.wait_log(daemon, "event=failed")
        self.assertIn("block list", self.lines("m")[-1]["hint"])


class Sizes(RelayTest):
    """SIZE is that on the wire, to the byte, where a relay's limit is near (RFC 1870, 4)."""

    BODY = (b"x" * 511 + b"\n") * 5120 + b"fifteen bytes..\n" * (5 * 1024 * 1024 // 32)  # the end is unlike the rest

    def size_of(self, content):
        """With CRLF line ends."""
        return len(content) + content.count(b"\n")

    def check(self, limit=None):
        """Queues a message of 5 MiB; the relay takes as much as `limit` says of its size on the wire."""
        content = message(self.BODY, envelope=False)
        size = self.size_of(content)
        offer = "SIZE" if limit is None else f"SIZE {limit(size)}"
        said = []
        relay = self.odd(lambda _, verb, argument: said.append(argument) if verb == "MAIL" else None,
                         extensions=("PIPELINING", "CHUNKING", "8BITMIME", offer))
        self.queue.drop("m", message(self.BODY, to=["m@lab.test"]))
        return relay, self.start(self.settings(relay)), size, said

    def check_taken(self, *arguments):
        relay, _, size, said = self.check(*arguments)
        self.wait_taken(relay, "m")
        self.assertEqual(said, [f"FROM:<shop@lab.test> SIZE={size}"])

    def test_as_large_as_the_relay_takes(self):
        self.check_taken(lambda size: size)

    def test_no_limit(self):
        self.check_taken()

    def test_one_byte_more(self):
        relay, daemon, size, said = self.check(lambda size: size - 1)
        self.wait_log(daemon, "event=failed")
        self.assertIn(f"the message has {size} bytes, more than the relay takes ({size - 1}", daemon.output())
        self.assertEqual(said, [])
        self.assertEqual(relay.accepted, [])


class SeveralAtFault(RelayTest):
    """What any of the relays may take later is to be tried again, whichever is tried last."""

    def login(self, name, reply):
        relay = self.odd(lambda _talk, verb, _: reply if verb == "AUTH" else None, extensions=("AUTH PLAIN",))
        return self.settings(relay, name=name, user="ann", password="x", auth_without_tls="yes, in clear",
                             hold_first="1h", hold_max="1h")

    def status_of(self, replies, status):
        self.configure(*(self.login(f"relay{n}", reply) for n, reply in enumerate(replies)))
        for command in ("send",), ("command", "NOOP"), ("verify", "a@lab.test"), ("check",), ("process",):
            with self.subTest(replies=replies, command=command):
                if command == ("process",):
                    self.drop("a")
                result = self.outbox(*command, stdin=message() if command == ("send",) else b"", status=None)
                self.assertEqual(result.returncode, status, result.stderr)

    def test_for_now_or_for_good(self):
        now, good = "454 4.7.0 later", "535 5.7.8 no"
        for replies in (good, now), (now, good), (good, now, good):
            self.status_of(replies, 75)
        self.status_of((good, good), 77)
