"""A Dovecot that has mailboxes and takes mail for them by LMTP: over a socket of this machine, and over TCP
with STARTTLS. The user "full" has no room."""

import pathlib

from dovecot import is_2_3
from process import Process, free_port, wait_for

USERS = ("ann", "bob", "full")

COMMON = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols = lmtp
listen = 127.0.0.1
hostname = mail.lab.test
ssl = yes
service lmtp {{
  unix_listener {directory}/lmtp {{
    mode = 0666
  }}
  inet_listener lmtp {{
    port = {port}
  }}
}}
"""

RELEASE_2_3 = """
mail_location = maildir:{directory}/home/%n
ssl_cert = <{certificate}
ssl_key = <{key}
auth_username_format = %n
mail_plugins = quota
plugin {{
  quota = maildir:quota
}}
passdb {{
  driver = passwd-file
  args = {directory}/etc/users
}}
userdb {{
  driver = passwd-file
  args = {directory}/etc/users
}}
"""

RELEASE_2_4 = """
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
mail_driver = maildir
mail_path = {directory}/home/%{{user | username}}
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
auth_username_format = %{{user | username}}
mail_plugins {{
  quota = yes
}}
quota_storage_grace = 0
quota mailboxes {{
}}
passdb passwd-file {{
  passwd_file_path = {directory}/etc/users
}}
userdb passwd-file {{
  passwd_file_path = {directory}/etc/users
}}
"""


class Mailboxes:
    """Runs below a directory that does not exist yet."""

    def __init__(self, directory, certificates):
        self.directory = pathlib.Path(directory)
        self.socket = self.directory / "lmtp"
        self.port = free_port()
        for name in ("", "etc", "run", "state", "home"):
            (self.directory / name).mkdir(mode=0o755)
        (self.directory / "home").chmod(0o777)
        full = "userdb_quota_rule=*:storage=1B" if is_2_3() else "userdb_quota_storage_size=1B"
        (self.directory / "etc/users").write_text("".join(
            f"{user}:{{PLAIN}}x:65534:65534::{self.directory}/home/{user}::{full if user == 'full' else ''}\n"
            for user in USERS), encoding="ascii")
        release = RELEASE_2_3 if is_2_3() else RELEASE_2_4
        (self.directory / "etc/dovecot.conf").write_text((release + COMMON).format(
            directory=self.directory, port=self.port, certificate=certificates.certificate("localhost"),
            key=certificates.key("localhost")), encoding="ascii")
        self.process = Process(["dovecot", "-F", "-c", self.directory / "etc/dovecot.conf"],
                               self.directory / "output.log")
        self.process.wait_for_port(self.port)
        wait_for(self.socket.exists, self.log, 15)

    def log(self):
        path = self.directory / "dovecot.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def mail(self, user):
        """The content of each message that the user has."""
        return [path.read_bytes() for path in (self.directory / "home" / user).glob("new/*")]

    def stop(self):
        self.process.stop()
