"""A PostgreSQL of the tests' own: a cluster below a directory, reached by its socket, and by TCP where an address is
given."""

import os
import pathlib
import signal
import subprocess

from process import Process, free_port, wait_for

SETTINGS = """
listen_addresses = '{host}'
unix_socket_directories = '{directory}'
port = {port}
fsync = off
log_min_error_statement = panic
"""
SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "src/database/schema-1.sql"
INIT = f"CREATE SCHEMA outbox; SET LOCAL search_path = outbox, pg_temp;\\i '{SCHEMA}'"
OWNER = "postgres"  # it does not run as root


def programs():
    """The newest that is installed."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").iterdir(), key=lambda path: float(path.name))
    return versions[-1] / "bin"


class SqlError(AssertionError):
    """What the server refused, in its words."""


class Session:
    """A connection with a transaction of its own, for what is left open while others go on."""

    def __init__(self, command, **options):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)

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

    def abandon(self):
        """Ends it whatever it is at: its transaction is rolled back, if it was not at its end."""
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()
        try:
            self.child.stdin.close()
        except BrokenPipeError:
            pass


def as_owner():
    return ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups", "--"] if os.getuid() == 0 else []


class PostgreSQL:
    """`host`: the address that it listens on; `wrapper`: what it is started by, such as a host's (hosts.py);
    `settings`: more lines of postgresql.conf."""

    def __init__(self, directory, host="", wrapper=(), settings=""):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o755)
        self.host, self.wrapper, self.settings = host, wrapper, settings
        self.port = free_port()
        self.data = self.directory / "data"
        self.owner = as_owner()
        if self.owner:
            subprocess.run(["chown", OWNER, self.directory], check=True)
        self._make()
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as file:
            file.write(SETTINGS.format(host=host, directory=self.directory, port=self.port) + settings)
        self.start()

    def _run(self, program, *words):
        return subprocess.run([*self.owner, programs() / program, *words], check=True, capture_output=True, cwd="/")

    def _make(self):
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", OWNER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        if self.host:
            with open(self.data / "pg_hba.conf", "a", encoding="ascii") as rights:
                rights.write("host all all all trust\n")

    def start(self):
        """It ends at once while there is a process of one that was killed."""
        log = self.directory / "log"
        command = [*self.wrapper, *self.owner, programs() / "postgres", "-D", self.data]
        self.process = Process(command, log, cwd="/")

        def is_ready():
            if not self.process.is_running():
                self.process = Process(command, log, cwd="/")
            return subprocess.run(
                [programs() / "pg_isready", "-q", "-h", self.directory, "-p", str(self.port)], check=False
            ).returncode == 0

        wait_for(is_ready, lambda: f"PostgreSQL is ready: {log.read_text(encoding='utf-8')[-3000:]}")

    def stop(self):
        self.process.stop()

    def crash(self):
        """All of its processes end at once, as they stand."""
        self.process.signal(signal.SIGQUIT)
        self.process.wait()

    def standby(self, directory, **options):
        """Another, to which each transaction that commits has been written before its client is told."""
        other = Standby(directory, self, **options)
        self.sql_alone("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.sql("SELECT pg_reload_conf()")
        wait_for(lambda: self.sql("SELECT sync_state FROM pg_stat_replication") == [["sync"]],
                 "the standby is synchronous")
        return other

    def uri(self, role=OWNER, host=None, port=None, database="postgres"):
        """A connection string, by TCP where it listens."""
        return f"host={host or self.host or self.directory} port={port or self.port} user={role} dbname={database}"

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

    def sql_alone(self, text):
        """Runs what cannot be in a transaction."""
        subprocess.run([*self._command(OWNER, "postgres"), "-c", text], check=True, capture_output=True)

    def alone(self, text):
        """Runs statements that begin and end transactions of their own; how that ended."""
        return subprocess.run([*self._command(OWNER, "postgres"), "-f", "-"], input=text, capture_output=True, text=True,
                              check=False)

    def session(self, role=OWNER, database="postgres"):
        return Session(self._command(role, database))


class Standby(PostgreSQL):
    """A copy that follows, until it is promoted."""

    def __init__(self, directory, primary, **options):
        self.primary = primary
        super().__init__(directory, **{"host": primary.host, "wrapper": primary.wrapper, "settings": primary.settings,
                                       **options})

    def _make(self):
        source = f"host={self.primary.directory} port={self.primary.port} user={OWNER} application_name=standby"
        self._run("pg_basebackup", "-D", self.data, "-R", "-c", "fast", "--no-sync", "-d", source)

    def promote(self):
        """It has what every client was told of, and takes the primary's place."""
        self.sql_alone("SELECT pg_promote()")
        wait_for(lambda: self.sql("SELECT pg_is_in_recovery()") == [["f"]], "the standby writes")
