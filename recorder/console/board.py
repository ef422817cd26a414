"""All that the console knows: what the daemon said last, when, and whether it can still be believed. No screen here."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from recorder.console.picture import (
    AlarmPicture,
    AlarmsPicture,
    EventPicture,
    EventsPicture,
    ParameterRow,
    ParametersPage,
    ProcessPicture,
    StatusPicture,
    ValuesPicture,
    parse,
)

KEPT_EVENTS: Final = 2_000
KEPT_SAMPLES: Final = 9_000
"""Of a trend: a quarter of an hour at ten a second."""
KEPT_BANDS: Final = 2_000
SMALL_TREND: Final = 60
_SMALL_TREND_S: Final = 1.0
_STALE_S: Final = 1.5
_STALE_INTERVALS: Final = 3
_FIRST_UNCERTAIN: Final = 64
_GOOD: Final = 192
_CONNECTED: Final = "connected"
_WRITING: Final = "writing"


@dataclass(kw_only=True, slots=True)
class LiveValue:
    """A value as it was last told.

    Attributes:
        place: number of its plan.
        good: last value that was good or uncertain, and when it was sampled, UTC microseconds.
    """

    value: float | None
    set_value: float | None
    quality: int
    place: int
    text: str | None = None
    good: float | None = None
    good_us: int | None = None
    small: deque[float | None] = field(default_factory=lambda: deque(maxlen=SMALL_TREND))
    small_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What can be said of one value now.

    Attributes:
        state: ``good``, ``uncertain``, ``bad``, ``stale`` or ``none``.
        word: the state in one short word.
        age_s: of the value that is shown.
        is_live: whether it may look live.
    """

    value: float | None
    text: str | None
    set_value: float | None
    state: str
    word: str
    age_s: float | None
    is_live: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """A step or cycle that began."""

    at_us: int
    step: int | None
    cycle: int | None


_WORDS: Final = {
    0: "bad",
    4: "refused",
    8: "no device",
    16: "sensor",
    24: "no answer",
    28: "off duty",
    64: "uncertain",
    68: "frozen",
    84: "range",
    192: "good",
}


