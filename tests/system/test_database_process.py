"""outbox process on a database: one pass by a daemon of its own, which takes what is ready or due."""

import signal
import threading

from database_case import DatabaseTest
from lab import program
from odd_relay import Bye, SILENCE
from process import Process, wait_for


class Passes(DatabaseTest):
    def passing(self, relay, **spool):
        self.configure(self.settings(relay), spool={"database": self.conninfo(), **spool},
                       retry={"first": "1h", "max": "1h"}, daemon={"stop_timeout": "5s"})

    def process(self, status=0):
        result = self.outbox("process", status=None)
        self.assertEqual(result.returncode, status, result.stderr.decode())
        return result

    def test_what_is_there_is_delivered(self):
        """Of every lane, in several claims, and also where nothing is."""
        relay = self.odd()
        self.passing(relay)
        self.assertEqual(self.process().stdout, b"0 sent, 0 deferred, 0 failed\n")
        self.sql("SELECT outbox.queue('shop@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n', "
                 "lane => CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN 'bulk' ELSE 'alerts' END)"
                 " FROM generate_series(1, 250) n")
        told = self.process().stdout.decode().splitlines()
        self.assertEqual(told[-1], "250 sent, 0 deferred, 0 failed")
        self.assertRegex("\n".join(told), r"(?m)^\d+: n7@lab\.test delivered by odd: 250 ")
        self.assertEqual(sorted(recipients[0] for recipients, _ in relay.accepted),
                         sorted(f"n{n}@lab.test" for n in range(1, 251)))
        self.assertEqual([self.count(table) for table in ("message", "leased", "daemon")], [0, 0, 0])

    def test_what_became_of_each(self):
        def answer(talk, verb, argument):
            if verb == "RCPT" and "bad@" in argument:
                return "550 5.1.1 no such user"
            return "450 4.2.1 later" if verb == "RCPT" and "later@" in argument else None

        self.passing(self.odd(answer))
        bad, later, waits = self.put("bad"), self.put("later"), self.put(
            "ann", more=", not_before => clock_timestamp() + interval '1 hour'")
        result = self.process(75)
        self.assertIn("0 sent, 1 deferred, 1 failed", result.stdout.decode())
        self.assertIn(f"{later}: later@lab.test deferred by odd", result.stderr.decode())
        self.assertEqual([self.places(one) for one in (bad, later, waits)], [["ended"], ["deferred"], ["deferred"]])
        self.assertEqual(self.process().stdout, b"0 sent, 0 deferred, 0 failed\n")  # it is not due

    def test_all_that_is_due(self):
        """More than become ready at once."""
        self.sql("SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', 'Subject: x') FROM generate_series(1, 1100)")
        self.sql("WITH gone AS (DELETE FROM outbox.ready RETURNING *)"
                 " INSERT INTO outbox.deferred (message, lane, due, attempts)"
                 " SELECT message, lane, clock_timestamp() - interval '1 hour', 1 FROM gone")
        self.passing(self.odd())
        self.assertIn(b"1100 sent, 0 deferred, 0 failed", self.process().stdout)
        self.assertEqual(self.count(), 0)

    def test_what_others_hold_is_left(self):
        """What a daemon held whose lease has ended is not."""
        self.put("ann"), self.put("bob")
        for number, lease in ((1, "1 hour"), (2, "-1 second")):
            self.sql("INSERT INTO outbox.daemon (id, name, until)"
                     f" VALUES ({number}, 'other', clock_timestamp() + interval '{lease}')")
            self.sql(f"WITH gone AS (DELETE FROM outbox.ready WHERE message = {number} RETURNING *)"
                     f" INSERT INTO outbox.leased SELECT message, {number}, lane, 0, NULL FROM gone")
        relay = self.odd()
        self.passing(relay)
        self.assertIn(b"1 sent, 0 deferred", self.process().stdout)
        self.assertEqual([recipients for recipients, _ in relay.accepted], [("bob@lab.test",)])
        self.assertEqual(self.sql("SELECT message, daemon FROM outbox.leased"), [["1", "1"]])

    def test_a_large_one(self):
        """Of several pieces: it is waited for."""
        body = (b"0" * 900 + b"\n") * 2000
        self.put("ann", content=b"Subject: x\n\n" + body)
        relay = self.odd()
        self.passing(relay)
        self.assertIn(b"1 sent, 0 deferred, 0 failed", self.process().stdout)
        self.assertGreater(len(relay.accepted[0][1]), len(body))

    def test_a_relay_that_is_away(self):
        self.put("ann")
        self.configure({"name": "odd", "host": "127.0.0.1", "port": 1, "tls": "none"},
                       spool={"database": self.conninfo()})
        result = self.process(75)
        self.assertIn(b"what is left stays queued", result.stdout)
        self.assertEqual((self.places(1), self.count("daemon")), (["ready"], 0))

    def test_a_database_that_is_none(self):
        """Said once, as every command says it."""
        relay = self.settings(self.odd())
        for conninfo, text in (
            (self.conninfo(dbname="nowhere"), b'database "nowhere" does not exist'),
            (self.conninfo(port=1), b"see whether it runs"),
        ):
            with self.subTest(conninfo=conninfo):
                self.configure(relay, spool={"database": conninfo})
                listed = self.outbox("list", status=None)
                result = self.process(listed.returncode)
                self.assertIn(text, result.stderr)
                self.assertEqual((result.stdout, result.stderr.count(b"\n")), (b"", 1))

    def lose(self):
        """A process of which the relay accepts a message while its database crashes, and has said so."""
        relay = self.odd(lambda talk, verb, argument: self.database.crash() or None
                         if verb == "DATA" and self.database.process.is_running() else None)
        self.configure(self.settings(relay), spool={"database": self.conninfo()}, daemon={"stop_timeout": 0})
        self.put("ann"), self.put("bob")
        child = Process([program("outbox"), "--config", self.configuration, "process"], self.directory / "process.log")
        wait_for(lambda: "outbox: 9011: " in child.output(), "the database is lost")
        wait_for(lambda: any((number, "QUIT") in relay.verbs for number, verb in relay.verbs if verb == "."),
                 "the relay's reply to a message was read")
        return relay, child

    def test_lost_on_the_way_and_back(self):
        """What the relay has accepted meanwhile is written, whatever a stop may take: nothing is sent twice."""
        relay, child = self.lose()
        self.database.start()
        self.assertEqual(child.wait(), 75)
        self.assertNotIn("left as sending", child.output())
        self.assertEqual(self.count() + len(relay.accepted), 2)
        self.assertEqual(self.count("leased"), 0)

    def test_lost_on_the_way_for_good(self):
        """What could not be written is told."""
        _, child = self.lose()
        child.signal(signal.SIGTERM)
        self.assertEqual(child.wait(), 75)
        self.assertRegex(child.output(), r"outbox: 9011: \d+: left as sending: its end could not be written")
        self.database.start()
        self.assertEqual(self.count("leased") + self.count("ready"), 2)

    def test_lost_while_the_last_relay_is_held(self):
        """Neither comes back, for all that it knows; but what was sent is written, when the database does."""
        second, lost, given_up = (threading.Event() for _ in range(3))

        def answer(talk, verb, argument):
            if verb == "CONNECT" and talk.number > 1:
                second.set()
                given_up.wait(100)
                return Bye("421 not now")
            if verb == "DATA":
                second.wait(100)
                self.database.crash()
                lost.wait(100)  # else the engine may end this one before it knows
            return None

        relay = self.odd(answer)
        self.configure(self.settings(relay, connections=2, messages_per_connection=1),
                       spool={"database": self.conninfo()}, daemon={"stop_timeout": 0})
        for _ in range(2):
            self.put("ann")
        child = Process([program("outbox"), "--config", self.configuration, "process"], self.directory / "process.log")
        wait_for(lambda: "outbox: 9011: " in child.output(), lambda: f"the database is lost {relay}", 60)
        lost.set()
        wait_for(lambda: (1, "QUIT") in relay.verbs, lambda: f"the reply to a message was read {relay}", 60)
        given_up.set()
        wait_for(lambda: "relay odd, greeting: 421" in child.output(),
                 lambda: f"the relay is held: {child.output()}", 60)
        self.database.start()
        self.assertEqual(child.wait(), 75)
        self.assertNotIn("left as sending", child.output())
        self.assertEqual((len(relay.accepted), self.count(), self.count("leased")), (1, 1, 0))

    def test_a_signal_gives_back_what_was_not_sent(self):
        relay = self.odd(lambda talk, verb, argument: SILENCE if verb == "RCPT" else None)
        self.passing(relay)
        for _ in range(20):
            self.put("ann")
        child = Process([program("outbox"), "--config", self.configuration, "process"], self.directory / "process.log")
        wait_for(lambda: self.count("leased") > 0, "it has messages")
        child.signal(signal.SIGTERM)
        child.signal(signal.SIGTERM)
        child.wait()
        self.assertEqual((self.count("ready"), self.count("leased"), self.count("daemon")), (20, 0, 0),
                         self.sql("SELECT line FROM outbox.record"))
