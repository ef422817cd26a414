"""The quartz crystal: mass by Sauerbrey's equation, frequency as float64, and how much of its life is left."""

import math
from dataclasses import dataclass
from typing import Final

QUARTZ_DENSITY_G_CM3: Final = 2.648
QUARTZ_SHEAR_G_CM_S2: Final = 2.947e11
"""Density and shear modulus of AT-cut quartz (Sauerbrey 1959)."""
NEW_HZ: Final = 6_000_000.0
DEAD_HZ: Final = 5_000_000.0
"""A 6 MHz crystal that is changed at 5 MHz: 5,583,588 Hz are then 58 % of life, as al2o3_run says [M]."""
NOISE_HZ: Final = 0.03
"""From sample to sample in al2o3_run; 0.42 ng/cm2 by Sauerbrey's equation, and 0.42 to 0.55 were measured [M]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CrystalModel:
    """A crystal as it was put in.

    Attributes:
        begin_hz: its frequency before the first run.
    """

    begin_hz: float = 5_583_588.4

    @property
    def hz_of_1_ng_cm2(self) -> float:
        """Sauerbrey: df = -2 f0^2 dm / sqrt(rho mu); 0.0706 Hz for each ng/cm2 at 5.58 MHz."""
        return 2 * self.begin_hz**2 / math.sqrt(QUARTZ_DENSITY_G_CM3 * QUARTZ_SHEAR_G_CM_S2) * 1e-9

    def frequency_hz(self, mass_ng_cm2: float, noise: float) -> float:
        """Read the frequency under a mass; ``noise`` is a standard normal number."""
        return self.begin_hz - self.hz_of_1_ng_cm2 * mass_ng_cm2 + NOISE_HZ * noise

    def mass_ng_cm2(self, frequency_hz: float, zero_ng_cm2: float) -> float:
        """Work a mass out of a frequency, as the instrument does, from where it was set to zero."""
        return (self.begin_hz - frequency_hz) / self.hz_of_1_ng_cm2 - zero_ng_cm2


def life_percent(frequency_hz: float) -> float:
    """What is left of the crystal's life."""
    return 100 * (frequency_hz - DEAD_HZ) / (NEW_HZ - DEAD_HZ)
