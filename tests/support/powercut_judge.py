"""What the real outboxd makes of directories that a power failure left, and whether that is right.

Many images are put into one directory, each with a number in front of its ids; what the daemon then sends
is told apart by the number in each message's Subject, and the files that stay by their names."""

import collections
import ctypes
import dataclasses
import json
import os
import pathlib
import re
import time

import lab
from powercut_images import Image
from powercut_relay import BookkeepingRelay
from process import Patience

IMAGES_AT_ONCE = 1500
PENDING = (".queued", ".sending", ".deferred")
STATES = (*PENDING, ".failed", ".held", ".sent")
_KEY = re.compile(rb"^Subject: image-\d{7} (\S+)$", re.MULTILINE)
_RECIPIENT = re.compile(rb"^(?:X-Receiver: <|To: )([^\s<>:]+@[^\s>]+)>?$", re.MULTILINE)
_BINDING = re.compile(rb'"event":"message","file":"([^"]*)"')


# ---- whose a record is, as src/spool/identity.c has it ----

_libc = ctypes.CDLL(None, use_errno=True)


def identity(path):
    """The text that binds a record to this file."""
    statx = ctypes.create_string_buffer(256)
    path = os.fsencode(path)
    if _libc.statx(-100, path, 0x100, 0xFFF, statx) != 0:
        raise OSError(ctypes.get_errno(), "statx", path)

    def number(at, size):
        return int.from_bytes(statx.raw[at : at + size], "little")

    def nanoseconds(at):
        return number(at, 8) * 10**9 + number(at + 8, 4)

    handle = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(132), 136)
    text, mount = "", ctypes.c_int()
    if _libc.name_to_handle_at(-100, path, handle, ctypes.byref(mount), 0) == 0:
        size, kind = (int.from_bytes(handle.raw[at : at + 4], "little") for at in (0, 4))
        text = f"{kind & 0xFFFF:x}-{handle.raw[8 : 8 + size].hex()}"
    birth = nanoseconds(80) if number(0, 4) & 0x800 else 0
    return f"{number(32, 8)}/{birth}/{text}/{nanoseconds(112)}/{number(40, 8)}".encode()


# ---- what is known of a recording ----


@dataclasses.dataclass
class Facts:
    """What had happened when the power failed."""

    told: set
    deleting: set
    accepted: collections.Counter  # (key, recipient)
    recorded: set  # (key, recipient) with a line that a sync has brought to the disk, its name too
    present: set  # keys of messages that were there


class Story:
    """A recording, and what it tells of messages and records."""

    def __init__(self, name, recording, bindings=()):
        """`bindings`: the files that records of the beginning name."""
        self.name, self.recording = name, recording
        self.keys, self.recipients, self.bindings = {}, {}, dict(bindings)
        self.failed = set()  # keys that were given up
        self.without_reason = set()  # keys that somebody put there as given up
        contents = collections.defaultdict(bytes)
        names = {}
        for op in recording.ops:
            if op.kind == "write":
                contents[op.file] += op.data
                self._learn(op.file, contents[op.file], names)
            elif op.kind in ("create", "link"):
                names[op.name] = op.file
            elif op.kind == "rename":
                names.pop(op.old)
                names[op.name] = op.file
                if op.name.endswith(".failed") and op.file in self.keys:
                    self.failed.add(self.keys[op.file])
                    if op.old.startswith("."):
                        self.without_reason.add(self.keys[op.file])
            elif op.kind == "unlink":
                names.pop(op.name)

    def _learn(self, file, content, names):
        key = _KEY.search(content)
        if key:
            self.keys[file] = key[1].decode()
            self.recipients[key[1].decode()] = [r.decode() for r in _RECIPIENT.findall(content)]
        binding = _BINDING.search(content)
        if binding and binding[1] not in self.bindings:
            name = next(name for name, number in names.items() if number == file)
            self.bindings[binding[1]] = names.get(name.removesuffix(".status") + ".sending")

    def is_back(self, image, key):
        """Whether the removal of a message that was done with is lost, and not that of its record."""
        ops = self.recording.ops
        lost = {self.keys.get(ops[i].file) for i in image.lost if ops[i].kind == "unlink"}
        records = {name.removesuffix(".status") for name, _ in image.names if name.endswith(".status")}
        stems = {os.path.splitext(name)[0] for name, file in image.names if self.keys.get(file) == key}
        return key in lost and not stems & records

    def _names_at(self, point):
        names = {}
        for op in self.recording.ops[:point]:
            if op.kind in ("rename", "unlink"):
                names.pop(op.old or op.name, None)
            if op.kind in ("create", "link", "rename"):
                names[op.name] = op.file
        return names

    def facts(self, point):
        facts = Facts(set(), set(), collections.Counter(), set(), set())
        names = self._names_at(point)
        facts.present = {self.keys[file] for file in names.values() if file in self.keys}
        for op in self.recording.ops[:point]:
            mark = op.mark
            if mark.get("what") == "told":
                facts.told.add(mark["key"])
            elif mark.get("what") == "printed":
                facts.told.add(self.keys[self._ever_called(mark["name"])])
            elif mark.get("what") == "deleting":
                facts.deleting.add(mark["key"])
            elif mark.get("what") == "accepted":
                facts.accepted[mark["key"], mark["recipient"]] += 1
        self._add_recorded(facts, point)
        return facts

    def _ever_called(self, name):
        return next(op.file for op in self.recording.ops if op.name == name)

    def marks(self, image):
        """What a recording that begins with this image has to know of what was before."""
        facts = self.facts(image.point)
        for key in sorted(facts.told):
            yield {"what": "told", "key": key}
        for key in sorted(facts.deleting):
            yield {"what": "deleting", "key": key}
        for key, recipient in sorted(facts.accepted.elements()):
            yield {"what": "accepted", "key": key, "recipient": recipient}

    def goes_on(self, recording, identities):
        """The story of what was done with an image of this one, whose files had these identities."""
        files = {op.name: op.file for op in recording.ops if op.kind in ("create", "link")}
        bindings = {text: files[name] for name, text in identities.items()}
        story = Story(f"{self.name}, recovered", recording, bindings)
        story.failed |= self.failed
        story.without_reason |= self.without_reason
        return story

    def _add_recorded(self, facts, point):
        named = self.recording.fixed_names(point)
        files = {self.recording.ops[i].file for i in named}
        for i in self.recording.fixed_content(point):
            op = self.recording.ops[i]
            if op.kind == "write" and op.file in files:
                for event in _lines(op.data):
                    if event.get("event") == "delivered":
                        address = event["recipient"]
                        facts.recorded.add((address.partition("@")[0].partition(".")[2], address))


