# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules of nftables as somebody writes them into a file: which tables they are, and that they touch no others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_CHARACTERS = 4 * 1024 * 1024
#: Tables of this collection begin so.
OWN_PREFIX = "upkeep_"
_FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,127}")
#: What the reader of nft tells apart; the rest of a file is words.
_TOKEN = re.compile(
    r'(?P<comment>#[^\n]*)|(?P<text>"[^"\n]*")|(?P<joint>\\\n)|(?P<end>[\n;])|(?P<open>\{)|(?P<close>\})'
    r'|(?P<word>[^\s{};"#\\]+)|(?P<quote>")'
)
_HINT = "a rules file holds whole tables, such as table inet filter { … }, and define; each table is replaced as a whole"


@dataclass(frozen=True)
class Table:
    """A table of nftables."""

    family: str
    name: str

    def __str__(self) -> str:
        return f"{self.family} {self.name}"


@dataclass(frozen=True)
class Rules:
    """A rules file.

    :ivar tables: those that it defines, in order, each once.
    :ivar text: what it says, with one newline at its end.
    """

    tables: tuple[Table, ...]
    text: str


def read_rules(content: str) -> Rules:
    """Return what a rules file defines.

    :raises UpkeepError: naming the line, when it does something else than to define tables of its own.
    """
    if len(content) > MAX_CHARACTERS:
        raise UpkeepError(f"the rules are larger than {MAX_CHARACTERS // 1024 // 1024} MiB.")
    tables: dict[Table, None] = {}
    cleared: list[tuple[int, Table]] = []
    for line, words, opened in _statements(content):
        if words[0] in ("define", "redefine", "undefine"):
            continue
        table = _table(line, words[1:]) if words[0] == "table" else None
        if table is not None and opened:
            tables[table] = None
        elif table is not None:
            cleared.append((line, table))
        elif len(words) > 1 and words[0] in ("delete", "destroy", "flush") and words[1] == "table" and not opened:
            table = _table(line, words[2:])
            cleared.append((line, table))
            if table in tables:
                raise UpkeepError(f"line {line}: the table {table} is emptied after it was defined.")
        elif words[:2] == ["flush", "ruleset"]:
            raise UpkeepError(
                f"line {line}: flush ruleset takes away every table of the host, such as those with which this collection blocks addresses"
                f" and isolates hosts, and those of containers and of fail2ban. Leave it out: {_HINT}."
            )
        else:
            raise UpkeepError(f"line {line}: {plain(' '.join(words[:3]), 80)!r} is not accepted: {_HINT}.")
    for line, table in cleared:
        if table not in tables:
            raise UpkeepError(f"line {line}: the table {table} is named and not defined: {_HINT}.")
    if not tables:
        raise UpkeepError(f"the rules define no table: {_HINT}.")
    return Rules(tuple(tables), content.strip("\n") + "\n")


def transaction(cleared: Iterable[Table], text: str) -> str:
    """Return what replaces tables by what a text defines. The lines of the text keep their numbers, for messages."""
    # Naming a table first makes the deletion good where there is none.
    return "".join(f"table {one}; delete table {one}; " for one in cleared) + text


def file_text(rules: Rules) -> str:
    """Return the file for the host. It may be loaded at any time, and after other files that define the same tables."""
    clear = "".join(f"table {one}\ndelete table {one}\n" for one in rules.tables)
    return f"# Written by upkeep.runbook.nft_rules, which writes it anew: change the file that it came from.\n{clear}\n{rules.text}"


def includes(configuration: str, path: str) -> bool:
    """Tell whether a configuration of nftables includes a file, by its name or by a pattern."""
    patterns = re.findall(r'^[ \t]*include[ \t]+"([^"\n]+)"', configuration, re.MULTILINE)
    return any(re.fullmatch(_glob(pattern), path) for pattern in patterns)


def with_include(configuration: str, path: str) -> str:
    """Return the configuration with a line at its end that includes a file."""
    return f'{configuration.rstrip()}\n\n{_include_line(path)}\n'


def without_include(configuration: str, path: str) -> str:
    """Return the configuration without such a line."""
    kept = [line for line in configuration.splitlines(keepends=True) if line.strip() != _include_line(path)]
    return "".join(kept).rstrip("\n") + "\n" if len(kept) < len(configuration.splitlines()) else configuration


def _include_line(path: str) -> str:
    return f'include "{path}"'


def _glob(pattern: str) -> str:
    return re.sub(r"\\\*", "[^/]*", re.escape(pattern))


def _table(line: int, words: Sequence[str]) -> Table:
    family, name = ("ip", words[0]) if len(words) == 1 else (words[0], words[1]) if len(words) == 2 else ("", "")
    if family not in _FAMILIES or not _NAME.fullmatch(name):
        raise UpkeepError(f"line {line}: {plain(' '.join(words), 80)!r} names no table: {_HINT}.")
    if name.startswith(OWN_PREFIX):
        raise UpkeepError(f"line {line}: the table {name} belongs to this collection; choose another name.")
    return Table(family, name)


def _statements(content: str) -> Iterator[tuple[int, list[str], bool]]:
    """Yield each statement outside of braces: its line, its words, and whether braces follow.

    :raises UpkeepError: when braces or quotes are not closed, or another file is included, whatever that holds.
    """
    words: list[str] = []
    inside: list[str] = []
    depth, number, begin = 0, 1, 1
    for found in _TOKEN.finditer(content):
        kind, text = found.lastgroup, found.group()
        if kind == "word" and text == "include":
            raise UpkeepError(f"line {number}: include is not accepted: the rules are one file, which is sent to the host.")
        if kind in ("end", "open", "close"):
            inside = []
        elif kind == "word" and depth == 1:
            inside += text.replace(",", " ").split()
            if inside[:1] == ["flags"] and {"owner", "persist"} & {*inside}:
                raise UpkeepError(f"line {number}: flags owner is not accepted: no timer could bring such a table back, since only its owner may change it.")
        if kind == "quote":
            raise UpkeepError(f"line {number}: a quote is not closed.")
        if kind == "open":
            if depth == 0:
                yield begin, words or ["{"], True
                words = []
            depth += 1
        elif kind == "close":
            depth -= 1
            if depth < 0:
                raise UpkeepError(f"line {number}: a brace is closed that was never opened.")
        elif kind in ("word", "text") and depth == 0:
            begin = begin if words else number
            words.append(text)
        elif kind == "end" and depth == 0 and words:
            yield begin, words, False
            words = []
        number += text.count("\n")
    if depth:
        raise UpkeepError("a brace is not closed at the end of the rules.")
    if words:
        yield begin, words, False
