"""tests/system/run itself, and the runs of scripts/: a signal ends them soon, and what they have started."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import unittest

import lab
from process import wait_for

TESTS = """
    import os
    import pathlib
    import time
    import unittest

    import lab
    from process import Process

    HERE = pathlib.Path(os.environ["OUTBOX_SCRATCH"])


    class {name}(unittest.TestCase):
        def wait(self):
            laboratory = lab.shared()
            self.addCleanup((HERE / "{name}.cleaned").touch)
            sleeper = Process(["sleep", "10000"], HERE / "log")
            (HERE / "{name}.new").write_text(f"{{sleeper.pid}} {{laboratory.directory}}")
            (HERE / "{name}.new").rename(HERE / "{name}.waits")
            try:
                time.sleep(10000)
            except Exception:
                self.fail("a test takes it for an error of its own")

        {begin}

        def test_2(self):
            (HERE / "{name}.went-on").touch()
"""
STAGES = """
    set -uo pipefail
    myself=$(readlink -f "$0")
    cd "$(dirname "$myself")" || exit 2
    . scripts/stages.sh

    stage_long() {
        echo $$ > new && mv new waits
        exec sleep 10000
    }

    if [[ ${1-} == --stage ]]; then
        "stage_$2"
        exit
    fi
    room_mb=0
    read_stages 'long	work	-	takes long'
    begin_run
    run_stages "$@"
"""
IN_A_TEST = "def test_1(self):\n            self.wait()"
BEFORE_ALL = "@classmethod\n        def setUpClass(cls):\n            cls('wait').wait()"


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class BreakingOff(unittest.TestCase):
    def begin(self, *names, jobs=1, place=IN_A_TEST, **options):
        """Runs these classes, each of which waits for ever, until so many of them do."""
        self.scratch = lab.shared().new_directory()
        for name in names:
            text = textwrap.dedent(TESTS).format(name=name, begin=textwrap.dedent(place).replace("\n    ", "\n"))
            (self.scratch / f"test_{name.lower()}.py").write_text(text, encoding="ascii")
        environment = {**os.environ, "PYTHONPATH": str(self.scratch), "OUTBOX_SCRATCH": str(self.scratch)}
        child = subprocess.Popen(
            [sys.executable, "-B", lab.SOURCE / "tests/system/run", "--jobs", str(jobs), *(name.lower() for name in names)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **options)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        wait_for(lambda: len(self.marks("waits")) == min(jobs, len(names)), lambda: f"waiting tests in {self.scratch}")
        return child

    def marks(self, kind):
        return list(self.scratch.glob(f"*.{kind}"))

    def assert_ended(self, child, number, cleaned=True):
        said = child.communicate()[0]
        self.assertEqual(child.returncode, 128 + number, said)
        for mark in self.marks("waits"):
            pid, directory = mark.read_text(encoding="utf-8").split()
            wait_for(lambda pid=pid: not lives(pid), f"the end of process {pid}")
            self.assertFalse(pathlib.Path(directory).exists(), directory)
        self.assertEqual(self.marks("went-on"), [])
        self.assertEqual(len(self.marks("cleaned")), len(self.marks("waits")) if cleaned else 0)
        self.assertIn("# PASS: 0\n# FAIL: 0\n# ERROR: 0\n", said)

    def test_to_the_runner_alone(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name):
                child = self.begin("A")
                child.send_signal(number)
                self.assert_ended(child, number)

    def test_from_a_terminal(self):
        """Which sends it to every process of the group; and more than once, where somebody is impatient."""
        child = self.begin("A", "B", "C", jobs=2)
        os.killpg(child.pid, signal.SIGINT)
        os.killpg(child.pid, signal.SIGINT)
        self.assert_ended(child, signal.SIGINT)

    def test_in_the_background_of_a_shell(self):
        """Which has SIGINT ignored there."""
        child = self.begin("A", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        child.send_signal(signal.SIGINT)
        self.assert_ended(child, signal.SIGINT)

    def test_before_a_class(self):
        child = self.begin("A", "B", place=BEFORE_ALL)
        child.send_signal(signal.SIGINT)
        self.assert_ended(child, signal.SIGINT, cleaned=False)

    def test_nohup(self):
        child = self.begin("A", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        child.send_signal(signal.SIGHUP)
        child.send_signal(signal.SIGTERM)
        self.assert_ended(child, signal.SIGTERM)


class BreakingOffStages(unittest.TestCase):
    def begin(self, *words, **options):
        """Runs a stage that takes for ever, until it has begun. Gives that process's number, too."""
        scratch = lab.shared().new_directory()
        (scratch / "scripts").symlink_to(lab.SOURCE / "scripts")
        (scratch / "run").write_text(textwrap.dedent(STAGES), encoding="ascii")
        child = subprocess.Popen(["bash", scratch / "run", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, start_new_session=True, **options)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        wait_for((scratch / "waits").exists, lambda: f"the stage in {scratch}")
        return child, int((scratch / "waits").read_text(encoding="ascii"))

    def assert_ended_by(self, number, *words, **options):
        child, stage = self.begin(*words, **options)
        child.send_signal(number)
        said = child.communicate()[0]
        self.assertEqual(child.returncode, 128 + number, said)
        self.assertIn("broken off; what it has made is kept", said)
        wait_for(lambda: not lives(stage), f"the end of process {stage}")

    def test_by_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                self.assert_ended_by(number)

    def test_in_the_background_of_a_shell(self):
        """Which has SIGINT ignored there; what was to be run is not forgotten over that."""
        self.assert_ended_by(signal.SIGINT, "long", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
