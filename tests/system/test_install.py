"""What `make install` puts in place."""

import os
import subprocess
import unittest

import lab
from case import SystemTest


def is_a_build_of_this_source():
    """`make install` brings a build up to date first: one that is kept of another source is not touched."""
    try:
        text = (lab.BUILD / "Makefile").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return f"\nabs_top_srcdir = {lab.SOURCE}\n" in text


@unittest.skipUnless(is_a_build_of_this_source(), f"{lab.BUILD} is no build of {lab.SOURCE}")
class Install(SystemTest):
    def install(self, umask):
        """Installs below a directory of the test's own, which is returned."""
        destination = self.directory / "destination"
        subprocess.run(
            ("make", "-s", "install", f"DESTDIR={destination}"),
            cwd=lab.BUILD,
            check=True,
            capture_output=True,
            preexec_fn=lambda: os.umask(umask),
        )
        return destination

    def test_everybody_may_enter_whatever_the_umask(self):
        directories = [path for path in self.install(0o077).rglob("*") if path.is_dir()]
        self.assertTrue(directories)
        for path in directories:
            self.assertEqual(path.stat().st_mode & 0o7777, 0o755, path)

    def test_a_directory_that_is_there_keeps_its_mode(self):
        own = self.directory / "destination/etc/outbox"
        own.mkdir(parents=True)
        own.chmod(0o750)
        self.install(0o022)
        self.assertEqual(own.stat().st_mode & 0o7777, 0o750)
