"""What daemons on a database look for now and then: mail that waits for too long, and what relays have taken."""

import json

from database_case import DatabaseTest
from process import wait_for

LATER = "450 4.2.1 later"


class Alarms(DatabaseTest):
    def serve_with(self, relay, name):
        """A daemon, and what its command is told."""
        told = self.directory / name
        told.touch()
        daemon = self.serve(relay, alarm={"alarm_after": "8s", "alarm_relay_after": "0", "alarm_pause": "0",
                                          "alarm_command": f"cat >> '{told}'"})
        return daemon, told

    def lines(self, *told):
        return [json.loads(line) for one in told for line in one.read_text(encoding="utf-8").splitlines()]

    def wait_lines(self, count, *told):
        wait_for(lambda: len(self.lines(*told)) >= count,
                 lambda: f"{count} lines: {self.lines(*told)}{self.logs()}", 30)
        return self.lines(*told)

    def test_told_by_one_daemon_for_all(self):
        """As long as it is there; then by another."""
        relay = self.odd(lambda talk, verb, argument: LATER if verb == "RCPT" else None)
        daemons = [self.serve_with(relay, f"told{n}") for n in range(3)]
        number = self.put("ann")
        files = [told for _, told in daemons]
        one, = self.wait_lines(1, *files)
        self.assertEqual((one["alarm"], one["state"], one["text"]),
                         ("waiting", "begins", f"message {number} has waited for 8s"))
        teller = next(n for n, told in enumerate(files) if self.lines(told))
        self.assertEqual(daemons[teller][0].output().count("event=alarm alarm=waiting"), 1)
        wait_for(lambda: f"message {number} has waited" in json.dumps(self.sql("SELECT figures FROM outbox.daemon")),
                 "the alarm among what the daemon says of itself", 30)
        daemons.pop(teller)[0].kill()
        del files[teller]
        one, = self.wait_lines(1, *files)
        self.assertEqual(one["state"], "begins")
        self.sql(f"SELECT * FROM outbox.change('delete', '{{{number}}}')")
        self.assertEqual([line["state"] for line in self.wait_lines(2, *files)], ["begins", "ends"])

    def test_what_has_a_time_does_not_wait_before(self):
        relay = self.odd(lambda talk, verb, argument: LATER if verb == "RCPT" else None)
        daemon, told = self.serve_with(relay, "told")
        self.sql("UPDATE outbox.watch SET daemon = 0, until = '-infinity'")
        early = self.put("early", more=", not_before => clock_timestamp() + interval '1 hour'")
        ask = "SELECT watches, message FROM outbox.oldest(-1, '1 hour')"
        wait_for(lambda: self.sql(ask)[0][0] in "tf", "an answer")
        self.sql("UPDATE outbox.watch SET daemon = -1, until = 'infinity'")
        self.assertEqual(self.sql(ask), [["t", ""]])
        self.sql(f"SELECT outbox.change('retry', ARRAY[{early}])")
        self.assertEqual(self.sql(ask), [["t", ""]], "it was let go earlier")
        self.sql(f"UPDATE outbox.message SET since = clock_timestamp() - interval '1 minute' WHERE id = {early}")
        second = self.put("ann")
        self.assertEqual(self.sql(ask), [["t", early]])
        self.sql(f"UPDATE outbox.message SET queued = queued - interval '1 hour' WHERE id = {second}")
        self.assertEqual(self.sql(ask), [["t", second]])
        self.assertEqual(self.lines(told), [])
        self.assertEqual(daemon.terminate(), 0)

    def test_a_database_that_is_away(self):
        daemon, told = self.serve_with(self.odd(), "told")
        wait_for(lambda: self.count("daemon") == 1, lambda: f"a daemon{self.logs()}")
        self.database.crash()
        one, = self.wait_lines(1, told)
        self.assertEqual((one["alarm"], one["state"], one["text"]),
                         ("waiting", "begins", "the database could not be used for 8s"))
        self.database.start()
        daemon.flush()
        self.assertEqual([line["state"] for line in self.wait_lines(2, told)], ["begins", "ends"])


class Rates(DatabaseTest):
    """What a relay has taken of late counts on, whichever daemon comes. (Each for itself here: what they share, and count
    together, is test_database_share's.)"""

    def limited(self, relay, rate="5/h", **settings):
        return self.serve(relay, relay_settings={"message_rate": rate}, spool={"share_limits": False}, **settings)

    def put_many(self, count):
        for n in range(count):
            self.put(f"u{n}")

    def wait_sent(self, relay, count):
        wait_for(lambda: len(relay.accepted) >= count,
                 lambda: f"{count} are sent, not {len(relay.accepted)}{self.logs()}")
        self.assertEqual(len(relay.accepted), count)

    def test_ended_and_killed(self):
        relay = self.odd()
        daemon = self.limited(relay)
        self.put_many(3)
        self.wait_sent(relay, 3)
        wait_for(lambda: self.count("kept") == 1, "what was sent is kept")
        daemon.terminate()
        daemon = self.limited(relay)
        self.put_many(1)
        self.wait_sent(relay, 4)
        daemon.kill()  # its lease has not ended, but its name comes again, and it is not heard of
        self.sql("UPDATE outbox.daemon SET until = until - interval '30 seconds'")
        daemon = self.limited(relay)
        self.put_many(5)
        wait_for(lambda: self.count("daemon") == 2, lambda: f"two daemons{self.logs()}")
        self.assertEqual(len(relay.accepted), 4)
        self.sql("UPDATE outbox.daemon SET started = started - interval '21 seconds' "
                 "WHERE id = (SELECT max(id) FROM outbox.daemon)")
        self.wait_log(daemon, "event=relay-restrained")
        self.wait_sent(relay, 5)
        self.assertEqual(self.count("kept"), 1)

    def test_by_another_name(self):
        """A container that takes the place of one that has ended."""
        relay = self.odd()
        daemon = self.limited(relay)
        self.put_many(5)
        self.wait_sent(relay, 5)
        self.assertEqual(daemon.terminate(), 0)
        self.sql("UPDATE outbox.kept SET name = 'container-1'")
        daemon = self.limited(relay)
        self.put_many(2)
        self.wait_log(daemon, "event=relay-restrained")
        self.wait_sent(relay, 5)

    def test_not_what_another_has_sent_that_is_there(self):
        relay = self.odd()
        self.limited(relay)
        self.put_many(6)
        self.wait_sent(relay, 5)
        wait_for(lambda: self.count("kept") == 1, "what was sent is kept")
        self.sql("UPDATE outbox.kept SET name = 'other'; UPDATE outbox.daemon SET name = 'other'")  # another machine
        self.limited(relay)
        self.wait_sent(relay, 6)
