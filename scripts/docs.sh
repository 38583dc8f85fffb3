#!/usr/bin/env bash
# Makes the API reference from the headers' comments, with Doxygen (installed if missing; root or sudo): build/reference/html.
# Any warning is an error.
# usage: scripts/docs.sh
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/common.sh"

packages=(doxygen)
install_missing
cd "$root"
rm -rf build/reference
mkdir -p build/reference
doxygen docs/reference/Doxyfile
echo "$root/build/reference/html/index.html"
