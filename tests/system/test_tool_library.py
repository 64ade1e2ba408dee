"""outbox finds liboutbox.so wherever the tree they are installed in was copied to, and loads none that is of another
version, or that others could have put there."""

import os
import pathlib
import re
import shutil
import subprocess

import lab
from case import SystemTest


class Loading(SystemTest):
    def setUp(self):
        super().setUp()
        self.version = re.search(r'(?m)^#define PACKAGE_VERSION "(.*)"$', (lab.BUILD / "config.h").read_text())[1]
        said = subprocess.run(["make", "-s", "-C", lab.BUILD, "--eval", "where: ; @echo $(bindir) $(libdir)",
                               "where"], capture_output=True, check=True, text=True).stdout.split()
        self.root, self.libdir = self.lab.new_directory(), pathlib.Path(said[1])
        places = [self.root / place.lstrip("/") for place in said]
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        self.program, self.library = places[0] / "outbox", places[1] / "liboutbox.so.1"
        shutil.copy(lab.program("outbox"), self.program)

    def install(self):
        shutil.copy(lab.program(lab.LIBRARY), self.library)

    def build_library(self, path, version, words):
        """One that prints words, and its arguments."""
        directory = self.lab.new_directory()
        (directory / "it.c").write_text(
            "#include <stdio.h>\n"
            f'const char *outbox_version(void) {{ return "{version}"; }}\n'
            "int outbox_tool_main(int argc, char **argv)\n"
            "{\n"
            f'    printf("{words}");\n'
            "    for (int i = 1; i < argc; i++)\n"
            '        printf(" %s", argv[i]);\n'
            "    return argv[argc] ? 1 : 0;\n"
            "}\n", encoding="ascii")
        (directory / "it.map").write_text(
            "LIBOUTBOX_1.0 { global: outbox_version; local: *; };\n"
            f"LIBOUTBOX_PRIVATE_{re.sub('[^A-Za-z0-9._]', '_', version)} {{ global: outbox_tool_main; }};\n",
            encoding="ascii")
        subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-soname,liboutbox.so.1", "-Wl,--version-script=it.map",
                        "-o", path, "it.c"], check=True, cwd=directory)
        path.chmod(0o755)

    def run_copy(self, *arguments, **options):
        done = subprocess.run([self.program, *arguments], capture_output=True, check=False, text=True, timeout=300,
                              **options)
        return done.returncode, done.stdout + done.stderr

    def assert_refused(self, *words):
        status, said = self.run_copy("list")
        self.assertEqual(status, 66, said)
        for word in ("outbox: 303: ", *words):
            self.assertIn(str(word), said)

    def test_in_a_copied_tree(self):
        self.install()
        self.assertEqual(self.run_copy("config", "--explain")[0], 0)
        self.build_library(self.library, self.version, "it is this one:")
        self.assertEqual(self.run_copy("--set", "spool.keep_sent=true", "list", "queued"),
                         (0, "it is this one: --set spool.keep_sent=true list queued"))

    def test_by_other_names(self):
        """As mailq it lists, whatever link it was called by."""
        self.build_library(self.library, self.version, "it is this one:")
        link = self.lab.new_directory() / "mailq"
        link.symlink_to(self.program)
        done = subprocess.run([link], capture_output=True, check=False, text=True, timeout=300)
        self.assertEqual((done.returncode, done.stdout),
                         (0, "it is this one: mailq"), done.stderr)

    def test_where_it_was_built(self):
        built = self.program.parent / ".libs"
        built.mkdir()
        self.build_library(built / "liboutbox.so.1", self.version, "built")
        self.assertEqual(self.run_copy("list"), (0, "built list"))

    def test_a_link_to_it(self):
        """As packages have it: the name is a link to the file of the full version."""
        elsewhere = self.root / "elsewhere"
        elsewhere.mkdir()
        self.build_library(elsewhere / "liboutbox.so.1.0.0", self.version, "linked")
        self.library.symlink_to(elsewhere / "liboutbox.so.1.0.0")
        self.assertEqual(self.run_copy("list"), (0, "linked list"))
        elsewhere.chmod(0o777)  # what counts is where the file is
        self.assert_refused(elsewhere, "is not loaded")

    def test_another_version_is_refused(self):
        for version in ("0.9.9", f"{self.version}.1", self.version[:-1] or "0", f"{self.version}-rc1"):
            self.build_library(self.library, version, "never")
            self.assert_refused(f"this is outbox {self.version}", f"is of version {version};", self.library,
                                "the same package")

    def test_none_or_no_library(self):
        if not (self.libdir / "liboutbox.so.1").exists():
            self.assert_refused(self.libdir / "liboutbox.so.1", "install outbox completely")
        for content in (b"", b"nonsense" * 100, self.program.read_bytes()):
            self.library.write_bytes(content)
            self.assert_refused(self.library, "install outbox completely")
        self.library.unlink()
        os.mkfifo(self.library)  # to open it would be to wait for a writer
        self.assert_refused(self.library, "no regular file")

    def test_where_nothing_may_be_run(self):
        self.build_library(self.library, self.version, "never")
        copy = self.lab.new_directory() / "copy"
        shutil.copy(self.library, copy)
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec",
             'mount -t tmpfs -o noexec,mode=755 outbox-test "$1"; cp "$2" "$3"; exec "$4" list', "sh",
             self.library.parent, copy, self.library, self.program],
            capture_output=True, check=False, text=True, timeout=300)
        self.assertEqual(done.returncode, 66, done)
        self.assertIn("(noexec)", done.stderr)

    def test_only_what_others_cannot_write(self):
        self.build_library(self.library, self.version, "loaded")
        place = self.library.parent
        for path, mode in ((self.library, 0o757), (self.library, 0o775), (place, 0o757), (place, 0o1777),
                           (place, 0o775)):
            before = path.stat()
            os.chown(path, 0, 12345)
            path.chmod(mode)
            self.assert_refused(path, "is not loaded, for it could be written by users who cannot write the program")
            os.chown(path, before.st_uid, before.st_gid)
            path.chmod(before.st_mode & 0o7777)
            self.assertEqual(self.run_copy("list"), (0, "loaded list"))
        for path in (self.library, place):
            os.chown(path, 12345, -1)
            self.assert_refused(path, "is not loaded")
            os.chown(path, 0, -1)

    def test_whoever_can_write_the_program_can_write_the_library(self):
        """A build of a user's, or a directory that a group installs into."""
        self.build_library(self.library, self.version, "loaded")
        place = self.library.parent
        for path in (self.library, place, self.program):
            os.chown(path, 12345, 12345)
            path.chmod(0o775)
        self.assertEqual(self.run_copy("list"), (0, "loaded list"))
        os.chown(self.program, 12345, 0)
        self.assert_refused("is not loaded")
        os.chown(self.program.parent, 12345, 12345)
        self.program.parent.chmod(0o775)
        self.assertEqual(self.run_copy("list"), (0, "loaded list"))

    def test_the_environment_does_not_choose_it(self):
        self.build_library(self.library, self.version, "the real one")
        for place in (self.root, self.root / ".libs", self.root / "lib"):
            place.mkdir(exist_ok=True)
            self.build_library(place / "liboutbox.so.1", self.version, "another one")
            environment = {**os.environ, "LD_LIBRARY_PATH": str(place), "PATH": f"{place}:{os.environ['PATH']}"}
            self.assertEqual(self.run_copy("list", cwd=place, env=environment), (0, "the real one list"))
            self.assertEqual(self.run_copy("list", cwd=self.root, env=environment), (0, "the real one list"))

    def test_one_with_more_rights_than_its_caller(self):
        """The caller of such a program may have made a link to it, beside a library of its own."""
        if b"__asan" in self.program.read_bytes() or os.statvfs(self.root).f_flag & os.ST_NOSUID:
            self.skipTest("sanitizers, or a file system without set-group-ID programs")
        self.build_library(self.library, self.version, "never")
        self.assertEqual(self.run_copy("list"), (0, "never list"))
        os.chown(self.program, 0, 12345)
        self.program.chmod(0o2755)
        status, said = self.run_copy("--set", f"spool.directory={self.queue.path}", "list")
        self.assertNotIn("never", said)
        self.assertIn(status, (0, 66))
        if status != 0:
            self.assertIn(str(self.libdir), said)

    def test_what_needs_no_library(self):
        self.library.write_bytes(b"broken")
        for arguments, status in ((("--help",), 0), (("--version",), 0), (("queue", "--help"), 0), ((), 64),
                                  (("--no-such",), 64), (("list", "--help"), 0), (("send", "-h"), 0),
                                  (("check", "--no-such"), 64), (("lits",), 64), (("list",), 66)):
            self.assertEqual(self.run_copy(*arguments)[0], status, arguments)
        queued = self.run_copy("queue", "--directory", str(self.queue.path), input="From: a@b\nTo: c@d\n\nHi\n")
        self.assertEqual(queued[0], 0, queued)
