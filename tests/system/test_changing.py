"""retry, hold, release and delete: what they say, which messages they take, and what they ask before."""

import json
import os
import pty
import subprocess

import lab
from case import SystemTest, message


class Changing(SystemTest):
    def setUp(self):
        super().setUp()
        self.configure()
        for name, state in (("20261126T101010-aaaa", "queued"), ("20261126T101010-bbbb", "deferred"),
                            ("20261126T101011-cccc", "held"), ("other", "failed")):
            self.queue.drop(name, message(sender=f"{name[-4:]}@lab.test"), state=state)

    def states(self):
        return {name.rsplit(".", 1)[0][-4:]: name.rsplit(".", 1)[1] for name in self.queue.names()}

    def test_each_is_told(self):
        self.assertEqual(self.outbox("hold", "20261126T101010-aaaa", "20261126T101010-bbbb"),
                         "20261126T101010-aaaa held\n20261126T101010-bbbb held\n")
        self.assertEqual(self.outbox("delete", "other"), "other deleted\n")
        told = self.outbox("release", "--all")
        self.assertIn("20261126T101011-cccc queued again\n", told)
        self.assertTrue(told.endswith("3 messages queued again\n"), told)
        self.assertEqual(self.outbox("release", "--all"), "0 messages queued again\n")

    def test_as_json(self):
        told = json.loads(self.outbox("retry", "--json", "other"))
        self.assertEqual(told, [{"id": "other", "done": True, "error": None}])
        result = self.outbox("hold", "--json", "20261126T101011-cccc", "20261126T101010-aaaa", status=None)
        told = json.loads(result.stdout)
        self.assertEqual([one["done"] for one in told], [False, True])
        self.assertIn("cccc.held", told[0]["error"])
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(result.stderr, b"")

    def test_nothing_is_done_when_dry(self):
        before = self.states()
        self.assertIn("other would be queued again\n", self.outbox("retry", "--all", "--dry-run"))
        self.assertIn("1 message would be held\n", self.outbox("hold", "-n", "--state", "queued"))
        self.assertEqual(self.outbox("delete", "-n", "other"), "other would be deleted\n")
        result = self.outbox("delete", "-n", "nobody", status=None)
        self.assertIn("no message nobody", result.stderr.decode())
        self.assertEqual(result.returncode, 66)
        self.assertEqual(json.loads(self.outbox("hold", "-n", "-a", "-j"))[0]["done"], False)
        self.assertEqual(self.states(), before)

    def test_chosen_as_list_does(self):
        self.outbox("hold", "--from", "BBBB@")
        self.assertEqual(self.states(), {"aaaa": "queued", "bbbb": "held", "cccc": "held", "ther": "failed"})
        self.outbox("delete", "--state", "failed", "--state", "queued")
        self.assertEqual(self.states(), {"bbbb": "held", "cccc": "held"})
        self.outbox("release", "--older", "1h")
        self.assertEqual(self.states(), {"bbbb": "held", "cccc": "held"})
        result = self.outbox("delete", "--from", "x", "other", status=None)
        self.assertEqual(result.returncode, 64)

    def test_one_that_is_held_is_released(self):
        result = self.outbox("retry", "20261126T101011-cccc", status=None)
        self.assertEqual(result.stderr.decode(),
                         "outbox: 20261126T101011-cccc is held: `outbox release` queues it again\n")

    def test_the_beginning_of_an_id(self):
        self.outbox("hold", "20261126T101010-a")
        self.assertEqual(self.states()["aaaa"], "held")
        self.assertIn("20261126T101011-cccc", self.outbox("show", "20261126T101011"))
        self.assertEqual(self.outbox("delete", "oth.failed"), "other deleted\n")
        for command in ("show", "delete", "hold"):
            result = self.outbox(command, "20261126", status=None)
            self.assertIn("is the beginning of 3 messages", result.stderr.decode())
        self.assertEqual(len(self.states()), 3)
        for nothing in ("", "nobody", "./20261126T101010-a.held"):
            self.assertNotEqual(self.outbox("delete", nothing, status=None).returncode, 0)
        self.assertEqual(len(self.states()), 3)

    def answer(self, answer, *options):
        master, slave = pty.openpty()
        tool = subprocess.Popen([lab.program("outbox"), "--config", self.configuration, "delete", *options],
                                stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.write(master, answer)
        said = tool.communicate()
        os.close(master)
        os.close(slave)
        self.assertEqual(tool.returncode, 0)
        return said[1].decode()

    def test_a_terminal_is_asked(self):
        self.assertIn("4 messages will be deleted for good, without being sent. Go on? [y/N]", self.answer(b"\n", "--all"))
        self.assertIn("1 message will", self.answer(b"\n", "--state", "failed"))
        self.assertEqual(self.answer(b"", "--state", "sent"), "")
        self.assertIn("nothing was changed", self.answer(b"no\n", "--all"))
        self.assertIn("nothing was changed", self.answer(b"\x04", "--state", "failed"))
        self.assertEqual(len(self.states()), 4)
        self.assertNotIn("[y/N]", self.answer(b"", "other"))
        self.assertNotIn("[y/N]", self.answer(b"", "--all", "--dry-run"))
        self.assertEqual(len(self.states()), 3)
        self.assertIn("[y/N]", self.answer(b"y\n", "--state", "held"))
        self.assertEqual(len(self.states()), 2)
        self.assertNotIn("[y/N]", self.answer(b"", "--all", "--yes"))
        self.assertEqual(self.states(), {})

    def test_a_program_is_not(self):
        self.assertIn("4 messages deleted", self.outbox("delete", "--all"))

    def test_what_a_dead_process_was_sending(self):
        for name in ("dead1", "dead2", "dead3"):
            self.queue.drop(name, message(), state="sending")
        self.assertIn("has died", self.outbox("show", "dead1"))
        self.assertRegex(self.outbox("list", "sending"), r"(?m)^dead1 +sending .* daemon  ")
        self.assertEqual(self.outbox("hold", "dead1"), "dead1 held\n")
        self.assertEqual(self.outbox("retry", "dead2"), "dead2 queued again\n")
        self.assertIn("dead3 deleted\n", self.outbox("delete", "--state", "sending"))
        self.assertEqual(sorted(name for name in self.queue.names() if name.startswith("dead")),
                         ["dead1.held", "dead2.queued"])

    def test_one_id_of_two_messages(self):
        self.queue.drop("x", message(), state="queued")
        self.queue.drop("x", message(), state="failed")
        for command in ("show", "delete", "adopt"):
            result = self.outbox(command, "x", status=None)
            self.assertRegex(result.stderr.decode(), r"^outbox: .*x is the id of several messages in .*: name one of them "
                             r"with its state: x\.queued, x\.failed\n$")
            self.assertEqual(result.returncode, 66)
        self.assertRegex(self.outbox("show", "x.failed"), "State: +failed")
        self.assertEqual(self.outbox("hold", "x"), "x held\n")
        self.assertEqual(self.outbox("delete", "x.failed"), "x deleted\n")
        self.assertRegex(self.outbox("show", "x"), "State: +held")


class Adopting(SystemTest):
    def test_a_copy_keeps_what_was_said_of_it(self):
        self.configure()
        self.queue.drop("a", message(to=["refused@lab.test", self.address()]))
        self.outbox("process", status=69)
        copy = self.lab.new_directory() / "copy"
        subprocess.run(["cp", "-a", self.queue.path, copy], check=True)
        self.outbox("adopt", "--all", "--directory", copy)
        before, after = (json.loads(self.outbox("show", "--json", "--directory", where, "a")) for where in (self.queue.path, copy))
        said = [[line for line in one.pop("record") if line["event"] != "message"] for one in (before, after)]
        self.assertEqual(said[0], said[1])
        self.assertEqual(before, after)
        self.assertEqual((after["state"], after["attempts"]), ("failed", 1))
        self.assertEqual(sorted(line["event"] for line in said[1])[:2], ["delivered", "failed"])
