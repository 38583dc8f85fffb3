#!/usr/bin/env python3
"""Compiles every CUDA kernel with nvcc and prints, as Markdown, what each takes on each architecture: registers of a thread,
static shared memory, and the stack, where registers are spilled and arrays lie whose indices are known only at run time. Ends
with status 1 when a kernel spills."""

import argparse
import collections
import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")

Resources = collections.namedtuple("Resources", "registers shared stack spilled")


def compile_verbosely(source, architectures):
    targets = [word for a in architectures for word in ("-gencode", f"arch=compute_{a},code=sm_{a}")]
    command = ["nvcc", "-std=c++20", "-Werror=all-warnings", "-Xptxas", "-v", "-I.", "-DLULL_WITH_CUDA", *targets, "-c", str(source),
               "-o", "/dev/null"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"kernel_resources: nvcc refuses {source}:\n{done.stdout}")
    return done.stdout


def resources(text):
    """{mangled name: {architecture: Resources}} of what ptxas says."""
    found = collections.defaultdict(dict)
    kernel = stack = spilled = None
    for line in text.splitlines():
        if match := ENTRY.search(line):
            kernel = match.groups()
        elif match := STACK.search(line):
            stack, spilled = int(match[1]), int(match[2]) + int(match[3])
        elif (match := USED.search(line)) and kernel:
            found[kernel[0]][kernel[1]] = Resources(int(match[1]), int(match[2] or 0), stack, spilled)
            kernel = None
    return found


def plain_names(mangled):
    """softmax_kernel<float, 8> for what the compiler calls _ZN4lull4cuda…"""
    said = subprocess.run(["c++filt"], input="\n".join(mangled), stdout=subprocess.PIPE, text=True, check=True).stdout
    names = {}
    for name, text in zip(mangled, said.splitlines()):
        text = re.sub(r"lull::(cuda::)?|\(anonymous namespace\)::|_GLOBAL__N__\w+::|^void ", "", text)
        depth, end = 0, len(text)
        for i, letter in enumerate(text):
            depth += (letter == "<") - (letter == ">")
            if letter == "(" and depth == 0:
                end = i
                break
        names[name] = text[:end]
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="*", default=["80", "90", "120"], metavar="ARCHITECTURE", help="default: 80 90 120")
    architectures = parser.parse_args().architectures
    sources = sorted(path.relative_to(ROOT) for path in ROOT.glob("engine/**/*.cu"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = list(pool.map(lambda source: compile_verbosely(source, architectures), sources))

    columns = [f"sm_{a}" for a in architectures]
    release = re.search(r"release ([\d.]+)", subprocess.run(["nvcc", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    print("# What the CUDA kernels take\n")
    print("Registers of a thread, bytes of static shared memory (most kernels get theirs at launch) and bytes of a thread's stack,")
    print(f"as nvcc {release[1]} compiles them: `scripts/kernel_resources.py > docs/kernel-resources.md`.\n")
    print("| kernel | " + " | ".join(columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    spilling = stacked = count = 0
    for source, text in zip(sources, texts):
        kernels = resources(text)
        names = plain_names(list(kernels))
        for mangled in sorted(kernels, key=names.get):
            cells = [kernels[mangled].get(c) for c in columns]
            print(f"| `{names[mangled]}` ({source.parent.name}) | " +
                  " | ".join(f"{c.registers}, {c.shared}, {c.stack}" if c else "" for c in cells) + " |")
            count += 1
            stacked += any(c and c.stack for c in cells)
            spilling += any(c and c.spilled for c in cells)
    print(f"\n{count} kernels in {len(sources)} files; {stacked} have a stack, {spilling} spill registers.")
    sys.exit(spilling > 0)


if __name__ == "__main__":
    main()
