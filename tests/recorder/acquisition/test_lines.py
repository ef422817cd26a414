"""Transports in `config.toml`, and devices that share a line."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hal.errors import NotConnectedError
from recorder.acquisition.lines import make_links
from recorder.config.device import DeviceConfig
from recorder.config.file import load
from recorder.config.transport import TransportConfig
from recorder.errors import ConfigurationError


def device(**fields: Any) -> TransportConfig:
    """A section of a device."""
    return TransportConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"transport": "rtu"}, 'transport rtu needs serial_path, for example "/dev/ttyUSB0"'),
        ({"transport": "rtu", "serial_path": "x", "host": "plc"}, "host means nothing where transport is rtu"),
        ({"transport": "rtu", "serial_path": "x", "connections": 2}, "connections is 1 with rtu"),
        ({"transport": "rtu_over_tcp", "connections": 2}, "connections is 1 with rtu_over_tcp"),
        ({"transport": "rtu", "serial_path": "x", "requests_in_flight": 2}, "requests_in_flight is 1 with rtu"),
        ({"transport": "rtu_over_tcp", "requests_in_flight": 2}, "requests_in_flight is 1 with rtu_over_tcp"),
        ({"requests_in_flight": 4, "inter_request_delay_ms": 5}, "requests_in_flight is 4, and inter_request_delay_ms"),
        ({"requests_in_flight": 17}, "less than or equal to 16"),
        ({"transport": "rtu_over_tcp", "baud": 9600}, "baud means nothing where transport is rtu_over_tcp"),
        ({"serial_path": "/dev/ttyUSB0"}, "serial_path means nothing where transport is tcp: it belongs to"),
        ({"turnaround_ms": 5}, "turnaround_ms means nothing where transport is tcp"),
        ({"echo": True}, "echo means nothing where transport is tcp: it belongs to transport rtu or rtu_over_tcp"),
        ({"tls_ca": "ca.pem"}, "tls_ca means nothing where transport is tcp: it belongs to transport tls"),
        ({"transport": "tls", "tls_key": "key.pem"}, "tls_key needs the tls_certificate"),
        ({"transport": "rtu", "serial_path": "x", "baud": 1}, "greater than or equal to 110"),
        ({"connections": 9}, "less than or equal to 8"),
        ({"transport": "udp"}, "'tcp', 'rtu', 'rtu_over_tcp' or 'tls'"),
    ],
)
def test_what_contradicts_itself_is_refused_in_a_line(fields: dict[str, Any], words: str) -> None:
    """Each says the field and what to do."""
    with pytest.raises(ValidationError) as caught:
        device(**fields)
    assert caught.value.error_count() == 1
    assert words in caught.value.errors()[0]["msg"]


def test_tls_has_a_port_of_its_own() -> None:
    """MODBUS/TCP Security Protocol Specification V3.6, section 7: 802."""
    assert device(transport="tls").port == 802
    assert device(transport="tls", port=1802).port == 1802
    assert device().port == 502


def test_tls_files_are_relative_to_the_configuration() -> None:
    """As every path in it."""
    config = device(transport="tls", tls_ca="certs/ca.pem").placed(Path("/etc/ald"))
    assert config.tls_ca == Path("/etc/ald/certs/ca.pem")
    assert config.tls_key is None


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"baud": 9600}, r"devices\.b\.baud is 9600 and devices\.a\.baud is 19200: both are on /dev/ttyUSB9"),
        ({"echo": True}, r"devices\.b\.echo is True and devices\.a\.echo is False"),
        ({"parity": "none"}, r"devices\.b\.parity is none and devices\.a\.parity is even"),
    ],
)
def test_devices_on_one_port_agree_on_it(second: dict[str, Any], words: str) -> None:
    """A serial port has one baud rate."""
    first = {"transport": "rtu", "serial_path": "/dev/ttyUSB9"}
    with pytest.raises(ConfigurationError, match=words):
        make_links({"a": device(**first), "b": device(**first, unit=2, **second)})


def test_a_shared_connection_is_one() -> None:
    """Several connections are for a device that has them for itself."""
    with pytest.raises(ConfigurationError, match=r"devices\.b\.connections is 3: gateway:502 is shared by a, b"):
        make_links({"a": device(host="gateway"), "b": device(host="gateway", unit=2, connections=3)})


def test_a_shared_line_is_asked_one_request_at_a_time() -> None:
    """Several in flight would be the greed of one unit at the cost of the others."""
    words = r"devices\.a\.requests_in_flight is 2: gateway:502 is shared by a, b, and what is shared is asked one"
    with pytest.raises(ConfigurationError, match=words):
        make_links({"a": device(host="gateway", requests_in_flight=2), "b": device(host="gateway", unit=2)})


def test_a_device_of_its_own_may_have_both() -> None:
    """Several connections, and several requests on each."""
    assert set(make_links({"a": device(connections=8, requests_in_flight=16)})) == {"a"}


async def test_a_device_that_cannot_be_reached_is_named_as_in_the_configuration() -> None:
    """Shared or not."""
    links = make_links(
        {
            "a": device(transport="rtu", serial_path="/dev/no-such-port"),
            "b": device(transport="rtu", serial_path="/dev/no-such-port", unit=2),
            "c": device(host="no-such-host.invalid"),
        }
    )
    with pytest.raises(NotConnectedError, match=r"^b: open /dev/no-such-port: there is no such port; there are: "):
        await links["b"]()
    with pytest.raises(NotConnectedError, match=r"^c: connect to no-such-host\.invalid:502: "):
        await links["c"]()


def test_config_toml_shows_every_field_with_its_default() -> None:
    """What the annotated file says is what the program does."""
    text = (Path(__file__).parents[3] / "config.toml").read_text(encoding="utf-8")
    section = text.partition("[devices.plc]")[2].partition("[process]")[0]
    lines = [line.removeprefix("# ") for line in section.splitlines() if re.match(r"# [a-z_]+ = ", line)]
    shown = tomllib.loads("\n".join(lines))
    examples = {"tls_ca", "tls_certificate", "tls_key"}
    defaults = DeviceConfig().model_dump(mode="json")
    assert shown.keys() == defaults.keys()
    assert {name: value for name, value in shown.items() if name not in examples} == {
        name: value for name, value in defaults.items() if name not in examples
    }


def test_a_contradiction_is_one_line_with_its_device(tmp_path: Path) -> None:
    """As every fault of the configuration; a good section is read, its files relative to it."""
    file = tmp_path / "config.toml"
    file.write_text('[devices.mfc]\ntransport = "rtu"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"devices\.mfc: transport rtu needs serial_path"):
        load(file)
    file.write_text('[devices.plc]\ntransport = "tls"\ntls_ca = "ca.pem"\n', encoding="utf-8")
    plc = load(file).devices["plc"]
    assert (plc.port, plc.tls_ca) == (802, tmp_path / "ca.pem")
