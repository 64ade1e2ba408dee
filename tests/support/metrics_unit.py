"""The tests of outbox-metrics.socket and outbox-metrics.timer, for the machine whose systemd is real
(inside_systemd.py)."""

import pathlib
import pwd
import shutil
import socket
import stat
import urllib.error
import urllib.request

from machine import configure, run
from process import wait_for

URL = "http://127.0.0.1:9925/metrics"
COLLECTED = pathlib.Path("/var/lib/prometheus/node-exporter")


def get(url=URL):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


class MetricsUnit:
    """Beside the tests of the daemon's unit."""

    def offer(self):
        configure(self.lab.relay("plain", name="relay"))
        run("systemctl", "restart", "outboxd")
        run("systemctl", "start", "outbox-metrics.socket")
        self.addCleanup(run, "systemctl", "stop", "outbox-metrics.socket")

    def answering(self):
        """The fields of /proc/PID/status of who answers."""
        name = run("systemctl", "list-units", "--plain", "--no-legend", "outbox-metrics@*").split(" ")[0]
        pid = run("systemctl", "show", "-P", "MainPID", name).strip() if name else "0"
        lines = run("cat", f"/proc/{pid}/status", status=None).splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def test_metrics_port(self):
        for unit in ("outbox-metrics.socket", "outbox-metrics.timer"):
            self.assertEqual(run("systemctl", "is-enabled", unit, status=None).strip(), "disabled")
        self.offer()
        self.assertIn("\noutbox_up 1\n", get())
        self.assertIn('\noutbox_relay_state{daemon="1",relay="relay",state="untried"} 1\n', get())
        with self.assertRaises(urllib.error.HTTPError) as refusal:
            get("http://[::1]:9925/")
        self.assertEqual(refusal.exception.code, 404)
        refusal.exception.close()
        failed = run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "outbox-metrics*")
        self.assertEqual(failed.strip(), "")
        self.assertNotIn("outbox metrics answer", run("journalctl", "--no-pager", "-o", "cat"))

    def test_metrics_of_a_daemon_that_is_stopped(self):
        self.offer()
        run("systemctl", "stop", "outboxd")
        self.addCleanup(run, "systemctl", "start", "outboxd")
        self.assertIn("\noutbox_up 0\n", get())

    def test_who_answers_can_do_little(self):
        self.offer()
        with socket.create_connection(("127.0.0.1", 9925), timeout=60) as client:
            client.sendall(b"GET ")
            user = str(pwd.getpwnam("outbox").pw_uid)
            wait_for(lambda: self.answering().get("Uid", "0").split()[0] == user, "an answer of the daemon's user", 60)
            fields = self.answering()
            self.assertEqual((int(fields["CapEff"], 16), int(fields["CapBnd"], 16), fields["NoNewPrivs"]), (0, 0, "1"))
        last = run("systemd-analyze", "security", "--no-pager", "outbox-metrics@x.service").strip().splitlines()[-1]
        self.assertLessEqual(float(last.split(":")[1].split()[0]), 1.4, last)

    def test_metrics_for_node_exporter(self):
        COLLECTED.mkdir(parents=True, exist_ok=True)
        self.addCleanup(shutil.rmtree, COLLECTED)
        run("systemctl", "start", "outbox-metrics.timer")
        self.addCleanup(run, "systemctl", "stop", "outbox-metrics.timer")
        path = COLLECTED / "outbox.prom"
        wait_for(path.exists, "the file", 60)
        self.assertIn('outbox_messages{state="queued"}', path.read_text(encoding="utf-8"))
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o644)
        self.assertEqual([one.name for one in COLLECTED.iterdir()], ["outbox.prom"])
