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
_MAX_LINE = 64 * 1024
_MAX_ITEMS = 1000
# No two parts of a pattern fit the same text: a line that fits none must not be tried in a million ways.
_INCLUDE = re.compile(r"[@#]include(dir)?\s+(\"[^\"]+\"|(?:\\.|[^\s\\])+)\s*$")
_ALIAS = re.compile(r"(User|Runas|Host|Cmnd|Cmd)_Alias\s+(.*)$")
_BEFORE_EQUALS = re.compile(r'(?:\\.|"[^"]*"|[^="\\])*')
_WORDS = re.compile(r'(?:\\.|"[^"]*"|[^\s,"\\])+|,')
_RUN_AS = re.compile(r"\(([^):]*)(?::([^)]*))?\)\s*")
_TAG = re.compile(r"(?:NO)?(?:PASSWD|EXEC|SETENV|LOG_INPUT|LOG_OUTPUT|MAIL|FOLLOW|INTERCEPT)\s*:\s*")
_NOT_ASKED = re.compile(r"!\s*authenticate\b")


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
    :ivar not_asked: whom ``Defaults !authenticate`` asks for no password, ALL or a user, and the place.
    :ivar defaults: settings (``Defaults …``), each with its place.
    """

    rights: list[Right] = field(default_factory=list)
    files: dict[str, Rights] = field(default_factory=dict)
    unseen: list[tuple[str, str]] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    not_asked: list[tuple[str, str]] = field(default_factory=list)
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
        if not line.startswith("Defaults"):
            _add_rule(found, place, line, aliases)
            continue
        found.defaults.append((place, line))
        if _NOT_ASKED.search(line):
            scope = line[len("Defaults"):].split()[0]  # ":users", "@hosts", "!commands", ">users" or nothing
            found.not_asked += [(who, place) for who in (_resolved(scope[1:], aliases) if scope.startswith(":") else ["ALL"])]
    return found


def _read_file(host: Host, path: str, found: Sudoers, lines: list[tuple[str, str]]) -> bool:
    """Add the lines of a file and of those that it includes; return whether it is there."""
    if path in found.files:
        return True
    if len(found.files) >= MAX_FILES:
        found.unseen.append((path, f"was not looked at: more than {MAX_FILES} files are included"))
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
        if len(line) > _MAX_LINE:
            found.odd.append(f"{path}:{number}")
            continue
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
    who_and_what = _split_rule(line)
    if who_and_what is None or len(found.rights) >= MAX_RULES:
        found.odd.append(place)
        return
    who_text, what = who_and_what
    everyone = _resolved(who_text, aliases)
    if len(everyone) >= _MAX_ITEMS:
        found.odd.append(place)
    run_as, no_password, began = "root", False, len(found.rights)
    commands: list[str] = []

    def close() -> None:
        if commands:
            text = ", ".join(commands)
            found.rights.extend(Right(who, run_as, no_password, text, place) for who in everyone)
            commands.clear()

    for part in re.split(r"(?<!\\),", what):
        part = part.strip()
        given = _RUN_AS.match(part)
        if given is not None:
            close()
            users = ", ".join(_resolved(given[1].strip(), aliases)) or "root"
            run_as = f"{users}:{given[2].strip()}" if given[2] else users
            part = part[given.end():]
        if part.startswith("("):
            found.odd.append(place)
            return
        while (tag := _TAG.match(part)) is not None:
            if "PASSWD" in tag[0]:
                close()
                no_password = tag[0].startswith("NO")
            part = part[tag.end():]
        commands += _resolved(part, aliases) if part else []
    close()
    if len(found.rights) == began:
        found.odd.append(place)


def _split_rule(line: str) -> tuple[str, str] | None:
    """Return who may and what they may, of ``users hosts = what``; None when it has another form."""
    before = _BEFORE_EQUALS.match(line)
    end = before.end() if before else 0
    words = _WORDS.findall(line[:end])
    # Users and hosts are lists with commas; where two words follow each other without one, the second list begins.
    begins = [at for at in range(1, len(words)) if "," not in (words[at - 1], words[at])]
    what = line[end + 1:].strip()
    if len(begins) != 1 or not what or line[end] != "=" or "," in (words[0], words[-1]) or _has_more_hosts(what):
        return None
    return "".join(words[: begins[0]]), what


def _has_more_hosts(what: str) -> bool:
    """Tell whether another list of hosts follows on the same line (``a=/bin/x : b=/bin/y``), which hardly anybody writes."""
    return any("=" in further for part in what.split(",") for further in re.split(r"\s:\s", part)[1:])


def _resolved(text: str, aliases: dict[str, str], depth: int = 0) -> list[str]:
    """Return the items of a list with its aliases resolved; a negated item stays as it is written."""
    found: list[str] = []
    for item in (part.strip() for part in re.split(r"(?<!\\),", text)):
        if len(found) >= _MAX_ITEMS:
            break
        if item in aliases and depth < _MAX_ALIAS_DEPTH:
            found += _resolved(aliases[item], aliases, depth + 1)
        elif item:
            found.append(item)
    return found[:_MAX_ITEMS]


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
        return [uids[int(who[1:])]] if re.fullmatch("[0-9]+", who[1:]) and int(who[1:]) in uids else []
    return [who] if who in all_names else []
