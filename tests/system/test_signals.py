"""Reload, flush and stop, at any time; what the service manager is told."""

import os
import pathlib
import signal
import socket
import time

import lab
from case import SystemTest, message
from process import wait_for
from slow_relay import SlowRelay


class Signals(SystemTest):
    def slow_relay(self, seconds):
        relay = SlowRelay(seconds)
        self.addCleanup(relay.close)
        return relay

    def test_ready_and_stopping(self):
        daemon = self.start()
        self.assertEqual(daemon.terminate(), 0, daemon.output())
        states = daemon.notifications.read()
        self.assertEqual(states.count("READY=1"), 1)
        self.assertIn("STOPPING=1", states)
        self.assertTrue(any(s.startswith("STATUS=") for s in states), states)

    def test_interrupt_from_the_keyboard_stops_too(self):
        daemon = self.start()
        daemon.signal(signal.SIGINT)
        self.assertEqual(daemon.wait(), 0)

    def test_reload_takes_the_new_configuration(self):
        daemon = self.start()
        self.configure(spool={"keep_sent": True})
        daemon.reload()
        self.assertEqual(daemon.notifications.count("RELOADING=1"), 1)
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_state("m", "sent")

    def test_reload_refuses_a_wrong_configuration(self):
        daemon = self.start()
        self.configuration.write_text("relays = ( { hots = 5; } );\n", encoding="ascii")
        daemon.reload()
        self.wait_log(daemon, "hots")
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_gone("m")
        self.wait_copies(1, self.address())

    def test_flush_tries_deferred_messages_now(self):
        daemon = self.start(retry={"first": "1h", "max": "1h"})
        self.queue.drop("m", message(to=["tempfail@lab.test"]))
        self.queue.wait_state("m", "deferred")
        daemon.flush()
        wait_for(lambda: len(self.queue.events("m", "deferred")) == 2, "the second attempt")

    def test_stop_finishes_what_is_in_flight(self):
        relay = self.slow_relay(1.0)
        daemon = self.start(
            self.lab.relay(relay.port, connections=2), daemon={"stop_timeout": "20s"}
        )
        for number in range(20):
            self.queue.drop(f"m{number}", message(to=[self.address()]))
        wait_for(lambda: relay.in_data > 0, "a message in flight")
        self.assertEqual(daemon.terminate(30), 0, daemon.output())
        left = self.queue.names()
        self.assertEqual(len(left), 20 - relay.accepted)
        self.assertTrue(all(name.endswith(".queued") for name in left), left)
        self.assertGreater(relay.accepted, 0)

    def test_stop_does_not_wait_for_ever(self):
        relay = self.slow_relay(900.0)
        daemon = self.start(self.lab.relay(relay.port), daemon={"stop_timeout": "1s"})
        self.queue.drop("m", message(to=[self.address()]))
        wait_for(lambda: relay.in_data > 0, "the message in flight")
        begin = time.monotonic()
        self.assertEqual(daemon.terminate(20), 0)
        self.assertLess(time.monotonic() - begin, 300)
        self.assertEqual(self.queue.in_state("queued"), ["m.queued"])

    def test_watchdog_is_fed(self):
        self.configure()
        directory = self.lab.new_directory()
        daemon = self.start_again(directory=directory, wrapper=("env", "WATCHDOG_USEC=400000"))
        wait_for(lambda: daemon.notifications.count("WATCHDOG=1") >= 3, "the watchdog's food")

    def test_watchdog_and_changes_with_a_manager_that_does_not_read(self):
        daemon = self.start(wrapper=("env", "WATCHDOG_USEC=400000"))
        self.fill(daemon.notifications)
        daemon.signal(signal.SIGHUP)
        self.wait_log(daemon, "event=reloaded")
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_gone("m")
        before = daemon.notifications.states.count("READY=1")  # that of the start; to read lets the next be said
        wait_for(lambda: daemon.notifications.count("READY=1") > before, "READY=1")
        self.assertEqual(daemon.notifications.count("RELOADING=1"), 1)
        self.fill(daemon.notifications)
        self.assertEqual(daemon.terminate(), 0, daemon.output())

    @staticmethod
    def fill(notifications):
        """Nobody is told anything any more until somebody reads."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            try:
                while True:
                    other.sendto(b"OTHER=1", str(notifications.path))
            except BlockingIOError:
                pass


class Early(SystemTest):
    """Signals that come before the loop runs. The configuration is a pipe, so that the daemon waits
    while it reads it, for as long as the test wants."""

    def start_reading(self):
        """The daemon and the configuration's writing end, as soon as it is read. A pipe has no name, as one of a
        shell's; by the same path there is a file afterwards."""
        self.configure()
        text = self.configuration.read_bytes()
        read_end, write_end = os.pipe()
        self.configuration.unlink()
        self.configuration.symlink_to(f"/dev/fd/{read_end}")
        daemon = lab.Outboxd(self.configuration, self.lab.new_directory(), ready=False, pass_fds=[read_end])
        self.daemons.append(daemon)
        self.addCleanup(self._end, daemon)
        pipe = os.readlink(f"/proc/self/fd/{read_end}")
        os.close(read_end)

        def leads_to(fd):
            try:
                return os.readlink(fd)
            except FileNotFoundError:  # it was closed
                return None

        def opened():
            return sum(leads_to(fd) == pipe for fd in pathlib.Path(f"/proc/{daemon.pid}/fd").iterdir()) > 1

        wait_for(opened, lambda: f"the configuration is read: {daemon.output()}")
        return daemon, os.fdopen(write_end, "wb"), text

    def go_on(self, daemon, pipe, text):
        self.configuration.unlink()
        self.configuration.write_bytes(text)
        self.configuration.chmod(0o600)
        with pipe:
            pipe.write(text)

    def test_none_of_them_ends_it(self):
        daemon, pipe, text = self.start_reading()
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE, signal.SIGIO, signal.SIGXFSZ):
            daemon.signal(number)
        self.go_on(daemon, pipe, text)
        self.wait_log(daemon, "event=reloaded")
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_gone("m")
        self.assertEqual(daemon.terminate(), 0, daemon.output())

    def test_a_stop_is_clean(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon, pipe, text = self.start_reading()
            daemon.signal(number)
            self.go_on(daemon, pipe, text)
            self.assertEqual(daemon.wait(), 0, daemon.output())
            self.assertIn("event=stopping", daemon.output())

    def test_at_any_time_of_the_start(self):
        self.configure()
        for number in range(50):
            daemon = self.start_again(ready=False)
            wait_for(lambda daemon=daemon: self.blocks_signals(daemon), "main()")
            time.sleep(number % 10 / 1000)
            daemon.signal((signal.SIGHUP, signal.SIGUSR1)[number // 10 % 2])
            daemon.wait_ready()
            self.assertEqual(daemon.terminate(), 0, daemon.output())

    @staticmethod
    def blocks_signals(daemon):
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as status:
            fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        return int(fields["SigBlk"], 16) >> (signal.SIGHUP - 1) & 1

    def test_a_standard_error_that_is_closed(self):
        daemon = self.start(wrapper=("sh", "-c", 'exec "$@" 2>&-', "sh"))
        self.assertEqual(os.readlink(f"/proc/{daemon.pid}/fd/2"), "/dev/null")
        self.assertEqual(daemon.terminate(), 0)

    def test_commands_get_signals_as_usual(self):
        relay = self.lab.relay("submission")
        del relay["password"]
        seen = self.directory / "seen"
        relay["password_command"] = f"grep -E '^Sig(Blk|Ign)' /proc/self/status > {seen}; echo x"
        self.start(relay)
        self.queue.drop("m", message(to=[self.address()]))
        wait_for(lambda: seen.exists() and seen.read_text().count("\n") == 2, "the command")
        for line in seen.read_text(encoding="ascii").splitlines():
            # Of those from 32 on the C library keeps two for itself.
            self.assertEqual(int(line.split()[1], 16) & 0x7FFFFFFF, 0, line)
