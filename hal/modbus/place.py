"""Where a line is and which unit on it is meant: what a commissioning engineer writes down."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Final

from hal.errors import DefinitionError
from hal.rtu import silence_s

HIGHEST_UNIT: Final = 255
MOST_CONNECTIONS: Final = 8
MOST_IN_FLIGHT: Final = 16
"""NumberMaxOfClientTransaction: MODBUS Messaging on TCP/IP Implementation Guide V1.0b: 1 to 16."""
_HIGHEST_PORT: Final = 65_535
_LONGEST_S: Final = 3_600.0
_LONGEST_PAUSE_S: Final = 60.0
_BAUDS: Final = range(110, 4_000_001)
_STOP_BITS: Final = frozenset({1, 2})
_START_AND_DATA_BITS: Final = 9


class Framing(StrEnum):
    """How a request and its answer are wrapped."""

    MBAP = "mbap"
    RTU = "rtu"


class Parity(StrEnum):
    """The ninth bit of a character."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsSettings:
    """How both ends of a TLS connection prove who they are; the files are read at each connection.

    Attributes:
        ca: PEM file of the authorities that may have signed the device's certificate; None takes the system's.
        certificate: PEM file of our certificate, where the device asks for one.
        key: PEM file of its private key, without a pass phrase; None where ``certificate`` holds it too.
        server_name: the name that the device's certificate carries, where it is not the host.

    Raises:
        DefinitionError: on a key without a certificate.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""

    def __post_init__(self) -> None:
        if self.key is not None and self.certificate is None:
            raise DefinitionError(f"TLS: the key {self.key} needs the certificate that it belongs to")


@dataclass(frozen=True, kw_only=True, slots=True)
class TcpPlace:
    """A line behind a TCP port: a device of its own, or a gateway with several units.

    Attributes:
        framing: RTU where a gateway passes on the bytes of a serial line as they are.
        tls: None without encryption.
        connect_timeout_s: for the name, the connection and the TLS handshake together.
        echo: whether what is sent comes back before the answer; of RTU.

    Raises:
        DefinitionError: on a host, port or time-out that cannot be, or an echo of MBAP.
    """

    host: str
    port: int = 502
    framing: Framing = Framing.MBAP
    tls: TlsSettings | None = None
    connect_timeout_s: float = 1.0
    echo: bool = False

    def __post_init__(self) -> None:
        if not self.host:
            raise DefinitionError("the host is empty")
        if not 1 <= self.port <= _HIGHEST_PORT:
            raise DefinitionError(f"port {self.port} is outside 1…{_HIGHEST_PORT}")
        if not 0 < self.connect_timeout_s <= _LONGEST_S:
            raise DefinitionError("a time-out must be more than 0 s")
        if self.echo and self.framing is not Framing.RTU:
            raise DefinitionError("only what carries RTU can echo what is sent")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def silence_s(self) -> float:
        """What the gateway cannot keep for us: nothing, it knows the baud rate and we do not."""
        return 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SerialPlace:
    """A line at a serial port, always RTU.

    The defaults are those of MODBUS over Serial Line V1.02, section 2.5.1: 19,200 baud, even parity, 8 data bits.

    Attributes:
        path: the port, for example ``/dev/ttyUSB0``; better a name of ``/dev/serial/by-id`` that no plugging changes.
        echo: whether the adapter hears what it sends.

    Raises:
        DefinitionError: on a path, baud rate or number of stop bits that cannot be.
    """

    path: str
    baud: int = 19_200
    parity: Parity = Parity.EVEN
    stop_bits: int = 1
    framing: Framing = Framing.RTU
    echo: bool = False

    def __post_init__(self) -> None:
        if not self.path:
            raise DefinitionError("the path of the serial port is empty")
        if self.baud not in _BAUDS:
            raise DefinitionError(f"{self.baud} baud is outside {_BAUDS.start}…{_BAUDS.stop - 1}")
        if self.stop_bits not in _STOP_BITS:
            raise DefinitionError(f"{self.stop_bits} stop bits cannot be: 1 or 2")
        if self.framing is not Framing.RTU:
            raise DefinitionError("a serial port carries RTU")

    def __str__(self) -> str:
        return self.path

    @property
    def silence_s(self) -> float:
        """3.5 characters between two frames."""
        parity_bits = 0 if self.parity is Parity.NONE else 1
        return silence_s(self.baud, _START_AND_DATA_BITS + parity_bits + self.stop_bits)


Place = TcpPlace | SerialPlace


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitSettings:
    """One unit on a line, and how it wants to be asked.

    Attributes:
        device: name of the device, as errors call it.
        unit: unit identifier, 0…255; 0 is everybody on a serial line, who may be written to and never answers.
        request_timeout_s: from the first byte of a request to the last of its answer.
        inter_request_delay_s: pause between an answer of the unit and the next request to it.
        turnaround_s: how long the line is kept quiet after a time-out or a broadcast; on RTU.

    Raises:
        DefinitionError: on a unit or time that cannot be.
    """

    device: str
    unit: int = 1
    request_timeout_s: float = 1.0
    inter_request_delay_s: float = 0.0
    turnaround_s: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.unit <= HIGHEST_UNIT:
            raise DefinitionError(f"{self.device}: unit {self.unit} is outside 0…{HIGHEST_UNIT}")
        if not 0 < self.request_timeout_s <= _LONGEST_S:
            raise DefinitionError(f"{self.device}: a time-out must be more than 0 s")
        for name, pause_s in (
            ("inter-request delay", self.inter_request_delay_s),
            ("turnaround", self.turnaround_s),
        ):
            if not (isfinite(pause_s) and 0 <= pause_s <= _LONGEST_PAUSE_S):
                raise DefinitionError(f"{self.device}: the {name} of {pause_s:g} s is outside 0…{_LONGEST_PAUSE_S:g} s")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModbusTcpSettings:
    """A unit with TCP connections of its own, shared with no other device.

    Attributes:
        device: name of the device, as errors call it.
        unit: unit identifier, 0…255.
        connect_timeout_s: for the name and the connection together.
        request_timeout_s: from the first byte of a request to the last of its answer.
        connections: connections at most, 1…8; as many requests go out at a time as the device lets open.
        requests_in_flight: requests that may be outstanding on each connection, 1…16.

    Raises:
        DefinitionError: on a host, port, unit, time-out or number of connections that cannot be.
    """

    device: str
    host: str
    port: int = 502
    unit: int = 1
    connect_timeout_s: float = 1.0
    request_timeout_s: float = 1.0
    connections: int = 1
    requests_in_flight: int = 1
    inter_request_delay_s: float = 0.0
    tls: TlsSettings | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.connections <= MOST_CONNECTIONS:
            raise DefinitionError(f"{self.device}: {self.connections} connections are outside 1…{MOST_CONNECTIONS}")
        if not 1 <= self.requests_in_flight <= MOST_IN_FLIGHT:
            said = f"{self.requests_in_flight} requests in flight are outside 1…{MOST_IN_FLIGHT}"
            raise DefinitionError(f"{self.device}: {said}")
        if self.requests_in_flight > 1 and self.inter_request_delay_s > 0:
            raise DefinitionError(
                f"{self.device}: an inter-request delay and {self.requests_in_flight} requests in flight contradict "
                "each other: take one of them"
            )
        try:
            _ = self.place
        except DefinitionError as error:
            raise DefinitionError(f"{self.device}: {error}") from error
        _ = self.unit_settings

    @property
    def place(self) -> TcpPlace:
        """Where its line is."""
        return TcpPlace(host=self.host, port=self.port, tls=self.tls, connect_timeout_s=self.connect_timeout_s)

    @property
    def unit_settings(self) -> UnitSettings:
        """Which unit it is."""
        return UnitSettings(
            device=self.device,
            unit=self.unit,
            request_timeout_s=self.request_timeout_s,
            inter_request_delay_s=self.inter_request_delay_s,
        )
