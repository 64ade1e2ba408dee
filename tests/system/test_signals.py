"""Reload, flush and stop; what the service manager is told."""

import signal
import socket
import threading
import time

from case import SystemTest, message
from process import free_port, wait_for


class SlowRelay:
    """Says yes to everything, and to the end of a message only after a while."""

    def __init__(self, seconds):
        self.port = free_port()
        self.seconds = seconds
        self.accepted = 0
        self.in_data = 0
        self.server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection):
        with connection, connection.makefile("rwb", buffering=0) as stream:

            def say(text):
                stream.write(text + b"\r\n")

            try:
                say(b"220 slow ESMTP")
                for line in stream:
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        say(b"354 go on")
                        self.in_data += 1
                        while stream.readline() not in (b".\r\n", b""):
                            pass
                        time.sleep(self.seconds)
                        self.accepted += 1
                    say(b"221 bye" if verb == b"QUIT" else b"250 ok")
            except OSError:
                pass

    def close(self):
        self.server.close()


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
