"""Modbus: TCP, TLS, RTU over a serial port and over TCP, behind the one `hal.link.Link`."""

from hal.modbus.connecting import connect, tcp_link
from hal.modbus.line import Line
from hal.modbus.link import ModbusLink
from hal.modbus.place import (
    MOST_CONNECTIONS,
    Framing,
    ModbusTcpSettings,
    Parity,
    Place,
    SerialPlace,
    TcpPlace,
    TlsSettings,
    UnitSettings,
)

__all__ = [
    "MOST_CONNECTIONS",
    "Framing",
    "Line",
    "ModbusLink",
    "ModbusTcpSettings",
    "Parity",
    "Place",
    "SerialPlace",
    "TcpPlace",
    "TlsSettings",
    "UnitSettings",
    "connect",
    "tcp_link",
]
