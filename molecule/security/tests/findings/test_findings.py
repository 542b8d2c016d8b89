"""What the attacker did is found, on both hosts and by one run of the audit."""

from __future__ import annotations

from upkeep_run import Run


def test_dump(audit: Run) -> None:
    for row in audit.checks():
        if row.status != "ok":
            print(row.host, row.check, row.subject, row.status, row.summary)
    print(audit.output[-3000:])
    assert 0
