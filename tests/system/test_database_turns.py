"""What a daemon has put off until there is room for it goes as soon as anybody can send it, whatever becomes of that
daemon meanwhile; and nothing waits for a time where there is a relay that takes it."""

import threading
import time

from database_case import DatabaseTest
from odd_relay import Bye, Slow
from process import wait_for
from routed_case import HOLD, RoutedTest


class Turns(RoutedTest):
    def serve_full(self, count=1000, reply="250 ok", **settings):
        """A daemon that has more of them than it has room for, at a relay that answers when it is told to."""
        let = threading.Event()
        self.addCleanup(let.set)
        relay = self.odd(lambda talk, verb, argument: Slow(reply, event=let) if verb == "MAIL" else None)
        self.put_many(count)
        daemon = self.serve_beside(relay, connections=1, **settings)
        wait_for(lambda: self.count("ready") == 0 and self.count("deferred WHERE declined = '{}'") > 0,
                 lambda: f"some that have no room{self.logs()}", 60)
        return daemon, relay, let

    def test_it_ends(self):
        """What it has not sent is ready at once, also what it did not hold."""
        daemon, _, let = self.serve_full()
        let.set()
        daemon.terminate()
        self.assertEqual(self.count("deferred"), 0)
        self.assertEqual(self.count("ready"), self.count())
        self.serve_beside(self.odd())
        self.wait_empty(60)

    def test_it_is_killed(self):
        daemon, _, _ = self.serve_full()
        daemon.kill()
        self.sql("UPDATE outbox.daemon SET until = now() - interval '1s'")
        self.serve_beside(self.odd())
        self.wait_empty(60)

    def test_the_database_is_away_when_there_is_room(self):
        """It is asked for them when it is back."""
        _, relay, let = self.serve_full()
        self.database.stop()
        let.set()
        wait_for(lambda: len(relay.accepted) > 10, lambda: f"some that are sent{self.logs()}", 60)
        time.sleep(3)  # in which it has room for the others
        self.database.start()
        self.wait_empty(90)
        self.assertEqual(len(relay.accepted), 1000)

    def test_its_relay_is_lost(self):
        """Another daemon has one, and is offered them."""
        _, _, let = self.serve_full(reply=Bye("421 4.3.2 not now"), **HOLD)
        relay = self.odd()
        self.serve_beside(relay)
        let.set()
        self.wait_empty(60)
        self.assertEqual(len(relay.accepted), 1000)

    def test_one_alone_that_is_started_anew(self):
        """What it has declined before is offered to it."""
        self.serve_without_relay()
        self.put_many(20)
        self.wait_declined(20)
        self.daemons[0].terminate()
        self.serve_beside(self.odd())
        self.wait_empty(60)

    def test_more_than_a_rate_takes_now(self):
        """A message of more recipients than the relay may have at the moment goes in a moment."""
        relay = self.odd()
        for n in range(4):
            self.put(*(f"n{n}-{m}" for m in range(8)))
        self.serve_beside(relay, recipient_rate="10/s")
        self.wait_empty(60)
        self.assertEqual(len(relay.accepted), 4)


class Urgent(DatabaseTest):
    def configure(self, *relays, **settings):
        super().configure(*relays, **settings)
        with open(self.configuration, "a", encoding="utf-8") as file:
            file.write('lanes = ( { name = "alerts"; priority = 10; } );\n')

    def test_it_waits_for_what_is_being_sent(self):
        """And not for all that was claimed before it."""
        relay = self.odd(lambda talk, verb, argument: Slow("250 taken", 0.2) if verb == "." else None)
        self.sql("SELECT outbox.queue('news@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n', "
                 "lane => 'bulk') FROM generate_series(1, 600) n")
        self.serve(relay, relay_settings={"connections": 1})
        wait_for(lambda: self.count("leased") > 150 and len(relay.accepted) > 1,
                 lambda: f"many that are claimed{self.logs()}")
        self.put("ann", more=", lane => 'alerts'")
        before = len(relay.accepted)
        self.wait_taken(relay, "ann", seconds=30)
        place = [recipients for recipients, _ in relay.accepted].index(("ann@lab.test",))
        self.assertLess(place - before, 40)
