"""Pickup directories of a daemon whose queue is in a database: each file becomes one message there, whenever the
daemon dies, and waits where it is while there is no database."""

import os
import pathlib
import signal

from case import message
from database_case import DatabaseTest
from preload import LONG_IS_SHORT, preload
from process import wait_for

# The daemon dies when it is to take a file away whose message is in the database.
DIES = """
int unlinkat(int fd, const char *name, int flags)
{
    if (strncmp(name, ".outbox-taken-", 14) == 0)
        raise(SIGKILL);
    return (int)syscall(SYS_unlinkat, fd, name, flags);
}
"""
# It dies when the file has its other name, before anything is put.
DIES_BEFORE = """
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    int r = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);

    if (strncmp(to, ".outbox-taken-", 14) == 0)
        raise(SIGKILL);
    return r;
}
"""
# It dies when the copy that it has made in the queue directory is to get a name there.
DIES_BEHIND_A_COPY = """
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (strncmp(from, ".pickup-", 8) == 0)
        raise(SIGKILL);
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}
"""


class PickupTest(DatabaseTest):
    def setUp(self):
        super().setUp()
        self.relay = self.odd()
        self.place = pathlib.Path(self.lab.new_directory())

    def serve_pickup(self, conninfo=None, wrapper=(), ready=True, **pickup):
        return self.serve(self.relay, conninfo, spool={"pickup": {"directory": str(self.place), **pickup}},
                          wrapper=wrapper, ready=ready)

    def drop(self, name, content=None):
        (self.place / f".{name}").write_bytes(content or message())
        (self.place / f".{name}").rename(self.place / name)

    def wait_names(self, *names):
        wait_for(lambda: sorted(os.listdir(self.place)) == sorted(names),
                 lambda: f"there is {os.listdir(self.place)}{self.logs()}")


class Pickup(PickupTest):
    def nobody_claims(self):
        session = self.database.session()
        self.addCleanup(session.close)
        session.sql("BEGIN; LOCK TABLE outbox.leased")
        return session

    def test_files_become_messages(self):
        """Those of before the start, and those that come; nothing is written into the queue directory."""
        self.drop("a.eml")
        daemon = self.serve_pickup()
        self.wait_taken(self.relay, "ann")
        self.drop("b.eml", b"X-Sender: <news@lab.test>\nX-Receiver: <bob@lab.test>\n" + message(envelope=False))
        self.wait_taken(self.relay, "bob")
        self.wait_names()
        self.wait_log(daemon, "event=picked-up")
        self.assertEqual(self.relay.copies("ann@lab.test"), 1)
        self.assertEqual([name for name in os.listdir(self.queue.path) if not name.startswith(".state-")], [])

    def test_whose_it_is_and_what_it_says(self):
        blocker = self.nobody_claims()
        self.serve_pickup(dot_stuffed=True, pattern="*.msg")
        self.drop("a.msg", b"\xef\xbb\xbfX-Receiver: <ann@lab.test> NOTIFY=NEVER\nX-Outbox-Lane: Bulk\n"
                           b"From: shop@lab.test\n\n..a\n.\n")
        self.drop("b.eml")
        self.wait_names("b.eml")
        self.assertEqual(self.sql("SELECT m.uid, m.lane, encode(m.content, 'escape') LIKE '%\n\n.a\n', r.parameters"
                                  " FROM outbox.message m JOIN outbox.recipient r ON r.message = m.id"),
                         [[str(os.getuid()), "bulk", "t", "NOTIFY=NEVER"]])
        blocker.sql("ROLLBACK")

    def test_what_is_no_message_is_put_aside(self):
        daemon = self.serve_pickup()
        self.drop("a.eml", b"Subject: to nobody\n\nx\n")
        self.drop("b.eml")
        self.wait_taken(self.relay, "ann")
        self.wait_names("a.eml.bad", "a.eml.bad.reason")
        self.assertIn("no sender", (self.place / "a.eml.bad.reason").read_text(encoding="utf-8"))
        self.assertIn("event=pickup-refused", daemon.output())
        self.assertEqual(self.count("used_key"), 1)

    def test_many_files(self):
        for number in range(300):
            self.drop(f"{number}.eml", message(to=[f"n{number}@lab.test"]))
        self.serve_pickup()
        self.wait_names()
        self.wait_empty()
        self.assertEqual(sorted(recipients[0] for recipients, _ in self.relay.accepted),
                         sorted(f"n{number}@lab.test" for number in range(300)))

    def test_a_death_behind_the_commit(self):
        """It is found again, and is the same message, also when that was delivered and is gone."""
        for delivered in (False, True):
            with self.subTest(delivered=delivered):
                self.relay.accepted.clear()
                blocker = self.nobody_claims()
                self.drop("a.eml")
                daemon = self.serve_pickup(wrapper=preload(self.directory, DIES), ready=False)
                daemon.wait()
                self.assertEqual((len(os.listdir(self.place)), self.count("message")), (1, 1))
                blocker.sql("ROLLBACK")
                if delivered:
                    self.configure(self.settings(self.relay), spool={"database": self.conninfo()})
                    self.outbox("process", status=None)
                    self.assertEqual(self.count("message"), 0)
                daemon = self.serve_pickup()
                self.wait_names()
                self.wait_empty()
                self.assertEqual(self.relay.copies("ann@lab.test"), 1)
                daemon.signal(signal.SIGTERM)
                daemon.wait()

    def test_a_death_in_front_of_it(self):
        self.drop("a.eml")
        self.serve_pickup(wrapper=preload(self.directory, DIES_BEFORE), ready=False).wait()
        self.assertEqual((len(os.listdir(self.place)), self.count("message")), (1, 0))
        self.serve_pickup()
        self.wait_names()
        self.wait_empty()
        self.assertEqual(self.relay.copies("ann@lab.test"), 1)

    def test_no_database(self):
        """What is there waits where it is, under its name, and this is said once."""
        daemon = self.serve_pickup(self.conninfo(dbname="nowhere"))
        self.drop("a.eml")
        self.wait_log(daemon, "what is here waits")
        self.drop("b.eml")
        self.wait_names("a.eml", "b.eml")
        daemon.signal(signal.SIGTERM)
        daemon.wait()
        self.assertEqual(daemon.output().count("what is here waits"), 1)
        self.serve_pickup()
        self.wait_names()
        wait_for(lambda: self.relay.copies("ann@lab.test") == 2, "both are delivered")

    def test_the_database_is_there_again(self):
        """What waited for it goes soon."""
        daemon = self.serve_pickup()
        self.put("ann")
        self.wait_taken(self.relay, "ann")
        self.database.stop()
        self.drop("a.eml", message(to=["bob@lab.test"]))
        self.wait_log(daemon, "what is here waits")
        self.database.start()
        self.wait_taken(self.relay, "bob", seconds=30)
        self.wait_names()

    def test_what_is_not_the_databases(self):
        """A directory that is missing is looked for each minute, and no sooner."""
        self.place.rmdir()
        daemon = self.serve_pickup(wrapper=preload(self.directory, "#define LONG 60\n" + LONG_IS_SHORT))
        self.wait_log(daemon, "there is no such pickup directory")
        self.place.mkdir()
        self.drop("a.eml")
        self.wait_taken(self.relay, "ann")
        self.wait_names()


