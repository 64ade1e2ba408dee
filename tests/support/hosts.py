"""Several hosts on this machine: a network of its own, on which the servers of a test run, and hosts that reach it.
Nothing of it is seen by the machine's own network, and all of it goes with its processes."""

import subprocess

from lab import need_namespace

DATABASE, RELAY = "10.0.0.1", "10.0.0.2"  # the servers' addresses
# Its shell writes a line once it is in a network of its own.
HOLDER = ("setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", "--uts", "sh", "-c",
          "echo $0 > /proc/sys/kernel/hostname; echo; exec sleep infinity")


class Network:
    """A network and a name. What is started with `wrapper` in front has them."""

    def __init__(self, name):
        need_namespace("net")
        self.name = name
        self._holder = subprocess.Popen([*HOLDER, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self._holder.stdout.readline()
        here = f"/proc/{self._holder.pid}/ns"
        self.wrapper = ("nsenter", f"--net={here}/net", f"--uts={here}/uts", "--")
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        subprocess.run([*self.wrapper, "ip", *words], check=True, stdin=subprocess.DEVNULL)

    def close(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()


class Servers(Network):
    """Where the database and the relay are."""

    def __init__(self):
        super().__init__("servers")
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
        super().__init__(f"host{number}")
        self.servers = servers
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
