"""The configuration: each fault is one line with file and field, and no secret is ever shown."""

import os
from pathlib import Path

import pytest

from recorder.config.file import Config, load
from recorder.errors import ConfigurationError

PROJECT = Path(__file__).parents[3]
DSN = "postgresql://recorder:s3cret@db/ald"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's environment is its own."""
    for name in list(os.environ):
        if name.upper().startswith("ALD_"):
            monkeypatch.delenv(name)


def loaded(folder: Path, content: str) -> Config:
    """Load a configuration file with this content."""
    path = folder / "config.toml"
    path.write_text(content, encoding="utf-8")
    return load(path)


def refused(folder: Path, content: str) -> str:
    """Why a file with this content is refused, without its path."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, content)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder / 'config.toml'}: ")


def test_an_empty_file_has_every_default(tmp_path: Path) -> None:
    """Nothing but a DSN is ever asked for."""
    config = loaded(tmp_path, "")
    assert config.recorder.machine == "ALD tool"
    assert config.recorder.data_directory == tmp_path / "var"
    assert config.control_socket == tmp_path / "var" / "control.sock"
    assert (config.database.schema_name, config.database.pool_min, config.database.pool_max) == ("ald", 5, 20)
    assert config.devices == {}
    with pytest.raises(ConfigurationError, match=r"database\.dsn is empty: set it in config\.toml or as ALD_DATABASE"):
        config.require_dsn()


def test_every_field_of_the_annotated_file_is_known() -> None:
    """The example that users copy is valid."""
    config = load(PROJECT / "config.toml")
    assert config.recorder.data_directory.is_absolute()


def test_a_file_sets_what_it_names(tmp_path: Path) -> None:
    """Sections, devices by name, lists and tables."""
    config = loaded(
        tmp_path,
        f"""
        [recorder]
        machine = "ALD 7"
        number = 12
        data_directory = "data"
        [database]
        dsn = "{DSN}"
        schema = "fab"
        [devices.plc]
        host = "10.0.0.5"
        max_registers = 64
        [devices.gauge_2]
        unit = 3
        [process]
        running_values = [1, 2.5]
        recipe_names = {{"1" = "Al2O3"}}
        [control]
        socket = "run/control.sock"
        """,
    )
    assert (config.recorder.machine, config.recorder.number) == ("ALD 7", 12)
    assert config.recorder.data_directory == tmp_path / "data"
    assert config.require_dsn() == DSN
    assert config.database.schema_name == "fab"
    assert (config.devices["plc"].host, config.devices["plc"].max_registers, config.devices["gauge_2"].unit) == (
        "10.0.0.5",
        64,
        3,
    )
    assert config.process.running_values == (1.0, 2.5)
    assert config.process.recipe_names == {"1": "Al2O3"}
    assert config.control_socket == tmp_path / "run" / "control.sock"


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Daemon and commands mean the same folder wherever they are started; absolute and home paths stay."""
    monkeypatch.setenv("HOME", "/srv/ada")
    folder = tmp_path / "etc"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    (folder / "config.toml").write_text('[recorder]\ndata_directory = "../data"\n[control]\nsocket = "~/c.sock"\n')
    config = load(Path("etc/config.toml"))
    assert config.recorder.data_directory == tmp_path / "data"
    assert config.control_socket == Path("/srv/ada/c.sock")
    assert loaded(tmp_path, '[recorder]\ndata_directory = "/srv/x"').recorder.data_directory == Path("/srv/x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[recorder]\nnumber = 1024", "recorder.number: Input should be less than or equal to 1023 (got 1024)"),
        ("[recorder]\nnumber = 'x'", "recorder.number: Input should be a valid integer"),
        ("[recorder]\nmachine = ''", "recorder.machine: String should have at least 1 character"),
        ("[recorder]\nmachnie = 'x'", "recorder.machnie: there is no such field; see the annotated config.toml"),
        ("[recroder]\nmachine = 'x'", "recroder: there is no such field"),
        ("[database]\npool_min = 30", "database: pool_min 30 is above pool_max 20; lower one"),
        ("[database]\nschema = 'Fab 1'", "database.schema: String should match pattern"),
        ("[devices.plc]\nport = 0", "devices.plc.port: Input should be greater than or equal to 1 (got 0)"),
        ("[devices.plc]\nhots = 'x'", "devices.plc.hots: there is no such field"),
        ("[devices.'a b']\n", "devices: 'a b' is not a device name: use small letters, digits and _"),
        ("[process]\nrunning_values = ['x']", "process.running_values.0: Input should be a valid number"),
        ("[spool]\nmax_mib = 0", "spool.max_mib: Input should be greater than or equal to 1 (got 0)"),
        ("[log]\nlevel = 'loud'", "log.level: Input should be 'debug', 'info', 'warning' or 'error' (got 'loud')"),
        ("[recorder]\nnumber = -1\n[spool]\nmax_mib = 0", "; and 1 more"),
        ("[recorder\nnumber = 1", "not TOML:"),
        ("a = 1\n\n[recorder]\nnumber = = 1", "(at line 4, column 10)"),
    ],
)
def test_a_wrong_field_is_one_line_that_names_it(tmp_path: Path, content: str, message: str) -> None:
    """With what is wrong and what was given."""
    assert message in refused(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        f"database = '{DSN}'",
        f"[database]\ndsn = ['{DSN}']",
        f"[database]\ndsn = '{DSN}'\npool_min = 30",
        f"[database]\ndns = '{DSN}'",
        f"[recorder]\nnumber = '{DSN}'",
    ],
)
def test_a_fault_never_shows_the_password(tmp_path: Path, content: str) -> None:
    """Also where the DSN stands in the wrong place."""
    assert "s3cret" not in refused(tmp_path, content)


