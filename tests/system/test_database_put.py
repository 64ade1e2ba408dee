"""Messages put into a database by `outbox queue` and sendmail: as they would be in the directory, once, and in pieces
where they are long."""

import hashlib
import os
import select
import subprocess
import sys

import lab
from case import message
from gate import Gate
from lab import program
from odd_relay import RelayTest
from test_database_init import DatabaseTest


class CutAt(Gate):
    """Who says these words is cut off, and the server never hears them."""

    def __init__(self, server, words):
        self.words = words
        super().__init__(server)

    def _pass_on(self, client, server):
        others = {client: server, server: client}
        while True:
            for one in select.select(list(others), [], [])[0]:
                data = one.recv(1 << 16)
                if not data or self.words in data:
                    return
                others[one].sendall(data)


class PutTest(DatabaseTest):
    def setUp(self):
        super().setUp()
        self.init()
        self.grant("app", "producer")
        self.grant("worker", "daemon")
        self.use("worker")

    def use(self, role):
        uri = self.database.uri(role, database="shop")
        text = f'spool = {{ directory = "{self.queue.path}"; database = "{uri}"; }};\n'
        self.configuration.write_text(text, encoding="ascii")
        self.configuration.chmod(0o644)

    def put(self, *arguments, stdin=message(), **options):
        """The message's id."""
        said = self.outbox("queue", *arguments, stdin=stdin, **options)
        self.assertRegex(said, r"\A\d+\n\Z")
        return int(said)

    def one(self, column, table="message"):
        rows = self.sql(f"SELECT {column} FROM outbox.{table}")
        self.assertEqual(len(rows), 1, rows)
        return rows[0][0]

    def content(self):
        return bytes.fromhex(self.one("encode(content, 'hex')"))


