"""Messages that the tool composes from text, HTML, files and streams, and the section `message` of the
configuration: what Python's email package and a real server make of them."""

import email
import email.header
import email.policy
import hashlib
import os
import random
import re
import resource
import subprocess

import lab
from case import SystemTest

ADDRESS = "ann@lab.test"
MIB = 1 << 20


def header_of(text):
    """The lines of the header behind the envelope."""
    lines = text.split("\n\n")[0].split("\n")
    return [line for line in lines if not line.startswith(("X-Sender:", "X-Receiver:"))]


class Composed(SystemTest):
    def setUp(self):
        super().setUp()
        self.configure()

    def configure(self, *relays, message=None, **settings):
        super().configure(*relays, **settings)
        if message:
            with open(self.configuration, "a", encoding="utf-8") as file:
                file.write(f"message = {lab.to_libconfig(message)};\n")

    def text(self, *arguments, stdin=b"", to=ADDRESS):
        recipients = ("--to", to) if to else ()
        return self.outbox("queue", "-d", "*", "--from", "shop@lab.test", *recipients, *arguments, stdin=stdin)

    def compose(self, *arguments, stdin=b"", to=ADDRESS):
        text = self.text(*arguments, stdin=stdin, to=to)
        content = re.sub(r"\A(X-(Sender|Receiver): .*\n)+", "", text)
        message = email.message_from_string(content, policy=email.policy.default)
        self.assertEqual([defect for part in message.walk() for defect in part.defects], [])
        self.assertTrue(all(len(line) <= 998 and line.isascii() for line in content.split("\n")))
        return message

    def refused(self, *arguments, status=65, stdin=b"", to=ADDRESS):
        recipients = ("--to", to) if to else ()
        result = self.outbox("queue", "-d", "*", "--from", "a@lab.test", *recipients, *arguments, stdin=stdin,
                             status=None)
        self.assertEqual((result.returncode, result.stdout), (status, b""), result.stderr)
        said = result.stderr.decode()
        self.assertRegex(said, r"\Aoutbox: .+\n\Z" if status == 64 else r"\Aoutbox: \d+: .+\n\Z")
        return said

    def file(self, name, content):
        path = self.directory / name
        path.write_bytes(content)
        return path


