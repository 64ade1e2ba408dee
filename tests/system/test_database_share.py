"""Limits and rates that hold for all daemons on one database together."""

import threading

from database_case import DatabaseTest
from odd_relay import Slow
from process import wait_for


class Share(DatabaseTest):
    def held_relay(self):
        """One that says nothing to the end of a message before it is let: so its connections stay."""
        self.let = threading.Event()
        self.addCleanup(self.let.set)
        return self.odd(lambda talk, verb, argument: Slow("250 taken", event=self.let) if verb == "." else None)

    def renewed(self, condition):
        """Whether all have renewed their leases so that this holds; who is notified does so, once a second at most."""
        self.sql("SELECT pg_notify('outbox', '')")
        return self.one(f"SELECT {condition} FROM outbox.daemon") == "t"

    def wait_renewed(self):
        before = self.one("SELECT max(renewed) FROM outbox.daemon")
        wait_for(lambda: self.renewed(f"min(renewed) > '{before}'"), "renewed leases", 60)

    def wait_known(self, count):
        """Until each daemon has heard that there are so many: then each has renewed since the last began."""
        wait_for(lambda: self.renewed(f"count(*) = {count} AND min(renewed) > max(started)"),
                 lambda: f"{count} daemons that know of each other: {self.sql('SELECT * FROM outbox.daemon')}{self.logs()}", 60)

    def start_daemons(self, count, relay, spool=None, **relay_settings):
        self.serve(relay, relay_settings=relay_settings, spool=spool)
        for _ in range(count - 1):
            self.start_again()
        self.wait_known(count)

    def put_many(self, count):
        self.sql("SELECT outbox.queue('shop@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n') "
                 f"FROM generate_series(1, {count}) n")

    def wait_connections(self, relay, count):
        wait_for(lambda: relay.open == count, lambda: f"{count} connections at {relay}{self.logs()}", 30)

    def assert_stay(self, relay, count):
        """So many connections, and no more while the daemons renew their leases once more."""
        self.wait_renewed()
        self.assertEqual(relay.open, count)

    def test_connections(self):
        """Five are three and two. When one ends in good order the other has all five."""
        relay = self.held_relay()
        self.start_daemons(2, relay, connections=5)
        self.put_many(60)
        self.wait_connections(relay, 5)
        self.assert_stay(relay, 5)
        self.let.set()
        self.wait_empty(30)
        self.assertEqual(len(relay.accepted), 60)

    def test_one_that_ends_leaves_its_part(self):
        relay = self.held_relay()
        self.start_daemons(2, relay, connections=4)
        self.assertEqual(self.daemons[0].terminate(), 0)
        self.put_many(60)
        self.wait_connections(relay, 4)
        self.let.set()
        self.wait_empty(30)

    def test_one_that_comes_gets_its_part(self):
        """What is beyond it is given up by the others when it has done what it does."""
        relay = self.held_relay()
        self.start_daemons(1, relay, connections=4)
        self.put_many(20)
        self.wait_connections(relay, 4)
        self.start_again()
        self.wait_known(2)
        self.let.set()
        self.wait_empty(30)
        self.let.clear()
        self.put_many(200)
        self.wait_connections(relay, 4)
        self.assert_stay(relay, 4)
        self.let.set()
        self.wait_empty(60)

    def test_a_rate(self):
        """Eleven in a day are six and five; what is left waits, and it is said why."""
        relay = self.odd()
        self.start_daemons(2, relay, message_rate="11/d")
        self.put_many(30)
        wait_for(lambda: len(relay.accepted) == 11, lambda: f"11 messages at {relay}{self.logs()}", 30)
        for daemon in self.daemons:
            self.wait_log(daemon, "(message_rate: 11, shared by 2 daemons)", 30)
        self.assertEqual(len(relay.accepted), 11)

    def test_a_message_to_more_than_a_part(self):
        """The first of the daemons sends it, and the others decline it, who may not have heard of that."""
        relay = self.odd()
        self.start_daemons(3, relay, recipient_rate="12/d")
        for _ in range(6):
            self.put("ann", "bob", "cyd", "dan", "eve", "fay")
        wait_for(lambda: self.count("deferred WHERE cardinality(declined) >= 2") == 5,
                 lambda: f"5 that others have declined: {self.sql('SELECT * FROM outbox.deferred')}{self.logs()}", 120)
        self.assertEqual(len(relay.accepted), 1)

    def test_a_rate_whoever_comes_and_goes(self):
        """What one has sent who is gone, or whose part has become smaller, counts on."""
        relay = self.odd()
        self.start_daemons(2, relay, message_rate="11/d")
        self.put_many(30)
        wait_for(lambda: len(relay.accepted) == 11, lambda: f"11 messages at {relay}{self.logs()}", 30)
        self.assertEqual(self.daemons[0].terminate(), 0)
        for _ in range(2):
            self.start_again()
        self.wait_known(3)
        self.assertEqual(self.daemons[2].terminate(), 0)
        self.wait_renewed()
        self.wait_renewed()
        self.assertEqual(len(relay.accepted), 11)

    def test_each_alone_where_that_is_wanted(self):
        relay = self.odd()
        self.start_daemons(2, relay, spool={"share_limits": False}, message_rate="11/d")
        self.put_many(300)
        wait_for(lambda: len(relay.accepted) == 22, lambda: f"22 messages at {relay}{self.logs()}", 30)
