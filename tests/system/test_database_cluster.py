"""The queue on PostgreSQL on many machines: what stands between it and who uses it, and what becomes of it when the
database itself goes down."""

import os
import signal
import subprocess
import time

import hosts
import lab
import postgresql
from case import SystemTest
from claimer import Position
from cluster import Cluster
from gate import Gate
from pgbouncer import PgBouncer
from postgresql import INIT, PostgreSQL, Session, SqlError
from process import wait_for

WANTED = os.environ.get("OUTBOX_CLUSTER")  # how many messages, for a long run; otherwise they are few
MESSAGES = int(WANTED or 400)
MAIL = "E'Subject: Your order\\n\\nThank you.\\n'"
PUT = f"SELECT outbox.queue('shop@lab.test', '{{ann@lab.test}}', {MAIL})"


class ClusterTest(SystemTest):
    def session(self, uri, **options):
        session = Session([postgresql.programs() / "psql", "-X", "-q", "-A", "-t", "-d", uri], **options)
        self.addCleanup(session.close)
        return session

    def begin(self, database):
        """The queue in it, for this test; a daemon's number."""
        database.sql(INIT)
        return database.sql("SELECT outbox.daemon_begin('host', '1 hour')")[0][0]


class Functions(ClusterTest):
    """What the daemons call, without them."""

    @classmethod
    def setUpClass(cls):
        cls.database = PostgreSQL(lab.shared().new_directory() / "postgresql", host="127.0.0.1")
        cls.addClassCleanup(cls.database.stop)

    def setUp(self):
        super().setUp()
        self.daemon = self.begin(self.database)
        self.addCleanup(self.database.sql, "DROP SCHEMA outbox CASCADE")

    def test_through_pgbouncer(self):
        """Each call may come by another connection: nothing is kept in one."""
        bouncer = PgBouncer(self.directory / "pgbouncer", self.database, pool=3)
        self.addCleanup(bouncer.stop)
        sessions = [self.session(self.database.uri(port=bouncer.port)) for _ in range(5)]
        sessions[1].sql("BEGIN")  # it has one of the three
        sessions[1].sql(PUT)
        put = [int(sessions[n % 3 + 2].sql(PUT)[0]) for n in range(20)]
        taken, position = [], Position(None, self.daemon)
        for n in range(6):
            position.session = sessions[n % 3 + 2]
            taken += position.step(5)
        self.assertEqual(sorted(taken), put)
        sessions[1].sql("COMMIT")
        last = position.step(5) + position.step(5)  # the first sees that it has ended
        self.assertEqual(len(last), 1)
        for n, message in enumerate(taken + last):
            self.assertEqual(sessions[n % 5].sql(f"SELECT outbox.settle({self.daemon}, {message}, 'sent')"), ["t"])
        self.assertEqual(self.database.sql("SELECT count(*) FROM outbox.message"), [["0"]])

    def test_the_way_is_stopped_and_cut(self):
        """Whoever does not know whether a message was taken hands it over again with its key."""
        gate = Gate(("127.0.0.1", self.database.port))
        self.addCleanup(gate.close)
        uri = self.database.uri(port=gate.port)
        call = f"SELECT outbox.queue('shop@lab.test', '{{ann@lab.test}}', {MAIL}, key => 'order 1')"
        session = self.session(uri, stderr=subprocess.DEVNULL)
        first = session.sql(call)[0]
        gate.stop()
        session.child.stdin.write(f"{call};\n")
        session.child.stdin.flush()
        gate.cut()
        self.assertNotEqual(session.child.wait(30), 0)
        with self.assertRaises(SqlError):
            self.database.sql(f"\\c '{uri}'\n{call}")
        gate.restore()
        self.assertEqual(self.session(uri).sql(call)[0], first)
        self.assertEqual(self.database.sql("SELECT count(*) FROM outbox.ready"), [["1"]])

    def test_a_restored_dump(self):
        """Its transactions' numbers are of another time."""
        put = [int(self.database.sql(PUT)[0][0]) for _ in range(5)]
        dump = self.directory / "dump"
        with open(dump, "wb") as file:
            command = [postgresql.programs() / "pg_dump", "-n", "outbox", "-d", self.database.uri()]
            subprocess.run(command, check=True, stdout=file)
        new = PostgreSQL(self.directory / "new")
        self.addCleanup(new.stop)
        new.sql(dump.read_text(encoding="utf-8"))
        new.sql("UPDATE outbox.ready SET arrived = (arrived::text::bigint + 1000000)::text::xid8")  # of a busy one
        session = self.session(new.uri())
        position = Position(session, new.sql("SELECT outbox.daemon_begin('host', '1 hour')")[0][0])
        self.assertEqual(sorted(position.step(100)), put)
        later = int(new.sql(PUT)[0][0])
        self.assertGreater(later, put[-1])
        self.assertEqual(position.step(100), [later])