class Queue(PutTest):
    def test_everything_is_kept(self):
        text = (b"X-Sender: <shop@lab.test> RET=HDRS ENVID=42\r\nX-Receiver: <ann@lab.test> NOTIFY=SUCCESS\r\n"
                b"X-Receiver: <\"b \\\\ c\"@lab.test>\r\nX-Outbox-Lane: Bulk\r\n"
                b"From: shop@lab.test\r\nBcc: eve@lab.test\r\nSubject: x\r\n\r\nHello \xff\x00.\r\n")
        message_id = self.put(stdin=text)
        self.assertEqual(self.sql("SELECT id, uid, role, lane, sender, sender_parameters FROM outbox.message"), [
            [str(message_id), str(os.getuid()), "worker", "bulk", "shop@lab.test", "RET=HDRS ENVID=42"]])
        self.assertEqual(self.sql("SELECT number, address, parameters FROM outbox.recipient ORDER BY number"), [
            ["0", "ann@lab.test", "NOTIFY=SUCCESS"], ["1", '"b \\\\ c"@lab.test', ""]])
        self.assertEqual(self.content(), text[text.index(b"From:"):])
        self.assertEqual(self.one("message", "ready"), str(message_id))
        self.assertEqual([path for path in os.listdir(self.queue.path) if not path.startswith(".")], [])

    def test_composed(self):
        self.put("--from", "shop@lab.test", "--to", "ann@lab.test", "--subject", "Hi", "--body", "Text", stdin=b"")
        self.assertIn(b"Subject: Hi\r\n", self.content().replace(b"\n", b"\r\n").replace(b"\r\r", b"\r"))

    def test_not_yet(self):
        self.put("--not-before", "2h")
        self.assertEqual(self.one("due > now() + interval '1 hour'", "deferred"), "t")

    def test_who_queued_it_is_only_told_by_who_may(self):
        self.use("app")
        self.put()
        self.assertEqual(self.one("uid IS NULL"), "t")

    def test_a_directory_that_is_asked_for(self):
        said = self.outbox("queue", "--directory", str(self.queue.path), stdin=message())
        self.assertTrue(said.endswith(".queued\n"), said)
        self.assertEqual(self.one("count(*)"), "0")

    def test_a_batch_has_one_connection(self):
        self.sql("ALTER TABLE outbox.message ADD backend int DEFAULT pg_backend_pid()")
        files = [self.directory / f"{name}.eml" for name in "abcd"]
        for file in files:
            file.write_bytes(message())
        files[1].write_bytes(b"no message\n")
        said = self.outbox("queue", "--batch", *files, status=None)
        self.assertEqual((said.returncode, said.stdout.count(b"\n")), (65, 3))
        self.assertEqual(self.sql("SELECT count(*), count(DISTINCT backend) FROM outbox.message"), [["3", "1"]])
        self.outbox("import", "eml", *files[2:])
        self.assertEqual(self.sql("SELECT count(*), count(DISTINCT backend) FROM outbox.message"), [["5", "2"]])

    def test_cut_off(self):
        """Whether it was queued is not known once that was asked for, and not before."""
        for words, doubtful in ((b"has_function_privilege", False), (b"SELECT outbox.submit_as(", True)):
            with self.subTest(words):
                gate = CutAt(self.database.directory / f".s.PGSQL.{self.database.port}", words)
                self.addCleanup(gate.close)
                self.configuration.write_text(
                    f'spool = {{ database = "host=127.0.0.1 port={gate.port} dbname=shop user=worker"; }};\n',
                    encoding="ascii")
                said = self.outbox("queue", stdin=message(), status=None)
                self.assertEqual((said.returncode, said.stderr.count(b"\n")), (75, 1), said.stderr)
                self.assertEqual(b"it is not known whether the message was queued" in said.stderr, doubtful)

    def test_a_database_that_is_away_is_waited_for_once(self):
        files = [self.directory / f"{name}.eml" for name in "abc"]
        for file in files:
            file.write_bytes(message())
        self.configuration.write_text('spool = { database = "host=127.0.0.1 port=1"; };\n', encoding="ascii")
        for command in (["queue", "--batch"], ["import", "eml"]):
            said = self.outbox(*command, *files, status=None)
            lines = said.stderr.decode().splitlines()
            self.assertEqual((said.returncode, len(lines)), (75, 3), lines)
            self.assertIn("see whether it runs", lines[0])
            for line in lines[1:]:
                self.assertIn("the database did not answer, and is not asked again", line)

    def test_a_batch(self):
        for name in ("a", "b"):
            (self.directory / name).write_bytes(message())
        said = self.outbox("queue", "--batch", self.directory / "a", self.directory / "b")
        self.assertEqual(said.split(), [row[0] for row in self.sql("SELECT id FROM outbox.message ORDER BY id")])
        self.assertEqual(len(said.split()), 2)

    def test_a_key(self):
        first = self.put("--key", "order 1")
        self.assertEqual(self.put("--key", "order 1"), first)
        self.assertNotEqual(self.put("--key", "order 2"), first)
        self.assertEqual(self.one("count(*)"), "2")

    def test_a_key_without_a_database(self):
        self.configure()
        result = self.outbox("queue", "--key", "x", stdin=message(), status=None)
        self.assertEqual(result.returncode, 64)
        self.assertIn(b"spool.database", result.stderr)

    def test_no_message(self):
        result = self.outbox("queue", stdin=b"Subject: x\n\nNobody.\n", status=None)
        self.assertEqual(result.returncode, 65, result.stderr)
        self.assertEqual(self.one("count(*)"), "0")


class Sendmail(PutTest):
    def sendmail(self, *arguments, stdin):
        return subprocess.run(["sendmail", "-C", self.configuration, *arguments], executable=program("outbox"),
                              input=stdin, capture_output=True, check=False)

    def test_it_is_put_there(self):
        result = self.sendmail("-f", "shop@lab.test", "ann@lab.test", stdin=b"Subject: x\n\nHello.\n.\nmore\n")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(self.one("sender"), "shop@lab.test")
        self.assertEqual(self.one("address", "recipient"), "ann@lab.test")
        self.assertTrue(self.content().endswith(b"\n\nHello.\n"), self.content())

    def test_smtp(self):
        dialogue = (b"EHLO me\r\nMAIL FROM:<shop@lab.test> RET=HDRS\r\nRCPT TO:<ann@lab.test> NOTIFY=NEVER\r\nDATA\r\n"
                    b"Subject: x\r\n\r\nHello.\r\n.\r\nQUIT\r\n")
        result = self.sendmail("-bs", stdin=dialogue)
        self.assertIn(b"\n250 2.0.0 ", result.stdout)
        self.assertEqual(self.one("sender_parameters"), "RET=HDRS")
        self.assertEqual(self.one("parameters", "recipient"), "NOTIFY=NEVER")

    def test_no_database(self):
        """It is to be tried again, and says so."""
        text = self.configuration.read_text(encoding="ascii").replace("dbname=shop", "dbname=shop port=1")
        self.configuration.write_text(text, encoding="ascii")
        result = self.sendmail("-f", "shop@lab.test", "ann@lab.test", stdin=b"Subject: x\n\nHello.\n")
        self.assertEqual(result.returncode, 75, result.stderr)
        self.assertIn(b"see whether it runs", result.stderr)


