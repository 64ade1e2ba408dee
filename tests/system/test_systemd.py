"""The installed unit under a systemd of its own: each test of tests/support/inside_systemd.py, run in
a throw-away container."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import inside_systemd
import lab

SUPPORT = lab.SOURCE / "tests/support"


def run_inside():
    """Installs into a directory, boots a container with it, and returns what became of each test, or
    the reason why there could be no container."""
    with tempfile.TemporaryDirectory(prefix="outbox-install.") as directory:
        root = pathlib.Path(directory)
        root.chmod(0o755)
        subprocess.run(
            ["make", "-s", "-C", lab.BUILD, "install", f"DESTDIR={root}"],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        tests = root / "usr/lib/outbox-tests"
        shutil.copytree(SUPPORT, tests, ignore=shutil.ignore_patterns("__pycache__"))
        result = subprocess.run(
            [SUPPORT / "run-in-systemd", "--root", root, "--timeout", "3600", "--",
             "/usr/bin/python3", "-B", "/usr/lib/outbox-tests/inside_systemd.py"],
            capture_output=True, text=True, check=False,
        )
    if result.returncode == 125:
        return result.stderr
    try:
        return json.loads(result.stdout.splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        raise AssertionError(f"status {result.returncode}\n{result.stdout}\n{result.stderr}") from None


class Unit(unittest.TestCase):
    outcomes = None

    @classmethod
    def setUpClass(cls):
        cls.outcomes = run_inside()

    def look_up(self, name):
        if isinstance(self.outcomes, str):
            self.skipTest("no container: " + " ".join(self.outcomes.split())[:300])
        all_of_them = self.outcomes.get("setUpClass (__main__.Unit)", ["fail", "it did not run"])
        word, text = self.outcomes.get(name, all_of_them)
        if word == "skip":
            self.skipTest(text)
        self.assertEqual(word, "pass", text)


def add(name):
    setattr(Unit, name, lambda self: self.look_up(name))


for each in unittest.defaultTestLoader.getTestCaseNames(inside_systemd.Unit):
    add(each)
