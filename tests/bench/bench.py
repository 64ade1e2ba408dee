"""scripts/bench: measures outbox side by side with what people use instead. Not a test: nothing here passes or fails by the clock."""

import argparse
import itertools
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases_cluster  # noqa: E402
import cases_queue  # noqa: E402
import cases_rate  # noqa: E402
import cases_submit  # noqa: E402
import sinks  # noqa: E402
from lab import Lab, program  # noqa: E402
from queue_directory import Daemon  # noqa: E402

CASES = {
    "drain": cases_rate.drain,
    "tls": cases_rate.tls,
    "journal": cases_rate.journal,
    "roundtrip": cases_rate.roundtrip,
    "large": cases_rate.large,
    "recipients": cases_rate.recipients,
    "latency": cases_queue.latency,
    "idle": cases_queue.idle,
    "arrivals": cases_queue.arrivals,
    "enqueue": cases_queue.enqueue,
    "submit": cases_submit.submit,
    "million": cases_queue.million,
    "deferred": cases_queue.deferred,
    "cluster": cases_cluster.cluster,
}


class Bench:
    """What the cases share: directories, servers, programs, the number of runs."""

    def __init__(self, lab, arguments):
        self.lab, self.runs, self.scale = lab, arguments.runs, arguments.scale
        self.peers, self.hold = arguments.peers, arguments.hold
        self.directory = lab.directory
        self.certificates = lab.certificates
        self._numbers = itertools.count(1)
        self._kept, self._daemons = [], []

    def new_directory(self):
        path = self.directory / f"bench-{next(self._numbers)}"
        path.mkdir()
        return path

    def keep(self, process):
        self._kept.append(process)
        return process

    def sink(self, *options):
        return self.keep(sinks.smtp_sink(self.new_directory(), *options))

    def daemon(self, relays, **settings):
        for old in self._daemons:
            old.close()
        self._daemons = [Daemon(self.new_directory(), relays, **settings)]
        return self._daemons[0]

    def scaled(self, count):
        return max(int(count * self.scale), 1000)

    def program(self, name):
        return program(name)

    def peer(self, name):
        """The path of a peer's program, installed or unpacked below --peers, or None."""
        if self.peers:
            for path in pathlib.Path(self.peers).rglob(name):
                if path.is_file():
                    return path
        found = shutil.which(name)
        return pathlib.Path(found) if found else None

    def stop(self):
        for process in reversed(self._kept):
            process.stop()
        self._kept = []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all of them when none is named")
    parser.add_argument("--runs", type=int, default=5, help="alternating runs of each contestant (5)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the sizes of the largest queues (1.0)")
    parser.add_argument("--hold", type=int, default=10, help="seconds for which `cluster` keeps a transaction open (10)")
    parser.add_argument("--peers", help="a directory with unpacked packages of peers that cannot be installed side by side")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    missed = 0
    for name in arguments.cases or CASES:
        bench = Bench(Lab(), arguments)
        try:
            missed += CASES[name](bench)
        finally:
            bench.stop()
            bench.lab.close()
    print(f"\n{missed} targets missed")


if __name__ == "__main__":
    main()
