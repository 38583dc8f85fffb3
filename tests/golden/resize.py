"""Golden values for nn/data/resize.h: what Pillow's Lanczos filter makes of small pictures.

resize.safetensors has, u8 (H, W, C): NAME for wide, tall and small pictures, NAME.stretch and NAME.crop for what becomes
of them at 24x16 (wide x high), and "grey", the wide one without colours.
"""
import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

LANCZOS = Image.Resampling.LANCZOS
rng = np.random.default_rng(0)


def picture(height: int, width: int, channels: int) -> np.ndarray:
    """Waves, an edge and noise, far from 0 and 255: Pillow also clamps between its two passes, which lull does not."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    waves = 50 * np.sin(x / 3 + c) * np.cos(y / 5 - c)
    edge = 40 * (x + y > (width + height) / 2)
    return np.clip(110 + waves + edge + rng.normal(0, 5, waves.shape), 0, 255).astype(np.uint8)


def resized(image: np.ndarray, size: tuple[int, int], box=None) -> np.ndarray:
    """size: (width, height), as Pillow has it."""
    squeezed = image[..., 0] if image.shape[2] == 1 else image
    out = np.asarray(Image.fromarray(squeezed).resize(size, LANCZOS, box=box))
    return out[..., None] if out.ndim == 2 else out


tensors = {}
wide, tall, small = picture(40, 61, 3), picture(90, 33, 1), picture(9, 7, 3)
for name, image in {"wide": wide, "tall": tall, "small": small}.items():
    tensors[name] = image
    tensors[name + ".stretch"] = resized(image, (24, 16))
    height, width = image.shape[:2]
    shrink = min(height / 16, width / 24)    # of the part that is kept
    left, top = (width - 24 * shrink) / 2, (height - 16 * shrink) / 2
    tensors[name + ".crop"] = resized(image, (24, 16), (left, top, width - left, height - top))

tensors["grey"] = np.asarray(Image.fromarray(wide).convert("L"))[..., None]
parser = argparse.ArgumentParser()
parser.add_argument("--outdir", type=Path, default=Path(__file__).parent)
save_file(tensors, parser.parse_args().outdir / "resize.safetensors")
