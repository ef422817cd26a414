"""Dockerfile and compose file: every path, command, variable and name in them is one that there is.

Nothing is built or started: what Docker itself would say is not known here.
"""

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from recorder.__main__ import register
from recorder.acquisition.setup import resolve_roles
from recorder.cli.app import app
from recorder.config.file import ENVIRONMENT_PREFIX, load
from recorder.definitions.definitions import DefinitionSet
from recorder.definitions.file import read_definition_file
from tests.deploy.programs import DEPLOY, PROJECT

DOCKERFILE: Final = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE: Final[dict[str, Any]] = import_module("yaml").safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = sorted(name for name, service in SERVICES.items() if service["image"] == "ald-recorder")


def accepts(arguments: list[str]) -> None:
    """Assert that these are a command of ours with options that it has."""
    command = [argument for argument in arguments if not argument.startswith("-")]
    names = [word for word in command if re.fullmatch(r"[a-z]+", word)]
    register()
    with pytest.raises(SystemExit) as ended:
        app([*names, "--help"])
    assert ended.value.code == 0, arguments


def options_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The help of a command."""
    capsys.readouterr()
    accepts(arguments)
    return capsys.readouterr().out


def test_everything_that_is_copied_into_the_image_is_there_and_let_through() -> None:
    """And what the package is built from is copied."""
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [
        source
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in shlex.split(line)[1:-1]
    ]
    for source in sources:
        assert (PROJECT / source).exists(), source
        assert f"!{source}" in ignored, source
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.search(r"^packages = \[(.*)\]$", project, re.MULTILINE)
    forced = re.findall(r'^"([\w/.]+)" = "recorder/service', project, re.MULTILINE)
    assert packages is not None
    assert len(forced) == 2
    assert {name.strip(' "') for name in packages[1].split(",")} | {*forced, "README.md", "LICENSE"} <= set(sources)


def test_the_image_runs_as_nobody_of_importance() -> None:
    """Its user comes before its program, and is not root."""
    last = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    user = re.search(r"^USER (\S+)$", last, re.MULTILINE)
    assert user is not None
    assert user[1] == "ald-recorder"
    assert last.index("USER ") < last.index("ENTRYPOINT ")
    for service in SERVICES.values():
        assert service.get("user") != "root"
        assert not service.get("privileged", False)


@pytest.mark.parametrize("name", [*OURS, "of the image", "health of the image"])
def test_every_command_is_ours_with_options_that_it_has(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked of the command line itself."""
    arguments = {
        "of the image": re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE),
        "health of the image": re.search(r"^\s*HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE),
    }
    if name in arguments:
        found = arguments[name]
        assert found is not None
        command = import_module("json").loads(found[1])
        command = command[1:] if command[0] == "ald-recorder" else command
    else:
        command = SERVICES[name]["command"]
    said = options_of(command, capsys)
    for option in (argument for argument in command if argument.startswith("--")):
        assert option in said, option


def test_what_is_mounted_named_and_waited_for_is_there() -> None:
    """Folders of this project, volumes, services and networks; ports on loopback alone."""
    for name, service in SERVICES.items():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            is_path = source.startswith(".")
            assert (DEPLOY / source).exists() if is_path else source in COMPOSE["volumes"], f"{name}: {mount}"
            assert not is_path or mount.endswith(":ro"), f"{name}: {mount}"
        assert set(service.get("depends_on", ())) <= set(SERVICES), name
        assert service.get("network_mode", "service:api").removeprefix("service:") in SERVICES
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name}: {port} is published beyond loopback"
    used = {mount.partition(":")[0] for service in SERVICES.values() for mount in service.get("volumes", ())}
    assert set(COMPOSE["volumes"]) <= used


def test_the_configuration_of_the_containers_is_one_that_the_recorder_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variables of the compose file; its roles are parameters of the definitions that are imported."""
    variables = SERVICES["recorder"]["environment"]
    for name, value in variables.items():
        assert name.startswith(ENVIRONMENT_PREFIX)
        monkeypatch.setenv(name, re.sub(r"\$\{[^}]*\}", "secret", value))
    config = load(DEPLOY / "compose.config.toml")
    assert config.require_dsn() == "postgresql://ald:secret@postgres:5432/ald"
    assert config.devices["plc"].host in SERVICES
    command = SERVICES["simulator"]["command"]
    assert config.devices["plc"].port == int(command[command.index("--port") + 1])
    assert str(config.control_socket.parent) in {
        mount.split(":")[1] for name in ("recorder", "api") for mount in SERVICES[name]["volumes"]
    }
    folder = next(m.split(":")[0] for m in SERVICES["definitions"]["volumes"] if m.endswith("/definitions:ro"))
    definitions = read_definition_file(DEPLOY / folder / Path(SERVICES["definitions"]["command"][2]).name).definitions
    numbered = tuple(each.model_copy(update={"id": number}) for number, each in enumerate(definitions, start=1))
    roles = resolve_roles(config.process, DefinitionSet(machine="Simulated tool", definitions=numbered))
    assert roles.run_state is not None


def test_grafana_gets_every_variable_of_its_provisioning() -> None:
    """And each file that it is told of."""
    asked = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "grafana/provisioning/datasources/ald-recorder.yaml").read_text()))
    assert asked <= set(SERVICES["grafana"]["environment"])
    dashboards = import_module("yaml").safe_load(
        (DEPLOY / "grafana/provisioning/dashboards/ald-recorder.yaml").read_text(encoding="utf-8")
    )
    path = dashboards["providers"][0]["options"]["path"]
    assert path in {mount.split(":")[1] for mount in SERVICES["grafana"]["volumes"]}
