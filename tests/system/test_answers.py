"""What the tool answers, whole: each outcome is said once, with a number only where something has failed, and JSON is data."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

import lab
from case import SystemTest, message
from process import free_port, wait_for

SEE = "; see `outbox{}--help`\n"


class Answers(SystemTest):
    """Standard output, standard error and exit status of commands that have little to do."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.configure({"name": "dead", "host": "127.0.0.1", "port": self.port, "tls": "none"})

    def check(self, *arguments, out="", err="", status=0):
        done = self.outbox(*arguments, status=None)
        self.assertEqual((done.stdout.decode(), done.stderr.decode(), done.returncode), (out, err, status), arguments)

    def test_wrong_command_lines(self):
        """They have no number, and name the command whose help tells more."""
        for arguments, said, see in (
            ((), "a command is missing", " "),
            (("hlod",), "there is no command 'hlod'; did you mean 'hold'?", " "),
            (("help", "lst"), "there is no command 'lst'; did you mean 'list'?", " "),
            (("help", "list", "x"), "x: the name of one command at most is wanted", " "),
            (("list", "--frm"), "there is no option --frm; did you mean --from?", " list "),
            (("list", "--older", "3y"), "--older 3y: a duration is wanted, such as 90s, 5m, 2h or 3d", " list "),
            (("list", "nonsense"), "nonsense is no state: those are queued, sending, sent, failed, deferred, held", " list "),
            (("hold",), "an id is missing, or --all, or what chooses messages", " hold "),
            (("show",), "one id is wanted", " show "),
            (("status", "x"), "x: no argument is wanted", " status "),
            (("verify",), "an argument is missing", " verify "),
        ):
            self.check(*arguments, err=f"outbox: {said}{SEE.format(see)}", status=64)
        self.check("list", "-d", "", err="outbox: --directory: the name of a directory is wanted\n", status=64)

    def test_no_such_message(self):
        path = self.queue.path
        for command in ("hold", "release", "retry", "delete"):
            self.check(command, "nobody", err=f"outbox: {path}/nobody: no such message\n", status=66)
            done = self.outbox(command, "--json", "nobody", status=None)
            self.assertEqual((json.loads(done.stdout), done.stderr, done.returncode),
                             ([{"id": "nobody", "done": False, "error": f"{path}/nobody: no such message"}], b"", 66))
        for arguments in ((), ("--json",)):
            self.check("show", *arguments, "nobody", status=66,
                       err=f"outbox: there is no message nobody in {path}: it has been delivered, deleted, or never was "
                           "there; `outbox list` shows those there are\n")

    def test_an_empty_queue(self):
        self.check("list")
        self.check("list", "--json", out="[]\n")
        self.check("hold", "--all", out="0 messages held\n")
        self.check("hold", "--all", "--json", out="[]\n")

    def test_no_such_directory(self):
        for command in (("list",), ("status",), ("show", "x"), ("hold", "x"), ("list", "--json"), ("status", "--json")):
            done = self.outbox(command[0], "--directory", "/nonexistent", *command[1:], status=None)
            self.assertEqual((done.stdout, done.returncode), (b"", 73), command)
            self.assertRegex(done.stderr.decode(), r"^outbox: 9008: /nonexistent: the queue directory does not exist; "
                             r"create it: [^\n]*\n$", command)

    def test_a_dead_relay(self):
        """Once, and with a number."""
        for arguments, out in ((("verify", "ann@lab.test"), ""), (("command", "NOOP"), ""),
                               (("verify", "--json", "ann@lab.test"), "[]\n")):
            done = self.outbox(*arguments, status=None)
            self.assertEqual((done.stdout.decode(), done.returncode), (out, 75), arguments)
            self.assertRegex(done.stderr.decode(), r"^outbox: 10061: relay dead, connect: [^\n]*refused[^\n]*\n$")

    def test_help_and_version(self):
        whole = self.outbox("--help")
        for arguments in (("help",), ("-h",)):
            self.check(*arguments, out=whole)
        self.check("-V", out=self.outbox("--version"))
        for command in ("list", "queue", "complete", "adopt", "config"):
            self.check("help", command, out=self.outbox(command, "--help"))
            self.check(command, "-h", out=self.outbox(command, "--help"))

    def test_watching_on_a_small_terminal(self):
        for number in range(40):
            self.queue.drop(f"message{number}", message(), state="held")
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 80, 0, 0))
        tool = subprocess.Popen([lab.program("outbox"), "--config", self.configuration, "list", "--watch"],
                                stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE)
        os.close(slave)
        shown = b""
        while b"has lines for" not in shown:
            shown += os.read(master, 65536)
        screen = shown.decode().split("\x1b[J")[1]
        self.assertLess(len(screen.splitlines()), 12, screen)
        self.assertIn("message", screen)
        self.queue.path.rename(self.directory / "elsewhere")
        said = tool.stderr.read().decode()
        os.close(master)
        self.assertEqual(tool.wait(), 73)
        self.assertIn("has been removed, or another directory has come in its place", said)


