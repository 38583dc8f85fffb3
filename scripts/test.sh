#!/usr/bin/env bash
# Installs what is missing (apt; root or sudo), builds, and runs every test: on the CPU; then the CUDA kernels, executed on the
# CPU under AddressSanitizer. Where nvcc is found, its build is compiled and linked as well.
# usage: scripts/test.sh [CTEST OPTIONS], for instance -R softmax for the tests with softmax in their names
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/common.sh"

packages+=(doxygen)                # the API reference is tested too
packages+=(libboost-context-dev)   # fibers, for kernels executed on the CPU
install_missing
cd "$root"

build cpu
ctest --preset cpu -j2 "$@"

build cuda-host test_engine test_nn
ctest --preset cuda-host -j2 -R '^(engine|nn|cuda)' "$@"

if command -v nvcc > /dev/null; then
  build cuda lull
else
  echo "lull: nvcc is not here: what it would compile is not tested"
fi
