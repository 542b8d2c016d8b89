"""Pressure of the kernel: which line and which average is graded, and a kernel without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles, Unmeasurable
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.pressure import parse_pressure, pressure_metrics

TEXT = """some avg10=1.00 avg60=20.04 avg300=3.00 total=7566247
full avg10=4.00 avg60=50.06 avg300=6.00 total=12
"""


def host(root: Path, **files: str) -> HostFiles:
    for path, text in files.items():
        target = root / path.replace("__", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return HostFiles(str(root))


@pytest.mark.parametrize(
    ("resource", "graded"), [("cpu", ("some", 20.0)), ("memory", ("full", 50.1)), ("io", ("full", 50.1))]
)
def test_what_is_graded(tmp_path: Path, resource: str, graded: tuple) -> None:
    metrics = pressure_metrics(host(tmp_path, **{f"proc__pressure__{resource}": TEXT}), resource, in_cgroup=False)
    assert (metrics["graded"], metrics["graded_percent"]) == graded
    assert metrics["some"] == {"avg10": 1.0, "avg60": 20.04, "avg300": 3.0}
    assert metrics["scope"] == "host"


def test_an_old_kernel_has_no_full_line_for_processors() -> None:
    assert list(parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")) == ["some"]


def test_a_container_has_its_own_pressure(tmp_path: Path) -> None:
    name = "sys__fs__cgroup__memory.pressure"
    files = host(tmp_path, proc__pressure__memory=TEXT, **{name: TEXT.replace("50.06", "7.00")})
    assert pressure_metrics(files, "memory", in_cgroup=True)["graded_percent"] == 7.0
    assert pressure_metrics(files, "memory", in_cgroup=False)["graded_percent"] == 50.1


def test_a_container_without_one_shows_the_pressure_of_the_host(tmp_path: Path) -> None:
    metrics = pressure_metrics(host(tmp_path, proc__pressure__io=TEXT), "io", in_cgroup=True)
    assert (metrics["scope"], metrics["graded_percent"]) == ("host", 50.1)


def test_a_kernel_that_does_not_count_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="psi=1"):
        pressure_metrics(HostFiles(str(tmp_path)), "cpu", in_cgroup=False)


@pytest.mark.parametrize("text", ["", "some avg10", "full avg10=1 avg60=1", "some avg60=x"])
def test_garbage_is_no_pressure(text: str) -> None:
    with pytest.raises(Unmeasurable):
        parse_pressure(text)
