# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which members of an archive are restored, and to where below which target. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Optional

#: Above the files of a backup in our own archives; what follows is an absolute path.
FILES_PREFIX = b"files"


@dataclass(frozen=True)
class Destination:
    """A target and what becomes it.

    :ivar target: absolute path.
    :ivar prefix: the member that becomes the target; empty for the root of the archive.
    :ivar preserved: paths below the target whose present state stays; members there are not restored.
    """

    target: str
    prefix: bytes
    preserved: tuple[bytes, ...] = ()


class Selection:
    """Finds the place of a member.

    :ivar destinations: in the order of the targets.
    :ivar patterns: shell patterns below the targets, when only a part is restored.
    """

    def __init__(self, destinations: Sequence[Destination], patterns: Sequence[str] = (), sources: Iterable[str] = ()) -> None:
        self.destinations = list(destinations)
        self.is_part = bool(patterns)
        self.sources = frozenset(sources)
        both = [text for pattern in patterns for text in (pattern.strip("/"), f"{pattern.strip('/')}/*")]
        self._expressions = [re.compile(translate(text).encode("utf-8", "surrogateescape"), re.DOTALL) for text in both]
        self._all = not patterns and not any(one.preserved for one in destinations)
        self._prefixes = [(number, one.prefix, one.prefix + b"/" if one.prefix else b"") for number, one in enumerate(destinations)]

    def locate(self, path: bytes, source: str = "") -> Optional[tuple[int, bytes]]:
        """Return the number of the destination of a member and its path below the target, or None when it is not restored.

        :param path: of the form that ``member_rules.checked_path`` returns.
        :param source: the source that the manifest says it belongs to.
        """
        for number, prefix, above in self._prefixes:
            if path == prefix:
                relative = b""
            elif path.startswith(above):
                relative = path[len(above) :]
            else:
                continue
            if self.sources and source not in self.sources:
                return None
            if self._all or self.takes(relative) and not self._is_preserved(number, relative):
                return number, relative
            return None
        return None

    def leaves_out(self, path: bytes, source: str) -> bool:
        """Tell whether a member would be missing below a target only because its source was not asked for."""
        if not self.sources or self.is_part or source in self.sources:
            return False
        return any(path == prefix or path.startswith(above) for _number, prefix, above in self._prefixes)

    def takes(self, relative: bytes) -> bool:
        """Tell whether a path below a target is one of those that are restored."""
        return not self._expressions or any(expression.match(relative) for expression in self._expressions)

    def _is_preserved(self, number: int, relative: bytes) -> bool:
        return any(
            relative == path or relative.startswith(path + b"/") for path in self.destinations[number].preserved
        )


def default_prefix(target: str) -> bytes:
    """Return the member of our own archives that was a path on the host."""
    return FILES_PREFIX + target.rstrip("/").encode("utf-8", "surrogateescape")
