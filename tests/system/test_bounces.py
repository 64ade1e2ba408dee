"""Somebody hears that a message failed: a report to its sender, or to whom the configuration names, of those
recipients alone who have not had it. One that fails is never told of itself."""

import email
import email.policy
import os
import quopri

from case import SystemTest, message
from odd_relay import RelayTest
from preload import preload
from process import wait_for

# There is no room for another file while FLAG is there; records have some.
FULL = """
int openat(int fd, const char *name, int flags, ...)
{
    va_list list;
    int mode = 0;

    va_start(list, flags);
    if (flags & (O_CREAT | __O_TMPFILE))
        mode = va_arg(list, int);
    va_end(list);
    if ((flags & O_CREAT) && strncmp(name, ".tmp-", 5) == 0 && syscall(SYS_access, FLAG, F_OK) == 0)
        return errno = ENOSPC, -1;
    return (int)syscall(SYS_openat, fd, name, flags, mode);
}
"""

TOLD = {"to": "sender"}


def parse(content):
    return email.message_from_bytes(content, policy=email.policy.default)


def part(report, kind):
    return next(one for one in report.iter_parts() if one.get_content_type() == kind)


def statuses(report):
    """The fields of the whole, and those of each recipient."""
    return part(report, "message/delivery-status").get_payload()


