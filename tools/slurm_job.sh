#!/usr/bin/env bash
# A job for sbatch that goes on after its time limit: two minutes before it Slurm sends SIGUSR1, the
# run writes a checkpoint and stops with status 75, and the job is queued again.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

if [[ $# -lt 2 || ! -f $1 || -z ${SLURM_JOB_ID:-} ]]; then
    cat >&2 <<'USAGE'
Usage: sbatch [options of sbatch] tools/slurm_job.sh CONFIG WORK_DIR [options of tools/train.py]

CONFIG is a config file. Submit it in the folder of the clone, one task a GPU: --partition,
--time, --ntasks, --ntasks-per-node and --gres are options of sbatch. Environment variables:
CPUS_PER_TASK, SRUN_ARGS, as of tools/slurm_train.sh.
USAGE
    exit 2
fi

export GPUS=$SLURM_NTASKS
if [[ -n ${SLURM_NTASKS_PER_NODE:-} ]]; then
    export GPUS_PER_NODE=$SLURM_NTASKS_PER_NODE
fi
# tasks that leave with status 75 one after another must not kill each other
export SRUN_ARGS="--kill-on-bad-exit=0 --wait=60 ${SRUN_ARGS:-}"

status=0
# Slurm runs a copy of this file: the clone is where the job was submitted
bash "${SLURM_SUBMIT_DIR:-.}/tools/slurm_train.sh" "$SLURM_JOB_PARTITION" "$SLURM_JOB_NAME" \
    "$1" "$2" --resume "${@:3}" || status=$?
if [[ $status -eq 75 ]]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
