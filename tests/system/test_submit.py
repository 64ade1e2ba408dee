"""The submission socket: who may not write into the queue directory queues by it, and nobody is hurt by
what another does there."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import lab
from case import as_delivered, message
from process import wait_for
from submission import ALICE, BOB, GROUP, KEEPER, SubmissionTest, as_user


class Submission(SubmissionTest):
    # ---- what works ----

    def test_stranger_and_member(self):
        self.serve()
        address = self.address()
        content = message(envelope=False)
        for uid, groups in ((ALICE, ()), (BOB, (GROUP,))):
            result = self.queue_as(uid, address, groups=groups, content=content)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertRegex(result.stdout.decode(), rf"^{self.queue.path}/[^/]+\.queued\n$")
        for copy in self.wait_copies(2, address):
            self.assertEqual(copy.content, as_delivered(content))

    def test_directory_that_is_not_seen(self):
        """As in a service or a container with a /var of its own: it is missing there, or something else."""
        daemon, address = self.serve(), self.address()
        (self.home / "file").touch()
        configuration = self.configuration.read_text(encoding="utf-8")
        for number, path in enumerate((self.home / "missing", self.home / "file")):
            self.configuration.write_text(configuration.replace(str(self.queue.path), str(path)), encoding="utf-8")
            for arguments in ((), ("--batch", str(self.batch_file(address)))):
                result = self.queue_as(ALICE, *(() if arguments else (address,)), arguments=arguments)
                self.assertEqual((result.returncode, result.stderr), (0, b""), arguments)
            self.wait_copies(2 * number + 2, address)
        daemon.terminate()
        said = self.queue_as(ALICE, address)
        self.assertEqual(said.returncode, 75)
        self.assertRegex(said.stderr.decode(), r"is no directory; .*; nor through the submission socket: .*outboxd is to run")

    def batch_file(self, address):
        path = self.home / "batch.eml"
        path.write_bytes(message(to=[address]))
        path.chmod(0o644)
        return path

    def test_large_message_and_batch(self):
        self.serve()
        address = self.address()
        content = message(b"x" * 70 + b"\n" + (b"y" * 77 + b"\n") * 30000, envelope=False)
        self.assertEqual(self.queue_as(ALICE, address, content=content).returncode, 0)
        self.assertEqual(self.wait_copies(1, address)[0].content, as_delivered(content))
        files = []
        for number in range(3):
            files.append(self.home / f"m{number}")
            files[-1].write_bytes(message(to=[self.address("batch")]))
            files[-1].chmod(0o644)
        result = self.queue_as(ALICE, arguments=["--batch", *files])
        self.assertEqual((result.returncode, result.stdout.count(b".queued\n")), (0, 3), result.stderr)
        self.wait_copies(3, self.address("batch"))

    def test_whose_it_is(self):
        self.serve(self.down())
        forged = b"X-Outbox-Uid: 0\nX-Sender: <a@lab.test>\n" + message(envelope=False)
        self.assertEqual(self.queue_as(ALICE, self.address(), content=forged).returncode, 0)
        self.assertEqual(self.queue_as(BOB, self.address()).returncode, 0)
        # A file of his own that says so is not believed, whatever its mode.
        path = self.queue.path / "forged.queued"
        path.write_bytes(b"X-Outbox-Uid: 0\n" + message())
        os.chown(path, BOB, GROUP)
        path.chmod(0o440)
        self.assertEqual(self.owners(), [ALICE, BOB, BOB])

    def test_sender_rules_hold(self):
        daemon = self.serve(self.down(), senders=f"{ALICE}: alice@lab.test; {BOB}: *")
        said = self.queue_as(ALICE, self.address())
        self.assertEqual(said.returncode, 77, said.stderr)
        # Of those who speak to the socket themselves the daemon is the judge.
        script = "import socket,sys; s=socket.socket(1); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read()); print(s.recv(999).decode())"
        content = message()
        told = subprocess.run([*as_user(ALICE), "/usr/bin/python3", "-c", script, self.socket], capture_output=True, check=True,
                              input=b"QUEUE\nDATA %d\n%sEND\n" % (len(content), content))
        identity = re.fullmatch(r"OK (\S+)\s+", told.stdout.decode())[1]
        wait_for(lambda: self.queue.has(f"{identity}.failed"), "a sender that is not allowed")
        self.assertEqual(self.queue.record(identity)[0]["uid"], ALICE)
        self.assertIn(str(ALICE), daemon.output())

    def test_who_may(self):
        self.serve(self.down(), submit=f"{BOB}")
        refused = self.queue_as(ALICE, self.address())
        self.assertEqual(refused.returncode, 77)
        for words in (b"10013", b"become a member", b"spool.submit", str(self.queue.path).encode()):
            self.assertIn(words, refused.stderr)
        self.assertEqual(self.queue_as(BOB, self.address()).returncode, 0)

    def test_nobody_serves(self):
        self.configure(spool={"submit_socket": str(self.socket)})
        self.configuration.chmod(0o644)
        result = self.queue_as(ALICE, self.address())
        self.assertEqual(result.returncode, 75)
        self.assertIn(b"nobody serves it: outboxd is to run", result.stderr)
        for command in (("list",), ("show", "x"), ("hold", "x")):
            asked = self.tool_as(ALICE, *command)
            self.assertEqual(asked.returncode, 75, asked)
            self.assertRegex(asked.stderr.decode(), r"outboxd, which answers for it at \S+, does not run: start it")
        # What a daemon left that died.
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.socket))
        self.socket.chmod(0o666)
        listener.close()
        self.assertEqual(self.queue_as(ALICE, self.address()).returncode, 75)
        os.chown(self.socket, KEEPER, GROUP)
        self.serve(self.down())
        self.assertEqual(self.queue_as(ALICE, self.address()).returncode, 0)

    def test_name_that_is_taken(self):
        self.socket.write_bytes(b"precious")
        daemon = self.serve()
        self.wait_log(daemon, "the submission socket cannot be made")
        self.assertEqual(self.socket.read_bytes(), b"precious")

    def check(self, path):
        """What `outboxd --check` says of the socket's place."""
        self.configure(self.down(), spool={"submit_socket": path})
        result = subprocess.run([lab.program("outboxd"), "--config", self.configuration, "--check"],
                                capture_output=True, text=True, timeout=120, check=False)
        return result.returncode, result.stdout + result.stderr

    def test_place_is_checked(self):
        daemon = self.serve()
        self.assertEqual(self.check(self.socket)[0], 0)  # a daemon that runs is no fault
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(self.check(self.socket)[0], 0)
        for path, words in ((self.configuration, "something else bears its name"),
                            (self.directory / "none" / "socket", "its directory must be there"),
                            (self.configuration / "socket", "its directory must be there"),
                            (self.directory / ("x" * 120), "is longer than the 107 bytes")):
            status, said = self.check(path)
            self.assertIn(words, said)
            self.assertIn(status, (75, 78), said)
            self.assertNotIn(": ok", said)

    def test_who_has_gone_has_queued_nothing(self):
        """Of a daemon that is held up: who closed gets nothing done, who only ended his side is answered."""
        daemon = self.serve(self.down())
        text = message()
        said = b"QUEUE\nDATA %d\n%sEND\n" % (len(text), text)
        daemon.signal(signal.SIGSTOP)
        gone, waits = self.connect(), self.connect()
        for client in (gone, waits):
            client.sendall(said)
        gone.close()
        waits.shutdown(socket.SHUT_WR)
        tool = subprocess.Popen([*as_user(ALICE), self.programs / "outbox", "--config", self.configuration, "queue", self.address()],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        tool.stdin.write(message(envelope=False))
        tool.stdin.close()
        self.assertRegex(tool.stderr.readline().decode(), rf"^outbox: outboxd has not answered at {self.socket} for 10 s; ")
        tool.kill()
        tool.wait()
        tool.stdout.close()
        tool.stderr.close()
        daemon.signal(signal.SIGCONT)
        identity = re.fullmatch(rb"OK (\S+)\n", waits.recv(999))[1].decode()
        self.assertEqual(self.queue_as(ALICE, self.address()).returncode, 0)
        self.wait_held(daemon, 2)
        self.assertTrue((self.queue.path / f"{identity}.queued").exists())

    # ---- limits ----

    def test_size(self):
        content = message(envelope=False)
        daemon = self.serve(self.down(), submit_max_size=len(content) + 4096)
        self.assertEqual(self.queue_as(ALICE, self.address()).returncode, 0)
        large = self.queue_as(ALICE, self.address(), content=content + b"x" * 5000 + b"\n")
        self.assertEqual(large.returncode, 65)
        self.assertIn(b"submit_max_size", large.stderr)
        self.wait_held(daemon, 1)

    def test_waiting_messages(self):
        daemon = self.serve(self.down(), submit_max_waiting=2)
        for status in (0, 0, 75):
            result = self.queue_as(ALICE, self.address())
            self.assertEqual(result.returncode, status, result.stderr)
        self.assertIn(b"submit_max_waiting", result.stderr)
        self.assertEqual(self.queue_as(BOB, self.address()).returncode, 0)
        self.wait_held(daemon, 3)
        for path in self.queue.path.glob("*.queued"):
            path.unlink()

        def again():
            return self.queue_as(ALICE, self.address()).returncode == 0

        wait_for(again, "room for another message", 60)

    def test_rate_holds_back_and_loses_nothing(self):
        self.serve(self.down(), submit_rate=30)
        begin = time.monotonic()
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.queue_as(ALICE, self.address()).returncode))
                   for _ in range(32)]
        for thread in threads:
            thread.start()
        self.assertEqual(self.queue_as(BOB, self.address()).returncode, 0)
        for thread in threads:
            thread.join()
        self.assertEqual(results, [0] * 32)
        self.assertGreater(time.monotonic() - begin, 3)

    # ---- whoever does it wrong ----

    def test_what_is_not_understood(self):
        self.serve(self.down())
        for wrong in (b"\n", b"HELO x\r\n", b"QUEUE\nDATA 0\n", b"QUEUE\nDATA 99999999999999999\n", b"QUEUE\0\n",
                      b"QUEUE\nDATA 3\nabcDATA x\n", b"A" * 600, b"END\n", b"QUEUE\nQUEUE\n", b"\xff\xfe\n"):
            self.assertRegex(self.say(wrong), r"\AERROR \d+ [^\n]+\n\Z", wrong)
        self.assertTrue(self.queue.is_empty())
        content = message()
        whole = b"QUEUE\nDATA %d\n%sEND\n" % (len(content), content)
        for cut in (5, 14, 40, len(whole) - 4, len(whole) - 1):
            self.assertEqual(self.say(whole[:cut]), "")
        self.assertTrue(self.queue.is_empty(), self.queue.names())
        self.assertRegex(self.say(whole + whole), r"\AOK \S+\nOK \S+\n\Z")

    def test_half_of_a_large_message_leaves_nothing(self):
        self.serve(self.down())
        client = self.connect()
        client.sendall(b"QUEUE\nDATA 10000000\n" + b"x" * 1000000)
        wait_for(lambda: any(name.startswith(".tmp-") for name in self.queue.names()), "a part on the disk")
        client.close()
        wait_for(self.queue.is_empty, "nothing")

    def test_flood_of_connections(self):
        daemon = self.serve(self.down())
        silent = [self.connect() for _ in range(300)]  # of root, who has no more than others
        files = pathlib.Path(f"/proc/{daemon.pid}/fd")
        wait_for(lambda: len(list(files.iterdir())) < 200, "few are held")
        self.assertEqual(self.queue_as(ALICE, self.address()).returncode, 0)
        refused = silent[-1].recv(100)
        self.assertTrue(refused.startswith(b"ERROR 135 "), refused)

    def test_flood_where_few_files_may_be_open(self):
        self.configure(self.down(), spool={"submit_socket": str(self.socket)})
        self.configuration.chmod(0o644)
        daemon = self.start_again(wrapper=("prlimit", "--nofile=128:128", *as_user(KEEPER)), confined=False)
        self.wait_log(daemon, "event=started")
        silent = [self.connect() for _ in range(200)]
        self.assertTrue(silent[-1].recv(100).startswith(b"ERROR 135 "))
        for uid in (ALICE, BOB):
            self.assertEqual(self.queue_as(uid, self.address()).returncode, 0)
        self.assertLess(len(list(pathlib.Path(f"/proc/{daemon.pid}/fd").iterdir())), 100)

    def test_socket_that_was_removed(self):
        self.serve(self.down())
        self.socket.unlink()
        wait_for(self.socket.exists, "the socket is made again", 60)
        wait_for(lambda: self.queue_as(ALICE, self.address()).returncode == 0, "it is served")

    def test_connections_of_a_user(self):
        """At the limit, past it, and what that is to another user."""
        self.serve(self.down())
        script = ("import socket,sys\n"
                  "held=[socket.socket(1) for _ in range(65)]\n"
                  "for s in held: s.connect(sys.argv[1])\n"
                  "print(held[64].recv(200).decode(), end='', flush=True)\n"
                  "content=sys.argv[2].encode()\n"
                  "held[63].sendall(b'QUEUE\\nDATA %d\\n%sEND\\n' % (len(content), content))\n"
                  "print(held[63].recv(200).decode(), end='', flush=True)\n"
                  "sys.stdin.read()")
        with subprocess.Popen([*as_user(ALICE), "/usr/bin/python3", "-c", script, self.socket, message().decode()],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as flood:
            self.assertRegex(flood.stdout.readline(), rb"\AERROR 135 too many connections")
            self.assertRegex(flood.stdout.readline(), rb"\AOK \S+\n")
            self.assertEqual(self.queue_as(BOB, self.address()).returncode, 0)
            flood.stdin.close()
            self.assertEqual(flood.wait(200), 0)

    def test_connections_that_are_over_take_no_place(self):
        """A user who has as many as he may have leaves, and comes again before the daemon has looked."""
        daemon = self.serve(self.down())
        script = ("import socket,sys\n"
                  "def come():\n"
                  "    held=[socket.socket(1) for _ in range(64)]\n"
                  "    for s in held: s.connect(sys.argv[1])\n"
                  "    return held\n"
                  "held=come()\n"
                  "held[63].sendall(b'NOTHING\\n')\n"
                  "held[63].recv(200)\n"
                  "held[63].close(); held[63]=socket.socket(1); held[63].connect(sys.argv[1])\n"
                  "print('there', flush=True)\n"
                  "sys.stdin.readline()\n"
                  "for s in held: s.close()\n"
                  "held=come()\n"
                  "print('again', flush=True)\n"
                  "content=sys.argv[2].encode()\n"
                  "for s in held: s.sendall(b'QUEUE\\nDATA %d\\n%sEND\\n' % (len(content), content))\n"
                  "print({s.recv(200)[:3].decode() for s in held}, flush=True)\n")
        with subprocess.Popen([*as_user(ALICE), "/usr/bin/python3", "-c", script, self.socket, message().decode()],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
            self.assertEqual(user.stdout.readline(), b"there\n")
            daemon.signal(signal.SIGSTOP)
            try:
                user.stdin.write(b"go\n")
                user.stdin.flush()
                self.assertEqual(user.stdout.readline(), b"again\n")
            finally:
                daemon.signal(signal.SIGCONT)
            self.assertEqual(user.stdout.readline(), b"{'OK '}\n")
            user.stdin.close()

    def test_others_cannot_touch_it(self):
        self.serve(self.down())
        path = self.queue_as(ALICE, self.address()).stdout.decode().strip()
        for groups in ((), (GROUP,)):
            for command in (["cat", path], ["ls", self.queue.path], ["rm", "-f", path],
                            ["mv", path, f"{path[:-len('queued')]}held"], ["chmod", "644", path]):
                done = subprocess.run([*as_user(BOB, *groups), *command], capture_output=True, check=False)
                self.assertNotEqual(done.returncode, 0, (groups, command))
                self.assertEqual(done.stdout, b"", command)
        self.assertEqual(self.owners(), [ALICE])

    def test_full_disk(self):
        disk = self.lab.new_directory()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=256k,uid={KEEPER},gid={GROUP},mode=3730", "none", disk],
                          check=False, capture_output=True).returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        self.queue = lab.Queue(disk)
        self.serve(self.down())
        full = self.queue_as(ALICE, self.address(), content=message(b"x" * 70 + b"\n" * 400000, envelope=False))
        self.assertEqual(full.returncode, 75, full.stderr)
        self.assertIn(b"No space left", full.stderr)
        wait_for(lambda: not self.queue.names(), "nothing of it")
        self.assertEqual(self.queue_as(ALICE, self.address()).returncode, 0)

    def test_killed_daemon_loses_nothing_that_it_answered(self):
        daemon = self.serve(self.down(), submit_rate=0)
        answered, over = [], threading.Event()

        def flood(uid):
            while not over.is_set():
                result = self.queue_as(uid, self.address())
                if result.returncode == 0:
                    answered.append(pathlib.Path(result.stdout.decode().strip()).stem)

        threads = [threading.Thread(target=flood, args=(uid,)) for uid in (ALICE, BOB, ALICE, BOB)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(answered) > 20, "some")
        daemon.kill()
        over.set()
        for thread in threads:
            thread.join()
        there = {pathlib.Path(name).stem for name in self.queue.names() if not name.startswith(".")}
        self.assertLessEqual(set(answered), there)
        for name in self.queue.in_state("queued"):
            self.assertTrue((self.queue.path / name).read_bytes().endswith(b"Hello.\n"), name)
