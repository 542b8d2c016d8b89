# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates compared with what belongs to them: name, chain, private key, and the file that should be served."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.certificate import Certificate
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.names import certificate_is_for
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.served import Served
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import Unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    check_result,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import listed

HOSTNAME = "certificate.hostname"
CHAIN = "certificate.chain"
SERVED = "certificate.served"
KEY_MATCH = "certificate.key_match"

_NAMES_SHOWN = 5


def hostname_check(subject: str, name: str, certificate: Certificate) -> dict[str, Any]:
    """Return whether the certificate that a server presents is for the name by which clients ask for it."""
    names = certificate.alternative_names
    if names.problem:
        summary = f"{subject}: the names in its certificate cannot be read ({names.problem})."
        return check_result(HOSTNAME, subject, UNKNOWN, summary, hint="Look at it: openssl x509 -noout -text")
    known = [*names.dns, *names.addresses]
    if certificate_is_for(name, names.dns, names.addresses):
        return check_result(HOSTNAME, subject, OK, f"{subject}: its certificate is for {name}.")
    if not known:
        summary = f"{subject}: its certificate is not for {name}: it has no alternative names, and clients ask for these."
    else:
        more = f" and {len(known) - _NAMES_SHOWN} more" if len(known) > _NAMES_SHOWN else ""
        summary = f"{subject}: its certificate is not for {name}, but for {', '.join(known[:_NAMES_SHOWN])}{more}."
    return check_result(
        HOSTNAME,
        subject,
        CRITICAL,
        summary,
        hint=f"Let a certificate be issued that names {name}, or ask for another name (server_name).",
    )


def chain_check(subject: str, served: Served, self_signed: bool) -> dict[str, Any]:
    """Return whether clients trust what a server presents."""
    if served.verified:
        return check_result(CHAIN, subject, OK, f"{subject}: its certificate leads to a trusted authority.")
    if served.verified is None:
        summary = f"{subject}: whether clients trust its certificate could not be found out: {served.reason}."
        hint = served.hint or "Look at the settings of the server: openssl s_client -connect"
        return check_result(CHAIN, subject, UNKNOWN, summary, hint=hint)
    if self_signed:
        hint = "It signed itself: name it in ca_file where clients trust it, or let an authority issue one."
    elif "expired" in served.reason:
        hint = "Renew what expired: the certificate itself, or one of those that are sent with it."
    else:
        hint = "Let the server send the whole chain (fullchain.pem), and name its authority in ca_file when it is your own."
    summary = f"{subject}: clients refuse its certificate: {served.reason}."
    return check_result(CHAIN, subject, CRITICAL, summary, hint=hint)


def served_check(
    path: str, server: str, in_file: Certificate | Unreadable, served: Certificate | Unreadable, hint: str
) -> dict[str, Any]:
    """Return whether a server presents the certificate that is in the file.

    :param hint: the next step when it presents another, or nothing for the usual one.
    """
    subject = f"{path} at {server}"
    for what, found in ((path, in_file), (server, served)):
        if isinstance(found, Unreadable):
            summary = f"{server}: whether it serves {path} could not be found out: {what} {found}."
            return check_result(SERVED, subject, UNKNOWN, summary, hint=found.hint or None)
    if isinstance(in_file, Unreadable) or isinstance(served, Unreadable) or in_file.der == served.der:
        return check_result(SERVED, subject, OK, f"{server} serves the certificate in {path}.")
    older = "an older one" if served.not_before < in_file.not_before else "another one"
    return check_result(
        SERVED,
        subject,
        WARNING,
        f"{server} does not serve the certificate in {path}, but {older} that expires on"
        f" {served.not_after:%Y-%m-%d} (the one in the file: {in_file.not_after:%Y-%m-%d}).",
        hint=hint or "Reload the server, so that it reads the file again, such as: systemctl reload nginx",
        evidence={"file_sha256": in_file.fingerprint_sha256, "served_sha256": served.fingerprint_sha256},
    )


def key_check(
    subject: str, public: bytes | Unreadable, certificates: Iterable[tuple[str, Certificate]]
) -> dict[str, Any]:
    """Return whether a private key belongs to one of the certificates.

    :param public: the encoding of its public half, or why it could not be read.
    :param certificates: those that it may belong to, each with the name of its file or server.
    """
    if isinstance(public, Unreadable):
        return check_result(KEY_MATCH, subject, UNKNOWN, f"{subject} {public}.", hint=public.hint or None)
    candidates = list(certificates)
    if not candidates:
        summary = f"{subject}: there is no certificate that this private key could be compared with."
        return check_result(KEY_MATCH, subject, UNKNOWN, summary, hint="Name the file of its certificate in paths.")
    for source, certificate in candidates:
        if certificate.public_key_der == public:
            return check_result(KEY_MATCH, subject, OK, f"{subject}: the private key belongs to {source}.")
    sources = list(dict.fromkeys(source for source, _certificate in candidates))
    shown = listed(sources) if len(sources) <= 3 else f"any of {len(sources)} certificates"
    return check_result(
        KEY_MATCH,
        subject,
        CRITICAL,
        f"{subject}: the private key does not belong to {shown}: a server cannot start with them.",
        hint="Put the key and the certificate there that were made together.",
    )
