"""The overview as lines of text: the whole recorder at a glance, on any width. Pure."""

from collections.abc import Sequence
from itertools import islice
from math import floor
from typing import Final

from rich.console import Console
from rich.text import Text

from recorder.console.board import Board
from recorder.console.event_words import detail_text, event_sign
from recorder.console.picture import DevicePicture, ProcessPicture, StagePicture, StatusPicture
from recorder.console.words import (
    Glyphs,
    bar,
    clock_span,
    cut,
    local,
    milliseconds,
    number,
    size,
    span,
    sparkline,
    whole,
)

STAGES: Final = {
    "read": "read",
    "decode": "decode",
    "spool": "spool",
    "commit": "commit",
    "sample_to_commit": "sample to commit",
    "start_delay": "start delay",
    "jitter": "jitter",
}
_LABEL: Final = 10
_WIDE: Final = 150
_ROOMY: Final = 90
_MOST_EVENTS: Final = 12
_MOST_OF_AN_ERROR: Final = 2
_GOOD_DEVICE: Final = "connected"
_LOSSES: Final = ("late", "failed", "skipped", "shed")


def overview_lines(board: Board, width: int, glyphs: Glyphs, *, height: int = 0) -> list[Text]:
    """All lines, each no wider than asked; the last events where the height leaves room for them."""
    lines = _all_lines(board, width, glyphs)
    if height and len(lines) > height:
        lines = [line for line in lines if line]
    room = height - len(lines) - 2
    if room < 1 or not board.events:
        return lines
    return [*lines, Text(), Text("last events", "bold"), *_events(board, min(room, _MOST_EVENTS), width, glyphs)]


def _events(board: Board, count: int, width: int, glyphs: Glyphs) -> list[Text]:
    lines = []
    for event in islice(reversed(board.events), count):
        sign, style = event_sign(event, glyphs)
        kind = event.kind.replace("_", " ")
        line = Text.assemble((sign, style), f" {local(event.at_us)} ", (f"{kind:<22}", style), f" {event.device:<8} ")
        line.append(cut(detail_text(event.detail), max(0, width - line.cell_len), glyphs))
        lines.append(line)
    return lines


def _all_lines(board: Board, width: int, glyphs: Glyphs) -> list[Text]:
    status = board.status
    if status is None:
        return [Text("nothing is known yet: no recorder has answered", style="bold")]
    if status.state != "recording":
        return [
            Text(f"{status.machine}: {status.state}", style="bold yellow"),
            Text(cut(status.reason, width, glyphs)),
        ]
    if board.fault is not None:
        # nothing of it is of now, so that no mark of it may look as if it were
        return [Text(line.plain, "dim") for line in _status_lines(board, status, width, glyphs)]
    return _status_lines(board, status, width, glyphs)


def _status_lines(board: Board, status: StatusPicture, width: int, glyphs: Glyphs) -> list[Text]:
    alarms = alarm_line(status, width, glyphs)
    left = [*alarms, *_run(board, status, width, glyphs), *_devices(status, width, glyphs)]
    right = [*_latency(status, width, glyphs), *_safety(status, width, glyphs)]
    if width < _WIDE:
        return [*left, Text(), *right]
    half = width // 2 - 2
    left = [*_run(board, status, half, glyphs), *_devices(status, half, glyphs), Text(), *_safety(status, half, glyphs)]
    return [*alarms, *_beside(left, _latency(status, half, glyphs), half)]


def _beside(left: Sequence[Text], right: Sequence[Text], width: int) -> list[Text]:
    lines = []
    for at in range(max(len(left), len(right))):
        line = left[at].copy() if at < len(left) else Text()
        line.pad_right(max(0, width + 4 - line.cell_len))
        lines.append(line + right[at] if at < len(right) else line)
    return lines


def _labelled(label: str, *parts: Text | str | tuple[str, str]) -> Text:
    return Text.assemble((f"{label:<{_LABEL}}", "bold"), *parts)


def alarm_line(status: StatusPicture, width: int, glyphs: Glyphs) -> list[Text]:
    """How many alarms wait, and which of them first; none from a recorder that has no alarms."""
    counts, first = status.alarms, status.first_alarm
    if counts is None:
        return []
    waiting = counts.get("unacknowledged", 0)
    if waiting and first is not None:
        told = f"{glyphs.bad} {waiting} UNACKNOWLEDGED: {first.text} ({first.priority})"
        return [_labelled("alarms", (cut(told, width - _LABEL, glyphs), "bold red"))]
    states = ("returned", "acknowledged", "shelved")
    others = ", ".join(f"{counts[state]} {state}" for state in states if counts.get(state))
    mark, style = (glyphs.uncertain, "yellow") if others else (glyphs.good, "green")
    return [_labelled("alarms", (cut(f"{mark} {others or 'none stands'}", width - _LABEL, glyphs), style))]


