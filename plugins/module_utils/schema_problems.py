# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with data that a user wrote: collected by path, worded so that the mistake can be found and mended."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_SHOWN_CHARACTERS = 60
_LAST_STEP = re.compile(r"(?:\.?[^.\[]+|\[[0-9]+\]|.)\Z", re.DOTALL)


class Problems:
    """What is wrong, by path; the first thing said about a path stands."""

    def __init__(self) -> None:
        self._by_path: dict[str, str] = {}

    def add(self, path: str, message: str) -> None:
        """Note that the value at ``path`` is wrong; ``message`` says how and what is accepted."""
        self._by_path.setdefault(path, message)

    def __len__(self) -> int:
        return len(self._by_path)

    def within(self, path: str) -> bool:
        """Tell whether the value at ``path``, or anything inside it, is wrong."""
        return any(at == path or at.startswith((f"{path}.", f"{path}[")) for at in self._by_path)

    def sentences(self, document: Any) -> list[str]:
        """Return ``path: message`` for each problem, in the order in which ``document`` has what they are about."""
        places = {path: place for place, path in enumerate(_paths(document, ""))}
        return [
            f"{path}: {message}" if path else message
            for path, message in sorted(self._by_path.items(), key=lambda item: _place(item[0], places))
        ]


def shown(value: Any) -> str:
    """Return ``value`` as a short text for a message: quoted text, ``a list``, ``a mapping``, or the plain value."""
    if isinstance(value, str):
        return f'"{plain(value, MAX_SHOWN_CHARACTERS)}"'
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return plain(str(value), MAX_SHOWN_CHARACTERS)
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else "another type"


def suggestion(word: str, accepted: Sequence[str]) -> str:
    """Return ``; did you mean "port"?`` when one of ``accepted`` is close to ``word``, otherwise an empty text."""
    spellings = {name.lower(): name for name in accepted}
    close = difflib.get_close_matches(word.lower()[:MAX_SHOWN_CHARACTERS], spellings, n=1)
    return f'; did you mean "{spellings[close[0]]}"?' if close else ""


def key_path(path: str, key: Any) -> str:
    """Return the path of ``key`` inside the mapping at ``path``: ``services[0].port``."""
    name = plain(str(key), MAX_SHOWN_CHARACTERS)
    return f"{path}.{name}" if path else name


def _paths(value: Any, path: str) -> Iterator[str]:
    """Yield the path of a value and of everything inside it, in the order of the document."""
    yield path
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _paths(item, key_path(path, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _paths(item, f"{path}[{index}]")


def _place(path: str, places: Mapping[str, int]) -> int:
    """Return where a path stands in the document; what is missing there stands with what it is missing from."""
    while path not in places:
        path = _LAST_STEP.sub("", path)
    return places[path]
