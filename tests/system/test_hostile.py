"""Users of the machine who mean harm, as users of their own beside a drop box as it is installed, which
the daemon serves as its own user: what they may not do they cannot, and what they can holds nobody up."""

import fcntl
import os
import pathlib
import pickle
import signal
import subprocess
import time

import lab
from case import message
from odd_relay import RelayTest
from process import wait_for

KEEPER, ALICE, BOB, EVE = 61103, 61101, 61102, 61104
GROUP = 61100  # alice and bob are in it, eve is not
ACL = f"default:user::rw-,default:user:{KEEPER}:rw-,default:group::---,default:mask::rw-,default:other::---"
SOON = 60.0
HARDLINKS = pathlib.Path("/proc/sys/fs/protected_hardlinks")


def become(user):
    os.setgroups([GROUP] if user in (ALICE, BOB) else [])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def as_user(user, function, *arguments):
    """What the function gives, or raises, when that user calls it."""
    ours, its = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            become(user)
            try:
                result = (True, function(*arguments))
            except OSError as error:
                result = (False, error.errno)
            os.write(its, pickle.dumps(result))
        finally:
            os._exit(0)
    os.close(its)
    with os.fdopen(ours, "rb") as stream:
        good, value = pickle.loads(stream.read())
    os.waitpid(child, 0)
    if not good:
        raise OSError(value, os.strerror(value))
    return value


class HostileTest(RelayTest):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can become other users")
        path = self.queue.path
        os.chown(path, KEEPER, GROUP)
        path.chmod(0o3730)
        subprocess.run(["setfacl", "-m", ACL, path], check=True)
        self.own = self.directory / "own"  # where all may keep things
        self.own.mkdir()
        self.own.chmod(0o1777)

    def start_keeper(self, relay, ready=True, **settings):
        self.configure(self.settings(relay), **settings)
        os.chown(self.configuration, KEEPER, KEEPER)
        directory = self.lab.new_directory()
        directory.chmod(0o777)
        return self.start_again(ready, directory=directory, wrapper=[
            "setpriv", f"--reuid={KEEPER}", f"--regid={GROUP}", "--clear-groups"])

    def put(self, name, content=None, mode=0o640):
        """As the user who calls it: writes and renames."""
        temporary = self.queue.path / f".{os.getuid()}.{time.monotonic_ns()}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        os.write(descriptor, message(to=[f"{name}@lab.test"]) if content is None else content)
        os.close(descriptor)
        os.rename(temporary, self.queue.path / (name if "." in name else f"{name}.queued"))

    def drop_of(self, user, name, content=None, mode=0o640):
        as_user(user, self.put, name, content, mode)

    def path(self, name):
        return self.queue.path / name

    def check_soon(self, relay, *names):
        """Bob's messages go at once; how long the longest took."""
        longest = 0
        for name in names:
            begin = time.monotonic()
            self.drop_of(BOB, name)
            self.wait_taken(relay, name, seconds=SOON)
            longest = max(longest, time.monotonic() - begin)
        return longest

    def later(self):
        """A relay that puts those off whose name begins so, until the list is empty."""
        off = ["later"]
        relay = self.odd(lambda _, verb, argument: "451 not now" if verb == "RCPT" and any(
            argument.startswith(name) for name in off) else None)
        return relay, off

    def beside(self, user, function, *arguments):
        """That user does so until the test is over."""
        child = os.fork()
        if child == 0:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                become(user)
                function(*arguments)
            finally:
                os._exit(0)

        def end():
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

        self.addCleanup(end)


