"""A PgBouncer of the tests' own, in transaction mode: each transaction may be another connection of the server's."""

import pathlib
import shutil

import postgresql
from lab import Unavailable
from process import Process, free_port

SETTINGS = """
[databases]
* = host={database.directory} port={database.port}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
auth_type = trust
auth_file = {users}
default_pool_size = {pool}
"""


class PgBouncer:
    def __init__(self, directory, database, roles=(postgresql.OWNER,), pool=2, host="127.0.0.1", wrapper=()):
        if not shutil.which("pgbouncer", path="/usr/sbin:/usr/bin"):
            raise Unavailable("pgbouncer is not installed (scripts/install-packages lab)")
        directory = pathlib.Path(directory)
        directory.mkdir(mode=0o755)
        self.port = free_port()
        users, settings = directory / "users", directory / "pgbouncer.ini"
        users.write_text("".join(f'"{role}" ""\n' for role in roles), encoding="ascii")
        text = SETTINGS.format(database=database, host=host, port=self.port, users=users, pool=pool)
        settings.write_text(text, encoding="ascii")
        self.process = Process([*wrapper, *postgresql.as_owner(), "/usr/sbin/pgbouncer", settings], directory / "log",
                               cwd="/")
        self.process.wait_for_port(self.port)

    def stop(self):
        self.process.stop()
