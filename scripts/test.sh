#!/usr/bin/env bash
# Installs what is missing (apt; root or sudo), builds, and runs every test.
# usage: scripts/test.sh [CTEST OPTIONS], for instance -R softmax for the tests with softmax in their names
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/common.sh"

packages+=(doxygen)    # the API reference is tested too
install_missing
build
cd "$root"
exec ctest --preset cpu -j2 "$@"
