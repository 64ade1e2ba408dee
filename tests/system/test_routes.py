"""Rules say which relay a message goes to, each recipient's copy by its own; what waits for one relay keeps
nobody else waiting."""

import json
import subprocess
import time
from pathlib import Path

import lab
from case import message
from odd_relay import RelayTest
from process import free_port, wait_for

RETRY = {"first": "1h", "max": "1h"}
RULES = ({"sender": "*@a.test", "relays": ["a"]}, {"recipient": "*.corp.test", "relays": ["internal"]},
         {"lane": "bulk", "relays": ["bulk"]}, {"header": "X-Mailer: newsletter*", "relays": ["bulk", "a"]})


def rule_text(rule):
    return "{ " + " ".join(f"{name} = {json.dumps(value)};" for name, value in rule.items()) + " }"


class RoutesTest(RelayTest):
    """Relays `default`, `a`, `internal` and `bulk`."""

    rules = RULES

    def setUp(self):
        super().setUp()
        self.relays = {name: self.odd() for name in ("default", "a", "internal", "bulk")}

    def configure(self, *relays, **settings):
        path = super().configure(*relays, **settings)
        with path.open("a", encoding="utf-8") as file:
            file.write("routes = (" + ", ".join(map(rule_text, self.rules)) + ");\n")
        return path

    def run_daemon(self, **settings):
        return self.start(*(self.settings(relay, name, hold_first="200ms", hold_max="400ms", **settings)
                            for name, relay in self.relays.items()), retry=RETRY)

    def at(self, name, *recipients, seconds=15.0):
        """Waits until that relay has had the mail of each of the recipients once, and no other relay has."""
        for recipient in recipients:
            wait_for(lambda recipient=recipient: self.relays[name].copies(recipient) > 0,
                     lambda recipient=recipient: f"{recipient} at {name}; {self.queue.names()}", seconds)
            self.assertEqual({other: relay.copies(recipient) for other, relay in self.relays.items()},
                             {other: int(other == name) for other in self.relays})


