"""Waiting for slow and silent servers: nobody waits beside the one whose turn it is, and nothing spins."""

import collections
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import unittest

import lab
from case import message
from odd_relay import DROP, SILENCE, UNANSWERED, BlackHole, Bye, RelayTest, Slow
from process import free_port, wait_for

NAME = "mail.lab.test"
RETRY = {"first": "1h", "max": "1h"}
SHORT = {"timeout": "4s", "timeout_by_stage": False}  # a port that does not greet is asked for TLS behind 5


class NamesTest(RelayTest):
    """The daemon sees other names than this machine does, and another name server."""

    def names(self, *addresses, server=None):
        """A wrapper in whose mount namespace NAME has these addresses."""
        hosts, servers = self.directory / "hosts", self.directory / "resolv.conf"
        hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{one} {NAME}\n" for one in addresses))
        servers.write_text(f"nameserver {server or '127.0.0.1'}\n")
        script = f'mount --bind {hosts} /etc/hosts && mount --bind {servers} /etc/resolv.conf && exec "$@"'
        lab.need_namespace("mount")
        return ("unshare", "--mount", "sh", "-c", script, "sh")

    def silent_name_server(self):
        """Its address."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        address = f"127.0.53.{1 + os.getpid() % 250}"
        try:
            server.bind((address, 53))
        except OSError as error:
            raise lab.Unavailable(f"no name server can be had: {error.strerror}") from error
        return address

    def server_context(self, name="localhost"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificates = self.lab.certificates
        context.load_cert_chain(certificates.certificate(name), certificates.key(name))
        return context


class Addresses(NamesTest):
    """Every address of a relay is tried, up to where the session is usable."""

    def check(self, first, tried=True, **settings):
        """`first` puts something at the first address and returns a relay, or None."""
        second = self.odd(host="127.0.0.2", context=settings.pop("context", None))
        bad = first(second.port)
        relay = self.settings(second, host=NAME, idle_timeout="0", **SHORT, **settings)
        daemon = self.start(relay, retry=RETRY, wrapper=self.names("127.0.0.1", "127.0.0.2"))
        self.drop("one")
        self.wait_taken(second, "one")
        if tried:
            self.assertGreater(bad.connections, 0)
        self.assertNotIn("relay-held", daemon.output())
        wait_for(lambda: second.open == 0, "the end of the first connection")
        before = bad.connections if tried else 0
        self.drop("two")
        self.wait_taken(second, "two")
        if tried:
            self.assertEqual(bad.connections, before, "the address that failed was tried first again")

    def at_first(self, answer, **options):
        return lambda port: self.odd(answer, host="127.0.0.1", port=port, **options)

    def on(self, at, reply):
        return self.at_first(lambda talk, verb, _: reply if verb == at else None)

    def test_greeting_refused(self):
        self.check(self.on("CONNECT", Bye("554 5.7.1 go away")))

    def test_greeting_refused_for_now(self):
        self.check(self.on("CONNECT", Bye("421 4.3.2 too busy")))

    def test_greeting_refused_and_kept_open(self):
        self.check(self.on("CONNECT", "554 5.7.1 go away"))

    def test_closed_without_a_greeting(self):
        self.check(self.on("CONNECT", DROP))

    def test_another_protocol(self):
        self.check(self.on("CONNECT", "SSH-2.0-OpenSSH_9.2"))

    def test_silence(self):
        self.check(self.on("CONNECT", SILENCE))

    def test_hello_refused(self):
        def answer(_, verb, __):
            return "550 not you" if verb in ("EHLO", "HELO") else None

        self.check(self.at_first(answer))

    def test_hello_closed(self):
        self.check(self.on("EHLO", Bye("421 not now")))

    def test_hello_dropped(self):
        self.check(self.at_first(lambda _, verb, __: DROP if verb in ("EHLO", "HELO") else None))

    def test_hello_silent(self):
        self.check(self.on("EHLO", SILENCE))

    def test_no_starttls(self):
        context = self.server_context()
        self.check(self.at_first(lambda *_: None), context=context, tls="implicit",
                   tls_ca_file=self.lab.certificates.certificate("ca"))

    def test_certificate_of_a_stranger(self):
        self.check(self.at_first(lambda *_: None, context=self.server_context("stranger")),
                   context=self.server_context(), tls="implicit",
                   tls_ca_file=self.lab.certificates.certificate("ca"))

    def test_certificate_of_another_name(self):
        self.check(self.at_first(lambda *_: None, context=self.server_context("wrong-name")),
                   context=self.server_context(), tls="implicit",
                   tls_ca_file=self.lab.certificates.certificate("ca"))

    def test_refused_connection(self):
        self.check(lambda port: None, tried=False)

    def test_black_hole(self):
        def first(port):
            hole = BlackHole("127.0.0.1", port)
            self.addCleanup(hole.close)

        self.check(first, tried=False)

    def test_many_of_a_family_to_which_there_is_no_way(self):
        relay = self.odd(host="127.0.0.2")
        names = self.names(*[f"2001:db8::{number}" for number in range(1, 41)], "127.0.0.2")
        daemon = self.start(self.settings(relay, host=NAME), retry=RETRY, wrapper=names)
        self.drop("one")
        self.wait_taken(relay, "one")
        self.assertNotIn("relay-held", daemon.output())

    def test_all_are_bad(self):
        first = self.odd(lambda talk, verb, _: Bye("554 go away") if verb == "CONNECT" else None)
        self.odd(lambda talk, verb, _: "502 no" if verb in ("EHLO", "HELO") else None,
                 host="127.0.0.2", port=first.port)
        daemon = self.start(self.settings(first, host=NAME), wrapper=self.names("127.0.0.1", "127.0.0.2"))
        self.drop("one")
        self.wait_log(daemon, "event=relay-held")
        self.assertIn("127.0.0.1", daemon.output())
        self.assertIn("127.0.0.2", daemon.output())
        self.queue.wait_names("one.queued")


class AddressesInUse(NamesTest):
    """An address that takes sessions and no message is left for another one, and its relay is not put on
    hold while there is one."""

    def check(self, *answers, names=("one",), **settings):
        """`answers` are what the first address says, from a place on: (verb, reply)."""
        second = self.odd(host="127.0.0.2")
        replies = dict(answers)
        first = self.odd(lambda talk, verb, _: replies.get(verb), host="127.0.0.1", port=second.port)
        relay = self.settings(second, host=NAME, hold_first="1h", hold_max="1h", **settings)
        daemon = self.start(relay, retry={"first": "300ms", "max": "300ms"},
                            wrapper=self.names("127.0.0.1", "127.0.0.2"))
        self.drop(*names)
        self.wait_taken(second, *names)
        self.queue.wait_gone(*names)
        self.assertNotIn("relay-held", daemon.output())
        self.assertGreater(first.connections, 0)
        before = first.connections
        self.drop("later")
        self.wait_taken(second, "later")
        self.assertEqual(first.connections, before, "the address that failed was tried first again")

    def test_closing_at_mail(self):
        self.check(("MAIL", Bye("421 4.3.2 closing for now")))

    def test_closing_at_mail_for_many(self):
        self.check(("MAIL", Bye("421 4.3.2 closing for now")), names=[f"m{n}" for n in range(20)])

    def test_lost_at_mail(self):
        self.check(("MAIL", DROP))

    def test_silence_at_mail(self):
        self.check(("MAIL", SILENCE), **SHORT)

    def test_put_off_at_mail(self):
        no = "451 4.3.0 no backend"
        self.check(("MAIL", no), ("RCPT", no), ("DATA", no))

    def test_lost_at_rcpt(self):
        self.check(("RCPT", DROP))

    def test_lost_at_data(self):
        self.check(("DATA", DROP))

    def test_put_off_at_data(self):
        self.check(("DATA", "451 4.3.0 no space"))

    def test_lost_at_the_end(self):
        self.check((".", DROP))

    def test_put_off_at_the_end(self):
        self.check((".", "451 4.3.0 queue file write error"))

    def test_put_off_at_the_end_for_many(self):
        self.check((".", "452 4.3.1 insufficient storage"), names=[f"m{n}" for n in range(20)])

    def test_all_are_at_fault(self):
        """Then it is the relay, and the next one has its turn."""
        closing = Bye("421 4.3.2 closing for now")
        first = self.odd(lambda talk, verb, _: closing if verb == "MAIL" else None)
        second = self.odd(lambda talk, verb, _: DROP if verb == "MAIL" else None, host="127.0.0.2",
                          port=first.port)
        other = self.odd()
        daemon = self.start(self.settings(first, host=NAME, hold_first="1h", hold_max="1h"),
                            self.settings(other, "other"), retry=RETRY,
                            wrapper=self.names("127.0.0.1", "127.0.0.2"))
        self.drop("one", "two")
        self.wait_taken(other, "one", "two")
        self.wait_log(daemon, "event=relay-held")
        self.assertGreater(second.connections, 0)


class BesideSlowOnes(RelayTest):
    """Nobody waits behind a slow one while there is room."""

    def slow_for(self, name, at, go_on):
        def answer(talk, verb, _):
            return Slow("250 taken", event=go_on) if verb == at and talk.has(name) else None

        return self.odd(answer)

    def test_slow_final_reply(self):
        go_on = threading.Event()
        relay = self.slow_for("slow", ".", go_on)
        self.drop("slow", "one", "two", "three")
        self.start(self.settings(relay))
        self.wait_taken(relay, "one", "two", "three")
        self.assertEqual(relay.copies("slow@lab.test"), 0)
        self.drop("four")
        self.wait_taken(relay, "four")
        go_on.set()
        self.wait_taken(relay, "slow")

    def test_slow_at_rcpt(self):
        go_on = threading.Event()
        relay = self.slow_for("slow", "RCPT", go_on)
        self.drop("slow", "one", "two", "three")
        self.start(self.settings(relay))
        self.wait_taken(relay, "one", "two", "three")
        go_on.set()
        self.wait_taken(relay, "slow")

    def test_hanging_greeting(self):
        relay = self.odd(lambda talk, verb, _: SILENCE if verb == "CONNECT" and talk.number == 1 else None)
        self.start(self.settings(relay))
        self.drop("one", "two")
        self.wait_taken(relay, "one", "two")

    def test_hanging_hello_for_the_only_message(self):
        relay = self.odd(lambda talk, verb, _: SILENCE if verb == "EHLO" and talk.number == 1 else None)
        self.start(self.settings(relay))
        self.drop("one")
        self.wait_taken(relay, "one")

    def test_reload_does_not_wait_for_what_hangs(self):
        hanging = self.odd(lambda talk, verb, _: SILENCE if verb == "CONNECT" else None)
        good = self.odd()
        daemon = self.start(self.settings(hanging, connections=2))
        self.drop("one", "two", "three")
        wait_for(lambda: hanging.connections > 0, "a connection that hangs")
        self.configure(self.settings(good, connections=2))
        daemon.reload()
        self.wait_taken(good, "one", "two", "three")

    def test_reloads_beside_connections_that_hang(self):
        """Those of former configurations leave the next one its own."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def answer(talk, verb, _):
            return Slow("250 taken", event=go_on) if verb == "." and talk.has("hang") else None

        relay = self.odd(answer)
        daemon = self.start(self.settings(relay, connections=2), daemon={"stop_timeout": "1s"})
        for number in range(16):  # one by one: a connection that is slow to open leaves its message to the other
            self.drop(f"hang{number}")
            wait_for(lambda number=number: relay.said(".") == number + 1, lambda: f"hangs: {relay.verbs}")
            if number % 2:
                daemon.reload()
        self.drop("good")
        self.wait_taken(relay, "good")

    def test_reload_while_connecting_hangs(self):
        port = free_port()
        hole = BlackHole("127.0.0.1", port)
        self.addCleanup(hole.close)
        good = self.odd()
        daemon = self.start(self.settings(good, port=port, connections=1))
        self.drop("one")
        self.configure(self.settings(good, connections=1))
        daemon.reload()
        self.wait_taken(good, "one")

    def test_first_relay_that_is_silent(self):
        """For everything: it takes connections, and that is all. The next relay has the mail soon, and
        the log says why."""
        silent = self.odd(lambda talk, verb, _: SILENCE if verb == "CONNECT" else None)
        second = self.odd()
        daemon = self.start(self.settings(silent, "first"), self.settings(second, "second"))
        self.drop("one", "two")
        self.wait_taken(second, "one", "two", seconds=30)
        self.wait_log(daemon, "event=relay-silent")
        self.assertNotIn("event=relay-held", daemon.output())
        self.drop("three")
        self.wait_taken(second, "three", seconds=5)
        self.assertEqual(daemon.output().count("event=relay-silent"), 1)

    def test_first_relay_that_is_silent_for_a_while(self):
        """The mail is the first relay's again as soon as it greets."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        first = self.odd(
            lambda talk, verb, _: Slow("220 first ESMTP", event=go_on) if verb == "CONNECT" else None)
        second = self.odd()
        daemon = self.start(self.settings(first, "first"), self.settings(second, "second"))
        self.drop("one")
        self.wait_taken(second, "one", seconds=30)
        wait_for(lambda: self.relay_state() == "silent", daemon.output)
        go_on.set()
        wait_for(lambda: self.relay_state() != "silent", daemon.output)
        self.drop("two")
        self.wait_taken(first, "two")

    def check_one_connection(self, at, refusal, event="relay-limited"):
        """A relay that allows one connection, on which a long message is."""
        go_on = threading.Event()

        def answer(talk, verb, _):
            if verb == at and talk.number > 1:
                return refusal
            return Slow("250 taken", event=go_on) if verb == "." and talk.has("slow") else None

        first, second = self.odd(answer), self.odd()
        daemon = self.start(self.settings(first, "first"), self.settings(second, "second"), retry=RETRY)
        self.drop("slow")
        wait_for(lambda: first.said("."), "a long message on the only connection")
        self.drop("one", "two", "three")
        self.wait_taken(second, "one", "two", "three")
        self.wait_log(daemon, f"event={event}")
        other = {"relay-held": "relay-limited", "relay-limited": "relay-held"}[event]
        self.assertNotIn(f"event={other}", daemon.output())
        go_on.set()
        self.wait_taken(first, "slow")

    def test_one_connection_by_greeting(self):
        self.check_one_connection("CONNECT", Bye("421 4.7.0 too many connections"))

    def test_one_connection_by_closing(self):
        self.check_one_connection("CONNECT", DROP)

    def test_refused_mail_is_no_limit_of_connections(self):
        self.check_one_connection("MAIL", Bye("421 4.7.0 not now"), "relay-held")

    def test_one_connection_by_hello(self):
        self.check_one_connection("EHLO", Bye("421 4.7.0 too many connections"))


class Burst(RelayTest):
    def test_too_much_at_once_and_then_no_more(self):
        """A relay that was too busy for most connections has all the mail when it is so no more."""
        refused = []

        def answer(talk, verb, _):
            if verb != "CONNECT" or talk.number % 3 == 0 or len(refused) >= 20:
                return None
            refused.append(talk.number)
            return Bye("421 4.7.0 too many connections")

        relay = self.odd(answer)
        self.start(self.settings(relay, hold_first="200ms", hold_max="200ms"), retry=RETRY)
        names = [f"m{number}" for number in range(200)]
        self.drop(*names)
        self.wait_taken(relay, *names)
        self.queue.wait_gone(*names)


class Offline(RelayTest):
    """A machine without a network keeps its mail, and sends it when there is one."""

    def test_no_way_to_the_relay(self):
        wrapper = ("unshare", "--net")
        lab.need_namespace("net")
        port = free_port()
        relay = {"name": "there", "host": "127.0.0.1", "port": port, "tls": "none", "hello": "client.lab.test"}
        daemon = self.start({**relay, "hold_first": "300ms", "hold_max": "300ms"}, retry=RETRY, wrapper=wrapper)
        self.drop("one", "two")
        self.wait_log(daemon, "Network is unreachable")
        wait_for(lambda: self.queue.names() == ["one.queued", "two.queued"], self.queue.names)
        inside = ["nsenter", "-t", str(daemon.pid), "-n"]
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        sink = subprocess.Popen([*inside, "smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "10"])
        self.addCleanup(sink.wait)
        self.addCleanup(sink.kill)
        self.queue.wait_gone("one", "two")


class NameServer(NamesTest):
    """A name server that hangs holds up only what needs it."""

    def start_there(self, *relays):
        wrapper = self.names("127.0.0.1", server=self.silent_name_server())
        return self.start(*relays, retry=RETRY, wrapper=wrapper)

    def nameless(self, relay, *arguments, **settings):
        return {k: v for k, v in self.settings(relay, *arguments, **settings).items() if k != "hello"}

    def test_relay_by_address(self):
        relay = self.odd()
        self.start_there(self.nameless(relay))
        self.drop("one", "two")
        self.wait_taken(relay, "one", "two")

    def test_relay_by_a_name_that_is_known_here(self):
        relay = self.odd()
        self.start_there(self.nameless(relay, host=NAME))
        self.drop("one")
        self.wait_taken(relay, "one")

    def test_second_relay(self):
        relay = self.odd()
        daemon = self.start_there(
            self.nameless(relay, "far", host="elsewhere.lab.example", **SHORT), self.nameless(relay, "near"))
        self.drop("one", "two")
        self.wait_taken(relay, "one", "two")
        self.wait_log(daemon, "elsewhere.lab.example")

    def test_reload_away_from_the_name(self):
        relay = self.odd()
        daemon = self.start_there(self.nameless(relay, host="elsewhere.lab.example"))
        self.drop("one")
        self.configure(self.nameless(relay))
        daemon.reload()
        self.wait_taken(relay, "one")

    def test_a_stop_does_not_wait_for_it(self):
        relay = self.odd()
        daemon = self.start_there(self.nameless(relay, host="elsewhere.lab.example"))
        self.drop("one")
        time.sleep(0.2)
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(self.queue.names(), ["one.queued"])


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class Rounds(NamesTest):
    """The loop's rounds in each state in which something is waited for."""

    SECONDS = 1.5
    MOST = 40

    def start(self, *relays, **options):
        return super().start(*relays, **{"daemon": {"stop_timeout": "0"}, **options})

    def attach(self, daemon, trace):
        """Once nobody else traces it: scripts/prove stalls does."""
        while True:
            strace = subprocess.Popen(
                ["strace", "-f", "-o", trace, "-p", str(daemon.pid)], stderr=subprocess.PIPE, text=True)
            said = strace.stderr.readline()
            if "not permitted" not in said or self.patience.is_over():
                self.assertIn("attached", said)
                return strace
            strace.communicate()
            time.sleep(0.1)

    def check(self, daemon):
        """That a daemon which only waits does not do anything else. What its settings name is judged
        beside the loop when it starts, which may not be over yet: that does not come again."""
        for _ in range(3):
            calls = self.calls(daemon)
            rounds = sum(count for call, count in calls.items() if call.startswith("epoll_"))
            if rounds < self.MOST and sum(calls.values()) < 10 * self.MOST:
                return
        self.fail(f"it does not only wait: {calls}")

    def calls(self, daemon):
        """The system calls of a while."""
        trace = self.directory / "trace"
        strace = self.attach(daemon, trace)
        try:
            time.sleep(self.SECONDS)
        finally:
            strace.terminate()
            strace.communicate()
        return collections.Counter(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.M))

    def check_at(self, at, reply=SILENCE, **settings):
        relay = self.odd(lambda talk, verb, _: reply if verb == at else None)
        daemon = self.start(self.settings(relay, connections=1, **settings))
        self.drop("one", "two", "three")
        wait_for(lambda: relay.said(at), f"{at} at the relay")
        self.check(daemon)

    def test_name_lookup(self):
        wrapper = self.names("127.0.0.1", server=self.silent_name_server())
        daemon = self.start(
            self.settings(self.odd(), host="elsewhere.lab.example", connections=1), wrapper=wrapper)
        self.drop("one")
        self.check(daemon)

    def test_connecting(self):
        port = free_port()
        hole = BlackHole("127.0.0.1", port)
        self.addCleanup(hole.close)
        daemon = self.start(self.settings(self.odd(), port=port, connections=1))
        self.drop("one", "two")
        self.check(daemon)

    def test_every_reply(self):
        for at in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."):
            with self.subTest(at):
                self.check_at(at)

    def test_half_a_reply(self):
        self.check_at(".", "250-taken")

    def test_tls(self):
        relay = self.odd(lambda talk, verb, _: SILENCE if verb == "CONNECT" else None)
        daemon = self.start(self.settings(relay, tls="implicit", connections=1))
        self.drop("one")
        wait_for(lambda: relay.connections, "a connection")
        self.check(daemon)

    def test_content_that_is_not_read(self):
        silent = self.odd(lambda talk, verb, _: SILENCE if verb == "MAIL" else None,
                          extensions=("PIPELINING", "CHUNKING"))
        daemon = self.start(self.settings(silent, connections=1))
        self.queue.drop("one", message(b"0123456789abcde\n" * 1000000, to=["one@lab.test"]))
        wait_for(lambda: silent.said("MAIL"), "MAIL at the relay")
        time.sleep(0.5)
        self.check(daemon)

    def test_idle(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay, connections=1))
        self.drop("one")
        self.wait_taken(relay, "one")
        self.queue.wait_gone("one")
        self.check(daemon)

    def test_nothing_at_all(self):
        self.check(self.start(self.settings(self.odd())))

    def test_quit_unanswered(self):
        self.check_at("QUIT", UNANSWERED, idle_timeout="0")

    def test_quit_unanswered_and_half_closed(self):
        self.check_at("QUIT", SILENCE, idle_timeout="0")

    def test_relay_on_hold(self):
        relay = self.odd(lambda talk, verb, _: Bye("421 no") if verb == "CONNECT" else None)
        daemon = self.start(self.settings(relay, hold_first="1h", hold_max="1h"))
        self.drop("one", "two")
        self.wait_log(daemon, "event=relay-held")
        self.check(daemon)

    def test_relay_that_bears_one_connection(self):
        def answer(talk, verb, _):
            if verb == "CONNECT" and talk.number > 1:
                return Bye("421 too many")
            return SILENCE if verb == "." else None

        relay = self.odd(answer)
        daemon = self.start(self.settings(relay))
        self.drop("slow")
        wait_for(lambda: relay.said("."), "the message on the only connection")
        self.drop("one", "two", "three")
        self.wait_log(daemon, "event=relay-limited")
        self.check(daemon)

    def test_stopping(self):
        relay = self.odd(lambda talk, verb, _: SILENCE if verb == "." else None)
        daemon = self.start(self.settings(relay), daemon={"stop_timeout": "20s"})
        self.drop("one", "two")
        wait_for(lambda: relay.said(".") == 2, "the messages in flight")
        daemon.signal(15)
        self.wait_log(daemon, "event=stopping")
        self.check(daemon)
        daemon.kill()
