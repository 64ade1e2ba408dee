"""What a program that was written against the component finds here: its methods as commands of the tool, and
in the daemon, its settings by their names."""

import json

from case import as_delivered, message
from odd_relay import RelayTest
from process import wait_for


class Config(RelayTest):
    """Config: every setting can be set and read, by its own name or the component's."""

    def settings_of_the_component(self):
        """(section, own name, the component's names) of all settings that have any."""
        for line in self.outbox("config", "--explain").splitlines():
            if line and not line.startswith(" ") and "(" in line:
                name, _, others = line.partition(" (")
                section, _, own = name.partition(".")
                yield section, own, others.rstrip(")").replace(",", "").split()

    def test_every_name(self):
        """What is read by the component's name, in its form, is what the setting has: set by that name it is the
        same."""
        self.configure()
        found = list(self.settings_of_the_component())
        self.assertGreater(len(found), 25)
        for _, own, others in found:
            expected = self.outbox("config", own)
            for name in others:
                with self.subTest(name=name):
                    value = self.outbox("config", name).strip().strip('"')
                    self.assertEqual(bool(value), bool(expected.strip()))
                    if value:
                        self.assertEqual(self.outbox("--set", f"{name}={value}", "config", own), expected)

    def test_set_and_get(self):
        """By any spelling; what was set holds for this command alone."""
        self.configure()
        for name, value, own in (("MailPort", "2525", "port"), ("mail_port", "2526", "port"),
                                 ("Hello", "me.lab.test", "hello"), ("KeepQueue", "true", "keep_sent"),
                                 ("SENDRSET", "true", "send_rset"), ("Timeout", "90s", "timeout")):
            with self.subTest(name=name):
                before = self.outbox("config", own)
                shown = self.outbox("--set", f"{name}={value}", "config", own)
                self.assertEqual(shown.strip().strip('"'), value)
                self.assertEqual(self.outbox("config", own), before)
                self.assertNotEqual(before, shown)

    def test_json(self):
        self.configure()
        port = json.loads(self.outbox("--set", "MailPort=2525", "config", "--json", "MailPort"))
        self.assertEqual(port, 2525)

    def test_set_reaches_the_relay(self):
        relay = self.odd()
        said = []
        relay.answer = lambda talk, verb, argument: said.append((verb, argument))
        self.configure(self.settings(relay))
        self.outbox("--set", "Hello=other.lab.test", "send", stdin=message())
        self.assertIn(("EHLO", "other.lab.test"), said)

    def test_mistakes(self):
        self.configure()
        for arguments, status, words in (
                (("--set", "MailPrt=25", "config"), 78, 'MailPrt: unknown setting; did you mean "port"?'),
                (("--set", "MailPort=99999", "config"), 78, "is out of range; it takes a port from 1 to 65535"),
                (("--set", "MailPort", "config"), 78, "MailPort"),
                (("config", "MailPrt"), 64, 'there is no setting "MailPrt"; did you mean "relays.port"')):
            with self.subTest(arguments=arguments):
                result = self.outbox(*arguments, status=None)
                self.assertIn(words, result.stderr.decode())
                self.assertEqual(result.returncode, status)


class Send(RelayTest):
    """Send: connects, sends and disconnects by itself, and says what became of each recipient."""

    def test_send(self):
        relay = self.odd(lambda talk, verb, argument:
                         "550 5.1.1 no such user" if verb == "RCPT" and argument == "bob@lab.test" else None)
        self.configure(self.settings(relay))
        result = self.outbox("send", stdin=message(to=["ann@lab.test", "bob@lab.test"]), status=None)
        self.assertEqual(result.returncode, 69)
        self.assertEqual(result.stdout.decode(), "ann@lab.test delivered by odd: 250 taken\n")
        self.assertEqual(result.stderr.decode(),
                         "outbox: 161: bob@lab.test refused by odd at rcpt: 550 5.1.1 no such user\n")
        self.assertEqual([recipients for recipients, _ in relay.accepted], [("ann@lab.test",)])
        self.assertEqual(relay.connections, 1)
        wait_for(lambda: relay.verbs[-1][1] == "QUIT", lambda: str(relay))
        self.assertEqual(self.queue.names(), [])

    def test_send_is_what_was_given(self):
        self.configure()
        ann = self.address()
        content = message(b"Hello.\n.\nThere.\n", to=[ann])
        self.outbox("send", stdin=content)
        copy = self.wait_copies(1, ann)[0]
        self.assertEqual(copy.content, as_delivered(message(b"Hello.\n.\nThere.\n", envelope=False)))


class ProcessQueue(RelayTest):
    """ProcessQueue: each message of a directory is sent, over one connection; what is sent is gone, or kept where
    KeepQueue (keep_sent) says so; what is refused stays, as failed."""

    def fill(self):
        for name in ("a", "b", "c"):
            self.queue.drop(name, message(to=[f"{name}@lab.test"]))
        self.queue.drop("d", message(to=["refused@lab.test"]))
        return self.odd(lambda talk, verb, argument:
                        "550 5.1.1 no such user" if verb == "RCPT" and argument == "refused@lab.test" else None)

    def test_process_queue(self):
        relay = self.fill()
        self.configure(self.settings(relay, connections=1))
        result = self.outbox("process", status=None)
        self.assertEqual(result.returncode, 69, result.stderr)
        for name in ("a", "b", "c"):
            self.assertIn(f"{name}@lab.test delivered by odd: 250 taken", result.stdout.decode())
        self.assertRegex(result.stderr.decode(), r"outbox: \d+: d: refused@lab.test refused by odd at rcpt: 550 5.1.1")
        self.assertEqual(self.queue.names(), ["d.failed", "d.status"])
        self.assertEqual(sorted(relay.accepted)[0][0], ("a@lab.test",))
        self.assertEqual((len(relay.accepted), relay.connections), (3, 1))
        # With everything done there is nothing to do.
        self.outbox("process")
        self.assertEqual((len(relay.accepted), relay.connections), (3, 1))

    def test_another_directory(self):
        relay = self.fill()
        self.configure(self.settings(relay), spool={"directory": self.lab.new_directory()})
        self.outbox("process", str(self.queue.path), status=69)
        self.assertEqual(len(relay.accepted), 3)

    def test_keep_queue(self):
        """By the component's name; the file stays as it was."""
        relay = self.fill()
        self.configure(self.settings(relay))
        self.outbox("--set", "KeepQueue=true", "process", status=69)
        self.assertEqual(self.queue.in_state("sent"), ["a.sent", "b.sent", "c.sent"])
        self.assertEqual((self.queue.path / "a.sent").read_bytes(), message(to=["a@lab.test"]))
        self.outbox("process")
        self.assertEqual(len(relay.accepted), 3)

    def test_daemon(self):
        relay = self.fill()
        self.start(self.settings(relay), spool={"directory": self.queue.path, "KeepQueue": True})
        for name in ("a", "b", "c"):
            self.queue.wait_state(name, "sent")
        self.queue.wait_state("d", "failed")
        self.assertEqual(len(relay.accepted), 3)