class Postfix(SystemTest):
    """A real relay, which takes the report, too."""

    def setUp(self):
        super().setUp()
        self.sender = self.address("shop")

    def drop(self, name, *to, parameters="", body=b"Hello.\n", sender_parameters=""):
        lines = f"X-Sender: <{self.sender}>{sender_parameters}\n"
        lines += "".join(f"X-Receiver: <{one}>{parameters}\n" for one in to)
        self.queue.drop(name, lines.encode() + message(body, envelope=False))

    def report(self):
        return parse(self.wait_copies(1, self.sender)[0].content)

    def test_refused(self):
        daemon = self.start(bounce=TOLD)
        self.drop("a", "refused@lab.test")
        report = self.report()
        self.assertEqual(report["Auto-Submitted"], "auto-replied")
        self.assertEqual(report["To"], self.sender)
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        text = part(report, "text/plain").get_content()
        self.assertIn("550 5.1.1", text)
        self.assertIn("\nWhat can be done: see whether the address is right, ", text)
        self.assertNotIn("log", text)
        whole, one = statuses(report)
        self.assertTrue(whole["Reporting-MTA"].startswith("dns; "))
        self.assertEqual(one["Final-Recipient"], "rfc822; refused@lab.test")
        self.assertEqual((one["Action"], one["Status"]), ("failed", "5.1.1"))
        self.assertEqual(one["Remote-MTA"], "dns; 127.0.0.1")
        self.assertIn("no such user here", one["Diagnostic-Code"])
        self.assertIsNotNone(one["Last-Attempt-Date"])
        original = part(report, "message/rfc822").get_payload(0)
        self.assertEqual(original["Subject"], "Your order")
        self.queue.wait_state("a", "failed")
        self.queue.wait_gone("a-notice")
        self.assertIn("event=notice", daemon.output())

    def test_different_ends(self):
        self.start(bounce=TOLD, retry={"first": "100ms", "factor": 1.0, "max": "100ms", "max_attempts": 2})
        good = self.address("good")
        self.drop("a", good, "refused@lab.test", "tempfail@lab.test", "refused2@lab.test")
        found = {one["Final-Recipient"]: one["Status"] for one in statuses(self.report())[1:]}
        self.assertEqual(found, {
            "rfc822; refused@lab.test": "5.1.1",
            "rfc822; refused2@lab.test": "5.7.1",
            "rfc822; tempfail@lab.test": "4.3.0",
        })
        self.wait_copies(1, good)

    def test_asked_for(self):
        """ENVID, ORCPT and RET come back."""
        self.start(bounce=TOLD)
        self.drop("a", "refused@lab.test", parameters=" NOTIFY=FAILURE ORCPT=rfc822;ann+2Bx@lab.test",
                  sender_parameters=" RET=HDRS ENVID=a+3Db")
        report = self.report()
        whole, one = statuses(report)
        self.assertEqual(whole["Original-Envelope-Id"], "a=b")
        self.assertEqual(one["Original-Recipient"], "rfc822; ann+x@lab.test")
        self.assertIn("Subject: Your order", part(report, "text/rfc822-headers").get_content())
        self.assertNotIn("Hello.", report.as_string())

    def test_large(self):
        self.start(bounce={**TOLD, "original_size": "1K"})
        self.drop("a", "refused@lab.test", body=b"x" * 70 + b"\n" * 3000)
        report = self.report()
        self.assertNotIn("xxxx", report.as_string())
        self.assertIn("Subject: Your order", part(report, "text/rfc822-headers").get_content())

    def test_an_address(self):
        other = self.address("postmaster")
        self.start(bounce={"to": other})
        self.drop("a", "refused@lab.test")
        self.assertIn("Undelivered", parse(self.wait_copies(1, other)[0].content)["Subject"])
        self.assertEqual(self.copies(self.sender), [])

    def test_not_told(self):
        """A message from the null reverse-path; a sender who does not want to hear; and where nobody is to."""
        daemon = self.start(bounce=TOLD)
        self.drop("never", "refused@lab.test", parameters=" NOTIFY=NEVER")
        self.drop("delay", "refused@lab.test", parameters=" NOTIFY=SUCCESS,DELAY")
        self.sender, sender = "", self.sender
        self.drop("null", "refused@lab.test")
        for name in ("never", "delay", "null"):
            self.queue.wait_state(name, "failed")
        self.assertNotIn("event=notice", daemon.output())
        self.configure(bounce={"to": "none"})
        daemon.reload()
        self.sender = sender
        self.drop("none", "refused@lab.test")
        self.queue.wait_state("none", "failed")
        self.assertEqual(sorted(self.queue.in_state("failed")),
                         ["delay.failed", "never.failed", "none.failed", "null.failed"])
        self.assertEqual(self.copies(sender), [])

    def test_it_fails(self):
        """A report that cannot be delivered stays, and nobody is told of that."""
        self.start(bounce=TOLD)
        self.sender = "refused@lab.test"
        self.drop("a", "refused2@lab.test")
        self.queue.wait_state("a-notice", "failed")
        self.assertEqual(self.queue.names(), ["a-notice.failed", "a-notice.status", "a.failed", "a.status"])

    def test_again(self):
        """Tried again by an operator, a message has another life, and another report."""
        self.start(bounce=TOLD)
        self.drop("a", "refused@lab.test")
        self.wait_copies(1, self.sender)
        self.outbox("retry", "a")
        self.wait_copies(2, self.sender)

    def test_process(self):
        """`outbox process` delivers the report it makes."""
        self.configure(bounce=TOLD)
        self.drop("a", "refused@lab.test")
        self.outbox("process", status=None)
        self.report()
        self.assertEqual(self.queue.names(), ["a.failed", "a.status"])


