"""A relay that takes its time, and keeps count."""

import collections
import re
import socket
import threading
import time

from process import free_port


class SlowRelay:
    """Says yes to everything, and to the end of a message only after a while, or once `go_on` is set.
    `answer` may decide on another reply to the end of a message, of which it is given the content, or on
    none (None): then it hangs up."""

    def __init__(self, seconds, answer=None):
        self.port = free_port()
        self.seconds = seconds
        self.answer = answer or (lambda content: b"250 ok")
        self.go_on = threading.Event()
        self.accepted = 0
        self.in_data = 0
        self.contents = []  # of what was accepted
        self.arrivals = []  # when their last line came
        self.server = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._serve, daemon=True).start()

    def copies(self):
        """How often each was accepted, by the number in its Subject."""
        numbers = (re.search(rb"^Subject:.* (\d+)\r$", c, re.MULTILINE) for c in list(self.contents))
        return collections.Counter(int(found[1]) for found in numbers if found)

    def _serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _take(self, stream):
        """One content; the reply to it, or None where the connection ended within it or is to end."""
        lines = []
        self.in_data += 1
        while (line := stream.readline()) not in (b".\r\n", b""):
            lines.append(line)
        if not line:
            return None
        arrival = time.monotonic()
        self.go_on.wait(self.seconds)
        content = b"".join(lines)
        reply = self.answer(content)
        if reply and reply.startswith(b"2"):
            self.accepted += 1
            self.contents.append(content)
            self.arrivals.append(arrival)
        return reply

    def _talk(self, connection):
        with connection, connection.makefile("rb") as stream:

            def say(text):
                connection.sendall(text + b"\r\n")

            try:
                say(b"220 slow ESMTP")
                for line in stream:
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        say(b"354 go on")
                        reply = self._take(stream)
                        if reply is None:
                            return
                        say(reply)
                    else:
                        say(b"221 bye" if verb == b"QUIT" else b"250 ok")
            except OSError:
                pass

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)  # a thread that accepts does not end by close() alone
        self.server.close()
