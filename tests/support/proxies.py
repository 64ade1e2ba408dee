"""Real proxies for the tests, each with the user "ann" where it wants a login, and one of SOCKS 4a, which
none of them speaks, of the tests' own."""

import hashlib
import importlib.util
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading

from listener import Listener
from process import Process, free_port

USER, PASSWORD = "ann", "throughThatWall7"

DANTE = """
logoutput: stderr
internal: {address} port = {port}
external: lo
clientmethod: none
socksmethod: {method}
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0/0 to: 0/0 }}
socks block {{ from: 0/0 to: 0/0 port = {refused} }}
socks pass {{ from: 0/0 to: 0/0 command: connect }}
"""

TINYPROXY = """
Port {port}
Listen {address}
Timeout 600
MaxClients 50
ConnectPort {allowed}
{login}
"""

SQUID = """
{listen}
visible_hostname proxy.lab.test
pid_filename none
cache_log {directory}/cache.log
access_log stdio:{directory}/access.log
coredump_dir {directory}
cache_effective_user proxy
netdb_filename none
cache deny all
pinger_enable off
dns_nameservers 127.0.0.1
udp_incoming_address 127.0.0.1
udp_outgoing_address 127.0.0.1
shutdown_lifetime 0 seconds
connect_timeout 5 seconds
{login}
acl refused port {refused}
http_access deny refused
{access}
"""