class Structure(Composed):
    def test_html_and_what_it_shows(self):
        logo, report = self.file("logo.png", b"\x89PNG"), self.file("report.pdf", b"%PDF")
        chart = self.file("chart 1.png", b"chart")
        message = self.compose("--body", "Grüße", "--html", '<p>Grüße <img src="cid:logo.png"><img src="cid:c@x">',
                               "--attach", report, "--inline", logo, "--inline", chart, "--content-id", "c@x",
                               "--attach-name", "Bild ä.png")
        self.assertEqual(
            [part.get_content_type() for part in message.walk()],
            ["multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/html", "image/png",
             "image/png", "application/pdf"])
        parts = list(message.walk())
        self.assertEqual(parts[1].get_param("type"), "multipart/alternative")
        self.assertEqual(message.get_body(("plain",)).get_content().strip(), "Grüße")
        self.assertIn("cid:logo.png", message.get_body(("html",)).get_content())
        self.assertEqual([part["Content-ID"] for part in parts[5:7]], ["<logo.png>", "<c@x>"])
        self.assertEqual([part.get_content_disposition() for part in parts[5:]], ["inline", "inline", "attachment"])
        self.assertEqual(parts[6].get_filename(), "Bild ä.png")
        self.assertEqual([part.get_content() for part in parts[5:]], [b"\x89PNG", b"chart", b"%PDF"])

    def test_html_alone(self):
        page = self.file("page.html", b"<p>hello\n")
        for arguments, stdin in ((("--html-file", page), b"not this"), (("--html", "<p>hello\n"), b"not this"),
                                 (("--html-file", "-"), b"<p>hello\n")):
            message = self.compose(*arguments, stdin=stdin)
            self.assertEqual((message.get_content_type(), message.get_content()), ("text/html", "<p>hello\n"))
        message = self.compose("--html-file", page, "--body-file", "-", stdin=b"text\n")
        self.assertEqual(message.get_body(("plain",)).get_content(), "text\n")
        self.assertIn("an inline part is shown by an HTML text", self.refused("--inline", page, "--body", "b"))

    def test_types_and_names(self):
        data = self.file("data.bin", "größer;1\n".encode("latin-1"))
        message = self.compose("--attach", data, "--attach-type", "text/csv; charset=iso-8859-1", "--attach-name",
                               "Größen.csv", "--attach", data, "--body", "b")
        first, second = message.iter_attachments()
        self.assertEqual((first.get_content_type(), first.get_filename(), first.get_content().replace("\r", "")),
                         ("text/csv", "Größen.csv", "größer;1\n"))
        self.assertEqual((second.get_content_type(), second.get_filename()), ("application/octet-stream", "data.bin"))
        for option in ("--attach-type", "--attach-name"):
            self.assertIn(f"{option} says something of the --attach or --inline before it",
                          self.refused(option, "x", "--body", "b", status=64))
        self.assertIn("--content-id says something of the --inline before it",
                      self.refused("--attach", data, "--content-id", "x", "--body", "b", status=64))
        self.assertIn("this is no content type", self.refused("--attach", data, "--attach-type", "pdf", "--body", "b"))

    def test_a_message_in_a_message(self):
        inner = self.file("inner.eml", b"From: a@b.c\r\nSubject: inner\r\n\r\nText.\r\n")
        outer = self.compose("--attach", inner, "--body", "b")
        (part,) = outer.iter_attachments()
        self.assertEqual((part.get_content_type(), part.get_content()["Subject"]), ("message/rfc822", "inner"))

    def test_streams(self):
        """Standard input, and the read end of a pipe, which can be read once."""
        message = self.compose("--attach", "-", "--attach-name", "in.txt", "--body", "b", stdin=b"\0stream\xff" * 50000)
        (part,) = message.iter_attachments()
        self.assertEqual((part.get_filename(), part.get_payload(decode=True)), ("in.txt", b"\0stream\xff" * 50000))
        message = self.compose("--attach", "-", "--body", "b", stdin=b"x")
        self.assertIsNone(next(message.iter_attachments()).get_filename())
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        writer = subprocess.Popen(["dd", f"of={fifo}", "status=none"], stdin=subprocess.PIPE)
        self.addCleanup(writer.wait)
        writer.stdin.write(b"from a pipe\n")
        writer.stdin.close()
        self.assertEqual(self.compose("--body-file", fifo).get_content(), "from a pipe\n")
        for arguments in (("--attach", "-"), ("--attach", "-", "--html-file", "-"), ("--headers-file", "-"),
                          ("--body-file", "-", "--inline", "-")):
            self.assertIn("standard input can be one thing only", self.refused(*arguments, status=64))
        for one, other in (("--body", "--body-file"), ("--html", "--html-file")):
            self.assertIn("both give", self.refused(one, "x", other, "y", status=64))

    def test_files_that_cannot_be_attached(self):
        """302 names the file, and says what is wrong with it; 303 of the text."""
        hole = self.directory / "hole"
        with open(hole, "wb") as file:
            file.truncate((1 << 30) + 1)
        locked = self.file("locked", b"x")
        locked.chmod(0)
        for path, why in ((self.directory / "none.pdf", "No such file"), (self.directory, "Is a directory"),
                          (hole, "is larger than 1 GiB")):
            said = self.refused("--body", "b", "--attach", path, status=66)
            self.assertTrue(said.startswith("outbox: 302: ") and str(path) in said and why in said, said)
        said = self.refused("--body-file", self.directory / "none.txt", status=66)
        self.assertTrue(said.startswith("outbox: 303: "), said)
        self.assertIn("No such file", self.refused("--html-file", self.directory / "none.html", status=66))
        result = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", lab.program("outbox"), "queue", "-d", "*", "--from", "a@b.c",
             "--to", "a@b.c", "--body", "b", "--attach", locked], capture_output=True, check=False)
        self.assertEqual(result.returncode, 66, result)
        self.assertRegex(result.stderr.decode(), r"outbox: 302: cannot read the attachment .*: Permission denied")

    def test_a_text_that_is_none(self):
        nul, latin = self.file("nul", b"a\0b"), self.file("latin", b"gr\xfc\xdfe")
        self.assertIn("is no text: it holds a NUL byte", self.refused("--body-file", nul))
        self.assertTrue(self.refused("--body-file", latin).startswith("outbox: 434: the text "))
        self.assertTrue(self.refused("--html-file", latin).startswith("outbox: 434: the HTML text "))
        late = b"a" * (3 * MIB) + b"\xff"
        result = self.outbox("queue", "-d", self.queue.path, "--from", "a@lab.test", "--to", ADDRESS, stdin=late,
                             status=None)
        self.assertEqual((result.returncode, result.stdout), (65, b""), result.stderr)
        self.assertTrue(self.queue.is_empty())
        self.assertIn("is not UTF-8", self.refused(stdin=late))

    def test_what_is_large_is_not_held(self):
        """The tool may use 20 MiB of memory (not so with sanitizers), and the file has more."""
        large = self.directory / "large.bin"
        with open(large, "wb") as file:
            for number in range(40):
                file.write(bytes([number]) * MIB)

        def limit():
            resource.setrlimit(resource.RLIMIT_DATA, (20 * MIB, 20 * MIB))

        for stdin in (None, large):
            with open(stdin or os.devnull, "rb") as file:
                result = subprocess.run(
                    [lab.program("outbox"), "--config", self.configuration, "queue", "-d", self.queue.path, "--from",
                     "a@lab.test", "--to", ADDRESS, "--body", "b", "--attach", "-" if stdin else large],
                    stdin=file, capture_output=True, check=False,
                    preexec_fn=None if os.environ.get("OUTBOX_UNCONFINED") else limit)
            self.assertEqual(result.returncode, 0, result.stderr)
            path = result.stdout.decode().strip()
            with open(path, "rb") as file:
                message = email.message_from_binary_file(file, policy=email.policy.default)
            (part,) = message.iter_attachments()
            content = part.get_payload(decode=True)
            self.assertEqual(len(content), 40 * MIB)
            self.assertTrue(all(content[number * MIB] == number for number in range(40)))
            os.unlink(path)

    def test_delivered(self):
        """Through a real server, with `send` and with the daemon, the parts arrive as they were."""
        address = self.address()
        logo = self.file("logo.png", random.Random(1).randbytes(300000))
        arguments = ("--from", "shop@lab.test", "--to", address, "--body", "größer\n.\n", "--html",
                     '<img src="cid:logo.png">', "--inline", logo, "--subject", "Grüße", "--attach", logo)
        self.outbox("send", *arguments)
        self.start()
        self.outbox("queue", *arguments)
        for copy in self.wait_copies(2, address):
            message = email.message_from_bytes(copy.content, policy=email.policy.default)
            self.assertEqual(message["Subject"], "Grüße")
            self.assertEqual(message.get_body(("plain",)).get_content().replace("\r", ""), "größer\n.\n")
            images = [part.get_content() for part in message.walk() if part.get_content_type() == "image/png"]
            self.assertEqual(images, [logo.read_bytes()] * 2)


