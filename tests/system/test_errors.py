"""What goes wrong has the component's number, words that say what, where and why and what to do, and the
status of sysexits.h: in the tool, which ends with it, and in the daemon, which logs it."""

import fcntl
import subprocess

import lab
from case import message
from odd_relay import DROP, SILENCE, RelayTest
from preload import preload
from process import free_port

UNAVAILABLE, TEMPORARY, DENIED, WRONG = 69, 75, 77, 78
# The sanitizers' look for leaks needs a thread, and cannot trace what has become another user's.
NOBODY = ("env", "ASAN_OPTIONS=detect_leaks=0", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
FAR = "192.0.2.1"


def in_network(*commands):
    """A wrapper: a network of the program's own, made by these commands of ip(8)."""
    lab.need_namespace("net")
    script = "".join(f"ip {command} && " for command in commands) + 'exec "$@"'
    return ("unshare", "-n", "sh", "-c", script, "sh")


class ErrorTest(RelayTest):
    def check_error(self, number, status, *words, wrapper=(), relay=None, arguments=("send",), **settings):
        """The tool says this number and these words, and ends with this status."""
        self.configure({"host": "127.0.0.1", "port": 25, "tls": "none", **(relay or {})}, **settings)
        self.configuration.chmod(0o644)
        result = self.tool(*arguments, wrapper=wrapper)
        said = result.stderr.decode()
        self.assertEqual(result.returncode, status, said)
        self.assertRegex(said, rf"\Aoutbox: {number}: ")
        for word in words:
            self.assertIn(word, said)
        return said

    def tool(self, *arguments, wrapper=()):
        return subprocess.run(
            [*wrapper, lab.program("outbox"), "--config", str(self.configuration), *arguments],
            input=message(envelope=True), capture_output=True, check=False, timeout=300)

    def check_held(self, number, relay, *words, wrapper=()):
        """The daemon holds the relay for it, with the number in its log, and the message waits."""
        daemon = self.start({"tls": "none", "hold_first": "1h", "hold_max": "1h", **relay}, wrapper=wrapper,
                            confined=not wrapper)
        self.queue.drop("m", message())
        self.wait_log(daemon, f"error={number}")
        self.wait_log(daemon, "event=relay-held")
        for word in words:
            self.assertIn(word, daemon.output())
        self.assertEqual(daemon.terminate(), 0)
        self.assertEqual(self.queue.names(), ["m.queued"])


class Network(ErrorTest):
    """Errors of the kernel, in a network that has them: 10013, 10022, 10048, 10049, 10051, 10061, 10065."""

    UP = "link set lo up"

    def test_no_network(self):
        said = self.check_error(10051, TEMPORARY, "Network is unreachable", "check the network, routes",
                                wrapper=in_network(), relay={"host": FAR})
        self.assertIn(f"relay {FAR}:25, connect: cannot connect to {FAR} port 25", said)

    def test_daemon_without_network(self):
        self.check_held(10051, {"host": FAR, "port": 25}, FAR, "Network is unreachable", wrapper=in_network())

    def test_no_route(self):
        self.check_error(10065, TEMPORARY, "No route to host", "check the network, routes",
                         wrapper=in_network(self.UP, f"route add unreachable {FAR}"), relay={"host": FAR})

    def test_forbidden_route(self):
        self.check_error(10013, DENIED, "Permission denied", "this machine forbids it",
                         wrapper=in_network(self.UP, f"route add prohibit {FAR}"), relay={"host": FAR})

    def test_invalid_way(self):
        self.check_error(10022, TEMPORARY, "Invalid argument", "check the routes",
                         wrapper=in_network(self.UP, f"route add blackhole {FAR}"), relay={"host": FAR})

    def test_forbidden_port(self):
        self.check_error(10013, DENIED, "may not use that local_port", "CAP_NET_BIND_SERVICE",
                         wrapper=(*in_network(self.UP), *NOBODY), relay={"local_port": 80})

    def test_used_port(self):
        relay = self.odd(lambda talk, verb, argument: None)
        self.check_error(10048, TEMPORARY, "Address already in use", "another connection has local_port",
                         relay={"port": free_port(), "local_port": relay.port, "local_host": "127.0.0.1"})

    def test_address_of_another(self):
        self.check_error(10049, 75, "local_host must be an address of this machine", relay={"local_host": FAR})

    def test_nobody_there(self):
        self.check_error(10061, TEMPORARY, "Connection refused", "nothing listens there",
                         relay={"port": free_port()})
        self.check_held(10061, {"host": "127.0.0.1", "port": free_port()}, "nothing listens there")


class Names(ErrorTest):
    """Errors 11001, 11002, 102 and 163."""

    def test_unknown(self):
        """Where no name server can be asked, the first may be the second."""
        said = self.check_error(r"1100[12]", TEMPORARY, relay={"host": "no-such-host.invalid"})
        self.assertRegex(said, "there is no host no-such-host.invalid|cannot look up no-such-host.invalid")

    def test_no_address(self):
        self.check_error(102, WRONG, "outbox.conf:", "is no server's address", relay={"host": "0.0.0.0"})
        self.assertEqual(self.start_again(ready=False, arguments=["--check"]).wait(), WRONG)

    def test_no_host(self):
        self.check_error(163, WRONG, ".host: \"\" is empty", relay={"host": ""})
        self.configuration.write_text("relays = ( { port = 25; } );", encoding="ascii")
        result = self.tool("check")
        self.assertRegex(result.stderr.decode(), r"\Aoutbox: 163: .*no mail server is specified; set host")
        self.assertEqual(result.returncode, WRONG)

    def test_no_relay(self):
        self.configuration.write_text("", encoding="ascii")
        result = self.tool("send")
        self.assertRegex(result.stderr.decode(), r"\Aoutbox: 163: .*there is no relay to deliver to")
        self.assertEqual(result.returncode, WRONG)


class Processes(ErrorTest):
    """Error 10067: no thread and no process is to be had."""

    NONE = (*NOBODY, "prlimit", "--nproc=0")

    def test_no_thread(self):
        self.check_error(10067, TEMPORARY, "no thread can be had", "TasksMax=", wrapper=self.NONE,
                         relay={"host": "localhost"})


class Files(ErrorTest):
    """Errors of files: 10062, 10063, and what other file systems say: 10066, 10068, 10069, 10070, 10071."""

    OPEN = """
    int openat(int fd, const char *path, int flags, ...)
    {
        if (strstr(path, "outbox.conf")) {
            errno = ERROR;
            return -1;
        }
        return (int)syscall(SYS_openat, fd, path, flags, 0600);
    }
    int openat64(int fd, const char *path, int flags, ...) __attribute__((alias("openat")));
    """

    def check_file(self, number, status, *words, wrapper=()):
        result = self.tool("config", wrapper=wrapper)
        said = result.stderr.decode()
        self.assertRegex(said, rf"\Aoutbox: {number}: cannot read the configuration file ")
        for word in (*words, "name a readable file with --config"):
            self.assertIn(word, said)
        self.assertEqual(result.returncode, status)

    def test_loop(self):
        self.configuration.symlink_to(self.configuration)
        self.check_file(10062, 66, str(self.configuration), "Too many levels of symbolic links")

    def test_long_name(self):
        self.configuration = self.directory / ("x" * 256)
        self.check_file(10063, 66, str(self.configuration), "File name too long")

    def test_directory_in_the_place_of_a_message(self):
        """Error 10066, by the kernel: what is to be deleted is a directory, and not empty."""
        self.configure()
        (self.queue.path / "m.failed").mkdir()
        (self.queue.path / "m.failed/letter").write_text("x", encoding="ascii")
        result = self.tool("delete", "m")
        said = result.stderr.decode()
        self.assertRegex(said, r"\Aoutbox: 10066: .*/m.failed: cannot delete it; it is no message but a directory")
        self.assertIn("Directory not empty", said)
        self.assertEqual(result.returncode, TEMPORARY)
        self.assertTrue((self.queue.path / "m.failed/letter").exists())

    def test_message_that_is_being_sent(self):
        """Error 135: it cannot be changed now."""
        self.configure()
        path = self.queue.drop("m", message(), state="sending")
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            result = self.tool("hold", "m")
        self.assertRegex(result.stderr.decode(), r"\Aoutbox: 135: .*/m.sending: it is being sent; try again when")
        self.assertEqual(result.returncode, TEMPORARY)

    def test_other_file_systems(self):
        self.configure()
        for name, number, word in (("ENOTEMPTY", 10066, "Directory not empty"), ("EUSERS", 10068, "users"),
                                   ("EDQUOT", 10069, "quota"), ("ESTALE", 10070, "Stale file handle"),
                                   ("EREMOTE", 10071, "remote")):
            with self.subTest(name=name):
                wrapper = preload(self.directory, f"#define ERROR {name}\n" + self.OPEN)
                self.check_file(number, TEMPORARY, word, wrapper=wrapper)


class Server(ErrorTest):
    """What a relay does, in every stage: 161, 201, 1120. The text has the relay, the stage, its reply, and what
    to do."""

    # At its end what the relay says is of its own, or of the one recipient.
    STAGES = (("CONNECT", "greeting"), ("EHLO", "ehlo"), ("MAIL", "mail"), ("RCPT", "rcpt"), ("DATA", "data"),
              (".", "content"))

    def answering(self, what, at):
        relay = self.odd(lambda talk, verb, argument: what if verb in (at, at == "EHLO" and "HELO") else None,
                         extensions=())
        return {"port": relay.port, "timeout": 4 if what == SILENCE else 60, "timeout_by_stage": False}

    def said_of(self, what, at):
        self.configure({"host": "127.0.0.1", "tls": "none", **self.answering(what, at)})
        result = self.tool("send")
        return result.returncode, result.stderr.decode() + result.stdout.decode()

    def test_refusal(self):
        for verb, stage in self.STAGES:
            for reply, status in (("554 5.7.1 not you", UNAVAILABLE), ("451 4.7.1 not now", TEMPORARY)):
                with self.subTest(stage=stage, reply=reply):
                    code, said = self.said_of(reply, verb)
                    self.assertIn(reply, said)
                    self.assertRegex(said, rf"\b{stage}\b")
                    # A host that is not wanted may be let in later: that is no verdict on a message.
                    self.assertEqual(code, TEMPORARY if stage in ("greeting", "ehlo") else status, said)

    def test_silence(self):
        said = self.check_error(201, TEMPORARY, "timed out after 4 s while waiting for the reply to MAIL",
                                relay=self.answering(SILENCE, "MAIL"))
        self.assertIn("firewall", said)

    def test_drop(self):
        relay = self.answering(DROP, "MAIL")
        self.check_error(1120, TEMPORARY, "connection lost while waiting for the reply to MAIL",
                         f"127.0.0.1:{relay['port']}", "the server closed the connection", relay=relay)

    def test_nonsense(self):
        self.check_error(161, TEMPORARY, "no SMTP reply", "who is there", relay=self.answering("who is there", "MAIL"))

    def test_daemon(self):
        for number, what in ((161, "421 4.3.2 going down"), (201, SILENCE), (1120, DROP)):
            with self.subTest(number=number):
                self.check_held(number, {"host": "127.0.0.1", **self.answering(what, "CONNECT")}, "greeting")
                self.queue.path.joinpath("m.queued").unlink()