# ---- laying out ----


def lay_out(directory, number, image, story):
    """Makes the image's files. A record that names a message names its new file."""
    paths, at = collections.defaultdict(list), {}
    for name, file in image.names:
        paths[file].append(pathlib.Path(directory, f"i{number:07d}-{name}"))
    contents, times = dict(image.contents), dict(image.times)
    for file in sorted(paths):
        first, *others = paths[file]
        if file in story.recording.targets:
            os.symlink(story.recording.targets[file], first)
            continue
        content = contents[file].replace(b"image-0000000", b"image-%07d" % number)
        binding = _BINDING.search(content)
        message = story.bindings.get(binding[1]) if binding else None
        if message in at:
            content = content.replace(binding[1], identity(at[message]), 1)
        first.write_bytes(content)
        at[file] = first
        if file in times:
            os.utime(first, (times[file], times[file]))
        for other in others:
            os.link(first, other)


# ---- judging ----


@dataclasses.dataclass
class Left:
    """What there is of one image in the end."""

    states: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(set))  # of a key
    records: dict = dataclasses.field(default_factory=dict)  # of a key: events
    orphans: int = 0


def _is_same(one, other):
    """Whether two identities are of one file: inode, birth and handle say so."""
    return one.split(b"/")[:3] == other.split(b"/")[:3]


def _lines(content):
    """The events of a record; what is no line of one is skipped."""
    for line in content.split(b"\n"):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _events(message):
    """What the record of this file says, if what is beside it is its own."""
    try:
        content = message.with_suffix(".status").read_bytes()
    except OSError:
        return []
    binding = _BINDING.search(content)
    if binding and not _is_same(binding[1], identity(message)):
        return []
    return list(_lines(content))


def _number(name):
    """Of the image; a directory that is one image has no numbers."""
    found = re.match(r"i(\d{7})-", name)
    return int(found[1]) if found else 0


def look(directory):
    """What is in the directory, by image."""
    left = collections.defaultdict(Left)
    messages = set()
    names = [name for name in os.listdir(directory) if not name.startswith(".")]
    for name in names:
        stem, state = os.path.splitext(name)
        path = pathlib.Path(directory, name)
        if state not in STATES:
            continue
        messages.add(stem)
        if path.is_symlink():
            continue
        key = _KEY.search(path.read_bytes())
        one = left[_number(name)]
        key = key[1].decode() if key else "?"
        one.states[key].add(state)
        one.records[key] = one.records.get(key, []) + _events(path)
    for name in names:
        if name.endswith(".status") and os.path.splitext(name)[0] not in messages:
            left[_number(name)].orphans += 1
    return left


