# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text that came from a target, made safe to carry and to print.

File names, log lines and HTTP bodies are hostile data: they may hold bytes that are no UTF-8, control characters that
drive a terminal, or no end. HTML escaping is the business of whoever renders HTML.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

_CONTROL_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

MAX_CHARACTERS = 2000
MAX_ITEMS = 200
MAX_DEPTH = 8


def decode(data: bytes) -> str:
    """Decode bytes of unknown encoding; a byte that is no UTF-8 becomes ``\\xNN``, visible and reversible."""
    return data.decode("utf-8", "backslashreplace")


def plain(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return ``text`` on one line, without control, format or surrogate characters, of at most ``limit`` characters.

    White space is folded to single spaces. Undecodable bytes, which Python carries as lone surrogates in file names,
    become ``\\xNN``; other unprintable characters become ``\\uNNNN``.
    """
    text = text[: limit * 4]
    text = re.sub(r"\s+", " ", text).strip()
    if not text.isprintable():  # to look at each character takes a hundred times as long
        text = "".join(character if _printable(character) else _visible(character) for character in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain_value(value: Any, depth: int = 0) -> Any:
    """Return a JSON-ready copy of ``value`` with every text plain and every container bounded."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        # JSON has neither NaN nor infinity.
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return plain(decode(value))
    if isinstance(value, str):
        return plain(value)
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        items = list(value.items())[:MAX_ITEMS]
        return {plain(str(key)): plain_value(item, depth + 1) for key, item in items}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(item, depth + 1) for item in list(value)[:MAX_ITEMS]]
    return plain(str(value))


def _printable(character: str) -> bool:
    return character == " " or character.isascii() and character.isprintable() or (
        not character.isascii() and unicodedata.category(character) not in _CONTROL_CATEGORIES
    )


def _visible(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
