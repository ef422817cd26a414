"""The control commands that start and stop runs by hand."""

from collections.abc import Mapping
from typing import Any

from recorder.acquisition.recording import Recording
from recorder.control import Handler
from recorder.errors import UsageError
from recorder.runs.run import RunLabels


def run_handlers(recording: Recording) -> dict[str, Handler]:
    """What answers ``runs_start`` and ``runs_stop``."""

    async def runs_start(request: Mapping[str, Any]) -> dict[str, Any]:
        labels = RunLabels(**{name: str(request.get(name, "")) for name in ("operator", "lot", "substrate", "note")})
        try:
            entries = recording.tracker.start_manual(
                recording.clock.now_us(), recipe=str(request.get("recipe", "")), labels=labels
            )
        except ValueError as error:
            raise UsageError(str(error)) from error
        await recording.spool_now(entries)
        assert recording.tracker.current is not None
        return {"run": recording.tracker.current.process_id}

    async def runs_stop(_request: Mapping[str, Any]) -> dict[str, Any]:
        current = recording.tracker.current
        try:
            entries = recording.tracker.stop(recording.clock.now_us())
        except ValueError as error:
            raise UsageError(str(error)) from error
        await recording.spool_now(entries)
        assert current is not None
        return {"run": current.process_id}

    return {"runs_start": runs_start, "runs_stop": runs_stop}
