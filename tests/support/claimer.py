"""What a daemon remembers of the database's queue from one claim to the next."""


class Position:
    """Where somebody who claims has come to: the last row that was taken, and the transactions that ran when it was
    passed."""

    def __init__(self, session, daemon):
        self.session, self.daemon = session, daemon
        self.begin_anew()

    def begin_anew(self):
        """At the start, as after each new connection."""
        self.after, self.after_message, self.running, self.ended = 0, 0, set(), set()

    def claim(self, most, ended):
        """The messages, in order, those of the transactions `ended` among them; and the snapshot."""
        late = ",".join(str(xid) for xid in ended)
        rows = [line.split("|") for line in self.session.sql(
            f"SELECT * FROM outbox.claim({self.daemon}, '', '{self.after}', {self.after_message}, '{{{late}}}', {most})"
        ) if "|" in line]
        snapshot = next(row[4] for row in rows if not row[0])
        taken = sorted((int(row[1]), int(row[0])) for row in rows if row[0])
        return taken, snapshot

    def step(self, most):
        ended, self.ended = self.ended, set()
        taken, snapshot = self.claim(most, ended)
        first_unborn = int(snapshot.split(":")[1])
        running = {int(xid) for xid in snapshot.split(":")[2].split(",") if xid}
        # What a restored dump brought along may have numbers yet to come: they are no mark to go on behind.
        following = [row for row in taken if (self.after, self.after_message) < row < (first_unborn, 0)]
        if len(taken) == most:
            self.ended = ended  # there may be more of them
        if following:
            self.after, self.after_message = following[-1]
        passed = {xid for xid in running if xid <= self.after}
        self.ended |= self.running - running
        self.running = (self.running & running) | passed
        return [message for _, message in taken]