class Failover(ClusterTest):
    def test_what_was_committed_is_there(self):
        primary = PostgreSQL(self.directory / "postgresql", host="127.0.0.1")
        self.addCleanup(primary.stop)
        daemon = self.begin(primary)
        standby = primary.standby(self.directory / "standby")
        self.addCleanup(standby.stop)
        put = [int(primary.sql(PUT)[0][0]) for _ in range(10)]
        taken = Position(self.session(primary.uri(), stderr=subprocess.DEVNULL), daemon).step(4)
        for message in taken[:2]:
            primary.sql(f"SELECT outbox.settle({daemon}, {message}, 'sent')")
        with self.assertRaises(SqlError) as refused:
            standby.sql(PUT)
        self.assertIn("read-only transaction", str(refused.exception))
        primary.crash()
        standby.promote()
        both = primary.uri(host="127.0.0.1,127.0.0.1", port=f"{primary.port},{standby.port}")
        session = self.session(f"{both} target_session_attrs=read-write")
        position = Position(session, daemon)
        self.assertEqual(position.step(100), put[4:], "its lease holds there, and what it had not claimed is there")
        for message in taken[2:]:
            self.assertEqual(session.sql(f"SELECT outbox.settle({daemon}, {message}, 'sent')"), ["t"])
        self.assertEqual(session.sql("SELECT count(*) FROM outbox.message"), ["6"])
        new = int(session.sql(PUT)[0])
        self.assertEqual(position.step(100), [new], "its order goes on")

    def test_while_applications_queue(self):
        """Whose commit was not answered is repeated with its keys: each message is there once, and none that was rolled
        back."""
        cluster = Cluster(self.directory / "cluster", daemons=0, standby=True)
        self.addCleanup(cluster.close)
        cluster.queue(200)
        wait_for(lambda: cluster.waiting() > 30, "some messages are there")
        cluster.fail_over()
        for one in cluster.applications:
            one.join()
        self.assertEqual([one.error for one in cluster.applications], [None] * 4)
        told = sorted(key for one in cluster.applications for key in one.told)
        there = cluster.server.sql("SELECT key FROM outbox.message ORDER BY key COLLATE \"C\"")
        self.assertEqual([row[0] for row in there], told)
        self.assertGreater(sum(len(one.rolled_back) for one in cluster.applications), 0)


class Hosts(SystemTest):
    """Daemons on hosts of their own, and the books of what they sent."""

    seconds = 4 * 3600 if WANTED else 600

    def cluster(self, **options):
        self.cluster = Cluster(self.directory / "cluster", **options)
        self.addCleanup(self.cluster.close)
        for daemon in self.cluster.daemons:
            daemon.start()
        self.cluster.wait_begun()
        return self.cluster

    def logs(self):
        return "".join(f"\n# the log of {daemon.host.name} ends:\n{daemon.log.read_text(encoding='utf-8')[-6000:]}"
                       for daemon in self.cluster.daemons)

    def end(self):
        """When all is at rest, the books balance; how often there was a copy too many, by the reason."""
        self.cluster.wait_settled()
        self.cluster.stop_daemons()
        doubles = self.cluster.balance()
        print(f"cluster: {self.cluster.tell()}; second copies: {dict(doubles) or 'none'}")
        self.assertEqual(self.cluster.failures[:20], [], f"of {len(self.cluster.failures)}")
        self.assertEqual(self.cluster.server.sql("SELECT name FROM outbox.daemon"), [], "all have ended in good order")
        return doubles

    def test_all_of_it_arrives(self):
        """Two daemons share it, and nobody has a copy too many."""
        cluster = self.cluster()
        cluster.queue(MESSAGES)
        for daemon in cluster.daemons:
            cluster.wait_sent(daemon, 1, MESSAGES // 4)
        self.assertEqual(self.end(), {})

    def test_killed_stopped_and_cut_off(self):
        """One of four is killed, one stopped for longer than its lease, one cut off from the database."""
        cluster = self.cluster(daemons=4, faults=10)
        killed, stopped, cut, _ = cluster.daemons
        cluster.queue(MESSAGES)
        for daemon in cluster.daemons[:3]:
            cluster.wait_sent(daemon, 5, MESSAGES // 4)
        cluster.trouble(killed, "killed")
        killed.kill()
        away = cluster.trouble(stopped, "stopped")
        stopped.process.signal(signal.SIGSTOP)
        lost = cluster.trouble(cut, "cut off")
        cut.host.cut_from(hosts.DATABASE)
        cluster.end_leases(killed, stopped, cut, wait=bool(WANTED))
        stopped.process.signal(signal.SIGCONT)
        cut.host.join_to(hosts.DATABASE)
        away.end = lost.end = time.monotonic() + 5
        killed.start()
        cluster.queue(MESSAGES // 4)
        self.end()

    def test_failover(self):
        """Nothing that was acknowledged is lost, and nothing is sent twice."""
        cluster = self.cluster(standby=True)
        cluster.queue(MESSAGES)
        for daemon in cluster.daemons:
            cluster.wait_sent(daemon, 5, MESSAGES // 4)
        cluster.database.crash()
        cluster.queue(MESSAGES // 4)  # who begins while nobody takes it
        cluster.standby.promote()
        self.assertEqual(self.end(), {})

    def test_through_pgbouncer(self):
        cluster = self.cluster(pooled=True)
        cluster.queue(MESSAGES)
        self.assertEqual(self.end(), {})
