# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the certificates of a source mean: one check for each thing that can be wrong with one. Values in, rows out."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.certificate import Certificate
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.lifetime import Lifetime, duration_text
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    check_result,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

EXPIRY = "certificate.expiry"
VALIDITY = "certificate.validity"
STRENGTH = "certificate.strength"
READABLE = "certificate.readable"

#: So many names of a certificate are returned; public authorities sign up to 100.
_MOST_NAMES = 1000
#: Bits below which a key is weak (NIST SP 800-57: less than 112 bits of security).
LEAST_BITS = {"RSA": 2048, "EC": 224}
_WEAK_HASH = re.compile(r"(?i)(?:md[245]|sha1)(?!\d)")


def subject_of(source: str, position: int) -> str:
    """Return the subject of a check about a certificate: its source, and its place where it is not the first."""
    return source if position == 1 else f"{source} (certificate {position})"


#: What is looked at in every certificate: the id of each check, and its status.
Judged = tuple[tuple[str, str], tuple[str, str], tuple[str, str]]


def judge(certificate: Certificate, lifetime: Lifetime) -> Judged:
    """Return what is looked at in every certificate, each with its status."""
    validity = CRITICAL if lifetime.seconds_until_valid > 0 else OK
    return (EXPIRY, lifetime.status), (VALIDITY, validity), (STRENGTH, strength_of(certificate)[0])


def row_of(check: str, subject: str, certificate: Certificate, lifetime: Lifetime, hint: str) -> dict[str, Any]:
    """Return the row of one of the checks of :func:`judge`.

    :param hint: the next step when little time is left.
    """
    if check == EXPIRY:
        return _expiry_row(subject, certificate, lifetime, hint)
    if check == VALIDITY:
        return _validity_row(subject, certificate, lifetime)
    return _strength_row(subject, *strength_of(certificate))


def unreadable_row(subject: str, reason: str, hint: str) -> dict[str, Any]:
    """Return the check of a source that gave no certificate; ``reason`` completes "<subject> …"."""
    return check_result(READABLE, subject, UNKNOWN, f"{subject} {reason}.", hint=hint or None)


def _expiry_row(subject: str, certificate: Certificate, lifetime: Lifetime, hint: str) -> dict[str, Any]:
    when = to_iso(certificate.not_after)
    if lifetime.seconds_left < 0:
        time = f"expired {duration_text(lifetime.seconds_left)} ago, on {when}"
    else:
        time = f"expires in {duration_text(lifetime.seconds_left)}, on {when}"
    status = lifetime.status
    limits = f"warning from {_days(lifetime.warning_days)}, critical from {_days(lifetime.critical_days)}"
    return check_result(
        EXPIRY,
        subject,
        status,
        f"{subject}: the certificate of {certificate.common_name} {time} ({limits}).",
        value=lifetime.days_left,
        unit="days",
        warning=round(lifetime.warning_days, 4),
        critical=round(lifetime.critical_days, 4),
        hint=None if status == OK else hint,
    )


def _days(days: float) -> str:
    return f"{days:.1f} days" if days % 1 else f"{days:.0f} {'day' if days == 1 else 'days'}"


def _validity_row(subject: str, certificate: Certificate, lifetime: Lifetime) -> dict[str, Any]:
    since, name = to_iso(certificate.not_before), certificate.common_name
    if lifetime.seconds_until_valid <= 0:
        return check_result(VALIDITY, subject, OK, f"{subject}: the certificate of {name} is valid since {since}.")
    return check_result(
        VALIDITY,
        subject,
        CRITICAL,
        f"{subject}: the certificate of {name} is not valid yet: it will be in"
        f" {duration_text(lifetime.seconds_until_valid)}, on {since}.",
        hint="Compare the clock of this host with the right time (timedatectl); otherwise use the previous certificate.",
    )


def strength_of(certificate: Certificate) -> tuple[str, str]:
    """Return how strong key and signature of a certificate are: a status, and the words behind "its"."""
    key, algorithm = certificate.key, certificate.signature_algorithm
    bits = f"{key.type} with {key.size} bits"
    if key.type == "unknown":
        return UNKNOWN, "key is of a kind that this version of the library cryptography does not know"
    if key.type == "DSA":
        return WARNING, f"key is weak: {bits}, and DSA is no longer accepted"
    if key.size is not None and key.size < LEAST_BITS.get(key.type, 0):
        return WARNING, f"key is weak: {bits} (at least {LEAST_BITS[key.type]})"
    # Nobody looks at the signature of a root: it is trusted because it is in the list.
    if _WEAK_HASH.search(algorithm) and not certificate.self_signed:
        return WARNING, f"signature is weak: {algorithm}"
    if algorithm.endswith("-unknown") and not certificate.self_signed:
        return UNKNOWN, "signature (RSASSA-PSS) uses a hash that this version of the library cryptography does not tell"
    return OK, f"key ({bits}) and signature ({algorithm}) are strong"


def _strength_row(subject: str, status: str, words: str) -> dict[str, Any]:
    hints = {
        OK: None,
        WARNING: "Let it be issued again with a new key: RSA with 2048 bits or more or EC P-256, signed with SHA-256.",
        UNKNOWN: "Look at it by hand: openssl x509 -noout -text",
    }
    return check_result(STRENGTH, subject, status, f"{subject}: its {words}.", hint=hints[status])


def details_of(
    source: str, position: int, certificate: Certificate, lifetime: Lifetime, status: str
) -> dict[str, Any]:
    """Return everything about a certificate, as the module returns it."""
    names = certificate.alternative_names
    return {
        "source": source,
        "position": position,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial_number": certificate.serial_number,
        "sans": [plain(name, 300) for name in [*names.dns, *names.addresses, *names.others][:_MOST_NAMES]],
        "not_before": to_iso(certificate.not_before),
        "not_after": to_iso(certificate.not_after),
        "days_left": lifetime.days_left,
        "lifetime_left_percent": lifetime.percent_left,
        "key_type": certificate.key.type,
        "key_size": certificate.key.size,
        "signature_algorithm": certificate.signature_algorithm,
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "self_signed": certificate.self_signed,
        "status": status,
    }


def earliest(moments: list[datetime]) -> str | None:
    """Return the earliest of the moments as text."""
    return to_iso(min(moments)) if moments else None
