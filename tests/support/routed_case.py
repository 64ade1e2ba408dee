"""Rules of the configuration, with the queue in a database: daemons that have one relay for all messages, by a rule."""

import json

from database_case import DatabaseTest
from process import free_port, wait_for

HOLD = {"hold_first": "1h", "hold_max": "1h"}


class RoutedTest(DatabaseTest):
    def configure(self, *relays, **settings):
        path = super().configure(*relays, **settings)
        with path.open("a", encoding="utf-8") as file:
            file.write('routes = ( { recipient = "*"; relays = ["odd"]; } );\n')
        return path

    def put_many(self, count):
        self.sql("SELECT outbox.queue('shop@lab.test', ARRAY['n' || n || '@lab.test'], E'Subject: x\\n\\ny\\n') "
                 f"FROM generate_series(1, {count}) n")

    def wait_declined(self, count):
        wait_for(lambda: self.count("deferred WHERE declined IS NOT NULL") == count,
                 lambda: f"{count} that were declined: {self.sql('SELECT * FROM outbox.deferred')}{self.logs()}")

    def waits(self, name):
        """What list says that his message waits for."""
        messages = json.loads(self.outbox("list", "--json"))
        return next(message["waits"] for message in messages if message["recipients"] == [f"{name}@lab.test"])

    def serve_without_relay(self):
        """Its relay, behind a default one, is on hold from the first message on."""
        self.start(self.lab.relay(free_port(), name="odd", **HOLD), self.lab.relay(free_port(), name="other"),
                   spool={"database": self.conninfo()})

    def serve_beside(self, relay, **settings):
        self.configure(self.settings(relay, **settings), self.lab.relay(free_port(), name="other"),
                       spool={"database": self.conninfo()})
        return self.start_again()
