"""Blocks hold whole lines and nothing twice, whatever the chunks and lines are."""

from __future__ import annotations

import random

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.blocks import MAX_LINE_BYTES, LineFigures, blocks_of


def chunks_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
@pytest.mark.parametrize("take_unended", [False, True])
def test_whole_lines_come_out_as_they_went_in(size: int, take_unended: bool) -> None:
    chance = random.Random(size)
    data = b"".join(b"x" * chance.randrange(40) + b"\n" for _line in range(200)) + b"not ended"
    blocks = list(blocks_of(chunks_of(data, size), 100, LineFigures(), take_unended=take_unended))
    whole = data + b"\n" if take_unended else data[: -len(b"not ended")]
    assert b"".join(block.data for block in blocks) == whole
    assert all(block.data.endswith(b"\n") for block in blocks)
    assert blocks[-1].end == 100 + (len(data) if take_unended else len(data) - len(b"not ended"))


@pytest.mark.parametrize("size", [1000, 65536, 10**7])
def test_a_line_without_end_is_cut_counted_and_forgotten(size: int) -> None:
    long = b"L" * (3 * MAX_LINE_BYTES)
    data = b"before\n" + long + b"\nbetween\n" + long + b"\nafter\n"
    figures = LineFigures()
    blocks = list(blocks_of(chunks_of(data, size), 0, figures, take_unended=False))
    lines = b"".join(block.data for block in blocks).split(b"\n")[:-1]
    assert [line[:7] for line in lines] == [b"before", b"LLLLLLL", b"between", b"LLLLLLL", b"after"]
    assert [len(line) for line in lines if line.startswith(b"L")] == [MAX_LINE_BYTES] * 2
    assert figures.cut_lines == 2 and blocks[-1].end == len(data)


def test_a_long_line_that_is_not_ended_is_left_where_it_begins() -> None:
    data = b"before\n" + b"L" * (4 * MAX_LINE_BYTES)
    (block,) = blocks_of(chunks_of(data, 50_000), 0, LineFigures(), take_unended=False)
    assert block.end == len(b"before\n")


def test_a_line_as_long_as_is_kept_is_whole() -> None:
    figures = LineFigures()
    data = b"x" * MAX_LINE_BYTES + b"\n" + b"y" * (MAX_LINE_BYTES + 1) + b"\n"
    lines = b"".join(block.data for block in blocks_of([data], 0, figures, take_unended=False)).split(b"\n")
    assert [len(line) for line in lines] == [MAX_LINE_BYTES, MAX_LINE_BYTES, 0] and figures.cut_lines == 1


def test_a_hole_is_passed_over() -> None:
    figures = LineFigures()
    blocks = list(blocks_of([b"\0" * 5000, b"\0" * 10 + b"ERROR x\n"], 0, figures, take_unended=False))
    assert blocks[-1].data == b"ERROR x\n" and blocks[-1].end == 5018 and figures.nul_bytes == 5010


@pytest.mark.parametrize("size", [1, 1000, 65536, 10**7])
def test_a_hole_in_the_middle_hides_no_line(size: int) -> None:
    """After a power cut a log may hold zeros, behind which the next line begins."""
    figures = LineFigures()
    data = b"before\n" + b"\0" * 200_000 + b"ERROR x\n\0\0ERROR y\nhalf\0\n"
    blocks = list(blocks_of(chunks_of(data, size), 0, figures, take_unended=False))
    assert b"".join(block.data for block in blocks) == b"before\nERROR x\nERROR y\nhalf\0\n"
    assert blocks[-1].end == len(data) and (figures.nul_bytes, figures.cut_lines) == (200_002, 0)
