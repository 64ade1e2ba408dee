"""An installation below a directory of the test's own, and programs that are built against it."""

import os
import pathlib
import re
import shlex
import subprocess
import unittest

import lab


def is_a_build_of_this_source():
    """`make install` brings a build up to date first: one that is kept of another source is not touched."""
    try:
        text = (lab.BUILD / "Makefile").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    named = re.search(r"^abs_top_srcdir = (.+)$", text, re.MULTILINE)
    return named is not None and pathlib.Path(named[1]).resolve() == lab.SOURCE


needs_installation = unittest.skipUnless(
    is_a_build_of_this_source(), f"{lab.BUILD} is no build of {lab.SOURCE}")


def install(destination, umask=0o022):
    subprocess.run(
        ("make", "-s", "install", f"DESTDIR={destination}"),
        cwd=lab.BUILD,
        check=True,
        capture_output=True,
        preexec_fn=lambda: os.umask(umask),
    )
    return destination


def uninstall(destination):
    subprocess.run(("make", "-s", "uninstall", f"DESTDIR={destination}"), cwd=lab.BUILD, check=True, capture_output=True)


class Installed:
    """What was installed at `destination`, for a compiler."""

    def __init__(self, destination):
        self.destination = destination
        self.library_directory = next(destination.rglob("liboutbox.so.1")).parent

    def pkg_config(self, *options):
        """The words that pkg-config gives."""
        return shlex.split(subprocess.run(
            ("pkg-config", *options, "liboutbox"), check=True, capture_output=True, text=True,
            env={**os.environ, "PKG_CONFIG_PATH": str(self.library_directory / "pkgconfig"),
                 "PKG_CONFIG_SYSROOT_DIR": str(self.destination)}).stdout)

    def environment(self, **more):
        return {**os.environ, "LD_LIBRARY_PATH": str(self.library_directory), **more}

    def build(self, source, program, *options, compiler=("cc", "-std=gnu99"), static=False):
        libraries = self.pkg_config("--cflags", "--libs", *(["--static"] if static else []))
        if static:
            archive = str(self.library_directory / "liboutbox.a")
            libraries = [archive if word == "-loutbox" else word for word in libraries]
        subprocess.run(
            (*compiler, "-Wall", "-Wextra", "-Werror", "-o", program, *options, source, *libraries),
            check=True)
        return program
