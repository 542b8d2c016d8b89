# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The regular expression of a format, for lines that whole blocks of columns do not cover."""

from __future__ import annotations

import re

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.formats import LISTS, Format

_KNOWN = {
    "time_local": r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}",
    "time_iso8601": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)",
    "msec": r"\d{1,12}(?:\.\d{1,9})?",
    "status": r"\d{3}",
    # A user may give any name; the shortest that lets the rest of the line match is taken.
    "remote_user": r'[^"\n]*?',
}
#: Apache writes a quote within quotes as ``\"``; nginx writes ``\x22``.
_QUOTED = r'[^"\\\n]*(?:\\.[^"\\\n]*)*'
_LIST = r"[^\s,:]*(?:(?:, | : |,|:)[^\s,:]*)*"


def line_pattern(log_format: Format) -> re.Pattern[str]:
    """Return the expression of whole lines, with a group for each field of the format, in the order of the line.

    It takes time in proportion to the length of a line: what a value may hold ends where the literal text after it begins.
    """
    wanted = set(log_format.fields.values())
    tokens = log_format.tokens
    parts = []
    for position, token in enumerate(tokens):
        if not token.is_variable:
            parts.append(re.escape(token.text))
            continue
        before = tokens[position - 1].text[-1] if position else ""
        after = tokens[position + 1].text[0] if position + 1 < len(tokens) else ""
        value = _value(token.text, before, after)
        if token.text in wanted:
            parts.append(f"({value})")
            wanted.discard(token.text)
        else:
            parts.append(f"(?:{value})")
    return re.compile("^" + "".join(parts) + "$", re.MULTILINE)


def fields_in_order(log_format: Format) -> list[str]:
    """Return the fields in the order of the groups of :func:`line_pattern`."""
    names = {name: field for field, name in log_format.fields.items()}
    order = dict.fromkeys(token.text for token in log_format.tokens if token.is_variable and token.text in names)
    return [names[name] for name in order]


def _value(name: str, before: str, after: str) -> str:
    if name in _KNOWN:
        return _KNOWN[name]
    if before == after == '"':
        return _QUOTED
    if LISTS.fullmatch(name) and after in ("", " "):
        return _LIST
    return f"[^{re.escape(after)}\\n]*" if after else r"[^\n]*"
