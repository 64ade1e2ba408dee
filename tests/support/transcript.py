"""What a command says, as a person sees it on a terminal and a program in a pipe; and what is expected of it, which is
kept in files. With OUTBOX_WRITE_EXPECTATIONS=1 the files are written instead, to be read before they are committed."""

import fcntl
import os
import pty
import struct
import subprocess
import termios


def on_terminal(command, columns=80, errors=True, environment=None, **options):
    """What a terminal is sent, and the exit status."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    unset = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=slave,
                             stderr=slave if errors else subprocess.DEVNULL,
                             env={**unset, "TERM": "xterm", **(environment or {})}, **options)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # its last writer is gone
        pass
    os.close(master)
    status = child.wait()
    return shown.decode().replace("\r\n", "\n"), status


def expect(case, path, text):
    """Compares with the file, or writes it."""
    if os.environ.get("OUTBOX_WRITE_EXPECTATIONS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    case.assertEqual(text, path.read_text(encoding="utf-8"), path)
