# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of values that a table-driven schema is made of, and the walk that reads them.

A kind reads one value: it returns the value normalized (``"8081"`` becomes ``8081``, what was left out becomes its
default) and notes what is wrong under the path of the value. It never raises and never stops at the first problem:
whoever wrote the data wants to hear everything at once. After a problem the returned value is an empty stand-in.

An option that was left out, or written without a value, becomes its default or, without one, the empty value of its
kind: ``""`` for texts, ``[]`` for lists, ``None`` for numbers and mappings. So what was read can be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.schema_problems import (
    Problems,
    key_path,
    shown,
    suggestion,
)

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


@dataclass(frozen=True)
class Text:
    """A text that ``reader`` understands: it returns the text normalized or raises ValueError with what is accepted."""

    reader: Callable[[str], str]
    label: str = "text"

    def empty(self) -> str:
        return ""

    def read(self, value: Any, path: str, problems: Problems) -> str:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            problems.add(path, f"must be {self.label}, not {shown(value)}")
            return ""
        try:
            return self.reader(value)
        except ValueError as error:
            problems.add(path, str(error))
            return ""


@dataclass(frozen=True)
class Integer:
    """A whole number within bounds; digits in quotes count."""

    minimum: int
    maximum: int

    @property
    def label(self) -> str:
        return f"whole number, {self.minimum} to {self.maximum}"

    def empty(self) -> None:
        return None

    def read(self, value: Any, path: str, problems: Problems) -> int | None:
        number = _whole(value)
        if number is not None and self.minimum <= number <= self.maximum:
            return number
        problems.add(path, f"must be a {self.label}, not {shown(value)}")
        return None


@dataclass(frozen=True)
class Number:
    """A number within bounds, whole or not."""

    minimum: float
    maximum: float

    @property
    def label(self) -> str:
        return f"number, {self.minimum:g} to {self.maximum:g}"

    def empty(self) -> None:
        return None

    def read(self, value: Any, path: str, problems: Problems) -> float | None:
        try:
            number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
        except (ValueError, OverflowError):
            number = None
        # A comparison with NaN is false, so that it is refused too.
        if number is not None and self.minimum <= number <= self.maximum:
            return number
        problems.add(path, f"must be a {self.label}, not {shown(value)}")
        return None


@dataclass(frozen=True)
class Flag:
    """True or false, in any of the ways in which YAML and Ansible write them."""

    label: str = "true or false"

    def empty(self) -> bool:
        return False

    def read(self, value: Any, path: str, problems: Problems) -> bool:
        word = str(value).strip().lower()
        if isinstance(value, (bool, int, str)) and word in _TRUE + _FALSE:
            return word in _TRUE
        problems.add(path, f"must be true or false, not {shown(value)}")
        return False


@dataclass(frozen=True)
class Choice:
    """One of a few words; ``reader`` may fold other spellings into them first."""

    words: tuple[str, ...]
    reader: Callable[[str], str] = str.strip

    @property
    def label(self) -> str:
        return "one of " + ", ".join(self.words)

    def empty(self) -> str:
        return ""

    def read(self, value: Any, path: str, problems: Problems) -> str:
        word = self.reader(str(value)) if isinstance(value, (str, int)) else ""
        if word in self.words:
            return word
        problems.add(path, f"must be {self.label}, not {shown(value)}{suggestion(word, self.words)}")
        return ""


@dataclass(frozen=True)
class ListOf:
    """A list of one kind. A single value counts as a list of one when the item can be written as a plain value."""

    item: Kind
    minimum: int = 0

    @property
    def label(self) -> str:
        return f"list; each {self.item.label}"

    def empty(self) -> list[Any]:
        return []

    def read(self, value: Any, path: str, problems: Problems) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            if isinstance(value, Mapping) or not _takes_plain_value(self.item):
                problems.add(path, f"must be a list (start each item with a dash), not {shown(value)}")
                return []
            value = [value]
        if len(value) < self.minimum:
            problems.add(path, f"must have at least {self.minimum} item{'s' if self.minimum > 1 else ''}")
        return [self.item.read(item, f"{path}[{index}]", problems) for index, item in enumerate(value)]


@dataclass(frozen=True)
class TextMap:
    """A mapping of names to texts, such as expected headers."""

    label: str = "mapping of names to text"

    def empty(self) -> dict[str, str]:
        return {}

    def read(self, value: Any, path: str, problems: Problems) -> dict[str, str]:
        if not isinstance(value, Mapping):
            problems.add(path, f"must be a {self.label}, not {shown(value)}")
            return {}
        read: dict[str, str] = {}
        for name, text in value.items():
            if isinstance(text, (Mapping, list, tuple)) or text is None:
                problems.add(key_path(path, name), f"must be text, not {shown(text)}")
            else:
                read[str(name)] = str(text)
        return read


@dataclass(frozen=True)
class Field:
    """One key of a record: its kind, and either required or a default (None: the empty value of the kind)."""

    kind: Kind
    required: bool = False
    default: Any = None


@dataclass(frozen=True)
class Record:
    """A mapping with known keys.

    :param from_text: turns a plain value that stands in place of the mapping into the mapping; raises ValueError.
    """

    fields: Mapping[str, Field]
    from_text: Callable[[str], Mapping[str, Any]] | None = None
    label: str = "mapping"

    def empty(self) -> None:
        return None

    def read(self, value: Any, path: str, problems: Problems) -> dict[str, Any] | None:
        if self.from_text and isinstance(value, (str, int)) and not isinstance(value, bool):
            try:
                value = self.from_text(str(value))
            except ValueError as error:
                problems.add(path, str(error))
                return None
        if not isinstance(value, Mapping):
            problems.add(path, f"must be a mapping with the keys {', '.join(self.fields)}, not {shown(value)}")
            return None
        self._refuse_unknown(value, path, problems)
        return {
            name: _read_field(entry, value.get(name), key_path(path, name), problems)
            for name, entry in self.fields.items()
        }

    def _refuse_unknown(self, value: Mapping[Any, Any], path: str, problems: Problems) -> None:
        for key in value:
            if key not in self.fields:
                close = suggestion(str(key), tuple(self.fields)) or ";"
                problems.add(key_path(path, key), f"unknown key{close} accepted: {', '.join(self.fields)}")


Kind = Union[Text, Integer, Number, Flag, Choice, ListOf, TextMap, Record]


def _read_field(entry: Field, value: Any, path: str, problems: Problems) -> Any:
    if value is None or isinstance(value, str) and not value.strip():
        if entry.required:
            problems.add(path, f"is required ({entry.kind.label})")
            return entry.kind.empty()
        value = entry.default
    return entry.kind.empty() if value is None else entry.kind.read(value, path, problems)


def _takes_plain_value(kind: Kind) -> bool:
    return not isinstance(kind, (ListOf, TextMap)) and (not isinstance(kind, Record) or kind.from_text is not None)


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value.strip()[:20])
    return None
