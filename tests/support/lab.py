"""The laboratory of the system tests: real servers on the loopback interface, queue directories,
configurations, and outboxd itself. Everything lives below one temporary directory and ends with the
process that made it."""

import atexit
import functools
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import unit_filter
from certificates import Certificates
from cyrus import lay_out as lay_out_cyrus
from dovecot import PASSWORD, USER, Dovecot
from exim import PROGRAM as EXIM, Exim
from kerberos import PROGRAM as KDC, Kerberos
from opensmtpd import PROGRAM as OPENSMTPD, OpenSmtpd
from postfix import Postfix
from process import Process, free_port, wait_for

SOURCE = pathlib.Path(__file__).resolve().parents[2]
KEEP = os.environ.get("OUTBOX_KEEP_LAB")
LIBRARY = ".libs/liboutbox.so.1"  # where it was built, the tool loads it from there
BUILD = pathlib.Path(os.environ.get("OUTBOX_BUILD", SOURCE / "build"))


class Unavailable(Exception):
    """This machine lacks something that the laboratory needs; the text says what."""


@functools.cache
def _can_unshare(kind):
    command = "mount --bind /etc/hosts /etc/hosts" if kind == "mount" else "true"
    return subprocess.run(
        ["unshare", f"--{kind}", "sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, check=False,
    ).returncode == 0


def need_namespace(kind):
    """For a test that mounts something ("mount"), or has a network of its own ("net")."""
    if not _can_unshare(kind):
        raise Unavailable(f"no {kind} namespace can be had here")


def need_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError as error:
        raise Unavailable(f"this machine has no IPv6: {error.strerror}") from error


def everybody_may_enter(directory):
    return all(path.stat().st_mode & 0o001 for path in (directory, *directory.parents))


@functools.cache
def programs():
    """The directory of the programs: the build's, or copies in the laboratory where the build is below
    a directory that other users may not enter. Tests run the programs as other users."""
    build = BUILD.resolve()
    if not (build / "outboxd").exists() or everybody_may_enter(build):
        return build
    copies = shared().directory / "programs"
    copies.mkdir(mode=0o755)
    (copies / ".libs").mkdir(mode=0o755)
    for name in ("outboxd", "outbox", LIBRARY):
        shutil.copy(build / name, copies / name)
        (copies / name).chmod(0o755)
    return copies


def program(name):
    return programs() / name


@functools.cache
def confinement():
    """What a daemon is started by to have the unit's filter of system calls; nothing where that cannot be
    had, and with OUTBOX_UNCONFINED, for sanitizers make calls of their own."""
    if os.environ.get("OUTBOX_UNCONFINED"):
        return []
    directory = shared().new_directory()
    if not unit_filter.compile_confined(directory / "confined"):
        return []
    unit_filter.write(SOURCE / "systemd/outboxd.service.in", directory / "filter")
    return [directory / "confined", directory / "filter"]


def to_libconfig(value):
    """A Python value in the syntax of libconfig: dicts are groups, lists are lists."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + " ".join(f"{k} = {to_libconfig(v)};" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "( " + ", ".join(to_libconfig(v) for v in value) + " )"
    if isinstance(value, (str, os.PathLike)):
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    return str(value)


def decode(line):
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return {"event": "torn", "line": line}


class Queue:
    """A queue directory and what is in it."""

    STATES = ("queued", "sending", "sent", "failed", "deferred", "held")

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir(mode=0o755, exist_ok=True)

    def drop(self, name, content, state="queued"):
        """Puts a message in by rename, as a careful program does."""
        temporary = self.path / f".{name}.new"
        temporary.write_bytes(content)
        path = self.path / f"{name}.{state}"
        temporary.rename(path)
        return path

    def names(self):
        """All files but those in which daemons say how they are, and what they keep."""
        return sorted(path.name for path in self.path.iterdir() if not path.name.startswith((".state-", ".kept")))

    def in_state(self, state):
        return [name for name in self.names() if name.endswith("." + state)]

    def has(self, name):
        return (self.path / name).exists()

    def is_empty(self):
        return not self.names()

    def record(self, name):
        """The lines of NAME.status, decoded; one that is torn becomes the event "torn"."""
        path = self.path / f"{name}.status"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [decode(line) for line in lines]

    def events(self, name, event=None):
        return [line for line in self.record(name) if event in (None, line["event"])]

    def wait_gone(self, *names, seconds=15.0):
        """Waits until the messages have left the directory: delivered to everybody."""
        for name in names:
            wait_for(
                # Twice: a message may change its state between the looks.
                lambda name=name: not any(self.has(f"{name}.{state}") for state in 2 * self.STATES),
                lambda name=name: f"{name} is done; {self.path} has {self.names()}, {self.record(name)}",
                seconds,
            )

    def wait_names(self, *names, seconds=15.0):
        """Waits until these files are there, and no others. A message whose copy is with the relay, or whose relay
        is on hold, is still "sending" for a moment."""
        wait_for(
            lambda: self.names() == sorted(names),
            lambda: f"{sorted(names)} and nothing else; {self.path} has {self.names()}",
            seconds,
        )

    def wait_state(self, name, state, seconds=15.0):
        wait_for(
            lambda: self.has(f"{name}.{state}"),
            lambda: f"{name}.{state}; {self.path} has {self.names()}, {self.record(name)}",
            seconds,
        )


class Notifications:
    """The service manager's side of sd_notify(3)."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.states = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.path.chmod(0o777)
        self.socket.setblocking(False)

    def read(self):
        while True:
            try:
                self.states += self.socket.recv(65536).decode("utf-8").splitlines()
            except BlockingIOError:
                return self.states

    def count(self, state):
        return self.read().count(state)

    def close(self):
        self.socket.close()


class Outboxd(Process):
    """The daemon in the foreground, under the unit's filter of system calls. With ready=True the constructor
    waits for its READY=1."""

    def __init__(self, configuration, directory, ready=True, arguments=(), wrapper=(), confined=True,
                 **options):
        self.configuration = configuration
        self.notifications = Notifications(pathlib.Path(directory) / "notify")
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.notifications.path)}
        environment.update(options.pop("environment", {}))
        super().__init__(
            [*wrapper, *(confinement() if confined else ()), program("outboxd"), "--config", configuration, "--log=stderr", *arguments],
            pathlib.Path(directory) / "outboxd.log", env=environment, **options,
        )
        if ready:
            self.wait_ready()

    def wait_ready(self, times=1, seconds=15.0):
        """Waits until it has said READY=1 so many times: one at the start, one after a reload."""

        def ready():
            if not self.is_running():
                raise AssertionError(f"outboxd ended with {self.wait()}:\n{self.output()[-3000:]}")
            return self.notifications.count("READY=1") >= times

        wait_for(ready, f"READY=1 from outboxd, which said {self.notifications.states}", seconds)

    def reload(self):
        times = self.notifications.count("READY=1")
        self.signal(signal.SIGHUP)
        self.wait_ready(times + 1)

    def flush(self):
        self.signal(signal.SIGUSR1)

    def terminate(self, seconds=20.0):
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)