class Former(PickupTest):
    """What a daemon has copied into its queue directory that died, before there was a database."""

    def die(self, source):
        """A daemon without the database takes a file, and dies at that point."""
        self.drop("a.eml")
        self.start(self.settings(self.relay), spool={"pickup": {"directory": str(self.place)}},
                   wrapper=preload(self.directory, source), ready=False).wait()
        self.assertEqual(len(self.copies_here()), 1)

    def copies_here(self):
        return [name for name in os.listdir(self.queue.path) if name.startswith(".pickup-")]

    def wait_taken_once(self):
        wait_for(lambda: not self.copies_here(), lambda: f"no copy, and there is {self.copies_here()}{self.logs()}", 30)
        self.wait_taken(self.relay, "ann")
        self.wait_empty()
        self.assertEqual(self.relay.copies("ann@lab.test"), 1)

    def test_the_file_is_gone(self):
        self.die(DIES_BEHIND_A_COPY)
        self.assertEqual(os.listdir(self.place), [])
        blocker = self.database.session()
        self.addCleanup(blocker.close)
        blocker.sql("BEGIN; LOCK TABLE outbox.leased")
        self.serve_pickup()
        wait_for(lambda: self.count("message") == 1, lambda: f"one message there{self.logs()}")
        self.assertEqual(self.one("SELECT uid FROM outbox.message"), str(os.getuid()))
        self.assertEqual(self.one("SELECT encode(content, 'escape') LIKE '%Outbox-Uid%' FROM outbox.message"), "f")
        blocker.sql("ROLLBACK")
        self.wait_taken_once()

    def test_the_file_is_there(self):
        self.die(DIES_BEFORE)
        self.assertEqual(len(os.listdir(self.place)), 1)
        self.serve_pickup()
        self.wait_names()
        self.wait_taken_once()

    def test_the_directory_is_not_configured_any_more(self):
        """And there is no database at first."""
        self.die(DIES_BEHIND_A_COPY)
        self.database.stop()
        daemon = self.serve(self.relay)
        self.wait_log(daemon, "event=database-lost")
        self.assertEqual(len(self.copies_here()), 1)
        self.database.start()
        self.wait_taken_once()

    def test_no_database_at_first(self):
        """It is not forgotten where there is no file that waits as well."""
        self.die(DIES_BEHIND_A_COPY)
        self.assertEqual(os.listdir(self.place), [])
        self.database.stop()
        daemon = self.serve_pickup()
        self.wait_log(daemon, "what was taken from a pickup directory when messages went here waits: ")
        self.assertEqual(len(self.copies_here()), 1)
        self.database.start()
        self.wait_taken_once()

    def test_what_is_no_message(self):
        """It is told of, and keeps no file waiting."""
        (self.queue.path / ".pickup-0-1-2").write_bytes(b"Subject: to nobody\n\nx\n")
        daemon = self.serve_pickup()
        self.drop("a.eml")
        self.wait_taken(self.relay, "ann")
        self.wait_log(daemon, "/.pickup-0-1-2 is what was taken from a pickup directory when messages went here, and"
                              " cannot be queued: ")
        self.assertEqual(self.copies_here(), [".pickup-0-1-2"])

    def test_what_was_no_message(self):
        """It is tried again each hour, and no sooner."""
        copy = self.queue.path / ".pickup-0-1-2"
        copy.write_bytes(b"Subject: to nobody\n\nx\n")
        daemon = self.serve(self.relay, wrapper=preload(self.directory, "#define LONG 3600\n" + LONG_IS_SHORT))
        self.wait_log(daemon, "/.pickup-0-1-2 is what was taken from a pickup directory")
        copy.with_name("mended").write_bytes(message())
        copy.with_name("mended").rename(copy)
        self.wait_taken_once()
