"""What is killed: the daemon in every situation, and every program that changes the queue."""

import os
import re

import lab
from killing import KILLED, Scenario


# ---- The daemon. ----

class OneRecipient(Scenario):
    def prepare(self, run):
        run.drop("a", "ann")


class SeveralRecipients(Scenario):
    """Delivered, refused and deferred ones."""

    def prepare(self, run):
        run.drop("a", "ann", "no-bob", "later-cid", "dan")


class SeveralDelivered(Scenario):
    """In several transactions, for the relay wants no more than two recipients in one."""

    relay = {"recipients_per_transaction": 2}

    def prepare(self, run):
        run.drop("a", "ann", "bob", "cid", "dan", "eve")


class Refused(Scenario):
    def prepare(self, run):
        run.drop("a", "no-ann", "no-bob")


class Told(Scenario):
    """The sender hears of those who were refused: once, wherever the daemon dies."""

    bounce = {"to": "sender"}

    def prepare(self, run):
        run.drop("a", "ann", "no-bob", "no-cid")

    def judge(self, run):
        reports = [one for one in run.bench.relay.books
                   if one.key == "Undelivered" and f"a.{run.number}\r\n".encode() in one.content]
        ids = {re.search(rb"^Message-ID: (.*)", one.content, re.MULTILINE)[1] for one in reports}
        run.check(len(ids) == 1, f"{len(ids)} reports: {ids}")
        for one in reports:
            run.check(one.recipients == ("shop@lab.test",), f"told was {one.recipients}")
            run.check(one.content.count(b"Final-Recipient: ") == 2, f"the report is {one.content}")


class ContentRefused(Scenario):
    def prepare(self, run):
        run.drop("a", "spam-bob", "spam-cid")


class Deferred(Scenario):
    """By each kind of reply."""

    def prepare(self, run):
        run.drop("a", "twice-ann")
        run.drop("b", "busy-bob")


class GivenUp(Scenario):
    patient = True
    retry = {**Scenario.retry, "max_attempts": 2}

    def prepare(self, run):
        run.drop("a", "ann", "never-bob")


class Kept(Scenario):
    spool = {"keep_sent": True}

    def prepare(self, run):
        run.drop("a", "ann")
        run.drop("b", "bob", "later-cid")


class Held(Scenario):
    """An operator holds a message that waits, and releases it, with mv."""

    def prepare(self, run):
        run.drop("a", "ann", "later-bob")
        run.drop("b", "bob", state="held")

    def meanwhile(self, run):
        if "held" not in run.memory and run.move("a.deferred", "a.held"):
            run.memory["held"] = True
        elif "held" in run.memory:
            run.move("a.held", "a.queued")
        run.move("b.held", "b.queued")


class Retried(Scenario):
    """A message that has failed, and that everybody but one has, is tried again."""

    def prepare(self, run):
        run.drop("a", "ann", "once-bob")
        run.settle()
        run.check(run.move("a.failed", "a.queued"), "it did not fail")


class IdInUse(Scenario):
    """A failed message of the same id, and its record, are there."""

    def prepare(self, run):
        run.drop("a", "ann", "no-bob", key="old")
        run.settle()
        run.drop("a", "cid", "later-dan", "no-eve", key="new")


class IdTaken(Scenario):
    """Somebody puts a file beside it, so that its id is taken, while it is being delivered."""

    def prepare(self, run):
        (run.directory / "other").write_bytes(b"From: somebody@lab.test\n\nNothing.\n")
        run.drop("a", "cid", "later-dan", "no-eve")

    def meanwhile(self, run):
        if run.queue.has("a.sending"):
            self.again(run)

    def again(self, run):
        if (run.directory / "other").exists():
            (run.directory / "other").rename(run.queue.path / "a.failed")

    def may_leave(self, run, name):
        return name == "a.failed"


class OrphanedRecord(Scenario):
    """Of the former message of this id only the record is left: the new one is no heir."""

    def prepare(self, run):
        run.drop("a", "ann", "no-bob", key="old")
        run.settle()
        os.unlink(run.queue.path / "a.failed")
        run.delete("old")
        run.drop("a", "ann", "later-bob", key="new")

    def may_leave(self, run, name):
        return name == "a.status"


