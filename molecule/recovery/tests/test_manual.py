"""What the script of the manual left is restored too, although its archives lie in an archive and nothing says what they hold."""

from __future__ import annotations

from breaking import BACKUPS
from containers import Container
from states import tree
from upkeep_run import run_module

TARGET = "/opt/from_the_manual"
#: The script packs the parts that it knows; npm can fetch the packages.
PARTS = ("services", "libs", "scripts", "dist", "package.json", "package-lock.json", ".env")


def test_application_of_the_manuals_backup_is_restored(app: Container) -> None:
    newest = app.sh(f"ls {BACKUPS}/comprehensive_backup_*.tar.gz | tail -n 1").strip()
    app.sh(f"mkdir /opt/expected && tar -xzf {newest} -C /opt/expected --strip-components 1 && mkdir {TARGET}.expected")
    app.sh(f"tar -xzf /opt/expected/application.tar.gz -C {TARGET}.expected")
    options = {"path": newest, "target": [TARGET], "inside": "*/application.tar.gz", "manifest": "optional"}
    try:
        result = run_module("nsfx-app-1", "backup_restore", options)
        assert result["changed"] is True, result
        restored, expected = tree(app, TARGET), tree(app, f"{TARGET}.expected")
        assert set(restored) >= {f"/{part}" for part in PARTS}
        assert {path: about for path, about in restored.items() if path} == {path: about for path, about in expected.items() if path}
    finally:
        app.sh(f"rm -rf {TARGET} {TARGET}.expected /opt/expected /opt/.upkeep-restore-*")
