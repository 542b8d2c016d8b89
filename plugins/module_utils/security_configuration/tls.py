# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which versions of TLS and which weak suites servers really take, asked one connection after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import Endpoint
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.starttls import start_tls
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import is_literal
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Unchecked, listed
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import Stream, connect
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import (
    Finding,
    Rule,
    found,
    in_order,
    unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.tls_hello import (
    NAMES,
    SSL3,
    TLS10,
    TLS11,
    TLS12,
    TLS13,
    WEAK_SUITES,
    Chosen,
    client_hello,
    read_answer,
    usual_suites,
)

_VERSIONS_HINT = "Let the server offer TLS 1.2 and 1.3 only (nginx: ssl_protocols TLSv1.2 TLSv1.3), and reload it."
_SUITES_HINT = "Take them out of the suites of the server (nginx: ssl_ciphers HIGH:!aNULL:!MD5:!3DES), and reload it."
OLD = {
    SSL3: Rule("tls.ssl3", CRITICAL, "what is said can be read by who sits in between (POODLE)", _VERSIONS_HINT),
    TLS10: Rule("tls.tls10", WARNING, "it was given up in 2021 (RFC 8996), and rests on MD5 and SHA-1", _VERSIONS_HINT),
    TLS11: Rule("tls.tls11", WARNING, "it was given up in 2021 (RFC 8996), and rests on MD5 and SHA-1", _VERSIONS_HINT),
}
MODERN = Rule("tls.modern", CRITICAL, "clients of today do not connect, or connect with a broken version", _VERSIONS_HINT)
BROKEN_SUITES = Rule("tls.broken_suites", CRITICAL, "what is said is not protected at all", _SUITES_HINT)
WEAK = Rule("tls.weak_suites", WARNING, "what is said can be read with some effort (RFC 7465, SWEET32)", _SUITES_HINT)
RULES = (*OLD.values(), MODERN, BROKEN_SUITES, WEAK)
_BROKEN_KINDS = ("without encryption", "without a certificate", "for export")
_SERVER_HINT = "Look at whether the server runs, can be reached from this host, and speaks TLS there."

#: Taken, refused, or why that is not known.
Answer = Union[bool, str]


@dataclass
class Offered:
    """What a server takes.

    :ivar versions: by number of the version.
    :ivar suites: kinds of weak suites that it takes.
    :ivar problem: why suites are not known.
    """

    versions: dict[int, Answer] = field(default_factory=dict)
    suites: list[str] = field(default_factory=list)
    problem: str = ""


def inspect_tls(endpoints: Sequence[Endpoint], *, timeout_seconds: float, concurrency: int) -> tuple[list[Finding], dict[str, Any]]:
    """Return what is found, and what each server takes."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(endpoints)):
        waiting.put(index)
    answers = [Offered() for _endpoint in endpoints]

    def work() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                answers[index] = ask(endpoints[index], timeout_seconds)
            except Exception as exc:  # whatever it is, the other servers must keep their answers
                answers[index] = Offered({TLS12: f"{type(exc).__name__}: {exc}"})

    threads = [threading.Thread(target=work, daemon=True) for _number in range(min(concurrency, len(endpoints)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    findings = [finding for endpoint, offered in zip(endpoints, answers) for finding in judge_server(str(endpoint), offered)]
    details = [
        {"endpoint": str(endpoint), "versions": [NAMES[one] for one, answer in offered.versions.items() if answer is True], "suites": offered.suites}
        for endpoint, offered in zip(endpoints[:200], answers)
    ]
    return findings, {"endpoints": details}


def ask(endpoint: Endpoint, timeout_seconds: float) -> Offered:
    """Ask a server for each version, then for weak suites until it takes none."""
    offered = Offered()
    # First what it will have: a server that is down is not asked five times.
    for version in (TLS13, TLS12, TLS11, TLS10, SSL3):
        answer = _try(endpoint, version, usual_suites(version), timeout_seconds)
        taken = isinstance(answer, Chosen) and answer.version == version
        offered.versions[version] = answer if isinstance(answer, str) else taken
        if version == TLS12 and all(isinstance(one, str) for one in offered.versions.values()):
            return offered
    # A suite of TLS 1.3 is never weak.
    older = [version for version in (TLS12, TLS11, TLS10) if offered.versions[version] is True]
    kinds = dict(WEAK_SUITES)
    while older and kinds:
        answer = _try(endpoint, older[0], [suite for suites in kinds.values() for suite in suites], timeout_seconds)
        if isinstance(answer, str):
            offered.problem = answer
            break
        kind = next((kind for kind, suites in kinds.items() if answer is not None and answer.suite in suites), None)
        if kind is None:
            break
        del kinds[kind]
        offered.suites = [one for one in WEAK_SUITES if one not in kinds]
    return offered


def _try(endpoint: Endpoint, version: int, suites: Sequence[int], timeout_seconds: float) -> Chosen | None | str:
    """Return what the server chose, None when it refused, or why neither is known."""
    deadline = Deadline(timeout_seconds)
    try:
        connection = connect(endpoint.host, endpoint.port, deadline)
        try:
            stream = Stream(connection, deadline)
            if endpoint.starttls:
                start_tls(stream, endpoint.starttls)
            name = None if is_literal(endpoint.name) else endpoint.name
            stream.send(client_hello(version, suites, name))
            return read_answer(stream)
        finally:
            connection.close()
    except Broken as exc:
        return str(exc)
    except Unchecked as exc:
        return f"could not be asked: {exc}"
    except UnicodeError:
        return "could not be asked: its name is none"


def judge_server(subject: str, offered: Offered) -> list[Finding]:
    """Return the findings about one server."""
    reasons = [answer for answer in offered.versions.values() if isinstance(answer, str)]
    taken = [version for version, answer in offered.versions.items() if answer is True]
    if not taken:
        why = reasons[0] if reasons else "refuses every version of TLS"
        return [unseen("tls", subject, f"{subject} {why}.", _SERVER_HINT)]
    findings = []
    for version, rule in OLD.items():
        answer = offered.versions.get(version, False)
        if isinstance(answer, str):
            text = f"Whether {subject} takes {NAMES[version]} is not known: it {answer}."
            findings.append(unseen("tls", f"{subject} {NAMES[version]}", text, _SERVER_HINT))
        elif answer:
            findings.append(found(rule, f"{subject} {NAMES[version]}", f"{subject} takes {NAMES[version]}: {rule.why}.", value=NAMES[version]))
    if TLS12 not in taken and TLS13 not in taken:
        findings.append(found(MODERN, subject, f"{subject} takes neither TLS 1.2 nor TLS 1.3: {MODERN.why}."))
    for rule, broken in ((BROKEN_SUITES, True), (WEAK, False)):
        weak = [kind for kind in offered.suites if (kind in _BROKEN_KINDS) is broken]
        if weak:
            text = f"{subject} takes suites {listed(weak, 'and')}: {rule.why}."
            findings.append(found(rule, f"{subject} {'broken' if broken else 'weak'} suites", text, value=", ".join(weak)))
    if offered.problem:
        findings.append(unseen("tls", f"{subject} suites", f"Whether {subject} takes weak suites is not known: it {offered.problem}.", _SERVER_HINT))
    names = listed([NAMES[version] for version in sorted(taken)], "and")
    return findings or [in_order(MODERN, subject, f"{subject} takes {names} and nothing that is weak.", value=names)]
