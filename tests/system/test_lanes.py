"""Lanes: which message goes first, and what keeps those of a lane from going at once."""

import json
import signal
import threading
import time

from case import message
from odd_relay import RelayTest, Slow
from process import wait_for

ALERTS = '{ name = "alerts"; priority = 10; }'
BULK = '{ name = "bulk"; priority = -10; }'


class Gate:
    """A relay's answers to content: one waits until it is opened."""

    def __init__(self):
        self.open = threading.Event()

    def __call__(self, _talk, verb, _argument):
        return Slow("250 taken", event=self.open) if verb in (".", "BDAT") else None


class LaneTest(RelayTest):
    lanes = ()

    def configure(self, *relays, **settings):
        super().configure(*relays, **settings)
        with open(self.configuration, "a", encoding="utf-8") as file:
            file.write(f"lanes = ( {', '.join(self.lanes)} );\n")

    def begin(self, *lanes, answer=lambda *_: None, **settings):
        self.lanes = lanes
        relay = self.odd(answer)
        return relay, self.start(self.settings(relay, **settings))

    def put(self, *names, lane=None):
        field = f"X-Outbox-Lane: {lane}\n" if lane else ""
        for name in names:
            self.queue.drop(name, field.encode() + message(to=[f"{name}@lab.test"]))

    def lane(self, name):
        lanes = json.loads(self.outbox("status", "--json"))["daemons"][0]["lanes"]
        return next(lane for lane in lanes if lane["name"] == name)

    @staticmethod
    def order(relay):
        return [recipients[0].split("@")[0] for recipients, _ in relay.accepted]

    @staticmethod
    def hours(first, last):
        """From so many hours from now on until so many."""
        now = time.time()
        return "-".join(time.strftime("%H:00", time.localtime(now + hours * 3600)) for hours in (first, last))


class Order(LaneTest):
    def test_an_alert_waits_for_nothing_but_what_is_on_its_way(self):
        gate = Gate()
        news = [f"news{number}" for number in range(200)]
        self.put(*news, lane="bulk")
        relay, _ = self.begin(ALERTS, BULK, answer=gate, connections=1)
        wait_for(lambda: relay.said("DATA") + relay.said("BDAT"), "the first to be on its way")
        self.put("alert", lane="Alerts")
        self.put("usual")
        wait_for(lambda: self.lane("alerts")["waiting"] == 1 and self.lane(None)["waiting"] == 1, "both to be known")
        gate.open.set()
        self.wait_taken(relay, "alert", "usual", *news, seconds=60)
        order = self.order(relay)
        self.assertLessEqual(order.index("alert"), 2, order[:6])
        self.assertLessEqual(order.index("usual"), 3, order[:6])
        self.assertEqual(sorted(order), sorted([*news, "alert", "usual"]))

    def test_no_lane_is_starved(self):
        gate = Gate()
        alerts = [f"alert{number}" for number in range(50)]
        relay, _ = self.begin(ALERTS, BULK, answer=gate, connections=1)
        self.put("first")
        wait_for(lambda: relay.said("DATA") + relay.said("BDAT"), "the first to be on its way")
        self.put(*alerts, lane="alerts")
        self.put("news1", "news2", lane="bulk")
        wait_for(lambda: self.lane("bulk")["waiting"] == 2 and self.lane("alerts")["waiting"] >= 49, "all to be known")
        gate.open.set()
        self.wait_taken(relay, *alerts, "news1", "news2", seconds=60)
        order = self.order(relay)
        self.assertLess(max(order.index("news1"), order.index("news2")), 26, order)

    def test_a_reload_loses_nothing(self):
        relay, daemon = self.begin(ALERTS, f'{{ name = "bulk"; quiet = "{self.hours(-1, 2)}"; }}')
        news = [f"news{number}" for number in range(20)]
        self.put(*news, lane="bulk")
        self.wait_log(daemon, "event=lane-restrained")
        self.lanes = (BULK, '{ name = "other"; }')
        self.configure(self.settings(relay))
        daemon.signal(signal.SIGHUP)
        self.wait_taken(relay, *news)
        self.lanes = ()
        self.configure(self.settings(relay))
        daemon.signal(signal.SIGHUP)
        self.put("last", lane="bulk")
        self.wait_taken(relay, "last")
        self.assertEqual(len(relay.accepted), 21)


