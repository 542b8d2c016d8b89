# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Match blocks of sshd: for each a connection that it concerns, so that ``sshd -T -C`` can be asked what then holds."""

from __future__ import annotations

import fnmatch
import ipaddress
import posixpath
import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

CONFIGURATION = "/etc/ssh/sshd_config"
MAX_MATCHES = 30
_MAX_FILES = 200
#: What a connection has where a block does not ask for it. The user is one that every host has.
_USUAL = {"user": "nobody", "host": "localhost", "addr": "127.0.0.1", "laddr": "127.0.0.1", "lport": "22"}
_SAFE = re.compile(r"[A-Za-z0-9._:@+-]+")
#: Names of criteria by what ``-C`` calls them.
_CRITERIA = {"user": "user", "host": "host", "address": "addr", "localaddress": "laddr", "localport": "lport"}


class NotUnderstood(Exception):
    """A block whose connections could not be made up; the message completes "<block> …"."""


class Block(NamedTuple):
    """A Match block.

    :ivar text: as it is written, without the word Match.
    :ivar words: its criteria and patterns.
    """

    text: str
    words: tuple[str, ...]


def read_blocks(host: Host, path: str = CONFIGURATION) -> list[Block]:
    """Return the Match lines of the configuration and all that it includes, each once.

    :raises Unseen: when a file cannot be read: its blocks would be missed.
    """
    blocks: dict[str, Block] = {}
    waiting = [path]
    seen: set[str] = set()
    while waiting and len(seen) < _MAX_FILES:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        try:
            text = decode(host.read(name)[0])
        except Absent:
            continue
        for line in text.split("\n"):
            words = _words(line)
            keyword = words[0].lower() if words else ""
            if keyword == "include":
                waiting += [found for pattern in words[1:] for found in _expanded(host, pattern)]
            elif keyword == "match" and len(words) > 1:
                blocks.setdefault(" ".join(words[1:]), Block(" ".join(words[1:]), tuple(words[1:])))
    return list(blocks.values())


def _words(line: str) -> list[str]:
    # The first word may end with an equals sign; a comment may stand at the end.
    line = re.sub(r"^\s*([A-Za-z]+)\s*=\s*", r"\1 ", line)
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def _expanded(host: Host, pattern: str) -> list[str]:
    path = pattern if pattern.startswith("/") else posixpath.join("/etc/ssh", pattern)
    folder, name = posixpath.split(path)
    try:
        return [posixpath.join(folder, found) for found in host.names(folder) if fnmatch.fnmatchcase(found, name)]
    except Absent:
        return []


def connection_of(block: Block, member: Callable[[str], str | None]) -> str | None:
    """Return the argument of ``-C`` for a connection that a block concerns; None when it concerns nobody.

    :param member: returns somebody who is in a group that fits a pattern, or None.
    :raises NotUnderstood: when none could be made up.
    """
    given = dict(_USUAL)
    words = list(block.words)
    while words:
        criterion, _equals, patterns = words.pop(0).partition("=")
        criterion = criterion.lower()
        if criterion in ("all", "canonical", "final"):
            continue
        if not patterns:
            if not words:
                raise NotUnderstood(f"gives no pattern for {criterion}")
            patterns = words.pop(0)
        first = next((one for one in patterns.split(",") if one and not one.startswith("!")), None)
        if first is None:
            raise NotUnderstood(f"names only who is not concerned ({patterns})")
        if criterion == "group":
            found = member(first)
            if found is None:
                return None
            given["user"] = found
        elif criterion in _CRITERIA:
            given[_CRITERIA[criterion]] = _address(first) if criterion.endswith("address") else _name(first)
        else:
            raise NotUnderstood(f"asks for {criterion}")
    for value in given.values():
        if not _SAFE.fullmatch(value):
            raise NotUnderstood(f"asks for {value!r}")
    return ",".join(f"{name}={value}" for name, value in given.items())


def _name(pattern: str) -> str:
    return pattern.replace("*", "x").replace("?", "x")


def _address(pattern: str) -> str:
    if "/" not in pattern:
        return pattern.replace("*", "1").replace("?", "1")
    try:
        network = ipaddress.ip_network(pattern, strict=False)
    except ValueError as exc:
        raise NotUnderstood(f"asks for an address that is none ({pattern})") from exc
    return str(network.network_address + (1 if network.num_addresses > 2 else 0))
