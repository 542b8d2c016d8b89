"""Whatever Ansible hands to a filter becomes plain Python."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value


class Tagged(str):
    """Stands for a text that carries tags."""


class Count(int):
    pass


class Lazy(Mapping[str, Any]):
    """Stands for a mapping that gives its items only when they are read."""

    def __init__(self, **items: Any) -> None:
        self._items = items

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def exact(value: Any) -> Any:
    """Return the value with the exact type of each part."""
    if isinstance(value, dict):
        return dict, {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return list, [exact(item) for item in value]
    return type(value), value


@pytest.mark.parametrize(
    "value, native",
    [
        (Tagged("a"), "a"),
        (Count(3), 3),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (Lazy(a=Lazy(b=Tagged("c"))), {"a": {"b": "c"}}),
        ((Tagged("a"), {"x"}), ["a", ["x"]]),
        ({8081: 1, True: 2}, {"8081": 1, "True": 2}),
        (datetime.date(2026, 11, 22), "2026-11-22"),
    ],
)
def test_values_become_plain(value: Any, native: Any) -> None:
    assert exact(native_value(value)) == exact(native)


def test_a_value_that_contains_itself_is_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UpkeepError, match="nested more than 50 levels deep"):
        native_value(endless)
