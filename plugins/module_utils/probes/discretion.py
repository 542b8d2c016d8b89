# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeping the secrets of a call out of what Ansible shows and logs of it.

Ansible's ``no_log`` does not reach into options that are checked by us, so this does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"

#: Options of a probe whose values may be secrets. Their keys are not.
_SECRET_OPTIONS = ("headers", "body", "send", "secret_headers")
#: The second form is a password whose / was not encoded: what follows the colon is no port.
_CREDENTIALS = re.compile(r"(?<=://)(?:[^/@\s]*(?::[^/\s]*)?@|[^/?#@\s:\[]*:(?!\d+[/?#])\S*@)")
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|key|pass|session|credential", re.IGNORECASE)
_SHORTEST = 4


def discreet(params: Any) -> Any:
    """Return a copy of the module's parameters with every secret masked."""
    if isinstance(params, Mapping):
        return {
            key: _masked(value) if key in _SECRET_OPTIONS and value is not None else discreet(value)
            for key, value in params.items()
        }
    if isinstance(params, (list, tuple)):
        return [discreet(value) for value in params]
    return without_credentials(params) if isinstance(params, str) else params


def without_credentials(text: str) -> str:
    """Return a text with ``user:password@`` cut out of every URL in it."""
    return _CREDENTIALS.sub("", text)


def secrets_of(params: Mapping[str, Any]) -> set[str]:
    """Return the texts that must not be shown even when a target sends them back.

    Very short ones are left out: masking each ``1`` in a result hides the result and no secret.
    """
    found: set[str] = set()
    for probe in params.get("probes") or []:
        if not isinstance(probe, Mapping):
            continue
        headers = probe.get("headers")
        if isinstance(headers, Mapping):
            found |= {str(value) for name, value in headers.items() if _SECRET_HEADER.search(str(name))}
        for text in _CREDENTIALS.findall(str(probe.get("url", ""))):
            password = text[:-1].partition(":")[2]
            found |= {password, unquote(password)}
    return {text for text in found if len(text) >= _SHORTEST}


def _masked(value: Any) -> Any:
    return {key: MASK for key in value} if isinstance(value, Mapping) else MASK
