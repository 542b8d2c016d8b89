"""Certificates, logs, dependencies and backups go wrong in two waves: each thing is one row, and people hear of it once.

A host of the platform keeps the reports here and tells people, as it would for a controller that is thrown away after each
run. The four runs follow each other; what a run told is part of what the next one says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest
from breaking import (
    BACKUPS,
    LIVE,
    SITE,
    advisory,
    another_certificate,
    file,
    mode,
    newest_backup,
    no_backup_for_days,
    registry_fault,
    renewed_certificate,
    sink_fault,
)
from containers import Container
from messages import Mail, chat, forget, mails
from upkeep_run import DESCRIPTION, FAILED, REPORTS_ON_HOST, Run, run_and_tell

APP, SECOND = "nsfx-app-1", "nsfx-app-2"
OPERATIONS, SECURITY, OWNER = (f"{name}@neurosensefx.example" for name in ("operations", "security", "owner"))
SITE_FILE = f"{LIVE}/{SITE}/fullchain.pem"
ROOT, BACKEND, LIBRARY = "/opt/neurosensefx", "/opt/neurosensefx/services/tick-backend", "/opt/neurosensefx/libs/cTrader-Layer"
LOGS = "/opt/neurosensefx/logs"
TWICE = "/etc/logrotate.d/neurosensefx"
GROUP_OF_BACKUPS = f"{BACKUPS}/comprehensive_backup_*.tar.gz"
#: What the script of the manual makes, one archive with two others inside: here it is the one that makes the backups.
BY_THE_MANUAL = {
    "pattern": "comprehensive_backup_*.tar.gz",
    "require": ["*/application.tar.gz/package.json", "*/config.tar.gz/nginx.conf", "*/metadata.json"],
}
SECRETS = ("knows-nothing-else", "8f14e45f")

VULNERABLE = {
    "package": "ws",
    "id": 1098392,
    "ghsa": "GHSA-3h5v-q93c-6h6q",
    "title": "ws affected by a DoS when handling a request with many HTTP headers",
    "severity": "high",
    "vulnerable_versions": "<8.18.1",
    "patched_versions": ">=8.18.1",
}

#: (host, check, subject, status) of each thing that the first wave breaks, and what its summary must say.
FIRST_WAVE = {
    (APP, "certificate.expiry", f"{LIVE}/soon.example/fullchain.pem", "critical"): "expires in 3 days",
    (APP, "certificate.expiry", f"{LIVE}/expired.example/fullchain.pem", "critical"): "expired 12",
    (APP, "certificate.key_match", f"{LIVE}/mixed.example/privkey.pem", "critical"): "does not belong to",
    (APP, "certificate.served", f"{SITE_FILE} at {SITE}:443", "warning"): f"does not serve the certificate in {SITE_FILE}",
    (APP, "log.rotation", f"{LOGS}/backend.log", "warning"): "its folder may be written by others",
    (APP, "log.rotation", f"{LOGS}/frontend.log", "warning"): "its folder may be written by others",
    (SECOND, "log.system_rotation", "/etc/logrotate.conf", "warning"): "bad rotation count 'many'",
    (SECOND, "integrity.files", "/etc/logrotate.d/broken", "critical"): "is new",
    (SECOND, "port.missing", "tcp 127.0.0.1:4873", "warning"): "nobody listens there now",
    (APP, "dependency.audit", BACKEND, "warning"): "1 high",
    (SECOND, "dependency.audit", ROOT, "unknown"): "ECONNREFUSED",
    (SECOND, "dependency.audit", BACKEND, "unknown"): "ECONNREFUSED",
    (SECOND, "dependency.audit", LIBRARY, "unknown"): "ECONNREFUSED",
    (APP, "backup.age", GROUP_OF_BACKUPS, "critical"): "the limit is 26 h",
    (APP, "backup.readable", GROUP_OF_BACKUPS, "critical"): "application.tar.gz inside it is cut off",
}

SECOND_WAVE = {
    (APP, "log.rotation", f"{LOGS}/backend.log", "warning"): "(node server.js) still writes to an archive",
    (APP, "log.rotation", f"{LOGS}/frontend.log", "warning"): "(node preview.js) still writes to an archive",
    (APP, "log.managed_twice", f"{TWICE}: {LOGS}/backend.log", "warning"): f"{TWICE} rotates {LOGS}/backend.log too",
    (APP, "integrity.files", TWICE, "critical"): "is new",
    (APP, "dependency.audit", ROOT, "unknown"): "405",
    (APP, "dependency.audit", BACKEND, "unknown"): "405",
    (APP, "dependency.audit", LIBRARY, "unknown"): "405",
    (APP, "backup.shrink", GROUP_OF_BACKUPS, "warning"): "the limit is 50 %",
    (APP, "backup.content", GROUP_OF_BACKUPS, "critical"): "*/application.tar.gz/package.json",
}


@dataclass(frozen=True)
class Told:
    """A run and what people were told by it."""

    run: Run
    mails: list[Mail]
    chat: list[str]

    def mail_to(self, address: str) -> Mail:
        """The one mail that this address got."""
        (found,) = (mail for mail in self.mails if address in mail.to)
        return found

    def addresses(self) -> set[str]:
        """Everybody who got a mail."""
        return {address for mail in self.mails for address in mail.to}


def description() -> dict[str, object]:
    """The platform, whose second administrator is told by chat instead of by the mail server that may be down, and whose backups
    the script of the manual makes, which dumps no databases."""
    platform = {key: about for key, about in deepcopy(DESCRIPTION).items() if key not in ("databases", "caches")}
    platform["backup"] = {**{key: about for key, about in platform["backup"].items() if key != "drill"}, **BY_THE_MANUAL}
    (backup_administrator,) = (contact for contact in platform["contacts"] if contact["role"] == "backup_administrator")
    backup_administrator["channels"] = [{"type": "webhook", "name": "ops_chat"}]
    return platform


def daily(host: Container, **variables: object) -> Told:
    """Run the daily playbook with the reports on a host, and collect what it told."""
    forget(host)
    run = run_and_tell("daily", host, "-e", json.dumps({"upkeep_platform": description(), **variables}))
    return Told(run, mails(host), chat(host))


@contextmanager
def all_of(*broken: object) -> Iterator[None]:
    """Break several things at once."""
    with ExitStack() as stack:
        for one in broken:
            stack.enter_context(one)
        yield


def lines_written(host: Container, log: str, since: str, number: str) -> list[int]:
    """The numbers of the lines that a service wrote since a time, in all archives of its log and in the log.

    :param number: an awk expression for the number of a line, 0 in a line that is not numbered.
    """
    program = f"$1 >= since {{ number = {number}; if (number > 0) print number }}"
    return [int(line) for line in host.sh(f"cd {LOGS} && zcat -f {log}* | awk -v since={since} '{program}'").split()]


@pytest.fixture(scope="module")
def began(app: Container) -> str:
    """When the day began, as the logs write it."""
    return app.sh("date --utc +%Y-%m-%dT%H:%M:%S.%3NZ").strip()


@pytest.fixture(scope="module")
def first_wave(app: Container, second: Container, began: str) -> tuple[Told, Told]:
    """The run that finds the first wave, and one that finds it again."""
    app.sh(f"rm -rf {REPORTS_ON_HOST}")
    with all_of(
        another_certificate(app, "soon.example", certificate="ends_in_3_days", key="ends_in_3_days"),
        another_certificate(app, "expired.example", certificate="expired", key="expired"),
        another_certificate(app, "mixed.example", certificate="renewed", key="expired"),
        renewed_certificate(app),
        mode(app, LOGS, "0777", usual="0755"),
        file(second, "/etc/logrotate.d/broken", "/var/log/nginx/error.log {\n  rotate many\n}\n"),
        advisory(app, **VULNERABLE),
        second.stopped("registry-standin"),
        no_backup_for_days(app, 2),
        newest_backup(app, "truncate --size=-100 application.tar.gz"),
    ):
        # Nobody waits for a registry that refuses the connection; how often one asks again is tried elsewhere.
        return daily(app, dependencies_retries=0), daily(app, dependencies_retries=0)


@pytest.fixture(scope="module")
def second_wave(app: Container, first_wave: object) -> Told:
    """The first wave is mended, other things are broken, one of them is known, and the mail server is down."""
    known = {
        "id": "shrunk",
        "check": "backup.shrink",
        "until": (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": "The logs were removed from the backup.",
    }
    with all_of(
        # The logs are due again; their writers do not leave them.
        app.faults(ignore_reopen=True),
        file(app, TWICE, f"{LOGS}/backend.log {{\n  weekly\n}}\n"),
        registry_fault(app, "405"),
        newest_backup(app, "rm *.log application.tar.gz"),
        sink_fault(app, "mail", "refuse"),
    ):
        return daily(app, upkeep_silences=[known], logs_min_age_hours=0, logs_wait_seconds=2)


@pytest.fixture(scope="module")
def mended(app: Container, second_wave: object) -> Told:
    """Everything is as before."""
    return daily(app)


def test_first_wave_and_nothing_else_is_found(first_wave: tuple[Told, Told]) -> None:
    for told in first_wave:
        assert (told.run.problems(), told.run.health, told.run.status) == (set(FIRST_WAVE), "UNHEALTHY", FAILED), told.run.output


@pytest.mark.parametrize("problem", FIRST_WAVE, ids="{0[0]} {0[1]} {0[2]}".format)
def test_first_wave_is_said_in_words(first_wave: tuple[Told, Told], problem: tuple[str, str, str, str]) -> None:
    _host, check, subject, _status = problem
    assert FIRST_WAVE[problem] in first_wave[0].run.summary(check, subject)


def test_operations_hear_of_everything_in_one_mail(first_wave: tuple[Told, Told]) -> None:
    mail = first_wave[0].mail_to(OPERATIONS)
    assert "UNHEALTHY" in mail.subject
    for host, check, subject, _status in FIRST_WAVE:
        assert f"{host} {check} {subject}" in mail.text
    assert first_wave[0].chat == [], "the first contact was told"


def test_others_hear_of_what_concerns_them(first_wave: tuple[Told, Told]) -> None:
    assert first_wave[0].addresses() == {OPERATIONS, SECURITY, OWNER}
    security, owner = first_wave[0].mail_to(SECURITY).text, first_wave[0].mail_to(OWNER).text
    assert ("certificate.expiry" in security, "dependency.audit" in security, "backup.age" in security) == (True, True, False)
    assert ("certificate.expiry" in owner, "dependency.audit" in owner, "backup.age" in owner) == (True, False, True)


def test_mail_is_encrypted_and_its_sender_known(first_wave: tuple[Told, Told]) -> None:
    assert {(mail.tls, mail.user) for mail in first_wave[0].mails} == {(True, "upkeep")}


def test_unchanged_problems_are_not_told_again(first_wave: tuple[Told, Told]) -> None:
    assert (first_wave[1].mails, first_wave[1].chat) == ([], [])


def test_second_wave_and_the_mail_server_are_found(second_wave: Told) -> None:
    silenced = {problem for problem in SECOND_WAVE if problem[1] == "backup.shrink"}
    failed = {(APP, "notify.channel", f"mail {address}", "critical") for address in (SECURITY, OWNER)}
    failed.add((APP, "notify.channel", f"mail {OPERATIONS}", "warning"))
    expected = set(SECOND_WAVE) - silenced | failed
    assert (second_wave.run.problems(), second_wave.run.health, second_wave.run.status) == (expected, "UNHEALTHY", FAILED), (
        second_wave.run.output
    )


@pytest.mark.parametrize("problem", SECOND_WAVE, ids="{0[0]} {0[1]} {0[2]}".format)
def test_second_wave_is_said_in_words(second_wave: Told, problem: tuple[str, str, str, str]) -> None:
    _host, check, subject, _status = problem
    assert SECOND_WAVE[problem] in second_wave.run.summary(check, subject)


def test_silenced_problem_stays_in_the_record(second_wave: Told) -> None:
    silenced = {(found.check, found.status) for found in second_wave.run.checks() if found.silenced}
    assert silenced == {("backup.shrink", "warning")}


def test_next_contact_is_told_when_the_mail_server_is_down(second_wave: Told) -> None:
    """He hears what is new and what is over, and nothing of what is silenced."""
    (text,) = second_wave.chat
    assert second_wave.mails == []
    assert "backup.content" in text
    assert "405" in text
    assert "backup.shrink" not in text
    assert f"{LIVE}/soon.example/fullchain.pem" in text.partition("*Recovered*")[2]


def test_mended_platform_is_healthy(mended: Told) -> None:
    assert (mended.run.problems(), mended.run.health, mended.run.status) == (set(), "HEALTHY", 0), mended.run.output


def test_everybody_hears_that_it_is_over(mended: Told) -> None:
    assert mended.addresses() == {OPERATIONS, SECURITY, OWNER}
    for address in mended.addresses():
        assert "RECOVERED" in mended.mail_to(address).text
    assert mended.chat == []


@pytest.mark.parametrize(
    ("log", "number"), [("backend.log", '$2 == "tick" ? $3 + 0 : 0'), ("frontend.log", 'index($3, "visit=") ? substr($3, 10) + 0 : 0')]
)
def test_no_line_of_the_day_is_lost(app: Container, began: str, mended: Told, log: str, number: str) -> None:
    """Through a rotation that was refused, one that the writer ignored, and one that ended it."""
    written = lines_written(app, log, began, number)
    assert sorted(written) == list(range(min(written), max(written) + 1))
    assert app.sh(f"find {LOGS} -name '{log}-*' -not -name '*.gz'") == "", "every archive is packed in the end"


def test_secrets_are_nowhere(app: Container, first_wave: tuple[Told, Told], second_wave: Told, mended: Told) -> None:
    reports = app.sh(f"cat $(find {REPORTS_ON_HOST} -type f)")
    for told in (*first_wave, second_wave, mended):
        for secret in SECRETS:
            assert secret not in told.run.output
            assert secret not in json.dumps([mail.text for mail in told.mails] + told.chat)
    for secret in SECRETS:
        assert secret not in reports
