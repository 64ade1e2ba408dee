"""What an operator holds or deletes while a daemon has it: it is had back, as long as it is not being sent."""

import json
import threading

from database_case import DatabaseTest
from odd_relay import Bye, Slow
from process import free_port, wait_for


class Wishes(DatabaseTest):
    def claim(self, count):
        """A daemon that is none has claimed so many messages: its number, and theirs."""
        messages = [self.put(f"u{n}") for n in range(count)]
        daemon = self.one("SELECT outbox.daemon_begin('mail1', '1 hour')")
        self.sql(f"SELECT outbox.claim({daemon}, '', '0', 0, '{{}}', 100)")
        return daemon, messages

    def change(self, action, message, owner="NULL"):
        return self.one(f"SELECT result FROM outbox.change('{action}', '{{{message}}}', {owner})")

    def let_go(self, daemon, *messages):
        self.sql(f"SELECT outbox.let_go({daemon}, '{{{','.join(messages)}}}')")

    def wishes(self, daemon):
        return [row[0] for row in self.sql(f"SELECT * FROM outbox.wishes({daemon}) ORDER BY 1")]

    def states(self):
        return {one["id"]: one["state"] for one in json.loads(self.outbox("list", "--json"))}

    def test_what_the_functions_do(self):
        daemon, (hold, delete, other) = self.claim(3)
        self.assertEqual([self.change("hold", hold), self.change("delete", delete)], ["claimed"] * 2)
        self.assertEqual(self.wishes(daemon), [hold, delete])
        self.let_go(int(daemon) + 1, hold, delete)
        self.assertEqual(self.places(hold), ["leased"])
        self.let_go(daemon, hold, delete, other)
        self.assertEqual([self.places(one) for one in (hold, delete, other)], [["aside"], [], ["ready"]])
        self.assertEqual(self.wishes(daemon), [])
        self.assertEqual([self.change("hold", hold), self.change("delete", delete)], ["done"] * 2)
        self.assertEqual([self.change("hold", hold), self.change("delete", delete)], ["held", "gone"])
        self.assertEqual(self.count("wish"), 0)

    def test_a_plan_of_an_empty_table_stays(self):
        """Who looks for messages goes by an index, also where the plan was made before there were any."""
        names = "'claim', 'look', 'write', 'read', 'let_go', 'sending', 'keep_only', 'bring', 'offer', 'flush', " \
                "'end_turns'"
        self.assertEqual(self.sql(f"SELECT count(*) FROM pg_proc WHERE proname IN ({names})"
                                  " AND pronamespace = 'outbox'::regnamespace"
                                  " AND proconfig @> '{enable_seqscan=off,enable_bitmapscan=off}'"), [["11"]])

    def test_nobody_waits_any_more(self):
        """It is ready, as what is given back is, and the next who asks is told nothing of before."""
        daemon, (one,) = self.claim(1)
        self.assertEqual(self.change("delete", one), "claimed")
        self.sql("UPDATE outbox.wish SET until = clock_timestamp() - interval '1 second'")
        self.assertEqual(self.wishes(daemon), [])
        self.let_go(daemon, one)
        self.assertEqual(self.places(one), ["ready"])
        self.assertEqual(self.change("hold", one), "done")
        self.assertEqual(self.change("release", one), "done")
        self.sql("UPDATE outbox.wish SET until = clock_timestamp() - interval '2 minutes'")
        self.sql("SELECT outbox.reap()")
        self.assertEqual(self.count("wish"), 0)

    def test_what_was_granted_once_is_not_granted_for_ever(self):
        daemon, (one,) = self.claim(1)
        self.assertEqual(self.change("hold", one), "claimed")
        self.let_go(daemon, one)
        self.assertEqual(self.change("release", one), "done")
        self.sql(f"SELECT outbox.claim({daemon}, '', '0', 0, '{{}}', 100)")
        self.assertEqual(self.change("hold", one), "claimed")
        self.assertEqual(self.wishes(daemon), [one])

    def test_nobody_gets_what_is_not_his(self):
        daemon, (one,) = self.claim(1)
        self.assertEqual(self.change("delete", one, "4321"), "gone")
        self.assertEqual(self.wishes(daemon), [])
        self.assertEqual(self.change("hold", one), "claimed")
        self.let_go(daemon, one)
        self.assertEqual(self.change("hold", one, "4321"), "gone")
        self.assertEqual(self.change("hold", one), "done")

    def test_behind_a_relay_on_hold(self):
        """All of it is queued, wherever it is, and is held and deleted at once."""
        daemon = self.serve(free_port())
        ids = [self.put(f"u{n}") for n in range(30)]
        wait_for(lambda: self.count("leased") > 0, lambda: f"messages that are claimed{self.logs()}")
        for one in (ids[0], ids[29]):
            self.assertEqual(self.insist("delete", one), f"{one} deleted\n")
        said = self.insist("hold", "--all").splitlines()
        self.assertEqual(sorted(line for line in said if "message" not in line),
                         sorted(f"{one} held" for one in ids[1:29]))
        self.assertEqual(self.states(), {one: "held" for one in ids[1:29]})
        self.assertEqual((self.count("leased"), self.count("ready"), self.count("aside")), (0, 0, 28))
        self.outbox("release", "--all")
        wait_for(lambda: self.count("leased") > 0, lambda: f"messages that are claimed again{self.logs()}", 30)
        self.assertNotIn("was taken away", daemon.output())

    def test_while_it_waits_for_a_connection(self):
        """The engine has it already; what is on the one connection there is stays there."""
        go_on = threading.Event()
        relay = self.odd(lambda talk, verb, argument: Slow("250 ok", event=go_on) if verb == "MAIL" else None)
        self.serve(relay, relay_settings={"connections": 1, "messages_per_connection": 1})
        ids = [self.put(f"u{n}") for n in range(10)]
        wait_for(lambda: "sending" in self.states().values(), lambda: f"one that is being sent{self.logs()}", 30)
        sending = [one for one, state in self.states().items() if state == "sending"]
        waits = [one for one in ids if one not in sending]
        self.assertEqual(len(sending), 1)
        for one in waits[:-1]:
            self.assertEqual(self.insist("hold", one), f"{one} held\n")
        self.assertEqual(self.insist("delete", waits[-1]), f"{waits[-1]} deleted\n")
        busy = self.outbox("hold", sending[0], status=None)
        self.assertEqual((busy.returncode, busy.stderr.decode()),
                         (75, f"outbox: 135: {sending[0]} is being sent; try again when it is done\n"))
        go_on.set()
        wait_for(lambda: len(relay.accepted) == 1, lambda: f"one message at the relay{self.logs()}")
        wait_for(lambda: self.count("leased") == 0, "nothing that is being sent")
        self.assertEqual(self.states(), {one: "held" for one in waits[:-1]})

    def test_an_attempt_that_ends_meanwhile(self):
        """What comes back from the relay while somebody waits is held."""
        waiting = threading.Event()

        def answer(talk, verb, argument):
            if verb != "MAIL":
                return None
            wait_for(lambda: self.count("wish") == 1, "somebody who wants it", 30)
            waiting.set()
            return Bye("421 4.3.2 not now")

        self.serve(self.odd(answer))
        one = self.put("ann")
        wait_for(lambda: self.places(one) == ["leased"], lambda: f"it is claimed{self.logs()}")
        self.assertEqual(self.insist("hold", one), f"{one} held\n")
        self.assertTrue(waiting.is_set())
        self.assertEqual(self.places(one), ["aside"])

    def test_a_daemon_that_does_not_answer(self):
        """It holds the message, and looks for no wish."""
        daemon, (one,) = self.claim(1)
        self.configure(self.settings(self.odd()), spool={"database": self.conninfo()})
        answer = self.outbox("delete", one, status=None)
        self.assertEqual(answer.returncode, 75)
        self.assertRegex(answer.stderr.decode(),
                         f"^outbox: 135: {one} is claimed by a daemon that has not given it back: .*; "
                         "try again in a minute, when others may have it\n$")
        self.sql(f"SELECT outbox.daemon_end({daemon})")
        self.assertEqual(self.outbox("delete", one), f"{one} deleted\n")

    def count_changes(self, then="NULL"):
        """What the tool asks for is counted from now on; what `then` does, it does the second time."""
        self.configure(self.settings(self.odd()), spool={"database": self.conninfo()})
        self.addCleanup(self.sql, "DROP SCHEMA behind CASCADE")
        self.sql("CREATE SCHEMA behind; SET search_path = outbox; CREATE SEQUENCE asked; "
                 "ALTER FUNCTION change SET SCHEMA behind; "
                 "CREATE FUNCTION change(action text, ids bigint[], owner bigint DEFAULT NULL)"
                 " RETURNS TABLE (message bigint, result text) LANGUAGE plpgsql AS $$ BEGIN"
                 f" IF nextval('outbox.asked') = 2 THEN PERFORM {then}; END IF;"
                 " RETURN QUERY SELECT * FROM behind.change(action, ids, owner); END $$")

    def asked(self):
        return int(self.one("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM outbox.asked"))

    def test_to_retry_waits_for_nobody(self):
        """What is at a relay is not tried again behind that."""
        daemon, (one,) = self.claim(1)
        self.sql(f"SELECT outbox.sending({daemon}, '{{{one}}}')")
        self.count_changes()
        answer = self.outbox("retry", one, status=None)
        self.assertEqual((answer.returncode, answer.stderr.decode()),
                         (75, f"outbox: 135: {one} is being sent; try again when it is done\n"))
        self.assertEqual((self.asked(), self.count("wish")), (1, 0))

    def test_what_was_done_is_told_where_the_database_is_lost(self):
        daemon, (claimed,) = self.claim(1)
        others = [self.put(f"n{n}") for n in range(3)]
        self.count_changes("pg_terminate_backend(pg_backend_pid())")
        answer = self.outbox("delete", "--all", "--yes", status=None)
        said = answer.stdout.decode().splitlines()
        self.assertEqual((sorted(said[:-1]), said[-1]),
                         (sorted(f"{one} deleted" for one in others), "3 messages deleted"))
        self.assertRegex(answer.stderr.decode(),
                         f"^outbox: 9011: whether {claimed} is deleted now is not known: .*\n$")
        self.assertEqual((answer.returncode, self.places(claimed), self.places(others[0])), (75, ["leased"], []))

    def change_while_it_moves(self, *command):
        """Its daemon puts the message off while the database looks where it is: what the tool says then."""
        daemon, (one,) = self.claim(1)
        other, looking = self.database.session(), self.database.session()
        for session in (other, looking):
            self.addCleanup(session.abandon)
        other.sql("BEGIN")
        other.sql("INSERT INTO outbox.wish (message, daemon, action, until) "
                  f"VALUES ({one}, {daemon}, 'hold', now() + interval '1 hour')")
        told = []
        asks = threading.Thread(target=lambda: told.append(
            self.outbox(*(one if word == "ID" else word for word in command), status=None)))
        asks.start()
        wait_for(lambda: looking.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == ["1"],
                 "somebody who waits for the other")
        other.sql(f"DELETE FROM outbox.wish WHERE message = {one}")
        other.sql(f"WITH put_off AS (DELETE FROM outbox.leased WHERE message = {one} RETURNING *) "
                  "INSERT INTO outbox.deferred (message, lane, due, attempts) "
                  "SELECT message, lane, now() + interval '1 hour', 1 FROM put_off")
        other.sql("COMMIT")
        other.close()
        looking.close()
        asks.join()
        self.sql(f"SELECT outbox.daemon_end({daemon})")
        return one, told[0]

    def test_what_moves_while_the_database_looks(self):
        """It is neither there nor here for once, and is looked for once more."""
        self.configure(self.settings(self.odd()), spool={"database": self.conninfo()})
        for command, done, place in ((("delete", "ID"), "{} deleted\n", []),
                                     (("delete", "--all", "--yes"), "{} deleted\n1 message deleted\n", []),
                                     (("hold", "ID"), "{} held\n", ["aside"])):
            one, answer = self.change_while_it_moves(*command)
            self.assertEqual((answer.returncode, answer.stdout.decode(), answer.stderr),
                             (0, done.format(one), b""), command)
            self.assertEqual(self.places(one), place)
