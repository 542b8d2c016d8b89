# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the manifest of a backup from a stream, line by line in bounded memory. It is hostile data, as the archive is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import (
    FILE,
    HARDLINK,
    MAX_HEADER_BYTES,
    MAX_LINE_BYTES,
    SCHEMA,
    SYMLINK,
    TYPES,
    Member,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MODE = re.compile(r"[0-7]{4}")
_BACKUP_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_OPENED = re.compile(rb',?[ \t]*"members"[ \t]*:[ \t]*\[[ \t]*')
_MAX_DIGITS = 20
_KEYS = frozenset(Member._fields)
_TEXTS = ("sha256", "target", "user", "group", "source")
_ALWAYS = ("uid", "gid", "user", "group", "mtime_ns")
_NUMBERS = ("size", "uid", "gid", "mtime_ns")


def read_manifest(chunks: Iterable[bytes]) -> tuple[dict[str, Any], Iterator[Member]]:
    """Read a manifest; return its header without ``members``, and the members as they are read from the chunks.

    The message of a problem is a part of a sentence whose subject is the manifest ("is cut off …").

    :raises Damaged: when it is none, or not whole; while the members are iterated over, too.
    :raises Unread: when it is of a later schema.
    """
    header, lines = read_lines(chunks)
    return header, (parse_member(line, number) for number, line in enumerate(lines, 2))


def read_lines(chunks: Iterable[bytes]) -> tuple[dict[str, Any], Iterator[bytes]]:
    """As :func:`read_manifest`, with the lines of the members as they are, for who compares them as bytes."""
    lines = _Lines(chunks)
    first = lines.next(MAX_HEADER_BYTES)
    if first is None:
        raise Damaged("is empty", offset=0, cut_off=True)
    at = first.rfind(b'"members"')
    opened = _OPENED.fullmatch(first, at) if at > 0 else None
    if not opened:
        what = "is cut off in its first line" if not lines.complete else 'has a first line that does not end in "members": ['
        raise Damaged(what, offset=0, cut_off=not lines.complete)
    return _header(first[:at].rstrip(b" \t,") + b"}"), _members(lines)


def parse_member(line: bytes, number: int) -> Member:
    """Read the line of a member.

    :param number: which line it is, for messages.
    :raises Damaged: when it says something that no line of a member says.
    """
    record = _object(line, f"line {number}")
    problem = _problem_of(record)
    if problem:
        raise Damaged(f"has no member in line {number}: {problem}")
    return Member(
        record["name"], record["type"], **{key: record[key] for key in _TEXTS + _NUMBERS if key in record},
        mode=int(record["mode"], 8), torn=bool(record.get("torn")),
    )


class _Lines:
    """Splits chunks into lines.

    :ivar complete: the last line that was given ended in a line feed.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._begun: list[bytes] = []
        self._begun_bytes = 0
        self._waiting: Iterator[bytes] = iter(())
        self.complete = True

    def next(self, most: int) -> bytes | None:
        """Return the next line without its line feed, or None at the end.

        :raises Damaged: when it has more than ``most`` bytes.
        """
        line = next(self._waiting, None)
        while line is None:
            chunk = next(self._chunks, None)
            if chunk is None:
                self.complete = not self._begun
                line = b"".join(self._begun)
                self._begun, self._begun_bytes = [], 0
                return line or None
            *whole, rest = chunk.split(b"\n")
            if whole:
                whole[0] = b"".join((*self._begun, whole[0]))
                self._begun, self._begun_bytes = [], 0
                self._waiting = iter(whole)
                line = next(self._waiting)
            self._begun.append(rest)
            self._begun_bytes += len(rest)
            if line is None and self._begun_bytes > most:
                break
        if line is None or len(line) > most:
            raise Damaged(f"has a line of more than {most} bytes, as no manifest has")
        return line


def _members(lines: _Lines) -> Iterator[bytes]:
    """Yield the lines of the members; the end of the manifest is checked behind the last of them."""
    number, more = 1, True
    while True:
        line = lines.next(MAX_LINE_BYTES)
        number += 1
        if line is None or not lines.complete and line != b"]}":
            raise Damaged(f"is cut off in line {number}", cut_off=True)
        if line == b"]}":
            break
        if not more:
            raise Damaged(f"has something else than its end in line {number}")
        more = line.endswith(b",")
        yield line[:-1] if more else line
    if more and number > 2:
        raise Damaged(f"has its end in line {number} instead of a member")
    if lines.next(MAX_LINE_BYTES) is not None:
        raise Damaged(f"has something behind its end in line {number}")


def _header(data: bytes) -> dict[str, Any]:
    header = _object(data, "its first line")
    schema = header.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise Unread(f"was written by a later version (schema {schema})", hint="Update the collection.")
    if schema != SCHEMA or isinstance(schema, bool):
        raise Damaged(f'is no manifest: its "schema" is not {SCHEMA}', offset=0)
    if not isinstance(header.get("backup_id"), str) or not _BACKUP_ID.fullmatch(header["backup_id"]):
        raise Damaged('has no "backup_id" of the form YYYYMMDDTHHMMSSZ-xxxxxxxx', offset=0)
    archive = header.get("archive")
    if archive is not None and not _names_archive(archive):
        raise Damaged('has an "archive" without name, bytes and sha256', offset=0)
    return header


def _names_archive(archive: Any) -> bool:
    return (
        isinstance(archive, dict) and isinstance(archive.get("name"), str) and _is_number(archive.get("bytes"))
        and isinstance(archive.get("sha256"), str) and bool(_SHA256.fullmatch(archive["sha256"]))
    )


def _object(data: bytes, place: str) -> dict[str, Any]:
    try:
        value = json.loads(data, parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        words = plain(error.msg if isinstance(error, json.JSONDecodeError) else str(error), 100)
        raise Damaged(f"has no valid JSON in {place} ({words})") from None
    if not isinstance(value, dict):
        raise Damaged(f"has no JSON object in {place}")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:  # a million digits would take Python 3.9 minutes
        raise ValueError("a number with too many digits")
    return int(digits)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _problem_of(record: dict[str, Any]) -> str:
    """Return why an object is no member, in words, or an empty text."""
    name, kind = record.get("name"), record.get("type")
    if not _is_name(name):
        return '"name" is no name'
    if kind not in TYPES:
        return f'"type" is none of {", ".join(TYPES)}'
    if not isinstance(record.get("mode"), str) or not _MODE.fullmatch(record["mode"]):
        return '"mode" is not four octal digits'
    if not _KEYS.issuperset(record):
        return "it has a key that no member has"
    for key in _ALWAYS:
        if key not in record:
            return f'"{key}" is missing'
    for key in _TEXTS:
        if not isinstance(record.get(key, ""), str):
            return f'"{key}" is no text'
    for key in _NUMBERS:
        if not _is_number(record.get(key, 0), negative=key == "mtime_ns"):
            return f'"{key}" is no number'
    if kind == FILE and ("size" not in record or not _SHA256.fullmatch(record.get("sha256", ""))):
        return '"size" or "sha256" of a file is missing or wrong'
    if kind in (SYMLINK, HARDLINK) and not _is_name(record.get("target")):
        return f'"target" of a {kind} is missing or wrong'
    return ""


def _is_name(value: Any) -> bool:
    """Tell whether a text is the name of a file: not empty, without NUL, and bytes again by surrogateescape."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: Any, *, negative: bool = False) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (negative or value >= 0)
