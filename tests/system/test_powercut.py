"""The power fails at each point of what real programs do in a queue directory, and whatever can be left of
it is given to outboxd: nothing that was told to be queued is lost, nothing that was recorded is sent again.

A few scenarios; with OUTBOX_POWERCUT=all, as scripts/prove has it, every one, and every one on each file
system. OUTBOX_SEED chooses among the images of which there are too many."""

import collections
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import powercut_disks
import powercut_judge
from case import SystemTest
from odd_relay import RelayTest
from powercut_images import Recording
from powercut_judge import PENDING, STATES, Judge, Story, identity, lay_out
from powercut_recording import Op, record
from powercut_scenarios import SCENARIOS, WITH_JOURNAL
from process import wait_for

ALL = os.environ.get("OUTBOX_POWERCUT") == "all"
SEED = int(os.environ.get("OUTBOX_SEED", "1"))
SAMPLES = 400 if ALL else 20
PLAYED = tuple(SCENARIOS) if ALL else ("several", "deferral", "new_id", "in_flight", "tools")
ON_DISKS = tuple(SCENARIOS) if ALL else ("in_flight",)
RECOVERED = tuple(SCENARIOS) if ALL else ("several", "in_flight")
RECOVERIES = 4 if ALL else 2  # of each
MODELS = ("journal", "any")
MODULES = pathlib.Path(powercut_judge.__file__).parent


def figures(title, images, doubles, violations, more=""):
    explained = ", ".join(f"{n} ({why})" for why, n in sorted(doubles.items()))
    return f"powercut: {title}: {images} images{more}, {violations} violations; sent again: {explained or 'nothing'}"


@unittest.skipUnless(shutil.which("strace"), "strace is not installed (scripts/install-packages lab)")
class PowerCut(SystemTest):
    seconds = 7200 if ALL else 600

    def setUp(self):
        super().setUp()
        place = "/dev/shm" if os.path.isdir("/dev/shm") else self.directory
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="outbox-powercut.", dir=place))
        self.place.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)

    def play(self, name):
        place = self.place / name
        place.mkdir()
        command = [sys.executable, "-B", MODULES / "powercut_scenarios.py", name, place]
        return Story(name, Recording(record(place / "trace", place / "queue", command).ops))

    def images_of(self, story, first=1):
        for model in MODELS[:1] if story.name.partition(",")[0] in WITH_JOURNAL else MODELS:
            for point in range(first, len(story.recording.ops) + 1):
                for image in story.recording.images(model, point, SEED, SAMPLES):
                    yield story, model, image

    def test_all_that_can_be_left(self):
        begin = time.monotonic()
        judge, points = Judge(self.place), 0
        for name in PLAYED:
            story = self.play(name)
            points += len(story.recording.ops)
            end = story.facts(len(story.recording.ops))
            self.assertEqual(end.told, set(story.recipients) - {"careless"}, name)
            judge.judge(self.images_of(story))
        self.tell(judge, f"{len(PLAYED)} scenarios, {points} points", begin)

    def tell(self, judge, what, begin):
        """The figures; it fails where something was lost."""
        violations = [one for found in judge.verdicts.values() for one in found.violations]
        for model in MODELS:
            found = [v for (_, of), v in judge.verdicts.items() if of == model]
            doubles = sum((v.doubles for v in found), collections.Counter())
            images, wrong = (sum(n) for n in zip(*((v.images, len(v.violations)) for v in found)))
            print(figures(f"model {model}", images, doubles, wrong), flush=True)
        seconds = time.monotonic() - begin
        print(f"powercut: {what}, seed {SEED}, {seconds:.0f} s", flush=True)
        self.assertFalse(violations, "\n".join(map(powercut_judge.describe, violations[:3])))

    def some_images(self, story, most):
        """Images with something left to do, from all over the story."""
        chance, model = random.Random(f"{SEED} {story.name}"), MODELS[story.name not in WITH_JOURNAL]
        points = list(range(2, len(story.recording.ops) + 1))
        chance.shuffle(points)
        for point in points:
            images = [image for image in story.recording.images(model, point, SEED, SAMPLES)
                      if any(name.endswith(PENDING) for name, _ in image.names)]
            if images and most > 0:
                most -= 1
                yield chance.choice(images)

    def recover(self, story, image):
        """The story of what outboxd does with that image."""
        place = pathlib.Path(tempfile.mkdtemp(dir=self.place))
        queue = place / "queue"
        queue.mkdir(mode=0o700)
        lay_out(queue, 0, image, story)
        identities = {path.name: identity(path) for path in queue.iterdir() if path.suffix in STATES}
        command = [sys.executable, "-B", MODULES / "powercut_scenarios.py", "recover", place]
        recorder = record(place / "trace", queue, command, marks=story.marks(image))
        begin = sum(1 for end in recorder.ends if end == 0)
        return begin, story.goes_on(Recording(recorder.ops), identities)

    def test_power_cut_while_it_recovers(self):
        """The power fails again while outboxd goes on with what a power failure has left."""
        begin, judge, points, recoveries = time.monotonic(), Judge(self.place), 0, 0
        for name in RECOVERED:
            story = self.play(name)
            for image in self.some_images(story, RECOVERIES):
                first, again = self.recover(story, image)
                points += len(again.recording.ops) - first
                recoveries += 1
                judge.judge(self.images_of(again, first))
        self.tell(judge, f"{recoveries} recoveries, {points} points", begin)

    def judge_without(self, story, is_left_out):
        """The images of a story in which some syncs were not made, judged as if they had been."""
        ops = [Op("") if op.kind == "sync" and is_left_out(op) else op for op in story.recording.ops]
        other = Recording([dataclasses.replace(op) for op in ops])
        judge = Judge(self.place)
        judge.round = len(os.listdir(self.place))
        judge.judge(
            (story, "any", image)
            for point in range(1, len(ops) + 1)
            for image in other.images("any", point, SEED, SAMPLES)
        )
        found = judge.verdicts[story.name, "any"].violations
        return " ".join(wrong for one in found for wrong in one[3])

    def test_a_missing_sync_is_seen(self):
        """Each kind of sync is needed, and the judge notices where it is not made."""
        story = self.play("several")
        records = {op.file for op in story.recording.ops if op.name.endswith(".status")}
        for what, is_left_out, words in (
            ("names", lambda op: op.whole == "names", "is lost"),
            ("messages", lambda op: op.whole != "names" and op.file not in records, "a part of several"),
            ("records", lambda op: op.file in records, "though recorded"),
        ):
            with self.subTest(what):
                self.assertIn(words, self.judge_without(story, is_left_out))
        self.assertEqual(self.judge_without(story, lambda op: False), "")


