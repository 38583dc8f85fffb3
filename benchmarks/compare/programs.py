"""The two sides as programs that take turns."""

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900    # seconds for one answer: torch.compile's first run may take minutes


class Failed(Exception):
    """A program ended without its answer; the message is its last words."""


class Lab:
    """What all measurements share: the programs, the processors, and where output goes."""

    def __init__(self, build, out, threads, lock=None):
        self.build, self.out, self.threads, self.lock = build, out, threads, lock
        self.started = time.monotonic()
        self.running = []    # processes that take turns
        self.ticks_timed = self.ticks_of_others = 0
        os.sched_setaffinity(0, cores(threads))    # and so every program that is started from here
        os.environ["OMP_NUM_THREADS"] = str(threads)

    def say(self, text):
        elapsed = int(time.monotonic() - self.started)
        print(f"[{elapsed // 60:3d}:{elapsed % 60:02d}] {text}", file=sys.stderr, flush=True)

    def lull(self, *arguments, program="bench_unet"):
        return [str(self.build / program), *map(str, arguments), "--threads", str(self.threads)]

    def torch(self, *arguments):
        return [sys.executable, str(ROOT / "benchmarks/peers/bench_unet.py"), *map(str, arguments), "--threads", str(self.threads)]

    @contextlib.contextmanager
    def held(self, mode):
        if self.lock is None:
            yield
            return
        with open(self.lock, "a") as file:
            fcntl.flock(file, mode)
            yield

    @contextlib.contextmanager
    def alone(self):
        """While times are taken. Watches how much of the processors other programs take meanwhile."""
        with self.held(fcntl.LOCK_EX):
            all_before, spent_before, own_before = self.ticks()
            yield
            all_after, spent_after, own_after = self.ticks()
        self.ticks_timed += all_after - all_before
        self.ticks_of_others += max(0, spent_after - spent_before - (own_after - own_before))

    def others_share(self):
        """Of the machine's processors, what other programs and other virtual machines took while times were taken since the
        last call, from 0 to 1."""
        share = self.ticks_of_others / max(1, self.ticks_timed)
        self.ticks_timed = self.ticks_of_others = 0
        return share

    def ticks(self):
        """Of all processors since the machine's start: all there were, those that were not idle, and those spent by our own
        programs, running or ended."""
        with open("/proc/stat") as stat:
            fields = [int(field) for field in stat.readline().split()[1:9]]    # proc(5): idle and iowait are the fourth and fifth
        own = os.times()
        ticks = os.sysconf("SC_CLK_TCK") * sum(own[:4])
        for process in self.running:
            ticks += sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        return sum(fields), sum(fields) - fields[3] - fields[4], ticks

    def busy(self):
        """While the machine works, and no time is taken."""
        return self.held(fcntl.LOCK_SH)

    def run(self, command, timed=True):
        """Standard output of a program that runs to its end."""
        log = self.out / "last-words.txt"
        # OpenMP's threads spin while they wait: quickest alone, and very slow beside other programs.
        environment = os.environ if timed else os.environ | {"OMP_WAIT_POLICY": "passive"}
        with open(log, "w") as words:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=words, text=True, env=environment)
        if done.returncode != 0:
            raise Failed(last_words(log))
        return done.stdout


class Program:
    """A benchmark that is warm, and makes one timed run for each call."""

    def __init__(self, lab, command, name):
        self.lab, self.log = lab, lab.out / f"{re.sub('[^a-zA-Z0-9]+', '-', name)}.log"
        with open(self.log, "w") as words, lab.busy():
            self.process = subprocess.Popen(command + ["--on-request"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=words, text=True)
            self.answer()    # "ready"
        lab.running.append(self.process)

    def answer(self):
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line:
            self.process.wait()
            raise Failed(last_words(self.log) or f"no answer, status {self.process.returncode}")
        return line

    def run(self):
        """Milliseconds of one run."""
        try:
            print(file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass    # answer() has the reason
        return float(self.answer())

    def close(self):
        """Ends the program and returns its report."""
        self.lab.running.remove(self.process)
        self.process.stdin.close()
        report = json.loads(self.answer())
        self.process.wait()
        return report


def last_words(path):
    """The last line that names an error, or else the last line."""
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (errors or lines or [""])[-1][:200]


def cores(count):
    """Processors for `count` threads, each on a core of its own as far as there are so many."""
    allowed = sorted(os.sched_getaffinity(0))

    def core(cpu):
        try:
            return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
        except OSError:
            return cpu
    first_of_core = list({core(cpu): cpu for cpu in reversed(allowed)}.values())[::-1]
    return set((first_of_core + [cpu for cpu in allowed if cpu not in first_of_core])[:count])
