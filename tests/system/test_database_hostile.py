"""A role that may queue, and means no good: it gets a refusal that says what is wrong, and nobody else notices."""

from postgresql import SqlError
from test_database_init import QUEUE, DatabaseTest


class HostileTest(DatabaseTest):
    def setUp(self):
        super().setUp()
        self.init()
        self.grant("app", "producer")

    def call(self, arguments, before=""):
        return self.sql(f"{before}SELECT outbox.queue({arguments})", "app")

    def refused(self, arguments, words, before=""):
        with self.assertRaises(SqlError) as error:
            self.call(arguments, before)
        self.assertIn(words, str(error.exception))

    def count(self, table="message"):
        return int(self.sql(f"SELECT count(*) FROM outbox.{table}")[0][0])


class Addresses(HostileTest):
    WRONG = (
        ("a@x.org\\r\\nDATA", "control character"),
        ('"a b"@x.org> SIZE=1', "quotation marks"),
        ('"a\\r\\nDATA"@x.org', "control character"),
        ('"a@x.org', "quotation marks"),
        ('"a"b@x.org', "quotation marks"),
        ('"a"@x.org> <b@x.org', "quotation marks"),
        ('"a\\\\"@x.org', "quotation marks"),
        ("a b@x.org", "a blank"),
        ("<a@x.org>", "angle bracket"),
        ("a@x.org>\\u2028", "angle bracket"),
        ("a\\u0085@x.org", "control character"),
        ("@x.org", "no domain"),
        ("a@", "no domain"),
        ("a" * 900 + "@x.org", "longer than 900"),
        ("a@b@x.org", "more than one @"),
        ("@b.org,@c.org:a@x.org", "more than one @"),
        ("a,b@x.org", "allowed in quotation marks only"),
        ("a(b)@x.org", "allowed in quotation marks only"),
        ('a"b@x.org', "allowed in quotation marks only"),
        ("a\\\\b@x.org", "allowed in quotation marks only"),
        (".a@x.org", "a dot must stand between"),
        ("a.@x.org", "a dot must stand between"),
        ("a..b@x.org", "a dot must stand between"),
        ("a@.", "a dot must stand between"),
        ("a@x..org", "a dot must stand between"),
        ("a@x.org.", "a dot must stand between"),
        ("a@x.org;", "other characters than letters"),
        ("a@x!org", "other characters than letters"),
        ("a@-x.org", "a hyphen"),
        ("a@x.org-", "a hyphen"),
        ("a@" + "x" * 64 + ".org", "longer than 63"),
        ("a@" + "x." * 130 + "org", "longer than 255"),
        ("a@[x.org]", "address literal"),
        ("\\'a@x.org\\'", "apostrophes"),
    )

    def test_what_would_be_a_command(self):
        for address, words in self.WRONG:
            for before in ("", "SET standard_conforming_strings = off; SET escape_string_warning = off;"):
                with self.subTest(address[:40], before=before):
                    self.refused(f"E'{address}', '{{b@x.org}}', 'x'", words, before)
                    self.refused(f"'', ARRAY[E'{address}'], 'x'", words, before)
        self.assertEqual(self.count(), 0)

    def test_what_is_one(self):
        for address in ('"a b <c>"@x.org', '"a\\\\"b"@x.org', '"@"@x.org', '"a..b"@x.org', "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
                        "o\\'neil+a_b@x-y.org", "!#$%&*/=?^_`{|}~@x_y.org", "a@" + "x" * 63 + ".org", "a@x", "a@1.2",
                        "j\\u00f6rg@b\\u00fccher.org"):
            with self.subTest(address):
                self.call(f"E'{address}', ARRAY[E'{address}'], 'x'")


class Sizes(HostileTest):
    def test_too_much(self):
        for arguments, words in (
            ("'', array_fill('a@x.org'::text, ARRAY[20001]), 'x'", "more than 20000 recipients"),
            ("'', '{a@x.org}', 'x', key => repeat('k', 501)", "longer than 500 octets"),
            ("'', '{a@x.org}', 'x', lane => repeat('l', 33)", "no name of a lane"),
            ("'', '{a@x.org}', 'x', lane => E'a\\n'", "no name of a lane"),
            ("'', '{a@x.org}', 'x', not_before => 'infinity'", "more than three years away"),
            ("'', '{a@x.org}', 'x', not_before => '294276-01-01'", "more than three years away"),
        ):
            with self.subTest(words):
                self.refused(arguments, words)
        for parameters, words in (("repeat('A', 1001)", "longer than 1000"), ("E'A\\r\\nDATA'", "not printable")):
            for call in (f"'', {parameters}, '{{a@x.org}}', NULL", f"'', '', '{{a@x.org}}', ARRAY[{parameters}]"):
                with self.subTest(call), self.assertRaisesRegex(SqlError, words):
                    self.sql(f"SELECT outbox.submit({call}, 'x', NULL, '', NULL)", "app")
        self.assertEqual(self.count(), 0)

    def test_a_time_that_is_past(self):
        self.call("'', '{a@x.org}', 'x', not_before => '-infinity'")
        self.assertEqual(self.count("ready"), 1)

    def test_arrays_of_other_forms(self):
        self.call("'', ARRAY[['a@x.org', 'b@x.org'], ['c@x.org', 'd@x.org']], 'x'")
        self.call("'', '[5:6]={e@x.org,f@x.org}', 'x'")
        self.assertEqual(self.count("recipient"), 6)

    def test_lanes_without_end(self):
        """Daemons look in each; nobody takes the names of another role."""
        self.sql("SELECT outbox.queue('', '{a@x.org}', 'x', lane => 'l' || n) FROM generate_series(1, 200) n", "app")
        self.refused("'', '{a@x.org}', 'x', lane => 'one-more'", "would be the 201st of the role \"app\"")
        self.call("'', '{a@x.org}', 'x', lane => 'l7'")
        self.sql("SELECT outbox.queue('', '{a@x.org}', 'x', lane => 'mine')")
        self.call("'', '{a@x.org}', 'x', lane => 'mine'")
        self.sql("INSERT INTO outbox.lane SELECT 'o' || n, 'others' FROM generate_series(1, 699) n")
        self.sql("UPDATE outbox.lane SET role = 'others'")
        self.refused("'', '{a@x.org}', 'x', lane => 'one-more'", "would be the 901st")

    def test_a_new_lane_of_an_open_transaction(self):
        """Nobody waits for another's first message in it, and it is one lane."""
        session = self.database.session("app", "shop")
        self.addCleanup(session.abandon)
        session.sql("BEGIN; SELECT outbox.queue('', '{a@x.org}', 'x', lane => 'new')")
        self.call("'', '{b@x.org}', 'x', lane => 'new'", "SET statement_timeout = '5s';")
        session.sql("COMMIT")
        self.assertEqual(self.sql("SELECT * FROM outbox.lanes()"), [["new"]])
        self.assertEqual(self.count("ready"), 2)

    def test_a_piece_of_a_restored_dump(self):
        """It is in the message of no transaction that has its number one day."""
        self.sql("SELECT outbox.append('left over')", "app")
        self.sql("UPDATE outbox.piece SET xact = (xact::text::bigint + 1000000)::text::xid8")
        self.sql("SELECT outbox.reap()")
        self.assertEqual(self.count("piece"), 0)

    def test_bytes_that_are_no_text(self):
        with self.assertRaisesRegex(SqlError, "invalid byte sequence"):
            self.sql("SELECT outbox.queue('', ARRAY[convert_from('\\x61ff4062', 'UTF8')], 'x')", "app")
        self.sql("SELECT outbox.queue('', '{a@x.org}', '\\x5375626a6563743a2078000a'::bytea)", "app")
        self.assertEqual(self.count(), 1)


