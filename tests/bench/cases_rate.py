"""Benchmarks of rates: how fast mail gets out. Each function returns how many of its targets were missed."""

import os
import pathlib
import subprocess
import time

import peers
import sinks
from measure import Case, report
from queue_directory import ENVELOPE, HEADER, fill, message

SMALL = 4096
HERE = pathlib.Path(__file__).resolve().parent
SUPPORT = HERE.parent / "support"


def plain(port, **settings):
    return [{"name": "sink", "host": "127.0.0.1", "port": port, "tls": "none", **settings}]


def drain_rate(bench, relays, count=10000, synced=False, **options):
    """Messages a second of one run of the daemon on a fresh queue; `synced`: its files have reached the disk."""
    daemon = bench.daemon(relays)
    fill(daemon.queue, count, SMALL)
    if synced:
        os.sync()
    return daemon.drain(count, **options)


def postfix_rate(bench, port):
    client = peers.PostfixClient(bench.new_directory(), port)
    try:
        client.fill(3000, SMALL)
        return client.drain()
    finally:
        client.stop()


def nullmailer_rate(bench, port):
    programs = bench.peer("nullmailer-send").parents[2]
    peer = peers.Nullmailer(programs, bench.new_directory(), port)
    peer.fill(message(SMALL)[len(ENVELOPE):], 50)
    return peer.drain()


def drain(bench):
    """A queue of 10,000 messages against the limit and the peers."""
    sink = bench.sink()
    sample = bench.directory / "sample.eml"
    sample.write_bytes(message(SMALL)[len(ENVELOPE):])
    case = Case("drain 10,000 messages of 4 KB, plaintext", "messages/s", bench.runs)
    case.add("outboxd", lambda: drain_rate(bench, plain(sink.port)))
    case.add("outboxd, files on the disk", lambda: drain_rate(bench, plain(sink.port), synced=True))
    case.add("smtp-source -d -s 20", lambda: peers.smtp_source(sink.port, 20000, SMALL))
    case.add("Postfix, deferred queue", lambda: postfix_rate(bench, sink.port))
    case.add("curl in a loop", lambda: peers.curl_loop(sink.port, sample, 100))
    if bench.peer("msmtp"):
        case.add("msmtp in a loop", lambda: peers.msmtp_loop(bench.peer("msmtp"), sink.port, sample, 50))
    if bench.peer("nullmailer-send"):
        case.add("nullmailer", lambda: nullmailer_rate(bench, sink.port))
    case.measure()
    return report(
        case, "outboxd",
        [("smtp-source -d -s 20", 0.75, "at least"), ("Postfix, deferred queue", 8, "at least")],
    )


def secure(bench, port):
    ca = bench.certificates.certificate("ca")
    return [{"name": "sink", "host": "127.0.0.1", "port": port, "tls": "implicit", "tls_ca_file": ca}]


def tls(bench):
    """The same over TLS, the connections reused."""
    sink = bench.sink()
    proxy = bench.keep(sinks.tls_terminator(bench.new_directory(), bench.certificates, sink.port))
    case = Case("drain 10,000 messages of 4 KB over TLS", "messages/s", bench.runs)
    case.add("TLS", lambda: drain_rate(bench, secure(bench, proxy.port)))
    case.add("plaintext", lambda: drain_rate(bench, plain(sink.port)))
    case.measure()
    return report(case, "TLS", [("plaintext", 0.5, "at least")])


def journal(bench):
    """With a real journald that receives a line a message, in a throw-away machine of its own."""
    figures = bench.new_directory() / "figures"
    build = os.environ.get("OUTBOX_BUILD", "")
    command = [SUPPORT / "run-in-systemd", "--bind", bench.directory, "--", "/usr/bin/env", f"OUTBOX_BUILD={build}",
               "/usr/bin/python3", HERE / "journal_inside.py", figures, bench.runs]
    subprocess.run([str(c) for c in command], check=True)
    case = Case("drain 10,000 messages of 4 KB, each with its journal entry", "messages/s", bench.runs)
    for line in figures.read_text(encoding="ascii").splitlines():
        name, value = line.rsplit(" ", 1)
        case.figures.setdefault(name, []).append(float(value))
    return report(case, "to journald", [("to a file", 0.7, "at least")])


