"""The installed unit under a systemd of its own: each test of tests/support/inside_systemd.py."""

import inside_systemd
from boxed import boxed

Unit = boxed(__name__, inside_systemd, inside_systemd.Unit)
