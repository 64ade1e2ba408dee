"""A database that is gone, stopped, cut off, read-only or not ours: told once, nothing lost, nothing sent twice."""

import signal
import subprocess

import lab
from database_case import INIT, DatabaseTest
from process import wait_for


class Held(DatabaseTest):
    """What the database says no to is told once, and delivery goes on when it is mended."""

    def check(self, words, mend, **options):
        relay = self.odd()
        daemon = self.serve(relay, **options)
        self.wait_log(daemon, "event=database-lost")
        self.assertIn(words, daemon.output())
        daemon.flush()
        mend()
        daemon.flush()
        self.wait_log(daemon, "event=database-back", seconds=40)
        self.assertEqual(daemon.output().count("event=database-lost"), 1, daemon.output())
        self.put("ann")
        self.wait_taken(relay, "ann")
        self.wait_empty()

    def test_no_schema(self):
        self.sql("DROP SCHEMA outbox CASCADE")
        self.check("outbox database", lambda: self.sql(INIT))

    def test_said_by_the_check_of_the_configuration(self):
        daemon = self.serve(self.odd())
        command = [lab.program("outboxd"), "--config", self.configuration, "--check"]
        self.assertEqual(subprocess.run(command, capture_output=True, check=False).returncode, 0)
        self.sql("UPDATE outbox.version SET number = 0")
        result = subprocess.run(command, capture_output=True, check=False, text=True)
        self.assertEqual(result.returncode, 78)
        self.assertRegex(result.stderr, r"spool.database: .* version 0, and this outbox needs 1; .*upgrade")
        self.assertEqual(daemon.terminate(), 0)

    def test_a_role_that_may_not_deliver(self):
        """The check finds it before the daemon does."""
        self.sql("CREATE ROLE app LOGIN; SET search_path = outbox; SELECT allow('app', 'producer')")
        self.addCleanup(self.sql, "DROP OWNED BY app; DROP ROLE app")
        self.configure(self.settings(self.odd()), spool={"database": self.conninfo(user="app")})
        command = [lab.program("outboxd"), "--config", self.configuration, "--check"]
        result = subprocess.run(command, capture_output=True, check=False, text=True)
        self.assertEqual(result.returncode, 78)
        self.assertIn("spool.database: the role app may not deliver from the queue; its owner lets it: "
                      "`outbox database grant ROLE daemon`", result.stderr)
        self.sql("SET search_path = outbox; SELECT allow('app', 'daemon')")
        self.assertEqual(subprocess.run(command, capture_output=True, check=False).returncode, 0)

    def test_schema_of_another_version(self):
        self.sql("UPDATE outbox.version SET number = 0")
        self.check("version 0", lambda: self.sql("UPDATE outbox.version SET number = 1"))

    def test_wrong_password(self):
        hba = self.database.data / "pg_hba.conf"
        before = hba.read_text(encoding="utf-8")
        self.sql("CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'right'; SELECT pg_reload_conf()")
        self.addCleanup(self.sql, "DROP ROLE keeper")
        hba.write_text("local all keeper scram-sha-256\n" + before, encoding="utf-8")
        self.sql("SELECT pg_reload_conf()")
        passfile = self.directory / "passwords"
        passfile.write_text("*:*:*:*:wrong\n", encoding="ascii")
        passfile.chmod(0o600)

        def mend():
            """At once, for it is read all the time."""
            mended = self.directory / "mended"
            mended.write_text("*:*:*:*:right\n", encoding="ascii")
            mended.chmod(0o600)
            mended.rename(passfile)

        try:
            self.check("password", mend, conninfo=self.conninfo(user="keeper", passfile=passfile))
        finally:
            hba.write_text(before, encoding="utf-8")
            self.sql("SELECT pg_reload_conf()")

    def test_read_only(self):
        self.sql("CREATE ROLE reader LOGIN SUPERUSER; ALTER ROLE reader SET default_transaction_read_only = on")
        self.addCleanup(self.sql, "DROP ROLE reader")
        self.check("read-only", lambda: self.sql("ALTER ROLE reader RESET ALL"), conninfo=self.conninfo(user="reader"))

    def test_why_the_server_ends_a_connection(self):
        """In its words, not libpq's guess that it has crashed; and no password is to be corrected for want of room."""
        self.sql("CREATE ROLE few LOGIN")
        self.addCleanup(self.sql, "DROP OWNED BY few; DROP ROLE few")
        self.sql("SET search_path = outbox; SELECT allow('few', 'daemon')")
        daemon = self.serve(self.odd(), self.conninfo(user="few"))
        wait_for(lambda: self.count("daemon") == 1, f"a connection that can be ended{self.logs()}")
        self.sql("ALTER ROLE few CONNECTION LIMIT 0")
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'few'")
        self.wait_log(daemon, "terminating connection due to administrator command")
        self.sql("ALTER ROLE few CONNECTION LIMIT -1")
        daemon.flush()
        self.wait_log(daemon, "event=database-back", seconds=40)
        self.assertNotIn("terminated abnormally", daemon.output())
        self.assertNotIn("correct user", daemon.output())

    def test_a_lock_is_not_waited_for_by_many(self):
        """Who has lost patience leaves no connection behind that waits for the lock."""
        relay = self.odd()
        daemon = self.serve(relay)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'outbox'"
        session = self.database.session()
        self.addCleanup(session.abandon)
        session.sql("BEGIN; LOCK TABLE outbox.ready")
        wait_for(lambda: self.one(waiting) == "1", "a claim that waits")
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        wait_for(lambda: self.one(waiting) == "0", "nobody who waits for the lock", 25)
        session.sql("ROLLBACK")


