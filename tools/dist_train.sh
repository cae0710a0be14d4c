#!/usr/bin/env bash
# Trains on the GPUs of this machine, or of several: run it on each with its NODE_RANK.
set -euo pipefail

if [[ $# -lt 2 || ! -f $1 || ! $2 =~ ^[1-9][0-9]*$ ]]; then
    cat >&2 <<'USAGE'
Usage: tools/dist_train.sh CONFIG GPUS [options of tools/train.py]

CONFIG is a config file and GPUS the number of processes on this machine. Environment variables:
NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (29500).
USAGE
    exit 2
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -z ${VIRTUAL_ENV:-}${CONDA_PREFIX:-} && -d $root/.venv ]]; then
    PATH=$root/.venv/bin:$PATH
fi

PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} exec torchrun \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$2" \
    "$root/tools/train.py" "$1" --launcher pytorch "${@:3}"
