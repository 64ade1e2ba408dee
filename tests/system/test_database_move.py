"""outbox move: from the queue directory to a database and back, and killed at every step: never two of one message."""

import json
import time

import lab
from case import SystemTest, message
from lab import SOURCE
from postgresql import PostgreSQL
from process import Process, wait_for

INIT = f"CREATE SCHEMA outbox; SET LOCAL search_path = outbox, pg_temp;\\i {SOURCE}/src/database/schema-1.sql"
RETRY = {"time": "2026-10-01T08:00:00.000000Z", "event": "retry", "attempt": 3, "next": "2099-01-01T00:00:00.000000Z"}
LOCK = 7
SLOW = f"""CREATE FUNCTION outbox.wait() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON outbox.message DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION outbox.wait()"""
SETTLE = 2.1  # a file that is younger may still be written to, where no lease says so


class MoveTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.database = PostgreSQL(lab.shared().new_directory() / "postgresql")
        cls.addClassCleanup(cls.database.stop)

    def setUp(self):
        super().setUp()
        self.sql(INIT)
        self.addCleanup(self.sql, "DROP SCHEMA outbox CASCADE")
        self.conninfo = f"host={self.database.directory} port={self.database.port} user=postgres dbname=postgres"
        self.configure(spool={"database": self.conninfo})

    def sql(self, text):
        return self.database.sql(text)

    def move(self, to, *arguments, **options):
        return self.outbox("move", "--to", to, *arguments, **options)

    def there(self):
        return json.loads(self.outbox("list", "--json"))

    def here(self):
        return json.loads(self.outbox("list", "--json", "--directory", self.queue.path))

    def hidden(self):
        return sorted(path.name for path in self.queue.path.iterdir()
                      if path.name.startswith((".given-", ".coming-")))

    def killed(self, to, locked, reached, done=False):
        """Moves all while that table is locked, or (None) its commit waits, which SLOW has it do, and is killed when
        `reached` says so; whether what it had asked the database for is done, after its death."""
        session = self.database.session()
        session.sql(f"BEGIN; LOCK TABLE outbox.{locked}" if locked else f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})")
        child = Process([lab.BUILD / "outbox", "--config", self.configuration, "move", "--to", to, "--all"],
                        self.directory / "move.log")
        wait_for(reached, f"the move waits for {locked}")
        child.kill()
        if not done:
            self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            wait_for(lambda: not self.waiting(), "the server has given up what was asked for")
        session.sql("ROLLBACK")
        session.close()
        wait_for(lambda: not self.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'outbox'"),
                 "the server has ended what was asked for")

    def waiting(self):
        return self.sql("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


class Moves(MoveTest):
    def test_there_and_back(self):
        mail = message(b"Hello.\n", to=["ann@lab.test", "bob@lab.test"], header=b"X-Note: 1\n")
        plain = message(b"Hello.\n", header=b"X-Note: 1\n", envelope=False)
        for name, state in (("a", "queued"), ("b", "held"), ("c", "failed")):
            self.queue.drop(name, mail, state=state)
        time.sleep(SETTLE)
        self.assertIn("3 messages would be moved", self.move("database", "--all", "--dry-run"))
        self.assertEqual(len(self.here()), 3)
        self.assertIn("3 messages moved", self.move("database", "--all"))
        self.assertEqual((self.here(), self.hidden()), ([], []))
        found = {one["state"]: one for one in self.there()}
        self.assertEqual(sorted(found), ["failed", "held", "queued"])
        for one in found.values():
            self.assertEqual((one["sender"], one["recipients"]), ("shop@lab.test", ["ann@lab.test", "bob@lab.test"]))
            self.assertEqual(self.outbox("show", "--content", one["id"]).encode(), plain)
        arrived = found["queued"]["arrived"]
        moved = json.loads(self.move("directory", "--all", "--json"))
        self.assertEqual([one["done"] for one in moved], [True] * 3)
        self.assertEqual((self.there(), self.hidden()), ([], []))
        back = {one["state"]: one for one in self.here()}
        self.assertEqual(sorted(back), ["failed", "held", "queued"])
        self.assertEqual(back["queued"]["recipients"], ["ann@lab.test", "bob@lab.test"])
        self.assertEqual(back["queued"]["arrived"], arrived)
        self.assertTrue((self.queue.path / f"{back['held']['id']}.held").read_bytes().endswith(plain))

    def test_what_became_of_it_goes_along(self):
        """Attempts, the next one, and who has had it: the record."""
        self.sql("SELECT outbox.queue('shop@lab.test', '{ann@lab.test,bob@lab.test}', 'Subject: x', lane => 'bulk')")
        daemon = self.sql("SELECT outbox.daemon_begin('host', '1 hour')")[0][0]
        self.sql(f"SELECT outbox.claim({daemon}, 'bulk', '0', 0, '{{}}', 10)")
        had = json.dumps({"time": RETRY["time"], "event": "delivered", "recipient": "ann@lab.test", "attempt": 3,
                          "code": 250, "enhanced": "2.0.0", "stage": "content", "text": "ok", "relay": "plain"})
        late = json.dumps({"time": RETRY["time"], "event": "deferred", "recipient": "bob@lab.test", "attempt": 3,
                           "code": 451, "enhanced": "4.2.0", "stage": "rcpt", "text": "full", "relay": "plain"})
        self.sql(f"SELECT outbox.settle({daemon}, 1, 'deferred', lines => ARRAY['{had}', '{late}',"
                 f" '{json.dumps(RETRY)}']::jsonb[], delivered => '{{0}}', attempts => 3,"
                 f" first_attempt => '{RETRY['time']}', due => '{RETRY['next']}')")
        for _ in range(2):  # there and back, twice
            [before] = self.there()
            self.move("directory", "1" if before["id"] == "1" else before["id"])
            [here] = self.here()
            for member in ("state", "next", "attempts", "delivered", "text", "relay", "recipients"):
                self.assertEqual(here[member], before[member], member)
            self.assertEqual(here["delivered"], 1)
            self.move("database", "--all")
            [there] = self.there()
            for member in ("state", "next", "attempts", "delivered", "text", "relay", "recipients"):
                self.assertEqual(there[member], before[member], member)
        self.assertEqual(self.sql("SELECT lane, first_attempt = '2026-10-01T08:00:00Z' FROM outbox.deferred"),
                         [["bulk", "t"]])

    def test_what_cannot_be_moved(self):
        self.sql("SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', 'Subject: x')")
        daemon = self.sql("SELECT outbox.daemon_begin('host', '1 hour')")[0][0]
        self.sql(f"SELECT outbox.claim({daemon}, '', '0', 0, '{{}}', 10)")
        claimed = self.move("directory", "1", status=None)
        self.assertEqual((claimed.returncode, claimed.stderr), (
            75, b"outbox: 135: 1 is claimed by a daemon, which is to send it next: try again in a moment, or "
            b"`outbox hold 1` first, which has it given back\n"))
        self.sql(f"SELECT outbox.sending({daemon}, '{{1}}')")
        sending = self.move("directory", "1", status=None)
        self.assertEqual((sending.returncode, sending.stderr),
                         (75, b"outbox: 135: 1 is being sent; try again when it is done\n"))
        nothing = self.move("directory", "7", status=None)
        self.assertIn(b"there is no message 7", nothing.stderr)
        self.assertEqual(self.move("nowhere", "7", status=None).returncode, 64)
        secret = self.move("host=x password=hunter2", "--all", status=None)
        self.assertEqual(secret.returncode, 64)
        self.assertRegex(secret.stderr, b"--to: there is a password in it(?!.*hunter2)")
        wrong = self.move("postgresql://app:hunter%2@127.0.0.1:1/shop", "--all", status=None)
        self.assertRegex(wrong.stderr, b"--to: there is a password in it(?!.*hunter)")
        self.assertEqual(self.here(), [])


    def test_what_is_claimed_meanwhile_stays(self):
        """A daemon is quicker than who moves all: it is told once."""
        self.sql("SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', 'Subject: x') FROM generate_series(1, 3)")
        daemon = self.sql("SELECT outbox.daemon_begin('host', '1 hour')")[0][0]
        self.sql("CREATE FUNCTION outbox.quick() RETURNS trigger LANGUAGE plpgsql AS "
                 f"'BEGIN PERFORM outbox.claim({daemon}, '''', ''0'', 0, ''{{}}'', 10); RETURN NULL; END';"
                 "CREATE TRIGGER quick AFTER INSERT ON outbox.departed FOR EACH ROW EXECUTE FUNCTION outbox.quick()")
        moved = self.move("directory", "--all", status=None)
        self.assertEqual((moved.returncode, moved.stderr), (
            75, b"outbox: 135: 2 messages are being sent, or claimed by a daemon, and stay: try again in a moment\n"))
        self.assertIn(b"1 message moved", moved.stdout)
        self.assertEqual(len(self.there()), 2)

    def test_a_database_that_is_lost_is_told_once(self):
        for name in "abc":
            self.queue.drop(name, message())
        time.sleep(SETTLE)
        self.sql("CREATE FUNCTION outbox.end() RETURNS trigger LANGUAGE plpgsql AS "
                 "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';"
                 "CREATE TRIGGER quick AFTER INSERT ON outbox.message FOR EACH ROW EXECUTE FUNCTION outbox.end()")
        lost = self.move("database", "--all", status=None)
        lines = lost.stderr.decode().splitlines()
        self.assertEqual((lost.returncode, len(lines)), (75, 2), lines)
        self.assertIn("the others stay where they are", lines[1])
        self.assertEqual((len(self.here()), self.there()), (3, []))

    def test_a_large_one_goes_in_pieces(self):
        """And back, and there again: as often as one likes."""
        body = b"0123456789abcde\n" * (9 * 1024 * 64)
        self.queue.drop("a", message(body))
        time.sleep(SETTLE)
        for _ in range(2):
            self.assertIn("1 message moved", self.move("database", "--all"))
            [one] = self.there()
            self.assertTrue(self.outbox("show", "--content", one["id"]).encode().endswith(b"\n" + body))
            self.assertEqual(self.sql("SELECT count(*) FROM outbox.piece"), [["0"]])
            self.assertIn("1 message moved", self.move("directory", "--all"))
        self.assertEqual(self.sql("SELECT count(*) FROM outbox.used_key"), [["0"]])


class Deaths(MoveTest):
    def test_before_it_is_given(self):
        """The database has nothing of it, or what nobody delivers there: the directory has it."""
        for done in (False, True):
            with self.subTest(done=done):
                self.queue.drop("a", message())
                time.sleep(SETTLE)
                if done:
                    self.sql(SLOW)
                self.killed("database", None if done else "message", self.waiting, done=done)
                self.assertEqual(([one["state"] for one in self.there()], self.hidden()), (["held"] * done, []))
                self.assertEqual([one["state"] for one in self.here()], ["sending"])
                self.assertIn("1 message moved", self.move("database", "--all"))
                self.assertEqual([one["state"] for one in self.there()], ["queued"])
                self.assertEqual(self.here(), [])
                self.outbox("delete", "--all")

    def test_once_it_is_given(self):
        """The directory has let go of it: whoever moves next brings it to its end."""
        for done, states in ((False, ["held"]), (True, ["queued"])):
            with self.subTest(done=done):
                self.queue.drop("a", message())
                time.sleep(SETTLE)
                self.killed("database", "ready", lambda: self.waiting() and self.hidden(), done=done)
                self.assertEqual(self.here(), [])
                [one] = self.there()
                self.assertEqual([one["state"]], states)
                if not done:
                    self.assertIn("it is being moved: from ", one["text"])
                    refused = self.outbox("release", one["id"], status=None)
                    self.assertIn(b"is being moved to or from a queue directory", refused.stderr)
                self.assertIn("1 message that another process had begun to move: done", self.move("database", "--all"))
                self.assertEqual([(two["id"], two["state"]) for two in self.there()], [(one["id"], "queued")])
                self.assertEqual((self.here(), self.hidden()), ([], []))
                self.outbox("delete", "--all")

    def test_prepared_there_and_delivered_here(self):
        """What was written down there, and was not given, never was there."""
        self.queue.drop("a", message())
        time.sleep(SETTLE)
        self.sql(SLOW)
        self.killed("database", None, self.waiting, done=True)
        (self.queue.path / "a.sending").unlink()  # as the daemon does that has taken it over, and delivered it
        self.assertEqual(len(self.there()), 1)
        self.assertIn("0 messages moved", self.move("database", "--all"))
        self.assertEqual((self.there(), self.sql("SELECT count(*) FROM outbox.message")), ([], [["0"]]))

    def test_before_it_has_left(self):
        """It is written down here, and the database has it still, whatever becomes of it there."""
        for released in (False, True):
            with self.subTest(released=released):
                [[number]] = self.sql("SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', 'Subject: x')")
                self.killed("directory", "departed", lambda: self.waiting() and self.hidden())
                self.assertEqual(self.here(), [])
                self.assertEqual([(one["id"], one["state"]) for one in self.there()], [(number, "held")])
                if released:  # and delivered
                    self.outbox("release", number)
                    self.outbox("delete", number)
                self.assertIn(f"{0 if released else 1} message", self.move("directory", "--all"))
                self.assertEqual((len(self.here()), self.there(), self.hidden()), (0 if released else 1, [], []))
                for one in self.here():
                    self.outbox("delete", "--directory", self.queue.path, one["id"])

    def test_left_and_not_told(self):
        """The database has let go of it, and the answer never came: it is here."""
        self.sql("SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', 'Subject: x')")
        self.killed("directory", "departed", lambda: self.waiting() and self.hidden(), done=True)
        self.assertEqual((self.here(), self.there(), len(self.hidden())), ([], [], 1))
        self.assertIn("1 message that another process had begun to move: done", self.move("directory", "--all"))
        self.assertEqual((len(self.here()), self.hidden()), (1, []))

    def test_once_it_has_left(self):
        """It is no more there: whoever moves next gives it its name here."""
        self.sql("SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', 'Subject: x')")
        self.move("directory", "1")
        [one] = self.here()
        path = self.queue.path / f"{one['id']}.queued"
        path.rename(self.queue.path / f".coming-{one['id']}.queued")
        self.sql(f"INSERT INTO outbox.departed SELECT 'to ' || '{self.host()}:{self.queue.path.resolve()}', 1")
        self.assertEqual(self.here(), [])
        self.assertIn("1 message that another process had begun to move: done", self.move("directory", "--all"))
        self.assertEqual([two["id"] for two in self.here()], [one["id"]])
        self.assertEqual(self.sql("SELECT count(*) FROM outbox.departed"), [["0"]])

    def test_under_another_name(self):
        """The host was renamed meanwhile: what has left for it is refused, until somebody says so."""
        self.sql("SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', 'Subject: x')")
        self.killed("directory", "departed", lambda: self.waiting() and self.hidden(), done=True)
        self.sql(f"UPDATE outbox.departed SET mover = 'to old:{self.queue.path.resolve()}'")
        refused = self.move("directory", "--all", status=None)
        self.assertIn(f"outbox move --formerly 'old:{self.queue.path.resolve()}'".encode(), refused.stderr)
        self.assertEqual((self.here(), len(self.hidden())), ([], 1))
        self.assertIn("1 message that another process had begun to move: done",
                      self.move("directory", "--all", "--formerly", "old"))
        self.assertEqual((len(self.here()), self.hidden(), self.sql("SELECT count(*) FROM outbox.departed")),
                         (1, [], [["0"]]))

    def test_what_is_aside_under_another_name(self):
        """It is forgotten there, as under the same name: the directory has it."""
        self.queue.drop("a", message())
        time.sleep(SETTLE)
        self.sql(SLOW)
        self.killed("database", None, self.waiting, done=True)
        self.sql("DROP TRIGGER slow ON outbox.message;"
                 f"UPDATE outbox.aside SET mover = 'from old:{self.queue.path.resolve()}'")
        moved = self.move("database", "--all", "--formerly", f"old:{self.queue.path.resolve()}")
        self.assertIn("1 message moved", moved)
        self.assertEqual([one["state"] for one in self.there()], ["queued"])

    def test_given_and_not_known_there(self):
        """A backup of before was restored: the file stays, is told of, and keeps no other from being moved."""
        self.queue.drop("a", message())
        self.queue.drop("b", message())
        time.sleep(SETTLE)
        tag = self.sql("SELECT outbox.tag()")[0][0]
        given = self.queue.path / f".given-{tag}-77-a"
        (self.queue.path / "a.queued").rename(given)
        told = self.move("database", "--all", status=None)
        self.assertEqual(told.returncode, 69)
        self.assertIn(b"1 message moved", told.stdout)
        self.assertIn(b"-77-a was given to the database as message 77, of which that knows nothing", told.stderr)
        self.assertTrue(given.exists())
        given.rename(self.queue.path / "a.queued")  # as it says
        time.sleep(SETTLE)
        self.assertIn("1 message moved", self.move("database", "--all"))
        self.assertEqual((len(self.there()), self.here()), (2, []))

    def test_given_under_a_number_that_another_has(self):
        """After a restore numbers come again: what was moved from another file under that one is not this."""
        self.queue.drop("b", message(to=["bob@lab.test"]))
        time.sleep(SETTLE)
        self.move("database", "b")
        number = self.sql("SELECT id FROM outbox.message")[0][0]
        tag = self.sql("SELECT outbox.tag()")[0][0]
        self.queue.drop("a", message(to=["ann@lab.test"]))
        given = self.queue.path / f".given-{tag}-{number}-a"
        (self.queue.path / "a.queued").rename(given)
        told = self.move("database", "--all", status=None)
        self.assertEqual(told.returncode, 69)
        self.assertIn(f"-{number}-a was given to the database as message {number}, of which".encode(), told.stderr)
        self.assertTrue(given.exists())

    def test_given_delivered_and_gone(self):
        """The key tells that it was there."""
        self.queue.drop("a", message())
        time.sleep(SETTLE)
        self.killed("database", "ready", lambda: self.waiting() and self.hidden(), done=True)
        self.sql("DELETE FROM outbox.ready; DELETE FROM outbox.message")
        self.assertIn("1 message that another process had begun to move: done", self.move("database", "--all"))
        self.assertEqual((self.hidden(), self.here(), self.there()), ([], [], []))

    @staticmethod
    def host():
        with open("/proc/sys/kernel/hostname", encoding="ascii") as name:
            return name.read().strip()
