"""What Postfix and Exim have in common here: a log, and a Maildir of what they took."""

import pathlib


class Copy:
    """A delivered message: who it was from and for, and its content without the server's trace fields.
    `trace_fields` is their pattern, with the groups `sender` and `recipient`."""

    def __init__(self, path, trace_fields):
        self.path = path
        data = path.read_bytes()
        trace = trace_fields.match(data)
        if trace is None:
            raise AssertionError(f"{path} does not begin with trace fields: {data[:300]!r}")
        self.trace = trace[0].decode("utf-8")
        self.sender = (trace["sender"] or b"").decode("utf-8")
        self.recipient = trace["recipient"].decode("utf-8")
        self.content = data[trace.end() :]


class MailServer:
    """Runs below a directory that does not exist yet. A server says where in it its log is and its Maildir,
    and which trace fields it puts in front of a message."""

    log_name = ""
    inbox_name = ""
    trace_fields = None

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.process = None

    def log(self):
        path = self.directory / self.log_name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _kept(self):
        inbox = self.directory / self.inbox_name / "new"
        return list(inbox.iterdir()) if inbox.exists() else []

    def copies(self, recipient=None):
        """What has been delivered so far."""
        copies = [Copy(path, self.trace_fields) for path in self._kept()]
        return [c for c in copies if recipient in (None, c.recipient)]

    def count(self):
        return len(self._kept())

    def forget(self):
        """Deletes what has been delivered."""
        for path in self._kept():
            path.unlink()

    def stop(self):
        self.process.stop()
