"""The Debian packages in a machine of their own: each test of tests/support/inside_packages.py. OUTBOX_PACKAGES names
the directory that scripts/package has filled."""

import os
import pathlib
import shutil
import unittest

import inside_packages
import lab
from boxed import boxed


def copy_packages(root):
    place = root / "usr/lib/outbox-packages"
    place.mkdir(parents=True)
    for package in pathlib.Path(os.environ["OUTBOX_PACKAGES"]).glob("*.deb"):
        if "-dbgsym_" not in package.name:
            shutil.copy(package, place)
    shutil.copy(lab.SOURCE / "etc/debian/tests/send", place)


Packages = unittest.skipUnless("OUTBOX_PACKAGES" in os.environ, "no packages: scripts/test packaged builds them")(
    boxed(__name__, inside_packages, inside_packages.Packages, copy_packages))
