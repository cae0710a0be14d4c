"""Finds misspelt types, arguments and keys of a config before anything is built from it."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmengine import Config

from .config_sections import (
    DEFAULT_HOOKS,
    PARAMWISE_KEYS,
    arguments,
    runner_keys,
    section_keys,
)
from .registered_types import CannotTellError, known_names, types_named

# What stands under these keys, or in a config of these types, has a 'type' of another kind.
FOREIGN_KEYS = {'clip_grad', 'metainfo', 'nms', 'roi_layer', 'targets'}
FOREIGN_TYPES = {'Albu', 'Albumentations', 'mmdet.Albu', 'mmpretrain.Albumentations'}
MARKS = {'type', '_scope_', '_delete_'}
ALMOST = 0.85  # similarity from which a free name is taken for a misspelt one


def nearest(name: str, candidates: Iterable[str], cutoff: float = 0.7) -> str | None:
    """The candidate most like ``name``, upper and lower case alike, or None if none is.

    Args:
        name: A misspelt name.
        candidates: Names that exist.
        cutoff: Least similarity, 0 to 1, as of `difflib.SequenceMatcher.ratio`.
    """
    by_lower_case = {candidate.lower(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.lower(), by_lower_case, 1, cutoff)
    return by_lower_case[found[0]] if found else None


def check_config(cfg: Config) -> None:
    """Checks types and arguments of everything that the Runner builds from a config.

    What cannot be told is let pass: arguments of a class that hands its ``**kwargs`` elsewhere,
    types of packages that are not installed, variables of one's own.

    Args:
        cfg: A config for the Runner. The modules that hold its types are imported.

    Raises:
        ValueError: Something is misspelt; each finding has a line with the key's dotted path and
            the nearest name.
    """
    problems = misspellings(cfg)
    if problems:
        file = f' {cfg.filename}' if cfg.filename else ''
        count = 'a problem' if len(problems) == 1 else f'{len(problems)} problems'
        lines = (f'\n- {problem}' for problem in problems)
        raise ValueError(f'the config{file} has {count}:{"".join(lines)}')


def misspellings(cfg: Config) -> list[str]:
    """What :func:`check_config` would raise, a line each, sorted."""
    keys = runner_keys()
    problems = list(_check_top_level_names(cfg, keys))
    for key in keys & set(cfg):
        problems += _check(key, cfg[key], cfg.get('default_scope') or 'mmengine')
    return sorted(problems)


def _check_top_level_names(cfg: Config, keys: set[str]) -> Iterator[str]:
    """Own variables are welcome, unless they look like a key and nothing refers to them."""
    common = {key for key in keys if not key.startswith('tta_')}  # test_pipeline is a variable
    for name in set(cfg) - keys:
        key = nearest(name, common, ALMOST)
        referred_to = re.search(rf'\b{re.escape(name)}\b(?!\s*=[^=])', cfg.text or '')
        if key and not referred_to:
            yield f'{name}: not a key of the Runner{_suggestion(key)}'


def _check(path: str, value: Any, scope: str) -> Iterator[str]:
    """Problems of a value and of all that it holds; ``path`` is where it stands."""
    last_key = path.rpartition('.')[2]
    if last_key in FOREIGN_KEYS or last_key.endswith('_trans'):
        return
    if isinstance(value, Mapping):
        scope = value.get('_scope_', scope)
        if 'type' in value:
            yield from _check_typed(path, value, scope)
        elif (allowed := section_keys(path, value)) is not None:
            yield from _check_keys(path, value, allowed, path)
        if path == 'default_hooks':
            yield from _check_hooks(value)
        elif path == 'model.heads':
            yield from _check_heads(value)
        elif path == 'optim_wrapper' and 'constructor' not in value:
            paramwise = value.get('paramwise_cfg') or {}
            yield from _check_keys(f'{path}.paramwise_cfg', paramwise, PARAMWISE_KEYS, 'mmengine')
        if str(value.get('type')) not in FOREIGN_TYPES:
            for key in value:
                yield from _check(f'{path}.{key}', value[key], scope)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _check(f'{path}.{index}', item, scope)


def _check_hooks(hooks: Mapping) -> Iterator[str]:
    """Further hooks may have any name, but not one that is nearly a default hook's."""
    for name, hook in hooks.items():
        hint = None if name in DEFAULT_HOOKS else nearest(name, DEFAULT_HOOKS, ALMOST)
        if hint:
            yield f'default_hooks.{name}: not a default hook{_suggestion(hint)}'
        elif isinstance(hook, Mapping) and 'type' not in hook:
            yield f'default_hooks.{name}: it has no type'


def _check_heads(heads: Mapping) -> Iterator[str]:
    """A misspelt name makes a new head, of no type."""
    typed = {name for name, head in heads.items() if isinstance(head, Mapping) and 'type' in head}
    for name in set(heads) - typed:
        if isinstance(heads[name], Mapping):
            yield f'model.heads.{name}: it has no type{_suggestion(nearest(name, typed))}'


def _check_typed(path: str, config: Mapping, scope: str) -> Iterator[str]:
    name = config['type']
    if not (isinstance(name, str) or callable(name)):
        yield f'{path}.type: {name!r:.100} is no name of a type'
        return
    try:
        types = [name] if callable(name) else types_named(name, scope)
        if not types:
            hint = nearest(name, known_names(name, scope))
            if hint or not name.islower():  # else a word that the class itself knows
                yield f'{path}.type: {name!r} is not registered{_suggestion(hint)}'
            return
    except CannotTellError:
        return
    allowed = [arguments(path, found) for found in types]
    if None not in allowed:
        fewest = min((a for a in allowed if a is not None), key=lambda a: len(set(config) - a))
        yield from _check_keys(path, config, fewest, getattr(types[0], '__name__', str(name)))


def _check_keys(path: str, given: Iterable[str], allowed: set[str], owner: str) -> Iterator[str]:
    for key in set(given) - allowed - MARKS:
        hint = nearest(key, allowed)
        known = '' if hint else f'; known: {", ".join(sorted(allowed)) or "none"}'
        yield f'{path}.{key}: {owner} takes no {key!r}{_suggestion(hint)}{known}'


def _suggestion(hint: str | None) -> str:
    return f'; did you mean {hint!r}?' if hint else ''
