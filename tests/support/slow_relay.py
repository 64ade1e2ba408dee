"""A relay that takes its time."""

import socket
import threading
import time

from process import free_port


class SlowRelay:
    """Says yes to everything, and to the end of a message only after a while; where `hang_up` is set,
    it takes the message and hangs up without a reply."""

    def __init__(self, seconds, hang_up=False):
        self.port = free_port()
        self.seconds = seconds
        self.hang_up = hang_up
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
                        if self.hang_up:
                            return
                    say(b"221 bye" if verb == b"QUIT" else b"250 ok")
            except OSError:
                pass

    def close(self):
        self.server.close()
