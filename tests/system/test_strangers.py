"""What a stranger puts into the drop box, seen by whoever runs the tool as root: nothing holds it up,
nothing is read that is no message, and nothing of it is obeyed by a terminal."""

import fcntl
import json
import os
import pathlib
import pty
import resource
import signal
import subprocess
import time

import lab
from case import SystemTest, message
from process import wait_for

GUARDED = "root:what-only-root-may-read"
NASTY = b"\x1b[2J\x1b]0;title\x07 \x7f \xc2\x9b31m \xe2\x80\xaeevil \xff \r\x08"
LOOKS = (("list",), ("list", "--json"), ("status",), ("status", "--json"))


class Strangers(SystemTest):
    def setUp(self):
        super().setUp()
        self.configure()
        self.guarded = self.directory / "guarded"
        self.guarded.write_text(f"From: {GUARDED}@x\nTo: a@b\n\n{GUARDED}\n", encoding="ascii")
        (self.directory / "mailq").symlink_to(lab.program("outbox"))

    def path(self, name):
        return self.queue.path / name

    def look(self, *arguments, seconds=300):
        return lab.outbox("--config", self.configuration, *arguments, seconds=seconds)

    def all_looks(self, *names):
        """What every command says, none of which may wait for anything."""
        said = b""
        for arguments in (*LOOKS, *(("show", *more, n) for n in names for more in ((), ("-c",), ("--json",)))):
            result = self.look(*arguments)
            said += result.stdout + result.stderr
        said += subprocess.run([self.directory / "mailq", "-C", self.configuration],
                               capture_output=True, check=True, timeout=300).stdout
        self.assertNotIn(GUARDED.encode(), said)
        return said.decode("utf-8")

    def make(self, kind, path):
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to(self.guarded)
        elif kind == "hard link":
            os.link(self.guarded, path)
        elif kind == "directory":
            path.mkdir()
        elif kind == "device":
            os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero: it never ends
        else:
            path.write_bytes(b"")
            os.chown(path, 64012, 64012)

    KINDS = ("pipe", "link", "hard link", "directory", "device")

    def test_in_the_place_of_a_message(self):
        for number, kind in enumerate(self.KINDS):
            self.make(kind, self.path(f"{number}.held"))
        said = self.all_looks(*map(str, range(len(self.KINDS))))
        for words in ("is not a regular file", "is a symbolic link", "has several names"):
            self.assertIn(words, said)
        self.assertEqual(len(json.loads(self.look("list", "--json").stdout)), len(self.KINDS))
        for number, kind in enumerate(self.KINDS):
            self.assertEqual(self.look("delete", str(number)).returncode, 0, kind)
        self.assertTrue(self.queue.is_empty())

    def test_in_the_place_of_a_record(self):
        for number, kind in enumerate((*self.KINDS, "another user's")):
            self.queue.drop(str(number), message(), state="deferred")
            self.make(kind, self.path(f"{number}.status"))
        said = self.all_looks(*map(str, range(len(self.KINDS) + 1)))
        self.assertIn("not a delivery record of this queue", said)
        for number in range(len(self.KINDS) + 1):
            shown = json.loads(self.look("show", "--json", str(number)).stdout)
            self.assertEqual((shown["sender"], shown["record"]), ("shop@lab.test", []))
            self.assertEqual(self.look("retry", str(number)).returncode, 0)

    def test_swapped_under_its_hands(self):
        """A message that becomes a link to what only root may read, and a message again, all the time."""
        swap = (
            "import os, sys\n"
            "link, name, plain = sys.argv[1:]\n"
            "n = 0\n"
            "while True:\n"
            "    n += 1\n"
            "    os.symlink(link, f'{name}.{n}'); os.rename(f'{name}.{n}', name)\n"
            "    os.link(plain, f'{name}.{n}'); os.rename(f'{name}.{n}', name); os.unlink(plain)\n"
            "    open(plain, 'w').write('From: a@b\\nTo: c@d\\n\\n')\n")
        plain = self.directory / "plain"
        plain.write_bytes(message())
        with subprocess.Popen(["python3", "-c", swap, self.guarded, self.path("x.held"), plain]) as swapper:
            try:
                wait_for(lambda: os.path.lexists(self.path("x.held")), "x.held")
                for _ in range(60):
                    for arguments in (("list",), ("show", "x"), ("show", "-c", "x")):
                        result = self.look(*arguments)
                        self.assertNotIn(GUARDED.encode(), result.stdout + result.stderr)
            finally:
                swapper.kill()

    def test_locked_leased_and_still_open(self):
        self.queue.drop("x", message())
        with open(self.path("x.queued"), "rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.assertIn("shop@lab.test", self.all_looks("x"))
        with open(self.path("x.queued"), "rb+") as file:
            before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # it is told who else wants the file
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            self.all_looks("x")
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            signal.signal(signal.SIGIO, before)

    def test_what_is_large(self):
        with open(self.path("sparse.held"), "wb") as file:
            file.truncate(2 << 30)
        self.path("header.held").write_bytes(b"From: a@b\nX: " + b"y" * 100_000_000)
        with open(self.path("people.held"), "wb") as file:
            file.writelines(b"X-Receiver: <u%d@lab.test>\n" % n for n in range(1_000_000))
        self.path("many.held").write_bytes(
            b"".join(b"X-Receiver: <u%d@lab.test>\n" % n for n in range(30_000)) + b"From: a@b\n\n")
        begin = time.monotonic()
        for arguments in (*LOOKS, ("show", "header"), ("show", "people"), ("show", "many")):
            result = subprocess.run(
                [str(a) for a in (lab.program("outbox"), "--config", self.configuration, *arguments)],
                capture_output=True, check=False, timeout=300,
                preexec_fn=None if self.sanitized() else
                lambda: resource.setrlimit(resource.RLIMIT_AS, (120 << 20, 120 << 20)))
            self.assertEqual(result.returncode, 0, result.stderr)
        print(f"# strangers: looked at {len(LOOKS) + 3} times in {time.monotonic() - begin:.2f} s and 120 MiB")

    def sanitized(self):
        return b"__asan" in lab.program("outbox").read_bytes()

    def test_names_of_full_length(self):
        name = "n" * 248
        self.path(f"{name}.queued").write_bytes(message())
        self.assertIn("shop@lab.test", self.all_looks(name))
        self.assertEqual(json.loads(self.look("show", "--json", name).stdout)["record"], [])

    def check_tame(self, data, where):
        text = data.decode("utf-8")  # it is that at least
        for character in text:
            code = ord(character)
            if code == 0x7f and "--json" in where:
                continue  # JSON has it as it is, and terminals pass over it
            self.assertFalse(
                code < 0x20 and character not in "\n\t" or 0x7f <= code < 0xa0 or 0x200e <= code <= 0x200f
                or 0x2028 <= code <= 0x202e or 0x2066 <= code <= 0x2069, (where, hex(code), text))

    def on_terminal(self, *arguments):
        """What a terminal without colours is sent, which is both streams."""
        ours, its = pty.openpty()
        command = [str(a) for a in (lab.program("outbox"), "--config", self.configuration, *arguments)]
        environment = {**os.environ, "NO_COLOR": "1"}  # our own would be taken for what is to be found
        with subprocess.Popen(command, stdout=its, stderr=its, stdin=subprocess.DEVNULL, env=environment) as process:
            os.close(its)
            data = b""
            while True:
                try:
                    data += os.read(ours, 65536)
                except OSError:
                    break
            process.wait(timeout=300)
        os.close(ours)
        return data.replace(b"\r\n", b"\n")

    def test_nothing_is_obeyed(self):
        name = (b"n" + NASTY.replace(b"/", b"") + b"\n")
        full = os.fsencode(self.queue.path) + b"/" + name
        with open(full + b".failed", "wb") as file:
            file.write(b"X-Sender: <a@b>\nX-Receiver: <c" + NASTY + b"@d>\nFrom: " + NASTY + b"\n\n" + NASTY)
        nasty = NASTY.decode("utf-8", "replace") + "\x9b"
        self.queue.drop("good", message(body=NASTY + b"\n"), state="failed")
        self.path("good.status").write_text(json.dumps({
            "time": nasty, "event": "failed", "error": 1, "text": nasty, nasty: nasty}) + "\n", encoding="utf-8")
        operand = os.fsdecode(name)
        for arguments in (*LOOKS, ("show", "good"), ("show", "--json", "good"), ("show", operand),
                          ("show", "-c", "good"), ("show", "--json", operand), ("hold", operand),
                          ("show", operand + "x"), ("delete", operand + "x"), ("nonsense" + operand,),
                          ("list", operand), ("queue", "--raw", operand), ("list", "-d", operand),
                          ("config", operand), ("--set", f"{operand}=1", "config")):
            data = self.on_terminal(*arguments)
            self.assertNotEqual(data, b"")
            self.check_tame(data, arguments)
        self.check_tame(self.on_terminal("process"), "process")

    def test_content_that_is_piped_stays_as_it_is(self):
        self.queue.drop("x", message(body=NASTY + b"\n"))
        self.assertEqual(self.look("show", "-c", "x").stdout, message(body=NASTY + b"\n"))

    def test_mounted_over(self):
        """By another file system, which may never answer."""
        lab.need_namespace("mount")
        self.queue.drop("x", message())
        self.path("x.status").write_bytes(b"")
        script = f"mount --bind {self.guarded} {self.path('x.queued')} && " \
                 f"mount --bind {self.guarded} {self.path('x.status')} && exec \"$@\""
        for arguments in (("show", "x"), ("show", "-c", "x"), ("list",), ("status",)):
            result = subprocess.run(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
                 str(lab.program("outbox")), "--config", str(self.configuration), *arguments],
                capture_output=True, check=False, timeout=300)
            if b"mount" in result.stderr and b"permission" in result.stderr.lower():
                self.skipTest("nothing can be mounted here")
            self.assertNotIn(GUARDED.encode(), result.stdout + result.stderr)
            if arguments == ("show", "x"):
                self.assertIn(b"another file system is mounted there", result.stdout)


class AsMember(SystemTest):
    """The path of a directory is no stranger's."""

    def test_path_is_printed_as_it_is(self):
        other = lab.Queue(self.directory / "Grüße")
        self.configure()
        path = self.outbox("queue", "-d", other.path, stdin=message()).strip()
        self.assertTrue(pathlib.Path(path).exists())
