"""ansible-doc renders every module, role and filter, and each page has what a reader looks for."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from checkout import CHECKOUT, FQCN, ROLES, plugin_names, tool

pytestmark = pytest.mark.documentation

PROMISES = {"check_mode", "diff_mode", "idempotent"}


def render(kind: str, names: list[str]) -> dict[str, Any]:
    full = [f"{FQCN}.{name}" for name in names]
    command = [tool("ansible-doc"), "--type", kind, *full]
    # As a person reads it: rendering fails on markup that JSON lets through.
    text = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert text.returncode == 0, text.stderr
    done = subprocess.run([*command, "--json"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = json.loads(done.stdout)
    assert sorted(pages) == sorted(full), done.stderr
    return {name.removeprefix(f"{FQCN}."): page for name, page in pages.items()}


@pytest.fixture(scope="module")
def modules() -> dict[str, Any]:
    return render("module", plugin_names("modules"))


@pytest.fixture(scope="module")
def filters() -> dict[str, Any]:
    return render("filter", plugin_names("filter"))


@pytest.fixture(scope="module")
def roles() -> dict[str, Any]:
    return render("role", [role.name for role in ROLES])


def undescribed(options: dict[str, Any], nested: str) -> list[str]:
    """Return the options, suboptions included, that say nothing about themselves."""
    names = [name for name, option in options.items() if not option.get("description")]
    for name, option in options.items():
        names += [f"{name}.{inner}" for inner in undescribed(option.get(nested) or {}, nested)]
    return names


@pytest.mark.parametrize("name", plugin_names("modules"))
def test_a_module_page_is_complete(name: str, modules: dict[str, Any]) -> None:
    page = modules[name]
    assert page["doc"]["short_description"] and page["doc"]["description"] and page["doc"]["version_added"]
    assert page["examples"] and f"{FQCN}.{name}:" in page["examples"]
    assert page["return"]
    attributes = page["doc"].get("attributes", {})
    assert attributes.keys() >= ({"check_mode", "diff_mode"} if "action" in attributes else PROMISES | {"platform"})
    assert undescribed(page["doc"]["options"], "suboptions") == []
    assert undescribed(page["return"], "contains") == []


@pytest.mark.parametrize("name", plugin_names("filter"))
def test_a_filter_page_is_complete(name: str, filters: dict[str, Any]) -> None:
    page = filters[name]
    assert page["doc"]["short_description"] and page["doc"]["description"] and page["doc"]["version_added"]
    assert page["examples"] and f"{FQCN}.{name}" in page["examples"]
    assert page["return"]["_value"]["description"]
    assert undescribed(page["doc"]["options"], "suboptions") == []


@pytest.mark.parametrize("name", [role.name for role in ROLES])
def test_a_role_page_is_complete(name: str, roles: dict[str, Any]) -> None:
    entry = roles[name]["entry_points"]["main"]
    assert entry["short_description"] and entry["description"]
    # Attributes of a role are deprecated in core 2.19 and not shown by later ones, so the description says it.
    said = " ".join(entry["description"]).lower()
    assert "check mode" in said and "diff mode" in said or entry.get("attributes", {}).keys() >= PROMISES
    assert undescribed(entry.get("options", {}), "options") == []
