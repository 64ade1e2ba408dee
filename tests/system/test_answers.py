"""What the tool answers, whole: each outcome is said once, with a number only where something has failed, and JSON is data."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import lab
import transcript
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
            (("config", "-e", "-c"), "--explain and --changed exclude each other", " config "),
            (("config", "-e", "--json", "port"), "--explain and --json exclude each other", " config "),
        ):
            self.check(*arguments, err=f"outbox: {said}{SEE.format(see)}", status=64)
        self.check("list", "-d", "", status=64,
                   err="outbox: --directory wants a value, and it is empty" + SEE.format(" list "))

    def test_settings(self):
        for name, said in (("prot", 'there is no setting "prot"; did you mean "relays.port"?'),
                           ("dead", 'there is no setting "dead"; did you mean "relays.dead"?'),
                           ("spol.settle", 'there is no section "spol"; did you mean "spool.settle"?')):
            self.check("config", name, err=f"outbox: {said}\n", status=64)
            self.check("config", "--json", name, err=f"outbox: {said}\n", status=64)
        self.check("config", "--explain", "relays.dead", status=64, err='outbox: there is no setting "relays.dead"; '
                   "`outbox config --explain relays` lists all there are\n")
        for section in ("spool", "relays"):
            lines = self.outbox("config", "--explain", section).splitlines()
            self.assertEqual({line.split(".")[0] for line in lines if line[:1] != " "}, {section})
        self.check("config", "-c", "relays.dead.port", out=f"{self.port}\n")
        self.check("config", "-c", "timeout")
        self.assertNotRegex(self.outbox("config", "-c"), r"(?m)^\w+ = [({]\n\n?[)}];$")
        self.check("config", "-c", "--json", "timeout", out="null\n")
        self.check("config", "Timeout", out="60\n")
        self.check("config", "timeout", out="1m\n")

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

    def test_a_directory_that_nobody_can_deliver_from(self):
        """The same is said of it by all who meet with it, and no check passes."""
        file, open_to_all = self.directory / "file", self.directory / "open"
        file.write_text("")
        open_to_all.mkdir()
        open_to_all.chmod(0o777)
        for path, said in ((self.directory / "missing", "does not exist; create it: mkdir -p "), (file, "is no directory; name"),
                           (file / "below", "is no directory; name"), (open_to_all, "everybody may rename and delete")):
            self.configure(spool={"directory": str(path), "submit_socket": ""})
            checked = subprocess.run([lab.program("outboxd"), "--config", self.configuration, "--check"],
                                     capture_output=True, check=False, timeout=300)
            self.assertEqual((checked.stdout, checked.returncode), (b"", 78), checked.stderr)
            words = re.escape(f"{path}: ") + "(the queue directory )?" + said
            self.assertRegex(checked.stderr.decode(), f": spool.directory: {words}")
            commands = (("list",), ("status",), ("queue", "ann@lab.test")) if path != open_to_all else ()
            for command in (*commands, ("check",)):
                done = self.outbox(*command, stdin=b"From: a@lab.test\n\nx\n", status=None)
                self.assertNotEqual(done.returncode, 0, command)
                self.assertRegex(done.stderr.decode(), rf"\Aoutbox: 9008: {words}", command)
                self.assertNotIn(b"without --as-me", done.stdout if path != open_to_all else b"")

    def test_what_is_wrong_with_a_message(self):
        for option, value, said in (
            ("--header", "X-Ü: y", 'header "X-Ü: y": the name of a field is of ASCII letters, digits and "-" alone; its value may '
                                   'be of any'),
            ("--header", "X A: y", 'header "X A: y": the name of a field, in front of the colon, has no blanks in it'),
            ("--header", "X y", 'header "X y": this is not a header field, which is written "Name: value"'),
            ("--to", "Doe, Joe <k@x.org>", 'to: "Doe" is not a mail address: it has no @ with a domain behind it; a name with a '
                                           'comma in it is put in double quotes: "Doe, Joe" <joe@example.org>'),
            ("--cc", "a@x.org, Doe, Joe <k@x.org>", 'cc: "Doe" is not a mail address: it has no @ with a domain behind it; a name '
                                                    'with a comma in it is put in double quotes: "Doe, Joe" <joe@example.org>'),
            ("--to", "doe", 'to: "doe" is not a mail address: it has no @ with a domain behind it')):
            self.check("queue", "--from=a@x.org", "--bcc=b@x.org", option, value, "--body=x", err=f"outbox: 9003: {said}\n", status=65)

    def test_adopted(self):
        self.check("adopt", "--all", out="0 messages have their records\n")
        for name in "ab":
            self.queue.drop(name, message(), state="held")
        self.assertIn("2 messages have their records\n", self.outbox("adopt", "--all"))

    def test_a_dead_relay(self):
        """Once, and with a number."""
        for arguments, out in ((("verify", "ann@lab.test"), ""), (("command", "NOOP"), ""),
                               (("verify", "--json", "ann@lab.test"), "[]\n")):
            done = self.outbox(*arguments, status=None)
            self.assertEqual((done.stdout.decode(), done.returncode), (out, 75), arguments)
            self.assertRegex(done.stderr.decode(), r"^outbox: 10061: relay dead, connect: cannot connect to 127.0.0.1 "
                             rf"port {self.port} \(Connection refused\); [^\n]*\n$")

    def called(self, name, *arguments):
        link = self.directory / name
        if not link.exists():
            link.symlink_to(lab.program("outboxd" if name == "outboxd" else "outbox"))
        done = subprocess.run([link, *arguments], capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=300)
        self.assertEqual((done.returncode, done.stderr), (0, b""), (name, arguments))
        return done.stdout.decode()

    def test_help_and_version(self):
        """By each name and of each command, in both ways."""
        whole, version = self.called("outbox", "--help"), self.called("outbox", "--version")
        self.assertRegex(version, r"\Aoutbox \d")
        for name, answer in (("outbox", version), ("outboxd", version.splitlines()[0].replace("outbox", "outboxd") + "\n"),
                             ("mailq", version), ("newaliases", version)):
            usage = self.called(name, "--help")
            self.assertTrue(usage.startswith("Usage: "), name)
            self.assertEqual(self.called(name, "-h"), usage)
            self.assertEqual([self.called(name, option) for option in ("-V", "--version")], [answer, answer])
        self.assertEqual(self.called("sendmail", "--help"), self.called("mailq", "--help"))
        self.assertEqual(self.called("sendmail", "--version"), version)
        commands = re.findall(r"(?m)^  ([a-z-]+) ", whole.partition("\nOptions:")[0])
        self.assertGreater(len(commands), 20)
        for command in commands:
            usage = self.called("outbox", "help", command)
            self.assertTrue(usage.startswith(f"Usage: outbox {command} "), usage)
            self.assertEqual([self.called("outbox", command, option) for option in ("-h", "--help")], [usage, usage])
            self.assertEqual([self.called("outbox", command, option) for option in ("-V", "--version")], [version, version])
            self.assertEqual(self.called("outbox", command, "one", "two", "-h"), usage)
        self.assertEqual([self.called("outbox", "help", *more) for more in ((), ("-h",), ("--help",))], [whole] * 3)
        self.assertEqual(self.called("outbox", "help", "-V"), version)

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

    def test_the_table_fits_and_its_ids_can_be_used(self):
        self.configure({**self.lab.relay("plain"), "name": "primary"})
        ids = ["20261127T08484811-8k2jd9s0qpl3m", "20261127T08484811-8k3000000000", "20261127T084848", "x\x1b[31m",
               "x\x1b[32m is a name that is far too long for any terminal", "another"]
        for name in ids:
            self.queue.drop(name, message(to=["somebody.of.a.long.name@lab.test"]), state="held")
        styles = re.compile(r"\x1b\[[0-9;]*m")
        for columns in (200, 80, 60, 40, 24):
            lines = styles.sub("", on_terminal(self.configuration, "list", COLUMNS=str(columns))).splitlines()
            self.assertEqual(len(lines), len(ids) + 1, lines)
            self.assertLessEqual(max(map(len, lines)), columns, lines)
            self.assertEqual("RECIP" in lines[0], columns > 24, lines)
            states = lines[0].find("STATE")
            shown = [line[:states if states > 0 else None].strip().rstrip("…") for line in lines[1:]]
            found = [json.loads(self.outbox("show", "--json", word))["id"] for word in shown]
            self.assertEqual(sorted(found), sorted(ids), columns)
        for columns in (19, 8, 3, 1):
            lines = styles.sub("", on_terminal(self.configuration, "list", COLUMNS=str(columns))).splitlines()
            self.assertLessEqual(max(map(len, lines[1:])), columns, lines)


def on_terminal(configuration, *arguments, **environment):
    """What a terminal of 80 columns is sent."""
    command = [lab.program("outbox"), "--config", configuration, *arguments]
    return transcript.on_terminal(command, errors=False, environment=environment)[0]


class Colors(SystemTest):
    """They are on a terminal, unless somebody wants none, and change no other byte."""

    STYLES = re.compile("\x1b\\[[0-9;]*m")

    def setUp(self):
        super().setUp()
        self.configure({"name": "dead", "host": "127.0.0.1", "port": free_port(), "tls": "none"})
        for name, state in (("a", "queued"), ("b", "failed"), ("c", "held"), ("long" * 30, "deferred")):
            os.utime(self.queue.drop(name, message(), state=state), (10**9, 10**9))

    def on_terminal(self, *arguments, **environment):
        return on_terminal(self.configuration, *arguments, **environment)

    def check(self, command, *colored):
        shown = self.on_terminal(*command)
        for text in colored:
            self.assertIn(text, shown)
        plain = self.on_terminal("--color=never", *command)
        self.assertNotIn("\x1b", plain)
        self.assertEqual(self.STYLES.sub("", shown), plain)
        return plain

    def test_each_command(self):
        self.assertLessEqual(max(map(len, self.check(("list",), "  \x1b[1;31mfailed\x1b[0m    ", "\x1b[35mheld\x1b[0m",
                                                     "  \x1b[35mdeferred\x1b[0m  ").splitlines()[:5])), 80)
        self.check(("show", "b"), "State:      \x1b[1;31mfailed\x1b[0m\n")
        self.check(("show", "a"), "State:      queued\n", "Waits for:  \x1b[35mdaemon")
        self.check(("status",), "\x1b[1;31m  failed           1\x1b[0m  ", "  queued           1  ",
                   "\n  sent             0\n")
        self.check(("check",), "  \x1b[1;31mFAILED\x1b[0m at connect: ")

    def test_who_wants_none(self):
        for environment in ({"NO_COLOR": "1"}, {"NO_COLOR": "false"}, {"TERM": "dumb"}, {"TERM": ""}):
            self.assertNotIn("\x1b", self.on_terminal("list", **environment), environment)
            self.assertIn("\x1b[1;31m", self.on_terminal("--color", "always", "list", **environment), environment)
        self.assertIn("\x1b[1;31m", self.on_terminal("list", NO_COLOR=""))
        self.assertIn("\x1b[1;31m", self.on_terminal("--color=auto", "list"))
        self.assertNotIn("\x1b", self.on_terminal("list", "--json"))

    def test_into_a_pipe(self):
        for command in (("list",), ("show", "b"), ("status",)):
            plain = self.outbox(*command)
            self.assertNotIn("\x1b", plain)
            colored = self.outbox("--color=always", *command)
            self.assertIn("\x1b[1;31m", colored)
            self.assertEqual(self.STYLES.sub("", colored), plain)
        self.assertNotIn("\x1b", self.outbox("--color=always", "list", "--json"))

    def test_wrong_ones(self):
        for arguments, said in (
            (("--color=blue", "list"), "--color blue: it can be auto, never or always; see `outbox --help`"),
            (("--color",), "--color wants a value; see `outbox --help`"),
            (("list", "--color=always"), "--color stands before the command; see `outbox list --help`"),
            (("list", "--config=x"), "--config stands before the command; see `outbox list --help`"),
        ):
            done = self.outbox(*arguments, status=None)
            self.assertEqual((done.stdout, done.stderr.decode(), done.returncode), (b"", f"outbox: {said}\n", 64))

    def test_completion(self):
        self.assertEqual(self.outbox("complete", "--", "outbox", "--color", "").split(), ["auto", "never", "always"])
        self.assertIn("failed", self.outbox("complete", "--", "outbox", "--color", "always", "list", "").split())


REFUSED = "550 5.1.1 <refused@lab.test>: Recipient address rejected: no such user here"
WHY = f"1 of 1 recipients refused; refused@lab.test refused at rcpt: {REFUSED}"


class Whole(SystemTest):
    """All that is said where something is wrong, as who reads it sees it."""

    maxDiff = None

    def check(self, *arguments, out="", err="", status=0):
        done = self.outbox(*arguments, status=None)
        self.assertEqual((done.stdout.decode(), done.stderr.decode(), done.returncode), (out, err, status), arguments)

    def test_a_refused_recipient(self):
        self.configure({**self.lab.relay("plain"), "name": "primary"})
        address = f"127.0.0.1:{self.lab.postfix.port['plain']}"
        os.utime(self.queue.drop("order", message(to=["refused@lab.test"])), (10**9, 10**9))
        self.check("process", status=69, out="0 sent, 0 deferred, 1 failed\n",
                   err=f"outbox: 161: order: refused@lab.test refused by primary at rcpt: {REFUSED}\n")
        size = os.stat(self.queue.path / "order.failed").st_size
        table = ("ID     STATE   AGE  BYTES  TRIES  NEXT  SENDER         RECIPIENTS\n"
                 f"order  failed    ?    {size}      1     -  shop@lab.test  refused@lab.test\n")
        self.check("list", out=f"{table}    {WHY}\n")
        self.assertEqual(on_terminal(self.configuration, "list"),
                         table.replace("failed", "\x1b[1;31mfailed\x1b[0m") + f"    {WHY[:75]}…\n")
        shown = {"id": "order", "state": "failed", "uid": os.getuid(), "size": size,
                 "arrived": "2001-09-09T01:46:40.000000Z", "next": None, "attempts": 1,
                 "lane": None, "sender": "shop@lab.test",
                 "recipients": ["refused@lab.test"], "delivered": 0, "text": WHY, "relay": "primary",
                 "waits": {"for": "nothing", "relay": None, "until": None, "text": None}}
        self.assertEqual(json.loads(self.outbox("list", "--json")), [shown])
        record = self.queue.record("order")
        self.assertEqual(json.loads(self.outbox("show", "--json", "order")), {**shown, "record": record})
        time = record[1]["time"]
        self.assertEqual(record[2]["time"], time)
        self.check("show", "order", out=f"""Id:         order
