"""How an event reads: its mark, its colour and its detail on one line. Pure."""

from typing import Any, Final

from recorder.console.picture import EventPicture
from recorder.console.words import Glyphs, number

_GOOD: Final = frozenset(
    {
        *("device_connected", "device_moves_again", "address_answers_again", "run_started", "run_ended"),
        *("alarm_normal", "alarm_acknowledged"),
    }
)
_BAD: Final = frozenset(
    {
        *(
            "device_lost",
            "device_unreachable",
            "device_frozen",
            "spool_set_aside",
            "spool_put_back",
            "spool_failed",
            "plc_restarted",
        ),
        "alarm_raised",
    }
)


def event_sign(event: EventPicture, glyphs: Glyphs) -> tuple[str, str]:
    """Its mark, and the style of it."""
    if event.kind in _BAD:
        return glyphs.bad, "bold red"
    return (glyphs.good, "green") if event.kind in _GOOD else (glyphs.uncertain, "yellow")


def detail_text(detail: Any) -> str:
    """What an event says, on one line."""
    if "reason" in detail and len(detail) == 1:
        return str(detail["reason"])
    if "alarm" in detail:
        by = f" (by {detail['by']})" if detail.get("by") else ""
        value = f": {number(detail['value'])} {detail.get('unit', '')}".rstrip() if "value" in detail else ""
        return f"{detail.get('text') or detail['alarm']}{value}{by}"
    parts = (f"{name.replace('_', ' ')} {value}" for name, value in detail.items() if value not in ("", None, 0))
    return ", ".join(parts)
