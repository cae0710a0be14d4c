"""The description of a view in a config, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

Range = tuple[float, float]


@dataclass(frozen=True)
class Jitter:
    """With probability ``prob``: factors at most so far from 1, a hue at most so far from 0."""

    prob: float
    brightness: float
    contrast: float
    saturation: float
    hue: float


@dataclass(frozen=True)
class Blur:
    """Gaussian blur with a radius (standard deviation, pixels of the view) drawn every time."""

    prob: float
    radius: Range


@dataclass(frozen=True)
class Solarize:
    """Inverts values of at least ``threshold``."""

    prob: float
    threshold: int


@dataclass(frozen=True)
class View:
    """``num`` square views of ``size`` pixels, cut from ``scale`` of the picture's area."""

    size: int
    scale: Range
    num: int
    flip: float
    jitter: Jitter | None
    gray: float
    blur: Blur | None
    solarize: Solarize | None


def parse_view(config: Any, name: str) -> View:
    """Checks one view's config.

    Raises:
        ValueError: With the full name of the key, as in ``views[0].jitter.hue``.
    """
    view = Section(config, name, View)
    return View(
        size=view.whole('size', low=1),
        scale=view.pair('scale', high=1, positive=True),
        num=view.whole('num', low=1, default=1),
        flip=view.number('flip', high=1, default=0),
        jitter=_parse_jitter(view.section('jitter', Jitter)),
        gray=view.number('gray', high=1, default=0),
        blur=_parse_blur(view.section('blur', Blur)),
        solarize=_parse_solarize(view.section('solarize', Solarize)),
    )


def _parse_jitter(jitter: 'Section | None') -> Jitter | None:
    if jitter is None:
        return None
    return Jitter(
        prob=jitter.number('prob', high=1, default=1),
        brightness=jitter.number('brightness', default=0),
        contrast=jitter.number('contrast', default=0),
        saturation=jitter.number('saturation', default=0),
        hue=jitter.number('hue', high=0.5, default=0),
    )


def _parse_blur(blur: 'Section | None') -> Blur | None:
    if blur is None:
        return None
    return Blur(
        prob=blur.number('prob', high=1, default=1),
        radius=blur.pair('radius', default=(0.1, 2.0)),
    )


def _parse_solarize(solarize: 'Section | None') -> Solarize | None:
    if solarize is None:
        return None
    return Solarize(
        prob=solarize.number('prob', high=1, default=1),
        threshold=solarize.whole('threshold', low=0, high=256, default=128),
    )


class Section:
    """One dict of a config; its methods read a key and name it in their errors.

    Args:
        config: The dict.
        name: Its place, as in ``views[0].jitter``.
        kind: The dataclass whose fields are the known keys.
    """

    def __init__(self, config: Any, name: str, kind: type) -> None:
        known = sorted(field.name for field in fields(kind))
        if not isinstance(config, Mapping):
            raise ValueError(f'{name} must be a dict with keys of {known}, but is {config!r}')
        for key in config:
            if key not in known:
                near = get_close_matches(str(key), known, n=1)
                hint = f'did you mean {near[0]!r}? ' if near else ''
                raise ValueError(f'{name}.{key} is not known; {hint}known are {known}')
        self._config = config
        self._name = name

    def section(self, key: str, kind: type) -> 'Section | None':
        """The dict under ``key``; None where it is left out."""
        config = self._config.get(key)
        return None if config is None else Section(config, f'{self._name}.{key}', kind)

    def number(self, key: str, high: float = float('inf'), default: float | None = None) -> float:
        """A number from 0 to ``high``."""
        value = self._get(key, default)
        if not _is_number(value) or not 0 <= value <= high:
            raise self._error(key, f'a number from 0 to {high:g}', value)
        return float(value)

    def whole(
        self, key: str, low: int, high: float = float('inf'), default: int | None = None
    ) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self._get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._error(key, f'a whole number from {low} to {high:g}', value)
        return value

    def pair(
        self,
        key: str,
        high: float = float('inf'),
        positive: bool = False,
        default: Range | None = None,
    ) -> Range:
        """Two ascending numbers from 0 (or above it) to ``high``."""
        value = self._get(key, default)
        valid = isinstance(value, (tuple, list)) and len(value) == 2 and all(map(_is_number, value))
        if not valid or not 0 <= value[0] <= value[1] <= high or (positive and value[0] == 0):
            above = 'above' if positive else 'from'
            raise self._error(key, f'two ascending numbers {above} 0 to {high:g}', value)
        return float(value[0]), float(value[1])

    def _get(self, key: str, default: Any) -> Any:
        value = self._config.get(key, default)
        if value is None:
            raise ValueError(f'{self._name}.{key} is missing')
        return value

    def _error(self, key: str, expected: str, value: Any) -> ValueError:
        return ValueError(f'{self._name}.{key} must be {expected}, but is {value!r}')


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