def _run(board: Board, status: StatusPicture, width: int, glyphs: Glyphs) -> list[Text]:
    process = board.process or status.process
    if process is None:
        return [_labelled("run", "none yet")]
    whole_process = status.process if status.process and status.process.process_id == process.process_id else process
    if not process.is_run:
        told = ": no recipe runs; values are still recorded"
        if board.trouble == "no device":
            told = ": the tool is not heard; each slot is kept as a gap"
        return [_labelled("run", Text("idle", "cyan"), told), Text()]
    began_us = whole_process.started_us
    elapsed = "" if began_us is None else f", {clock_span((board.now_us() - began_us) / 1e6)} since {local(began_us)}"
    head = f"{process.process_id} {process.kind}{elapsed}"
    labels = "  ".join(f"{name} {value}" for name, value in whole_process.labels.items() if value)
    recipe = whole_process.recipe or "no recipe name"
    return [
        _labelled("run", Text(cut(head, width - _LABEL, glyphs), "bold green")),
        _labelled("recipe", cut(f"{recipe}  {labels}".rstrip(), width - _LABEL, glyphs)),
        _progress(process, width, glyphs),
        Text(),
    ]


def _progress(process: ProcessPicture, width: int, glyphs: Glyphs) -> Text:
    where = (
        f"step {number(process.step, unknown=glyphs.unknown)}  cycle {number(process.cycle, unknown=glyphs.unknown)}"
    )
    total = process.cycles_total
    if not total or process.cycle is None:
        return _labelled("progress", where)
    room = max(5, min(40, width - _LABEL - 34))
    share = process.cycle / total
    return _labelled(
        "progress", f"{where} of {total:g}  ", (bar(share, room, glyphs), "green"), f" {100 * share:.0f} %"
    )


def _devices(status: StatusPicture, width: int, glyphs: Glyphs) -> list[Text]:
    lines = [Text(f"{'device':<14}{'state':<16}{'round trip':>10}{'kept':>8}  reads", "bold")]
    for device in status.devices:
        mark, style = _device_mark(device, glyphs)
        trip = "" if device.round_trip_ms is None else f"{milliseconds(device.round_trip_ms)} ms"
        state = "frozen" if device.frozen else device.state.replace("_", " ")
        line = Text.assemble(
            f"{cut(device.name, 13, glyphs):<14}",
            (f"{mark} {state}".ljust(16), style),
            f"{trip:>10}{_kept(status, device.name):>8}  ",
        )
        line.append(cut(_reads(device, width), max(0, width - line.cell_len), glyphs))
        lines.append(line)
        if device.state != _GOOD_DEVICE and device.last_error:
            wait = "" if device.next_try_ms is None else f", next try in {span(max(0, device.next_try_ms) / 1000)}"
            lines.append(Text(cut(f"  {device.last_error}{wait}", width, glyphs), "red"))
        if device.refused:
            lines.append(Text(cut(f"  refuses {', '.join(device.refused)}", width, glyphs), "yellow"))
    return lines


def _reads(device: DevicePicture, width: int) -> str:
    plans = device.plans.values()
    parameters, requests = (sum(plan.get(what, 0) for plan in plans) for what in ("parameters", "requests"))
    total = f"{parameters} values, {requests} requests"
    if width < _ROOMY:
        return total
    intervals = ", ".join(f"{plan.get('parameters', 0)} every {ms} ms" for ms, plan in device.plans.items())
    return f"{total}: {intervals}"


def _kept(status: StatusPicture, device: str) -> str:
    """Share of the device's slots in this run that brought something."""
    kept, total = status.run_slots.devices.get(device, (0, 0))
    return "" if not total else f"{floor(1000 * kept / total) / 10:g} %"


def _device_mark(device: DevicePicture, glyphs: Glyphs) -> tuple[str, str]:
    if device.frozen:
        return glyphs.uncertain, "bold yellow"
    return (glyphs.good, "green") if device.state == _GOOD_DEVICE else (glyphs.bad, "bold red")


def _latency(status: StatusPicture, width: int, glyphs: Glyphs) -> list[Text]:
    figures = status.recent_latency_ms or status.latency_ms
    room = max(0, min(60, width - 17 - 4 * 8 - 2))
    head = f"{'latency, ms':<17}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}"
    lines = [Text(f"{head}  {'last 5 minutes' if room >= 14 else ''}".rstrip(), "bold")]  # noqa: PLR2004  (its length)
    for stage, words in STAGES.items():
        found = figures.get(stage)
        if found is not None:
            lines.append(_stage(words, found, room, glyphs))
    return lines


