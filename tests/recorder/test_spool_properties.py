"""Whatever happens to a spool in whatever order: nothing that was appended is lost unless it is counted."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from recorder.entry import Entry, EntryKind
from recorder.spool_store import EncodedEntry, SpoolStore
from tests.recorder.entries import event, points

ROWS = 40
SIZE = EncodedEntry.of(points(1, rows=ROWS)).size_bytes
KINDS = st.sampled_from(["run", "idle", "event"])


class SpoolMachine(RuleBasedStateMachine):
    """Appends, acknowledges, crashes and reopens a spool of about eight entries, beside a model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.files = 0
        self.path = self.folder / "0.sqlite3"
        self.store = self.open()
        self.stream = self.store.stream_id
        self.appended: dict[int, Entry] = {}
        self.forgotten = 0
        self.state: dict[str, int] = {}
        self.was_shed: set[int] = set()

    def open(self) -> SpoolStore:
        return SpoolStore(self.path, max_bytes=8 * SIZE)

    @rule(kinds=st.lists(KINDS, max_size=5), keeps_state=st.booleans(), acknowledges=st.integers(0, 3))
    def append(self, kinds: list[str], *, keeps_state: bool, acknowledges: int) -> None:
        newest = max(self.appended, default=0)
        entries = [
            event(number=number) if kind == "event" else points(number, rows=ROWS, is_idle=kind == "idle")
            for number, kind in enumerate(kinds, start=newest + 1)
        ]
        if keeps_state:
            self.state = {"newest": newest + len(entries)}
        self.forgotten = max(self.forgotten, min(newest, self.forgotten + acknowledges))
        sequences = self.store.append(
            [EncodedEntry.of(entry) for entry in entries],
            state=f'{{"newest": {newest + len(entries)}}}' if keeps_state else None,
            acknowledge=self.forgotten,
        )
        assert sequences == list(range(newest + 1, newest + 1 + len(entries)))
        self.appended |= dict(zip(sequences, entries, strict=True))

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.open()

    @rule()
    def crash(self) -> None:
        """Go on with the files as they lie there now; the process that had them open is gone."""
        self.files += 1
        after = self.folder / f"{self.files}.sqlite3"
        for part in self.folder.glob(f"{self.path.name}*"):
            shutil.copy(part, self.folder / part.name.replace(self.path.name, after.name))
        self.store.close()
        self.path = after
        self.store = self.open()

    @precondition(lambda self: self.appended)
    @rule(data=st.data())
    def read_a_part(self, data: st.DataObject) -> None:
        after = data.draw(st.integers(self.forgotten, max(self.appended)))
        found = self.store.peek(after=after, max_rows=3 * ROWS)
        assert [s.sequence for s in found] == list(range(after + 1, after + 1 + len(found)))
        assert found or after == max(self.appended)

    @invariant()
    def everything_is_there_in_order_whole_or_as_its_tombstone(self) -> None:
        found = {s.sequence: s.entry for s in self.store.peek(after=0, max_rows=10**9)}
        assert list(found) == list(range(self.forgotten + 1, max(self.appended, default=0) + 1))
        shed = set()
        for sequence, entry in found.items():
            if entry != self.appended[sequence]:
                assert entry == self.appended[sequence].tombstone("spool_full")
                shed.add(sequence)
        assert self.was_shed & set(found) <= shed, "what was given up does not come back"
        self.was_shed = shed

    @invariant()
    def only_the_oldest_are_given_up_and_run_data_after_idle_data(self) -> None:
        held = {n: e for n, e in self.appended.items() if n > self.forgotten and e.kind is EntryKind.POINTS}
        for is_idle in (True, False):
            members = [n for n, entry in held.items() if entry.is_idle is is_idle]
            flags = [n in self.was_shed for n in members]
            assert flags == sorted(flags, reverse=True)

    @invariant()
    def it_keeps_its_limit_its_stream_and_its_state(self) -> None:
        depth = self.store.depth
        assert depth.entries == len(self.appended) - self.forgotten
        sizes = [EncodedEntry.of(s.entry).size_bytes for s in self.store.peek(after=0, max_rows=10**9)]
        assert depth.bytes == sum(sizes)
        # a tombstone needs room too, and an append comes whole
        assert depth.bytes <= (8 + 5) * SIZE or len(self.was_shed) > 8
        assert self.store.stream_id == self.stream
        assert self.store.state == self.state

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
