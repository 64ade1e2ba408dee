"""An Exim of the tests' own: two ports, GnuTLS, and every message kept as it came."""

import pathlib
import re
import shutil

from dovecot import PASSWORD, USER
from mail_server import MailServer
from process import Process, free_port

# Where scripts/install-packages has unpacked it: beside Postfix it cannot be installed.
PROGRAM = pathlib.Path("/var/cache/outbox-lab/exim4-daemon-heavy/usr/sbin/exim4")
OWNER = "Debian-exim"  # compiled in

# What a test may set otherwise. For whatever is neither here nor below, Exim's own defaults hold.
OPTIONS = {
    "tls_certificate": "{directory}/etc/certificate",
    "tls_privatekey": "{directory}/etc/key",
    "tls_advertise_hosts": "*",
    "chunking_advertise_hosts": "*",
    "dsn_advertise_hosts": "*",
    "smtputf8_advertise_hosts": "*",
}

# PLAIN and LOGIN are offered over TLS alone. The user "later" can never be told from others just now.
MAIN = """
exim_path = {program}
spool_directory = {directory}/spool
log_file_path = {directory}/log/%slog
deliver_drop_privilege = true
primary_hostname = mail.lab.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {smtp} : {smtps}
tls_on_connect_ports = {smtps}
log_selector = +all
acl_smtp_rcpt = rcpt
acl_smtp_expn = ask
acl_smtp_vrfy = ask
host_lookup =
check_spool_space = 0
smtp_accept_queue_per_connection = 0
{options}

begin acl
rcpt:
  deny local_parts = refused
       message = no such user here
  accept
ask:
  accept

begin routers
staff:
  driver = redirect
  local_parts = staff
  data = ann@lab.test, Bob <bob@lab.test>, carl@lab.test
nobody:
  driver = redirect
  local_parts = refused
  allow_fail
  data = :fail: no such user here
everybody:
  driver = accept
  transport = kept

begin transports
kept:
  driver = appendfile
  maildir_format
  directory = {directory}/mail
  return_path_add
  envelope_to_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if eq{{$auth2}}{{later}}{{the passwords are out of reach}}\\
    {{${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = $tls_in_cipher
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| User Name | Password
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
  server_advertise_condition = $tls_in_cipher
cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{user}}}{{{password}}}fail}}
  server_set_id = $auth1
{authenticators}
"""

TRACE_FIELDS = re.compile(
    rb"Return-path: <(?P<sender>[^\n]*)>\n"
    rb"Envelope-to: (?P<recipient>[^\n]*)\n"
    rb"Received: [^\n]*\n(?:[ \t][^\n]*\n)*"
)


class Exim(MailServer):
    """`port` has "smtp", which offers STARTTLS, and "smtps". An option of Exim's main section is given as
    options={NAME: VALUE}; `certificate` is the name of a certificate, and its key's."""

    log_name = "log/mainlog"
    inbox_name = "mail"
    trace_fields = TRACE_FIELDS

    def __init__(self, directory, certificates, certificate="localhost", options=None, authenticators=""):
        super().__init__(directory)
        self.port = {name: free_port() for name in ("smtp", "smtps")}
        self._lay_out(certificates, certificate)
        self.configuration = self.directory / "etc/exim.conf"
        self.configuration.write_text(
            MAIN.format(
                program=PROGRAM, directory=self.directory, user=USER, password=PASSWORD, **self.port,
                options=self._lines({**OPTIONS, **(options or {})}), authenticators=authenticators,
            ),
            encoding="ascii",
        )
        self.start()

    def _lines(self, options):
        return "\n".join(f"{name} = {value}" for name, value in options.items()).format(directory=self.directory)

    def _lay_out(self, certificates, certificate):
        for name in ("", "etc", "spool", "log", "mail"):
            (self.directory / name).mkdir(mode=0o755)
            shutil.chown(self.directory / name, OWNER)
        for path, name in ((certificates.certificate(certificate), "certificate"), (certificates.key(certificate), "key")):
            shutil.copy(path, self.directory / "etc" / name)
            shutil.chown(self.directory / "etc" / name, OWNER)

    def start(self):
        """Again, after stop(): with the same ports, and what it took."""
        self.process = Process(
            [PROGRAM, "-bdf", "-q1m", "-C", self.configuration], self.directory / "exim.output"
        )
        for port in self.port.values():
            self.process.wait_for_port(port)
