"""Tables of parameter names, read both ways."""

import re
from collections.abc import Iterable


class NameTable:
    """Pairs of templates: dinomm's names and those of another format.

    ``{i}`` stands for a number; a template that ends in a dot stands for every tensor of that
    module (``weight``, ``bias``, ``running_mean`` ...).

    Args:
        pairs: (dinomm's, the other's, further ones of the other's that are read but not written).
    """

    def __init__(self, pairs: Iterable[tuple[str, ...]]):
        self.pairs = tuple(pairs)
        self._to_ours = [
            (_pattern(theirs), ours) for ours, *names in self.pairs for theirs in names
        ]
        self._to_theirs = [(_pattern(pair[0]), pair[1]) for pair in self.pairs]

    def ours(self, name: str) -> str | None:
        """dinomm's name of one of the other format; None if it is none of theirs."""
        return _translated(name, self._to_ours)

    def theirs(self, name: str) -> str | None:
        """The other format's name of one of dinomm's; None if it has no place there."""
        return _translated(name, self._to_theirs)

    def __add__(self, pairs: Iterable[tuple[str, ...]]) -> 'NameTable':
        """A table with further pairs."""
        return NameTable((*self.pairs, *pairs))

    def of_dinomm(self) -> 'NameTable':
        """dinomm's names to themselves."""
        return NameTable((pair[0], pair[0]) for pair in self.pairs)


def _pattern(template: str) -> re.Pattern:
    numbered = re.sub(r'\\\{(\w+)\\\}', r'(?P<\1>\\d+)', re.escape(template))
    return re.compile(numbered + (r'(?P<tensor>\w+)' if template.endswith('.') else '') + r'\Z')


def _translated(name: str, rules: list[tuple[re.Pattern, str]]) -> str | None:
    for pattern, template in rules:
        found = pattern.match(name)
        if found:
            parts = found.groupdict()
            return template.format(**parts) + parts.get('tensor', '')
    return None
