"""The programs of a machine, unchanged, with outbox as its mail system: each test of
tests/support/inside_programs.py."""

import inside_programs
from boxed import boxed

Programs = boxed(__name__, inside_programs, inside_programs.Programs)
