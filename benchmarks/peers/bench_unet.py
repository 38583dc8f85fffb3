"""How long the reference networks take in PyTorch, on the CPU: bench_unet's other side, with its options and its JSON.

    pip install -r benchmarks/peers/requirements.txt
    python benchmarks/peers/bench_unet.py train --model s16 --images 128 --layout NHWC
    python benchmarks/peers/bench_unet.py sample --model s16 --images 64 --precision bf16 --compile
    python benchmarks/peers/bench_unet.py replay MODEL BATCHES OUTPUT        (lull's benchmarks/replay.h)
"""

import argparse
import json
import math
import os
import statistics
import sys
import time

import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file

from unet import Training, karras_sigmas, make_unet, sample_heun


def seconds_since_process_start():
    """Field 22 of proc(5)'s stat, in clock ticks since the machine started."""
    with open("/proc/self/stat") as stat:
        ticks = stat.read().rpartition(")")[2].split()[22 - 3]
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")


def peak_memory_mib():
    """VmHWM of proc(5)'s status: ru_maxrss would begin with what the program which started this one had."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:"))


def measure(args, work):
    """Milliseconds of every counted run, and seconds from the start of the process to the end of the first run.

    On request, one run is made for each line of standard input: so two programs can take turns without starting anew.
    """
    for i in range(max(1, args.warmup)):
        work()
        if i == 0:
            first_s = seconds_since_process_start()
    if args.on_request:
        print("ready", flush=True)
    times = []
    for _ in sys.stdin if args.on_request else range(args.repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
        if args.on_request:
            print(times[-1], flush=True)
    return times, first_s


def report(args, times, first_s):
    line = {"what": args.what, "model": args.model, "images": args.images, "precision": args.precision,
            "threads": args.threads, "layout": args.layout, "compile": args.compile, "first_s": first_s,
            "peak_memory_mib": peak_memory_mib(), "torch": torch.__version__}
    if times:
        ms = statistics.median(times)
        line |= {"median_ms": ms, "min_ms": min(times), "max_ms": max(times), "images_per_s": 1e3 * args.images / ms}
    print(json.dumps(line), flush=True)


MEMORY_FORMATS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def bench(args):
    memory_format = MEMORY_FORMATS[args.layout]
    unet = make_unet(args.model).to(memory_format=memory_format)
    network = torch.compile(unet) if args.compile else unet
    bf16 = args.precision == "bf16"
    if args.what == "train":
        training = Training(network, bf16)
        images = (2 * torch.rand(args.images, 1, 32, 32) - 1).contiguous(memory_format=memory_format)
        work = lambda: training.step(images)
    else:
        unet.eval()
        sigmas = karras_sigmas(18)

        def work():
            start = sigmas[0] * torch.randn(args.images, 1, 32, 32).contiguous(memory_format=memory_format)
            assert math.isfinite(sample_heun(network, start, sigmas, bf16).sum().item())
    report(args, *measure(args, work))


def replay(args):
    memory_format = MEMORY_FORMATS[args.layout]
    unet = UNet2DModel.from_pretrained(args.MODEL, low_cpu_mem_usage=False).to(memory_format=memory_format)
    given = load_file(args.BATCHES)
    bf16 = args.precision == "bf16"
    results = {"samples": sample_heun(unet, given["start"], karras_sigmas(18), bf16)}
    training = Training(unet, bf16)
    losses = []
    for y, sigma, noise in zip(given["images"], given["sigma"], given["noise"]):
        losses.append(training.gradients(y.contiguous(memory_format=memory_format), sigma.reshape(-1, 1, 1, 1), noise).item())
        if len(losses) == 1:
            results |= {f"gradient.{name}": p.grad.clone(memory_format=torch.contiguous_format) for name, p in unet.named_parameters()}
        training.update()
    results["loss"] = torch.tensor(losses)
    save_file(results, args.OUTPUT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    for what in ("train", "sample"):
        command = commands.add_parser(what)
        command.add_argument("--model", choices=("s16", "m32"), default="s16")
        command.add_argument("--images", type=int, default=128, help="per step, or drawn at once")
        command.add_argument("--warmup", type=int, default=2, help="runs before the timed ones")
        command.add_argument("--repeats", type=int, default=5, help="timed runs")
        command.add_argument("--on-request", action="store_true", help="one timed run for each line of standard input")
        command.add_argument("--compile", action="store_true", help="torch.compile the network")
    command = commands.add_parser("replay")
    for name in ("MODEL", "BATCHES", "OUTPUT"):
        command.add_argument(name)
    for command in commands.choices.values():
        command.add_argument("--layout", choices=tuple(MEMORY_FORMATS), default="NCHW")
        command.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
        command.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="bf16 is autocast")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    replay(args) if args.what == "replay" else bench(args)


if __name__ == "__main__":
    main()
