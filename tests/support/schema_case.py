"""The functions of the queue on PostgreSQL, called by a test as a daemon or an application calls them."""

import lab
from case import SystemTest
from postgresql import INIT, PostgreSQL

MAIL = "E'Subject: Your order\\n\\nThank you.\\n'"


class SchemaTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.database = PostgreSQL(lab.shared().new_directory() / "postgresql",
                                  settings="autovacuum = off\n")  # it has transactions of its own
        cls.addClassCleanup(cls.database.stop)

    def setUp(self):
        super().setUp()
        self.sql(INIT)
        self.addCleanup(self.sql, "DROP SCHEMA outbox CASCADE")

    def sql(self, text, **options):
        return self.database.sql(text, **options)

    def one(self, text, **options):
        return self.sql(text, **options)[0][0]

    def put(self, recipients="{ann@lab.test}", more="", **options):
        """The message's id."""
        return self.one(f"SELECT outbox.queue('shop@lab.test', '{recipients}', {MAIL}{more})", **options)

    def daemon(self, lease="1 hour"):
        return self.one(f"SELECT outbox.daemon_begin('host', '{lease}')")

    def claim(self, daemon, after="0", after_message=0, late=(), most=100, lane=""):
        """The ids of the messages, in order; the snapshot; and the last transaction that filled one of them."""
        rows = self.sql(
            f"SELECT * FROM outbox.claim({daemon}, '{lane}', '{after}', {after_message},"
            f" '{{{','.join(late)}}}'::xid8[], {most})"
        )
        taken = sorted((int(row[1]), int(row[0])) for row in rows if row[0])
        snapshot = [row[4] for row in rows if not row[0]]
        self.assertEqual(len(snapshot), 1)
        return [message for _, message in taken], snapshot[0], str(taken[-1][0]) if taken else after

    def places(self, message):
        """The tables of those that a message can be in that have it."""
        tables = ("ready", "deferred", "leased", "aside", "ended")
        return [t for t in tables if self.one(f"SELECT count(*) FROM outbox.{t} WHERE message = {message}") != "0"]
