#!/usr/bin/env bash
# From a bare Debian to pictures: installs what is missing (apt; root or sudo), builds, trains a small diffusion model on
# Fashion-MNIST, and samples 64 images from it.
# usage: scripts/quickstart.sh [--steps N | --minutes M] [OPTIONS of lull train]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/common.sh"

if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
  sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
  echo "Without options: 1,300 steps of 64 images. build/lull train --help lists the others."
  exit
fi

install_missing
build cpu lull

folder=()
if [[ " $* " != *" --outdir"* && " $* " != *" --resume"* ]]; then
  number=1
  while [ -e "$root/runs/quickstart-$number" ]; do number=$((number + 1)); done
  folder=(--outdir "$root/runs/quickstart-$number")
fi
# Both commands show their progress on stderr and print where their result is.
run=$("$root/build/lull" train "${folder[@]}" "$@")
grid=$("$root/build/lull" sample "$run" --sampler heun --steps 18 --seeds 0-63)
cat << END

64 images that the network made:  $grid
What it drew while it learned:    $run/samples/
Its loss, step by step:           $run/loss.png
More images from it:              $root/build/lull sample $run --seeds 64-127
END
