"""Whatever happens to a spool in whatever order: nothing that was appended is lost unless it is counted."""

import asyncio
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from recorder.spool.spool import Spool
from recorder.spool.stored_entry import SpooledEntry
from tests.recorder.entries import PROCESS, event, points, run_started

ROWS = 1000
SMALL = 1 << 20
MEMORY = Path("/dev/shm")
KINDS = st.sampled_from(["run", "run", "idle", "idle", "event", "run_started"])


class SpoolMachine(RuleBasedStateMachine):
    """Appends, commits in part, crashes, damages and reopens a spool of about nine entries, beside a model of it.

    What is committed stands for the database: what the writer got and stored, whether it could say so or not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        # what is tested is no power cut, and a disk in memory syncs at once
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.path = self.folder / "0" / "spool.sqlite3"
        self.lives = 0
        self.newest = 0
        self.slot = 0
        self.appended: Counter[int] = Counter()
        self.events: list[str] = []
        self.committed: list[SpooledEntry] = []
        self.position = 0
        self.state: dict[str, int] = {}
        self.kept_bytes = SMALL // 8
        self.spool = self.open()

    def open(self) -> Spool:
        return self.runner.run(Spool(self.path, max_bytes=SMALL, keep_bytes=self.kept_bytes).__aenter__())

    @rule(kinds=st.lists(KINDS, min_size=1, max_size=25))
    def append(self, kinds: list[str]) -> None:
        entries = []
        for kind in kinds:
            self.slot += 1
            if kind == "event":
                entries.append(event(number=self.slot))
            elif kind == "run_started":
                entries.append(run_started(self.slot))
                self.events.append(f"run {self.slot}")
            else:
                entries.append(points(self.slot, rows=ROWS, is_idle=kind == "idle"))
                self.appended[points(self.slot).accounting[0].minute] += 1
        self.state = {"newest": self.slot}

        async def appending() -> int:
            futures = [self.spool.append([entry], state=dict(self.state)) for entry in entries]
            return (await asyncio.gather(*futures))[-1]

        sequence = self.runner.run(appending())
        assert sequence > self.newest
        self.newest = sequence

    @rule(entries=st.integers(1, 6), is_acknowledged=st.booleans())
    def commit(self, entries: int, *, is_acknowledged: bool) -> None:
        """The database takes some of what it was given; whether it could say so is another matter."""
        found = self.runner.run(self.spool.peek(after=self.position, max_rows=10**9))[:entries]
        self.committed += found
        if found:
            assert found[0].sequence > self.position
            self.position = found[-1].sequence
        if is_acknowledged:
            self.spool.acknowledge(self.position)

    @rule()
    def hand_out_in_vain(self) -> None:
        """The database was given everything, and nobody knows yet what it took."""
        self.runner.run(self.spool.peek(after=self.position, max_rows=10**9))

    @rule()
    def claim(self) -> None:
        self.spool.acknowledge(self.position)
        self.spool.claims.taken(self.position, self.spool.claims.lineage[1])

    @rule(kept_bytes=st.sampled_from([0, SMALL // 16, SMALL // 8]))
    def reopen(self, kept_bytes: int) -> None:
        self.runner.run(self.spool.__aexit__(None, None, None))
        self.kept_bytes = kept_bytes
        self.spool = self.open()

    @rule(back=st.integers(0, 12))
    def restore(self, back: int) -> None:
        """The database is put back to an older backup: what the file still has is given to it again."""
        sequences = [spooled.sequence for spooled in self.committed]
        watermark = sequences[-back - 1] if back < len(sequences) else 0
        if watermark >= self.spool.acknowledged:
            return
        kept_after = self.runner.run(self.spool.take_back(watermark))
        assert watermark <= kept_after <= self.position
        self.committed = [spooled for spooled in self.committed if spooled.sequence <= kept_after]
        self.position = kept_after
        self.spool.claims.taken(kept_after, self.spool.claims.lineage[1])

    @rule()
    def crash(self) -> None:
        """Go on with the files as they lie there now; the process that had them open is gone."""
        self.lives += 1
        after = self.folder / str(self.lives)
        shutil.copytree(self.path.parent, after)
        self.runner.run(self.spool.__aexit__(None, None, None))
        self.path = after / self.path.name
        self.spool = self.open()

    @precondition(lambda self: not self.spool._store.damaged)
    @rule()
    def set_aside(self) -> None:
        """The file is found damaged, though all of it can still be read; what cannot is a test of its own."""

        async def replacing() -> None:
            spool = self.spool
            spool._appender._replaced_s = None
            assert await spool._loop.run_in_executor(spool._write_thread, spool._appender.replace, spool._store, "test")
            await spool.peek(after=self.position, max_rows=1)
            self.newest = spool.last_sequence

        self.runner.run(replacing())

    async def waiting(self) -> list[SpooledEntry]:
        """What the database would still be given, read without handing it out."""
        while self.spool._store.damaged:  # noqa: ASYNC110  (a test that only looks must not wait as a writer does)
            await asyncio.sleep(0.001)
        found: list[SpooledEntry] = []
        while part := self.spool._store.peek(after=found[-1].sequence if found else self.position, max_rows=10**9):
            found += part
        return found

    @invariant()
    def each_slot_is_in_the_database_or_waits_once(self) -> None:
        """By minute, whole or shed; and no two entries have the same rows."""
        everything = [*self.committed, *self.runner.run(self.waiting())]
        slots: Counter[int] = Counter()
        for spooled in everything:
            for count in spooled.entry.accounting:
                assert count.process_id == PROCESS
                slots[count.minute] += count.slots
        assert slots == self.appended
        sequences = [spooled.sequence for spooled in everything]
        assert sequences == sorted(set(sequences))

    @invariant()
    def starts_of_runs_are_all_there_in_order(self) -> None:
        everything = [*self.committed, *self.runner.run(self.waiting())]
        told = [s.entry.header["process_id"] for s in everything if s.entry.header.get("event") == "run_started"]
        assert [f"run {number}" for number in told] == self.events

    @invariant()
    def it_keeps_its_size_and_its_state(self) -> None:
        size = sum(part.stat().st_size for part in self.path.parent.glob(f"{self.path.name}*"))
        assert size <= SMALL
        assert self.spool.state == self.state

    def teardown(self) -> None:
        self.runner.run(self.spool.__aexit__(None, None, None))
        self.runner.close()
        shutil.rmtree(self.folder)


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