def test_the_password_is_hidden_where_the_configuration_is_printed(tmp_path: Path) -> None:
    """In a log or a trace."""
    config = loaded(tmp_path, f"[database]\ndsn = '{DSN}'")
    assert "s3cret" not in repr(config)
    assert "s3cret" not in config.model_dump_json()


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """A folder and a file of another encoding too."""
    with pytest.raises(ConfigurationError, match=r"nothing\.toml: no such file; copy config\.toml and change it"):
        load(tmp_path / "nothing.toml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# \xb0C")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "latin.toml")


def test_without_a_file_the_folder_and_the_environment_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """config.toml of the folder where there is one, else defaults."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALD_RECORDER__MACHINE", "from outside")
    assert load().recorder.data_directory == tmp_path / "var"
    assert load().recorder.machine == "from outside"
    (tmp_path / "config.toml").write_text("[recorder]\nnumber = 5")
    assert (load().recorder.number, load().recorder.machine) == (5, "from outside")


def test_the_environment_overrides_single_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of one device, whose other fields stay as the file has them; upper or lower case."""
    monkeypatch.setenv("ALD_DATABASE__DSN", DSN)
    monkeypatch.setenv("ALD_DEVICES__PLC__HOST", "10.9.9.9")
    monkeypatch.setenv("ald_recorder__number", "77")
    monkeypatch.setenv("ALD_PROCESS__RUNNING_VALUES", "[4, 5]")
    config = loaded(tmp_path, "[devices.plc]\nhost = 'plc'\nport = 1502\n[devices.b]\n[database]\nschema = 'fab'\n")
    assert (config.devices["plc"].host, config.devices["plc"].port) == ("10.9.9.9", 1502)
    assert set(config.devices) == {"plc", "b"}
    assert (config.require_dsn(), config.database.schema_name) == (DSN, "fab")
    assert config.recorder.number == 77
    assert config.process.running_values == (4.0, 5.0)


def test_a_variable_of_ours_that_is_no_field_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own, for example."""
    monkeypatch.setenv("ALD_TEST_DATABASE_URL", DSN)
    assert loaded(tmp_path, "").recorder.number == 0


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ALD_RECORDER__NUMBER", "5000", "environment ALD_RECORDER__NUMBER: recorder.number: Input should be less"),
        ("ALD_DEVICES__PLC__PORT", "x", "environment ALD_DEVICES__PLC__PORT: devices.plc.port: Input should be"),
        ("ALD_DATABASE__DSM", DSN, "database.dsm: there is no such field"),
        ("ALD_DEVICES", "plc", "environment ALD_DEVICES: cannot be understood"),
        ("ALD_PROCESS__RUNNING_VALUES", "1,2", "environment ALD_PROCESS__RUNNING_VALUES: cannot be understood"),
    ],
)
def test_a_wrong_variable_is_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    """Not the file, which is right."""
    monkeypatch.setenv(variable, value)
    said = refused(tmp_path, "")
    assert message in said
    assert "s3cret" not in said
