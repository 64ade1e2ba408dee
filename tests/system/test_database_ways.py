"""What is between a daemon and its database, and on its own machine: a way that stops or is cut, a pooler, several
servers, no room for what is large, an end in the middle of a reply."""

import subprocess
import threading

from database_case import DatabaseTest
from gate import Gate
from pgbouncer import PgBouncer
from process import wait_for

LARGE = b"Subject: large\n\n" + (b"0123456789abcdef" * 4 + b"\n") * 4000


class Ways(DatabaseTest):
    def gate(self):
        gate = Gate(self.database.directory / f".s.PGSQL.{self.database.port}")
        self.addCleanup(gate.close)
        return gate

    def through(self, then, gate):
        """A relay, and a daemon whose way to the database has that done to it after the end of the first message."""
        todo = [then]

        def answer(talk, verb, argument):
            if verb in (".", "BDAT") and todo:
                todo.pop()()

        relay = self.odd(answer)
        return relay, self.serve(relay, conninfo=self.conninfo(host="127.0.0.1", port=gate.port))

    def goes_on(self, relay, daemon):
        daemon.flush()
        self.wait_log(daemon, "event=database-back", seconds=40)
        self.wait_empty(40)
        self.put("bob")
        self.wait_taken(relay, "ann", "bob")
        self.assertEqual(daemon.output().count("event=database-lost"), 1, daemon.output())

    def test_stops_in_the_middle(self):
        """What is on its way then comes late, and after it was written once more."""
        gate = self.gate()
        relay, daemon = self.through(gate.stop, gate)
        self.put("ann")
        self.wait_log(daemon, "has not answered for 30 seconds", seconds=60)
        gate.go()
        self.goes_on(relay, daemon)

    def test_is_cut_in_the_middle(self):
        gate = self.gate()
        relay, daemon = self.through(gate.cut, gate)
        self.put("ann")
        self.wait_log(daemon, "event=database-lost")
        gate.restore()
        self.goes_on(relay, daemon)

    def test_through_a_pooler(self):
        """Its statements are each in a connection of their own, in which nothing is kept."""
        bouncer = PgBouncer(self.directory / "pgbouncer", self.database, pool=3)
        self.addCleanup(bouncer.stop)
        relay = self.odd()
        daemon = self.serve(relay, conninfo=self.conninfo(host="127.0.0.1", port=bouncer.port))
        self.sql("SELECT outbox.queue('shop@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n') "
                 "FROM generate_series(1, 200) n")
        self.wait_empty()
        self.put("ann")
        self.wait_taken(relay, "ann", *(f"n{n}" for n in range(1, 201)))
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(self.count("daemon"), 0)

    def test_to_the_one_of_several_servers_that_is_there(self):
        relay = self.odd()
        self.serve(relay, conninfo=self.conninfo(
            host=f"127.0.0.1,{self.database.directory}", port=f"1,{self.database.port}",
            target_session_attrs="read-write"))
        self.put("ann")
        self.wait_taken(relay, "ann")
        self.wait_empty()


class Machine(DatabaseTest):
    def test_no_room_for_what_is_large(self):
        """It waits, and the others go on."""
        relay = self.odd()
        daemon = self.serve(relay, wrapper=("sh", "-c", "trap '' XFSZ; ulimit -S -f 200; exec \"$@\"", "sh"))
        large = self.put("ann", content=LARGE)
        self.wait_place(large, "deferred")
        self.wait_log(daemon, f"event=problem id={large}")
        self.assertIn("see to room in the directory for temporary files (TMPDIR, else /var/tmp)", daemon.output())
        self.put("bob")
        self.wait_taken(relay, "bob")
        subprocess.run(["prlimit", f"--pid={daemon.pid}", "--fsize=unlimited"], check=True)
        self.sql("UPDATE outbox.deferred SET due = clock_timestamp()")
        self.wait_taken(relay, "ann")
        self.wait_empty()
        self.assertTrue(relay.accepted[-1][1].endswith(LARGE[14:].replace(b"\n", b"\r\n")))

    def test_stopped_while_a_reply_is_pending(self):
        """It waits for the reply, and writes what that says."""
        asked, replies = threading.Event(), threading.Event()

        def answer(talk, verb, argument):
            if verb == ".":
                asked.set()
                replies.wait(60)

        relay = self.odd(answer)
        self.addCleanup(replies.set)
        daemon = self.serve(relay)
        self.put("ann")
        wait_for(asked.is_set, "the relay has the message")
        ends = threading.Thread(target=daemon.terminate)
        ends.start()
        self.wait_log(daemon, "event=stopping")
        replies.set()
        ends.join()
        self.assertEqual(daemon.wait(), 0)
        self.assertEqual(relay.copies("ann@lab.test"), 1)
        self.assertEqual((self.count(), self.count("daemon")), (0, 0))

    def test_stopped_while_the_database_is_gone(self):
        """It ends; the lease does, too, and another daemon finds what it had not written."""
        relay = self.odd(lambda talk, verb, argument: self.database.crash() if verb == "." else None)
        daemon = self.serve(relay, daemon={"stop_timeout": "1s"})
        self.put("ann")
        self.wait_log(daemon, "event=database-lost")
        self.assertEqual(daemon.terminate(), 0)
        self.database.start()
        self.assertEqual(self.count("leased"), 1)
        self.sql("UPDATE outbox.daemon SET until = clock_timestamp() - interval '1 second'")
        self.assertEqual(self.one("SELECT outbox.reap()"), "1")
        self.assertEqual(self.record(self.one("SELECT message FROM outbox.ready")), ["recovered"])


class Prepared(DatabaseTest):
    """Applications whose transactions go on in other databases, too, and are committed in two steps."""

    server_settings = "max_prepared_transactions = 4\n"

    def idle(self):
        relay = self.odd()
        self.serve(relay)
        wait_for(lambda: self.count("daemon WHERE idle") == 1, lambda: f"a daemon that waits{self.logs()}")
        return relay

    def test_committed_in_two_steps(self):
        """It is delivered when it was committed, and no notification keeps it from being prepared."""
        relay = self.idle()
        session = self.database.session()
        self.addCleanup(session.close)
        for end in ("ROLLBACK", "COMMIT"):
            session.sql("BEGIN")
            session.sql(f"SELECT outbox.queue('shop@lab.test', '{{{end.lower()}@lab.test}}', E'Subject: x\\n\\ny\\n',"
                        " key => 'k')")
            session.sql("PREPARE TRANSACTION 'both'")
            self.assertEqual(self.sql("SELECT gid FROM pg_prepared_xacts"), [["both"]])
            self.put(f"beside-{end}")
            self.wait_taken(relay, f"beside-{end}")
            session.sql(f"{end} PREPARED 'both'")
        self.wait_taken(relay, "commit")
        self.wait_empty()
        self.assertEqual(relay.copies("rollback@lab.test"), 0)

    def test_who_does_not_mean_it_may_say_so(self):
        self.idle()
        for notifies, refused in (("on", True), ("off", False)):
            text = (f"SET LOCAL outbox.notify = {notifies}; "
                    "SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', 'x'); PREPARE TRANSACTION 'one'")
            result = self.database.alone(f"BEGIN; {text}; ROLLBACK PREPARED 'one'")
            self.assertEqual("cannot PREPARE a transaction that has executed" in result.stderr, refused, result.stderr)
