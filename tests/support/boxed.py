"""Tests that run in a machine of their own, with a real systemd, in a throw-away container: each has a file
tests/support/inside_NAME.py."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import lab

SUPPORT = lab.SOURCE / "tests/support"


def make_install(root):
    subprocess.run(
        ["make", "-s", "-C", lab.BUILD, "install", f"DESTDIR={root}"],
        check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )


def run_inside(script, prepare=make_install):
    """Has prepare(root) fill a directory, boots a container with it, and returns what became of each test, or
    the reason why there could be no container."""
    with tempfile.TemporaryDirectory(prefix="outbox-install.") as directory:
        root = pathlib.Path(directory)
        root.chmod(0o755)
        prepare(root)
        tests = root / "usr/lib/outbox-tests"
        shutil.copytree(SUPPORT, tests, ignore=shutil.ignore_patterns("__pycache__"))
        result = subprocess.run(
            [SUPPORT / "run-in-systemd", "--root", root, "--timeout", "3600", "--",
             "/usr/bin/python3", "-B", f"/usr/lib/outbox-tests/{script}"],
            capture_output=True, text=True, check=False,
        )
    if result.returncode == 125:
        return result.stderr
    try:
        return json.loads(result.stdout.splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        raise AssertionError(f"status {result.returncode}\n{result.stdout}\n{result.stderr}") from None


class Boxed(unittest.TestCase):
    """What became of each test of `script` in there."""

    script = None
    prepare = staticmethod(make_install)
    outcomes = None

    @classmethod
    def setUpClass(cls):
        cls.outcomes = run_inside(cls.script, cls.prepare)

    def look_up(self, name):
        if isinstance(self.outcomes, str):
            self.skipTest("no container: " + " ".join(self.outcomes.split())[:300])
        all_of_them = self.outcomes.get(f"setUpClass (__main__.{self.__class__.__name__})", ["fail", "it did not run"])
        word, text = self.outcomes.get(name, all_of_them)
        if word == "skip":
            self.skipTest(text)
        self.assertEqual(word, "pass", text)


def boxed(module, inside, case, prepare=make_install):
    """The class of tests for `module` that shows the outcomes of `case`, which is in the module `inside`, in a machine
    that was prepared so."""
    tests = {name: lambda self, name=name: self.look_up(name) for name in unittest.defaultTestLoader.getTestCaseNames(case)}
    return type(case.__name__, (Boxed,), {"script": f"{inside.__name__}.py", "__module__": module,
                                              "prepare": staticmethod(prepare), **tests})
