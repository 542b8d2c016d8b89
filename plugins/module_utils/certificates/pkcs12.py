# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PKCS#12 files: certificates and a private key behind a passphrase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.certificate import Certificate
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.key_derivation import MAX_ROUNDS, rounds_asked
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.private_keys import PASSPHRASE_HINT, PrivateKey
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import Unreadable

MAX_BYTES = 1024 * 1024
#: A file has a certificate, a key and a checksum; so many times the rounds are allowed for all that it holds.
_MOST_DERIVATIONS = 4


def open_pkcs12(data: bytes, passphrases: Sequence[str]) -> tuple[list[Certificate], PrivateKey | None]:
    """Return the certificates, that of the key first, and the key.

    :param passphrases: tried in turn, then the empty one and none.
    :raises Unreadable: when none opens it.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    _refuse_what_costs_hours(data)
    opened = _open(data, passphrases)
    found = [opened.cert, *opened.additional_certs] if opened.cert else list(opened.additional_certs)
    if not found:
        raise Unreadable("is a PKCS#12 file without a certificate", "Export it again together with the certificate.")
    try:
        certificates = [Certificate(entry.certificate.public_bytes(Encoding.DER)) for entry in found]
    except ValueError as exc:
        raise Unreadable(f"holds a certificate that cannot be read ({exc})", "Export it again.") from exc
    return certificates, PrivateKey(loaded=opened.key) if opened.key else None


def _open(data: bytes, passphrases: Sequence[str]) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    for passphrase in (*passphrases, "", None):
        try:
            return load_pkcs12(data, None if passphrase is None else passphrase.encode())
        except UnsupportedAlgorithm as exc:
            raise Unreadable(f"is a PKCS#12 file of a kind that cannot be read here ({exc})", "Export it again.") from exc
        except ValueError:
            continue
    if passphrases:
        raise Unreadable("cannot be opened: the passphrase is wrong, or the PKCS#12 file is damaged", PASSPHRASE_HINT)
    raise Unreadable("cannot be opened: it is a PKCS#12 file, and no passphrase was given", PASSPHRASE_HINT)


def _refuse_what_costs_hours(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise Unreadable(f"is a PKCS#12 file of more than {MAX_BYTES // 1024} KiB", "Export the certificate by itself.")
    asked = list(rounds_asked(data))
    rounds = max(0, *asked, sum(asked) // _MOST_DERIVATIONS)
    if rounds > MAX_ROUNDS:
        raise Unreadable(
            f"is not opened: this PKCS#12 file asks for {rounds} rounds of key derivation (at most {MAX_ROUNDS})",
            "Export it again: openssl pkcs12 -export -iter 10000",
        )
