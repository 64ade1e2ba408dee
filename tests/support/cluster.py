"""Several hosts that deliver from one database: applications whose transactions roll back now and then, a relay with
faults, daemons that are killed, stopped and cut off; and the books of it all."""

import collections
import dataclasses
import pathlib
import random
import re
import subprocess
import sys
import threading
import time

import hosts
import lab
import postgresql
from load import read_books
from pgbouncer import PgBouncer
from postgresql import INIT, PostgreSQL, Session
from process import Patience, Process, free_port, wait_for

HERE = pathlib.Path(__file__).parent
DELIVERED = re.compile(r" (\d+): delivered to .* taken as (\d+)\.")
TAKEN_AWAY = re.compile(r" (\d+): it was taken away .* another has it; what became of it is not written")
PROBLEMS = 10  # that a daemon tells within ten minutes, at most (src/daemon/queue.c)
RETRY = {"first": "100ms", "factor": 1.5, "max": "2s"}


class Application(threading.Thread):
    """Queues messages, a few in a transaction, of which a tenth roll back. Where the answer to a commit is lost it does
    the same once more, with the same keys."""

    def __init__(self, number, count, uri):
        super().__init__(daemon=True)
        self.number, self.count, self.uri = number, count, uri
        self.chance = random.Random(number)
        self.told, self.rolled_back, self.error = {}, [], None
        self.session = None

    def connect(self):
        command = [postgresql.programs() / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.uri]
        self.session = Session(command, stderr=subprocess.DEVNULL)

    def transaction(self, messages, end):
        """Whether it came to its end."""
        if self.session is None:
            self.connect()
        try:
            self.session.sql("BEGIN")
            for key, people, text in messages:
                to = ",".join(f"'{one}'" for one in people)
                self.session.sql(f"SELECT outbox.queue('{key}@lab.test', ARRAY[{to}], '{text}', key => '{key}')")
            if self.session.sql(f"{end};\nSELECT 'ended'") == ["ended"]:
                return True
        except OSError:
            pass
        self.close()
        return False

    def close(self):
        if self.session is not None:
            self.session.abandon()
            self.session = None

    def messages(self, first):
        for n in range(first, min(first + self.chance.randrange(1, 4), self.count)):
            key = f"a{self.number}n{n}"
            people = [f"r{i}.{key}@lab.test" for i in range(self.chance.choice((1, 1, 1, 2, 5)))]
            filling = "All work and no play.\n" * self.chance.choice((1, 10, 300))
            yield key, people, f"From: {key}@lab.test\nSubject: {key}\n\n{filling}end of {key}\n"

    def queue_all(self):
        n = 0
        while n < self.count:
            messages = list(self.messages(n))
            end = "ROLLBACK" if self.chance.randrange(10) == 0 else "COMMIT"
            patience = Patience(60, beat=0.1)
            while not self.transaction(messages, end):
                if patience.is_over():
                    raise AssertionError("the database is not back")
                time.sleep(0.1)
            if end == "COMMIT":
                self.told.update((key, people) for key, people, _ in messages)
            else:
                self.rolled_back += [key for key, _, _ in messages]
            n += len(messages)

    def run(self):
        try:
            self.queue_all()
        except (AssertionError, OSError) as error:
            self.error = error
        finally:
            self.close()


def need_database():
    """For a test with daemons: they can be built without PostgreSQL."""
    if b"outbox.daemon_begin" not in lab.program("outboxd").read_bytes():
        raise lab.Unavailable("outboxd was built without PostgreSQL (./configure --with-postgresql)")


def read_log(path):
    """The numbers of the relay's replies that a daemon reported as deliveries; and those of messages of which it said,
    before or after that, that they were taken away, and that this is not on record; and whether there may be more of
    those."""
    reported, gone, taken_away, told = collections.defaultdict(set), set(), set(), 0
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if found := DELIVERED.search(line):
                (taken_away if found[1] in gone else reported[found[1]]).add(found[2])
            elif found := TAKEN_AWAY.search(line):
                if found[1] in reported:
                    taken_away |= reported.pop(found[1])
                else:
                    gone.add(found[1])
                told += 1
    return set().union(*reported.values()), taken_away, told >= PROBLEMS


