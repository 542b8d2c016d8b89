# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Command lines that may be shown: what looks like a secret in them is masked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MASK = "***"
MAX_CHARACTERS = 300
#: So much is looked at; what is cut off is not shown either.
_MAX_LOOKED_AT = 2000

_WORD = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?|auth(?:orization)?"
    r"|cookie|session)"
)
#: A name with such a word in it.
_NAME = rf"[\w.-]{{0,60}}{_WORD}[\w.-]{{0,60}}"
_QUOTED = r"'[^']*'|\"[^\"]*\""
#: --password, -Dapp.token, PGPASSWORD and the like, whose value is the next argument.
_OPTION = re.compile(rf"-{{1,2}}{_NAME}\Z", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"((?<![\w.-]){_NAME}[\"']?\s{{0,5}}[=:]\s{{0,5}})(?:{_QUOTED}|(?:(?:bearer|basic|token)\s+)?[^\s'\"]+)", re.IGNORECASE
)
_FOLLOWED = re.compile(rf"((?<![\w.-])-{{1,2}}{_NAME}\s+)(?:{_QUOTED}|[^\s'\"]+)", re.IGNORECASE)
_IN_URL = re.compile(r"(://[^/@\s:]*:)[^/@\s]*(?=@)")
_SHORT = re.compile(r"(?<!\S)(-p)(?=[^\s\d/])\S+")
_CLIENT = re.compile(r"(?:mysql\w*|mariadb[\w-]*|mysqldump|sshpass|redis-cli)\b")
_USER = re.compile(r"(?<!\S)((?:-u|--user|--proxy-user)[ =]?[^\s:]+:)\S+")
#: A long run of letters and digits is a key more often than not.
_BLOB = re.compile(r"(?<![\w/.+=-])(?=[A-Za-z_+=-]{0,100}\d)[A-Za-z0-9_+=-]{32,}(?![\w/.])")


def masked_command(argv: Sequence[str], limit: int = MAX_CHARACTERS) -> str:
    """Return a command line on one line, bounded, with everything masked that looks like a secret."""
    shown: list[str] = []
    hide_next = False
    for argument in list(argv)[:200]:
        if hide_next and not argument.startswith("-"):
            shown.append(MASK)
            hide_next = False
            continue
        hide_next = bool(len(argument) < 200 and _OPTION.match(argument)) or (argument == "-a" and argv[0].endswith("redis-cli"))
        shown.append(argument[:_MAX_LOOKED_AT])
    text = _FOLLOWED.sub(rf"\1{MASK}", " ".join(shown)[:_MAX_LOOKED_AT])
    text = _ASSIGNED.sub(rf"\1{MASK}", text)
    text = _IN_URL.sub(rf"\1{MASK}", text)
    text = _USER.sub(rf"\1{MASK}", text)
    if _CLIENT.search(text):
        text = _SHORT.sub(rf"\1{MASK}", text)
    return plain(_BLOB.sub(MASK, text), limit)
