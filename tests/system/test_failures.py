"""What goes wrong for a new user, and on a machine in trouble: the error says what to do, and no
message is lost."""

import os
import pathlib
import shutil
import subprocess

import lab
from case import SystemTest, message
from odd_relay import RelayTest
from process import free_port, wait_for
from slow_relay import SlowRelay

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


class Start(SystemTest):
    """The daemon does not start with what cannot work."""

    def check_does_not_start(self, status, *words, wrapper=()):
        daemon = self.start_again(ready=False, wrapper=wrapper)
        self.assertEqual(daemon.wait(), status, daemon.output())
        for word in words:
            self.assertIn(str(word), daemon.output())

    def write(self, text):
        self.configuration.write_text(text, encoding="utf-8")

    def test_misspelt_setting(self):
        self.write(
            f'spool = {{ directory = "{self.queue.path}"; }};\n'
            'relays = (\n  { host = "127.0.0.1";\n    prot = 25; }\n);\n'
        )
        self.check_does_not_start(78, f"{self.configuration}:4", "prot", "port")

    def test_every_mistake_is_named_at_once(self):
        self.write(
            f'spool = {{ directory = "{self.queue.path}"; keep_sent = "maybe"; }};\n'
            'relays = ( { host = "127.0.0.1"; port = 99999; tls = "sometimes"; } );\n'
        )
        self.check_does_not_start(78, "keep_sent", "port", "99999", "tls", "sometimes", "starttls")

    def test_syntax_error(self):
        self.write("spool = { directory = \n")
        self.check_does_not_start(78, f"{self.configuration}:")

    def test_no_relay(self):
        self.write(f'spool = {{ directory = "{self.queue.path}"; }};\n')
        self.check_does_not_start(78, "relay")

    def test_missing_configuration(self):
        self.configuration = self.directory / "missing.conf"
        self.check_does_not_start(78, self.configuration)

    def test_password_in_clear_to_elsewhere(self):
        self.write(
            f'spool = {{ directory = "{self.queue.path}"; }};\n'
            'relays = ( { host = "smtp.example.com"; tls = "none"; user = "a"; password = "b";'
            " auth_without_tls = true; } );\n"
        )
        self.check_does_not_start(78, "auth_without_tls", "yes, in clear")

    def test_missing_directory(self):
        self.configure(self.lab.relay(free_port()))
        self.queue.path.rmdir()
        daemon = self.start_again(ready=False)
        self.assertNotEqual(daemon.wait(), 0)
        self.assertIn(str(self.queue.path), daemon.output())

    def test_forbidden_directory(self):
        self.configure(self.lab.relay(free_port()))
        self.configuration.chmod(0o644)
        self.queue.path.chmod(0o700)
        daemon = self.start_again(ready=False, wrapper=AS_NOBODY, directory=self.nobodys_directory())
        self.assertNotEqual(daemon.wait(), 0)
        self.assertIn(str(self.queue.path), daemon.output())

    def nobodys_directory(self):
        path = self.lab.new_directory()
        path.chmod(0o777)
        return path

    def test_check_says_that_all_is_well(self):
        self.configure()
        daemon = self.start_again(ready=False, arguments=["--check"])
        self.assertEqual(daemon.wait(), 0, daemon.output())

    def test_check_finds_a_mistake(self):
        self.write("relays = 5;\n")
        daemon = self.start_again(ready=False, arguments=["--check"])
        self.assertEqual(daemon.wait(), 78, daemon.output())


