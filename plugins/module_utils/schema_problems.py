# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with data that a user wrote: collected by path, worded so that the mistake can be found and mended."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_SHOWN_CHARACTERS = 60


class Problems:
    """What is wrong, by path, in the order found; the first thing said about a path stands."""

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

    def sentences(self) -> list[str]:
        """Return ``path: message`` for each problem."""
        return [f"{path}: {message}" if path else message for path, message in self._by_path.items()]


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