def roundtrip(bench):
    """A relay 50 ms away, 20 connections: the round trips alone are 50 ms a message and connection."""
    sink = bench.sink()
    proxy = bench.keep(sinks.delaying_proxy(bench.new_directory(), sink.port, 0.025))
    count, connections = 2000, 20
    # Connecting, greeting, EHLO, and the first message's MAIL to 354 are four round trips before the rhythm of one a message.
    ideal = (count / connections + 4) * 0.050

    def run():
        daemon = bench.daemon(plain(proxy.port, connections=connections))
        fill(daemon.queue, count, SMALL)
        start = time.monotonic()
        daemon.start()
        daemon.wait_empty()
        elapsed = time.monotonic() - start
        daemon.stop()
        return elapsed / ideal

    case = Case("2,000 messages, round trip 50 ms, 20 connections", "times the round trips alone", bench.runs)
    case.add("outboxd", run)
    case.measure()
    return report(case, "outboxd", [(None, 1.2, "at most")])


def large(bench):
    """One message of 100 MB, beside curl."""
    size = 100 * 1000 * 1000
    sink = bench.sink()
    proxy = bench.keep(sinks.tls_terminator(bench.new_directory(), bench.certificates, sink.port))
    sample = bench.directory / "large.eml"
    sample.write_bytes(message(size)[len(ENVELOPE):])
    ca = bench.certificates.certificate("ca")
    missed = 0
    for name, relays, url in (
        ("plaintext", plain(sink.port), f"smtp://127.0.0.1:{sink.port}"),
        ("TLS", secure(bench, proxy.port), f"smtps://127.0.0.1:{proxy.port}"),
    ):
        def outbox(relays=relays):
            daemon = bench.daemon(relays)
            daemon.start()
            fill(daemon.queue, 1, size, state="new")
            start = time.monotonic()
            (daemon.queue / "m0000000.new").rename(daemon.queue / "m0000000.queued")
            daemon.wait_empty()
            elapsed = time.monotonic() - start
            peaks.append(daemon.resident_kib("VmHWM") / 1024)
            daemon.stop()
            return size / elapsed / 1e6

        def curl(url=url):
            start = time.monotonic()
            subprocess.run(["curl", "-s", url, "--cacert", ca, "--mail-from", "a@example.org", "--mail-rcpt", "b@example.net", "-T", sample],
                           check=True, capture_output=True)
            return size / (time.monotonic() - start) / 1e6

        peaks = []
        case = Case(f"one message of 100 MB, {name}", "MB/s", bench.runs)
        case.add("outboxd", outbox)
        case.add("curl", curl)
        case.measure()
        missed += report(case, "outboxd", [("curl", 0.9, "at least")])
        print(f"  resident memory at its peak: {max(peaks):.1f} MiB")
    return missed


def fill_recipients(directory, messages, recipients):
    """Messages with many recipients each."""
    receivers = b"".join(b"X-Receiver: <user%d@example.net>\n" % i for i in range(recipients))
    content = b"X-Sender: <a@example.org>\n" + receivers + HEADER + b"x\n" * 500
    for i in range(messages):
        temporary = directory / f".new{i}"
        temporary.write_bytes(content)
        temporary.rename(directory / f"r{i}.queued")


def recipients(bench):
    """2,000 recipients in one message, and 50,000 over many: microseconds a recipient beside a message with 100."""
    sink = bench.sink()

    def run(messages, each):
        daemon = bench.daemon(plain(sink.port))
        fill_recipients(daemon.queue, messages, each)
        start = time.monotonic()
        daemon.start()
        daemon.wait_empty()
        elapsed = time.monotonic() - start
        daemon.stop()
        return elapsed * 1e6 / (messages * each)

    case = Case("time a recipient", "us", bench.runs)
    case.add("20 messages with 100", lambda: run(20, 100))
    case.add("1 message with 2,000", lambda: run(1, 2000))
    case.add("25 messages with 2,000", lambda: run(25, 2000))
    case.measure()
    missed = report(case, "1 message with 2,000", [("20 messages with 100", 1.5, "at most")])
    return missed + report(case, "25 messages with 2,000", [("20 messages with 100", 1.5, "at most")])
