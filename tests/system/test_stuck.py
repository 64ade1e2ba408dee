"""Why is my mail stuck? What list, show and status say of a message that does not go, and of what keeps it."""

import json
import os
import pty
import re
import shutil
import signal
import struct
import fcntl
import subprocess
import termios
import threading
import time
import unittest
from datetime import datetime

import lab
import small_disks
from case import message
from odd_relay import SILENCE, RelayTest, Slow
from process import free_port, wait_for

LONG = {"hold_first": "1h", "hold_max": "1h"}


class StuckTest(RelayTest):
    def json(self, *arguments):
        return json.loads(self.outbox(*arguments, "--json"))

    def waits(self, name):
        """What `show` says the message waits for."""
        return self.json("show", name)["waits"]

    def wait_for_reason(self, name, what):
        wait_for(lambda: self.waits(name)["for"] == what, lambda: f"{what}: {self.waits(name)}")
        listed = next(row for row in self.json("list") if row["id"] == name)["waits"]
        self.assertEqual(listed["for"], what)
        return listed["text"]

    def looks_for_an_answer(self):
        """How often status looks whether a daemon answers: each 20 ms, for half a second or for three."""
        trace = self.directory / "trace"
        subprocess.run(["strace", "-qq", "-e", "trace=clock_nanosleep", "-o", trace, lab.program("outbox"),
                        "--config", self.configuration, "status"], stdout=subprocess.DEVNULL, check=True)
        return len(trace.read_text(encoding="ascii").splitlines())

    def closed_port(self):
        return {"name": "closed", "host": "127.0.0.1", "port": free_port(), "tls": "none", **LONG}


