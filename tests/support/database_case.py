"""Tests whose queue is in a PostgreSQL of their own, one for each class."""

import lab
from odd_relay import RelayTest
from postgresql import INIT, PostgreSQL
from process import wait_for

RETRY = {"first": "1h", "max": "1h"}
PLACES = ("ready", "deferred", "leased", "aside", "ended")


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class DatabaseTest(RelayTest):
    server_settings = ""  # more lines of postgresql.conf

    @classmethod
    def setUpClass(cls):
        cls.database = PostgreSQL(lab.shared().new_directory() / "postgresql", settings=cls.server_settings)
        cls.addClassCleanup(cls.database.stop)

    def setUp(self):
        super().setUp()
        self.sql(INIT)
        self.addCleanup(self._drop)

    def _drop(self):
        if not self.database.process.is_running():
            self.database.start()
        self.sql("DROP SCHEMA outbox CASCADE")

    def sql(self, text, **options):
        return self.database.sql(text, **options)

    def one(self, text, **options):
        return self.sql(text, **options)[0][0]

    def conninfo(self, **more):
        parts = {"host": self.database.directory, "port": self.database.port, "user": "postgres",
                 "dbname": "postgres", **more}
        return " ".join(f"{name}={value}" for name, value in parts.items())

    def serve(self, relay, conninfo=None, spool=None, relay_settings=None, **settings):
        """A daemon that delivers from the database to that relay."""
        spool = {"database": conninfo or self.conninfo(), **(spool or {})}
        relay = self.lab.relay(relay) if isinstance(relay, int) else self.settings(relay, **(relay_settings or {}))
        return self.start(relay, spool=spool, retry=settings.pop("retry", RETRY), **settings)

    def put(self, *names, sender="shop@lab.test", content=None, more="", **options):
        """Queues one message to these recipients; its id."""
        content = content or b"Subject: Your order\n\nThank you.\n"
        recipients = ",".join(quoted(f"{name}@lab.test") for name in names)
        return self.one(f"SELECT outbox.queue({quoted(sender)}, ARRAY[{recipients}], "
                        f"decode('{content.hex()}', 'hex'){more})", **options)

    def places(self, message):
        """The tables of those that a message can be in that have it, at one time."""
        looks = (f"SELECT {n}, '{t}' FROM outbox.{t} WHERE message = {message}" for n, t in enumerate(PLACES))
        return [row[1] for row in self.sql(" UNION ALL ".join(looks) + " ORDER BY 1")]

    def count(self, table="message"):
        return int(self.one(f"SELECT count(*) FROM outbox.{table}"))

    def wait_empty(self, seconds=15.0):
        """Waits until every message was delivered, and nothing of it is left."""
        wait_for(lambda: self.count() == 0,
                 lambda: f"an empty queue, which has {self.sql('SELECT * FROM outbox.leased')}, "
                         f"{self.sql('SELECT * FROM outbox.ready')}{self.logs()}", seconds)

    def wait_place(self, message, place, seconds=15.0):
        wait_for(lambda: self.places(message) == [place],
                 lambda: f"message {message} in {place}, which is in {self.places(message)}{self.logs()}", seconds)

    def record(self, message):
        """The events of its record, in order."""
        return [row[0] for row in self.sql(
            f"SELECT line->>'event' FROM outbox.record WHERE message = {message} ORDER BY id")]

    def insist(self, *command, ask=None):
        """Asks again, for what is not done, where a daemon that a machine let wait was not in time: what all of them
        said."""
        said = ""
        for _ in range(20):
            answer = ask(*command) if ask else self.outbox(*command, status=None)
            said += answer.stdout.decode()
            if answer.returncode != 75:
                break
            done = {line.split(" ")[0] for line in said.splitlines()}
            command = [word for word in command if word not in done]
        self.assertEqual(answer.returncode, 0, f"{answer.stderr.decode()}{self.logs()}")
        return said
