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

    def test_what_waits_is_told_once(self):
        """With the first daemon that lives; with none of those, with the first."""
        first, second, third = (self.one(f"SELECT outbox.daemon_begin('mail{n}', '1 hour')") for n in range(3))
        figures = "UPDATE outbox.daemon SET figures = '{\"lanes\": [{\"name\": null, \"waiting\": 1}]}'"
        self.sql(figures)
        self.sql(f"UPDATE outbox.daemon SET figures = NULL WHERE id = {second}")
        self.put_bulk(20)
        self.assertEqual(self.told(), {first: "21", second: "", third: "1"})
        self.configure(spool={"database": self.conninfo()})
        self.assertEqual(self.outbox("status").count("counted with the first daemon that lives"), 1)
        self.sql(f"UPDATE outbox.daemon SET until = now() - interval '1s' WHERE id = {first}")
        self.assertEqual(self.told(), {first: "1", second: "", third: "21"})
        self.sql(f"UPDATE outbox.daemon SET figures = NULL WHERE id = {first}")
        self.assertNotIn("counted with", self.outbox("status"))
        self.sql(f"{figures} WHERE id = {first}")
        self.sql("UPDATE outbox.daemon SET until = now() - interval '1s'")
        self.assertEqual(self.told(), {first: "21", second: "", third: "1"})

    def told(self):
        """What waits in the lane without a name, by daemon."""
        return dict(self.sql("SELECT id, figures->'lanes'->0->>'waiting' FROM outbox.daemons()"))

    def waiting(self):
        """How much waits in each lane, as the daemon is told to say."""
        daemons = json.loads(self.outbox("status", "--json"))["daemons"]
        return {lane["name"]: lane["waiting"] for one in daemons[:1] for lane in one.get("lanes", ())}

    def test_the_higher_one_first(self):
        """A message behind a thousand others of another lane waits for a few of them."""
        relay = self.odd(lambda talk, verb, argument: time.sleep(0.01) if verb == "." else None)
        self.put_bulk(1000)
        self.begin('{ name = "alerts"; priority = 10; }', relay, relay_settings={"connections": 2})
        wait_for(lambda: len(relay.accepted) > 50, lambda: f"50 messages at {relay}{self.logs()}", 30)
        self.put("ann", more=", lane => 'alerts'")
        before = len(relay.accepted)
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

    def test_names_cost_nothing(self):
        """All that there can be are looked into by one statement, and a message in the last of them is found."""
        relay = self.odd()
        self.sql("SELECT outbox.queue('news@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n', lane => 'c' || n)"
                 " FROM generate_series(1, 200) n")
        self.database.sql_alone("ALTER SYSTEM SET track_functions = 'all'")
        self.sql("SELECT pg_reload_conf()")
        self.serve(relay)
        self.wait_empty(30)
        looks = self.calls("look")
        wait_for(lambda: self.calls("look") > looks, "it has looked, and found that there is nothing")
        looks, claims = self.calls("look"), self.calls("claim")
        wait_for(lambda: self.calls("look") >= looks + 3, "it has looked three times more")
        self.assertLess(self.calls("claim") - claims, 20)
        self.put("ann", more=", lane => 'c200'")
        self.wait_taken(relay, "ann")
        session = self.database.session()
        self.addCleanup(session.close)
        session.sql("BEGIN")
        session.sql("SELECT outbox.queue('shop@lab.test', '{late@lab.test}', E'Subject: x\\n\\ny\\n', lane => 'c100')")
        self.put("bob", more=", lane => 'c100'")
        self.wait_taken(relay, "bob")
        session.sql("COMMIT")
        self.wait_taken(relay, "late")
        self.wait_empty()

    def test_what_somebody_has_locked_is_looked_at_once_a_second(self):
        """A look finds it, and no claim takes it."""
        relay = self.odd()
        first = self.put("ann", more=", lane => 'b'")
        self.put("bob", more=", lane => 'a'")
        self.put("cy", more=", lane => 'b'")
        session = self.database.session()
        self.addCleanup(session.close)
        session.sql("BEGIN")
        session.sql(f"SELECT FROM outbox.ready WHERE message <> {first} FOR UPDATE")
        self.database.sql_alone("ALTER SYSTEM SET track_functions = 'all'")
        self.sql("SELECT pg_reload_conf()")
        self.serve(relay)
        self.wait_taken(relay, "ann")
        before = self.calls("look")
        wait_for(lambda: self.calls("look") > before, lambda: f"a further look{self.logs()}", 30)
        time.sleep(3)
        self.assertLess(self.calls("look") - before, 30)
        session.sql("COMMIT")
        self.wait_taken(relay, "ann", "bob", "cy")

    def claims(self):
        return self.calls("claim")

    def calls(self, function):
        return int(self.one(f"SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname = '{function}'"))
