"""What is compared, and how the two sides are timed."""

import json
import re
import statistics
from dataclasses import dataclass

from programs import Failed, Program

CELLS = tuple((layout, compiled) for compiled in (False, True) for layout in ("NCHW", "NHWC"))


@dataclass(frozen=True)
class Workload:
    what: str    # train or sample
    model: str
    images: int
    precision: str

    def __str__(self):
        count = f"{self.images} image" + ("s" if self.images > 1 else "")
        return f"{self.what} {self.model.upper()}, {count}, {self.precision}"

    def arguments(self):
        return [self.what, "--model", self.model, "--images", self.images, "--precision", self.precision]


@dataclass(frozen=True)
class Goal:
    number: int
    measure: str    # time, memory, first step or convolutions
    workload: Workload
    must: float
    aim: float


TRAIN = {(model, precision): Workload("train", model, images, precision)
         for model, images in (("s16", 128), ("m32", 32)) for precision in ("f32", "bf16")}
GOALS = (
    Goal(1, "time", TRAIN["s16", "f32"], 1.6, 2.4),
    Goal(2, "time", TRAIN["m32", "f32"], 1.6, 2.3),
    Goal(3, "time", Workload("sample", "s16", 64, "f32"), 2, 3),
    Goal(3, "time", Workload("sample", "s16", 64, "bf16"), 1.8, 2.5),
    Goal(4, "time", TRAIN["s16", "bf16"], 1.3, 1.8),
    Goal(4, "time", TRAIN["m32", "bf16"], 1.6, 2.4),
    Goal(5, "convolutions", TRAIN["m32", "f32"], 1.6, 2.2),
    *(Goal(9, "memory", workload, 0.5, 0.35) for workload in TRAIN.values()),
    Goal(10, "first step", TRAIN["s16", "f32"], 10, 30),
    Goal(11, "time", Workload("sample", "s16", 1, "f32"), 3, 5),
    Goal(11, "time", Workload("sample", "s16", 1, "bf16"), 3, 5),
)


def cell_name(cell):
    layout, compiled = cell
    return f"{layout} {'compile' if compiled else 'eager'}"


def torch_command(lab, workload, cell):
    layout, compiled = cell
    return lab.torch(*workload.arguments(), "--layout", layout, *(["--compile"] if compiled else []))


def summary(times):
    return {"median_ms": statistics.median(times), "min_ms": min(times), "max_ms": max(times), "repeats": len(times)}


def turn(program):
    """Milliseconds of one repeat: the median of a few runs after one that finds its caches filled by the other side."""
    first = program.run()
    if first > 2000:
        return first
    return statistics.median([program.run() for _ in range(min(5, max(1, round(2000 / first))))])


def tried(lab, workload, cells):
    """PyTorch in every configuration, each warm and timed for a few runs. Returns the reports by cell, and the two quickest
    programs, still running."""
    reports, running = {}, {}
    for cell in cells:
        name = cell_name(cell)
        lab.say(f"{workload}: PyTorch {name}")
        try:
            program = Program(lab, torch_command(lab, workload, cell), f"torch {workload} {name}")
            with lab.alone():
                reports[name] = summary([turn(program) for _ in range(2)])
        except Failed as error:
            lab.say(f"{workload}: PyTorch {name} failed: {error}")
            reports[name] = {"failed": str(error)}
            continue
        running[name] = program
        if len(running) > 2:
            slowest = max(running, key=lambda n: reports[n]["median_ms"])
            reports[slowest] |= {"report": running.pop(slowest).close()}
    return reports, running


def duel(lab, workload, cells, repeats):
    """lull and PyTorch's two best configurations in turns."""
    matrix, rivals = tried(lab, workload, cells)
    lab.say(f"{workload}: lull against {' and '.join(rivals) or 'nobody'}, {repeats} repeats")
    programs = {"lull": Program(lab, lab.lull(*workload.arguments()), f"lull {workload}"), **rivals}
    times = {name: [] for name in programs}
    for _ in range(repeats):
        with lab.alone():
            for name, program in programs.items():
                times[name].append(turn(program))
    reports = {name: program.close() for name, program in programs.items()}
    for name in rivals:
        matrix[name] |= {"report": reports[name]}
    own = summary(times["lull"])
    own |= {"images_per_s": 1e3 * workload.images / own["median_ms"], "gflops": 1e3 * reports["lull"]["gflop"] / own["median_ms"],
            "peak_memory_mib": reports["lull"]["peak_memory_mib"]}
    result = {"workload": str(workload), "matrix": matrix, "lull": own, "others_share": lab.others_share()}
    if rivals:
        best = min(rivals, key=lambda name: statistics.median(times[name]))
        result["torch"] = {"cell": best, **summary(times[best])}
        result["ratio"] = result["torch"]["median_ms"] / own["median_ms"]
    return result


