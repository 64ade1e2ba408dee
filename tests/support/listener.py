"""A TCP server of the test's own: a thread for each connection, and an end that is one."""

import socket
import threading

from process import free_port, loopback


class Listener:
    """Calls talk(connection) in a thread of its own for each connection, and closes it afterwards. It listens at
    `host`, or at every address of the loopback interface."""

    def __init__(self, talk, host=None, port=None):
        self.port = port or free_port()
        self._talk_to = talk
        places = [(host, socket.AF_INET6 if ":" in host else socket.AF_INET)] if host else loopback()
        self._sockets = [socket.create_server((address, self.port), family=family, backlog=128)
                         for address, family in places]
        self._threads = [threading.Thread(target=self._serve, args=[one], daemon=True) for one in self._sockets]
        for thread in self._threads:
            thread.start()

    def _serve(self, listening):
        while True:
            try:
                connection, _ = listening.accept()
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
        for one, thread in zip(self._sockets, self._threads):
            one.shutdown(socket.SHUT_RDWR)
            thread.join()
            one.close()
