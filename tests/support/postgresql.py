"""A PostgreSQL of the tests' own: a cluster below a directory, reached by its socket alone."""

import os
import pathlib
import subprocess

from process import Process, free_port, wait_for

SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{directory}'
port = {port}
fsync = off
log_min_error_statement = panic
"""
OWNER = "postgres"  # it does not run as root


def programs():
    """The newest that is installed."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").iterdir(), key=lambda path: float(path.name))
    return versions[-1] / "bin"


class SqlError(AssertionError):
    """What the server refused, in its words."""


class Session:
    """A connection with a transaction of its own, for what is left open while others go on."""

    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def sql(self, text):
        """Runs it; the lines of its answer."""
        self.child.stdin.write(f"{text};\n\\echo :end:\n")
        self.child.stdin.flush()
        lines = []
        while (line := self.child.stdout.readline()) and line != ":end:\n":
            lines.append(line.rstrip("\n"))
        return lines

    def close(self):
        self.child.stdin.close()
        self.child.wait(200)
        self.child.stdout.close()


class PostgreSQL:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o755)
        self.port = free_port()
        self.data = self.directory / "data"
        self.owner = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups", "--"] if os.getuid() == 0 else []
        if self.owner:
            subprocess.run(["chown", OWNER, self.directory], check=True)
        subprocess.run(
            [*self.owner, programs() / "initdb", "-D", self.data, "-A", "trust", "-U", OWNER, "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync"],
            check=True, capture_output=True, cwd="/",
        )
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as settings:
            settings.write(SETTINGS.format(directory=self.directory, port=self.port))
        self.start()

    def start(self):
        log = self.directory / "log"
        self.process = Process([*self.owner, programs() / "postgres", "-D", self.data], log, cwd="/")
        wait_for(
            lambda: subprocess.run(
                [programs() / "pg_isready", "-q", "-h", self.directory, "-p", str(self.port)], check=False
            ).returncode == 0,
            lambda: f"PostgreSQL is ready: {log.read_text(encoding='utf-8')[-3000:]}",
        )

    def stop(self):
        self.process.stop()

    def _command(self, role, database):
        return [programs() / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.directory,
                "-p", str(self.port), "-U", role, "-d", database]

    def sql(self, text, role=OWNER, database="postgres"):
        """Runs it in one transaction; the rows of its answer, each a list of texts."""
        result = subprocess.run(
            [*self._command(role, database), "-1", "-f", "-"], input=text, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise SqlError(result.stderr)
        return [line.split("|") for line in result.stdout.splitlines()]

    def session(self, role=OWNER, database="postgres"):
        return Session(self._command(role, database))
