# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Regular expressions of the user on text of a target, within a time limit."""

from __future__ import annotations

import re
import sys

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Unchecked

_REPEAT = re.compile(r"[*+{]")
_REPEATED_GROUP = re.compile(r"\)[*+{]")
#: One repeat costs at most the square of the length of the text: milliseconds up to here.
_SHORT_CHARACTERS = 2000

_SEARCHER = """
import re, sys
pattern, text = sys.stdin.buffer.read().decode("utf-8", "surrogatepass").split("\\0", 1)
sys.exit(0 if re.search(pattern, text) else 9)
"""


def found(pattern: str, text: str, deadline: Deadline) -> bool:
    """Tell whether the pattern is found in the text.

    A careless pattern (``(a+)+$``) may search a hostile text for years, and Python holds every other thread
    meanwhile. A pattern that may become slow is therefore searched in a process of its own, which ends at the deadline.

    :raises Unchecked: when the search did not end in time.
    """
    if _harmless(pattern, text) or not sys.executable:
        return re.search(pattern, text) is not None
    result = run_command(
        [sys.executable, "-I", "-S", "-c", _SEARCHER],
        timeout_seconds=deadline.remaining("left no time to search its answer"),
        input_bytes=f"{pattern}\0{text}".encode("utf-8", "surrogatepass"),
    )
    if result.returncode in (0, 9):
        return result.returncode == 0
    reason = "took too long" if result.timed_out else (result.problem or "failed")
    raise Unchecked(
        f"the search for {pattern!r} in its answer {reason}", hint="Write a simpler pattern, without nested repeats."
    )


def _harmless(pattern: str, text: str) -> bool:
    repeats = len(_REPEAT.findall(pattern))
    if repeats == 0:
        return True
    return repeats == 1 and not _REPEATED_GROUP.search(pattern) and len(text) <= _SHORT_CHARACTERS
