"""Where the mail of the benchmarks goes: Postfix's smtp-sink, plain or behind a terminator of TLS, or behind a proxy that delays."""

import asyncio
import pathlib
import subprocess
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
    pem = directory / "haproxy.pem"
    pem.write_bytes(pathlib.Path(certificates.certificate("server")).read_bytes() + pathlib.Path(certificates.key("server")).read_bytes())
    (directory / "haproxy.cfg").write_text(HAPROXY.format(port=port, pem=pem, sink=sink_port))
    proxy = Process(["haproxy", "-f", directory / "haproxy.cfg", "-db"], directory / "haproxy.log")
    proxy.wait_for_port(port)
    proxy.port = port
    return proxy


def delaying_proxy(directory, sink_port, delay):
    """A proxy that holds every byte for `delay` seconds on its way in each direction."""
    port = free_port()
    proxy = Process([sys.executable, __file__, str(port), str(sink_port), str(delay)], pathlib.Path(directory) / "delay.log")
    proxy.wait_for_port(port)
    proxy.port = port
    return proxy


async def relay(reader, writer, delay):
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(delay, writer.write, data)
    loop.call_later(delay, writer.close)


async def serve(port, target, delay):
    async def connected(reader, writer):
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(relay(reader, to_writer, delay), relay(to_reader, writer, delay), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
