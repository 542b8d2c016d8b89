# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which names below a source are left out on purpose. Pure functions over patterns and names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain


class Exclusions:
    """The patterns of one source.

    A pattern without a slash is a name at any depth. One with a slash is a path below the source, or an absolute path. As
    everywhere in this collection an asterisk fits a slash too.

    :param patterns: as the user wrote them.
    :raises UpkeepError: when a pattern could never mean anything.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns: list[tuple[str, str, re.Pattern[str]]] = []
        for pattern in patterns:
            wanted, kind = _read(pattern)
            self._patterns.append((pattern, kind, re.compile(fnmatch.translate(wanted))))
        names = [wanted.pattern for _pattern, kind, wanted in self._patterns if kind == "name"]
        self._any_name = re.compile("|".join(names)) if names else None
        self._with_paths = len(names) < len(self._patterns)

    def matching(self, name: str, path: str, root: str) -> str | None:
        """Return the first pattern that leaves something out, or None.

        :param name: its last part.
        :param path: the absolute path of it.
        :param root: the path of the source that it is below.
        """
        if not self._with_paths and (self._any_name is None or not self._any_name.match(name)):
            return None
        below = path[len(root.rstrip("/")) + 1:]
        subjects = {"name": name, "below": below, "absolute": path}
        return next((pattern for pattern, kind, wanted in self._patterns if wanted.match(subjects[kind])), None)


def _read(pattern: str) -> tuple[str, str]:
    """Return a pattern as it is compared, and with what: name, below or absolute."""
    wanted = pattern.rstrip("/")
    while wanted.startswith("./"):
        wanted = wanted[2:]
    if not wanted or wanted == "." or ".." in wanted.split("/") or "//" in wanted or "\0" in wanted:
        raise UpkeepError(
            f"exclude: {plain(pattern, 200) or 'an empty text'} names nothing that can be left out;"
            " give a name, a path below the source, or an absolute path"
        )
    if wanted.startswith("/"):
        return wanted, "absolute"
    return wanted, "below" if "/" in wanted else "name"
