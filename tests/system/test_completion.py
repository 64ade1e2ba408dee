"""The completions for bash, zsh and fish, and what a shell makes of what they put on its line."""

import os
import pty
import subprocess
import time

import lab
from case import SystemTest, message
from process import wait_for

BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
HOSTILE = ["$(touch touched)", "b`touch touched`l", "b;touch touched", "b$HOME", 'a "b"', "d'quote", "back\\slash", "~",
           "-x", "--all", "=ls", "%self", ",b", "b!!", "b*", "b?", "b[a-z]", "{a,b}", "#b", "^b", "b|touch touched",
           "b&touch touched", "b>touched", "two words", "two\nlines", "\x1b[31m", "é", "b\u00a0c", "\ufdd1", "\uf600"]


class Completing(SystemTest):
    """The completions, as the shells call them."""

    SCRIPTS = {
        "bash": ("etc/bash-completion/outbox",
                 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE=$LINE; COMP_POINT=${#LINE}; _outbox; '
                 'printf "%s\\n" "${COMPREPLY[@]}"'),
        "zsh": ("etc/zsh-completion/_outbox",
                '_files() { print -l -- :files/ }; _users() { print -l -- :users/ }; compset() { }; '
                'compadd() { while [[ $1 == -* ]]; do [[ $1 != -S ]] || shift; shift; done; print -l -- ${(P)1} }; '
                'script=$1; shift; words=("$@"); CURRENT=$#; source $script'),
        "fish": ("etc/fish-completion/outbox.fish",
                 'source $argv[1]; function commandline; if test $argv[1] = -ct; echo $words[-1]; '
                 'else; printf "%s\\n" $words[1..-2]; end; end; set -g words $argv[2..]; __outbox_complete'),
    }

    def complete(self, *words, shell="bash", line=None):
        path, script = self.SCRIPTS[shell]
        command = [shell, *(("-f",) if shell == "zsh" else ()), "-c", script, *(("zsh",) if shell == "zsh" else ()),
                   lab.SOURCE / path, "outbox", *words]
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, check=False,
            env={**os.environ, "PATH": f"{lab.BUILD}:{os.environ['PATH']}", "HOME": str(self.directory),
                 "LINE": line if line is not None else " ".join(map(str, ("outbox", *words)))},
            timeout=300, cwd=self.directory,
        )
        return [line for line in done.stdout.decode().splitlines() if line]

    def test_words(self):
        self.configure()
        self.queue.drop("first", message(), state="held")
        self.queue.drop("fresh", message())
        front = ("--config", self.configuration)
        for words, expected in (
            (("que",), ["queue"]),
            (("--v",), ["--version"]),
            (("queue", "--prio"), ["--priority"]),
            (("queue", "--priority", "u"), ["urgent"]),
            (("queue", "--batch", "--di"), ["--directory"]),
            (("queue", "-d", "/et"), ["/etc"]),
            (("send", "--raw", "/etc/hostn"), ["/etc/hostname"]),
            (("--config", "/etc/hostn"), ["/etc/hostname"]),
            (("queue", "--subject", "q"), []),
            (("list", "fail"), ["failed"]),
            (("list", "--sort", "ag"), ["age"]),
            (("move", "--to", "data"), ["database"]),
            (("move", "--to", "/et"), ["/etc"]),
            (("move", "--form"), ["--formerly"]),
            (("database", "gr"), ["grant"]),
            (("list", "--uid", "nobod"), ["nobody"]),
            ((*front, "list", "--relay", ""), ["plain"]),
            ((*front, "release", "f"), ["first"]),
            ((*front, "hold", "f"), ["fresh"]),
            ((*front, "check", ""), ["plain"]),
            (("config", "spool.k"), ["spool.keep_sent"]),
            ((*front, "config", "relays.pl"), ["relays.plain"]),
            (("--set", "keep_s"), ["keep_sent="]),
            (("list", "--nothing=x"), []),
        ):
            self.assertEqual(self.complete(*words), expected, words)
        self.assertEqual(self.complete("--set", "tls", "=", "start", line="outbox --set tls=start"), ["starttls"])
        self.assertEqual(self.complete("--set", "keep_sent", "=", line="outbox --set keep_sent="), ["true", "false"])
        self.assertEqual(self.complete("list", "--sort", "=", "si", line="outbox list --sort=si"), ["size"])
        self.assertEqual(self.complete("queue", "--directory", "=", "/et", line="outbox queue --directory=/et"), ["/etc"])
        for option in (f"--directory={self.queue.path}", f"-d{self.queue.path}"):
            self.assertEqual(self.complete("release", option, "f"), ["first"])
        self.assertIn("delete", self.complete(""))

    def test_other_shells(self):
        self.configure()
        self.queue.drop("first", message(), state="held")
        self.queue.drop("second", message(), state="held")
        front = ("--config", self.configuration)
        for shell in ("zsh", "fish"):
            for words, expected in (
                (("que",), ["queue"]),
                (("list", "fail"), ["failed"]),
                (("--set", "tls=start"), ["tls=starttls"]),
                ((*front, "release", ""), ["first", "second"]),
                ((*front, "hold", ""), []),
            ):
                self.assertEqual(sorted(self.complete(*words, shell=shell)), expected, (shell, words))
            if shell == "zsh":
                self.assertEqual(self.complete("send", "--raw", "", shell=shell), [":files/"])

    def test_only_plain_words_are_offered(self):
        """Anybody who queues names a file as he likes."""
        self.configure()
        plain = ["report.deferred", "a=b", "x@y", "1%", "A+b", "c:d", ":e", "f,g"]
        for name in [*plain, *HOSTILE]:
            self.queue.drop(name, message(), state="held")
        front = ("--config", self.configuration)
        for shell in self.SCRIPTS:
            self.assertEqual(sorted(self.complete(*front, "release", "", shell=shell)), sorted(plain), shell)
        self.assertFalse((self.directory / "touched").exists())

    def test_ids_that_shells_take_apart(self):
        self.configure()
        for name in ("a=b=c", "a:b:c", ":files", "two words", "d'quote", "\x1b[31m"):
            self.queue.drop(name, message(), state="held")
        self.queue.drop("a=b=c", message(), state="failed")
        front = ("--config", self.configuration)
        start = f"outbox --config {self.configuration} show "
        for words, typed, expected in (
            (["a", "=", "b", "="], "a=b=", ["c"]), (["a", "="], "a=", ["b=c"]), (["a", ":", "b"], "a:b", ["b:c"]),
            (["a", "=", "b"], "a=b", ["b=c"]), (["'a=b"], "'a=b", ["a=b=c"]), (["two\\ w"], "two\\ w", []),
            ([":"], ":", ["files"]),
            (["x", "a"], "x a", sorted(["a:b:c", "a=b=c"]))):
            self.assertEqual(sorted(self.complete(*front, "show", *words, line=start + typed)), expected, typed)
        for shell in ("zsh", "fish"):
            self.assertEqual(self.complete(*front, "show", ":", shell=shell), [":files"])
            self.assertEqual(self.complete(*front, "show", "a=", shell=shell), ["a=b=c"])
            self.assertEqual(self.complete("list", "--sort=si", shell=shell), ["--sort=size"])