class WhatItWaitsFor(StuckTest):
    def test_nobody_has_ever_delivered(self):
        self.configure()
        self.drop("a")
        self.assertIn("no daemon has ever delivered", self.wait_for_reason("a", "daemon"))
        self.assertIn("systemctl start outboxd", self.outbox("status"))
        self.assertIn("daemon", self.outbox("list"))
        self.assertIn("systemctl start outboxd", self.outbox("list"))

    def test_the_daemon_was_stopped(self):
        daemon = self.start()
        self.assertEqual(daemon.terminate(), 0)
        self.drop("a")
        self.assertIn("was stopped", self.wait_for_reason("a", "daemon"))
        status = self.json("status")
        self.assertEqual((status["daemons"], status["last_daemon"]["pid"]), ([], daemon.pid))

    def test_the_daemon_was_killed(self):
        daemon = self.start()
        daemon.kill()
        self.drop("a")
        self.assertIn("has died", self.wait_for_reason("a", "daemon"))

    def test_a_relay_on_hold(self):
        self.start(self.closed_port())
        self.drop("a")
        text = self.wait_for_reason("a", "relay")
        self.assertRegex(text, r"relay closed is on hold until 20.*stage connect: .*refused.*; .*check host and port")
        self.assertIsNotNone(self.waits("a")["until"])
        status = self.json("status")
        self.assertEqual(status["daemons"][0]["relays"][0]["state"], "held")
        self.assertEqual(status["daemons"][0]["relays"][0]["fault"]["error"], 10061)
        self.assertRegex(self.outbox("status"), r"relay closed \(127.0.0.1, port \d+\): held until .*refused")
        self.assertRegex(self.outbox("show", "a"), r"Waits for: +relay, until .*refused")
        listed = self.outbox("list")
        self.assertRegex(listed, r"(?m)^a +queued .* relay  ")
        self.assertEqual(listed.count("refused"), 1, listed)

    def test_a_wrong_password(self):
        relay = self.odd(lambda _talk, verb, _: "535 5.7.8 wrong" if verb == "AUTH" else None,
                         extensions=("AUTH PLAIN",))
        secret = self.directory / "password"
        secret.write_text("not it\n")
        secret.chmod(0o600)
        self.start(self.settings(relay, user="ann", password_file=str(secret),
                                 auth_without_tls="yes, in clear", **LONG))
        self.drop("a")
        self.assertIn("stage auth: 535 5.7.8 wrong", self.wait_for_reason("a", "relay"))
        self.assertNotIn("not it", self.outbox("status", "--json"))

    def relay_of(self, status):
        return status["daemons"][0]["relays"][0]

    def hangs(self, **settings):
        """A relay that says nothing to AUTH, and its wait is over in twelve seconds; what it is."""
        relay = self.odd(lambda _talk, verb, _: SILENCE if verb == "AUTH" else None, extensions=("AUTH PLAIN",))
        self.start(self.settings(relay, user="ann", password="x", auth_without_tls="yes, in clear",
                                 timeout="12s", timeout_by_stage=False, **settings))
        self.drop("a")

    def test_a_relay_that_is_tried_again_and_hangs(self):
        """It is not on hold any more, and what is waited for is told as at the first try."""
        self.hangs(hold_first="1s", hold_max="1s")
        held = wait_for(lambda: next((one for one in [self.relay_of(self.json("status"))] if one["state"] == "held"), None),
                        "the hold", seconds=60)
        self.assertFalse(held["silent"])
        probing = wait_for(lambda: next((one for one in [self.relay_of(self.json("status"))] if one["state"] == "probing"
                                         and one["connections"] == 1), None), "the next try", seconds=10)
        self.assertIsNone(probing["until"])
        self.assertRegex(self.wait_for_reason("a", "relay"), r"is being tried again, stage auth: ")
        waits = wait_for(lambda: self.relay_of(self.json("status"))["waits"], "what is waited for", seconds=60)
        self.assertEqual(waits["stage"], "auth")
        text = self.wait_for_reason("a", "relay")
        self.assertRegex(text, r"is being tried again, and not of use yet, stage auth; .*; before that, stage auth: ")
        self.assertRegex(self.outbox("status"), r"\): probing, says nothing, stage auth, 1 connection; .*; auth, ")
        self.assertIn("is being tried again", self.outbox("list"))

    def test_a_hold_with_connections_that_hang(self):
        """That they were opened before it does not make it a relay that is being tried again."""
        relay = self.odd(lambda _talk, verb, _: SILENCE if verb == "CONNECT" else None)
        self.start(self.settings(relay, timeout="14s", timeout_by_stage=False, **LONG))
        self.drop("a", "b", "c")
        held = wait_for(lambda: next((one for one in [self.relay_of(self.json("status"))] if one["state"] == "held"
                                      and one["connections"] > 0 and one["waits"]), None), "the hold", seconds=60)
        self.assertTrue(held["silent"])
        waits = self.waits("a")
        self.assertEqual((waits["for"], waits["until"]), ("relay", held["until"]))
        self.assertIn("is on hold until " + held["until"], waits["text"])
        self.assertEqual(self.json("status")["waits"], waits)
        self.assertRegex(self.outbox("list"), "is on hold until")
        self.assertRegex(self.outbox("status"), r"\): held until ")

    def hold_over(self, place):
        """The relay, once its hold is over and there is nothing to be tried."""
        relay = wait_for(lambda: next((one for one in [self.json("status")["daemons"][0]["relays"][place]]
                                       if one["state"] == "hold-over"), None), "the end of the hold", seconds=30)
        self.assertEqual((relay["until"], relay["connections"], relay["silent"]), (None, 0, False))
        self.assertEqual(relay["fault"]["error"], 10061)
        self.assertRegex(self.outbox("status"), r"relay closed \(.*\): not on hold any more, and nothing is tried, 0 conn.*refused")
        self.assertNotEqual(self.json("status")["waits"]["for"], "relay")

    def test_a_hold_that_is_over_with_nothing_to_try(self):
        self.start({**self.closed_port(), "hold_first": "2s", "hold_max": "2s"})
        self.drop("a")
        self.wait_for_reason("a", "relay")
        self.outbox("hold", "a")
        self.hold_over(0)
        self.assertEqual(self.waits("a")["for"], "operator")
        self.outbox("release", "a")
        self.wait_for_reason("a", "relay")

    def test_a_hold_that_is_over_while_another_relay_serves(self):
        self.start({**self.closed_port(), "hold_first": "2s", "hold_max": "2s"}, self.settings(self.odd(lambda *_: None)))
        self.drop("a")
        self.queue.wait_gone("a")
        self.hold_over(0)

    def test_a_relay_that_has_never_worked(self):
        relay = self.odd(lambda _talk, verb, _: SILENCE if verb == "CONNECT" else None)
        self.start(self.settings(relay))
        self.assertEqual(self.relay_of(self.json("status"))["state"], "untried")
        self.drop("a")
        silent = wait_for(lambda: next((one for one in [self.relay_of(self.json("status"))] if one["silent"]), None),
                          "its silence", seconds=60)
        self.assertEqual(silent["state"], "silent")
        self.assertGreaterEqual(silent["connections"], 1)
        self.assertRegex(self.outbox("status"), r"\): says nothing, stage greeting, \d connections?; check port and tls")

    def test_a_relay_that_works(self):
        relay = self.odd()
        self.start(self.settings(relay))
        self.drop("a")
        self.wait_taken(relay, "a")
        wait_for(lambda: self.relay_of(self.json("status"))["state"] == "works", "its state")

    def test_a_remedy_is_told_everywhere(self):
        relay = self.odd(lambda _talk, verb, _: "554 no service here" if verb == "CONNECT" else None)
        self.start(self.settings(relay, **LONG))
        self.drop("a")
        self.wait_for_reason("a", "relay")
        for command in ("status", "list"):
            self.assertRegex(self.outbox(command), r"554.* no service here; the relay does not want this host")

    def test_an_outage_for_another_reason(self):
        """The number is the same, and what is said is not: the log's last word is true."""
        said = ["no service here (id 17)", "no service here (id 18)", "closed for the night"]
        relay = self.odd(lambda talk, verb, _: f"554 {said[min(talk.number, len(said)) - 1]}" if verb == "CONNECT" else None)
        daemon = self.start(self.settings(relay, hold_first="1s", hold_max="1s"))
        self.drop("a")
        self.wait_log(daemon, "closed for the night")
        self.assertRegex(daemon.output(), r"(?s)relay-held.*no service here.*relay-held.*closed for the night")
        wait_for(lambda: relay.said("CONNECT") > 4, "further tries")
        self.assertEqual(daemon.output().count("event=relay-held"), 2)

    def test_what_begins_to_wait_is_told_at_once(self):
        """And not when the figures are written down again. The first entry of the log comes before it."""
        self.configure(self.closed_port())
        late = [self.seconds_until_it_is_told()]
        while late[-1] > 1.5 and len(late) < 5:  # on a machine that stood still meanwhile
            late.append(self.seconds_until_it_is_told())
        self.assertLess(late[-1], 1.5, late)

    def seconds_until_it_is_told(self):
        daemon = self.start_again()
        time.sleep(2.5)  # what the start had to say has been said
        self.drop("a")
        self.wait_log(daemon, "event=relay-held")
        held = next(line for line in daemon.output().splitlines() if "event=relay-held" in line).split()[0]
        said = self.queue.path / ".state-1"
        wait_for(lambda: b'"held"' in said.read_bytes(), said.read_bytes)
        seconds = said.stat().st_mtime - datetime.fromisoformat(held).timestamp()
        self.assertEqual(self.relay_of(self.json("status"))["state"], "held")
        self.assertEqual(daemon.terminate(), 0)
        self.outbox("delete", "a")
        return seconds

    def test_another_relay_works(self):
        relay = self.odd()
        self.start(self.closed_port(), self.settings(relay))
        self.drop("a")
        self.wait_taken(relay, "a")
        wait_for(lambda: self.json("status")["daemons"][0]["relays"][0]["state"] == "held", "the hold of the first")
        wait_for(lambda: self.json("status")["waits"]["for"] == "turn", lambda: self.json("status"))

    def test_the_log_tells_of_each_change(self):
        daemon = self.start(self.closed_port())
        self.drop("first")
        self.wait_for_reason("first", "relay")
        self.drop("second")
        self.wait_log(daemon, "second: came, and has to wait: relay closed is on hold until 20")
        self.assertRegex(daemon.output(), r"(?m)event=waiting id=second$")
        self.outbox("hold", "second")
        self.wait_log(daemon, "event=held id=second")
        (self.queue.path / "second.held").rename(self.queue.path / "second.queued")
        wait_for(lambda: daemon.output().count("event=waiting id=second") == 2, "its return")

    def test_what_goes_at_once_is_not_told_to_wait(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay))
        self.drop("a", "b", "c")
        self.wait_taken(relay, "a", "b", "c")
        self.assertNotIn("event=waiting", daemon.output())

    def test_its_next_attempt_and_an_operator(self):
        relay = self.odd(lambda _talk, verb, _: "451 4.2.0 full" if verb == "RCPT" else None)
        self.start(self.settings(relay), retry={"first": "1h", "max": "1h"})
        self.drop("a")
        wait_for(lambda: self.queue.has("a.deferred"), "a deferral")
        waits = self.waits("a")
        self.assertEqual((waits["for"], waits["until"]), ("time", self.json("show", "a")["next"]))
        self.outbox("hold", "a")
        self.assertEqual(self.waits("a")["for"], "operator")
        self.queue.drop("b", message(), state="failed")
        self.assertEqual(self.waits("b")["for"], "nothing")

    def test_a_configuration_that_was_not_taken(self):
        daemon = self.start()
        self.configuration.write_text(self.configuration.read_text() + "\nnonsense = 1;\n")
        daemon.reload()
        wait_for(lambda: self.json("status")["daemons"][0]["reload_refused"], "the refusal")
        self.assertRegex(self.outbox("status"), r"configuration of 20.* was not taken: .*nonsense")

    def test_each_mistake_of_a_configuration_is_a_line(self):
        daemon = self.start()
        lines = "".join(f"nonsense_{i} = {i};\n" for i in range(40))
        self.configuration.write_text(self.configuration.read_text() + "\nnonsense = 1;\nfolly = 2;\n")
        daemon.reload()
        refused = wait_for(lambda: self.json("status")["daemons"][0]["reload_refused"], "the refusal")
        self.assertRegex(refused["text"], r"\A.*nonsense.*\n.*folly.*\Z")
        self.assertRegex(self.outbox("status"), r" was not taken:\n    /.*nonsense.*\n    /.*folly.*\n")
        self.configuration.write_text(self.configuration.read_text() + lines)  # more than is kept
        daemon.reload()
        text = lambda: self.json("status")["daemons"][0]["reload_refused"]["text"]
        wait_for(lambda: "nonsense_3" in text(), "the second refusal")
        self.assertTrue(text().endswith("..."))
        self.assertLess(len(text()), 1010)
        self.assertNotIn("x0a", self.outbox("status"))

    def test_rates_and_the_last_delivery(self):
        relay = self.odd()
        self.start(self.settings(relay))
        self.drop("a", "b", "c")
        self.wait_taken(relay, "a", "b", "c")
        wait_for(lambda: self.json("status")["daemons"][0]["figures"]["sent"] == 3, "three in the figures")
        daemon = self.json("status")["daemons"][0]
        self.assertEqual(sum(daemon["rates"]["sent"]), 3)
        self.assertIsNotNone(daemon["last_sent"])
        self.assertRegex(self.outbox("status"), r"sent 3, failed 0 since its start; .* 3 in the last hour; the last one 20")

    def last_sign(self):
        written = (self.queue.path / ".state-1").stat().st_mtime
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(written))

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed (scripts/install-packages lab)")
    def test_a_daemon_that_is_stopped(self):
        relay = self.odd()
        daemon = self.start(self.settings(relay))
        wait_for(lambda: self.json("status")["daemons"][0]["silent_since"] is None, "an answer")
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            time.sleep(2.1)  # what was said just now counts as an answer
            self.drop("a")
            self.assertRegex(self.wait_for_reason("a", "daemon"), r"process %d\) does not answer, and gave its last sign of life \d+s ago" % daemon.pid)
            self.assertRegex(self.outbox("status"), r"does not answer, and gave its last sign of life \d+s ago: it is stopped, or hangs")
            since = self.json("status")["daemons"][0]["silent_since"]
            self.assertEqual(since[:19], self.last_sign())
            time.sleep(1)
            silent = self.json("status")["daemons"][0]
            self.assertEqual((silent["silent_since"], silent["answers"]), (since, False))
            self.assertLess(self.looks_for_an_answer(), 30)  # another has waited in vain before
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        self.wait_taken(relay, "a")
        wait_for(lambda: self.json("status")["waits"]["for"] == "turn", "an answer again")

    def test_no_place_for_its_words(self):
        for number in range(1, 17):
            (self.queue.path / f".state-{number}").mkdir()
        relay = self.odd(lambda _, verb, to: "451 4.2.0 full" if verb == "RCPT" and to.startswith("waits") else None)
        daemon = self.start(self.settings(relay))
        self.drop("a")
        self.wait_taken(relay, "a")
        self.assertRegex(self.outbox("status"), r"process %d delivers from the directory, and could not .*: .state-1 to "
                         r".state-16 there are directories; remove them" % daemon.pid)
        self.drop("waits")
        wait_for(lambda: self.queue.has("waits.deferred"), daemon.output)
        self.assertRegex(self.outbox("list"), r"(?s)waits +deferred .* turn .*\n.*there are directories; remove them")
        (self.queue.path / ".state-1").rmdir()
        self.drop("b")
        wait_for(lambda: self.json("status")["daemons"], "its own words")

    def test_two_daemons(self):
        """One that cannot go on does not matter beside one that can."""
        relay = self.odd()
        self.start(self.closed_port())
        self.drop("a")
        self.wait_for_reason("a", "relay")
        self.start(self.settings(relay))
        self.wait_taken(relay, "a")
        self.assertEqual(len(self.json("status")["daemons"]), 2)
        wait_for(lambda: self.json("status")["waits"]["for"] == "turn", lambda: self.json("status"))


