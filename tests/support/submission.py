"""A queue directory that only the daemon's user and its group may enter, and users who are neither."""

import os
import re
import shutil
import subprocess

import lab
from case import SystemTest

KEEPER = 64101
GROUP = 64101
ALICE, BOB = 64102, 64103


def as_user(uid, *groups):
    return ("env", "ASAN_OPTIONS=detect_leaks=0", "setpriv", f"--reuid={uid}", f"--regid={uid}",
            f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups")


class SubmissionTest(SystemTest):
    """A daemon that runs as a user of its own, and the programs where everybody can run them."""

    def setUp(self):
        super().setUp()
        # What a user outside root's directories runs.
        self.programs = self.lab.new_directory()
        shutil.copy(os.path.realpath(lab.program("outbox")), self.programs / "outbox")
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

    def down(self):
        return self.lab.relay(9, name="down")

    def owners(self):
        """Of each message, who queued it: as the tool tells."""
        result = subprocess.run([lab.program("outbox"), "--config", self.configuration, "list", "--json"],
                                capture_output=True, check=True)
        return sorted(int(uid) for uid in re.findall(rb'"uid":(\d+)', result.stdout))
