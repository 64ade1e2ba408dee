"""What people use instead, each with its own files below one directory, on the loopback interface."""

import os
import pathlib
import shutil
import subprocess
import time

from process import Process, free_port, wait_for

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {d}/queue
data_directory = {d}/data
maillog_file = {d}/postfix.log
maillog_file_prefixes = {d}
import_environment = MAIL_CONFIG TZ LANG=C
alias_maps =
alias_database =
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.test
relayhost = [127.0.0.1]:{sink}
smtp_tls_security_level = none
defer_transports = {defer}
smtpd_client_connection_count_limit = 0
queue_minfree = 0
disable_dns_lookups = yes
"""

POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - 100 smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""


class PostfixClient:
    """A null client whose queue is filled while delivery is deferred, and then let go."""

    def __init__(self, directory, sink):
        self.d = pathlib.Path(directory)
        self.sink, self.port = sink, free_port()
        for name in ("etc", "data", "queue"):
            (self.d / name).mkdir(parents=True)
        shutil.chown(self.d / "data", "postfix")
        self.configure("smtp")
        (self.d / "etc/master.cf").write_text(POSTFIX_MASTER.format(port=self.port))
        subprocess.run(["postfix", "-c", self.d / "etc", "check"], check=True, capture_output=True)
        self.process = Process(["/usr/lib/postfix/sbin/master", "-c", self.d / "etc", "-d"], self.d / "master.log")
        self.process.wait_for_port(self.port)

    def configure(self, defer):
        (self.d / "etc/main.cf").write_text(POSTFIX_MAIN.format(d=self.d, sink=self.sink, defer=defer))

    def queued(self):
        return sum(1 for q in ("maildrop", "incoming", "active", "deferred") for path in (self.d / "queue" / q).rglob("*") if path.is_file())

    def fill(self, count, size):
        subprocess.run(["smtp-source", "-d", "-s", "10", "-l", str(size), "-m", str(count), "-f", "a@example.org", "-t", "b@example.net",
                        f"127.0.0.1:{self.port}"], check=True, capture_output=True)
        wait_for(lambda: len(list((self.d / "queue/deferred").rglob("*"))) >= count and not any((self.d / "queue/active").iterdir()),
                 "Postfix has deferred everything", 120)

    def drain(self):
        """Messages a second from the order to deliver until the queue is empty."""
        count = self.queued()
        self.configure("")
        subprocess.run(["postfix", "-c", self.d / "etc", "reload"], check=True, capture_output=True)
        start = time.monotonic()
        subprocess.run(["postqueue", "-c", self.d / "etc", "-f"], check=True, capture_output=True)
        wait_for(lambda: self.queued() == 0, "Postfix empties its queue", 300)
        return count / (time.monotonic() - start)

    def stop(self):
        self.process.stop()


class PostfixInbox(PostfixClient):
    """One that is not let deliver, nor even look at what it has taken: it holds everything."""

    def configure(self, defer):
        super().configure(defer)
        with open(self.d / "etc/main.cf", "a", encoding="ascii") as main:
            main.write("header_checks = static:HOLD\n")

    @property
    def places(self):
        """Where what it has taken may be."""
        return [self.d / "queue" / name for name in ("maildrop", "incoming", "active", "deferred", "hold")]

    def sendmail(self):
        """The command, of Postfix's own program."""
        found = subprocess.run(["postconf", "-c", self.d / "etc", "-h", "sendmail_path"], check=True, capture_output=True, text=True)
        return [found.stdout.strip(), "-C", str(self.d / "etc"), "-i", "-f", "a@example.org", "b@example.net"]


def curl_loop(port, message, count):
    """Messages a second of one curl process a message."""
    start = time.monotonic()
    for _ in range(count):
        subprocess.run(["curl", "-s", f"smtp://127.0.0.1:{port}", "--mail-from", "a@example.org", "--mail-rcpt", "b@example.net",
                        "-T", message], check=True, capture_output=True)
    return count / (time.monotonic() - start)


def msmtp_loop(program, port, message, count):
    """Messages a second of one msmtp process a message."""
    start = time.monotonic()
    for _ in range(count):
        with open(message, "rb") as content:
            subprocess.run([program, "--host=127.0.0.1", f"--port={port}", "--auth=off", "--tls=off", "-f", "a@example.org",
                            "b@example.net"], stdin=content, check=True, capture_output=True, env={**os.environ, "HOME": "/nonexistent"})
    return count / (time.monotonic() - start)


def smtp_source(port, count, size, sessions=20):
    """Messages a second of Postfix's load generator: from memory, nothing queued, nothing logged."""
    start = time.monotonic()
    subprocess.run(["smtp-source", "-d", "-s", str(sessions), "-l", str(size), "-m", str(count), "-f", "a@example.org", "-t",
                    "b@example.net", f"127.0.0.1:{port}"], check=True, capture_output=True)
    return count / (time.monotonic() - start)


class Nullmailer:
    """nullmailer's sender on a directory of its own: its paths are compiled in, so it gets a private mount namespace."""

    def __init__(self, programs, directory, port):
        self.programs, self.d = pathlib.Path(programs), pathlib.Path(directory)
        for name in ("etc", "var/queue", "var/tmp", "var/failed"):
            (self.d / name).mkdir(parents=True)
        (self.d / "etc/remotes").write_text(f"127.0.0.1 smtp --port={port}\n")
        (self.d / "etc/me").write_text("bench.test\n")
        os.mkfifo(self.d / "var/trigger", 0o622)

    def fill(self, message, count):
        for i in range(count):
            (self.d / f"var/queue/{int(time.time())}.{i + 1}").write_bytes(b"a@example.org\nb@example.net\n\n" + message)

    def drain(self):
        queue = self.d / "var/queue"
        count = len(os.listdir(queue))
        script = (f"mkdir -p /etc/nullmailer /var/spool/nullmailer /usr/lib/nullmailer && mount --bind {self.d}/etc /etc/nullmailer && "
                  f"mount --bind {self.d}/var /var/spool/nullmailer && mount --bind {self.programs}/usr/lib/nullmailer /usr/lib/nullmailer && "
                  f"exec {self.programs}/usr/sbin/nullmailer-send")
        start = time.monotonic()
        sender = Process(["unshare", "-m", "sh", "-c", script], self.d / "log")
        try:
            wait_for(lambda: not os.listdir(queue), "nullmailer empties its queue", 120)
            return count / (time.monotonic() - start)
        finally:
            sender.stop()