class Defective(Scenario):
    """What can be no message, beside one that is."""

    def prepare(self, run):
        (run.queue.path / "link.queued").symlink_to("nowhere")
        (run.queue.path / "empty.queued").touch()
        (run.queue.path / "odd.queued").write_bytes(b"X-Receiver: <not an address\n\nText\n")
        run.drop("a", "ann")

    def may_leave(self, run, name):
        return name.partition(".")[0] in ("link", "empty", "odd")


class LongRecord(Scenario):
    """A record that is made shorter when it is claimed: most of it has been superseded."""

    relay = {"recipients_per_transaction": 1000}

    def prepare(self, run):
        run.drop("a", "ann", *(f"often-{i}" for i in range(300)))


class Others(Scenario):
    """Many messages with different ends are in flight."""

    relay = {"connections": 4}

    def prepare(self, run):
        run.drop("a", "ann", "no-bob")
        run.drop("b", "bob")
        run.drop("c", "later-cid", "dan")
        run.drop("d", "spam-dan")
        run.drop("e", "eve", "fay", "gus")
        run.drop("f", "busy-fay")
        run.drop("g", "gus")


# ---- Programs that queue. ----

class Queueing(Scenario):
    """Messages that a program queues. What it has not told may be there or not, but never twice."""

    people = ("ann", "later-bob")

    def tell(self, run, name, status, output):
        """Whether the program has told that this message is queued."""
        return status == 0 or output.endswith("\n")

    def content(self, run):
        return run.expect("a", self.people, told=False)

    def arguments(self, run):
        return [lab.program("outbox"), "queue", "--directory", run.queue.path]

    def program(self, run, point):
        content = self.content(run)
        status, output = run.tool(self.arguments(run), point, content)
        run.check(status in (0, KILLED), f"exit status {status}")
        for one in run.messages.values():
            one.told = self.tell(run, one.key, status, output)
        return status == KILLED


class Queue(Queueing):
    pass


class QueueBatch(Queueing):
    def content(self, run):
        for name in ("a", "b", "c"):
            path = run.directory / f"{name}.eml"
            path.write_bytes(run.expect(name, self.people, told=False))
        return b""

    def arguments(self, run):
        files = [run.directory / f"{name}.eml" for name in ("a", "b", "c")]
        return [*super().arguments(run), "--batch", *files]

    def tell(self, run, name, status, output):
        # The names are printed in the order of the files.
        return status == 0 or output.count("\n") > sorted(run.messages).index(name)


class QueueComposed(Queueing):
    def arguments(self, run):
        people = [f"--to={one}.{run.number}@lab.test" for one in self.people]
        return [*super().arguments(run), "--from", "shop@lab.test", *people, "--subject",
                f"a.{run.number}", "--body", "Hello.\n", "--attach", run.configuration]

    def program(self, run, point):
        killed = super().program(run, point)
        run.messages[f"a.{run.number}"].body = b"Hello.\r\n"  # the program composes the rest
        return killed


class QueueAsMember(Queueing):
    """Who queues may neither list the directory nor sync it."""

    def prepare(self, run):
        run.queue.path.chmod(0o3730)
        os.chown(run.queue.path, 0, 65534)
        run.directory.chmod(0o755)

    def arguments(self, run):
        return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *super().arguments(run)]


class Sendmail(Queueing):
    def prepare(self, run):
        (run.directory / "sendmail").symlink_to(lab.program("outbox"))

    def arguments(self, run):
        people = [f"{one}.{run.number}@lab.test" for one in self.people]
        return [run.directory / "sendmail", "-C", run.configuration, "-i", "-f", "shop@lab.test", *people]

    def program(self, run, point):
        envelope, _, content = self.content(run).partition(b"From: ")
        status, output = run.tool(self.arguments(run), point, b"From: " + content)
        run.check(status in (0, KILLED), f"exit status {status}: {envelope}")
        run.messages[f"a.{run.number}"].told = status == 0
        return status == KILLED


