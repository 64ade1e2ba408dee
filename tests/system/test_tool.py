"""outbox: each command against real servers and a real queue; exit statuses are those of sysexits.h."""

import email
import email.policy
import json
import os
import pathlib
import re
import signal
import subprocess

import lab
from case import SystemTest, as_delivered, message
from process import free_port, wait_for


class Queueing(SystemTest):
    def queued(self, *arguments, stdin=b"", **options):
        """Runs `outbox queue` and returns the path that it printed."""
        path = pathlib.Path(self.outbox("queue", *arguments, stdin=stdin, **options).strip())
        self.assertEqual(path.parent, self.queue.path)
        self.assertEqual(path.suffix, ".queued")
        return path

    def test_whole_message_from_standard_input(self):
        ann = self.address()
        self.configure()
        content = message(envelope=False)
        path = self.queued(ann, stdin=content)
        self.assertTrue(path.exists())
        self.start_again()
        self.queue.wait_gone(path.stem)
        copy = self.wait_copies(1, ann)[0]
        self.assertEqual(copy.content, as_delivered(content))

    def test_arguments_override_the_headers_recipients(self):
        ann, bob = self.address("ann"), self.address("bob")
        self.start()
        self.queued(ann, stdin=f"From: shop@lab.test\nTo: {bob}\nSubject: x\n\nHello.\n".encode())
        self.wait_copies(1, ann)
        self.assertEqual(self.copies(bob), [])

    def test_empty_values(self):
        """A variable of a script that was not set."""
        self.configure()
        for arguments in (("queue", "--body-file", ""), ("list", "--from", ""), ("delete", "--to", "", "--all"),
                          ("list", "-d", ""), ("check", "--probe", ""), ("queue", "--envid", ""), ("list", "-s", ""),
                          ("queue", "--from", "", "--to", "a@x.test")):
            result = self.outbox(*arguments, status=None)
            self.assertEqual((result.returncode, result.stdout), (64, b""), arguments)
            self.assertIn("wants a value, and it is empty", result.stderr.decode(), arguments)
        result = lab.outbox("--config", "", "list")
        self.assertIn("--config wants a value, and it is empty", result.stderr.decode())
        self.queued("--from", "a@x.test", "--to", "b@x.test", "--cc", "", "--subject", "", "--body", "", "--date", "")

    def test_composed_message(self):
        """Queue, into a directory: prints the path of the unique file."""
        ann, bob, eve = self.address("ann"), self.address("bob"), self.address("eve")
        attachment = self.directory / "Grüße.bin"
        attachment.write_bytes(bytes(range(256)) * 20)
        self.start()
        self.queued(
            *("--from", "Käse & Söhne <shop@lab.test>", "--to", f"Ann <{ann}>", "--cc", bob),
            *("--bcc", eve, "--subject", "Grüße aus Köln", "--body", "Schöner Tag.\n.\n"),
            *("--attach", attachment, "--header", "X-Order: 42"),
        )
        for copy in self.wait_copies(3, ann, bob, eve):
            parsed = email.message_from_bytes(copy.content, policy=email.policy.default)
            self.assertEqual(parsed["Subject"], "Grüße aus Köln")
            self.assertEqual(parsed["From"].addresses[0].display_name, "Käse & Söhne")
            self.assertEqual(parsed["X-Order"], "42")
            self.assertIsNone(parsed["Bcc"])
            self.assertEqual(parsed.get_body().get_content().strip(), "Schöner Tag.\n.")
            files = list(parsed.iter_attachments())
            self.assertEqual([f.get_filename() for f in files], ["Grüße.bin"])
            self.assertEqual(files[0].get_content(), attachment.read_bytes())

    def test_other_directory(self):
        other = lab.Queue(self.directory / "other")
        self.configure()
        self.outbox("queue", "--directory", other.path, "ann@lab.test", stdin=message(envelope=False))
        self.assertEqual(len(other.in_state("queued")), 1)
        self.assertTrue(self.queue.is_empty())

    def test_asterisk_prints_the_file(self):
        """Queue with "*" as the directory."""
        self.configure()
        text = self.outbox(
            "queue", "--directory", "*", "--from", "a@lab.test", "--to", "b@lab.test", "--body", "Hi"
        )
        self.assertIn("b@lab.test", text)
        self.assertIn("\nHi", text.replace("\r", ""))
        self.assertTrue(self.queue.is_empty())

    def test_bad_message(self):
        self.configure()
        result = self.outbox("queue", stdin=b"Subject: nobody\n\nHello.\n", status=None)
        self.assertEqual(result.returncode, 65)
        self.assertRegex(result.stderr.decode(), r"^outbox: \d+: ")
        self.assertTrue(self.queue.is_empty())

    def test_sendmail_and_mailq(self):
        ann = self.address()
        self.configure()
        sendmail = self.directory / "sendmail"
        sendmail.symlink_to(lab.program("outbox"))
        mailq = self.directory / "mailq"
        mailq.symlink_to(lab.program("outbox"))
        result = subprocess.run(
            [sendmail, "-C", self.configuration, "-i", "-f", "shop@lab.test", "-t"],
            input=f"To: {ann}\nSubject: x\n\n.\nHello.\n".encode(),
            capture_output=True, check=False,
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(self.queue.in_state("queued")), 1)
        self.start_again()
        copy = self.wait_copies(1, ann)[0]
        self.assertTrue(copy.content.endswith(b"\n\n.\nHello.\n"))


