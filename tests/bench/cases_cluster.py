"""Benchmark of the queue on PostgreSQL: what the database itself does, what daemons make of it, and whether a claim costs
the same however many messages wait and whoever keeps a transaction open. Returns how many targets were missed.

What PostgreSQL allows is a script of pgbench, with as many clients as there are daemons (database.py): statements on the
same tables, none of the queue's functions, each for a hundred messages and a transaction of its own that is synced: insert,
claim, read envelope and content, delete. The daemons have the same life of the same messages before them, and SMTP to a sink beside it,
on the same processors."""

import contextlib
import statistics
import time

from cases_rate import drain_rate, plain
from claimer import Position
from database import BATCH, CLIENTS, FILL, LEAST, LEAST_WITH_PUT, ME, QUEUE, QUEUE_BATCH, Database, seconds_of
from lab import Outboxd, write_configuration
from measure import Case, report, report_figures, report_targets
from process import wait_for

BY_FUNCTIONS = f"""SELECT coalesce(max(arrived)::text::bigint, :arrived) AS arrived,
        coalesce(max(message), :message) AS message,
        coalesce(array_agg(message) FILTER (WHERE message IS NOT NULL), '{{}}') AS ids
    FROM outbox.claim({ME}, '', (:arrived)::text::xid8, :message, '{{}}', {BATCH}) \\gset
SELECT * FROM outbox.read({ME}, ':ids', 65536, 16777216);
SELECT * FROM outbox.write({ME}, (SELECT jsonb_agg(jsonb_build_object('message', id, 'state', 'sent')) FROM unnest(':ids'::bigint[]) AS id));
"""


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
    """Messages that applications queue, each in a transaction of its own, and a hundred in one."""
    case = Case("queued in PostgreSQL", "messages/s", bench.runs)
    database.begin_anew()
    for clients in (1, 16):
        case.add(f"queue(), {clients} clients", lambda clients=clients: database.pgbench(QUEUE, clients, "-T", "3"))
    turns = str(bench.scaled(20_000) // BATCH // CLIENTS)
    for name, script in ((f"queue(), {BATCH} a transaction", QUEUE_BATCH), (f"a statement for {BATCH}", FILL.format(BATCH))):
        case.add(name, lambda script=script: database.pgbench(script, CLIENTS, "-t", turns) * BATCH)
    case.measure()
    return report(case, "queue(), 1 clients", [])


class Rates:
    """Messages a second; and the processor time that each of them took, by whose it was."""

    def __init__(self, database, others=()):
        self.database, self.others = database, others  # of outboxd and the sink: (name, function that returns its processes)
        self.spent = {}

    def _seconds(self):
        return {"PostgreSQL": self.database.seconds(),
                **{name: sum(seconds_of(pid, 14, 15) for pid in pids()) for name, pids in self.others}}

    @contextlib.contextmanager
    def counted(self, name, count):
        before = self._seconds()
        yield
        self.spent.setdefault(name, []).append(
            {who: (seconds - before[who]) / count * 1e6 for who, seconds in self._seconds().items()})

    def report(self, subject, reference):
        """The server's part of the reference's, and of the subject's, is what many machines would share: whether that missed."""
        print("\nprocessor time of a message [microseconds], median")
        for name, runs in self.spent.items():
            said = (f"{who} {statistics.median(run[who] for run in runs):.0f}" for who in runs[0] if any(run[who] for run in runs))
            print(f"  {name:34}{', '.join(said)}")
        case = Case("", "", len(self.spent[subject]))
        case.figures = {f"server's part: {reference}": [run["PostgreSQL"] for run in self.spent[reference]],
                        subject: [run["PostgreSQL"] for run in self.spent[subject]]}
        return report_targets(case, f"server's part: {reference}", [(subject, 0.7, "at least")])


class Daemons:
    """Some outboxd on one database, which have looked for messages and found none."""

    def __init__(self, bench, database, relays, count):
        self.database, self.outboxds = database, []
        for _ in range(count):
            directory = bench.new_directory()
            (directory / "queue").mkdir(mode=0o700)
            spool = {"directory": directory / "queue", "database": database.server.uri()}
            configuration = write_configuration(directory / "outbox.conf", spool, relays)
            self.outboxds.append(Outboxd(configuration, directory, ready=False))
        self.session = database.session()
        wait_for(lambda: self._ask("SELECT count(*) FROM outbox.daemon WHERE idle") == str(count), "the daemons wait", 60)

    def _ask(self, text):
        for one in self.outboxds:
            one.notifications.read()  # sd_notify(3) waits for a manager that does not read
        return self.session.sql(text)[0]

    def wait_drained(self):
        """As many rows as there are is what is counted, which reads no content."""
        wait_for(lambda: self._ask("SELECT EXISTS (SELECT FROM outbox.recipient)") == "f", "everything is delivered", 600)

    def stop(self):
        self.session.close()
        for one in self.outboxds:
            one.stop()
            one.notifications.close()


SET_ASIDE = "CREATE TABLE waiting AS TABLE outbox.ready; DELETE FROM outbox.ready"
RELEASE = "INSERT INTO outbox.ready SELECT * FROM waiting; DROP TABLE waiting; NOTIFY outbox"


class Life:
    """The life of messages, by outboxd and by statements: from when they wait, or from before they are put into the queue."""

    def __init__(self, bench, database, count):
        self.bench, self.database, self.count = bench, database, count
        self.sink, self.running = bench.sink(), None
        self.relays = plain(self.sink.port)
        self.rates = Rates(database, (("outboxd", self._pids), ("sink", lambda: [self.sink.pid])))

    def _pids(self):
        return [one.pid for one in self.running.outboxds] if self.running else []

    def _by_daemons(self, name, daemons, begin):
        self.running = Daemons(self.bench, self.database, self.relays, daemons)
        try:
            with self.rates.counted(name, self.count):
                start = time.monotonic()
                begin()
                self.running.wait_drained()
                return self.count / (time.monotonic() - start)
        finally:
            self.running.stop()
            self.running = None

    def waiting(self, name, daemons):
        self.database.begin_anew(0)
        self.database.fill(self.count)
        self.database.server.sql(SET_ASIDE)
        self.database.settle()
        return self._by_daemons(name, daemons, lambda: self.database.server.sql(RELEASE))

    def put_meanwhile(self, name, daemons):
        self.database.begin_anew(0)
        self.database.settle()
        turns = str(self.count // BATCH // CLIENTS)

        def put():
            if self.database.pgbench(QUEUE_BATCH, CLIENTS, "-t", turns) <= 0:
                raise AssertionError("nothing was put into the queue")

        return self._by_daemons(name, daemons, put)

    def by_statements(self, name, script, filled):
        self.database.begin_anew()
        if filled:
            self.database.fill(self.count)
        self.database.settle()
        with self.rates.counted(name, self.count):
            rate = self.database.pgbench(script, CLIENTS, "-t", str(self.count // BATCH // CLIENTS)) * BATCH
        # Who claimed last, or while others held what there was, may have got nothing: a statement of each client's.
        if self.database.left() > CLIENTS * BATCH:
            raise AssertionError(f"{self.database.left()} of {self.count} messages are left")
        return rate


def life(bench, database, title, by_daemons, script, filled, beside=()):
    """A case of daemons beside each other, and of PostgreSQL alone."""
    count = bench.scaled(20_000) // (BATCH * CLIENTS) * BATCH * CLIENTS
    it = Life(bench, database, count)
    case = Case(f"{count:,} messages of 4 KB: {title}", "messages/s", bench.runs)
    for daemons in (1, 2, 4):
        name = f"{daemons} outboxd"
        case.add(name, lambda name=name, daemons=daemons: by_daemons(it, name, daemons))
    for name, run in beside:
        case.add(name, lambda run=run: run(it))
    case.add("PostgreSQL alone", lambda: it.by_statements("PostgreSQL alone", script, filled))
    case.measure()
    report_figures(case)
    missed = report_targets(case, "4 outboxd", [("PostgreSQL alone", 0.7, "at least")])
    return missed + it.rates.report("4 outboxd", "PostgreSQL alone")


def delivered(bench, database):
    """What waits is claimed, read, sent and deleted."""
    directory = ("1 outboxd, directory", lambda it: drain_rate(bench, it.relays, it.count, synced=True))
    functions = ("the functions alone", lambda it: it.by_statements("the functions alone", BY_FUNCTIONS, True))
    return life(bench, database, "waiting, to be delivered", Life.waiting, LEAST, True, (directory, functions))


def put_and_delivered(bench, database):
    """The whole life, while others queue."""
    return life(bench, database, "queued and delivered at once", Life.put_meanwhile, LEAST_WITH_PUT, False)


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
    parts = (hand_over, delivered, put_and_delivered, claim_by_rows, claim_under_horizon)
    return sum(part(bench, database) for part in parts)
