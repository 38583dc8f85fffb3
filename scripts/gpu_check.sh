#!/usr/bin/env bash
# Checks the CUDA kernels on this machine's NVIDIA GPU against the CPU, within ten minutes: every case of every operation in
# f32 and bf16, a U-Net's output and gradients, 200 training steps, samplers; then the operations again under
# compute-sanitizer's memcheck and racecheck. Writes report.md, report.json and a log of each check. Ends with status 1 when a
# check failed, and 3 when all passed that could be run.
# usage: scripts/gpu_check.sh [--prebuilt DIR] [OUTDIR]    default: builds build-cuda with nvcc; OUTDIR build-cuda/gpu-check
#        scripts/gpu_check.sh --pack DIR                   builds, and fills DIR for --prebuilt on a machine without compilers
#                                                          (for sm_80, sm_90 and sm_120, or those that CUDAARCHS names)
#
# A machine that runs a packed folder needs the driver and the runtime libraries of CUDA 13 (cuBLAS; those of a Python
# environment with PyTorch will do) and an x86-64 processor with AVX2.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
programs=(test_engine test_nn test_diffusion)

die() {
  echo "gpu_check: $*" >&2
  exit 2
}

prebuilt= pack= out=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) exec sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" ;;
    --prebuilt | --pack)
      [ $# -ge 2 ] || die "$1: expected a folder"
      [ "$1" = --pack ] && pack=$2 || prebuilt=$2
      shift 2
      ;;
    -*) die "unknown option $1; known are --prebuilt DIR and --pack DIR" ;;
    *)
      [ -z "$out" ] || die "expected one OUTDIR, got $out and $1"
      out=$1
      shift
      ;;
  esac
done

# build_tests FOLDER [CMAKE OPTIONS]
build_tests() {
  command -v nvcc > /dev/null || [ -n "${CUDACXX:-}" ] || die "nvcc not found: install the CUDA Toolkit, or use --prebuilt"
  local folder=$1
  shift
  (cd "$root" && cmake --preset cuda -B "$folder" "$@" && cmake --build "$folder" --target "${programs[@]}") || die "the build failed"
}

if [ -n "$pack" ]; then
  build_tests "$root/build-cuda-pack" -DLULL_ARCH=avx2 -DLULL_BENCHMARKS=OFF "-DCMAKE_CUDA_ARCHITECTURES=${CUDAARCHS:-80;90;120}"
  mkdir -p "$pack/lib"
  for program in "${programs[@]}"; do
    cp "$root/build-cuda-pack/$program" "$pack/"
    strip "$pack/$program"
    # What is not part of every system, nor of CUDA.
    ldd "$pack/$program" | awk '$2 == "=>" { print $3 }' | grep -E '/lib(png|z|hwy|boost)' | xargs -r cp -L -t "$pack/lib"
  done
  (cd "$root" && cp -r --parents -t "$(realpath "$pack")" tests/golden scripts/gpu_check.sh)
  git -C "$root" rev-parse --short HEAD > "$pack/version" 2> /dev/null || true
  toolkit=$(dirname "$(readlink -f "$(command -v "${CUDACXX:-nvcc}")")")/..
  if [ -d "$toolkit/compute-sanitizer" ]; then
    cp -r "$toolkit/compute-sanitizer" "$pack/"
  else
    echo "gpu_check: this toolkit has no compute-sanitizer: memcheck and racecheck will need one there"
  fi
  echo "$pack: $(du -sh "$pack" | cut -f1); there: $(basename "$pack")/scripts/gpu_check.sh --prebuilt $(basename "$pack")"
  exit 0
fi

if [ -n "$prebuilt" ]; then
  for program in "${programs[@]}"; do [ -x "$prebuilt/$program" ] || die "$prebuilt has no $program: was it made with --pack?"; done
  build=$(realpath "$prebuilt")
  export LULL_SOURCE_DIR=$build    # with the files that the tests read
else
  build=$root/build-cuda
  build_tests "$build"
