"""Figures for Prometheus: what it reads them with reads them, and they are what happened."""

import datetime
import email.utils
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

import lab
from case import message
from odd_relay import RelayTest
from process import wait_for
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
PAGE = lab.SOURCE / "doc/man/outbox.1"


class MetricsTest(RelayTest):
    def setUp(self):
        super().setUp()
        self.refused = None

    def answer(self, talk, verb, argument):
        if verb == "CONNECT" and self.refused:
            return self.refused
        if verb == "RCPT" and argument.startswith("no"):
            return "550 5.1.1 none such"
        if verb == "RCPT" and argument.startswith("later"):
            return "451 4.2.0 not now"
        return None

    def serve(self, name="primary", **settings):
        self.relay = self.odd(self.answer)
        return self.start(self.settings(self.relay, name=name, hold_first="1h", hold_max="1h"),
                          retry={"first": "1h", "max": "1h"}, **settings)

    def serve_lane(self, lane):
        """The same with a lane, from now on."""
        with open(self.configuration, "a", encoding="utf-8") as file:
            file.write(f"lanes = ( {lane} );\n")
        self.assertEqual(self.daemons[-1].terminate(), 0)
        self.start_again()

    def families(self, *arguments):
        return {family.name: family for family in read_openmetrics(self.outbox("metrics", *arguments))}

    def samples(self):
        """Values by name and labels, without that of the daemon."""
        def key(sample):
            return (sample.name, *(value for label, value in sorted(sample.labels.items()) if label != "daemon"))

        return {key(sample): sample.value for family in self.families().values() for sample in family.samples}

    def wait_sample(self, key, value):
        wait_for(lambda: self.samples().get(key) == value,
                 lambda: f"{key} {value}: {self.samples()}\n{self.logs()}", 30)
        return self.samples()


