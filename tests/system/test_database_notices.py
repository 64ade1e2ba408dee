"""Who queued a message by SQL hears that it failed, or waits: by a message that is there when its end is."""

from database_case import RETRY, DatabaseTest
from process import wait_for


class Notices(DatabaseTest):
    def refusing(self, **replies):
        """A relay that replies so to recipients of these names."""
        def answer(talk, verb, argument):
            found = [reply for name, reply in replies.items() if verb == "RCPT" and argument.startswith(f"{name}@")]
            return found[0] if found else None

        return self.odd(answer)

    def report(self, relay):
        wait_for(lambda: relay.copies("shop@lab.test") > 0, lambda: f"a report to the sender{self.logs()}")
        self.assertEqual(relay.copies("shop@lab.test"), 1)
        return next(content for recipients, content in relay.accepted if recipients == ("shop@lab.test",))

    def test_who_sent_it_is_told(self):
        relay = self.refusing(bad="550 5.1.1 no such user")
        daemon = self.serve(relay, bounce={"to": "sender"})
        number = self.put("ann", "bad")
        self.wait_place(number, "ended")
        text = self.report(relay)
        for words in (b"From: Mail Delivery System", b"<bad@lab.test>", b"Status: 5.1.1", b"no such user",
                      b"Subject: Your order"):
            self.assertIn(words, text)
        self.assertNotIn(b"ann@lab.test", text)
        self.wait_log(daemon, f"event=notice id={number}")
        wait_for(lambda: self.count() == 1, "the report is gone, and the message that failed is there")
        self.assertEqual(relay.copies("ann@lab.test"), 1)

    def test_what_was_said_in_an_earlier_attempt(self):
        """And by another daemon: it is in the record."""
        replies = {"bad": "550 5.1.1 no such user", "late": "450 4.2.2 mailbox full"}
        relay = self.refusing(**replies)
        daemon = self.serve(relay, bounce={"to": "sender"}, retry={**RETRY, "max_attempts": 2})
        number = self.put("bad", "late")
        self.wait_place(number, "deferred")
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(relay.copies("shop@lab.test"), 0)
        self.start_again().flush()
        self.wait_place(number, "ended")
        text = self.report(relay)
        for words in (b"no such user", b"mailbox full", b"bad@lab.test", b"late@lab.test"):
            self.assertIn(words, text)

    def test_what_is_no_message(self):
        """Sender and recipients are known all the same: the call was told that it is queued."""
        relay = self.refusing()
        daemon = self.serve(relay, bounce={"to": "sender"})
        number = self.put("ann", "bob", content=b"X-Outbox-Not-Before: soon\nSubject: Your order\n\nThank you.\n")
        self.wait_place(number, "ended")
        text = self.report(relay)
        for words in (b"<ann@lab.test>", b"<bob@lab.test>", b"this is no date", b"Subject: Your order"):
            self.assertIn(words, text)
        self.wait_log(daemon, f"event=notice id={number}")

    def test_an_address_that_is_none(self):
        """As a dump may bring one along: those beside it hear nothing, and so the sender does."""
        relay = self.refusing()
        self.serve(relay, bounce={"to": "sender"}).terminate()
        number = self.put("ann", "bob", "cid")
        self.sql(f"UPDATE outbox.recipient SET address = 'b\"b@lab.test' WHERE message = {number} AND number = 1")
        self.start_again()
        self.wait_place(number, "ended")
        text = self.report(relay)
        for words in (b"<ann@lab.test>", b"<cid@lab.test>", b"is not a mail address", b"Subject: Your order"):
            self.assertIn(words, text)

    def test_once_that_it_waits(self):
        relay = self.refusing(ann="450 4.2.2 mailbox full")
        self.serve(relay, bounce={"to": "sender", "delay_warning": "1ms"}, retry={"first": "1s", "max": "1s"})
        number = self.put("ann")
        self.assertIn(b"Action: delayed", self.report(relay))
        wait_for(lambda: self.record(number).count("retry") > 2, "further attempts")
        self.assertEqual(self.record(number).count("warned"), 1)
        self.assertEqual(relay.copies("shop@lab.test"), 1)

    def test_nobody_where_nobody_is_to_be_told(self):
        relay = self.refusing(ann="550 5.1.1 no such user")
        self.serve(relay, bounce={"to": "none"})
        self.wait_place(self.put("ann"), "ended")
        self.assertEqual(self.count(), 1)

    def test_a_report_has_no_report(self):
        relay = self.refusing(ann="550 5.1.1 no such user", shop="550 5.1.1 nor this one")
        self.serve(relay, bounce={"to": "sender"})
        self.wait_place(self.put("ann"), "ended")
        wait_for(lambda: self.count("ended") == 2, "the report has failed, too")
        self.assertEqual(self.count(), 2)

    def test_an_address_that_nothing_can_be_sent_to(self):
        """The message comes to its end all the same."""
        relay = self.refusing(ann="550 5.1.1 no such user")
        daemon = self.serve(relay, bounce={"to": "x" * 1001 + "@lab.test"})
        number = self.put("ann")
        self.wait_place(number, "ended")
        self.wait_log(daemon, f"event=untold id={number}")
        self.assertEqual(self.count(), 1)