class Verdicts:
    """Sums up what was found of each image."""

    def __init__(self):
        self.images = 0
        self.doubles = collections.Counter()  # why: copies that arrived twice
        self.orphans = 0  # images in which a record stayed that is nobody's
        self.torn = 0  # copies in part, of what its writer had not synced
        self.violations = []

    def add(self, image, model, story, facts, number, left, relay):
        self.images += 1
        self.orphans += bool(left.orphans)
        wrong = []
        for key, recipients in story.recipients.items():
            wrong += self._judge(image, model, story, facts, key, recipients, number, left, relay)
        if wrong:
            self.violations.append((story, model, image, wrong, left))

    def add_disk(self, point, names, model, story, left, relay):
        """The same of a copy of a file system, of which these are the names."""
        image = Image(point, tuple((name, -1) for name in names), (), (), ())
        self.add(image, model, story, story.facts(point), 0, left, relay)

    def _judge(self, image, model, story, facts, key, recipients, number, left, relay):
        states, told = left.states.get(key, set()), key in facts.told
        events = left.records.get(key, [])
        if states & set(PENDING):
            yield f"{key} has stayed {states}"
        if (number, key) in relay.torn:
            self.torn += 1
            if told:
                yield f"a part of {key} was sent"
        if ".failed" in states and told and not (
            key in story.failed or any(one.startswith("bad") for one in recipients)):
            yield f"{key} was given up"
        excused = not recipients or not told or key in facts.deleting or key in story.without_reason
        excused = excused or (model == "any" and story.is_back(image, key))
        if ".failed" in states and not excused and not any(e["event"] == "failed" for e in events):
            yield f"{key}.failed has no reason in its record"
        for event in events:
            if "recipient" in event and event["recipient"] not in recipients:
                yield f"the record beside {key} is another's: {event}"
        if not recipients and told and not states:
            yield f"{key} is lost"
        for one in recipients:
            yield from self._judge_recipient(
                image, model, story, facts, key, one, states, events, relay.accepted[number, key, one])

    def _judge_recipient(self, image, model, story, facts, key, one, states, events, after):
        before = facts.accepted[key, one]
        if after > 1:
            yield f"{one} was sent to {after} times afterwards"
        if before and after:
            yield from self._judge_double(image, model, story, facts, key, one)
        if before or after or key not in facts.told or key in facts.deleting:
            return
        if not states & {".failed", ".held"}:
            yield f"{one} is lost"
        elif one.startswith("bad") and ".failed" in states and not any(
            e["event"] == "refused" and e["recipient"] == one for e in events):
            yield f"{one} was refused, and nothing tells"

    def _judge_double(self, image, model, story, facts, key, one):
        if (key, one) not in facts.recorded:
            self.doubles["not recorded" if key in facts.present else "its removal lost"] += 1
        elif model == "any" and story.is_back(image, key):
            self.doubles["its removal lost, but not its record's"] += 1
        else:
            yield f"{one} was sent to again, though recorded"


def describe(violation):
    """The whole of a violation, to be read."""
    story, model, image, wrong, left = violation
    lines = [f"{story.name}, model {model}, power failure after {image.point} operations:"]
    lines += [f"  !! {one}" for one in wrong]
    lines += [
        f"  {'LOST' if i in image.lost else '    '} {i} {str(op)[:150]}"
        for i, op in enumerate(story.recording.ops[: image.point])
    ]
    lines += [f"  before: {name} {dict(image.contents).get(file, b'')[-100:]!r}" for name, file in image.names]
    return "\n".join([*lines, f"  after: {dict(left.states)}"])


class Judge:
    """Lets outboxd loose on images, so many at a time."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.round = 0
        self.verdicts = collections.defaultdict(Verdicts)  # (scenario, model)

    def judge(self, cases):
        """`cases` yields (story, model, image)."""
        pile = []
        for case in cases:
            pile.append(case)
            if len(pile) == IMAGES_AT_ONCE:
                self._judge(pile)
                pile = []
        if pile:
            self._judge(pile)

    def _judge(self, cases):
        self.round += 1
        directory = self.directory / f"judged-{self.round}"
        directory.mkdir()
        queue = lab.Queue(directory / "queue")
        for number, (story, _, image) in enumerate(cases):
            lay_out(queue.path, number, image, story)
        relay = BookkeepingRelay()
        settle(queue, relay, directory)
        found, facts = look(queue.path), {}
        for number, (story, model, image) in enumerate(cases):
            at = story.name, image.point
            facts[at] = facts.get(at) or story.facts(image.point)
            verdicts = self.verdicts[story.name, model]
            verdicts.add(image, model, story, facts[at], number, found[number], relay)
        relay.close()


def settle(queue, relay, directory, seconds=30):
    """Runs the daemon until it has nothing left to do, or does nothing any more."""
    book = {"name": "book", "host": "127.0.0.1", "port": relay.port, "tls": "none", "connections": 4}
    configuration = lab.write_configuration(
        directory / "outbox.conf", queue, [book], retry={"first": "1s", "factor": 1.0})
    daemon = lab.Outboxd(configuration, directory)
    try:
        seen, patience, looks = None, None, 0
        while True:
            pending = [name for name in os.listdir(queue.path) if name.endswith(PENDING)]
            looks = 0 if pending else looks + 1
            if looks == 3:
                return
            if not pending:  # or a name that is just changing was passed over
                time.sleep(0.01)
                continue
            now = len(pending), sum(relay.accepted.values())
            if now != seen:
                seen, patience = now, Patience(seconds, beat=0.05)
            if patience.is_over():
                return
            if all(name.endswith(".deferred") for name in pending):
                daemon.flush()
            time.sleep(0.05)
    finally:
        daemon.terminate()
