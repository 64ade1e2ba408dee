"""Benchmark of the queue on PostgreSQL: what the database itself does, what daemons make of it, and whether a claim costs
the same however many messages wait and whoever keeps a transaction open. Returns how many targets were missed."""

import re
import statistics
import subprocess
import time

import postgresql
from cases_rate import drain_rate, plain
from claimer import Position
from lab import Outboxd, write_configuration
from measure import Case, report
from postgresql import INIT, PostgreSQL, Session
from process import wait_for

DURABLE = "fsync = on\nshared_buffers = 256MB\nmax_wal_size = 4GB\n"
CLIENTS = 4
BATCH = 100
MAIL = "E'From: a@example.org\\nTo: b@example.net\\nSubject: bench\\n\\n' || repeat(repeat('x', 75) || E'\\n', 50)"
FILL = f"""WITH put AS (
    INSERT INTO outbox.message (sender, content)
        SELECT 'a@example.org', convert_to({MAIL}, 'UTF8') FROM generate_series(1, {{}}) RETURNING id
), to_whom AS (INSERT INTO outbox.recipient (message, number, address) SELECT id, 0, 'b@example.net' FROM put)
INSERT INTO outbox.ready (lane, message) SELECT '', id FROM put;
"""
QUEUE = f"SELECT outbox.queue('a@example.org', '{{b@example.net}}', {MAIL});\n"
ME = ":client_id + 1"
IN_TABLES = f"""WITH mine AS (
    SELECT lane, arrived, message FROM outbox.ready ORDER BY lane, arrived, message LIMIT {BATCH} FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM outbox.ready USING mine
        WHERE ready.lane = mine.lane AND ready.arrived = mine.arrived AND ready.message = mine.message
        RETURNING ready.message
) INSERT INTO outbox.leased (message, daemon, lane, attempts) SELECT message, {ME}, '', 0 FROM taken;
WITH mine AS (DELETE FROM outbox.leased WHERE daemon = {ME} RETURNING message)
    DELETE FROM outbox.message USING mine WHERE id = mine.message;
"""
BY_FUNCTIONS = f"""SELECT coalesce(max(arrived)::text::bigint, :arrived) AS arrived,
        coalesce(max(message), :message) AS message
    FROM outbox.claim({ME}, '', (:arrived)::text::xid8, :message, '{{}}', {BATCH}) \\gset
SELECT count(outbox.settle({ME}, message, 'sent')) FROM outbox.leased WHERE daemon = {ME};
"""


class Database:
    """A PostgreSQL that syncs what it commits, with the queue in it."""

    def __init__(self, bench, **options):
        self.directory = bench.new_directory()
        self.server = bench.keep(PostgreSQL(self.directory / "postgresql", settings=DURABLE, **options))
        self.server.sql(INIT)

    def begin_anew(self):
        """Empty, and with daemons whose numbers are those of pgbench's clients, from 1."""
        self.server.sql("DROP SCHEMA outbox CASCADE")
        self.server.sql(INIT)
        self.server.sql(f"SELECT outbox.daemon_begin('bench', '1 day') FROM generate_series(1, {CLIENTS})")

    def fill(self, count):
        for begin in range(0, count, 10_000):
            self.server.sql(FILL.format(min(count - begin, 10_000)))
        self.server.sql_alone("VACUUM ANALYZE")

    def left(self):
        return int(self.server.sql("SELECT count(*) FROM outbox.message")[0][0])

    def pgbench(self, script, clients, *options):
        """Transactions a second."""
        path = self.directory / "script"
        path.write_text(script, encoding="ascii")
        begin = ("-n", "-c", str(clients), "-j", "2", "-f", path, "-D", "arrived=0", "-D", "message=0")
        done = subprocess.run([postgresql.programs() / "pgbench", *begin, *options, self.server.uri()],
                              check=True, capture_output=True, text=True)
        return float(re.search(r"tps = ([0-9.]+)", done.stdout)[1])

    def session(self):
        command = [postgresql.programs() / "psql", "-X", "-q", "-A", "-t", "-d", self.server.uri()]
        return Session(command)


class TimedPosition(Position):
    """What each claim took, in milliseconds, as its client sees it."""

    def __init__(self, session, daemon):
        super().__init__(session, daemon)
        self.times = []

    def claim(self, most, ended):
        begin = time.monotonic()
        found = super().claim(most, ended)
        self.times.append((time.monotonic() - begin) * 1000)
        return found


def hand_over(bench, database):
    """Messages that applications queue, each in a transaction of its own."""
    case = Case("queued in PostgreSQL, a transaction each", "messages/s", bench.runs)
    database.begin_anew()
    for clients in (1, 16):
        case.add(f"queue(), {clients} clients", lambda clients=clients: database.pgbench(QUEUE, clients, "-T", "3"))
    case.measure()
    return report(case, "queue(), 1 clients", [])


