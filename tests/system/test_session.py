"""What the settings and commands of a session do: whom a message stops at, addresses that are asked for,
sockets, and the component's names for all of it."""

import json
import os
import pathlib
import re
import ssl
import time

from case import message
from lab import Unavailable
from mailboxes import Mailboxes
from odd_relay import Doing, OddRelay, RelayTest, Talk
from process import wait_for


class TerminalTalk(Talk):
    """Knows the commands that show a message on a terminal."""

    def command(self, verb, argument):
        if verb in ("SEND", "SOML", "SAML"):
            self.recipients, self.content = [], b""
            self.answer(verb, argument, "250 sender ok")
        else:
            super().command(verb, argument)


class TerminalRelay(OddRelay):
    talk = TerminalTalk


def to(**kinds):
    """The options of a composed message."""
    return ("--from", "shop@lab.test", "--subject", "x", "--body", "y",
            *(word for kind, people in kinds.items() for one in people for word in (f"--{kind}", one)))


class Stopping(RelayTest):
    """StopOnToErrors, StopOnCcErrors, StopOnBccErrors, with Postfix."""

    def send(self, *arguments, settings, stdin=b""):
        self.configure(self.lab.relay("plain", **settings))
        return self.outbox("send", *arguments, stdin=stdin, status=None)

    def check_stopped(self, result, status, *people):
        self.assertEqual(result.returncode, status, result.stderr)
        for one in people:
            self.assertIn(f"{one} ".encode(), result.stderr)
            self.assertEqual(self.copies(one), [])
        self.assertIn(b"not sent, for ", result.stderr)
        self.assertEqual(result.stdout, b"")

    def test_recipients_one_by_one(self):
        ann = self.address("ann-one")
        people = ("--from", "shop@lab.test", "--recipient", f"to: {ann}", "--recipient",
                  "cc: refused@lab.test NOTIFY=NEVER", "--body", "b")
        self.check_stopped(self.send(*people, settings={"stop_on_cc_errors": True}), 69, ann)
        result = self.send(*people, settings={"stop_on_to_errors": True, "stop_on_bcc_errors": True})
        self.assertEqual(result.returncode, 69)
        self.wait_copies(1, ann)

    def test_each_kind_of_recipient(self):
        for kind in ("to", "cc", "bcc"):
            with self.subTest(kind):
                ann = self.address(f"ann-{kind}")
                people = {"to": [ann], **{kind: ["refused@lab.test"] if kind != "to" else [ann, "refused@lab.test"]}}
                result = self.send(*to(**people), settings={f"StopOn{kind.capitalize()}Errors": True})
                self.check_stopped(result, 69, ann)
                others = {f"stop_on_{one}_errors": True for one in ("to", "cc", "bcc") if one != kind}
                result = self.send(*to(**people), settings=others)
                self.assertEqual(result.returncode, 69)
                self.wait_copies(1, ann)

    def test_refusal_for_now(self):
        ann = self.address()
        result = self.send(*to(to=[ann, "tempfail@lab.test"]), settings={"stop_on_to_errors": True})
        self.check_stopped(result, 75, ann)

    def test_more_recipients_than_a_transaction_has(self):
        """They are one transaction all the same, or the first would have the message already."""
        people = [self.address(f"p{i}") for i in range(7)]
        settings = {"stop_on_to_errors": True, "recipients_per_transaction": 2}
        result = self.send("-v", *to(to=[*people, "refused@lab.test"]), settings=settings)
        self.check_stopped(result, 69, *people)
        self.assertEqual(result.stderr.count(b"> MAIL FROM"), 1)
        result = self.send("-v", *to(to=people), settings=settings)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.wait_copies(7, *people)

    def test_kind_is_that_of_the_header(self):
        """Of a whole message; who stands in neither To nor Cc is one of Bcc."""
        for field, setting in (("To", "stop_on_to_errors"), ("Cc", "stop_on_cc_errors"),
                               ("Resent-Cc", "stop_on_cc_errors"), ("Bcc", "stop_on_bcc_errors")):
            with self.subTest(field):
                ann = self.address(f"ann-{field.lower()}")
                first = "Resent-From: c@lab.test\n" if field.startswith("Resent") else ""
                content = f"{first}{field}: Bob <{ann}>, refused@lab.test\nFrom: a@lab.test\n\nHello.\n"
                result = self.send(stdin=content.encode(), settings={setting: True})
                self.check_stopped(result, 69, ann)

    def test_kind_is_that_of_the_envelope(self):
        ann = self.address()
        content = message(to=[ann, "refused@lab.test"])  # in X-Receiver, and in no field
        self.check_stopped(self.send(stdin=content, settings={"stop_on_bcc_errors": True}), 69, ann)
        result = self.send(stdin=content, settings={"stop_on_to_errors": True, "stop_on_cc_errors": True})
        self.assertEqual(result.returncode, 69)
        self.wait_copies(1, ann)

    def test_arguments_are_as_to(self):
        ann = self.address()
        content = message(envelope=False)
        result = self.send(ann, "refused@lab.test", stdin=content, settings={"stop_on_to_errors": True})
        self.check_stopped(result, 69, ann)

    def test_queue_is_judged_one_by_one(self):
        ann = self.address()
        self.start(self.lab.relay("plain", stop_on_to_errors=True, stop_on_cc_errors=True,
                                  stop_on_bcc_errors=True))
        self.outbox("queue", *to(to=[ann, "refused@lab.test"]))
        self.wait_copies(1, ann)

    def test_next_message_of_the_connection(self):
        """A relay whose BDAT would not wait for the replies to RCPT."""
        relay = self.odd(lambda talk, verb, argument: "550 5.1.1 no" if argument == "no@lab.test" else None,
                         extensions=("PIPELINING", "CHUNKING"))
        self.configure({"host": "127.0.0.1", "port": relay.port, "tls": "none", "stop_on_to_errors": True})
        result = self.outbox("send", *to(to=["yes@lab.test", "no@lab.test"]), status=None)
        self.assertEqual(result.returncode, 69)
        self.assertEqual(relay.accepted, [])
        self.assertEqual(relay.said("BDAT"), 0)


