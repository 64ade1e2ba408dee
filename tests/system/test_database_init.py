"""outbox database: the queue made in a PostgreSQL database, brought up to date and given to roles; and what is said
where that cannot be."""

import json

import lab
from case import SystemTest
from postgresql import PostgreSQL, SqlError

QUEUE = "SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', E'Subject: Your order\\n\\nThank you.\\n')"


class DatabaseTest(SystemTest):
    """A database of its own, `shop`, whose owner is `owner`; other roles have nothing."""

    @classmethod
    def setUpClass(cls):
        cls.database = PostgreSQL(lab.shared().new_directory() / "postgresql")
        cls.addClassCleanup(cls.database.stop)
        for role in ("owner", "app", "worker", "boss"):
            cls.database.sql(f"CREATE ROLE {role} LOGIN")

    def setUp(self):
        super().setUp()
        self.database.sql_alone("CREATE DATABASE shop OWNER owner")
        self.addCleanup(self.database.sql_alone, "DROP DATABASE shop WITH (FORCE)")
        self.configuration.write_text("", encoding="ascii")

    def sql(self, text, role="postgres"):
        return self.database.sql(text, role, "shop")

    def tool(self, *arguments, role="owner", status=0, conninfo=None, **options):
        conninfo = conninfo or self.database.uri(role, database="shop")
        result = self.outbox("--set", f"spool.database={conninfo}", *arguments, status=None, **options)
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stderr.decode()}")
        return result

    def init(self):
        self.tool("database", "init")

    def grant(self, role, kind):
        self.tool("database", "grant", role, kind)

    def fails(self, *arguments, status, words, **options):
        """It says one line, with these words in it; the exit status is that of its error."""
        result = self.tool(*arguments, status=status, **options)
        said = result.stderr.decode()
        self.assertEqual(said.count("\n"), 1, said)
        for part in words:
            self.assertIn(part, said)
        self.assertEqual(result.stdout, b"")


