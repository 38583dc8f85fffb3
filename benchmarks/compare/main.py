"""Compares lull with PyTorch on this machine's CPU. benchmarks/compare.sh prepares what this needs and calls it.

First both sides compute the same losses, gradients and samples from the same weights, data, noise levels and noise;
where they do not, no time is taken. Then PyTorch is tried in {NCHW, NHWC} × {eager, torch.compile}, and lull and
PyTorch's two best take turns, warm, on the same processors. Every figure is a median; ranges are over repeats. The
tables go to standard output and, with the loss curves, to --out: comparison.md, comparison.json and
loss-MODEL-PRECISION.png.
"""

import argparse
import importlib.metadata
import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from goals import CELLS, GOALS, measure
from programs import ROOT, Failed, Lab
from report import markdown

BATCH = {"s16": 64, "m32": 16}    # images per step of the loss curves


def arguments():
    parser = argparse.ArgumentParser(prog="benchmarks/compare.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = sorted({goal.number for goal in GOALS})
    parser.add_argument("--out", type=Path, default=ROOT / "build/comparison", metavar="DIR", help="default: build/comparison")
    parser.add_argument("--only", type=lambda text: [int(n) for n in text.split(",")], default=numbers, metavar="GOAL,…",
                        help=f"some of {', '.join(map(str, numbers))}")
    parser.add_argument("--model", choices=tuple(BATCH), action="append", help="only this one; default: both")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each side (default: 7)")
    parser.add_argument("--quick", action="store_true", help="3 repeats, loss curves of 40 steps")
    parser.add_argument("--steps", type=int, default=200, help="of the loss curves (default: 200)")
    parser.add_argument("--no-parity", action="store_true", help="times only: not for figures that others will read")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes a minute or two each time")
    parser.add_argument("--threads", type=int, default=2, help="of both sides, on as many processors (default: 2)")
    parser.add_argument("--build", type=Path, default=ROOT / "build", metavar="DIR",
                        help="where lull's benchmarks are built already (default: build, brought up to date)")
    parser.add_argument("--lock", metavar="FILE", help="hold flock(1)'s lock on this file while times are taken, "
                        "a few seconds each: for a machine that others use too")
    args = parser.parse_args()
    unknown = set(args.only) - set(numbers)
    if unknown:
        parser.error(f"--only: there is no goal {min(unknown)} here, only {', '.join(map(str, numbers))}")
    if args.quick:
        args.repeats, args.steps = min(args.repeats, 3), min(args.steps, 40)
    return args


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def machine(args):
    cpu = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    changed = "+" if output_of("git", "status", "--porcelain", "--untracked-files=no") else ""
    return {"date": datetime.now(timezone.utc).strftime("%Y-%m-%d"), "cpu": cpu, "threads": args.threads,
            "commit": output_of("git", "rev-parse", "--short", "HEAD") + changed,
            "compiler": output_of("g++", "--version").partition("\n")[0],
            **{name: importlib.metadata.version(name) for name in ("torch", "diffusers")}}


def main():
    args = arguments()
    from parity import check_parity    # needs numpy and Pillow, which --help shall not

    args.out.mkdir(parents=True, exist_ok=True)
    lab = Lab(args.build.resolve(), args.out.resolve(), args.threads, args.lock)
    models = args.model or list(BATCH)
    record = {"machine": machine(args), "parity": {}, "goals": []}
    problem = None

    def save():    # after every result: a long comparison that is cut off leaves what it had
        (args.out / "comparison.json").write_text(json.dumps(record, indent=1) + "\n")
        (args.out / "comparison.md").write_text(markdown(record))

    try:
        with lab.alone():
            record["limits"] = json.loads(lab.run(lab.lull("--limits", program="bench_ops")))
        if not args.no_parity:
            for model in models:
                record["parity"][model] = check_parity(lab, model, args.steps, BATCH[model])
                save()
        if all(report["passed"] for report in record["parity"].values()):
            chosen = [goal for goal in GOALS if goal.number in args.only and goal.workload.model in models]
            cells = [cell for cell in CELLS if not (cell[1] and args.no_compile)]
            for result in measure(lab, chosen, cells, args.repeats):
                record["goals"].append(result)
                save()
        else:
            problem = "the two sides do not compute the same; no times were taken"
    except Failed as error:
        problem = str(error)
    if "limits" in record:
        save()
        print(markdown(record))
    if problem:
        sys.exit(f"compare: {problem}")


if __name__ == "__main__":
    main()