class Lab:
    """Servers start when they are first asked for, and run until the process ends."""

    def __init__(self):
        os.umask(0o022)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outbox-lab.", dir=self._place()))
        self.directory.chmod(0o755)
        self._numbers = itertools.count(1)
        self._certificates = self._postfix = self._dovecot = None
        self._processes = []
        atexit.register(self.close)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    @staticmethod
    def _place():
        """The servers' users have to get there; what is kept must not be where a run clears up."""
        places = ("/tmp", "/var/tmp") if KEEP else (tempfile.gettempdir(), "/tmp", "/var/tmp")
        return next(path for path in places if everybody_may_enter(pathlib.Path(path).resolve()))

    def close(self):
        for server in (*reversed(self._processes), self._postfix, self._dovecot):
            if server is not None:
                server.stop()
        self._processes, self._postfix, self._dovecot = [], None, None
        if KEEP:
            print(f"kept: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def new_directory(self):
        path = self.directory / f"test-{next(self._numbers)}"
        path.mkdir(mode=0o755)
        return path

    @property
    def certificates(self):
        if self._certificates is None:
            self._certificates = Certificates(self.directory / "certificates")
        return self._certificates

    def _start_servers(self):
        if self._postfix is not None:
            return
        if os.geteuid() != 0:
            raise Unavailable("only root can start Postfix")
        if not pathlib.Path("/usr/lib/postfix/sbin/master").exists():
            raise Unavailable("Postfix is not installed (scripts/install-packages lab)")
        sasl, cyrus = self.directory / "dovecot/sasl", self.directory / "cyrus"
        self._postfix = Postfix(self.directory / "postfix", self.certificates, sasl, cyrus)

    @property
    def postfix(self):
        self._start_servers()
        return self._postfix

    @property
    def dovecot(self):
        if self._dovecot is None:
            if not shutil.which("dovecot"):
                raise Unavailable("Dovecot is not installed (scripts/install-packages lab)")
            self._dovecot = Dovecot(
                self.directory / "dovecot", self.certificates, self.postfix.port["plain"]
            )
        return self._dovecot

    @property
    def cyrus(self):
        """Where the other library for logins, Cyrus SASL, finds its configuration and the user."""
        directory = self.directory / "cyrus"
        if not directory.exists():
            if not shutil.which("saslpasswd2"):
                raise Unavailable("saslpasswd2 is not installed (scripts/install-packages lab)")
            lay_out_cyrus(directory)
        return directory

    def exim(self, **settings):
        """A new Exim with these settings, see there; whoever asks for it stops it."""
        if os.geteuid() != 0:
            raise Unavailable("only root can start Exim")
        if not EXIM.exists():
            raise Unavailable("Exim is not unpacked (scripts/install-packages lab)")
        return Exim(self.new_directory() / "exim", self.certificates, **settings)

    def opensmtpd(self, **settings):
        """A new OpenSMTPD with these settings, see there; whoever asks for it stops it."""
        if os.geteuid() != 0:
            raise Unavailable("only root can start OpenSMTPD")
        if not OPENSMTPD.exists():
            raise Unavailable("OpenSMTPD is not unpacked (scripts/install-packages lab)")
        need_namespace("mount")
        return OpenSmtpd(self.new_directory() / "opensmtpd", self.certificates, **settings)

    def kerberos(self, services=("smtp/localhost",)):
        """A new realm; whoever asks for it stops it."""
        if not pathlib.Path(KDC).exists():
            raise Unavailable("krb5-kdc is not installed (scripts/install-packages lab)")
        return Kerberos(self.new_directory() / "kerberos", services)

    def dovecot_in(self, realm):
        """A new Dovecot that takes tickets of the realm; whoever asks for it stops it."""
        self.dovecot
        return Dovecot(self.new_directory() / "dovecot", self.certificates, self.postfix.port["plain"], realm)

    def smtp_sink(self, *options):
        """Postfix's smtp-sink, which can refuse any command: its port, and where it puts messages."""
        port, kept = free_port(), self.new_directory()
        kept.chmod(0o777)
        sink = Process(
            ["smtp-sink", "-u", "nobody", "-R", kept, *options, f"127.0.0.1:{port}", "100"],
            kept.parent / f"smtp-sink-{port}.log",
        )
        self._processes.append(sink)
        sink.wait_for_port(port)
        return port, kept

    def relay(self, port, **settings):
        """A relay on this machine, by the name of one of Postfix's ports or by its number."""
        number = self.postfix.port[port] if isinstance(port, str) else port
        base = {"name": str(port), "host": "127.0.0.1", "port": number, "tls": "none"}
        if port in ("submission", "submissions"):
            self.dovecot  # it answers Postfix's questions about passwords
            base.update(user=USER, password=PASSWORD)
        if port in ("opportunistic", "submission", "client_certificate", "wrong_name", "expired", "stranger", "chained"):
            base["tls"] = "starttls"
        if port == "submissions":
            base["tls"] = "implicit"
        if base["tls"] != "none":
            base["tls_ca_file"] = self.certificates.certificate("ca")
        return {**base, **settings}


def write_configuration(path, spool, relays, retry=None, daemon=None, local=None, bounce=None,
                        alarm=None):
    """Writes an outbox.conf; `spool` is a Queue or the group's settings. Nobody is told of a failure unless
    `bounce` says so: most tests look at what is left in the queue."""
    if isinstance(spool, Queue):
        spool = {"directory": spool.path}
    spool = {"submit_socket": "", **spool}
    groups = {"spool": spool, "relays": relays, "retry": retry, "daemon": daemon, "local": local,
              "bounce": bounce or {"to": "none"}, "alarm": alarm}
    path = pathlib.Path(path)
    path.write_text(
        "".join(f"{k} = {to_libconfig(v)};\n" for k, v in groups.items() if v is not None),
        encoding="utf-8",
    )
    path.chmod(0o600)
    return path


def outbox(*arguments, stdin=b"", seconds=300, **options):
    """Runs the tool; a CompletedProcess with bytes."""
    return subprocess.run(
        [str(a) for a in (program("outbox"), *arguments)],
        input=stdin, capture_output=True, timeout=seconds, check=False, **options,
    )


_shared = None


def shared():
    """The laboratory that all tests of this process use."""
    global _shared
    if _shared is None:
        _shared = Lab()
    return _shared
