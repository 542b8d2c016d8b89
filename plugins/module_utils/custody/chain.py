# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The chain of a custody log: read it line by line, and say where it is not what was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import Head, begins_line, sealed

#: Longer than any line that is written: summary, details and names are bounded.
MAX_LINE_BYTES = 256 * 1024
MAX_PROBLEMS = 20


@dataclass
class Chain:
    """What a log holds.

    :ivar head: its last line, as far as that can be told.
    :ivar whole_bytes: up to the end of the last line that has a newline.
    :ivar tail: what stands after that.
    :ivar torn: the tail is a line that was not written to its end.
    :ivar unfinished: the tail is a line that lacks only its newline.
    :ivar problems: what is not as it was written, at most :data:`MAX_PROBLEMS`.
    """

    head: Head = field(default_factory=Head)
    whole_bytes: int = 0
    tail: bytes = b""
    torn: bool = False
    unfinished: bool = False
    problems: list[str] = field(default_factory=list)

    def _problem(self, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)


def read_chain(stream: BinaryIO, expected: Head | None = None, visit: Callable[[dict[str, Any]], None] | None = None) -> Chain:
    """Read a log to its end.

    :param expected: a head that was kept elsewhere, which must be in it.
    :param visit: called with each line that is as it was written.
    :raises OSError: when it cannot be read.
    """
    chain, number, met = Chain(), 0, expected is None or expected == Head()
    while True:
        raw = stream.readline(MAX_LINE_BYTES)
        if not raw.endswith(b"\n"):
            if len(raw) < MAX_LINE_BYTES:
                break
            raw += _rest(stream)
        number += 1
        chain.whole_bytes = stream.tell()
        _follow(chain, raw.rstrip(b"\n"), number, visit)
        met = met or chain.head == expected
    chain.tail = raw
    _judge_tail(chain, number, visit)
    met = met or chain.head == expected
    if not met and expected is not None:
        chain._problem(f"entry {expected.sequence} is missing or another one than was noted elsewhere: the log was cut off or exchanged")
    return chain


def chain_check(chain: Chain, path: str) -> dict[str, Any]:
    """Return the check ``custody.chain`` of a log."""
    figures = {"entries": chain.head.sequence, "head": chain.head.as_dict(), "problems": chain.problems}
    if chain.problems:
        more = f" (and {len(chain.problems) - 1} more)" if len(chain.problems) > 1 else ""
        return check_result(
            "custody.chain", path, CRITICAL, f"The custody log is not what was written: {chain.problems[0]}{more}.",
            hint="Keep a copy of the folder as it is, and find out who could write there.", evidence=figures,
        )
    if chain.tail:
        return check_result(
            "custody.chain", path, WARNING,
            f"All {chain.head.sequence} entries of the custody log are as they were written; a write after them was cut off.",
            hint="The next entry sets aside what was cut off.", evidence=figures,
        )
    return check_result(
        "custody.chain", path, OK, f"All {chain.head.sequence} entries of the custody log are as they were written.", evidence=figures
    )


def _follow(chain: Chain, line: bytes, number: int, visit: Callable[[dict[str, Any]], None] | None) -> None:
    """Take a whole line as the next one, and note what is wrong with it."""
    try:
        read = sealed(line)
    except ValueError as exc:
        chain._problem(f"line {number} {exc}")
        # What follows names the line as it was. Nobody knows its checksum any more, so the next line cannot be judged by it.
        chain.head = Head(chain.head.sequence + 1, "")
        return
    if chain.head.sha256 and (read["sequence"], read["previous"]) != (chain.head.sequence + 1, chain.head.sha256):
        chain._problem(f"line {number} (entry {read['sequence']}) does not follow the one before: lines were removed, added or moved")
    chain.head = Head(read["sequence"], read["sha256"])
    if visit is not None:
        visit(read)


def _judge_tail(chain: Chain, number: int, visit: Callable[[dict[str, Any]], None] | None) -> None:
    if not chain.tail:
        return
    try:
        sealed(chain.tail)
    except ValueError:
        chain.torn = begins_line(chain.tail, chain.head.sequence + 1)
        if not chain.torn:
            chain._problem(f"{len(chain.tail)} bytes after line {number} were never written by this log")
        return
    chain.unfinished = True
    _follow(chain, chain.tail, number + 1, visit)


def _rest(stream: BinaryIO) -> bytes:
    """Skip the rest of a line that is too long to be one of ours; return an end for it."""
    while True:
        part = stream.readline(MAX_LINE_BYTES)
        if not part or part.endswith(b"\n"):
            return b"\n"
