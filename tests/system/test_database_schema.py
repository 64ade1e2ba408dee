"""The queue on PostgreSQL, as the database keeps it: what applications hand over, and who holds what."""

import json
import random
import re
import threading
import time

import lab
from case import SystemTest
from claimer import Position
from postgresql import INIT, PostgreSQL, SqlError
from process import wait_for

MAIL = "E'Subject: Your order\\n\\nThank you.\\n'"


class SchemaTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.database = PostgreSQL(lab.shared().new_directory() / "postgresql")
        cls.addClassCleanup(cls.database.stop)

    def setUp(self):
        super().setUp()
        self.sql(INIT)
        self.addCleanup(self.sql, "DROP SCHEMA outbox CASCADE")

    def sql(self, text, **options):
        return self.database.sql(text, **options)

    def one(self, text, **options):
        return self.sql(text, **options)[0][0]

    def put(self, recipients="{ann@lab.test}", more="", **options):
        """The message's id."""
        return self.one(f"SELECT outbox.queue('shop@lab.test', '{recipients}', {MAIL}{more})", **options)

    def daemon(self, lease="1 hour"):
        return self.one(f"SELECT outbox.daemon_begin('host', '{lease}')")

    def claim(self, daemon, after="0", after_message=0, late=(), most=100, lane=""):
        """The ids of the messages, in order; the snapshot; and the last transaction that filled one of them."""
        rows = self.sql(
            f"SELECT * FROM outbox.claim({daemon}, '{lane}', '{after}', {after_message},"
            f" '{{{','.join(late)}}}'::xid8[], {most})"
        )
        taken = sorted((int(row[1]), int(row[0])) for row in rows if row[0])
        snapshot = [row[4] for row in rows if not row[0]]
        self.assertEqual(len(snapshot), 1)
        return [message for _, message in taken], snapshot[0], str(taken[-1][0]) if taken else after

    def places(self, message):
        """The tables of those that a message can be in that have it."""
        tables = ("ready", "deferred", "leased", "aside", "ended")
        return [t for t in tables if self.one(f"SELECT count(*) FROM outbox.{t} WHERE message = {message}") != "0"]


