#!/usr/bin/env bash
# Installs what is missing (apt; root or sudo), builds, and runs every test: on the CPU; then the CUDA kernels, executed on the
# CPU under AddressSanitizer and under ThreadSanitizer. Where nvcc is found, its build is compiled and linked as well.
# usage: scripts/test.sh [CTEST OPTIONS], for instance -R softmax for the tests with softmax in their names
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/common.sh"

packages+=(doxygen)                # the API reference is tested too
packages+=(libboost-context-dev)   # fibers, for kernels executed on the CPU
packages+=(ccache)                 # four builds of much the same: what they compile alike is compiled once
install_missing
cd "$root"
if command -v ccache > /dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
fi

build cpu
ctest --preset cpu -j2 "$@"

kernels='^(engine|nn|diffusion|cuda)'
build cuda-host test_engine test_nn test_diffusion
ctest --preset cuda-host -j2 -R "$kernels" "$@"
build cuda-host-tsan test_engine
ctest --preset cuda-host-tsan -j2 -R "$kernels" "$@"

if command -v nvcc > /dev/null; then
  build cuda lull test_engine test_nn test_diffusion
else
  echo "lull: nvcc is not here: what it would compile is not tested"
fi
