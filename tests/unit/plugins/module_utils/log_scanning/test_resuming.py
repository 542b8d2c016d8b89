"""Every line is counted once, whatever happens to the files between two runs."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning import group_scan, reading, resuming
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.files import plain_chunks
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.log_scanning.scanning import Place

#: Enough to tell a copy that is being made from a log that begins alike.
LONG = "INFO a line that makes the beginning of this log one of its own, number {}"


def states(place: Place) -> dict[str, str]:
    return {Path(row["path"]).name: row["state"] for row in place.answer["groups"][0]["files"]}


@pytest.fixture
def begun(place: Place) -> Place:
    """A log with a line that an earlier run has counted."""
    place.write(*[LONG.format(time.time_ns())] * 3, "ERROR first")
    assert place.errors() == 1
    return place


def test_what_was_appended_is_counted_once(begun: Place) -> None:
    assert begun.errors() == 0
    begun.write("ERROR a", "INFO b", "ERROR c")
    assert (begun.errors(), begun.errors()) == (2, 0)


def test_a_line_that_is_not_ended_waits_for_its_end(begun: Place) -> None:
    with begun.log.open("a") as log:
        log.write("ERROR ha")
    assert begun.errors() == 0
    begun.write("lf")
    assert begun.errors() == 1 and begun.answer["matches"][0]["line"] == "ERROR half"


def test_a_line_that_nobody_ends_is_counted_once(begun: Place) -> None:
    with begun.log.open("a") as log:
        log.write("ERROR half")
    os.utime(begun.log, (time.time() - 600, time.time() - 600))
    assert (begun.errors(), begun.errors()) == (1, 0)


def renamed(place: Place) -> None:
    place.log.rename(place.logs / "app.log.1")


def renamed_and_packed(place: Place) -> None:
    renamed(place)
    place.pack(place.logs / "app.log.1")


def packed_twice_removed(place: Place) -> None:
    renamed_and_packed(place)
    (place.logs / "app.log.1.gz").rename(place.logs / "app.log.2.gz")
    place.write("ERROR between, in a log that no run has seen", name="app.log.1")
    place.pack(place.logs / "app.log.1")


def copied_and_truncated(place: Place) -> None:
    shutil.copyfile(place.log, place.logs / "app.log.1")
    os.truncate(place.log, 0)


def copied_packed_and_truncated(place: Place) -> None:
    copied_and_truncated(place)
    place.pack(place.logs / "app.log.1")


def moved_by_log_rotate(place: Place) -> None:
    place.log.rename(place.logs / "app.log-20261122T051023Z-1a2b3c4d")


def dated(place: Place) -> None:
    place.log.rename(place.logs / "app-20261122.log")


def packed_as(suffix: str, pack: Callable[[bytes], bytes]) -> Callable[[Place], None]:
    def rotation(place: Place) -> None:
        (place.logs / f"app.log.1.{suffix}").write_bytes(pack(place.log.read_bytes()))
        place.log.unlink()

    return rotation


def by_zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize(
    ("rotation", "between"),
    [
        (renamed, 0), (renamed_and_packed, 0), (packed_twice_removed, 1), (copied_and_truncated, 0),
        (copied_packed_and_truncated, 0), (moved_by_log_rotate, 0), (dated, 0),
        (packed_as("xz", lzma.compress), 0), (packed_as("bz2", bz2.compress), 0), (packed_as("zst", by_zstd), 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("begin_anew", [True, False])
def test_a_rotation_loses_and_doubles_nothing(begun: Place, rotation: Callable[[Place], None], between: int, begin_anew: bool) -> None:
    begun.write("ERROR before the rotation", "ERROR before the rotation")
    rotation(begun)
    if begin_anew:
        begun.write("ERROR after")
    assert begun.errors() == 2 + between + begin_anew
    assert begun.check("log.readable")["status"] == "ok", begun.answer
    assert begun.errors() == 0
    begun.write("ERROR later")
    assert begun.errors() == 1


def test_the_writer_goes_on_in_the_file_that_was_moved_away(begun: Place) -> None:
    with begun.log.open("a") as log:
        renamed(begun)
        begun.write("ERROR new file")
        assert begun.errors() == 1
        log.write("ERROR old file\n")
    assert begun.errors() == 1


def test_a_copy_of_a_log_is_no_log_of_its_own(begun: Place) -> None:
    shutil.copyfile(begun.log, begun.logs / "app.log.1")
    begun.write("ERROR more")
    assert begun.errors() == 1 and states(begun) == {"app.log": "resumed"}
    assert begun.errors() == 0


def test_a_copy_that_stays_is_remembered_as_one(begun: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copyfile(begun.log, begun.logs / "app.log.1")
    monkeypatch.setattr(resuming, "_MAKING_SECONDS", -1.0)  # nobody writes to it any more
    for _run in range(3):
        begun.write("ERROR more")
        assert begun.errors() == 1


def test_an_archive_beside_the_raw_file_counts_once_and_outlives_it(begun: Place) -> None:
    begun.write("ERROR more")
    renamed(begun)
    raw = begun.logs / "app.log.1"
    (begun.logs / "app.log.1.gz").write_bytes(gzip.compress(raw.read_bytes()))
    assert begun.errors() == 1
    raw.unlink()
    assert begun.errors() == 0 and begun.check("log.readable")["status"] == "ok"


@pytest.mark.parametrize("part", [0.3, 0.6])
def test_a_copy_that_is_being_made_waits(begun: Place, part: float) -> None:
    whole = begun.log.read_bytes() + b"ERROR not read yet\n"
    begun.log.write_bytes(whole)
    copy = begun.logs / "app.log.1"
    copy.write_bytes(whole[: int(len(whole) * part)] if part < 0.5 else gzip.compress(whole)[:40])
    assert begun.errors() == 1
    copy.write_bytes(whole + b"ERROR before the truncation\n")
    begun.log.write_bytes(b"ERROR after\n")
    assert begun.errors() == 2 and begun.errors() == 0


def test_a_truncated_log_is_read_anew_and_said(begun: Place) -> None:
    begun.log.write_text("ERROR\n")
    assert begun.errors() == 1
    row = begun.check("log.readable")
    assert row["status"] == "warning" and "was truncated" in row["summary"]
    assert begun.errors() == 0 and begun.check("log.readable")["status"] == "ok"


def test_a_truncated_log_that_is_longer_now_is_read_anew(begun: Place) -> None:
    size = begun.log.stat().st_size
    begun.log.write_text("ERROR anew\n" * size)
    assert begun.errors() == size and "truncated" in begun.check("log.readable")["summary"]


def test_a_log_that_is_another_file_now(begun: Place) -> None:
    other = begun.write("ERROR other", name="other")
    other.replace(begun.log)
    assert begun.errors() == 1
    row = begun.check("log.readable")
    assert row["status"] == "warning" and "is gone or another file" in row["summary"]


def test_a_log_that_is_gone_is_unknown_and_goes_on_when_it_is_back(begun: Place) -> None:
    away = begun.logs / "elsewhere"
    begun.log.rename(away)
    begun.scan()
    assert begun.check("log.readable")["status"] == "unknown" and "does not exist" in begun.check("log.readable")["summary"]
    assert begun.check("log.errors")["status"] == "unknown", "nobody saw that there are none"
    away.rename(begun.log)
    begun.write("ERROR back")
    assert begun.errors() == 1


def test_a_rotation_while_the_files_are_listed(begun: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    begun.write("ERROR before")
    find, calls = group_scan.find_files, []

    def rotated_behind(paths: list[str]) -> object:
        answer = find(paths)
        if not calls:
            renamed(begun)
            begun.write("ERROR after")
        calls.append(1)
        return answer

    monkeypatch.setattr(group_scan, "find_files", rotated_behind)
    assert begun.errors() == 2 and begun.check("log.readable")["status"] == "ok" and len(calls) == 2


@pytest.mark.parametrize("anew", [0, 3])
def test_a_log_that_is_copied_and_truncated_while_it_is_read(begun: Place, monkeypatch: pytest.MonkeyPatch, anew: int) -> None:
    begun.write(*[f"ERROR a line of some length, number {number}" for number in range(20_000)])

    def meanwhile(*arguments: Any) -> Iterator[bytes]:
        for position, chunk in enumerate(plain_chunks(*arguments)):
            yield chunk
            if not position and not (begun.logs / "app.log.1").exists():
                shutil.copy(begun.log, begun.logs / "app.log.1")
                os.truncate(begun.log, 0)
                begun.write(*["ERROR of after that"] * anew)

    monkeypatch.setattr(reading, "plain_chunks", meanwhile)
    counted = [begun.errors() for _scan in range(4)]
    assert counted[-1] == 0 and sum(counted) == 20_000 + anew


@pytest.mark.parametrize("pack", [False, True])
def test_a_new_log_that_is_rotated_before_it_is_read_waits_for_the_next_run(begun: Place, monkeypatch: pytest.MonkeyPatch, pack: bool) -> None:
    begun.write(LONG.format("new"), "ERROR new", name="new.log")
    groups = [{"name": "app", "paths": [f"{begun.logs}/*.log"]}]
    read = group_scan.read_step

    def rotated_before(step: resuming.Step, course: object) -> object:
        if step.look.found.path.endswith("new.log"):
            os.rename(step.look.found.path, begun.logs / "new.log.1")
            begun.write("INFO fresh", name="new.log")
        return read(step, course)  # type: ignore[arg-type]

    monkeypatch.setattr(group_scan, "read_step", rotated_before)
    assert begun.errors(groups=groups) == 0 and begun.check("log.readable")["status"] == "ok"
    monkeypatch.undo()
    old = time.time() - 60  # from before that run
    os.utime(begun.logs / "new.log.1", (old, old))
    if pack:
        begun.pack(begun.logs / "new.log.1")
    assert begun.errors(groups=groups) == 1
    assert begun.errors(groups=groups) == 0


def test_archives_from_before_are_read_once_by_a_first_look_and_then_never(place: Place) -> None:
    place.pack(place.write("ERROR packed", name="app.log.2"))
    place.write("ERROR rotated", name="app.log.1")
    place.write("ERROR now")
    assert place.errors() == 3
    assert place.errors() == 0
    (place.logs / "app.log.2.gz").unlink()  # too old to be kept
    assert place.errors() == 0 and place.check("log.readable")["status"] == "ok"


def test_since_leaves_out_what_is_older(place: Place) -> None:
    old = time.time() - 3 * 86400
    for path in (place.pack(place.write("ERROR packed", name="app.log.2")), place.write("ERROR rotated", name="app.log.1")):
        os.utime(path, (old, old))
    stamps = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - hours * 3600)) for hours in (30, 5)]
    place.write(*(f"{stamp} ERROR x" for stamp in stamps))
    assert place.errors(since="24h") == 1
    assert place.answer["groups"][0]["minutes"] == 1440.0
    assert place.errors(since="24h") == 0
    place.write("ERROR late", name="app.log.1")
    assert place.errors() == 1, "what is written later to an old file counts"


def test_a_first_look_at_the_end_counts_what_follows(place: Place) -> None:
    place.write("ERROR old")
    place.pack(place.write("ERROR old", name="app.log.1"))
    assert place.errors(since="end") == 0
    place.write("ERROR new")
    assert place.errors(since="end") == 1


def test_a_log_that_is_named_later_is_looked_at_from_since_on(begun: Place) -> None:
    both = [{"name": "app", "paths": [str(begun.log), str(begun.write("ERROR old", name="more.log"))]}]
    assert begun.errors(groups=both, since="end") == 0
    begun.write("ERROR new", name="more.log")
    assert begun.errors(groups=both, since="end") == 1


def test_a_new_log_of_a_wildcard_is_read_from_since_on_and_two_names_are_one_file(begun: Place) -> None:
    groups = [{"name": "app", "paths": [f"{begun.logs}/*.log"]}]
    begun.write("ERROR new", name="new.log")
    os.link(begun.logs / "new.log", begun.logs / "same.log")
    assert begun.errors(groups=groups) == 1
    assert begun.errors(groups=groups) == 0