class Attached(Composed):
    """What a reader of another make finds in it, and what can be wrong with files and what is said of them."""

    NAMES = ("Übersicht \"neu\".pdf", "quote'.bin", "n" * 300 + ".txt", "ö" * 150 + ".txt", "semi;colon=.gz", "例.png")

    def types(self, *paths):
        arguments = [word for path in paths for word in ("--attach", path)]
        return [(part.get_content_type(), part.get_content_charset())
                for part in self.compose(*arguments, "--body", "b").iter_attachments()]

    def test_types_by_name_or_content(self):
        """By the ending, of the usual ones or of /etc/mime.types, else by what is in it."""
        files = (("README", "größer\n".encode(), ("text/plain", "utf-8")), ("latin", b"gr\xfc\xdfe", None),
                 ("scan", b"\x89PNG\r\n\x1a\n\0", ("image/png", None)), ("x.pdf", b"no PDF", ("application/pdf", None)),
                 ("y.kml", b"<kml/>", ("application/vnd.google-earth.kml+xml", None)), ("empty", b"", None),
                 ("report.2026", b"%PDF-1.4", ("application/pdf", None)))
        found = self.types(*(self.file(name, content) for name, content, _ in files))
        self.assertEqual(found, [wanted or ("application/octet-stream", None) for _, _, wanted in files])

    def test_a_pipe_has_the_type_of_what_comes(self):
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        for content, wanted in ((b"GIF89a" + b"\0" * 5000, "image/gif"), (b"text\n" * 5000, "text/plain"),
                                (b"text\n" * (3 * MIB // 5), "application/octet-stream")):
            writer = subprocess.Popen(["sh", "-c", 'exec cat > "$0"', fifo], stdin=subprocess.PIPE)
            self.addCleanup(writer.wait)
            compose = subprocess.Popen(
                [lab.program("outbox"), "--config", self.configuration, "queue", "-d", "*", "--from", "a@b.c", "--to",
                 "a@b.c", "--body", "b", "--attach", fifo], stdout=subprocess.PIPE)
            writer.stdin.write(content)
            writer.stdin.close()
            text = compose.communicate()[0].split(b"\n", 2)[2]
            (part,) = email.message_from_bytes(text, policy=email.policy.default).iter_attachments()
            self.assertEqual((part.get_content_type(), part.get_payload(decode=True)), (wanted, content))

    def test_another_reader(self):
        """ripmime and munpack, which share no code with Python's package, find each file as it was."""
        contents = {name: random.Random(name).randbytes(5000) for name in (*self.NAMES, "logo.png")}
        arguments = ["--inline", self.file("logo.png", contents["logo.png"])]
        for number, name in enumerate(self.NAMES):
            arguments += ["--attach", self.file(f"part{number}", contents[name]), "--attach-name", name]
        text = self.text(*arguments, "--body", "größer\n", "--html", "<p>größer")
        mail = self.file("mail", re.sub(r"\A(X-(Sender|Receiver): .*\n)+", "", text).encode())
        for program, *options in (("ripmime", "-i", mail, "-d"), ("munpack", "-t", "-q", "-C")):
            out = self.directory / program
            out.mkdir()
            subprocess.run([program, *options, out, *([mail] if program == "munpack" else [])], check=True,
                           capture_output=True)
            found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()}
            long = 100 if program == "munpack" else 1000  # it makes files of names alone that there can be
            missing = [name for name, content in contents.items()
                       if len(name) < long and hashlib.sha256(content).hexdigest() not in found]
            self.assertEqual(missing, [], program)

    def test_names_are_what_was_given(self):
        data = self.file("data", b"")
        arguments = [word for name in self.NAMES for word in ("--attach", data, "--attach-name", name)]
        parts = list(self.compose(*arguments, "--body", "b").iter_attachments())
        self.assertEqual([(part.get_filename(), part.get_payload(decode=True)) for part in parts],
                         [(name, b"") for name in self.NAMES])
        for name in ("a\nX-Injected: 1", "a\rb", "a\tb", "\x1b[2J"):
            self.assertIn("holds a line break or another control character",
                          self.refused("--attach", data, "--attach-name", name, "--body", "b", status=66))

    def compose_while(self, path, change):
        """The text, the errors and the status where a change meets a file that is open and not read yet."""
        fifo = self.directory / "fifo.bin"
        os.mkfifo(fifo)
        compose = subprocess.Popen(
            [lab.program("outbox"), "--config", self.configuration, "queue", "-d", "*", "--from", "a@b.c", "--to",
             "a@b.c", "--body", "b", "--attach", fifo, "--attach", path], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        with open(fifo, "wb") as file:
            file.write(b"x" * MIB)  # more than a pipe holds: once this is through, all is open
            file.flush()
            change()
        out, said = compose.communicate()
        return out, said.decode(), compose.returncode

    def test_a_file_that_vanishes_is_there_to_its_end(self):
        """It is open before anything is read: a name that goes takes nothing with it."""
        path = self.file("large.bin", b"y" * MIB)
        text, _, status = self.compose_while(path, path.unlink)
        self.assertEqual(status, 0)
        message = email.message_from_bytes(text.split(b"\n", 2)[2], policy=email.policy.default)
        self.assertEqual([part.get_payload(decode=True)[-10:] for part in message.iter_attachments()],
                         [b"x" * 10, b"y" * 10])

    def test_a_file_that_changes_is_refused(self):
        path = self.file("large.bin", b"y" * MIB)
        out, said, status = self.compose_while(path, lambda: path.write_bytes(b"z" * MIB))
        self.assertEqual((out, status), (b"", 66))
        self.assertRegex(said, r"\Aoutbox: 302: the attachment .*large.bin has changed while it was read")

    def test_what_cannot_both_be(self):
        data = self.file("data", b"x")
        for arguments, why in (
                (("--body", "b", "--body", "c"), "--body gives the text, and is there twice"),
                (("--html-file", data, "--html-file", data), "--html-file gives the HTML text, and is there twice"),
                (("--headers-file", data, "--headers-file", data), "--headers-file gives the header fields"),
                (("--raw", data, "--raw", data), "--raw gives the message, and is there twice"),
                (("--raw", data, "--subject", "s"), "--raw takes a whole message"),
                (("--attach", data, "--attach-name", "a", "--attach-name", "b"), "--attach-name gives the name"),
                (("--attach", data, "--attach-type", "a/b", "--attach-type", "a/c"), "--attach-type gives the type"),
                (("--inline", data, "--content-id", "a", "--content-id", "b"), "--content-id gives the id"),
                (("--notify", "never,success"), "never goes with no other"),
                (("--notify", "never", "--notify", "success"), "given twice"),
                (("--notify", "success failure"), "--notify is never, or some of success, failure and delay"),
                (("--notify", "success,"), "--notify is never"), (("--notify", ""), "--notify wants a value"),
                (("--notify", "success ORCPT=rfc822;x@y"), "--notify is never"),
                (("--mt-priority", "3 RET=FULL"), "--mt-priority: '3 RET=FULL' holds a blank"),
                (("--ret", "full", "--ret", "headers"), "given twice"),
                (("--hold-for", "2h", "--hold-until", "2100-01-01T00:00:00Z"), "say two times")):
            self.assertIn(why, self.refused(*arguments, status=64), arguments)
        for arguments, why in (
                (("--html", "x", "--header", "Content-Type: text/html"), "an HTML text cannot be added when headers"),
                (("--body", "b", "--inline", data), "an inline part is shown by an HTML text")):
            self.assertIn(why, self.refused(*arguments), arguments)
        # Of what replaces, and loses nothing, the last one counts.
        self.assertEqual(self.compose("--subject", "a", "--subject", "b", "--body", "b")["Subject"], "b")

    def test_notify(self):
        for value, written in (("never", "NEVER"), ("success, failure", "SUCCESS,FAILURE"),
                               ("Delay,success,delay", "SUCCESS,DELAY")):
            self.assertIn(f"\nX-Receiver: <{ADDRESS}> NOTIFY={written}\n",
                          self.text("--notify", value, "--body", "b"))

    def test_dates(self):
        """MessageDate: as RFC 5322 or RFC 3339 has it, or now; what is wrong with another is said."""
        for given, written in (("2026-01-02T03:04:05.5+01:00", "Fri, 02 Jan 2026 03:04:05 +0100"),
                               ("Fri, 02 Jan 2026 03:04:00 GMT", "Fri, 02 Jan 2026 03:04:00 +0000"), ("", None)):
            self.assertEqual(self.compose("--date", given, "--body", "b")["Date"], written)
        self.assertRegex(self.compose("--date", "now", "--body", "b")["Date"], r"\w+, \d\d \w+ \d{4} ")
        self.assertEqual(self.compose("--header", "Resent-Date: 2026-01-02T03:04:05Z", "--body", "b")["Resent-Date"],
                         "Fri, 02 Jan 2026 03:04:05 +0000")
        for given, why in (("yesterday", "it begins with the day of the month"), ("2026-01-02T03:04:05", "which zone"),
                           ("2026-02-29T00:00:00Z", "has 28 days"), ("Mon, 2 Jan 2026 03:04 GMT", "is a Friday"),
                           ("2026-01-02T03:04:05Z\nX:y", "something stands behind the zone")):
            self.assertIn(why, self.refused("--date", given, "--body", "b"), given)


class AtRandom(Composed):
    """What goes in comes out, and nothing else."""

    def test_at_random(self):
        dice = random.Random(2)
        alphabet = "abc XYZ.,;:@<>()[]\"\\'=?_-%*äöü例😀\t"

        def word(most, letters=alphabet):
            return "".join(dice.choice(letters) for _ in range(dice.randrange(1, most))).strip() or "x"

        for number in range(60):
            body, html = word(400) + "\n", "<p>" + word(400) + "\n"
            arguments, files = ["--subject", word(120)], []
            if dice.random() < 0.8:
                arguments += ["--body", body]
            if dice.random() < 0.8 or "--body" not in arguments:
                arguments += ["--html", html]
            for _ in range(dice.randrange(4)):
                content = dice.randbytes(dice.randrange(300))
                name, path = word(90, alphabet.replace("\t", "")), self.file(f"{number}.{len(files)}", content)
                inline = "--html" in arguments and dice.random() < 0.5
                arguments += ["--inline" if inline else "--attach", path, "--attach-name", name]
                arguments += ["--content-id", f"{len(files)}@x"] if inline else ["--attach-type", "application/x-a"]
                files.append((name, content, inline))
            message = self.compose("--max-header-length", dice.choice(("60", "80", "998")), *arguments)
            self.assertEqual("".join(message["Subject"].split()), "".join(arguments[1].split()), arguments)
            for option, kind, wanted in (("--body", "plain", body), ("--html", "html", html)):
                part = message.get_body((kind,))
                self.assertEqual(part is not None, option in arguments)
                if part is not None:
                    self.assertEqual(part.get_content().replace("\r\n", "\n"), wanted)
            got = [(part.get_filename(), part.get_payload(decode=True), part.get_content_disposition() == "inline")
                   for part in message.walk() if part.get_content_disposition()]
            self.assertEqual(sorted(got), sorted(files), arguments)


class Header(Composed):
    def test_settings_and_options(self):
        """Charset, FoldHeaders, MaxHeaderLength, AllowEmptyTo, MessageIdAlgorithm: in the configuration, with
        --set by either name, and as an option, which comes first."""
        long = "word " * 40
        self.configure(message={"charset": "ISO-8859-1", "max_header_length": 120, "message_id_algorithm": "md5",
                                "allow_empty_to": True})
        lines = header_of(self.text("--subject", "Grüße " + long, "--bcc", "eve@lab.test", "--body", "b", to=None))
        self.assertIn("=?ISO-8859-1?Q?Gr=FC=DFe?=", lines[1])
        self.assertGreater(max(map(len, lines)), 100)
        self.assertLessEqual(max(map(len, lines)), 118)
        identifier = next(line for line in lines if line.startswith("Message-ID"))
        self.assertRegex(identifier, r"<[0-9a-f]{32}@")
        lines = header_of(self.text("--subject", "Grüße " + long, "--body", "b", "--charset", "utf-8",
                                    "--max-header-length", "60", "--message-id-algorithm", "sha1"))
        self.assertIn("=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=", lines[2])
        self.assertLessEqual(max(len(line) for line in lines if not line.startswith("Message-ID")), 58)
        self.assertRegex("\n".join(lines), r"Message-ID: <[0-9a-f]{40}@")
        lines = header_of(self.text("--subject", long, "--body", "b", "--fold-headers", "false"))
        self.assertIn("Subject: " + long.strip(), lines)
        for name in ("message.charset", "charset", "Charset", "message.Charset"):
            text = lab.outbox("--config", self.configuration, "--set", f"{name}=utf-8", "queue", "-d", "*", "--from",
                              "a@b.c", "--to", "a@b.c", "--subject", "ü", "--body", "b").stdout
            self.assertIn(b"=?UTF-8?Q?=C3=BC?=", text)
        for name, value in (("FoldHeaders", "False"), ("MaxHeaderLength", "998")):
            text = lab.outbox("--config", self.configuration, "--set", f"{name}={value}", "queue", "-d", "*", "--from",
                              "a@b.c", "--to", "a@b.c", "--subject", long, "--body", "b").stdout.decode()
            self.assertIn("Subject: " + long.strip() + "\n", text)

    def test_to_may_not_be_empty(self):
        """165, unless AllowEmptyTo says otherwise."""
        for arguments in (("--bcc", "eve@lab.test"), ("--cc", "eve@lab.test"), ("--recipient", "bcc: eve@lab.test")):
            said = self.refused(*arguments, "--body", "b", to=None)
            self.assertTrue(said.startswith("outbox: 165: there is no recipient in to"), said)
            text = self.text(*arguments, "--body", "b", "--allow-empty-to", to=None)
            self.assertIn("X-Receiver: <eve@lab.test>\n", text)
            self.assertNotIn("\nTo:", text)
        self.assertIn("\nTo: undisclosed-recipients:;\n", self.text("--to", "undisclosed-recipients:;", "--bcc",
                                                                   "eve@lab.test", "--body", "b", to=None))
        for arguments in ((), ("--allow-empty-to",)):
            self.assertTrue(self.refused(*arguments, "--body", "b", to=None).startswith("outbox: 165: "))
        result = self.outbox("queue", "-d", "*", "--to", ADDRESS, "--body", "b", status=None)
        self.assertTrue(result.stderr.startswith(b"outbox: 164: from: there is no sender"), result.stderr)

    def test_recipients_one_by_one(self):
        """MessageRecipients, from the command line."""
        text = self.text("--recipient", 'to: "Lee, Ann" <lee@lab.test> NOTIFY=SUCCESS,FAILURE', "--recipient",
                         "Cc:bob@lab.test", "--recipient", "bcc : <eve@lab.test> NOTIFY=NEVER", "--body", "b")
        self.assertTrue(text.startswith(
            "X-Sender: <shop@lab.test>\nX-Receiver: <ann@lab.test>\n"
            "X-Receiver: <lee@lab.test> NOTIFY=SUCCESS,FAILURE\nX-Receiver: <bob@lab.test>\n"
            "X-Receiver: <eve@lab.test> NOTIFY=NEVER\n"), text)
        self.assertIn('\nTo: ann@lab.test, "Lee, Ann" <lee@lab.test>\n', text)
        self.assertIn("\nCc: bob@lab.test\n", text)
        raw = self.file("raw", b"From: x@y\n\nHello.\n")
        self.assertEqual(self.outbox("queue", "-d", "*", "--raw", raw, "--recipient", "to: a@b.c NOTIFY=NEVER"),
                         "X-Receiver: <a@b.c> NOTIFY=NEVER\nFrom: x@y\n\nHello.\n")
        for value, why in (("ann@lab.test", "it begins with its kind"), ("reply-to: a@b.c", "it begins with its kind"),
                           ("to: a@b.c, d@e.f", "only one address"),
                           ("to:Doe, Joe <a@b.c>", '"Doe, Joe" <joe@example.org>'), ("to: 'a@b.c'", "in apostrophes"),
                           ("to: a@b.c NOTIFY=SOMETIMES", "NOTIFY"),
                           ("to: a@b.c NOTFIY=SUCCESS", "did you mean NOTIFY"),
                           ("to: g: a@b.c;", "a group is not an address"), ("to:", "to"), ("cc: bob", "domain")):
            self.assertIn(why, self.refused("--recipient", value, "--body", "b"), value)

    def test_wrong_values(self):
        """Each is told with what would be right, and nothing is composed."""
        for option, value, why in (
                ("--charset", "ISO-8859-99", "cannot convert to"), ("--charset", "UTF-16", "letters of ASCII"),
                ("--charset", "a b", "blank"), ("--charset", "", "charset"),
                ("--max-header-length", "59", "60 to 998"), ("--max-header-length", "999", "60 to 998"),
                ("--max-header-length", "many", "60 to 998"), ("--fold-headers", "maybe", "true or false"),
                ("--message-id-algorithm", "crc", '"md5"')):
            result = self.outbox("queue", "-d", "*", "--from", "a@b.c", "--to", "a@b.c", "--body", "b", option, value,
                                 status=None)
            self.assertIn(result.returncode, (65, 78) if value else (64,), (option, value))
            self.assertIn(why, result.stderr.decode(), (option, value))
            self.assertEqual(result.stdout, b"")
        for option, value in (("--importance", "extreme"), ("--priority", "miHigh"), ("--sensitivity", "4")):
            self.assertIn(value, self.refused(option, value, "--body", "b", status=64))
        result = self.outbox("--set", "message.folds=1", "config", status=None)
        self.assertIn(b'message.folds: unknown setting', result.stderr)
        self.configure(message={"charset": "no-such-set", "fold_header": True})
        said = lab.outbox("--config", self.configuration, "config", "charset").stderr.decode()
        self.assertRegex(said, r"message.fold_header: unknown setting; did you mean .*fold_headers")
        self.configure(message={"charset": "no-such-set"})
        said = lab.outbox("--config", self.configuration, "config", "charset").stderr.decode()
        self.assertIn('message.charset: this system cannot convert to "no-such-set"', said)
        said = self.refused("--body", "b")
        self.assertIn('outbox: 434: charset: this system cannot convert to "no-such-set"', said)

    def test_what_is_wrong_elsewhere_stops_nothing(self):
        """Who composes reads the section `message`, and does without a configuration that cannot be read."""
        self.configuration.write_text('relays = ( { host = 5; nothing = "x"; } );\nspool = { keep_sent = 7; };\n'
                                      'message = { charset = "ISO-8859-1"; };\n')
        self.assertIn("=?ISO-8859-1?Q?=FC?=", self.text("--subject", "ü", "--body", "b"))
        self.configuration.write_text('relays = ( { host = ;\nmessage = { charset = "ISO-8859-1"; };\n')
        self.assertIn("=?ISO-8859-1?Q?=FC?=", self.text("--subject", "ü", "--body", "b"))
        result = lab.outbox("--config", "/nonexistent", "queue", "-d", "*", "--from", "a@b.c", "--to", "a@b.c",
                            "--body", "b")
        self.assertIn(b"/nonexistent", result.stderr)
        self.assertNotEqual(result.returncode, 0)

    def test_charsets(self):
        """As Python decodes them; a character that the set lacks is named (434)."""
        for charset, subject in (("iso-8859-15", "5 € für Größeres"), ("iso-2022-jp", "日本語の件名です"),
                                 ("koi8-r", "Привет всем, кто это читает, и остальным тоже привет"),
                                 ("gb18030", "主题" * 40), ("windows-1252", "“quoted” – and more…")):
            known = lab.outbox("--config", self.configuration, "--set", f"charset={charset}", "config", "charset")
            if known.returncode != 0:
                self.assertIn(b"this system cannot convert to", known.stderr)  # which has a part of them only
                continue
            text = self.text("--charset", charset, "--subject", subject, "--cc", f'"{subject}" <bob@lab.test>',
                             "--body", "b")
            raw = email.message_from_string(text.partition("X-Receiver: <bob@lab.test>\n")[2],
                                            policy=email.policy.compat32)
            for field in (raw["Subject"], raw["Cc"].partition("<")[0].strip()):
                self.assertIn(f"=?{charset}?", field)
                self.assertEqual(str(email.header.make_header(email.header.decode_header(field))), subject)
        said = self.refused("--charset", "iso-8859-1", "--subject", "5 €", "--body", "b")
        self.assertTrue(said.startswith('outbox: 434: subject: the character "€" (U+20AC) is not in iso-8859-1'), said)

    def test_long_headers(self):
        """The queue looks at the whole header before any of it is written."""
        large = self.file("large", bytes(3 * MIB))
        for length in (10000, 60000):
            message = self.compose("--subject", "ü" * length, "--body", "b", "--attach", large)
            self.assertEqual(message["Subject"], "ü" * length)

    def test_headers_file(self):
        path = self.file("headers", b"\xef\xbb\xbfX-One: 1\r\n folded\r\n\r\nX-Two: zwei \xc3\xbc\r\n")
        message = self.compose("--headers-file", path, "--header", "X-Three: 3", "--body", "b")
        self.assertEqual([message[f"X-{name}"] for name in ("One", "Two", "Three")], ["1 folded", "zwei ü", "3"])
        path = self.file("replaced", b"\nFrom: x@lab.test\nSubject: own\n")
        text = self.text("--headers-file", path, "--body", "b", "--subject", "not this")
        self.assertEqual(header_of(text), ["From: x@lab.test", "Subject: own"])
        self.assertIn("is no header: it holds a NUL", self.refused("--headers-file", self.file("nul", b"X: \0"),
                                                                  "--body", "b"))

    def test_words(self):
        message = self.compose("--importance", "miHigh", "--priority", "3", "--sensitivity", "PERSONAL", "--body", "b")
        self.assertEqual([message[name] for name in ("Importance", "Priority", "Sensitivity")],
                         ["high", "non-urgent", "Personal"])

    def test_a_priority_is_the_envelope_s_too(self):
        """Where a relay offers MT-PRIORITY (RFC 6710) it is said; what the return path says counts."""
        for arguments, line in ((("--priority", "urgent"), "<shop@lab.test> MT-PRIORITY=4"),
                                (("--priority", "non-urgent"), "<shop@lab.test> MT-PRIORITY=-4"),
                                (("--priority", "normal"), "<shop@lab.test>"),
                                (("--priority", "urgent", "--return-path", "<a@b.c> MT-PRIORITY=2"),
                                 "<a@b.c> MT-PRIORITY=2")):
            self.assertTrue(self.text(*arguments, "--body", "b").startswith(f"X-Sender: {line}\n"), arguments)

    def test_files_of_the_kernel_have_no_size(self):
        for path in ("/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"):
            if os.path.exists(path):
                message = self.compose("--body", "b", "--attach", path)
                with open(path, "rb") as file:
                    self.assertEqual(next(message.iter_attachments()).get_payload(decode=True), file.read())
        self.assertIn("Linux version", self.compose("--body-file", "/proc/version").get_content())
