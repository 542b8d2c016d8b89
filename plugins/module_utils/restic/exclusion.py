# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What sources leave out, said in the patterns of restic, whose asterisk fits no slash and which hold for all sources at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.arguments import literal
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Each asterisk of a path makes three patterns of one.
_MAX_ASTERISKS = 4
_WILDCARDS = "*?["


class Tree(NamedTuple):
    """A path whose whole tree is backed up, and what is left out below it.

    :ivar exclude: patterns as the user wrote them; see ``Exclusions`` for what they mean.
    """

    path: str
    exclude: tuple[str, ...]


def restic_patterns(trees: Iterable[Tree]) -> list[str]:
    """Return the patterns for restic that leave out what those of the trees do, each below its own tree only.

    :raises UpkeepError: when restic has no pattern for one.
    """
    return list(dict.fromkeys(found for tree in trees for pattern in tree.exclude for found in _patterns(tree.path, pattern)))


def refuse_inexpressible(trees: Sequence[Tree]) -> None:
    """Raise when trees lie inside each other and leave out different things, which restic cannot tell apart.

    :raises UpkeepError: naming both.
    """
    for inner in trees:
        if inner.path == "/":
            raise UpkeepError("sources: restic is not given / as a whole; name the folders below it")
        for outer in trees:
            if not inner.path.startswith(outer.path + "/"):
                continue
            if set(inner.exclude) != set(outer.exclude):
                raise UpkeepError(
                    f"sources: {plain(inner.path, 200)} lies inside {plain(outer.path, 200)} and has another exclude; the engine"
                    " restic has one for both, so make them equal or take the inner path away"
                )
            _refuse_hidden(inner.path, outer)


def _refuse_hidden(path: str, outer: Tree) -> None:
    """Raise when a tree is left out by the one that it lies in; restic would silently leave it out altogether."""
    exclusions = Exclusions(outer.exclude)
    while path != outer.path:
        pattern = exclusions.matching(os.path.basename(path), path, outer.path)
        if pattern is not None:
            raise UpkeepError(
                f"sources: {plain(path, 200)} is left out of {plain(outer.path, 200)} by {plain(pattern, 100)!r};"
                " the engine restic would leave it out altogether"
            )
        path = os.path.dirname(path)


def part_patterns(root: str, members: Iterable[str]) -> list[str]:
    """Return the patterns for restic that fit the members below a path, an asterisk fitting slashes too.

    :param members: shell patterns of paths below it.
    :raises UpkeepError: when restic has no pattern for one.
    """
    return [f"{literal(root)}/{variant}" for pattern in members for variant in _paths(pattern.strip("/"))]


def _patterns(root: str, pattern: str) -> list[str]:
    wanted = pattern.rstrip("/")
    while wanted.startswith("./"):
        wanted = wanted[2:]
    if wanted.startswith("/"):
        below = _below(root, wanted)
        return [f"{literal(root)}/{variant}" for variant in _paths(below)] if below else []
    if "/" in wanted:
        return [f"{literal(root)}/{variant}" for variant in _paths(wanted)]
    return [f"{literal(root)}/**/{_component(wanted)}"]


def _below(root: str, wanted: str) -> str:
    """Return the part of an absolute pattern that lies below a tree; empty when it lies elsewhere.

    :raises UpkeepError: when a wildcard stands before the end of the tree's own path.
    """
    if wanted.startswith(root + "/") and not any(mark in root for mark in _WILDCARDS):
        return wanted[len(root) + 1 :]
    certain = wanted[: min((wanted.find(mark) for mark in _WILDCARDS if mark in wanted), default=len(wanted))]
    if certain != wanted and (root + "/").startswith(certain):
        raise UpkeepError(
            f"exclude: the engine restic has no pattern for {plain(wanted, 200)!r}; write it relative to {plain(root, 200)}"
        )
    return ""


def _paths(wanted: str) -> list[str]:
    """Return the patterns of a path in which an asterisk fits slashes, too."""
    if wanted.count("*") > _MAX_ASTERISKS:
        raise UpkeepError(f"exclude: {plain(wanted, 200)!r} has more than {_MAX_ASTERISKS} asterisks, too many for the engine restic")
    if any(part.rfind("[") > part.rfind("]") for part in wanted.split("/")):
        raise UpkeepError(f"exclude: {plain(wanted, 200)!r} has a bracket that is not closed; write [[] for the character itself")
    return ["/".join(parts) for parts in product(*[_crossing(_component(part)) for part in wanted.split("/")])]


def _crossing(component: str) -> list[str]:
    """Return a component as it is, and with each asterisk reaching over any number of folders."""
    variants = [""]
    index = 0
    while index < len(component):
        step = 2 if component[index] == "\\" else 1
        piece = component[index : index + step]
        # ** stands for no folder, too, but restic 0.14 forgets that where there are two of them.
        options = ("*", "*/*", "*/**/*") if piece == "*" else (piece,)
        variants = [start + option for start in variants for option in options]
        index += step
    return variants


def _component(text: str) -> str:
    """Write one part of a shell pattern of Python as restic reads it."""
    result, index = "", 0
    while index < len(text):
        character = text[index]
        index += 1
        if character == "*":
            result += "" if result.endswith("*") and not result.endswith("\\*") else "*"
        elif character == "?":
            result += "?"
        elif character == "[":
            end = _end_of_set(text, index)
            result += _set(text[index:end]) if end > 0 else "\\["
            index = end + 1 if end > 0 else index
        else:
            result += literal(character)
    return result


def _end_of_set(text: str, start: int) -> int:
    """Return where the bracket that ends a set is, or -1: then the first one is an ordinary character."""
    index = start + 1 if text[start : start + 1] == "!" else start
    return text.find("]", index + 1)


def _set(body: str) -> str:
    negated, body = body.startswith("!"), body[1:] if body.startswith("!") else body
    result, index = "", 0
    while index < len(body):
        low = body[index]
        if body[index + 1 : index + 2] == "-" and index + 2 < len(body):
            high = body[index + 2]
            result += f"{_in_set(low)}-{_in_set(high)}" if low <= high else ""
            index += 3
        else:
            result += _in_set(low)
            index += 1
    if not result:
        raise UpkeepError(f"exclude: [{plain(body, 50)}] fits no character")
    return f"[{'^' if negated else ''}{result}]"


def _in_set(character: str) -> str:
    return f"\\{character}" if character in "\\]^[-" else character
