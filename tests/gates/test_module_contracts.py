"""What a module documents is what it takes, and every module can be addressed through the action group."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
from typing import Any

import pytest
from checkout import CHECKOUT, FQCN, plugin_names, read_yaml, tool

MODULES = plugin_names("modules")
ACTIONS = plugin_names("action")


@pytest.fixture(scope="session")
def documented() -> dict[str, Any]:
    names = [f"{FQCN}.{name}" for name in MODULES]
    done = subprocess.run([tool("ansible-doc"), "--json", *names], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    return {name.removeprefix(f"{FQCN}."): page["doc"]["options"] for name, page in json.loads(done.stdout).items()}


def promises(options: dict[str, Any], nested: str) -> dict[str, Any]:
    """Return what of each option must be equal in documentation and code, suboptions included."""
    return {
        name: {
            "type": option.get("type", "str"),
            "required": bool(option.get("required", False)),
            "default": option.get("default"),
            "choices": list(option.get("choices") or []),
            "elements": option.get("elements"),
            "aliases": sorted(option.get("aliases") or []),
            "suboptions": promises(option.get(nested) or {}, nested),
        }
        for name, option in options.items()
    }


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ACTIONS])
def test_the_documented_options_are_those_of_the_argument_spec(name: str, documented: dict[str, Any]) -> None:
    module = importlib.import_module(f"ansible_collections.{FQCN}.plugins.modules.{name}")
    pages, code = promises(documented[name], "suboptions"), promises(module.argument_spec(), "options")
    assert pages == code


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_plugin_is_documented_by_a_module_without_code(name: str) -> None:
    assert name in MODULES
    text = (CHECKOUT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
    assert "def main" not in text


def test_every_module_is_in_the_action_group() -> None:
    assert read_yaml(CHECKOUT / "meta" / "runtime.yml")["action_groups"] == {"upkeep": MODULES}


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ACTIONS])
def test_a_module_ends_in_one_place(name: str) -> None:
    """Only main() answers, and the knowledge is in module_utils, where it is tested without a module."""
    text = (CHECKOUT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
    before, main = text.split("\ndef main() -> None:\n")
    assert not re.search(r"\bmodule\.(exit|fail)_json\(", before)
    assert main.count("module.exit_json(") == 1
    assert len(main.split("\n\n\n")[0].splitlines()) <= 25
