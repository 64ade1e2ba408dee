"""Mail in the queue directory of a daemon that delivers from a database: it is told of, and nobody has to look for it."""

from database_case import RETRY, DatabaseTest
from process import free_port, wait_for


class Unserved(DatabaseTest):
    def leave(self, *names):
        """Queues to them in the directory, as who may not read the configuration does."""
        self.configure(self.lab.relay(free_port()), retry=RETRY)
        for name in names:
            self.outbox("queue", f"{name}@lab.test", stdin=b"From: shop@lab.test\nSubject: x\n\ny\n")

    def test_it_is_told_of(self):
        self.leave("ann", "bob")
        relay = self.odd()
        daemon = self.serve(relay)
        wait_for(lambda: "2 messages wait there, and nobody delivers from it" in daemon.output(),
                 lambda: f"what is said of them{self.logs()}")
        self.assertIn(f"{self.queue.path}: 2 messages wait there", daemon.output())
        wait_for(lambda: "2 messages wait there" in self.outbox("status"),
                 lambda: f"what status says of them: {self.outbox('status')}")
        self.outbox("move", "--to", "database", "--all")
        self.wait_taken(relay, "ann", "bob")

    def test_somebody_delivers_from_it(self):
        self.leave("ann")
        self.start_again()
        daemon = self.serve(self.odd())
        wait_for(lambda: "delivers the messages in the database" in daemon.output(), "it has begun")
        self.put("bob")
        self.wait_empty()
        self.assertNotIn("nobody delivers from it", daemon.output())