class Doors(HostileTest):
    def test_what_is_anothers(self):
        """Neither a member who knows its name nor a user who is none gets at a message or its record."""
        relay, _ = self.later()
        daemon = self.start_keeper(relay)
        self.drop_of(BOB, "later")
        self.queue.wait_state("later", "deferred")
        file, record = self.path("later.deferred"), self.path("later.status")
        for user in (ALICE, EVE):
            for function, *arguments in (
                    (os.listdir, self.queue.path), (os.open, file, os.O_RDONLY), (os.open, file, os.O_WRONLY),
                    (os.open, record, os.O_RDONLY), (os.unlink, file), (os.unlink, record), (os.truncate, file, 0),
                    (os.rename, file, self.path("later.queued")), (os.rename, file, self.own / "later"),
                    (os.utime, record, (1, 1)), (os.chmod, self.queue.path, 0o777),
                    (os.rename, self.queue.path, self.own / "queue"), (os.open, self.configuration, os.O_RDONLY),
                    (os.open, f"/proc/{daemon.pid}/environ", os.O_RDONLY)):
                with self.assertRaises(PermissionError, msg=f"{user}: {function} {arguments}"):
                    as_user(user, function, *arguments)
        with self.assertRaises(PermissionError):
            self.drop_of(EVE, "eve")
        self.assertEqual(self.queue.names(), ["later.deferred", "later.status"])

    def test_senders_are_judged_by_what_is_sent(self):
        """Alice writes another sender into her message in every window that she can find."""
        froms = []
        relay = self.odd(lambda _, verb, argument: froms.append(argument) if verb == "MAIL" else None)
        self.start_keeper(relay, spool={"senders": f"{ALICE}: alice@lab.test; *: shop@lab.test"})
        own = message(to=["any@lab.test"], sender="alice@lab.test")
        self.beside(ALICE, self.swap, own, own.replace(b"<alice@", b"<owner@"))
        wait_for(lambda: len(froms) > 50, "many of alice's messages")
        self.assertEqual({text.split()[0] for text in froms}, {"FROM:<alice@lab.test>"})

    def swap(self, own, forged):
        """Every other one ends as her own, so that there is always something to send."""
        for number in range(20000):
            contents = (forged, own, forged) if number % 2 else (own, forged, own)
            self.put(f"s{number}", own)
            for state in ("queued", "sending"):
                try:
                    with open(self.path(f"s{number}.{state}"), "rb+", buffering=0) as file:
                        for content in contents:
                            os.pwrite(file.fileno(), content, 0)
                except OSError:
                    pass


class Linked(HostileTest):
    """Where the machine lets everybody link what is not theirs."""

    def protect(self, value):
        before = HARDLINKS.read_text(encoding="ascii")
        self.addCleanup(HARDLINKS.write_text, before, encoding="ascii")
        try:
            HARDLINKS.write_text(value, encoding="ascii")
        except OSError:
            self.skipTest("this machine does not let fs.protected_hardlinks be set")

    def test_what_is_kept_is_not_sent_again(self):
        self.protect("0")
        relay, _ = self.later()
        daemon = self.start_keeper(relay, spool={"keep_sent": True})
        self.drop_of(BOB, "one")
        self.drop_of(BOB, "two", message(to=["two@lab.test", "too@lab.test"]))
        for name in ("one", "two"):
            self.queue.wait_state(name, "sent")
            as_user(ALICE, os.link, self.path(f"{name}.sent"), self.path(f"{name}.queued"))

        def given_up():
            daemon.flush()
            return len(self.queue.in_state("failed")) == 2

        wait_for(given_up, "the second names to be given up", 30)  # after ten seconds
        self.assertEqual(sorted(self.queue.in_state("sent")), ["one.sent", "two.sent"])
        for name in ("one", "two", "too"):
            self.assertEqual(relay.copies(f"{name}@lab.test"), 1)

    def test_linked_as_debian_has_it(self):
        self.protect("1")
        relay, _ = self.later()
        self.start_keeper(relay)
        self.drop_of(BOB, "later")
        self.queue.wait_state("later", "deferred")
        for name in ("later.deferred", "later.status"):
            for place in (self.path("x.queued"), self.path("later.queued"), self.own / "x"):
                with self.assertRaises(PermissionError):
                    as_user(ALICE, os.link, self.path(name), place)


class Adopted(HostileTest):
    def test_what_alice_put_beside_a_restored_message(self):
        """Hers is as long and as old as bob's, which are what the record can be told by."""
        relay, off = self.later()
        daemon = self.start_keeper(relay)
        for state in ("queued", "sending", "failed", "held"):
            self.drop_of(BOB, f"later-{state}", message(to=["boss@lab.test", f"later-{state}@lab.test"]))
            self.queue.wait_state(f"later-{state}", "deferred")
        daemon.terminate()
        for state in ("queued", "sending", "failed", "held"):
            his, hers = (self.path(f"later-{state}.{one}") for one in ("deferred", state))
            size = his.stat().st_size
            self.drop_of(ALICE, hers.name, b"x" * size, mode=0o600)
            as_user(ALICE, os.utime, hers, (1, his.stat().st_mtime))
        subprocess.run(["cp", "-a", self.queue.path, self.directory / "copy"], check=True)
        self.queue.path.rename(self.directory / "before")
        (self.directory / "copy").rename(self.queue.path)
        self.outbox("adopt", "--all")
        off.clear()
        daemon = self.start_keeper(relay)
        daemon.flush()
        self.wait_taken(relay, *(f"later-{state}" for state in ("queued", "sending", "failed", "held")))
        self.assertEqual(relay.copies("boss@lab.test"), 4)


