"""Which fields of a changed configuration take effect at once; each field is one or the other."""

from pathlib import Path

import pytest

from recorder.config.changes import changes, with_live_fields
from recorder.config.file import Config, load

BEFORE = """
[recorder]
machine = "ALD 7"
[devices.plc]
host = "10.0.0.5"
max_registers = 64
[process]
run_state = "Process/run_state"
"""


def loaded(folder: Path, content: str) -> Config:
    """Load a configuration file with this content."""
    path = folder / "config.toml"
    path.write_text(content, encoding="utf-8")
    return load(path)


@pytest.mark.parametrize(
    ("before", "after", "live", "needs_restart"),
    [
        ("", "", (), ()),
        ("[log]\n", '[log]\nlevel = "debug"\n', ("log.level",), ()),
        ("[log]\n", '[log]\nformat = "json"\n', (), ("log.format",)),
        ("max_registers = 64", "max_registers = 32", ("devices.plc.max_registers",), ()),
        ("10.0.0.5", "10.0.0.6", (), ("devices.plc.host",)),
        ("[process]", "[retention]\ndays = 7\n[process]", ("retention.days",), ()),
        ("[process]", "[set_values]\nttl_s = 7\n[writes]\nenabled = true\n[process]", None, ()),
        ("[process]", '[process]\nrecipe_names = {"1" = "Al2O3"}', ("process.recipe_names",), ()),
        ("run_state =", 'run_counter = "Process/run_counter"\nrun_state =', (), ("process.run_counter",)),
        ("[process]", "[spool]\nmax_mib = 7\n[database]\nschema = 'fab'\n[process]", (), None),
    ],
)
def test_a_changed_field_is_named_and_is_one_or_the_other(
    tmp_path: Path, before: str, after: str, live: tuple[str, ...] | None, needs_restart: tuple[str, ...] | None
) -> None:
    """By its section and name; what waits for a restart is not in force, what does not is."""
    old = loaded(tmp_path, BEFORE + "[log]\n")
    new = loaded(tmp_path, (BEFORE + "[log]\n").replace(before, after))
    found = changes(old, new)
    assert found.live == (("set_values.ttl_s", "writes.enabled") if live is None else live)
    waits = ("database.schema_name", "spool.max_mib") if needs_restart is None else needs_restart
    assert found.needs_restart == waits
    in_force = with_live_fields(old, new)
    assert changes(old, in_force) == changes(old, in_force).__class__(live=found.live, needs_restart=())
    assert changes(in_force, new).live == ()
    assert changes(in_force, new).needs_restart == waits


def test_a_device_that_comes_or_goes_needs_a_restart(tmp_path: Path) -> None:
    """It is named once; what is in force still has it."""
    with_gauge = loaded(tmp_path, BEFORE + "[devices.gauge]\nunit = 3\n")
    without = loaded(tmp_path, BEFORE)
    assert "devices.gauge" in changes(without, with_gauge).needs_restart
    assert "devices.gauge" in changes(with_gauge, without).needs_restart
    assert set(with_live_fields(with_gauge, without).devices) == {"plc", "gauge"}
    assert set(with_live_fields(without, with_gauge).devices) == {"plc"}


def test_a_secret_that_changed_is_named_and_not_shown(tmp_path: Path) -> None:
    """Only names of fields are told."""
    old = loaded(tmp_path, "[database]\ndsn = 'postgresql://a:one@db/ald'\n")
    new = loaded(tmp_path, "[database]\ndsn = 'postgresql://a:two@db/ald'\n")
    assert changes(old, new).needs_restart == ("database.dsn",)
    assert "two" not in repr(changes(old, new))