class Gone(DatabaseTest):
    """What is in flight when the database goes is sent to its end, and written when it is back."""

    def taking(self, then):
        """A relay that does something between the end of a message and its reply, once."""
        todo = [then]

        def answer(talk, verb, argument):
            if verb in (".", "BDAT") and todo:
                todo.pop()()
            return None

        return self.odd(answer)

    def end_lease(self):
        self.sql("UPDATE outbox.daemon SET until = clock_timestamp() - interval '1 second'; SELECT outbox.reap()")

    def test_restarted_in_the_middle_of_a_delivery(self):
        def stop():
            self.database.process.signal(signal.SIGINT)  # it does not wait for its clients
            self.database.process.wait()

        relay = self.taking(stop)
        daemon = self.serve(relay)
        self.put("ann", "bob")
        self.wait_taken(relay, "ann", "bob")
        self.wait_log(daemon, "event=database-lost")
        self.database.start()
        daemon.flush()
        self.wait_log(daemon, "event=database-back", seconds=40)
        self.wait_empty()
        self.put("cy")
        self.wait_taken(relay, "ann", "bob", "cy")
        self.assertEqual(daemon.output().count("event=database-lost"), 1, daemon.output())

    def test_killed_in_the_middle_of_a_delivery(self):
        relay = self.taking(self.database.process.kill)
        for i in range(20):
            self.put(f"u{i}")
        daemon = self.serve(relay)
        self.wait_log(daemon, "event=database-lost")
        self.database.start()
        daemon.flush()
        self.wait_log(daemon, "event=database-back", seconds=40)
        self.wait_empty(40)
        self.wait_taken(relay, *(f"u{i}" for i in range(20)))
        self.assertEqual(daemon.output().count("event=database-lost"), 1, daemon.output())

    def test_the_schema_is_another_one_now(self):
        """It notices that while it is connected, says so once, and goes on when it can use that again."""
        relay = self.odd()
        daemon = self.serve(relay)
        self.put("ann")
        self.wait_taken(relay, "ann")
        self.sql("UPDATE outbox.version SET number = 3, oldest = 3")
        self.wait_log(daemon, "is of version 3, and this outbox needs 1", seconds=40)
        self.put("bob")
        daemon.flush()
        self.assertEqual((self.count("ready"), self.count("leased")), (1, 0))
        self.sql("UPDATE outbox.version SET oldest = 1")
        self.wait_taken(relay, "bob", seconds=40)
        self.wait_log(daemon, "event=database-back")
        self.assertEqual(daemon.output().count("event=database-lost"), 1, daemon.output())

    def test_a_statement_may_not_take_what_all_ends_need(self):
        """Those that have gathered are written by fewer at a time; the same ones would be cut off for ever."""
        self.sql("CREATE ROLE hurried LOGIN SUPERUSER; ALTER ROLE hurried SET statement_timeout = '1s'")
        self.addCleanup(self.sql, "DROP ROLE hurried")
        self.sql("CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS "
                 "'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END'; "
                 "CREATE TRIGGER linger BEFORE INSERT ON outbox.ended FOR EACH ROW EXECUTE FUNCTION linger()")
        self.addCleanup(self.sql, "DROP FUNCTION linger CASCADE")
        names = [f"u{i}" for i in range(40)]
        for name in names:
            self.put(name)
        session = self.database.session()
        self.addCleanup(session.abandon)
        session.sql("BEGIN; LOCK TABLE outbox.ended IN SHARE MODE")
        relay = self.odd()
        self.serve(relay, self.conninfo(user="hurried"), spool={"keep_sent": True})
        self.wait_taken(relay, *names)
        session.sql("ROLLBACK")
        wait_for(lambda: self.count("ended") == len(names), f"all ends{self.logs()}", 120)
        self.assertEqual([relay.copies(f"{name}@lab.test") for name in names], [1] * len(names))

    def test_stopped_for_longer_than_its_lease(self):
        """Others have its messages; what it was sending it may still write, and it begins anew."""
        relay = self.odd()
        daemon = self.serve(relay)
        self.put("ann")
        self.wait_empty()
        daemon.signal(signal.SIGSTOP)
        self.sql("UPDATE outbox.daemon SET until = clock_timestamp() - interval '1 second'")
        self.assertEqual(self.one("SELECT outbox.reap()"), "0")
        self.assertEqual(self.count("daemon"), 0)
        self.put("bob")
        daemon.signal(signal.SIGCONT)
        self.wait_log(daemon, "lease", seconds=40)
        self.wait_taken(relay, "bob")
        self.wait_empty()
        self.assertEqual(self.count("daemon"), 1)

    def test_lease_lost_while_it_is_sending(self):
        """The message is ready for others, and none has it yet: its end counts."""
        relay = self.taking(self.end_lease)
        daemon = self.serve(relay)
        self.put("ann")
        self.wait_taken(relay, "ann")
        self.put("bob")
        self.wait_taken(relay, "bob")
        self.wait_empty(40)
        self.assertEqual(relay.copies("ann@lab.test"), 1, daemon.output())

    def test_lease_lost_and_it_is_sending_still(self):
        """It has the message anew, and says of that, too, that it is being sent."""
        def is_sending():
            wait_for(lambda: self.count("leased WHERE sending") == 1, lambda: f"it is being sent{self.logs()}", 60)

        def lose():
            is_sending()
            self.end_lease()
            is_sending()

        relay = self.taking(lose)
        self.serve(relay)
        self.put("ann")
        self.wait_taken(relay, "ann", seconds=120)
        self.wait_empty(40)
        self.assertEqual(relay.copies("ann@lab.test"), 1)

    def test_lease_lost_while_the_relay_takes_its_time(self):
        """It begins anew before it has the reply: what the relay has already, it does not send once more."""
        def lose():
            self.end_lease()
            wait_for(lambda: self.count("daemon") == 1 and self.count("leased") == 1, "it has begun anew", 60)

        relay = self.taking(lose)
        daemon = self.serve(relay)
        self.put("ann")
        self.wait_log(daemon, "event=database-back", seconds=60)
        self.wait_empty(40)
        self.put("bob")
        self.wait_taken(relay, "ann", "bob")

    def test_lease_lost_between_two_transactions(self):
        """Who had the message in the first does not get it again."""
        def answer(talk, verb, argument):
            if verb == "." and todo:
                todo.pop()()
            return "450 4.2.1 later" if verb == "RCPT" and "bob@" in argument and full else None

        todo, full = [self.end_lease], [True]
        relay = self.odd(answer)
        daemon = self.serve(relay, relay_settings={"recipients_per_transaction": 1})
        number = self.put("ann", "bob")
        self.wait_place(number, "deferred", 40)
        self.assertEqual(self.sql(f"SELECT outcome FROM outbox.recipient WHERE message = {number} ORDER BY number"),
                         [["delivered"], [""]])
        self.assertEqual(sorted(set(self.record(number))), ["deferred", "delivered", "recovered", "retry"])
        full.clear()
        daemon.flush()
        self.wait_taken(relay, "ann", "bob")
        self.wait_empty()