State:      failed
User:       {os.getuid()}
Arrived:    2001-09-09T01:46:40.000000Z
Size:       {size} bytes
Attempts:   1
Sender:     shop@lab.test
Recipients: refused@lab.test
Last:       {WHY}

{time}  refused  recipient=refused@lab.test  attempt=1  code=550  enhanced=5.1.1  stage=rcpt  text={REFUSED[10:]}  \
relay=primary  address={address}
{time}  failed  error=9004  text={WHY}  hint=the relay's own log may say more; `outbox check --verbose` shows the dialogue
""")

    def test_a_directory_of_another_user(self):
        self.queue.drop("order", message())
        self.queue.path.chmod(0o711)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", lab.program("outbox")]
        owner = os.stat(self.queue.path)
        for command in (("list",), ("list", "--json"), ("status",), ("status", "--json"), ("show", "order"),
                        ("show", "--json", "order"), ("hold", "order"), ("retry", "--all"), ("delete", "--json", "order")):
            done = subprocess.run([*nobody, command[0], "--directory", self.queue.path, *command[1:]],
                                  capture_output=True, check=False)
            self.assertEqual((done.stdout, done.stderr.decode(), done.returncode),
                             (b"", f"outbox: 10013: {self.queue.path}: this process (user 65534) may not list the queue "
                                   f"directory, which belongs to user {owner.st_uid} with mode 0711; run as that user, or "
                                   "as root (who may queue sees no list)\n", 77), command)
        done = subprocess.run([*nobody, "queue", "--directory", self.queue.path], input=message(), capture_output=True,
                              check=False)
        self.assertEqual((done.stdout, done.stderr.decode(), done.returncode),
                         (b"", f"outbox: 10013: {self.queue.path}: this user (65534) may not put files into the queue "
                               f"directory, which belongs to user {owner.st_uid}, group {owner.st_gid}, with mode 0711; "
                               "that group may not either: queue as that user, or ask it to let the group\n", 77))
        self.assertEqual(self.queue.names(), ["order.queued"])


TEXT, NUMBER, BOOLEAN = str, int, bool


def maybe(kind):
    return (kind, type(None))


WAITS = {"for": TEXT, "relay": maybe(TEXT), "until": maybe(TEXT), "text": maybe(TEXT)}
MESSAGE = {"id": TEXT, "state": TEXT, "uid": NUMBER, "size": NUMBER, "arrived": TEXT, "next": maybe(TEXT), "attempts": NUMBER,
           "lane": maybe(TEXT), "sender": maybe(TEXT), "recipients": [TEXT], "delivered": NUMBER, "text": maybe(TEXT), "relay": maybe(TEXT),
           "waits": WAITS}
CHANGE = {"id": TEXT, "done": BOOLEAN, "error": maybe(TEXT)}
FIGURES = {"messages": NUMBER, "bytes": NUMBER, "oldest": maybe(TEXT)}
FAULT = {"stage": TEXT, "code": NUMBER, "enhanced": TEXT, "error": NUMBER, "text": TEXT, "hint": maybe(TEXT)}
ALARM = {"alarm": TEXT, "since": TEXT, "text": TEXT}
DAEMON = {"program": TEXT, "version": TEXT, "pid": NUMBER, "uid": NUMBER, "started": TEXT, "time": TEXT,
          "configuration": TEXT, "answers": BOOLEAN, "silent_since": maybe(TEXT), "stopping": BOOLEAN,
          "pause": maybe({"until": maybe(TEXT), "text": maybe(TEXT)}),
          "reload_refused": maybe({"time": TEXT, "text": TEXT}), "last_sent": maybe(TEXT),
          "figures": dict.fromkeys(("sent", "deferred", "failed", "sending", "queued", "waiting", "connections",
                                    "unsettled", "arrived", "submitted", "alarms"), NUMBER),
          "counters": {"recipients": dict.fromkeys(("delivered", "deferred", "refused"), NUMBER),
                       **dict.fromkeys(("bytes", "notices", "untold", "problems"), NUMBER),
                       "delay": {"sum": NUMBER, "bounds": [NUMBER], "counts": [NUMBER]}},
          "rates": {"minute": NUMBER, "sent": [NUMBER]},
          "relays": [{"name": TEXT, "host": TEXT, "port": NUMBER, "state": TEXT, "until": maybe(TEXT), "holds": NUMBER,
                      "silent": BOOLEAN, "waits": maybe({"stage": TEXT, "for": maybe(TEXT), "hint": maybe(TEXT)}),
                      "connections": NUMBER, "fault": maybe(FAULT), "certificate_ends": maybe(TEXT),
                      "restrained": maybe({"until": TEXT, "text": TEXT}),
                      "counters": {**dict.fromkeys(("delivered", "deferred", "refused", "holds"), NUMBER),
                                   "last_delivered": maybe(TEXT)}}],
          "lanes": [{"name": maybe(TEXT), "restrained": maybe({"until": TEXT, "text": TEXT}),
                     **dict.fromkeys(("priority", "waiting", "sending", "connections"), NUMBER)}],
          "problems": [{"id": TEXT, "time": TEXT, "text": TEXT}], "alarm": [ALARM]}
STATUS = {"directory": TEXT, "full": bool, "next": maybe(TEXT), "daemons": [DAEMON], "last_daemon": maybe(DAEMON), "waits": WAITS,
          "relays_waited_for": dict, "strangers": [TEXT], "n_strangers": NUMBER, "alarm": [ALARM],
          **dict.fromkeys(("queued", "sending", "sent", "failed", "deferred", "held"), FIGURES)}

REPLY = {"relay": TEXT, "command": TEXT, "code": NUMBER, "enhanced": maybe(TEXT), "lines": [TEXT]}
LISTS = ("tls_protocols", "tls_ciphers", "tls_accept_certificate", "tls_security_flags", "tls12_groups", "tls13_groups",
         "tls13_key_shares", "tls12_signature_algorithms", "tls13_signature_algorithms", "discard_ehlo_keywords",
         "proxy_exceptions", "oauth_scope")


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

    def test_what_a_relay_says(self):
        self.configure({**self.lab.relay("plain"), "name": "primary"})
        said = self.json("verify", "nobody@lab.test")
        self.walk(said, [REPLY], "verify")
        self.assertEqual((said[0]["relay"], said[0]["command"], said[0]["code"]), ("primary", "VRFY nobody@lab.test", 252))
        said = json.loads(self.outbox("expand", "--json", "list", "other", status=69))
        self.walk(said, [REPLY], "expand")
        self.assertEqual([one["command"] for one in said], ["EXPN list", "EXPN other"])
        said = self.json("command", "NOOP", "EHLO me.test")
        self.walk(said, [REPLY], "command")
        self.assertEqual([one["code"] for one in said], [250, 250])
        self.assertIn("PIPELINING", said[1]["lines"])

    def test_the_configuration(self):
        """No text is a list, nor a number, of settings that are one."""
        self.configure({"name": "one", "host": "127.0.0.1", "port": 2525, "discard_ehlo_keywords": "CHUNKING DSN",
                        "proxy_exceptions": "a.test;b.test", "tls_security_flags": 6})
        config = self.json("--set", "spool.senders=root: a@b.test", "config")
        self.walk(config["spool"]["senders"], [{"users": [TEXT], "senders": [TEXT]}], "senders")
        relay = config["relays"][0]
        for name in LISTS:
            self.assertIn(type(relay[name]), (list, type(None)), name)
        self.assertEqual(relay["discard_ehlo_keywords"], ["CHUNKING", "DSN"])
        self.assertEqual(relay["proxy_exceptions"], ["a.test", "b.test"])
        self.assertEqual(relay["tls_security_flags"], ["ignore-trust-list-time", "ignore-nesting"])
        self.assertEqual((relay["port"], relay["tls_verify"], relay["timeout"]), (2525, True, "1m"))
        self.assertEqual(self.json("config", "relays.one"), relay)
        self.assertEqual(self.json("config", "relays.one.port"), 2525)
        self.assertEqual(self.json("config", "SSLEnabledProtocols"), ["TLSv1.2", "TLSv1.3"])
        self.assertEqual(self.json("config", "Timeout"), 60)
        self.assertEqual(self.json("config", "retry"), config["retry"])

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
