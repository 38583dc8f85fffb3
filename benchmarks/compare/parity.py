"""Do both sides compute the same? Losses, gradients, samples and loss curves of the same weights, data, σ and noise."""

import json
import sys

import numpy as np
from PIL import Image, ImageDraw
from safetensors.numpy import load_file

from programs import ROOT

# Relative to PyTorch's f32. bf16 has no exact answer to be near to: lull's may be this many times as far from the f32 values
# as PyTorch's own bf16 is.
F32_TOLERANCE = 1e-4
BF16_FACTOR = 1.5
# A parameter's gradient smaller than this part of the whole is rounding alone: keys' biases have none in exact arithmetic.
NEGLIGIBLE = 1e-4
SMOOTHING = 20    # steps
# Of smoothed losses: rounding grows as the weights drift apart, that of bf16 the more. PyTorch trained in its other layout,
# which only adds in another order, says how much: where its own two curves part further, lull's may be this many times as far.
CURVE_TOLERANCE = {"f32": 0.01, "bf16": 0.05}
CONTROL_FACTOR = 1.5


def norm(tensors):
    return np.sqrt(sum(np.sum(t.astype(np.float64) ** 2) for t in tensors))


def distances(mine, other):
    """Relative differences of the first loss, of the whole gradient, of the worst parameter's gradient, and of the samples."""
    assert mine.keys() == other.keys(), sorted(mine.keys() ^ other.keys())
    names = [name for name in other if name.startswith("gradient.")]
    whole = norm(other[name] for name in names)

    def worst(name):
        return norm([mine[name] - other[name]]) / max(norm([other[name]]), NEGLIGIBLE * whole)
    return {"loss": float(abs(mine["loss"][0] / other["loss"][0] - 1)),
            "gradient": float(norm(mine[name] - other[name] for name in names) / whole),
            "worst_parameter": float(max(map(worst, names))),
            "samples": float(norm([mine["samples"] - other["samples"]]) / norm([other["samples"]]))}


def smoothed(losses):
    return np.convolve(losses, np.ones(SMOOTHING) / SMOOTHING, mode="valid")


def plot(path, curves, title):
    """Smoothed losses by step, the first curve broad and pale, the others thin above it."""
    width, height, margin = 960, 540, 50
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    curves = {name: smoothed(losses) for name, losses in curves.items()}
    top, steps = 1.05 * max(c.max() for c in curves.values()), max(map(len, curves.values()))

    def point(step, loss):
        return margin + step / max(1, steps - 1) * (width - 2 * margin), height - margin - loss / top * (height - 2 * margin)
    draw.line([point(0, top), point(0, 0), point(steps - 1, 0)], fill="black")
    for mark in np.linspace(0, top, 6):
        draw.text((5, point(0, mark)[1] - 6), f"{mark:.2f}", fill="black")
    draw.text((margin, height - margin + 8), f"step {SMOOTHING} to {steps + SMOOTHING - 1}, means of {SMOOTHING} steps", fill="black")
    draw.text((margin, 15), title, fill="black")
    for i, (name, losses) in enumerate(curves.items()):
        colour, thickness = (("#9ec5f5", 9), ("#c02020", 2), ("#208020", 2))[i % 3]
        draw.line([point(s, loss) for s, loss in enumerate(losses)], fill=colour, width=thickness)
        draw.text((width - 200, 15 + 16 * i), name, fill=colour)
    image.save(path)


def replays(lab, model, steps, images):
    """What both sides made of the same weights and batches, by side and precision; and the GFLOP of an image's forward pass as
    lull and as PyTorch count them."""
    folder = lab.out / f"parity-{model}"
    folder.mkdir(exist_ok=True)
    prepare = [sys.executable, ROOT / "benchmarks/peers/prepare.py", folder, "--model", model, "--steps", steps, "--images", images]
    with lab.busy():
        counts = {"torch": json.loads(lab.run([str(word) for word in prepare], timed=False))["forward_gflop"]}
    results = {}
    for side, command, precision, *layout in (("lull", lab.lull, "f32"), ("lull", lab.lull, "bf16"), ("torch", lab.torch, "f32"),
                                              ("torch", lab.torch, "bf16"), ("control", lab.torch, "f32", "--layout", "NHWC")):
        lab.say(f"parity {model}: {side} {precision} trains {steps} steps of {images} images")
        output = folder / f"{side}-{precision}.safetensors"
        replay = command("replay", folder / "unet", folder / "batches.safetensors", output, "--precision", precision, *layout)
        with lab.busy():
            said = lab.run(replay, timed=False)
        if side == "lull":
            counts["lull"] = json.loads(said)["forward_gflop"]
        results[side, precision] = load_file(output)
    return results, counts


def curves_apart(losses, other):
    return float(np.abs(smoothed(losses) / smoothed(other) - 1).max())


def check_parity(lab, model, steps, images):
    """The report of one model: distances by precision, how far the loss curves lie apart, and whether all that passes."""
    results, counts = replays(lab, model, steps, images)
    reference = results["torch", "f32"]
    control = results["control", "f32"]
    report = {"steps": steps, "images": images, "forward_gflop": counts, "bf16_of_torch": distances(results["torch", "bf16"], reference),
              "control": distances(control, reference) | {"largest_curve_difference": curves_apart(control["loss"], reference["loss"])}}
    for precision in ("f32", "bf16"):
        losses = {f"{name} {precision}": results[side, precision]["loss"] for side, name in (("torch", "PyTorch"), ("lull", "lull"))}
        report[precision] = distances(results["lull", precision], reference) | {
            "largest_curve_difference": curves_apart(*reversed(losses.values())),
            "losses": {name: [round(float(x), 6) for x in values] for name, values in losses.items()}}
        plot(lab.out / f"loss-{model}-{precision}.png", losses, f"{model.upper()}, {precision}: training loss, {images} images per step")

    f32, bf16, bf16_of_torch = report["f32"], report["bf16"], report["bf16_of_torch"]
    curve_tolerance = CURVE_TOLERANCE | {"f32": max(CURVE_TOLERANCE["f32"],
                                                    CONTROL_FACTOR * report["control"]["largest_curve_difference"])}
    report["passed"] = (
        abs(counts["lull"] / counts["torch"] - 1) < 1e-6 and
        all(f32[of] <= F32_TOLERANCE for of in ("loss", "gradient", "worst_parameter", "samples")) and
        all(bf16[of] <= BF16_FACTOR * bf16_of_torch[of] for of in ("gradient", "samples")) and
        all(report[of]["largest_curve_difference"] <= curve_tolerance[of] for of in curve_tolerance))
    return report