class Relay(SystemTest):
    """A fault of the relay is never held against a message."""

    def check_waits(self, relay, *words):
        daemon = self.start(relay)
        self.queue.drop("m", message(to=[self.address()]))
        self.wait_log(daemon, "relay-held")
        for word in words:
            self.wait_log(daemon, word)
        self.queue.wait_names("m.queued")
        return daemon

    def test_relay_down_then_up(self):
        port = free_port()
        daemon = self.check_waits(self.lab.relay(port, name="far"), "far", "refused")
        sink, kept = self.lab.smtp_sink("-d", "m.")
        self.configure(self.lab.relay(sink, name="far"))
        daemon.reload()
        daemon.flush()
        self.queue.wait_gone("m")
        wait_for(lambda: list(kept.iterdir()), "the message in smtp-sink")

    def test_unknown_host(self):
        self.check_waits(self.lab.relay(25, host="no-such-host.invalid"), "on hold", "no-such-host.invalid")

    def test_greeting_refused(self):
        port, _ = self.lab.smtp_sink("-f", "CONNECT")
        self.check_waits(self.lab.relay(port), "hold")

    def test_second_relay_takes_over(self):
        ann = self.address()
        self.start(self.lab.relay(free_port(), name="dead"), self.lab.relay("plain"))
        self.queue.drop("m", message(to=[ann]))
        self.queue.wait_gone("m")
        self.wait_copies(1, ann)

    def test_connection_lost_at_the_end_of_the_message(self):
        port, _ = self.lab.smtp_sink("-q", ".")
        self.start(self.lab.relay(port), retry={"first": "1h", "max": "1h"})
        self.queue.drop("m", message(to=[self.address()]))
        wait_for(
            lambda: self.queue.has("m.deferred") or self.queue.has("m.queued"), "the message back"
        )
        self.assertEqual(self.queue.in_state("failed"), [])

    def test_data_refused_for_now(self):
        port, _ = self.lab.smtp_sink("-r", ".")
        self.start(self.lab.relay(port), retry={"first": "1h", "max": "1h"})
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_state("m", "deferred")
        self.assertEqual(self.queue.events("m", "deferred")[0]["code"] // 100, 4)

    def test_data_refused_for_good(self):
        port, _ = self.lab.smtp_sink("-f", ".")
        self.start(self.lab.relay(port))
        self.queue.drop("m", message(to=[self.address()]))
        self.queue.wait_state("m", "failed")
        self.assertEqual(self.queue.events("m", "refused")[0]["code"] // 100, 5)


class Files(SystemTest):
    def test_unreadable_file(self):
        """It may be another user's to send: it is left alone, said, and stops nothing."""
        self.configure()
        self.configuration.chmod(0o644)
        os.chown(self.queue.path, 65534, 65534)
        for state in ("queued", "sending"):
            path = self.queue.drop(f"m-{state}", message(to=[self.address()]), state=state)
            path.chmod(0o600)
        directory = self.lab.new_directory()
        directory.chmod(0o777)
        daemon = self.start_again(wrapper=AS_NOBODY, directory=directory)
        self.queue.drop("n", message(to=[self.address("bob")]))
        self.queue.wait_gone("n")
        self.wait_log(daemon, "m-queued.queued: left alone")
        self.wait_log(daemon, "m-sending.sending: left alone")
        self.queue.wait_names("m-queued.queued", "m-sending.sending")
        self.assertEqual(self.copies(self.address()), [])


class FullDisk(SystemTest):
    """On a file system of 256 KiB."""

    def setUp(self):
        super().setUp()
        self.disk = self.directory / "disk"
        self.disk.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "outbox-test", self.disk], check=True
        )
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)
        self.queue = lab.Queue(self.disk / "queue")
        self.queue.path.chmod(0o755)

    def fill(self):
        filler = pathlib.Path(self.disk / "filler")
        with open(filler, "wb", buffering=0) as out:
            try:
                while True:
                    out.write(b"x" * 4096)
            except OSError:
                return filler

    def test_queue_says_so_and_leaves_nothing(self):
        self.configure()
        body = b"x" * 70 + b"\n"
        result = self.outbox(
            "queue", stdin=message(body * 10_000, envelope=True), status=None
        )
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("space", result.stderr.decode())
        self.assertEqual(self.queue.names(), [])

    def test_nothing_is_lost_or_sent_twice(self):
        ann = self.address()
        self.queue.drop("m", message(to=[ann, "refused@lab.test"]))
        n = self.queue.drop("n", message(to=[self.address("ben")]))
        kept = n.open("rb")  # its end makes no room
        self.addCleanup(kept.close)
        filler = self.fill()
        daemon = self.start(retry={"first": "1s", "max": "1s"})
        # One recipient needs no record.
        self.wait_copies(1, self.address("ben"))
        self.wait_log(daemon, "no room to note who of its recipients has had it")
        self.assertEqual(self.copies(ann), [])
        filler.unlink()
        daemon.flush()
        self.queue.wait_state("m", "failed", seconds=40)
        self.wait_copies(1, ann)
        self.assertEqual(len(self.queue.events("m", "refused")), 1)
        self.assertEqual(len(self.queue.events("m", "failed")), 1)

    def test_stop_ends_although_nothing_can_be_written(self):
        for name in ("m", "n"):
            self.queue.drop(name, message(to=["refused@lab.test"]))
        filler = self.fill()
        daemon = self.start(daemon={"stop_timeout": "1s"})
        self.wait_log(daemon, "cannot write the delivery record")
        self.assertEqual(daemon.terminate(10), 0, daemon.output())
        self.assertTrue(self.queue.in_state("sending"), self.queue.names())
        for name in ("m", "n"):
            self.assertTrue(self.queue.has(f"{name}.sending") or self.queue.has(f"{name}.queued"))
        self.assertLess(len(daemon.output().splitlines()), 50)
        filler.unlink()
        self.start_again()
        for name in ("m", "n"):
            self.queue.wait_state(name, "failed", seconds=40)


