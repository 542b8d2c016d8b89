# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the inspection of certificates, from options to results."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.certificate import (
    LIBRARY_HINT,
    Certificate,
    missing_library,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.comparing import (
    CHAIN,
    HOSTNAME,
    KEY_MATCH,
    SERVED,
    chain_check,
    hostname_check,
    key_check,
    served_check,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.containers import Contents, read_contents
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.files import find_files, read_bounded
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.judging import (
    EXPIRY,
    READABLE,
    STRENGTH,
    VALIDITY,
    details_of,
    earliest,
    judge,
    row_of,
    subject_of,
    unreadable_row,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.ledger import Ledger
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.lifetime import Lifetime, lifetime_at
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import Endpoint, Options, read_options
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.private_keys import PrivateKey
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.renewal import renewal_hint
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.served import Served, Trust, ask_all
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import RESTORE_HINT, Unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result, worst
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_ALL_OK = ((EXPIRY, OK), (VALIDITY, OK), (STRENGTH, OK))
_ENDPOINT_HINT = "Renew it and reload the server; when the file is new already, reload the server."


def inspect_certificates(
    given: Mapping[str, Any], *, now: datetime, hint_for_files: Callable[[datetime], str] = renewal_hint
) -> dict[str, Any]:
    """Look at every file and endpoint and return what the module returns.

    :param given: the options of the module ``cert_expiry``.
    :param now: the moment of the inspection.
    :param hint_for_files: the next step for a file that expires soon; asked once, and only when there is one.
    :raises UpkeepError: naming the option that is not accepted.
    """
    options = read_options(given)
    inspection = Inspection(options, now, hint_for_files)
    problem = missing_library()
    if problem:
        inspection.nothing_can_be_read(problem)
    else:
        inspection.look_at_files()
        inspection.look_at_endpoints()
        inspection.compare_files_with_servers()
        inspection.compare_keys()
    return inspection.results()


class Inspection:
    """What is known so far while the certificates are looked at."""

    def __init__(self, options: Options, now: datetime, hint_for_files: Callable[[datetime], str]) -> None:
        self._options = options
        self._now = now
        self._hint_for_files = hint_for_files
        self._file_hint = ""
        self._ledger = Ledger(options.return_all)
        self._details: list[dict[str, Any]] = []
        self._counts = {"files": 0, "endpoints": 0, "certificates": 0, "unreadable": 0, "passed_over": 0}
        self._ends: list[datetime] = []
        #: The first certificate of each file and of each server, or why there is none.
        self._leaves: dict[str, Certificate | Unreadable] = {}
        self._compares_files = bool(options.private_keys or options.served_by)
        self._seen: set[str] = set()
        self._compared: set[str] = set()

    def nothing_can_be_read(self, problem: str) -> None:
        """Note for everything configured that it could not be looked at."""
        for subject in (*self._options.paths, *map(str, self._options.endpoints), *self._options.private_keys):
            self._unreadable(subject, Unreadable(f"could not be looked at: {problem}", LIBRARY_HINT))

    def look_at_files(self) -> None:
        """Look at every file that the paths name."""
        for given in self._options.paths:
            try:
                named, found = find_files(given)
            except Unreadable as exc:
                self._unreadable(given, exc)
                continue
            for path in named:
                self._look_at_file(path, named=True)
            for path in found:
                self._look_at_file(path, named=False)

    def _look_at_file(self, path: str, *, named: bool) -> None:
        if path in self._seen:
            return
        self._seen.add(path)
        self._counts["files"] += 1
        try:
            contents = self._contents_of(path)
        except Unreadable as exc:
            self._leaves[path] = exc
            self._unreadable(plain(path), exc)
            return
        if contents.holds_other_things_only:
            self._pass_over(path, contents, named)
            return
        if self._compares_files:
            self._leaves[path] = _leaf(contents)
        for position, reason in contents.broken:
            self._unreadable(subject_of(plain(path), position), Unreadable(f"cannot be read: {reason}", RESTORE_HINT))
        for position, certificate in contents.certificates:
            self._judge(path, position, certificate, in_file=True)
        if contents.keys:
            self._compare_keys_of(path, contents.keys, [(path, _leaf(contents))])

    def _contents_of(self, path: str) -> Contents:
        contents = read_contents(read_bounded(path), self._options.passphrases)
        if not contents.certificates and not contents.broken and not contents.holds_other_things_only:
            raise Unreadable("holds no certificate", RESTORE_HINT)
        return contents

    def _pass_over(self, path: str, contents: Contents, named: bool) -> None:
        """A key beside its certificate in a folder is no trouble; one that was named as a certificate is."""
        if not named:
            self._counts["passed_over"] += 1
            return
        held = "a private key" if contents.keys else f"a {contents.others[0]}"
        problem = Unreadable(f"holds {held} and no certificate", "Name the file with the certificate; keys go into private_keys.")
        self._leaves[path] = problem
        self._unreadable(plain(path), problem)

    def _judge(self, source: str, position: int, certificate: Certificate, *, in_file: bool, others: tuple[str, ...] = ()) -> None:
        lifetime = lifetime_at(self._now, certificate.not_before, certificate.not_after, self._options.thresholds)
        self._counts["certificates"] += 1
        self._ends.append(certificate.not_after)
        judged = judge(certificate, lifetime)
        for check, status in judged:
            self._ledger.note(check, status, partial(self._row, check, source, position, certificate, lifetime, in_file))
        if self._options.return_all or judged != _ALL_OK or others:
            status = worst([*(status for _check, status in judged), *others])
            if self._options.return_all or status != OK:
                self._details.append(details_of(plain(source), position, certificate, lifetime, status))

    def _row(
        self, check: str, source: str, position: int, certificate: Certificate, lifetime: Lifetime, in_file: bool
    ) -> dict[str, Any]:
        hint = _ENDPOINT_HINT
        if in_file and lifetime.status != OK:
            hint = self._hint()
        return row_of(check, subject_of(plain(source), position), certificate, lifetime, hint)

    def _hint(self) -> str:
        self._file_hint = self._file_hint or self._hint_for_files(self._now)
        return self._file_hint

    def look_at_endpoints(self) -> None:
        """Ask every endpoint, many at a time."""
        options = self._options
        trust = Trust(options.verify_chain, options.ca_file)
        answers = ask_all(
            options.endpoints, trust, timeout_seconds=options.timeout_seconds, concurrency=options.concurrency
        )
        for endpoint, answer in zip(options.endpoints, answers):
            self._counts["endpoints"] += 1
            if isinstance(answer, Unreadable):
                self._leaves[str(endpoint)] = answer
                self._unreadable(str(endpoint), answer)
            else:
                self._look_at_served(endpoint, answer)

    def _look_at_served(self, endpoint: Endpoint, served: Served) -> None:
        subject = str(endpoint)
        try:
            leaf = Certificate(served.leaf)
        except ValueError as exc:
            problem = Unreadable(f"presented a certificate that cannot be read ({exc})")
            self._leaves[subject] = problem
            self._unreadable(subject, problem)
            return
        self._leaves[subject] = leaf
        rows = [(HOSTNAME, hostname_check(subject, endpoint.name, leaf))]
        if self._options.verify_chain:
            rows.append((CHAIN, chain_check(subject, served, leaf.self_signed)))
        for check, row in rows:
            self._note(check, row)
        self._judge(subject, 1, leaf, in_file=False, others=tuple(row["status"] for _check, row in rows))
        for position, der in enumerate(served.issuers, 2):
            try:
                self._judge(subject, position, Certificate(der), in_file=False)
            except ValueError as exc:  # OpenSSL has verified it a moment ago, and minds less than the library
                self._unreadable(subject_of(subject, position), Unreadable(f"leads to a certificate that cannot be read ({exc})"))

    def compare_files_with_servers(self) -> None:
        """Compare each file of ``served_by`` with what its endpoint presents."""
        for item in self._options.served_by:
            in_file = self._leaves.get(item.path)
            if in_file is None:
                in_file = self._leaf_of(item.path)
            served = self._leaves[str(item.endpoint)]
            self._note(SERVED, served_check(plain(item.path), str(item.endpoint), in_file, served, item.hint))

    def _leaf_of(self, path: str) -> Certificate | Unreadable:
        try:
            return _leaf(self._contents_of(path))
        except Unreadable as exc:
            return exc

    def compare_keys(self) -> None:
        """Compare each private key with the certificates beside it, or with all when there is none beside it."""
        leaves = [(path, leaf) for path, leaf in self._leaves.items() if isinstance(leaf, Certificate)]
        for given in self._options.private_keys:
            try:
                named, found = find_files(given)
            except Unreadable as exc:
                self._note(KEY_MATCH, key_check(plain(given), exc, []))
                continue
            for path in [*named, *found]:
                if path in self._compared:
                    continue
                beside = [(name, leaf) for name, leaf in leaves if os.path.dirname(name) == os.path.dirname(path)]
                try:
                    keys = read_contents(read_bounded(path), self._options.passphrases).keys
                    if not keys:
                        raise Unreadable("holds no private key", "Name the file of the key.")
                    self._compare_keys_of(path, keys, beside or leaves)
                except Unreadable as exc:
                    self._note(KEY_MATCH, key_check(plain(path), exc, []))

    def _compare_keys_of(
        self, path: str, keys: list[PrivateKey], leaves: Sequence[tuple[str, Certificate | Unreadable]]
    ) -> None:
        self._compared.add(path)
        known = [(plain(name), leaf) for name, leaf in leaves if isinstance(leaf, Certificate)]
        for number, key in enumerate(keys, 1):
            try:
                public: bytes | Unreadable = key.public_key_der(self._options.passphrases)
            except Unreadable as exc:
                public = exc
            subject = plain(path) if number == 1 else f"{plain(path)} (key {number})"
            self._note(KEY_MATCH, key_check(subject, public, known))

    def _unreadable(self, subject: str, problem: Unreadable) -> None:
        self._counts["unreadable"] += 1
        self._note(READABLE, unreadable_row(subject, str(problem), problem.hint))

    def _note(self, check: str, row: dict[str, Any]) -> None:
        self._ledger.note(check, row["status"], lambda: row)

    def results(self) -> dict[str, Any]:
        """Return what the module returns."""
        checks = self._ledger.checks()
        if not checks:
            # Folders whose files hold keys and requests only.
            summary = "No certificate was found in what was named."
            checks = [check_result(READABLE, "certificates", UNKNOWN, summary, hint="Name the files with certificates.")]
        return {
            "status": worst(row["status"] for row in checks),
            "checks": checks,
            "certificates": self._details,
            "totals": {**self._counts, "earliest_not_after": earliest(self._ends)},
        }


def _leaf(contents: Contents) -> Certificate | Unreadable:
    """Return the first certificate of a file, which is the one that a server presents."""
    for position, certificate in contents.certificates:
        if position == 1:
            return certificate
    return Unreadable("has a first certificate that cannot be read", RESTORE_HINT)
