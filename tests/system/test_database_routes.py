"""Rules of the configuration, with the queue in a database: what one daemon has no relay for, another may have."""

import json
import threading

from odd_relay import Slow
from process import wait_for
from routed_case import RoutedTest


class Routes(RoutedTest):
    def test_what_one_declines_another_sends(self):
        """Long before the relay of the first is tried again, whatever that goes on to claim."""
        relay = self.odd()
        self.serve_without_relay()
        self.put_many(300)
        self.wait_declined(300)
        self.serve_beside(relay)
        self.wait_empty(60)
        self.assertEqual(len(relay.accepted), 300)

    def test_what_nobody_can_send_is_at_rest(self):
        """Each is offered it once."""
        self.serve_without_relay()
        self.put_many(20)
        self.wait_declined(20)
        self.start_again()
        wait_for(lambda: self.count("deferred WHERE cardinality(declined) = 2") == 20,
                 lambda: f"20 that both have declined: {self.sql('SELECT * FROM outbox.deferred')}{self.logs()}", 60)
        self.assertEqual(self.one("SELECT string_agg(DISTINCT offered || ' ' || next, ',') FROM outbox.daemon d, "
                                  "outbox.offer(d.id, 0, 100, '{}')"), "0 0")

    def test_it_is_said_what_it_waits_for(self):
        """A relay, and not a time that somebody named; it counts as waiting, too."""
        self.serve_without_relay()
        message = self.put("ann")
        self.put("bob", more=", not_before => now() + interval '1h'")
        self.wait_declined(1)
        self.assertEqual((self.waits("ann")["for"], self.waits("bob")["for"]), ("relay", "time"))
        self.assertEqual(json.loads(self.outbox("status", "--json"))["waits"]["for"], "relay")
        self.assertIn("no daemon has a relay for it", self.outbox("show", message))
        self.assertEqual(self.one("SELECT count(oldest) FROM outbox.figures() WHERE state IS NULL"), "1")

    def test_held_and_released(self):
        """No time is left to wait for, and it is tried at once."""
        self.serve_without_relay()
        message = self.put("ann")
        self.wait_declined(1)
        self.outbox("hold", message)
        self.assertEqual(self.one("SELECT not_before IS NULL FROM outbox.aside"), "t")
        relay = self.odd()
        self.serve_beside(relay)
        self.outbox("release", message)
        self.wait_taken(relay, "ann", seconds=30)

    def test_others_come_for_those_that_are_held(self):
        """What had no room in the engine goes, although none of those that had some has gone."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        relay = self.odd(lambda talk, verb, argument: Slow("250 ok", event=go_on) if verb == "MAIL" else None)
        self.put_many(200)
        self.serve_beside(relay, connections=1, messages_per_connection=1)
        wait_for(lambda: self.count("leased WHERE sending") == 1 and self.count("ready") == 0
                 and self.count("deferred") > 0,
                 lambda: f"messages that are put off{self.logs()}", 60)
        waits = [row[0] for row in self.sql("SELECT message FROM outbox.leased WHERE NOT sending")]
        self.insist("hold", *waits)
        go_on.set()
        wait_for(lambda: len(relay.accepted) == 200 - len(waits), lambda: f"all others{self.logs()}", 60)
        self.assertEqual(self.count("aside"), len(waits))

    def test_more_than_an_engine_has_room_for(self):
        """What was put off for want of room there goes when there is some, and does not wait for longer."""
        relay = self.odd()
        self.put_many(1500)
        self.serve_beside(relay, connections=2)
        self.wait_empty(60)
        self.assertEqual(len(relay.accepted), 1500)

    def test_what_has_no_room_waits_for_its_turn(self):
        """Another daemon is as full, and is not offered it."""
        let = threading.Event()
        self.addCleanup(let.set)
        relay = self.odd(lambda talk, verb, argument: Slow("250 taken", event=let) if verb == "." else None)
        self.put_many(1500)
        self.serve_beside(relay, connections=2)
        self.start_again()
        wait_for(lambda: self.count("ready") == 0 and self.count("deferred") > 0,
                 lambda: f"some that had no room: {self.sql('SELECT * FROM outbox.figures()')}{self.logs()}", 60)
        self.assertEqual(self.count("deferred WHERE declined <> '{}'"), 0)
        message = self.one("SELECT min(message) FROM outbox.deferred")
        self.assertNotIn("no daemon has a relay for it", self.outbox("show", message))
        let.set()
        self.wait_empty(60)

    def test_what_others_have_taken_in_the_meantime(self):
        """All that was brought when there was room goes to another: what is left is brought nevertheless."""
        let = threading.Event()
        self.addCleanup(let.set)
        relay = self.odd(lambda talk, verb, argument: Slow("250 ok", event=let) if verb == "MAIL" else None)
        self.put_many(1000)
        other = self.one("SELECT outbox.daemon_begin('other', '1 hour')")
        self.serve_beside(relay, connections=1)
        wait_for(lambda: self.count("ready") == 0 and self.count("deferred") > 0,
                 lambda: f"some that had no room{self.logs()}", 60)
        self.sql("SET search_path = outbox; CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                 f"IF (SELECT count(*) FROM outbox.leased WHERE daemon = {other}) >= 400 THEN RETURN new; END IF; "
                 "INSERT INTO outbox.leased (message, lane, daemon, attempts) "
                 f"VALUES (new.message, new.lane, {other}, 0); "
                 "RETURN NULL; END $$; "
                 "CREATE TRIGGER steal BEFORE INSERT ON ready FOR EACH ROW EXECUTE FUNCTION steal()")
        let.set()
        wait_for(lambda: len(relay.accepted) == 600,
                 lambda: f"all but what another has, not {len(relay.accepted)}: "
                         f"{self.sql('SELECT * FROM outbox.figures()')}{self.logs()}", 60)
        wait_for(lambda: self.count("leased") == 400, lambda: f"the ends of those{self.logs()}")
