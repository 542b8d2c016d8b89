"""What the gates look at: the files of this checkout, read as data."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
FQCN = "upkeep.runbook"

PLAYBOOKS = sorted(path for path in (CHECKOUT / "playbooks").glob("*.yml") if not path.name.endswith(".meta.yml"))
ROLES = sorted(path for path in (CHECKOUT / "roles").iterdir() if path.is_dir())


def tool(name: str) -> str:
    """Return the path of a program of the virtual environment that runs the tests."""
    return str(Path(sys.executable).parent / name)


def plugin_names(kind: str) -> list[str]:
    """Return the names of the plugins of a kind, such as ``modules`` or ``filter``."""
    return sorted(path.stem for path in (CHECKOUT / "plugins" / kind).glob("*.py"))


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; None when there is none."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def role_options(role: Path) -> dict[str, dict[str, Any]]:
    """Return the options of a role's argument spec by name."""
    specs = read_yaml(role / "meta" / "argument_specs.yml")
    return specs["argument_specs"]["main"].get("options", {})


def role_text(role: Path) -> str:
    """Return all YAML and templates of a role as one text."""
    files = sorted(path for path in role.rglob("*") if path.is_file() and path.suffix in (".yml", ".j2"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def roles_of(play: dict[str, Any]) -> list[str]:
    """Return the short names of the roles of a play, in order."""
    names = [entry if isinstance(entry, str) else entry["role"] for entry in play.get("roles", [])]
    return [name.removeprefix(f"{FQCN}.") for name in names]


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return the files that git tracks or would track."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT, check=True, capture_output=True,
    ).stdout.decode()
    return tuple(path for name in listing.split("\0") if name and ((path := CHECKOUT / name).is_file() or path.is_symlink()))
