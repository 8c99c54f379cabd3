"""Random numbers that are the same on every version of Python."""

import math
import random

# Of logarithms: `random()` may return zero.
TINY = 1e-12


class Dice:
    """Draws from `random()` alone, the one method whose sequence Python promises to keep."""

    def __init__(self, *names):
        self.share = random.Random("/".join(names)).random

    def below(self, limit):
        return int(self.share() * limit)

    def pick(self, choices):
        return choices[self.below(len(choices))]

    def bases(self, count):
        return "".join(self.pick("ACGT") for _ in range(count))

    def another(self, *bases):
        """A base that is none of these."""
        return self.pick([base for base in "ACGT" if base not in bases])

    def exponential(self):
        return -math.log(self.share() or TINY)

    def gauss(self, mean, deviation):
        radius = math.sqrt(-2.0 * math.log(self.share() or TINY))
        return mean + deviation * radius * math.cos(2.0 * math.pi * self.share())

    def poisson(self, expected):
        if expected <= 0:
            return 0
        limit, count, product = math.exp(-expected), 0, self.share()
        while product > limit:
            count += 1
            product *= self.share()
        return count