class Typed(SystemTest):
    """Shells at a terminal: Tab and Enter."""

    SHELLS = {
        "bash": (["bash", "--norc", "--noprofile", "-i"], f"PS1='READY> '; set -o history; source {BASH_COMPLETION}; "
                 f"source '{lab.SOURCE}/etc/bash-completion/outbox'"),
        "zsh": (["zsh", "-f", "-i"], f"PS1='READY> '; unsetopt zle_bracketed_paste; fpath=('{lab.SOURCE}/etc/zsh-completion' $fpath); "
                "autoload -Uz compinit; compinit -u -D; compdef _outbox outbox"),
        "fish": (["fish", "--no-config", "-i"], "function fish_prompt; echo 'READY> '; end; "
                 f"source '{lab.SOURCE}/etc/fish-completion/outbox.fish'"),
    }

    def setUp(self):
        super().setUp()
        self.configure()
        (self.directory / "bin").mkdir()
        tool = self.directory / "bin" / "outbox"
        tool.write_text(f"""#!/bin/sh
[ "$1" = complete ] && {{ shift; {lab.program("outbox")} complete "$@"; code=$?; echo >> "{self.directory}/asked"; exit $code; }}
printf '%s\\n' "$@" > "{self.directory}/.called" && mv "{self.directory}/.called" "{self.directory}/called"
""", encoding="ascii")
        tool.chmod(0o755)

    def type(self, shell, line):
        """The arguments that are given when Tab and Enter are pressed behind the line, each when what was before it
        has had its effect."""
        for name in ("asked", "called", "begun"):
            (self.directory / name).unlink(missing_ok=True)
        command, setup = self.SHELLS[shell]
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.directory)
            os.execvpe(command[0], command, {**os.environ, "PATH": f"{self.directory}/bin:{os.environ['PATH']}", "TERM": "dumb",
                                             "HOME": str(self.directory), "HISTFILE": "/dev/null"})
        os.set_blocking(terminal, False)
        screen = bytearray()

        def look(what):
            try:
                screen.extend(os.read(terminal, 65536))
            except OSError:
                pass
            return what()

        def send(text, what):
            os.write(terminal, text.encode())
            wait_for(lambda: look(what), lambda: f"{text!r} in {shell}: {screen.decode(errors='replace')}")

        try:
            send(f"{setup}; touch {self.directory}/begun\r", (self.directory / "begun").exists)
            send(f"{line}\t", (self.directory / "asked").exists)
            for _ in range(5):  # what came of it is put on the line
                time.sleep(0.1)
                look(bool)
            send("\r", (self.directory / "called").exists)
        finally:
            os.write(terminal, b"\x03\rexit\r")
            os.close(terminal)
            os.waitpid(pid, 0)
        return (self.directory / "called").read_text(encoding="utf-8").splitlines()

    def test_what_is_completed_is_given(self):
        for name in ("a=b:c@d", "letters"):
            self.queue.drop(name, message(), state="held")
        (self.directory / "letters").mkdir()  # it is an id, whatever there is of that name
        for shell in self.SHELLS:
            for start, name in (("a=b", "a=b:c@d"), ("let", "letters")):
                called = self.type(shell, f"outbox --config {self.configuration} show {start}")
                self.assertEqual(called[-2:], ["show", name], shell)

    def test_nothing_is_run_or_expanded(self):
        for shell in self.SHELLS:
            for name in HOSTILE[:8]:
                path = self.queue.drop(name, message(), state="held")
                beginning = name[0] if name[0] in "ab" else ""
                called = self.type(shell, f"outbox --config {self.configuration} show {beginning}")
                self.assertEqual(called[-1], beginning or "show", (shell, name))
                self.assertFalse((self.directory / "touched").exists(), (shell, name))
                path.unlink()