class Odd(RelayTest):
    def setUp(self):
        super().setUp()
        self.relay = self.odd(self.answer)
        self.froms = []

    def serve(self, **settings):
        return self.start(self.settings(self.relay), **settings)

    def answer(self, talk, verb, argument):
        if verb == "MAIL":
            self.froms.append(argument)
        if verb == "RCPT" and argument.startswith("later"):
            return "451 4.2.0 not now"
        if verb == "RCPT" and argument.startswith("n"):
            return "550 5.1.1 none such"
        return None

    def reports(self):
        return [parse(content) for to, content in self.relay.accepted if to == ("shop@lab.test",)]

    def test_flood(self):
        """Their number is bounded, and what is above it is told."""
        daemon = self.serve(bounce={**TOLD, "per_hour": 5})
        for number in range(40):
            self.queue.drop(f"m{number}", message(to=["no@lab.test"]))
        wait_for(lambda: len(self.queue.in_state("failed")) == 40, self.logs)
        wait_for(lambda: len(self.reports()) == 5, self.logs)
        self.assertEqual(daemon.output().count("event=untold"), 35)
        self.assertIn("shop@lab.test is not told that it failed: such reports are limited to 5 an hour for one user's "
                      "messages and 50 for all (bounce.per_hour); left out for user "
                      f"{os.getuid()} within the hour: 35", daemon.output())

    def test_flood_of_another_user(self):
        """It does not keep others from being told."""
        if os.geteuid() != 0:
            self.skipTest("only root can give files to other users")
        daemon = self.serve(bounce={**TOLD, "per_hour": 2})
        for number in range(10):
            temporary = self.queue.path / f".m{number}.new"
            temporary.write_bytes(message(to=["no@lab.test"]))
            os.chown(temporary, 61001, 61001)
            temporary.rename(self.queue.path / f"m{number}.queued")
        wait_for(lambda: daemon.output().count("event=untold") == 8, self.logs)
        self.assertIn("left out for user 61001 within the hour: 8", daemon.output())
        self.queue.drop("mine", message(to=["no@lab.test"]))
        self.wait_log(daemon, "by the message mine-notice")

    def test_flood_of_warnings(self):
        """They are bounded by themselves, told of later, and leave the reports of failures alone."""
        daemon = self.serve(bounce={**TOLD, "per_hour": 2, "delay_warning": "1s"},
                            retry={"first": "300ms", "max": "300ms", "factor": 1.0, "max_attempts": 8})
        for number in range(4):
            self.queue.drop(f"m{number}", message(to=["later@lab.test"]))
        wait_for(lambda: len(self.queue.in_state("failed")) == 4, self.logs, 30)
        self.assertIn("is not told yet that it is delayed: such reports are limited to 2 an hour", daemon.output())
        self.assertEqual(daemon.output().count("is not told that it failed"), 2)
        wait_for(lambda: len(self.reports()) == 4, self.logs)
        self.assertEqual(sorted(one["Subject"] for one in self.reports()),
                         ["Mail is delayed"] * 2 + ["Undelivered mail"] * 2)

    def test_delay(self):
        """Told once, of those who wait, and what becomes of it in the end."""
        daemon = self.serve(bounce={**TOLD, "delay_warning": "1s"},
                            retry={"first": "300ms", "max": "300ms", "factor": 1.0, "max_attempts": 8})
        lines = b"X-Sender: <shop@lab.test>\nX-Receiver: <later@lab.test>\nX-Receiver: <good@lab.test>\n"
        lines += b"X-Receiver: <no@lab.test>\nX-Receiver: <later.too@lab.test> NOTIFY=FAILURE\n"
        self.queue.drop("a", lines + message(envelope=False))
        delayed, failed = wait_for(lambda: self.reports() if len(self.reports()) == 2 else None, self.logs, 30)
        self.assertEqual(delayed["Subject"], "Mail is delayed")
        (one,) = statuses(delayed)[1:]
        self.assertEqual((one["Final-Recipient"], one["Action"], one["Status"]),
                         ("rfc822; later@lab.test", "delayed", "4.2.0"))
        self.assertIsNotNone(one["Will-Retry-Until"])
        self.assertEqual({one["Final-Recipient"] for one in statuses(failed)[1:]},
                         {f"rfc822; {name}@lab.test" for name in ("later", "later.too", "no")})
        self.queue.wait_state("a", "failed")
        self.assertEqual(len(self.queue.events("a", "warned")), 1)
        self.assertEqual(daemon.output().count("is told that it is delayed, by the message"), 1)
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(len(self.reports()), 2)

    def test_no_room(self):
        """What cannot be told yet does not fail yet, other mail goes on, and nobody is told twice."""
        flag = self.directory / "is-full"
        flag.touch()
        self.configure(self.settings(self.relay), bounce=TOLD)
        wrapper = preload(self.directory, f'#define FLAG "{flag}"\n' + FULL)
        daemon = self.start_again(wrapper=wrapper)
        self.queue.drop("a", message(to=["no@lab.test"]))
        self.wait_log(daemon, "cannot write the notice that the message failed: No space left on device")
        self.drop("good")
        self.wait_taken(self.relay, "good")
        self.assertIn("a.sending", self.queue.names())
        self.assertEqual([one["event"] for one in self.queue.events("a")], ["message", "refused"])
        flag.unlink()
        self.queue.wait_state("a", "failed")
        wait_for(self.reports, self.logs)
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(len(self.reports()), 1)
        self.assertEqual(self.queue.names(), ["a.failed", "a.status"])

    def test_killed_between(self):
        """What a process left that died before it queued the report is queued by the next one; one of a
        message that was not given up yet is made anew, and one that a stranger made stays where it is."""
        self.configure(self.settings(self.relay), bounce=TOLD)
        report = b"X-Sender: <>\nX-Receiver: <shop@lab.test>\nSubject: %s\n\nIt failed.\n"
        for name in ("done", "begun"):
            (self.queue.path / f".notice-{name}").write_bytes(report % name.encode())
        self.queue.drop("done", message(to=["no@lab.test"]), state="failed")
        self.queue.drop("begun", message(to=["begun@lab.test"]), state="sending")
        strange = self.queue.path / ".notice-strange"
        strange.symlink_to(self.configuration)
        daemon = self.start_again()
        self.wait_taken(self.relay, "begun")
        wait_for(self.reports, self.logs)
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual([one["Subject"] for one in self.reports()], ["done"])
        self.assertEqual(self.queue.names(), [".notice-strange", "done.failed"])

    def test_many_recipients(self):
        """A long list is cut, and counted."""
        self.serve(bounce=TOLD)
        self.queue.drop("m", message(to=[f"no{number}@lab.test" for number in range(1200)]))
        report = wait_for(self.reports, self.logs, seconds=60)[0]
        self.assertEqual(len(statuses(report)), 1001)
        self.assertIn("and 200 more.", part(report, "text/plain").get_content())

    def test_international(self):
        self.relay.extensions = ("PIPELINING", "8BITMIME", "SMTPUTF8")
        self.serve(bounce=TOLD)
        self.queue.drop("m", message("Grüße\n".encode(), to=["nö@lab.test"],
                                     header=b"Content-Type: text/plain; charset=utf-8\n"
                                            b"Content-Transfer-Encoding: 8bit\n"))
        report = wait_for(self.reports, self.logs)[0]
        self.assertTrue(self.froms[-1].startswith("FROM:<>"))
        self.assertEqual(statuses(report)[1]["Final-Recipient"], r"utf-8; n\x{F6}@lab.test")
        self.assertIn("<nö@lab.test>", part(report, "text/plain").get_content())

    def test_not_convertible(self):
        """What the relay cannot take, for it is signed and 8-bit, is told of nevertheless: the report is 7-bit."""
        self.relay.extensions = ("PIPELINING",)
        self.serve(bounce=TOLD)
        header = (b'MIME-Version: 1.0\nContent-Type: multipart/signed; boundary="b"; micalg=pgp-sha512;\n'
                  b' protocol="application/pgp-signature"\n')
        body = "--b\n\nGrüße\n--b\nContent-Type: application/pgp-signature\n\nseal\n--b--\n".encode()
        self.queue.drop("m", message(body, header=header))
        self.queue.wait_state("m", "failed")
        content = wait_for(lambda: [content for to, content in self.relay.accepted if to == ("shop@lab.test",)],
                           self.logs)[0]
        self.assertTrue(content.isascii())
        whole = part(parse(content), "message/global")
        self.assertEqual(whole["Content-Transfer-Encoding"], "quoted-printable")
        self.assertIn("\nGrüße\n".encode(), quopri.decodestring(whole.get_payload(0).as_bytes().replace(b"\r", b"")))
        self.queue.wait_gone("m-notice")
