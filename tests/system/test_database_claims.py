"""The queue on PostgreSQL, as the database keeps it: who holds what, and what is written of it."""

import json
import random
import re
import threading
import time

import lab
from claimer import Position
from postgresql import INIT
from schema_case import MAIL, SchemaTest


class Delivering(SchemaTest):
    def test_from_claim_to_end(self):
        message = int(self.put("{ann@lab.test,bob@lab.test}"))
        daemon = self.daemon()
        self.assertEqual(self.claim(daemon)[0], [message])
        self.assertEqual(self.places(message), ["leased"])
        note = f"outbox.note({daemon}, {message}, ARRAY['{{\"event\": \"delivered\"}}'::jsonb], '{{0}}', '{{}}')"
        self.assertEqual(self.one(f"SELECT {note}"), "t")
        self.assertEqual(self.one(
            f"SELECT outbox.settle({daemon}, {message}, 'deferred', attempts => 1, first_attempt => now(),"
            " due => now() - interval '1s')"), "t")
        self.assertEqual(self.places(message), ["deferred"])
        self.assertEqual(self.sql("SELECT ripe FROM outbox.ripen('-infinity', 100)"), [["1"]])
        rows = self.sql(f"SELECT message, attempts FROM outbox.claim({daemon}, '', '0', 0, '{{}}', 9) WHERE message > 0")
        self.assertEqual(rows, [[str(message), "1"]])
        self.assertEqual(
            self.sql(f"SELECT number, outcome FROM outbox.recipient WHERE message = {message} ORDER BY 1"),
            [["0", "delivered"], ["1", ""]],
        )
        self.assertEqual(self.one(f"SELECT outbox.settle({daemon}, {message}, 'sent', delivered => '{{1}}')"), "t")
        for table in ("message", "recipient", "record", "ready", "deferred", "leased"):
            self.assertEqual(self.one(f"SELECT count(*) FROM outbox.{table}"), "0", table)

    def test_ends(self):
        daemon = self.daemon()
        for state, keep, place in (("sent", True, ["ended"]), ("failed", False, ["ended"]), ("returned", False, ["ready"])):
            message = int(self.put())
            self.claim(daemon)
            self.assertEqual(self.one(f"SELECT outbox.settle({daemon}, {message}, '{state}', keep => {keep})"), "t")
            self.assertEqual(self.places(message), place)
            self.assertEqual(self.one(f"SELECT outbox.settle({daemon}, {message}, '{state}')"), "f")

    def test_not_before(self):
        message = int(self.put(more=", not_before => now() + interval '1 hour'"))
        self.assertEqual(self.places(message), ["deferred"])
        self.assertEqual(self.one("SELECT ripe FROM outbox.ripen('-infinity', 9)"), "0")
        self.assertEqual(self.one("SELECT next - now() > interval '50 minutes' FROM outbox.ripen('-infinity', 9)"), "t")

    def test_nobody_takes_what_another_takes(self):
        for _ in range(40):
            self.put()
        daemons = [self.daemon() for _ in range(4)]
        taken = {daemon: [] for daemon in daemons}

        def take(daemon):
            while messages := self.claim(daemon, most=3)[0]:
                taken[daemon] += messages

        threads = [threading.Thread(target=take, args=(daemon,)) for daemon in daemons]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(sum(taken.values(), [])), list(range(1, 41)))

    def test_a_transaction_that_was_overtaken(self):
        """Its message is behind the mark of whoever goes on, and found by its number when it has ended."""
        daemon = self.daemon()
        slow = self.database.session()
        slow.sql("BEGIN")
        slow.sql(f"SELECT outbox.queue('a@lab.test', '{{b@lab.test}}', {MAIL})")
        overtaking = int(self.put())
        messages, snapshot, after = self.claim(daemon)
        self.assertEqual(messages, [overtaking])
        running = snapshot.split(":")[2].split(",")
        slow.sql("COMMIT")
        slow.close()
        self.assertEqual(self.claim(daemon, after, overtaking)[0], [])
        self.assertEqual(self.claim(daemon, after, overtaking, late=running)[0], [overtaking - 1])

    def test_nothing_is_missed(self):
        """Transactions of any length, that end in any order, and two who claim and never begin anew."""
        committed, claimed, writing = [], [], threading.Event()
        seed = random.randrange(2**32)

        def write(number):
            chance, session = random.Random(seed + number), self.database.session()
            for _ in range(40):
                session.sql("BEGIN")
                time.sleep(chance.choice((0, 0, 0.001, 0.02)))
                ids = [int(session.sql(f"SELECT outbox.queue('a@lab.test', '{{b@lab.test}}', {MAIL})")[0])
                       for _ in range(chance.randrange(1, 4))]
                time.sleep(chance.choice((0, 0, 0.001, 0.1)))
                end = chance.choice(("COMMIT", "COMMIT", "ROLLBACK"))
                session.sql(end)
                committed.extend(ids if end == "COMMIT" else [])
            session.close()

        def take():
            session = self.database.session()
            position = Position(session, self.daemon())
            quiet = 0
            while quiet < 3:
                messages = position.step(5)
                claimed.extend(messages)
                quiet = 0 if messages or writing.is_set() else quiet + 1
            session.close()

        writing.set()
        takers = [threading.Thread(target=take) for _ in range(2)]
        writers = [threading.Thread(target=write, args=(number,)) for number in range(5)]
        for thread in takers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        writing.clear()
        for thread in takers:
            thread.join()
        self.assertEqual(sorted(claimed), sorted(committed), f"seed {seed}")

    def test_no_claim_reads_what_a_long_transaction_keeps(self):
        """Also where the claim is planned when nothing seems to be there."""
        keeper, session = self.database.session(), self.database.session()
        self.addCleanup(session.close)
        self.addCleanup(keeper.close)
        keeper.sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")
        position = Position(session, self.daemon())
        self.sql(f"SELECT outbox.queue('', '{{ann@lab.test}}', {MAIL}) FROM generate_series(1, 1000)")
        self.assertEqual(sum(len(position.step(100)) for _ in range(10)), 1000)
        self.sql("ANALYZE outbox.ready")
        read = "SELECT pg_stat_get_xact_tuples_returned('outbox.ready_pkey'::regclass)"
        for ended in (set(), {"5", "7"}):
            session.sql("BEGIN")
            before = int(session.sql(read)[0])
            self.assertEqual(position.claim(100, ended)[0], [])
            self.assertLess(int(session.sql(read)[0]) - before, 10, ended)
            session.sql("COMMIT")

    def test_a_lane_of_its_own(self):
        bulk, alert = int(self.put(more=", lane => 'bulk'")), int(self.put(more=", lane => 'alert'"))
        daemon = self.daemon()
        self.assertEqual(self.claim(daemon)[0], [])
        self.assertEqual(self.claim(daemon, lane="alert")[0], [alert])
        self.assertEqual(self.claim(daemon, lane="bulk")[0], [bulk])

    def test_the_oldest_of_all_places(self):
        """What had no time to wait for is found behind much that had one, wherever it is."""
        self.sql("INSERT INTO outbox.message (sender, content, queued, since) SELECT '', 'x', now() - interval '1 day',"
                 " now() - n * interval '1 second' FROM generate_series(1, 30) n;"
                 "INSERT INTO outbox.message (sender, content, queued) SELECT '', 'x', now() - n * interval '1 hour'"
                 " FROM generate_series(1, 3) n;"
                 "INSERT INTO outbox.ready (lane, message) SELECT '', n FROM generate_series(1, 31) n;"
                 "INSERT INTO outbox.leased (message, daemon, lane, attempts) VALUES (32, 1, '', 0);"
                 "INSERT INTO outbox.deferred (message, lane, due, attempts) VALUES (33, '', now() + interval '1 day', 1)")
        daemon = self.daemon()

        def oldest():
            self.sql("UPDATE outbox.watch SET message = 0")
            return int(self.one(f"SELECT message FROM outbox.oldest({daemon}, '1 minute')"))

        for place, expected in (("deferred", 33), ("leased", 32), ("ready", 31)):
            self.assertEqual(oldest(), expected)
            self.sql(f"DELETE FROM outbox.{place} WHERE message = {expected}")
        self.assertEqual(oldest(), 20, "of the first few")

    def test_what_is_looked_at_every_few_seconds_is_little(self):
        """However much waits: a few pages, and nothing is compiled for it."""
        self.sql("INSERT INTO outbox.message (sender, content, since) SELECT '', 'x', CASE WHEN n % 4 = 0 THEN"
                 " now() + interval '1 day' END FROM generate_series(1, 20000) n;"
                 "INSERT INTO outbox.ready (lane, message) SELECT '', id FROM outbox.message WHERE id % 4 = 1;"
                 "INSERT INTO outbox.deferred (message, lane, due, attempts) SELECT id, '', now() + interval '1 day',"
                 " CASE id % 4 WHEN 0 THEN 0 ELSE 1 END FROM outbox.message WHERE id % 4 IN (0, 2)")
        self.sql("ANALYZE outbox.message, outbox.ready, outbox.deferred, outbox.used_key")
        for call in ("ripen('-infinity', 100)", "oldest(1, '1 minute')", "forget_keys()"):
            ask = f"EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM outbox.{call}; "
            plan = "\n".join(row[0] for row in self.sql(ask * 2))  # what a session reads once is in the first
            pages = re.findall(r"shared hit=(\d+)(?: read=(\d+))?", plan)[-1]
            self.assertLess(sum(int(one or 0) for one in pages), 500, call)


