"""What `outbox database` and `outbox move` say: on a terminal of 80 columns, in a pipe, and as JSON."""

import pathlib
import tempfile

import lab
from postgresql import INIT, PostgreSQL, SqlError
from test_transcripts import TranscriptTest

ROLES = ("outbox_owner", "app")
SENT = "SELECT outbox.queue('shop@lab.test', '{ann@lab.test}', 'Subject: x')"


class Database(TranscriptTest):
    """`shop`, which belongs to `outbox_owner`."""

    @classmethod
    def setUpClass(cls):
        cls.database = PostgreSQL(lab.shared().new_directory() / "postgresql")
        cls.addClassCleanup(cls.database.stop)
        for role in ROLES:
            cls.database.sql(f"CREATE ROLE {role} LOGIN")

    def setUp(self):
        super().setUp()
        self.database.sql_alone("CREATE DATABASE shop OWNER outbox_owner")
        self.addCleanup(self.database.sql_alone, "DROP DATABASE shop WITH (FORCE)")
        short = tempfile.TemporaryDirectory(prefix="outbox-", dir="/tmp")  # of one length, for the ends of lines
        self.addCleanup(short.cleanup)
        pathlib.Path(short.name).chmod(0o755)
        self.socket = pathlib.Path(short.name) / "sql"
        self.socket.symlink_to(self.database.directory)
        self.use("outbox_owner")

    def use(self, role, **more):
        uri = self.database.uri(role, host=self.socket, database="shop")
        self.configure({**self.lab.relay(self.relay.port), "name": "primary"},
                       spool={"database": " ".join([uri, *(f"{name}={value}" for name, value in more.items())])})

    def sql(self, text):
        return self.database.sql(text, "outbox_owner", "shop")

    def forget(self):
        try:
            self.sql("DROP SCHEMA outbox CASCADE")
        except SqlError:
            pass  # there is none yet

    def test_making_it(self):
        self.expect("database-init", "database", "init", again=self.forget)
        self.expect("database-init-again", "database", "init")
        self.expect("database-upgrade", "database", "upgrade")
        self.expect("database-grant", "database", "grant", "app", "producer")
        self.expect("database-grant-nobody", "database", "grant", "nobody", "producer", has_json=False)
        self.expect("database-grant-odd", "database", "grant", "app", "master", has_json=False)

    def test_looking_at_it(self):
        self.expect("database-check-nothing", "database", "check", has_json=False)
        self.sql(INIT)
        self.expect("database-check", "database", "check")
        self.use("app")
        self.expect("database-check-right", "database", "check", has_json=False)
        self.expect("database-upgrade-right", "database", "upgrade", has_json=False)

    def test_moving(self):
        self.sql(INIT)

        def again():
            self.sql("TRUNCATE outbox.message, outbox.ready, outbox.used_key RESTART IDENTITY CASCADE;" + SENT)
            for found in self.queue.path.glob("[!.]*"):
                found.unlink()

        again()
        self.sql("UPDATE outbox.version SET installed = '2026-01-01'")
        self.expect("move-dry", "move", "--to", "directory", "--all", "--dry-run")
        self.expect("move-nothing", "move", "--to", "directory", "77", has_json=False)
        self.expect("move-nowhere", "move", "--to", "nowhere", "1", has_json=False)
