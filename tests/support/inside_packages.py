"""The life of the Debian packages on a machine whose systemd is real: installed, configured, upgraded, removed. The
tests go from one to the next, in the order of their names. tests/system/test_packages.py starts them there."""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import threading
import unittest

from machine import CONFIGURATION, SPOOL, main, run, shell
from odd_relay import OddRelay
from process import wait_for

PACKAGES = pathlib.Path("/usr/lib/outbox-packages")
OLDER = pathlib.Path("/usr/lib/outbox-packages-older")
OLD = pathlib.Path("/tmp/old-packages")
PASSWORD = pathlib.Path("/etc/outbox/password")
NAMES = ("liboutbox1", "outbox", "outbox-mta")
ME = "me@lab.test"
APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends")
SECRET = 'a "plugh-9481" with \\ and $HOME'


def packages(directory):
    return [next(directory.glob(f"{name}_*.deb")) for name in NAMES]


def make_old_packages():
    """Those of an older state of the source, where there are any; else the same with the number of an older version."""
    if OLDER.exists():
        shutil.copytree(OLDER, OLD)
        return
    OLD.mkdir()
    for package in packages(PACKAGES):
        tree = OLD / "tree"
        run("dpkg-deb", "-R", package, tree)
        control = tree / "DEBIAN/control"
        control.write_text(re.sub(r"\b1\.0\.0-\d+", "0.9.0-1", control.read_text(encoding="utf-8")), encoding="utf-8")
        run("dpkg-deb", "-Znone", "-b", tree, OLD / re.sub(r"_.*_", "_0.9.0-1_", package.name))
        shutil.rmtree(tree)


def install(directory=PACKAGES):
    return run(*APT, "install", *packages(directory))


def install_again(directory=PACKAGES):
    """apt refuses while packages that need a mail system, which it would have removed, have none."""
    return run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--install", *packages(directory))


def answers(**values):
    kinds = {"relay_tls": "select", "password": "password"}
    for name, value in values.items():
        run("debconf-set-selections", stdin=f"outbox outbox/{name} {kinds.get(name, 'string')} {value}\n")


def state(unit, verb="is-active"):
    return run("systemctl", verb, unit, status=None).strip()


def version(name="outbox"):
    return run("dpkg-query", "-W", "-f", "${Version}", name)


