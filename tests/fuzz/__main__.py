"""Reads malformed inputs and prints what fails, with the seed and a file of each input."""

import argparse
import sys
from pathlib import Path

from .run import KINDS, counts, run_kind, table


def main() -> int:
    """Exit status 1 if an input failed."""
    parser = argparse.ArgumentParser(prog='python -m tests.fuzz', description=__doc__)
    parser.add_argument('--inputs', type=int, default=10_000, help='in all (%(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of all inputs (%(default)s)')
    parser.add_argument('--kinds', nargs='+', choices=list(KINDS), help='these alone')
    parser.add_argument('--keep', type=Path, default=Path('fuzz_failures'), help='for what fails')
    args = parser.parse_args()
    outcomes = {}
    for name, number in counts(args.inputs).items():
        if args.kinds and name not in args.kinds:
            continue
        outcomes[name] = run_kind(name, args.seed, range(number), args.keep)
        print(*outcomes[name].failures, sep='\n', end='\n' * bool(outcomes[name].failures))
    print(*table(outcomes), sep='\n')
    return int(any(outcome.failures for outcome in outcomes.values()))


if __name__ == '__main__':
    sys.exit(main())
