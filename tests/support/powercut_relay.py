"""A relay that keeps book: what it accepted for whom, and of which image of a queue directory."""

import collections
import re
import socket
import threading

from listener import Listener

_SUBJECT = re.compile(rb"^Subject: image-(\d{7}) (\S+)\r$", re.MULTILINE)


class BookkeepingRelay:
    """Refuses recipients whose names begin with "bad", and puts off those of `later` so many times; the
    rest it accepts. Before the reply `accepting` is called with the key and the recipients of a message,
    and `putting_off`; both may wait."""

    def __init__(self, accepting=None, putting_off=None, text=b"later"):
        self.later = collections.Counter()
        self.text = text
        self.accepting, self.putting_off = accepting, putting_off
        self.accepted = collections.Counter()  # (image, key, recipient)
        self.torn = set()  # (image, key) of contents without their end
        self.lock = threading.Lock()
        self.server = Listener(self._talk)
        self.port = self.server.port

    def _judge(self, recipient):
        if recipient.startswith("bad"):
            return b"550 5.1.1 nobody here"
        with self.lock:
            if self.later[recipient] == 0:
                return b"250 2.1.5 ok"
            self.later[recipient] -= 1
        if self.putting_off:
            self.putting_off()
        *first, last = self.text.split(b"\n")
        return b"".join(b"451-4.3.0 " + line + b"\r\n" for line in first) + b"451 4.3.0 " + last

    def _take(self, content, recipients):
        subject = _SUBJECT.search(content)
        image, key = (int(subject[1]), subject[2].decode()) if subject else (-1, "?")
        if not content.endswith(b"END " + key.encode() + b"\r\n"):
            self.torn.add((image, key))
        if self.accepting:
            self.accepting(key, recipients)
        with self.lock:
            self.accepted.update((image, key, one) for one in recipients)

    def _talk(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rwb", buffering=1 << 16) as stream:
            stream.write(b"220 book ESMTP\r\n")
            self._converse(stream)

    def _converse(self, stream):
        recipients = []
        while True:
            stream.flush()
            line = stream.readline()
            verb = line[:4].upper()
            if verb == b"EHLO":
                stream.write(b"250-book\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"MAIL":
                recipients = []
                stream.write(b"250 2.1.0 ok\r\n")
            elif verb == b"RCPT":
                one = line.partition(b"<")[2].partition(b">")[0].decode()
                reply = self._judge(one)
                if reply.startswith(b"250"):
                    recipients.append(one)
                stream.write(reply + b"\r\n")
            elif verb == b"DATA":
                if not recipients:
                    stream.write(b"554 5.5.1 no recipients\r\n")
                    continue
                stream.write(b"354 go on\r\n")
                stream.flush()
                lines = []
                while (line := stream.readline()) not in (b".\r\n", b""):
                    lines.append(line)
                if not line:
                    return
                self._take(b"".join(lines), recipients)
                stream.write(b"250 2.0.0 taken\r\n")
            elif not line:
                return
            else:
                stream.write(b"221 2.0.0 bye\r\n" if verb == b"QUIT" else b"250 2.0.0 ok\r\n")

    def close(self):
        self.server.close()
