"""What the configuration of a device says about its requests."""

from pathlib import Path

import pytest

from hal.limits import AddressRange
from hal.parameter import RegisterKind
from recorder.acquisition.setup import plan_limits
from recorder.config.file import load
from recorder.errors import ConfigurationError


def test_forbidden_ranges_and_one_register_image_reach_the_plan(tmp_path: Path) -> None:
    """As they are written."""
    file = tmp_path / "config.toml"
    file.write_text('[devices.plc]\nforbidden = ["holding_register 100..109", "coil 5"]\none_register_image = true\n')
    limits = plan_limits(load(file).devices["plc"])
    assert limits.forbidden == (
        AddressRange(kind=RegisterKind.HOLDING_REGISTER, first=100, last=109),
        AddressRange(kind=RegisterKind.COIL, first=5, last=5),
    )
    assert limits.one_register_image


def test_a_forbidden_range_that_is_none_names_the_field(tmp_path: Path) -> None:
    """And what to write instead."""
    file = tmp_path / "config.toml"
    file.write_text('[devices.plc]\nforbidden = ["40100 to 40109"]\n')
    with pytest.raises(ConfigurationError, match=r"devices\.plc\.forbidden.*holding_register 100\.\.109"):
        load(file)