class SendmailSmtp(Sendmail):
    """Two messages in a session, each told by its reply."""

    def arguments(self, run):
        return [run.directory / "sendmail", "-C", run.configuration, "-bs"]

    def transaction(self, run, name):
        _, _, content = run.expect(name, self.people, told=False).partition(b"From: ")
        people = "".join(f"RCPT TO:<{one}.{run.number}@lab.test>\n" for one in self.people)
        return b"MAIL FROM:<shop@lab.test>\n" + people.encode() + b"DATA\nFrom: " + content + b".\n"

    def program(self, run, point):
        said = b"EHLO x\n" + self.transaction(run, "a") + self.transaction(run, "b") + b"QUIT\n"
        status, output = run.tool(self.arguments(run), point, said.replace(b"\n", b"\r\n"))
        run.check(status in (0, KILLED), f"exit status {status}")
        for number, one in enumerate(run.messages.values()):
            one.told = output.count("queued as ") > number
        return status == KILLED


# ---- Programs of an operator. ----

class Process(Scenario):
    """A directory is emptied once, without a daemon."""

    def prepare(self, run):
        run.drop("a", "ann", "no-bob", "later-cid")
        run.drop("b", "bob")

    def program(self, run, point):
        arguments = [lab.program("outbox"), "--config", run.configuration, "process"]
        return run.tool(arguments, point)[0] == KILLED


class Operating(Scenario):
    """A command that is killed has done all or nothing, and may be given again."""

    command = ""

    def program(self, run, point):
        arguments = [lab.program("outbox"), "--config", run.configuration, self.command, "a"]
        return run.tool(arguments, point)[0] == KILLED

    def must_be_in(self, run, *states):
        found = run.files()[f"a.{run.number}"]
        run.check(len(found) == 1 and found[0] in [("a", state) for state in states],
                  f"after {self.command} it is {found}")
        return found[0][1]


class Retry(Operating):
    command = "retry"

    def prepare(self, run):
        run.drop("a", "ann", "once-bob")
        run.settle()

    def again(self, run):
        if self.must_be_in(run, "failed", "queued") == "failed":
            run.outbox("retry", "a")


class Hold(Operating):
    command = "hold"

    def prepare(self, run):
        run.drop("a", "ann", "bob")

    def again(self, run):
        if self.must_be_in(run, "held", "queued") == "queued":
            run.outbox("hold", "a")
        run.settle()
        self.must_be_in(run, "held")
        run.outbox("release", "a")


class Release(Operating):
    command = "release"

    def prepare(self, run):
        run.drop("a", "ann", "bob", state="held")

    def again(self, run):
        if self.must_be_in(run, "held", "queued") == "held":
            run.outbox("release", "a")


class Delete(Operating):
    """Given again, it leaves nothing; a new message of that id goes to everybody."""

    command = "delete"
    repeated = True

    def prepare(self, run):
        run.drop("a", "ann", "no-bob")
        run.settle()
        run.delete("a")

    def again(self, run):
        if self.repeated:
            run.outbox("delete", "a", status=None)
            run.check(run.queue.is_empty(), "something is left of it")
        elif run.queue.has("a.failed"):
            os.unlink(run.queue.path / "a.failed")
        run.drop("a", "ann", "later-bob", key="new")


class DeleteOnce(Delete):
    """The next message of that id comes before anybody has cleared up."""

    repeated = False

    def may_leave(self, run, name):
        return name == "a.status"


DAEMON = (OneRecipient, SeveralRecipients, SeveralDelivered, Refused, Told, ContentRefused, Deferred, GivenUp, Kept,
          Held, Retried, IdInUse, IdTaken, OrphanedRecord, Defective, LongRecord, Others)
QUEUEING = (Queue, QueueBatch, QueueComposed, QueueAsMember, Sendmail, SendmailSmtp)
OPERATING = (Process, Retry, Hold, Release, Delete, DeleteOnce)
TWICE = (SeveralRecipients, IdInUse, Told)
