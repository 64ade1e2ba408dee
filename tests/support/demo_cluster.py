"""What scripts/demo-cluster shows: two hosts that deliver from one PostgreSQL, one of which is lost in the middle of
it. Every claim that is printed has been checked; the exit status is 0 when all held."""

import signal
import sys

import lab
from cluster import Cluster
from demo import say, show

MESSAGES = 400
NEXT = """\
doc/cluster.md                when to have a queue of many machines, and how
tests/system/run database_cluster   the same with faults of every kind
The database, the hosts, the relay and the mail are gone; the programs are in build-test/gcc."""


def lose_one(cluster):
    """Kills the daemon of the first host while it sends."""
    first, second = cluster.daemons
    cluster.wait_sent(first, MESSAGES // 20, MESSAGES // 4)
    cluster.trouble(first, "killed")
    first.kill()
    cluster.end_leases(first)  # which is a minute
    show(f"{first.host.name} is lost (SIGKILL), and {second.host.name} goes on.")


def run(cluster):
    say("A database, a relay, and two hosts with a daemon each, in networks of their own")
    for daemon in cluster.daemons:
        daemon.start()
    cluster.wait_begun()
    show(cluster.daemons[0].configuration.read_text(encoding="utf-8").split("relays")[0].strip())
    say(f"Four applications queue {MESSAGES} messages in transactions of a few, of which a tenth roll back:\n"
        "   SELECT outbox.queue(sender, recipients, message)")
    cluster.queue(MESSAGES)
    lose_one(cluster)
    cluster.wait_settled()
    cluster.stop_daemons()
    say("The books")
    doubles = cluster.balance()
    show(cluster.tell())
    show("sent by " + ", ".join(f"{name}: {count}" for name, count in sorted(cluster.sent().items())))
    for reason, count in doubles.items():
        show(f"{count} had a second copy: {reason}")
    for failure in cluster.failures[:10]:
        show(failure)
    return not cluster.failures


def main():
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    cluster = Cluster(lab.shared().new_directory() / "cluster")
    try:
        held = run(cluster)
    finally:
        cluster.close()
    say("Each message whose transaction committed has arrived, and none that was rolled back. What next:" if held else
        "THE BOOKS DO NOT BALANCE.")
    if held:
        show(NEXT)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
