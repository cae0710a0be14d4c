#!/usr/bin/env bash
# Trains as a Slurm job, one task a GPU.
set -euo pipefail

if [[ $# -lt 4 || ! -f $3 ]]; then
    cat >&2 <<'USAGE'
Usage: tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of tools/train.py]

CONFIG is a config file. Environment variables: GPUS (8), GPUS_PER_NODE (8, or GPUS if fewer),
CPUS_PER_TASK (8), SRUN_ARGS (further options of srun).
USAGE
    exit 2
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -z ${VIRTUAL_ENV:-}${CONDA_PREFIX:-} && -d $root/.venv ]]; then
    PATH=$root/.venv/bin:$PATH
fi

gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
read -r -a srun_args <<<"${SRUN_ARGS:-}"

PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} exec srun \
    --partition="$1" \
    --job-name="$2" \
    --gres="gpu:$gpus_per_node" \
    --ntasks="$gpus" \
    --ntasks-per-node="$gpus_per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-8}" \
    --kill-on-bad-exit=1 \
    "${srun_args[@]}" \
    python -u "$root/tools/train.py" "$3" --work-dir "$4" --launcher slurm "${@:5}"
