"""A realm of the tests' own: a key distribution centre of MIT Kerberos, keytabs and tickets."""

import os
import pathlib
import subprocess

from process import Process, free_port

REALM = "LAB.TEST"
USER = "alice"
PROGRAM = "/usr/sbin/krb5kdc"

CLIENTS = """
[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {realm} = {{
    kdc = 127.0.0.1:{port}
  }}
[domain_realm]
  localhost = {realm}
  127.0.0.1 = {realm}
"""

CENTRE = """
[kdcdefaults]
  kdc_listen = 127.0.0.1:{port}
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {realm} = {{
    database_name = {directory}/principal
    key_stash_file = {directory}/stash
    acl_file = {directory}/acl
    max_life = 1h
  }}
[logging]
  kdc = FILE:{directory}/kdc.log
"""


class Kerberos:
    """`keytab` is the user's, `service_keytab` that of the services, named after their hosts."""

    def __init__(self, directory, services=("smtp/localhost",)):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o755)
        self.port = free_port()
        self.configuration = self.directory / "krb5.conf"
        for path, text in ((self.configuration, CLIENTS), (self.directory / "kdc.conf", CENTRE)):
            path.write_text(text.format(realm=REALM, port=self.port, directory=self.directory), encoding="ascii")
        self.environment = {"KRB5_CONFIG": str(self.configuration), "KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"),
                            "KRB5CCNAME": f"FILE:{self.directory}/no-tickets"}
        self.keytab, self.service_keytab = self.directory / "user.keytab", self.directory / "service.keytab"
        self._run("kdb5_util", "create", "-s", "-P", "the master's")
        for principal, keytab in ((USER, self.keytab), *((name, self.service_keytab) for name in services)):
            self._run("kadmin.local", "addprinc", "-randkey", principal)
            self._run("kadmin.local", "ktadd", "-k", keytab, principal)
        self.service_keytab.chmod(0o644)  # the servers of the tests have users of their own
        self.start()

    def _run(self, *command, **options):
        return subprocess.run([str(word) for word in command], env={**os.environ, **self.environment},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, **options)

    def start(self):
        self.process = Process([PROGRAM, "-n"], self.directory / "kdc.output",
                               env={**os.environ, **self.environment})
        self.process.wait_for_port(self.port)

    def add_service(self, name):
        """One whose key no server has."""
        self._run("kadmin.local", "addprinc", "-randkey", name)

    def kinit(self, name="tickets", life="1h"):
        """Gets tickets for the user; where they are, as in KRB5CCNAME."""
        self._run("kinit", "-k", "-t", self.keytab, "-l", life, "-c", self.directory / name, USER)
        return f"FILE:{self.directory / name}"

    def stop(self):
        self.process.stop()
