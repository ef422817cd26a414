"""From `config.toml` to connections: devices that name the same place share one line."""

from collections.abc import Mapping, Sequence
from typing import Final

from hal.errors import DefinitionError
from hal.link import Connect
from hal.modbus import (
    Framing,
    Line,
    ModbusTcpSettings,
    Parity,
    Place,
    SerialPlace,
    TcpPlace,
    TlsSettings,
    UnitSettings,
    tcp_link,
)
from recorder.config.transport import TransportConfig
from recorder.errors import ConfigurationError

_ALIKE: Final = (
    "transport",
    "baud",
    "parity",
    "stop_bits",
    "echo",
    "connect_timeout_s",
    "tls_ca",
    "tls_certificate",
    "tls_key",
    "tls_server_name",
)
"""What devices on one line cannot differ in."""


def make_links(devices: Mapping[str, TransportConfig]) -> dict[str, Connect]:
    """Make what opens the link of each device.

    Raises:
        ConfigurationError: two devices say different things of the line that they share, or ask for the same unit.
    """
    lines: dict[str, list[str]] = {}
    for name, config in devices.items():
        lines.setdefault(config.place, []).append(name)
    links: dict[str, Connect] = {}
    for names in lines.values():
        _check_shared(names, devices)
        try:
            links |= _links_of(names, devices)
        except DefinitionError as error:
            raise ConfigurationError(f"devices.{names[0]}: {error}") from error
    return links


def _links_of(names: Sequence[str], devices: Mapping[str, TransportConfig]) -> dict[str, Connect]:
    first = devices[names[0]]
    if len(names) == 1 and first.transport in {"tcp", "tls"}:
        return {names[0]: tcp_link(_own(names[0], first))}
    line = Line(_place(first))
    return {name: line.join(_unit(name, devices[name])) for name in names}


def _check_shared(names: Sequence[str], devices: Mapping[str, TransportConfig]) -> None:
    first = devices[names[0]]
    for name in names[1:]:
        for field in _ALIKE:
            here, there = getattr(devices[name], field), getattr(first, field)
            if here != there:
                raise ConfigurationError(
                    f"devices.{name}.{field} is {here} and devices.{names[0]}.{field} is {there}: "
                    f"both are on {first.place}, and a line has one"
                )
    if len(names) > 1:
        for name in names:
            _check_one_at_a_time(name, names, devices[name])


def _check_one_at_a_time(name: str, names: Sequence[str], config: TransportConfig) -> None:
    for field, what in (("connections", "one connection"), ("requests_in_flight", "asked one request at a time")):
        if getattr(config, field) > 1:
            raise ConfigurationError(
                f"devices.{name}.{field} is {getattr(config, field)}: {config.place} is shared by "
                f"{', '.join(names)}, and what is shared is {what}"
            )


def _own(name: str, config: TransportConfig) -> ModbusTcpSettings:
    return ModbusTcpSettings(
        device=name,
        host=config.host,
        port=config.port,
        unit=config.unit,
        connect_timeout_s=config.connect_timeout_s,
        request_timeout_s=config.request_timeout_s,
        connections=config.connections,
        requests_in_flight=config.requests_in_flight,
        inter_request_delay_s=config.inter_request_delay_ms / 1000,
        tls=_tls(config),
    )


def _unit(name: str, config: TransportConfig) -> UnitSettings:
    return UnitSettings(
        device=name,
        unit=config.unit,
        request_timeout_s=config.request_timeout_s,
        inter_request_delay_s=config.inter_request_delay_ms / 1000,
        turnaround_s=config.turnaround_ms / 1000,
    )


def _place(config: TransportConfig) -> Place:
    if config.transport == "rtu":
        return SerialPlace(
            path=config.serial_path,
            baud=config.baud,
            parity=Parity(config.parity),
            stop_bits=config.stop_bits,
            echo=config.echo,
        )
    return TcpPlace(
        host=config.host,
        port=config.port,
        framing=Framing.RTU if config.transport == "rtu_over_tcp" else Framing.MBAP,
        tls=_tls(config),
        connect_timeout_s=config.connect_timeout_s,
        echo=config.echo,
    )


def _tls(config: TransportConfig) -> TlsSettings | None:
    if config.transport != "tls":
        return None
    return TlsSettings(
        ca=config.tls_ca,
        certificate=config.tls_certificate,
        key=config.tls_key,
        server_name=config.tls_server_name,
    )
