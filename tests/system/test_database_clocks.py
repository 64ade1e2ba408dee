"""A machine whose clock is wrong delivers from a database at the database's time."""

from database_case import DatabaseTest
from preload import STEPPED, preload


class Clocks(DatabaseTest):
    def serve_at(self, seconds):
        """A daemon whose clock is that far ahead, of a relay that puts off once; and the file that says how far."""
        flag = self.directory / "ahead"
        flag.write_text(str(seconds), encoding="ascii")
        waits = ["450 4.2.1 later"]
        relay = self.odd(lambda talk, verb, argument: waits.pop() if verb == "RCPT" and waits else None)
        wrapper = preload(self.directory, f'#define FLAG "{flag}"\n' + STEPPED)
        self.serve(relay, retry={"first": "8s", "max": "8s"}, wrapper=wrapper)
        return relay, flag

    def check(self, seconds):
        relay, _ = self.serve_at(seconds)
        number = self.put("ann")
        self.wait_place(number, "deferred")
        late = self.one("SELECT abs(extract(epoch FROM max(due) - clock_timestamp())) < 60 AND "
                        "abs(extract(epoch FROM max(first_attempt) - clock_timestamp())) < 60 FROM outbox.deferred")
        self.assertIn(late, ("t", ""))  # it may be ready by now
        self.wait_taken(relay, "ann", seconds=12)
        self.wait_empty()

    def test_ahead(self):
        """Older than a message is tried, by its own clock."""
        self.check(9 * 86400)

    def test_behind(self):
        self.check(-3600)

    def test_stepped_while_it_runs(self):
        relay, flag = self.serve_at(0)
        flag.write_text("-7200", encoding="ascii")
        self.put("ann")
        self.wait_taken(relay, "ann", seconds=30)
        self.wait_empty()