class Rules(RoutesTest):
    def test_conditions(self):
        self.run_daemon()
        self.queue.drop("one", message(to=["x1@else.test"], sender="shop@A.Test"))
        self.queue.drop("two", message(to=["x2@host.corp.test"]))
        self.queue.drop("three", b"X-Outbox-Lane: BULK\n" + message(to=["x3@else.test"]))
        self.queue.drop("four", message(to=["x4@else.test"], header=b"X-Mailer: Newsletter 2.0\n"))
        self.queue.drop("five", message(to=["x5@corp.test"]))
        for name, recipient in (("a", "x1@else.test"), ("internal", "x2@host.corp.test"), ("bulk", "x3@else.test"),
                                ("bulk", "x4@else.test"), ("default", "x5@corp.test")):
            self.at(name, recipient)
        wait_for(self.queue.is_empty, lambda: self.queue.names())

    def test_recipients_of_several_ways(self):
        self.run_daemon()
        self.rules = ({"recipient": "*.corp.test", "relays": ["internal"]},
                      {"recipient": ["bulk.test", "big@*"], "relays": ["bulk"]})
        self.configure(*(self.settings(relay, name) for name, relay in self.relays.items()), retry=RETRY)
        self.daemons[0].reload()
        to = ["x1@else.test", "x2@h.corp.test", "x3@bulk.test", "x4@h.corp.test", "big@x5.test"]
        self.queue.drop("one", message(to=to))
        self.at("default", "x1@else.test")
        self.at("internal", "x2@h.corp.test", "x4@h.corp.test")
        self.at("bulk", "x3@bulk.test", "big@x5.test")
        wait_for(self.queue.is_empty, lambda: self.queue.names())
        self.assertEqual(len(self.relays["internal"].accepted), 1, "those of one way go together")

    def test_a_relay_on_hold_keeps_only_its_own(self):
        del self.relays["internal"]
        port = free_port()
        relays = [self.settings(relay, name) for name, relay in self.relays.items()]
        relays.append({**self.settings(self.relays["a"], "internal"), "port": port, "hold_first": "200ms",
                       "hold_max": "400ms"})
        self.start(*relays, retry=RETRY)
        self.queue.drop("one", message(to=["x1@h.corp.test", "x2@else.test"]))
        self.queue.drop("two", message(to=["x3@h.corp.test"]))
        self.at("default", "x2@else.test")
        self.queue.drop("three", message(to=["x4@else.test"]))
        self.at("default", "x4@else.test")
        wait_for(lambda: [event["recipient"] for event in self.queue.events("one", "delivered")] == ["x2@else.test"],
                 lambda: self.queue.names())
        self.relays["internal"] = self.odd(port=port)
        self.at("internal", "x1@h.corp.test", "x3@h.corp.test")
        wait_for(self.queue.is_empty, lambda: self.queue.names())
        self.assertEqual(self.relays["default"].copies("x2@else.test"), 1)

    def test_many_wait_and_nobody_for_them(self):
        """Hundreds wait for a relay that takes one at a time, and others go by them."""
        slow = self.relays["bulk"]
        self.start(*(self.settings(relay, name, **({"connections": 1} if relay is slow else {}))
                     for name, relay in self.relays.items()), retry=RETRY)
        for number in range(300):
            self.queue.drop(f"b{number}", b"X-Outbox-Lane: bulk\n" + message(to=[f"b{number}@else.test"]))
        self.queue.drop("one", message(to=["x1@else.test"]))
        self.queue.drop("two", message(to=["x2@h.corp.test"]))
        self.at("default", "x1@else.test")
        self.at("internal", "x2@h.corp.test")
        wait_for(self.queue.is_empty, lambda: f"{len(self.queue.names())} left", 60)
        self.assertEqual(len(slow.accepted), 300)

    def test_waiting_messages_go_by_new_rules(self):
        closed = free_port()
        relays = [self.settings(relay, name) for name, relay in self.relays.items()]
        relays.append({**self.settings(self.relays["a"], "gone"), "port": closed, "hold_first": "1h", "hold_max": "1h"})
        self.rules = ({"recipient": "else.test", "relays": ["gone"]},)
        daemon = self.start(*relays, retry=RETRY)
        self.queue.drop("one", message(to=["x1@else.test"]))
        self.wait_log(daemon, "it waits for relay gone, which is on hold and is to take it by a rule of routes")
        self.rules = ({"recipient": "else.test", "relays": ["bulk"]},)
        self.configure(*relays, retry=RETRY)
        daemon.reload()
        self.at("bulk", "x1@else.test")

    def test_send(self):
        self.configure(*(self.settings(relay, name) for name, relay in self.relays.items()))
        self.outbox("send", stdin=message(to=["x1@h.corp.test", "x2@corp.corp.test"]))
        self.at("internal", "x1@h.corp.test", "x2@corp.corp.test")
        self.outbox("send", stdin=message(to=["x3@else.test"]))
        self.at("default", "x3@else.test")
        self.outbox("send", "--lane", "bulk", stdin=message(to=["x4@else.test"]))
        self.at("bulk", "x4@else.test")
        result = self.outbox("send", stdin=message(to=["x5@else.test", "x6@h.corp.test"]), status=None)
        self.assertIn(b"x5@else.test and x6@h.corp.test go by different rules of routes", result.stderr)
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(sum(len(relay.accepted) for relay in self.relays.values()), 3)

    def test_process(self):
        self.configure(*(self.settings(relay, name) for name, relay in self.relays.items()), retry=RETRY)
        self.queue.drop("one", message(to=["x1@h.corp.test", "x2@else.test"]))
        self.outbox("process")
        self.at("internal", "x1@h.corp.test")
        self.at("default", "x2@else.test")
        self.assertTrue(self.queue.is_empty())


