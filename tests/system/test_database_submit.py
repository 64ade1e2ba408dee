"""The submission socket of a daemon whose queue is in a database: what it calls queued has been committed there."""

import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess

from case import message
from database_case import DatabaseTest
from lab import program
from process import wait_for
from submission import as_user, copy_programs

PLAIN = message(envelope=False)
USER = 12345


class SubmitTest(DatabaseTest):
    def setUp(self):
        super().setUp()
        self.relay = self.odd()
        self.address = pathlib.Path(self.directory) / "submit"

    def serve_socket(self, conninfo=None, **spool):
        return self.serve(self.relay, conninfo, spool={"submit_socket": str(self.address), "submit": "all", **spool})

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(60)
        client.connect(str(self.address))
        return client

    @staticmethod
    def text(content):
        return b"QUEUE\nDATA %d\n%sEND\n" % (len(content), content)

    def say(self, *contents, client=None):
        """What is answered to these messages, which are sent all at once."""
        client = client or self.connect()
        client.sendall(b"".join(map(self.text, contents)))
        answers = client.makefile("rb")
        return [answers.readline().decode() for _ in contents]


    def nobody_claims(self):
        """A session that keeps daemons from it until it is rolled back."""
        session = self.database.session()
        self.addCleanup(session.close)
        session.sql("BEGIN; LOCK TABLE outbox.leased")
        return session


class Socket(SubmitTest):
    def test_it_is_there_once_it_is_answered(self):
        self.serve_socket()
        [said] = self.say(b"X-Sender: <shop@lab.test> RET=HDRS\nX-Receiver: <ann@lab.test> NOTIFY=NEVER\n"
                          b"X-Outbox-Lane: bulk\n" + PLAIN)
        self.assertRegex(said, r"\AOK \d+\n\Z")
        self.wait_taken(self.relay, "ann")
        self.wait_empty()

    def test_whose_it_is(self):
        self.serve_socket()
        blocker = self.nobody_claims()
        [said] = self.say(b"X-Outbox-Uid: 77\nX-Receiver: <ann@lab.test>\n" + PLAIN)
        number = said.split()[1]
        self.assertEqual(self.sql(f"SELECT uid, role, content FROM outbox.message WHERE id = {number}"),
                         [[str(os.getuid()), "postgres", "\\x" + PLAIN.hex()]])
        self.assertEqual([path.name for path in self.queue.path.iterdir() if not path.name.startswith(".")], [])
        blocker.sql("ROLLBACK")
        self.wait_taken(self.relay, "ann")

    def test_what_is_wrong_with_one_is_not_the_others_matter(self):
        self.serve_socket()
        many = [self.connect() for _ in range(20)]
        wrong = b"From: shop@lab.test\nSubject: to nobody\n\nx\n"
        for number, client in enumerate(many):
            client.sendall(self.text(wrong if number % 2 else b"X-Receiver: <n%d@lab.test>\n" % number + PLAIN))
        for number, client in enumerate(many):
            said = client.makefile("rb").readline().decode()
            self.assertRegex(said, r"\AERROR \d+ .*recipient" if number % 2 else r"\AOK \d+\n\Z")
        self.wait_taken(self.relay, *(f"n{number}" for number in range(0, 20, 2)))
        self.wait_empty()

    def test_a_key(self):
        """Of this user, and not of others or of an application: a second message with it is none."""
        self.serve_socket()
        self.nobody_claims()
        said = [self.say_with_key(key) for key in (b"order 1", b"order 1", b"order 2")]
        self.assertEqual(said[0], said[1])
        self.assertNotEqual(said[0], said[2])
        self.sql(f"SELECT outbox.queue('', '{{ann@lab.test}}', 'Subject: x', key => 'order 1')")
        self.assertEqual(self.count(), 3)

    def say_with_key(self, key):
        client = self.connect()
        client.sendall(self.text(message()).replace(b"QUEUE\n", b"QUEUE\nKEY " + key + b"\n"))
        return client.makefile("rb").readline().decode()

    def test_a_large_one(self):
        self.serve_socket()
        blocker = self.nobody_claims()
        text = message(b"0123456789abcde\n" * (9 * 1024 * 64), envelope=False)
        [said] = self.say(b"X-Receiver: <ann@lab.test>\n" + text)
        self.assertRegex(said, r"\AOK \d+\n\Z")
        self.assertEqual(self.one("SELECT encode(sha256(content), 'hex') FROM outbox.message"),
                         hashlib.sha256(text).hexdigest())
        self.assertEqual(self.count("piece"), 0)
        blocker.sql("DELETE FROM outbox.ready; COMMIT")

    def test_a_byte_order_mark(self):
        self.serve_socket()
        self.assertRegex(self.say(b"\xef\xbb\xbf" + message())[0], r"\AOK ")
        self.wait_taken(self.relay, "ann")


