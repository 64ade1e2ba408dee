"""A drop box of several users: nobody waits behind the thousands of messages of another, and each
may name the senders that a setting says."""

import json
import os
import subprocess

import lab
from case import message
from odd_relay import RelayTest
from process import wait_for

ALICE, BOB, KEEPER = 61001, 61002, 61003
MANY = 6000


class DropBoxTest(RelayTest):
    """A queue directory that all users may put files into."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can give files to other users")
        self.queue.path.chmod(0o1733)

    def drop_of(self, user, name, content=None):
        temporary = self.queue.path / f".{name}.new"
        temporary.write_bytes(content or message(to=[f"{name}@lab.test"]))
        os.chown(temporary, user, user)
        temporary.rename(self.queue.path / f"{name}.queued")


class Shares(DropBoxTest):
    """Alice has queued thousands of messages; bob queues one."""

    def before(self, relay, name):
        """How many messages were taken before that one."""
        self.wait_taken(relay, name, seconds=60)
        return [recipients[0] for recipients, _ in relay.accepted].index(f"{name}@lab.test")

    def test_one_that_comes_while_thousands_wait(self):
        relay = self.odd()
        for i in range(MANY):
            self.drop_of(ALICE, f"alice-{i}")
        self.start(self.settings(relay))
        wait_for(lambda: len(relay.accepted) > 50, "alice's first messages")
        seen = len(relay.accepted)
        self.drop_of(BOB, "bob")
        self.assertLess(self.before(relay, "bob") - seen, 300)

    def test_one_among_thousands_that_are_there_at_the_start(self):
        relay = self.odd()
        for i in range(MANY):
            self.drop_of(ALICE, f"alice-{i}")
            if i in (0, MANY // 2):
                self.drop_of(BOB, f"bob-{i}")
        self.start(self.settings(relay))
        self.assertLess(self.before(relay, "bob-0"), 300)
        self.assertLess(self.before(relay, f"bob-{MANY // 2}"), 300)


class Long(DropBoxTest):
    """Alice's messages take long to read: they are large, and all one line, or larger than any is."""

    HEADER = b"From: a@lab.test\nTo: %s@lab.test\n\n"

    def drop_long(self, name, size):
        """One that takes no room on the disk."""
        self.drop_of(ALICE, name, self.HEADER % name.encode())
        os.truncate(self.queue.path / f"{name}.queued", size)

    def test_nobody_else_waits_for_them(self):
        relay = self.odd()
        for i in range(40):
            self.drop_long(f"alice-{i}", 200 << 20)
        daemon = self.start(self.settings(relay))
        for i in range(5):
            self.drop_of(BOB, f"bob-{i}")
            self.wait_taken(relay, f"bob-{i}")
        self.assertLess(len(relay.accepted), 10)
        self.assertEqual(daemon.terminate(), 0)
        # But for those that a thread was reading.
        self.assertLessEqual(len(self.queue.in_state("sending")), 2)

    def test_larger_than_any_relay_takes(self):
        relay = self.odd()
        self.drop_long("alice", 1 << 40)
        self.start(self.settings(relay))
        self.drop_of(BOB, "bob")
        self.wait_taken(relay, "bob")
        self.queue.wait_state("alice", "failed")
        self.assertIn("too large to be converted", str(self.queue.record("alice")))


class Owner(DropBoxTest):
    """Whose message it is, where one looks for it."""

    def test_log_list_and_show(self):
        daemon = self.start(self.settings(self.odd(lambda _, verb, __: "550 no" if verb == "RCPT" else None)))
        self.drop_of(ALICE, "refused")
        pipe = self.queue.path / ".pipe.new"
        os.mkfifo(pipe)
        os.chown(pipe, BOB, BOB)
        pipe.rename(self.queue.path / "pipe.queued")
        self.queue.wait_state("refused", "failed")
        self.queue.wait_state("pipe", "failed")
        self.wait_log(daemon, f"id=pipe uid={BOB}")
        lines = [line for line in daemon.output().splitlines() if " id=refused " in line]
        self.assertEqual(len(lines), 2, daemon.output())  # the recipient's outcome, and the message's
        for line in lines:
            self.assertIn(f" id=refused uid={ALICE} ", line)
        listed = {row["id"]: row["uid"] for row in json.loads(self.outbox("list", "--json"))}
        self.assertEqual(listed, {"refused": ALICE, "pipe": BOB})
        self.assertEqual(json.loads(self.outbox("show", "refused", "--json"))["uid"], ALICE)
        self.assertIn(f"User:       {ALICE}\n", self.outbox("show", "refused"))
        self.assertEqual([line["uid"] for line in self.queue.record("refused") if "uid" in line], [ALICE])


