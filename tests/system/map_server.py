"""A Modbus TCP server with every register of a definitions file, as a process of its own: MAP PORT-ON-STDOUT."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from hal.parameter import RegisterKind
from recorder.definitions.file import read_definition_file
from simulator.errors import ILLEGAL_ADDRESS, RequestRefusedError
from simulator.memory import Unit
from simulator.server import serve


class Image:
    """Memory as large as the map needs; each word holds its own address, so that a shifted read would show."""

    def __init__(self, map_path: Path) -> None:
        self._ends: dict[RegisterKind, int] = {}
        for definition in read_definition_file(map_path).definitions:
            if definition.is_configured:
                parameter = definition.to_parameter()
                end = max(self._ends.get(parameter.kind, 0), parameter.last_address + 1)
                self._ends[parameter.kind] = end

    def read(self, kind: RegisterKind, address: int, count: int) -> list[int]:
        """Answer from the map's range alone."""
        if address + count > self._ends.get(kind, 0):
            raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=f"{kind} {address} is not in the map")
        return [number & 1 if kind.is_bit else number & 0xFFFF for number in range(address, address + count)]

    def write(self, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
        """Refuse: a recorder that writes here has lost its way."""
        raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=f"{kind} {address} = {words}: not here")


async def main() -> None:
    """Serve until standard input closes."""
    async with serve({1: Unit(memory=Image(Path(sys.argv[1])))}, host="127.0.0.1", port=0) as port:
        print(port, flush=True)  # noqa: T201  (whoever started this reads it)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
