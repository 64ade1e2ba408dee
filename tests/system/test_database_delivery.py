"""Delivering from a database: what applications queue there comes to the relay, and what became of it is there."""

import json
import re

from database_case import DatabaseTest, quoted
from process import wait_for


class Delivery(DatabaseTest):
    def test_from_sql_to_the_relay(self):
        relay = self.odd()
        daemon = self.serve(relay)
        number = self.put("ann")
        self.wait_taken(relay, "ann")
        self.wait_empty()
        self.assertEqual([self.count(table) for table in ("recipient", "record", "ready", "leased", "ended")], [0] * 5)
        self.wait_log(daemon, f"id={number}")
        recipients, content = relay.accepted[0]
        self.assertEqual(recipients, ("ann@lab.test",))
        self.assertIn(b"Subject: Your order\r\n", content)
        self.assertRegex(content, rb"Message-ID: <" + number.encode())

    def test_what_was_queued_before_the_start(self):
        numbers = [self.put(f"u{i}") for i in range(30)]
        relay = self.odd()
        self.serve(relay)
        self.wait_taken(relay, *(f"u{i}" for i in range(30)))
        self.wait_empty()
        self.assertEqual(len(numbers), len(relay.accepted))

    def test_many_in_one_statement_and_lane_by_lane(self):
        relay = self.odd()
        self.serve(relay)
        self.sql("SELECT outbox.queue('shop@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n', "
                 "lane => CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN 'bulk' ELSE 'Alerts' END) FROM generate_series(1, 400) n")
        self.wait_empty()
        self.assertEqual(sorted(recipients[0] for recipients, _ in relay.accepted),
                         sorted(f"n{n}@lab.test" for n in range(1, 401)))

    def test_as_many_lanes_as_there_can_be(self):
        relay = self.odd()
        self.sql("SELECT outbox.queue('shop@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n', lane => 'c' || n)"
                 " FROM generate_series(1, 199) n")
        self.serve(relay)
        self.wait_empty()
        self.assertEqual(len(relay.accepted), 199)

    def test_a_restored_dump_hides_nothing(self):
        """Numbers of transactions that are yet to come are not gone on behind."""
        self.put("old")
        self.sql("UPDATE outbox.ready SET arrived = (arrived::text::bigint + 1000000)::text::xid8")
        relay = self.odd()
        self.serve(relay)
        self.wait_taken(relay, "old")
        self.wait_empty()
        self.put("new")
        self.wait_taken(relay, "new")
        self.wait_empty()

    def test_an_open_transaction_hides_nothing(self):
        """Messages of a transaction that began first and committed last are not passed by."""
        relay = self.odd()
        self.serve(relay)
        session = self.database.session()
        self.addCleanup(session.close)
        session.sql("BEGIN")
        session.sql("SELECT outbox.queue('shop@lab.test', '{late@lab.test}', E'Subject: x\\n\\ny\\n')")
        self.put("early")
        self.wait_taken(relay, "early")
        self.assertEqual(relay.copies("late@lab.test"), 0)
        session.sql("COMMIT")
        self.wait_taken(relay, "late")
        self.wait_empty()

    def test_each_recipient_has_its_outcome(self):
        def answer(talk, verb, argument):
            if verb == "RCPT" and "bad@" in argument:
                return "550 5.1.1 no such user"
            return "450 4.2.1 later" if verb == "RCPT" and "later@" in argument else None

        relay = self.odd(answer)
        self.serve(relay)
        number = self.put("ann", "bad", "later")
        self.wait_place(number, "deferred")
        self.assertEqual(self.sql(f"SELECT address, outcome FROM outbox.recipient WHERE message = {number} ORDER BY number"),
                         [["ann@lab.test", "delivered"], ["bad@lab.test", "refused"], ["later@lab.test", ""]])
        self.assertEqual(sorted(self.record(number)), ["deferred", "delivered", "refused", "retry"])
        self.assertEqual(self.sql(f"SELECT attempts, first_attempt IS NULL FROM outbox.deferred WHERE message = {number}"),
                         [["1", "f"]])

    def test_a_later_attempt_is_to_those_who_are_left(self):
        full = ["450 4.2.1 later"]
        relay = self.odd(lambda talk, verb, argument: full[0] if verb == "RCPT" and "later@" in argument and full else None)
        daemon = self.serve(relay)
        number = self.put("ann", "later")
        self.wait_place(number, "deferred")
        full.clear()
        daemon.flush()
        self.wait_taken(relay, "ann", "later")
        self.wait_empty()

    def test_a_deferred_message_comes_when_it_is_due(self):
        waits = ["450 4.2.1 later"]
        relay = self.odd(lambda talk, verb, argument: waits.pop() if verb == "RCPT" and waits else None)
        self.serve(relay, retry={"first": "1s", "max": "1s"})
        self.put("ann")
        self.wait_taken(relay, "ann")
        self.wait_empty()

    def test_not_before_its_time(self):
        relay = self.odd()
        self.serve(relay)
        number = self.put("ann", more=", not_before => clock_timestamp() + interval '8 seconds'")
        self.assertEqual(self.places(number), ["deferred"])
        self.wait_taken(relay, "ann")
        self.assertEqual(self.one("SELECT 1"), "1")
        self.wait_empty()

    def test_refused_by_all(self):
        relay = self.odd(lambda talk, verb, argument: "550 5.7.1 no" if verb == "RCPT" else None)
        self.serve(relay)
        number = self.put("ann")
        self.wait_place(number, "ended")
        state, error, text = self.sql(f"SELECT state, error, text FROM outbox.ended WHERE message = {number}")[0]
        self.assertEqual((state, error), ("failed", "9004"))
        self.assertIn("550 5.7.1 no", text)
        self.assertEqual(self.record(number), ["refused", "failed"])

    def test_what_is_no_message_fails_and_is_told(self):
        relay = self.odd()
        daemon = self.serve(relay)
        for content, words in ((b"\n\n", ""), (b"X" * (1024 * 1024 + 100) + b": y\n\nz", "header")):
            number = self.put("ann", content=content)
            if not words:
                continue
            self.wait_place(number, "ended")
            self.assertIn(words, self.one(f"SELECT text FROM outbox.ended WHERE message = {number}"))
            self.wait_log(daemon, f"event=failed id={number}")
        self.put("bob")
        self.wait_taken(relay, "bob")

    def test_kept_when_sent(self):
        relay = self.odd()
        self.serve(relay, spool={"keep_sent": True})
        number = self.put("ann")
        self.wait_place(number, "ended")
        self.assertEqual(self.record(number), ["delivered", "sent"])
        self.assertEqual(self.one(f"SELECT outcome FROM outbox.recipient WHERE message = {number}"), "delivered")


