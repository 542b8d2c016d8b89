# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a line says of its own weight: the level that its writer gave it, or an exception that it names.

Most lines of a log are none of ours. So a block of lines is first searched for words that every line of interest holds, and only
a line with one of them is looked at for itself.
"""

from __future__ import annotations

import re

FATAL, ERROR, WARNING = "fatal", "error", "warning"
#: From the worst to the mildest of those that are counted.
LEVELS = (FATAL, ERROR, WARNING)

#: Every line that :func:`level_of` gives a level holds one of these, in lower case.
_WORDS = (
    b"err", b"warn", b"fatal", b"emerg", b"alert", b"crit", b"panic", b"severe", b"exception", b"unhandled", b"uncaught",
    b"traceback", b"segmentation fault", b"out of memory",
)
#: The levels of pino and bunyan from 40 on, and those of syslog and GELF from 4 down.
_NUMBERED = re.compile(rb'"(?:level|severity|lvl)"\s*:\s*(?:[4-9]\d|\d{3}|[0-4]\b)')
_PRIORITIES = "|".join(str(number) for number in range(192) if number % 8 <= 4)
_PRIORITY_LINE = re.compile(rf"^<(?:{_PRIORITIES})>".encode(), re.MULTILINE)
_PRIORITY = re.compile(rb"<(\d{1,3})>")

_BY_WORD = {
    b"fatal": FATAL, b"emerg": FATAL, b"emergency": FATAL, b"alert": FATAL, b"crit": FATAL, b"critical": FATAL, b"panic": FATAL,
    b"severe": ERROR, b"error": ERROR, b"err": ERROR, b"warn": WARNING, b"warning": WARNING,
}  # fmt: skip
_ALL_WORDS = rb"fatal|emergency|emerg|alert|critical|crit|panic|severe|error|err|warning|warn|notice|info|debug|trace|verbose|silly"
#: A word is a level in upper case as a word of its own; in brackets; before a colon, dash or bar; or after level=.
_LEVEL = re.compile(
    rb"(?<![A-Za-z0-9_./$-])(" + _ALL_WORDS.upper() + rb")(?![A-Za-z0-9_=/.-])"
    rb"|(?i:(?<=[\[<(|:])(" + _ALL_WORDS + rb")(?=[\]>)|]))"
    rb"|(?i:(?:^|(?<=[\s\]>]))(" + _ALL_WORDS + rb")(?=:\s|:$|\s+[-|]\s))"
    rb"|(?i:\b(?:level|lvl|severity)\s*[=:]\s*[\"']?(" + _ALL_WORDS + rb")\b)"
)
_JSON_LEVEL = re.compile(
    rb'"(?:level|severity|lvl|levelname|loglevel|level_name|log\.level)"\s*:\s*"([a-z]{1,12})"'
    rb'|"(?:level|severity|lvl)"\s*:\s*(\d{1,3})\b',
    re.IGNORECASE,
)
#: A name before its message, or alone at the end of the line; ``ERR_X [Error]`` and the sentences of Node.js and Python.
_EXCEPTION = re.compile(
    rb"\b(?:[A-Z]\w{0,60})?(?:Error|Exception)\b(?::|\s*$|\s\[)"
    rb"|[Uu]nhandled\s?(?:Promise)?\s?[Rr]ejection|UnhandledPromiseRejection|[Uu]ncaught\s?[Ee]xception|\bUncaught\s"
    rb"|Traceback \(most recent call last\)|[Ss]egmentation fault|[Oo]ut of memory|panicked at"
)
_FRAME = re.compile(rb"\s+at\s|\s+\.{3} \d+ more|\s+File \"")


def candidate_starts(block: bytes) -> set[int]:
    """Return where the lines begin that may have a level; ``block`` consists of whole lines."""
    starts: set[int] = set()
    lowered = block.lower()
    for word in _WORDS:
        at = lowered.find(word)
        while at >= 0:
            starts.add(lowered.rfind(b"\n", 0, at) + 1)
            end = lowered.find(b"\n", at)
            if end < 0:
                break
            at = lowered.find(word, end)
    if any(key in lowered for key in (b'"level"', b'"severity"', b'"lvl"')):
        starts.update(lowered.rfind(b"\n", 0, match.start()) + 1 for match in _NUMBERED.finditer(lowered))
    if block.startswith(b"<") or b"\n<" in block:
        starts.update(match.start() for match in _PRIORITY_LINE.finditer(block))
    return starts


def level_of(line: bytes) -> str | None:
    """Return FATAL, ERROR or WARNING, or None for everything milder.

    The level that the writer gave decides; what the rest of the line says does not then matter: ``INFO no error`` is none.
    """
    priority = _PRIORITY.match(line)
    if priority:
        return _of_syslog(int(priority[1]) % 8)
    if line.startswith(b"{"):
        field = _JSON_LEVEL.search(line)
        if field:
            return _BY_WORD.get(field[1].lower()) if field[1] else _of_number(int(field[2]))
    exception = _EXCEPTION.search(line)
    found = given_level(line)
    if found is None:
        return ERROR if exception else None
    return _BY_WORD.get(found)


def given_level(line: bytes) -> bytes | None:
    """Return the first word in a line that is written as a level, in lower case; also a mild one such as ``info``."""
    found = _LEVEL.search(line)
    return next(word for word in found.groups() if word).lower() if found else None


def is_frame(line: bytes) -> bool:
    """Tell whether a line is one step of a stack trace."""
    return _FRAME.match(line) is not None


def is_continuation(line: bytes) -> bool:
    """Tell whether a line can go on with the one before: it is indented, or closes a bracket."""
    return line[:1] in (b" ", b"\t", b"}", b"]")


def _of_syslog(number: int) -> str | None:
    if number <= 2:
        return FATAL
    return {3: ERROR, 4: WARNING}.get(number)


def _of_number(number: int) -> str | None:
    """Return the level of a number: of pino and bunyan (60, 50, 40), or of syslog and GELF (0 to 7)."""
    if number < 8:
        return _of_syslog(number)
    return next((level for least, level in ((60, FATAL), (50, ERROR), (40, WARNING)) if number >= least), None)
