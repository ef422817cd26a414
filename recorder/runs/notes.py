"""What people write about a run, in it or after it: spooled like any event, so also while the database is away."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import structlog
from pydantic import BaseModel, Field, StringConstraints

from recorder.acquisition.event_log import EventLog
from recorder.acquisition.recording import Recording
from recorder.control import Handler
from recorder.errors import DatabaseError, UsageError
from recorder.runs.pages import RunPages
from recorder.runs.process_id import minted_us
from recorder.status.recent_events import RecentEvents
from recorder.status.requests import parse_request

NOTE: Final = "run_note"
LONGEST_NOTE: Final = 2_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


class NoteRequest(BaseModel):
    """A note and who writes it; on the process in force where no other is named."""

    process_id: int | None = Field(default=None, ge=0, lt=1 << 63)
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NOTE)]
    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class NotesRequest(BaseModel):
    """The run whose notes are asked for."""

    process_id: int = Field(ge=0, lt=1 << 63)


class RunNotes:
    """Answers ``runs_note`` and ``runs_notes``.

    Args:
        recent: what has happened since the recorder began.
        pages: the way to the history in the database.
    """

    def __init__(self, *, recording: Recording, events: EventLog, recent: RecentEvents, pages: RunPages) -> None:
        self._recording = recording
        self._events = events
        self._recent = recent
        self._pages = pages

    def handlers(self) -> dict[str, Handler]:
        """The commands of the control socket."""
        return {"runs_note": self.note, "runs_notes": self.notes}

    async def note(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Add a note to a run; done when it is on disk.

        Raises:
            UsageError: it is empty, too long or without a name, or there is no such run.
            SpoolError: it could not be kept.
        """
        asked = parse_request(NoteRequest, request)
        current = self._recording.tracker.current
        process_id = asked.process_id
        if process_id is None:
            if current is None:
                raise UsageError("nothing is recorded yet that a note could belong to")
            process_id = current.process_id
        if current is None or process_id != current.process_id:
            await self._must_be_known(process_id)
        now_us = self._recording.clock.now_us()
        detail = {"run": process_id, "by": asked.by, "text": asked.text}
        log.info(NOTE, **detail)
        await self._events.append(NOTE, detail, process_id=process_id, occurred_us=now_us)
        return {**detail, "at_us": now_us}

    async def notes(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The notes of a run, oldest first; without the database those alone that were written since the start.

        Raises:
            UsageError: the request cannot be understood.
        """
        asked = parse_request(NotesRequest, request)
        try:
            rows = await self._pages.fetch("run_notes", asked.process_id)
            is_complete = True
        except DatabaseError:
            rows, is_complete = [], False
        stored = [((row["at"] - _EPOCH) // timedelta(microseconds=1), row["by"], row["text"]) for row in rows]
        own = [
            (event["at_us"], event["detail"]["by"], event["detail"]["text"])
            for event in self._recent.of_run(asked.process_id)
            if event["kind"] == NOTE
        ]
        notes = sorted({*stored, *own})
        return {
            "is_complete": is_complete,
            "notes": [{"at_us": at_us, "by": by, "text": text} for at_us, by, text in notes],
        }

    async def _must_be_known(self, process_id: int) -> None:
        """Refuse a note on a run that never was, as far as that can be known now.

        Raises:
            UsageError: there is no such run.
        """
        if self._recent.of_run(process_id):
            return
        try:
            is_known = bool(await self._pages.fetch("is_run_of_machine", process_id, self._pages.machine))
        except DatabaseError:
            # nobody can say now; a run that has not begun yet there cannot be
            is_known = minted_us(process_id) <= self._recording.clock.now_us()
        if not is_known:
            raise UsageError(f"there is no run {process_id} of this machine; see ald-recorder runs list --all")