class SmallFiles(RelayTest):
    """A process that may make no file larger than 1 KiB (ulimit -f): it is told of by errors, and ends
    nobody."""

    # What is logged goes through a process that may.
    WRAPPER = ("bash", "-c", 'exec 2> >(exec cat >&2); ulimit -S -f 1; exec "$@"', "bash")

    def test_daemon(self):
        refused = [f"refused{number}@lab.test" for number in range(20)]
        relay = self.odd(lambda talk, verb, argument:
                         "550 5.1.1 nobody" if verb == "RCPT" and argument in refused else None)
        daemon = self.start(self.settings(relay), daemon={"stop_timeout": "1s"}, wrapper=self.WRAPPER)
        self.queue.drop("m", message(to=refused))
        self.drop("n")
        self.wait_taken(relay, "n")
        self.wait_log(daemon, "File too large")
        subprocess.run(["prlimit", f"--pid={daemon.pid}", "--fsize=unlimited:"], check=True)
        self.queue.wait_state("m", "failed", seconds=40)
        self.assertEqual(len(self.queue.events("m", "refused")), len(refused))
        self.assertEqual(daemon.terminate(), 0, daemon.output())

    def test_queue(self):
        self.configure()
        result = subprocess.run(
            [*self.WRAPPER, lab.program("outbox"), "--config", self.configuration, "queue"],
            input=message(b"x" * 4000), capture_output=True, check=False)
        self.assertGreater(result.returncode, 0)
        self.assertIn(b"File too large", result.stderr)
        self.assertEqual(self.queue.names(), [])


class LastWords(SystemTest):
    """A daemon that ends in a directory which it may not write to names those whom it has sent to."""

    def setUp(self):
        super().setUp()
        shutil.chown(self.queue.path, "nobody", "nogroup")
        self.relay = SlowRelay(0, self.close_the_directory)
        self.addCleanup(self.relay.close)
        self.addCleanup(self.queue.path.chmod, 0o755)

    def close_the_directory(self, _content):
        self.queue.path.chmod(0)
        return b"250 ok"

    def start_as_nobody(self):
        self.configure(self.lab.relay(self.relay.port), daemon={"stop_timeout": "1s"})
        self.configuration.chmod(0o644)
        directory = self.lab.new_directory()
        directory.chmod(0o777)
        # The sanitizers' look for leaks cannot trace a process that has become another user's.
        wrapper = ("env", "ASAN_OPTIONS=detect_leaks=0", *AS_NOBODY)
        return self.start_again(wrapper=wrapper, directory=directory)

    def check_last_words(self, *recipients):
        daemon = self.start_as_nobody()
        self.queue.drop("m", message(to=recipients))
        self.wait_log(daemon, "event=problem")
        self.assertEqual(daemon.terminate(), 0)
        words = [line for line in daemon.output().splitlines() if "event=abandoned" in line]
        self.assertEqual(len(words), 1, daemon.output())
        self.assertIn(f"{len(recipients)} of {len(recipients)} recipients", words[0])
        self.assertIn("id=m", words[0])
        self.queue.path.chmod(0o755)
        self.assertEqual(self.queue.in_state("sending"), ["m.sending"])

    def test_one_recipient(self):
        self.check_last_words("ann@lab.test")

    def test_several_recipients(self):
        self.check_last_words("ann@lab.test", "bob@lab.test")

    def test_nothing_to_say_where_it_is_mended(self):
        daemon = self.start_as_nobody()
        self.queue.drop("m", message())
        self.wait_log(daemon, "event=problem")
        self.queue.path.chmod(0o755)
        self.queue.wait_gone("m", seconds=30)
        self.assertEqual(daemon.terminate(), 0)
        self.assertNotIn("event=abandoned", daemon.output())
