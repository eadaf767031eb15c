"""List the params that differ between two versions of params.yaml, with both values."""

import json
from collections.abc import Mapping

UNSET = "not set"


def describe_param_changes(before: Mapping, after: Mapping) -> list[str]:
    """Return text such as "model.alpha: 0.35 → null" for each param that differs.

    Both arguments map either names, such as `model.alpha`, or sections to values as in JSON. If a
    param is missing from one of the two, its value is "not set", which is considered equal to null.
    """
    found = _differences(before, after)
    return [f"{name}: {_text(old)} → {_text(new)}" for name, (old, new) in found.items()]


def _differences(before: Mapping, after: Mapping) -> dict[str, tuple[object, object]]:
    """Return both values of each entry that differs, keyed by name, such as `model.alpha`."""
    found: dict[str, tuple[object, object]] = {}
    for name in dict.fromkeys([*after, *before]):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            inner = _differences(old, new)
            found |= {f"{name}.{key}": pair for key, pair in inner.items()}
        elif old != new or isinstance(old, bool) != isinstance(new, bool):
            found[name] = before.get(name, UNSET), after.get(name, UNSET)
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
