"""Mail that waits for too long is said aloud: in the log, in the status line, and to a command, which needs
no mail to be heard."""

import json
import os
import time
from datetime import datetime

from case import message
from odd_relay import SILENCE, RelayTest
from process import free_port, wait_for


class Alarms(RelayTest):
    busy = False

    def setUp(self):
        super().setUp()
        self.relay = self.odd(self.answer)
        self.told = self.directory / "told"
        self.command = f"cat >> '{self.told}'; echo >> '{self.directory}/runs'"

    def answer(self, talk, verb, argument):
        if verb == "CONNECT" and self.busy:
            return "421 4.3.2 not now"
        if verb == "RCPT" and argument.startswith("no"):
            return "550 5.1.1 none such"
        if verb == "RCPT" and argument.startswith("later"):
            return "451 4.2.0 not now"
        return None

    def serve(self, **alarm):
        return self.start(self.settings(self.relay, hold_first="100ms", hold_max="200ms"),
                          alarm={"alarm_pause": "0", "alarm_command": self.command, **alarm})

    def status(self):
        return json.loads(self.outbox("status", "--json"))

    def lines(self, count):
        """What the command was told."""
        def read():
            lines = self.told.read_text(encoding="utf-8").splitlines() if self.told.exists() else []
            return [json.loads(line) for line in lines] if len(lines) >= count else None

        return wait_for(read, lambda: f"{count} lines: {read()}\n{self.logs()}", 30)

    def test_waiting(self):
        """A message that is put off again and again."""
        daemon = self.serve(alarm_after="1s", alarm_relay_after="0")
        self.queue.drop("a", message(to=["later@lab.test"]))
        (one,) = self.lines(1)
        self.assertEqual((one["alarm"], one["state"], one["text"]),
                         ("waiting", "begins", "message a has waited for 1s"))
        self.wait_log(daemon, "event=alarm alarm=waiting")
        wait_for(lambda: self.status()["alarm"], "the alarm in the status")
        (alarm,), (of_daemon,) = (one["alarm"] for one in (self.status(), self.status()["daemons"][0]))
        self.assertEqual(alarm, of_daemon)
        self.assertEqual((alarm["alarm"], alarm["text"]), ("waiting", "message a has waited for 1s"))
        self.assertAlmostEqual(time.time(), datetime.fromisoformat(alarm["since"]).timestamp(), delta=60)
        self.assertRegex(self.outbox("status"), r"(?m)^  alarm: message a has waited for 1s; it began .+$")
        wait_for(lambda: any(state.startswith("STATUS=alarm: message a has waited for 1s; ")
                             for state in daemon.notifications.read()), lambda: daemon.notifications.states)
        self.outbox("delete", "a")
        self.assertEqual(self.lines(2)[1]["state"], "ends")
        wait_for(lambda: self.status()["alarm"] == [], "the end of the alarm in the status")
        self.wait_log(daemon, "event=alarm-over alarm=waiting")
        wait_for(lambda: "alarm" not in [s for s in daemon.notifications.read() if s.startswith("STATUS=")][-1],
                 lambda: daemon.notifications.states)

    def test_relay_that_nobody_tries(self):
        """Its hold is over, and nothing is there to try it with: it may work."""
        self.busy = True
        for seconds in (5, 20, 60):
            daemon = self.serve(alarm_after="0", alarm_relay_after=f"{seconds}s")
            begun = time.monotonic()
            self.queue.drop("a", message(to=["ann@lab.test"]))
            self.wait_log(daemon, "event=relay-held")
            wait_for(lambda: self.outbox("hold", "a", status=None).returncode == 0, "a is aside")
            if time.monotonic() - begun < seconds:  # else it was tried for so long
                break
            self.assertEqual(daemon.terminate(), 0)
            self.outbox("delete", "a")
            self.told.unlink(missing_ok=True)
        time.sleep(seconds + 2)
        self.assertFalse(self.told.exists(), self.logs())

    def test_relay(self):
        self.busy = True
        daemon = self.serve(alarm_after="0", alarm_relay_after="1s")
        self.drop("a")
        (one,) = self.lines(1)
        self.assertEqual((one["alarm"], one["state"]), ("relay", "begins"))
        self.assertIn("relay odd could not be used for 1s, stage greeting: 421 not now", one["text"])
        self.busy = False
        self.wait_taken(self.relay, "a")
        self.assertEqual(self.lines(2)[1]["state"], "ends")
        self.assertEqual(daemon.output().count("event=alarm "), 1)

    def test_a_hold_that_is_over_ends_no_alarm(self):
        """Nobody tries the relay any more; only its being of use again is an end."""
        self.busy = True
        self.serve(alarm_after="0", alarm_relay_after="1s")
        self.queue.drop("a", message(to=["a@lab.test"]))
        self.lines(1)
        wait_for(lambda: self.outbox("hold", "a", status=None).returncode == 0, "a is aside")
        wait_for(lambda: self.status()["daemons"][0]["relays"][0]["state"] == "hold-over", self.logs)
        time.sleep(2)
        self.assertEqual([alarm["alarm"] for alarm in self.status()["alarm"]], ["relay"], self.logs())
        self.busy = False
        self.outbox("release", "a")
        self.wait_taken(self.relay, "a")
        self.assertEqual([one["state"] for one in self.lines(2)], ["begins", "ends"])

    def test_another_relay_in_its_place(self):
        """After a reload: that it cannot be used either is an alarm of its own, with its own time."""
        self.busy = True
        daemon = self.serve(alarm_after="0", alarm_relay_after="1s")
        self.drop("a")
        self.lines(1)
        self.configure(self.settings(self.odd(self.answer), name="other", hold_first="100ms", hold_max="200ms"),
                       alarm={"alarm_pause": "0", "alarm_command": self.command, "alarm_after": "0",
                              "alarm_relay_after": "1s"})
        daemon.reload()
        first, over, second = self.lines(3)
        self.assertEqual([one["state"] for one in (first, over, second)], ["begins", "ends", "begins"])
        self.assertEqual(first["text"], over["text"])
        self.assertIn("relay odd could not be used for 1s", first["text"])
        self.assertIn("relay other could not be used for 1s", second["text"])

    def test_failed(self):
        """Each message that fails; what comes in the pause is told together."""
        self.serve(alarm_pause="1s")
        for number in range(20):
            self.queue.drop(f"m{number}", message(to=["no@lab.test"]))
        lines = self.lines(20)
        self.assertEqual(sorted(one["id"] for one in lines), sorted(f"m{number}" for number in range(20)))
        self.assertEqual({one["alarm"] for one in lines}, {"failed"})
        self.assertIn("550 5.1.1 none such", lines[0]["text"])
        self.assertLessEqual(len((self.directory / "runs").read_text(encoding="ascii")), 4)

    def test_words_of_others(self):
        """What a file is called is told, and never run."""
        self.serve()
        name = "ü\\a'; touch hacked; '\"$(touch hacked)"
        self.queue.drop(name, message(to=["no@lab.test"]))
        self.assertEqual(self.lines(1)[0]["id"], name)
        self.assertEqual(json.loads(self.outbox("list", "--json"))[0]["id"], name)
        self.assertFalse(os.path.exists("hacked"))

    def test_command_fails(self):
        """It is told in the log, and mail goes on."""
        self.command = "echo 'no such pager' >&2; exit 3"
        daemon = self.serve()
        self.queue.drop("a", message(to=["no@lab.test"]))
        self.wait_log(daemon, f'alarm_command `{self.command}` failed with status 3 and said "no such pager"')
        self.assertNotIn('{"time"', daemon.output())
        self.drop("good")
        self.wait_taken(self.relay, "good")

    def test_command_that_fails_is_told_again(self):
        """What it was told goes before what has happened since, and none of it is lost."""
        self.command = f"test -e '{self.directory}/well' || exit 3; {self.command}"
        daemon = self.serve(alarm_pause="2s")
        self.queue.drop("first", message(to=["no@lab.test"]))
        self.wait_log(daemon, "failed with status 3")
        self.queue.drop("second", message(to=["no@lab.test"]))
        wait_for(lambda: self.queue.has("second.failed"), daemon.output)
        (self.directory / "well").touch()
        self.assertEqual([one["id"] for one in self.lines(2)], ["first", "second"])

    def test_command_hangs(self):
        """The daemon ends all the same, and at once."""
        self.command = f"touch '{self.directory}/begun'; sleep 600"
        daemon = self.serve()
        self.queue.drop("a", message(to=["no@lab.test"]))
        wait_for((self.directory / "begun").exists, self.logs)
        self.assertEqual(daemon.terminate(), 0)

    def test_nothing_waits(self):
        """Who set nothing hears nothing, and a wrong command is told at once."""
        self.configure(alarm={"alarm_command": "/nowhere/pager"})
        result = self.outbox("config", status=None)
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"alarm.alarm_command: there is no program /nowhere/pager", result.stderr)

    def test_held_relay_that_comes_back_silent(self):
        """Nobody listened, and it was held; now somebody does, and never greets."""
        port = free_port()
        daemon = self.start({"name": "odd", "host": "127.0.0.1", "port": port, "tls": "none", "hold_first": "200ms",
                             "hold_max": "200ms"})
        self.drop("one")
        self.wait_log(daemon, "event=relay-held")
        self.odd(lambda talk, verb, _: SILENCE if verb == "CONNECT" else None, port=port)
        self.wait_log(daemon, "event=relay-silent", seconds=60)
        self.assertEqual(daemon.output().count("event=relay-held"), 1)
