"""How `config.toml` says over what a device is reached."""

from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from recorder.config.section import Seconds, Section

_TLS_PORT: Final = 802
_OF_SERIAL: Final = ("serial_path", "baud", "parity", "stop_bits")
_OF_TCP: Final = ("host", "port")
_OF_TLS: Final = ("tls_ca", "tls_certificate", "tls_key", "tls_server_name")
_OF_RTU: Final = ("turnaround_ms", "echo")

Transport = Literal["tcp", "rtu", "rtu_over_tcp", "tls"]


class TransportConfig(Section):
    """Where a unit is, and how it wants to be asked; devices that name the same place share one connection."""

    transport: Transport = "tcp"
    """tcp, tls (Modbus TCP inside TLS), rtu (a serial port), rtu_over_tcp (a gateway that passes serial frames on)."""
    host: str = Field(default="127.0.0.1", min_length=1)
    """Host name or address."""
    port: int = Field(default=502, ge=1, le=65_535)
    """TCP port; where transport is tls, 802 by default."""
    unit: int = Field(default=1, ge=0, le=255)
    """Unit identifier."""
    connect_timeout_s: Seconds = 1.0
    """Longest wait for a connection."""
    request_timeout_s: Seconds = 1.0
    """Deadline of one request."""
    connections: int = Field(default=1, ge=1, le=8)
    """Connections at most, where the device allows several: as many requests of one scan go out at the same time."""
    requests_in_flight: int = Field(default=1, ge=1, le=16)
    """Requests that may wait for their answers on each connection, of a device that serves several at a time."""
    inter_request_delay_ms: int = Field(default=0, ge=0, le=60_000)
    """Pause that the unit needs between an answer and the next request, in milliseconds."""
    turnaround_ms: int = Field(default=100, ge=0, le=60_000)
    """How long an RTU line is kept quiet after a request without an answer, in milliseconds: longer than the unit is
    ever late."""
    serial_path: str = ""
    """The serial port of transport rtu; best a name under /dev/serial/by-id, which no plugging changes."""
    baud: int = Field(default=19_200, ge=110, le=4_000_000)
    """Bits a second of the serial port."""
    parity: Literal["none", "even", "odd"] = "even"
    """Parity of the serial port."""
    stop_bits: Literal[1, 2] = 1
    """Stop bits of the serial port."""
    echo: bool = False
    """Whether the RS-485 adapter of transport rtu or rtu_over_tcp hears what it sends, so that each request comes back
    before its answer."""
    tls_ca: Path | None = None
    """PEM file of the authority that signed the device's certificate; without it this computer's authorities count."""
    tls_certificate: Path | None = None
    """PEM file of our own certificate, where the device asks for one."""
    tls_key: Path | None = None
    """PEM file of its private key, without a pass phrase."""
    tls_server_name: str = ""
    """Name on the device's certificate, where it is not the host."""

    @model_validator(mode="before")
    @classmethod
    def _usual_port(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("transport") == "tls":
            return {"port": _TLS_PORT, **given}
        return given

    @model_validator(mode="after")
    def _fields_fit_the_transport(self) -> Self:
        strange: tuple[str, ...] = ()
        if self.transport == "rtu":
            strange = (*_OF_TCP, *_OF_TLS)
        else:
            strange = _OF_SERIAL if self.transport == "tls" else (*_OF_SERIAL, *_OF_TLS)
        if self.transport in {"tcp", "tls"}:
            strange = (*strange, *_OF_RTU)
        for field in strange:
            if field in self.model_fields_set:
                raise ValueError(f"{field} means nothing where transport is {self.transport}: {_hint(field)}")
        if self.transport == "rtu" and not self.serial_path:
            raise ValueError('transport rtu needs serial_path, for example "/dev/ttyUSB0"')
        if self.transport in {"rtu", "rtu_over_tcp"} and self.connections > 1:
            raise ValueError(f"a serial line carries one request at a time: connections is 1 with {self.transport}")
        if self.requests_in_flight > 1:
            self._check_in_flight()
        if self.tls_key is not None and self.tls_certificate is None:
            raise ValueError("tls_key needs the tls_certificate that it belongs to")
        return self

    def _check_in_flight(self) -> None:
        if self.transport in {"rtu", "rtu_over_tcp"}:
            reason = "a serial line carries one request at a time"
            raise ValueError(f"{reason}: requests_in_flight is 1 with {self.transport}")
        if self.inter_request_delay_ms > 0:
            raise ValueError(
                f"requests_in_flight is {self.requests_in_flight}, and inter_request_delay_ms wants a pause before "
                "each request: take one of them"
            )

    def placed(self, folder: Path) -> Self:
        """The same with files relative to the folder of the configuration."""
        files = {name: getattr(self, name) for name in ("tls_ca", "tls_certificate", "tls_key")}
        return self.model_copy(
            update={name: folder / file.expanduser() for name, file in files.items() if file is not None}
        )

    @property
    def requests_at_once(self) -> int:
        """How many may wait for their answers at one time, over all connections."""
        return self.connections * self.requests_in_flight

    @property
    def place(self) -> str:
        """What devices on the same line have in common."""
        return self.serial_path if self.transport == "rtu" else f"{self.host}:{self.port}"


def _hint(field: str) -> str:
    if field in _OF_SERIAL:
        return "it belongs to transport rtu"
    if field in _OF_TLS:
        return "it belongs to transport tls"
    if field in _OF_RTU:
        return "it belongs to transport rtu or rtu_over_tcp"
    return "a serial port has serial_path instead"
