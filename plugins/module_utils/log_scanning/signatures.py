# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which lines say the same: what changes from line to line is taken out, and what is left has a fingerprint."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.masking import without_secrets
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

MAX_SIGNATURE_CHARACTERS = 200
MAX_SAMPLE_CHARACTERS = 300
#: So much of a line is looked at. Longer ones differ in what follows their message.
_HEAD_CHARACTERS = 1000

#: Each part is bounded, so that no line costs more than its length.
_CHANGING = re.compile(
    r"(?P<id>\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b)"
    r"|(?P<mail>\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5})"
    r"|(?P<query>(?<=[\w/])\?[^\s\"'=]{1,100}=[^\s\"']{0,500})"
    r"|(?P<address>(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?![\w.]))"
    r"|(?P<hex>\b0x[0-9a-f]+\b|\b(?=[a-f]{0,64}\d)[0-9a-f]{8,64}\b)"
    r"|(?P<text>\"[^\"]{0,500}\"|(?<!\w)'[^']{0,500}'(?!\w)|`[^`]{0,500}`)"
    r"|(?P<token>\b(?=[A-Za-z_-]{0,100}\d)[\w-]{24,200}\b)"
    r"|(?P<day>\b(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\b)"
    r"|(?P<n>\d+(?:[.,]\d+)*)",
    re.IGNORECASE,
)
_MESSAGES = ("msg", "message", "event", "text")
_ERRORS = ("err", "error", "exception")


class Signature(NamedTuple):
    """What a line says, without what changes.

    :ivar fingerprint: sixteen hexadecimal digits.
    :ivar text: the line with ``<n>``, ``<id>`` and so on in the places of what changes.
    """

    fingerprint: str
    text: str


def signature_of(line: bytes, level: str) -> Signature:
    """Return the signature of a line; of a JSON line that of its message and error. It holds no secret."""
    text = without_secrets(_message(line)[:_HEAD_CHARACTERS])
    text = plain(_CHANGING.sub(_placeholder, text), MAX_SIGNATURE_CHARACTERS)
    return Signature(hashlib.sha256(f"{level}\0{text}".encode("utf-8", "replace")).hexdigest()[:16], text)


def sample_of(line: bytes) -> str:
    """Return a line for people: printable, bounded, without secrets."""
    return plain(without_secrets(decode(line[: 4 * MAX_SAMPLE_CHARACTERS])), MAX_SAMPLE_CHARACTERS)


def _placeholder(match: re.Match[str]) -> str:
    return f"<{match.lastgroup}>"


def _message(line: bytes) -> str:
    """Return what a line says: all of it, or the message and the error of a JSON line."""
    text = decode(line)
    if not text.startswith("{"):
        return text
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    parts = [document[key] for key in _MESSAGES if isinstance(document.get(key), str)][:1]
    for key in _ERRORS:
        parts += _error_parts(document.get(key))
    return " ".join(parts) if any(parts) else text


def _error_parts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        named = [value.get(key) for key in ("type", "name", "code", "message")]
        return [part for part in named if isinstance(part, str)]
    return []
