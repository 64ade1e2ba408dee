#!/usr/bin/python3
"""fault_relay.py PORT BOOKS SEED FAULTS [HOST]: a relay on an address of this machine, in whose transactions so many of
a hundred meet a fault, anywhere: a refusal of either kind, 421, a connection that is closed or reset, silence,
a slow reply, a message that is taken and the reply to it never sent. The same seed makes the same choices
on each connection.

It keeps books, a line for each message that it took and each refusal for good, before it says so:

    taken NUMBER TIME BEGUN SAID WHOLE CLIENT KEY RECIPIENT,...
    refused NUMBER TIME STAGE CODE KEY RECIPIENT,...

TIME is CLOCK_MONOTONIC, BEGUN when the connection was, SAID whether a reply was sent (or no), WHOLE whether
the message had its end; CLIENT is its name for itself; KEY is the sender's name, which each message has one of its own
of."""

import itertools
import random
import socket
import struct
import sys
import threading
import time

from odd_relay import DROP, Bye, OddRelay, Slow

KINDS = ("temporary", "permanent", "closing", "drop", "reset", "silence", "slow", "unsaid")
STAGES = ("MAIL", "RCPT", "DATA", ".")
REPLIES = {
    "MAIL": ("451 4.3.0 sender not now", "550 5.7.1 sender not wanted"),
    "RCPT": ("450 4.2.1 not now", "550 5.1.1 no such user"),
    "DATA": ("451 4.3.0 data not now", "554 5.7.1 no data wanted"),
    ".": ("452 4.3.1 no room", "554 5.6.0 not wanted"),
}


class FaultRelay(OddRelay):
    def __init__(self, port, books, seed, faults, host="127.0.0.1"):
        self.seed, self.faults = seed, faults
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.books = open(books, "w", buffering=1, encoding="utf-8")
        super().__init__(self.reply, host=host, port=port)

    def write(self, kind, *words):
        with self.lock:
            number = next(self.numbers)
            self.books.write(f"{kind} {number} {time.monotonic():.6f} {' '.join(words)}\n")
            return number

    def choose(self, talk):
        """Of a transaction that begins: which fault it will meet, and where."""
        chance = talk.chance
        talk.fault = None
        if chance.randrange(100) < self.faults:
            kind, stage = chance.choice(KINDS), chance.choice(STAGES)
            talk.fault = (kind, "." if kind == "unsaid" else stage)

    def reply(self, talk, verb, argument):
        if verb == "CONNECT":
            talk.chance = random.Random(f"{self.seed} {talk.number}")
            at_once = talk.chance.randrange(200) < self.faults
            talk.fault = (talk.chance.choice(KINDS[2:6]), "CONNECT") if at_once else None
        if verb in ("EHLO", "HELO"):
            talk.client = argument
        if verb == "MAIL":
            self.choose(talk)
            talk.key = argument.split("<")[1].split("@")[0]
            talk.has_sender = True
        if verb in ("RCPT", "DATA") and not talk.has_sender:
            return "503 5.5.1 no sender"
        if talk.fault is None or talk.fault[1] != verb:
            return None
        kind, talk.fault = talk.fault[0], None
        reply = getattr(self, kind)(talk, verb, argument)
        if verb == "MAIL" and reply is not None:
            talk.has_sender = False
        return reply

    def temporary(self, talk, verb, argument):
        return REPLIES[verb][0]

    def permanent(self, talk, verb, argument):
        reply = REPLIES[verb][1]
        who = [argument] if verb == "RCPT" else talk.recipients if verb in ("DATA", ".") else ["*"]
        self.write("refused", verb, reply[:3], talk.key, ",".join(who))
        return reply

    def closing(self, talk, verb, argument):
        return Bye("421 4.3.2 closing")

    def drop(self, talk, verb, argument):
        return DROP

    def reset(self, talk, verb, argument):
        talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return DROP

    def silence(self, talk, verb, argument):
        for _ in talk.stream:
            pass
        return DROP

    def slow(self, talk, verb, argument):
        time.sleep(talk.chance.uniform(0.01, 0.2))
        return None

    def unsaid(self, talk, verb, argument):
        self.book(talk, (tuple(talk.recipients), talk.content), "no")
        return DROP

    def book(self, talk, message, said):
        recipients, content = message
        whole = "yes" if content.endswith(f"end of {talk.key}\r\n".encode()) else "no"
        begun = f"{self.begun[talk.number - 1]:.6f}"
        return self.write("taken", begun, said, whole, talk.client, talk.key, ",".join(recipients))

    def take(self, talk, message, reply):
        return f"250 2.0.0 taken as {self.book(talk, message, 'yes')}."


def main():
    port, books, seed, faults, *host = sys.argv[1:]
    FaultRelay(int(port), books, seed, int(faults), *host)
    threading.Event().wait()


if __name__ == "__main__":
    main()
