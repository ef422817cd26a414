"""``ald-recorder discover``: what answers at an address."""

import sys
import textwrap
from collections.abc import Mapping
from json import dumps as json_text
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from hal.limits import AddressRange
from hal.link import Connect
from hal.parameter import LAST_ADDRESS
from recorder.acquisition.lines import make_links
from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.output import print_json
from recorder.config.transport import Transport, TransportConfig
from recorder.control import ask
from recorder.definitions.definitions import Definition
from recorder.definitions.discover import Discovery, FoundUnit, Search, describe, discover
from recorder.definitions.export import write_definition_file
from recorder.definitions.skeleton import make_skeleton
from recorder.errors import AlreadyRunningError, DaemonAwayError, UsageError

_INTERRUPTED: Final = 130
_HIGHEST_UNIT: Final = 255
_CONNECT_TIMEOUT_S: Final = 2.0
_WIDTH: Final = 80
_ECHOES: Final = "echoes what is sent"


@app.command("discover")
def discover_(
    place: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="Or the path of a serial port, for RTU.")],
    units: Annotated[str, typer.Option(help="Unit identifiers, for example 1-10,247.")] = "1-10,247,255",
    addresses: Annotated[str, typer.Option(help="First and last address to look at.")] = "0-9999",
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="Most requests a second.")] = 20.0,
    stride: Annotated[
        int, typer.Option(min=1, max=1000, help="Addresses from one try to the next where nothing answers.")
    ] = 16,
    timeout: Annotated[float, typer.Option(min=0.01, max=60, help="Longest wait for an answer, in seconds.")] = 0.5,
    baud: Annotated[int, typer.Option(help="Of a serial port.")] = 19_200,
    parity: Annotated[str, typer.Option(help="Of a serial port: none, even, odd.")] = "even",
    stop_bits: Annotated[int, typer.Option(min=1, max=2, help="Of a serial port.")] = 1,
    echo: Annotated[bool, typer.Option("--echo", help="The RS-485 adapter hears what it sends.")] = False,
    rtu_over_tcp: Annotated[
        bool, typer.Option("--rtu-over-tcp", help="The gateway passes the frames of a serial line on.")
    ] = False,
    tls: Annotated[bool, typer.Option("--tls", help="Modbus TCP inside TLS; port 802 unless given.")] = False,
    tls_ca: Annotated[
        Path | None, typer.Option(help="PEM file of the authority that signed the device's certificate.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM file of our certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of its private key.")] = None,
    tls_server_name: Annotated[str, typer.Option(help="Name on the device's certificate, if not HOST.")] = "",
    output: Annotated[Path | None, typer.Option(help="Write a skeleton of definitions to this CSV file.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List units, functions and readable addresses of a device. Reads only; Ctrl-C shows what was found so far."""
    of_tls = {
        "tls_ca": tls_ca,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "tls_server_name": tls_server_name,
    }
    given: dict[str, object] = {name: value for name, value in of_tls.items() if value}
    kind: Transport = "tls" if tls or given else "rtu_over_tcp" if rtu_over_tcp else "tcp"
    if place.startswith("/"):
        kind = "rtu"
        given |= {"baud": baud, "parity": parity, "stop_bits": stop_bits}
    given |= {"echo": True} if echo else {}
    transport = _transport(place, {"transport": kind, "request_timeout_s": timeout, **given})
    first, last = _span(addresses, "--addresses", LAST_ADDRESS)
    search = Search(
        units=parse_units(units),
        first=first,
        last=last,
        stride=stride,
        rate_per_s=rate,
        tell=_tell if sys.stderr.isatty() else lambda _line: None,
    )
    _refuse_where_held(config, transport)

    def connect(unit: int) -> Connect:
        return make_links({f"unit {unit}": transport.model_copy(update={"unit": unit})})[f"unit {unit}"]

    found = Discovery(place=transport.place)
    is_interrupted = False
    try:
        run_async(discover(search, connect, found))
    except KeyboardInterrupt:
        is_interrupted = True
    if _ECHOES in found.trouble:
        found.trouble = f"the adapter {_ECHOES}: repeat it with --echo"
    skeleton = [d for unit in found.units if unit.same_as is None for d in _skeleton(unit, found)]
    if output is not None and skeleton:
        write_definition_file(output, skeleton)
    if json:
        print_json(
            {
                "place": found.place,
                "complete": found.is_complete,
                "trouble": found.trouble,
                "requests": found.requests,
                "units": [unit.to_plain() for unit in found.units],
                "silent": found.silent,
                "definitions": len(skeleton),
            }
        )
    else:
        _print(found, search, is_interrupted=is_interrupted)
        if output is not None:
            _print_output(output, skeleton, transport, found)
    if is_interrupted:
        raise typer.Exit(_INTERRUPTED)
    if not found.units:
        raise typer.Exit(1)


def _transport(place: str, given: Mapping[str, object]) -> TransportConfig:
    """Where to look, from what was typed.

    Raises:
        UsageError: it contradicts itself.
    """
    fields: dict[str, object] = {"connect_timeout_s": _CONNECT_TIMEOUT_S, **given}
    if place.startswith("/"):
        fields |= {"serial_path": place}
    else:
        host, separator, port = place.rpartition(":")
        if not separator or (place.endswith("]") and place.startswith("[")):
            host, port = place, ""
        if separator and host != place and not port.isdecimal():
            raise UsageError(f"{place!r} is not HOST or HOST:PORT")
        fields |= {"host": host.strip("[]"), **({"port": int(port)} if port else {})}
    try:
        return TransportConfig.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = "".join(f"{part}: " for part in first["loc"])
        raise UsageError(f"{place}: {field}{first['msg'].removeprefix('Value error, ')}") from error


def parse_units(text: str) -> list[int]:
    """Understand ``1-10,247``.

    Raises:
        UsageError: it says something else.
    """
    units: list[int] = []
    for part in text.split(","):
        first, last = _span(part.strip(), "--units", _HIGHEST_UNIT)
        units += [unit for unit in range(first, last + 1) if unit not in units]
    return units


def _span(text: str, option: str, highest: int) -> tuple[int, int]:
    first, separator, last = text.partition("-")
    last = last if separator else first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= highest):
        raise UsageError(f"{option}: {text!r} is no range within 0-{highest}")
    return int(first), int(last)


def _refuse_where_held(config: Path | None, transport: TransportConfig) -> None:
    """Leave a line to the recorder that holds it."""
    settings = read_config(config)
    held = [name for name, device in settings.devices.items() if device.place == transport.place]
    if not held:
        return
    try:
        run_async(ask(settings.control_socket, "status"))
    except DaemonAwayError:
        return
    raise AlreadyRunningError(
        f"{transport.place} is held by the running recorder as device {held[0]!r}; "
        "stop the recorder first, or look at it through ald-recorder check"
    )


def _device_name(unit: FoundUnit, found: Discovery) -> str:
    return "plc" if len(found.units) == 1 else f"unit_{unit.unit}"


def _skeleton(unit: FoundUnit, found: Discovery) -> list[Definition]:
    return make_skeleton(_device_name(unit, found), unit.ranges, unit.words)


def _tell(line: str) -> None:
    print(f"\r\x1b[K{line} …", end="", file=sys.stderr, flush=True)


def _print(found: Discovery, search: Search, *, is_interrupted: bool) -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    for unit in found.units:
        said = ", ".join(value for value in unit.identification.values() if value)
        print(f"unit {unit.unit}: answers functions {describe(unit.functions)}")
        if said:
            for line in textwrap.wrap(f"says that it is {said}", _WIDTH - 4, break_on_hyphens=False):
                print(f"  {line}")
        if unit.same_as is not None:
            print(f"  the same as unit {unit.same_as}: it seems to answer to any unit identifier")
        for readable in unit.ranges:
            print(f"  {_range(unit, readable)}")
        if not unit.ranges and unit.same_as is None:
            print("  nothing that can be read at the addresses that were tried")
    if found.silent:
        print(f"no answer from unit {_runs(found.silent)}")
    how = "stopped early" if is_interrupted else found.trouble or "done"
    units = f"{len(found.units)} unit{'' if len(found.units) == 1 else 's'}"
    print(f"{found.place}: {units} of {search.described}, {found.requests} requests, {how}")
    if search.stride > 1 and found.units:
        print(f"  where nothing answered, every {search.stride}th address was tried; --stride 1 tries each")


def _range(unit: FoundUnit, readable: AddressRange) -> str:
    places = [(readable.kind, address) for address in range(readable.first, readable.last + 1)]
    held = sum(bool(unit.words.get(place)) for place in places)
    return f"{readable}: {len(places)} {'bits' if readable.kind.is_bit else 'registers'}, {held} not 0"


def _runs(numbers: list[int]) -> str:
    """Neighbours as one: ``2-10, 247``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _print_output(output: Path, skeleton: list[Definition], transport: TransportConfig, found: Discovery) -> None:
    if not skeleton:
        print(f"{output} was not written: nothing that was read holds anything")
        return
    print(f"{output}: {len(skeleton)} definitions; types and word order are guesses,")
    print("  names and units are yours")
    print("for config.toml:")
    for unit in found.units:
        if unit.same_as is None:
            print(f"  [devices.{_device_name(unit, found)}]")
            for line in _section(transport.model_copy(update={"unit": unit.unit})):
                print(f"  {line}")
    print("then")
    print(f"  ald-recorder check --definitions {output}")


def _section(transport: TransportConfig) -> list[str]:
    """What the configuration has to say of a device; times are left to their defaults."""
    fields = transport.model_dump(
        mode="json", exclude_unset=True, exclude={"connect_timeout_s", "request_timeout_s"}
    ) | {"unit": transport.unit}
    return [f"{name} = {json_text(value)}" for name, value in fields.items()]
