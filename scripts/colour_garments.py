#!/usr/bin/env python3
"""Makes a folder of colour pictures to train on: Fashion-MNIST's garments, each dyed in a colour of its own before a soft
background, 32×32 RGB PNG files in one folder per class. Needs nothing but Python.

usage: scripts/colour_garments.py FOLDER [--count N] [--data DIR] [--seed N]
"""

import argparse
import colorsys
import gzip
import os
import random
import struct
import sys
import zlib

CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
SIZE, BORDER = 32, 2    # of a picture, and around the 28×28 garment in it


def read_idx(path):
    """The bytes behind an IDX file's header, and its extents."""
    with gzip.open(path) as file:
        data = file.read()
    axes = data[3]
    return struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes]), data[4 + 4 * axes :]


def png(rows):
    """An RGB picture's file; rows: bytes of 3 × SIZE each."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIZE, len(rows), 8, 2, 0, 0, 0)
    pixels = b"".join(b"\0" + row for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def dyed(garment, rng):
    """Rows of a picture: a garment (28 × 28 grey bytes) in a strong colour before a pale one that darkens downwards."""
    hue = rng.random()
    dye = colorsys.hsv_to_rgb(hue, rng.uniform(0.5, 1), rng.uniform(0.7, 1))
    # Another hue than the garment's, so that its edge is seen.
    wall = colorsys.hsv_to_rgb((hue + rng.uniform(0.3, 0.7)) % 1, rng.uniform(0.05, 0.3), rng.uniform(0.75, 1))
    shade = rng.uniform(0.7, 1)
    rows = []
    for y in range(SIZE):
        light = 1 - (1 - shade) * y / (SIZE - 1)
        row = bytearray()
        for x in range(SIZE):
            inside = BORDER <= y < SIZE - BORDER and BORDER <= x < SIZE - BORDER
            grey = garment[28 * (y - BORDER) + x - BORDER] / 255 if inside else 0
            cover = min(1, 4 * grey)    # the garment hides the wall, except where it fades
            for c in range(3):
                value = cover * (0.25 + 0.75 * grey) * dye[c] + (1 - cover) * light * wall[c]
                row.append(round(255 * min(1, value)))
        rows.append(bytes(row))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", help="made anew; one folder per class in it")
    parser.add_argument("--count", type=int, default=10_000, help="pictures (default 10,000; there are 60,000)")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="Fashion-MNIST's files (default: Debian's)")
    parser.add_argument("--seed", type=int, default=0, help="of the colours (default 0)")
    options = parser.parse_args()
    if os.path.exists(options.folder):
        sys.exit(f"{options.folder}: exists; choose another folder")
    try:
        (count, _, _), images = read_idx(os.path.join(options.data, "train-images-idx3-ubyte.gz"))
        _, labels = read_idx(os.path.join(options.data, "train-labels-idx1-ubyte.gz"))
    except OSError as error:
        sys.exit(f"{error}; apt-get install dataset-fashion-mnist has the files")

    for name in CLASSES:
        os.makedirs(os.path.join(options.folder, name))
    for i in range(min(count, options.count)):
        picture = dyed(images[784 * i : 784 * (i + 1)], random.Random(f"{options.seed} {i}"))
        with open(os.path.join(options.folder, CLASSES[labels[i]], f"{i:05d}.png"), "wb") as file:
            file.write(png(picture))
    print(options.folder)


if __name__ == "__main__":
    main()
