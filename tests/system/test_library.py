"""The installed library: the examples of the documentation, in C, C++ and Python, against real servers."""

import atexit
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import lab
from case import SystemTest
from installed import Installed, install, needs_installation
from odd_relay import RelayTest

EXAMPLES = lab.SOURCE / "doc/examples"
SENDER = "shop@lab.test"


@functools.cache
def installed():
    """One installation for all tests of this process."""
    destination = pathlib.Path(tempfile.mkdtemp(prefix="outbox-installed."))
    atexit.register(shutil.rmtree, destination, ignore_errors=True)
    return Installed(install(destination))


class LibraryTest(RelayTest):
    def build(self, name, **options):
        return installed().build(EXAMPLES / name, self.directory / name.replace(".", "-"), **options)

    def run_program(self, *command, status=0, **environment):
        result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=300, check=False, env=installed().environment(**environment))
        output = result.stdout.decode()
        self.assertEqual(result.returncode, status, output)
        return output

    def port(self, name):
        return self.lab.postfix.port[name]


@needs_installation
class Examples(LibraryTest):
    """send.c, queue.c, epoll.c, certificate.c, progress.c: what doc/examples shows works."""

    def test_send(self):
        program, ann = self.build("send.c"), self.address()
        self.run_program(program, "127.0.0.1", self.port("plain"), SENDER, ann)
        self.assertIn("Thank you.", self.wait_copies(1, ann)[0].content.decode())
        output = self.run_program(program, "127.0.0.1", self.port("plain"), SENDER, "no address", status=65)
        self.assertIn("send: 9003: to:", output)

    def test_send_with_the_static_library(self):
        program, ann = self.build("send.c", static=True), self.address()
        self.run_program(program, "127.0.0.1", self.port("plain"), SENDER, ann)
        self.wait_copies(1, ann)
        self.assertNotIn("liboutbox.so", subprocess.run(
            ("ldd", program), capture_output=True, text=True, check=True).stdout)

    def test_queue(self):
        program, ann = self.build("queue.c"), self.address()
        report = self.directory / "report.txt"
        report.write_text("What was sold.\n", encoding="utf-8")
        path = self.run_program(program, self.queue.path, SENDER, ann, report).strip()
        self.assertTrue(os.path.exists(path), path)
        self.start()
        self.queue.wait_gone(os.path.basename(path).removesuffix(".queued"))
        copy = self.wait_copies(1, ann)[0].content.decode()
        self.assertIn("report.txt", copy)
        output = self.run_program(program, self.queue.path, SENDER, ann, "/nonexistent", status=1)
        self.assertIn("/nonexistent", output)

    def test_epoll(self):
        program = self.build("epoll.c")
        people = [self.address(f"p{number}") for number in range(10)]
        output = self.run_program(program, "127.0.0.1", self.port("opportunistic"), SENDER, *people,
                                  SSL_CERT_FILE=str(self.lab.certificates.certificate("ca")))
        self.assertEqual(output.count(": sent"), len(people))
        self.wait_copies(len(people), *people)

    def test_certificate(self):
        """The server's certificate, which the program decides on."""
        program, port = self.build("certificate.c"), self.port("stranger")
        output = self.run_program(program, "127.0.0.1", port, status=1)
        shown = re.search(r"SHA-256 ([0-9a-f:]{95})\n", output)[1]
        self.assertNotIn("status  OK", output)
        self.assertIn("certificate: 274: ", output)
        output = self.run_program(program, "127.0.0.1", port, shown)
        self.assertIn("TLS     TLSv1.", output)
        other = shown.replace(shown[0], "1" if shown[0] == "0" else "0")
        self.run_program(program, "127.0.0.1", port, other, status=1)

    def test_progress(self):
        program, ann = self.build("progress.c"), self.address()
        large = self.directory / "large.bin"
        large.write_bytes(os.urandom(3_000_000))
        output = self.run_program(program, "127.0.0.1", self.port("plain"), SENDER, ann, large)
        self.assertIn(" 100 %", output)
        self.assertGreater(output.count("\r"), 10)
        self.wait_copies(1, ann)


@needs_installation
class Languages(LibraryTest):
    def test_cxx(self):
        ann = self.address()
        program = self.build("send.cc", compiler=("c++", "-std=c++17"))
        self.assertIn(": 250 ", self.run_program(program, "127.0.0.1", self.port("plain"), SENDER, ann))
        self.wait_copies(1, ann)

    def test_each_header_alone(self):
        """Each public header compiles by itself, as C and as C++, without the project's own source."""
        for header in sorted((lab.SOURCE / "src/lib/outbox").glob("*.h")):
            for compiler in (("cc", "-std=c99"), ("c++", "-std=c++11")):
                source = self.directory / ("one.c" if compiler[0] == "cc" else "one.cc")
                source.write_text(f"#include <outbox/{header.name}>\nint main(void) {{ return 0; }}\n",
                                  encoding="utf-8")
                installed().build(source, self.directory / "one", "-pedantic", compiler=compiler)

    def test_python(self):
        ann = self.address()
        self.run_program("/usr/bin/python3", EXAMPLES / "send.py", "127.0.0.1", self.port("plain"), SENDER, ann)
        self.assertIn("=?UTF-8?", self.wait_copies(1, ann)[0].content.decode())


@needs_installation
class Threads(LibraryTest):
    def test_a_client_each(self):
        """With OUTBOX_THREADS so many; where the library has the thread sanitizer, the program has it too."""
        relay, count = self.odd(), int(os.environ.get("OUTBOX_THREADS", "100"))
        symbols = subprocess.run(("nm", "-D", installed().library_directory / "liboutbox.so"),
                                 capture_output=True, text=True, check=True).stdout
        options = ["-fsanitize=thread"] if "__tsan_" in symbols else []
        program = installed().build(EXAMPLES / "threads.c", self.directory / "threads", *options)
        output = self.run_program(program, "127.0.0.1", relay.port, SENDER, "ann@lab.test", count)
        self.assertIn(f"{count} of {count} sent", output)
        self.assertNotIn("ThreadSanitizer", output)
        self.assertEqual(len(relay.accepted), count)


