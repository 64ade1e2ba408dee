"""Alternating runs, and the table of their figures."""

import statistics
import sys
import time


def timed(function):
    """Seconds that function() took."""
    start = time.monotonic()
    function()
    return time.monotonic() - start


class Case:
    """Contestants measured in turn, A B C A B C ..., and compared with a reference pair by pair, so that a machine whose
    speed drifts does not decide."""

    def __init__(self, name, unit, runs):
        self.name, self.unit, self.runs = name, unit, runs
        self.contestants, self.figures = {}, {}

    def add(self, name, run):
        """run() returns one figure in the case's unit."""
        self.contestants[name] = run
        self.figures[name] = []

    def measure(self):
        for number in range(self.runs):
            for name, run in self.contestants.items():
                print(f"\r{self.name}: run {number + 1} of {self.runs}: {name}\x1b[K", end="", file=sys.stderr, flush=True)
                self.figures[name].append(run())
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def ratios(self, name, reference):
        return [a / b for a, b in zip(self.figures[name], self.figures[reference]) if b]


def spread(values, digits):
    return "  ".join(f"{v:12,.{digits}f}" for v in (min(values), statistics.median(values), max(values)))


def report_figures(case):
    """Prints every contestant's figures."""
    print(f"\n{case.name} [{case.unit}]" + (f", {case.runs} alternating runs" if case.runs > 1 else ""))
    print(f"  {'':34}{'minimum':>12}  {'median':>12}  {'maximum':>12}")
    for name, values in case.figures.items():
        print(f"  {name:34}{spread(values, 0 if statistics.median(values) >= 100 else 3)}")


def report(case, subject, targets):
    """Prints every contestant's figures, and what report_targets() does."""
    report_figures(case)
    return report_targets(case, subject, targets)


def report_targets(case, subject, targets):
    """Prints the subject's ratio to each reference; `targets` is a list of (reference, limit, "at least" or "at most"), or
    (None, limit, word) for the subject's own figure. Returns the number of targets missed."""
    missed = 0
    for reference, limit, word in targets:
        values = case.ratios(subject, reference) if reference else case.figures[subject]
        median = statistics.median(values)
        met = median >= limit if word == "at least" else median <= limit
        missed += not met
        label = f"{subject} / {reference}" if reference else subject
        print(f"  {label:{max(34, len(label) + 1)}}{spread(values, 3)}  target: {word} {limit:g}: {'met' if met else 'MISSED'}")
    return missed
