"""Models that travel between diffusers and lull: the same output on both sides, for every setting that lull has.

    python tests/python/diffusers_round_trip.py build

For each setting a small UNet2DModel with random weights goes
    in:   diffusers' save_pretrained → folder → lull's output, against diffusers'
    out:  lull's own initial weights → checkpoint → lull export → from_pretrained → diffusers' output, against lull's
    back: the folder of "in" → lull export → from_pretrained → diffusers' output, against that of the model it began as
and the error is the largest difference relative to the largest output. Then a model that lull trained is exported, averaged
and raw weights; then come the settings that lull refuses, each with the line that it gets. Prints tables as Markdown; exits
with 1 when an error is above 1e-4 (f32; lull adds up in another order than PyTorch), when a setting is refused that should
work, or one is not refused in one line that names it. Exits with 77 when there is no diffusers.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import diffusers
    import torch
    from safetensors.torch import load_file, save_file
except ImportError as missing:
    print(f"[skipped] {missing}")
    sys.exit(77)

TOLERANCE = 1e-4

BASE = dict(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(4, 8), layers_per_block=1,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            norm_num_groups=2, attention_head_dim=4)
PLAIN_DOWN, PLAIN_UP, ATTN_DOWN, ATTN_UP = "DownBlock2D", "UpBlock2D", "AttnDownBlock2D", "AttnUpBlock2D"

SUPPORTED = [
    {},
    {"sample_size": (8, 12)},
    {"sample_size": None},
    {"in_channels": 3, "out_channels": 3},
    {"in_channels": 3, "out_channels": 6},
    {"block_out_channels": (4,), "down_block_types": (PLAIN_DOWN,), "up_block_types": (PLAIN_UP,)},
    {"block_out_channels": (4, 6, 8, 16), "down_block_types": (PLAIN_DOWN,) * 3 + (ATTN_DOWN,),
     "up_block_types": (ATTN_UP,) + (PLAIN_UP,) * 3},
    {"down_block_types": (ATTN_DOWN, ATTN_DOWN), "up_block_types": (ATTN_UP, ATTN_UP)},
    {"down_block_types": (ATTN_DOWN, PLAIN_DOWN), "up_block_types": (PLAIN_UP, PLAIN_UP)},
    {"down_block_types": (PLAIN_DOWN, PLAIN_DOWN), "up_block_types": (ATTN_UP, ATTN_UP)},
    {"down_block_types": ("UNetResDownBlock2D", "UNetResAttnDownBlock2D")},
    {"layers_per_block": 3},
    {"attention_head_dim": None},
    {"attention_head_dim": 1},
    {"attention_head_dim": 8},
    {"norm_num_groups": 1},
    {"norm_num_groups": 4},
    {"norm_eps": 1e-6},
    {"norm_eps": 1e-2},
    {"add_attention": False},
    {"attn_norm_num_groups": 8},
    {"mid_block_type": None},
    {"mid_block_scale_factor": 1.41421356},
    {"center_input_sample": True},
    {"time_embedding_type": "fourier"},
    {"time_embedding_dim": 10},
    {"flip_sin_to_cos": False},
    {"freq_shift": 1},
    {"resnet_time_scale_shift": "scale_shift"},
    {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 4},
    {"act_fn": "swish"},
    {"act_fn": "relu"},
    {"act_fn": "mish"},
    {"downsample_padding": 0},
    {"downsample_type": "resnet", "down_block_types": (ATTN_DOWN, ATTN_DOWN)},
    {"upsample_type": "resnet"},
    {"dropout": 0.1},
    {"num_class_embeds": 5},
    {"class_embed_type": "timestep"},
    {"class_embed_type": "timestep", "time_embedding_type": "fourier"},
    {"class_embed_type": "identity"},
    {"num_train_timesteps": 1000},
    # The settings of google/ddpm-cifar10-32, with fewer channels.
    {"sample_size": 16, "in_channels": 3, "out_channels": 3, "block_out_channels": (4, 8, 8, 8), "layers_per_block": 2,
     "down_block_types": (PLAIN_DOWN, ATTN_DOWN, PLAIN_DOWN, PLAIN_DOWN),
     "up_block_types": (PLAIN_UP, PLAIN_UP, ATTN_UP, PLAIN_UP), "attention_head_dim": None, "norm_eps": 1e-6,
     "flip_sin_to_cos": False, "freq_shift": 1, "downsample_padding": 0},
]

# What config.json says, and the setting that the line must name.
REFUSED = [
    {"down_block_types": ["SkipDownBlock2D", ATTN_DOWN]},
    {"down_block_types": ["AttnSkipDownBlock2D", ATTN_DOWN]},
    {"down_block_types": ["ResnetDownsampleBlock2D", ATTN_DOWN]},
    {"down_block_types": ["KDownBlock2D", ATTN_DOWN]},
    {"down_block_types": ["CrossAttnDownBlock2D", ATTN_DOWN]},
    {"up_block_types": [ATTN_UP, "SkipUpBlock2D"]},
    {"up_block_types": [ATTN_UP, "ResnetUpsampleBlock2D"]},
    {"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"},
    {"time_embedding_type": "learned"},
    {"resnet_time_scale_shift": "ada_group"},
    {"resnet_time_scale_shift": "spatial"},
    {"act_fn": "gelu"},
    {"downsample_padding": 2},
    {"downsample_type": "pool"},
    {"upsample_type": "pool"},
    {"class_embed_type": "projection"},
    {"attention_head_dim": 3},
    {"norm_num_groups": None},
    {"mid_block_scale_factor": 0},
    {"dropout": 1},
    {"freq_shift": 2},
    {"_class_name": "UNet2DConditionModel"},
    {"cross_attention_dim": 768},
    {"layer_per_block": 2},
]


def build(config):
    """A UNet2DModel with weights that leave nothing trivial."""
    model = diffusers.UNet2DModel(**{**BASE, **config}).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 and name != "time_proj.weight":
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def inputs_for(model, images=3):
    size = model.config.sample_size or 8
    height, width = (size, size) if isinstance(size, int) else size
    inputs = {"x": torch.randn(images, model.config.in_channels, height, width), "time": 0.8 * torch.randn(images)}
    if model.config.time_embedding_type == "fourier":
        inputs["time"] = inputs["time"].exp()
    if model.config.class_embed_type == "identity":
        inputs["labels"] = torch.randn(images, model.time_embedding.linear_2.out_features)
    elif model.config.class_embed_type == "timestep":
        inputs["labels"] = 1 + torch.rand(images)
    elif model.config.num_class_embeds:
        inputs["labels"] = torch.arange(images, dtype=torch.int32) + 2
    return inputs


def output(model, inputs):
    with torch.no_grad():
        return model(inputs["x"], inputs["time"], inputs.get("labels")).sample


def error(got, wanted):
    return float((got - wanted).abs().max() / wanted.abs().max()) if got.shape == wanted.shape else float("inf")


class Lull:
    """The programs, and a folder to work in."""

    def __init__(self, build, folder):
        self.build, self.folder, self.number = build, folder, 0

    def new(self, name):
        self.number += 1
        return self.folder / f"{self.number:03}-{name}"

    def run(self, program, *arguments):
        return subprocess.run([self.build / program, *map(str, arguments)], capture_output=True, text=True)

    def expect(self, program, *arguments):
        done = self.run(program, *arguments)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def output(self, model, inputs):
        given, got = self.new("inputs.safetensors"), self.new("out.safetensors")
        save_file(inputs, given)
        self.expect("unet_output", model, given, got)
        return load_file(got)["out"]

    def exported(self, model, *options):
        """What diffusers loads from what lull exports."""
        folder = self.new("exported")
        self.expect("lull", "export", model, folder, *options)
        loaded, info = diffusers.UNet2DModel.from_pretrained(folder, output_loading_info=True, low_cpu_mem_usage=False)
        problems = {key: value for key, value in info.items() if value}
        if problems:
            raise RuntimeError(f"from_pretrained: {problems}")
        return loaded.eval()


def round_trip(lull, config):
    model = build(config)
    inputs = inputs_for(model)
    folder, checkpoint = lull.new("saved"), lull.new("lull.safetensors")
    model.save_pretrained(folder)
    lull.expect("unet_output", "--initialise", folder / "config.json", checkpoint)
    wanted = output(model, inputs)
    return {"in": error(lull.output(folder, inputs), wanted),
            "out": error(output(lull.exported(checkpoint), inputs), lull.output(checkpoint, inputs)),
            "back": error(output(lull.exported(folder), inputs), wanted)}


def old_attention_names(lull):
    model = build({})
    inputs, folder = inputs_for(model), lull.new("saved")
    model.save_pretrained(folder)
    file = folder / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    for today, then in {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}.items():
        tensors = {name.replace(today, then): tensor for name, tensor in tensors.items()}
    save_file(tensors, file, metadata={"format": "pt"})
    wanted = output(model, inputs)
    return {"in": error(lull.output(folder, inputs), wanted), "back": error(output(lull.exported(folder), inputs), wanted)}


def bfloat16_weights(lull):
    model = build({}).to(torch.bfloat16)
    folder = lull.new("saved")
    model.save_pretrained(folder)
    model = model.float()    # lull computes in f32 with what the file holds
    inputs = inputs_for(model)
    return {"in": error(lull.output(folder, inputs), output(model, inputs))}


def pipeline_folder(lull):
    model = build({})
    folder = lull.new("pipeline")
    diffusers.DDPMPipeline(unet=model, scheduler=diffusers.DDPMScheduler()).save_pretrained(folder)
    inputs = inputs_for(model)
    return {"in": error(lull.output(folder, inputs), output(model, inputs))}


def trained(lull, weights):
    """A run of two steps on made-up images, its weights and their averages."""
    run = lull.folder / "run"
    if not run.exists():
        data = lull.new("data")
        data.mkdir()
        pixels = torch.randint(0, 256, (32, 28, 28), dtype=torch.uint8).numpy().tobytes()
        header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (32, 28, 28))
        (data / "train-images-idx3-ubyte").write_bytes(header + pixels)
        (data / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + (32).to_bytes(4, "big") + bytes(32))
        lull.expect("lull", "train", "--preset", "tiny", "--data", data, "--batch", 4, "--steps", 2, "--sample-count", 0,
                    "--quiet", "--outdir", run)
    model = lull.exported(run, "--weights", weights)
    inputs = inputs_for(model)
    tensors = load_file(run / "checkpoint.safetensors")
    prefix = "ema." if weights == "ema" else ""
    if not all(torch.equal(tensor, tensors[prefix + name]) for name, tensor in model.state_dict().items()):
        raise RuntimeError(f"not the {weights} weights")
    folder = lull.new("again")
    model.save_pretrained(folder)    # diffusers' own writing of it
    return {"out": error(lull.output(folder, inputs), output(model, inputs))}


def refusal(lull, change):
    folder = lull.new("refused")
    build({}).save_pretrained(folder)
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
    return lull.run("lull", "inspect", folder)


def words(config):
    return ", ".join(f"{key}={value!r}" for key, value in config.items()) or "the base: " + ", ".join(
        f"{key}={value!r}" for key, value in BASE.items())


def print_row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def check_errors(name, trip):
    """Prints a line of the table; whether all is well."""
    try:
        errors = trip()
    except RuntimeError as problem:
        print_row(name, f"FAILED: {problem}", "", "")
        return False
    print_row(name, *(f"{errors[way]:.0e}" if way in errors else "" for way in ("in", "out", "back")))
    return all(value <= TOLERANCE for value in errors.values())    # not so for a NaN


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path, help="the build folder, with lull and unet_output")
    build_folder = parser.parse_args().build.resolve()
    diffusers.logging.set_verbosity_error()
    torch.manual_seed(20240217)
    torch.set_num_threads(1)
    well = True
    with tempfile.TemporaryDirectory() as folder:
        lull = Lull(build_folder, pathlib.Path(folder))
        print(f"diffusers {diffusers.__version__}, PyTorch {torch.__version__}\n")
        print_row("setting", "in", "out", "back")
        print_row("---", "---", "---", "---")
        for config in SUPPORTED:
            well &= check_errors(f"`{words(config)}`", lambda: round_trip(lull, config))
        well &= check_errors("attention under its old names", lambda: old_attention_names(lull))
        well &= check_errors("weights of bfloat16", lambda: bfloat16_weights(lull))
        well &= check_errors("a pipeline's folder", lambda: pipeline_folder(lull))
        well &= check_errors("a run of `lull train`, averaged weights", lambda: trained(lull, "ema"))
        well &= check_errors("a run of `lull train`, raw weights", lambda: trained(lull, "raw"))
        print()
        print_row("refused", "with")
        print_row("---", "---")
        for change in REFUSED:
            done = refusal(lull, change)
            message = done.stderr.strip()
            reason = message.split("config.json: ")[-1]
            print_row(f"`{words(change)}`", f"`{reason}`")
            well &= done.returncode == 1 and "\n" not in message and next(iter(change)) in reason
    print("\nall is well" if well else "\nFAILED")
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
