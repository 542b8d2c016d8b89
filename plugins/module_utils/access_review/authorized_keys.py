# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of authorized_keys: which key it is, how strong, and what it is restricted to. Pure functions over bytes.

Values of options may be commands with secrets in them, so that only the names of options leave this file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

_TYPES = re.compile(
    r"(ssh-rsa|ssh-dss|ssh-ed25519|ssh-ed448|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com)(-cert-v01@openssh\.com)?"
)
_CURVES = {"nistp256": 256, "nistp384": 384, "nistp521": 521, "ed25519": 256, "ed448": 456}
_LEAST_RSA_BITS = 2048
_GOOD_RSA_BITS = 3072


class Key(NamedTuple):
    """One key that opens an account.

    :ivar bits: None when it cannot be told.
    :ivar fingerprint: as ssh-keygen -l shows it.
    :ivar options: names.
    :ivar line: its number.
    """

    type: str
    bits: int | None
    fingerprint: str
    comment: str
    options: tuple[str, ...]
    line: int

    @property
    def weakness(self) -> str:
        """Why it should be replaced, or ''."""
        if self.type == "ssh-dss":
            return "DSA is broken"
        if self.type == "ssh-rsa" and self.bits is not None and self.bits < _LEAST_RSA_BITS:
            return f"RSA of {self.bits} bits can be broken; {_GOOD_RSA_BITS} are good"
        return ""


def read_keys(data: bytes) -> tuple[list[Key], list[int]]:
    """Return the keys, and the numbers of lines that hold none."""
    keys, odd = [], []
    for number, raw in enumerate(decode(data).split("\n"), 1):
        line = raw.partition("\0")[0].strip()  # sshd reads no further
        if not line or line.startswith("#"):
            continue
        key = _read_line(line, number)
        if key is None:
            odd.append(number)
        else:
            keys.append(key)
    return keys, odd


def _read_line(line: str, number: int) -> Key | None:
    options, rest = ("", line) if _TYPES.match(line) else _split_options(line)
    words = rest.split(None, 2)
    if len(words) < 2 or not _TYPES.fullmatch(words[0]):
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return None
    fields = _fields(blob)
    if not fields or fields[0] != words[0].encode():
        return None
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    comment = plain(words[2], 200) if len(words) > 2 else ""
    return Key(words[0], _bits(words[0], fields), fingerprint, comment, _option_names(options), number)


def _split_options(line: str) -> tuple[str, str]:
    """Return the options and what follows; a space in quotes ends them not."""
    quoted = False
    position = 0
    while position < len(line):
        character = line[position]
        if character == "\\" and line[position + 1:position + 2] == '"':
            position += 1
        elif character == '"':
            quoted = not quoted
        elif character in " \t" and not quoted:
            return line[:position], line[position:].strip()
        position += 1
    return line, ""


def _option_names(options: str) -> tuple[str, ...]:
    without_values = re.sub(r'"(?:\\"|[^"])*"', "", options)
    return tuple(plain(part.split("=")[0].strip().lower(), 40) for part in without_values.split(",") if part.strip())[:50]


def _fields(blob: bytes) -> list[bytes]:
    """Return the strings of which a key consists; [] when they are cut off."""
    found, at = [], 0
    while at < len(blob):
        size = int.from_bytes(blob[at:at + 4], "big")
        at += 4 + size
        if at > len(blob):
            return []
        found.append(blob[at - size:at])
        if len(found) >= 20:
            break
    return found


def _bits(kind: str, fields: list[bytes]) -> int | None:
    if "-cert-" in kind:
        return None
    if kind == "ssh-rsa":
        return int.from_bytes(fields[2], "big").bit_length() if len(fields) == 3 else None
    if kind == "ssh-dss":
        return int.from_bytes(fields[1], "big").bit_length() if len(fields) > 1 else None
    return next((bits for curve, bits in _CURVES.items() if curve in kind), None)