class Asking(RelayTest):
    """Verify, Expand and SendCommand, with Exim, which tells."""

    def setUp(self):
        super().setUp()
        self.exim = self.lab.exim()
        self.addCleanup(self.exim.stop)
        self.configure({"name": "exim", "host": "127.0.0.1", "port": self.exim.port["smtp"], "tls": "none"})

    def test_expand_tells_each_address(self):
        lines = self.outbox("expand", "staff@lab.test").splitlines()
        self.assertEqual(len(lines), 3, lines)
        for name, line in zip(("ann", "bob", "carl"), sorted(lines)):
            self.assertRegex(line, rf"\Astaff@lab.test: 250 .*{name}@lab.test")
        (answer,) = json.loads(self.outbox("expand", "--json", "staff@lab.test"))
        self.assertEqual((answer["command"], answer["code"], len(answer["lines"])),
                         ("EXPN staff@lab.test", 250, 3))

    def test_verify(self):
        self.assertRegex(self.outbox("verify", "ann@lab.test"), r"\Aann@lab.test: 250 .*")
        self.assertEqual(self.outbox("verify", "refused@lab.test", status=None).returncode, 69)

    def test_address_that_is_not_ascii(self):
        for address in ("grüße@lab.test", "ann@bücher.example"):
            result = self.outbox("verify", "-v", address, status=None)
            self.assertIn(f"> VRFY {address} SMTPUTF8\n", result.stderr.decode())
        self.configure({"host": "127.0.0.1", "port": self.exim.port["smtp"], "tls": "none",
                        "discard_ehlo_keywords": "SMTPUTF8"})
        result = self.outbox("verify", "-v", "ann@bücher.example", status=None)
        self.assertIn(b"> VRFY ann@xn--bcher-kva.example\n", result.stderr)

    def test_send_command(self):
        (answer,) = json.loads(self.outbox("command", "--json", "HELP"))
        self.assertEqual(answer["code"], 214)
        self.assertGreater(len(answer["lines"]), 1)

    def test_what_cannot_be_said(self):
        """It is told without a relay, and before anything is said."""
        self.configure({"host": "127.0.0.1", "port": 1, "tls": "none"})
        for command, argument, text in (
            ("verify", " ", "the argument ' ' is empty"), ("expand", "a" * 506, "is too long: a command has 510 bytes"),
            ("command", "NOOP\r\nQUIT", "holds a line end or another control character"),
            ("command", "data", "'data' is more than a command and its reply: messages are sent by `outbox send`"),
        ):
            result = self.outbox(command, "fine", argument, status=None)
            self.assertEqual(result.returncode, 64)
            self.assertIn(text, result.stderr.decode())
            self.assertIn(f"see `outbox {command} --help`", result.stderr.decode())

    def test_terminals_are_not_offered(self):
        """SendToTerminalOnly, SendToTerminalOrEmail, SendToTerminalAndEmail; nobody offers them today."""
        for verb in ("send", "soml", "saml"):
            result = self.outbox("send", "--command", verb, "a@lab.test", stdin=message(envelope=False),
                                 status=None)
            self.assertEqual(result.returncode, 69)
            self.assertIn(f"does not offer the command {verb.upper()}", result.stderr.decode())

    def test_terminals_that_are_offered(self):
        relay = TerminalRelay(extensions=("SEND", "SOML", "SAML"))
        self.addCleanup(relay.close)
        for verb in ("send", "soml", "saml"):
            self.configure({"host": "127.0.0.1", "port": relay.port, "tls": "none"})
            self.outbox("send", "--command", verb, "a@lab.test", stdin=message(envelope=False))
            self.configure({"host": "127.0.0.1", "port": relay.port, "tls": "none", "AllowExtensions": False})
            result = self.outbox("send", "--command", verb, "a@lab.test", stdin=message(envelope=False),
                                 status=None)
            self.assertEqual(result.returncode, 69)
        self.assertEqual([verb for _, verb in relay.verbs if verb in ("SEND", "SOML", "SAML", "MAIL")],
                         ["SEND", "SOML", "SAML"])


