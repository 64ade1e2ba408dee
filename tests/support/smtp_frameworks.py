"""The tests of what web applications send by: Django and Java's mail, unchanged, at the port of outbox-smtp.socket; for
the machine whose systemd is real (inside_programs.py)."""

import importlib.util
import pathlib
import shutil
import unittest

from machine import run, shell

DJANGO = """
import sys
from django.conf import settings
settings.configure(EMAIL_HOST="127.0.0.1", EMAIL_PORT=25, DEFAULT_FROM_EMAIL="Café <shop@lab.test>")
from django.core import mail
to = sys.argv[1]
page = mail.EmailMultiAlternatives("by Django, für dich", "a line of Django\\n.dot\\n", to=[f"Ann Ü <{to}>"], bcc=["hidden-" + to])
page.attach_alternative("<p>a line</p>", "text/html")
page.attach("all.bin", bytes(range(256)) * 40, "application/octet-stream")
print(page.send())
print(mail.send_mass_mail([(f"mass {n}", "a line\\n", None, [f"mass-{n}-{to}"]) for n in range(3)]))
"""

DJANGO_REFUSED = """
import smtplib, sys
from django.conf import settings
settings.configure(EMAIL_HOST="127.0.0.1", EMAIL_PORT=25)
from django.core import mail
try:
    mail.send_mail("s", "a line", "boss@lab.test", ["refused@lab.test"])
except smtplib.SMTPResponseException as refusal:
    print(refusal.smtp_code, refusal.smtp_error.decode())
print(mail.send_mail("s", "a line", "boss@lab.test", ["refused@lab.test"], fail_silently=True))
"""

JAVA = """
import java.util.Properties;
import PACKAGE.*;
import PACKAGE.internet.*;

public class Mail {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("mail.smtp.host", "127.0.0.1");
        properties.put("mail.smtp.port", "25");
        properties.put("mail.smtp.allow8bitmime", "true");
        properties.put("mail.smtp.dsn.notify", "FAILURE");
        properties.put("mail.smtp.dsn.ret", "HDRS");
        properties.put("mail.smtp.sendpartial", "true");
        Session session = Session.getInstance(properties);
        MimeMessage message = new MimeMessage(session);
        message.setFrom(new InternetAddress(arguments[0]));
        message.setSubject("by Java, f\\u00fcr dich", "utf-8");
        MimeBodyPart text = new MimeBodyPart(), file = new MimeBodyPart();
        text.setText("a line of Java, f\\u00fcr dich\\n.dot\\n", "utf-8");
        file.setContent(new byte[10240], "application/octet-stream");
        file.setFileName("zeros.bin");
        message.setContent(new MimeMultipart(text, file));
        message.saveChanges();
        try (Transport transport = session.getTransport("smtp")) {
            transport.connect();
            for (int i = 1; i < arguments.length; i++)
                transport.sendMessage(message, new InternetAddress[] { new InternetAddress(arguments[i]) });
            System.out.println("taken: " + (arguments.length - 1));
        } catch (SendFailedException refusal) {
            System.out.println("refused: " + refusal.getMessage() + " " + refusal.getNextException());
        }
    }
}
"""
JARS = pathlib.Path("/usr/share/java")


class SmtpFrameworks:
    """Beside the tests of programs that speak SMTP."""

    def test_django(self):
        self.need_django()
        self.open_port()
        for user in ("root", "mallory"):
            self.assertEqual(run("/usr/bin/python3", "-c", DJANGO, f"django-{user}@lab.test", user=user), "1\n3\n")
            self.assert_from_django(f"django-{user}@lab.test")
        run("systemd-run", "--wait", "--pipe", "-q", "-p", "DynamicUser=yes", "-p", "ProtectSystem=strict",
            "/usr/bin/python3", "-c", DJANGO, "django-boxed@lab.test")
        self.assert_from_django("django-boxed@lab.test")

    def assert_from_django(self, recipient):
        for copy in (recipient, f"hidden-{recipient}"):
            mail = self.copy_with(copy, "a line of Django")
            self.assertEqual((mail["Subject"], mail["From"]), ("by Django, für dich", "Café <shop@lab.test>"))
            self.assertNotIn("hidden", str(mail["To"]) + str(mail["Bcc"]))
            self.assertIn("\n.dot\n", mail.get_body(("plain",)).get_content())
            self.assertEqual([part.get_content() for part in mail.iter_attachments()], [bytes(range(256)) * 40])
        for number in range(3):
            self.assertEqual(self.copy_with(f"mass-{number}-{recipient}", "a line")["Subject"], f"mass {number}")

    def test_django_shows_why(self):
        """What was refused, as an exception whose text is the reply's; or as the number of those that were sent."""
        self.need_django()
        self.open_port(senders="mallory: shop@lab.test; *: *")
        said = run("/usr/bin/python3", "-c", DJANGO_REFUSED, user="mallory")
        self.assertRegex(said, r"\A550 5\.7\.1 .*may not name.*\n0\n\Z")

    def need_django(self):
        if importlib.util.find_spec("django") is None:
            raise unittest.SkipTest("Django is not installed (scripts/install-packages systemd)")

    def test_java(self):
        """JavaMail, and Jakarta Mail, as it is called since: extensions, several messages of a connection, a refusal."""
        if not shutil.which("javac"):
            raise unittest.SkipTest("there is no JDK; scripts/prove java installs one")
        self.open_port(senders="mallory: shop@lab.test; *: *")
        for package, jar in {"javax.mail": "javax.mail.jar", "jakarta.mail": "jakarta-mail.jar"}.items():
            with self.subTest(package):
                self.send_by_java(package, JARS / jar)

    def send_by_java(self, package, jar):
        place = pathlib.Path("/srv") / package
        place.mkdir()
        (place / "Mail.java").write_text(JAVA.replace("PACKAGE", package), encoding="ascii")
        path = ":".join(map(str, (place, jar, *sorted(JARS.glob("*activation.jar")))))
        shell(f"cd {place} && javac -cp {path} Mail.java")
        for user in ("root", "mallory"):
            recipients = [f"{package}-{number}-{user}@lab.test" for number in range(3)]
            self.assertEqual(run("java", "-cp", path, "Mail", "shop@lab.test", *recipients, user=user), "taken: 3\n")
            for recipient in recipients:
                mail = self.copy_with(recipient, "by_Java")
                self.assertEqual(mail["Subject"], "by Java, für dich")
                self.assertIn("für dich\n.dot\n", mail.get_body(("plain",)).get_content())
                self.assertEqual([part.get_content() for part in mail.iter_attachments()], [bytes(10240)])
        said = run("java", "-cp", path, "Mail", "boss@lab.test", "refused@lab.test", user="mallory")
        self.assertRegex(said, r"refused: .*550 5\.7\.1 .*may not name")
