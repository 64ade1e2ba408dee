"""What scripts/demo shows: outboxd beside a real relay, one message that arrives and one that the
relay refuses. Every claim that is printed has been checked; the exit status is 0 when all held."""

import signal
import sys

import lab
from dovecot import PASSWORD, USER
from process import wait_for

ORDER = lab.SOURCE / "tests/data/order.eml"


NEXT = """\
README.md                     how to install it, configure it and hand over mail
scripts/test                  builds in every way that is supported, and runs every test
man -l doc/man/outbox.1       the tool; outboxd.8, outbox.conf.5 and outbox-queue.5 are beside it
The relay, the queue and the mail are gone; the programs are in build-test/gcc."""


def say(text):
    print(f"\n== {text}", flush=True)


def show(text):
    print("   " + text.rstrip("\n").replace("\n", "\n   "), flush=True)


def configure(laboratory, directory, queue):
    secret = directory / "password"
    secret.write_text(PASSWORD + "\n", encoding="ascii")
    secret.chmod(0o600)
    path = directory / "outbox.conf"
    path.write_text(
        f'spool = {{ directory = "{queue.path}"; }};\n'
        "relays = ({\n"
        '    name = "relay"; host = "127.0.0.1"; '
        f'port = {laboratory.postfix.port["submission"]}; tls = "starttls";\n'
        f'    tls_ca_file = "{laboratory.certificates.certificate("ca")}";\n'
        f'    user = "{USER}"; password_file = "{secret}";\n'
        "});\n",
        encoding="ascii",
    )
    return path


def shorten(data, lines=16):
    text = data.decode("utf-8").splitlines()
    return "\n".join(text[:lines] + ([f"[{len(text) - lines} more lines]"] if text[lines:] else []))


def lines_about(daemon, name):
    return [line for line in daemon.output().splitlines() if name in line]


def outbox(configuration, *arguments):
    """Runs the tool, and shows the command line and what it prints."""
    result = lab.outbox("--config", configuration, *arguments)
    show(f"$ outbox {' '.join(arguments)}\n" + result.stdout.decode("utf-8") + result.stderr.decode("utf-8"))
    return result.returncode == 0


def main():
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    say("Starting a relay: Postfix, and Dovecot for its logins")
    laboratory = lab.shared()
    directory = laboratory.new_directory()
    queue = lab.Queue(directory / "queue")
    laboratory.dovecot
    show(f"It listens on port {laboratory.postfix.port['submission']}, and wants STARTTLS and a login.")

    configuration = configure(laboratory, directory, queue)
    say(f"The configuration, {configuration}")
    show(configuration.read_text(encoding="ascii"))
    daemon = lab.Outboxd(configuration, directory)

    say("cp order.eml QUEUE/.order && mv QUEUE/.order QUEUE/order.queued")
    content = ORDER.read_bytes()
    queue.drop("order", content)
    copy = wait_for(laboratory.postfix.copies, "the message arrives")[0]
    queue.wait_gone("order")
    say("It has left the queue. What the recipient has got:")
    show(copy.trace + shorten(copy.content))
    same = copy.content == content
    print(f"\n   Without the relay's trace fields it is the file, byte for byte: {'yes' if same else 'NO'}")

    say("The same message to a user whom the relay does not know, and to Ann")
    queue.drop("typo", b"X-Sender: <shop@lab.test>\nX-Receiver: <refused@lab.test>\n"
                       b"X-Receiver: <ann@lab.test>\n" + content)
    queue.wait_state("typo", "failed")
    wait_for(lambda: laboratory.postfix.count() == 3, "Ann's copy arrives, and a report to the sender")
    stopped = daemon.terminate() == 0
    say("What the daemon logged about both (under systemd: journalctl OUTBOX_ID=order)")
    show("\n".join(lines_about(daemon, "order") + lines_about(daemon, "typo")))

    say("Ann has got hers; the message has failed for the other, and is in the queue. Its sender was told by\n"
        "   mail, and the tool shows why:")
    shown = outbox(configuration, "list") and outbox(configuration, "show", "typo")

    refused = [e["recipient"] for e in queue.events("typo", "refused")]
    held = same and shown and stopped and refused == ["refused@lab.test"]
    say("All of it is as it should be. What next:" if held else "NOT ALL OF THIS IS AS IT SHOULD BE.")
    if held:
        show(NEXT)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
