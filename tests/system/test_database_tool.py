"""The tool on a queue in a database: looking at it and changing it, as on a directory."""

import json
import re

import lab
from case import SystemTest, message
from lab import SOURCE
from postgresql import PostgreSQL

INIT = f"CREATE SCHEMA outbox; SET LOCAL search_path = outbox, pg_temp;\\i {SOURCE}/src/database/schema-1.sql"


class ToolTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.database = PostgreSQL(lab.shared().new_directory() / "postgresql")
        cls.addClassCleanup(cls.database.stop)

    def setUp(self):
        super().setUp()
        self.sql(INIT)
        self.addCleanup(self.sql, "DROP SCHEMA outbox CASCADE")
        conninfo = f"host={self.database.directory} port={self.database.port} user=postgres dbname=postgres"
        self.configure(spool={"database": conninfo})

    def sql(self, text):
        return self.database.sql(text)

    def put(self, sender="shop@lab.test", recipients="{ann@lab.test}", more=""):
        return self.sql(f"SELECT outbox.queue('{sender}', '{recipients}', E'Subject: x\\n\\nHello.\\n'{more})")[0][0]

    def deferred(self, message):
        """One daemon has tried it in vain."""
        daemon = self.sql("SELECT outbox.daemon_begin('mail1', '1 hour')")[0][0]
        line = json.dumps({"time": "2026-11-01T10:00:00.000000Z", "event": "deferred", "recipient": "ann@lab.test",
                           "attempt": 1, "code": 451, "enhanced": "4.2.2", "text": "mailbox full", "relay": "plain"})
        self.sql(f"SELECT outbox.claim({daemon}, '', '0', 0, '{{}}', 100)")
        self.sql(f"SELECT outbox.settle({daemon}, {message}, 'deferred', lines => ARRAY['{line}']::jsonb[],"
                 " attempts => 1, due => now() + interval '1 hour')")
        self.sql(f"SELECT outbox.daemon_end({daemon})")

    def ids(self, *arguments):
        return [one["id"] for one in json.loads(self.outbox("list", "--json", *arguments))]

    def states(self):
        return {one["id"]: one["state"] for one in json.loads(self.outbox("list", "--json"))}