class FailedOver(DatabaseTest):
    """A primary that is lost with what it had not handed to its synchronous standby."""

    def _drop(self):
        """It is lost."""

    def setUp(self):
        super().setUp()
        self.standby = self.database.standby(self.directory / "standby")
        self.addCleanup(self.standby.stop)
        self.standby.sql_alone("ALTER SYSTEM SET primary_conninfo = ''")  # from when it is told to look
        self.looking = self.database.session()
        self.addCleanup(self.looking.abandon)

    def both(self):
        servers = (self.database, self.standby)
        return self.conninfo(host=",".join(str(one.directory) for one in servers),
                             port=",".join(str(one.port) for one in servers), target_session_attrs="read-write",
                             connect_timeout=2)

    def part(self):
        """The standby hears no more of the primary, which waits with every commit from now on. That the message is
        being sent is written by then: behind what waits, its end would not be."""
        wait_for(lambda: self.looking.sql("SELECT count(*) FROM outbox.leased WHERE sending") == ["1"],
                 "it is told that the message is being sent")
        self.standby.process.signal(signal.SIGHUP)
        wait_for(lambda: self.looking.sql("SELECT count(*) FROM pg_stat_replication") == ["0"], "the standby is alone")

    def waits_to_commit(self, what):
        return self.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                        f" AND query LIKE '%outbox.{what}(%'") == "1"

    def fail_over(self):
        self.database.crash()  # whose last words to its clients have the results of what is not committed
        self.standby.promote()
        self.database = self.standby

    def test_an_end_that_was_written_and_not_committed(self):
        """It is written once more, where it is not known: the message is not sent again."""
        todo = [self.part]

        def answer(talk, verb, argument):
            if verb in (".", "BDAT") and todo:
                todo.pop()()

        relay = self.odd(answer)
        daemon = self.serve(relay, conninfo=self.both())
        self.put("ann")
        wait_for(lambda: self.waits_to_commit("write"), lambda: f"the end waits to be committed{self.logs()}")
        self.fail_over()
        self.wait_log(daemon, "event=database-back", seconds=40)
        self.wait_empty()
        self.put("bob")
        self.wait_taken(relay, "ann", "bob")


