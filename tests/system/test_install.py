"""What `make install` puts in place."""

from case import SystemTest
from installed import install, needs_installation, uninstall


@needs_installation
class Install(SystemTest):
    def install(self, umask):
        """Installs below a directory of the test's own, which is returned."""
        return install(self.directory / "destination", umask)

    def test_everybody_may_enter_whatever_the_umask(self):
        directories = [path for path in self.install(0o077).rglob("*") if path.is_dir()]
        self.assertTrue(directories)
        for path in directories:
            self.assertEqual(path.stat().st_mode & 0o7777, 0o755, path)

    def test_a_directory_that_is_there_keeps_its_mode(self):
        own = self.directory / "destination/etc/outbox"
        own.mkdir(parents=True)
        own.chmod(0o750)
        self.install(0o022)
        self.assertEqual(own.stat().st_mode & 0o7777, 0o750)

    def test_pages_of_the_names(self):
        """sendmail(8), mailq(1) and newaliases(1): another mail system's are left alone, compressed or not."""
        manual = self.directory / "destination/usr/share/man"
        (manual / "man1").mkdir(parents=True)
        (manual / "man8").mkdir()
        theirs = manual / "man8/sendmail.8.gz"
        theirs.write_bytes(b"another one's")
        link = manual / "man1/newaliases.1"
        link.symlink_to("nowhere.1")
        for _ in range(2):  # an installation over another one
            self.install(0o022)
            self.assertEqual(theirs.read_bytes(), b"another one's")
            self.assertFalse((manual / "man8/sendmail.8").exists())
            self.assertTrue(link.is_symlink())
            self.assertIn('.TH MAILQ 1', (manual / "man1/mailq.1").read_text(encoding="utf-8"))
        uninstall(self.directory / "destination")
        self.assertFalse((manual / "man1/mailq.1").exists())
        self.assertEqual(theirs.read_bytes(), b"another one's")
        self.assertTrue(link.is_symlink())