class Looking(ToolTest):
    def test_list_chooses_and_sorts(self):
        one = self.put()
        two = self.put(sender="news@lab.test", recipients="{bob@lab.test,ann@lab.test}")
        three = self.put(more=", not_before => now() + interval '1 day'")
        self.deferred(one)
        for arguments, expected in (
            ((), [one, two, three]),
            (("--limit", "2"), [one, two]),
            (("--reverse",), [three, two, one]),
            (("queued",), [two, three]),
            (("deferred",), [one]),
            (("failed",), []),
            (("--from", "NEWS"), [two]),
            (("--to", "bob@"), [two]),
            (("--text", "mailbox full"), [one]),
            (("--relay", "plain"), [one]),
            (("--uid", "4321"), []),
            (("--older", "1h"), []),
            (("--sort", "tries"), [one, two, three]),
            (("--sort", "next"), [two, one, three]),
            (("--sort", "sender"), [two, one, three]),
            (("--sort", "state"), [two, three, one]),
            (("--sort", "state", "--reverse"), [one, two, three]),
        ):
            with self.subTest(arguments):
                self.assertEqual(self.ids(*arguments), expected)

    def test_pages(self):
        """More than are fetched together."""
        self.sql("SELECT count(outbox.queue('shop@lab.test', '{ann@lab.test}', 'Subject: x'))"
                 " FROM generate_series(1, 1203)")
        self.assertEqual(self.ids(), [str(n) for n in range(1, 1204)])
        self.assertEqual(self.ids("--limit", "501"), [str(n) for n in range(1, 502)])
        self.assertIn("1203 messages held", self.outbox("hold", "--all"))
        self.assertEqual(self.sql("SELECT count(*) FROM outbox.aside"), [["1203"]])

    def test_show(self):
        number = self.put(recipients="{ann@lab.test,bob@lab.test}")
        self.deferred(number)
        shown = json.loads(self.outbox("show", "--json", number))
        self.assertEqual((shown["state"], shown["attempts"], shown["relay"], shown["text"], shown["role"]),
                         ("deferred", 1, "plain", "451 4.2.2 mailbox full", "postgres"))
        self.assertEqual([line["event"] for line in shown["record"]], ["deferred"])
        self.assertEqual(self.outbox("show", "--content", number), "Subject: x\n\nHello.\n")
        self.assertIn("Role:       postgres", self.outbox("show", number))
        for wrong in ("99", "nothing", "1; DROP SCHEMA outbox", "99999999999999999999999"):
            refused = self.outbox("show", wrong, status=None)
            self.assertIn(b"there is no message " + wrong.encode(), refused.stderr)
        self.assertIn("ann@lab.test", self.outbox("mailq"))

    def test_a_lane(self):
        self.put(more=", lane => 'Bulk'")
        two = self.put()
        said = json.loads(self.outbox("list", "--json"))
        self.assertEqual([one["lane"] for one in said], ["bulk", None])
        self.assertIn("Lane:       bulk\n", self.outbox("show", said[0]["id"]))
        self.assertNotIn("Lane:", self.outbox("show", two))

    def test_status_and_metrics(self):
        number = self.put()
        self.deferred(number)
        self.put()
        self.put(more=", not_before => now() + interval '1 day'")
        self.sql("SELECT outbox.daemon_begin('mail2', '1 hour'), outbox.daemon_begin('mail3', '-1 second')")
        status = json.loads(self.outbox("status", "--json"))
        self.assertEqual([status[state]["messages"] for state in ("queued", "deferred", "held")], [2, 1, 0])
        self.assertEqual(status["queued"]["bytes"], 2 * len("Subject: x\n\nHello.\n"))
        self.assertEqual([one["machine"] for one in status["daemons"]], ["mail2", "mail3"])
        self.assertTrue(status["next"])
        text = self.outbox("status")
        self.assertIn("outboxd on mail2, which holds 0 messages", text)
        self.assertIn("its lease has ended", text)
        self.assertIn('outbox_messages{state="deferred"} 1', self.outbox("metrics"))

    def test_metrics_tell_machines_apart(self):
        """By a name that stays when a daemon starts anew, also while its former lease has not ended."""
        daemons = (("mail1", "0 seconds"), ("mail2", "1 hour"), ("mail1", "1 hour"), ('odd"one', "1 hour"), ("mail1", "1 hour"))
        for name, lease in daemons:
            self.sql(f"SELECT outbox.daemon_begin('{name}', '{lease}')")
        self.sql("UPDATE outbox.daemon SET figures = '{\"passing\": true}' WHERE id = (SELECT max(id) FROM outbox.daemon)")
        answers = re.findall(r'outbox_daemon_answers{daemon="(.*)"} (\d)', self.outbox("metrics"))
        self.assertEqual(dict(answers), {"mail1": "1", "mail1:2": "0", "mail1:3": "1", "mail2": "1", 'odd\\"one': "1"})

    def test_completion(self):
        number, held = self.put(), self.put()
        self.outbox("hold", held)

        def complete(*words):
            return self.outbox("complete", "--", "outbox", "--config", str(self.configuration), *words).split()

        self.assertEqual(complete("show", ""), [number, held])
        self.assertEqual(complete("release", ""), [held])

    def test_completion_of_what_is_moved(self):
        """Ids of the place that they are moved from, whichever is configured."""
        held, one = self.put(), self.put()
        self.outbox("hold", held)
        self.queue.drop("here", message())
        for word, expected in (
            ("database", ["here"]),
            ("dbname=other", ["here"]),
            ("directory", [held, one]),
            ("/nowhere", [held, one]),
        ):
            for to in (("--to", word), (f"--to={word}",), ("-t", word)):
                words = self.outbox("complete", "--", "outbox", "--config", self.configuration, "move", *to, "")
                self.assertEqual(words.split(), expected, to)
        none = ("--set", "spool.database=", "move", "--to", "directory", "")
        self.assertEqual(self.outbox("complete", "--", "outbox", "--config", self.configuration, *none), "")

    def test_a_directory_that_is_named(self):
        self.put()
        self.assertEqual(self.ids("--directory", str(self.queue.path)), [])