class Init(DatabaseTest):
    def test_made_once(self):
        self.assertIn(b"The queue is made.", self.tool("database", "init").stdout)
        self.sql(QUEUE)
        self.assertEqual(self.tool("database", "init").stdout, b"The queue is there already.\n")
        self.assertEqual(self.tool("database", "upgrade").stdout, b"The queue is up to date.\n")
        self.assertEqual(self.sql("SELECT count(*) FROM outbox.ready"), [["1"]])
        self.assertEqual(json.loads(self.tool("database", "init", "--json").stdout), {"done": "init", "version": 1})

    def test_its_owner_is_who_makes_it(self):
        self.init()
        self.assertEqual(self.sql("SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class"
                                  " WHERE relnamespace = 'outbox'::regnamespace"), [["owner"]])

    def test_in_a_schema_that_was_made_for_its_owner(self):
        self.sql("CREATE SCHEMA outbox AUTHORIZATION app")
        self.tool("database", "init", role="app")
        self.assertEqual(self.sql("SELECT version FROM outbox.hello()"), [["1"]])

    def test_in_a_database_that_cannot_hold_what_relays_say(self):
        self.database.sql_alone("DROP DATABASE shop WITH (FORCE)")
        self.database.sql_alone("CREATE DATABASE shop OWNER owner ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        self.fails("database", "init", status=78, words=["is not UTF8", "createdb -E UTF8"])

    def test_another_schema_of_that_name(self):
        self.sql("CREATE SCHEMA outbox; CREATE TABLE outbox.mails (id int)")
        self.fails("database", "init", status=78, words=["outbox: 9002: ", "is no queue", "ALTER SCHEMA"])
        self.assertEqual(self.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'outbox'::regnamespace"), [["1"]])

    def test_by_a_role_that_may_not(self):
        self.fails("database", "init", role="app", status=77, words=["10013", "the role app may not make a schema", "GRANT CREATE"])
        self.assertEqual(self.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'outbox'"), [["0"]])

    def test_a_newer_one(self):
        self.init()
        self.sql("INSERT INTO outbox.version (number, oldest) VALUES (3, 1)")
        self.tool("database", "check")
        self.sql("UPDATE outbox.version SET oldest = 2 WHERE number = 3")
        for task in ("check", "init", "upgrade"):
            self.fails("database", task, status=78, words=["of version 3", "needs 1", "install a newer outbox"])


class Trouble(DatabaseTest):
    def test_what_is_wrong_and_what_to_do(self):
        uri = self.database.uri
        cases = (
            ("host=127.0.0.1 port=1 dbname=shop", 75, ["9011", "refused", "see whether it runs"]),
            ("host=/nonexistent dbname=shop", 75, ["9011", "/nonexistent", "see whether it runs"]),
            ("host=nobody.invalid dbname=shop", 75, ["9011", "nobody.invalid", "correct host"]),
            (uri("owner", database="nothing"), 78, ["9002", "nothing", "createdb"]),
            (uri("nobody", database="shop"), 78, ["9002", "nobody", "correct user"]),
            (uri("owner", database="shop"), 78, ["9002", "outbox database init"]),
            ("hots=x dbname=shop", 78, ["9002", "hots", "correct spool.database"]),
            ("service=nothing", 78, ["9002", "nothing", "correct spool.database"]),
            ("host=x port=seven", 78, ["9002", "seven", "correct spool.database"]),
        )
        for conninfo, status, words in cases:
            with self.subTest(conninfo):
                self.fails("database", "check", conninfo=conninfo, status=status, words=words)

    def test_nothing_is_configured(self):
        result = self.outbox("database", "check", status=None)
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"set spool.database", result.stderr)

    def test_a_wrong_command_line(self):
        for words in ([], ["drop"], ["init", "again"], ["grant"], ["grant", "app"], ["grant", "app", "king"]):
            self.tool("database", *words, status=64)

    def test_a_role_without_rights(self):
        self.init()
        self.fails("database", "check", role="app", status=77, words=["10013", "42501", "outbox database grant"])

    def test_rights_are_given_by_the_owner(self):
        self.init()
        self.grant("boss", "operator")
        self.fails("database", "grant", "app", "producer", role="boss", status=77,
                   words=["10013", "the role boss does not own the queue: owner does"])

    def test_everybody_is_no_role(self):
        self.init()
        self.fails("database", "grant", "public", "operator", status=78, words=["is everybody, and no role"])
        self.assertEqual(self.sql("SELECT has_function_privilege('app', 'outbox.figures()', 'execute')"), [["f"]])

    def test_no_such_role(self):
        self.init()
        self.fails("database", "grant", "somebody", "daemon", status=78,
                   words=['"somebody" does not exist', "make it with CREATE ROLE"])
        self.assertEqual(self.sql("SELECT count(*) FROM outbox.granted"), [["0"]])

    def test_only_to_be_read(self):
        self.init()
        self.sql("ALTER DATABASE shop SET default_transaction_read_only = on")
        self.fails("database", "check", status=75, words=["9011", "read-only", "target_session_attrs"])


class Rights(DatabaseTest):
    CALLS = {
        "queue": QUEUE,
        "submit": "SELECT outbox.submit('', '', '{a@lab.test}', NULL, 'x', NULL, '', NULL)",
        "submit_as": "SELECT outbox.submit_as(0, '', '', '{a@lab.test}', NULL, 'x', NULL, '', NULL)",
        "claim": "SELECT outbox.claim(1, '', '0', 0, '{}', 1)",
        "content": "SELECT outbox.content(1, 0, 9)",
        "change": "SELECT outbox.change('delete', '{1}')",
        "list": "SELECT outbox.record_of(1)",
    }

    def may(self, role):
        done = set()
        for name, call in self.CALLS.items():
            try:
                self.sql(call, role)
                done.add(name)
            except SqlError as error:
                self.assertIn("permission denied", str(error))
        return done

    def test_each_has_what_it_needs(self):
        self.init()
        self.assertEqual(self.may("app"), set())
        self.grant("app", "producer")
        self.grant("worker", "daemon")
        self.grant("boss", "operator")
        self.assertEqual(self.may("app"), {"queue", "submit"})
        self.assertEqual(self.may("worker"), {"submit", "submit_as", "claim", "content"})
        self.assertEqual(self.may("boss"), set(self.CALLS))

    def test_no_function_is_given_to_more_kinds_than_need_it(self):
        """A new one is the operator's, until somebody says otherwise."""
        kinds = {
            "app producer": "append hello queue submit",
            "worker daemon": "append bring claim content daemon_begin daemon_end daemon_renew flush"
                             " forget_keys hello keep keep_only kept_by_others lanes note offer oldest read reap ripen"
                             " settle submit submit_as take_kept waiting write",
        }
        self.init()
        self.grant("boss", "operator")
        for words, functions in kinds.items():
            self.grant(*words.split())
            self.assertEqual(self.functions(words.split()[0]), functions.split())
        self.assertEqual(
            set(self.functions("boss")) - set(" ".join(kinds.values()).split()),
            set("arrive arrived change daemons depart depart_for_good envelope_of figures forget_departed has_departed"
                " list moving not_arrived record_of rename_mover stay tag".split()))

    def functions(self, role):
        rows = self.sql("SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'outbox'::regnamespace"
                        f" AND has_function_privilege('{role}', oid, 'execute') ORDER BY 1")
        return [name for [name] in rows]

    def test_nobody_sees_a_table(self):
        self.init()
        for role, kind in (("app", "producer"), ("worker", "daemon"), ("boss", "operator")):
            self.grant(role, kind)
            self.assertEqual(self.sql(
                "SELECT relname FROM pg_class WHERE relnamespace = 'outbox'::regnamespace AND relkind IN ('r', 'v', 'S')"
                f" AND has_table_privilege('{role}', oid, 'select, insert, update, delete, truncate')"), [])
            for function in ("put(0, '', '', '{a@lab.test}', NULL, 'x', NULL, '', NULL)", "allow('app', 'operator')",
                             "ring()", "holds(1, 1)", "take_back(1, 1)"):
                with self.assertRaisesRegex(SqlError, "permission denied"):
                    self.sql(f"SELECT outbox.{function}", role)

    def test_names_of_a_callers_own_are_not_used(self):
        """Tables, functions and operators that a role makes stand before none of the queue's, whatever its path."""
        self.init()
        self.grant("app", "producer")
        self.sql("CREATE SCHEMA app AUTHORIZATION app")
        body = "LANGUAGE plpgsql AS 'BEGIN RAISE ''trapped''; END'"
        trap = ("CREATE TEMP TABLE daemon (idle boolean); CREATE TEMP TABLE message (id int);"
                f"CREATE FUNCTION app.address_fault(text) RETURNS text {body};"
                f"CREATE FUNCTION app.lower(text) RETURNS text {body};"
                f"CREATE FUNCTION app.neq(text, text) RETURNS boolean {body};"
                "CREATE OPERATOR app.<> (leftarg = text, rightarg = text, function = app.neq);"
                "SET search_path = pg_temp, app, pg_catalog;")
        self.assertEqual(len(self.sql(trap + QUEUE, "app")), 1)
        self.assertEqual(self.sql("SELECT count(*) FROM outbox.ready"), [["1"]])

    def test_pieces_are_of_one_transaction(self):
        """What one role has appended, and committed, is in no other's message."""
        self.init()
        for role in ("app", "worker"):
            self.grant(role, "producer")
        self.sql("SELECT outbox.append('Subject: evil')", "app")
        submit = "SELECT outbox.submit('', '', '{a@lab.test}', NULL, NULL, NULL, '', NULL)"
        with self.assertRaisesRegex(SqlError, "the message is empty"):
            self.sql(submit, "worker")
        self.sql("SELECT outbox.append('Subject: '); SELECT outbox.append(E'good\\n\\n'); " + submit, "worker")
        self.assertEqual(self.sql("SELECT encode(content, 'hex') FROM outbox.message"), [[b"Subject: good\n\n".hex()]])
        self.assertEqual(self.sql("SELECT count(*) FROM outbox.piece"), [["1"]])
        self.sql("SELECT outbox.reap()")
        self.assertEqual(self.sql("SELECT count(*) FROM outbox.piece"), [["0"]])

    def test_given_again_with_an_upgrade(self):
        """Also where a role has gone meanwhile."""
        self.init()
        self.grant("app", "producer")
        self.sql("INSERT INTO outbox.granted VALUES ('gone', 'daemon')")
        self.sql("REVOKE EXECUTE ON FUNCTION outbox.append(bytea) FROM app")
        self.tool("database", "upgrade")
        self.sql("SELECT outbox.append('x')", "app")


class Check(DatabaseTest):
    def test_what_is_there(self):
        self.init()
        self.grant("worker", "daemon")
        said = json.loads(self.tool("database", "check", "--json", role="worker").stdout)
        self.assertTrue(said.pop("server"))
        self.assertEqual(said, {
            "version": 1, "database": "shop", "role": "worker", "owner": "owner", "read_only": False, "may_queue": True,
            "may_deliver": True, "may_change": False, "warnings": []})
        lines = self.tool("database", "check", role="worker").stdout.decode().splitlines()
        self.assertIn("may       queue, deliver", lines)
        self.assertIn("owner     owner", lines)

    def test_a_superusers(self):
        self.tool("database", "init", role="postgres")
        said = self.tool("database", "check", role="postgres").stdout
        self.assertIn(b"warning: the queue belongs to a superuser", said)
