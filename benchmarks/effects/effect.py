"""What one comparison found."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Effect(NamedTuple):
    """A system beside its parent on one task, one number for each seed.

    system, parent: names, as on the command line where there is one. measure: what the numbers are. higher: whether
    more is better. paired: whether number i of both has the same seed and data. expected: "better", or "equal" where
    the paper claims that nothing is lost.
    """

    system: str
    parent: str
    task: str
    measure: str
    systems: Sequence[float]
    parents: Sequence[float]
    higher: bool = True
    paired: bool = True
    expected: str = "better"

    @property
    def gain(self) -> float:
        """Mean improvement over the parent, positive where the system is better."""
        sign = 1 if self.higher else -1
        return sign * float(np.mean(self.systems) - np.mean(self.parents))

    @property
    def error(self) -> float:
        """Standard error of the gain; of the paired differences where seeds are paired."""
        a, b = np.asarray(self.systems, float), np.asarray(self.parents, float)
        if self.paired:
            return float(np.std(a - b, ddof=1) / np.sqrt(len(a)))
        return float(np.hypot(np.std(a, ddof=1) / np.sqrt(len(a)), np.std(b, ddof=1) / np.sqrt(len(b))))

    @property
    def verdict(self) -> str:
        """Whether the 95 % interval of the gain lies above zero ("shown"), or for "equal" not below it."""
        low, high = self.gain - 1.96 * self.error, self.gain + 1.96 * self.error
        if self.expected == "equal":
            return "shown" if high >= 0 else "worse"
        return "shown" if low > 0 else "worse" if high < 0 else "not shown"
