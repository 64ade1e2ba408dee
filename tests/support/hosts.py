"""Several hosts on this machine: a network of its own, on which the servers of a test run, and hosts that reach it.
Nothing of it is seen by the machine's own network, and all of it goes with its processes."""

import subprocess

from lab import need_namespace

DATABASE, RELAY = "10.0.0.1", "10.0.0.2"  # the servers' addresses
HOLDER = ("setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", "sh", "-c", "echo; exec sleep infinity")


class Network:
    """Where the servers are. What is started with `wrapper` in front is there."""

    def __init__(self):
        need_namespace("net")
        # Its shell writes once it is in a network of its own.
        self._holder = subprocess.Popen(HOLDER, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self._holder.stdout.readline()
        self.wrapper = ("nsenter", f"--net={self.path}", "--")
        self.ip("link", "set", "lo", "up")

    @property
    def path(self):
        return f"/proc/{self._holder.pid}/ns/net"

    def ip(self, *words):
        subprocess.run([*self.wrapper, "ip", *words], check=True, stdin=subprocess.DEVNULL)

    def close(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()


class Servers(Network):
    def __init__(self):
        super().__init__()
        self.hosts = []
        for address in (DATABASE, RELAY):
            self.ip("address", "add", f"{address}/32", "dev", "lo")

    def host(self):
        self.hosts.append(Host(self, len(self.hosts) + 1))
        return self.hosts[-1]

    def close(self):
        for host in self.hosts:
            host.close()
        super().close()


class Host(Network):
    """A machine with a cable to the servers."""

    def __init__(self, servers, number):
        super().__init__()
        self.servers, self.name = servers, f"host{number}"
        self.address, cable = f"10.0.{number}.2", f"cable{number}"
        servers.ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        servers.ip("address", "add", f"10.0.{number}.1/24", "dev", cable)
        servers.ip("link", "set", cable, "up")
        self.ip("address", "add", f"{self.address}/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self.ip("route", "add", "default", "via", f"10.0.{number}.1")

    def cut_from(self, server):
        """What goes to the server and comes from it is lost on the way, and nobody is told."""
        self.servers.ip("rule", "add", "from", server, "to", self.address, "blackhole")

    def join_to(self, server):
        self.servers.ip("rule", "del", "from", server, "to", self.address, "blackhole")
