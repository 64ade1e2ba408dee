"""What `make install` puts in place."""

from case import SystemTest
from installed import install, needs_installation


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
