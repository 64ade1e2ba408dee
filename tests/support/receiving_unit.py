"""The tests of outbox-smtp.socket, for the machine whose systemd is real (inside_systemd.py)."""

import pwd
import subprocess

from machine import configure, journal, run
from process import wait_for

# Sends one message, or says why it was not taken.
SENDING = """
import smtplib, sys
try:
    with smtplib.SMTP(sys.argv[1], 25, timeout=60) as mailer:
        mailer.sendmail(sys.argv[2], [sys.argv[3]], "From: x@lab.test\\r\\n\\r\\nx\\r\\n")
    print("taken")
except smtplib.SMTPException as refusal:
    print(refusal)
"""


class ReceivingUnit:
    """Beside the tests of the daemon's unit."""

    def listen(self, **spool):
        configure(self.lab.relay("plain", name="relay"), submit_socket="/run/outbox/submit", **spool)
        run("systemctl", "restart", "outboxd")
        run("systemctl", "start", "outbox-smtp.socket")
        self.addCleanup(run, "systemctl", "stop", "outbox-smtp.socket")

    def send_as(self, user, recipient, host="127.0.0.1", sender="x@lab.test"):
        return run("/usr/bin/python3", "-c", SENDING, host, sender, recipient, user=user).strip()

    def test_smtp_port(self):
        self.assertEqual(run("systemctl", "is-enabled", "outbox-smtp.socket", status=None).strip(), "disabled")
        self.listen(senders="mallory: x@lab.test; *: *")
        for number, (user, host) in enumerate((("mallory", "127.0.0.1"), ("alice", "127.0.0.1"), ("root", "::1"))):
            recipient = f"smtp.{number}@lab.test"
            self.assertEqual(self.send_as(user, recipient, host), "taken")
            self.assertIn(b"Received: from ", self.wait_copy(recipient).content)
        self.assertIn("may not name", self.send_as("mallory", "no@lab.test", sender="y@lab.test"))
        self.assertTrue(journal(f"OUTBOX_UID={pwd.getpwnam('mallory').pw_uid}"))
        self.assertEqual(run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "outbox-smtp@*").strip(), "")

    def test_who_connects_often_closes_the_port_for_nobody(self):
        self.listen()
        self.assertEqual(run("systemctl", "show", "-P", "TriggerLimitIntervalUSec", "outbox-smtp.socket").strip(), "0")
        self.assertEqual(self.send_as("alice", "often@lab.test"), "taken")

    def test_smtp_session_can_do_little(self):
        self.listen()
        script = "import socket, time; s = socket.create_connection(('127.0.0.1', 25)); time.sleep(300)"
        client = subprocess.Popen(["setpriv", "--reuid=mallory", "--clear-groups", "/usr/bin/python3", "-c", script])
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)

        def fields():
            name = run("systemctl", "list-units", "--plain", "--no-legend", "outbox-smtp@*").split(" ")[0]
            pid = run("systemctl", "show", "-P", "MainPID", name).strip() if name else "0"
            lines = run("cat", f"/proc/{pid}/status", status=None).splitlines()
            return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

        user = str(pwd.getpwnam("mallory").pw_uid)
        wait_for(lambda: fields().get("Uid", "0").split()[0] == user, "a session that is the user's own")
        self.assertEqual((int(fields()["CapEff"], 16), int(fields()["CapPrm"], 16)), (0, 0))
        self.assertEqual(fields()["NoNewPrivs"], "1")
