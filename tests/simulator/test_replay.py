"""A recorded trace as a device: its map, its registers, its paces, and every broken file named with its line."""

import asyncio
import csv
import math
import struct
from pathlib import Path

import pytest

from hal.codec import decode
from hal.parameter import DataType, RegisterKind
from simulator.errors import OptionError, RequestRefusedError, TraceError
from simulator.replay import ReplayedTrace, ReplayOptions, TraceMemory
from simulator.station import ServeOptions
from simulator.trace import read_trace, split_header
from simulator.trace_image import TraceImage
from simulator.trace_map import Served, make_map, read_map, write_map
from tests.simulator.served import exchange

INPUT, BIT = RegisterKind.INPUT_REGISTER, RegisterKind.DISCRETE_INPUT

TRACE = """\
Timestamp,Elapsed Time [s],Chamber Pressure [Torr],Frequency [Hz],Duration (s),Mod7/do0,Pump Pressure [Torr]
11:23:14.559 05/24/2019,0.569,1.787,5583588.4,0.05,0,NaN
11:23:15.059 05/24/2019,1.069,1.807,5583588.5,0.05,1,NaN
11:23:15.559 05/24/2019,1.569,,5583588.6,0.05,0,2.5
"""


def trace_file(folder: Path, text: str = TRACE) -> Path:
    """A file of this text."""
    path = folder / "run.csv"
    path.write_text(text, encoding="utf-8")
    return path


def parameter_of(served: tuple[Served, ...], source: str) -> Served:
    """The line of the map for a column."""
    return next(each for each in served if each.source == source)


def shown(memory: TraceMemory, served: tuple[Served, ...], source: str) -> float | str:
    """What a reader of one parameter sees."""
    parameter = parameter_of(served, source).parameter
    return decode(parameter, memory.read(parameter.kind, parameter.address, parameter.words))


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("Chamber Pressure [Torr]", "Chamber Pressure", "Torr"),
        ("Iteration Duration (s)", "Iteration Duration", "s"),
        ("Mass [ng/cm²]", "Mass", "ng/cm²"),
        ("Mod7/do0", "Mod7/do0", ""),
        ("Xtal OK? [0=F, 1=T]", "Xtal OK?", "0=F, 1=T"),
        ("[Torr]", "[Torr]", ""),
    ],
)
def test_a_header_is_split_into_name_and_unit(header: str, name: str, unit: str) -> None:
    """Square or round brackets at its end."""
    assert split_header(header) == (name, unit)


def test_the_map_is_made_from_the_header(tmp_path: Path) -> None:
    """Names, units and types; what tells the time is no signal; the index comes last."""
    served = make_map(read_trace(trace_file(tmp_path)))
    assert [each.parameter.name for each in served] == [
        *("Trace/Chamber Pressure", "Trace/Frequency", "Trace/Duration", "Mod7/do0", "Trace/Pump Pressure"),
        *("Replay/elapsed", "Replay/rows", "Replay/finished", "Replay/row_index"),
    ]
    assert [each.unit for each in served][:5] == ["Torr", "Hz", "s", "boolean", "Torr"]
    assert parameter_of(served, "Frequency [Hz]").parameter.data_type is DataType.FLOAT64
    assert parameter_of(served, "Chamber Pressure [Torr]").parameter.data_type is DataType.FLOAT32
    assert parameter_of(served, "Mod7/do0").parameter.kind is BIT
    assert max(served, key=lambda each: (each.parameter.kind is INPUT, each.parameter.address)).source == "row index"


def test_paced_by_scans_the_read_of_the_index_brings_the_next_row_and_the_last_is_held(tmp_path: Path) -> None:
    """Every read before it is of the same row; then the trace shows that it is finished."""
    trace = read_trace(trace_file(tmp_path))
    served = make_map(trace)
    memory = TraceMemory(trace, TraceImage(trace, served), pace=None)
    seen = []
    for _ in range(5):
        bit, frequency = shown(memory, served, "Mod7/do0"), shown(memory, served, "Frequency [Hz]")
        finished, elapsed = shown(memory, served, "finished"), shown(memory, served, "elapsed")
        seen.append((bit, frequency, elapsed, finished, shown(memory, served, "row index")))
    assert seen == [
        (0.0, 5583588.4, 0.569, 0.0, 0.0),
        (1.0, 5583588.5, 1.069, 0.0, 1.0),
        (0.0, 5583588.6, 1.569, 0.0, 2.0),
        (0.0, 5583588.6, 1.569, 1.0, 2.0),
        (0.0, 5583588.6, 1.569, 1.0, 2.0),
    ]


