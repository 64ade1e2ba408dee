"""The tests of programs that hand over mail by SMTP, for the machine whose systemd is real (inside_programs.py):
to sendmail -bs, and to the port of outbox-smtp.socket. Those that are not on this machine are spoken for byte by
byte, as their sources have it."""

import json
import pathlib
import subprocess
import sys

from machine import configure, run
from process import wait_for
from telling_programs import unpack

# Says each step once the one before was answered, to a program or to the port; prints what was answered.
SPEAKING = """
import json, socket, subprocess, sys
if sys.argv[1:]:
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    writer, reader = child.stdin, child.stdout
else:
    connection = socket.create_connection(("127.0.0.1", 25), 200)
    writer = reader = connection.makefile("rwb")
def answer():
    lines = [reader.readline().decode()]
    while lines[-1][3:4] == "-":
        lines.append(reader.readline().decode())
    return "".join(lines)
said = [answer()]
for step in json.load(sys.stdin):
    writer.write(step.encode())
    writer.flush()
    said.append(answer())
print(json.dumps(said))
"""

REFUSED = "may not name"  # what spool.senders is answered by


def content(recipient, word):
    return f"From: shop@lab.test\r\nTo: {recipient}\r\nSubject: by {word}\r\n\r\na line\r\n..dot\r\n"


