# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a run as Markdown, for tickets and chats. Text of targets can be read in it and does nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import NOT_RUN
from ansible_collections.upkeep.runbook.plugins.module_utils.run_summary import absences, counts_sentence, problems, rows
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: What Markdown could read as markup. The colon is here since GitHub makes links of bare URLs.
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:=$^>])")


def markdown(record: Mapping[str, Any]) -> str:
    """Return the report of a run as Markdown (GitHub's tables, nothing else beyond the common core)."""
    mode = ", in check mode" if record["check_mode"] else ""
    parts = [
        f"# {escape(record['platform'])}: {escape(record['health'])}",
        f"{escape(counts_sentence(record))}. Run {escape(record['run_id'])} of {escape(record['playbook'])}, "
        f"ended {escape(record['ended'])}{mode}.",
    ]
    missing = [gone for gone in absences(record) if gone.status != NOT_RUN]
    parts += _section(
        "Problems", ("Status", "Host", "Check", "Subject", "What was seen", "Next step"),
        [
            (row.status.upper(), row.host, row.check["check"], row.check["subject"], row.check["summary"], row.check.get("hint", ""))
            for row in problems(record)
        ]
        + [(gone.status.upper(), gone.host, "role.result", gone.role, gone.reason, "") for gone in missing],
        otherwise="None.",
    )
    parts += _section(
        "Suppressed", ("Status", "Host", "Check", "Subject", "Reason", "Until"),
        [
            (
                row.status, row.host, row.check["check"], row.check["subject"],
                str(row.check["suppressed"].get("reason")), str(row.check["suppressed"].get("until")),
            )
            for row in rows(record) if row.suppressed
        ],
    )
    parts += _section(
        "Not run", ("Host", "Role", "Reason"),
        [(gone.host, gone.role, gone.reason) for gone in absences(record) if gone.status == NOT_RUN],
    )
    parts += _section(
        "Fine", ("Host", "Check", "Subject", "What was seen"),
        [
            (row.host, row.check["check"], row.check["subject"], row.check["summary"])
            for row in rows(record) if row.status == OK and not row.suppressed
        ],
    )
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Return text that every Markdown reader shows as it is.

    An ``@`` is followed by an empty comment: a backslash does not keep GitHub from mentioning people or making mail links.
    """
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;")
    text = _PUNCTUATION.sub(r"\\\1", text)
    text = re.sub(r"\b(www)(?=\\\.)", r"\1<!-- -->", text, flags=re.IGNORECASE)
    return text.replace("@", "@<!-- -->")


def _section(
    title: str, headings: Sequence[str], lines: Iterable[Sequence[str]], otherwise: str = ""
) -> list[str]:
    listed = list(lines)
    if not listed:
        return [f"## {title}", otherwise] if otherwise else []
    table = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    table += [f"| {' | '.join(escape(cell) for cell in cells)} |" for cells in listed]
    return [f"## {title}", "\n".join(table)]