class Told(RoutesTest):
    """What `list`, `show` and `status` say of mail that waits for the relay of a rule."""

    def setUp(self):
        super().setUp()
        del self.relays["internal"]
        relays = [self.settings(relay, name) for name, relay in self.relays.items()]
        relays.append({**self.settings(self.relays["a"], "internal"), "port": free_port(), "hold_first": "1h",
                       "hold_max": "1h"})
        self.daemon = self.start(*relays, retry=RETRY)

    def json(self, *arguments):
        return json.loads(self.outbox(*arguments, "--json"))

    def test_which_relay(self):
        self.queue.drop("one", message(to=["x1@h.corp.test", "x2@else.test"]))
        self.at("default", "x2@else.test")
        self.wait_log(self.daemon, "it waits for relay internal")
        wait_for(lambda: self.json("show", "one")["waits"]["for"] == "relay", lambda: self.json("show", "one"))
        waits = self.json("show", "one")["waits"]
        self.assertEqual(waits["relay"], "internal")
        self.assertRegex(waits["text"], "^relay internal is on hold until .*, stage connect: ")
        self.assertEqual([one["waits"] for one in self.json("list")], [waits])
        self.assertRegex(self.outbox("list"), r"one +queued .* relay ")
        self.assertIn("relay internal is on hold until", self.outbox("list"))
        self.assertRegex(self.outbox("show", "one"), r"Waits for: +relay, until .*: relay internal is on hold")
        status = self.json("status")
        self.assertEqual((status["waits"]["relay"], status["relays_waited_for"]), ("internal", {"internal": 1}))
        self.assertRegex(self.outbox("status"), r"relay internal .*, 1 message waits for it")

    def test_scheduled(self):
        for name, year in (("one", time.gmtime().tm_year + 2), ("two", time.gmtime().tm_year + 1)):
            self.queue.drop(name, f"X-Outbox-Not-Before: {year}-01-01T00:00:00Z\n".encode() + message(to=["x1@else.test"]))
        waits = self.json("status")["waits"]
        self.assertEqual((waits["for"], waits["until"]), ("time", f"{year}-01-01T00:00:00.000000Z"))


class Restraints(RoutesTest):
    """A relay of a rule that may not take everything at once."""

    def run_restrained(self, **settings):
        return self.start(*(self.settings(relay, name, **(settings if name == "internal" else {}))
                            for name, relay in self.relays.items()), retry=RETRY)

    def test_only_its_own_recipients_count(self):
        daemon = self.run_restrained(recipient_rate="3/h")
        for name in ("one", "two", "three"):
            self.queue.drop(name, message(to=[f"{name}{n}@else.test" for n in range(4)] + [f"{name}@h.corp.test"]))
            self.at("internal", f"{name}@h.corp.test")
            self.at("default", *(f"{name}{n}@else.test" for n in range(4)))
        wait_for(self.queue.is_empty, lambda: self.queue.names())
        self.assertNotIn("recipients at once", daemon.output())

    def test_what_waits_for_a_rate_is_in_nobodys_hands(self):
        """It is queued while its relay takes none, so that it can be held; others of it are sent."""
        daemon = self.run_restrained(message_rate="1/h")
        self.queue.drop("one", message(to=["x1@h.corp.test"]))
        self.at("internal", "x1@h.corp.test")
        self.queue.drop("two", message(to=["x2@h.corp.test", "x3@else.test"]))
        self.queue.drop("three", message(to=["x4@h.corp.test"]))
        self.at("default", "x3@else.test")
        self.wait_log(daemon, "it waits for relay internal, which takes none at present")
        wait_for(lambda: self.queue.in_state("queued") == ["three.queued", "two.queued"], lambda: self.queue.names())
        self.outbox("hold", "two", "three")
        self.assertEqual(self.queue.in_state("held"), ["three.held", "two.held"])

    def test_who_one_relay_refuses_keeps_nobody_waiting(self):
        """Too many recipients for what a rate leaves: those of other relays are sent at once."""
        daemon = self.run_restrained(recipient_rate="3/h")
        self.queue.drop("one", message(to=["x1@h.corp.test", "x2@h.corp.test"]))
        self.at("internal", "x1@h.corp.test", "x2@h.corp.test")
        self.queue.drop("two", message(to=["x3@h.corp.test", "x4@h.corp.test", "x5@else.test"]))
        self.at("default", "x5@else.test")
        self.wait_log(daemon, "relay internal may not take 2 recipients at once yet (recipient_rate)")
        wait_for(lambda: [event["recipient"] for event in self.queue.events("two", "delivered")] == ["x5@else.test"],
                 lambda: self.queue.names())
        self.assertEqual(len(self.relays["internal"].accepted), 1)

    def test_what_waits_is_looked_at_once(self):
        """A thousand names that come up at once keep the daemon from nothing, and it does not go round in them."""
        daemon = self.run_restrained(message_rate="1/h")
        self.queue.drop("first", message(to=["x1@h.corp.test"]))
        self.at("internal", "x1@h.corp.test")
        for number in range(1500):
            self.queue.drop(f"w{number}", message(to=[f"w{number}@h.corp.test"]))
        wait_for(lambda: daemon.output().count("it waits for relay internal") >= 1500, lambda: self.queue.names(), 60)
        self.queue.drop("one", message(to=["x2@else.test"]))
        self.at("default", "x2@else.test", seconds=2)
        wait_for(lambda: self.spends_nothing(daemon), "the daemon to be idle", 10)

    def spends_nothing(self, daemon):
        def spent():
            return Path(f"/proc/{daemon.pid}/stat").read_text(encoding="ascii").split()[13:15]

        before = spent()
        time.sleep(0.5)
        return spent() == before

    def test_quiet_hours_are_no_fault(self):
        """Where each error is final, a message is given up for a hold, and not for hours in which nothing goes."""
        hour = time.localtime().tm_hour
        self.start(*(self.settings(relay, name, **({"quiet": f"{(hour - 1) % 24:02}:00-{(hour + 2) % 24:02}:00"}
                                                   if name == "internal" else {}))
                     for name, relay in self.relays.items()), retry={"max_attempts": 1})
        self.queue.drop("one", message(to=["x1@h.corp.test", "x2@else.test"]))
        self.at("default", "x2@else.test")
        wait_for(lambda: self.queue.in_state("queued") == ["one.queued"], lambda: self.queue.names())


