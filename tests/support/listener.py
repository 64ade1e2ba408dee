"""A TCP server of the test's own: a thread for each connection, and an end that is one."""

import socket
import threading

from process import free_port


class Listener:
    """Calls talk(connection) in a thread of its own for each connection, and closes it afterwards."""

    def __init__(self, talk, host="127.0.0.1", port=None):
        self.port = port or free_port()
        self._talk_to = talk
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, self.port), family=family, backlog=128)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection):
        with connection:
            try:
                self._talk_to(connection)
            except OSError:
                pass  # the other end has gone

    def close(self):
        """Nobody accepts any more when this returns. Closing alone does not do that: the kernel goes on
        waiting, and starts again after a signal with whatever socket has got the number by then, so that
        this server would answer for another."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
