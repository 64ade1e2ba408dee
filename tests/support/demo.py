"""What scripts/demo shows: outboxd beside a real relay, one message that arrives and one that the
relay refuses. Every claim that is printed has been checked; the exit status is 0 when all held."""

import sys

import lab
from dovecot import PASSWORD, USER
from process import wait_for

ORDER = lab.SOURCE / "tests/data/order.eml"


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


def main():
    laboratory = lab.shared()
    directory = laboratory.new_directory()
    queue = lab.Queue(directory / "queue")
    laboratory.dovecot
    say(f"A relay: Postfix on port {laboratory.postfix.port['submission']}; it wants STARTTLS and a login")

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
    wait_for(lambda: laboratory.postfix.count() == 2, "Ann's copy arrives")
    say("The queue now, and the delivery record typo.status:")
    show("\n".join(queue.names()))
    show((queue.path / "typo.status").read_text(encoding="utf-8"))

    stopped = daemon.terminate() == 0
    say("What the daemon logged about both (under systemd: journalctl OUTBOX_ID=order)")
    show("\n".join(lines_about(daemon, "order") + lines_about(daemon, "typo")))
    refused = [e["recipient"] for e in queue.events("typo", "refused")]
    return 0 if same and stopped and refused == ["refused@lab.test"] else 1


if __name__ == "__main__":
    sys.exit(main())