class Changing(ToolTest):
    def test_hold_release_retry_delete(self):
        one, two = self.put(), self.put(more=", not_before => now() + interval '1 day'")
        self.assertEqual(self.outbox("hold", "--dry-run", "--all").splitlines()[-1], "2 messages would be held")
        self.assertEqual(self.states(), {one: "queued", two: "queued"})
        self.outbox("hold", one, two)
        self.assertEqual(self.states(), {one: "held", two: "held"})
        self.assertIn(b"is held: `outbox release`", self.outbox("retry", one, status=None).stderr)
        self.outbox("release", "--all")
        self.assertEqual(self.sql("SELECT message FROM outbox.deferred"), [[two]])  # it waits for its time still
        self.outbox("retry", two)
        self.assertEqual(self.sql("SELECT count(*) FROM outbox.ready"), [["2"]])
        self.outbox("delete", one)
        self.assertEqual(json.loads(self.outbox("delete", "--json", "--all")), [{"id": two, "done": True, "error": None}])
        self.assertEqual(self.sql("SELECT (SELECT count(*) FROM outbox.message) + (SELECT count(*) FROM outbox.ready)"),
                         [["0"]])

    def test_what_was_given_up_is_tried_again(self):
        """Those who were refused are tried again then, and those who have had it are not."""
        number = self.put(recipients="{ann@lab.test,bob@lab.test}")
        daemon = self.sql("SELECT outbox.daemon_begin('mail1', '1 hour')")[0][0]
        self.sql(f"SELECT outbox.claim({daemon}, '', '0', 0, '{{}}', 1)")
        self.sql(f"SELECT outbox.settle({daemon}, {number}, 'failed', delivered => '{{0}}', refused => '{{1}}',"
                 " error => 301, text => 'refused')")
        self.assertEqual(self.states(), {number: "failed"})
        self.outbox("retry", "--all")
        self.assertEqual(self.states(), {number: "queued"})
        self.assertEqual(self.sql("SELECT number, coalesce(outcome, '-') FROM outbox.recipient ORDER BY number"),
                         [["0", "delivered"], ["1", "-"]])

    def test_what_is_being_sent_stays(self):
        number = self.put()
        daemon = self.sql("SELECT outbox.daemon_begin('mail1', '1 hour')")[0][0]
        self.sql(f"SELECT outbox.claim({daemon}, '', '0', 0, '{{}}', 1)")
        self.assertEqual(self.states(), {number: "queued"})
        self.sql(f"SELECT outbox.sending({daemon}, '{{{number}}}')")
        self.assertEqual(self.states(), {number: "sending"})
        for command in ("hold", "retry", "delete"):
            refused = self.outbox(command, number, status=None)
            self.assertEqual((refused.returncode, refused.stderr),
                             (75, f"outbox: 135: {number} is being sent; try again when it is done\n".encode()))
        self.assertIn("0 messages", self.outbox("delete", "--all"))
        self.sql("UPDATE outbox.daemon SET until = now() - interval '1 second'")
        self.outbox("hold", number)  # its daemon has died
        self.assertEqual(self.states(), {number: "held"})

    def test_users_have_their_own(self):
        mine, other = self.put(), self.put()
        self.sql(f"UPDATE outbox.message SET uid = CASE id WHEN {mine} THEN 1234 ELSE 5678 END")
        user = ("--user", "1234")
        self.assertEqual(json.loads(self.outbox(*user, "list", "--json"))[0]["id"], mine)
        self.assertIn(b"there is no message", self.outbox(*user, "show", other, status=None).stderr)
        self.assertIn(b"there is no message", self.outbox(*user, "delete", other, status=None).stderr)
        self.assertIn("1 message deleted", self.outbox(*user, "delete", "--all"))
        self.assertEqual(self.states(), {other: "queued"})

    def test_a_database_that_cannot_be_reached(self):
        self.configure(spool={"database": f"host={self.directory}/nothing dbname=postgres"})
        for command in (("list",), ("status",), ("hold", "1"), ("move", "--to", "database", "--all")):
            failed = self.outbox(*command, status=None)
            self.assertIn(b"nothing", failed.stderr)
            self.assertNotEqual(failed.returncode, 0)
