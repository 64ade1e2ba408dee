"""The queue on PostgreSQL, as the database keeps it: what applications hand over."""

import threading

import lab
from postgresql import SqlError
from process import wait_for
from schema_case import MAIL, SchemaTest


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
