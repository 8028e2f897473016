#!/usr/bin/env bash
# The encoder on a CUDA card beside bare ONNX Runtime and torch, in one run under ten minutes: README.md.
#
#   bench/gpu/run.sh            on a machine with a card
#   bench/gpu/run.sh --cpu      a rehearsal without one: the same steps, few and small
#
# PYTHON names an interpreter that has what requirements.txt says; else an environment is made under .stack.
set -euo pipefail
cd "$(dirname "$0")/../.."

here=bench/gpu
work=.stack/bench/gpu
mkdir -p "$work"

if [[ -z "${PYTHON:-}" ]]; then
    PYTHON=$work/venv/bin/python
    if ! cmp -s "$here/requirements.txt" "$work/venv/finished"; then
        echo "gpu bench: installing torch and ONNX Runtime (some 3 GB, once; not counted in the ten minutes)" >&2
        rm -rf "$work/venv"
        python3 -m venv "$work/venv"
        "$PYTHON" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$work/venv/finished"
    fi
fi

# ONNX Runtime's own library, and the CUDA libraries that came with it: the binary loads the same ones as the peers.
packages=$("$PYTHON" -c 'import pathlib, onnxruntime; print(pathlib.Path(onnxruntime.__file__).parents[1])')
if [[ -z "${TUSOU_MODELS_RUNTIME:-}" ]]; then
    libraries=("$packages"/onnxruntime/capi/libonnxruntime.so*)
    if [[ ! -e ${libraries[0]} ]]; then
        echo "gpu bench: no libonnxruntime.so in $packages/onnxruntime/capi: set TUSOU_MODELS_RUNTIME to one" >&2
        exit 1
    fi
    export TUSOU_MODELS_RUNTIME="${libraries[0]}"
fi
for folder in "$packages"/nvidia/*/lib "$packages"/nvidia/*/lib64; do
    if [[ -d $folder ]]; then
        LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    fi
done
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}"

exec "$PYTHON" "$here/peers.py" --work "$work" --ours target/release/tusou-bench "$@"
