"""A relay that keeps books: which message it took, when, on which connection, and for whom. What it says
to a recipient is told by the name: a scenario needs no other script."""

import collections
import dataclasses
import itertools
import re
import ssl
import threading
import time

from odd_relay import OddRelay, Talk

# By how the address begins: the reply to RCPT, and how often it is given before the recipient is taken.
AT_RCPT = {
    "no-": ("550 5.1.1 no such user", None),
    "never-": ("451 4.2.0 not now", None),
    "later-": ("451 4.2.0 not now", 1),
    "twice-": ("451 4.2.0 not now", 2),
    "often-": ("451 4.2.0 not now" + ", for whatever reason there may be" * 10, 4),
    "once-": ("550 5.1.1 no such user yet", 1),
}
AT_CONTENT = {
    "spam-": ("554 5.7.1 not wanted", None),
    "busy-": ("452 4.3.1 no room", 1),
}
REFUSED = ("no-", "never-", "spam-")  # whoever is called so never gets anything


def key_of(content):
    """What a message is known by: its subject."""
    found = re.search(rb"^Subject: (\S+)", content, re.MULTILINE)
    return found[1].decode() if found else None


@dataclasses.dataclass(frozen=True)
class Copy:
    """One message that the relay said yes to."""

    number: int  # it is in the reply
    time: float  # CLOCK_MONOTONIC
    connection: int
    recipients: tuple
    content: bytes

    @property
    def key(self):
        return key_of(self.content)


class SecureTalk(Talk):
    """Nothing but STARTTLS is of use before it."""

    def run(self):
        self.answer("CONNECT", "", f"220 {self.relay.name} ESMTP")
        try:
            while line := self.stream.readline():
                verb, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
                if verb.upper() == "STARTTLS":
                    self.begin()
                else:
                    self.command(verb.upper(), argument)
        finally:
            self.connection.close()

    def begin(self):
        self.answer("STARTTLS", "", "220 go on")
        self.connection = self.relay.starttls.wrap_socket(self.connection, server_side=True)
        self.stream = self.connection.makefile("rwb")


class Recorder(OddRelay):
    """`starttls`: the context of its TLS, which it takes mail over and no other way."""

    def __init__(self, starttls=None):
        self.books = []  # Copy, in order
        self._numbers = itertools.count(1)
        self._said = collections.Counter()
        self._lock = threading.Lock()
        self.starttls = starttls
        if starttls:
            self.talk = SecureTalk
        super().__init__(self._reply, extensions=("PIPELINING", "STARTTLS") if starttls else ("PIPELINING",))

    def _chosen(self, replies, address):
        """The reply that this address has coming."""
        for beginning, (reply, times) in replies.items():
            if address.startswith(beginning):
                with self._lock:
                    self._said[address] += 1
                    return reply if times is None or self._said[address] <= times else None
        return None

    def _reply(self, talk, verb, argument):
        if verb == "MAIL" and self.starttls and not isinstance(talk.connection, ssl.SSLSocket):
            return "530 5.7.0 STARTTLS first"
        if verb == "RCPT":
            return self._chosen(AT_RCPT, argument)
        if verb in (".", "BDAT"):
            replies = (self._chosen(AT_CONTENT, one) for one in talk.recipients)
            return next(filter(None, replies), None)
        return None

    def take(self, talk, message, reply):
        with self._lock:
            copy = Copy(next(self._numbers), time.monotonic(), talk.number, *message)
            self.books.append(copy)
        return f"250 2.0.0 taken as {copy.number}"

    def copies_of(self, key):
        """The copies of one message, for each recipient."""
        with self._lock:
            books = list(self.books)
        found = collections.defaultdict(list)
        for copy in books:
            if copy.key == key:
                for recipient in copy.recipients:
                    found[recipient].append(copy)
        return found
