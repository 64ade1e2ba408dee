"""A Postfix of the tests' own: several ports, fixed answers, every message kept as it came."""

import pathlib
import re
import signal
import subprocess

from mail_server import MailServer
from process import Process, free_port, loopback, wait_for

MAIN = """
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/postfix.log
maillog_file_prefixes = {directory}
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C
alias_maps =
alias_database =
mydestination =
mynetworks = 127.0.0.0/8, [::1]/128
inet_interfaces = {interfaces}
inet_protocols = all
myhostname = mail.lab.test
biff = no
smtputf8_enable = yes
default_transport = error:5.7.1 this relay sends nothing on
relay_domains =

# Every domain is ours, every user has the one Maildir, and nothing in a message is changed.
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {directory}/mail
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
mailbox_size_limit = 0
virtual_destination_recipient_limit = 1
local_header_rewrite_clients =
always_add_missing_headers = no
message_drop_headers =
message_size_limit = {size_limit}
queue_minfree = 0

# The local part decides about a recipient.
smtpd_recipient_restrictions = check_recipient_access inline:{{
  {{ refused@ = 550 5.1.1 no such user here }},
  {{ refused2@ = 550 5.7.1 you may not write to this user }},
  {{ tempfail@ = 451 4.3.0 come back later }} }}
smtpd_relay_restrictions = permit_mynetworks reject
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 100000
smtpd_soft_error_limit = 100000
smtpd_client_connection_count_limit = 0
smtpd_recipient_limit = 5000

smtpd_sasl_type = dovecot
smtpd_sasl_path = {sasl}
cyrus_sasl_config_path = {cyrus}
smtpd_sasl_security_options = noanonymous
smtpd_sasl_tls_security_options = noanonymous
broken_sasl_auth_clients = no
smtpd_tls_chain_files = {chain}
smtpd_tls_CAfile = {ca}
smtpd_tls_security_level = none
smtpd_tls_loglevel = 1
tls_random_source = dev:/dev/urandom
"""

SERVICES = """
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
showq     unix n - n - - showq
"""

LOGIN = "-o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject"

# What each port offers. All have PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN and CHUNKING.
PORTS = {
    "plain": "",
    "opportunistic": "-o smtpd_tls_security_level=may -o smtpd_tls_loglevel=2",
    "submission": f"-o smtpd_tls_security_level=encrypt {LOGIN}",
    "submissions": f"-o smtpd_tls_wrappermode=yes -o smtpd_tls_security_level=encrypt {LOGIN}",
    "cyrus": f"-o smtpd_tls_security_level=encrypt {LOGIN} -o smtpd_sasl_type=cyrus -o smtpd_sasl_path=smtpd",
    "login_in_clear": f"{LOGIN} -o smtpd_tls_auth_only=no",
    "client_certificate": "-o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes",
    "wrong_name": "-o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files={wrong-name}",
    "expired": "-o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files={expired}",
    "stranger": "-o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files={stranger}",
    "modern": "-o smtpd_tls_security_level=may -o smtpd_tls_protocols=>=TLSv1.3",
    "chained": "-o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files={chained}",
    "small": "-o message_size_limit=20000",
    "no_chunking": "-o smtpd_discard_ehlo_keywords=chunking,silent-discard",
    "bare": "-o smtpd_discard_ehlo_keywords=pipelining,size,vrfy,etrn,starttls,auth,"
    "enhancedstatuscodes,8bitmime,dsn,chunking,smtputf8,silent-discard",
}

TRACE_FIELDS = re.compile(
    rb"Return-Path: <(?P<sender>[^\n]*)>\n"
    rb"X-Original-To: (?P<recipient>[^\n]*)\n"
    rb"Delivered-To: [^\n]*\n"
    rb"Received: [^\n]*\n(?:[ \t][^\n]*\n)*"
)


class Postfix(MailServer):
    """`port` maps the names of PORTS to numbers."""

    log_name = "postfix.log"
    inbox_name = "mail/all"
    trace_fields = TRACE_FIELDS

    def __init__(self, directory, certificates, sasl="", cyrus="", size_limit=40_000_000):
        super().__init__(directory)
        self.port = {name: free_port() for name in PORTS}
        self._lay_out(certificates, sasl, cyrus, size_limit)
        configuration = self.directory / "etc"
        subprocess.run(
            ["postfix", "-c", configuration, "check"],
            stdin=subprocess.DEVNULL, capture_output=True, check=True,
        )
        self.process = Process(
            ["/usr/lib/postfix/sbin/master", "-c", configuration, "-d"],
            self.directory / "master.log",
        )
        for port in self.port.values():
            self.process.wait_for_port(port)

    def _lay_out(self, certificates, sasl, cyrus, size_limit):
        for name in ("", "etc", "queue", "data", "mail"):
            (self.directory / name).mkdir(mode=0o755)
        subprocess.run(["chown", "postfix", self.directory / "data"], check=True)
        (self.directory / "mail").chmod(0o777)
        (self.directory / "etc/sasl").symlink_to(cyrus)  # where Debian 12 has Cyrus SASL look
        (self.directory / "etc/main.cf").write_text(
            MAIN.format(
                directory=self.directory, interfaces=", ".join(address for address, _ in loopback()), sasl=sasl, cyrus=cyrus, size_limit=size_limit,
                chain=certificates.chain("localhost"), ca=certificates.certificate("ca"),
            ),
            encoding="ascii",
        )
        chains = {name: certificates.chain(name) for name in ("wrong-name", "expired", "stranger", "chained")}
        lines = [
            f"[{address}]:{self.port[name]} inet n - n - - smtpd {options.format(**chains)}\n"
            for name, options in PORTS.items() for address, _ in loopback()
        ]
        (self.directory / "etc/master.cf").write_text(SERVICES + "".join(lines), encoding="ascii")

    def is_idle(self):
        """Whether everything that was accepted has been delivered."""
        return not any(
            path.is_file()
            for name in ("incoming", "active", "maildrop", "deferred")
            for path in (self.directory / "queue" / name).rglob("*")
        )

    def _tls_processes(self):
        """Those that know the keys of TLS tickets: (process, when it began)."""
        found = set()
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = path.read_text(encoding="ascii").partition("(")[2].rpartition(")")
            except OSError:
                continue
            fields = rest.split()
            if name in ("smtpd", "tlsmgr") and int(fields[1]) == self.process.pid:
                found.add((path.parent.name, fields[19]))
        return found

    def reload(self):
        """As `postfix reload`: what is idle ends, and with it the keys of TLS tickets."""
        before = self._tls_processes()
        self.process.signal(signal.SIGHUP)
        wait_for(lambda: not before & self._tls_processes(), "Postfix is reloaded")