class Conflicts(DatabaseTest):
    """The database breaks a transaction off for another's sake: it is done once more."""

    def conflict(self, event, times):
        """The first transactions that do that are broken off."""
        self.sql(f"""
            CREATE SEQUENCE outbox.conflicts;
            CREATE FUNCTION outbox.conflict() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                IF nextval('outbox.conflicts') <= {times} THEN
                    RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
                END IF;
                RETURN OLD;
            END $$;
            CREATE TRIGGER conflict BEFORE {event} FOR EACH ROW EXECUTE FUNCTION outbox.conflict()""")

    def test_at_the_end_of_the_daemon(self):
        """What it did not send is ready at once, for others."""
        relay = self.odd(lambda talk, verb, argument: "421 4.3.2 closing" if verb == "EHLO" else None)
        daemon = self.serve(relay)
        number = self.put("ann")
        self.wait_log(daemon, "event=relay-held")
        self.conflict("DELETE ON outbox.daemon", 3)
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual((self.count("daemon"), self.count("leased")), (0, 0))
        self.assertEqual(len(self.places(number)), 1)

    def test_of_a_message_that_was_sent(self):
        relay = self.odd()
        self.serve(relay)
        self.conflict("DELETE ON outbox.message", 1)
        self.put("ann")
        self.wait_taken(relay, "ann")
        self.wait_empty(30)

    def test_when_all_that_waits_is_to_be_tried(self):
        """However many that are; and once more, when it was broken off."""
        waits = ["450 4.2.1 later"]
        relay = self.odd(lambda talk, verb, argument: waits[0] if verb == "RCPT" and waits else None)
        daemon = self.serve(relay)
        number = self.put("ann")
        self.wait_place(number, "deferred")
        waits.clear()
        self.sql("INSERT INTO outbox.deferred (message, lane, due, attempts) "
                 "SELECT n, 'no', now() + interval '1 day', 1 FROM generate_series(-25000, -1) n")
        self.conflict("DELETE ON outbox.deferred", 2)
        daemon.flush()
        self.wait_taken(relay, "ann")
        wait_for(lambda: self.count("deferred") == 0, lambda: f"all of it is ready{self.logs()}", 30)
