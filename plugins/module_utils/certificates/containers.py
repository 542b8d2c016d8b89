# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a file with certificates holds: PEM bundles, DER and PKCS#12. Bytes in, values out."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.certificate import Certificate
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.private_keys import PrivateKey
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import Unreadable

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----(.*?)(-----END \1-----|-----BEGIN |\Z)", re.DOTALL)
_CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_BEGIN = b"-----BEGIN CERTIFICATE-----"

_JAVA_KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_JAVA_HINT = "Convert it: keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12"
_OTHER_FILE_HINT = (
    "Correct the path if this was never a certificate; otherwise put the certificate there again: from the backup, or by renewing it."
)


@dataclass
class Contents:
    """What a file holds.

    :ivar certificates: each with its position in the file, 1 for the first.
    :ivar broken: the positions of certificates that could not be read, and why.
    :ivar keys: private keys beside them.
    :ivar others: what else the file holds, in words.
    """

    certificates: list[tuple[int, Certificate]] = field(default_factory=list)
    broken: list[tuple[int, str]] = field(default_factory=list)
    keys: list[PrivateKey] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def holds_other_things_only(self) -> bool:
        """A key, a request or parameters, which lie beside certificates in many folders."""
        return bool(self.keys or self.others) and not self.certificates and not self.broken


def read_contents(data: bytes, passphrases: Sequence[str] = ()) -> Contents:
    """Return what a file holds.

    :param data: the whole file, not empty.
    :param passphrases: tried in turn for PKCS#12.
    :raises Unreadable: when it is nothing that may hold a certificate.
    """
    if b"-----BEGIN " in data:
        return _read_pem(data)
    if data[:4] in _JAVA_KEYSTORES:
        raise Unreadable("is a Java keystore, which cannot be read here", _JAVA_HINT)
    if data[:1] == b"\x30":
        return _read_der(data, passphrases)
    raise Unreadable("holds no certificate: it is neither PEM nor DER nor PKCS#12", _OTHER_FILE_HINT)


def _read_pem(data: bytes) -> Contents:
    if data.startswith(_BEGIN) and data.find(b"-----BEGIN ", len(_BEGIN)) < 0:
        try:  # most files are one certificate and nothing else
            return Contents(certificates=[(1, Certificate(data, pem=True))])
        except ValueError:
            pass  # it is told below what is wrong
    contents = Contents()
    position, start = 0, 0
    while True:
        match = _BLOCK.search(data, start)
        if match is None:
            break
        label, body, end = match.groups()
        # A block that another one begins in was cut off; that other one counts by itself.
        start = match.end() if end.startswith(b"-----END") else max(match.end(2), match.start() + 1)
        if label in _CERTIFICATES:
            position += 1
            try:
                if not end.startswith(b"-----END"):
                    raise ValueError("it is cut off: its END line is missing")
                contents.certificates.append((position, _certificate(label, data[match.start() : match.end()], body)))
            except ValueError as exc:
                contents.broken.append((position, str(exc) or "it is damaged"))
        elif label.endswith(b"PRIVATE KEY"):
            contents.keys.append(PrivateKey(pem=data[match.start() : match.end()]))
        else:
            contents.others.append(label.decode("ascii").lower())
    return contents


def _certificate(label: bytes, block: bytes, body: bytes) -> Certificate:
    if not label.startswith(b"TRUSTED"):
        return Certificate(block, pem=True)
    # OpenSSL appends what the certificate is trusted for.
    try:
        der = binascii.a2b_base64(body)
    except binascii.Error as exc:
        raise ValueError(f"its Base64 text is damaged ({exc})") from exc
    return Certificate(der[: _element_length(der)])


def _element_length(der: bytes) -> int:
    """Return how long the first DER element is, its head included, or the length of everything when that is unclear."""
    head, count = der[1:2], 0
    if head and head[0] & 0x80:
        count = head[0] & 0x7F
        return 2 + count + int.from_bytes(der[2 : 2 + count], "big")
    return 2 + head[0] if head else len(der)


def _read_der(data: bytes, passphrases: Sequence[str]) -> Contents:
    first = _first_inside(data)
    if first == b"\x02\x01\x03":
        from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.pkcs12 import open_pkcs12

        certificates, key = open_pkcs12(data, passphrases)
        return Contents(certificates=list(enumerate(certificates, 1)), keys=[key] if key else [])
    if first[:2] == b"\x02\x01":
        return Contents(keys=[PrivateKey(der=data)])
    if first[:1] == b"\x06":
        raise Unreadable("is PKCS#7, which cannot be read here", "Convert it: openssl pkcs7 -print_certs -in FILE")
    try:
        return Contents(certificates=[(1, Certificate(data))])
    except ValueError as exc:
        return Contents(broken=[(1, str(exc) or "it is damaged")])


def _first_inside(der: bytes) -> bytes:
    """Return the first three bytes of what an element holds: they tell a certificate from PKCS#12 and from a key."""
    count = der[1] & 0x7F if len(der) > 1 and der[1] & 0x80 else 0
    return der[2 + count : 5 + count]
