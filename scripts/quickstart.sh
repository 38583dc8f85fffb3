#!/usr/bin/env bash
# From a bare Debian to pictures: installs what is missing (apt; root or sudo), builds, trains a small diffusion model on
# Fashion-MNIST, and samples 64 images from it.
# usage: scripts/quickstart.sh [--steps N | --minutes M] [OPTIONS of lull train]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/common.sh"

# has OPTION ARGUMENTS...: whether OPTION or OPTION=VALUE is among the arguments.
has() {
  local option=$1 argument
  shift
  for argument in "$@"; do [[ $argument == "$option" || $argument == "$option="* ]] && return 0; done
  return 1
}

if has --help "$@" || has -h "$@"; then
  sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
  exit
fi
has --outdir "$@" && die "quickstart.sh chooses the folder of its runs; to choose one, use build/lull train"

train=(--preset s16)
has --steps "$@" || has --minutes "$@" || train+=(--steps 1300)
has --batch "$@" || train+=(--batch 64)

install_missing
build lull

number=1
while [ -e "$root/runs/quickstart-$number" ]; do number=$((number + 1)); done
run=$root/runs/quickstart-$number
"$root/build/lull" train "${train[@]}" --outdir "$run" "$@"
"$root/build/lull" sample "$run" --sampler heun --steps 18 --seeds 0-63