def test_a_nan_is_the_float_s_own_a_number_or_an_exception(tmp_path: Path) -> None:
    """As the option says; an empty cell is one too."""
    trace = read_trace(trace_file(tmp_path))
    pump = "Pump Pressure [Torr]"
    served = make_map(trace)
    assert math.isnan(float(shown(TraceMemory(trace, TraceImage(trace, served), pace=None), served, pump)))

    numbered = make_map(trace, sentinel=-9999.0)
    memory = TraceMemory(trace, TraceImage(trace, numbered), pace=None)
    place = parameter_of(numbered, pump).parameter
    words = memory.read(place.kind, place.address, 2)
    assert struct.unpack(">f", struct.pack(">2H", *words)) == (-9999.0,)
    assert place.sentinels == (-9999.0,)

    refusing = TraceMemory(trace, TraceImage(trace, served, refuses_nan=True), pace=None)
    with pytest.raises(RequestRefusedError) as caught:
        shown(refusing, served, pump)
    assert caught.value.exception_code == 4
    assert shown(refusing, served, "Mod7/do0") == 0.0


async def test_at_its_own_pace_rows_follow_the_clock_of_the_trace(tmp_path: Path) -> None:
    """At 50 times: rows 10 ms apart from the first read on, each seen, and the last one held at the end."""
    options = ReplayOptions(trace=trace_file(tmp_path), map=tmp_path / "map.csv", pace=50.0)
    async with ReplayedTrace(options, ServeOptions(port=0)) as replay:
        seen: list[float] = []
        async with asyncio.timeout(5):
            while shown(replay.memory, replay.served, "finished") == 0.0:
                seen.append(float(shown(replay.memory, replay.served, "row index")))
                await asyncio.sleep(0.001)
    assert seen == sorted(seen)
    assert seen[-1] == 2.0


async def test_a_trace_is_served_over_a_socket_and_its_map_is_written_beside_it(tmp_path: Path) -> None:
    """The pressure of row 0, then, after a read of the whole block, that of row 1."""
    path = trace_file(tmp_path)
    async with ReplayedTrace(ReplayOptions(trace=path), ServeOptions(port=0)) as replay:
        described = replay.description
        assert (described.rows, described.parameters, described.pace) == (3, 9, "scan")
        assert described.map_path == tmp_path / "run.map.csv"
        for value in (1.787, 1.807):
            first = await exchange(described.port, "00 01 00 00 00 06 01 04 00 00 00 02", 13)
            assert bytes.fromhex(first)[9:] == struct.pack(">f", value)
            last = parameter_of(replay.served, "row index").parameter.last_address
            await exchange(described.port, f"00 01 00 00 00 06 01 04 00 00 00 {last + 1:02x}", 9 + 2 * (last + 1))
        refused = await exchange(described.port, "00 01 00 00 00 06 01 06 00 00 00 02", 9)
        assert refused == "00 01 00 00 00 03 01 86 02"
    assert [each.parameter for each in read_map(described.map_path, read_trace(path))] == [
        each.parameter for each in replay.served
    ]


def test_an_edited_map_is_obeyed(tmp_path: Path) -> None:
    """A column as a scaled integer in a holding register, the bit as a bit of a word, the others left out."""
    trace = read_trace(trace_file(tmp_path))
    path = tmp_path / "map.csv"
    path.write_text(
        "component,parameter,unit,modbus_type,modbus_address,data_type,plc_symbol,word_order,bit,scale,sentinels\n"
        "Gauge,pressure,Torr,holding_register,100,int32,Chamber Pressure [Torr],CDAB,,0.001,-1\n"
        "Valve,open,,input_register,7,binary,Mod7/do0,,3,,\n"
        "Replay,index,,input_register,8,uint32,row index,,,,\n",
        encoding="utf-8",
    )
    served = read_map(path, trace)
    memory = TraceMemory(trace, TraceImage(trace, served), pace=None)
    assert memory.read(RegisterKind.HOLDING_REGISTER, 100, 2) == [1787, 0]
    assert memory.read(INPUT, 7, 3) == [0, 0, 0]
    assert memory.read(INPUT, 7, 3) == [8, 0, 1]
    assert memory.read(RegisterKind.HOLDING_REGISTER, 100, 2) == [0xFFFF, 0xFFFF]


