# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One certificate, read through the library ``cryptography``; every field is taken out only when it is asked for.

Supports cryptography 38 (Debian 12) and newer.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

LIBRARY_HINT = (
    "Run the playbook upkeep.runbook.prepare, which installs python3-cryptography for Debian's own Python, and set"
    " ansible_python_interpreter to /usr/bin/python3 for this host."
)

_RSA, _ECDSA, _DSA = "1.2.840.113549.1.1.", "1.2.840.10045.4.", "2.16.840.1.101.3.4.3."
_SIGNATURES = {
    f"{_RSA}2": "md2WithRSAEncryption", f"{_RSA}3": "md4WithRSAEncryption", f"{_RSA}4": "md5WithRSAEncryption",
    f"{_RSA}5": "sha1WithRSAEncryption", "1.3.14.3.2.29": "sha1WithRSAEncryption", f"{_RSA}10": "rsassaPss",
    f"{_RSA}11": "sha256WithRSAEncryption", f"{_RSA}12": "sha384WithRSAEncryption",
    f"{_RSA}13": "sha512WithRSAEncryption", f"{_RSA}14": "sha224WithRSAEncryption",
    f"{_ECDSA}1": "ecdsa-with-SHA1", f"{_ECDSA}3.1": "ecdsa-with-SHA224", f"{_ECDSA}3.2": "ecdsa-with-SHA256",
    f"{_ECDSA}3.3": "ecdsa-with-SHA384", f"{_ECDSA}3.4": "ecdsa-with-SHA512",
    "1.2.840.10040.4.3": "dsa-with-SHA1", f"{_DSA}1": "dsa-with-SHA224", f"{_DSA}2": "dsa-with-SHA256",
    "1.3.101.112": "Ed25519", "1.3.101.113": "Ed448",
    f"{_DSA}17": "ML-DSA-44", f"{_DSA}18": "ML-DSA-65", f"{_DSA}19": "ML-DSA-87",
}  # fmt: skip


class Key(NamedTuple):
    """The public key of a certificate: ``RSA``, ``EC``, ``DSA``, ``Ed25519``, ``Ed448`` or ``unknown``, and its bits."""

    type: str
    size: int | None


class AlternativeNames(NamedTuple):
    """The names that a certificate is for, and why they could not be read, or nothing."""

    dns: tuple[str, ...]
    addresses: tuple[str, ...]
    others: tuple[str, ...]
    problem: str = ""


def missing_library() -> str:
    """Return why certificates cannot be read with this Python, or nothing."""
    try:
        import cryptography.x509  # noqa: F401  here, since importing it costs 50 ms

        return ""
    except ImportError as exc:
        return f"this Python has no usable library cryptography ({exc})"


@lru_cache(maxsize=None)
def _library() -> Any:
    """Return the library; to import its parts once for each of ten thousand certificates would take longer than reading them."""
    from cryptography import x509

    return x509


@lru_cache(maxsize=None)
def _kinds_of_keys() -> tuple[tuple[Any, str, int | None], ...]:
    """Return the classes of public keys, their names, and their bits where these never vary."""
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    return (
        (rsa.RSAPublicKey, "RSA", None),
        (ec.EllipticCurvePublicKey, "EC", None),
        (dsa.DSAPublicKey, "DSA", None),
        (ed25519.Ed25519PublicKey, "Ed25519", 256),
        (ed448.Ed448PublicKey, "Ed448", 456),
    )