class FullDisk(StuckTest):
    def fill(self, kind, answer=None):
        """A disk with a message to two recipients on it, for whose record there is no room."""
        reason = small_disks.why_not(kind)
        if reason:
            self.skipTest(reason)
        self.disk = kind(self.directory)
        self.addCleanup(self.disk.unmount)
        self.addCleanup(self.disk.free)
        self.queue = lab.Queue(self.disk.place / "queue")
        self.relay = self.odd(answer) if answer else self.odd()
        self.configure(self.settings(self.relay))

    def test_when_the_daemon_starts(self):
        """It cannot even say that it is there."""
        self.fill(small_disks.Inodes)
        self.queue.drop("a", message(to=["ann@lab.test", "ben@lab.test"]))
        self.disk.fill()
        self.start_again(wrapper=self.disk.wrapper)
        self.assertIn("is full", self.wait_for_reason("a", "machine"))
        self.disk.free()
        self.wait_taken(self.relay, "ann")
        wait_for(lambda: self.json("status")["daemons"], "the daemon's own words")

    def wait_for_words(self, *words):
        """What status says to a person."""
        for word in words:
            wait_for(lambda word=word: re.search(word, self.outbox("status")), lambda: f"{word}: {self.outbox('status')}")

    def test_what_cannot_be_settled(self):
        """The disk fills up while a relay puts recipients off: nobody can write down that it did."""
        replies = threading.Event()
        self.addCleanup(replies.set)
        self.fill(small_disks.Blocks, lambda _talk, verb, _: Slow("451 4.2.0 full", event=replies) if verb == "RCPT" else None)
        self.start_again(wrapper=self.disk.wrapper)
        self.queue.drop("a", message(to=["ann@lab.test"]))
        wait_for(lambda: self.relay.said("RCPT"), "the recipient")
        self.disk.fill()
        replies.set()
        self.assertRegex(self.wait_for_reason("a", "machine"), "No space left|is full")
        self.wait_for_words("file system of the queue directory is full; make room", r"cannot be written down at present, what became of 1 message", r"(?m)^  a: .*No space left")
        status = self.json("status")
        self.assertEqual((status["full"], status["daemons"][0]["figures"]["unsettled"]), (True, 1))
        self.assertEqual(status["daemons"][0]["problems"][0]["id"], "a")
        self.assertRegex(self.outbox("show", "a"), r"Waits for: +machine")
        self.disk.free()
        wait_for(lambda: not self.json("status")["daemons"][0]["problems"], "room", seconds=60)
        self.assertFalse(self.json("status")["full"])

    def test_a_daemon_that_starts_anew(self):
        """The room that the one before it had for its words is there for them."""
        self.fill(small_disks.Blocks)
        self.start_again(wrapper=self.disk.wrapper).terminate()
        self.disk.fill()
        daemon = self.start_again(wrapper=self.disk.wrapper)
        wait_for(lambda: [one["pid"] for one in self.json("status")["daemons"]] == [daemon.pid], "its words")

    def test_a_daemon_that_cannot_say_how_it_is(self):
        self.fill(small_disks.Blocks)
        self.disk.fill()
        daemon = self.start_again(wrapper=self.disk.wrapper)
        self.wait_for_words(r"process %d delivers from the directory, and could not .*: .* is full; make room" % daemon.pid)

    def test_when_it_has_started(self):
        self.fill(small_disks.Inodes)
        self.start_again(wrapper=self.disk.wrapper)
        self.queue.drop("a", message(to=["ann@lab.test", "ben@lab.test"]), state="held")
        self.disk.fill()
        (self.queue.path / "a.held").rename(self.queue.path / "a.queued")
        self.assertRegex(self.wait_for_reason("a", "machine"), "room")
        self.assertEqual(self.json("status")["daemons"][0]["problems"][0]["id"], "a")
        self.disk.free()
        self.wait_taken(self.relay, "ann")
        wait_for(lambda: self.json("status")["daemons"][0]["problems"] == [], "nothing to tell any more")


