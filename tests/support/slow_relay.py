"""A relay that takes its time, and keeps count."""

import collections
import re
import threading
import time

from listener import Listener


class SlowRelay:
    """Says yes to everything, and to the end of a message only after a while, or once `go_on` is set.
    `answer` may decide on another reply to the end of a message, of which it is given the content, or on
    none (None): then it hangs up."""

    def __init__(self, seconds, answer=None):
        self.seconds = seconds
        self.answer = answer or (lambda content: b"250 ok")
        self.go_on = threading.Event()
        self.accepted = 0
        self.in_data = 0
        self.contents = []  # of what was accepted
        self.arrivals = []  # when their last line came
        self.server = Listener(self._talk)
        self.port = self.server.port
        self.close = self.server.close

    def copies(self):
        """How often each was accepted, by the number in its Subject."""
        numbers = (re.search(rb"^Subject:.* (\d+)\r$", c, re.MULTILINE) for c in list(self.contents))
        return collections.Counter(int(found[1]) for found in numbers if found)

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
        def say(text):
            connection.sendall(text + b"\r\n")

        say(b"220 slow ESMTP")
        with connection.makefile("rb") as stream:
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
