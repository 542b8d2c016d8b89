# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decide what is restored where, and refuse what cannot be, before anything is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import requests
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.archive_source import ArchiveSource
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.extracting import Written
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.left_out_paths import find_left_out
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import Rules, as_bytes, as_text
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.name_checks import Amount
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.planning import Changes, Planner
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preflight import (
    refuse_full_disk,
    refuse_kind,
    resolve_targets,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import Destination, Selection
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain


@dataclass
class Prepared:
    """What a restore will do.

    :ivar targets: absolute paths without links in their parents.
    :ivar amounts: what goes to each.
    :ivar kept: paths below each target that are carried over from the live tree.
    :ivar carried: how many files and directories were.
    """

    targets: list[str]
    selection: Selection
    rules: Rules
    amounts: list[Amount]
    kept: list[list[bytes]]
    carried: list[int] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)


def prepare(source: ArchiveSource, params: Mapping[str, Any]) -> Prepared:
    """Check options, places, names of all members and room.

    :raises UpkeepError: when something refuses.
    :raises ArchiveProblem: when a member does.
    """
    ours = source.header is not None
    if params["sources"] and not ours:
        raise UpkeepError("sources: only an archive with a manifest of this collection says which source a member belongs to")
    given = list(params["target"] or saved_roots(source, params["sources"] or ()))
    prefixes = requests.prefixes(params, given, ours=ours)
    targets = resolve_targets(given, outside=[source.path, params["state_directory"]])
    kept = [_kept(source, params, target, prefix) for target, prefix in zip(targets, prefixes)]
    explicit = params["preserve"] is not None
    destinations = [
        Destination(target, prefix, tuple(paths) if explicit else ())
        for target, prefix, paths in zip(targets, prefixes, kept)
    ]
    selection = Selection(destinations, params["members"] or (), params["sources"] or ())
    rules = Rules(ours, frozenset(params["accept"]))
    checks = source.check_names(selection, rules)
    for destination, amount in zip(destinations, checks.amounts):
        _refuse_empty(source.path, destination, amount, selection, checks.first_names)
        refuse_kind(destination.target, "" if selection.is_part else amount.root)
    refuse_full_disk(targets, checks.amounts)
    return Prepared(targets, selection, rules, checks.amounts, kept, [0] * len(targets))


def saved_roots(source: ArchiveSource, sources: Sequence[str] = ()) -> list[str]:
    """Return the paths that an archive was made of.

    :param sources: names of those that are wanted; none means all.
    :raises UpkeepError: when nobody knows them.
    """
    if source.header is None:
        raise UpkeepError("target: the archive has no manifest that names the folders it was made of; give the target")
    roots = requests.SavedRoots(source.header, sources)
    source.each_member(roots.add)
    return roots.finish()


def _kept(source: ArchiveSource, params: Mapping[str, Any], target: str, prefix: bytes) -> list[bytes]:
    """Return the paths below a target that are carried over; those given win over the archive, the others fill gaps."""
    if params["members"]:
        return []
    if params["preserve"] is None:
        return find_left_out(source.header, prefix, target) if source.header else []
    paths = [as_bytes("/".join(part for part in path.split("/") if part not in ("", "."))) for path in params["preserve"]]
    for path in paths:
        _refuse_links_above(target, path)
    return [path for path in paths if os.path.lexists(as_bytes(target) + b"/" + path)]


def _refuse_links_above(target: str, path: bytes) -> None:
    """Raise when a path that is to be preserved leads through a link: it is neither in the tree nor would it be restored."""
    parts = path.split(b"/")
    for depth in range(1, len(parts)):
        above = b"/".join(parts[:depth])
        if os.path.islink(as_bytes(target) + b"/" + above):
            shown, link = (plain(as_text(name), 200) for name in (path, above))
            raise UpkeepError(f"preserve: {shown} lies behind the link {link} in {target}; give {link} itself; nothing was changed")


def _refuse_empty(path: str, destination: Destination, amount: Amount, selection: Selection, first_names: set[str]) -> None:
    if amount.members:
        return
    what = plain(destination.prefix.decode("utf-8", "surrogateescape"), 300)
    if selection.is_part or selection.sources:
        raise UpkeepError(f"{path} has nothing of what was asked for {destination.target}; nothing was changed")
    names = ", ".join(sorted(first_names)) or "nothing"
    raise UpkeepError(f"{path} has no member {what or 'at all'}; it begins with {names}. Give from; nothing was changed")


def plan_changes(source: ArchiveSource, prepared: Prepared) -> list[Changes]:
    """Compare the archive with the live trees."""
    planner = Planner(prepared.selection, prepared.rules)
    source.each_member(planner.add)
    return planner.finish(prepared.kept)