@pytest.mark.parametrize(
    ("what", "old", "new", "said"),
    [
        ("a value that is none", "1.807", "1.8o7", "line 3: 'Chamber Pressure [Torr]' is '1.8o7', which is no number"),
        ("a value too few", ",5583588.5", "", "line 3: 6 values where the header names 7"),
        ("a time that falls", "1.569,", "0.5,", "line 4: the time is 0.5 s, before that of the row above"),
        ("a time that is none", "1.069,", "NaN,", "line 3: the time is nan s"),
        ("a stamp that is none", "11:23:15.059 05/24/2019", "soon", "line 3: 'Timestamp' is 'soon'"),
        ("a quote that does not end", "1.807", '"1.807', "not CSV"),
        ("a name that comes twice", "Duration (s)", "Mod7/do0", "line 1: column 6"),
    ],
)
def test_a_broken_trace_is_named_with_file_and_line(tmp_path: Path, what: str, old: str, new: str, said: str) -> None:
    """So that it can be mended."""
    path = trace_file(tmp_path, TRACE.replace(old, new))
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert said in str(caught.value), what
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "a [s],b\n", "b [Torr]\n1\n", "Time [s]\n1\n"])
def test_a_trace_without_rows_time_or_signals_is_refused(tmp_path: Path, text: str) -> None:
    """With its path."""
    with pytest.raises(TraceError, match=r"run\.csv"):
        read_trace(trace_file(tmp_path, text))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("plc_symbol", "Chamber Pressure [Pa]", "no column 'Chamber Pressure [Pa]'"),
        ("data_type", "flot", "'flot'"),
        ("modbus_address", "many", "many"),
        ("modbus_type", "register", "'register'"),
        ("data_type", "ascii:4", "ascii"),
    ],
)
def test_a_map_that_does_not_fit_is_named_with_file_and_line(
    tmp_path: Path, column: str, value: str, said: str
) -> None:
    """The second line, where the first parameter is."""
    trace, path = read_trace(trace_file(tmp_path)), tmp_path / "map.csv"
    write_map(path, make_map(trace))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0][column] = value
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(TraceError) as caught:
        read_map(path, trace)
    assert f"{path}, line 2: " in str(caught.value)
    assert said in str(caught.value)


def test_a_value_that_does_not_fit_its_register_is_named_with_its_line(tmp_path: Path) -> None:
    """A frequency in 16 bits; a NaN in an integer that has no sentinel; a bit that is 2.5."""
    trace = read_trace(trace_file(tmp_path))
    index = make_map(trace)[-1]
    for source, data_type, kind, said in (
        ("Frequency [Hz]", DataType.UINT16, INPUT, "line 2: 'Frequency [Hz]' is 5.58359e+06, which does not fit"),
        ("Pump Pressure [Torr]", DataType.INT32, INPUT, "line 2: 'Pump Pressure [Torr]' is nan, which is no number"),
        ("Chamber Pressure [Torr]", DataType.BINARY, BIT, "is neither 0 nor 1"),
    ):
        path = tmp_path / "map.csv"
        path.write_text(
            "component,parameter,modbus_type,modbus_address,data_type,plc_symbol\n"
            f"a,b,{kind.value},0,{data_type.value},{source}\n"
            f"Replay,row_index,input_register,{index.parameter.address},uint32,row index\n",
            encoding="utf-8",
        )
        with pytest.raises(TraceError) as caught:
            TraceImage(trace, read_map(path, trace))
        assert said in str(caught.value)
        assert f"{path}, line 2" in str(caught.value)


def test_a_pace_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """Zero, negative, beyond a thousand, or no number."""
    for pace in (0.0, -1.0, 1001.0, math.nan):
        with pytest.raises(OptionError, match="pace"):
            ReplayOptions(trace=tmp_path, pace=pace)
