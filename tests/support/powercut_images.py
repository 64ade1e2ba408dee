"""What a power failure can leave of a recorded directory.

Two models. "journal": changes of names reach the disk in their order, as a journaling file system has it,
so that what is lost is a tail of them; a sync of anything brings all that came before. "any": only what a
sync has fixed is certain, and of the rest any selection survives in which no name and no file has a later
change without its earlier ones. In both, content that has not been synced is there, not there, in part, or
as zeros in its full length, whatever becomes of the names.

What fixes what: fdatasync and fsync the file's content; fsync of the directory all names in it; syncfs all.
In "journal", fsync of a file fixes its names too, and so all before them."""

import dataclasses
import itertools
import random

NAMES = ("create", "link", "rename", "unlink")
ALL_SUBSETS = 6  # so many unsynced changes, or fewer, are lost in every combination


@dataclasses.dataclass(frozen=True)
class Image:
    """`names` is pairs (name, file); `contents` pairs (file, bytes), of files with a name; `times`
    the same of modification times that were set. `lost` are the operations that are missing."""

    point: int
    names: tuple
    contents: tuple
    times: tuple
    lost: tuple

    def key(self):
        return self.names, self.contents, self.times


def _touched(op):
    return {op.name, op.old} - {""}


class Recording:
    """The operations, and which of them is fixed since when."""

    def __init__(self, ops):
        self.ops = ops
        self.targets = {op.file: op.data for op in ops if op.kind == "create" and op.data}

    def _syncs(self, point):
        return (op for op in self.ops[:point] if op.kind == "sync")

    def fixed_names(self, point):
        """The changes of names that a sync of the directory has brought to the disk."""
        until = max((op.began for op in self._syncs(point) if op.whole in ("names", "all")), default=0)
        return {i for i, op in enumerate(self.ops[:until]) if op.kind in NAMES}

    def fixed_content(self, point):
        """The changes of content that a sync has brought to the disk."""
        fixed = set()
        for sync in self._syncs(point):
            kinds = ("write", "cut") if sync.whole == "data" else ("write", "cut", "times")
            fixed.update(
                i for i, op in enumerate(self.ops[: sync.began])
                if op.kind in kinds and (sync.whole == "all" or op.file == sync.file)
            )
        return fixed

    def forced(self, point):
        """Up to where a journal has been written."""
        forced = 0
        for sync in self._syncs(point):
            for i, op in enumerate(self.ops[: sync.began]):
                own = sync.whole in ("names", "all") or op.file == sync.file
                if own and op.kind in (*NAMES, "write", "cut"):
                    forced = max(forced, i + 1)
        return forced

    # ---- the selections ----

    def _closed(self, point, lost):
        """The lost changes and all that cannot be there without them."""
        lost, gone = set(lost), set()
        for i, op in enumerate(self.ops[:point]):
            if op.kind in NAMES and (i in lost or _touched(op) & gone):
                lost.add(i)
                gone |= _touched(op)
        return frozenset(lost)

    def _lost_in_order(self, point):
        names = [i for i, op in enumerate(self.ops[:point]) if op.kind in (*NAMES, "times")]
        forced = self.forced(point)
        yield frozenset()
        for first in names:
            if first >= forced:
                yield frozenset(i for i in names if i >= first)

    def _lost_in_any_order(self, point, chance, samples):
        fixed = self.fixed_names(point) | self.fixed_content(point)
        loose = [
            i for i, op in enumerate(self.ops[:point]) if op.kind in (*NAMES, "times") and i not in fixed
        ]
        if len(loose) <= ALL_SUBSETS:
            sizes = range(len(loose) + 1)
            some = itertools.chain.from_iterable(itertools.combinations(loose, n) for n in sizes)
        else:
            singles = itertools.chain.from_iterable(itertools.combinations(loose, n) for n in (0, 1, 2))
            more = (chance.sample(loose, chance.randint(3, len(loose))) for _ in range(samples))
            some = itertools.chain(singles, more)
        for lost in some:
            yield self._closed(point, lost)

    # ---- the contents ----

    def _content(self, file, point, fixed):
        """Each content that the file can have: what is certain, and of the rest none, all, a part, and
        zeros."""
        certain, loose = b"", b""
        for i, op in enumerate(self.ops[:point]):
            if op.file != file or op.kind not in ("write", "cut"):
                continue
            if i in fixed:
                certain = (certain + loose + op.data) if op.kind == "write" else (certain + loose)[: op.size]
                loose = b""
            elif op.kind == "write":
                loose += op.data
            else:
                loose = (certain + loose)[: op.size][len(certain) :]
        if not loose:
            return [certain]
        pieces = {b"", loose, loose[: len(loose) // 2], loose[:-1], b"\0" * len(loose)}
        if len(loose) > 4096:
            pieces.add(b"\0" * 4096 + loose[4096:])
            pieces.add(loose[:4096] + b"\0" * (len(loose) - 4096))
        return [certain + piece for piece in sorted(pieces, key=len)]

    def _names(self, point, lost):
        names = {}
        for i, op in enumerate(self.ops[:point]):
            if op.kind not in NAMES or i in lost:
                continue
            if op.kind == "rename":
                names.pop(op.old, None)
            if op.kind == "unlink":
                names.pop(op.name, None)
            else:
                names[op.name] = op.file
        return {name: file for name, file in names.items() if not name.startswith(".")}

    def _times(self, point, lost, files):
        times = {}
        for i, op in enumerate(self.ops[:point]):
            if op.kind == "times" and i not in lost and op.file in files:
                times[op.file] = op.mtime
        return times

    def _with_contents(self, point, lost, names, chance):
        """The image with each content that one of its files can have, the others' being certain or
        complete; and some in which all are as chance has it."""
        fixed = self.fixed_content(point)
        files = sorted(set(names.values()))
        choices = {file: self._content(file, point, fixed) for file in files}
        several = [file for file in files if len(choices[file]) > 1]
        picks = [{file: choices[file][0] for file in files}, {file: choices[file][-1] for file in files}]
        picks += [{**picks[1], file: content} for file in several for content in choices[file]]
        if len(several) > 1:
            picks += [{file: chance.choice(choices[file]) for file in files} for _ in range(4)]
        for contents in picks:
            yield Image(
                point, tuple(sorted(names.items())), tuple(sorted(contents.items())),
                tuple(sorted(self._times(point, lost, files).items())), tuple(sorted(lost)),
            )

    def images(self, model, point, seed=1, samples=40):
        """Each image that a power failure after the first `point` operations can leave, once."""
        chance, seen = random.Random(f"{seed} {point}"), set()
        losses = self._lost_in_order(point) if model == "journal" else self._lost_in_any_order(
            point, chance, samples)
        for lost in losses:
            names = self._names(point, lost)
            for image in self._with_contents(point, lost, names, chance):
                if image.key() not in seen:
                    seen.add(image.key())
                    yield image
