"""A relay without TLS that asks for a login, and keeps what it was told."""

import base64

from listener import Listener


class LoginRelay:
    """Offers these mechanisms. `reply` is its word to a login; it takes every message. A reply may hold
    {0}, which becomes the login as it was sent."""

    def __init__(self, mechanisms="PLAIN", reply="235 2.7.0 welcome"):
        self.mechanisms, self.reply = mechanisms, reply
        self.logins = []  # decoded
        self.messages = 0
        self.server = Listener(self._talk)
        self.port = self.server.port
        self.close = self.server.close

    def _login(self, words, stream, say):
        if len(words) < 3:
            say("334 ")
            words.append(stream.readline().decode("ascii").strip())
        self.logins.append(base64.b64decode(words[2]))
        say(self.reply.format(words[2]))

    def _talk(self, connection):
        def say(text):
            connection.sendall(text.encode("utf-8") + b"\r\n")

        say("220 login ESMTP")
        with connection.makefile("rb") as stream:
            while line := stream.readline():
                words = line.decode("utf-8", "replace").split()
                verb = words[0].upper() if words else ""
                if verb == "EHLO":
                    say(f"250-login\r\n250 AUTH {self.mechanisms}")
                elif verb == "AUTH":
                    self._login(words, stream, say)
                elif verb == "DATA":
                    say("354 go on")
                    while stream.readline() not in (b".\r\n", b""):
                        pass
                    self.messages += 1
                    say("250 2.0.0 taken")
                elif verb == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 2.0.0 ok")