class Settings(RelayTest):
    """The component's names by way of the programs."""

    def test_names_units_and_words(self):
        self.configure()
        for override, name, value in (
            ("KeepAliveTime=1500", "KeepAliveTime", "1500"), ("KeepAliveTime=1500", "keepalive_time", "1500ms"),
            ("KeepAliveTime=1500", "TCPKeepAlive", "True"), ("LingerTime=7", "LingerTime", "7"),
            ("Linger=no", "Linger", "False"), ("MaxTransferRate=1000", "MaxTransferRate", "1000"),
            ("AbsoluteTimeout=1", "absolute_timeout", "true"), ("Timeout=90", "Timeout", "90"),
            ("SSLStartMode=2", "SSLEnabled", "True"), ("SSLEnabled=False", "SSLStartMode", "3"),
            ("MailServer=h.test", "MailServer", "h.test"), ("MailPort=26", "MailPort", "26"),
            ("StopOnToErrors=yes", "StopOnToErrors", "True"), ("Hello=a.test", "Hello", "a.test"),
            ("SendRSET=1", "SendRSET", "True"), ("AllowExtensions=0", "AllowExtensions", "False"),
            ("MaskSensitiveData=False", "MaskSensitiveData", "False"),
        ):
            self.assertEqual(self.outbox("--set", override, "config", name).strip(), value, override)

    def test_what_can_only_be_read(self):
        self.configure()
        self.assertEqual(self.outbox("config", "BuildInfo"), self.outbox("--version").splitlines()[0] + "\n")
        self.assertIn(self.outbox("config", "LicenseInfo").strip(), self.outbox("--version"))
        result = self.outbox("--set", "LicenseInfo=x", "config", status=None)
        self.assertEqual(result.returncode, 78)
        self.assertIn(b"can only be read", result.stderr)

    def test_notices(self):
        """GUIAvailable and UseInternalSecurityAPI change nothing, which tool and daemon say."""
        ann = self.address()
        daemon = self.start(self.lab.relay("plain", GUIAvailable=False, UseInternalSecurityAPI="True"))
        for name in ("GUIAvailable", "UseInternalSecurityAPI"):
            words = f"relays.plain.{name}: has no meaning on Linux"
            self.wait_log(daemon, words)
            self.assertIn(words, self.outbox("config", status=None).stderr.decode())
        self.queue.drop("a", message(to=[ann]))
        self.wait_copies(1, ann)
        result = self.outbox("--set", "GUIAvailable=dunno", "config", status=None)
        self.assertEqual(result.returncode, 78)