class Mistakes(RoutesTest):
    def mistakes(self, *rules, status=78):
        self.rules = rules
        self.configure(*(self.settings(relay, name) for name, relay in self.relays.items()))
        result = subprocess.run([lab.program("outboxd"), "--config", self.configuration, "--check"], capture_output=True,
                                check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stderr.decode() + result.stdout.decode()

    def test_mistakes(self):
        for rules, words in (
            (({"lane": "x", "relays": ["bluk"]},), 'routes.1.relays: names "bluk", and no relay has that name; did you mean "bulk"?'),
            (({"lane": "x", "relays": ["a", "a"]},), "names relay a twice"),
            (({"lane": "x"},), "routes.1.relays: is not set"),
            (({"recipent": "x.test", "relays": ["a"]},), 'routes.1.recipent: unknown setting; did you mean "recipient"?'),
            (({"sender": "a b@", "relays": ["a"]},), 'routes.1.sender: has "b@", which is no pattern'),
            (({"lane": "bulk lk!", "relays": ["a"]},), 'routes.1.lane: can be no lane\'s: "lk!" is not the name of a lane'),
            (({"header": "newsletter", "relays": ["a"]},), "no field of a header"),
            (({"lane": "x", "relays": ["a", "bulk", "internal", "default"]},), "leaves no relay to messages that no rule is for"),
        ):
            with self.subTest(rules):
                self.assertIn(words, self.mistakes(*rules))

    def test_rules_that_nothing_comes_to(self):
        said = self.mistakes({"recipient": ["x.test", "y.test"], "relays": ["a"]}, {"relays": ["bulk", "default"]},
                             {"recipient": "X.test", "relays": ["internal"]}, status=0)
        self.assertIn("routes.3.relays: no message ever comes to this rule, as rule 1 is for all of them", said)

    def test_set(self):
        self.configure(*(self.settings(relay, name) for name, relay in self.relays.items()))
        result = lab.outbox("--config", self.configuration, "--set", "routes.relays=a", "config")
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"a rule has its place among others", result.stderr)
        self.assertIn('sender = "*@a.test";\n    relays = "a";', self.outbox("config", "routes"))
        self.assertEqual(json.loads(self.outbox("config", "--json", "routes"))[3],
                         {"header": "X-Mailer: newsletter*", "relays": ["bulk", "a"]})

    def test_where_mail_would_go(self):
        self.configure(*(self.settings(relay, name) for name, relay in self.relays.items()))
        said = self.outbox("config", "--route", "shop@b.test", "x@h.corp.test", "x@else.test")
        self.assertIn("x@h.corp.test: relay internal, by rule 2 of routes ( recipient *.corp.test )\n", said)
        self.assertIn("x@else.test: relay default, by no rule\n", said)
        self.assertIn("Rules that ask for a field of the header are passed over", said)
        self.assertEqual(json.loads(self.outbox("config", "--route", "--json", "--lane", "Bulk", "<>", "x@else.test", "y@else.test")),
                         [{"recipient": f"{name}@else.test", "rule": 3, "relays": ["bulk"]} for name in "xy"])
        for options in (("--route",), ("--route", "a@b.test"), ("--lane", "x"), ("--route", "--changed", "a@b", "c@d")):
            self.assertEqual(self.outbox("config", *options, status=None).returncode, 64)