class Large(PutTest):
    SIZE = 40 * 1024 * 1024

    def test_it_is_handed_over_in_pieces(self):
        """Of which one at a time is in memory."""
        text = message(b"0123456789abcdef" * (self.SIZE // 16), envelope=False)
        limited = ["prlimit", f"--as={200 * 1024 * 1024}", "--"]
        result = subprocess.run([*limited, program("outbox"), "--config", self.configuration, "queue", "ann@lab.test"],
                                input=text, capture_output=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(int(self.one("octet_length(content)")), len(text))
        self.assertEqual(self.one("encode(sha256(content), 'hex')"), hashlib.sha256(text).hexdigest())
        self.assertEqual(self.one("count(*)", "piece"), "0")

    def test_nothing_is_left_of_one_that_is_broken_off(self):
        reader = subprocess.Popen([program("outbox"), "--config", self.configuration, "queue", "ann@lab.test"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        reader.stdin.write(message(b"0123456789abcdef" * (self.SIZE // 16), envelope=False))
        reader.stdin.flush()
        reader.kill()
        reader.communicate()
        self.assertEqual(self.one("count(*)"), "0")
        self.sql("SELECT outbox.reap()")
        self.assertEqual(self.one("count(*)", "piece"), "0")


# outbox_queue() into the queue of that configuration, and outbox_process_queue() where "process" is said.
PROGRAM = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
for name in ("client_new", "queue", "error_text"):
    getattr(library, "outbox_" + name).restype = ctypes.c_void_p
text = lambda address: ctypes.string_at(address).decode()
client = ctypes.c_void_p(library.outbox_client_new())
if library.outbox_load(client, sys.argv[2].encode()) != 0:
    sys.exit(text(library.outbox_error_text(client)))
for name, value in (("From", b"shop@lab.test"), ("SendTo", b"ann@lab.test"), ("Subject", b"x"),
                    ("MessageText", b"Hello.")):
    library.outbox_set(client, name.encode(), value)
if sys.argv[3] == "process":
    number = library.outbox_process_queue(client, None)
    sys.exit(f"{number} {text(library.outbox_error_text(client))}" if number else 0)
directory = sys.argv[4].encode() if len(sys.argv) > 4 else None
said = library.outbox_queue(client, None, directory)
print(text(said)) if said else sys.exit(text(library.outbox_error_text(client)))
"""


class Library(PutTest, RelayTest):
    def use(self, role):
        """With a relay, which the library wants to have."""
        relay = getattr(self, "relay", None) or self.odd()
        self.relay = relay
        self.configure(self.settings(relay), spool={"database": self.database.uri(role, database="shop")})

    def call(self, *arguments, status=0):
        result = subprocess.run([sys.executable, "-c", PROGRAM, lab.BUILD / ".libs/liboutbox.so.1", self.configuration,
                                 *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout if status == 0 else result.stderr

    def test_it_is_put_there(self):
        number = self.call("queue")
        self.assertRegex(number, r"\A\d+\n\Z")
        self.assertEqual(self.one("id"), number.strip())
        self.assertEqual((self.one("sender"), self.one("address", "recipient")), ("shop@lab.test", "ann@lab.test"))
        self.assertIn(b"\n\nHello.", self.content().replace(b"\r", b""))
        self.assertEqual([path for path in os.listdir(self.queue.path) if not path.startswith(".")], [])

    def test_a_directory_that_is_named(self):
        self.assertTrue(self.call("queue", str(self.queue.path)).endswith(".queued\n"))
        self.assertEqual(self.one("count(*)"), "0")

    def test_delivered_by_the_program(self):
        self.call("queue")
        self.call("process")
        self.assertEqual(self.relay.copies("ann@lab.test"), 1)
        self.assertEqual(self.one("count(*)"), "0")

    def test_no_database(self):
        text = self.configuration.read_text(encoding="ascii").replace("dbname=shop", "dbname=shop port=1")
        self.configuration.write_text(text, encoding="ascii")
        for action in ("queue", "process"):
            self.assertIn("see whether it runs", self.call(action, status=1))
