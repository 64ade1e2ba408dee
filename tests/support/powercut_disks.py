"""A power cut on a real file system: the queue is on a loop device, of which copies are made while
programs work on it. A copy is what the device held at one moment, for nothing was written while it was
made, and the programs stop for a while behind each sync and each change of a name.

`powercut_disks.py FILE_SYSTEM SCENARIO DIRECTORY` does it once and prints what was found as JSON. It has
to be run in a mount name space of its own (unshare --mount), with which all it has mounted ends."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import lab
import powercut_judge
from powercut_images import Recording
from powercut_recording import Recorder, strace
from powercut_relay import BookkeepingRelay

HERE = pathlib.Path(__file__).resolve().parent
PAUSE = "delay_exit=60000"  # microseconds
PAUSED = "fsync,fdatasync,syncfs,rename,renameat2,unlink,unlinkat,linkat"
FILE_SYSTEMS = {  # bytes, how one is made, and how mounted
    "ext4": (32 << 20, ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,nodiscard"], "loop,commit=1"),
    "xfs": (320 << 20, ["mkfs.xfs", "-q", "-f", "-K"], "loop"),
    "btrfs": (128 << 20, ["mkfs.btrfs", "-q", "-f", "-K", "-M"], "loop"),
}


def why_not(file_system):
    """Why this cannot be tried here, or None."""
    if os.geteuid() != 0:
        return "only root can mount"
    for program in (FILE_SYSTEMS[file_system][1][0], "strace", "unshare", "losetup"):
        if not shutil.which(program):
            return f"{program} is not installed"
    if not os.path.exists("/dev/loop-control"):
        return "there are no loop devices (/dev/loop-control)"
    if f"\t{file_system}\n" not in pathlib.Path("/proc/filesystems").read_text(encoding="ascii"):
        return f"this kernel has no {file_system} (/proc/filesystems)"
    return None


def mount(image, place, options="loop"):
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", options, image, place], check=True)
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        fields = [line.split() for line in mounts]
    return next(os.path.basename(f[0]) for f in reversed(fields) if f[1] == str(place))


def copy_sparse(source, target):
    with open(source, "rb") as from_, open(target, "wb") as to:
        size, at = os.fstat(from_.fileno()).st_size, 0
        to.truncate(size)
        while at < size:
            try:
                start = os.lseek(from_.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            at = os.lseek(from_.fileno(), start, os.SEEK_HOLE)
            from_.seek(start)
            to.seek(start)
            to.write(from_.read(at - start))


class Copies(threading.Thread):
    """Copies the image whenever it has changed, as long as `ended` is not set. Each copy comes with how
    much of the trace was there when the device still held it: all that is true then was true for it."""

    def __init__(self, image, device, trace, directory):
        super().__init__()
        self.image, self.trace, self.directory = image, trace, directory
        self.counters = pathlib.Path("/sys/block", device)
        self.ended = threading.Event()
        self.copies = []  # [state of the device, path, bytes of the trace]
        self.missed = 0  # times at which the device was written to meanwhile

    def _state(self):
        """What has been written and flushed so far; None while something is under way."""
        numbers = (self.counters / "stat").read_text(encoding="ascii").split()
        writes, in_flight = 4, 8
        return None if numbers[in_flight] != "0" else (*numbers[writes:in_flight], *numbers[11:])

    def _traced(self):
        return os.path.getsize(self.trace) if os.path.exists(self.trace) else 0

    def run(self):
        while not self.ended.is_set():
            state, traced = self._state(), self._traced()
            if state is None:
                continue
            if self.copies and self.copies[-1][0] == state:
                if self._state() == state:
                    self.copies[-1][2] = traced
            else:
                path = self.directory / f"copy-{len(self.copies)}"
                copy_sparse(self.image, path)
                if self._state() == state:
                    self.copies.append([state, path, traced])
                else:
                    self.missed += 1
            time.sleep(0.002)


def record(name, place, image, device, directory):
    """Plays the scenario on the file system; the recorder and the copies."""
    trace = directory / "trace"
    copies = Copies(image, device, trace, directory)
    command = [sys.executable, "-B", HERE / "powercut_scenarios.py", name, place]
    copies.start()
    try:
        inject = ("-e", f"inject={PAUSED}:{PAUSE}")
        subprocess.run(strace(trace, command, inject), stdout=subprocess.DEVNULL, check=True)
    finally:
        copies.ended.set()
        copies.join()
    recorder = Recorder(place / "queue")
    recorder.read(trace)
    return recorder, copies


def judge(image, directory, file_system, story, point, verdicts):
    """Lets outboxd loose on the copy. One that does not have the directory yet is as an empty one."""
    place, logs = directory / "after", pathlib.Path(f"{image}-logs")
    mount(image, place)
    logs.mkdir()
    relay = BookkeepingRelay()
    try:
        queue = lab.Queue(place / "queue")
        before = queue.names()
        powercut_judge.settle(queue, relay, logs)
        left = powercut_judge.look(queue.path)[0]
        verdicts.add_disk(point, before, file_system, story, left, relay)
    finally:
        relay.close()
        subprocess.run(["umount", place], check=True)


def try_one(file_system, name, directory):
    directory = pathlib.Path(directory)
    size, make, options = FILE_SYSTEMS[file_system]
    image = directory / "disk.img"
    with open(image, "wb") as file:
        file.truncate(size)
    subprocess.run([*make, image], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["fallocate", "--dig-holes", image], check=True)  # copies are made faster
    place = directory / "disk"
    device = mount(image, place, options)
    try:
        recorder, copies = record(name, place, image, device, directory)
    finally:
        subprocess.run(["umount", place], check=True)
    story = powercut_judge.Story(name, Recording(recorder.ops))
    verdicts = powercut_judge.Verdicts()
    for _, path, traced in copies.copies:
        point = sum(1 for offset in recorder.offsets if offset <= traced)
        judge(path, directory, file_system, story, point, verdicts)
        path.unlink()
    return {
        "images": verdicts.images, "missed": copies.missed, "doubles": dict(verdicts.doubles),
        "violations": [powercut_judge.describe(one) for one in verdicts.violations],
    }


if __name__ == "__main__":
    print(json.dumps(try_one(*sys.argv[1:4])))
