"""How the tool ends: never with 0 after a failure, whatever fails. Memory, disk, descriptors, and
whoever reads its output."""

import os
import resource
import subprocess

import lab
from case import SystemTest, message
from login_relay import LoginRelay
from preload import ALLOCATIONS, NO_ROOM, preload

TEMPORARY = 75


# Programs pipe such things.
TO_MEND = b"From: Shop, Inc. <a@lab.test>\nTo: b@lab.test; c@lab.test\nReply-To: \nX Mailer: 1\nSubject: x\nHello.\n"


class Exits(SystemTest):
    seconds = 300

    def setUp(self):
        super().setUp()
        self.configure({"host": "127.0.0.1", "port": 9, "tls": "none"})
        self.message = self.directory / "message.eml"
        self.message.write_bytes(message())
        (self.directory / "sendmail").symlink_to(lab.program("outbox"))

    def tool(self, *arguments, name="outbox", wrapper=(), **options):
        """Runs the tool under a name that it is called by, with a message that this takes."""
        program = self.directory / name if name == "sendmail" else lab.program(name)
        config = ("-C", self.configuration) if name == "sendmail" else ("--config", self.configuration)
        return subprocess.run(
            [str(a) for a in (*wrapper, program, *config, *arguments)], input=TO_MEND if name == "sendmail" else message(),
            check=False, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})

    def empty(self):
        for path in self.queue.path.iterdir():
            path.unlink()

    def writers(self):
        yield "outbox", ("queue", "-d", self.queue.path)
        yield "outbox", ("queue", "-d", self.queue.path, "--batch", self.message, self.message)
        yield "outbox", ("queue", "--from", "a@b", "--recipient", "to: ü <c@d> NOTIFY=NEVER", "--subject", "ü", "--body", "ü",
                         "--html", "<p>", "--inline", self.message, "--content-id", "i", "--attach", self.message,
                         "--header", "X: ü", "--message-id", "<a@b>")  # OpenSSL makes five thousand allocations for one
        yield "sendmail", ("-i", "a@lab.test")
        yield "sendmail", ("-t",)


class NoMemory(Exits):
    """Each allocation in turn fails, and all from there on."""

    def setUp(self):
        super().setUp()
        if os.environ.get("ASAN_OPTIONS") or b"__asan" in lab.program("outbox").read_bytes():
            self.skipTest("the sanitizers have an allocator of their own")
        self.wrapper = preload(self.directory, ALLOCATIONS)
        self.count = self.directory / "count"

    def run_with(self, name, arguments, **variables):
        """The wrapper's `env` takes variables behind its own."""
        given = [f"{key}={value}" for key, value in variables.items()]
        return self.tool(*arguments, name=name, wrapper=(*self.wrapper, *given))

    def names_in(self, output):
        return [line.rsplit(b"/", 1)[1].decode() for line in output.splitlines()]

    def check_queued(self, name, result, where):
        """What was said to be queued is, and nothing was queued that was not said to be."""
        names = self.queue.names()
        self.assertEqual([n for n in names if not n.endswith(".queued")], [], where)
        if name == "outbox":
            self.assertEqual(sorted(self.names_in(result.stdout)), names, where)
        else:
            self.assertEqual(len(names), result.returncode == 0, where)

    def each_failure(self, name, arguments, check):
        self.run_with(name, arguments, COUNT_TO=self.count)
        self.empty_unless_looking(arguments)
        total = int(self.count.read_text(encoding="ascii"))
        self.died = 0
        for all_of_them in (False, True):
            for number in range(1, total + 1):
                more = {"FAIL_ALL": 1} if all_of_them else {}
                result = self.run_with(name, arguments, FAIL_AT=number, **more)
                check(result, f"{name} {arguments}, allocation {number} of {total}, {more}: {result}")
                self.empty_unless_looking(arguments)
        self.assertLess(self.died, total)
        print(f"# exits: {name} {arguments[0]}: {2 * total} failures of memory, {self.died} deaths")

    def empty_unless_looking(self, arguments):
        if arguments[0] not in ("list", "show", "status", "config"):
            self.empty()

    def check_status(self, result, where):
        """libconfig, which reads the configuration, ends the process itself, or crashes."""
        if "'-d'" not in where and (result.returncode < 0 or b"out of dynamic memory in " in result.stderr):
            self.died += 1
            return
        self.assertIn(result.returncode, (0, TEMPORARY), where)
        self.assertEqual(result.returncode == 0, result.stderr == b"", where)

    def test_queueing(self):
        for name, arguments in self.writers():
            def check(result, where, name=name):
                self.check_status(result, where)
                self.check_queued(name, result, where)

            with self.subTest(arguments=arguments):
                self.each_failure(name, arguments, check)

    def test_looking(self):
        self.queue.drop("a", message(to=["a@lab.test", "b@lab.test"]), state="deferred")
        (self.queue.path / "a.status").write_text(
            '{"time":"2026-03-02T10:20:30.000000Z","event":"deferred","recipient":"a@lab.test","attempt":1,'
            '"code":450,"enhanced":"4.2.0","stage":"rcpt","text":"later"}\n'
            '{"time":"2026-03-02T10:20:30.000000Z","event":"retry","attempt":1,'
            '"next":"2026-03-02T10:21:30.000000Z"}\n', encoding="ascii")
        here = ("-d", self.queue.path)
        for arguments in (("list", *here), ("list", "--json", *here), ("show", "a", *here),
                          ("show", "--json", "a", *here), ("status", *here), ("status", "--json", *here),
                          ("config",), ("config", "--json")):
            with self.subTest(arguments=arguments):
                whole = self.tool(*arguments).stdout
                self.assertNotEqual(whole, b"")

                def check(result, where, whole=whole):
                    self.check_status(result, where)
                    if result.returncode == 0 and "list" not in where:  # that tells the time since
                        self.assertEqual(result.stdout, whole, where)

                self.each_failure("outbox", arguments, check)


