"""Refused addresses outlive the program."""

from pathlib import Path

import pytest

from hal.hole import Hole, HoleSort
from hal.parameter import RegisterKind
from recorder.acquisition.hole_file import HoleFile


def hole(address: int, sort: HoleSort = HoleSort.PARAMETER) -> Hole:
    """A refused holding register."""
    kind = RegisterKind.HOLDING_REGISTER
    return Hole(kind=kind, first=address, last=address, sort=sort, asked_first=address, asked_last=address)


def test_what_was_kept_is_known_after_a_restart(tmp_path: Path) -> None:
    """Each device its own."""
    path = tmp_path / "holes.json"
    HoleFile(path).replace("plc", [hole(3), hole(9, HoleSort.BOUNDARY)])
    HoleFile(path).replace("gauge", [hole(5)])
    again = HoleFile(path)
    assert again.of("plc") == (hole(3), hole(9, HoleSort.BOUNDARY))
    assert again.of("gauge") == (hole(5),)
    assert again.of("other") == ()


def test_a_change_says_what_is_new_and_what_is_gone(tmp_path: Path) -> None:
    """For the log and the events."""
    file = HoleFile(tmp_path / "holes.json")
    assert file.replace("plc", [hole(3)]) == ([hole(3)], [])
    assert file.replace("plc", [hole(4)]) == ([hole(4)], [hole(3)])
    assert file.replace("plc", []) == ([], [hole(4)])


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"plc": 1}', '{"plc": [1]}', '{"plc": [{"sort": "gap"}]}', '{"plc": [{"first": 70000}]}'],
)
def test_a_damaged_file_counts_as_empty(tmp_path: Path, content: str) -> None:
    """It stops no start: what it said is found out again."""
    path = tmp_path / "holes.json"
    path.write_text(content)
    assert HoleFile(path).of("plc") == ()
    HoleFile(path).replace("plc", [hole(3)])
    assert HoleFile(path).of("plc") == (hole(3),)
