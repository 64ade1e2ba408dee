"""In a throw-away machine with a journald of its own: the same drain with its log to the journal and to a file.
journal_inside.py FIGURES RUNS"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import sinks  # noqa: E402
from bench import Bench  # noqa: E402
from cases_rate import drain_rate, plain  # noqa: E402
from lab import Lab  # noqa: E402
from measure import Case  # noqa: E402


def main(figures, runs):
    bench = Bench(Lab(), runs, 1.0, None)
    sink = bench.keep(sinks.smtp_sink(bench.new_directory()))
    case = Case("journal", "messages/s", runs)
    case.add("to journald", lambda: drain_rate(bench, plain(sink.port), arguments=["--log=journal"]))
    case.add("to a file", lambda: drain_rate(bench, plain(sink.port)))
    case.measure()
    lines = [f"{name} {value}\n" for name, values in case.figures.items() for value in values]
    pathlib.Path(figures).write_text("".join(lines), encoding="ascii")
    bench.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