class Queueing(SchemaTest):
    def test_commits_and_rolls_back_with_the_application(self):
        self.sql("CREATE TABLE outbox.orders (id int)")
        for end, expected in (("ROLLBACK", "0"), ("COMMIT", "1")):
            session = self.database.session()
            session.sql("BEGIN")
            session.sql("INSERT INTO outbox.orders VALUES (1)")
            session.sql(f"SELECT outbox.queue('shop@lab.test', '{{ann@lab.test}}', {MAIL})")
            session.sql(end)
            session.close()
            self.assertEqual(self.one("SELECT count(*) FROM outbox.orders"), expected)
            self.assertEqual(self.one("SELECT count(*) FROM outbox.ready"), expected)

    def test_everything_is_kept_as_given(self):
        content = bytes(range(256)) * 5000
        message = self.one(
            "SELECT outbox.queue('', ARRAY['ann@lab.test', '\"b c\"@lab.test'], "
            f"decode('{content.hex()}', 'hex'), lane => 'bulk')"
        )
        self.assertEqual(
            self.sql(f"SELECT number, address FROM outbox.recipient WHERE message = {message} ORDER BY number"),
            [["0", "ann@lab.test"], ["1", '"b c"@lab.test']],
        )
        self.assertEqual(self.sql("SELECT sender, lane, role FROM outbox.message"), [["", "bulk", "postgres"]])
        pieces = [
            bytes.fromhex(self.one(f"SELECT encode(outbox.content({message}, {start}, 500000), 'hex')"))
            for start in range(0, len(content) + 1, 500_000)
        ]
        self.assertEqual(b"".join(pieces), content)

    def test_a_key_makes_it_one_message(self):
        first = self.put(more=", key => 'order 1'")
        self.assertEqual(self.put(more=", key => 'order 1'"), first)
        self.assertNotEqual(self.put(more=", key => 'order 2'"), first)
        self.assertEqual(self.one("SELECT count(*) FROM outbox.ready"), "2")

    def test_a_key_outlives_its_message(self):
        """For a week, within which whoever does not know of it tries again."""
        message = self.put(more=", key => 'order 1'")
        daemon = self.daemon()
        self.claim(daemon)
        self.sql(f"SELECT outbox.settle({daemon}, {message}, 'sent'), outbox.forget_keys()")
        self.assertEqual(self.put(more=", key => 'order 1'"), message)
        self.assertEqual(self.one("SELECT count(*) FROM outbox.message"), "0")
        waits = self.put(more=", key => 'order 2'")
        self.sql("UPDATE outbox.used_key SET at = at - interval '8 days'")
        self.sql("SELECT outbox.forget_keys()")
        self.assertEqual(self.put(more=", key => 'order 2'"), waits)
        self.assertNotEqual(self.put(more=", key => 'order 1'"), message)

    def test_its_name_is_the_same_for_everybody(self):
        """Whatever a session's zone and form of times: moves that were broken off are found by it."""
        names = {self.one(f"SET timezone = '{zone}'; SET datestyle = '{style}'; SELECT outbox.tag()")
                 for zone in ("UTC", "Asia/Tokyo") for style in ("ISO", "German")}
        self.assertEqual(len(names), 1)

    def test_a_key_of_two_at_once(self):
        """The second waits for the first, and takes its place where that rolls back."""
        for end, messages in (("ROLLBACK", 1), ("COMMIT", 2)):
            first = self.database.session()
            first.sql("BEGIN")
            first.sql(f"SELECT outbox.queue('a@lab.test', '{{b@lab.test}}', {MAIL}, key => '{end}')")
            ids = []
            second = threading.Thread(target=lambda: ids.append(self.put(more=f", key => '{end}'")))  # noqa: B023
            second.start()
            first.sql(end)
            second.join()
            first.close()
            self.assertEqual(len(ids), 1)
            self.assertEqual(self.one("SELECT count(*) FROM outbox.message"), str(messages))

    def test_a_key_of_two_at_once_in_snapshots_that_stay(self):
        """There the second cannot see what the first has queued: it is told to repeat, as with all else, and does."""
        for level in ("REPEATABLE READ", "SERIALIZABLE"):
            call = f"SELECT outbox.queue('a@lab.test', '{{b@lab.test}}', {MAIL}, key => '{level}')"
            first = self.database.session()
            first.sql("BEGIN")
            number = first.sql(call)[0]
            answers = []
            second = threading.Thread(target=lambda: answers.append(self.refused(  # noqa: B023
                f"SET TRANSACTION ISOLATION LEVEL {level}; SELECT 1; {call}")))  # noqa: B023
            second.start()
            wait_for(lambda: self.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "1",
                     "the second waits")
            first.sql("COMMIT")
            second.join()
            first.close()
            self.assertIn("could not serialize access", answers[0])
            rows = self.sql(f"SET TRANSACTION ISOLATION LEVEL {level}; SELECT 1; {call}")
            self.assertEqual(rows, [["1"], [number]])
        self.assertEqual(self.one("SELECT count(*) FROM outbox.message"), "2")

    def refused(self, text):
        with self.assertRaises(SqlError) as refused:
            self.sql(text)
        return str(refused.exception)

    def test_a_key_of_an_application_is_its_own(self):
        """What moves here has keys, too: whatever an application calls its own, they are not taken for each other."""
        key = "move host:/var/spool/outbox 1-2-3"
        number = self.put(more=f", key => '{key}'")
        moved = self.one(f"SELECT outbox.arrive('from x', '{key}', NULL, '', '', '', '[[\"a@lab.test\", \"\", null]]', 0, "
                         "'[]', 'queued', 0, NULL, NULL)")
        self.assertNotIn(moved, ("", number))
        self.sql(f"SELECT outbox.arrived('from x', {moved}); SELECT outbox.depart('to y', {number}), "
                 f"outbox.depart_for_good('to y', {number})")
        self.assertEqual(self.put(more=f", key => '{key}'"), number)

    def test_refused(self):
        for call, words in (
            ("NULL, '{a@x.org}', 'x'", "the sender is NULL"),
            ("'shop', '{a@x.org}', 'x'", "the sender \"shop\" is no address: it has no domain"),
            ("'a@x.org', '{}', 'x'", "there is no recipient"),
            ("'a@x.org', NULL, 'x'", "there is no recipient"),
            ("'a@x.org', '{a@x.org,NULL}', 'x'", "is no address: it is NULL"),
            ("'a@x.org', '{a@x.org,ann}', 'x'", "the recipient \"ann\" is no address: it has no domain"),
            ("'a@x.org', ARRAY[E'a@x.org\\nRCPT TO:<b@x.org>'], 'x'", "control character"),
            ("'a@x.org', ARRAY['a@x.org> SIZE=1'], 'x'", "angle bracket"),
            ("'a@x.org', ARRAY['b@x.org,c@x.org'], 'x'", "more than one @"),
            ("'a@x.org', ARRAY['b\"b@x.org'], 'x'", "in quotation marks only"),
            ("'a@x.org', ARRAY['b(c)@x.org'], 'x'", "in quotation marks only"),
            ("'a@x.org', ARRAY['b..c@x.org'], 'x'", "before the @, a dot"),
            ("'b.@x.org', ARRAY['b@x.org'], 'x'", "before the @, a dot"),
            ("'a@x.org', ARRAY['b@x..org'], 'x'", "after the @, a dot"),
            ("'a@x.org', ARRAY['b@x.org.'], 'x'", "after the @, a dot"),
            ("'a@x.org', ARRAY['b@-x.org'], 'x'", "begins or ends with a hyphen"),
            ("'a@x.org', ARRAY['b@x!.org'], 'x'", "after the @ are other characters"),
            ("'a@x.org', ARRAY['b@' || repeat('x', 64) || '.org'], 'x'", "longer than 63"),
            ("'a@x.org', ARRAY[E'\\'b@x.org\\''], 'x'", "in apostrophes"),
            ("'a@x.org', '{b@x.org}', ''", "the message is empty"),
            ("'a@x.org', '{b@x.org}', 'x', key => ''", "the key is empty"),
            ("'a@x.org', '{b@x.org}', 'x', lane => 'a b'", "no name of a lane"),
        ):
            with self.subTest(call), self.assertRaises(SqlError) as refused:
                self.sql(f"SELECT outbox.queue({call})")
            self.assertIn(words, str(refused.exception))
        self.assertEqual(self.one("SELECT count(*) FROM outbox.message"), "0")

    def test_what_is_an_address(self):
        for address in ("a@x", "a.b+c-d_e=f{g}@x-y.example", "!#$%&'*/?^`|~@x.org", '"a b,@.."@x.org', '"a@-b"@x.org',
                        "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "jörg@bücher.example", "a@xn--bcher-kva.example",
                        "a" * 800 + "@x.org", "a" * 70 + "@x.org", "1@1.2"):
            with self.subTest(address):
                quoted = address.replace("'", "''")
                self.assertEqual(self.one(f"SELECT coalesce(outbox.address_fault('{quoted}'), 'none')"), "none")

    def test_a_role_that_may_queue_sees_nothing(self):
        self.addCleanup(self.sql, "DROP OWNED BY application; DROP ROLE application")
        self.sql(
            "CREATE ROLE application LOGIN; GRANT USAGE ON SCHEMA outbox TO application;"
            "GRANT EXECUTE ON FUNCTION outbox.queue(text, text[], text, text, text, timestamptz) TO application"
        )
        self.put()
        self.assertEqual(self.put(role="application"), "2")
        self.assertEqual(self.sql("SELECT role FROM outbox.message WHERE id = 2"), [["application"]])
        for text in ("SELECT * FROM outbox.message", "SELECT * FROM outbox.recipient", "SELECT outbox.content(1, 0, 9)",
                     "SELECT outbox.daemon_begin('x', '1h')", "SELECT outbox.claim(1, '', '0', 0, '{}', 1)"):
            with self.subTest(text), self.assertRaises(SqlError) as refused:
                self.sql(text, role="application")
            self.assertIn("permission denied", str(refused.exception))

    def test_not_a_function_or_table_of_the_caller(self):
        """What is found under a name is what this schema means by it, whatever the caller has."""
        self.addCleanup(self.sql, "DROP OWNED BY rogue; DROP ROLE rogue")
        self.sql("CREATE ROLE rogue LOGIN; CREATE SCHEMA rogue AUTHORIZATION rogue; GRANT USAGE ON SCHEMA outbox TO rogue;"
                 "GRANT EXECUTE ON FUNCTION outbox.queue(text, text[], text, text, text, timestamptz) TO rogue")
        self.sql(
            "SET search_path = rogue, pg_temp; CREATE TEMP TABLE message (id int); CREATE TEMP TABLE daemon (idle bool);"
            "CREATE FUNCTION rogue.address_fault(text) RETURNS text LANGUAGE sql AS $$ SELECT NULL $$;"
            f"SELECT outbox.queue('a@x.org', '{{b@x.org}}', {MAIL})", role="rogue")
        self.assertEqual(self.one("SELECT count(*) FROM outbox.message"), "1")


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

        self.assertEqual(read(), ['[[0, "ann@lab.test", "", null]]', "", "f"])
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

    def test_each_is_offered_what_others_decline_once(self):
        """Whoever claims it then; and when it is due all have it to send again."""
        message = int(self.put())
        first, second = self.daemon(), self.daemon()
        for daemon, offered in ((second, "1"), (second, "0"), (first, "0")):
            if self.claim(first)[0]:
                self.sql(f"SELECT outbox.settle({first}, {message}, 'deferred', due => now() + interval '1h', "
                         "declined => true)")
            self.assertEqual(self.one(f"SELECT offered FROM outbox.offer({daemon}, 0, 9)"), offered)
        self.assertEqual(self.one("SELECT declined FROM outbox.deferred"), f"{{{second},{first}}}")
        self.sql("UPDATE outbox.deferred SET due = now() - interval '1s'; SELECT outbox.ripen('-infinity', 9)")
        self.assertEqual(self.one("SELECT declined IS NULL FROM outbox.ready"), "t")

    def test_nothing_for_one_whose_lease_has_ended(self):
        message = int(self.put())
        self.assertEqual(self.claim(self.daemon("-1 hour"))[0], [])
        self.assertEqual(self.places(message), ["ready"])

    def test_who_finds_nothing_writes_nothing(self):
        """Each claim would be a commit that waits for the disk, and for a standby."""
        daemon = self.daemon()
        rows = self.sql(f"SELECT count(*) FROM outbox.claim({daemon}, '', '0', 0, '{{5}}', 9); SELECT outbox.reap();"
                        " SELECT ripe FROM outbox.ripen('-infinity', 9);"
                        f" SELECT offered FROM outbox.offer({daemon}, 0, 9);"
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
