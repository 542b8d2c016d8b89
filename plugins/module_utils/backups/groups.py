# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module ``backup_verify`` is asked to look at, read from its options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range

EXISTS, READABLE, MANIFEST, CONTENT, DRILL = "exists", "readable", "manifest", "content", "drill"
#: From the least to the most; each looks at what those before it look at, too.
LEVELS = (EXISTS, READABLE, MANIFEST, CONTENT, DRILL)

REQUIRED, OPTIONAL, NONE = "required", "optional", "none"
#: What a backup without a manifest is, and whether manifests are looked at.
MANIFEST_POLICIES = (REQUIRED, OPTIONAL, NONE)

#: Names of archives that are read.
ARCHIVE_PATTERNS = (
    "*.tar", "*.tar.gz", "*.tgz", "*.tar.xz", "*.txz", "*.tar.bz2", "*.tbz2", "*.tar.zst", "*.tzst", "*.zip",
)

_RANGES = {
    "newest": (1, 100),
    "max_age_hours": (0, 1_000_000),
    "min_bytes": (0, 2**62),
    "max_shrink_percent": (0, 100),
    "timeout_seconds": (1, 86_400),
    "nested_depth": (0, 5),
    "max_ratio": (1, 1_000_000),
    "max_members": (1, 100_000_000),
    "max_decoder_bytes": (1024 * 1024, 2 * 1024**3),
}


@dataclass(frozen=True)
class Group:
    """Backups of one thing, and what they must be like.

    :ivar subject: what checks are about; it stays the same when a newer backup comes.
    :ivar path: one file, or an empty text.
    :ivar max_age_hours: None is no limit, and so for the other two.
    :ivar manifest: one of MANIFEST_POLICIES.
    """

    subject: str
    path: str
    directory: str
    patterns: tuple[str, ...]
    newest: int
    level: str
    max_age_hours: float | None
    min_bytes: int
    max_shrink_percent: float | None
    require: tuple[str, ...]
    manifest: str = REQUIRED

    def reaches(self, level: str) -> bool:
        """Tell whether as much as ``level`` is looked at."""
        return LEVELS.index(self.level) >= LEVELS.index(level)

    @property
    def compares(self) -> bool:
        """The backups are compared with their manifests."""
        return self.reaches(MANIFEST) and self.manifest != NONE


def read_groups(options: Mapping[str, Any]) -> list[Group]:
    """Return the groups that the options of the module name.

    :raises UpkeepError: naming the option that is not accepted.
    """
    refuse_out_of_range(options, _RANGES)
    if options["backups"] is None:
        return [_group(options, {}, "")]
    if not options["backups"]:
        raise UpkeepError("backups: an empty list names no backup; give at least one.")
    groups = []
    for index, item in enumerate(options["backups"]):
        place = f"backups[{index}]."
        if bool(item["path"]) == bool(item["directory"]):
            raise UpkeepError(f"{place[:-1]}: give either path or directory.")
        refuse_out_of_range(item, _RANGES, place)
        groups.append(_group(options, item, place))
    subjects = [group.subject for group in groups]
    twins = sorted({subject for subject in subjects if subjects.count(subject) > 1})
    if twins:
        raise UpkeepError(f"backups: more than one is called {twins[0]}; give each a name of its own.")
    return groups


def _group(options: Mapping[str, Any], item: Mapping[str, Any], place: str) -> Group:
    def own(key: str) -> Any:
        value = item.get(key)
        return options[key] if value is None else value

    where = item or options
    path, directory = where["path"] or "", where["directory"] or ""
    for key, value in (("path", path), ("directory", directory)):
        if value and not os.path.isabs(value):
            raise UpkeepError(f"{place}{key}: {value!r} is not absolute; a backup is named from / on.")
    patterns = tuple(own("pattern") or ARCHIVE_PATTERNS)
    if any("/" in pattern or not pattern for pattern in patterns):
        raise UpkeepError(f"{place}pattern: a pattern is one of names in the folder, without /.")
    subject = path or (os.path.join(directory, patterns[0]) if patterns != ARCHIVE_PATTERNS else directory)
    return Group(
        subject=where.get("name") or subject,
        path=path,
        directory=directory,
        patterns=patterns,
        newest=own("newest"),
        level=own("level"),
        max_age_hours=own("max_age_hours") or None,
        min_bytes=own("min_bytes"),
        max_shrink_percent=own("max_shrink_percent") or None,
        require=tuple(own("require")),
        manifest=own("manifest"),
    )
