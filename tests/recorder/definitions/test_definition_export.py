"""A definitions file that was written says what was written."""

from pathlib import Path

import pytest

from recorder.definitions.export import write_definition_file
from recorder.definitions.file import read_definition_file
from recorder.errors import UsageError
from simulator.parameter_map import definitions_path


def test_the_simulators_map_comes_back_unchanged(tmp_path: Path) -> None:
    """Every field of every parameter, also those without an address."""
    definitions = read_definition_file(definitions_path()).definitions
    changed = definitions[0].model_copy(update={"sentinels": (-999.9, 32766.0), "offset": -17.77777777777778})
    written = (changed, *definitions[1:])
    write_definition_file(tmp_path / "out.csv", written)
    assert read_definition_file(tmp_path / "out.csv").definitions == written


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One line says which file and why."""
    with pytest.raises(UsageError, match=r"missing/out.csv: cannot be written: No such file"):
        write_definition_file(tmp_path / "missing" / "out.csv", ())
