"""Where the mail of the benchmarks goes: Postfix's smtp-sink, plain or behind a terminator of TLS, or behind a proxy that delays."""

import pathlib
import sys

from process import Process, free_port


def smtp_sink(directory, *options):
    """A sink that takes and forgets everything: its Process, with the attribute `port`."""
    port = free_port()
    sink = Process(["smtp-sink", "-u", "nobody", *options, f"127.0.0.1:{port}", "1000"], pathlib.Path(directory) / "smtp-sink.log")
    sink.wait_for_port(port)
    sink.port = port
    return sink


HAPROXY = """
global
    nbthread 1
    maxconn 2000
defaults
    mode tcp
    timeout connect 10s
    timeout client 300s
    timeout server 300s
frontend tls
    bind 127.0.0.1:{port} ssl crt {pem}
    default_backend sink
backend sink
    server sink 127.0.0.1:{sink}
"""


def tls_terminator(directory, certificates, sink_port):
    """haproxy, which ends TLS and hands the bytes to the sink."""
    directory, port = pathlib.Path(directory), free_port()
    pem = certificates.chain("localhost")
    (directory / "haproxy.cfg").write_text(HAPROXY.format(port=port, pem=pem, sink=sink_port))
    proxy = Process(["haproxy", "-f", directory / "haproxy.cfg", "-db"], directory / "haproxy.log")
    proxy.wait_for_port(port)
    proxy.port = port
    return proxy


def delaying_proxy(directory, sink_port, delay):
    """A proxy that holds every byte for `delay` seconds on its way in each direction."""
    port = free_port()
    proxy = Process([sys.executable, pathlib.Path(__file__).with_name("delay.py"), str(port), str(sink_port), str(delay)], pathlib.Path(directory) / "delay.log")
    proxy.wait_for_port(port)
    proxy.port = port
    return proxy
