# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""New random values for secrets. All are of letters, digits, ``-`` and ``_``, so that no file of settings needs quotes for them."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

BASE64URL, HEX, ALPHANUMERIC = "base64url", "hex", "alphanumeric"
ENCODINGS = (BASE64URL, HEX, ALPHANUMERIC)

#: What makes guessing hopeless, and what a file of settings can bear. 48 bytes are what HMAC with SHA-384 takes.
LEAST_BYTES, USUAL_BYTES, MOST_BYTES = 16, 48, 512
#: As many letters and digits hold 128 bits.
LEAST_CHARACTERS, USUAL_CHARACTERS, MOST_CHARACTERS = 22, 64, 1024

_LETTERS_AND_DIGITS = string.ascii_letters + string.digits


def refuse_weak(secret: Mapping[str, Any], where: str) -> None:
    """Refuse a length that is too short to be secret, or longer than anybody takes.

    :param secret: ``encoding``, ``bytes`` and ``characters``.
    :raises UpkeepError: then.
    """
    named, least, most = ("characters", LEAST_CHARACTERS, MOST_CHARACTERS) if secret["encoding"] == ALPHANUMERIC else ("bytes", LEAST_BYTES, MOST_BYTES)
    if not least <= secret[named] <= most:
        raise UpkeepError(f"{where}: {named} must be between {least} and {most}, not {secret[named]}.")


def new_value(secret: Mapping[str, Any]) -> bytes:
    """Return a new random value from the randomness of the kernel.

    :param secret: ``encoding``; ``bytes`` of randomness for base64url (without padding) and hex, or ``characters`` for alphanumeric.
    """
    if secret["encoding"] == HEX:
        return secrets.token_hex(secret["bytes"]).encode()
    if secret["encoding"] == ALPHANUMERIC:
        return "".join(secrets.choice(_LETTERS_AND_DIGITS) for _index in range(secret["characters"])).encode()
    return secrets.token_urlsafe(secret["bytes"]).encode()
