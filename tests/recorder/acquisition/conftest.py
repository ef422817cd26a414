"""What tests of samplers share."""

import pytest

from hal.memory import MemoryDevice
from tests.recorder.fake_time import FakeTime
from tests.recorder.sampling import PRESSURE


@pytest.fixture
def time() -> FakeTime:
    """Noon."""
    return FakeTime()


@pytest.fixture
def memory() -> MemoryDevice:
    """A tool that is idle, its chamber at 0.25."""
    memory = MemoryDevice("plc")
    memory.put(PRESSURE, 0.25)
    return memory