class Trouble(SubmitTest):
    def test_a_connection_that_is_lost_and_there_again(self):
        """Nobody notices: it is queued once."""
        self.serve_socket()
        self.say(message())
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
        self.assertRegex(self.say(message())[0], r"\AOK \d+\n\Z")
        wait_for(lambda: self.relay.copies("ann@lab.test") == 2, "both are delivered")
        self.wait_empty()

    def test_the_answer_to_the_commit_is_lost(self):
        """It was done, and is not done again."""
        self.serve_socket()
        self.sql("CREATE FUNCTION outbox.wait() RETURNS trigger LANGUAGE plpgsql AS"
                 " 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';"
                 "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON outbox.message DEFERRABLE INITIALLY DEFERRED"
                 " FOR EACH ROW EXECUTE FUNCTION outbox.wait()")
        session = self.database.session()
        self.addCleanup(session.close)
        session.sql("SELECT pg_advisory_lock(7)")
        client = self.connect()
        client.sendall(self.text(message()))
        waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait_for(lambda: self.sql(waits), "the commit waits")
        self.sql(f"SELECT pg_terminate_backend(pid) FROM ({waits}) AS waiting")
        session.sql("SELECT pg_advisory_unlock(7)")
        self.assertRegex(client.makefile("rb").readline().decode(), r"\AOK \d+\n\Z")
        self.wait_taken(self.relay, "ann")
        self.wait_empty()
        self.assertEqual(self.relay.copies("ann@lab.test"), 1)

    def test_no_database(self):
        """It is to be tried again, and nothing is kept anywhere."""
        self.serve_socket()
        self.say(message())
        self.wait_empty()
        self.database.stop()
        self.addCleanup(lambda: self.database.process.is_running() or self.database.start())
        client = self.connect()
        [said] = self.say(message(), client=client)
        self.assertRegex(said, r"\AERROR 9011 the database postgres .*; nothing was queued\n\Z")
        self.assertEqual([path.name for path in self.queue.path.iterdir() if not path.name.startswith(".")], [])

    def test_who_has_queued_enough_has_while_it_is_away(self):
        """What cannot be counted again is what it was."""
        if os.getuid() != 0:
            self.skipTest("needs root to be another user")
        self.serve_socket(submit_max_waiting=2)
        self.nobody_claims()
        os.seteuid(USER)
        try:
            client = self.connect()
        finally:
            os.seteuid(0)
        for _ in range(2):
            self.assertRegex(self.say(message(), client=client)[0], r"\AOK \d+\n\Z")
        self.database.process.signal(signal.SIGINT)  # it does not wait for its clients
        self.database.process.wait()
        self.assertIn("submit_max_waiting", self.say(message(), client=client)[0])

    def test_what_waits_is_counted_by_user(self):
        """What has been sent does not count, nor what SQL queued."""
        self.sql("INSERT INTO outbox.message (uid, sender, content) SELECT 77, '', 'x' FROM generate_series(1, 4);"
                 "INSERT INTO outbox.ended (message, state) VALUES (1, 'sent'), (2, 'failed')")
        self.put("ann")
        self.assertEqual(self.sql("SELECT uid, messages FROM outbox.waiting()"), [["77", "3"]])


class Visitors(SubmitTest):
    """Who has no login at the database is served by the daemon, whose configuration all may read."""

    def setUp(self):
        super().setUp()
        daemon = self.serve_socket()
        self.programs = copy_programs(self.lab.new_directory())
        self.visitor = self.lab.new_directory() / "visitor.conf"
        self.visitor.write_text(daemon.configuration.read_text(encoding="utf-8").replace("user=postgres", "user=nobody"),
                                encoding="utf-8")

    def tool(self, *arguments, stdin=b"", status=0):
        result = subprocess.run([*as_user(7101), self.programs / "outbox", "--config", self.visitor, *arguments],
                                input=stdin, capture_output=True, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout

    def test_a_key(self):
        said = [self.tool("queue", "--key", key, stdin=message()) for key in ("a", "a", "b")]
        self.assertEqual(said[0], said[1])
        self.assertNotEqual(said[0], said[2])
        self.wait_empty()
        self.assertEqual(self.relay.copies("ann@lab.test"), 2)

    def test_what_is_ones_own(self):
        self.put("bob", more=", not_before => now() + interval '1 hour'")
        mine = self.tool("queue", "--not-before", "1h", stdin=message()).decode().strip()
        self.assertEqual([one["id"] for one in json.loads(self.tool("list", "--json"))], [mine])
        self.assertIn(b"ann@lab.test", self.tool("show", mine))
        self.tool("hold", mine)
        self.wait_place(mine, "aside")
        self.tool("delete", mine)
        self.assertEqual(self.count(), 1)


class Commands(SubmitTest):
    """What does not go on a database says so, and touches no directory."""

    def tool(self, *arguments, stdin=b"", status=0):
        result = subprocess.run([program("outbox"), "--config", self.configuration, *arguments], input=stdin,
                                capture_output=True, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        return result

    def test_each(self):
        self.configure(spool={"database": self.conninfo()})
        self.put("ann")
        self.assertIn(b"adopt is for copies", self.tool("adopt", "--all", status=64).stderr)
        self.tool("process", str(self.queue.path))
        file = pathlib.Path(self.directory) / "mbox"
        file.write_bytes(b"MAIL FROM:<shop@lab.test>\nRCPT TO:<bob@lab.test>\nDATA\nSubject: x\n\ny\n.\n")
        said = json.loads(self.tool("import", "--json", "bsmtp", str(file)).stdout)
        self.assertEqual(len(said), 1)
        self.assertEqual(self.sql("SELECT address FROM outbox.recipient ORDER BY 1"),
                         [["ann@lab.test"], ["bob@lab.test"]])
        self.assertEqual([path.name for path in self.queue.path.iterdir() if not path.name.startswith(".")], [])
