"""How many different rows a table has, from a few kilobytes of it: HyperLogLog with Ertl's estimator.

Flajolet and others 2007; estimator of arXiv:1702.01284, which needs no corrections for few or many rows. The relative
standard error is 1.04 / sqrt(registers): 0.81 % for the default of 2^14.
"""

import numpy as np

from jaxrl.core.check import InputError

WORD = 64
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def scrambled(table) -> np.ndarray:
    """A hash of each row [n, D] of whole numbers, [n] uint64: SplitMix64's finalizer, column by column."""
    table = np.asarray(table, np.int64).view(np.uint64)
    found = np.full(len(table), GOLDEN)
    for column in table.T:
        found = (found ^ column) + GOLDEN
        found = (found ^ (found >> np.uint64(30))) * FACTORS[0]
        found = (found ^ (found >> np.uint64(27))) * FACTORS[1]
        found ^= found >> np.uint64(31)
    return found


def sketch(table, bits: int = 14) -> np.ndarray:
    """Registers [2^bits] uint8 of table [n, D]; that of two tables together is the larger of each register.

    Raises InputError for bits outside 12 to 18: beyond, leading zeros could not be read off a float64.
    """
    if not 12 <= bits <= 18:
        raise InputError(f"bits is {bits}; choose 12 to 18, for 2^bits registers")
    rest = WORD - bits
    hashes = scrambled(table)
    place = (hashes >> np.uint64(rest)).astype(np.int64)
    digits = np.frexp((hashes & np.uint64(2**rest - 1)).astype(np.float64))[1]
    registers = np.zeros(2**bits, np.uint8)
    np.maximum.at(registers, place, (rest - digits + 1).astype(np.uint8))
    return registers


def count(registers) -> float:
    """Estimated number of different rows that went into a sketch."""
    size = len(registers)
    rest = WORD - (size.bit_length() - 1)
    share = np.bincount(registers, minlength=rest + 2) / size
    total = size * _full(1 - share[rest + 1])
    for value in size * share[rest:0:-1]:
        total = 0.5 * (total + value)
    total += size * _empty(share[0])
    return float(size**2 / (2 * np.log(2) * total)) if np.isfinite(total) else 0.0


def _empty(x: float) -> float:
    """Ertl's sigma, x + sum_k x^(2^k) 2^(k-1), of the share of registers that nothing went into."""
    k = np.arange(1, 60)
    return np.inf if x == 1 else float(x + (np.power(x, 2.0**k) * 2.0 ** (k - 1)).sum())


def _full(x: float) -> float:
    """Ertl's tau, (1 - x - sum_k (1 - x^(2^-k))^2 2^-k) / 3, where 1 - x is the share of registers that are full."""
    k = np.arange(1, 60)
    return 0.0 if x in (0, 1) else float((1 - x - (np.square(1 - np.power(x, 2.0**-k)) * 2.0**-k).sum()) / 3)
