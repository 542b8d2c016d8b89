"""The module as Ansible runs it: refusals in words, secrets hidden, nothing changed, one call for everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.modules import cert_expiry
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.module_options import DEFAULTS
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import present
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

WITHOUT_LIBRARY = """
import sys
sys.modules["cryptography"] = None
"""


def run(before: str = "", **options: Any) -> dict[str, Any]:
    return run_module("cert_expiry", options, before=before)


def test_the_unit_tests_give_what_ansible_gives() -> None:
    spec = cert_expiry.argument_spec()
    assert {name: option.get("default") for name, option in spec.items() if name != "return_all"} == {
        name: value for name, value in DEFAULTS.items() if name != "return_all"
    }
    assert spec["return_all"]["default"] is False


def test_it_looks_and_changes_nothing(tmp_path: Path) -> None:
    path = present("www", days=12.5).write(tmp_path / "a.pem")
    before = sorted((entry.name, entry.stat().st_mtime_ns) for entry in tmp_path.iterdir())
    result = run(paths=[str(tmp_path)], _ansible_check_mode=True)
    assert (result["changed"], result["status"]) == (False, "warning")
    assert [row["subject"] for row in result["checks"] if row["status"] == "warning"] == [path]
    assert 12.4 < result["certificates"][0]["days_left"] < 12.5
    again = run(paths=[str(tmp_path)])
    assert [row["check"] for row in again["checks"]] == [row["check"] for row in result["checks"]]
    assert sorted((entry.name, entry.stat().st_mtime_ns) for entry in tmp_path.iterdir()) == before


def test_wrong_options_are_refused_in_words() -> None:
    result = run(paths=["/a"], warning_days=1)
    assert result["failed"] is True
    assert result["msg"].startswith("warning_days: 1 is less than critical_days, 7")
    assert "exception" not in result
    assert run(endpoints=[{"host": "a", "prot": 1}])["msg"].startswith("endpoints[0].prot is not known")


def test_passphrases_are_hidden() -> None:
    result = run(paths=["/nowhere"], passphrase="hunter-one", passphrases=["hunter-two"])
    assert result["status"] == "unknown"
    assert "hunter" not in json.dumps(result)


def test_without_the_library_it_says_how_to_install_it(tmp_path: Path) -> None:
    path = present().write(tmp_path / "a.pem")
    result = run(WITHOUT_LIBRARY, paths=[path], endpoints=["127.0.0.1:1"])
    assert (result["changed"], result["status"]) == (False, "unknown")
    assert [row["subject"] for row in result["checks"]] == [path, "127.0.0.1:1"]
    assert "python3-cryptography" in result["checks"][0]["hint"]