class Sending(SystemTest):
    def test_send(self):
        ann = self.address()
        self.configure()
        self.outbox("send", ann, stdin=message(envelope=False))
        self.wait_copies(1, ann)
        self.assertTrue(self.queue.is_empty())

    def test_send_shows_the_dialogue_without_the_password(self):
        ann = self.address()
        self.configure(self.lab.relay("submission"))
        result = self.outbox(
            "send", "-v", ann, stdin=message(envelope=False), status=None
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        shown = (result.stdout + result.stderr).decode()
        self.assertIn("EHLO", shown)
        self.assertIn("AUTH", shown)
        self.assertIn("***", shown)
        self.assertNotIn("wonder", shown)
        self.assertNotIn("Your order", shown)

    def check_send(self, status, *relay, to="ann@lab.test"):
        self.configure(*relay)
        result = self.outbox(
            "send", to, stdin=message(envelope=False), status=None
        )
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertRegex(result.stderr.decode(), r"(?m)^outbox: \d+: .+")
        return result.stderr.decode()

    def test_send_refused(self):
        self.assertIn("5.1.1", self.check_send(69, to="refused@lab.test"))

    def test_send_deferred(self):
        self.assertIn("4.3.0", self.check_send(75, to="tempfail@lab.test"))

    def test_send_to_a_closed_port(self):
        self.check_send(75, self.lab.relay(free_port()))

    def test_send_with_a_wrong_password(self):
        self.assertIn("535", self.check_send(77, self.lab.relay("submission", password="wrong")))

    def test_process_empties_the_queue_once(self):
        """ProcessQueue."""
        ann, bob = self.address("ann"), self.address("bob")
        self.configure()
        self.queue.drop("a", message(to=[ann]))
        self.queue.drop("b", message(to=[bob, "refused@lab.test"]))
        self.outbox("process", status=None)
        self.assertEqual(self.queue.names(), ["b.failed", "b.status"])
        self.wait_copies(2, ann, bob)


    def test_process_leaves_messages_queued_when_the_relay_is_down(self):
        self.configure(self.lab.relay(free_port()))
        self.queue.drop("a", message())
        result = self.outbox("process", status=None)
        self.assertEqual(result.returncode, 75, result.stderr)
        self.assertRegex(result.stderr.decode(), r"(?m)^outbox: 10061: ")
        self.assertEqual(self.queue.names(), ["a.queued"])

    def test_process_goes_on_to_the_next_relay(self):
        ann = self.address()
        self.configure(self.lab.relay(free_port()), self.lab.relay("plain"))
        self.queue.drop("a", message(to=[ann]))
        self.outbox("process")
        self.wait_copies(1, ann)

    def test_process_defers_or_with_one_attempt_fails(self):
        self.configure()
        self.queue.drop("a", message(to=["tempfail@lab.test"]))
        self.assertEqual(self.outbox("process", status=None).returncode, 75)
        self.assertEqual(self.queue.names(), ["a.deferred", "a.status"])
        self.configure(retry={"max_attempts": 1})
        self.outbox("retry", "a")
        self.assertEqual(self.outbox("process", status=None).returncode, 69)
        self.assertEqual(self.queue.names(), ["a.failed", "a.status"])

    def test_process_interrupted(self):
        port, _ = self.lab.smtp_sink("-w", "30")
        self.configure(self.lab.relay(port))
        self.queue.drop("a", message())
        command = [lab.program("outbox"), "--config", self.configuration, "process"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            wait_for(lambda: self.queue.has("a.sending"), "a.sending")
            process.send_signal(signal.SIGINT)
            self.assertIn(b"outbox: 301: interrupted", process.stderr.readline())
            process.send_signal(signal.SIGINT)  # the first lets it end where it is on its way
            process.wait(timeout=300)
        self.assertEqual(process.returncode, 75)
        self.assertEqual(self.queue.names(), ["a.queued"])

    def test_send_goes_on_to_the_next_relay(self):
        ann = self.address()
        self.configure(self.lab.relay(free_port()), self.lab.relay("plain"))
        result = self.outbox("send", ann, stdin=message(envelope=False), status=None)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr.decode(), r"\Aoutbox: 10061: .*\n\Z")
        self.wait_copies(1, ann)

    def test_send_in_parts(self):
        people = [self.address(name) for name in ("ann", "bob", "eve")]
        self.configure(self.lab.relay("plain", recipients_per_transaction=2))
        result = self.outbox(
            "send", "-v", "refused@lab.test", *people, stdin=message(envelope=False), status=None
        )
        self.assertEqual(result.returncode, 69, result.stderr)
        self.assertEqual(result.stderr.count(b"> MAIL FROM"), 2)
        self.wait_copies(3, *people)

    def test_send_from_its_own_text(self):
        ann = self.address()
        self.configure()
        self.outbox("send", "--from", "a@lab.test", "--subject", "x", ann, stdin="Grüße\n".encode())
        content = self.wait_copies(1, ann)[0].content
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        self.assertEqual(parsed.get_content().strip(), "Grüße")


class Looking(SystemTest):
    def test_list_and_show(self):
        self.configure()
        self.queue.drop("a", message(to=["one@lab.test", "two@lab.test"]))
        self.queue.drop("b", message(to=["refused@lab.test"]), state="held")
        text = self.outbox("list")
        for word in ("a", "queued", "b", "held"):
            self.assertIn(word, text)
        rows = {row["id"]: row for row in self.json("list")}
        self.assertEqual((rows["a"]["state"], rows["b"]["state"]), ("queued", "held"))
        self.assertIn("two@lab.test", self.outbox("show", "a"))

    def json(self, *arguments):
        """What the command prints with --json: one value, or one a line."""
        text = self.outbox(*arguments, "--json")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines()]

    def test_status(self):
        self.configure()
        self.queue.drop("a", message())
        self.queue.drop("b", message(), state="held")
        self.outbox("status")
        status = self.json("status")
        self.assertEqual(status["queued"]["messages"], 1)
        self.assertEqual(status["held"]["messages"], 1)
        self.assertEqual(status["failed"]["messages"], 0)

    def test_names_that_are_not_utf_8(self):
        self.configure()
        (self.queue.path / os.fsdecode(b"bad\xff\x01.failed")).write_bytes(b"From: \xff\n")
        row = self.json("list")[0]
        self.assertEqual((row["id"], row["state"]), ("bad\\xff\\x01", "failed"))
        self.assertEqual(self.json("show", os.fsdecode(b"bad\xff\x01"))["record"], [])
        self.assertEqual(self.json("show", row["id"])["record"], [])  # as it was printed
        self.assertEqual(self.json("show", row["id"] + ".failed")["record"], [])
        self.assertNotIn("\x01", self.outbox("list"))

    def test_looking_takes_no_more_than_reading(self):
        self.configure()
        self.queue.drop("a", message())
        (self.queue.path / "a.queued").chmod(0o644)
        for path in (self.queue.path, *self.queue.path.parents):
            if not path.stat().st_mode & 0o001 and path not in (self.queue.path, self.directory):
                self.skipTest(f"others cannot get to {path}")
        self.directory.chmod(0o755)
        self.configuration.chmod(0o644)
        alone = {"group": "nogroup", "extra_groups": []}
        for mode, status in ((0o755, 0), (0o754, 77), (0o751, 77)):
            self.queue.path.chmod(mode)
            for command in (["list"], ["status"], ["mailq"], ["show", "a"]):
                with self.subTest(mode=oct(mode), command=command):
                    result = self.outbox(*command, "--directory", self.queue.path, status=None, user="nobody", **alone)
                    self.assertEqual(result.returncode, status, result.stderr)
            result = self.outbox("delete", "a", "--directory", self.queue.path, status=None, user="nobody", **alone)
            self.assertEqual(result.returncode, 77, result.stderr)
            result = self.outbox("queue", "--directory", self.queue.path, stdin=message(), status=None, user="nobody", **alone)
            self.assertNotIn(b"become a member", result.stderr)
            self.assertIn(b"that group may not either", result.stderr)

    def test_unknown_message(self):
        self.configure()
        for command in ("show", "hold", "release", "retry", "delete"):
            result = self.outbox(command, "nobody", status=None)
            self.assertNotEqual(result.returncode, 0, command)
            self.assertIn("nobody", result.stderr.decode(), command)

    def test_ids_that_end_like_a_state(self):
        self.configure()
        self.queue.drop("foo.deferred", message())
        self.assertEqual(self.json("show", "foo.deferred")["id"], "foo.deferred")
        self.outbox("hold", "foo.deferred")
        self.outbox("release", "foo.deferred.held")
        self.outbox("delete", self.queue.path / "foo.deferred.queued")
        self.assertTrue(self.queue.is_empty())

    def test_names_of_files(self):
        self.configure()
        path = self.queue.drop("foo", message())
        for word in ("foo", "foo.queued", "foo.deferred", "./foo.queued", path, path.with_suffix("")):
            self.assertEqual(self.json("show", word)["id"], "foo", word)

    def test_path_of_a_file_of_another_queue(self):
        self.configure()
        self.queue.drop("foo", message(), state="held")
        other = self.directory / "other"
        other.mkdir()
        for path in (other / "foo.held", "/nowhere/at/all/foo.held"):
            for command in ("delete", "release", "show"):
                result = self.outbox(command, path, status=None)
                self.assertEqual(result.returncode, 66, command)
                self.assertIn("--directory", result.stderr.decode())
        self.assertEqual(self.queue.names(), ["foo.held"])

    def test_id_that_names_the_file_of_another(self):
        self.configure()
        for command, states in (
            ("delete", "deferred queued"), ("show", "held held"), ("retry", "failed deferred"),
            ("hold", "queued queued"), ("release", "held held"),
        ):
            first, second = states.split()
            self.queue.drop("report", message(), state=first)
            self.queue.drop(f"report.{first}", message(), state=second)
            before = self.queue.names()
            result = self.outbox(command, f"report.{first}", status=None)
            self.assertEqual(result.returncode, 66, command)
            self.assertEqual(self.queue.names(), before, command)
            for word, found in ((f"./report.{first}.{second}", f"report.{first}"), (f"./report.{first}", "report")):
                self.assertIn(word, result.stderr.decode())
                self.assertEqual(self.json("show", word)["id"], found)
                self.outbox("delete", word)
            self.assertTrue(self.queue.is_empty())

    def test_check(self):
        self.configure(self.lab.relay("submission"))
        text = self.outbox("check")
        for word in ("TLS", "AUTH"):
            self.assertIn(word, text)
        self.json("check")

    def test_check_finds_the_fault(self):
        for relay, status, word in (
            (self.lab.relay(free_port()), 75, "refused"),
            (self.lab.relay("submission", password="wrong"), 77, "535"),
            (self.lab.relay("expired"), None, "expired"),
        ):
            self.configure(relay)
            result = self.outbox("check", status=None)
            self.assertNotEqual(result.returncode, 0)
            if status is not None:
                self.assertEqual(result.returncode, status, result.stdout + result.stderr)
            self.assertIn(word, (result.stdout + result.stderr).decode())

    def test_config(self):
        self.configure()
        self.assertIn("keep_sent", self.outbox("config"))
        self.assertNotIn("wonder", self.outbox("config"))
        self.json("config")

    def test_the_manual_pages_are_well_formed(self):
        pages = [*(lab.SOURCE / "doc/man").glob("*.[1-8]"), *lab.BUILD.glob("outbox_*.3")]
        self.assertGreater(len(pages), 6)
        for page in pages:
            linted = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, check=False)
            self.assertEqual((linted.returncode, linted.stdout), (0, b""), page)

    def test_the_recipes_of_the_manual_load(self):
        page = (lab.SOURCE / "doc/man/outbox.conf.5").read_text()
        recipes = re.findall(r"(?s)\.EX\n(relays = .*?)\.EE", page[page.index(".SH RECIPES"):])
        self.assertEqual(len(recipes), 6)
        secret = self.directory / "password"
        secret.write_text("secret\n")
        secret.chmod(0o600)
        for recipe in recipes:
            self.configuration.write_text(
                f'spool = {{ directory = "{self.queue.path}"; }};\n'
                + recipe.replace("\\-", "-").replace("/etc/outbox/password", str(secret))
                .replace("/var/lib/outbox", str(self.directory)))
            changed = self.outbox("config", "--changed")
            self.assertIn("relays = (", changed)
            self.assertNotIn("retry = {", changed)  # of which all is as it is by default
            self.assertEqual(self.outbox("config", "--changed", "retry"), "")

    def test_config_hides_secrets(self):
        self.configure(self.lab.relay("submission"))
        self.assertNotIn("wonder", self.outbox("config") + self.outbox("config", "--json"))

    def test_verify_and_expand(self):
        self.configure()
        text = self.outbox("verify", "ann@lab.test", "bob@lab.test")
        self.assertRegex(text, r"\Aann@lab.test: 252 2\.\S+ .*\nbob@lab.test: 252 2\.\S+ .*\n\Z")
        for arguments, status, words in (
            (("verify", "refused@lab.test", "ann@lab.test"), 69, "refused@lab.test: 550 5.1.1 "),
            (("verify", "tempfail@lab.test", "refused@lab.test"), 75, "tempfail@lab.test: 451 4.3.0 "),
            (("expand", "staff"), 69, "staff: 500 5.5.2 "),
        ):
            result = self.outbox(*arguments, status=None)
            self.assertEqual(result.returncode, status, arguments)
            self.assertIn(words, result.stdout.decode())
            self.assertEqual(len(result.stdout.splitlines()), len(arguments) - 1)
        (answer,) = self.json("verify", "ann@lab.test")
        self.assertEqual((answer["relay"], answer["command"], answer["code"], answer["enhanced"]),
                         ("plain", "VRFY ann@lab.test", 252, "2.0.0"))
        self.assertEqual(len(answer["lines"]), 1)

    def test_command(self):
        self.configure(self.lab.relay(free_port()), self.lab.relay("plain"))
        result = self.outbox("command", "NOOP", "EHLO here", status=None)
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout.decode(), r"\A250 2\.0\.0 .*\n250-mail.lab.test\n(250-.*\n)+250 ")
        self.assertIn("refused", result.stderr.decode())  # the first relay
        result = self.outbox("command", "-v", "NONSENSE", status=None)
        self.assertEqual(result.returncode, 69)
        self.assertIn("> NONSENSE\n< 5", result.stderr.decode())

    def test_command_that_cannot_be_said(self):
        """It is told without a relay."""
        self.configure(self.lab.relay(free_port()))
        for arguments, words in (
            (("command", "DATA"), "outbox send"),
            (("command", "NOOP", "bdat 0 LAST"), "outbox send"),
            (("command", "STARTTLS"), "configuration"),
            (("command", "auth PLAIN"), "configuration"),
            (("command", "NOOP\r\nRSET"), r"NOOP\x0d\x0aRSET"),
            (("verify", "ann@lab.test\nRSET"), "line end"),
            (("verify", ""), "empty"),
            (("expand", "x" * 600), "too long"),
            (("verify",), "missing"),
        ):
            result = self.outbox(*arguments, status=None)
            self.assertEqual((result.returncode, result.stdout), (64, b""), arguments)
            self.assertIn(words, result.stderr.decode())

    def test_send_with_another_verb(self):
        self.configure()
        for verb in ("saml", "SEND", "soml"):
            result = self.outbox(
                "send", "--command", verb, "ann@lab.test", stdin=message(envelope=False), status=None
            )
            self.assertEqual(result.returncode, 69, verb)
            self.assertIn(f"does not offer the command {verb.upper()}", result.stderr.decode())

    def test_usage(self):
        self.configure()
        for arguments in (["nonsense"], ["list", "--nonsense"], ["show"], ["send", "--set", "x"]):
            self.assertEqual(self.outbox(*arguments, status=None).returncode, 64, arguments)

    def test_bad_configuration(self):
        self.configuration.write_text("relays = ( { hots = 1; } );\n", encoding="ascii")
        result = self.outbox("check", status=None)
        self.assertEqual(result.returncode, 78)
        self.assertIn("hots", result.stderr.decode())

    def test_help_and_version(self):
        self.configure()
        self.assertIn("queue", self.outbox("--help"))
        self.assertIn("1.0", self.outbox("--version"))

    def test_help_and_manual_agree(self):
        """Every command and option of the help texts is in outbox(1), and no line is too long."""
        self.configure()
        page = (lab.SOURCE / "doc/man/outbox.1").read_text(encoding="utf-8").replace("\\-", "-")
        text = self.outbox("--help")
        for command in re.findall(r"(?m)^  ([a-z]+) ", text):
            self.assertRegex(page, rf"(\.SS |, |\\fB|\|)(\\fB)?(outbox )?{command}\b", command)
            text += self.outbox(command, "--help")
        for option in set(re.findall(r"(?<![a-z-])--[a-z][a-z-]*", text)):
            self.assertIn(option, page)
        self.assertLessEqual(max(len(line) for line in text.splitlines()), 95)
