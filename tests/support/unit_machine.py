"""What is done in the machine whose systemd is real: commands, the journal, the configuration."""

import json
import pathlib
import subprocess

import lab

SPOOL = pathlib.Path("/var/spool/outbox")
CONFIGURATION = pathlib.Path("/etc/outbox/outbox.conf")
PASSWORD = "wonder land"


def run(*command, status=0, user=None, stdin=""):
    """Runs a command, as that user; its output, both streams together."""
    if user:
        command = ("runuser", "-u", user, "--", *command)
    result = subprocess.run(
        [str(c) for c in command], input=stdin, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if status is not None and result.returncode != status:
        raise AssertionError(f"{command}: status {result.returncode}\n{result.stdout}")
    return result.stdout


def shell(script, **options):
    return run("sh", "-c", script, **options)


def journal(*matches):
    """The unit's entries, decoded."""
    run("journalctl", "--sync")
    text = run("journalctl", "-o", "json", "-u", "outboxd", *matches)
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def configure(*relays):
    CONFIGURATION.parent.mkdir(exist_ok=True)
    lab.write_configuration(CONFIGURATION, {"directory": SPOOL}, list(relays))
    CONFIGURATION.chmod(0o644)