def is_known_to_debconf(secret):
    return secret.encode() in b"".join(p.read_bytes() for p in pathlib.Path("/var/cache/debconf").iterdir() if p.is_file())


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.relay = OddRelay()
        cls.addClassCleanup(cls.relay.close)
        run("useradd", "-m", "mallory")
        pathlib.Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)  # a machine whose services may be started
        make_old_packages()
        run("debconf-set-selections", stdin="man-db man-db/auto-update boolean false\n")  # it takes longer than all else

    def arrived(self, word, recipient=ME):
        """How often a message with this word has."""
        return sum(recipient in recipients and word.encode() in content for recipients, content in self.relay.accepted)

    def wait_mail(self, word, recipient=ME):
        wait_for(lambda: self.arrived(word, recipient), f"a mail with {word} to {recipient}; {self.relay.accepted}", 100)

    def reconfigure(self, *lines):
        """By a terminal, where each line answers a question."""
        text = "".join(f"{line}\n" for line in lines)
        return shell("script -qec 'dpkg-reconfigure -f teletype outbox' /dev/null", stdin=text)

    def test_1_without_an_answer(self):
        """Another mail system makes way. Nothing is started, and nothing fails; mail waits."""
        self.leave_mail_to_others()
        said = install()
        self.assert_others_are_told_of(said)
        self.assertIn("outbox is not started, for it has no relay: dpkg-reconfigure outbox", said)
        self.assertNotIn("Traceback", said)
        self.assertEqual((state("outboxd"), state("outboxd", "is-enabled")), ("inactive", "disabled"))
        self.assertEqual(state("outbox-submit.socket", "is-enabled"), "disabled")
        self.assertEqual(CONFIGURATION.read_bytes(), pathlib.Path("/usr/share/outbox/outbox.conf").read_bytes())
        database = "host=db.lab.test dbname=mail"  # they are built with what takes it
        self.assertEqual(run("outbox", "--set", f"spool.database={database}", "config", "spool.database").strip(), database)
        self.assertNotEqual(run("dpkg-query", "-W", "-f", "${db:Status-Status}", "postfix", status=None), "installed")
        for page in ("man8/sendmail.8", "man1/mailq.1", "man1/newaliases.1"):
            self.assertTrue(pathlib.Path(f"/usr/share/man/{page}.gz").exists(), page)
        run("/usr/sbin/sendmail", "someone@lab.test", stdin="kept over a purge\n")
        self.assertEqual(len(list(SPOOL.glob("*.queued"))), 2)

    def leave_mail_to_others(self):
        """A message in Postfix's queue, and what says by which relay nullmailer sent."""
        pathlib.Path("/etc/postfix/main.cf").touch()
        # Where Postfix has never been started nobody has made it, and its sendmail waits for it for ever.
        run("install", "-d", "-o", "postfix", "-g", "postdrop", "-m", "1730", "/var/spool/postfix/maildrop")
        run("/usr/sbin/sendmail", "-f", ME, "someone@lab.test", stdin="left to Postfix\n")
        pathlib.Path("/etc/nullmailer").mkdir()
        pathlib.Path("/etc/nullmailer/remotes").write_text("relay.lab.test smtp --port=2525 --starttls --user=u --pass=p\n", encoding="ascii")

    def assert_others_are_told_of(self, said):
        """With the commands, which work as they are told."""
        (mail,) = re.findall(r"outbox: messages wait in the queue of (\S+), .*: (\d+)\. .*: (outbox import .*)", said)
        self.assertEqual(mail[:2], ("postfix", "1"))
        shell(mail[2])
        self.assertIn(b"left to Postfix", next(SPOOL.glob("*.queued")).read_bytes())
        (command,) = re.findall(r"the relay that nullmailer had: (c=.*) && systemctl", said)
        sample = CONFIGURATION.read_bytes()
        shell(command)
        self.assertEqual(run("outbox", "config", "relays.host").strip(), "relay.lab.test")
        shell(command, status=66)  # the secret is there already: nothing is written over
        self.assertEqual(run("outbox", "config", "relays.host").strip(), "relay.lab.test")
        CONFIGURATION.write_bytes(sample)
        shutil.rmtree("/etc/nullmailer")

    def test_2_purge_leaves_mail(self):
        pathlib.Path("/etc/credstore").mkdir(exist_ok=True)
        for secret in (PASSWORD, pathlib.Path("/etc/credstore/outbox.password"), pathlib.Path("/var/lib/outbox/tokens")):
            secret.write_text("secret\n", encoding="ascii")
        said = run("dpkg", "--purge", "--force-depends", *NAMES)  # apt would take bsd-mailx along
        self.assertEqual(said.count("messages are left in /var/spool/outbox"), 1, said)
        self.assertEqual(len(list(SPOOL.glob("*.queued"))), 2)
        for path in ("/etc/outbox", "/var/lib/outbox", "/etc/credstore/outbox.password", "/usr/sbin/sendmail"):
            self.assertFalse(os.path.lexists(path), path)
        self.assertNotIn("outbox/", run("debconf-get-selections", status=None) if shutil.which("debconf-get-selections") else
                         pathlib.Path("/var/cache/debconf/config.dat").read_text(encoding="utf-8"))
        shutil.rmtree(SPOOL)

    def test_3_preseeded(self):
        answers(relay_host="127.0.0.1", relay_port=self.relay.port, relay_tls="none", root=ME)
        said = install_again(OLD)
        self.assertNotIn("not started", said)
        for unit in ("outboxd", "outbox-submit.socket"):
            self.assertEqual((state(unit), state(unit, "is-enabled")), ("active", "enabled"), unit)
        self.assertEqual(state("outbox-smtp.socket", "is-enabled"), "disabled")
        run("bsd-mailx", "-s", "by mailx", "root", user="mallory", stdin="from mailx\n")
        self.wait_mail("from mailx")
        tab = pathlib.Path("/etc/cron.d/outbox-test")
        tab.write_text("* * * * * root echo from-cron\n", encoding="ascii")
        run("systemctl", "start", "cron")
        self.addCleanup(tab.unlink)
        self.addCleanup(run, "systemctl", "stop", "cron")
        self.wait_mail("from-cron")

    def test_3_what_the_old_leaves(self):
        """A record of who had a message already, a failed one, and one put aside."""
        replies = {"later": "450 4.2.1 not now", "held": "450 4.2.1 not now", "refused": "550 5.1.1 nobody"}
        self.relay.answer = lambda _, verb, argument: replies.get(argument.partition("@")[0]) if verb == "RCPT" else None
        for word, names in {"half": ("first", "later"), "held": ("held",), "failed": ("refused",)}.items():
            run("/usr/sbin/sendmail", "-f", ME, *(f"{name}@lab.test" for name in names), stdin=f"old-{word}\n")
        wait_for(lambda: (len(list(SPOOL.glob("*.deferred"))), len(list(SPOOL.glob("*.failed")))) == (2, 1),
                 lambda: f"two deferred messages and a failed one: {os.listdir(SPOOL)}", 100)
        run("outbox", "hold", *(path.stem for path in SPOOL.glob("*.deferred") if b"old-held" in path.read_bytes()))
        self.assertEqual(len(list(SPOOL.glob("*.held"))), 1)
        self.relay.answer = lambda *_: None

    def test_4_what_the_old_left(self):
        """Is shown, and goes on where it was: who had it, had it."""
        if not OLDER.exists():
            self.skipTest("this clone has no older state of the source to build, see scripts/prove")
        shown = run("outbox", "list", "--json")
        for suffix in ("failed", "held"):
            self.assertIn(suffix, shown)
        for path in SPOOL.glob("*.failed"):
            self.assertIn("5.1.1", run("outbox", "show", path.stem))
        run("outbox", "retry", "--all", status=None)
        run("outbox", "release", "--all")
        for word, recipient in {"half": "later", "failed": "refused", "held": "held"}.items():
            self.wait_mail(f"old-{word}", f"{recipient}@lab.test")
        self.assertEqual([self.arrived(f"old-{word}", f"{name}@lab.test") for word, name in
                          (("half", "first"), ("half", "later"), ("failed", "refused"), ("held", "held"))], [1, 1, 1, 1])
        wait_for(lambda: not list(SPOOL.glob("[!.]*")), lambda: f"an empty queue: {os.listdir(SPOOL)}", 100)

    def test_4_upgrade_under_load(self):
        """Everything that was queued arrives once, whoever queued it, and whenever."""
        self.assertEqual(version(), "0.9.0-1")
        stop, queued, refused = threading.Event(), [], []

        def write(number):
            count = 0
            while not stop.is_set():
                key = f"load-{number}-{count}-end"
                count += 1
                result = subprocess.run(("/usr/sbin/sendmail", f"{key}@lab.test"), input=f"{key}\n", text=True,
                                        user="mallory" if number else None, capture_output=True, check=False)
                (refused if result.returncode else queued).append(key)

        writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
        for writer in writers:
            writer.start()
        try:
            wait_for(lambda: len(queued) > 20, "messages that are queued")
            install()
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        self.assertEqual((version(), version("outbox-mta")), (version("liboutbox1"),) * 2)
        self.assertNotEqual(version(), "0.9.0-1")
        self.assertEqual(state("outboxd"), "active")
        wait_for(lambda: not list(SPOOL.glob("*.queued")) and not list(SPOOL.glob("*.sending")), "an empty queue", 100)
        counts = collections.Counter(one for recipients, _ in self.relay.accepted for one in recipients)
        self.assertEqual([key for key in queued if counts[f"{key}@lab.test"] != 1], [])
        self.assertEqual([key for key in refused if counts[f"{key}@lab.test"]], [])

    def test_5_the_password(self):
        """It is in its file, in the relay's settings, and in no database."""
        said = self.reconfigure("127.0.0.1", self.relay.port, "1", "app", SECRET, ME)
        self.assertEqual(PASSWORD.read_text(encoding="utf-8"), SECRET + "\n", said)
        self.assertEqual((PASSWORD.stat().st_mode & 0o7777, PASSWORD.owner(), PASSWORD.group()), (0o600, "outbox", "root"))
        self.assertFalse(is_known_to_debconf("plugh-9481"))
        self.assertEqual(run("outbox", "config", "relays.user").strip(), "app")
        self.assertEqual(run("outbox", "config", "relays.password_file").strip(), str(PASSWORD))
        self.assertEqual(run("outbox", "config", "local.root").strip(), ME)
        self.reconfigure("127.0.0.1", self.relay.port, "none", "", ME)
        self.assertEqual(run("outbox", "config", "relays.user").strip(), "")

    def test_6_what_was_edited_stays(self):
        """Nobody can be asked: the administrator's file counts."""
        edited = CONFIGURATION.read_text(encoding="utf-8").replace(ME, "edited@lab.test") + "# my own line\n"
        CONFIGURATION.write_text(edited, encoding="utf-8")
        run("dpkg-reconfigure", "-f", "noninteractive", "outbox")
        self.assertEqual(CONFIGURATION.read_text(encoding="utf-8"), edited)
        run(*APT, "install", "--reinstall", *packages(PACKAGES))
        self.assertEqual(CONFIGURATION.read_text(encoding="utf-8"), edited)
        run("/usr/sbin/sendmail", "root", stdin="after the edit\n")
        self.wait_mail("after the edit", "edited@lab.test")

    def test_7_disabled_stays_disabled(self):
        run("systemctl", "disable", "--now", "outbox-submit.socket", "outboxd")
        run(*APT, "install", "--reinstall", *packages(PACKAGES))
        self.assertEqual((state("outboxd"), state("outboxd", "is-enabled")), ("inactive", "disabled"))
        run("systemctl", "enable", "--now", "outbox-submit.socket", "outboxd")

    def test_8_removed_and_back(self):
        edited = CONFIGURATION.read_bytes()
        run("dpkg", "--remove", "--force-depends", *NAMES)
        self.assertEqual(CONFIGURATION.read_bytes(), edited)
        self.assertFalse(os.path.lexists("/usr/sbin/sendmail"))
        self.assertNotEqual(state("outboxd"), "active")
        install_again()
        self.assertEqual((state("outboxd"), state("outbox-submit.socket")), ("active", "active"))
        run("/usr/sbin/sendmail", "root", stdin="after it came back\n", user="mallory")
        self.wait_mail("after it came back", "edited@lab.test")

    def test_8_then_autopkgtest(self):
        run(PACKAGES / "source/debian/tests/send")

    def test_8_then_by_autopkgtest(self):
        if not shutil.which("autopkgtest"):
            self.skipTest("autopkgtest is not installed (scripts/install-packages package)")
        said = run("autopkgtest", "-B", "--ignore-restrictions=isolation-machine", f"{PACKAGES}/source/", "--", "null")
        self.assertRegex(said, r"(?m)^send +PASS$")

    def test_9_no_other_mail_system(self):
        """What recommends a mail transport agent has one; without outbox-mta it would bring another."""
        run("dpkg", "--remove", "--force-depends", "cron", "at", "bsd-mailx")

        def would_install():
            said = run(*APT[:-1], "-s", "--install-recommends", "install", "cron", "at", "mdadm", "bsd-mailx")
            return set(re.findall(r"(?m)^Inst (\S+)", said))

        self.assertLessEqual({"cron", "at", "mdadm", "bsd-mailx"}, would_install())
        self.assertEqual([name for name in would_install() if re.match("exim|postfix|.*-mta$", name)], [])
        run(*APT, "purge", "outbox-mta")
        self.assertIn("exim4-base", would_install())


if __name__ == "__main__":
    main(Packages)
