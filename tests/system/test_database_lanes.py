"""Lanes of the configuration, with the queue in a database: none keeps another waiting, nor takes what it may not send."""

import json
import time

from database_case import DatabaseTest
from process import wait_for


class Lanes(DatabaseTest):
    lanes = ""

    def configure(self, *relays, **settings):
        super().configure(*relays, **settings)
        with open(self.configuration, "a", encoding="utf-8") as file:
            file.write(f"lanes = ( {self.lanes} );\n")

    def begin(self, lanes, relay, **settings):
        self.lanes = lanes
        return self.serve(relay, **settings)

    def put_bulk(self, count):
        self.sql("SELECT outbox.queue('news@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n', lane => 'bulk') "
                 f"FROM generate_series(1, {count}) n")

    def test_connections(self):
        """As many at a time as the lane has, one after the other."""
        busy, most = set(), [0]

        def answer(talk, verb, argument):
            if verb == "MAIL":
                busy.add(talk)
                most[0] = max(most[0], len(busy))
            elif verb == ".":
                time.sleep(0.02)
                busy.discard(talk)

        relay = self.odd(answer)
        self.put_bulk(250)
        self.begin('{ name = "bulk"; connections = 2; }', relay)
        self.wait_empty(60)
        self.assertEqual(len(relay.accepted), 250)
        self.assertLessEqual(most[0], 2)

    def test_one_that_is_closed_keeps_no_other_waiting(self):
        """What is held of it goes back, for another daemon may send it."""
        relay = self.odd()
        self.put_bulk(1000)
        self.begin('{ name = "bulk"; message_rate = "3/d"; }', relay)
        wait_for(lambda: len(relay.accepted) == 3, lambda: f"3 messages at {relay}{self.logs()}")
        self.put("ann")
        self.wait_taken(relay, "ann")
        wait_for(lambda: self.count("ready") == 997 and self.count("leased") == 0,
                 lambda: f"997 that are ready, not {self.count('ready')}; {self.count('deferred')} are deferred{self.logs()}", 30)
        self.put("bob")
        self.wait_taken(relay, "bob")
        self.assertEqual(len(relay.accepted), 5)

    def test_what_waits_in_each_is_told(self):
        """Also what nobody has claimed, and in the lane without a name what is in no other."""
        relay = self.odd()
        self.put_bulk(20)
        for _ in range(3):
            self.put("ann", more=", lane => 'other', not_before => now() + interval '1h'")
        self.begin('{ name = "Bulk"; message_rate = "3/d"; }', relay)
        wait_for(lambda: self.waiting() == {None: 0, "Bulk": 17},
                 lambda: f"17 that wait, not {self.waiting()}{self.logs()}", 60)
        self.daemons[0].terminate()
        self.sql("SELECT outbox.change('retry', ARRAY (SELECT message FROM outbox.deferred))")
        self.assertEqual(self.one("SELECT outbox.lanes_of('{\"lanes\": [{\"name\": null, \"waiting\": 1},"
                                  " {\"name\": \"bulk\", \"waiting\": 2}]}')->'lanes'"),
                         '[{"name": null, "waiting": 4}, {"name": "bulk", "waiting": 19}]')

    def waiting(self):
        """How much waits in each lane, as the daemon is told to say."""
        daemons = json.loads(self.outbox("status", "--json"))["daemons"]
        return {lane["name"]: lane["waiting"] for lane in daemons[0]["lanes"]} if daemons else {}

    def test_the_higher_one_first(self):
        """A message behind a thousand others of another lane waits for a few of them."""
        relay = self.odd(lambda talk, verb, argument: time.sleep(0.01) if verb == "." else None)
        self.put_bulk(1000)
        self.begin('{ name = "alerts"; priority = 10; }', relay, relay_settings={"connections": 2})
        wait_for(lambda: len(relay.accepted) > 50, lambda: f"50 messages at {relay}{self.logs()}", 30)
        before = len(relay.accepted)
        self.put("ann", more=", lane => 'alerts'")
        self.wait_taken(relay, "ann", seconds=30)
        place = [recipients for recipients, _ in relay.accepted].index(("ann@lab.test",))
        self.assertLess(place - before, 300)

    def test_a_pass_goes_by_one_that_is_closed(self):
        relay = self.odd()
        self.put_bulk(300)
        self.lanes = '{ name = "bulk"; message_rate = "3/d"; }'
        self.configure(self.settings(relay), spool={"database": self.conninfo()})
        self.outbox("process", status=None)
        self.assertEqual(len(relay.accepted), 3)
        self.assertEqual((self.count("ready"), self.count("leased"), self.count("daemon")), (297, 0, 0))

    def test_a_closed_one_costs_nothing(self):
        """No claim follows the other where nothing may be sent."""
        relay = self.odd()
        self.put_bulk(1000)
        self.database.sql_alone("ALTER SYSTEM SET track_functions = 'all'")
        self.sql("SELECT pg_reload_conf()")
        self.begin('{ name = "bulk"; message_rate = "3/d"; }', relay)
        wait_for(lambda: len(relay.accepted) == 3 and self.count("leased") == 0,
                 lambda: f"3 messages at {relay}, and the others given back{self.logs()}", 30)
        before = self.claims()
        time.sleep(3)
        self.assertLess(self.claims() - before, 30)

    def claims(self):
        return int(self.one("SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname = 'claim'"))