def drained(database, script, count):
    """Messages a second, of so many that wait."""
    database.begin_anew()
    database.fill(count)
    rate = database.pgbench(script, CLIENTS, "-t", str(count // BATCH // CLIENTS))
    if database.left() > count % (BATCH * CLIENTS):
        raise AssertionError(f"{database.left()} of {count} messages are left")
    return rate * BATCH


def claimed_and_deleted(bench, database):
    """The work of daemons on the database, without daemons: in tables, and by the functions, which look at each step
    who holds a message."""
    case = Case(f"claimed by {BATCH} and deleted, {CLIENTS} clients", "messages/s", bench.runs)
    count = bench.scaled(20_000)
    case.add("statements on the tables", lambda: drained(database, IN_TABLES, count))
    case.add("the functions", lambda: drained(database, BY_FUNCTIONS, count))
    case.measure()
    return report(case, "the functions", [])


class Daemons:
    """Some outboxd on one database."""

    def __init__(self, bench, database, relays, count):
        self.database, self.outboxds = database, []
        for _ in range(count):
            directory = bench.new_directory()
            (directory / "queue").mkdir(mode=0o700)
            spool = {"directory": directory / "queue", "database": database.server.uri()}
            configuration = write_configuration(directory / "outbox.conf", spool, relays)
            self.outboxds.append(Outboxd(configuration, directory, ready=False))

    def wait_drained(self):
        def look():
            for one in self.outboxds:
                one.notifications.read()  # sd_notify(3) waits for a manager that does not read
            return self.database.left() == 0

        wait_for(look, "everything is delivered", 600)

    def stop(self):
        for one in self.outboxds:
            one.stop()
            one.notifications.close()


def drained_by_daemons(bench, database, relays, daemons, count):
    """Messages a second, from the start of the processes."""
    database.begin_anew()
    database.fill(count)
    begin = time.monotonic()
    running = Daemons(bench, database, relays, daemons)
    try:
        running.wait_drained()
        return count / (time.monotonic() - begin)
    finally:
        running.stop()


def delivered(bench, database):
    """By daemons beside each other, with the database and the sink on the same processors; and one with a directory."""
    relays, count = plain(bench.sink().port), bench.scaled(20_000)
    case = Case(f"deliver {count:,} messages of 4 KB", "messages/s", bench.runs)
    for daemons in (1, 2, 4):
        case.add(f"{daemons} outboxd, PostgreSQL",
                 lambda daemons=daemons: drained_by_daemons(bench, database, relays, daemons, count))
    case.add("1 outboxd, directory", lambda: drain_rate(bench, relays, count, synced=True))
    case.add("claimed and deleted alone", lambda: drained(database, BY_FUNCTIONS, count))
    case.measure()
    return report(case, "1 outboxd, PostgreSQL", [("claimed and deleted alone", 0.5, "at least")])


def claim_by_rows(bench, database):
    """What a claim takes, of a short queue and of one of a million."""
    sizes = sorted({1_000, bench.scaled(10_000), bench.scaled(100_000), bench.scaled(1_000_000)})
    case = Case(f"a claim of {BATCH}, by how many messages wait", "ms", 1)
    for size in sizes:
        database.begin_anew()
        database.fill(size)
        session = database.session()
        position = TimedPosition(session, 1)
        for _ in range(min(size // BATCH, 100)):
            position.step(BATCH)
        session.close()
        case.figures[f"{size:,}"] = [statistics.median(position.times)]
    return report(case, f"{sizes[-1]:,}", [(f"{sizes[0]:,}", 3, "at most")])


def claim_under_horizon(bench, database):
    """What a claim takes while a transaction elsewhere stays open, and nothing that was deleted since can be removed."""
    database.begin_anew()
    keeper, session = database.session(), database.session()
    keeper.sql("BEGIN ISOLATION LEVEL REPEATABLE READ")
    keeper.sql("SELECT pg_current_xact_id()")
    position, count, begin = TimedPosition(session, 1), 0, time.monotonic()
    while time.monotonic() < begin + bench.hold:
        session.sql(FILL.format(BATCH).rstrip(";\n"))
        count += len(position.step(BATCH))
        session.sql("SELECT count(outbox.settle(1, message, 'sent')) FROM outbox.leased WHERE daemon = 1")
    for one in (keeper, session):
        one.close()
    tenth = max(len(position.times) // 10, 1)
    title = f"a claim of {BATCH} while a transaction stays open for {bench.hold} s, {count:,} messages"
    case = Case(title, "ms", tenth)
    case.figures = {"the first tenth": position.times[:tenth], "the last tenth": position.times[-tenth:]}
    first, last = (statistics.median(times) for times in case.figures.values())
    missed = report(case, "the last tenth", [])
    grown = last > 3 * first
    print(f"  the last tenth / the first: {last / first:.2f}  target: at most 3: {'MISSED' if grown else 'met'}")
    return missed + grown


def cluster(bench):
    database = Database(bench)
    parts = (hand_over, claimed_and_deleted, delivered, claim_by_rows, claim_under_horizon)
    return sum(part(bench, database) for part in parts)