class Figures(MetricsTest):
    def test_no_daemon(self):
        self.configure()
        for name, state in (("a", "queued"), ("b", "queued"), ("c", "failed"), ("d", "deferred")):
            os.utime(self.queue.drop(name, message(), state=state), (time.time() - 500,) * 2)
        (self.queue.path / "stranger").write_text("x")
        samples = self.samples()
        for state, count in {"queued": 2, "sending": 0, "sent": 0, "failed": 1, "deferred": 1, "held": 0}.items():
            self.assertEqual(samples["outbox_messages", state], count, state)
        self.assertEqual(samples["outbox_message_bytes", "queued"], 2 * len(message()))
        self.assertAlmostEqual(samples[("outbox_oldest_waiting_seconds",)], 500, delta=100)
        self.assertEqual((samples[("outbox_up",)], samples[("outbox_strangers",)]), (0, 1))
        self.assertNotIn("outbox_connections", {name for name, *_ in samples})

    def test_what_is_to_go_later(self):
        """It does not wait before its time, and then since that."""
        self.configure()
        now = time.time()
        for name, due in (("a", now + 86400), ("b", now - 200)):
            field = f"X-Outbox-Not-Before: {email.utils.format_datetime(datetime.datetime.fromtimestamp(due).astimezone())}\n"
            os.utime(self.queue.drop(name, field.encode() + message()), (now - 90000,) * 2)
        samples = self.samples()
        self.assertEqual(samples["outbox_messages", "queued"], 2)
        self.assertAlmostEqual(samples["outbox_oldest_waiting_seconds",], 200, delta=100)
        (self.queue.path / "b.queued").unlink()
        self.assertEqual(self.samples()["outbox_oldest_waiting_seconds",], 0)

    def test_what_becomes_of_messages(self):
        daemon = self.serve()
        self.drop("a")
        self.queue.drop("b", message(to=["no@lab.test"]))
        self.queue.drop("c", message(to=["later@lab.test", "ann@lab.test"]))
        samples = self.wait_sample(("outbox_message_outcomes_total", "deferred"), 1)
        samples = self.wait_sample(("outbox_message_outcomes_total", "failed"), 1)
        samples = self.wait_sample(("outbox_message_outcomes_total", "delivered"), 1)
        for outcome, count in (("delivered", 2), ("deferred", 1), ("refused", 1)):
            self.assertEqual(samples["outbox_recipient_outcomes_total", outcome], count, outcome)
            self.assertEqual(samples["outbox_relay_recipient_outcomes_total", outcome, "primary"], count, outcome)
        self.assertEqual(samples["outbox_delivery_delay_seconds_count",], 2)
        self.assertEqual(samples["outbox_delivery_delay_seconds_bucket", "+Inf"], 2)
        self.assertEqual(samples["outbox_relay_state", "primary", "works"], 1)
        self.assertEqual(samples["outbox_arrivals_total",], 3)
        self.assertEqual(samples["outbox_submissions_total",], 0)
        self.assertGreater(samples["outbox_delivered_bytes_total",], 0)
        self.assertEqual(samples["outbox_up",], 1)
        for name in ("outbox_last_delivery_timestamp_seconds", "outbox_relay_last_delivery_timestamp_seconds"):
            value = next(value for key, value in samples.items() if key[0] == name)
            self.assertAlmostEqual(value, time.time(), delta=600)
        started = samples["outbox_daemon_start_time_seconds",]
        self.assertEqual(samples["outbox_message_outcomes_created", "failed"], started)
        self.assertAlmostEqual(started, time.time(), delta=600)
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(self.samples()["outbox_up",], 0)

    def test_a_relay_on_hold(self):
        self.refused = "421 4.3.2 not now"
        self.serve('pri"ma\\ry', alarm={"alarm_relay_after": "1s", "alarm_after": "1s"})
        name = 'pri"ma\\ry'
        self.drop("a")
        samples = self.wait_sample(("outbox_alarm", "relay"), 1)
        self.assertEqual(samples["outbox_relay_state", name, "held"], 1)
        self.assertEqual(samples["outbox_relay_state", name, "works"], 0)
        self.assertEqual(samples["outbox_relay_holds_total", name], 1)
        self.assertTrue(0 < samples["outbox_relay_hold_remaining_seconds", name] <= 3600 * 1.5, samples)
        self.assertGreaterEqual(samples["outbox_alarms_total",], 1)
        self.assertEqual(samples["outbox_messages", "queued"], 1)
        self.assertGreater(samples["outbox_oldest_waiting_seconds",], 0)

    def test_lanes(self):
        """What waits in each, and how long its quiet hours are; no such family has samples without lanes."""
        self.serve()
        self.assertFalse([key for key in self.samples() if key[0].startswith("outbox_lane_")])
        first, last = (time.strftime("%H:00", time.localtime(time.time() + hours * 3600)) for hours in (-1, 2))
        self.serve_lane(f'{{ name = "Night"; quiet = "{first}-{last}"; }}')
        self.queue.drop("a", b"X-Outbox-Lane: night\n" + message(to=["a@lab.test"]))
        samples = self.wait_sample(("outbox_lane_messages", "Night", "waiting"), 1)
        self.assertEqual(samples["outbox_lane_messages", "", "waiting"], 0)
        self.assertEqual(samples["outbox_lane_messages", "Night", "sending"], 0)
        self.assertTrue(3600 < samples["outbox_lane_restraint_remaining_seconds", "Night"] <= 7200, samples)
        self.assertEqual(samples["outbox_lane_restraint_remaining_seconds", ""], 0)

    def test_a_certificate(self):
        """When it ends is known once there was a session."""
        self.start(self.lab.relay("opportunistic"))
        self.queue.drop("a", message(to=[self.address()]))
        self.wait_copies(1, self.address())
        key = "outbox_relay_certificate_end_timestamp_seconds"
        wait_for(lambda: any(name == key for name, *_ in self.samples()), self.logs, 30)
        file = self.lab.certificates.certificate("localhost")
        shown = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", file],
                               capture_output=True, check=True, text=True).stdout
        ends = next(value for (name, *_), value in self.samples().items() if name == key)
        self.assertIn(time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(ends)), shown)

    def test_a_daemon_that_hangs(self):
        daemon = self.serve()
        self.drop("a")
        self.wait_sample(("outbox_message_outcomes_total", "delivered"), 1)
        daemon.signal(signal.SIGSTOP)
        samples = self.wait_sample(("outbox_up",), 0)
        self.assertEqual(samples["outbox_daemon_answers",], 0)
        self.assertEqual(samples["outbox_message_outcomes_total", "delivered"], 1)

    def test_what_the_manual_lists(self):
        """Every family with its labels, in that order, and no other."""
        self.serve()
        self.serve_lane('{ name = "bulk"; }')
        self.drop("a")
        self.wait_sample(("outbox_message_outcomes_total", "delivered"), 1)
        page = PAGE.read_text(encoding="utf-8").replace("\\-", "-")
        listed = re.findall(r"(?m)^\.TP\n\.B (outbox_\w+)(?: \{(.*)\})?\n(?!\.)", page)
        suffixes = {"counter": "_total", "info": "_info"}
        families = self.families()
        self.assertEqual([name for name, _ in listed],
                         [name + suffixes.get(family.type, "") for name, family in families.items()])
        labels = {name: set(filter(None, words.split(", "))) for name, words in listed}
        for name, family in families.items():
            for sample in family.samples:
                self.assertEqual(set(sample.labels) - {"le"}, labels[name + suffixes.get(family.type, "")], sample)

    def test_both_forms_say_the_same(self):
        self.serve()
        self.drop("a")
        self.wait_sample(("outbox_message_outcomes_total", "delivered"), 1)

        def read(families):
            return {(s.name, *sorted(s.labels.items())) for family in families for s in family.samples if
                    not s.name.endswith("_created")}

        text = self.outbox("metrics", "--format", "text")
        self.assertEqual(read(read_text(text)), read(self.families().values()))
        self.assertEqual({family.type for family in read_text(text)}, {"gauge", "counter", "histogram"})
        for family in self.families().values():
            self.assertTrue(family.documentation, family)
            if family.unit:
                self.assertTrue(family.name.endswith("_" + family.unit), family)

    def test_many_messages(self):
        self.configure()
        for number in range(20000):
            (self.queue.path / f"m{number}.deferred").touch()
        self.assertEqual(self.samples()["outbox_messages", "deferred"], 20000)


