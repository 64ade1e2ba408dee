"""Programs that send mail, unchanged, in a machine whose systemd is real and whose sendmail is outbox's: what
arrived, from whom, and what their user saw when it could not. tests/system/test_programs.py starts it there."""

import email
import email.policy
import os
import pathlib
import pwd

from machine import SPOOL, Machine, configure, journal, main, run, shell
from process import wait_for
from smtp_frameworks import SmtpFrameworks
from smtp_programs import SmtpPrograms
from telling_programs import TellingPrograms

ME = "me@lab.test"  # where root's mail goes


def uid_of(user):
    return str(pwd.getpwnam(user).pw_uid)


class Programs(SmtpFrameworks, SmtpPrograms, TellingPrograms, Machine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for user in ("alice", "bob", "mallory"):
            home = pathlib.Path("/home") / user
            home.mkdir(exist_ok=True)
            os.chown(home, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)

    def setUp(self):
        self.configure(self.lab.relay("plain", name="relay"))
        run("systemctl", "reset-failed", status=None)
        run("systemctl", "start", "outbox-submit.socket")
        run("systemctl", "restart", "outboxd")

    def tearDown(self):
        run("systemctl", "stop", "outbox-submit.socket")
        super().tearDown()

    def configure(self, *relays):
        configure(*relays, submit_socket="/run/outbox/submit", local={"root": ME, "domain": "lab.test"})

    def copy_with(self, recipient, word):
        """Of the copies for him the one with this word in it, once it has come."""
        def find():
            return [copy for copy in self.postfix.copies(recipient) if word.encode() in copy.content]
        found = wait_for(find, f"a copy for {recipient} with {word}", 100)  # cron begins with a minute
        return email.message_from_bytes(found[0].content, policy=email.policy.default)

    def queued_by(self, word):
        """The user that the journal names for the message with that recipient, once it does: a copy is there before."""
        def told():
            return {e["OUTBOX_UID"] for e in journal("OUTBOX_EVENT=delivered") if e.get("OUTBOX_RECIPIENT") == word}
        return wait_for(told, f"the delivery to {word} in the journal", 60)

    # ---- what sends by itself ----

    def test_cron(self):
        """Of root, of a member and of a stranger; to himself, and by MAILTO, to one and to several."""
        tab = pathlib.Path("/etc/cron.d/outbox-test")
        tab.write_text("MAILTO=ops@lab.test\n* * * * * root echo from-roots-job\n"
                       "MAILTO=first@lab.test,bob\n* * * * * mallory echo to-several\n", encoding="ascii")
        tab.chmod(0o644)
        for user in ("alice", "mallory"):
            run("crontab", "-", user=user, stdin=f"* * * * * echo from-the-job-of-{user}\n")
        run("systemctl", "start", "cron")
        try:
            self.assertIn("from-roots-job", self.copy_with("ops@lab.test", "from-roots-job").get_content())
            for recipient in ("first@lab.test", "bob@lab.test"):
                self.assertIn("to-several", self.copy_with(recipient, "to-several").get_content())
            for user in ("alice", "mallory"):
                mail = self.copy_with(f"{user}@lab.test", f"from-the-job-of-{user}")
                self.assertIn("echo", mail["Subject"])
        finally:
            run("systemctl", "stop", "cron")
            tab.unlink()
            for user in ("alice", "mallory"):
                run("crontab", "-r", user=user)

    def test_at(self):
        run("systemctl", "start", "atd")
        self.addCleanup(run, "systemctl", "stop", "atd")
        for user in ("alice", "mallory"):
            run("at", "now", user=user, stdin=f"echo from-at-of-{user}\n")
            self.copy_with(f"{user}@lab.test", f"from-at-of-{user}")
        run("at", "-m", "now", user="mallory", stdin="true says-nothing\n")  # is told of nevertheless
        def copies():
            return [c for c in self.postfix.copies("mallory@lab.test") if b"Output from your job" in c.content]
        wait_for(lambda: len(copies()) > 1, "mail of a job that says nothing", 60)

    def test_sudo(self):
        """It drops supplementary groups, and shows no error of the mail system's."""
        pathlib.Path("/etc/sudoers.d/outbox-test").write_text(
            "Defaults mail_always\nalice, mallory ALL=(ALL) NOPASSWD: /bin/true\n", encoding="ascii")
        for user in ("alice", "mallory"):
            run("sudo", "-n", "/bin/true", user=user)
            mail = self.copy_with(ME, f": {user} :")
            self.assertIn("SECURITY", mail["Subject"])

    # ---- what people and programs send with ----

    def send_by(self, recipient, *command, user, stdin="a line\n", content="a line"):
        run(*command, user=user, stdin=stdin)
        mail = self.copy_with(recipient, content)
        self.assertEqual(self.queued_by(recipient), {uid_of(user)})
        return mail

    def test_mail_programs(self):
        for user in ("root", "alice", "mallory"):
            for program, command in {
                "bsd-mailx": ["bsd-mailx", "-s", "by bsd-mailx"],
                "s-nail": ["s-nail", "-:/", "-s", "by s-nail"],
                "mutt": ["env", f"HOME=/tmp/{user}-home", "mutt", "-n", "-F", "/dev/null", "-s", "by mutt"],
            }.items():
                with self.subTest(program=program, user=user):
                    recipient = f"{user}-{program}@lab.test"
                    mail = self.send_by(recipient, *command, recipient, user=user)
                    self.assertEqual(mail["Subject"], f"by {program}")
                    self.assertIn(user, mail["From"])

    def test_bsd_mailx_names_a_sender_and_fields(self):
        for user in ("root", "mallory"):
            recipient = f"fields-{user}@lab.test"
            mail = self.send_by(recipient, "mail", "-a", "X-Kind: nightly",
                                "-a", "Content-Type: text/plain; charset=utf-8", "-r", "robot@lab.test", "-s", "with fields", recipient, user=user)
            self.assertEqual((mail["X-Kind"], mail["From"]), ("nightly", "robot@lab.test"))
            self.assertIn("utf-8", mail["Content-Type"])

    def test_reportbug(self):
        """Its own words for sendmail, and a copy to who reports."""
        report = "From: Mallory <mallory@lab.test>\nTo: bugs@lab.test\nX-Debbugs-Cc: mallory@lab.test\nSubject: broken\n\na line\n"
        mail = self.send_by("bugs@lab.test", "/usr/sbin/sendmail", "-oem", "-oi", "-t", user="mallory", stdin=report)
        self.assertEqual(mail["X-Debbugs-Cc"], "mallory@lab.test")

    def test_attachment_of_mutt(self):
        path = pathlib.Path("/tmp/report.bin")
        path.write_bytes(bytes(range(256)) * 50)
        path.chmod(0o644)
        mail = self.send_by("mutt-attached@lab.test", "mutt", "-n", "-F", "/dev/null", "-s", "with a file", "-a", str(path), "--",
                            "mutt-attached@lab.test", user="alice")
        (part,) = mail.iter_attachments()
        self.assertEqual(part.get_content(), path.read_bytes())

    def test_php(self):
        """mail() is sendmail -t -i."""
        script = 'exit(mail("{to}", "by php", "a line", "From: Shop <shop@lab.test>\r\nX-Shop: 1") ? 0 : 1);'
        for user in ("root", "alice", "mallory"):
            recipient = f"php-{user}@lab.test"
            mail = self.send_by(recipient, "php", "-d", "sendmail_path=/usr/sbin/sendmail -t -i", "-r", script.format(to=recipient), user=user)
            self.assertEqual((mail["Subject"], mail["X-Shop"]), ("by php", "1"))

    def test_php_in_a_sandbox(self):
        script = 'exit(mail("php-boxed@lab.test", "boxed", "a line", "From: Shop <shop@lab.test>") ? 0 : 1);'
        run("systemd-run", "--wait", "--pipe", "-q", "-p", "DynamicUser=yes", "-p", "ProtectSystem=strict", "-p", "NoNewPrivileges=yes",
            "php", "-r", script)
        self.assertEqual(self.copy_with("php-boxed@lab.test", "a line")["Subject"], "boxed")

    def test_git_send_email(self):
        shell("mkdir /home/alice/work && cd /home/alice/work && git init -q . && git -c user.name=Alice -c user.email=alice@lab.test commit -q --allow-empty -m 'A first change' "
              "&& git format-patch -q -1 --root --always", user="alice")
        shell("cd /home/alice/work && git -c user.name=Alice -c user.email=alice@lab.test send-email --quiet --confirm=never "
              "--to list@lab.test --cc second@lab.test 0001-*.patch", user="alice")
        self.assertIn("A first change", self.copy_with("list@lab.test", "first change")["Subject"])
        self.copy_with("second@lab.test", "first change")

    # ---- when it cannot ----

    def test_what_the_user_sees(self):
        """Nobody serves the socket: who may not write into the directory is told so; nothing is lost in silence."""
        run("systemctl", "stop", "outbox-submit.socket", "outboxd")
        for command in (["bsd-mailx", "-s", "x", "gone@lab.test"], ["/usr/sbin/sendmail", "gone@lab.test"]):
            told = run(*command, user="mallory", stdin="a line\n", status=None)
            self.assertIn("outboxd", told, command)
        run("bsd-mailx", "-s", "x", "later@lab.test", user="alice", stdin="a line\n")
        self.assertEqual(len(list(SPOOL.glob("*.queued"))), 1)
        run("systemctl", "start", "outboxd")
        self.copy_with("later@lab.test", "a line")

    def test_a_local_name_without_a_rule(self):
        """It has a domain here; what has none and no rule is told at once."""
        configure(self.lab.relay("plain", name="relay"), submit_socket="/run/outbox/submit", local={"root": ME})
        pathlib.Path("/etc/mailname").write_text("", encoding="ascii")
        told = run("/usr/sbin/sendmail", "root", user="mallory", stdin="to root\n")
        self.assertEqual(told, "")
        self.copy_with(ME, "to root")

    def test_owner_reads_and_deletes_his_own(self):
        self.configure(self.lab.relay(9, name="down"))
        run("systemctl", "restart", "outboxd")
        run("bsd-mailx", "-s", "mistake", "wrong@lab.test", user="mallory", stdin="a line\n")
        self.assertIn("wrong@lab.test", run("outbox", "list", user="mallory"))
        self.assertIn("1 message deleted", run("outbox", "delete", "--to", "wrong@lab.test", user="mallory"))
        self.assertEqual(list(SPOOL.glob("*.queued")), [])


if __name__ == "__main__":
    main(Programs)
