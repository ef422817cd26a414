"""A real run, replayed over a real socket through the real recorder, is in PostgreSQL row for row."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hal.quality import Quality
from recorder.cli.children import child, first_answer
from simulator.replay import ReplayedTrace, ReplayOptions
from simulator.station import ServeOptions
from simulator.trace import Trace, read_trace
from simulator.trace_map import Served, read_map
from tests.system.bench import Bench, Point, bench

TRACE = Path(__file__).parents[3] / "shared" / "data" / "al2o3_run" / "trace.csv"
ROWS = 9450
SIGNALS = 33
ROW_S = 0.5 / 20
pytestmark = pytest.mark.skipif(not TRACE.exists(), reason=f"the real run is not at {TRACE}")
IS_LONG = os.environ.get("ALD_LONG_TESTS") == "1"


def stored_value(point: Point) -> float:
    """A stored value as the trace has it: NaN where there is none, which must be a sensor's fault."""
    if point.value is None:
        assert point.quality == Quality.SENSOR_FAILURE
        return float("nan")
    assert point.quality == Quality.GOOD
    return point.value


async def compare(recorder: Bench, served: Sequence[Served], trace: Trace) -> list[int]:
    """Assert that every stored row equals the row of the trace whose index it carries; return these indices."""
    finished = [point.value for point in await recorder.stored("Replay/finished")]
    indices = [int(point.value or 0) for point in await recorder.stored("Replay/row_index")]
    taken = np.flatnonzero(np.array(finished) == 0)
    rows = np.array(indices)[taken]
    columns = {column.header: column for column in trace.columns}
    compared = 0
    for each in served:
        column = columns.get(each.source)
        if column is None:
            continue
        points = await recorder.stored(each.parameter.name)
        assert len(points) == len(finished), each.parameter.name
        stored = np.array([stored_value(points[at]) for at in taken])
        expected = column.values[rows]
        if not (column.is_bit or column.is_double):
            expected = expected.astype(np.float32).astype(np.float64)
        np.testing.assert_array_equal(stored, expected, err_msg=each.parameter.name)
        compared += 1
    assert compared == SIGNALS
    return [int(row) for row in rows]


def shortened(folder: Path, rows: int) -> Path:
    """The first rows of the real run, as a trace of their own."""
    lines = TRACE.read_text(encoding="utf-8").splitlines(keepends=True)
    path = folder / "part.csv"
    path.write_text("".join(lines[: rows + 1]), encoding="utf-8")
    return path


@pytest.mark.timeout(180)
async def test_the_whole_run_paced_by_scans_is_in_the_database_row_for_row(database_url: str, tmp_path: Path) -> None:
    """All 9,450 rows of 33 signals: float32 equal, frequency float64 equal, NaN as bad NULL, in order, none twice."""
    trace = read_trace(TRACE)
    assert trace.rows == ROWS
    options = ReplayOptions(trace=TRACE, map=tmp_path / "map.csv")
    async with (
        ReplayedTrace(options, ServeOptions(port=0)) as replay,
        bench(database_url, tmp_path, options.map_path, host="127.0.0.1", port=replay.description.port) as recorder,
    ):
        await recorder.record(slots=ROWS + 3)
        assert replay.memory.is_finished
        assert await compare(recorder, replay.served, trace) == list(range(ROWS))
        frequency = [stored_value(point) for point in await recorder.stored("Trace/Frequency")]
        assert frequency[0] == 5583588.4
        held = [point.value for point in await recorder.stored("Replay/finished")]
        assert held[-3:] == [1.0] * 3
        assert sum(held) == 3  # type: ignore[arg-type]


@pytest.mark.timeout(900)
async def test_at_twenty_times_its_pace_and_oversampled_every_row_is_seen_and_true(
    database_url: str, tmp_path: Path
) -> None:
    """A row each 25 ms, read each 5 ms: no index is missing, and no stored row mixes two of the trace.

    The trace is served by a process of its own, as a tool is. By default the first 200 rows, 5 s; with
    ALD_LONG_TESTS=1 the whole run, 4 minutes. Where this machine kept the recorder itself from scanning for as long as
    rows last, just as many may be missing at just that place; and such stalls must be few.
    """
    rows = ROWS if IS_LONG else 200
    path = TRACE if IS_LONG else shortened(tmp_path, rows)
    trace = read_trace(path)
    map_path = tmp_path / "map.csv"
    arguments = ("--replay", str(path), "--map", str(map_path), "--pace", "20", "--port", "0", "--json")
    with child("simulate", *arguments, log=tmp_path / "simulator.log", name="simulator", answers=True) as process:
        told = first_answer(process, tmp_path / "simulator.log", "simulator")
        assert (told["rows"], told["pace"]) == (rows, "20")
        async with bench(database_url, tmp_path, map_path, host="127.0.0.1", port=told["port"]) as recorder:
            await recorder.record(slots=int(trace.duration_s / 20 / 0.005) + 100, real_time_s=0.005)
            seen = await compare(recorder, read_map(map_path, trace), trace)
            times_s = np.array(await recorder.times_s("Replay/row_index"))[: len(seen)]
    assert (seen[0], seen[-1]) == (0, rows - 1)
    steps = np.diff(seen)
    assert np.all(steps >= 0), "the trace went back"
    unseen = steps - 1
    # the server chose a row after the answer before it and before the request behind it, so between those time stamps
    window_s = np.append(times_s[2:], times_s[-1]) - np.append(times_s[0], times_s[:-2])
    stalled = np.floor(window_s / ROW_S)
    unexplained = [(seen[at], float(window_s[at])) for at in np.flatnonzero((unseen > 0) & (unseen > stalled))]
    assert not unexplained, f"rows are missing behind these, where no more than so many s went by: {unexplained}"
    assert np.sum(unseen[unseen > 0]) <= (0.02 if IS_LONG else 0.1) * rows, f"this machine stalled for {stalled.sum()}"
