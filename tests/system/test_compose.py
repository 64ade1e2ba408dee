"""What the tool composes, as another reader of mail understands it: Python's email package."""

import email
import email.header
import email.policy
import email.utils
import random
import re

from case import SystemTest

ADDRESS = "ann@lab.test"
POLICY = email.policy.default


class Composing(SystemTest):
    def setUp(self):
        super().setUp()
        self.configure()

    def compose(self, *arguments, body=b"", sender="shop@lab.test", to=ADDRESS):
        """The message without its envelope, after a look at every line."""
        ends = ("--from", sender, *(("--to", to) if to else ()))
        text = self.outbox("queue", "-d", "*", *ends, *arguments, stdin=body).encode()
        lines = text.splitlines()
        while lines[0].startswith((b"X-Sender:", b"X-Receiver:")):
            lines.pop(0)
        for line in lines:
            self.assertLessEqual(len(line), 998, line)
        header = lines[: lines.index(b"")]
        for line in header:
            if b" " in line.partition(b": ")[2].strip():
                self.assertLessEqual(len(line), 78, line)
        self.assertTrue(all(byte < 0x80 for byte in b"".join(lines)), "it is not 7-bit")
        content = b"\n".join(lines) + b"\n"
        return email.message_from_bytes(content, policy=POLICY)

    def text_of(self, part):
        """As it was given: in base64, text has CRLF line ends (RFC 2045, 6.8)."""
        return part.get_content().replace("\r\n", "\n")

    def refused(self, *arguments, status=65):
        result = self.outbox("queue", "-d", "*", "--from", "a@lab.test", "--to", ADDRESS, *arguments, status=None)
        self.assertEqual(result.returncode, status, result)
        self.assertEqual(result.stdout, b"")
        return result.stderr.decode()

    def test_a_body_that_is_no_text_is_encoded_too(self):
        for text in ('{"a": "\u00e9"}\n', '{"a":\r1}\n'):
            got = self.compose("--header", "Content-Type: application/json", body=text.encode())
            self.assertEqual(got["Content-Type"], "application/json")
            self.assertEqual(got.get_payload(decode=True), text.encode())

    # ---- injection ----

    def test_nothing_injects(self):
        """Neither a field nor a body, wherever a line break or a control character is put."""
        evil = "x\nX-Injected: 1\n\nevil"
        for option in ("--from", "--to", "--cc", "--bcc", "--subject", "--reply-to", "--return-path", "--date",
                       "--message-id", "--delivery-notification-to", "--read-receipt-to", "--importance"):
            for text in (evil, evil.replace("\n", "\r\n"), evil.replace("\n", "\r"), "x\x00y"[:1] + "\x0b", "x\x7f"):
                result = self.outbox("queue", "-d", "*", "--from", "a@lab.test", "--to", ADDRESS, option, text,
                                     status=None)
                self.assertIn(result.returncode, (64, 65), (option, text, result))
                self.assertNotIn(b"X-Injected: 1\n", result.stdout)

    def test_names_of_files_inject_nothing(self):
        for number, text in enumerate(("x.txt\nX-Injected: 1\n\nevil", "a\rb", "a\x1b[31mb", "a\x7fb")):
            path = self.directory / text
            path.write_bytes(b"content")
            said = self.refused("--attach", path, "--body", "b", status=66)
            self.assertIn("the name of the attachment", said, number)
            self.assertNotIn("\x1b", said)

    def test_headers_inject_nothing(self):
        for header in ("X: y\nZ: z", "X: y\n\nbody", "X: y\rZ: z", "X\n: y", " X: y", "X", ": y", "X y: z",
                       "X: y\x0bz", "X: y\x1bz", "Bcc: b@lab.test", "Return-Path: <x@lab.test>", "Content-Length: 5"):
            self.refused("--header", header, "--body", "b")
        message = self.compose("--header", "X: y\n Z: z\n \n  W", "--body", "b")
        self.assertEqual(message["X"].split(), ["y", "Z:", "z", "W"])

    # ---- lines ----

    def test_many_addresses(self):
        """Joined by commas without blanks, they made one line of 1,560 octets."""
        people = [f"recipient-{number}@lab.test" for number in range(60)]
        message = self.compose("--cc", ",".join(people), "--body", "b")
        self.assertEqual([one.addr_spec for one in message["Cc"].addresses], people)

    def test_long_subjects(self):
        for subject in ("word " * 240, "x" * 1200, "ä" * 600, "例" * 400, "x" * 70 + " " + "y" * 90, "a\tb  c"):
            message = self.compose("--subject", subject, "--body", "b")
            self.assertEqual(re.sub(r"\s+", " ", message["Subject"]), re.sub(r"\s+", " ", subject.strip()))

    def test_long_references(self):
        ids = " ".join(f"<{number}.a-rather-long-left-part-of-an-id@lab.test>" for number in range(60))
        message = self.compose("--header", f"References: {ids}", "--body", "b")
        self.assertEqual(message["References"].split(), ids.split())

    def test_bodies(self):
        for body in ("", "x", "plain\ntext\n", "x" * 3000, "blank at the end \nand\t\n", "größer\n" * 50,
                     "例え話\n" * 50, "=3D =\n", ".\n..\nFrom x\n", "a\rb\n", "\n\n\n", "x" * 998 + "\n" + "y" * 999):
            message = self.compose("--subject", "s", body=body.encode())
            got = message.get_content()
            wanted = body if body.endswith("\n") or not body else body + "\n"
            if "\r" in body:
                self.assertEqual(message.get_payload(decode=True).decode(), wanted)
            else:
                self.assertEqual(got.replace("\r\n", "\n"), wanted)
            self.assertEqual(message.defects, [])

    # ---- fields with syntax ----

    def test_names_of_people(self):
        for name in ("Jörg Müller", 'Lee, "Bob"', "John Q. Public", "山田 太郎", "a" * 200, "O'Neil (x)", "x@y", "ä" * 80):
            quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
            message = self.compose("--cc", f"{quoted} <bob@lab.test>, carl@lab.test", "--body", "b",
                                   "--header", f"Mail-Followup-To: {quoted} <dora@lab.test>")
            people = message["Cc"].addresses
            self.assertEqual([one.addr_spec for one in people], ["bob@lab.test", "carl@lab.test"])
            # Of several encoded words its newer parser keeps the blanks between them.
            raw = email.message_from_string(str(message), policy=email.policy.compat32)["Cc"]
            got = str(email.header.make_header(email.header.decode_header(raw.partition("<")[0].strip())))
            self.assertEqual(email.utils.unquote(got).replace("\\\"", '"'), name)
            self.assertIn("<dora@lab.test>", message["Mail-Followup-To"])

    def test_international_domains(self):
        """In ASCII; a local part that is not makes the field UTF-8 (RFC 6532)."""
        message = self.compose("--cc", "Jörg <j@bücher.example>, k@straße.example", "--body", "b",
                               sender="shop@bücher.example")
        self.assertEqual([one.addr_spec for one in message["Cc"].addresses],
                         ["j@xn--bcher-kva.example", "k@xn--strae-oqa.example"])
        self.assertEqual(message["From"].addresses[0].domain, "xn--bcher-kva.example")
        said = self.refused("--cc", "x@a\u2025b.例", "--body", "b")
        self.assertIn("cannot be the name of a host", said)
        text = self.outbox("queue", "-d", "*", "--from", "a@lab.test", "--to", "jörg@bücher.example", "--body", "b")
        self.assertIn("\nTo: jörg@xn--bcher-kva.example\n", text)

    def test_names_without_quotes(self):
        """Whoever writes is one person, whatever stands around the address."""
        for text, name in (("Lee, Ann <j@x.y>", "Lee, Ann"), ("Müller, Jörg <j@x.y>", "Müller, Jörg")):
            message = self.compose("--reply-to", text, "--body", "b", "--header", f"Sender: {text}", sender=text)
            for field in ("From", "Reply-To", "Sender"):
                people = message[field].addresses
                self.assertEqual([(one.display_name, one.addr_spec) for one in people], [(name, "j@x.y")], field)
        for option, text in (("--from", "Re: Shop <j@x.y>"), ("--from", "g: a@b.c;"), ("--reply-to", "foo"),
                             ("--header", "To: é"), ("--header", "To: Müller, J <a@b.c>"), ("--header", "From: ")):
            self.refused(option, text, "--body", "b")

    def test_text_of_another_type(self):
        message = self.compose("--header", "Content-Type: text/html; charset=utf-8", "--header", "Content-Language: de",
                               body="<p>größer</p>\n".encode())
        self.assertEqual((message["MIME-Version"], self.text_of(message)), ("1.0", "<p>größer</p>\n"))
        self.assertEqual(message["Content-Language"], "de")
        message = self.compose("--header", "Content-Type: text/html; x=y", body="<p>größer</p>\n".encode())
        self.assertEqual((message.get_content_charset(), self.text_of(message)), ("utf-8", "<p>größer</p>\n"))
        message = self.compose("--header", "Content-Type: text/html; CHARSET=latin1", body="größer\n".encode("latin1"))
        self.assertEqual((message.get_content_charset(), self.text_of(message)), ("latin1", "größer\n"))
        for value in ("", "text", "text/", "/html", "text/x/y", "text/html x", "; charset=utf-8"):
            self.assertIn("Content-Type: this is no content type",
                          self.refused("--header", f"Content-Type: {value}", "--body", "b"))
        message = self.compose("--header", "Content-Language: de", body="größer\n".encode())
        self.assertEqual(self.text_of(message), "größer\n")
        message = self.compose("--header", "Content-Disposition: inline; filename*0*=utf-8''%C3; filename*1*=%A9",
                               "--body", "b")
        self.assertEqual(message.get_filename(), "é")
        self.refused("--header", "", "--body", "From: evil@x.y\n\nreal")

    def test_groups(self):
        message = self.compose("--to", "Gäste: Ann <a@lab.test>, b@lab.test;, c@lab.test", "--cc",
                               "undisclosed-recipients:;", "--body", "b", to=None)
        groups = message["To"].groups
        self.assertEqual([(one.display_name, [m.addr_spec for m in one.addresses]) for one in groups],
                         [("Gäste", ["a@lab.test", "b@lab.test"]), (None, ["c@lab.test"])])
        self.assertEqual(message["Cc"].groups[0].display_name, "undisclosed-recipients")

    def test_file_names(self):
        names = ["a.txt", "a b.txt", "Übersicht \"neu\".pdf", "例.png", "x" * 200 + ".txt", "é" * 100, "semi;colon.gz",
                 "per%cent's.csv", "quote\".txt", "back\\slash"]
        arguments = []
        for number, name in enumerate(names):
            path = self.directory / str(number) / name
            path.parent.mkdir()
            path.write_bytes(bytes(range(256)) * number)
            arguments += ["--attach", path]
        message = self.compose(*arguments, "--body", "größer")
        parts = list(message.iter_attachments())
        self.assertEqual([part.get_filename() for part in parts], names)
        self.assertEqual([len(part.get_payload(decode=True)) for part in parts], [256 * n for n in range(len(names))])
        self.assertEqual(self.text_of(message.get_body()), "größer\n")
        self.assertEqual([defect for part in message.walk() for defect in part.defects], [])
        self.assertIn('filename="_bersicht \\"neu\\".pdf"', str(message))

    def test_a_name_that_is_not_utf_8(self):
        path = self.directory.joinpath("x").with_name("odd\udcff.zip")
        path.write_bytes(b"z")
        message = self.compose("--attach", path, "--body", "b")
        self.assertEqual(next(message.iter_attachments()).get_filename(), "odd\ufffd.zip")

    def test_parameters(self):
        message = self.compose("--header", 'Content-Type: text/html; charset=utf-8; title="Grüße; \\"alle\\""',
                               "--header", "MIME-Version: 1.0", body=b"<p>\n")
        self.assertEqual(message.get_content_type(), "text/html")
        self.assertEqual(message["Content-Type"].params["title"], 'Grüße; "alle"')
        self.refused("--header", "Content-Type: text/html; charset", "--body", "b")

    def test_what_may_stand_once(self):
        self.refused("--header", "Subject: a", "--header", "SUBJECT: b", "--body", "b")
        message = self.compose("--subject", "a", "--header", "Subject: b", "--header", "Date: 1 Jan 2026 00:00 +0000",
                               "--header", "To: List <list@lab.test>", "--header", "Message-ID: <x@y>", "--body", "b")
        for name, value in (("Subject", "b"), ("Date", "1 Jan 2026 00:00 +0000"), ("To", "List <list@lab.test>"),
                            ("Message-ID", "<x@y>"), ("From", "shop@lab.test")):
            self.assertEqual([str(one) if name != "Date" else one for one in message.get_all(name)][0], message[name])
            self.assertEqual(len(message.get_all(name)), 1, name)
            if name != "Date":
                self.assertEqual(message[name], value)

    def test_what_is_validated(self):
        for option, text in (("--date", "yesterday"), ("--date", "2026-01-01"), ("--message-id", "a b"),
                             ("--message-id", "no-at"), ("--message-id", "ä@x"), ("--header", "Date: now"),
                             ("--header", "Message-ID: x y"), ("--header", "References: <ä@x>"),
                             ("--header", "List-Unsubscribe: <https://exämple/>"), ("--header", "From: a b c")):
            self.refused(option, text, "--body", "b")

    def test_lists(self):
        """Fields that are comma lists stay so, with each element encoded for itself."""
        message = self.compose("--body", "b", *(argument for field in (
            'Keywords: Grüße, plain words , "a, b",, =?utf-8?q?c?=', "Keywords: " + ", ".join(["keyword"] * 60),
            'List-ID: "Grüße, alle" <x.lab.test>', "In-Reply-To: <a@b><c@d>\t<odd>", "References: a@b",
            "Comments: ä, b", "Comments: c") for argument in ("--header", field)))
        raw = email.message_from_string(str(message), policy=email.policy.compat32)

        def decoded(text):
            return str(email.header.make_header(email.header.decode_header(text)))

        self.assertEqual(raw["Keywords"], '=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=, plain words, "a, b", =?utf-8?q?c?=')
        self.assertEqual(raw.get_all("Keywords")[1].split(), ["keyword,"] * 59 + ["keyword"])
        self.assertEqual(decoded(raw["List-ID"]), "Grüße, alle <x.lab.test>")
        self.assertEqual(raw["In-Reply-To"], "<a@b> <c@d> <odd>")
        self.assertEqual(raw["References"], "<a@b>")
        self.assertEqual([decoded(text) for text in raw.get_all("Comments")], ["ä, b", "c"])
        for header in ("Keywords: ", "Keywords: ,", 'Keywords: "a', "List-ID: x", "List-ID: x <a b>", "References: ",
                       "References: your mail of Monday", "In-Reply-To: <a@b", "In-Reply-To: <a <b>>",
                       "Content-Language: größer", "Reply-By: tomorrow", "Sender: a@lab.test, b@lab.test",
                       "Resent-Sender: a@lab.test, b@lab.test"):
            self.assertIn(header.split(":")[0], self.refused("--header", header, "--body", "b"))

    def test_text_that_looks_encoded(self):
        """It comes back as the text that was given, unless it is an encoded word and nothing else."""
        literal = "=?utf-8?q?x?="
        for subject in (f'"{literal}"', f"x{literal}", f"({literal})", "=?utf-8?q?a b?=", "=?x", f"ö {literal}."):
            message = self.compose("--subject", subject, "--body", "b")
            self.assertEqual(message["Subject"], subject)
        message = self.compose("--subject", f"ö {literal} ö", "--cc", f'"{literal}" <a@lab.test>, {literal} <b@lab.test>',
                               "--body", "b")
        self.assertEqual(message["Subject"], "ö x ö")
        self.assertEqual([one.display_name for one in message["Cc"].addresses], [literal, "x"])
        path = self.directory / literal
        path.write_bytes(b"x")
        message = self.compose("--attach", path, "--body", "b")
        self.assertEqual(next(message.iter_attachments()).get_filename(), literal)

    # ---- all of it, at random ----

    def test_at_random(self):
        alphabet = "abc XYZ.,;:@<>()[]\"\\'=?_-äöü例😀\t  "
        dice = random.Random(1)

        def text(most):
            return "".join(dice.choice(alphabet) for _ in range(dice.randrange(most)))

        for number in range(150):
            subject, name, note = text(200), text(60), text(300)
            quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
            message = self.compose("--subject", subject, "--cc", f"{quoted} <bob@lab.test>", "--header", f"X-Note: {note}",
                                   "--body", text(500))
            for field, wanted in (("Subject", subject), ("X-Note", note)):
                self.assertEqual("".join(str(message[field] or "").split()), "".join(wanted.split()), number)
            self.assertEqual(message["Cc"].addresses[0].addr_spec, "bob@lab.test", (number, name))
            self.assertEqual(set(message.keys()) - {"From", "To", "Cc", "Subject", "Date", "Message-ID", "X-Note",
                                                    "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}, set())
