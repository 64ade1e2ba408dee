"""A way to a server that can be stopped and cut, as a network does that."""

import os
import select
import socket
import threading

from listener import Listener


class Gate:
    """A port of the loopback interface behind which a server is: (host, port), or the path of its socket."""

    def __init__(self, server, port=None):
        self.server = server
        self.connections = 0  # so far
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._pairs, self._listener = [], None
        self.port = port
        self.restore()

    def stop(self):
        """Nothing comes through, in either direction, and nobody is told."""
        self._open.clear()

    def go(self):
        self._open.set()

    def cut(self):
        """Every connection is reset, and new ones are refused."""
        self._listener.close()
        self._listener = None
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for one in pair:
                self._reset(one)
        self.go()

    def restore(self):
        self._listener = Listener(self._talk, port=self.port)
        self.port = self._listener.port

    def close(self):
        if self._listener is not None:
            self.cut()

    @staticmethod
    def _reset(connection):
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    def _connect(self):
        if not isinstance(self.server, (str, os.PathLike)):
            return socket.create_connection(self.server)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(os.fspath(self.server))
        return connection

    def _talk(self, client):
        self._open.wait()
        with self._connect() as server:
            pair = (client, server)
            with self._lock:
                self.connections += 1
                self._pairs.append(pair)
            try:
                self._pass_on(*pair)
            finally:
                with self._lock:
                    if pair in self._pairs:
                        self._pairs.remove(pair)

    def _pass_on(self, client, server):
        others = {client: server, server: client}
        while True:
            readable = select.select(list(others), [], [])[0]
            self._open.wait()
            for one in readable:
                data = one.recv(1 << 16)
                if not data:
                    return
                others[one].sendall(data)