class Floods(HostileTest):
    """Each goes on while bob's messages are to go at once."""

    NAMES = tuple(f"bob{number}" for number in range(4))

    def check_beside(self, function, *arguments):
        relay = self.odd()
        daemon = self.start_keeper(relay)
        self.beside(ALICE, function, *arguments)
        wait_for(lambda: self.queue.names(), "alice's first file")
        longest = self.check_soon(relay, *self.NAMES)
        print(f"# hostile: bob waited {longest:.2f} s at most beside {function.__name__}")
        self.assertTrue(daemon.is_running())

    def storm(self):
        """A file that becomes a message and none, as often as it can."""
        hidden, shown = self.path(".storm"), self.path("storm.queued")
        for _ in range(10000):
            hidden.touch()
            for _ in range(100):
                try:
                    hidden.rename(shown)
                    shown.rename(hidden)
                except FileNotFoundError:
                    break

    def hold_on(self):
        """Files that are leased, locked and open, under every name."""
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        files = []
        for number in range(150):
            self.put("hold.x")
            file = os.open(self.path("hold.x"), os.O_RDWR if number % 3 else os.O_RDONLY)
            if number % 3 < 2:
                fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK if number % 3 else fcntl.F_RDLCK)
            else:
                fcntl.flock(file, fcntl.LOCK_SH)
            state = ("queued", "sending", "deferred", "sent", "status")[number % 5]
            os.rename(self.path("hold.x"), self.path(f"hold{number}.{state}"))
            files.append(file)
        signal.pause()

    def grow_huge(self):
        """Terabytes of nothing, and headers and recipients without an end."""
        for number in range(1000):
            for name, start, size in (("tera", b"", 8 << 40), ("sparse", b"", 2 << 30),
                                      ("field", b"From: a@b\nX: " + b"y" * 10_000_000, None),
                                      ("people", b"X-Receiver: <u@lab.test>\n" * 400_000, None)):
                with open(self.path(".huge"), "wb") as file:
                    file.write(start)
                    if size:
                        file.truncate(size)
                os.rename(self.path(".huge"), self.path(f"{name}{number}.queued"))
            time.sleep(0.5)

    def shrink(self):
        """Messages that become shorter and longer while they are read."""
        content = message(to=["shrunk@lab.test"]) + b"y" * 70_000
        for number in range(20000):
            self.put(f"shrink{number}", content)
            for state in ("queued", "sending"):
                try:
                    with open(self.path(f"shrink{number}.{state}"), "rb+", buffering=0) as file:
                        for size in (0, 10, 300, 40_000, len(content)):
                            file.truncate(size)
                            os.pwrite(file.fileno(), content[:size], 0)
                except OSError:
                    pass

    def test_storm(self):
        self.check_beside(self.storm)

    def test_held_on_to(self):
        self.check_beside(self.hold_on)

    def test_huge(self):
        self.check_beside(self.grow_huge)

    def test_shrinking(self):
        self.check_beside(self.shrink)

    def test_in_the_place_of_the_marks(self):
        """What is called as the daemon's own directory of marks is left alone, and not used."""
        for number, make in enumerate((os.mkdir, os.mkfifo, lambda path: os.symlink("/etc", path),
                                       lambda path: os.symlink(".", path), lambda path: open(path, "w").close())):
            as_user(ALICE, make, self.path(".reading"))
            relay = self.odd()
            daemon = self.start_keeper(relay)
            self.check_soon(relay, f"bob{number}")
            self.assertEqual(daemon.terminate(), 0, daemon.output())
            subprocess.run(["rm", "-r", self.path(".reading")], check=number > 0)

    def test_in_the_place_of_the_temporary(self):
        relay = self.odd()
        as_user(ALICE, self.litter)
        daemon = self.start_keeper(relay)
        daemon.flush()
        self.check_soon(relay, *self.NAMES)
        self.queue.wait_gone(*self.NAMES)
        self.assertEqual(len(self.queue.names()), 1200)

    def litter(self):
        for number in range(300):
            for kind, make in enumerate((os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path),
                                         lambda path: open(path, "w").close())):
                path = self.path(f".tmp-{kind}-{number}")
                make(path)
                os.utime(path, (1, 1), follow_symlinks=False)