class Senders(DropBoxTest):
    """Alice may name her own address and all of a domain, root and the queue's owner any, everybody
    else the shop."""

    RULES = f"{ALICE}: alice@lab.test @a.test; *: shop@lab.test"

    def drop_from(self, user, name, sender, header=None):
        content = message(to=[f"{name}@lab.test"], sender=sender)
        if header:
            content = f"From: {header}\nTo: {name}@lab.test\n\nHello.\n".encode()
        self.drop_of(user, name, content)

    def reason(self, name):
        self.queue.wait_state(name, "failed")
        (failed,) = self.queue.events(name, "failed")
        self.assertEqual(failed["error"], 9010)
        return failed["text"]

    def test_only_what_the_rules_allow_is_sent(self):
        relay = self.odd()
        os.chown(self.queue.path, KEEPER, KEEPER)
        # Root's gives records away, to the owner of the queue; the unit's is that owner.
        daemon = self.start(self.settings(relay), spool={"senders": self.RULES}, confined=False)
        good = {"own": (ALICE, "alice@LAB.test"), "domain": (ALICE, "any@a.test"), "other": (BOB, "shop@lab.test"),
                "root": (0, "boss@lab.test"), "owner": (KEEPER, "boss@lab.test"), "null": (0, "")}
        bad = {"boss": (ALICE, "boss@lab.test"), "case": (ALICE, "Alice@lab.test"), "below": (ALICE, "x@b.a.test"),
               "others": (ALICE, "shop@lab.test"), "bounce": (ALICE, ""), "bob": (BOB, "alice@lab.test")}
        for name, (user, sender) in {**good, **bad}.items():
            self.drop_from(user, name, sender)
        self.drop_from(ALICE, "header", None, header="Alice <alice@lab.test>")
        self.drop_from(ALICE, "forged", None, header="Boss <boss@lab.test>")
        self.wait_taken(relay, "header", *good)
        for name, (user, sender) in {**bad, "forged": (ALICE, "boss@lab.test")}.items():
            self.assertTrue(self.reason(name).startswith(f"user {user} may not name the sender <{sender}>: "), name)
            self.assertEqual(relay.copies(f"{name}@lab.test"), 0)
            self.wait_log(daemon, f"id={name} uid={user} error=9010")
        self.assertTrue(self.reason("boss").endswith("spool.senders allows alice@lab.test @a.test"))

    def test_a_reload_brings_rules_and_the_file_of_root_needs_none(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay))
        self.drop_from(BOB, "before", "boss@lab.test")
        self.wait_taken(relay, "before")
        self.configure(self.settings(relay), spool={"senders": self.RULES})
        daemon.reload()
        self.drop_from(BOB, "after", "boss@lab.test")
        self.reason("after")
        os.chown(self.queue.path / "after.failed", 0, 0)
        self.outbox("retry", "after")
        self.wait_taken(relay, "after")
        self.configure(self.settings(relay))
        daemon.reload()
        self.drop_from(BOB, "free", "boss@lab.test")
        self.wait_taken(relay, "free")

    def test_who_queues_hears_it_at_once(self):
        self.configure(self.settings(self.odd()), spool={"senders": self.RULES})
        self.configuration.chmod(0o644)
        (self.directory / "sendmail").symlink_to(lab.program("outbox"))
        (self.directory / "one.eml").write_bytes(message(sender="boss@lab.test"))
        (self.directory / "two.eml").write_bytes(message(sender="alice@lab.test"))
        batch = [self.directory / "one.eml", self.directory / "two.eml"]
        forged = message(sender="boss@lab.test")
        for arguments, stdin in ((["queue"], forged), (["queue", "--from", "boss@lab.test", "--to", "a@lab.test",
                                                       "--body", "x"], b""), (["queue", "--batch", *batch], b"")):
            result = self.outbox(*arguments, stdin=stdin, status=None, user=ALICE, group=ALICE, extra_groups=[])
            self.assertEqual(result.returncode, 77, result.stderr)
            self.assertIn(f"user {ALICE} may not name the sender <boss@lab.test>".encode(), result.stderr)
            self.assertIn(b"outbox: 9010: ", result.stderr)
        self.assertEqual(len(self.queue.in_state("queued")), 1)  # the other one of the batch
        for sender, status in (("boss@lab.test", 77), ("alice@lab.test", 0)):
            self.assertEqual(self.sendmail(sender), status)
        self.assertEqual(len(self.queue.in_state("queued")), 2)
        self.outbox("queue", stdin=forged)  # by root
        self.assertEqual(len(self.queue.in_state("queued")), 3)

    def sendmail(self, sender):
        """As alice; its exit status."""
        return subprocess.run(
            [self.directory / "sendmail", "-C", self.configuration, "-f", sender, "ann@lab.test"],
            input=b"Subject: x\n\nHello.\n", check=False, capture_output=True,
            user=ALICE, group=ALICE, extra_groups=[]).returncode