class PowerCutOnDisks(SystemTest):
    """On real file systems, each in a loop device that is copied while it is written to."""

    seconds = 7200 if ALL else 600

    def on(self, file_system):
        reason = powercut_disks.why_not(file_system)
        if reason:
            self.skipTest(reason)
        results = []
        for name in ON_DISKS:
            directory = self.directory / name
            directory.mkdir()
            script = MODULES / "powercut_disks.py"
            command = ["unshare", "--mount", "--", sys.executable, "-B", script, file_system, name, directory]
            done = subprocess.run(command, capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, f"{name}: {done.stderr.decode()[-3000:]}")
            results.append(json.loads(done.stdout))
            shutil.rmtree(directory)
        doubles = sum((collections.Counter(one["doubles"]) for one in results), collections.Counter())
        violations = [text for one in results for text in one["violations"]]
        images, missed = (sum(one[what] for one in results) for what in ("images", "missed"))
        more = f" of {len(ON_DISKS)} scenarios ({missed} copies spoiled)"
        print(figures(file_system, images, doubles, len(violations), more), flush=True)
        self.assertGreater(images, len(ON_DISKS))
        self.assertFalse(violations, "\n".join(violations[:3]))

    def test_ext4(self):
        self.on("ext4")

    def test_xfs(self):
        self.on("xfs")

    def test_btrfs(self):
        self.on("btrfs")


class Removals(RelayTest):
    """The removal of a delivered message is on the disk a moment later, though nobody waits for it."""

    def calls(self, trace):
        """Which of the two calls were made, in order, of the queue directory: "unlinkat", "fsync"."""
        text = trace.read_text(encoding="utf-8", errors="replace")
        return re.findall(rf"(unlinkat|fsync)\(\d+<{re.escape(str(self.queue.path))}>", text)

    def start_traced(self, trace):
        relay = self.odd()
        wrapper = ("strace", "-D", "-f", "-y", "-qq", "-e", "trace=unlinkat,fsync", "-o", str(trace))
        return relay, self.start(self.settings(relay), wrapper=wrapper)

    def test_while_it_runs(self):
        trace = self.directory / "trace"
        relay, _ = self.start_traced(trace)
        for number in range(50):
            self.drop(f"m-{number}")
        self.wait_taken(relay, "m-49")
        self.queue.wait_gone(*(f"m-{number}" for number in range(50)))
        wait_for(lambda: self.calls(trace)[-1:] == ["fsync"], lambda: self.calls(trace)[-5:])
        self.assertLess(self.calls(trace).count("fsync"), 10)
        time.sleep(1.5)
        self.assertEqual(self.calls(trace)[-2:], ["unlinkat", "fsync"], "it is synced for nothing")

    def test_before_it_ends(self):
        trace = self.directory / "trace"
        relay, daemon = self.start_traced(trace)
        self.drop("one")
        self.wait_taken(relay, "one")
        self.queue.wait_gone("one")
        daemon.terminate()
        self.assertEqual(self.calls(trace)[-1:], ["fsync"])
