# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jails of fail2ban as its own programs understand them: which there are, whom they never ban, and what a filter finds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Network, collapse, lies_in, read_network, shown_network
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LINES = re.compile(r"^Lines: (\d+) lines?, (\d+) ignored, (\d+) matched, (\d+) missed", re.MULTILINE)
_MAX_SAMPLES = 1000
_MAX_LINE = 10_000


@dataclass(frozen=True)
class Filter:
    """A filter of one's own.

    :ivar must_match: lines in which it must find somebody.
    :ivar must_not_match: lines in which it must find nobody.
    """

    name: str
    content: str
    must_match: tuple[str, ...] = ()
    must_not_match: tuple[str, ...] = ()


def read_name(name: str, option: str) -> str:
    """Return the name of a file of fail2ban, without its ending.

    :raises UpkeepError: when it is none.
    """
    if not _NAME.fullmatch(name):
        raise UpkeepError(f"{option}: {plain(name, 70)!r} is no name; give up to 64 letters, digits, underscores and hyphens.")
    return name


def read_filters(rows: Iterable[Mapping[str, Any]]) -> list[Filter]:
    """Return the filters of the options.

    :raises UpkeepError: when one has no name that is one, or is there twice, or a sample is no line.
    """
    found: dict[str, Filter] = {}
    for number, row in enumerate(rows):
        name = read_name(row["name"], f"filters[{number}].name")
        if name in found:
            raise UpkeepError(f"filters[{number}].name: {name} is there twice.")
        samples = [*(row["must_match"] or []), *(row["must_not_match"] or [])]
        if len(samples) > _MAX_SAMPLES or any("\n" in line or "\r" in line or not line.strip() or len(line) > _MAX_LINE for line in samples):
            raise UpkeepError(f"filters[{number}]: must_match and must_not_match hold at most {_MAX_SAMPLES} lines, each of them one line.")
        found[name] = Filter(name, row["content"], tuple(row["must_match"] or []), tuple(row["must_not_match"] or []))
    return list(found.values())


def read_dump(text: str) -> dict[str, list[str]]:
    """Return the jails that would be started, each with whom it never bans, from what ``fail2ban-client -d`` prints.

    :raises UpkeepError: when it prints something else.
    """
    ignored: dict[str, list[str]] = {}
    started = []
    for line in text.splitlines():
        if not line.startswith("["):
            continue
        try:
            words = ast.literal_eval(line)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as exc:
            raise UpkeepError(f"fail2ban-client -d prints what it never does: {plain(line, 100)}") from exc
        if words[:1] == ["start"] and len(words) == 2:
            started.append(str(words[1]))
        elif words[:1] == ["set"] and len(words) > 3 and words[2] == "addignoreip":
            ignored.setdefault(str(words[1]), []).extend(str(word) for word in words[3:])
    return {name: ignored.get(name, []) for name in started}


def not_ignored(jails: Mapping[str, Iterable[str]], needed: Iterable[Network]) -> dict[str, list[str]]:
    """Return by jail which of the needed networks it may ban; names and whatever else is no address count for nothing."""
    found = {}
    listed = list(needed)
    for name, texts in jails.items():
        covered = collapse(_networks(texts))
        missing = [shown_network(one) for one in listed if not any(lies_in(one, other) for other in covered)]
        if missing:
            found[name] = missing
    return found


def matched_lines(output: str) -> int | None:
    """Return in how many lines a filter found somebody, from what ``fail2ban-regex`` prints; None when it does not say."""
    found = _LINES.search(output)
    return int(found[3]) if found else None


def _networks(texts: Iterable[str]) -> list[Network]:
    found = []
    for text in texts:
        try:
            found.append(read_network(text, ""))
        except UpkeepError:
            continue
    return found
