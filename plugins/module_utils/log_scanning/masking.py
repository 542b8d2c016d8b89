# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets in log lines: cut out before a line is kept, compared or shown."""

from __future__ import annotations

import re

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.discretion import without_credentials

MASK = "***"

#: To the end of the line or of the quoted text: a cookie and a digest have several parts.
_HEADERS = re.compile(r"\b((?:proxy-)?authorization|(?:set-)?cookie)\b(\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\"'\\\r\n]+", re.IGNORECASE)
_PAIRS = re.compile(
    r"((?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|session[_-]?id|"
    r"jwt|signature)[\w-]{0,20}\\?[\"']?\s{0,3}(?:=>|[:=])\s{0,3})"
    r"(\\?\"[^\"\\]*|'[^']*|[^\s,;&\"'{}()\[\]]+)",
    re.IGNORECASE,
)
_SCHEMES = re.compile(r"\b(Bearer|Basic|Digest|Negotiate)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
#: Tokens whose form alone tells what they are: JWT, AWS, GitHub, GitLab, Slack, Stripe, npm.
_TOKENS = re.compile(
    r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\bxox[abeprs]-[\w-]{10,}|\b[prs]k_(?:live|test)_\w{10,}|\bnpm_\w{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----.*"
)


def without_secrets(text: str) -> str:
    """Return a text with what looks like a secret masked: credentials in URLs, headers, ``password=``, well-known tokens.

    A form that is not known here stays: whoever logs secrets has to stop it at the source.
    """
    text = without_credentials(text) if "://" in text else text
    text = _HEADERS.sub(rf"\1\2{MASK}", text)
    text = _PAIRS.sub(_masked_pair, text)
    text = _SCHEMES.sub(rf"\1 {MASK}", text)
    return _TOKENS.sub(MASK, text)


def _masked_pair(match: re.Match[str]) -> str:
    value = match[2]
    quote = re.match(r"\\?[\"']?", value)
    return f"{match[1]}{quote[0] if quote else ''}{MASK}"
