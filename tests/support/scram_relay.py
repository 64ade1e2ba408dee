"""A relay that lets nobody in but by the ways to log in that a test gives it."""

import base64
import hashlib
import hmac
import os

from odd_relay import OddRelay, Talk

USER, PASSWORD = "alice", "correct horse"
ROUNDS = 4096


def _b64(data):
    return base64.b64encode(data).decode("ascii")


class ScramTalk(Talk):
    """Says 235 to who logs in, and 530 to MAIL before that."""

    logged_in = False

    def command(self, verb, argument):
        if verb == "AUTH":
            self.auth(*argument.split())
        elif verb == "MAIL" and not self.logged_in:
            self.answer(verb, argument, "530 5.7.0 log in")
        else:
            super().command(verb, argument)

    def ask(self, text):
        self.answer("CHALLENGE", "", f"334 {_b64(text.encode())}")
        return base64.b64decode(self.stream.readline().strip())

    def auth(self, mechanism, initial=""):
        self.relay.tried.append(mechanism)
        if mechanism in self.relay.unknown:
            self.answer("AUTH", mechanism, self.relay.unknown[mechanism])
        elif mechanism == "PLAIN":
            self.judge(mechanism, base64.b64decode(initial) == f"\0{USER}\0{self.relay.password}".encode())
        elif mechanism == "LOGIN":
            user, password = self.ask("User Name"), self.ask("Password")
            self.judge(mechanism, (user, password) == (USER.encode(), self.relay.password.encode()))
        else:
            self.scram(mechanism, base64.b64decode(initial).decode())

    def judge(self, mechanism, good):
        self.logged_in = good
        self.relay.failures += not good
        self.answer("AUTH", mechanism, "235 2.7.0 welcome" if good else self.relay.refusal)

    def scram(self, mechanism, first):
        """RFC 5802, with a channel as the relay knows it: by tls-unique or by its certificate."""
        flag, _, bare = first.split(",", 2)
        self.relay.flags.append(flag)
        plus = mechanism.endswith("-PLUS")
        binding = b""
        if flag.startswith("p="):
            binding = self.relay.bindings(self.connection).get(flag[2:])
        if binding is None or plus != flag.startswith("p=") or flag in self.relay.refused_flags:
            self.answer("AUTH", mechanism, self.relay.binding_refusal)
            return
        hash_name = "sha256" if "256" in mechanism else "sha1"
        salt, nonce = os.urandom(16), bare.split(",r=", 1)[1] + _b64(os.urandom(9))
        salted = hashlib.pbkdf2_hmac(hash_name, self.relay.password.encode(), salt, ROUNDS)
        server_first = f"r={nonce},s={_b64(salt)},i={ROUNDS}"
        final = self.ask(server_first).decode()
        without_proof, proof = final.rsplit(",p=", 1)
        text = ",".join((bare, server_first, without_proof)).encode()

        def mac(key, data):
            return hmac.new(key, data, hash_name).digest()

        client = mac(salted, b"Client Key")
        signature = mac(hashlib.new(hash_name, client).digest(), text)
        header = first[: len(first) - len(bare)].encode()
        good = (bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature)) == client and
                without_proof == f"c={_b64(header + binding)},r={nonce}")
        if good and self.relay.knows_scram:
            self.ask("v=" + _b64(mac(mac(salted, b"Server Key"), text)))
        self.judge(mechanism, good and self.relay.knows_scram)


class ScramRelay(OddRelay):
    """`mechanisms` are offered; `unknown` has replies to those that it does not do after all."""

    talk = ScramTalk

    def __init__(self, mechanisms, bindings=lambda _: {}, unknown=None, refused_flags=(), knows_scram=True,
                 password=PASSWORD, refusal="535 5.7.8 no", binding_refusal="535 5.7.8 no such binding",
                 **options):
        self.tried, self.flags, self.failures = [], [], 0
        self.bindings, self.unknown, self.refused_flags = bindings, unknown or {}, refused_flags
        self.knows_scram, self.password, self.refusal = knows_scram, password, refusal
        self.binding_refusal = binding_refusal
        super().__init__(extensions=("PIPELINING", f"AUTH {mechanisms}"), **options)
