"""The tests of the unit, run as root in a machine whose systemd is real: tests/system/test_systemd.py
starts it there."""

import contextlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

import dovecot
import lab
from case import as_delivered, message
from machine import CONFIGURATION, SPOOL, Machine, configure, journal, main, run, shell
from metrics_unit import MetricsUnit
from process import wait_for
from receiving_unit import ReceivingUnit
from token_server import TokenServer

PASSWORD = "wonder land"


class Unit(ReceivingUnit, MetricsUnit, Machine):
    def test_start_and_deliver(self):
        self.assertEqual(run("systemctl", "is-active", "outboxd").strip(), "active")
        self.assertEqual(run("systemctl", "show", "-P", "User", "outboxd").strip(), "outbox")
        self.assertNotEqual(run("systemctl", "show", "-P", "StatusText", "outboxd").strip(), "")
        self.drop("one", message(to=["one@lab.test"]))
        self.assertEqual(
            self.wait_copy("one@lab.test").content, as_delivered(message(envelope=False))
        )

    def test_members_drop_but_neither_list_nor_read(self):
        configure(self.lab.relay(9, name="down"))
        run("systemctl", "restart", "outboxd")
        self.drop("private", message(to=["two@lab.test"]))
        self.assertIn("denied", shell(f"ls {SPOOL}", user="alice", status=None))
        self.assertIn("denied", shell(f"cat {SPOOL}/private.queued", user="bob", status=None))
        moved = shell(f"mv {SPOOL}/private.queued {SPOOL}/mine.queued", user="bob", status=None)
        self.assertIn("not permitted", moved)
        self.assertIn("denied", shell(f"echo x > {SPOOL}/x.queued", user="mallory", status=None))

    def test_member_queues_with_the_tool(self):
        path = run(
            "/usr/bin/outbox", "queue", "three@lab.test", user="bob",
            stdin=message(envelope=False).decode(),
        )
        self.assertRegex(path, rf"^{SPOOL}/.+\.queued\n$")
        self.wait_copy("three@lab.test")

    def open_socket(self):
        """With the default of the setting, which the laboratory takes away."""
        configure(self.lab.relay("plain", name="relay"), submit_socket="/run/outbox/submit")
        run("systemctl", "restart", "outboxd")

    def submit(self, *command, user="mallory", to="nobody@lab.test"):
        """Queues as somebody outside the group; the path."""
        return run(*command, "/usr/bin/outbox", "queue", to, user=user, stdin=message(envelope=False).decode())

    def test_stranger_queues_through_the_socket(self):
        self.open_socket()
        path = self.submit(to="six@lab.test")
        self.assertRegex(path, rf"^{SPOOL}/.+\.queued\n$")
        self.assertEqual(self.wait_copy("six@lab.test").content, as_delivered(message(envelope=False)))
        name = pathlib.Path(path.strip()).stem
        wait_for(lambda: journal(f"OUTBOX_ID={name}", "OUTBOX_EVENT=delivered"), "the delivery in the journal")
        uid = str(pwd.getpwnam("mallory").pw_uid)
        self.assertEqual({e["OUTBOX_UID"] for e in journal(f"OUTBOX_ID={name}")}, {uid})
        run("/usr/sbin/sendmail", "-i", "seven@lab.test", user="mallory", stdin=message(envelope=False).decode())
        self.wait_copy("seven@lab.test")
        # In the sandbox of the unit the daemon starts the tool, which answers him.
        self.assertEqual(run("/usr/bin/outbox", "list", "--json", user="mallory"), "[]\n")

    def test_member_without_his_groups_queues_through_the_socket(self):
        """As sudo and cron may leave him: the directory is closed to him, the socket is not."""
        self.open_socket()
        bare = ("setpriv", "--reuid=alice", "--regid=alice", "--clear-groups")
        self.assertIn("denied", run(*bare, "sh", "-c", f"echo x > {SPOOL}/x.queued", status=None))
        name = pathlib.Path(self.submit(*bare, user=None, to="bare@lab.test").strip()).stem
        wait_for(lambda: journal(f"OUTBOX_ID={name}", "OUTBOX_EVENT=delivered"), "the delivery in the journal")
        self.assertEqual({e["OUTBOX_UID"] for e in journal(f"OUTBOX_ID={name}")}, {str(pwd.getpwnam("alice").pw_uid)})

    def test_confined_services_queue_through_the_socket(self):
        self.open_socket()
        for number, way in enumerate((("DynamicUser=yes",), ("User=mallory", "ProtectSystem=strict"),
                                      ("ProtectSystem=strict",))):
            options = [word for one in way for word in ("-p", one)]
            content = message(envelope=False).decode()
            run("systemd-run", "--wait", "--pipe", "-q", *options, "/usr/bin/outbox", "queue",
                f"confined{number}@lab.test", stdin=content)
            self.wait_copy(f"confined{number}@lab.test")

    def test_socket_waits_for_a_daemon_that_is_restarted(self):
        self.open_socket()
        run("systemctl", "stop", "outboxd")
        client = subprocess.Popen(["runuser", "-u", "mallory", "--", "/usr/bin/outbox", "queue", "eight@lab.test"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        client.stdin.write(message(envelope=False).decode())
        client.stdin.close()
        wait_for(lambda: run("systemctl", "is-active", "outboxd", status=None).strip() == "active",
                 "the daemon that the client started")
        self.assertEqual(client.wait(200), 0)
        client.stdout.close()
        self.wait_copy("eight@lab.test")

    def test_member_writes_slowly_into_the_directory(self):
        script = f"exec > {SPOOL}/slow.queued; head -c 60; sleep 3; cat"
        content = message(b"the last line\n", to=["slow@lab.test"])
        self.assertEqual(shell(script, user="alice", stdin=content.decode()), "")
        self.assertTrue(self.wait_copy("slow@lab.test").content.endswith(b"the last line\n"))

    def test_slow_writer_found_at_the_start(self):
        run("systemctl", "stop", "outboxd")
        content = message(b"the last line\n", to=["late@lab.test"])
        with open(SPOOL / "late.queued", "wb") as slow:
            slow.write(content[:60])
            slow.flush()
            run("systemctl", "start", "outboxd")
            self.drop("other", message(to=["other@lab.test"]))
            self.wait_copy("other@lab.test")
            shell("sleep 3")
            self.assertTrue((SPOOL / "late.queued").exists())
            slow.write(content[60:])
        self.assertTrue(self.wait_copy("late@lab.test").content.endswith(b"the last line\n"))

    def test_journal_tells_a_messages_story(self):
        self.drop("story", message(to=["four@lab.test", "refused@lab.test"]))
        self.wait_name("story.failed")
        wait_for(lambda: {"delivered", "refused", "failed"} <= {e["OUTBOX_EVENT"] for e in journal("OUTBOX_ID=story")},
                 lambda: journal("OUTBOX_ID=story"))
        entries = journal("OUTBOX_ID=story")
        events = {e["OUTBOX_EVENT"]: e for e in entries}
        refused = events["refused"]
        self.assertEqual(refused["OUTBOX_RECIPIENT"], "refused@lab.test")
        self.assertEqual(refused["OUTBOX_SENDER"], "shop@lab.test")
        self.assertEqual(refused["OUTBOX_RELAY"], "relay")
        self.assertEqual(refused["OUTBOX_CODE"], "550")
        self.assertEqual(refused["OUTBOX_ENHANCED"], "5.1.1")
        self.assertEqual(refused["OUTBOX_ATTEMPT"], "1")
        self.assertIn("no such user here", refused["OUTBOX_REPLY"])
        for field in ("OUTBOX_ADDRESS", "OUTBOX_STAGE", "OUTBOX_BYTES", "OUTBOX_DELAY_USEC"):
            self.assertIn(field, refused)
        self.assertIn("OUTBOX_ERROR", events["failed"])
        for entry in entries:
            self.assertRegex(entry["MESSAGE_ID"], r"^[0-9a-f]{32}$")
            self.assertRegex(entry["PRIORITY"], r"^[2-6]$")
            self.assertNotIn("Your order", json.dumps(entry))

    def test_catalog_explains_every_entry(self):
        run("journalctl", "--update-catalog")
        self.drop("explained", message(to=["five@lab.test"]))
        self.wait_copy("five@lab.test")
        for identity in {e["MESSAGE_ID"] for e in journal() if "OUTBOX_EVENT" in e}:
            self.assertIn("Defined-By: outbox", run("journalctl", "--dump-catalog", identity))

    def test_journal_is_not_rate_limited(self):
        count = 3000
        for number in range(count):
            (SPOOL / f".n{number}").write_bytes(message(to=[]) + b"")
            (SPOOL / f".n{number}").rename(SPOOL / f"n{number}.queued")
        wait_for(lambda: len(list(SPOOL.glob("n*.failed"))) == count, "all given up", 60)

        def told():
            return len({e["OUTBOX_ID"] for e in journal("OUTBOX_EVENT=failed") if e["OUTBOX_ID"].startswith("n")})

        wait_for(lambda: told() == count, lambda: f"{count} entries: {told()}")

    @contextlib.contextmanager
    def stopped_journald(self):
        """While nobody reads the journal's socket; it is full, and so is what is kept for it."""
        pid = int(run("systemctl", "show", "-P", "MainPID", "systemd-journald"))
        os.kill(pid, signal.SIGSTOP)
        try:
            for number in range(self.MANY):
                (SPOOL / f".{self.LONG}{number}").write_bytes(message(to=[]))
                (SPOOL / f".{self.LONG}{number}").rename(SPOOL / f"{self.LONG}{number}.queued")
            wait_for(lambda: len(list(SPOOL.glob("*.failed"))) == self.MANY, "all given up", 60)
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    LONG = "n" * 200
    MANY = 3000

    def test_journald_that_stops_holds_up_no_mail(self):
        with self.stopped_journald():
            self.drop("meanwhile", message(to=["nine@lab.test"]))
            self.wait_copy("nine@lab.test")

        def told():
            return [e for e in journal("OUTBOX_EVENT=problem") if "could not be" in e["MESSAGE"]]

        wait_for(told, "what is missing")
        lost = sum(int(e["MESSAGE"].split()[0]) for e in told())
        failed = [e for e in journal("OUTBOX_EVENT=failed")
                  if e.get("OUTBOX_OLD_ID", "").startswith(self.LONG)]
        self.assertGreater(lost, 0)
        self.assertIn(lost + len(failed), (self.MANY, self.MANY + 1))  # "meanwhile" may be among them
        self.drop("after", message(to=["ten@lab.test"]))
        wait_for(lambda: journal("OUTBOX_ID=after"), "an entry as ever")

    def test_journald_that_stops_holds_up_no_stop(self):
        pid = int(run("systemctl", "show", "-P", "MainPID", "outboxd"))
        with self.stopped_journald():
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the end of outboxd")
        result = wait_for(lambda: run("systemctl", "show", "-P", "Result", "outboxd").strip(), "")
        self.assertEqual(result, "success")

    def test_reload(self):
        configure(self.lab.relay("plain", name="renamed"))
        run("systemctl", "reload", "outboxd")
        self.drop("reloaded", message(to=["refused@lab.test"]))
        self.wait_name("reloaded.failed")
        self.assertEqual(wait_for(lambda: journal("OUTBOX_ID=reloaded"), "an entry")[0]["OUTBOX_RELAY"], "renamed")

    def test_reload_refuses_a_wrong_configuration(self):
        CONFIGURATION.write_text("relays = ( { hots = 1; } );\n", encoding="ascii")
        run("systemctl", "reload", "outboxd", status=1)
        wait_for(
            lambda: [e for e in journal() if e.get("OUTBOX_EVENT") == "reload-refused"], "an entry"
        )
        self.assertIn("hots", run("journalctl", "-u", "outboxd", "_COMM=outboxd", "-o", "cat", "-n", "20"))
        self.assertEqual(run("systemctl", "is-active", "outboxd").strip(), "active")
        self.drop("old", message(to=["six@lab.test"]))
        self.wait_copy("six@lab.test")

    def test_a_queue_elsewhere(self):
        """As outboxd(8) tells, word for word."""
        page = next(pathlib.Path("/usr").glob("**/man8/outboxd.8")).read_text()
        steps = page[page.index(".SS Moving the queue"):]
        commands = steps[steps.index(".EX") + 4:steps.index(".EE")].replace("\\-", "-").replace("\\e", "\\")
        place = pathlib.Path("/srv/mail")
        self.drop("waits", message(to=["refused@lab.test"]))
        self.wait_name("waits.failed")
        try:
            shell(f"set -e; {commands}")
            self.assertEqual([p.name for p in place.glob("waits.*")].count("waits.failed"), 1)
            shell("cat > /srv/mail/.new && mv /srv/mail/.new /srv/mail/moved.queued", user="alice",
                  stdin=message(to=["moved@lab.test"]).decode("utf-8"))
            self.wait_copy("moved@lab.test")
            self.assertIn("/srv/mail", run("outbox", "status"))
        finally:
            run("systemctl", "stop", "outboxd")
            shell("rm -rf /srv/mail /etc/systemd/system/outboxd.service.d /etc/tmpfiles.d/outbox-queue.conf; "
                  "systemctl daemon-reload; systemd-tmpfiles --create outbox-tmpfiles.conf")

    def test_who_delivers_is_told_to_who_may_list(self):
        wait_for(lambda: json.loads(run("outbox", "status", "--json"))["daemons"], "the daemon's words")
        daemon = json.loads(run("outbox", "status", "--json"))["daemons"][0]
        self.assertEqual(str(daemon["pid"]), run("systemctl", "show", "-P", "MainPID", "outboxd").strip())
        self.assertIn("denied", shell(f"cat {SPOOL}/.state-1", user="alice", status=None))
        shell(f"rm -f {SPOOL}/.state-1", user="alice", status=None)
        self.assertEqual((SPOOL / ".state-1").stat().st_mode & 0o777, 0o600)

    def test_killed_daemon_is_started_again(self):
        first = run("systemctl", "show", "-P", "MainPID", "outboxd")
        run("systemctl", "kill", "--signal=KILL", "outboxd")

        def started():
            now = run("systemctl", "show", "-P", "MainPID", "outboxd")
            active = run("systemctl", "is-active", "outboxd", status=None).strip() == "active"
            return active and now not in (first, "0\n")

        wait_for(started, "another process", 20)
        self.drop("after", message(to=["seven@lab.test"]))
        self.wait_copy("seven@lab.test")

    def test_wrong_configuration_is_not_tried_again(self):
        run("systemctl", "stop", "outboxd")
        CONFIGURATION.write_text("relays = ( { hots = 1; } );\n", encoding="ascii")
        self.assertIn("failed", run("systemctl", "start", "outboxd", status=1))
        shell("sleep 6")
        self.assertEqual(run("systemctl", "show", "-P", "NRestarts", "outboxd").strip(), "0")
        run("journalctl", "--sync")
        self.assertIn("hots", run("journalctl", "-u", "outboxd", "-n", "20"))

    def test_stop_is_clean(self):
        run("systemctl", "stop", "outboxd")
        self.assertEqual(run("systemctl", "show", "-P", "Result", "outboxd").strip(), "success")

    def test_password_by_credential(self):
        store = pathlib.Path("/etc/credstore")
        store.mkdir(mode=0o700, exist_ok=True)
        (store / "outbox.password").write_text(PASSWORD + "\n", encoding="ascii")
        (store / "outbox.password").chmod(0o600)
        relay = self.lab.relay("submission", name="relay", password_credential="password")
        del relay["password"]
        authority = pathlib.Path("/etc/outbox/ca.pem")
        authority.write_bytes(relay["tls_ca_file"].read_bytes())
        configure({**relay, "tls_ca_file": authority})
        run("systemctl", "restart", "outboxd")
        self.drop("login", message(to=["eight@lab.test"]))
        self.wait_copy("eight@lab.test")
        self.assertNotIn(PASSWORD, json.dumps(journal()))

    def test_tokens_are_sealed_with_a_credential(self):
        """What doc/oauth.md says to type, to the daemon's sealed file and back by the tool."""
        shell("mkdir -p /etc/credstore.encrypted && openssl rand -base64 32 | "
              "systemd-creds encrypt --name=token-key - /etc/credstore.encrypted/outbox.token-key")
        drop_in = pathlib.Path("/etc/systemd/system/outboxd.service.d/key.conf")
        drop_in.parent.mkdir(exist_ok=True)
        drop_in.write_text("[Service]\nLoadCredentialEncrypted=token-key:outbox.token-key\n", encoding="ascii")
        run("systemctl", "daemon-reload")
        tokens = TokenServer(self.lab.certificates, lambda *_: (
            200, {"access_token": dovecot.token(), "refresh_token": "refresh-2"}))
        try:
            authority = pathlib.Path("/etc/outbox/ca.pem")
            authority.write_bytes(self.lab.certificates.certificate("ca").read_bytes())
            configure({
                "name": "relay", "host": "localhost", "ip_version": 0, "port": self.lab.dovecot.port["submissions"],
                "tls": "implicit", "tls_ca_file": authority, "auth": "xoauth2", "user": "alice",
                "oauth_token_url": tokens.url(), "oauth_ca_file": authority, "oauth_client_id": "outbox",
                "oauth_token_file": "/var/lib/outbox/tokens", "oauth_token_key_credential": "token-key",
                "oauth_refresh_token_command": "echo refresh-1"})
            run("systemctl", "restart", "outboxd")
            self.drop("sealed", message(to=["sealed@lab.test"]))
            self.wait_copy("sealed@lab.test")
            self.assertTrue(pathlib.Path("/var/lib/outbox/tokens").read_text(encoding="ascii").startswith("sealed:1:"))
            run("outbox", "check")
            run("systemd-run", "--pipe", "--wait", "-p", "LoadCredentialEncrypted=token-key:outbox.token-key", "outbox", "check")
            self.assertEqual(tokens.grants(), ["refresh-1", "refresh-2", "refresh-2"])
        finally:
            tokens.close()
            drop_in.unlink()
            run("systemctl", "daemon-reload")

    def checked(self, *arguments, status=0):
        """The first relay as `outbox check` has it, by root."""
        said = run("outbox", "check", "--json", *arguments, status=status)
        return json.loads(said[said.index("[\n"):said.rindex("]") + 1])[0]

    def login(self, **settings):
        relay = self.lab.relay("submission", name="relay", **settings)
        del relay["password"]
        authority = pathlib.Path("/etc/outbox/ca.pem")
        authority.write_bytes(relay["tls_ca_file"].read_bytes())
        configure({**relay, "tls_ca_file": authority})

    def test_check_sees_what_the_daemon_sees(self):
        """Its user, its credentials and its sandbox; also while it does not run."""
        run("systemctl", "stop", "outboxd")
        shell("mkdir -p /etc/credstore && umask 077 && cat > /etc/credstore/outbox.password", stdin=PASSWORD + "\n")
        self.login(password_credential="password")
        found = self.checked()
        self.assertEqual((found["ok"], found["as"]),
                         (True, {"user": "outbox", "unit": "outboxd.service", "unseen": None}))
        text = run("outbox", "check")
        self.assertEqual(text.splitlines()[0],
                         "checked as user outbox, with the credentials and in the sandbox of outboxd.service")
        found = self.checked("--as-me", status=78)
        self.assertEqual(found["as"]["user"], "root")
        self.assertIn("CREDENTIALS_DIRECTORY is not set", found["text"])
        self.assertIn("without --as-me, root checks as the daemon", found["as"]["unseen"])
        # What root may read and the daemon may not.
        secret = pathlib.Path("/etc/outbox/root-only")
        secret.touch(mode=0o600)
        secret.write_text(PASSWORD + "\n", encoding="ascii")
        self.login(password_file=secret)
        self.assertTrue(self.checked("--as-me")["ok"])
        self.assertIn("Permission denied", self.checked(status=77)["text"])
        # What the sandbox hides: a home directory, and what others have put into /tmp.
        for place in ("/home/outbox-password", "/tmp/outbox-password"):
            shell(f"umask 022 && printf '#!/bin/sh\\necho {PASSWORD}\\n' > {place} && chmod 755 {place}")
            self.login(password_command=place)
            self.assertTrue(self.checked("--as-me")["ok"], place)
            self.assertFalse(self.checked(status=None)["ok"], place)
            pathlib.Path(place).unlink()
        # The probe, and a status that goes through.
        self.login(password_credential="password")
        found = self.checked("--probe", "refused@lab.test", status=69)
        self.assertEqual([reply["code"] for reply in found["probe"]], [250, 550, 250])
        self.assertEqual(run("systemctl", "list-units", "--all", "--plain", "--no-legend", "run-u*.service").strip(), "")

    def test_check_takes_drop_ins_and_leaves_the_unit_alone(self):
        drop_in = pathlib.Path("/etc/systemd/system/outboxd.service.d/check.conf")
        drop_in.parent.mkdir(exist_ok=True)
        before = run("systemctl", "show", "-P", "MainPID", "outboxd")
        drop_in.write_text("[Service]\n# a comment \\\nLoadCredential=other:/etc/outbox/other-password\n"
                           "Environment=\"WORDS=one two\" \\\n  LETTER=x\nRuntimeDirectory=outbox-there\n", encoding="ascii")
        shell("umask 077 && cat > /etc/outbox/other-password && mkdir -p /run/outbox-there", stdin=PASSWORD + "\n")
        try:
            run("systemctl", "daemon-reload")
            self.login(password_command='test "$WORDS$LETTER" = "one twox" && cat "$CREDENTIALS_DIRECTORY/other"')
            self.assertTrue(self.checked()["ok"])
            self.assertTrue(pathlib.Path("/run/outbox-there").is_dir(), "it was the daemon's")
            self.assertEqual(run("systemctl", "show", "-P", "MainPID", "outboxd"), before)
            pathlib.Path("/etc/outbox/other-password").unlink()
            said = run("outbox", "check", status=78)
            self.assertIn("243", said)
            self.assertIn("the daemon could not be started as outboxd.service says", said)
        finally:
            drop_in.unlink()
            run("systemctl", "daemon-reload")

    def test_password_that_a_user_has_encrypted(self):
        """With a key that the user cannot read, for the user alone: by `password_command`."""
        version = int(run("systemctl", "--version").split()[1])
        if version < 256:
            self.skipTest(f"users can encrypt from systemd 256 on; this is {version}")
        home = pathlib.Path("/home/alice")
        home.mkdir(mode=0o700)
        shutil.chown(home, "alice")
        encrypted, authority = home / "password.cred", pathlib.Path("/etc/outbox/ca.pem")
        relay = self.lab.relay("submission", name="relay",
                               password_command=f"systemd-creds --user decrypt --name=password {encrypted} -")
        del relay["password"]
        authority.write_bytes(relay["tls_ca_file"].read_bytes())
        path = lab.write_configuration(home / "outbox.conf", {"directory": SPOOL}, [{**relay, "tls_ca_file": authority}])
        path.chmod(0o644)
        run("systemd-creds", "--user", "encrypt", "--name=password", "-", encrypted, user="alice", stdin=PASSWORD + "\n")
        self.assertNotIn(PASSWORD.encode(), encrypted.read_bytes())
        said = run("outbox", "--config", path, "check", "-v", user="alice")
        self.assertRegex(said, r"235 2\.7\.0")
        self.assertNotIn(PASSWORD, said)
        shutil.chown(encrypted, "bob")
        home.chmod(0o755)
        self.assertIn("failed with status 1", run("outbox", "--config", path, "check", user="bob", status=None))

    def password_file(self, mode, group):
        path = pathlib.Path("/etc/outbox/password")
        path.write_text(PASSWORD + "\n", encoding="ascii")
        shutil.chown(path, "root", group)
        path.chmod(mode)
        relay = self.lab.relay("submission", name="relay", password_file=path)
        del relay["password"]
        authority = pathlib.Path("/etc/outbox/ca.pem")
        authority.write_bytes(relay["tls_ca_file"].read_bytes())
        configure({**relay, "tls_ca_file": authority})
        return path

    def test_upgrade_closes_the_password_to_those_who_queue(self):
        path = self.password_file(0o640, "outbox")
        self.assertIn(PASSWORD, run("cat", path, user="alice"))
        said = run("/usr/sbin/outboxd", "--check", status=78)
        self.assertIn("whose members may queue, can read the secret", said)
        run("systemd-tmpfiles", "--create", "outbox-tmpfiles.conf")
        self.assertIn("denied", run("cat", path, user="alice", status=None))
        run("systemctl", "restart", "outboxd")
        self.drop("upgraded", message(to=["twelve@lab.test"]))
        self.wait_copy("twelve@lab.test")
        self.assertNotIn(PASSWORD, json.dumps(journal()))

    def test_what_the_message_says_to_type_is_enough(self):
        self.password_file(0o640, "outbox")
        shell(run("/usr/sbin/outboxd", "--check", status=78).split("`")[1])
        run("systemctl", "restart", "outboxd")
        self.drop("typed", message(to=["thirteen@lab.test"]))
        self.wait_copy("thirteen@lab.test")

    def test_member_queues_whatever_the_configuration_is(self):
        for text, mode in (("relays = ( { port = 99999; } );", 0o644), ("relays = (((", 0o644),
                           (None, 0o600), ("relays = (((", 0o600)):
            if text:
                CONFIGURATION.write_text(text, encoding="ascii")
            CONFIGURATION.chmod(mode)
            for command in (("/usr/bin/outbox", "queue"), ("/usr/sbin/sendmail", "-i", "fourteen@lab.test")):
                run("systemctl", "stop", "outboxd")
                said = run(*command, user="alice", stdin=message(to=["fourteen@lab.test"]).decode())
                self.assertNotIn("outbox:", said)
                self.assertEqual(len(list(SPOOL.glob("*.queued"))), 1)
                shell(f"rm {SPOOL}/*.queued")

    def test_directory_that_those_who_queue_cannot_know(self):
        other = pathlib.Path("/var/spool/other")
        other.mkdir(exist_ok=True)
        shutil.chown(other, "outbox", "outbox")
        other.chmod(0o3730)
        lab.write_configuration(CONFIGURATION, {"directory": other}, [self.lab.relay("plain", name="relay")])
        shutil.chown(CONFIGURATION, "outbox", "root")
        said = run("/usr/sbin/outboxd", "--check", status=78)
        self.assertIn("those who may queue there cannot read this file", said)
        shell(said.split("`")[1])
        self.assertIn("ok", run("/usr/sbin/outboxd", "--check"))
        run("/usr/bin/outbox", "queue", user="alice", stdin=message(to=["a@lab.test"]).decode())
        self.assertEqual(len(list(other.glob("*.queued"))), 1)
        shutil.rmtree(other)

    def test_default_directory_that_is_not_there(self):
        CONFIGURATION.chmod(0o600)
        run("systemctl", "stop", "outboxd", "outbox-submit.socket")
        said = run("/usr/bin/outbox", "queue", user="mallory", status=77, stdin=message().decode())
        self.assertIn("keep secrets in files of their own (password_file)", said)

    def test_address_that_is_no_host(self):
        def filters():
            return run("systemctl", "show", "-P", "IPAddressAllow", "outboxd")

        self.assertIn("192.0.0.0/3", filters())
        self.assertNotIn("ff00::", filters())

    def test_exposure(self):
        last = run("systemd-analyze", "security", "--no-pager", "outboxd").strip().splitlines()[-1]
        self.assertLessEqual(float(last.split(":")[1].split()[0]), 1.4, last)

    def test_daemon_cannot_do_what_it_need_not(self):
        pid = run("systemctl", "show", "-P", "MainPID", "outboxd").strip()
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        self.assertEqual(int(fields["CapEff"], 16), 1 << 28, "CAP_LEASE and no other")
        self.assertEqual(int(fields["CapBnd"], 16), 1 << 28)
        self.assertEqual(fields["NoNewPrivs"], "1")
        self.assertEqual(fields["Uid"].split()[0], str(pwd.getpwnam("outbox").pw_uid))


if __name__ == "__main__":
    main(Unit)
