# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The syntax of nginx's configuration: what ``nginx -T`` prints, as a tree of directives with everything included in its place."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_DEPTH = 60
MAX_DIRECTIVES = 300_000
_MAX_INCLUDE_DEPTH = 10
_FILE = re.compile(r"^# configuration file (/.+):\n", re.MULTILINE)
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<end>;)|(?P<open>\{)|(?P<close>\})"""
    r"""|"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'|(?P<word>(?!["'])(?:\\.|\$\{|[^\s;{\\])+)""",
    re.DOTALL,
)
#: Before any other character the backslash stays.
_ESCAPED = re.compile(r"\\([\"'\\trn])")
_PLAIN = {"t": "\t", "r": "\r", "n": "\n"}


class NotUnderstood(Exception):
    """The text is no configuration that this reads; the message completes "<the configuration> …"."""


@dataclass(frozen=True)
class Directive:
    """One directive.

    :ivar block: what is in its braces; None when it ends with a semicolon.
    """

    name: str
    arguments: tuple[str, ...]
    block: tuple[Directive, ...] | None
    file: str
    line: int


def read_dump(output: str) -> tuple[Directive, ...]:
    """Return the directives of the whole configuration, from the output of ``nginx -T``.

    :raises NotUnderstood: with the place.
    """
    parts = _FILE.split(output)
    files = {parts[index]: parts[index + 1] for index in range(1, len(parts) - 1, 2)}
    if not files:
        raise NotUnderstood("has no file in it")
    parsed = {path: parse(text, path) for path, text in files.items()}
    main = parts[1]
    counter = [0]
    return _with_includes(parsed[main], parsed, posixpath.dirname(main), 0, counter)


def parse(text: str, path: str = "") -> tuple[Directive, ...]:
    """Return the directives of one file; includes are directives like others.

    :raises NotUnderstood: when it is not balanced, too deep or too long.
    """
    # Each level: name and arguments of its block, the line, and what is in it so far.
    levels: list[tuple[list[str], int, list[Directive]]] = [([], 0, [])]
    words: list[str] = []
    place = count = 0
    line, counted = 1, 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise NotUnderstood(f"is not understood at {path}:{text.count(chr(10), 0, place) + 1}")
        begin, place = place, match.end()
        kind = match.lastgroup
        if kind is None:
            continue
        if kind in ("double", "single", "word"):
            words.append(_plain(match[kind]))
            continue
        line, counted = line + text.count("\n", counted, begin), begin
        count += 1
        if count > MAX_DIRECTIVES:
            raise NotUnderstood(f"has more than {MAX_DIRECTIVES} directives")
        if kind == "close":
            words_before, began, inside = levels.pop()
            if words or not levels:
                raise NotUnderstood(f"is not balanced at {path}:{line}")
            levels[-1][2].append(Directive(words_before[0], tuple(words_before[1:]), tuple(inside), path, began))
            continue
        if not words:
            raise NotUnderstood(f"has a {match[0]} without a directive at {path}:{line}")
        if kind == "end":
            levels[-1][2].append(Directive(words[0], tuple(words[1:]), None, path, line))
        elif words[0].endswith("_by_lua_block"):
            place = _behind_code(text, place, f"{path}:{line}")
            levels[-1][2].append(Directive(words[0], (), (), path, line))
        elif len(levels) > MAX_DEPTH:
            raise NotUnderstood(f"is nested more than {MAX_DEPTH} blocks deep at {path}:{line}")
        else:
            levels.append((words, line, []))
        words = []
    if words or len(levels) != 1:
        raise NotUnderstood(f"is not balanced at the end of {path}")
    return tuple(levels[0][2])


def _plain(word: str) -> str:
    if "\\" not in word:
        return word
    return _ESCAPED.sub(lambda match: _PLAIN.get(match[1], match[1]), word)


def _behind_code(text: str, place: int, where: str) -> int:
    """Return the place behind the brace that ends a block of another language."""
    depth = 1
    for match in re.compile(r"[{}]").finditer(text, place):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.end()
    raise NotUnderstood(f"is not balanced at {where}")


def _with_includes(
    directives: Sequence[Directive], files: Mapping[str, Sequence[Directive]], folder: str, depth: int, counter: list[int]
) -> tuple[Directive, ...]:
    found: list[Directive] = []
    for directive in directives:
        counter[0] += 1
        if counter[0] > MAX_DIRECTIVES:
            raise NotUnderstood(f"has more than {MAX_DIRECTIVES} directives with all that it includes")
        if directive.name == "include" and directive.block is None and directive.arguments:
            if depth >= _MAX_INCLUDE_DEPTH:
                raise NotUnderstood(f"includes files more than {_MAX_INCLUDE_DEPTH} deep at {directive.file}:{directive.line}")
            pattern = posixpath.normpath(posixpath.join(folder, directive.arguments[0]))
            for path in sorted(path for path in files if _matches(path, pattern)):
                found += _with_includes(files[path], files, folder, depth + 1, counter)
        elif directive.block is None:
            found.append(directive)
        else:
            block = _with_includes(directive.block, files, folder, depth, counter)
            found.append(Directive(directive.name, directive.arguments, block, directive.file, directive.line))
    return tuple(found)


def _matches(path: str, pattern: str) -> bool:
    return path == pattern or path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)
