# What quickstart.sh and test.sh share: the packages, and the build. Sourced by them, with $root set to the project's folder.

# What building needs, and the data set that the quickstart trains on and the tests check: all from Debian 12.
packages=(
  g++ cmake ninja-build
  libhwy-dev libpng-dev zlib1g-dev nlohmann-json3-dev libcli11-dev libeigen3-dev
  doctest-dev
  dataset-fashion-mnist
)

die() {
  echo "lull: $*" >&2
  exit 1
}

installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }

# Installs those packages that are missing, and nothing else.
install_missing() {
  if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    command -v cmake > /dev/null || die "this is no Debian: install what provides ${packages[*]} by other means, and call again"
    echo "lull: this is no Debian: assuming that what provides ${packages[*]} is installed"
    return
  fi
  local missing=() package as_root=()
  for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} -gt 0 ] || return 0

  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || die "missing: ${missing[*]}; as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  echo "lull: installing with apt: ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q) log
  log=$(mktemp)
  if ! "${apt[@]}" update > "$log" 2>&1 || ! "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >> "$log" 2>&1; then
    grep '^[EW]:' "$log" >&2 || tail -5 "$log" >&2
    die "apt could not install ${missing[*]}: is there a network, and is this Debian 12? apt's output: $log"
  fi
  rm -f "$log"
}

# build PRESET [TARGET…]: configures when nothing is configured yet, then compiles what has changed, into build or build-PRESET.
build() {
  local preset=$1 folder=$root/build-$1
  [ "$preset" != cpu ] || folder=$root/build
  shift
  [ -e "$folder/build.ninja" ] || (cd "$root" && cmake --preset "$preset") || die "configuring failed"
  cmake --build "$folder" ${1:+--target "$@"} || die "the build failed"
}