BASIC = """
auth_param basic program /usr/lib/squid/basic_ncsa_auth {directory}/basic
auth_param basic realm lab
"""
DIGEST = """
auth_param digest program /usr/lib/squid/digest_file_auth -c {directory}/digest
auth_param digest realm lab
auth_param digest nonce_max_count {uses}
"""
NTLM = """
auth_param ntlm program {program} --helper-protocol=squid-2.5-ntlmssp --configfile={directory}/smb.conf \
 --username={user} --domain=LAB --password={password}
auth_param ntlm keep_alive on
"""
NEGOTIATE = """
auth_param negotiate program /usr/bin/env KRB5_CONFIG={configuration} KRB5RCACHENAME=file2:{directory}/replays \
 /usr/lib/squid/negotiate_kerberos_auth -s HTTP/localhost -k {keytab}
auth_param negotiate keep_alive on
"""
KNOWN = """
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""

REFUSED_PORT = 9  # where none of them goes


class Missing(Exception):
    """This machine has no such proxy."""


def need(program, where="scripts/install-packages lab"):
    if not shutil.which(program):
        raise Missing(f"{program} is not installed ({where})")


class Proxy(Process):
    """Listens at `address` and `port`."""

    def __init__(self, arguments, directory, address, port):
        super().__init__(arguments, pathlib.Path(directory) / "output")
        self.address, self.port = address, port
        self.wait_for_port(port)

    def output(self):
        """With what it keeps a log of by itself."""
        logs = sorted(self.log.parent.glob("*.log"))
        return super().output() + "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)


def dante(directory, login=False, address="127.0.0.1"):
    """SOCKS 4 and 5; Debian 12 has it. Its users are PAM's, whose directory is another one for this
    process alone."""
    need("danted", "Debian 12 has it, in dante-server")
    port, pam = free_port(), directory / "pam.d"
    method = "pam.username" if login else "none"
    (directory / "danted.conf").write_text(
        DANTE.format(address=address, port=port, method=method, refused=REFUSED_PORT), encoding="ascii")
    command = ["danted", "-f", directory / "danted.conf"]
    if login:
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
            raise Missing("this machine has no mount name spaces, for the users of Dante")
        pam.mkdir()
        (pam / "sockd").write_text(
            f"auth required pam_pwdfile.so pwdfile {directory}/passwd\naccount required pam_permit.so\n",
            encoding="ascii")
        crypted = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, check=True)
        (directory / "passwd").write_bytes(USER.encode() + b":" + crypted.stdout)
        script = f"mount --bind {pam} /etc/pam.d && exec danted -f {directory}/danted.conf"
        command = ["unshare", "-m", "sh", "-c", script]
    return Proxy(command, directory, address, port)


def microsocks(directory, login=False, address="127.0.0.1"):
    """SOCKS 5 and nothing else."""
    need("microsocks")
    port = free_port()
    users = ["-u", USER, "-P", PASSWORD] if login else []
    return Proxy(["microsocks", "-i", address, "-p", str(port), *users], directory, address, port)


def tinyproxy(directory, allowed, login=False, address="127.0.0.1"):
    """HTTP to these ports, closing the connection behind each refusal."""
    need("tinyproxy")
    port = free_port()
    (directory / "tinyproxy.conf").write_text(
        TINYPROXY.format(port=port, address=address, allowed="\nConnectPort ".join(str(p) for p in allowed),
                         login=f"BasicAuth {USER} {PASSWORD}" if login else ""),
        encoding="ascii")
    return Proxy(["tinyproxy", "-d", "-c", directory / "tinyproxy.conf"], directory, address, port)


def _login_of_squid(directory, login, uses, realm):
    if login == "ntlm":  # Samba's own code, with a password in place of a domain
        need("ntlm_auth")
        (directory / "smb.conf").write_text(f"[global]\nprivate dir = {directory}\nlock directory = {directory}\n"
                                            f"state directory = {directory}\ncache directory = {directory}\n"
                                            f"pid directory = {directory}\n", encoding="ascii")
        return NTLM.format(program=shutil.which("ntlm_auth"), directory=directory, user=USER, password=PASSWORD)
    if login == "negotiate":
        return NEGOTIATE.format(configuration=realm.configuration, keytab=realm.service_keytab, directory=directory)
    text = {"": "", "basic": BASIC, "both": BASIC + DIGEST}[login]
    return text.format(directory=directory, uses=uses)


def squid(directory, login="", certificates=None, name="localhost", uses=50, realm=None):
    """HTTP, with "basic" logins, "both" of basic and digest, "ntlm", "negotiate" of a Kerberos realm, or none;
    with certificates over TLS, by the one of this name. `uses` of a nonce."""
    need("squid")
    port = free_port()
    listen = f"http_port 127.0.0.1:{port}"
    shutil.chown(directory, "proxy")
    if certificates:
        for kind, path in ("cert", certificates.certificate(name)), ("key", certificates.key(name)):
            shutil.copy(path, directory / kind)
            shutil.chown(directory / kind, "proxy")
        listen = f"https_port 127.0.0.1:{port} tls-cert={directory}/cert tls-key={directory}/key"
    crypted = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], capture_output=True, check=True).stdout
    (directory / "basic").write_bytes(USER.encode() + b":" + crypted)
    secret = hashlib.md5(f"{USER}:lab:{PASSWORD}".encode()).hexdigest()
    (directory / "digest").write_text(f"{USER}:lab:{secret}\n", encoding="ascii")
    (directory / "squid.conf").write_text(
        SQUID.format(listen=listen, directory=directory, refused=REFUSED_PORT,
                     login=_login_of_squid(directory, login, uses, realm),
                     access=KNOWN if login else "http_access allow all"), encoding="ascii")
    return Proxy(["squid", "-N", "-f", directory / "squid.conf"], directory, "127.0.0.1", port)


def gssapi_proxy(directory, realm, level=2, fault=""):
    """SOCKS 5 with GSSAPI and nothing else; gssapi_proxy.py says what its arguments mean."""
    if not importlib.util.find_spec("gssapi"):
        raise Missing("python3-gssapi is not installed (scripts/install-packages lab)")
    port = free_port()
    script = pathlib.Path(__file__).with_name("gssapi_proxy.py")
    command = ["env", f"KRB5_CONFIG={realm.configuration}", sys.executable, script, port, realm.service_keytab, level]
    return Proxy([str(word) for word in [*command, *([fault] if fault else [])]], directory, "127.0.0.1", port)


def join(one, other):
    """Hands the bytes of each to the other until both are done."""

    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    back = threading.Thread(target=copy, args=[other, one], daemon=True)
    back.start()
    copy(one, other)
    back.join()
    other.close()


def _read_to_nul(connection):
    text = b""
    while not text.endswith(b"\0"):
        data = connection.recv(1)
        if not data:
            raise OSError("it has gone")
        text += data
    return text[:-1].decode("ascii")


class Socks4a(Listener):
    """SOCKS 4 and 4a; keeps what it was asked for: (name or address, port, user)."""

    def __init__(self, users=None):
        self.asked = []
        self.users = users
        super().__init__(self._answer)

    def _answer(self, connection):
        head = connection.recv(8, socket.MSG_WAITALL)
        user = _read_to_nul(connection)
        host, port = socket.inet_ntoa(head[4:]), int.from_bytes(head[2:4], "big")
        if head[4:7] == b"\0\0\0" and head[7]:
            host = _read_to_nul(connection)
        self.asked.append((host, port, user))
        if self.users is not None and user not in self.users:
            connection.sendall(b"\0\x5d" + bytes(6))
            return
        try:
            other = socket.create_connection((host, port), 10)
        except OSError:
            connection.sendall(b"\0\x5b" + bytes(6))
            return
        other.settimeout(None)
        connection.sendall(b"\0\x5a" + bytes(6))
        join(connection, other)


def environment(**variables):
    """The test's environment without a proxy, and with these variables."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return {**kept, **variables}