class Table(StuckTest):
    def on_terminal(self, *arguments, columns=80, environment=None):
        """What the command prints on a terminal of so many columns, without colours."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        tool = subprocess.Popen([lab.program("outbox"), "--config", self.configuration, *arguments],
                                stdout=slave, stdin=subprocess.DEVNULL,
                                env={**os.environ, "NO_COLOR": "1", **(environment or {})})
        os.close(slave)
        shown = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        os.close(master)
        self.assertEqual(tool.wait(), 0)
        return shown.decode().replace("\r\n", "\n")

    def fill(self):
        self.configure()
        self.queue.drop("an-id-that-is-as-long-as-ids-of-programs-are", message(
            to=["a.rather.long.recipient@department.example.com", "two@lab.test"], sender="someone.long@shop.example.org"))
        self.queue.drop("漢字漢字漢字漢字漢字漢字漢字漢字", message())
        self.queue.drop("failed", message(), state="failed")

    def test_fits_the_terminal(self):
        self.fill()
        for columns in (80, 132, 60):
            lines = self.on_terminal("list", columns=columns).split("\n\n")[0].splitlines()
            for line in lines:
                wide = sum(2 if "\u4e00" <= c <= "\u9fff" else 1 for c in line)
                self.assertLessEqual(wide, columns, line)
            self.assertEqual(len(lines), 4, lines)
        self.assertIn("…", self.on_terminal("list"))
        narrow = self.on_terminal("list", environment={"COLUMNS": "60"}).split("\n\n")[0]
        self.assertLessEqual(max(map(len, narrow.splitlines())), 60)

    def test_in_a_pipe_nothing_is_cut(self):
        self.fill()
        listed = self.outbox("list")
        for word in ("an-id-that-is-as-long-as-ids-of-programs-are", "a.rather.long.recipient@department.example.com",
                     "someone.long@shop.example.org", "漢字漢字漢字漢字漢字漢字漢字漢字"):
            self.assertIn(word, listed)

    def test_times_for_people(self):
        self.fill()
        self.assertRegex(self.on_terminal("status"), r"oldest \d+ s ago \(20")
        self.assertRegex(self.outbox("status"), r"oldest 20..-..-..T.*Z")
        self.assertRegex(self.on_terminal("show", "failed"), r"Arrived: +\d+ s ago")

    def ids(self, *arguments):
        return [row["id"] for row in self.json("list", *arguments)]

    def test_choosing(self):
        self.configure()
        now = time.time()
        for number, (name, size, sender, age) in enumerate(
                [("b", 10, "one@lab.test", 60), ("a", 3000, "Two@lab.test", 7200), ("c", 200, "one@lab.test", 5)]):
            self.queue.drop(name, message(body=b"x" * size + b"\n", sender=sender, to=[f"rcpt{number}@lab.test"]),
                            state="held" if name == "c" else "queued")
            path = next(self.queue.path.glob(f"{name}.*"))
            os.utime(path, (now - age, now - age))
        os.chown(self.queue.path / "b.queued", 12345, -1)
        self.assertEqual(self.ids("--sort", "id"), ["a", "b", "c"])
        self.assertEqual(self.ids("--sort", "age"), ["a", "b", "c"])
        self.assertEqual(self.ids("--sort", "size"), ["a", "c", "b"])
        self.assertEqual(self.ids("--sort", "size", "--reverse"), ["b", "c", "a"])
        self.assertEqual(self.ids("--sort", "size", "--limit", "1"), ["a"])
        self.assertEqual(len(self.ids("--limit", "2")), 2)
        self.assertEqual(self.ids("--older", "1h"), ["a"])
        self.assertEqual(self.ids("--from", "two@"), ["a"])
        self.assertEqual(self.ids("--to", "RCPT0"), ["b"])
        self.assertEqual(self.ids("--uid", "12345"), ["b"])
        self.assertEqual(self.ids("--uid", "root", "--sort", "id"), ["a", "c"])
        self.assertEqual(self.ids("held"), ["c"])
        self.assertEqual(self.ids("--state", "held"), ["c"])
        self.assertEqual(self.ids("--state", "held", "queued", "--sort", "id"), ["a", "b", "c"])

    def test_by_reason_and_relay(self):
        relay = self.odd(lambda _talk, verb, argument: "550 5.1.1 no such user" if verb == "RCPT" and
                         "bad" in argument else "451 4.2.2 mailbox full" if verb == "RCPT" else None)
        self.start(self.settings(relay), retry={"first": "1h", "max": "1h"})
        self.drop("bad", "full")
        wait_for(lambda: self.queue.has("bad.failed") and self.queue.has("full.deferred"), "both")
        self.assertEqual(self.ids("--text", "NO SUCH"), ["bad"])
        self.assertEqual(self.ids("--relay", "odd", "--text", "4.2.2"), ["full"])
        self.assertEqual(self.ids("--relay", "another"), [])

    def test_wrong_options(self):
        self.configure()
        for options, said in ((["--sort", "colour"], "--sort colour"), (["--limit", "0"], "--limit 0"),
                              (["--limit", "-1"], "--limit -1"), (["--older", "yesterday"], "--older yesterday"),
                              (["--uid", "nobody-of-that-name"], "no such user"), (["--uid", "-1"], "no such user"),
                              (["--from", ""], "--from"), (["--state", "lost"], "lost is no state"),
                              (["--watch"], "wants a terminal"), (["--watch", "--json"], "exclude each other")):
            result = self.outbox("list", *options, status=None)
            self.assertEqual((result.returncode, result.stdout), (64, b""), options)
            self.assertIn(said, result.stderr.decode(), options)

    def test_strangers_in_the_directory(self):
        self.configure()
        for name in ("notes.txt", "a.eml", "lost+found"):
            (self.queue.path / name).write_text("x")
        self.queue.drop("a", message())
        status = self.json("status")
        self.assertEqual((sorted(status["strangers"]), status["n_strangers"]), (["a.eml", "lost+found", "notes.txt"], 3))
        self.assertRegex(self.outbox("status"), r"3 that are no message and left alone:.*notes\.txt")
        for number in range(20):
            (self.queue.path / f"x{number}\x1b[31m.txt").write_text("x")
        self.assertEqual((len(self.json("status")["strangers"]), self.json("status")["n_strangers"]), (10, 23))
        self.assertNotIn("\x1b", self.outbox("status"))

    def test_nothing_that_a_terminal_obeys(self):
        self.configure()
        marks = "\x7f\u0085\u009b\u200e\u202e\u2066"
        self.queue.drop("x" + marks, message())
        self.queue.drop("x\x1b[31m", message())
        for arguments in (("list",), ("list", "--json"), ("show", "x" + marks), ("show", "--json", "x" + marks),
                          ("status", "--json"), ("complete", "--", "outbox", "--config", self.configuration, "show", "x")):
            for told in (self.outbox(*arguments), self.on_terminal(*arguments)):
                self.assertFalse(set(told) & set(marks + "\x1b"), (arguments, told))
        self.assertIn("\\u009b", self.outbox("list", "--json"))
        self.assertIn("x" + marks, [row["id"] for row in self.json("list")])
