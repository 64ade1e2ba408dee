"""A relay whose every answer the test decides: what a hostile, broken or merely odd server does."""

import json
import re
import socket
import threading
import time

from case import SystemTest, message
from listener import Listener
from process import wait_for

DROP = object()  # the connection is closed, without a word
SILENCE = object()  # no answer, and nothing more is read
UNANSWERED = object()  # no answer, but what comes next is read


class Bye(str):
    """A reply after which the server closes the connection."""


class Slow:
    """A reply that takes a while, or as long as until `event` is set."""

    def __init__(self, reply, seconds=600.0, event=None):
        self.reply, self.seconds, self.event = reply, seconds, event or threading.Event()


class Doing:
    """What the server does in a reply's place: `act(talk, usual)`, which may write to talk.connection. The
    connection is closed behind it."""

    def __init__(self, act):
        self.act = act


class Ended(Exception):
    """The connection is over."""


class Talk:
    """One connection: what has been said, and what of it makes up the transaction that is under way."""

    def __init__(self, relay, number, connection, stream):
        self.relay, self.number, self.connection, self.stream = relay, number, connection, stream
        self.verbs = []
        self.code = 0  # said last
        self.count = 0  # messages accepted
        self.recipients, self.content = [], b""

    def has(self, name):
        """Whether this transaction is to a recipient whose address begins so."""
        return any(one.startswith(name) for one in self.recipients)

    def answer(self, verb, argument, usual, message=None):
        """Says what the test wants, or what is usual; the code that was said. A message that it says
        yes to is in the books before that is said: whoever reads it may be asked about at once."""
        self.code = 0
        self.verbs.append(verb)
        self.relay.verbs.append((self.number, verb))
        reply = self.relay.answer(self, verb, argument)
        reply = usual if reply is None else reply
        if isinstance(reply, Slow):
            reply.event.wait(reply.seconds)
            reply = reply.reply
        if isinstance(reply, Doing):
            reply.act(self, usual)
            raise Ended
        if reply is SILENCE:
            self.relay.closing.wait()
        if reply is SILENCE or reply is DROP:
            raise Ended
        if reply is UNANSWERED:
            return 0
        self.code = int(reply[:3]) if reply[:3].isdigit() else 0
        if message is not None and 200 <= self.code < 300:
            self.count += 1
            reply = self.relay.take(self, message, reply)
        self.stream.write(reply.encode("utf-8") + b"\r\n")
        self.stream.flush()
        if isinstance(reply, Bye):
            self.part()
        return self.code

    def part(self):
        """Closes so that what was said arrives: closing with input unread takes back what the other end
        has not got yet."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(30)
        while self.connection.recv(1 << 16):
            pass
        raise Ended

    def end_of_message(self, verb):
        message = (tuple(self.recipients), self.content)
        try:
            self.answer(verb, "", "250 taken", message)
        finally:
            self.recipients, self.content = [], b""

    def data(self, argument):
        code = self.answer("DATA", argument, "354 go on" if self.recipients else "554 no recipients")
        if code != 354:
            return
        for line in self.stream:
            if line == b".\r\n":
                self.end_of_message(".")
                return
            self.content += line
        raise Ended

    def bdat(self, argument):
        words = argument.split()
        self.content += self.stream.read(int(words[0]))
        if "LAST" in words[1:]:
            self.end_of_message("BDAT")
        else:
            self.answer("CHUNK", argument, "250 more")

    def ehlo(self, verb, argument):
        lines = [self.relay.name, *self.relay.extensions]
        if verb == "HELO":
            lines = lines[:1]
        self.answer(verb, argument, "\r\n".join(
            f"250{' ' if i + 1 == len(lines) else '-'}{line}" for i, line in enumerate(lines)))

    def command(self, verb, argument):
        if verb in ("EHLO", "HELO"):
            self.ehlo(verb, argument)
        elif verb == "MAIL":
            self.recipients, self.content = [], b""
            self.answer(verb, argument, "250 sender ok")
        elif verb == "RCPT":
            recipient = argument.split("<", 1)[1].split(">", 1)[0]
            self.recipients.append(recipient)
            if not 200 <= self.answer(verb, recipient, "250 recipient ok") < 300:
                self.recipients.remove(recipient)
        elif verb == "DATA":
            self.data(argument)
        elif verb == "BDAT":
            self.bdat(argument)
        else:
            if verb == "RSET":
                self.recipients, self.content = [], b""
            self.answer(verb, argument, Bye("221 bye") if verb == "QUIT" else "250 ok")

    def run(self):
        self.answer("CONNECT", "", f"220 {self.relay.name} ESMTP")
        for line in self.stream:
            verb, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
            self.command(verb.upper(), argument)


class OddRelay:
    """A server on an address of this machine. `answer(talk, verb, argument)` is asked for every reply:
    None for the usual one, a text, or one of the above. Verbs are the commands', and CONNECT, "." (the
    end of the content), and CHUNK (a BDAT that is not the last)."""

    name = "odd.lab.test"
    talk = Talk

    def __init__(self, answer=lambda *_: None, host=None, port=None, extensions=("PIPELINING",),
                 context=None):
        self.answer, self.extensions, self.context = answer, extensions, context
        self.accepted = []  # (recipients, content), in order
        self.verbs = []  # (number of the connection, verb), in order
        self.connections = 0
        self.open = 0
        self.begun = []  # when each connection came
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.server = Listener(self._talk, host, port)
        self.port = self.server.port

    def _talk(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.connections += 1
            self.open += 1
            number = self.connections
            self.begun.append(time.monotonic())
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rwb") as stream:
                self.talk(self, number, connection, stream).run()
        except (Ended, ValueError):
            pass
        finally:
            with self.lock:
                self.open -= 1

    def __str__(self):
        return (f"which had {self.connections} connections, has {self.open}, took {len(self.accepted)} "
                f"messages and was told {[verb for _, verb in self.verbs[-5:]]} last")

    def take(self, talk, message, reply):
        """A message (recipients, content) is accepted on this connection: what to say to that."""
        self.accepted.append(message)
        return reply

    def copies(self, recipient):
        """How often the relay said yes to a message for this recipient."""
        return sum(recipient in recipients for recipients, _ in self.accepted)

    def said(self, verb):
        return sum(verb == one for _, one in self.verbs)

    def close(self):
        self.closing.set()
        self.server.close()


class BlackHole:
    """An address where connecting takes for ever: its queue of connections is full, and nobody takes
    one."""

    def __init__(self, host, port):
        self.server = socket.socket()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind((host, port))
        self.server.listen(0)
        self.fillers = []
        for _ in range(4):
            self.fillers.append(socket.socket())
            self.fillers[-1].setblocking(False)
            self.fillers[-1].connect_ex((host, port))

    def close(self):
        for one in (self.server, *self.fillers):
            one.close()


class RelayTest(SystemTest):
    """A test that has such relays."""

    def odd(self, answer=lambda *_: None, **options):
        relay = OddRelay(answer, **options)
        self.addCleanup(relay.close)
        return relay

    @staticmethod
    def settings(relay, name="odd", **settings):
        return {"name": name, "host": "127.0.0.1", "port": relay.port, "tls": "none",
                "hello": "client.lab.test", **settings}

    def drop(self, *names):
        """Queues messages, each to a recipient of its name."""
        for name in names:
            self.queue.drop(name, message(to=[f"{name}@lab.test"]))

    def relay_state(self, place=0):
        """As the daemon has last said it."""
        return json.loads(self.outbox("status", "--json"))["daemons"][0]["relays"][place]["state"]

    def wait_taken(self, relay, *names, seconds=15.0):
        """Waits until each of the messages was accepted there, once."""
        for name in names:
            wait_for(
                lambda name=name: relay.copies(f"{name}@lab.test") > 0,
                lambda name=name: f"{name} at the relay, {relay}; the queue: {self.queue.names()}", seconds)
            self.assertEqual(relay.copies(f"{name}@lab.test"), 1)

    @staticmethod
    def queued(daemon):
        """Every number of queued messages that the service manager was told."""
        said = "\n".join(daemon.notifications.read())
        return [int(number) for number in re.findall(r"(\d+) queued", said)]