class Sockets(RelayTest):
    """How fast, how long, and where from: by the daemon."""

    def relay_settings(self, relay, **settings):
        return {"name": "odd", "MailServer": "127.0.0.1", "MailPort": relay.port, "SSLStartMode": "sslNone", **settings}

    def test_rate(self):
        """MaxTransferRate: 20000 bytes at 20000 a second, of which a tenth of a second's are free."""
        relay = self.odd(extensions=("PIPELINING", "CHUNKING"))
        self.start(self.relay_settings(relay, MaxTransferRate=20000))
        begun = time.monotonic()
        self.queue.drop("a", message(body=b"0123456789012345678\n" * 1000))
        self.queue.wait_gone("a")
        self.assertGreaterEqual(time.monotonic() - begun, 0.9)
        self.assertEqual(len(relay.accepted), 1)

    def test_time_for_a_message_in_all(self):
        """AbsoluteTimeout: the message is never silent for long, and takes longer in all."""
        relay = self.odd(extensions=("PIPELINING",))
        daemon = self.start(self.relay_settings(relay, AbsoluteTimeout=True, Timeout=1, MaxTransferRate=10000))
        self.queue.drop("a", message(body=b"0123456789012345678\n" * 1000))
        self.wait_log(daemon, "in all that absolute_timeout allows")
        self.assertEqual(relay.accepted, [])

    def test_local_address(self):
        """LocalHost is where connections come from."""
        peers = []

        def note(talk, verb, _):
            if verb == "EHLO":
                peers.append(talk.connection.getpeername()[0])

        relay = self.odd(note)
        self.start(self.relay_settings(relay, LocalHost="127.0.0.33"))
        self.queue.drop("a", message())
        self.queue.wait_gone("a")
        self.assertEqual(set(peers), {"127.0.0.33"})
        (found,) = json.loads(self.outbox("check", "--json"))
        self.assertRegex(found["local"], r"\A127\.0\.0\.33:\d+\Z")
        self.assertRegex(self.outbox("check"), r"\n  from +127\.0\.0\.33:\d+\n")

    def test_words_of_the_session(self):
        """Hello, SendRSET, and MaxLineLength (with its CRLF) at its least and past it."""
        said = []

        def note(_, verb, argument):
            said.append(f"{verb} {argument}".strip())
            return f"250 {'x' * (250 if argument == 'b@lab.test' else 251)}" if verb == "RCPT" else None

        relay = self.odd(note, extensions=())
        self.start(self.relay_settings(relay, Hello="me.example", SendRSET=True, MaxLineLength=256, connections=1,
                                       pipelining=False, idle_timeout="1h"))
        self.queue.drop("a", message(to=["b@lab.test"]))
        self.queue.wait_gone("a")
        self.queue.drop("c", message(to=["b@lab.test"]))
        self.queue.wait_gone("c")
        self.assertEqual([line for line in said if line.split()[0] in ("EHLO", "RSET", "MAIL")][:4],
                         ["EHLO me.example", "MAIL FROM:<shop@lab.test>", "RSET", "MAIL FROM:<shop@lab.test>"])
        result = self.outbox("send", "d@lab.test", stdin=message(envelope=False), status=None)
        self.assertEqual(result.returncode, 75)
        self.assertIn(b"over its limits", result.stderr)

    def test_extensions(self):
        """AllowExtensions = False: HELO, and nothing that EHLO offers."""
        relay = self.odd(extensions=("PIPELINING", "CHUNKING", "SIZE 1", "DSN"))
        self.start(self.relay_settings(relay, AllowExtensions=False))
        self.queue.drop("a", message())
        self.queue.wait_gone("a")
        self.assertEqual([verb for _, verb in relay.verbs][:5], ["CONNECT", "HELO", "MAIL", "RCPT", "DATA"])

    def test_reset(self):
        """Linger = False: the relay is hung up on."""
        ends = []

        def note(talk, verb, _):
            if verb == "QUIT":
                return Doing(lambda talk, usual: ends.append(self.end_of(talk.connection)))
            return None

        relay = self.odd(note)
        for linger, end in ((True, b""), (False, ConnectionResetError)):
            self.configure(self.relay_settings(relay, Linger=linger, timeout=5, timeout_by_stage=False))
            self.outbox("send", "a@lab.test", stdin=message(envelope=False))
            wait_for(lambda: ends, "the end of the connection")
            self.assertEqual(ends.pop(), end)

    @staticmethod
    def end_of(connection):
        try:
            return connection.recv(1)
        except OSError as error:
            return type(error)


