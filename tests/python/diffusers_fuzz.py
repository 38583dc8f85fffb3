"""U-Nets of settings drawn at random: lull's output against diffusers'.

    python tests/python/diffusers_fuzz.py build [--count 100] [--seed 0]

diffusers_round_trip.py tries one setting at a time; this tries them together. Each model has random weights and goes through
diffusers' save_pretrained. Prints the settings of every model on which the two sides differ, then how many were compared and
the worst error; the same seed draws the same models. Exits with 1 when an error is above 1e-4, when lull refuses a model, or
when nothing was compared; with 77 when there is no diffusers.
"""

import argparse
import pathlib
import random
import sys
import tempfile

from diffusers_round_trip import (ATTN_DOWN, ATTN_UP, PLAIN_DOWN, PLAIN_UP, TOLERANCE, Lull, build, diffusers, error,
                                  inputs_for, output, torch, words)


def drawn(rng):
    """Settings that lull has, together."""
    levels = rng.choice([1, 2, 3])

    def per_level(*values):
        return tuple(rng.choice(values) for _ in range(levels))

    config = {
        "in_channels": rng.choice([1, 3]),
        "out_channels": rng.choice([1, 3]),
        "block_out_channels": per_level(4, 8, 12, 16),
        "down_block_types": per_level(PLAIN_DOWN, ATTN_DOWN),
        "up_block_types": per_level(PLAIN_UP, ATTN_UP),
        "layers_per_block": rng.choice([1, 2]),
        "attention_head_dim": rng.choice([None, 1, 2, 4]),
        "norm_num_groups": rng.choice([1, 2, 4]),
        "norm_eps": rng.choice([1e-6, 1e-5, 1e-3]),
        "add_attention": rng.random() < 0.7,
        "attn_norm_num_groups": rng.choice([None, None, 2, 4]),
        "mid_block_type": rng.choice(["UNetMidBlock2D", "UNetMidBlock2D", "UNetMidBlock2D", None]),
        "mid_block_scale_factor": rng.choice([1, 1, 1.5]),
        "center_input_sample": rng.random() < 0.3,
        "time_embedding_type": rng.choice(["positional", "fourier"]),
        "time_embedding_dim": rng.choice([None, 10]),
        "flip_sin_to_cos": rng.random() < 0.5,
        "freq_shift": rng.choice([0, 1]),
        "resnet_time_scale_shift": rng.choice(["default", "scale_shift"]),
        "act_fn": rng.choice(["silu", "relu", "mish"]),
        "downsample_padding": rng.choice([0, 1]),
        "downsample_type": rng.choice(["conv", "resnet"]),
        "upsample_type": rng.choice(["conv", "resnet"]),
    }
    classes = rng.choice([{}, {"num_class_embeds": 5}, {"class_embed_type": "timestep"}, {"class_embed_type": "identity"}])
    return {**config, **classes}


def difference(lull, model):
    folder, inputs = lull.new("saved"), inputs_for(model)
    model.save_pretrained(folder)
    return error(lull.output(folder, inputs), output(model, inputs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path, help="the build folder, with unet_output")
    parser.add_argument("--count", type=int, default=100, help="models to draw (100)")
    parser.add_argument("--seed", type=int, default=0, help="of the settings, weights and inputs (0)")
    options = parser.parse_args()
    diffusers.logging.set_verbosity_error()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    rng = random.Random(options.seed)
    errors, refused, wrong = [], 0, 0
    for _ in range(options.count):
        config = drawn(rng)
        try:
            model = build(config)
        except Exception:    # not every combination is one of diffusers': it says so with errors of many kinds
            refused += 1
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                errors.append(difference(Lull(options.build.resolve(), pathlib.Path(folder)), model))
            except RuntimeError as problem:
                print(f"FAILED: {problem}: {words(config)}")
                wrong += 1
                continue
        if not errors[-1] <= TOLERANCE:    # so for a NaN, too
            print(f"FAILED: {errors[-1]:.0e}: {words(config)}")
            wrong += 1
    print(f"{len(errors)} models compared, worst error {max(errors, default=float('nan')):.1e}; "
          f"diffusers cannot build {refused}, {wrong} failed")
    sys.exit(0 if errors and wrong == 0 else 1)


if __name__ == "__main__":
    main()
