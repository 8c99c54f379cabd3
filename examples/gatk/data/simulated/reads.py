"""What the sequencer says: pairs of reads with errors, copies, strangers, and qualities that may be wrong."""

import bisect
import collections
import math

READ_LENGTH = 150
INSERT_MEAN, INSERT_DEVIATION = 380.0, 45.0
# Quality strings of one read group and mate, among which every read chooses.
TEMPLATES = 192
# A lying read group reports qualities that are so much too high, in Phred.
LIE = 8.0
# The fragment of a copied error: its length, where the wrong base is, and how often it is there.
JACKPOT_LENGTH, JACKPOT_AT, JACKPOT_COPIES = 380, 60, 10
# Pixels within which a copy is the fault of the camera.
OPTICAL_REACH = 60

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")

Plan = collections.namedtuple("Plan", "coverage read_groups duplicates optical contaminant jackpots")
Sample = collections.namedtuple("Sample", "number name contigs haplotypes")


def reverse_complement(bases):
    return bases.translate(COMPLEMENT)[::-1]


class Qualities:
    """Reported qualities of one mate, with how likely each base is to be wrong."""

    def __init__(self, dice, mate, lie):
        self.templates = []
        for values in [template(dice, mate) for _ in range(TEMPLATES)]:
            total, cumulative = 0.0, []
            for value in values:
                total += 10 ** (-(value - lie) / 10.0)
                cumulative.append(total)
            self.templates.append(("".join(chr(33 + value) for value in values), cumulative))


def template(dice, mate):
    """Falls along the read, faster in the second mate, and is low in the first cycles."""
    shift, values = dice.gauss(0.0, 1.6), []
    for cycle in range(READ_LENGTH):
        expected = 37.0 - (0.030 if mate == 1 else 0.048) * cycle - (5.0 if cycle < 4 else 0.0)
        values.append(max(12, min(40, int(round(expected + shift + dice.gauss(0.0, 1.3))))))
    return values


class Lane:
    """One read group in the making."""

    def __init__(self, dice, sample, number, lie):
        self.dice, self.sample, self.number, self.lie = dice, sample, number, lie
        self.qualities = [Qualities(dice, mate, lie) for mate in (1, 2)]
        self.files = ([], [])
        self.pairs = self.copies = self.optical = self.strangers = self.errors = 0

    def spot(self):
        return 2000 + self.dice.below(28000), 2000 + self.dice.below(28000)

    def write(self, fragment, flipped, tile, spot, lane=None):
        """Both ends of a fragment, from either strand."""
        name = "BYSIM:%d:FCTINY%d:%d:%d:%d:%d" % ((self.sample.number, self.sample.number, lane or self.number, tile) + spot)
        ends = fragment[:READ_LENGTH], reverse_complement(fragment[-READ_LENGTH:])
        for mate in (0, 1):
            reported, cumulative = self.dice.pick(self.qualities[mate].templates)
            read = self.with_errors(ends[mate ^ flipped], cumulative)
            self.files[mate].append("@%s/%d\n%s\n+\n%s\n" % (name, mate + 1, read, reported))
        self.pairs += 1

    def with_errors(self, read, cumulative):
        wrong = self.dice.poisson(cumulative[-1])
        if not wrong:
            return read
        bases = list(read)
        for _ in range(wrong):
            place = bisect.bisect_left(cumulative, self.dice.share() * cumulative[-1])
            bases[place] = self.dice.another(bases[place])
        self.errors += wrong
        return "".join(bases)

    def add_jackpots(self, fragments):
        for fragment in fragments:
            flipped = self.dice.share() < 0.5
            for copy in range(JACKPOT_COPIES):
                self.write(fragment, flipped, 1201 + copy, self.spot(), lane=1)
            self.copies += JACKPOT_COPIES - 1

    def add_strangers(self, count):
        for _ in range(count):
            spot = self.spot()
            fragment = self.dice.bases(2 * READ_LENGTH)
            self.write(fragment, False, 1301 + self.dice.below(8), spot)
        self.strangers += count

    def fill(self, wanted, plan):
        """Fragments of the sample until there are so many pairs, some of them copied."""
        dice, bounds, total = self.dice, [], 0
        for _, bases in self.sample.contigs:
            total += len(bases)
            bounds.append(total)
        while self.pairs < wanted:
            fragment = self.fragment(bounds)
            if fragment is None:
                continue
            flipped = dice.share() < 0.5
            tile = 1101 + dice.below(8)
            spot = self.spot()
            self.write(fragment, flipped, tile, spot)
            if dice.share() < plan.duplicates and self.pairs < wanted:
                if dice.share() < plan.optical:
                    spot = spot[0] + 1 + dice.below(OPTICAL_REACH), spot[1] + 1 + dice.below(OPTICAL_REACH)
                    self.optical += 1
                else:
                    # On the other surface, so that it is never taken for an optical one.
                    tile, spot = 2101 + dice.below(8), self.spot()
                self.write(fragment, flipped, tile, spot)
                self.copies += 1

    def fragment(self, bounds):
        place = self.dice.below(bounds[-1])
        contig = bisect.bisect_right(bounds, place)
        name, bases = self.sample.contigs[contig]
        haplotype = self.sample.haplotypes[name][self.dice.below(2)]
        size = int(round(self.dice.gauss(INSERT_MEAN, INSERT_DEVIATION)))
        start = place - (bounds[contig] - len(bases))
        if size < READ_LENGTH + 20 or start + size > len(haplotype):
            return None
        found = haplotype[start : start + size]
        return None if "N" in found else found

    def summary(self):
        sample = self.sample
        return {
            "id": "%s.L%d" % (sample.name, self.number),
            "sample": sample.name,
            "library": sample.name + "-lib1",
            "platform": "illumina",
            "platform_unit": "FCTINY%d.%d" % (sample.number, self.number),
            "center": "BYSIM",
            "pairs": self.pairs,
            "planted_duplicate_pairs": self.copies,
            "planted_optical_pairs": self.optical,
            "quality_drop": self.lie,
            "mean_true_phred": round(-10 * math.log10(max(self.errors, 1) / (2 * self.pairs * READ_LENGTH)), 2),
        }


def jackpots(dice, contigs, regions, sites, wanted):
    """Fragments with one wrong base, away from variants and from each other, as (description, fragment).

    Each will be there ten times: with the copies marked one read is left, without a caller sees a variant.
    """
    sequences = dict(contigs)
    taken = {name: sorted(site.position - 1 for site in sites if site.contig == name) for name, _ in contigs}
    chosen, places = [], []
    for _ in range(20000):
        if len(chosen) >= wanted:
            break
        name, begin, end = dice.pick(regions)
        if end - begin < 1200:
            continue
        start = begin + dice.below(end - begin - 500)
        fragment = sequences[name][start : start + JACKPOT_LENGTH]
        near = bisect.bisect_left(taken[name], start - 60)
        if (near < len(taken[name]) and taken[name][near] < start + 440) or "N" in fragment:
            continue
        if any(name == other and abs(start - place) < 600 for other, place in places):
            continue
        right = fragment[JACKPOT_AT]
        wrong = dice.another(right)
        places.append((name, start))
        description = "%s:%d:%s>%s" % (name, start + JACKPOT_AT + 1, right, wrong)
        chosen.append((description, fragment[:JACKPOT_AT] + wrong + fragment[JACKPOT_AT + 1 :]))
    return chosen
