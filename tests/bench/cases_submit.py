"""Benchmark of submission: how many messages programs hand over durably, and how long one of them takes. Returns how
many targets were missed."""

import shutil
import subprocess

from cases_queue import build
from lab import write_configuration
from measure import Case, report_figures, report_targets
from peers import PostfixInbox
from process import Process, free_port
from queue_directory import message

SECONDS = 2  # of each run
LIMIT = 180  # seconds after which a run is given up
DOWN = [{"name": "down", "host": "127.0.0.1", "port": 9, "tls": "none"}]  # nothing is delivered meanwhile
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")
FLOOR = "written and synced in groups"


class Submissions:
    """outbox and Postfix on one disk, with what is handed over kept, and removed after each run. Who speaks to the
    socket or by SMTP is a user without rights to the queue directory."""

    def __init__(self, bench):
        self.bench, self.generator, self.late = bench, build(bench, "submit"), {}
        self.daemon = bench.daemon(DOWN)
        self.socket = self.daemon.directory / "submit"
        write_configuration(self.daemon.configuration, {
            "directory": self.daemon.queue, "submit_socket": str(self.socket),
            "submit_rate": 0, "submit_max_waiting": 0,
        }, DOWN)
        self.daemon.configuration.chmod(0o644)
        self.daemon.queue.chmod(0o1770)
        self.daemon.start()
        self.programs = self.copy_programs()
        self.port = self.listen()
        self.postfix = bench.keep(PostfixInbox(bench.new_directory(), free_port()))
        self.sample = bench.directory / "submit.eml"
        self.sample.write_bytes(message(4096))

    def copy_programs(self):
        """Under the name of sendmail, too."""
        place = self.bench.new_directory()
        (place / ".libs").mkdir()
        shutil.copy(self.bench.program("outbox"), place / "outbox")
        shutil.copy(self.bench.program("outbox").parent / ".libs/liboutbox.so.1", place / ".libs")
        (place / "sendmail").symlink_to("outbox")
        return place

    def listen(self):
        """As outbox-smtp.socket does: a process for each connection."""
        port, counts = free_port(), self.bench.new_directory()
        options = ["--accept", "--inetd", f"--setenv=RUNTIME_DIRECTORY={counts}", f"--listen=127.0.0.1:{port}"]
        command = [self.programs / "sendmail", "-C", self.daemon.configuration, "-bs"]
        listener = Process(["systemd-socket-activate", *options, *command], self.bench.directory / "smtp.log")
        self.bench.keep(listener).wait_for_port(port)
        return port

    def contestants(self, clients):
        """Of each its name, the directories in which its messages are found, and what is run."""
        outbox, postfix = [self.daemon.queue], self.postfix.places
        tool = [self.programs / "outbox", "--config", self.daemon.configuration, "queue"]
        floor = self.bench.new_directory()

        def generate(way, where, *command):
            return [self.generator, way, where, clients, SECONDS, *command]

        return {
            "outbox, submission socket": (outbox, [*NOBODY, *generate("socket", self.socket)]),
            "outbox, SMTP": (outbox, [*NOBODY, *generate("smtp", self.port)]),
            "outbox queue": (outbox, generate("program", self.sample, *tool)),
            "Postfix, smtpd": (postfix, generate("smtp", self.postfix.port)),
            "Postfix, sendmail": (postfix, generate("program", self.sample, *self.postfix.sendmail())),
            FLOOR: ([floor], generate("directory", floor)),
        }

    def run(self, name, places, command):
        """Messages a second. What is not found afterwards was not durable, and such a figure is none."""
        words = [str(word) for word in command]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT)
        count, rate, _, late = map(float, done.stdout.split())
        self.late.setdefault(name, []).append(late)
        found = [path for place in places for path in place.rglob("[!.]*") if path.is_file()]
        if len(found) < count:
            raise AssertionError(f"{name}: {count:.0f} messages were taken, and {len(found)} are there")
        for path in found:
            path.unlink(missing_ok=True)
        return rate

    def measure(self, clients, targets):
        title = f"durable submissions, {clients} at a time"
        case = Case(title, "messages/s", self.bench.runs)
        self.late = {}
        for name, (places, command) in self.contestants(clients).items():
            case.add(name, lambda name=name, places=places, command=command: self.run(name, places, command))
        case.measure()
        late = Case("the same: 99th percentile of the time of one", "ms", self.bench.runs)
        late.figures = self.late
        report_figures(case)
        missed = sum(report_targets(case, subject, rows) for subject, rows in targets.items())
        report_figures(late)
        return missed


def submit(bench):
    """By 1 client and by 50: the submission socket, SMTP and a process each, beside Postfix, and beside a program that
    only writes as many messages and syncs them together. Each run ends after seconds, and Postfix holds what it has
    taken."""
    submissions = Submissions(bench)
    return submissions.measure(1, {}) + submissions.measure(50, {
        "outbox, submission socket": [(FLOOR, 0.7, "at least"), ("Postfix, smtpd", 4, "at least")],
        "outbox, SMTP": [("Postfix, smtpd", 4, "at least")],
        "outbox queue": [("Postfix, sendmail", 4, "at least")],
    })
