"""The database of the benchmark of the cluster: a PostgreSQL that syncs, filled and emptied by statements of one's own."""

import os
import pathlib
import re
import subprocess

import postgresql
from postgresql import INIT, PostgreSQL, Session

DURABLE = "fsync = on\nshared_buffers = 256MB\nmax_wal_size = 4GB\n"
CLIENTS = 4
BATCH = 100
MAIL = "E'From: a@example.org\\nTo: b@example.net\\nSubject: bench\\n\\n' || repeat(repeat('x', 75) || E'\\n', 50)"
# Rows of the tables alone, without a function of the queue's: what somebody would write who has measured.
FILL = f"""WITH put AS (
    INSERT INTO outbox.message (sender, content)
        SELECT 'a@example.org', convert_to({MAIL}, 'UTF8') FROM generate_series(1, {{}}) RETURNING id
), to_whom AS (INSERT INTO outbox.recipient (message, number, address) SELECT id, 0, 'b@example.net' FROM put)
INSERT INTO outbox.ready (lane, message) SELECT '', id FROM put;
"""
ME = ":client_id + 1"
CLAIM = f"""WITH mine AS (
    SELECT ctid FROM outbox.ready ORDER BY lane, arrived, message LIMIT {BATCH} FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM outbox.ready WHERE ctid = ANY (ARRAY (SELECT ctid FROM mine)) RETURNING message
) INSERT INTO outbox.leased (message, daemon, lane, attempts) SELECT message, {ME}, '', 0 FROM taken;
"""
READ = f"""SELECT m.id, m.queued, m.sender, m.content,
        ARRAY (SELECT r.address FROM outbox.recipient r WHERE r.message = m.id ORDER BY r.number)
    FROM outbox.leased l JOIN outbox.message m ON m.id = l.message WHERE l.daemon = {ME};
"""
DELETE = f"""WITH mine AS (DELETE FROM outbox.leased WHERE daemon = {ME} RETURNING message)
    DELETE FROM outbox.message WHERE id = ANY (ARRAY (SELECT message FROM mine));
"""
LEAST = CLAIM + READ + DELETE
LEAST_WITH_PUT = FILL.format(BATCH) + LEAST
QUEUE = f"SELECT outbox.queue('a@example.org', '{{b@example.net}}', {MAIL});\n"
QUEUE_BATCH = f"SELECT count(outbox.queue('a@example.org', '{{b@example.net}}', {MAIL})) FROM generate_series(1, {BATCH});\n"


def seconds_of(pid, *fields):
    """Processor time, by fields of proc(5)'s stat, from 14: user, system, and those of children that have ended."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(stat.rpartition(")")[2].split()[field - 3]) for field in fields) / os.sysconf("SC_CLK_TCK")


class Database:
    """A PostgreSQL that syncs what it commits, with the queue in it."""

    def __init__(self, bench, **options):
        self.directory = bench.new_directory()
        self.server = bench.keep(PostgreSQL(self.directory / "postgresql", settings=DURABLE, **options))
        self.server.sql(INIT)

    def begin_anew(self, daemons=CLIENTS):
        """Empty, with daemons whose numbers are those of pgbench's clients, from 1; what was written for others is on the disk."""
        self.server.sql("DROP SCHEMA outbox CASCADE")
        self.server.sql(INIT)
        self.server.sql("INSERT INTO outbox.daemon (id, name, until)"
                        f" SELECT number, 'bench', 'infinity' FROM generate_series(1, {daemons}) AS number")

    def fill(self, count):
        for begin in range(0, count, 10_000):
            self.server.sql(FILL.format(min(count - begin, 10_000)))
        self.settle()

    def settle(self):
        self.server.sql_alone("VACUUM ANALYZE")
        self.server.sql_alone("CHECKPOINT")

    def left(self):
        return int(self.server.sql("SELECT count(*) FROM outbox.message")[0][0])

    def start_pgbench(self, script, clients, *options):
        path = self.directory / f"script-{abs(hash(script))}"
        path.write_text(script, encoding="ascii")
        begin = ("-n", "-c", str(clients), "-j", "2", "-f", path, "-D", "arrived=0", "-D", "message=0")
        return subprocess.Popen([postgresql.programs() / "pgbench", *begin, *options, self.server.uri()],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def pgbench(self, script, clients, *options):
        """Transactions a second, from when its clients are connected."""
        child = self.start_pgbench(script, clients, *options)
        out, said = child.communicate()
        if child.returncode != 0:
            raise AssertionError(f"pgbench: {said[-3000:]}")
        return float(re.search(r"tps = ([0-9.]+)", out)[1])

    def session(self):
        command = [postgresql.programs() / "psql", "-X", "-q", "-A", "-t", "-d", self.server.uri()]
        return Session(command)

    def seconds(self):
        """Processor time of the server, with that of connections that have ended."""
        postmaster = (self.server.data / "postmaster.pid").read_text(encoding="utf-8").split()[0]
        children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children")
        while True:  # until none has ended meanwhile, whose time goes over to its parent
            before = children.read_text(encoding="ascii")
            total = seconds_of(postmaster, 14, 15, 16, 17) + sum(seconds_of(child, 14, 15) for child in before.split())
            if children.read_text(encoding="ascii") == before:
                return total


