"""How much of a network a file of weights fills."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

EXAMPLES = 4
"""How many names a message lists."""


class Coverage(NamedTuple):
    """Names of tensors, by what became of them.

    Attributes:
        matched: In both, of one shape.
        missing: Asked for, not in the file.
        unexpected: In the file, not asked for.
        mismatched: In both, of two shapes: 'name (asked for, in the file)'.
    """

    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]

    def summary(self) -> str:
        """One line of counts."""
        return ', '.join(f'{len(names)} {kind}' for kind, names in self._asdict().items())

    def table(self, most: int = 6) -> str:
        """A line for each kind: how many, and the first names of those that are not in both."""
        lines = []
        for kind, names in self._asdict().items():
            listed = '' if kind == 'matched' else ', '.join(names[:most])
            more = ' ...' if kind != 'matched' and len(names) > most else ''
            lines.append(f'  {kind:<11}{len(names):>4}  {listed}{more}'.rstrip())
        return '\n'.join(lines)

    def faults(
        self, allow_missing: Sequence[str] = (), allow_unexpected: Sequence[str] = ()
    ) -> dict[str, list[str]]:
        """Names by what is wrong with them, but for those that start with what is allowed."""
        faults = {
            'missing in the file': _not_allowed(self.missing, allow_missing),
            'unexpected in the file': _not_allowed(self.unexpected, allow_unexpected),
            'of another shape (asked for, in the file)': self.mismatched,
        }
        return {kind: names for kind, names in faults.items() if names}

    def require(
        self, allow_missing: Sequence[str] = (), allow_unexpected: Sequence[str] = ()
    ) -> None:
        """Accepts full coverage alone, but for names that start with what is allowed.

        Raises:
            ValueError: Something else is missing, unexpected or of another shape.
        """
        faults = self.faults(allow_missing, allow_unexpected)
        if faults:
            found = [f'{len(names)} {kind}: {_some(names)}' for kind, names in faults.items()]
            raise ValueError(
                f'the checkpoint is of another network ({self.summary()}). '
                + '; '.join(found)
                + '. Use the config that it was trained with; to load a part on purpose, name '
                'it in allow_missing or allow_unexpected of TeacherEMAHook'
            )


def compare_weights(asked: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Coverage:
    """Compares the names and shapes that a network asks for with those a file gives."""
    coverage = Coverage([], [], [], [])
    for name, tensor in asked.items():
        if name not in given:
            coverage.missing.append(name)
        elif given[name].shape != tensor.shape:
            shapes = f'{tuple(tensor.shape)}, {tuple(given[name].shape)}'
            coverage.mismatched.append(f'{name} ({shapes})')
        else:
            coverage.matched.append(name)
    coverage.unexpected.extend(name for name in given if name not in asked)
    return coverage


def _not_allowed(names: Iterable[str], prefixes: Sequence[str]) -> list[str]:
    return [name for name in names if not name.startswith(tuple(prefixes))]


def _some(names: list[str]) -> str:
    shown = ', '.join(names[:EXAMPLES])
    return f'{shown} ...' if len(names) > EXAMPLES else shown
