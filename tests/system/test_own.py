"""What a user has queued himself he sees and changes through the submission socket, and nothing else."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from case import message
from process import wait_for
from submission import ALICE, BOB, GROUP, SubmissionTest, as_user

ALL = {"alice": ALICE, "bob": BOB}


def status_owner(path):
    status = path.stat()
    return status.st_uid, status.st_gid


class Own(SubmissionTest):
    """Two users with a message each, and one that is a file of a member's."""

    def setUp(self):
        super().setUp()
        self.daemon = self.serve(self.down())
        self.ids = {}
        for name, uid in ALL.items():
            path = self.queue_as(uid, self.address(name)).stdout.decode().strip()
            self.ids[name] = pathlib.Path(path).stem
        self.wait_held(self.daemon, len(ALL))

    def json_of(self, uid, *arguments, **options):
        result = self.tool_as(uid, *arguments, "--json", **options)
        return json.loads(result.stdout)

    def states(self):
        return {name: [path.suffix for path in self.queue.path.glob(f"{identity}.*") if path.suffix != ".status"]
                for name, identity in self.ids.items()}

    def ask(self, data):
        """As one who speaks to the socket himself: the lines, and what the descriptors give."""
        script = ("import os, socket, sys\n"
                  "s = socket.socket(1); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read())\n"
                  "line, fds, _, _ = socket.recv_fds(s, 7, 2)\n"
                  "text = b''.join(os.fdopen(fd, 'rb').read() for fd in fds)\n"
                  "s.shutdown(socket.SHUT_WR)\n"
                  "while (more := s.recv(4096)): line += more\n"
                  "sys.stdout.buffer.write(line + b'--\\n' + text)")
        done = subprocess.run([*as_user(ALICE), "/usr/bin/python3", "-c", script, self.socket], input=data,
                              capture_output=True, check=False, timeout=200)
        return done.stdout.decode()

    # ---- what works ----

    def test_list(self):
        for name, uid in ALL.items():
            listed = self.json_of(uid, "list")
            self.assertEqual([(one["id"], one["uid"], one["recipients"]) for one in listed],
                             [(self.ids[name], uid, [self.address(name)])])
            text = self.tool_as(uid, "list", "queued", "--sort", "age")
            self.assertIn(self.ids[name].encode(), text.stdout)
            self.assertIn(b"these are the messages that you have queued", text.stderr)
            self.assertEqual(text.returncode, 0)
        self.assertEqual(self.json_of(ALICE, "list", "--uid", str(BOB)), [])
        self.assertEqual(self.tool_as(ALICE, "list", "--sort", "odd").returncode, 64)

    def test_member_sees_his_files(self):
        """He queues into the directory, and may not read it."""
        path = self.queue_as(BOB, self.address(), groups=(GROUP,)).stdout.decode().strip()
        listed = {one["id"] for one in self.json_of(BOB, "list", groups=(GROUP,))}
        self.assertEqual(listed, {self.ids["bob"], pathlib.Path(path).stem})
        self.assertEqual(len(self.json_of(ALICE, "list")), 1)

    def test_show(self):
        shown = self.json_of(ALICE, "show", self.ids["alice"])
        self.assertEqual((shown["id"], shown["uid"]), (self.ids["alice"], ALICE))
        content = self.tool_as(ALICE, "show", "--content", self.ids["alice"])
        self.assertIn(b"Hello.", content.stdout)
        beginning = self.json_of(ALICE, "show", self.ids["alice"][:-3])
        self.assertEqual(beginning["id"], self.ids["alice"])

    def test_changes(self):
        identity = self.ids["alice"]
        for arguments, state, told in ((("hold", identity), ".held", b"held"), (("release", "--all"), ".queued", b"1 message queued again"),
                                       (("delete", "--to", "alice"), None, b"1 message deleted")):
            done = self.tool_as(ALICE, *arguments)
            self.assertEqual((done.returncode, done.stderr), (0, b""), arguments)
            self.assertIn(told, done.stdout)
            self.assertEqual(self.states()["alice"], [state] if state else [])
        self.assertEqual(self.states()["bob"], [".queued"])

    def test_exit_status_and_words_are_those_of_the_tool(self):
        gone = self.tool_as(ALICE, "show", "nothing")
        self.assertIn(b"there is no message nothing", gone.stderr)
        self.assertNotEqual(gone.returncode, 0)
        dry = self.tool_as(ALICE, "delete", "--dry-run", self.ids["alice"])
        self.assertIn(b"would be deleted", dry.stdout)
        self.assertEqual(self.states()["alice"], [".queued"])

    def flush(self, uid, *words):
        """As cron and others call it, under the name sendmail."""
        sendmail = self.programs / "sendmail"
        if not sendmail.exists():
            sendmail.symlink_to("outbox")
        return subprocess.run([*as_user(uid), sendmail, "-C", self.configuration, "-q", *words],
                              capture_output=True, check=False, timeout=280, stdin=subprocess.DEVNULL)

    def defer(self, name, seconds):
        """As if it had been tried so long ago."""
        path = self.queue.path / f"{self.ids[name]}.queued"
        status = path.stat()
        then = time.time() - seconds
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(then))
        nano = status.st_mtime_ns
        record = self.queue.path / f"{self.ids[name]}.status"
        next_one = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3000))
        record.write_text(
            f'{{"time":"{stamp}.000000Z","event":"message","file":"{status.st_ino}/0//{nano}/{status.st_size}"}}\n'
            f'{{"time":"{stamp}.000000Z","event":"retry","attempt":1,"next":"{next_one}"}}\n')
        record.chmod(0o640)
        os.chown(record, *status_owner(self.queue.path))
        path.rename(path.with_suffix(".deferred"))

    def test_flush_of_ones_own(self):
        self.daemon.terminate()
        for name in ALL:
            self.defer(name, 3000)
        self.daemon = self.serve(self.down())
        done = self.flush(ALICE)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.assertEqual(self.states()["bob"], [".deferred"])
        wait_for(lambda: self.states()["alice"] == [".queued"], self.states)  # and .sending in between

    def test_flush_is_not_to_hammer_a_relay(self):
        self.daemon.terminate()
        for name in ALL:
            self.defer(name, 1)
        self.daemon = self.serve(self.down())
        done = self.flush(ALICE)
        self.assertEqual((done.returncode, done.stdout), (75, b""))
        self.assertRegex(done.stderr.decode(), "135: 1 of your messages stay")
        one = self.tool_as(ALICE, "retry", self.ids["alice"])
        self.assertEqual(one.returncode, 75)
        self.assertRegex(one.stderr.decode(), "was tried [0-9]+ seconds ago, and may be tried again a minute after")
        self.assertEqual(self.states(), {"alice": [".deferred"], "bob": [".deferred"]})
        # Nor by a detour; and who may change the directory is not asked to wait.
        self.assertEqual(self.tool_as(ALICE, "hold", self.ids["alice"]).returncode, 0)
        self.assertEqual(self.tool_as(ALICE, "release", self.ids["alice"]).returncode, 75)
        self.assertEqual(self.states()["alice"], [".held"])
        self.assertEqual(self.tool_as(0, "release", self.ids["alice"]).returncode, 0)

    def test_flush_where_nobody_listens(self):
        self.daemon.terminate()
        done = self.flush(ALICE)
        self.assertNotEqual(done.returncode, 0)
        self.assertNotEqual(done.stderr, b"")

    # ---- what does not ----

    def test_anothers_is_not_there(self):
        """In the same words as one that is not there at all, whatever it is named by."""
        other, absent = self.ids["bob"], "20200101T000000-aaaaaaaaaaaaa"
        for command in ("show", "hold", "retry", "release", "delete"):
            for name in ("{}", "{}.queued", "./{}.queued"):
                said = [self.tool_as(ALICE, command, name.format(identity)) for identity in (other, absent)]
                self.assertEqual(said[0].returncode, said[1].returncode)
                self.assertNotEqual(said[0].returncode, 0)
                self.assertEqual(said[0].stdout.replace(other.encode(), absent.encode()), said[1].stdout)
                self.assertEqual(said[0].stderr.replace(other.encode(), absent.encode()), said[1].stderr)
        self.assertEqual(self.tool_as(ALICE, "show", other[:-3]).returncode, self.tool_as(ALICE, "show", absent[:-3]).returncode)
        for arguments in (("hold", "--all"), ("delete", "--all", "--yes")):
            self.assertEqual(self.tool_as(ALICE, *arguments).returncode, 0)
        self.assertEqual(self.states(), {"alice": [], "bob": [".queued"]})

    def test_a_record_alone_is_not_there(self):
        record = self.queue.path / "left.status"
        record.write_text("{}\n")
        self.assertNotEqual(self.tool_as(ALICE, "delete", "left").returncode, 0)
        self.assertTrue(record.exists())

    def test_questions_that_are_not_allowed(self):
        lines = b"".join
        for words in (b"queue|a@lab.test", b"config", b"--user|0|list", b"--config|/etc/passwd|list", b"--set|spool.directory=/tmp|list",
                      b"process", b"status", b"check", b"help", b"--version", b"list|--directory|/", b"show|-d|/|x",
                      b"adopt|--all", b"send|a@lab.test", b"complete|outbox|show", b"mailq", b"list|--watch", b"import|bsmtp|/etc/passwd"):
            said = self.ask(lines([b"ASK\n", *(b"ARGUMENT %s\n" % word for word in words.split(b"|")), b"RUN\n"]))
            self.assertRegex(said, r"\AOUTPUT\nEND 64\n--\noutbox: ", words)
        self.assertRegex(self.ask(b"ASK\nRUN\n"), r"\AOUTPUT\nEND 64\n--\noutbox: ")
        self.assertEqual(self.states(), {"alice": [".queued"], "bob": [".queued"]})

    def test_columns_and_colour(self):
        self.assertEqual(self.tool_as(ALICE, "hold", "--all").returncode, 0)
        wide = self.ask(b"ASK\nCOLUMNS 300\nCOLOR\nARGUMENT list\nRUN\n")
        narrow = self.ask(b"ASK\nCOLUMNS 50\nARGUMENT list\nRUN\n")
        self.assertIn("\x1b[", wide)
        self.assertNotIn("\x1b[", narrow)
        self.assertLessEqual(max(map(len, narrow.split("--\n", 1)[1].splitlines()[:2])), 50)

    def test_who_does_not_read(self):
        """One question of a user's is answered after the other; whoever does not read the answer holds up himself."""
        many = self.queue_as(ALICE, *(f"r{number}@lab.test" for number in range(9000)))
        self.assertEqual(many.returncode, 0, many.stderr)
        script = ("import socket, sys\n"
                  "held = []\n"
                  "for _ in range(20):\n"
                  "    s = socket.socket(1); s.connect(sys.argv[1])\n"
                  "    s.sendall(b'ASK\\nARGUMENT show\\nARGUMENT ' + sys.argv[2].encode() + b'\\nRUN\\n')\n"
                  "    held.append((s, socket.recv_fds(s, 7, 2)))\n"
                  "print('ready', flush=True)\n"
                  "sys.stdin.read()")
        identity = pathlib.Path(many.stdout.decode().strip()).stem
        with subprocess.Popen([*as_user(ALICE), "/usr/bin/python3", "-c", script, self.socket, identity],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as flood:
            self.assertEqual(flood.stdout.readline(), b"ready\n")
            self.assertEqual(len(self.json_of(BOB, "list")), 1)
            self.assertEqual(self.queue_as(BOB, self.address()).returncode, 0)
            answering = [pid for pid in os.listdir("/proc") if pid.isdigit() and self.asks(pid)]
            self.assertLessEqual(len(answering), 1)
            flood.stdin.close()
            flood.wait(200)
        wait_for(lambda: not [pid for pid in os.listdir("/proc") if pid.isdigit() and self.asks(pid)], "nobody answers any more")

    def asks(self, pid):
        """Whether it answers a question of Alice's to this daemon."""
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return str(self.configuration).encode() in words and b"--user" in words and str(ALICE).encode() in words

    def test_daemon_that_hangs(self):
        os.kill(self.daemon.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.daemon.pid, signal.SIGCONT)
        told = self.tool_as(ALICE, "list")
        self.assertEqual(told.returncode, 75)
        self.assertIn(b"it is stopped or hangs", told.stderr)

    def test_daemon_that_ends(self):
        """Nothing is left behind, and who asked is told."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(str(self.socket))
        self.daemon.stop()
        client.settimeout(100)
        self.assertEqual(client.recv(10), b"")
        refused = self.tool_as(ALICE, "list")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(str(self.queue.path).encode(), refused.stderr)
