# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup with restic is made of: the options checked, and said as restic takes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.destination import check_label
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.left_out import OTHER_FILE_SYSTEM, LeftOut
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.special_rights import SpecialRights
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.sources import Root, read_sources, told_source
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.walking import VANISHED, TreeWalk
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec, read_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.arguments import literal
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.exclusion import Tree, refuse_inexpressible, restic_patterns
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.staging import DUMPS, staging_path
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Pipes, devices and old files that are left out one by one.
_MAX_LEFT_OUT = 1000
#: What a walk says of a file that max_age_days leaves out.
TOO_OLD = "older than "


@dataclass(frozen=True)
class Plan:
    """A backup that is to be made.

    :ivar host: the name under which restic keeps its snapshots.
    :ivar sources: as they are told in the manifest.
    :ivar accept: what restores are told to accept.
    """

    label: str
    host: str
    platform: str
    sources: list[dict[str, Any]]
    roots: list[Root]
    trees: list[Tree]
    dumps: list[DumpSpec]
    one_file_system: bool
    staging_parent: str
    accept: tuple[str, ...] = ()

    @property
    def paths(self) -> list[str]:
        return [root.path for root in self.roots]


@dataclass(frozen=True)
class Looked:
    """What a walk over the sources has shown.

    :ivar excludes: patterns for restic.
    """

    left_out: LeftOut
    members: int
    bytes: int
    excludes: list[str]
    rights: SpecialRights


def read_plan(options: Mapping[str, Any], now: datetime) -> Plan:
    """Check the options and find the paths that they mean on this host.

    :param now: the moment from which ages are counted.
    :raises UpkeepError: naming the option, and what the engine cannot do.
    """
    given = options["sources"] or []
    roots = read_sources(given, now)
    dumps = read_dumps(options["dumps"] or [])
    if not roots and not dumps:
        raise UpkeepError("sources: there is nothing to back up; give sources or dumps")
    excludes = {source["name"]: tuple(source.get("exclude") or ()) for source in given}
    trees = [Tree(root.path, excludes[root.source]) for root in roots]
    refuse_inexpressible(trees)
    restic_patterns(trees)  # for its refusals, before anything is begun
    borders = {root.one_file_system for root in roots}
    if len(borders) > 1:
        raise UpkeepError("sources: the engine restic has one one_file_system for all of them; make them equal")
    parent = os.path.realpath(options["staging_directory"] or options["state_directory"])
    _refuse_overlap(roots, staging_path(parent))
    return Plan(
        label=check_label(options["label"]),
        host=options["host"] or os.uname().nodename,
        platform=options["platform"] or "",
        # The paths that were meant and not the patterns, so that a restore knows its targets.
        sources=[
            told_source(source, [root.path for root in roots if root.source == source["name"]]) for source in given
        ],
        roots=roots,
        trees=trees,
        dumps=dumps,
        one_file_system=borders == {True},
        staging_parent=parent,
        accept=tuple(options["accept"] or ()),
    )


def look(plan: Plan, repository_path: str, cache_path: str) -> Looked:
    """Walk the sources without reading a file.

    :param repository_path: of a repository on this host, which is no part of its own backups; else empty.
    :raises UpkeepError: when a source has vanished, or a folder cannot be read.
    """
    left_out, rights = LeftOut(), SpecialRights()
    members = size = 0
    for found in rights.watched(TreeWalk(plan.roots, _identity(repository_path), left_out, read=False)):
        members += 1
        size += found.status.st_size if found.type == "file" else 0
    own = [os.path.realpath(path) for path in (repository_path, cache_path) if path]
    special = [row["path"] for row in left_out.skipped.rows if row["reason"] not in (VANISHED, OTHER_FILE_SYSTEM)]
    literally = [literal(path) for path in (*own, *special[:_MAX_LEFT_OUT], *_too_old(plan, left_out))]
    return Looked(left_out, members, size, [*restic_patterns(plan.trees), *literally], rights)


def _too_old(plan: Plan, left_out: LeftOut) -> list[str]:
    """Return the files that are left out because of their age, which restic knows nothing of.

    :raises UpkeepError: when they are too many to be named one by one.
    """
    if all(root.max_age_days is None for root in plan.roots):
        return []
    old = [row["path"] for row in left_out.excluded.rows if row["pattern"].startswith(TOO_OLD)]
    if len(old) > _MAX_LEFT_OUT or left_out.excluded.more:
        raise UpkeepError(
            f"sources: max_age_days leaves out more than {_MAX_LEFT_OUT} files, which the engine restic cannot do; use exclude"
        )
    return old


def _refuse_overlap(roots: list[Root], staging: str) -> None:
    for root in roots:
        if root.path in (f"/{DUMPS}", "/manifest.json") or root.path.startswith(f"/{DUMPS}/"):
            raise UpkeepError(f"sources: {root.path} has the place of the dumps in a snapshot; move it, or use the archive engine")
        real = os.path.realpath(root.path)
        if staging == real or staging.startswith(real + "/"):
            raise UpkeepError(
                f"sources: dumps are kept in {staging} while a backup is made, which lies in the source {plain(root.path, 200)};"
                " give a staging_directory elsewhere"
            )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (status.st_dev, status.st_ino) if path else None