class Files(MetricsTest):
    """For the textfile collector of node_exporter."""

    def test_file(self):
        self.configure()
        path = self.directory / "outbox.prom"
        path.write_text("old")
        self.assertEqual(self.outbox("metrics", "--output", path), "")
        self.assertIn("outbox_up", {family.name for family in read_text(path.read_text())})
        self.assertNotIn("# EOF", path.read_text())
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o644)
        self.assertEqual([p.name for p in self.directory.glob("outbox.prom*")], ["outbox.prom"])

    def test_file_that_cannot_be_written(self):
        self.configure()
        path = self.directory / "nowhere" / "outbox.prom"
        done = self.outbox("metrics", "--output", path, status=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"cannot write {path}: No such file or directory".encode(), done.stderr)
        path = self.directory / "directory"
        path.mkdir()
        done = self.outbox("metrics", "--output", path, status=None)
        self.assertIn(f"cannot write {path}: Is a directory".encode(), done.stderr)
        self.assertEqual([p.name for p in self.directory.glob("directory*")], ["directory"])

    def test_options_that_do_not_go_together(self):
        self.configure()
        for arguments, words in ((("--http", "--output", "x"), b"--http does not go with"),
                                 (("--format", "xml"), b"not 'xml'"), (("x",), b"no argument is wanted")):
            done = self.outbox("metrics", *arguments, status=None)
            self.assertEqual(done.returncode, 64)
            self.assertIn(words, done.stderr)


