# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private keys: only the public half of one is ever looked at."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.key_derivation import MAX_ROUNDS, rounds_asked
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import Unreadable

#: The largest keys that anybody uses have a few kilobytes; opening one costs time with its size.
MAX_KEY_BYTES = 64 * 1024

PASSPHRASE_HINT = "Give its passphrase in the option passphrase or passphrases."


@dataclass(frozen=True)
class PrivateKey:
    """A private key as a file holds it.

    :ivar pem: its PEM block, or nothing, as ``der``.
    :ivar loaded: the key, when it was opened already (in PKCS#12).
    """

    pem: bytes = field(default=b"", repr=False)
    der: bytes = field(default=b"", repr=False)
    loaded: Any = field(default=None, repr=False)

    def public_key_der(self, passphrases: Sequence[str]) -> bytes:
        """Return the encoding of the public half, as a certificate of this key has it.

        :raises Unreadable: when it cannot be opened.
        """
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        loaded = self.loaded or self._open(passphrases)
        public: bytes = loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return public

    def _open(self, passphrases: Sequence[str]) -> Any:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

        load, data = (load_pem_private_key, self.pem) if self.pem else (load_der_private_key, self.der)
        if len(data) > MAX_KEY_BYTES:
            raise Unreadable(f"holds a private key of more than {MAX_KEY_BYTES // 1024} KiB", "Name the file of the key.")
        encrypted = False
        if passphrases:
            self._refuse_what_costs_hours()
        for passphrase in (None, *passphrases):
            try:
                return load(data, None if passphrase is None else passphrase.encode())
            except TypeError:
                # The key is encrypted and there was no passphrase, or the other way round.
                encrypted = encrypted or passphrase is None
            except UnsupportedAlgorithm as exc:
                raise Unreadable("holds a private key of a kind that cannot be read here", str(exc)) from exc
            except ValueError:
                if not encrypted:
                    raise Unreadable("holds a damaged private key", "Put the key there again, from the backup.") from None
        wrong = "no passphrase given opens" if passphrases else "there is no passphrase for"
        raise Unreadable(f"cannot be compared: {wrong} its private key", PASSPHRASE_HINT)

    def _refuse_what_costs_hours(self) -> None:
        """Read how many rounds of key derivation, or how much scrypt, an encrypted key (PKCS#8) asks for."""
        der = self.der
        if self.pem:
            text = re.sub(rb"-----(?:BEGIN|END) [^-]*-----|[^\n]*:[^\n]*", b"", self.pem)
            try:
                der = binascii.a2b_base64(text)
            except binascii.Error:
                return  # damaged, which is told when it is opened
        rounds = max(rounds_asked(der), default=0)
        if rounds > MAX_ROUNDS:
            raise Unreadable(
                f"is not opened: its private key asks for {rounds} rounds of key derivation (at most {MAX_ROUNDS})",
                "Encrypt it again: openssl pkcs8 -topk8",
            )