@dataclasses.dataclass
class Trouble:
    """What a host had, and when."""

    host: str
    kind: str
    begin: float
    end: float = float("inf")


class Daemon:
    """A host, and the daemon that runs there."""

    def __init__(self, host, directory, uri, port, timeout, **spool):
        self.host, self.directory = host, pathlib.Path(directory)
        self.directory.mkdir()
        (self.directory / "queue").mkdir(mode=0o700)
        self.log = self.directory / "outboxd.log"
        self.configuration = lab.write_configuration(
            self.directory / "outbox.conf", {"directory": self.directory / "queue", "database": uri, **spool},
            [{"name": "relay", "host": hosts.RELAY, "port": port, "tls": "none", "hello": f"{host.name}.lab.test",
              "timeout": timeout, "timeout_by_stage": False, "hold_first": "5ms", "hold_max": "20ms"}], retry=RETRY)
        self.process = None

    def start(self, **options):
        self.process = lab.Outboxd(self.configuration, self.directory, wrapper=self.host.wrapper, **options)

    def stop(self):
        """The status that it ended with."""
        status = self.process.terminate()
        self.process.notifications.close()
        (self.directory / "notify").unlink(missing_ok=True)
        self.process = None
        return status

    def kill(self):
        self.process.kill()
        self.process.notifications.close()
        (self.directory / "notify").unlink(missing_ok=True)
        self.process = None


