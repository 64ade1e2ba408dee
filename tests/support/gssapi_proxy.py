#!/usr/bin/python3
"""A SOCKS5 proxy that takes GSSAPI alone (RFC 1961), by the keytab of a service, for Debian's Dante cannot:
gssapi_proxy.py PORT KEYTAB LEVEL [FAULT]. LEVEL is what it agrees to: 1 integrity, 2 confidentiality, or another
number, which is none. FAULT is what it does wrong then: "less" (envelopes that are not encrypted), "garbage"
(no envelopes), "empty" (envelopes without end, and with nothing in them), "pieces" (a byte at a time)."""

import socket
import struct
import sys
import threading

import gssapi

VERSION, CONTEXT, LEVEL, DATA, ABORT = 1, 1, 2, 3, 255


def read(connection, n):
    data = connection.recv(n, socket.MSG_WAITALL) if n else b""
    if len(data) < n:
        raise OSError("it has gone")
    return data


def read_frame(connection, kind):
    version, got, n = struct.unpack(">BBH", read(connection, 4))
    if (version, got) != (VERSION, kind):
        raise OSError(f"frame {version} {got} in place of {kind}")
    return read(connection, n)


def frame(kind, token):
    return struct.pack(">BBH", VERSION, kind, len(token)) + token


class Proxied:
    """One connection."""

    def __init__(self, connection, credentials, level, fault):
        self.connection, self.level, self.fault = connection, level, fault
        self.context = gssapi.SecurityContext(creds=credentials, usage="accept")

    def log_in(self):
        methods = read(self.connection, read(self.connection, 2)[1])
        if 1 not in methods:
            self.connection.sendall(b"\x05\xff")
            raise OSError("it does not offer GSSAPI")
        self.connection.sendall(b"\x05\x01")
        while not self.context.complete:
            try:
                token = self.context.step(read_frame(self.connection, CONTEXT))
            except gssapi.exceptions.GSSError as error:
                print(error, flush=True)
                self.connection.sendall(bytes([VERSION, ABORT]))
                raise OSError("refused") from error
            if token:
                self.send(frame(CONTEXT, token))
        wanted = self.context.unwrap(read_frame(self.connection, LEVEL)).message
        print(f"{self.context.initiator_name} wants level {wanted[0]}", flush=True)
        self.send(frame(LEVEL, self.context.wrap(bytes([self.level]), False).message))

    def send(self, data):
        if self.fault == "pieces":
            for byte in data:
                self.connection.sendall(bytes([byte]))
        else:
            self.connection.sendall(data)

    def wrap(self, data):
        encrypted = self.level == 2 and self.fault != "less"
        return frame(DATA, self.context.wrap(data, encrypted).message)

    def receive(self):
        opened = self.context.unwrap(read_frame(self.connection, DATA))
        if self.level == 2 and not opened.encrypted:
            raise OSError("an envelope that is not encrypted")
        return opened.message

    def serve(self):
        self.log_in()
        request = self.receive()
        if self.fault == "garbage":
            self.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            self.connection.recv(1)
        while self.fault == "empty":
            self.connection.sendall(self.wrap(b"") * 100)
        host = {1: lambda: socket.inet_ntoa(request[4:8]), 4: lambda: socket.inet_ntop(socket.AF_INET6, request[4:20]),
                3: lambda: request[5:-2].decode()}[request[3]]()
        try:
            other = socket.create_connection((host, int.from_bytes(request[-2:], "big")), 10)
        except OSError:
            self.send(self.wrap(b"\x05\x05\x00\x01" + bytes(6)))
            return
        other.settimeout(None)
        self.send(self.wrap(b"\x05\x00\x00\x01" + bytes(6)))
        back = threading.Thread(target=self.copy_back, args=[other], daemon=True)
        back.start()
        try:
            while True:
                other.sendall(self.receive())
        except OSError as error:
            print(error, flush=True)
        other.shutdown(socket.SHUT_WR)
        back.join()
        other.close()

    def copy_back(self, other):
        try:
            while data := other.recv(16384):
                self.send(self.wrap(data))
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def talk(connection, *arguments):
    with connection:
        try:
            Proxied(connection, *arguments).serve()
        except OSError as error:
            print(error, flush=True)


def main():
    port, keytab, level, fault = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), (sys.argv[4:] or [""])[0]
    credentials = gssapi.Credentials(usage="accept", store={"keytab": f"FILE:{keytab}"})
    with socket.create_server(("127.0.0.1", port), backlog=128) as listening:
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=talk, args=[connection, credentials, level, fault], daemon=True).start()


if __name__ == "__main__":
    main()
