"""The Debian packages in a machine of their own: each test of tests/support/inside_packages.py. OUTBOX_PACKAGES names
the directory that scripts/package has filled, and OUTBOX_OLDER, if it is there, one with packages of an older state."""

import glob
import os
import pathlib
import shutil
import unittest

import inside_packages
import lab
from boxed import boxed


def copy_packages(root):
    place = root / "usr/lib/outbox-packages"
    copy_from("OUTBOX_PACKAGES", place)
    shutil.copytree(lab.SOURCE / "etc/debian", place / "source/debian")
    if glob.glob(os.environ.get("OUTBOX_OLDER", "/nonexistent") + "/*.deb"):
        copy_from("OUTBOX_OLDER", root / "usr/lib/outbox-packages-older")


def copy_from(variable, place):
    place.mkdir(parents=True)
    for package in pathlib.Path(os.environ[variable]).glob("*.deb"):
        if "-dbgsym_" not in package.name:
            shutil.copy(package, place)


Packages = unittest.skipUnless("OUTBOX_PACKAGES" in os.environ, "no packages: scripts/prove packaged builds them")(
    boxed(__name__, inside_packages, inside_packages.Packages, copy_packages))
