"""Passwords for Cyrus SASL, the library that Postfix and Exim can log clients in with."""

import pathlib
import subprocess

from dovecot import PASSWORD, USER

REALM = "mail.lab.test"  # the servers' host name
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "NTLM", "PLAIN", "LOGIN")

CONFIGURATION = """
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {directory}/users
mech_list: {mechanisms}
"""


def lay_out(directory):
    """Makes the directory, with what the servers' libraries read there."""
    directory = pathlib.Path(directory)
    directory.mkdir(mode=0o755)
    for server in ("smtpd", "exim"):
        (directory / f"{server}.conf").write_text(
            CONFIGURATION.format(directory=directory, mechanisms=" ".join(MECHANISMS)), encoding="ascii")
    subprocess.run(
        ["saslpasswd2", "-p", "-c", "-f", directory / "users", "-u", REALM, USER],
        input=PASSWORD, text=True, capture_output=True, check=True,
    )
    (directory / "users").chmod(0o644)
