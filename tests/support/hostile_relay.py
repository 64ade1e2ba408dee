"""A relay that means harm, at any stage of a session in clear or over TLS with a login, and what it does."""

import select
import socket
import ssl
import struct
import time

from odd_relay import Doing, Ended, OddRelay, Talk

# As the verbs of a session come; HELLO is EHLO over TLS, TLS the handshake.
STAGES = ("CONNECT", "EHLO", "STARTTLS", "TLS", "HELLO", "AUTH", "MAIL", "RCPT", "DATA", ".", "RSET", "QUIT")


class HostileTalk(Talk):
    """One that knows STARTTLS and AUTH."""

    secure = False

    def answer(self, verb, argument, usual, message=None):
        return super().answer("HELLO" if verb == "EHLO" and self.secure else verb, argument, usual, message)

    def ehlo(self, verb, argument):
        more = ["AUTH PLAIN"] if self.secure else ["STARTTLS"]
        lines = [self.relay.name, *self.relay.extensions, *more]
        self.answer(verb, argument, "\r\n".join(
            f"250{' ' if i + 1 == len(lines) else '-'}{line}" for i, line in enumerate(lines)))

    def start_tls(self):
        if self.answer("STARTTLS", "", "220 go on") != 220:
            return
        reply = self.relay.answer(self, "TLS", "")
        if isinstance(reply, Doing):
            reply.act(self, "no TLS for you")
            raise Ended
        self.stream.close()
        # What makes the file also keeps the connection.
        self.connection = self.relay.server_context.wrap_socket(self.connection, server_side=True)
        self.stream = self.connection.makefile("rwb")
        self.secure = True

    def command(self, verb, argument):
        if verb == "STARTTLS":
            self.start_tls()
        elif verb == "AUTH":
            self.answer(verb, argument, "235 welcome")
        else:
            super().command(verb, argument)

    def run(self):
        self.answer("CONNECT", "", f"220 {self.relay.name} ESMTP")
        while line := self.stream.readline():
            verb, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
            self.command(verb.upper(), argument)


class HostileRelay(OddRelay):
    """`answer` decides as in OddRelay; the verbs are STAGES."""

    talk = HostileTalk

    def __init__(self, answer, certificates, **options):
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_context.load_cert_chain(certificates.certificate("localhost"), certificates.key("localhost"))
        self.longest = 0.0  # seconds that a client bore with what was done to it
        super().__init__(answer, **options)


# ---- what it does: functions of the connection and of the usual reply ----


def until_gone(talk, act=None, every=None):
    """Does `act` again and again, every so many seconds, until the client closes."""
    begin = time.monotonic()
    talk.connection.settimeout(90)
    try:
        while time.monotonic() - begin < 90:
            if act:
                act()
            if every != 0 and not isinstance(talk.connection, ssl.SSLSocket):
                gone = select.select([talk.connection], [], [], every)[0] and not talk.connection.recv(65536)
            else:
                gone = _gone_over_tls(talk.connection, every)
            if gone:
                break
    except OSError:
        pass
    finally:
        talk.relay.longest = max(talk.relay.longest, time.monotonic() - begin)


def _gone_over_tls(connection, every):
    if not select.select([connection], [], [], every)[0]:
        return False
    connection.settimeout(0.01)
    try:
        return not connection.recv(65536)
    except (TimeoutError, ssl.SSLWantReadError):
        return False
    finally:
        connection.settimeout(90)


def saying(data, act=None, every=None):
    """Sends bytes, and waits for what the client makes of it; or goes on with `act`."""

    def do(talk, usual):
        talk.connection.settimeout(90)
        talk.connection.sendall(data(usual) if callable(data) else data)
        until_gone(talk, act and (lambda: act(talk, usual)), every)

    return do


def line(talk, usual):
    """One more line of the usual reply, which is not its last."""
    code = usual[:3] if usual[:3].isdigit() else "250"
    talk.connection.sendall(f"{code}-and so on\r\n".encode())


def endless_line(talk, usual):
    """A hundred million bytes without an end of line, as fast as they are taken."""
    begin = time.monotonic()
    try:
        talk.connection.settimeout(90)
        talk.connection.sendall(usual[:3].encode() + b" ")
        for _ in range(1600):
            talk.connection.sendall(b"x" * 65536)
    except OSError:
        pass
    talk.relay.longest = max(talk.relay.longest, time.monotonic() - begin)


def cut_behind(n):
    def do(talk, usual):
        talk.connection.sendall(f"{usual}\r\n".encode()[:n])

    return do


def reset(talk, _):
    talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.stream.detach()
    if isinstance(talk.connection, ssl.SSLSocket):
        socket.socket(fileno=talk.connection.detach()).close()
    else:
        talk.connection._real_close()  # the file object holds it


def half_closed(talk, _):
    talk.connection.shutdown(socket.SHUT_WR)
    until_gone(talk)


def nothing(talk, _):
    """Neither reads nor says anything."""
    talk.relay.closing.wait(30)


def a_byte_a_second(talk, _):
    """Reads that slowly, and says nothing."""
    begin = time.monotonic()
    talk.connection.settimeout(90)
    try:
        while not talk.relay.closing.wait(1) and talk.connection.recv(1):
            pass
    except OSError:
        pass
    talk.relay.longest = max(talk.relay.longest, time.monotonic() - begin)


def code_changes(usual):
    return f"{usual[:3]}-so\r\n550 or so\r\n".encode()


WAYS = {
    "garbage": saying(bytes(range(128, 256)) * 8),
    "nuls": saying(b"\0" * 4096),
    "nuls in a line": saying(lambda usual: usual[:3].encode() + b"-\0\0\0\r\n" + usual[:3].encode() + b"\0\r\n"),
    "no code": saying(b"hello there\r\n"),
    "999": saying(b"999 what\r\n"),
    "199": saying(b"199 wait\r\n"),
    "code changes": saying(code_changes),
    "an endless line": endless_line,
    "a line every 50 ms": saying(b"", line, 0.05),
    "lines as fast as can be": saying(b"", line, 0),
    "a line at a time": saying(lambda usual: usual[:3].encode() + b"-one\r\n"),
    "half closed": half_closed,
    "reset": reset,
    "neither reads nor writes": nothing,
    "reads a byte a second": a_byte_a_second,
}