def _stage(words: str, stage: StagePicture, room: int, glyphs: Glyphs) -> Text:
    cells = "".join(
        f"{milliseconds(value, unknown=glyphs.unknown):>8}" for value in (stage.p50, stage.p95, stage.p99, stage.max)
    )
    return Text.assemble(f"{words:<17}{cells}  ", (sparkline(stage.trend, room, glyphs, from_zero=True), "cyan"))


def _safety(status: StatusPicture, width: int, glyphs: Glyphs) -> list[Text]:
    unknown = glyphs.unknown
    spool, writer, pool, clock = status.spool, status.writer, status.pool, status.clock
    used = None if spool.bytes is None or not spool.max_bytes else spool.bytes / spool.max_bytes
    entries = "entry" if spool.entries == 1 else "entries"
    waits = f"{whole(spool.entries, unknown=unknown)} {entries}, {size(spool.bytes, unknown=unknown)}"
    percent = "" if used is None else f" of {size(spool.max_bytes)}"
    full = f"fills in {span(spool.time_to_full_s, unknown=unknown)}"
    drained = f"drains in {span(spool.time_to_drain_s, unknown=unknown)}"
    writes = writer.state == "writing"
    database = Text(f"{glyphs.good if writes else glyphs.bad} {writer.state}", "green" if writes else "bold red")
    busy = unknown if pool.size is None or pool.idle is None else f"{pool.size - pool.idle} of {pool.size} busy"
    lines = [
        *_losses(status, width, glyphs),
        _labelled(
            "database",
            database,
            f", {whole(writer.rows, unknown=unknown)} rows written, pool {busy}" if writes else _kept_in_spool(status),
        ),
        _labelled("spool", f"{waits}{percent}, {full}, {drained}"),
        _labelled("cache", _cache(status, unknown)),
        _labelled(
            "machine",
            _clock(clock.synchronised, unknown),
            f", disk {whole(status.disk_used_percent, unknown=unknown)} % used",
            f", event-loop lag {_lag(status, unknown)}",
        ),
    ]
    if not writes and writer.last_error:
        at = next(at for at, line in enumerate(lines) if line.plain.startswith("database")) + 1
        lines[at:at] = Text(f"  {writer.last_error}", "red").wrap(Console(), width)[:_MOST_OF_AN_ERROR]
    for line in lines:
        line.truncate(width, overflow="crop")
    return lines


def _kept_in_spool(status: StatusPicture) -> str:
    """What becomes of samples that are not written now."""
    if status.writer.state == "unreadable":
        return ": the spool cannot be read, what is in it waits"
    room = span(status.spool.time_to_full_s, unknown="")
    return ": samples are kept in the spool" + (f", which has room for {room}" if room else "")


def _losses(status: StatusPicture, width: int, glyphs: Glyphs) -> list[Text]:
    """What was lost, zero in plain sight; and how the slots of this run ended, by cause."""
    lost = status.lost
    style, mark = ("green", glyphs.good) if lost == 0 else ("bold red", glyphs.bad)
    slots = Text()
    for outcome in ("completed", *_LOSSES):
        causes = {cause: count for name, cause, count in status.run_slots.slots if name == outcome}
        total = sum(causes.values())
        named = {cause.replace("_", " "): count for cause, count in causes.items() if cause}
        told = ", ".join(f"{cause} {count:,}" if len(causes) > 1 else cause for cause, count in named.items())
        text = f"{total:,} {outcome}" + (f" ({told})" if told else "")
        slots.append(f"{', ' if slots else ''}{text}", "yellow" if total and outcome in _LOSSES else "")
    lines = [_labelled("lost", (f"{mark} {whole(lost, unknown=glyphs.unknown)} rows since the recorder began", style))]
    wrapped = slots.wrap(Console(), width - _LABEL, no_wrap=False)
    return [*lines, *(_labelled("" if at else "slots", line) for at, line in enumerate(wrapped))]


def _cache(status: StatusPicture, unknown: str) -> str:
    cache = status.set_values
    if cache is None:
        return f"hit ratio {unknown}, age {unknown}"
    ratio = "nothing asked yet" if cache.hit_ratio is None else f"hit ratio {100 * cache.hit_ratio:.1f} %"
    stale = f", {cache.stale} stale" if cache.stale else ""
    return f"{ratio}, age {span(cache.oldest_s, unknown=unknown)}{stale}"


def _clock(is_synchronised: bool | None, unknown: str) -> Text:
    if is_synchronised is None:
        return Text(f"clock {unknown}")
    return Text("clock synchronised") if is_synchronised else Text("clock NOT synchronised", "bold yellow")


def _lag(status: StatusPicture, unknown: str) -> str:
    lag = status.event_loop_lag_ms
    if lag is None or lag.late.p99 is None:
        return unknown
    return f"{milliseconds(lag.late.p99)} ms"