class NoRoom(Exits):
    def test_disk(self):
        for error in ("ENOSPC", "EDQUOT", "EIO", "EROFS"):
            wrapper = preload(self.directory, f"#define ERROR {error}\n" + NO_ROOM)
            for name, arguments in self.writers():
                result = self.tool(*arguments, name=name, wrapper=wrapper)
                self.assertEqual(result.returncode, TEMPORARY, (error, arguments, result))
                self.assertRegex(result.stderr, rb"\A(outbox: \d+: .*nothing was queued\n)+\Z")
                self.assertTrue(self.queue.is_empty())

    def test_descriptors(self):
        for most in range(3, 16):
            for name, arguments in self.writers():
                result = self.tool(
                    *arguments, name=name,
                    preexec_fn=lambda most=most: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
                where = (most, arguments, result)
                queued = len(self.queue.in_state("queued"))
                if result.returncode == 127:
                    continue  # the program's libraries could not be opened
                self.assertIn(result.returncode, (0, TEMPORARY), where)
                self.assertEqual(queued, (2 if "--batch" in arguments else 1) if result.returncode == 0
                                 else result.stdout.count(b"\n"), where)
                self.empty()


    def limited(self, limit, *arguments):
        """What a command that is in the library says with this limit; None where the program itself cannot begin."""
        result = self.tool(*arguments, preexec_fn=lambda: resource.setrlimit(*limit))
        if result.returncode == 127:
            return None
        where = (limit, arguments, result)
        self.assertIn(result.returncode, (0, TEMPORARY), where)
        self.assertEqual(result.returncode == 0, result.stderr == b"", where)
        return result.stderr.decode()

    def test_descriptors_for_the_library(self):
        """It is loaded with one at a time, as the program is."""
        said = [self.limited((resource.RLIMIT_NOFILE, (most, most)), "list") for most in range(3, 16)]
        self.assertEqual([words for words in said if "library" in (words or "")], [])
        self.assertEqual(said[-1], "")

    def test_memory_for_the_library(self):
        if b"__asan" in lab.program("outbox").read_bytes():
            self.skipTest("the sanitizers reserve more than there is")
        said = [self.limited((resource.RLIMIT_AS, (kib << 10, kib << 10)), "list") for kib in range(3000, 60000, 500)]
        self.assertTrue(any("cannot load what this command needs: " in (words or "") for words in said), said)
        self.assertEqual(said[-1], "")


class NoReader(Exits):
    def commands(self):
        yield ("queue",)
        yield ("queue", "--batch", self.message)
        yield ("queue", "--from", "a@b", "--to", "c@d", "--body", "x")
        yield ("queue", "-d", "*")
        for command in (("list",), ("status",), ("show", "x"), ("config",), ("check",)):
            yield command
            yield (command[0], "--json", *command[1:])
        yield ("config", "--explain")
        yield ("--version",)
        yield ("--help",)
        yield ("list", "--help")
        yield ("process",)
        yield ("command", "NOOP")

    def relay(self):
        relay = LoginRelay()
        self.addCleanup(relay.close)
        self.configure({"host": "127.0.0.1", "port": relay.port, "tls": "none"})

    def test_full_output(self):
        self.relay()
        self.queue.drop("x", message(), state="held")
        for command in self.commands():
            with open("/dev/full", "wb") as full:
                result = self.tool(*command, stdout=full)
            self.assertEqual(result.returncode, 74, (command, result))
            self.assertEqual(result.stderr.count(b"cannot write to standard output"), 1, result.stderr)

    def test_nobody_reads(self):
        self.relay()
        self.queue.drop("x", message(), state="held")
        for command in self.commands():
            reader, writer = os.pipe()
            os.close(reader)
            result = self.tool(*command, stdout=writer)
            os.close(writer)
            self.assertEqual(result.returncode, 74, (command, result))

    def test_closed_output(self):
        """What was asked for and could not be printed is a failure; where nothing is to be printed it is none."""
        self.relay()
        self.queue.drop("x", message(), state="held")
        for command in self.commands():
            result = self.tool(*command, wrapper=("sh", "-c", 'exec "$@" >&-', "sh"))
            self.assertEqual(result.returncode, 74, (command, result))
            self.assertEqual(result.stderr.count(b"cannot write to standard output"), 1, result.stderr)
        result = self.tool("complete", "--", "outbox", "nothing", wrapper=("sh", "-c", 'exec "$@" >&-', "sh"))
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        for option in ("--help", "--version", "--check"):
            result = self.tool(option, name="outboxd", wrapper=("sh", "-c", 'exec "$@" >&-', "sh"))
            self.assertEqual(result.returncode, 74, (option, result))
            self.assertIn(b"cannot write to standard output", result.stderr)

    def test_closed_streams(self):
        """No file that is opened gets the number of one of them."""
        for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-", "1>&- 2>&-"):
            for name, arguments in self.writers():
                wrapper = ("sh", "-c", f'exec "$@" {closed}', "sh")
                result = self.tool(*arguments, name=name, wrapper=wrapper)
                reads = "0<&-" in closed and "--batch" not in arguments and "--body" not in arguments
                prints = "1>&-" in closed and name != "sendmail"
                self.assertEqual(result.returncode, 74 if reads or prints else 0, (closed, arguments, result))
                for queued in self.queue.in_state("queued"):
                    content = (self.queue.path / queued).read_bytes()
                    self.assertNotIn(str(self.queue.path).encode(), content)
                    self.assertNotIn(b"outbox: ", content)
                self.empty()