class Writing(SchemaTest):
    """What a daemon writes of many messages in one statement, and what it reads of them."""

    def setUp(self):
        super().setUp()
        self.me = self.daemon()

    def held(self, count):
        """The numbers of so many messages that the daemon has."""
        self.sql(f"SELECT outbox.queue('shop@lab.test', '{{ann@lab.test}}', {MAIL}) FROM generate_series(1, {count})")
        return self.claim(self.me)[0]

    def write(self, *ends):
        return self.sql(f"SELECT * FROM outbox.write({self.me}, '{json.dumps(ends)}')")

    def test_each_has_its_end(self):
        gone, kept, late, failed, noted, others = self.held(6)
        self.sql(f"UPDATE outbox.leased SET daemon = daemon + 1 WHERE message = {others}")
        answers = self.write(
            {"message": gone, "state": "sent"}, {"message": kept, "state": "sent", "keep": True},
            {"message": late, "state": "deferred", "due": 4102444800000000, "attempts": 1},
            {"message": failed, "state": "failed", "refused": [0], "error": 1, "text": "no"},
            {"message": noted, "state": "noted", "delivered": [0], "lines": [{"event": "delivered"}]},
            {"message": others, "state": "sent"})
        self.assertEqual(sorted((int(row[0]), row[1]) for row in answers),
                         [(gone, "t"), (kept, "t"), (late, "t"), (failed, "t"), (noted, "t"), (others, "f")])
        self.assertEqual([self.places(message) for message in (gone, kept, late, failed, noted, others)],
                         [[], ["ended"], ["deferred"], ["ended"], ["leased"], ["leased"]])
        self.assertEqual(self.sql("SELECT message, outcome FROM outbox.recipient WHERE outcome <> '' ORDER BY 1"),
                         [[str(failed), "refused"], [str(noted), "delivered"]])
        self.assertEqual(self.sql("SELECT message FROM outbox.record"), [[str(noted)]])

    def test_one_that_fails_keeps_no_other_from_its_end(self):
        first, wrong, last = self.held(3)
        answers = self.write({"message": first, "state": "sent"}, {"message": wrong, "state": "lost"},
                             {"message": last, "state": "sent", "keep": True})
        self.assertEqual([row[:3] for row in answers],
                         [[str(first), "t", ""], [str(wrong), "f", "22023"], [str(last), "t", ""]])
        self.assertEqual([self.places(message) for message in (first, wrong, last)], [[], ["leased"], ["ended"]])

    def test_many_are_one_transaction(self):
        """More than 64 within it would make everybody's snapshots slow."""
        held = self.held(100)
        before = int(self.one("SELECT pg_current_xact_id()"))
        self.write(*({"message": message, "state": "sent", "keep": bool(message % 2)} for message in held))
        self.assertLess(int(self.one("SELECT pg_current_xact_id()")) - before, 10)
        self.assertEqual(self.one("SELECT count(*) FROM outbox.message"), "50")

    def test_what_is_taken_back_first(self):
        message, = self.held(1)
        self.sql(f"SELECT outbox.keep_only({self.me}, '{{}}')")
        self.assertEqual(self.write({"message": message, "state": "sent"})[0][1], "f")
        self.assertEqual(self.write({"message": message, "state": "sent", "again": True})[0][1], "t")
        self.assertEqual(self.places(message), [])

    def test_nothing_of_a_message_outlives_it(self):
        for delete in ("SELECT outbox.settle({1}, {0}, 'sent')", "DELETE FROM outbox.message WHERE id = {0}",
                       "DELETE FROM outbox.leased; INSERT INTO outbox.aside VALUES ({0}, '');"
                       " SELECT outbox.change('delete', '{{{0}}}')"):
            message, other = self.held(2)
            for one in (message, other):
                self.sql(f"SELECT outbox.note({self.me}, {one}, ARRAY['{{}}'::jsonb], '{{}}', '{{}}')")
            self.sql(delete.format(message, self.me))
            self.assertEqual(self.sql("SELECT message FROM outbox.recipient UNION SELECT message FROM outbox.record"),
                             [[str(other)]], delete)
            self.sql("DELETE FROM outbox.leased; DELETE FROM outbox.message")

    def test_the_record_since_it_was_given_up(self):
        message, = self.held(1)

        def read():
            return self.sql(f"SELECT recipients, record, warned FROM outbox.read({self.me}, '{{{message}}}', 0, 1000000)")[0]

        def note(**line):
            self.write({"message": message, "state": "noted", "lines": [line]})

        self.assertEqual(read(), ['[["0","ann@lab.test","",null]]', "", "f"])
        note(event="delivered", recipient="ann@lab.test", code=250)
        note(event="warned")
        self.assertEqual(json.loads(read()[1])["code"], 250)
        self.assertEqual(read()[2], "t")
        note(event="failed")
        self.assertEqual(read()[1:], ["", "f"])
        note(event="deferred", recipient="ann@lab.test", code=450)
        note(event="deferred", recipient="ann@lab.test", code=451)
        self.assertEqual((json.loads(read()[1])["code"], read()[2]), (451, "f"))


