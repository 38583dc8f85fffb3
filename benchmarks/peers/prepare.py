"""What both sides replay: weights, and batches of Fashion-MNIST with their noise levels and noise.

Writes FOLDER/unet, as diffusers keeps a UNet2DModel, and FOLDER/batches.safetensors (lull's benchmarks/replay.h has its
contents), and prints the floating-point operations that PyTorch counts in a forward pass, as JSON.
"""

import argparse
import gzip
import json
import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from unet import P_MEAN, P_STD, karras_sigmas, make_unet

FASHION_MNIST = Path(os.environ.get("LULL_DATA", "/usr/share/datasets/fashion-mnist")) / "train-images-idx3-ubyte.gz"


def fashion_mnist(count):
    """The first images, (count, 1, 32, 32) in [-1, 1], padded with black."""
    with gzip.open(FASHION_MNIST) as file:
        file.read(16)    # magic number, count, height, width
        pixels = torch.frombuffer(bytearray(file.read(count * 28 * 28)), dtype=torch.uint8)
    return torch.nn.functional.pad(pixels.reshape(count, 1, 28, 28) / 127.5 - 1, (2, 2, 2, 2), value=-1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("FOLDER", type=Path)
    parser.add_argument("--model", choices=("s16", "m32"), default="s16")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--images", type=int, default=32, help="per step")
    parser.add_argument("--samples", type=int, default=4, help="images to draw")
    args = parser.parse_args()

    torch.manual_seed(0)
    unet = make_unet(args.model)
    unet.save_pretrained(args.FOLDER / "unet")
    images = fashion_mnist(args.steps * args.images).reshape(args.steps, args.images, 1, 32, 32)
    save_file({"images": images, "noise": torch.randn_like(images),
               "sigma": (P_MEAN + P_STD * torch.randn(args.steps, args.images)).exp(),
               "start": karras_sigmas(2)[0] * torch.randn(args.samples, 1, 32, 32)}, args.FOLDER / "batches.safetensors")

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        unet(images[0, :1], torch.zeros(1))
    print(json.dumps({"forward_gflop": 1e-9 * counter.get_total_flops()}))


if __name__ == "__main__":
    main()
