"""sendmail and mailq: what the programs that call them give, and what becomes of it in the queue."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import unittest
import unittest.mock

import lab
from case import SystemTest, message

CHECK_MAILQ, UTILS = (pathlib.Path(f"/var/cache/outbox-lab/monitoring-plugins-{package}/usr/lib/nagios/plugins/{name}")
                      for package, name in (("standard", "check_mailq"), ("common", "utils.pm")))


class Sendmail(SystemTest):
    def setUp(self):
        super().setUp()
        self.aliases = self.directory / "aliases"
        self.aliases.touch()
        self.rules()
        for name in ("sendmail", "mailq", "newaliases"):
            (self.directory / name).symlink_to(lab.program("outbox"))

    def rules(self, **local):
        """Configures `local`: an empty file of aliases and a domain, where nothing else is said."""
        settings = {"aliases": self.aliases, "domain": "here.test", **local}
        self.configure(local={name: value for name, value in settings.items() if value is not None})

    def sendmail(self, text, *arguments, status=0):
        """Runs sendmail; what it says on standard error."""
        result = subprocess.run(
            [self.directory / "sendmail", "-C", self.configuration, *arguments],
            input=text.encode(), capture_output=True, check=False, timeout=300,
        )
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stdout, b"")
        return result.stderr.decode()

    def queued(self, text, *arguments):
        """The lines that were queued, with "@here" for this machine's domain."""
        self.sendmail(text, *arguments)
        names = self.queue.in_state("queued")
        self.assertEqual(len(names), 1)
        path = self.queue.path / names[0]
        lines = path.read_bytes().decode().replace("@" + self.domain(), "@here").split("\n")
        path.unlink()
        return lines

    def domain(self):
        return "here.test"

    def receivers(self, text, *arguments):
        """The envelope's recipients of what was queued."""
        return [line[12:] for line in self.queued(text, *arguments) if line.startswith("X-Receiver: ")]

    def test_local_names(self):
        self.aliases.write_text("# rules\nops: Root, ann@lab.test,\n  bob@lab.test\nwww: |run\nloop: pool\npool: loop\n",
                                encoding="ascii")
        self.rules(root="me@lab.test, ann@lab.test")
        original = "ORCPT=rfc822;{}@here.test".format
        self.assertEqual(self.receivers("To: root\n\nx\n", "-t"),
                         [f"<me@lab.test> {original('root').replace('@here.test', '@here')}",
                          f"<ann@lab.test> {original('root').replace('@here.test', '@here')}"])
        self.assertEqual([line.split(" ")[0] for line in self.receivers("x\n", "OPS", "ann@lab.test", "root@localhost")],
                         ["<me@lab.test>", "<ann@lab.test>", "<bob@lab.test>"])
        self.assertEqual(self.receivers("x\n", "eve"), ["<eve@here>"])
        for name, words in (("www", f"{self.aliases}:4: www has \"|run\", which is a command"),
                            ("loop", "in a circle (loop < pool < loop)")):
            self.assertIn(words, self.sendmail("x\n", name, status=65))
        error = self.sendmail("x\n", "www", "eve", status=65)
        self.assertIn("which is a command", error)
        names = self.queue.in_state("queued")
        self.assertEqual(len(names), 1)
        self.assertNotIn("run", (self.queue.path / names[0]).read_text(encoding="ascii"))

    @unittest.skipIf("." in socket.getfqdn(os.uname().nodename) or os.path.exists("/etc/mailname"),
                     "this machine has a domain")
    def test_a_local_name_without_a_rule_is_told(self):
        self.rules(domain=None)
        self.assertIn("set local.root", self.sendmail("x\n", "root", status=65))
        self.assertEqual(self.queue.in_state("queued"), [])
        self.rules(domain=None, root="me@lab.test")
        self.assertEqual(self.receivers("x\n", "root")[0].split(" ")[0], "<me@lab.test>")

    def test_every_other_name_has_a_rule(self):
        """As nullmailer, ssmtp, dma and msmtp have one: no cron job's mail is refused for its user's name."""
        self.aliases.write_text("*: rest@lab.test\nops: ops@lab.test\n", encoding="ascii")
        self.rules(root="me@lab.test")
        receivers = self.receivers("x\n", "www-data", "root", "ops", "nobody@localhost")
        self.assertEqual([line.split(" ")[0] for line in receivers], ["<rest@lab.test>", "<me@lab.test>", "<ops@lab.test>"])

    def test_mail_for_root_arrives(self):
        self.aliases.write_text("root: ops\nops: root-of-rules@lab.test\n", encoding="ascii")
        self.start(local={"aliases": self.aliases})
        self.sendmail("Subject: for root\n\nx\n", "-f", "app@lab.test", "root")
        copy = self.wait_copies(1, "root-of-rules@lab.test")[0]
        self.assertIn("root-of-rules@lab.test", str(vars(copy)))

    def test_senders_are_written_as_others(self):
        self.rules(domain="vm", **{"rewrite_from": "root@*: me@lab.test; *@lab.test: once@lab.test; *@vm: *@example.org"})
        cases = (
            ("From: root (Cron Daemon)\nSender: www@vm\nReply-To: www@vm\nTo: ann@vm\n\nFrom: root@vm\n", (),
             ["X-Sender: <www@example.org>", "From: me@lab.test (Cron Daemon)", "Sender: www@example.org",
              "Reply-To: www@vm", "To: ann@vm", "", "From: root@vm"]),
            ("From: \"Lee, Ann\" <ann@vm>\nResent-From: root\nResent-Sender: =?UTF-8?Q?=C3=A4?= <b@vm>\n\n",
             ("-f", "Root"),
             ["X-Sender: <me@lab.test>", "From: \"Lee, Ann\" <ann@example.org>", "Resent-From: me@lab.test",
              "Resent-Sender: =?UTF-8?Q?=C3=A4?= <b@example.org>"]),
            ("From: b@elsewhere.test\n\n", ("-f", "c@elsewhere.test"),
             ["X-Sender: <c@elsewhere.test>", "From: b@elsewhere.test"]),
            ("From: c@vm\n\n", ("-f", "<>"), ["X-Sender: <>", "From: c@example.org"]),
            ("Subject: x\n\n", ("-f", ""), ["X-Sender: <>", "From: MAILER-DAEMON@example.org"]),
            ("From: My Site\nSender:\n\n", ("-f", "d@vm"),
             ["X-Sender: <d@example.org>", "From: My Site <d@example.org>"]),
            ("From: root@vm <root@vm>\n\n", (), ["X-Sender: <me@lab.test>", "From: \"root@vm\" <me@lab.test>"]),
            ("Return-Path: <e@vm>\nFrom: root@vm\n\n", (), ["X-Sender: <e@example.org>", "From: me@lab.test"]),
        )
        for text, arguments, expected in cases:
            lines = self.queued(text, *arguments, "ann@lab.test")
            self.assertEqual([line for line in expected if line not in lines], [], lines)
        caller = "me@lab.test" if self.user() == "root" else f"{self.user()}@example.org"
        lines = self.queued("Subject: x\n\nx\n", "-FName", "ann@lab.test")
        self.assertIn(f"X-Sender: <{caller}>", lines)
        self.assertIn(f"From: Name <{caller}>", lines)

    def test_another_sender_reaches_the_relay(self):
        self.start(local={"aliases": self.aliases, "domain": "vm", "rewrite_from": "*@vm: sender-of-rules@lab.test"})
        recipient = self.address()
        self.sendmail("From: root (Cron Daemon)\nSubject: x\n\nx\n", recipient)
        copy = self.wait_copies(1, recipient)[0]
        self.assertEqual(copy.sender, "sender-of-rules@lab.test")

    def test_wrong_rules_for_senders_are_told(self):
        self.rules(**{"rewrite_from": "root@*: me"})
        self.assertIn("has \"me\" behind a colon, which has no domain", self.sendmail("x\n", "ann@lab.test", status=78))
        self.assertEqual(self.queue.in_state("queued"), [])

    def test_included_lists(self):
        members = self.directory / "members"
        members.write_text("# them\nann@lab.test\nbob@lab.test, root\n", encoding="ascii")
        self.aliases.write_text(f"list: :include:{members}\n", encoding="ascii")
        self.rules(root="me@lab.test")
        self.assertIn("local.alias_includes is false", self.sendmail("x\n", "list", status=65))
        self.rules(root="me@lab.test", alias_includes=True)
        self.assertEqual([line.split(" ")[0] for line in self.receivers("x\n", "list")],
                         ["<ann@lab.test>", "<bob@lab.test>", "<me@lab.test>"])

    def test_what_was_queued_keeps_its_recipients(self):
        self.aliases.write_text("team: ann@lab.test, bob@lab.test, ann@lab.test\n", encoding="ascii")
        self.rules()
        self.sendmail("Subject: rules\n\nx\n", "-N", "failure", "team")
        self.aliases.write_text("team: eve@lab.test\n", encoding="ascii")
        shown = lab.outbox("show", "--directory", self.queue.path,
                           self.queue.in_state("queued")[0].removesuffix(".queued")).stdout.decode()
        self.assertIn("ann@lab.test", shown)
        self.assertNotIn("eve@lab.test", shown)

    def test_newaliases_tells_wrong_lines(self):
        def newaliases():
            return subprocess.run([self.directory / "newaliases", "-C", self.configuration],
                                  capture_output=True, check=False, timeout=300)
        self.aliases.write_text("root: me@lab.test\n", encoding="ascii")
        self.assertEqual(newaliases().returncode, 0)
        self.aliases.write_text("root: me@lab.test\nno colon\n", encoding="ascii")
        result = newaliases()
        self.assertEqual(result.returncode, 65)
        self.assertIn(b"line 2 is none of aliases", result.stderr)
        for lines, words in (("ann: bob\nbob: ann\n", "lead to each other in a circle"),
                             ("ann: ann\n", "which is itself"),
                             (f"ann: :include:{self.directory}\n", "which cannot be read: it is a directory"),
                             (f"ann: :include:{self.directory}/none\n", "cannot be read: No such file")):
            self.configure(local={"root": "me@lab.test", "aliases": self.aliases, "alias_includes": True})
            self.aliases.write_text(lines, encoding="ascii")
            result = newaliases()
            self.assertEqual(result.returncode, 65, words)
            self.assertIn(words, result.stderr.decode())
        self.aliases.write_text("no colon\nann: bob\nbob: ann\neve: Ü\nü: eve\n", encoding="utf-8")
        daemon = subprocess.run([lab.program("outboxd"), "--config", self.configuration, "--check"],
                                capture_output=True, check=False, timeout=300)
        for said in (newaliases().stderr.decode(), daemon.stderr.decode()):
            self.assertIn("line 1 is none of aliases", said)
            self.assertEqual(said.count("in a circle"), 2, said)
        self.assertEqual(daemon.returncode, 0, "it keeps the daemon from nothing")
        self.configure(local={"root": "root"})
        self.assertIn("local.root has \"root\", which is itself", newaliases().stderr.decode())

    def test_cron(self):
        lines = self.queued(
            "From: root (Cron Daemon)\nTo: root\nSubject: Cron\n\nHello.\n.\nMore.\n",
            *("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"),
        )
        self.assertEqual(lines, [
            "X-Sender: <root@here>", "X-Receiver: <root@here>", "From: root@here (Cron Daemon)",
            "To: root@here", "Subject: Cron", "", "Hello.", ".", "More.", "",
        ])

    def test_php(self):
        lines = self.queued("To: ann@lab.test, Bob <bob@lab.test>\nBcc: eve@lab.test\n\nx\n", "-t", "-i")
        self.assertEqual(lines[:5], [
            f"X-Sender: <{self.user()}@here>", "X-Receiver: <ann@lab.test>",
            "X-Receiver: <bob@lab.test>", "X-Receiver: <eve@lab.test>",
            f"From: {self.user()}@here",
        ])

    @staticmethod
    def user():
        return subprocess.check_output(["id", "-un"], text=True).strip()

    def test_git(self):
        lines = self.queued(
            "From: Ann <ann@lab.test>\nTo: list@lab.test\n\n.\n",
            *("-i", "-f", "bounces@lab.test", "list@lab.test", "bob@lab.test"),
        )
        self.assertEqual(lines, [
            "X-Sender: <bounces@lab.test>", "X-Receiver: <list@lab.test>",
            "X-Receiver: <bob@lab.test>", "From: Ann <ann@lab.test>", "To: list@lab.test", "", ".", "",
        ])

    def test_mutt(self):
        lines = self.queued(
            "From: Ann <ann@lab.test>\n\n.\n",
            *("-oem", "-oi", "-N", "failure,delay", "-R", "hdrs", "-f", "ann@lab.test", "--", "bob@lab.test"),
        )
        self.assertEqual(
            lines[:2],
            ["X-Sender: <ann@lab.test> RET=hdrs", "X-Receiver: <bob@lab.test> NOTIFY=failure,delay"],
        )

    def test_mdadm(self):
        lines = self.queued("From: mdadm monitoring <root>\nTo: root\n\nx\n", "-t")
        self.assertEqual(
            lines[:4],
            ["X-Sender: <root@here>", "X-Receiver: <root@here>",
             "From: mdadm monitoring <root@here>", "To: root@here"],
        )

    def test_text_without_a_header(self):
        lines = self.queued("Hello.\nWorld.\n", "-f", "", "ann@lab.test")
        self.assertEqual(lines, [
            "X-Sender: <>", "X-Receiver: <ann@lab.test>", "From: MAILER-DAEMON@here", "",
            "Hello.", "World.", "",
        ])

    def test_from_is_added(self):
        for name, field in (
            ("Cron Daemon", "From: Cron Daemon <a@lab.test>"),
            ("Lee, Ann", 'From: "Lee, Ann" <a@lab.test>'),
            ('Ann "A\\B" Lee', 'From: "Ann \\"A\\\\B\\" Lee" <a@lab.test>'),
            ("J\u00f6rg", "From: =?UTF-8?Q?J=C3=B6rg?= <a@lab.test>"),
            ("Ann\nTo: eve@lab.test", 'From: "Ann To: eve@lab.test" <a@lab.test>'),
        ):
            lines = self.queued("Subject: x\n\n", "-F", name, "-f", "a@lab.test", "b@lab.test")
            self.assertEqual(lines[2:4], [field, "Subject: x"], name)

    def test_from_is_added_beside_a_sender(self):
        lines = self.queued("Sender: <a@lab.test>\nTo: b@lab.test\n\n", "-t")
        self.assertEqual(lines[:4], ["X-Sender: <a@lab.test>", "X-Receiver: <b@lab.test>",
                                     "From: a@lab.test", "Sender: <a@lab.test>"])

    def test_what_others_understand_is_taken(self):
        for options in (
            ("-bm", "-odb", "-oem", "-om", "-ep", "-em", "-v", "-G", "-n", "-L", "tag", "-h", "9"),
            ("-X", self.directory / "log", "-O", "DeliveryMode=b", "-p", "ESMTP:here", "-U", "-c"),
            ("-q", "-q30m"),
        ):
            self.queued("From: a@lab.test\n\n", *options, "b@lab.test")
        self.assertFalse((self.directory / "log").exists())

    def test_aliases_that_cannot_be_read(self):
        aliases = self.directory / "pipe"
        os.mkfifo(aliases)
        lab.write_configuration(self.configuration, {"directory": self.queue.path}, [self.lab.relay("plain")],
                                local={"aliases": str(aliases), "domain": "here.test"})
        self.assertIn(f"{aliases} cannot be read (it is a pipe", self.sendmail("\ntext\n", "ann", status=65))
        self.sendmail("\ntext\n", "ann@lab.test")
        self.assertIn("it is a pipe", self.sendmail("", "-bi", status=66))

    def test_many_recipients_and_long_lines(self):
        """What is said of the header is not said of the envelope that is put in front of it, or of a text."""
        people = [f"user{number:06}.with.some.name@department.example.org" for number in range(19000)]
        lines = self.queued("From: a@lab.test\nBcc: " + ",\n ".join(people) + "\n\nx\n", "-t")
        self.assertEqual(sum(line.startswith("X-Receiver:") for line in lines), len(people))
        for text in ("y" * 1_200_000, "hello " * 200_000, "Subject: x\n\n" + "y" * 1_200_000):
            self.assertEqual(self.queued(text, "ann@lab.test")[-1], text.splitlines()[-1])
        self.assertIn("the header is larger than 1 MiB",
                      self.sendmail("Subject: x\n" + "X-Y: z\n" * 200_000, "ann@lab.test", status=65))

    def test_recipients_as_postfix_takes_them(self):
        for to, recipients, field in (
            ('"a@lab.test"', ["a@lab.test"], "a@lab.test"),
            ("x@lab.test <a@lab.test>", ["a@lab.test"], '"x@lab.test" <a@lab.test>'),
            ("<a@lab.test> <b@lab.test>", ["a@lab.test", "b@lab.test"], "a@lab.test, b@lab.test"),
            ("Ann <a@lab.test> Bob <b@lab.test>", ["a@lab.test", "b@lab.test"],
             '"Ann" <a@lab.test>, "Bob" <b@lab.test>'),
            ("a@lab.test b@lab.test", ["a@lab.test", "b@lab.test"], "a@lab.test, b@lab.test"),
        ):
            with self.subTest(to):
                lines = self.queued(f"From: s@lab.test\nTo: {to}\n\nx\n", "-t")
                self.assertEqual([line.split(": ")[1].strip("<>") for line in lines if line.startswith("X-Receiver: ")],
                                 recipients)
                self.assertIn(f"To: {field}", lines)
        self.assertIn("'a@lab.test'", self.sendmail("From: s@lab.test\nTo: 'a@lab.test'\n\nx\n", "-t", status=65))

    def test_empty_values(self):
        for option in ("-C", "-N", "-R", "-V"):
            said = self.sendmail("Subject: x\n\nx\n", option, "", "ann@lab.test", status=64)
            self.assertIn(f"sendmail {option}: wants a value, and it is empty", said)
        self.sendmail("Subject: x\n\nx\n", "-F", "", "-f", "", "ann@lab.test")

    def test_a_run_of_the_queue(self):
        def drop():
            for name, sender, to in (("one", "a@lab.test", "ann@lab.test"), ("two", "b@lab.test", "bob@else.test")):
                self.queue.drop(name, message(sender=sender, to=(to,)), state="deferred")
            self.queue.drop("gone", message(), state="failed")

        for option, due in (("-q", {"one", "two"}), ("-qf", {"one", "two"}), ("-q30m", set()), ("-qIone", {"one"}),
                            ("-qRelse.test", {"two"}), ("-qSa@lab.test", {"one"})):
            drop()
            self.assertEqual(self.sendmail("", option), "", option)
            self.assertEqual({name.partition(".")[0] for name in self.queue.names() if name.endswith(".queued")}, due)
            for name in self.queue.names():
                os.unlink(os.path.join(self.queue.path, name))
        self.assertEqual(self.sendmail("", "-q"), "")
        self.assertIn("nobody", self.sendmail("", "-qInobody", status=66))
        for option in ("-qI", "-qR", "-qS"):
            said = self.sendmail("", option, status=64)
            self.assertIn(f"sendmail {option}: wants a value, and it is empty", said)
            self.assertNotIn("retry", said)

    def test_a_dot_ends_the_message(self):
        for text in ("a\n.\nb\n", "a\n.\r\nb\n", "a\n."):
            lines = self.queued(f"From: a@lab.test\n\n{text}", "ann@lab.test")
            self.assertEqual(lines[-2:], ["a", ""], text)
        lines = self.queued("From: a@lab.test\n\n..\n.x\n.\rx\n", "ann@lab.test")
        self.assertEqual(lines[-4:], ["..", ".x", ".\rx", ""])

    def test_temporary_directory_that_cannot_be_used(self):
        for directory in ("/nonexistent", "/proc", ""):
            with unittest.mock.patch.dict(os.environ, TMPDIR=directory):
                lines = self.queued("From: a@lab.test\n\na\n.\nb\n", "ann@lab.test")
            self.assertEqual(lines[-2:], ["a", ""], directory)

    def test_recipients_of_both(self):
        lines = self.queued("From: a@lab.test\nTo: b@lab.test\n\n", "-t", "c@lab.test")
        self.assertEqual(lines[1:3], ["X-Receiver: <c@lab.test>", "X-Receiver: <b@lab.test>"])

    def test_mistakes(self):
        whole = "From: a@lab.test\n\nx\n"
        for text, arguments, status in (
            (whole, (), 65),
            (whole, ("-t",), 65),
            (whole, ("a@@lab.test",), 65),
            (whole, ("-bs", "a@lab.test"), 64),
            (whole, ("-bd",), 64),
            (whole, ("-bx",), 64),
            (whole, ("--nope",), 64),
            (whole, ("--from",), 64),
            (whole, ("-Z",), 64),
            (whole, ("-f",), 64),
            (whole, ("-N", "now", "a@lab.test"), 64),
            (whole, ("-R", "all", "a@lab.test"), 64),
            (whole, ("-N", "never,success", "a@lab.test"), 64),
            (whole, ("-N", "success,", "a@lab.test"), 64),
            (whole, ("-V", "a b", "a@lab.test"), 64),
            (whole, ("-V", "a=b", "a@lab.test"), 64),
            (whole, ("-V", "a+2", "a@lab.test"), 64),
            (whole, ("-V", "x" * 101, "a@lab.test"), 64),
        ):
            error = self.sendmail(text, *arguments, status=status)
            self.assertRegex(error, r"\Aoutbox: .+\n\Z" if status == 64 else r"\Aoutbox: \d+: .+\n\Z", arguments)
            self.assertTrue(self.queue.is_empty(), arguments)

    def test_names_are_left_alone(self):
        to = "=?utf-8?q?M=C3=BCller,_J=C3=B6rg?= <x@lab.test>"
        lines = self.queued(f"From: Lee, Ann <ann@lab.test>\nTo: {to}, root\n\n", "-t")
        self.assertEqual(lines[:5], [
            "X-Sender: <ann@lab.test>", "X-Receiver: <x@lab.test>", "X-Receiver: <root@here>",
            'From: "Lee, Ann" <ann@lab.test>', f"To: {to}, root@here",
        ])

    def test_what_is_in_front_of_a_header(self):
        header = ["From : a@lab.test", "Subject : x", "", "Hello.", ""]
        for before in ("", "From root Mon Mar  2\n", ">From root Mon Mar  2\n", "\n", "\n\nFrom x y\n\n"):
            lines = self.queued(before + "\n".join(header), "b@lab.test")
            self.assertEqual(lines[2:], header, before)

    def test_text_that_looks_like_a_header(self):
        for text in ("\nNote: the disk is full\nof mail\n", "\nHello", "Dear Ann,\n\nTo: you\n",
                     "Warning: disk full\nplease look\n", "Warning: disk full\n", "10:30 meeting\n\nthe rest\n",
                     "http://foo bar\n\nx\n"):
            lines = self.queued(text, "-f", "a@lab.test", "b@lab.test")
            self.assertEqual(lines[2:4], ["From: a@lab.test", ""], text)
            self.assertEqual("\n".join(lines[4:]), text.removeprefix("\n"))

    def test_addresses_of_the_command_line(self):
        lines = self.queued("From: a@lab.test\n\n", "-f", "bounce", "Ann <ann@lab.test>, a..b@lab.test; root")
        self.assertEqual(lines[:4], [
            "X-Sender: <bounce@here>", "X-Receiver: <ann@lab.test>",
            'X-Receiver: <"a..b"@lab.test>', "X-Receiver: <root@here>",
        ])

    def test_parameters(self):
        lines = self.queued("From: a@lab.test\n\n", "-V", "a+2Bb", "-R", "full", "-N", "never", "b@lab.test")
        self.assertEqual(lines[:2], ["X-Sender: <a@lab.test> RET=full ENVID=a+2Bb",
                                     "X-Receiver: <b@lab.test> NOTIFY=never"])

    def test_parameters_of_the_message(self):
        lines = self.queued("Return-Path: <ann@lab.test> RET=FULL\nFrom: x@lab.test\n\n", "bob@lab.test")
        self.assertEqual(lines[0], "X-Sender: <ann@lab.test> RET=FULL")

    def test_envelope_fields_are_nobodys(self):
        """They are an envelope in a file in the queue; here, fields that somebody reads."""
        header = ["X-Sender: <ann@lab.test> RET=HDRS", "X-Receiver: <eve@lab.test>", "From: ann@lab.test",
                  "To: bob@lab.test", "", ""]
        lines = self.queued("\n".join(header), "-t")
        self.assertEqual(lines, ["X-Sender: <ann@lab.test>", "X-Receiver: <bob@lab.test>",
                                 "X-EndOfInjectedXHeaders: 0", *header])

    def test_the_line_of_what_was_given_is_told(self):
        for text, arguments, told in (
            ("From: a@lab.test\nTo: b@lab.test c@@lab.test\n\n", ("-t",), "line 2, To: "),
            ("X-Receiver: x@lab.test\nFrom: a@lab.test\nTo: b@lab.test c@@lab.test\n\n", ("-t",), "line 3, To: "),
            ("From x y\nFrom: a@lab.test\nX: a\rb\n\n", ("b@lab.test",), 'line 3, "X: a'),
            (f"From: a@lab.test\nX-Data: {'y' * 1000}\n\n", ("b@lab.test",), "line 2: the field X-Data has a line"),
        ):
            self.assertIn(told, self.sendmail(text, *arguments, status=65))
            self.assertTrue(self.queue.is_empty(), text)

    def test_what_programs_write(self):
        """As Postfix takes it; each line is what becomes of one."""
        here, www = f"{self.user()}@here", ("-t", "-f", "www@lab.test")
        for text, arguments, sender, recipients, rest in (
            ("To: root\nSubject: fault\nErrors: 3\nOn pool tank\n", ("-t",), here, ["root@here"],
             [f"From: {here}", "To: root@here", "Subject: fault", "Errors: 3", "", "On pool tank", ""]),
            ("To: a@x.test\nX Site: 1\nSubject: s\n\nt\n", www, "www@lab.test", ["a@x.test"],
             ["From: www@lab.test", "To: a@x.test", "X-Site: 1", "Subject: s", "", "t", ""]),
            ("From: My Site\nTo: a@x.test\n\n", ("-t",), here, ["a@x.test"],
             [f"From: My Site <{here}>", "To: a@x.test", "", ""]),
            ("From: MAILER-DAEMON <>\nTo: a@x.test\n\n", ("-t", "-f", "<>"), "", ["a@x.test"],
             ["From: MAILER-DAEMON <MAILER-DAEMON@here>", "To: a@x.test", "", ""]),
            ("Sender: cron job\nFrom: s@x.test\n\n", ("a@x.test",), here, ["a@x.test"],
             [f"Sender: cron job <{here}>", "From: s@x.test", "", ""]),
            ("From:\nTo: a@x.test\n\n", www, "www@lab.test", ["a@x.test"],
             ["From: www@lab.test", "To: a@x.test", "", ""]),
            ("From: s@x.test Shop\nTo: a@x.test; b@x.test\n\n", ("-t",), "s@x.test", ["a@x.test", "b@x.test"],
             ["From: Shop <s@x.test>", "To: a@x.test, b@x.test", "", ""]),
            ("To : a@x.test\n\n", www, "www@lab.test", ["a@x.test"],
             ["From: www@lab.test", "To : a@x.test", "", ""]),
            ("", ("-f", "www@lab.test", "a@x.test"), "www@lab.test", ["a@x.test"], ["From: www@lab.test", "", ""]),
        ):
            self.assertEqual(self.queued(text, *arguments), [
                f"X-Sender: <{sender}>", *(f"X-Receiver: <{name}>" for name in recipients), *rest], text)

    def test_the_good_ones_go(self):
        text = "From: s@lab.test\nTo: a@lab.test, bad@@x,\n b@lab.test\nCc: c@lab.test, Bob Smith\n\n"
        said = self.sendmail(text, "-t", "also bad", "d@lab.test", status=65)
        self.assertEqual([line.split(": ", 2)[2].split(":")[0] for line in said.splitlines()],
                         ["an argument", "line 2, To", "line 4, Cc"])
        [name] = self.queue.in_state("queued")
        lines = (self.queue.path / name).read_text(encoding="ascii").split("\n")
        self.assertEqual(lines[1:5], [f"X-Receiver: <{who}@lab.test>" for who in "dabc"])

    def test_what_is_told(self):
        """The line of a folded field, a header that is not read to its end, and nothing behind an address."""
        for text, arguments, status, told in (
            ("To: a@x.test,\n b@x.test\nCc: c@x.test,\n bad@@y\n\n", ("-t",), 65, "line 4, Cc: "),
            ("From: a@x.test\nX: a\rb\nTo: a@x.test\n\n", ("-t",), 65, "line 2, "),
            ("\n", ("-f", "a@x.test RET=HDRS", "b@x.test"), 64, "-f has more behind the address (RET=HDRS)"),
        ):
            self.assertIn(told, self.sendmail(text, *arguments, status=status))
            for name in self.queue.in_state("queued"):
                (self.queue.path / name).unlink()

    def test_values_of_options_are_nobody(self):
        """Exim's, which stand behind them."""
        lines = self.queued("\n", "-oMr", "smtp", "-oMa", "1.2.3.4", "-oP", "/run/x", "-oem", "-odq", "b@x.test")
        self.assertEqual(lines[1:3], ["X-Receiver: <b@x.test>", f"From: {self.user()}@here"])

    def test_a_name_that_says_something_is_not_made(self):
        text = "From: s@x.test\nTo: b@x.test\nResent To: c@x.test\nSubject: q\n\nt\n"
        self.assertEqual(self.queued(text, "-t"), [
            "X-Sender: <s@x.test>", "X-Receiver: <b@x.test>", "From: s@x.test", "To: b@x.test", "",
            *text.split("\n")[2:]])

    def test_no_temporary_file(self):
        """What ends with a dot goes from the pipe to the queue."""
        with unittest.mock.patch.dict(os.environ, {"TMPDIR": "/nowhere"}):
            lines = self.queued("From: a@lab.test\n\n" + "x" * 70000 + "\n.\nmore\n", "b@lab.test")
        self.assertEqual(lines[4:], ["x" * 70000, ""])

    def test_a_sender_that_is_none(self):
        result = subprocess.run([self.directory / "sendmail", "-C", self.configuration, "-f", "a b", "b@lab.test"], input=b"x\n",
                                capture_output=True, check=False, timeout=300)
        self.assertEqual(result.returncode, 65)
        self.assertRegex(result.stderr.decode(), r"\Aoutbox: \d+: -f: ")

    def test_mailq(self):
        for state in ("queued", "deferred", "held", "failed", "sent"):
            text = f"From: a@lab.test\nTo: {state}@lab.test\n\n"
            self.queue.drop(state, text.encode(), state=state)
        for command in (("sendmail", "-bp"), ("mailq",), ("mailq", "-v")):
            listed = subprocess.run(
                [self.directory / command[0], *command[1:], "-C", self.configuration],
                capture_output=True, check=True, timeout=300,
            ).stdout.decode()
            for state in ("queued", "deferred", "held", "failed"):
                self.assertIn(f"{state}@lab.test", listed)
            self.assertNotIn("sent@lab.test", listed)

    def called(self, *command, status=0):
        result = subprocess.run([self.directory / command[0], "-C", self.configuration, *command[1:]],
                                capture_output=True, check=False, timeout=300)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout.decode()

    def test_an_empty_queue(self):
        self.assertEqual(self.called("mailq"), "Mail queue is empty\n")
        self.assertEqual(self.called("sendmail", "-bp"), "Mail queue is empty\n")
        self.assertEqual(self.called("mailq", "--format=exim"), "")
        self.assertRegex(self.called("mailq", "--format=sendmail"), r"\A/.*/mqueue is empty\n\t\tTotal requests: 0\n\Z")
        self.assertEqual(self.called("mailq", "--format=qmail", status=64), "")

    def test_what_readers_of_mailq_read(self):
        """One of each state that is still to be delivered, and a reason and a hold as Postfix shows them."""
        self.queue.drop("one", b"From: a@lab.test\nTo: b@lab.test, c@lab.test\n\n" + b"x" * 2000)
        self.queue.drop("two", b"X-Sender: <>\nX-Receiver: d@lab.test\n\nx\n", state="held")
        self.assertRegex(self.called("mailq"), r"""(?x)\A
            -Queue\ ID-\ \ --Size--\ ----Arrival\ Time----\ -Sender/Recipient-------\n
            one[ ]+2045\ \w{3}\ \w{3}\ [ \d]\d\ \d\d:\d\d:\d\d\ \ a@lab\.test\n
            [ ]{41}b@lab\.test\n[ ]{41}c@lab\.test\n\n
            two!\ [^\n]*\ \ MAILER-DAEMON\n[ ]{41}d@lab\.test\n\n
            --\ 3\ Kbytes\ in\ 2\ Requests\.\n\Z""")
        self.assertRegex(self.called("mailq", "--format", "exim"),
                         r"\A 0m +\d\.\dK \w{6}-\w{6}-\w\w <a@lab\.test>\n {10}b@.*\n {10}c@.*\n\n.*<> \*\*\* frozen \*\*\*\n")
        self.assertRegex(self.called("mailq", "--format=nullmailer"), r"\A[-\d]{10} [:\d]{8} 2045 bytes from <a@lab\.test>\n")

    def test_ids_of_a_stranger(self):
        """They are one word of plain characters in each format, and can be given to a command."""
        text = b"From: a@lab.test\nTo: b@lab.test\n\n"
        for name in ("ctl\x1b[31m\nname", "c1\u009bx", "rtl\u202ex", "-- 0 Kbytes in 0 Requests.", "\n\nMail queue is empty"):
            self.queue.drop(name, text)
        words = [r"ctl\x1b[31m\x0aname", r"c1\xc2\x9bx", r"rtl\xe2\x80\xaex", r"--\x200\x20Kbytes\x20in\x200\x20Requests.",
                 r"\x0a\x0aMail\x20queue\x20is\x20empty"]
        for system, lines in (("postfix", 5 * 3 + 2), ("sendmail", 5 * 2 + 3), ("exim", 5 * 3), ("nullmailer", 5 * 2)):
            listed = self.called("mailq", f"--format={system}")
            self.assertTrue(all(c in "\n\t" or " " <= c <= "~" for c in listed), ascii(listed))
            self.assertEqual(len(listed.splitlines()), lines, listed)
            if system in ("postfix", "sendmail"):
                shown = [line.split()[0] for line in listed.splitlines() if "\\x" in line]
                self.assertEqual(sorted(shown), sorted(words))
        self.assertIn("in 5 Requests.", self.called("mailq"))
        for word in words:
            self.outbox("hold", "--", word)

    def test_check_mailq(self):
        """The plugin of the monitoring systems, in each of its modes, with the format of that system."""
        if not UTILS.exists():
            raise lab.Unavailable("check_mailq is not unpacked (scripts/install-packages lab)")
        shutil.copy(CHECK_MAILQ, self.directory)  # which looks for its library beside it
        for waiting in (0, 3):
            for number in range(waiting):
                self.queue.drop(f"m{number}", b"From: a@lab.test\nTo: b@lab.test\n\n")
            for system in ("postfix", "sendmail", "exim", "nullmailer"):
                self.assertEqual(self.check_mailq(system), 1 if waiting else 0, system)

    def check_mailq(self, system):
        """Its exit status; where mailq is, its library says."""
        program = self.directory / f"mailq-{system}"
        program.write_text(f"#!/bin/sh\nexec {self.directory}/mailq -C {self.configuration} --format={system}\n",
                           encoding="utf-8")
        program.chmod(0o755)
        utils, n = re.subn(r"(?m)^(\s*\$PATH_TO_MAILQ\s*=).*$", rf"\1 '{program}';",
                           UTILS.read_text(encoding="utf-8"))
        self.assertEqual(n, 1)
        (self.directory / "utils.pm").write_text(utils, encoding="utf-8")
        return subprocess.run(["perl", self.directory / "check_mailq", "-M", system, "-w", "2", "-c", "9"],
                              capture_output=True, check=False, timeout=300).returncode

    def test_options_of_others(self):
        """msmtp's, and those that only look."""
        lines = self.queued("To: a@lab.test\n\n", "--account=gmail", "--read-envelope-from", "--auto-from=on",
                            "--timeout", "9", "--from=s@lab.test", "--read-recipients")
        self.assertEqual(lines[:2], ["X-Sender: <s@lab.test>", "X-Receiver: <a@lab.test>"])
        self.queued("To: a@lab.test\n\n", "-a", "gmail", "-t")
        self.assertEqual(self.called("newaliases"), "")
        self.assertEqual(self.called("sendmail", "-bi"), "")
        self.assertEqual(self.called("sendmail", "-bv", "a@lab.test", "root").replace(self.domain(), "here"),
                         "a@lab.test... deliverable: by the relay\nroot@here... deliverable: by the relay\n")
        self.assertEqual(self.called("sendmail", "-bv", "bad@@x", status=67), "")
        self.assertIn("Usage: sendmail", self.called("sendmail", "--help"))
        self.assertRegex(self.called("mailq", "--version"), r"\Aoutbox \d")
