# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists of addresses as they are published: read line by line, merged, and compared with the list of last time."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Network, collapse, read_network
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_CHARACTERS = 32 * 1024 * 1024
MAX_MISTAKES = 20
#: A range in a line can be hundreds of networks; lists of so many would take the memory of the host.
MAX_NETWORKS = 1_000_000
#: Fewer entries than this may come or go in any list: a share of a short list says nothing.
FEW = 10
#: No address is longer, nor a range of two of them.
_MAX_ENTRY_CHARACTERS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REASON = "blocklist "


@dataclass(frozen=True)
class Blocklist:
    """One list.

    :ivar networks: what it holds, in order, without duplicates and without what lies in another of them.
    :ivar lines: how many lines name something.
    :ivar mistakes: at most :data:`MAX_MISTAKES` lines that cannot be read, each with its number and the reason.
    :ivar wrong_lines: how many there are in all.
    """

    name: str
    networks: tuple[Network, ...]
    lines: int
    mistakes: tuple[str, ...] = ()
    wrong_lines: int = 0


def reason_of(name: str) -> str:
    """Return the reason that the blocks of a list carry."""
    return f"{_REASON}{name}"


def list_of(reason: str) -> str | None:
    """Return the list to which a block with this reason belongs, None for one of an incident or of anybody else."""
    name = reason[len(_REASON) :]
    return name if reason.startswith(_REASON) and _NAME.fullmatch(name) else None


def read_blocklist(name: str, text: str) -> Blocklist:
    """Return what a list holds.

    Accepted are an address, a network or a range in a line, alone or before a comment (``#``, ``;``); lines of
    ``ipset save`` (``add set 192.0.2.1``); and the lines of JSON in which Spamhaus has its lists (``cidr``).

    :raises UpkeepError: when the name cannot be that of a list, or the text is too large for one.
    """
    if not _NAME.fullmatch(name):
        raise UpkeepError(f"lists: {plain(name, 70)!r} is no name; give up to 64 letters, digits, dots, underscores and hyphens.")
    if len(text) > MAX_CHARACTERS:
        raise UpkeepError(f"the blocklist {name} is larger than {MAX_CHARACTERS // 1024 // 1024} MiB. Nothing was changed.")
    networks: list[Network] = []
    mistakes: list[str] = []
    lines = wrong = 0
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        entry = _entry(line)
        if not entry:
            continue
        lines += 1
        try:
            networks += _networks(entry)
        except UpkeepError as exc:
            wrong += 1
            if len(mistakes) < MAX_MISTAKES:
                mistakes.append(f"line {number}: {exc.message}")
        if len(networks) > MAX_NETWORKS:
            raise UpkeepError(f"the blocklist {name} holds more than {MAX_NETWORKS} networks. Nothing was changed.")
    merged = sorted(collapse(networks), key=lambda one: (one.version, int(one[0]), one.prefixlen))
    return Blocklist(name, tuple(merged), lines, tuple(mistakes), wrong)


def why_implausible(name: str, count: int, previous: int | None, max_change_percent: float) -> str | None:
    """Return why a list looks like a download that went wrong, as a sentence, or None.

    :param count: how many networks it holds.
    :param previous: how many it held when it was applied last; None when it never was.
    """
    if count == 0:
        return f"the blocklist {name} is empty" + (f", and had {previous} entries before" if previous else "")
    if previous is None or abs(count - previous) <= FEW:
        return None
    change = 100.0 * (count - previous) / max(previous, 1)
    if abs(change) <= max_change_percent:
        return None
    how = "shrank" if change < 0 else "grew"
    return f"the blocklist {name} {how} from {previous} entries to {count}, by {abs(change):.0f} % (accepted are {max_change_percent:g} %)"


def _entry(line: str) -> str:
    """Return what a line names, '' when it names nothing."""
    text = line.strip()
    if text.startswith("{"):
        return _of_json(text)
    text = re.split(r"[#;]", text, maxsplit=1)[0].strip()
    words = text.split()
    if words[:1] == ["create"]:
        return ""
    # nomatch is what the set does not hold, out of a wider network.
    return words[2] if words[:1] == ["add"] and len(words) > 2 and "nomatch" not in words else text


def _of_json(text: str) -> str:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if "cidr" in row:
        return str(row["cidr"])
    return "" if row.get("type") == "metadata" else text


def _networks(entry: str) -> Iterable[Network]:
    shown = plain(entry, 60)
    if len(entry) > _MAX_ENTRY_CHARACTERS:
        raise UpkeepError(f"{shown!r} is no address or network.")
    if "-" in entry:
        return list(_of_range(entry, shown))
    try:
        return [read_network(entry, "")]
    except UpkeepError as exc:
        raise UpkeepError(exc.message.lstrip(": ").partition(";")[0].rstrip(".") + ".") from exc


def _of_range(entry: str, shown: str) -> Iterator[Network]:
    first, _hyphen, last = entry.partition("-")
    try:
        ends = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
        yield from ipaddress.summarize_address_range(*ends)
    except (ValueError, TypeError) as exc:
        raise UpkeepError(f"{shown!r} is no range of addresses.") from exc