class SmtpPrograms:
    """Beside the tests of what people send with."""

    def open_port(self, **spool):
        configure(self.lab.relay("plain", name="relay"), submit_socket="/run/outbox/submit",
                  local={"domain": "lab.test"}, **spool)
        run("systemctl", "reload", "outboxd")
        run("systemctl", "start", "outbox-smtp.socket")
        self.addCleanup(run, "systemctl", "stop", "outbox-smtp.socket")

    def speak(self, *steps, user, program=()):
        """The codes of the answers, the greeting's first; and the last answer but that to QUIT."""
        said = json.loads(run("/usr/bin/python3", "-c", SPEAKING, *program, user=user, stdin=json.dumps(steps)))
        return [answer[:3] for answer in said], said[-2]

    def speak_to_sendmail(self, *steps, user):
        return self.speak(*steps, user=user, program=("/usr/sbin/sendmail", "-bs"))

    # ---- sendmail -bs ----

    def test_symfony(self):
        """HELO, and after a message that was refused RSET, and the next one."""
        for user in ("root", "alice", "mallory"):
            recipient = f"symfony-{user}@lab.test"
            codes, _ = self.speak_to_sendmail(
                "HELO [127.0.0.1]\r\n", "MAIL FROM:<shop@lab.test>\r\n", "RCPT TO:<a@@lab.test>\r\n", "RSET\r\n",
                "NOOP\r\n", "MAIL FROM:<shop@lab.test>\r\n", f"RCPT TO:<{recipient}>\r\n", "DATA\r\n",
                content(recipient, "Symfony") + "\r\n.\r\n", "QUIT\r\n", user=user)
            self.assertEqual(codes, "220 250 250 501 250 250 250 250 354 250 221".split())
            mail = self.copy_with(recipient, "a line")
            self.assertEqual(mail["Subject"], "by Symfony")
            self.assertIn("\n.dot\n", mail.get_content())

    def test_swiftmailer(self):
        """Those of To in one transaction, which goes on when one is refused, and each of Bcc in its own."""
        codes, _ = self.speak_to_sendmail(
            "HELO [127.0.0.1]\r\n", "MAIL FROM:<shop@lab.test>\r\n", "RCPT TO:<a@@lab.test>\r\n",
            "RCPT TO:<swift-to@lab.test>\r\n", "DATA\r\n", content("swift-to@lab.test", "Swift") + "\r\n.\r\n",
            "MAIL FROM:<shop@lab.test>\r\n", "RCPT TO:<swift-bcc@lab.test>\r\n", "DATA\r\n",
            content("swift-to@lab.test", "Swift") + "\r\n.\r\n", "QUIT\r\n", user="mallory")
        self.assertEqual(codes, "220 250 250 501 250 354 250 250 250 354 250 221".split())
        for name in ("to", "bcc"):
            self.assertEqual(self.copy_with(f"swift-{name}@lab.test", "a line")["Subject"], "by Swift")

    def test_what_symfony_shows(self):
        """Its exception has the whole answer in it."""
        run("systemctl", "stop", "outbox-submit.socket", "outboxd")
        codes, said = self.speak_to_sendmail(
            "HELO [127.0.0.1]\r\n", "MAIL FROM:<shop@lab.test>\r\n", "RCPT TO:<gone@lab.test>\r\n", "DATA\r\n",
            content("gone@lab.test", "Symfony") + "\r\n.\r\n", "QUIT\r\n", user="mallory")
        self.assertEqual(codes, "220 250 250 250 354 451 221".split())
        self.assertIn("outboxd is to run", said)

    # ---- the port ----

    def test_jakarta_mail(self):
        self.open_port()
        for user in ("alice", "mallory"):
            recipient = f"java-{user}@lab.test"
            codes, said = self.speak(
                "EHLO vm\r\n", "MAIL FROM:<shop@lab.test>\r\n", f"RCPT TO:<{recipient}>\r\n", "DATA\r\n",
                content(recipient, "Java") + ".\r\n", "QUIT\r\n", user=user)
            self.assertEqual(codes, "220 250 250 250 354 250 221".split())
            self.assertRegex(said, r"^250 2\.0\.0 ")
            self.assertEqual(self.copy_with(recipient, "a line")["Subject"], "by Java")
            self.assertEqual(self.queued_by(recipient), {run("id", "-u", user).strip()})

    def test_go(self):
        """net/smtp asks for all that is offered, whatever the message is."""
        self.open_port()
        configure(self.lab.relay("bare", name="relay", tls="none"), submit_socket="/run/outbox/submit")
        run("systemctl", "reload", "outboxd")
        codes, _ = self.speak(
            "EHLO localhost\r\n", "MAIL FROM:<shop@lab.test> BODY=8BITMIME SMTPUTF8\r\n",
            "RCPT TO:<go@lab.test>\r\n", "DATA\r\n", content("go@lab.test", "Go") + ".\r\n", "QUIT\r\n",
            user="mallory")
        self.assertEqual(codes, "220 250 250 250 354 250 221".split())
        self.assertEqual(self.copy_with("go@lab.test", "a line")["Subject"], "by Go")

    def test_swaks(self):
        unpack("swaks")
        self.open_port(senders="mallory: shop@lab.test; *: *")
        command = ("swaks", "--server", "127.0.0.1", "--to", "swaks@lab.test", "--body", "a line", "--ehlo", "vm")
        run(*command, "--from", "shop@lab.test", user="mallory")
        self.assertEqual(self.copy_with("swaks@lab.test", "a line")["X-Mailer"].split()[0], "swaks")
        told = run(*command, "--from", "boss@lab.test", user="mallory", status=None)
        self.assertRegex(told, rf"<\*\* +550 5\.7\.1 .*{REFUSED}")

    def test_msmtp(self):
        self.open_port(senders="mallory: shop@lab.test; *: *")
        command = ("msmtp", "--host=127.0.0.1", "--port=25", "--tls=off", "--auth=off", "msmtp@lab.test")
        text = "Subject: by msmtp\n\na line\n"
        self.assertEqual(run(*command, "--from=shop@lab.test", user="mallory", stdin=text), "")
        self.assertEqual(self.copy_with("msmtp@lab.test", "a line")["Subject"], "by msmtp")
        self.assertIn(REFUSED, run(*command, "--from=boss@lab.test", user="mallory", stdin=text, status=None))

    MONIT = """
set daemon 30
set idfile /run/monit-test.id
set statefile /run/monit-test.state
set pidfile /run/monit-test.pid
set mailserver 127.0.0.1 port 25
set alert alarm@lab.test
set mail-format { from: monit@lab.test }
check file marker with path /nonexistent
"""

    def test_monit(self):
        unpack("monit")
        self.open_port()
        configuration = pathlib.Path("/run/monit-test.conf")
        configuration.write_text(self.MONIT, encoding="ascii")
        configuration.chmod(0o600)
        monit = subprocess.Popen(["/usr/bin/monit", "-I", "-c", configuration], stdin=subprocess.DEVNULL,
                                 stdout=sys.stderr)
        try:
            mail = self.copy_with("alarm@lab.test", "Does not exist")
            self.assertIn("marker", mail["Subject"])
        finally:
            monit.terminate()
            wait_for(lambda: monit.poll() is not None, "the end of monit")