class NotedTalk(Talk):
    def command(self, verb, argument):
        if verb in ("MAIL", "RCPT"):
            self.relay.lines.append(argument)
        super().command(verb, argument)


class NotedRelay(OddRelay):
    """Keeps what MAIL and RCPT said."""

    talk = NotedTalk

    def __init__(self, *arguments, **options):
        self.lines = []
        super().__init__(*arguments, **options)


ALL = ("PIPELINING", "DSN", "DELIVERBY 30", "MT-PRIORITY MIXER", "FUTURERELEASE 864000 2040-01-01T00:00:00Z", "REQUIRETLS")


class Terms(RelayTest):
    """--require-tls and its like, and the parameters of X-Sender and X-Receiver that they stand for."""

    def relay_settings(self, extensions=ALL, tls=False, **settings):
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.lab.certificates.certificate("localhost"), self.lab.certificates.key("localhost"))
        relay = NotedRelay(extensions=extensions, context=context)
        self.addCleanup(relay.close)
        base = {"name": "odd", "host": "localhost", "ip_version": 0, "port": relay.port, "tls": "implicit" if tls else "none",
                "tls_ca_file": self.lab.certificates.certificate("ca")}
        return relay, {**base, **settings}

    def said(self, *options, stdin=None, **settings):
        """What MAIL and RCPT say of a message that is sent with these options."""
        relay, relay_settings = self.relay_settings(**settings)
        self.configure(relay_settings)
        stdin = message(to=["a@lab.test"]) if stdin is None else stdin
        result = self.outbox("send", *options, stdin=stdin, status=None)
        return result, [line.split(">", 1)[1].strip() for line in relay.lines]

    def test_options_become_parameters(self):
        for options, sender, recipient in (
            (("--notify", "success,delay", "--ret", "headers", "--envid", "a=b c"), "RET=HDRS ENVID=a+3Db+20c",
             "NOTIFY=SUCCESS,DELAY"),
            (("--deliver-by", "2h"), "BY=7200;N", ""), (("--deliver-by", "90s,return"), "BY=90;R", ""),
            (("--mt-priority", "-3"), "MT-PRIORITY=-3", ""), (("--hold-for", "1d"), "HOLDFOR=86400", ""),
            (("--hold-until", "2035-01-01T00:00:00Z"), "HOLDUNTIL=2035-01-01T00:00:00Z", ""),
        ):
            with self.subTest(options):
                self.assertEqual(self.said(*options)[1], [sender, recipient])
                composed = ("--from", "s@lab.test", "--to", "a@lab.test", "--body", "x", *options)
                self.assertEqual(self.said(*composed)[1], [sender, recipient])

    def test_options_count_instead_of_the_envelope(self):
        content = (b"X-Sender: <s@lab.test> RET=FULL ENVID=1\nX-Receiver: <a@lab.test> NOTIFY=NEVER ORCPT=rfc822;b@c\n"
                   b"From: s@lab.test\n\nx\n")
        self.assertEqual(self.said("--ret", "headers", "--notify", "failure", stdin=content)[1],
                         ["RET=HDRS ENVID=1", "NOTIFY=FAILURE ORCPT=rfc822;b@c"])
        self.assertEqual(self.said(stdin=content)[1], ["RET=FULL ENVID=1", "NOTIFY=NEVER ORCPT=rfc822;b@c"])

    def test_lane(self):
        """It is the queue's alone, and a file may name another."""
        content = b"X-Outbox-Lane: other\n" + message(to=["a@lab.test"])
        for options, stdin, lanes in ((("--lane", "Bulk"), None, [b"bulk"]), ((), content, [b"other"]),
                                      (("--lane", "bulk", "--notify", "never"), content, [b"bulk"])):
            with self.subTest(options):
                relay, settings = self.relay_settings()
                self.configure(settings)
                path = self.outbox("queue", *options, stdin=message(to=["a@lab.test"]) if stdin is None else stdin)
                queued = pathlib.Path(path.strip()).read_bytes()
                self.assertEqual(re.findall(rb"(?m)^X-Outbox-Lane: (.*)$", queued), lanes)
                self.outbox("process")
                self.assertNotIn(b"Lane", relay.accepted[0][1])

    def test_priority(self):
        """Priority, for relays that know MT-PRIORITY."""
        composed = ("--from", "s@lab.test", "--to", "a@lab.test", "--body", "x")
        for word, sender in (("urgent", "MT-PRIORITY=4"), ("non-urgent", "MT-PRIORITY=-4"), ("normal", "")):
            self.assertEqual(self.said(*composed, "--priority", word)[1], [sender, ""])
        self.assertEqual(self.said(*composed, "--priority", "urgent", "--mt-priority", "7")[1], ["MT-PRIORITY=7", ""])

    def test_what_is_not_offered(self):
        """Wishes are left out, and needs are not."""
        for options, status, words in (
            (("--notify", "never", "--mt-priority", "3", "--deliver-by", "1h"), 0, ""),
            (("--deliver-by", "1h,return"), 69, "5.3.3 the message asks for BY, which the relay does not offer"),
            (("--hold-for", "1h"), 69, "asks for HOLDFOR, which the relay does not offer"),
            (("--hold-until", "2035-01-01T00:00:00Z"), 69, "asks for HOLDUNTIL, which the relay does not offer"),
            (("--require-tls",), 69, "550 5.7.30 the message asks for REQUIRETLS, which the relay does not offer"),
        ):
            with self.subTest(options):
                result, lines = self.said(*options, extensions=("PIPELINING",))
                self.assertEqual(result.returncode, status, result.stderr)
                self.assertIn(words, result.stderr.decode())
                self.assertEqual(lines, [] if status else ["", ""])

    def test_require_tls(self):
        self.assertEqual(self.said("--require-tls", tls=True)[1], ["REQUIRETLS", ""])
        for settings in ({"tls": False}, {"tls": True, "tls_verify": False},
                         {"tls": True, "tls_security_flags": "allow-unknown-authority ignore-name"}):
            result, lines = self.said("--require-tls", **settings)
            self.assertEqual((result.returncode, lines), (69, []))
            self.assertIn(b"5.7.30 the message asks for REQUIRETLS, and the connection has no TLS with a verified", result.stderr)

    def test_tls_required_no(self):
        """RFC 8689, 5: the header field goes out as it is."""
        relay, settings = self.relay_settings(extensions=())
        self.configure(settings)
        self.outbox("send", stdin=message(to=["a@lab.test"], header=b"TLS-Required: No\n"))
        self.assertIn(b"\r\nTLS-Required: No\r\n", relay.accepted[0][1])

    def test_queue(self):
        """The time in the queue counts."""
        relay, settings = self.relay_settings()
        self.configure(settings)
        for name, options in (("by", ("--deliver-by", "1h,return")), ("hold", ("--hold-for", "1h", "--notify", "never"))):
            path = self.outbox("queue", *options, stdin=message(to=[f"{name}@lab.test"])).strip()
            past = time.time() - 600
            os.utime(path, (past, past))
        late = self.outbox("queue", "--deliver-by", "5m,return", stdin=message(to=["late@lab.test"])).strip()
        os.utime(late, (past, past))
        self.start_again()
        self.queue.wait_state(pathlib.Path(late).stem, "failed")
        wait_for(lambda: len(relay.accepted) == 2, "two messages")
        said = dict(zip((line for line in relay.lines if line.startswith("TO")), (
            line for line in relay.lines if line.startswith("FROM"))))
        left = {line.split("=")[1].split(";")[0] for line in said.values()}
        self.assertTrue(all(2900 < int(seconds) <= 3000 for seconds in left), said)
        self.assertIn("TO:<hold@lab.test> NOTIFY=NEVER", said)
        self.assertEqual(self.queue.events(pathlib.Path(late).stem, "refused")[0]["enhanced"], "5.4.7")

    def test_wrong_values(self):
        self.configure()
        for options, words in (
            (("--notify", "sometimes"), "never, or some of success, failure and delay"), (("--notify", "never", "--notify", "delay"), "twice"),
            (("--ret", "half"), "full or headers"), (("--envid", "x" * 101), "at most 100"),
            (("--envid", "a\nb"), "printable ASCII characters, and 'a\\x0ab' has a line break"),
            (("--envid", "a\x7f"), "control"), (("--envid", "é"), "a letter beyond ASCII"),
            (("--deliver-by", "soon"), "a time such as 2h"), (("--deliver-by", "2h,explode"), "notify or return"),
            (("--deliver-by", "40000d"), "a time such as"), (("--mt-priority", "12"), "from -9 to 9"),
            (("--mt-priority", "high"), "from -9 to 9"), (("--hold-for", "0"), "a time such as"),
            (("--hold-until", "tomorrow"), "a time of UTC"), (("--hold-until", "2020-01-01T00:00:00Z"), "is past"),
            (("--hold-for", "1h", "--hold-until", "2035-01-01T00:00:00Z"), "leave one of them out"),
            (("--lane", "two words"), '"two words" is not the name of a lane'), (("--lane", "x" * 33), "up to 32 letters"),
            (("--require-tls=yes",), "takes no value"), (("--require-tls", "--require-tls"), "twice"),
        ):
            for command in ("send", "queue"):
                result = self.outbox(command, *options, stdin=message(), status=None)
                self.assertEqual(result.returncode, 64, options)
                self.assertIn(words, result.stderr.decode(), options)
        self.assertTrue(self.queue.is_empty())


