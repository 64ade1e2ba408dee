"""Mail that comes by SMTP over TCP (sendmail -bs, once a connection): who hands it over, and who may."""

import os
import re
import smtplib
import socket
import struct
import subprocess
import sys
import threading
import unittest

from case import message
from preload import IMPATIENT, preload
from process import wait_for
from submission import ALICE, BOB, SubmissionTest, as_user

CONTENT = message(envelope=False).replace(b"\n", b"\r\n")

# Many at once, each a message: arguments are port, sender, how many, and a word for the recipients.
SENDING = """
import smtplib, sys, threading
port, sender, count, word = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
def send(number):
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=200) as mailer:
            mailer.sendmail(sender, [f"{word}.{number}@lab.test"], "From: Jörg <x@lab.test>\\r\\n\\r\\nÄ\\r\\n".encode(), ["BODY=8BITMIME"])
            print("taken\\n", end="", flush=True)
    except smtplib.SMTPResponseException as refusal:
        print(f"{refusal.smtp_code} {refusal.smtp_error.decode()}\\n", end="", flush=True)
threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""

# In a network of its own, where this machine is 198.51.100.8, and 198.51.100.9, too: what is answered to who connects from 198.51.100.7,
# which is another host, or to a user of this machine who connects from an address of its own.
ELSEWHERE = """
import os, socket, subprocess, sys, time
def ip(*words): subprocess.run(["ip", *words], check=True)
def is_own(address): return b"local " in subprocess.run(["ip", "route", "get", address], stdout=subprocess.PIPE).stdout
said, uid, source = sys.argv[1].encode().decode("unicode_escape").encode(), int(sys.argv[2]), sys.argv[3]
if source == "198.51.100.7":
    there = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; read go"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    there.stdout.readline()
    ip("link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(there.pid))
    inside = f"/proc/{there.pid}/ns/net"
    subprocess.run(["nsenter", "--net=" + inside, "sh", "-c", "ip address add 198.51.100.7/24 dev there && ip link set there up"], check=True)
else:
    ip("link", "add", "here", "type", "veth", "peer", "name", "nowhere")
    ip("link", "set", "nowhere", "up")
ip("link", "set", "lo", "up")
ip("address", "add", "198.51.100.8/24", "dev", "here")
ip("address", "add", "198.51.100.9/24", "dev", "here")
ip("address", "add", "2001:db8::8/64", "dev", "here", "nodad")
ip("address", "add", "2001:db8::9/64", "dev", "here", "nodad")
ip("link", "set", "here", "up")
while not all(map(is_own, ("198.51.100.8", "198.51.100.9", "2001:db8::8", "2001:db8::9"))): time.sleep(0.01)
v6 = ":" in source
family, own = (socket.AF_INET6, "2001:db8::8") if v6 else (socket.AF_INET, "198.51.100.8")
listener = socket.create_server((own, 0), family=family)
if source == "198.51.100.7":
    import ctypes
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    assert ctypes.CDLL(None).setns(os.open(inside, os.O_RDONLY), 0) == 0
os.seteuid(uid)
client = socket.create_connection(listener.getsockname()[:2], 200, (source, 0))
os.seteuid(0)
if source == "198.51.100.7":
    assert ctypes.CDLL(None).setns(here, 0) == 0
connection = listener.accept()[0]
child = subprocess.Popen(sys.argv[4:], stdin=connection, stdout=connection)
connection.close()
said_back = client.recv(4096)
try:
    client.sendall(said)
    while piece := client.recv(4096): said_back += piece
except OSError: pass
child.wait(200)
sys.stdout.buffer.write(said_back)
if source == "198.51.100.7": there.communicate(b"\\n")
"""

MESSAGE_SAID = r"EHLO x\r\nMAIL FROM:<a@lab.test>\r\nRCPT TO:<b@lab.test>\r\nBDAT 3 LAST\r\nx\r\nQUIT\r\n"


class Listener:
    """What a service manager does that starts a program for each connection (Accept=yes, or inetd)."""

    def __init__(self, command, environment=None):
        self.command, self.environment = command, environment
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.socket.getsockname()[1]
        self.children = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.children.append(subprocess.Popen(self.command, stdin=connection, stdout=connection,
                                                      stderr=subprocess.DEVNULL, env=self.environment))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        for child in self.children:
            child.kill()
            child.wait()


class ReceivingTcp(SubmissionTest):
    def setUp(self):
        super().setUp()
        (self.programs / "sendmail").symlink_to(self.programs / "outbox")

    def command(self):
        return [self.programs / "sendmail", "-C", self.configuration, "-bs"]

    def listen(self, *wrapper, environment=None):
        listener = Listener([*wrapper, *self.command()], environment)
        self.addCleanup(listener.close)
        return listener

    def send_as(self, uid, listener, count=1, sender="shop@lab.test", word="ann"):
        """What each of so many clients was told."""
        done = subprocess.run([*as_user(uid), sys.executable, "-c", SENDING, str(listener.port), sender, str(count), word],
                              capture_output=True, check=True, timeout=280)
        return done.stdout.decode().splitlines()

    def dial(self, listener):
        client = socket.create_connection(("127.0.0.1", listener.port), 200)
        self.addCleanup(client.close)
        return client

    # ---- whose it is ----

    def test_users(self):
        daemon = self.serve(self.down(), senders=f"{ALICE}: alice@lab.test; {BOB}: *")
        listener = self.listen()
        self.assertRegex(self.send_as(ALICE, listener)[0], r"^550 5\.7\.1 ")
        self.assertEqual(self.send_as(ALICE, listener, sender="alice@lab.test"), ["taken"])
        self.assertEqual(self.send_as(BOB, listener), ["taken"])
        self.assertEqual(self.owners(), [ALICE, BOB])
        self.wait_held(daemon, 2)
        for name in self.queue.in_state("queued"):
            content = (self.queue.path / name).read_bytes()
            self.assertTrue(content.startswith(b"X-Outbox-Uid: "), content)
            self.assertRegex(content, rb"\nReceived: from \S+ \(\[127\.0\.0\.1\]\)\n\tby \S+ \(outbox\) with ESMTP;\n\t\w{3}, .*\n"
                                      rb"From: =?.*")
            self.assertTrue(content.endswith("\r\n\r\nÄ\r\n".encode()), content)

    def test_who_may(self):
        self.serve(self.down(), submit=f"{BOB}")
        listener = self.listen()
        self.assertRegex(self.send_as(ALICE, listener)[0], r"^550 5\.7\.1 .*spool\.submit")
        self.assertEqual(self.send_as(BOB, listener), ["taken"])

    def leave_before_it_starts(self, said, resets):
        """What becomes of a session whose client has connected, said this and closed, or reset, the connection."""
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        connection = listener.accept()[0]
        client.sendall(said)
        if resets:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with listener, connection:
            return subprocess.run(self.command(), stdin=connection, stdout=connection, stderr=subprocess.PIPE, check=False)

    def test_gone_before_it_was_looked_at(self):
        """Of a socket that nobody has open any more the kernel says that it is root's."""
        self.serve(self.down())
        for resets in (False, True):
            done = self.leave_before_it_starts(
                b"EHLO x\r\nMAIL FROM:<a@lab.test>\r\nRCPT TO:<b@lab.test>\r\nBDAT 3 LAST\r\nx\r\n", resets)
            self.assertIn(b"before it could be found out who is connected; nothing was taken", done.stderr)
            self.assertEqual(done.returncode, 75)
        self.assertEqual(self.queue.names(), [])

    def test_port_is_looked_at(self):
        """Checks whether a port is open connect and say nothing: no failure, and no word in the log."""
        self.serve(self.down())
        for resets in (False, True):
            done = self.leave_before_it_starts(b"", resets)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_without_root(self):
        self.serve(self.down())
        listener = self.listen(*as_user(ALICE))
        self.assertEqual(self.send_as(ALICE, listener), ["taken"])
        self.assertRegex(self.send_as(BOB, listener)[0], rf"^421 4\.3\.0 .*user {ALICE}.*{BOB}.*root")
        self.assertEqual(self.owners(), [ALICE])

    def test_silence(self):
        """A client that says nothing for five minutes, which here are none."""
        self.configure(self.down())
        listener = self.listen(*preload(self.lab.new_directory(), IMPATIENT))
        for said, told in ((b"", b"220;421 4.4.2;"), (b"NOO", b"220;421 4.4.2;"), (b"NOOP\r", b"220;421 4.4.2;"),
                           (b"x" * 5000, b"220;421 4.4.2;"), (b"NOOP\r\nNOO", b"220;250 2.0.0;421 4.4.2;"),
                           (b"EHLO x\r\nMAIL FROM:<a@lab.test>\r\nRC", b"250 2.1.0;421 4.4.2;"),
                           (b"EHLO x\r\nMAIL FROM:<a@lab.test>\r\nRCPT TO:<b@lab.test>\r\nDATA\r\nx", b"354;421 4.4.2;"),
                           (b"EHLO x\r\nMAIL FROM:<a@lab.test>\r\nRCPT TO:<b@lab.test>\r\nBDAT 9\r\nx", b"250 2.1.5;421 4.4.2;")):
            client = self.dial(listener)
            client.sendall(said)
            answered = b""
            while piece := client.recv(4096):
                answered += piece
            self.assertTrue(answered.startswith(b"220 "), answered)
            codes = re.findall(rb"^(\d{3}(?: \d\.\d\.\d)?) ", answered, re.MULTILINE)
            self.assertTrue((b";".join(codes) + b";").endswith(told), (said, answered))

    # ---- other hosts ----

    def elsewhere(self, uid=0, source="198.51.100.7"):
        done = subprocess.run(["unshare", "-n", sys.executable, "-c", ELSEWHERE, MESSAGE_SAID, str(uid), source, *self.command()],
                              capture_output=True, check=False, timeout=280)
        if done.returncode != 0 and (b"unshare" in done.stderr + done.stdout or b"Unknown device type" in done.stderr):
            self.skipTest("no network can be made here")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def set_networks(self, words):
        """In the configuration, beside what it has."""
        text = self.configuration.read_text(encoding="utf-8")
        self.configuration.write_text(text.replace("spool = {", f"spool = {{ {words}"), encoding="utf-8")

    def test_other_hosts(self):
        daemon = self.serve(self.down())
        self.assertEqual(self.elsewhere(), "554 5.7.1 no mail is taken from 198.51.100.7 here\r\n")
        self.set_networks('submit_networks = "198.51.100.0/24";')
        self.assertIn("250 2.0.0 queued as ", self.elsewhere())
        self.assertEqual(self.owners(), [65534])
        self.wait_held(daemon, 1)
        self.assertIn(b"Received: from x ([198.51.100.7])", (self.queue.path / self.queue.in_state("queued")[0]).read_bytes())
        self.configuration.write_text(self.configuration.read_text(encoding="utf-8").replace(
            "198.51.100.0/24", "198.51.101.0/24"), encoding="utf-8")
        self.assertTrue(self.elsewhere().startswith("554 5.7.1 "))
        # A configuration that is wrong lets nobody in.
        for wrong in ('submit_networks = "198.51.100.1/24";', 'submit_networks = "198.51.100.0/24"; submit_network_user = "nosuchuser";'):
            self.configuration.write_text(f"spool = {{ {wrong} }};", encoding="utf-8")
            self.assertTrue(self.elsewhere().startswith("421 4.3.5 "))

    def test_user_of_other_hosts_by_number(self):
        self.serve(self.down())
        self.set_networks(f'submit_networks = "198.51.100.0/24"; submit_network_user = "{BOB}";')
        self.assertIn("250 2.0.0 queued as ", self.elsewhere())
        self.assertEqual(self.owners(), [BOB])

    def test_this_host_by_another_address(self):
        """Whoever is of this machine is a user of it, whatever the address, and though its network is let in."""
        sources = ("198.51.100.8", "198.51.100.9", "2001:db8::8", "2001:db8::9")
        self.serve(self.down(), senders=f"{ALICE}: alice@lab.test; *: *")
        for source in sources:
            self.assertIn("250 2.0.0 queued as ", self.elsewhere(BOB, source))
        self.set_networks('submit_networks = "198.51.100.0/24 2001:db8::/32";')
        for source in sources:
            self.assertRegex(self.elsewhere(ALICE, source), r"\r\n550 5\.7\.1 .*alice@lab\.test")
            self.assertIn("250 2.0.0 queued as ", self.elsewhere(BOB, source))
        self.assertEqual(self.owners(), [BOB] * 8)

    # ---- many, and those who do it wrong ----

    def test_fifty_at_once(self):
        self.serve(self.down())
        self.assertEqual(self.send_as(ALICE, self.listen(), count=50), ["taken"] * 50)
        self.assertEqual(self.owners(), [ALICE] * 50)

    def test_what_is_done_is_told_while_another_waits(self):
        """Of three messages that come at once, two may be queued in this minute's half."""
        bdat, data = b"BDAT 3\r\nx\r\nBDAT 3 LAST\r\ny\r\n", b"DATA\r\nx\r\n.\r\n"
        self.serve(self.down(), submit_rate=2)
        listener = self.listen()
        for user, content in ((ALICE, bdat), (BOB, data)):
            os.seteuid(user)
            try:
                client = self.dial(listener)
            finally:
                os.seteuid(0)
            client.settimeout(200)
            client.sendall(b"EHLO x\r\n" + (b"MAIL FROM:<a@lab.test>\r\nRCPT TO:<b@lab.test>\r\n" + content) * 3)
            # All but the last reply, which are those to the third message's commands, too.
            answered = b""
            while answered.count(b"\r\n250 2.1.5 ") < 3 or (content == bdat and answered.count(b"\r\n250 2.0.0 go on") < 3):
                piece = client.recv(4096)
                self.assertTrue(piece, answered)
                answered += piece
            self.assertEqual(answered.count(b"\r\n250 2.0.0 queued as "), 2, answered)
            client.close()

    def test_slow_clients_hold_up_nobody(self):
        self.serve(self.down())
        listener = self.listen()
        for number in range(20):
            client = self.dial(listener)
            client.sendall(b"EHLO x\r\nMAIL FROM:<a@lab.test>\r\nRCPT TO:<b@lab.test>\r\nDATA\r\nx"[:10 + 5 * number])
        self.assertEqual(self.send_as(BOB, listener, count=5), ["taken"] * 5)
        self.assertEqual(self.owners(), [BOB] * 5)

    def test_places_of_a_user(self):
        self.serve(self.down())
        listener = self.listen(environment={**os.environ, "RUNTIME_DIRECTORY": str(self.directory)})
        held = [self.dial(listener) for _ in range(64)]  # root's
        for client in held:
            self.assertTrue(client.recv(100).startswith(b"220 "))
        self.assertTrue(self.dial(listener).recv(100).startswith(b"421 4.3.0 user 0 has too many connections"))
        self.assertEqual(self.send_as(ALICE, listener), ["taken"])
        held[0].close()
        wait_for(lambda: self.dial(listener).recv(100).startswith(b"220 "), "a place that was given back")

    def test_smuggled(self):
        self.serve(self.down())
        mailer = smtplib.SMTP("127.0.0.1", self.listen().port, timeout=200)
        self.addCleanup(mailer.close)
        for end in (b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r.\r", b"\r\n.\n"):
            with self.assertRaises(smtplib.SMTPDataError) as refused:
                mailer.sendmail("a@lab.test", ["b@lab.test"], CONTENT + end + b"MAIL FROM:<x@lab.test>\r\n")
            self.assertEqual(refused.exception.smtp_code, 554)
        self.assertEqual(self.queue.names(), [])

    def test_in_circles(self):
        self.serve(self.down())
        mailer = smtplib.SMTP("127.0.0.1", self.listen().port, timeout=200)
        self.addCleanup(mailer.close)
        hops = b"Received: from a by b; Mon, 02 Mar 2026 10:20:30 +0000\r\n"
        mailer.sendmail("a@lab.test", ["b@lab.test"], hops * 100 + CONTENT)
        with self.assertRaises(smtplib.SMTPDataError) as refused:
            mailer.sendmail("a@lab.test", ["b@lab.test"], hops * 101 + CONTENT)
        self.assertEqual(refused.exception.smtp_code, 554)
        self.assertIn(b"5.4.6", refused.exception.smtp_error)

    def test_clients_that_vanish(self):
        self.serve(self.down())
        listener = self.listen()
        whole = b"EHLO x\r\nMAIL FROM:<a@lab.test>\r\nRCPT TO:<b@lab.test>\r\nDATA\r\n" + CONTENT + b".\r\n"
        for cut in (3, 30, 60, 100, len(whole) - 1):
            client = self.dial(listener)
            self.assertTrue(client.recv(100).startswith(b"220 "))
            client.sendall(whole[:cut])
            client.close()
        wait_for(lambda: all(child.poll() is not None for child in listener.children), "their ends")
        self.assertEqual(self.queue.names(), [])


if __name__ == "__main__":
    unittest.main()