class Board:
    """Keeps the newest of everything.

    Args:
        monotonic_s: seconds of a clock that is never set.

    Attributes:
        fault: why the daemon is not heard; None while it is.
        lost_s: when it was last heard.
        changed: how many values the last answer had anew.
        has_others: whether it was the first to tell some of them.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.monotonic_s = monotonic_s
        self.fault: str | None = "connecting"
        self.lost_s: float | None = None
        self.next_try_s: float | None = None
        self.status: StatusPicture | None = None
        self.process: ProcessPicture | None = None
        self.parameters: list[ParameterRow] = []
        self.by_id: dict[int, ParameterRow] = {}
        self.total = 0
        self.values: dict[int, LiveValue] = {}
        self.events: deque[EventPicture] = deque(maxlen=KEPT_EVENTS)
        self.alarms: Sequence[AlarmPicture] = ()
        self.alarm_counts: Mapping[str, int] | None = None
        self.trends: dict[int, deque[tuple[int, float | None]]] = {}
        self.bands: deque[Band] = deque(maxlen=KEPT_BANDS)
        self.epoch, self.version = "", 0
        self.changed = 0
        self.has_others = False
        self.events_epoch, self.last_event = "", 0
        self._plans: Sequence[tuple[str, int, int | None, str | None]] = ()
        self._followed: frozenset[int] = frozenset()
        self._now_us = 0
        self._heard_s: float | None = None

    # what arrives

    def take_status(self, status: StatusPicture) -> None:
        """A new picture of the daemon."""
        self.status = status
        known, told = self.process, status.process
        if known is None or told is None or known.process_id != told.process_id:
            self.process = told

    def take_parameters(self, page: ParametersPage) -> None:
        """A page of definitions; the first begins anew.

        Raises:
            OtherVersionError: they are no definitions as this console knows them.
        """
        if page.offset == 0:
            self.parameters.clear()
            self.by_id.clear()
        self.total = page.total
        for row in page.rows:
            parameter = parse(ParameterRow, dict(zip(page.columns, row, strict=False)))
            self.parameters.append(parameter)
            self.by_id[parameter.id] = parameter

    def take_values(self, picture: ValuesPicture, asked: Sequence[int]) -> None:
        """Those of the values asked for that changed, and the times of all; of others no more is known from now on."""
        now_s = self.monotonic_s()
        if picture.epoch != self.epoch:
            self.values.clear()
            self._followed = frozenset()
        before = self._plans
        self.epoch, self.version = picture.epoch, picture.version
        self.changed = len(picture.ids) + len(picture.texts)
        self._plans, self._now_us, self._heard_s = picture.plans, picture.now_us, now_s
        for at, parameter_id in enumerate(picture.ids):
            self._take(parameter_id, picture, at, before)
        for parameter_id, (text, place) in picture.texts.items():
            quality = _GOOD if text is not None else 0
            self.values[parameter_id] = LiveValue(value=None, set_value=None, quality=quality, place=place, text=text)
        for parameter_id, samples in self.trends.items():
            live = self.values.get(parameter_id)
            sampled_us = self._sampled_us(live)
            if live is not None and sampled_us is not None and (not samples or samples[-1][0] < sampled_us):
                samples.append((sampled_us, live.value))
        asked_for = frozenset(asked)
        self.has_others = not asked_for <= self._followed
        self._followed = asked_for
        self._take_process(picture.process)

    def _take(
        self,
        parameter_id: int,
        picture: ValuesPicture,
        at: int,
        before: Sequence[tuple[str, int, int | None, str | None]],
    ) -> None:
        live = self.values.get(parameter_id)
        value, quality, place = picture.values[at], picture.quality[at], picture.places[at]
        if live is None:
            live = LiveValue(value=value, set_value=None, quality=quality, place=place)
            self.values[parameter_id] = live
        elif parameter_id in self._followed and live.quality >= _FIRST_UNCERTAIN and live.place < len(before):
            # it was told once and has held until the answer before this one
            live.good, live.good_us = live.value, before[live.place][2]
        live.value, live.quality, live.place = value, quality, place
        live.set_value = picture.set_values[at]
        if value is not None and quality >= _FIRST_UNCERTAIN:
            live.good, live.good_us = value, self._plans[place][2]

    def _take_process(self, process: ProcessPicture | None) -> None:
        if process is None:
            return
        self.process = process
        last = self.bands[-1] if self.bands else None
        if last is None or (last.step, last.cycle) != (process.step, process.cycle):
            self.bands.append(Band(at_us=self._now_us, step=process.step, cycle=process.cycle))

    def take_events(self, picture: EventsPicture) -> None:
        """Events that were not known."""
        if picture.epoch != self.events_epoch:
            self.events.clear()
            self.last_event = 0
        self.events_epoch = picture.epoch
        for event in picture.events:
            if event.number > self.last_event:
                self.events.append(event)
                self.last_event = event.number

    def take_alarms(self, picture: AlarmsPicture) -> bool:
        """The alarms as they are now; whether they are others than before."""
        is_changed = (picture.counts, picture.alarms) != (self.alarm_counts, self.alarms)
        self.alarms, self.alarm_counts = picture.alarms, picture.counts
        return is_changed

    def sample_small_trends(self, ids: Sequence[int]) -> None:
        """Keep one value a second of each that is seen."""
        now_s = self.monotonic_s()
        for parameter_id in ids:
            live = self.values.get(parameter_id)
            if live is not None and now_s - live.small_s >= _SMALL_TREND_S:
                live.small.append(live.value)
                live.small_s = now_s

    def follow(self, ids: Sequence[int]) -> None:
        """Keep every sample of these parameters, and forget those of others."""
        self.trends = {i: self.trends.get(i, deque(maxlen=KEPT_SAMPLES)) for i in ids}

    def is_heard(self) -> None:
        """The daemon answered."""
        self.fault = self.lost_s = self.next_try_s = None

    def is_lost(self, fault: str, next_try_s: float) -> None:
        """The daemon did not answer; nothing looks live from now on."""
        if self.lost_s is None:
            self.lost_s = self.monotonic_s()
        self.fault, self.next_try_s = fault, next_try_s

    # what can be said

    @property
    def is_live(self) -> bool:
        """Whether what is shown is of now."""
        return self.fault is None and self.status is not None and self.status.state == "recording"

    @property
    def trouble(self) -> str:
        """What is wrong although the recorder answers: no device, device away, frozen, spools; empty for nothing.

        What makes values on the screen others than those of now goes before what only keeps them from the database.
        """
        if self.status is None:
            return ""
        devices = self.status.devices
        away = sum(device.state != _CONNECTED for device in devices)
        if away:
            return "no device" if away == len(devices) else "device away"
        if any(device.frozen for device in devices):
            return "frozen"
        return "" if self.status.writer.state == _WRITING else "spools"

    def now_us(self) -> int:
        """The daemon's time now, UTC microseconds, as far as it is known."""
        if self._heard_s is None:
            return self._now_us
        return self._now_us + round((self.monotonic_s() - self._heard_s) * 1e6)

    def _sampled_us(self, live: LiveValue | None) -> int | None:
        if live is None or live.place >= len(self._plans):
            return None
        return self._plans[live.place][2]

    def show(self, parameter: ParameterRow) -> Shown:
        """What can be said of a parameter's value now."""
        live = self.values.get(parameter.id)
        if live is None:
            word = "wait" if parameter.is_read else "not read"
            return Shown(value=None, text=None, set_value=None, state="none", word=word, age_s=None, is_live=False)
        sampled_us = self._sampled_us(live)
        interval_s = self._plans[live.place][1] / 1000 if live.place < len(self._plans) else 0
        age_s = None if sampled_us is None else max(0.0, (self.now_us() - sampled_us) / 1e6)
        is_late = age_s is None or age_s > max(_STALE_S, _STALE_INTERVALS * interval_s)
        word = _WORDS.get(live.quality, "good" if live.quality >= _GOOD else "bad")
        value = live.value
        if live.quality < _FIRST_UNCERTAIN:
            state, value = "bad", live.good
            age_s = None if live.good_us is None else max(0.0, (self.now_us() - live.good_us) / 1e6)
        elif self.fault is not None or is_late:
            state, word = "stale", "stale"
        elif parameter.id not in self._followed:
            # it was out of sight: its scans went on, and what they brought comes with the next answer
            state, word, age_s = "stale", "wait", None
        else:
            state = "good" if live.quality >= _GOOD else "uncertain"
        return Shown(
            value=value,
            text=live.text,
            set_value=live.set_value,
            state=state,
            word=word,
            age_s=age_s,
            is_live=state in {"good", "uncertain"} and live.quality != 68,  # noqa: PLR2004  (frozen)
        )

    def small_trend(self, parameter_id: int) -> Sequence[float | None]:
        """The last values, one a second."""
        live = self.values.get(parameter_id)
        return () if live is None else tuple(live.small)

    def small_trend_s(self, parameter_id: int) -> float:
        """When its newest value was taken, seconds of the monotonic clock."""
        live = self.values.get(parameter_id)
        return 0.0 if live is None else live.small_s

    def matching(self, text: str, *, only: Callable[[ParameterRow], bool] = lambda _row: True) -> list[ParameterRow]:
        """The parameters that a filter leaves: each of its words is in name, unit, device or quality."""
        words = text.lower().split()
        return [
            row
            for row in self.parameters
            if only(row) and (not words or all(word in f"{row.name} {row.unit} {row.device}".lower() for word in words))
        ]