class Http(MetricsTest):
    """One request, as outbox-metrics.socket hands it over."""

    def connect(self):
        """A client's end, and the process at the other one."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        ours.settimeout(60)
        process = subprocess.Popen([lab.program("outbox"), "--config", self.configuration, "metrics", "--http"],
                                   stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
        theirs.close()
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return ours, process

    def receive(self, client):
        data = b""
        while piece := client.recv(65536):
            data += piece
        client.close()
        head, _, content = data.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        return line, dict(field.split(": ", 1) for field in fields), content.decode()

    def ask(self, request):
        client, process = self.connect()
        client.sendall(request.encode())
        answer = self.receive(client)
        self.assertEqual(process.wait(), 0)
        return answer

    def get(self, path="/metrics", method="GET", accept="*/*"):
        return self.ask(f"{method} {path} HTTP/1.1\r\nHost: localhost:9925\r\nAccept: {accept}\r\n\r\n")

    def test_answers(self):
        self.configure()
        line, fields, content = self.get(accept="application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5")
        self.assertEqual((line, fields["Content-Type"]), ("HTTP/1.1 200 OK", OPEN))
        self.assertEqual(int(fields["Content-Length"]), len(content))
        self.assertIn("outbox_messages", {family.name for family in read_openmetrics(content)})
        line, fields, content = self.get()
        self.assertEqual((line, fields["Content-Type"]), ("HTTP/1.1 200 OK", TEXT))
        self.assertIn("outbox_messages", {family.name for family in read_text(content)})
        line, fields, nothing = self.get(method="HEAD")
        self.assertEqual((line, int(fields["Content-Length"]), nothing), ("HTTP/1.1 200 OK", len(content), ""))
        self.assertEqual(self.get("/")[0], "HTTP/1.1 404 Not Found")
        line, fields, _ = self.get(method="DELETE")
        self.assertEqual((line, fields["Allow"]), ("HTTP/1.1 405 Method Not Allowed", "GET, HEAD"))
        self.assertEqual(self.ask("EHLO there\r\n\r\n")[0], "HTTP/1.1 400 Bad Request")

    def test_too_much(self):
        """It is told so, whatever is sent behind it."""
        self.configure()
        line, _, _ = self.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n" + "X-More: yes\r\n" * 10000)
        self.assertEqual(line, "HTTP/1.1 431 Request Header Fields Too Large")

    def test_nothing_is_said(self):
        """Who says nothing is waited for three seconds, and nothing is looked at for him."""
        self.configure()
        client, process = self.connect()
        self.assertEqual(self.receive(client)[0], "HTTP/1.1 408 Request Timeout")
        self.assertEqual(process.wait(), 0)

    def test_a_request_that_does_not_end(self):
        self.configure()
        client, process = self.connect()
        try:
            for _ in range(600):
                client.sendall(b"G")
                time.sleep(0.2)
        except OSError:
            pass
        self.assertIsNotNone(process.wait(200))

    def test_who_is_gone(self):
        self.configure()
        client, process = self.connect()
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        client.close()
        self.assertIn(process.wait(200), (0, 75))

    def test_queue_that_cannot_be_read(self):
        self.configure(spool={"directory": str(self.directory / "nowhere")})
        client, process = self.connect()
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        line, _, content = self.receive(client)
        self.assertEqual(line, "HTTP/1.1 503 Service Unavailable")
        self.assertNotIn("nowhere", content)
        self.assertIn(b"nowhere", process.stderr.read())

    def test_it_has_given_up_what_it_could_do(self):
        """Before it reads an octet of the request."""
        self.configure()
        client, process = self.connect()
        client.sendall(b"GET")

        def is_confined():
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                return "\nSeccomp:\t2\n" in status.read()

        wait_for(is_confined, "a filter of system calls", 30)
        self.assertEqual(sorted(os.listdir(f"/proc/{process.pid}/fd")), ["0", "1", "2"])
        client.sendall(b" /metrics HTTP/1.0\r\n\r\n")
        self.assertEqual(self.receive(client)[0], "HTTP/1.1 200 OK")


class Watching(MetricsTest):
    """The rules of alerts and the dashboard that come with it."""

    RULES, DASHBOARD = lab.SOURCE / "etc/prometheus-alerts.yml", lab.SOURCE / "etc/grafana-dashboard.json"

    def promtool(self, *arguments, **options):
        if not shutil.which("promtool"):
            raise lab.Unavailable("promtool is not installed")
        return subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True,
                              cwd=self.directory, **options)

    def expressions(self):
        dashboard = json.loads(self.DASHBOARD.read_text(encoding="utf-8"))
        targets = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        variables = [one["definition"] for one in dashboard["templating"]["list"] if "definition" in one]
        self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))
        return [*targets, *variables, self.RULES.read_text(encoding="utf-8")]

    def test_names_are_those_of_metrics(self):
        self.serve()
        self.serve_lane('{ name = "bulk"; }')
        self.drop("a")
        self.wait_sample(("outbox_message_outcomes_total", "delivered"), 1)
        labels = {}
        for family in self.families().values():
            suffix = "_total" if family.type == "counter" else "_bucket" if family.type == "histogram" else ""
            labels[family.name + suffix] = {label for sample in family.samples for label in sample.labels}
        for expression in self.expressions():
            for name, matchers in re.findall(r"\b(outbox_\w+)(?:\{(.*?)\})?", expression):
                self.assertIn(name, labels)
                for label in re.findall(r"(\w+)\s*(?:=|!)", re.sub(r'"[^"]*"', "", matchers)):
                    self.assertIn(label, labels[name] | {"instance", "job"}, expression)

    def test_rules(self):
        shutil.copy(self.RULES, self.directory / "alerts.yml")
        shutil.copy(lab.SOURCE / "tests/data/metrics/alerts.test.yml", self.directory)
        for arguments in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")):
            done = self.promtool(*arguments)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_rule_is_tried(self):
        tests = (lab.SOURCE / "tests/data/metrics/alerts.test.yml").read_text(encoding="utf-8")
        for name in re.findall(r"- alert: (\w+)", self.RULES.read_text(encoding="utf-8")):
            self.assertRegex(tests, rf"alertname: {name}\n\s+exp_alerts:\n", name)

    def test_metrics_as_promtool_would_have_them(self):
        self.serve()
        self.drop("a")
        self.wait_sample(("outbox_message_outcomes_total", "delivered"), 1)
        done = self.promtool("check", "metrics", input=self.outbox("metrics", "--format", "text"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