TEXT, NUMBER, BOOLEAN = str, int, bool


def maybe(kind):
    return (kind, type(None))


WAITS = {"for": TEXT, "until": maybe(TEXT), "text": maybe(TEXT)}
MESSAGE = {"id": TEXT, "state": TEXT, "uid": NUMBER, "size": NUMBER, "arrived": TEXT, "next": maybe(TEXT), "attempts": NUMBER,
           "sender": maybe(TEXT), "recipients": [TEXT], "delivered": NUMBER, "text": maybe(TEXT), "relay": maybe(TEXT),
           "waits": WAITS}
CHANGE = {"id": TEXT, "done": BOOLEAN, "error": maybe(TEXT)}
FIGURES = {"messages": NUMBER, "bytes": NUMBER, "oldest": maybe(TEXT)}
FAULT = {"stage": TEXT, "code": NUMBER, "enhanced": TEXT, "error": NUMBER, "text": TEXT, "hint": maybe(TEXT)}
DAEMON = {"program": TEXT, "version": TEXT, "pid": NUMBER, "uid": NUMBER, "started": TEXT, "time": TEXT,
          "configuration": TEXT, "answers": BOOLEAN, "silent_since": maybe(TEXT), "stopping": BOOLEAN,
          "pause": maybe({"until": maybe(TEXT), "text": maybe(TEXT)}),
          "reload_refused": maybe({"time": TEXT, "text": TEXT}), "last_sent": maybe(TEXT),
          "figures": dict.fromkeys(("sent", "deferred", "failed", "sending", "queued", "waiting", "connections",
                                    "unsettled"), NUMBER),
          "rates": {"minute": NUMBER, "sent": [NUMBER]},
          "relays": [{"name": TEXT, "host": TEXT, "port": NUMBER, "state": TEXT, "until": maybe(TEXT), "holds": NUMBER,
                      "silent": BOOLEAN, "connections": NUMBER, "fault": maybe(FAULT)}],
          "problems": [{"id": TEXT, "time": TEXT, "text": TEXT}]}
STATUS = {"directory": TEXT, "next": maybe(TEXT), "daemons": [DAEMON], "last_daemon": maybe(DAEMON), "waits": WAITS,
          "strangers": [TEXT], "n_strangers": NUMBER,
          **dict.fromkeys(("queued", "sending", "sent", "failed", "deferred", "held"), FIGURES)}


class Documents(SystemTest):
    """The documents that outbox(1) describes, member by member."""

    def walk(self, value, schema, place):
        if isinstance(schema, tuple):
            if value is not None:
                self.walk(value, schema[0], place)
        elif isinstance(schema, dict):
            self.assertEqual(set(value), set(schema), place)
            for name, member in value.items():
                self.walk(member, schema[name], f"{place}.{name}")
        elif isinstance(schema, list):
            self.assertIsInstance(value, list, place)
            for member in value:
                self.walk(member, schema[0], f"{place}[]")
        else:
            self.assertIs(type(value), schema, place)

    def json(self, *arguments):
        return json.loads(self.outbox(*arguments, "--json"))

    def test_the_members(self):
        self.configure({"name": "dead", "host": "127.0.0.1", "port": free_port(), "tls": "none"})
        for name, state in (("a", "queued"), ("b", "failed"), ("c", "held"), ("d", "deferred")):
            self.queue.drop(name, message(to=["ann@lab.test", "ben@lab.test"]), state=state)
        (self.queue.path / "stranger").write_text("x")
        self.walk(self.json("list"), [MESSAGE], "list")
        self.walk(self.json("show", "a"), {**MESSAGE, "record": [dict]}, "show")
        self.walk(self.json("status"), STATUS, "status")
        for command, name in (("hold", "a"), ("release", "a"), ("retry", "b"), ("adopt", "c"), ("delete", "c")):
            self.walk(self.json(command, name), [CHANGE], command)
        self.assertIsInstance(self.json("config")["relays"], list)
        self.assertEqual(self.json("config", "relays.dead.port"), self.json("config")["relays"][0]["port"])

    def test_those_of_a_daemon(self):
        daemon = self.start({"name": "dead", "host": "127.0.0.1", "port": free_port(), "tls": "none",
                             "hold_first": "1h", "hold_max": "1h"})
        self.queue.drop("a", message())
        wait_for(lambda: self.json("show", "a")["waits"]["for"] == "relay", "the hold")
        status = self.json("status")
        self.assertEqual(len(status["daemons"]), 1)
        self.walk(status, STATUS, "status")
        self.assertEqual(daemon.terminate(), 0)
        last = self.json("status")
        last["last_daemon"].setdefault("silent_since", None)  # of one that has ended nobody asks
        self.walk(last, STATUS, "status")
