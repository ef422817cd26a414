"""docs/caching.md says what the caches of the api are, and for how long."""

import re
from pathlib import Path

from recorder.api.cache import MIB
from recorder.api.run_history import CLOSED_S, LIST_S, RUNNING_S, UNHEARD_S, RunHistory
from recorder.database import Database, DatabaseSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "caching.md"


def test_every_cache_of_the_api_is_listed_with_its_times_and_bounds() -> None:
    """As they are in the code."""
    text = DOCUMENT.read_text(encoding="utf-8")
    own = text.partition("## In the api")[2].partition("## Elsewhere")[0]
    rows = dict(re.findall(r"^\| `(\w+)` (\|.*)\|$", own, flags=re.MULTILINE))
    history = RunHistory(Database(DatabaseSettings(dsn="postgresql://nobody@127.0.0.1:1/none")), "A")
    expected_s = {
        "run_list": (LIST_S, RUNNING_S),
        "run": (CLOSED_S, RUNNING_S),
        "summaries": (LIST_S, RUNNING_S),
    }
    assert rows.keys() == expected_s.keys() == {cache.name for cache in history.caches}
    for cache in history.caches:
        row = rows[cache.name]
        assert all(f"{seconds:g} s" in row for seconds in expected_s[cache.name])
        assert f"{cache._most_entries} " in row
        assert f"{cache._most_bytes // MIB} MiB" in row
    assert f"an answer is given for {UNHEARD_S:g} s at most" in text