class Large(DatabaseTest):
    LINE = "0123456789abcdef" * 4

    def put_lines(self, count):
        return self.one("SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', convert_to(E'Subject: large\\r\\n\\r\\n'"
                        f" || repeat({quoted(self.LINE)} || E'\\r\\n', {count}), 'UTF8'))")

    def test_in_pieces_byte_for_byte(self):
        relay = self.odd(extensions=("PIPELINING", "CHUNKING", "8BITMIME"))
        self.serve(relay)
        self.put_lines(50_000)
        self.wait_taken(relay, "ann")
        self.wait_empty()
        self.assertTrue(relay.accepted[0][1].endswith(b"\r\n\r\n" + (self.LINE.encode() + b"\r\n") * 50_000))

    def test_not_many_large_envelopes_in_memory(self):
        """However many messages with many recipients wait: few are read at a time."""
        self.sql("SELECT outbox.queue('shop@lab.test', (SELECT array_agg(repeat('u', 800) || n || '@lab.test')"
                 " FROM generate_series(1, 4000) n), E'Subject: x\\n\\ny') FROM generate_series(1, 12)")
        relay = self.odd(lambda talk, verb, argument: "421 4.3.2 closing" if verb == "EHLO" else None)
        daemon = self.serve(relay)
        wait_for(lambda: len(set(re.findall(r"event=waiting id=(\d+)", daemon.output()))) >= 10,
                 lambda: f"they are read{self.logs()}", 30)
        self.assertLess(self.peak(daemon), 110_000, "kilobytes")

    def peak(self, daemon):
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])

    def test_never_in_memory_as_a_whole(self):
        sink, _ = self.lab.smtp_sink()
        daemon = self.serve(sink)
        count = 100 * 1024 * 1024 // 66
        number = self.put_lines(count)
        self.wait_log(daemon, f"event=delivered id={number}", seconds=60)
        self.wait_empty()
        self.assertGreater(int(re.search(r" bytes=(\d+) ", daemon.output())[1]), 66 * count)
        self.assertLess(self.peak(daemon), 60_000, "kilobytes")


class Several(DatabaseTest):
    def test_daemons_share_the_work(self):
        relay = self.odd()
        for _ in range(3):
            self.serve(relay)
        self.sql("SELECT outbox.queue('shop@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n') "
                 "FROM generate_series(1, 300) n")
        self.wait_empty()
        self.assertEqual(sorted(recipients[0] for recipients, _ in relay.accepted),
                         sorted(f"n{n}@lab.test" for n in range(1, 301)))

    def test_what_one_cannot_send_another_sends(self):
        """However much it has claimed: it goes back, and the log has each message once."""
        shut = self.odd(lambda talk, verb, argument: "421 4.3.2 closing" if verb == "EHLO" else None)
        numbers = [self.put(f"u{n}") for n in range(40)]
        daemon = self.serve(shut)
        self.wait_log(daemon, "event=relay-held")
        relay = self.odd()
        self.serve(relay)
        self.wait_empty()
        self.assertEqual(sorted(recipients[0] for recipients, _ in relay.accepted),
                         sorted(f"u{n}@lab.test" for n in range(40)))
        told = re.findall(r"event=waiting id=(\d+)", daemon.output())
        self.assertEqual(len(told), len(set(told)))
        self.assertLessEqual(set(told), set(numbers))

    def test_what_is_told_of_a_daemon(self):
        daemon = self.serve(self.odd())
        wait_for(lambda: self.one("SELECT count(*) FROM outbox.daemon WHERE idle AND figures IS NOT NULL") == "1",
                 "a daemon that says how it is")
        figures = json.loads(self.one("SELECT figures FROM outbox.daemon"))
        self.assertEqual((figures["program"], figures["pid"]), ("outboxd", daemon.pid))
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(self.count("daemon"), 0)

    def test_what_is_not_sent_goes_back_at_the_end(self):
        relay = self.odd(lambda talk, verb, argument: "421 4.3.2 closing" if verb == "EHLO" else None)
        daemon = self.serve(relay)
        numbers = [self.put(f"u{i}") for i in range(5)]
        self.wait_log(daemon, "event=relay-held")
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(sorted(numbers, key=int), [row[0] for row in self.sql(
            "SELECT message FROM outbox.ready UNION SELECT message FROM outbox.deferred ORDER BY 1")])
