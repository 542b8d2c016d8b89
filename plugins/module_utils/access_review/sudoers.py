# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may run what as whom: the rules of sudoers, with their includes and aliases, as far as they say so in the usual form.

What is not understood is counted and never guessed: ``visudo -c`` says whether it is valid, and whoever reads the result looks at it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host, Rights, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

MAX_RULES = 5000
MAX_FILES = 500
_MAX_ALIAS_DEPTH = 10
_INCLUDE = re.compile(r"[@#]include(dir)?\s+(\"[^\"]+\"|(?:\\.|\S)+)\s*$")
_ALIAS = re.compile(r"(User|Runas|Host|Cmnd|Cmd)_Alias\s+(.*)$")
_RULE = re.compile(r"(?P<who>(?:\\.|\"[^\"]*\"|[^=])+?)\s+(?P<hosts>[^\s=,]+(?:\s*,\s*[^\s=,]+)*)\s*=\s*(?P<what>.+)$")
_RUN_AS = re.compile(r"\(\s*([^):]*)\s*(?::\s*([^)]*))?\)\s*")
_TAG = re.compile(r"(?:NO)?(?:PASSWD|EXEC|SETENV|LOG_INPUT|LOG_OUTPUT|MAIL|FOLLOW|INTERCEPT)\s*:\s*")
#: A further list of hosts on the same line, which hardly anybody writes.
_MORE_HOSTS = re.compile(r"\s:\s[^,]*=")


class Right(NamedTuple):
    """One command, or list of them, that somebody may run.

    :ivar who: a user, ``%group``, ``#uid``, ``+netgroup`` or ALL; aliases are resolved.
    :ivar commands: as they are written, bounded by whoever shows them.
    """

    who: str
    run_as: str
    no_password: bool
    commands: str
    place: str

    @property
    def everything(self) -> bool:
        """Whether any command may be run."""
        return any(part.strip() == "ALL" for part in self.commands.split(","))

    @property
    def text(self) -> str:
        """The rule as one text, by which it is known again."""
        return f"{self.who} ({self.run_as}) {'NOPASSWD: ' if self.no_password else ''}{self.commands}"


@dataclass
class Sudoers:
    """All rules.

    :ivar files: those that were read, with their rights.
    :ivar unseen: files that could not be read, and why.
    :ivar odd: places of lines that were not understood.
    :ivar defaults: settings (``Defaults …``), each with its place.
    """

    rights: list[Right] = field(default_factory=list)
    files: dict[str, Rights] = field(default_factory=dict)
    unseen: list[tuple[str, str]] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    defaults: list[tuple[str, str]] = field(default_factory=list)


def read_sudoers(host: Host, path: str = "/etc/sudoers") -> Sudoers | None:
    """Return the rules, or None where there is no sudoers."""
    found = Sudoers()
    lines: list[tuple[str, str]] = []
    if not _read_file(host, path, found, lines):
        return None
    aliases: dict[str, str] = {}
    rules = []
    for place, line in lines:
        match = _ALIAS.match(line)
        if match is None:
            rules.append((place, line))
            continue
        for part in re.split(r"\s:\s", match[2]):
            name, equals, value = part.partition("=")
            if equals:
                aliases[name.strip()] = value.strip()
            else:
                found.odd.append(place)
    for place, line in rules:
        if line.startswith("Defaults"):
            found.defaults.append((place, line))
        else:
            _add_rule(found, place, line, aliases)
    return found


def _read_file(host: Host, path: str, found: Sudoers, lines: list[tuple[str, str]]) -> bool:
    """Add the lines of a file and of those that it includes; return whether it is there."""
    if path in found.files or len(found.files) >= MAX_FILES:
        return True
    try:
        data, rights = host.read(path)
    except Absent:
        return False
    except Unseen as exc:
        found.unseen.append((path, str(exc)))
        return True
    found.files[path] = rights
    text = decode(data).replace("\\\n", " ")
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        include = _INCLUDE.match(line)
        if include is not None:
            _include(host, include, path, found, lines)
            continue
        # "#1000" is a user by number; any other # begins a comment, unless it is escaped.
        line = re.sub(r"(?<!\\)#(?!\d).*$", "", line).strip()
        if line:
            lines.append((f"{path}:{number}", line))
    return True


def _include(host: Host, include: re.Match[str], path: str, found: Sudoers, lines: list[tuple[str, str]]) -> None:
    target = include[2].strip('"').replace("\\", "")
    target = target if target.startswith("/") else posixpath.join(posixpath.dirname(path), target)
    if "%h" in target:
        found.odd.append(f"{path} ({include[0]})")
        return
    if not include[1]:
        if not _read_file(host, target, found, lines):
            found.unseen.append((target, f"does not exist, and {path} includes it"))
        return
    try:
        names = host.names(target)
    except Absent:
        return  # sudo passes over a folder that is not there
    except Unseen as exc:
        found.unseen.append((target, str(exc)))
        return
    for name in names:
        if "." not in name and not name.endswith("~"):  # sudo reads no others
            _read_file(host, posixpath.join(target, name), found, lines)


def _add_rule(found: Sudoers, place: str, line: str, aliases: dict[str, str]) -> None:
    match = _RULE.match(line)
    if match is None or _MORE_HOSTS.search(match["what"]):
        found.odd.append(place)
        return
    everyone = _resolved(match["who"], aliases)
    run_as, no_password, began = "root", False, len(found.rights)
    commands: list[str] = []

    def close() -> None:
        if commands:
            text = ", ".join(commands)
            for who in everyone:
                if len(found.rights) < MAX_RULES:
                    found.rights.append(Right(who, run_as, no_password, text, place))
            commands.clear()

    for part in re.split(r"(?<!\\),", match["what"]):
        part = part.strip()
        given = _RUN_AS.match(part)
        if given is not None:
            close()
            users = ", ".join(_resolved(given[1].strip(), aliases)) or "root"
            run_as = f"{users}:{given[2].strip()}" if given[2] else users
            part = part[given.end():]
        while (tag := _TAG.match(part)) is not None:
            if "PASSWD" in tag[0]:
                close()
                no_password = tag[0].startswith("NO")
            part = part[tag.end():]
        commands += _resolved(part, aliases) if part else []
    close()
    if len(found.rights) == began and len(found.rights) < MAX_RULES:
        found.odd.append(place)


def _resolved(text: str, aliases: dict[str, str], depth: int = 0) -> list[str]:
    """Return the items of a list with its aliases resolved; a negated item stays as it is written."""
    found: list[str] = []
    for item in (part.strip() for part in re.split(r"(?<!\\),", text)):
        if item in aliases and depth < _MAX_ALIAS_DEPTH:
            found += _resolved(aliases[item], aliases, depth + 1)
        elif item:
            found.append(item)
    return found[:1000]


def people_of(right: Right, groups: Callable[[str], list[str]], all_names: list[str], uids: dict[int, str]) -> list[str]:
    """Return the accounts that have a right."""
    who = right.who.strip('"')
    if who == "ALL":
        return all_names
    if who.startswith("%#") or who.startswith("+"):
        return []
    if who.startswith("%"):
        return groups(who[1:])
    if who.startswith("#"):
        return [uids[int(who[1:])]] if who[1:].isdigit() and int(who[1:]) in uids else []
    return [who] if who in all_names else []
