"""Benchmark of the submission socket. Returns how many targets were missed."""

import subprocess

from cases_queue import build
from lab import write_configuration
from measure import Case, report

SECONDS = 3


def submit(bench):
    """Durable submissions a second through the socket, of 1 client and of 50, beside a program that only writes as
    many messages and syncs them together. The relay cannot be reached: nothing is delivered meanwhile."""
    program, missed = build(bench, "submit"), 0
    daemon = bench.daemon([{"name": "down", "host": "127.0.0.1", "port": 9, "tls": "none"}])
    path = daemon.directory / "submit"
    write_configuration(daemon.configuration, {"directory": daemon.queue, "submit_socket": str(path), "submit_rate": 0},
                        [{"name": "down", "host": "127.0.0.1", "port": 9, "tls": "none"}])
    daemon.start()

    def run(*arguments):
        done = subprocess.run([program, *map(str, arguments), str(SECONDS)], check=True, capture_output=True, text=True)
        return float(done.stdout)

    for clients, targets in ((1, []), (50, [("written and synced in groups", 0.7, "at least")])):
        case = Case(f"durable submissions, {clients} at a time", "messages/s", bench.runs)
        case.add("submission socket", lambda clients=clients: run("socket", path, clients))
        case.add("written and synced in groups",
                 lambda clients=clients: run("directory", bench.new_directory(), clients))
        case.measure()
        missed += report(case, "submission socket", targets)
    return missed