class Lmtp(RelayTest):
    """protocol = "lmtp", with Dovecot's mailboxes."""

    def setUp(self):
        super().setUp()
        if not pathlib.Path("/usr/lib/dovecot/lmtp").exists():
            raise Unavailable("Dovecot's LMTP is not installed (scripts/install-packages lab)")
        self.mailboxes = Mailboxes(self.lab.new_directory() / "mailboxes", self.lab.certificates)
        self.addCleanup(self.mailboxes.stop)

    def over_socket(self, **settings):
        return {"name": "boxes", "host": f"unix:{self.mailboxes.socket}", "protocol": "lmtp", **settings}

    def over_tcp(self, **settings):
        return {"name": "boxes", "host": "127.0.0.1", "port": self.mailboxes.port, "protocol": "lmtp",
                "tls_name": "localhost", "tls_ca_file": self.lab.certificates.certificate("ca"), **settings}

    def test_both_ways(self):
        for i, relay in enumerate((self.over_socket(), self.over_tcp(), self.over_tcp(tls="none"))):
            daemon = self.start(relay)
            for name in ("a", "b"):
                self.queue.drop(name, message(to=["ann@lab.test", "bob@lab.test"], body=b".dot\n"))
            self.queue.wait_gone("a", "b")
            self._end(daemon)
            for user in ("ann", "bob"):
                copies = self.mailboxes.mail(user)
                self.assertEqual(len(copies), 2 * (i + 1))
                self.assertTrue(all(copy.endswith(b"\n\n.dot\n") for copy in copies))

    def test_each_recipient_has_an_outcome(self):
        daemon = self.start(self.over_socket())
        self.queue.drop("a", message(to=["ann@lab.test", "full@lab.test", "nobody@lab.test", "bob@lab.test"]))
        self.queue.wait_state("a", "failed")
        events = {line["recipient"]: line for line in self.queue.record("a") if "recipient" in line}
        self.assertEqual({name: line["event"] for name, line in events.items()},
                         {"ann@lab.test": "delivered", "bob@lab.test": "delivered", "full@lab.test": "refused",
                          "nobody@lab.test": "refused"})
        self.assertEqual((events["full@lab.test"]["code"], events["full@lab.test"]["stage"]), (552, "content"))
        self.assertEqual((events["nobody@lab.test"]["code"], events["nobody@lab.test"]["stage"]), (550, "rcpt"))
        self.assertEqual([len(self.mailboxes.mail(user)) for user in ("ann", "bob", "full")], [1, 1, 0])
        self.assertIn(f"unix:{self.mailboxes.socket}", daemon.output())

    def test_send_and_check(self):
        self.configure(self.over_socket())
        self.assertIn("ok", self.outbox("check"))
        result = self.outbox("send", "-v", "ann@lab.test", "bob@lab.test", stdin=message(envelope=False), status=None)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"> LHLO ", result.stderr)
        self.assertEqual(result.stdout.count(b" delivered by boxes: 250 2.0.0 "), 2)

    def test_socket_that_cannot_be_used(self):
        for path, words in ((self.directory / "none", "there is no such socket"),
                            (self.configuration, "nobody listens at the socket")):
            self.configure(self.over_socket(host=f"unix:{path}"))
            result = self.outbox("check", status=None)
            self.assertEqual(result.returncode, 75)
            self.assertIn(words, result.stdout.decode() + result.stderr.decode())

    def test_server_of_the_other_protocol(self):
        self.configure(self.lab.relay("plain", protocol="lmtp", tls="none"))
        result = self.outbox("check", status=None)
        self.assertIn(b"it does not speak LMTP here", result.stdout + result.stderr)
        self.configure(self.over_socket(protocol="smtp"))
        result = self.outbox("check", status=None)
        self.assertNotEqual(result.returncode, 0)

    def test_wrong_settings(self):
        for settings, words in (
            ({"host": "unix:relative"}, "is no absolute path"), ({"host": "unix:/" + "x" * 200}, "longer path than a socket"),
            ({"local_host": "127.0.0.1"}, "one comes from no address; leave local_host out"),
            ({"local_port": 2000}, "leave local_port out"), ({"tls": "starttls"}, "set tls_name, or leave tls out"),
            ({"extensions": False}, "LMTP has no dialogue without extensions"), ({"protocol": "lntp"}, "one of"),
        ):
            self.configure(self.over_socket(**settings))
            result = self.outbox("check", status=None)
            self.assertEqual(result.returncode, 78, settings)
            self.assertIn(words, result.stderr.decode(), settings)
