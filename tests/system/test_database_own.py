"""Users of a machine whose queue is in a database where they have no login: the submission socket takes their mail,
shows them what they have queued, and changes nothing else."""

import functools
import json
import os
import subprocess

from database_case import DatabaseTest
from listener import Listener
from submission import ALICE, BOB, KEEPER, SubmissionTest


class OwnTest(DatabaseTest, SubmissionTest):
    """The daemon's role has a password, which is in a file of the daemon's user alone."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for role in ("worker", "boss", "app"):
            cls.database.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        rights = cls.database.data / "pg_hba.conf"
        rights.write_text("local all worker scram-sha-256\n" + rights.read_text(encoding="utf-8"), encoding="utf-8")
        cls.database.sql("SELECT pg_reload_conf()")

    def setUp(self):
        super().setUp()
        self.passfile = self.home / "pgpass"
        self.passfile.write_text("*:*:*:worker:secret\n", encoding="ascii")
        self.passfile.chmod(0o600)
        os.chown(self.passfile, KEEPER, KEEPER)
        self.grant("worker", "daemon")

    def grant(self, role, kind):
        self.sql(f"SET search_path = outbox; SELECT allow('{role}', '{kind}')")

    def serve_users(self, role="worker"):
        return SubmissionTest.serve(self, self.down(),
                                    database=self.conninfo(user=role, passfile=self.passfile))

    def put_as(self, uid, name):
        result = self.queue_as(uid, f"{name}@lab.test")
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.decode().strip()

    def insist_as(self, uid, *command):
        return self.insist(*command, ask=functools.partial(self.tool_as, uid))


class Own(OwnTest):
    def setUp(self):
        super().setUp()
        self.grant("worker", "operator")
        self.daemon = self.serve_users()
        self.ids = {uid: self.put_as(uid, name) for name, uid in (("alice", ALICE), ("bob", BOB))}

    def listed(self, uid):
        return [one["id"] for one in json.loads(self.tool_as(uid, "list", "--json").stdout)]

    def test_what_is_queued_is_whose_it_is(self):
        self.assertEqual(self.sql("SELECT id, uid FROM outbox.message ORDER BY uid"),
                         [[self.ids[ALICE], str(ALICE)], [self.ids[BOB], str(BOB)]])

    def test_looking(self):
        for uid, number in self.ids.items():
            self.assertEqual(self.listed(uid), [number])
        self.assertIn(b"these are the messages that you have queued", self.tool_as(ALICE, "list").stderr)
        self.assertIn(b"alice@lab.test", self.tool_as(ALICE, "show", self.ids[ALICE]).stdout)
        content = self.tool_as(ALICE, "show", "--content", self.ids[ALICE])
        self.assertIn(b"Subject:", content.stdout, content.stderr)
        for command in (("show",), ("show", "--content"), ("hold",), ("delete",)):
            other = self.tool_as(ALICE, *command, self.ids[BOB])
            self.assertIn(b"there is no message", other.stderr, command)
            self.assertNotEqual(other.returncode, 0)

    def test_changing(self):
        for command, state in (("hold", "held"), ("release", "queued")):
            self.insist_as(ALICE, command, self.ids[ALICE])
            listed = json.loads(self.tool_as(ALICE, "list", "--json").stdout)
            self.assertEqual([one["state"] for one in listed], [state])
        self.insist_as(ALICE, "delete", "--all", "--yes")
        self.assertEqual((self.listed(ALICE), self.listed(BOB)), ([], [self.ids[BOB]]))

    def test_a_database_that_is_away_is_waited_for_once(self):
        asked = []
        away = Listener(asked.append, host="127.0.0.1")
        self.addCleanup(away.close)
        result = self.tool_as(ALICE, "--set", "spool.database=host=127.0.0.1 dbname=shop user=app sslmode=disable "
                              f"gssencmode=disable port={away.port}", "list")
        self.assertEqual((result.returncode, result.stdout, len(asked)), (75, b"", 1), result.stderr)
        self.assertIn(b"outbox: 9011: the database shop", result.stderr)

    def test_nobody_who_answers(self):
        self.daemon.stop()
        result = self.tool_as(ALICE, "list")
        self.assertEqual(result.returncode, 75)
        self.assertIn(b"this user may not look into that database, and outboxd", result.stderr)


class Roles(OwnTest):
    def test_a_daemon_that_may_only_deliver(self):
        """It says so, and what would help."""
        self.serve_users()
        number = self.put_as(ALICE, "alice")
        result = self.tool_as(ALICE, "list")
        self.assertEqual((result.returncode, result.stdout), (77, b""))
        self.assertIn(b"operator", result.stderr)
        self.assertNotIn(b"these are the messages", result.stderr)
        self.assertEqual(self.one("SELECT id FROM outbox.message"), number)

    def test_a_user_with_a_login_of_his_own(self):
        """An operator sees all; who may only queue sees what is his, and queues by himself."""
        self.grant("worker", "operator")
        self.serve_users()
        number = self.put_as(ALICE, "alice")
        self.grant("boss", "operator")
        self.grant("app", "producer")
        for role, expected in (("boss", [number]), ("app", [])):
            conninfo = self.conninfo(user=role)
            listed = subprocess.run(
                ["setpriv", f"--reuid={BOB}", f"--regid={BOB}", "--clear-groups", self.programs / "outbox", "--config",
                 self.configuration, "--set", f"spool.database={conninfo}", "list", "--json"],
                capture_output=True, check=False)
            self.assertEqual([one["id"] for one in json.loads(listed.stdout or b"null")], expected, listed.stderr)

    def test_who_does_not_deliver_needs_no_right_to(self):
        """Who checks relays, and is neither root nor the daemon's user."""
        self.serve_users()
        self.grant("app", "producer")
        refused = "the role app may not deliver from the queue"
        for uid, role, told in ((ALICE, "app", False), (KEEPER, "app", True), (ALICE, "worker", False)):
            result = subprocess.run(
                ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", self.programs / "outbox", "--config",
                 self.configuration, "--set", f"spool.database={self.conninfo(user=role)}", "check", "--as-me"],
                capture_output=True, check=False, text=True)
            self.assertEqual(refused in result.stderr, told, result.stderr)
            self.assertNotIn("password", result.stderr)
