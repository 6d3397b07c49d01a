#!/usr/bin/env bash
# Measures mica-worker and llama.cpp side by side on the same models and writes docs/benchmarks.md.
# Needs Python 3 with venv; llama.cpp comes as the package llama-cpp-python, compiled for this CPU
# (a few minutes, once). If it cannot be installed, the script says so and changes nothing.
#   BENCH_DIR       where models (2.4 GB) and the package are kept; the target folder's `bench`
#                   if unset
#   BENCH_PYTHON    a Python that has llama_cpp already
#   BENCH_FORMATS, BENCH_THREADS, BENCH_ROUNDS    q4_0,q8_0,q4_k; 1,2; 3 if unset
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
folder=${BENCH_DIR:-$target/bench}
worker=$target/release/mica-worker
formats=${BENCH_FORMATS:-q4_0,q8_0,q4_k}
shape=tinyllama-1.1b

skip() {
  echo "bench: no comparison with llama.cpp: $*" >&2
  exit 0
}

[ -x "$worker" ] || {
  echo "bench: $worker is missing. Run 'make build' first." >&2
  exit 1
}
command -v python3 >/dev/null || skip "Python 3 is not installed."
mkdir -p "$folder"

# The instruction sets that llama.cpp may use, listed one by one: builds that trust the CPU's flags
# use AMX, which some machines list although it faults there. On other architectures than x86-64 its
# own detection works.
cmake_args() {
  [ "$(uname -m)" = x86_64 ] && [ -r /proc/cpuinfo ] || return 0
  local flags args="-DGGML_NATIVE=OFF -DGGML_AMX_TILE=OFF -DGGML_AMX_INT8=OFF -DGGML_AMX_BF16=OFF" pair
  flags=" $(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1) "
  for pair in sse4_2:SSE42 avx:AVX avx2:AVX2 bmi2:BMI2 fma:FMA f16c:F16C avx512bw:AVX512 avx512vbmi:AVX512_VBMI \
    avx512_vnni:AVX512_VNNI avx512_bf16:AVX512_BF16; do
    case "$flags" in
      *" ${pair%%:*} "*) args+=" -DGGML_${pair#*:}=ON" ;;
      *) args+=" -DGGML_${pair#*:}=OFF" ;;
    esac
  done
  echo "$args"
}

python=${BENCH_PYTHON:-$folder/venv/bin/python}
if ! "$python" -c 'import llama_cpp' 2>/dev/null; then
  [ -z "${BENCH_PYTHON:-}" ] || skip "$BENCH_PYTHON has no llama_cpp."
  echo "bench: compiling llama.cpp for this CPU; its log is $folder/llama.log"
  python3 -m venv "$folder/venv" >"$folder/llama.log" 2>&1 || skip "no virtual environment could be made (Debian: package python3-venv)."
  CMAKE_ARGS="$(cmake_args) -DMTMD_BUILD=OFF" "$python" -m pip install --no-cache-dir llama-cpp-python >>"$folder/llama.log" 2>&1 \
    || skip "llama-cpp-python could not be installed; see $folder/llama.log."
  "$python" -c 'import llama_cpp' 2>>"$folder/llama.log" || skip "llama-cpp-python does not load; see $folder/llama.log."
fi

for format in ${formats//,/ }; do
  model=$folder/$shape-$format.gguf
  [ -e "$model" ] || {
    echo "bench: writing $model"
    python3 scripts/bench/make_model.py --shape "$shape" --format "$format" --out "$model.part"
    mv "$model.part" "$model"
  }
done

"$python" scripts/bench/compare.py --worker "$worker" --models "$folder" --shape "$shape" --formats "$formats" \
  --threads "${BENCH_THREADS:-1,2}" --rounds "${BENCH_ROUNDS:-3}" --json "$folder/compare.json" --out docs/benchmarks.md
