# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Statements of strangers, made fit for a report: their kind and their shape, and nothing of their values."""

from __future__ import annotations

import re

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Statements whose values stand where they are recognised. Any other, such as one that sets a password, is shown by its kind.
_SHOWN = frozenset({"select", "insert", "update", "delete", "with", "merge", "values", "replace"})
_KINDS = frozenset(
    "alter analyze begin call checkpoint close cluster comment commit copy create deallocate declare discard do drop end execute explain fetch"
    " grant import kill listen load lock move notify optimize prepare reassign refresh reindex release rename reset revoke rollback savepoint"
    " security set show start truncate unlisten unlock use vacuum xa".split()
)
_MOST_CHARACTERS = 120
_READ_CHARACTERS = 2000
_LEADING = re.compile(r"(?:\s+|/\*(?:(?!/\*|\*/).)*\*/|\()*", re.DOTALL)
_TOKEN = re.compile(
    r"(?P<text>[A-Za-z&]{0,2}'(?:[^'\\]|'')*'|\"(?:[^\"\\]|\"\")*\")"
    r"|(?P<parameter>\$\d+)"
    r"|(?P<number>(?<![A-Za-z_\d])\d[\w.]*)"
    r"|(?P<name>[A-Za-z_][\w]*|`[^`\\]*`)"
    r"|(?P<space>\s+)"
    r"|(?P<sign>(?!/\*|--|\#)[^'\"\\$`;\w])"
)


def statement_head(text: str) -> str:
    """Return the beginning of a statement without a value of it: every text and number in it is ``?``.

    Where it cannot be told for sure what is a value (a backslash, a quote with no end, a quote by dollar signs), at a comment, and at a
    second statement, it ends: programs write names of their users into comments.
    """
    text = text[:_READ_CHARACTERS]
    start = _LEADING.match(text)
    at = start.end() if start else 0
    word = re.match(r"[A-Za-z]+", text[at:])
    kind = word[0].lower() if word else ""
    if kind not in _SHOWN:
        return f"{kind.upper()} …" if kind in _KINDS else "…"
    parts: list[str] = []
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            if not text[at:].strip("; \t\r\n"):
                break
            return plain("".join(parts), _MOST_CHARACTERS - 2).rstrip(" …") + " …"
        parts.append({"text": "?", "number": "?", "space": " "}.get(token.lastgroup or "", token[0]))
        at = token.end()
    return plain("".join(parts), _MOST_CHARACTERS)