class Leases(SchemaTest):
    def test_one_that_was_away_for_longer_writes_nothing(self):
        message = int(self.put())
        away = self.daemon()
        self.claim(away)
        self.sql(f"UPDATE outbox.daemon SET until = now() - interval '1s' WHERE id = {away}")
        self.assertEqual(self.one("SELECT outbox.reap()"), "1")
        other = self.daemon()
        self.assertEqual(self.claim(other)[0], [message])
        for call in (f"note({away}, {message}, '{{}}', '{{0}}', '{{}}')", f"settle({away}, {message}, 'sent')",
                     f"daemon_renew({away}, '1h', false, NULL)"):
            self.assertIn(self.one(f"SELECT outbox.{call}")[:2], ("f", "(f"), call)
        self.assertEqual(self.claim(away)[0], [])
        self.assertEqual(self.places(message), ["leased"])
        self.assertEqual(self.one(f"SELECT outcome IS NULL FROM outbox.recipient WHERE message = {message}"), "t")
        self.assertEqual(self.one(f"SELECT outbox.settle({other}, {message}, 'sent')"), "t")

    def test_late_and_nobody_has_taken_it_over(self):
        """What the relay accepted is noted: nobody else has the message."""
        message = int(self.put())
        daemon = self.daemon()
        self.claim(daemon)
        self.sql("UPDATE outbox.daemon SET until = now() - interval '1s'")
        self.assertEqual(self.one(f"SELECT outbox.settle({daemon}, {message}, 'sent')"), "t")
        self.assertEqual(self.one("SELECT outbox.reap()"), "0")

    def test_a_number_is_never_given_again(self):
        """Not in a schema that was made anew, or restored, either: one that ran meanwhile is another."""
        away = self.daemon()
        self.database.sql(f"DROP SCHEMA outbox CASCADE; {INIT}")
        here = self.daemon()
        self.assertEqual(self.renew(away)[0], "f")
        self.assertEqual(self.renew(here), ["t", "0", "1", "t"])

    def test_renewed(self):
        self.put()
        daemon = self.daemon("-1 hour")
        self.assertEqual(self.renew(daemon)[0], "t")
        self.assertEqual(self.one("SELECT outbox.reap()"), "0")
        self.assertEqual(len(self.claim(daemon)[0]), 1)

    def renew(self, daemon):
        return self.sql(f"SELECT * FROM outbox.daemon_renew({daemon}, '1h', true, '{{}}')")[0]

    def test_one_of_how_many(self):
        """By the order in which they came. Each is known when the others have renewed since, or have missed to."""
        first = self.daemon()
        self.assertEqual(self.renew(first), ["t", "0", "1", "t"])
        second = self.daemon()
        self.assertEqual(self.renew(second), ["t", "1", "2", "f"])
        self.assertEqual(self.renew(first), ["t", "0", "2", "t"])
        self.assertEqual(self.renew(second), ["t", "1", "2", "t"])
        third = self.daemon()
        self.sql(f"UPDATE outbox.daemon SET renewed = now() - interval '31 s' WHERE id <> {third}")
        self.assertEqual(self.renew(third), ["t", "2", "3", "t"])
        self.sql(f"SELECT outbox.daemon_end({second}); UPDATE outbox.daemon SET until = now() WHERE id = {first}")
        self.assertEqual(self.renew(third), ["t", "0", "1", "t"])

    def test_all_come_anew_whose_leases_have_ended(self):
        """As after hours without a database: who is first must hear of each that follows, also of one at once."""
        first, second, third = (self.daemon() for _ in range(3))
        for daemon in (first, second, third, first, second):
            self.renew(daemon)
        self.sql("UPDATE outbox.daemon SET until = now() - interval '1h', renewed = now() - interval '1h'")
        listener = self.database.session()
        listener.sql("LISTEN outbox")
        self.assertEqual(self.renew(second), ["t", "0", "1", "f"])
        self.assertEqual(self.renew(second), ["t", "0", "1", "t"])
        self.assertEqual(self.renew(first), ["t", "0", "2", "f"])
        self.assertEqual(self.renew(first), ["t", "0", "2", "f"])
        self.assertTrue([line for line in listener.sql("SELECT 1") if "notification" in line])
        listener.close()
        self.assertEqual(self.renew(second), ["t", "1", "2", "t"])
        self.assertEqual(self.renew(third), ["t", "2", "3", "f"])
        self.assertEqual(self.renew(third), ["t", "2", "3", "f"])
        self.assertEqual(self.renew(first), ["t", "0", "3", "t"])
        self.assertEqual(self.renew(second), ["t", "1", "3", "t"])
        self.assertEqual(self.renew(third), ["t", "2", "3", "t"])

    def test_each_is_offered_what_others_decline(self):
        """Until it has declined it itself, also where the other was quicker; and when it is due all have it again."""
        message = int(self.put())
        first, second = self.daemon(), self.daemon()
        for claims, offered in ((first, "1"), (first, "1"), (second, "0")):
            self.assertEqual(self.claim(claims)[0], [message])
            self.sql(f"SELECT outbox.settle({claims}, {message}, 'deferred', due => now() + interval '1h', "
                     "declined => true)")
            self.assertEqual(self.one(f"SELECT offered FROM outbox.offer({second}, 0, 9, '{{}}')"), offered)
        self.assertEqual(self.one(f"SELECT offered FROM outbox.offer({first}, 0, 9, '{{}}')"), "0")
        self.assertEqual(self.one("SELECT declined FROM outbox.deferred"), f"{{{first},{second}}}")
        self.sql("UPDATE outbox.deferred SET due = now() - interval '1s'; SELECT outbox.ripen('-infinity', 9)")
        self.assertEqual(self.one("SELECT declined IS NULL FROM outbox.ready"), "t")

    def test_nobody_is_offered_more_than_it_may_claim(self):
        """The rest stays there for it: as many as it asks for, and none of the lanes in which it may send nothing."""
        first, second = self.daemon(), self.daemon()
        for more in ("", "", ", lane => 'null'"):
            self.put(more=more)
        for lane in ("", "null"):
            for message in self.claim(first, lane=lane)[0]:
                self.sql(f"SELECT outbox.settle({first}, {message}, 'deferred', due => now() + interval '1h', "
                         "declined => true)")
        for most, closed, offered in ((1, '{"null"}', "1"), (9, '{"null"}', "1"), (9, '{"null"}', "0"), (9, "{}", "1")):
            self.assertEqual(self.one(f"SELECT offered FROM outbox.offer({second}, 0, {most}, '{closed}')"), offered)

    def test_what_is_put_off_for_want_of_room_is_offered_to_nobody(self):
        """It waits for its turn, and for no time, also where another has declined it before."""
        first, second = self.daemon(), self.daemon()
        message = int(self.put())
        for daemon, declined, offered in ((first, "true", "1"), (second, "false", "0")):
            self.claim(daemon)
            self.sql(f"SELECT outbox.settle({daemon}, {message}, 'deferred', due => now() + interval '1h', "
                     f"declined => {declined})")
            self.assertEqual(self.one(f"SELECT offered FROM outbox.offer({second}, 0, 9, '{{}}')"), offered)
        self.assertEqual(self.sql("SELECT state, next, declined FROM outbox.place"), [["queued", "", ""]])
        self.assertEqual(self.one("SELECT outbox.flush(9)"), "1")

    def test_nothing_for_one_whose_lease_has_ended(self):
        message = int(self.put())
        self.assertEqual(self.claim(self.daemon("-1 hour"))[0], [])
        self.assertEqual(self.places(message), ["ready"])

    def test_who_finds_nothing_writes_nothing(self):
        """Each claim would be a commit that waits for the disk, and for a standby."""
        daemon = self.daemon()
        rows = self.sql(f"SELECT count(*) FROM outbox.claim({daemon}, '', '0', 0, '{{5}}', 9); SELECT outbox.reap();"
                        " SELECT ripe FROM outbox.ripen('-infinity', 9);"
                        f" SELECT offered FROM outbox.offer({daemon}, 0, 9, '{{}}');"
                        " SELECT pg_current_xact_id_if_assigned()")
        self.assertEqual(rows, [["1"], ["0"], ["0"], ["0"], [""]])
        self.put()
        self.assertEqual(len(self.claim(daemon)[0]), 1)
        self.assertNotEqual(self.one(f"SELECT xmax FROM outbox.daemon WHERE id = {daemon}"), "0")

    def test_an_end_in_good_order(self):
        message = int(self.put())
        daemon = self.daemon()
        self.claim(daemon)
        self.sql(f"SELECT outbox.daemon_end({daemon})")
        self.assertEqual(self.places(message), ["ready"])
        self.assertEqual(self.one("SELECT count(*) FROM outbox.daemon"), "0")

    def test_only_who_waits_is_notified(self):
        listener = self.database.session()
        listener.sql("LISTEN outbox")
        self.put()
        self.assertEqual([line for line in listener.sql("SELECT 1") if "notification" in line], [])
        daemon = self.daemon()
        self.sql(f"SELECT outbox.daemon_renew({daemon}, '1h', true, NULL)")
        self.put()
        self.assertEqual(len([line for line in listener.sql("SELECT 1") if "notification" in line]), 1)
        listener.close()