class Cluster:
    """The whole of it, in a directory of its own."""

    def __init__(self, directory, daemons=2, faults=0, standby=False, pooled=False, seed=1, **spool):
        if daemons > 0:
            need_database()
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o755)
        self.servers = hosts.Servers()
        self.closing = [self.servers.close]
        self.failures, self.troubles, self.applications = [], [], []
        try:
            self._start_database(standby, pooled)
            self._start_relay(faults, seed)
        except BaseException:
            self.close()
            raise
        timeout = "5s" if faults > 0 else "30s"  # some of the faults last until it is over
        self.daemons = [Daemon(host, self.directory / host.name, self.daemon_uri(), self.relay_port, timeout, **spool)
                        for host in (self.servers.host() for _ in range(daemons))]

    def _start_database(self, standby, pooled):
        self.database = PostgreSQL(self.directory / "postgresql", host=hosts.DATABASE, wrapper=self.servers.wrapper,
                                   settings="max_connections = 200\n")
        self.closing.append(lambda: self.database.stop())
        self.database.sql(INIT)
        self.servers_of_it = [self.database]
        if standby:
            self.standby = self.database.standby(self.directory / "standby")
            self.closing.append(self.standby.stop)
            self.servers_of_it.append(self.standby)
        self.bouncer = None
        if pooled:
            self.bouncer = PgBouncer(self.directory / "pgbouncer", self.database, host=hosts.DATABASE,
                                     wrapper=self.servers.wrapper)
            self.closing.append(self.bouncer.stop)

    def _start_relay(self, faults, seed):
        self.relay_port, self.books = free_port(), self.directory / "books"
        relay = Process([*self.servers.wrapper, sys.executable, HERE / "fault_relay.py", self.relay_port, self.books,
                         seed, faults, hosts.RELAY], self.directory / "relay.log")
        self.closing.append(relay.stop)
        relay.wait_for_port(self.relay_port)

    def close(self):
        for application in self.applications:
            application.close()
        for daemon in getattr(self, "daemons", ()):
            if daemon.process is not None:
                daemon.process.stop()
                daemon.process.notifications.close()
        while self.closing:
            self.closing.pop()()

    def uri(self, by="host"):
        """Of all servers, by their addresses, or by their sockets (\"directory\")."""
        places = ",".join(str(getattr(one, by)) for one in self.servers_of_it)
        ports = ",".join(str(one.port) for one in self.servers_of_it)
        return (f"host={places} port={ports} user={postgresql.OWNER} dbname=postgres connect_timeout=2 "
                "target_session_attrs=read-write")

    def daemon_uri(self):
        return self.database.uri(port=self.bouncer.port) if self.bouncer else self.uri()

    # ---- running ----

    def queue(self, messages, applications=4):
        """Applications begin to queue so many messages, beside those that did before."""
        first = len(self.applications)
        self.applications += [Application(n, messages // applications, self.uri("directory"))
                              for n in range(first, first + applications)]
        for application in self.applications[first:]:
            application.start()

    def trouble(self, daemon, kind):
        self.troubles.append(Trouble(daemon.host.name, kind, time.monotonic()))
        return self.troubles[-1]

    def wait_begun(self):
        """Until each of the daemons is there: before, another would send all of it."""
        wait_for(lambda: self.server.sql("SELECT count(*) FROM outbox.daemon") == [[str(len(self.daemons))]],
                 "the daemons have begun", 60)

    def wait_sent(self, daemon, count, more):
        """Until it has sent so many. The others may have sent all that there was: then so many more are queued."""
        name = daemon.host.name

        def has_sent():
            if self.sent()[name] < count and self.is_done():
                self.queue(more)
            return self.sent()[name] >= count

        wait_for(has_sent, f"{name} has sent {count}", 60)

    def is_done(self):
        return not any(one.is_alive() for one in self.applications) and self.waiting() == 0

    def waiting(self):
        """How many messages have not come to an end."""
        return int(self.server.sql(
            "SELECT count(*) FROM outbox.message WHERE id NOT IN (SELECT message FROM outbox.ended)")[0][0])

    def left(self):
        """Where some of them are, and who is there."""
        return [self.server.sql(f"SELECT '{table}', t.* FROM outbox.{table} AS t LIMIT 9")
                for table in ("ready", "deferred", "leased", "aside", "daemon")]

    @property
    def server(self):
        """The one that writes."""
        return self.servers_of_it[-1] if not self.database.process.is_running() else self.database

    def fail_over(self):
        """The primary is lost, and the standby takes its place."""
        self.database.crash()
        self.standby.promote()

    def end_leases(self, *daemons, wait=False):
        """Until the others have what these held: in a moment, or when their leases have come to their end."""
        names = ",".join(f"'{daemon.host.name}'" for daemon in daemons)
        numbers = ",".join(row[0] for row in self.server.sql(f"SELECT id FROM outbox.daemon WHERE name IN ({names})"))
        if not wait:
            self.server.sql(f"UPDATE outbox.daemon SET until = now() WHERE id IN ({numbers}); SELECT outbox.reap()")
        wait_for(lambda: self.server.sql(f"SELECT id FROM outbox.daemon WHERE id IN ({numbers})") == [],
                 f"the leases of {names} have ended", 90)

    def wait_settled(self, seconds=60):
        """Until all is at rest, for as long as something is settled within so many seconds."""
        patience, before = None, None
        while True:
            running = sum(application.is_alive() for application in self.applications)
            now = (running, self.waiting())
            if now == (0, 0):
                break
            if now != before:
                patience, before = Patience(seconds, beat=0.1), now
            elif patience.is_over():
                self.failures.append(
                    f"not at rest, and nothing was settled for {seconds} s: {now[1]} are left: {self.left()}")
                break
            time.sleep(0.1)
        self.failures += [f"application {one.number}: {one.error}" for one in self.applications if one.error]

    def stop_daemons(self):
        for daemon in self.daemons:
            if daemon.process is not None and (status := daemon.stop()) != 0:
                self.failures.append(f"the daemon of {daemon.host.name} ended with {status}")

    # ---- balancing ----

    def refused_on_record(self):
        """The recipients whose message ended as failed, and that were refused."""
        return {row[0] for row in self.server.sql(
            "SELECT address FROM outbox.recipient JOIN outbox.ended USING (message) WHERE outcome = 'refused'"
            " AND state = 'failed'")}

    def explain(self, copy, reported, taken_away, silent):
        """Why a copy that was taken is not on record; None if it is."""
        name = copy.client.partition(".")[0]
        if copy.number in reported and name not in silent:
            return None
        if not copy.said:
            return "the relay did not send the reply"
        for trouble in self.troubles:
            if trouble.host == name and copy.begun < trouble.end and copy.time < trouble.end:
                if copy.number in taken_away:
                    return f"{trouble.kind} until another had it, which was told"
                if copy.number in reported and trouble.kind != "killed":
                    return f"{trouble.kind} until another had it, and it had told of as many as it tells"
                if trouble.kind == "killed":
                    return "killed before it was on record"
        return "UNEXPLAINED: nothing was wrong with the host that sent it, or it did not tell"

    def explain_all(self, copies, reported, *logs):
        """Of several copies one may be on record, whichever came first: the reasons why there are the others. A host
        that was stopped in the middle of one is through with it after who has had it since."""
        def doubt(copy_and_reason):
            copy, reason = copy_and_reason
            return reason is not None, copy.number not in reported, "UNEXPLAINED" in str(reason)

        def once_more(copy, reason):
            # Several have told of theirs: it is a second copy where the host had been away.
            again = reason or self.explain(copy, set(), *logs)
            return reason if "UNEXPLAINED" in again else again

        explained = [(copy, self.explain(copy, reported, *logs)) for copy in copies]
        if sum(reason is None for _, reason in explained) > 1:
            explained = [(copy, once_more(copy, reason)) for copy, reason in explained]
        explained.sort(key=doubt)
        return [reason or "UNEXPLAINED: there is another, and both are on record" for _, reason in explained[1:]]

    def balance(self):
        """How often there was a copy too many, by the reason; what is wrong is in `failures`."""
        told = {key: people for one in self.applications for key, people in one.told.items()}
        rolled_back = {key for one in self.applications for key in one.rolled_back}
        taken, refused = read_books(self.books)
        recorded = self.refused_on_record()
        logs = [read_log(daemon.log) for daemon in self.daemons]
        reported, taken_away = (set().union(*sets) for sets in list(zip(*logs))[:2])
        silent = {daemon.host.name for daemon, (*_, more) in zip(self.daemons, logs) if more}
        doubles = collections.Counter()
        self.delivered = self.refused = 0
        for key, people in told.items():
            for one in people:
                copies = sorted(taken.pop(one, []), key=lambda copy: copy.time)
                if not all(copy.whole for copy in copies):
                    self.failures.append(f"{one} got a part of {key}")
                if not copies and not (one in recorded and {(key, one), (key, "*")} & refused):
                    self.failures.append(f"{one} is lost")
                self.delivered += bool(copies)
                self.refused += not copies
                for reason in self.explain_all(copies, reported, taken_away, silent):
                    doubles[reason] += 1
                    if "UNEXPLAINED" in reason:
                        self.failures.append(f"{one}: {reason}: {copies}")
        for one in taken:
            key = one.partition(".")[2].partition("@")[0]
            why = "its transaction was rolled back" if key in rolled_back else "it was never queued"
            self.failures.append(f"{one} got {key}, and {why}")
        return doubles

    def tell(self):
        """A line for people, after balance()."""
        committed = sum(len(one.told) for one in self.applications)
        rolled_back = sum(len(one.rolled_back) for one in self.applications)
        return (f"{committed} messages committed, {rolled_back} rolled back: {self.delivered} recipients have theirs, "
                f"{self.refused} were refused")

    def sent(self):
        """How many copies each host sent, by the relay's books."""
        taken, _ = read_books(self.books)
        return collections.Counter(copy.client.partition(".")[0] for copies in taken.values() for copy in copies)
