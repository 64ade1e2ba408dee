"""Files that this machine cannot read: what is mended is tried as soon as somebody says so, whatever was
under way then, and what cannot be mended comes to an end."""

import os
import threading

from case import message
from odd_relay import RelayTest, Slow
from preload import EVER_LATER, READ, preload
from process import wait_for
from test_failures import AS_NOBODY

# A byte is added to TRIES for each look at what cannot be read: all of such a file, or, while FLAG is
# there, what is behind its beginning.
FAIL = """
static long fail(void)
{
    int tries = open(TRIES, O_WRONLY | O_APPEND);

    write(tries, "x", 1);
    close(tries);
    errno = EIO;
    return -1;
}
"""
UNREAD = FAIL + "#define ON_READ return fail()\n" + READ
UNREAD_WHEN_SENT = FAIL + "#define ON_READ if (offset > 0 && access(FLAG, F_OK) == 0) return fail()\n" + READ
LARGE = b"A line of the message.\n" * 40_000


class Trouble(RelayTest):
    def setUp(self):
        super().setUp()
        self.flag, self.tries = self.directory / "flag", self.directory / "tries"
        self.flag.touch()
        self.tries.touch()

    def start_with(self, relay, source, **settings):
        self.configure(self.settings(relay), **settings)
        paths = f'#define FLAG "{self.flag}"\n#define TRIES "{self.tries}"\n'
        return self.start_again(wrapper=preload(self.directory, paths + source))

    def tried(self):
        return self.tries.stat().st_size

    def flush(self, daemon):
        """Everything is tried; it meets with the same."""
        before = self.tried()
        daemon.flush()
        wait_for(lambda: self.tried() > before or self.queue.has("unread-m.failed"),
                 lambda: f"another try: {self.queue.names()}\n{daemon.output()}")
        wait_for(lambda: not self.queue.has("unread-m.sending"), "it is put aside")

    def check_end(self, source, body):
        """Tried again and again for an hour by a clock that is said to go on."""
        relay = self.odd()
        self.queue.drop("unread-m", message(body, to=["unread@lab.test"]))
        self.drop("good")
        daemon = self.start_with(relay, EVER_LATER + source, retry={"give_up_after": "1d"})
        self.wait_taken(relay, "good")
        wait_for(lambda: self.tried() > 0, daemon.output)
        steps = 0
        while not self.queue.has("unread-m.failed") and steps < 30:
            with open(self.flag, "ab") as file:
                file.write(b"x")
            self.flush(daemon)
            steps += 1
        self.queue.wait_state("unread-m", "failed")
        self.assertGreaterEqual(steps, 12, "it was given up too early")
        self.assertIn("could not be read for an hour", self.queue.events("unread-m", "failed")[0]["text"])
        self.assertEqual(relay.copies("unread@lab.test"), 0)
        self.drop("other")
        self.wait_taken(relay, "other")
        self.assertEqual(daemon.terminate(), 0)

    def test_bad_sector_for_good(self):
        self.check_end(UNREAD, b"x\n")

    def test_bad_sector_within_for_good(self):
        self.check_end(UNREAD_WHEN_SENT, LARGE)

    def check_young(self, *times):
        relay = self.odd()
        path = self.queue.drop("unread-m", message(to=["unread@lab.test"]))
        os.utime(path, *times)
        daemon = self.start_with(relay, EVER_LATER + UNREAD, retry={"give_up_after": "5d"})
        wait_for(lambda: self.tried() > 0, daemon.output)
        for _ in range(15):
            with open(self.flag, "ab") as file:
                file.write(b"x")
            self.flush(daemon)
        self.queue.wait_names("unread-m.queued")

    def test_young_message_is_not_given_up(self):
        self.check_young()

    def test_message_of_a_clock_that_was_not_set_is_not_given_up(self):
        self.check_young((0, 0))

    def test_what_is_mended_while_it_is_being_sent(self):
        """SIGUSR1 comes when the last try is under way, which fails all the same."""
        gate = threading.Event()
        gate.set()

        def answer(talk, verb, argument):
            return Slow("354 go on", event=gate) if verb == "DATA" else None

        relay = self.odd(answer)
        self.queue.drop("unread-m", message(LARGE, to=["unread@lab.test"]))
        daemon = self.start_with(relay, UNREAD_WHEN_SENT)
        wait_for(lambda: self.tried() > 0, daemon.output)
        for _ in range(5):  # after which it would wait for minutes
            self.flush(daemon)
        gate.clear()
        asked = relay.said("DATA")
        daemon.flush()
        wait_for(lambda: relay.said("DATA") == asked + 1, "it is being sent")
        daemon.flush()
        self.wait_pending_signals(daemon)
        gate.set()
        wait_for(lambda: relay.said("DATA") == asked + 2, lambda: f"another try at once\n{daemon.output()}")
        self.flag.unlink()
        daemon.flush()
        self.wait_gone_once(relay)

    def wait_gone_once(self, relay):
        self.queue.wait_gone("unread-m")
        wait_for(lambda: relay.copies("unread@lab.test") == 1, "a copy")

    def wait_pending_signals(self, daemon):
        """Until the signal was taken."""
        wait_for(lambda: self.pending(daemon) == 0, "the signal is taken")

    @staticmethod
    def pending(daemon):
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)


class Moved(RelayTest):
    def test_what_its_owner_mends_and_moves(self):
        """A file that could not be opened was not renamed: the next event of its name is another's."""
        relay = self.odd()
        os.chown(self.queue.path, 65534, 65534)
        path = self.queue.drop("m", message(to=["m@lab.test"]))
        path.chmod(0o600)
        self.configure(self.settings(relay))
        self.configuration.chmod(0o644)
        directory = self.lab.new_directory()
        directory.chmod(0o777)
        daemon = self.start_again(wrapper=AS_NOBODY, directory=directory)
        self.wait_log(daemon, "m.queued: left alone")
        path.chmod(0o644)
        os.rename(path, self.queue.path / "m.held")
        os.rename(self.queue.path / "m.held", path)
        self.wait_taken(relay, "m")
        self.queue.wait_gone("m")