def memory(duel_result):
    """Peak memory of both sides' whole processes, against PyTorch's leaner eager layout."""
    eager = {name: cell["report"]["peak_memory_mib"] for name, cell in duel_result["matrix"].items()
             if name.endswith("eager") and "report" in cell}
    own = duel_result["lull"]["peak_memory_mib"]
    result = {"workload": duel_result["workload"], "lull": {"mib": own}}
    if eager:
        best = min(eager, key=eager.get)
        result |= {"torch": {"cell": best, "mib": eager[best]}, "ratio": own / eager[best]}
    return result


def first_step(lab, workload, repeats):
    """From the start of a process to the end of its first training step, seconds; PyTorch eager, which is the quicker.

    Each program is started twice, and the second start counts: the program is in memory then, and so is the memory that it will
    ask for. (Where a host takes back what its guests do not use, getting it again can take longer than the step.)
    """
    commands = {"lull": lab.lull(*workload.arguments()), **{cell_name(c): torch_command(lab, workload, c) for c in CELLS[:2]}}
    seconds = {name: [] for name in commands}
    for repeat in range(repeats):
        lab.say(f"first step, {workload}: {repeat + 1} of {repeats}")
        for name, command in commands.items():
            once = command + ["--warmup", "1", "--repeats", "0"]
            with lab.alone():
                lab.run(once)
                seconds[name].append(json.loads(lab.run(once))["first_s"])
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    best = min((name for name in middle if name != "lull"), key=middle.get)

    def of(name):
        return {"median_s": middle[name], "min_s": min(seconds[name]), "max_s": max(seconds[name])}
    return {"workload": f"first step of {workload}", "lull": of("lull"), "torch": {"cell": best, **of(best)},
            "ratio": middle[best] / middle["lull"], "others_share": lab.others_share()}


def convolutions(lab, workload):
    """The network's 3×3 convolutions of stride 1 with 32 channels or more on both sides, all three passes: the operations of the
    direct algorithm per second, over the f32 peak that bench_ops measures beside each of them."""
    lab.say(f"3×3 convolutions of {workload.model.upper()}")
    with lab.alone():
        lines = lab.run(lab.lull("--filter", r"^conv3x3(\*2)? ", "--images", workload.images, "--json", program="bench_ops")).splitlines()
    layers = []
    for line in map(json.loads, lines[1:]):
        channels = map(int, re.search(r"(\d+)->(\d+)", line["name"]).groups())
        if min(channels) >= 32 and line["in_" + workload.model]:
            layers.append(line)

    def total(key):
        return sum(layer["in_" + workload.model] * layer["ms"] * layer[key] for layer in layers)
    ms = sum(layer["in_" + workload.model] * layer["ms"] for layer in layers)
    gflops = total("gflops") / ms
    peak = ms / sum(layer["in_" + workload.model] * layer["ms"] * layer["fraction"] / layer["gflops"] for layer in layers)
    worst, best = (of(layers, key=lambda layer: layer["fraction"]) for of in (min, max))
    return {"workload": f"3×3 convolutions of {workload.model.upper()}, {workload.images} images, three passes",
            "lull": {"gflops": gflops, "lowest": worst, "highest": best, "layers": layers}, "peak_gflops": peak,
            "ratio": gflops / peak, "others_share": lab.others_share()}


def measure(lab, goals, cells, repeats):
    """Yields one result per goal, in their order."""
    duels = {}
    for goal in goals:
        if goal.measure == "first step":
            result = first_step(lab, goal.workload, repeats)
        elif goal.measure == "memory":
            if goal.workload not in duels:
                eager = [cell for cell in cells if not cell[1]]
                duels[goal.workload] = duel(lab, goal.workload, eager, repeats=1)
            result = memory(duels[goal.workload])
        elif goal.measure == "convolutions":
            result = convolutions(lab, goal.workload)
        else:
            if goal.workload not in duels:
                duels[goal.workload] = duel(lab, goal.workload, cells, repeats)
            result = duels[goal.workload]
        yield {"goal": goal.number, "measure": goal.measure, "must": goal.must, "aim": goal.aim, **result}