class Certificate:
    """A certificate.

    :param data: its encoding.
    :param pem: it is one block of PEM, and not DER.
    :raises ValueError: when it is none.
    """

    def __init__(self, data: bytes, *, pem: bool = False) -> None:
        library = _library()
        try:
            loaded = library.load_pem_x509_certificate(data) if pem else library.load_der_x509_certificate(data)
        except library.InvalidVersion as exc:
            raise ValueError(str(exc)) from exc
        self._loaded: Any = loaded
        try:
            self.not_before: datetime = loaded.not_valid_before_utc
            self.not_after: datetime = loaded.not_valid_after_utc
        except AttributeError:  # cryptography before 42 knows only times without a zone, which are UTC
            self.not_before = loaded.not_valid_before.replace(tzinfo=timezone.utc)
            self.not_after = loaded.not_valid_after.replace(tzinfo=timezone.utc)

    @cached_property
    def der(self) -> bytes:
        """Its encoding."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return bytes(self._loaded.public_bytes(Encoding.DER))

    @cached_property
    def key(self) -> Key:
        """Type and size of its public key."""
        public = self._public_key()
        for kind, name, size in _kinds_of_keys():
            if isinstance(public, kind):
                return Key(name, size or public.key_size)
        return Key("unknown", None)

    @cached_property
    def public_key_der(self) -> bytes:
        """The encoding of its public key, which is that of the private key too; nothing when it cannot be read."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._public_key()
        return b"" if public is None else bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def signature_algorithm(self) -> str:
        """The name of its signature algorithm as OpenSSL writes it, or its object identifier."""
        oid: str = self._loaded.signature_algorithm_oid.dotted_string
        name = _SIGNATURES.get(oid, oid)
        return f"{name}-{self._hash_name()}" if name == "rsassaPss" else name

    def _hash_name(self) -> str:
        from cryptography.exceptions import UnsupportedAlgorithm

        try:
            return str(self._loaded.signature_hash_algorithm.name)
        except (UnsupportedAlgorithm, ValueError, AttributeError):
            return "unknown"

    @property
    def fingerprint_sha256(self) -> str:
        """Hexadecimal digits without separators."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def serial_number(self) -> str:
        """Hexadecimal digits, as OpenSSL prints them."""
        digits = f"{self._loaded.serial_number:X}"
        return digits if len(digits) % 2 == 0 else f"0{digits}"

    @property
    def subject(self) -> str:
        """Its subject in the form of RFC 4514, printable."""
        return self._name("subject")

    @property
    def issuer(self) -> str:
        """Its issuer in the form of RFC 4514, printable."""
        return self._name("issuer")

    @property
    def common_name(self) -> str:
        """What people call it: its common name, otherwise its first alternative name, otherwise its subject."""
        from cryptography.x509.oid import NameOID

        try:
            found = self._loaded.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except ValueError:
            found = []
        names = self.alternative_names
        known = [str(found[0].value)] if found else [*names.dns, *names.addresses]
        return plain(known[0] if known else self.subject, 100) or "no name"

    @cached_property
    def alternative_names(self) -> AlternativeNames:
        """The names that it is for."""
        from cryptography import x509

        try:
            listed = self._loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return AlternativeNames((), (), ())
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as exc:
            return AlternativeNames((), (), (), str(exc))
        known: dict[type, list[str]] = {x509.DNSName: [], x509.IPAddress: []}
        others = []
        for name in listed:
            if type(name) in known:
                known[type(name)].append(str(name.value))
            else:
                others.append(f"{type(name).__name__}:{name.value}")
        return AlternativeNames(tuple(known[x509.DNSName]), tuple(known[x509.IPAddress]), tuple(others))

    @cached_property
    def self_signed(self) -> bool:
        """Whether its own key has signed it, as that of a root."""
        try:
            return bool(self._loaded.issuer == self._loaded.subject) and self._signed_with_own_key()
        except ValueError:
            return False

    def _signed_with_own_key(self) -> bool:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

        loaded, public = self._loaded, self._public_key()
        if public is None:
            return False
        signed, text = loaded.signature, loaded.tbs_certificate_bytes
        try:
            if isinstance(public, rsa.RSAPublicKey):
                # cryptography before 41 does not tell the padding: there PSS counts as signed by another.
                how = getattr(loaded, "signature_algorithm_parameters", None) or padding.PKCS1v15()
                public.verify(signed, text, how, loaded.signature_hash_algorithm)
            elif isinstance(public, ec.EllipticCurvePublicKey):
                public.verify(signed, text, ec.ECDSA(loaded.signature_hash_algorithm))
            elif loaded.signature_hash_algorithm is not None:
                public.verify(signed, text, loaded.signature_hash_algorithm)
            else:
                public.verify(signed, text)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, AttributeError):  # X25519 signs nothing
            return False
        return True

    def _public_key(self) -> Any:
        try:
            return self._loaded.public_key()
        except Exception as exc:
            from cryptography.exceptions import UnsupportedAlgorithm

            if isinstance(exc, (ValueError, UnsupportedAlgorithm)):
                return None
            raise

    def _name(self, which: str) -> str:
        try:
            return plain(getattr(self._loaded, which).rfc4514_string(), 500)
        except ValueError as exc:
            return plain(f"unreadable ({exc})", 500)
