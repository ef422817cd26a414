"""What the daemon tells of values as they are now: definitions page by page, and only what changed since last asked.

A client that shows nothing costs nothing: values are compared where they are asked for, and not in the scan. Each value
has the version at which it was last seen to change, so that no state is kept for a client.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from hal.parameter import DataType
from hal.plan import ReadPlan
from hal.scan import Scan
from recorder.acquisition.recording import LatestScan
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.status.requests import parse_request

MOST_PARAMETERS: Final = 500
"""Definitions in one answer: more would hold up a scan for milliseconds."""
MOST_VALUES: Final = 2_000
PARAMETER_COLUMNS: Final = (
    *("id", "name", "unit", "device", "interval_ms", "data_type", "is_read", "is_writable"),
    *("min_value", "max_value", "desired", "tolerance", "range_low", "range_high"),
)


class ParametersRequest(BaseModel):
    """Which definitions are asked for."""

    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=MOST_PARAMETERS, ge=1, le=MOST_PARAMETERS)


class ValuesRequest(BaseModel):
    """Which values are asked for, and what of them is known already.

    Attributes:
        ids: parameter ids.
        epoch: of the answer that `since` is from; the versions of another daemon mean nothing.
        since: version of that answer.
    """

    ids: Annotated[list[int], Field(max_length=MOST_VALUES)] = Field(default_factory=list)
    epoch: str = ""
    since: int = Field(default=0, ge=0)


@dataclass(kw_only=True, slots=True, eq=False)
class _Followed:
    """One plan as it was last compared.

    Attributes:
        changed: version at which each row was last seen to change.
    """

    plan: ReadPlan
    scan: Scan
    changed: npt.NDArray[np.int64]
    texts: dict[int, tuple[str | None, int]] = field(default_factory=dict)


class LiveValues:
    """Answers `parameters` and `values`.

    Args:
        latest: newest scan of each plan, filled by the samplers.
        definitions: all of the machine.
        now_us: UTC microseconds.
        process: what is said of the run in force with each answer.
    """

    def __init__(
        self,
        latest: Mapping[str, LatestScan],
        definitions: DefinitionSet,
        *,
        now_us: Callable[[], int],
        process: Callable[[], Mapping[str, Any] | None],
    ) -> None:
        self._latest = latest
        self._definitions = definitions
        self._now_us = now_us
        self._process = process
        self._epoch = secrets.token_hex(8)
        self._version = 0
        self._followed: dict[str, _Followed] = {}
        self._rows: dict[int, tuple[str, int]] = {}
        self._texts: dict[int, str] = {}

    async def parameters(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One page of the definitions, in their order.

        Raises:
            UsageError: the request cannot be understood.
        """
        asked = parse_request(ParametersRequest, request)
        self._compare()
        page = self._definitions.definitions[asked.offset : asked.offset + asked.limit]
        return {
            "version": self._definitions.version if asked.offset == 0 else "",
            "total": len(self._definitions.definitions),
            "offset": asked.offset,
            "columns": PARAMETER_COLUMNS,
            "rows": [self._row(definition) for definition in page],
        }

    def value_of(self, parameter_id: int) -> float | None:
        """The newest value of one parameter; None where it is bad or not read."""
        for latest in self._latest.values():
            rows = (latest.scan.parameter_ids == parameter_id).nonzero()[0]
            if len(rows):
                return _plain(latest.scan.values[rows[:1]])[0]
        return None

    def _row(self, definition: Definition) -> Sequence[object]:
        d = definition
        is_read = d.id in self._rows or d.id in self._texts
        head = (d.id, d.full_name, d.unit, d.device, d.scan_interval_ms, d.data_type, is_read, d.is_writable)
        return (*head, d.min_value, d.max_value, d.set_value, d.tolerance, d.range_low, d.range_high)

    async def values(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The values asked for that changed since the version that the client knows; and the time of each plan.

        Raises:
            UsageError: the request cannot be understood.
        """
        asked = parse_request(ValuesRequest, request)
        self._compare()
        since = asked.since if asked.epoch == self._epoch else -1
        rows_of: dict[str, list[int]] = {}
        for parameter_id in asked.ids:
            place = self._rows.get(parameter_id)
            if place is not None:
                rows_of.setdefault(place[0], []).append(place[1])
        answer: dict[str, Any] = {
            "epoch": self._epoch,
            "version": self._version,
            "now_us": self._now_us(),
            "process": self._process(),
            "plans": [self._plan(key, latest) for key, latest in self._latest.items()],
            "ids": [],
            "values": [],
            "set_values": [],
            "quality": [],
            "places": [],
            "texts": self._changed_texts(asked.ids, since),
        }
        places = {key: place for place, key in enumerate(self._latest)}
        for key, asked_rows in rows_of.items():
            followed = self._followed[key]
            rows = np.array(asked_rows)
            rows = rows[followed.changed[rows] > since]
            scan = followed.scan
            answer["ids"] += scan.parameter_ids[rows].tolist()
            answer["values"] += _plain(scan.values[rows])
            answer["set_values"] += _plain(scan.set_values[rows])
            answer["quality"] += scan.quality[rows].tolist()
            answer["places"] += [places[key]] * len(rows)
        return answer

    @staticmethod
    def _plan(key: str, latest: LatestScan) -> Sequence[object]:
        device, _, interval_ms = key.rpartition("/")
        times = latest.timestamps_us
        return (device, int(interval_ms), int(times.max()) if len(times) else None, latest.scan.error)

    def _changed_texts(self, ids: Sequence[int], since: int) -> dict[int, tuple[str | None, int]]:
        """Text, None where the last scan did not bring it, and the place of its plan."""
        places = {key: place for place, key in enumerate(self._latest)}
        found = {}
        for parameter_id in ids:
            key = self._texts.get(parameter_id)
            text = self._followed[key].texts.get(parameter_id) if key is not None else None
            if key is not None and text is not None and text[1] > since:
                found[parameter_id] = (text[0], places[key])
        return found

    def _compare(self) -> None:
        """Take in what was scanned since the last client asked."""
        for key, latest in self._latest.items():
            known = self._followed.get(key)
            if known is not None and known.scan is latest.scan:
                continue
            self._version += 1
            if known is None or known.plan is not latest.plan:
                known = self._follow(key, latest)
            else:
                known.changed[_differs(known.scan, latest.scan)] = self._version
            known.scan = latest.scan
            for parameter_id, (before, _) in known.texts.items():
                text = latest.scan.texts.get(parameter_id)
                if text != before:
                    known.texts[parameter_id] = (text, self._version)

    def _follow(self, key: str, latest: LatestScan) -> _Followed:
        scan = latest.scan
        known = _Followed(
            plan=latest.plan, scan=scan, changed=np.full(len(scan.parameter_ids), self._version, np.int64)
        )
        self._followed[key] = known
        self._rows |= {int(parameter_id): (key, row) for row, parameter_id in enumerate(scan.parameter_ids)}
        for parameter in latest.plan.parameters:
            if parameter.data_type is DataType.ASCII:
                self._texts[parameter.parameter_id] = key
                known.texts[parameter.parameter_id] = (scan.texts.get(parameter.parameter_id), self._version)
        return known


def _differs(before: Scan, after: Scan) -> npt.NDArray[np.bool_]:
    """The rows that a client would draw anew; NaN equals NaN."""
    differs: npt.NDArray[np.bool_] = before.quality != after.quality
    for one, other in ((before.values, after.values), (before.set_values, after.set_values)):
        differs |= (one != other) & ~(np.isnan(one) & np.isnan(other))
    return differs


def _plain(values: npt.NDArray[np.float64]) -> list[float | None]:
    """For JSON, which has neither NaN nor infinity."""
    finite: list[bool] = np.isfinite(values).tolist()
    return [value if is_finite else None for value, is_finite in zip(values.tolist(), finite, strict=True)]
