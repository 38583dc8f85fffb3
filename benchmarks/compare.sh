#!/usr/bin/env bash
# Compares lull with PyTorch on this machine's CPU: the same losses and gradients first, then times, turn by turn.
# usage: benchmarks/compare.sh [--out DIR] [--quick] [--only GOAL,...] [--model s16|m32] [--help]
#
# PyTorch is looked for in the virtual environment that LULL_PEERS_VENV names (default: ~/.cache/lull-peers), which is made if
# it is not there: some gigabytes from PyPI. torch.compile needs g++. Nothing of it is needed to build or use lull.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/common.sh"
program=$root/benchmarks/compare/main.py

if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
  exec python3 "$program" --help
fi

venv=${LULL_PEERS_VENV:-$HOME/.cache/lull-peers}
if [ ! -x "$venv/bin/python" ]; then
  packages=(python3-venv)
  install_missing
  python3 -m venv "$venv"
fi
if ! "$venv/bin/python" -c 'import torch, diffusers, safetensors, numpy, PIL' 2> /dev/null; then
  "$venv/bin/python" -m pip install -r "$root/benchmarks/peers/requirements.txt"
fi

if [[ " $* " != *" --build"* ]]; then
  build cpu bench_unet bench_ops
fi
exec "$venv/bin/python" "$program" "$@"
