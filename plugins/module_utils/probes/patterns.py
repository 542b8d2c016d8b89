# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Regular expressions of the user on text of a target, within a time limit."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Unchecked

_REPEAT = re.compile(r"[*+{]")
_REPEATED_GROUP = re.compile(r"\)[*+{]")
#: One repeat costs at most the square of the length of the text: milliseconds up to here.
_SHORT_CHARACTERS = 2000
#: Each optional part can double the time (``a?a?a?aaa``), and so can each choice (``(a|a)(a|a)(a|a)``).
_FEW_OPTIONAL = 10

_SEARCHER = """
import re, sys
pattern, *texts = sys.stdin.buffer.read().decode("utf-8", "surrogatepass").split("\\0")
sys.stdout.write("".join("1" if re.search(pattern, text) else "0" for text in texts))
"""


def found(pattern: str, text: str, deadline: Deadline) -> bool:
    """Tell whether the pattern is found in the text.

    :raises Unchecked: when the search did not end in time.
    """
    return found_in(pattern, [text], deadline)[0]


def found_in(pattern: str, texts: Sequence[str], deadline: Deadline) -> list[bool]:
    """Tell for each text whether the pattern is found in it.

    A careless pattern (``(a+)+$``) may search a hostile text for years, and Python holds every other thread
    meanwhile. A pattern that may become slow is therefore searched in a process of its own, which ends at the deadline.

    :raises Unchecked: when the search did not end in time.
    """
    if all(_harmless(pattern, text) for text in texts) or not sys.executable:
        expression = re.compile(pattern)
        return [expression.search(text) is not None for text in texts]
    result = run_command(
        [sys.executable, "-I", "-S", "-c", _SEARCHER],
        timeout_seconds=deadline.remaining("left no time to search its answer"),
        input_bytes="\0".join([pattern, *(text.replace("\0", " ") for text in texts)]).encode("utf-8", "surrogatepass"),
    )
    if result.succeeded and len(result.stdout) == len(texts):
        return [mark == "1" for mark in result.stdout]
    reason = "took too long" if result.timed_out else (result.problem or "failed")
    raise Unchecked(
        f"the search for {pattern!r} {reason}", hint="Write a simpler pattern, without nested repeats."
    )


def _harmless(pattern: str, text: str) -> bool:
    if pattern.count("?") + pattern.count("|") > _FEW_OPTIONAL:
        return False
    repeats = len(_REPEAT.findall(pattern))
    if repeats == 0:
        return True
    return repeats == 1 and not _REPEATED_GROUP.search(pattern) and len(text) <= _SHORT_CHARACTERS
