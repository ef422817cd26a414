"""Connections of a device that shares its line with no other."""

from hal.link import Connect
from hal.modbus.link import ModbusLink
from hal.modbus.place import ModbusTcpSettings
from hal.modbus.several import Connections


def tcp_link(settings: ModbusTcpSettings) -> Connect:
    """Make what a `hal.device.Device` needs to connect again and again."""
    connections = Connections(settings)

    async def connect_once() -> ModbusLink:
        return ModbusLink(settings.unit_settings, await connections.connect())

    return connect_once


async def connect(settings: ModbusTcpSettings) -> ModbusLink:
    """Open a connection.

    Raises:
        NotConnectedError: it did not open; names host, port and the system's reason.
    """
    return ModbusLink(settings.unit_settings, await Connections(settings).connect())