class Routes(LaneTest):
    """By rules a relay that is busy keeps its own mail, and the lanes of it."""

    def configure(self, *relays, **settings):
        super().configure(*relays, **settings)
        with open(self.configuration, "a", encoding="utf-8") as file:
            file.write('routes = ( { recipient = "other.test"; relays = ["second"]; } );\n')

    def test_an_alert_passes_those_that_wait_for_its_relay(self):
        gate = Gate()
        news = [f"news{number}" for number in range(150)]
        others = [f"other{number}" for number in range(30)]
        self.lanes = (ALERTS, BULK)
        self.put(*news, lane="bulk")
        first, second = self.odd(gate), self.odd()
        self.start(self.settings(first, name="first", connections=1), self.settings(second, name="second"))
        wait_for(lambda: first.said("DATA") + first.said("BDAT"), "the first to be on its way")
        for name in others:
            self.queue.drop(name, message(to=[f"{name}@other.test"]))
        self.put("alert", lane="alerts")
        wait_for(lambda: len(second.accepted) == 30, "the other relay's to be sent")
        gate.open.set()
        self.wait_taken(first, "alert", *news, seconds=60)
        self.assertLessEqual(self.order(first).index("alert"), 2)
        self.assertEqual(len(first.accepted), 151)


class Restraints(LaneTest):
    def test_a_quiet_lane_keeps_no_other(self):
        relay, daemon = self.begin(ALERTS, f'{{ name = "bulk"; quiet = "{self.hours(-1, 2)}"; }}')
        self.put("news1", "news2", lane="bulk")
        self.wait_log(daemon, "event=lane-restrained")
        self.put("usual")
        self.put("alert", lane="alerts")
        self.wait_taken(relay, "usual", "alert")
        self.queue.wait_names("news1.queued", "news2.queued")

        def is_known():
            lane = self.lane("bulk")
            return lane["waiting"] == 2 and lane["restrained"]

        wait_for(is_known, "both to be known")
        waits = json.loads(self.outbox("show", "--json", "news1"))["waits"]
        self.assertEqual(waits["for"], "lane")
        self.assertIn("it is quiet at these hours (quiet)", waits["text"])
        self.assertIn("lane bulk is to send no message before", self.outbox("list"))
        self.assertIn("lane bulk (priority 0): 2 messages wait, 0 are being sent", self.outbox("status"))
        self.assertEqual(daemon.output().count("event=lane-restrained"), 1)

    def test_a_lane_takes_no_more_than_it_may(self):
        relay, daemon = self.begin('{ name = "bulk"; message_rate = "3/h"; }')
        self.put(*(f"news{number}" for number in range(8)), lane="bulk")
        self.wait_log(daemon, "event=lane-restrained")
        wait_for(lambda: len(relay.accepted) == 3 and len(self.queue.names()) == 5, "three to be sent")
        self.put("usual")
        self.wait_taken(relay, "usual")
        self.assertIn("it has taken 3 messages in 1h (message_rate)", daemon.output())
        self.assertEqual(daemon.terminate(), 0)
        self.start_again()
        self.put("more")
        self.wait_taken(relay, "more")
        wait_for(lambda: len(self.queue.names()) == 5, lambda: f"five that wait, not {self.queue.names()}")

    def test_a_rate_is_kept_however_the_daemon_ends_and_the_name_is_written(self):
        relay, daemon = self.begin('{ name = "bulk"; message_rate = "3/h"; }')
        self.put(*(f"m{n}" for n in range(9)), lane="bulk")
        wait_for(lambda: len(relay.accepted) == 3, "three to be sent")
        wait_for(lambda: len(self.queue.names()) == 6, "three to be gone")
        daemon.kill()
        self.lanes = ('{ name = "BULK"; message_rate = "3/h"; }',)
        self.configure(self.settings(relay))
        self.start_again()
        wait_for(lambda: self.lane("BULK")["waiting"] == 6, "the rest to wait")
        self.assertIsNotNone(self.lane("BULK")["restrained"])
        self.assertEqual(len(relay.accepted), 3)

    def test_a_lane_has_so_many_connections(self):
        gate = Gate()
        relay, _ = self.begin('{ name = "bulk"; connections = 2; }', answer=gate, connections=5)
        news = [f"news{number}" for number in range(10)]
        self.put(*news, lane="bulk")
        wait_for(lambda: self.lane("bulk")["sending"] == 2, "two on their way")
        self.put("usual1", "usual2")
        wait_for(lambda: relay.said("DATA") + relay.said("BDAT") == 4, "four on their way")
        self.assertEqual(self.lane("bulk")["sending"], 2)
        waits = json.loads(self.outbox("list", "--json"))
        self.assertIn("lane", [entry["waits"]["for"] for entry in waits])
        gate.open.set()
        self.wait_taken(relay, *news, "usual1", "usual2")

    def test_recipients_count(self):
        relay, daemon = self.begin('{ name = "bulk"; recipient_rate = "5/h"; }')
        many = message(to=[f"many{number}@lab.test" for number in range(4)])
        self.queue.drop("many", b"X-Outbox-Lane: bulk\n" + many)
        self.wait_taken(relay, "many0")
        more = message(to=[f"more{number}@lab.test" for number in range(3)])
        self.queue.drop("more", b"X-Outbox-Lane: bulk\n" + more)
        self.wait_log(daemon, "lane bulk may not take 3 recipients at once yet")
        self.put("one", lane="bulk")
        self.wait_taken(relay, "one")
        self.assertEqual(relay.copies("more0@lab.test"), 0)

    def test_process_ends_and_says_why(self):
        relay = self.odd()
        self.lanes = ('{ name = "bulk"; message_rate = "2/h"; }',)
        self.configure(self.settings(relay))
        self.put("one", "two", "three", lane="bulk")
        self.put("usual")
        done = self.outbox("process", status=None)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("lane bulk is to send no message before", done.stderr.decode())
        self.assertEqual(len(self.queue.in_state("queued")), 1)
        self.assertEqual(len(relay.accepted), 3)

    def test_process_says_why_it_gave_one_back(self):
        """That it is in the lane is seen once it is taken: its name stands behind what is read before."""
        relay = self.odd()
        self.lanes = (f'{{ name = "bulk"; quiet = "{self.hours(-1, 2)}"; }}',)
        self.configure(self.settings(relay))
        receivers = b"".join(b"X-Receiver: <many%d@lab.test>\n" % number for number in range(300))
        self.queue.drop("many", receivers + b"X-Outbox-Lane: bulk\n" + message(to=["many@lab.test"]))
        done = self.outbox("process", status=None)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("lane bulk is to send no message before", done.stderr.decode())
        self.assertEqual((self.queue.in_state("queued"), relay.accepted), (["many.queued"], []))

    def test_the_tool_tells_of_lanes(self):
        self.lanes = (ALERTS, '{ name = "bulk"; connections = 2; quiet = "22:00-06:00"; }')
        self.configure(self.settings(self.odd()))
        shown = self.outbox("config", "--route", "--lane", "Bulk", "a@lab.test", "b@lab.test")
        self.assertIn("Lane bulk: priority 0, 2 connections, quiet 22:00-06:00.", shown)
        shown = self.outbox("config", "--route", "a@lab.test", "b@lab.test")
        self.assertIn("Its lane has no settings: priority 0.", shown)
        shown = json.loads(self.outbox("config", "--json", "--route", "--lane", "alerts", "a@lab.test", "b@lab.test"))
        self.assertEqual((shown[0]["lane"], shown[0]["priority"]), ("alerts", 10))
        for lane, why in (('{ name = "bulk"; quiet = "22-06"; }', "lanes.1.quiet: \"22-06\""),
                          ('{ priority = 1; }', "lanes.1.name: is not set"),
                          ('{ name = "a"; priority = 1001; }', "from -1000 to 1000")):
            self.lanes = (lane,)
            self.configure(self.settings(self.odd()))
            done = self.outbox("config", status=None)
            self.assertEqual(done.returncode, 78)
            self.assertIn(why, done.stderr.decode())