fi
out=${out:-$build/gpu-check}
mkdir -p "$out"
out=$(realpath "$out")

version=$(cat "$build/version" 2> /dev/null || git -C "$root" rev-parse --short HEAD 2> /dev/null || echo "of unknown version")

command -v nvidia-smi > /dev/null || die "nvidia-smi not found: is there an NVIDIA GPU with its driver?"
gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -1)
# CUDA's libraries may lie in a Python environment.
libraries=$(python3 -c 'import glob, sys; print(":".join(p for d in sys.path for p in glob.glob(d + "/nvidia/*/lib")))' 2> /dev/null || true)
export LD_LIBRARY_PATH=$build/lib:$libraries:${LD_LIBRARY_PATH:-}
export LULL_REQUIRE_CUDA=1    # otherwise the tests pass where CUDA does not start
missing=$(ldd "$build/test_engine" | awk '/not found/ { print $1 }' | paste -sd ' ')
[ -z "$missing" ] || die "missing libraries: $missing; they are part of CUDA 13, or of a Python environment with its PyTorch"

names=() states=() seconds=() summaries=()
# note NAME STATE SECONDS SUMMARY
note() {
  names+=("$1") states+=("$2") seconds+=("$3") summaries+=("$4")
  echo "gpu_check: $1: $2 ($3 s)"
}
# check NAME LIMIT_SECONDS COMMAND…: runs it, keeps its output and what became of it.
check() {
  local name=$1 limit=$2 start=$SECONDS status=0 state summary
  shift 2
  echo "gpu_check: $name …"
  timeout -k 10 "$limit" "$@" > "$out/$name.log" 2>&1 || status=$?
  case $status in
    0) state=passed ;;
    124 | 137) state="stopped after $limit s" ;;
    *) state=failed ;;
  esac
  summary=$(grep -aE 'test cases:|ERROR SUMMARY|RACECHECK SUMMARY' "$out/$name.log" | tail -2 | tr -s ' ' | paste -sd ';' |
    sed 's/=//g; s/\[doctest\]//' || true)
  note "$name" "$state" $((SECONDS - start)) "${summary:-$(tail -1 "$out/$name.log")}"
}

cd "$build"
check operations 120 ./test_engine
check models 40 ./test_nn "--test-case=*CUDA*"
check training 60 ./test_diffusion "--test-case=*CUDA*"
sanitizer=$(PATH=$build/compute-sanitizer:$PATH:/usr/local/cuda/bin command -v compute-sanitizer || true)
for tool in memcheck racecheck; do
  if [ -n "$sanitizer" ]; then
    # lull's own kernels, not cuBLAS's.
    LULL_COMPUTE_SANITIZER=1 check $tool 180 "$sanitizer" --tool $tool --error-exitcode 9 --kernel-name kns=lull ./test_engine
  else
    note $tool "not run" 0 "compute-sanitizer not found"
  fi
done

{
  echo "# CUDA kernels on ${gpu%%,*}"
  echo
  echo "$(date -u +%Y-%m-%d), $gpu, lull $version."
  echo
  echo "| check | | s | |"
  echo "|---|---|---|---|"
  for i in "${!names[@]}"; do echo "| ${names[i]} | ${states[i]} | ${seconds[i]} | ${summaries[i]} |"; done
} > "$out/report.md"
{
  printf '{"gpu": "%s", "date": "%s", "checks": [' "$gpu" "$(date -u +%Y-%m-%d)"
  for i in "${!names[@]}"; do
    [ "$i" -eq 0 ] || printf ', '
    summary=${summaries[i]//\\/}
    printf '{"name": "%s", "state": "%s", "seconds": %d, "summary": "%s"}' "${names[i]}" "${states[i]}" "${seconds[i]}" "${summary//\"/}"
  done
  printf ']}\n'
} > "$out/report.json"
cat "$out/report.md"
status=0
for state in "${states[@]}"; do
  case $state in
    passed) ;;
    "not run") [ $status -ne 0 ] || status=3 ;;
    *) status=1 ;;
  esac
done
exit $status