class Sessions(HostileTest):
    def test_settings_of_the_session(self):
        """What a session may set changes nothing of what the functions do, for the session or for others."""
        for setting in ("search_path = pg_temp", "DateStyle = 'SQL, DMY'", "IntervalStyle = sql_standard",
                        "TimeZone = 'Asia/Kathmandu'", "bytea_output = escape", "standard_conforming_strings = off",
                        "transform_null_equals = on", "array_nulls = off", "client_encoding = LATIN1",
                        "quote_all_identifiers = on", "xmloption = document", "check_function_bodies = off"):
            with self.subTest(setting):
                self.sql(f"SET {setting}; {QUEUE}", "app")
                self.sql(f"SELECT set_config('{setting.split(' = ')[0]}', {setting.split(' = ')[1]!r}, true); {QUEUE}"
                         .replace("\"'", "'").replace("'\"", "'"), "app")
        self.assertEqual({row[0] for row in self.sql("SELECT encode(content, 'hex') FROM outbox.message")},
                         {b"Subject: Your order\n\nThank you.\n".hex()})

    def test_prepared_before_a_trap_was_laid(self):
        self.sql("CREATE SCHEMA app AUTHORIZATION app")
        self.sql(f"PREPARE mail AS {QUEUE}; CREATE TEMP TABLE ready (lane text, message bigint);"
                 "CREATE FUNCTION app.ring() RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE ''trapped''; END';"
                 "SET search_path = pg_temp, app; EXECUTE mail; EXECUTE mail", "app")
        self.assertEqual(self.count("ready"), 2)

    def test_it_cannot_act_as_the_owner(self):
        """Neither its own functions, nor what it puts around the queue's, run with more rights than it has."""
        self.sql("CREATE SCHEMA app AUTHORIZATION app")
        for text, words in (
            ("CREATE FUNCTION outbox.queue(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
             "permission denied for schema"),
            ("SET ROLE owner", "permission denied to set role"),
            ("SET SESSION AUTHORIZATION owner", "permission denied"),
            ("ALTER FUNCTION outbox.hello() RESET ALL", "must be owner"),
            ("CREATE FUNCTION app.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM"
             " outbox.message'; SELECT app.peek()", "permission denied for table"),
            ("CREATE VIEW app.peek AS SELECT * FROM outbox.message; SELECT * FROM app.peek",
             "permission denied for table"),
            ("SELECT outbox.allow('app', 'operator')", "permission denied for function"),
            ("LISTEN outbox; SELECT outbox.list(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, false, 9,"
             " false)", "permission denied for function"),
        ):
            with self.subTest(text), self.assertRaises(SqlError) as error:
                self.sql(text, "app")
            self.assertIn(words, str(error.exception))

    def test_keys_of_another_role_are_not_its_own(self):
        self.grant("worker", "producer")
        first = self.sql("SELECT outbox.queue('', '{a@x.org}', 'secret', key => 'order-1')", "worker")
        self.assertNotEqual(self.call("'', '{a@x.org}', 'x', key => 'order-1'"), first)
        self.assertEqual(self.count(), 2)

    def test_a_lock_that_is_not_let_go(self):
        """Whoever holds the lock of notifications holds up nobody."""
        daemon = self.sql("SELECT outbox.daemon_begin('host', '1 hour')")[0][0]
        self.sql(f"SELECT outbox.daemon_renew({daemon}, '1 hour', true, NULL)")
        session = self.database.session("app", "shop")
        self.addCleanup(session.close)
        session.sql("SELECT pg_advisory_lock(hashtext('outbox.ring'))")
        self.sql("SET statement_timeout = '20s'; " + QUEUE, "postgres")
        self.assertEqual(self.count("ready"), 1)
