"""A daemon that runs as a user of its own, with a submission socket, and other real users beside it."""

import os
import re
import shutil
import socket
import subprocess

import lab
from case import SystemTest, message
from process import wait_for

KEEPER = 64101
GROUP = 64101
ALICE, BOB = 64102, 64103


def as_user(uid, *groups):
    """Who has no part in this run's directory for temporary files."""
    return ("env", "-u", "TMPDIR", "ASAN_OPTIONS=detect_leaks=0", "setpriv", f"--reuid={uid}", f"--regid={uid}",
            f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups")


def copy_programs(directory):
    """What a user outside root's directories runs."""
    shutil.copy(os.path.realpath(lab.program("outbox")), directory / "outbox")
    (directory / ".libs").mkdir(mode=0o755)
    shutil.copy(lab.BUILD / ".libs" / "liboutbox.so.1", directory / ".libs")
    return directory


class SubmissionTest(SystemTest):
    """A daemon that runs as a user of its own, and a directory that only it and its group may enter."""

    def setUp(self):
        super().setUp()
        self.programs = copy_programs(self.lab.new_directory())
        os.chown(self.queue.path, KEEPER, GROUP)
        self.queue.path.chmod(0o3730)
        self.home = self.lab.new_directory()
        os.chown(self.home, KEEPER, GROUP)
        self.socket = self.home / "submit"

    def serve(self, *relays, **spool):
        self.configure(*relays, spool={"submit_socket": str(self.socket), **spool})
        self.configuration.chmod(0o644)
        daemon = self.start_again(wrapper=as_user(KEEPER), confined=False)
        self.wait_log(daemon, "event=started")
        return daemon

    def queue_as(self, uid, *recipients, groups=(), content=None, arguments=()):
        return subprocess.run(
            [*as_user(uid, *groups), self.programs / "outbox", "--config", self.configuration, "queue",
             *arguments, *recipients],
            input=content or message(envelope=False), capture_output=True, check=False, timeout=280)

    def down(self):
        """A relay that takes no connection, and is tried once an hour."""
        return self.lab.relay(9, name="down", hold_first="1h", hold_max="1h")

    def wait_held(self, daemon, count):
        """Until the relay has been tried, and so many messages are queued and wait for it."""
        self.wait_log(daemon, "event=relay-held")
        wait_for(lambda: len(self.queue.in_state("queued")) == count,
                 lambda: f"{count} that are queued, of {self.queue.names()}")

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(200)
        client.connect(str(self.socket))
        return client

    def say(self, data):
        """What is answered until the connection ends."""
        client = self.connect()
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        said = b""
        while True:
            try:
                piece = client.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return said.decode()
            said += piece

    def owners(self):
        """Of each message, who queued it: as the tool tells."""
        result = subprocess.run([lab.program("outbox"), "--config", self.configuration, "list", "--json"],
                                capture_output=True, check=True)
        return sorted(int(uid) for uid in re.findall(rb'"uid":(\d+)', result.stdout))

    def tool_as(self, uid, *arguments, groups=(), **options):
        return subprocess.run([*as_user(uid, *groups), self.programs / "outbox", "--config", self.configuration, *arguments],
                              capture_output=True, check=False, timeout=280, **{"stdin": subprocess.DEVNULL, **options})
