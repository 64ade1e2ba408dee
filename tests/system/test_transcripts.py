"""What each command says: on a terminal of 80 columns, in a pipe, and as JSON. What is expected is in
tests/data/transcripts, a file a command; support/transcript.py says how to write them anew."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import lab
from case import SystemTest, message
from odd_relay import OddRelay
from process import free_port
from transcript import expect, on_terminal

EXPECTED = lab.SOURCE / "tests/data/transcripts"
MASKS = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( UTC)?", "DATE"),
    (r"(?<=User:       )\S+", "USER"),
    (r"\b\ds\b", "0s"),
    (r"(?<=server    )\d.*|(?<=\"server\": \")[^\"]+", "SERVER"),
    (r"\b\d+ \w+ ago", "AGE ago"),
    (r"(?<=\"ino\": )\d+|(?<=\"uid\": )\d+|(?<=\"user_id\": )\d+", "0"),
    (r"(?<=port )\d{4,}|(?<=port = )\d{4,}|(?<=127\.0\.0\.1:)\d+|(?<=\"port\": )\d{4,}", "PORT"),
    (r"(?<=checked as user )[^\s,]+", "USER"),
    (r"(?<=\"user\": \")[^\"]+", "USER"),
    (r"(?<=\"home\": \")[^\"]+", "HOME"),
    (r"/[^ \n\"]*/outbox[^ \n\"]*", "PATH"),
    (r"\x1b\[[0-9;]*m", ""),
)
ENVIRONMENT = {"TZ": "UTC", "LC_ALL": "C.UTF-8"}
LONG = "5.7.1 this message is not taken, for reasons that a relay tells at length: see https://mail.example.com/why?a=b"


def masked(text):
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text)
    return text


class TranscriptTest(SystemTest):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.relay = OddRelay(self.answer)
        self.addCleanup(self.relay.server.close)
        self.configure({**self.lab.relay(self.relay.port), "name": "primary"})
        self.directory_name = os.path.relpath(self.queue.path, self.directory)
        for name, state in (("order-1", "queued"), ("order-2", "failed"), ("order-3", "held")):
            os.utime(self.queue.drop(name, message(to=("ann@lab.test", "no@lab.test")), state=state), (10**9, 10**9))

    @staticmethod
    def answer(_, verb, argument):
        if verb == "RCPT" and argument == "no@lab.test":
            return f"550 {LONG}"
        return {"VRFY": "252 2.0.0 it may be one", "EXPN": "250-2.1.5 <ann@lab.test>\r\n250 2.1.5 <bob@lab.test>",
                "NOOP": "250 2.0.0 so be it"}.get(verb)

    def command(self, *arguments):
        return [lab.program("outbox"), "--config", self.configuration, *arguments]

    def in_a_pipe(self, *arguments):
        done = subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              cwd=self.directory, env={**os.environ, **ENVIRONMENT})
        return done.stdout.decode(), done.stderr.decode(), done.returncode

    def expect(self, name, *arguments, has_json=True, same=True, again=lambda: None):
        """`again` brings back what the command has used up; `same`: a terminal is told the same words, with no
        table that is cut to fit, no local times, and no error that stands on standard output, too."""
        shown, status = on_terminal(self.command(*arguments), environment=ENVIRONMENT, cwd=self.directory)
        for line in masked(shown).splitlines():
            self.assertTrue(len(line) <= 80 or " " not in line.strip(), line)
        again()
        output, errors, piped = self.in_a_pipe(*arguments)
        self.assertEqual(status, piped)
        if same:
            self.assertEqual(sorted(masked(shown).split()), sorted(masked(output + errors).split()))
        text = (f"$ outbox {' '.join(arguments)}\nstatus {status}\n\n-- on a terminal\n{shown}\n"
                f"-- standard output, in a pipe\n{output}\n-- standard error\n{errors}")
        if has_json:
            again()
            found, _, as_json = self.in_a_pipe(*arguments, "--json")
            self.assertEqual(status, as_json)
            text += f"\n-- JSON\n{json.dumps(json.loads(found), indent=2)}\n"
        expect(self, EXPECTED / f"{name}.txt", masked(text))


class Transcripts(TranscriptTest):
    def test_looking(self):
        self.expect("list", "list", "-d", self.directory_name, same=False)
        self.expect("show", "show", "-d", self.directory_name, "order-1", same=False)
        self.expect("status", "status", "-d", self.directory_name, same=False)
        self.expect("mailq", "mailq", "-d", self.directory_name, has_json=False)

    def test_looking_for_what_is_not_there(self):
        self.expect("show-nothing", "show", "-d", self.directory_name, "order-9", has_json=False)

    def test_changing(self):
        def back():
            for name, state in (("order-1", "queued"), ("order-2", "failed"), ("order-3", "held")):
                for found in self.queue.path.glob(f"{name}.*"):
                    found.rename(found.with_suffix(f".{state}"))

        for command, message_id in (("hold", "order-1"), ("release", "order-3"), ("retry", "order-2")):
            self.expect(command, command, "-d", self.directory_name, message_id, again=back)
            back()
        self.expect("adopt", "adopt", "-d", self.directory_name, "order-1")
        self.expect("hold-dry", "hold", "-d", self.directory_name, "--from", "shop", "--to", "ann", "--dry-run")
        self.expect("delete-dry", "delete", "-d", self.directory_name, "--state", "failed", "--dry-run")

    def test_deleting(self):
        def again():
            self.queue.drop("order-2", message(), state="failed")

        self.expect("delete", "delete", "-d", self.directory_name, "order-2", again=again)
        self.expect("delete-nothing", "delete", "-d", self.directory_name, "order-9", "order-8")

    def test_queueing(self):
        """What is queued is a path; what is wrong is told with its option."""
        for name, *options in (("queue-address", "--to", "Doe, Joe <joe@example.org>"), ("queue-header", "--to", "a@lab.test", "--header", "x y"),
                               ("queue-file", "--to", "a@lab.test", "--attach", "nothing.pdf")):
            self.expect(name, "queue", "--from", "a@lab.test", "--subject", "x", "--body", "y", *options, has_json=False)

    def test_settings(self):
        self.expect("config-local", "config", "local")
        self.expect("config-one", "config", "retry.max")
        self.expect("config-nothing", "config", "retry.maximum", has_json=False)

    def test_coming_from_another_system(self):
        other = self.directory / "other"
        (other / "queue").mkdir(parents=True)
        text = b"shop@lab.test\nann@lab.test\n\nSubject: x\n\ny\n"
        for name, content in (("1700000000.1", text), ("1700000001.1", b"shop@lab.test\nnobody\n\nSubject: x\n\n")):
            (other / "queue" / name).write_bytes(content)
            (other / "queue" / name).chmod(0o700)
        self.expect("import", "import", "-d", self.directory_name, "--dry-run", "nullmailer", *(
            f"other/queue/{name}" for name in ("1700000000.1", "1700000001.1")))
        (self.directory / "ssmtp.conf").write_text("root=postmaster\nmailhub=mail.example.net:587\nAuthUser=shop\nAuthPass=secret\n"
                                                   "UseSTARTTLS=YES\nOdd=1\n", encoding="ascii")
        self.expect("import-config", "import-config", "--secrets", "/nonexistent", "ssmtp", "ssmtp.conf", has_json=False)
        self.expect("import-config-system", "import-config", "exim", has_json=False)

    def test_a_configuration_from_options(self):
        """Its file has a name of one length wherever the tests run: lines end where that lets them."""
        short = tempfile.TemporaryDirectory(prefix="outbox-", dir="/tmp")
        self.addCleanup(short.cleanup)
        self.configuration = pathlib.Path(shutil.copy(self.configuration, short.name))
        self.expect("setup", "setup", "--dry-run", "--untested", "--relay", "mail.lab.test", "--root", "me@lab.test")
        self.expect("setup-nobody", "setup", "--relay", "mail.lab.test", has_json=False)

    def test_what_is_not_configured(self):
        self.expect("authorize", "authorize", has_json=False)
        self.expect("complete", "complete", "--", "outbox", "re", has_json=False)

    def test_a_refused_recipient(self):
        def again():
            for found in self.queue.path.glob("*"):
                if not found.name.startswith("."):
                    found.unlink()
            self.queue.drop("order-1", message(to=("ann@lab.test", "no@lab.test")))

        again()
        self.expect("process", "process", self.directory_name, has_json=False, again=again)
        name = "order-1"
        self.expect("show-failed", "show", "-d", self.directory_name, name, has_json=False, same=False)
        self.expect("list-failed", "list", "-d", self.directory_name, "failed", has_json=False, same=False)

    def test_asking_the_relay(self):
        self.expect("verify", "verify", "ann@lab.test")
        self.expect("expand", "expand", "everybody")
        self.expect("command", "command", "NOOP")

    def test_a_relay_that_does_not_work(self):
        self.configure({"name": "dead", "host": "127.0.0.1", "port": free_port(), "tls": "none"})
        self.expect("check-dead", "check", "--as-me", same=False)
        self.expect("send-dead", "send", "--from", "a@lab.test", "--to", "b@lab.test", "--body", "x", has_json=False)

    def test_wrong_command_lines(self):
        for name, *arguments in (("no-command", "liste"), ("no-option", "list", "--direktory", "x"),
                                 ("no-value", "list", "--sort", "colour"), ("nothing-given",)):
            self.expect(name, *arguments, has_json=False)

    def test_help(self):
        self.expect("help", "--help", has_json=False)
        self.expect("help-list", "help", "list", has_json=False)

    def test_narrow_and_wide_terminals(self):
        """A word is whole at any width, in any script, and a terminal's own columns count."""
        url = "https://mail.example.com/why?a=b"
        self.queue.drop("order-4", message(to=["no@lab.test"]))
        self.assertIn(url, on_terminal(self.command("process"), columns=30)[0])
        for columns in (20, 40, 200):
            said, _ = on_terminal(self.command("show", "-d", self.directory_name, "größer 大きい" + " wort" * 30),
                                  columns=columns, cwd=self.directory)
            self.assertLessEqual(max(len(line) for line in said.splitlines()), columns)
            self.assertIn("大きい", said)
        said, _ = on_terminal(self.command("show", "-d", self.directory_name, "大き " * 30), columns=40,
                              cwd=self.directory)
        self.assertLessEqual(max(len(line) + len(re.findall("[大き]", line)) for line in said.splitlines()), 40)
        said, _ = on_terminal(self.command("help", "list"), environment={"COLUMNS": "60"})
        self.assertLessEqual(max(map(len, said.splitlines())), 60)

    def test_what_is_for_programs_is_not_broken(self):
        for arguments in (("config",), ("list", "--json"), ("show", "--content", "order-1"),
                          ("queue", "-d", "*", "--from", "a@lab.test", "--to", "b@lab.test", "--body", "word " * 15)):
            shown, _ = on_terminal(self.command(*arguments), columns=20)
            piped = self.in_a_pipe(*arguments)[0]
            self.assertEqual(len(shown.splitlines()), len(piped.splitlines()), arguments)
