#!/usr/bin/env python3
"""Compares called variants with the true ones of a data set of examples/gatk/data. Needs only Python.

    check_calls.py --data DIR [--sample NAME ...] [--list] [--json FILE] CALLS.vcf[.gz]

Every sample of the data set must be in the file, or those that are named, and the file may hold no others; so a file
of joint calls is checked sample by sample. Both sides are written the same way before they are compared. The least
recall, precision and agreement of genotypes can be given; exit status 1 when one is missed, 2 for a bad file.
"""

import argparse
import json
import os
import sys

import truth

LEAST = {"snp_recall": 0.99, "indel_recall": 0.95, "precision": 0.99, "genotype": 0.99}


class Reference:
    """What all samples of a data set share."""

    def __init__(self, data):
        self.data = data
        self.contigs = truth.sequences(os.path.join(data, "ref", "ref.fasta"))
        self.trusted = truth.regions(os.path.join(data, "ref", "confident.bed"))
        with open(os.path.join(data, "manifest.json")) as file:
            self.samples = json.load(file)["samples"]

    def compare(self, records, sample):
        if sample not in self.samples:
            raise truth.BadFile("`%s` has no sample `%s`" % (self.data, sample))
        true = truth.Records(os.path.join(self.data, sample, "truth.vcf")).carried(self.contigs, sample)
        return truth.compare(true, records.carried(self.contigs, sample), self.trusted)

    def jackpots_called(self, records, sample):
        """Copied errors that were taken for variants."""
        planted = set()
        for text in self.samples[sample]["jackpots"]:
            contig, position, change = text.split(":")
            planted.add(truth.Variant(contig, int(position), *change.split(">")))
        return sorted(planted & set(records.carried(self.contigs, sample)))


def below(comparisons, least):
    """Names of the figures that are less than they must be."""
    missed = []
    for of, comparison in comparisons.items():
        figures = ((of + "_recall", comparison.recall), ("precision", comparison.precision), ("genotype", comparison.genotype))
        for name, seen in figures:
            if seen < least[name]:
                missed.append(name if name.startswith(of) else of + "_" + name)
    return missed


def shown(sample, of, comparison, with_list):
    print(sample, of, " ".join("%s=%s" % pair for pair in comparison.numbers().items()))
    if with_list:
        for variant in comparison.missed:
            print("  missed", *variant)
        for variant in comparison.invented:
            print("  invented", *variant)


def check(reference, records, samples, chosen):
    """The figures of all samples, and what is wrong with them."""
    figures, wrong = {}, []
    unknown = sorted(set(records.samples) - set(samples))
    if unknown:
        wrong.append("samples that should not be there: %s" % ", ".join(unknown))
    for sample in samples:
        comparisons = reference.compare(records, sample)
        figures[sample] = {of: comparison.numbers() for of, comparison in comparisons.items()}
        for of, comparison in comparisons.items():
            shown(sample, of, comparison, chosen.list)
        wrong += ["%s: %s" % (sample, name) for name in below(comparisons, vars(chosen))]
        wrong += ["%s: copied error %s called" % (sample, ":".join(map(str, jackpot))) for jackpot in reference.jackpots_called(records, sample)]
    return figures, wrong


def main(words=None):
    parser = argparse.ArgumentParser(description="Compares called variants with the true ones.")
    parser.add_argument("calls")
    parser.add_argument("--data", required=True)
    parser.add_argument("--sample", action="append", dest="samples")
    parser.add_argument("--list", action="store_true", help="show what was missed and invented")
    parser.add_argument("--json", help="write the figures there")
    for name, least in LEAST.items():
        parser.add_argument("--" + name.replace("_", "-"), type=float, default=least, metavar="LEAST", help="%(default)s")
    chosen = parser.parse_args(words)
    try:
        reference, records = Reference(chosen.data), truth.Records(chosen.calls)
        figures, wrong = check(reference, records, chosen.samples or sorted(reference.samples), chosen)
    except (OSError, ValueError, truth.BadFile) as error:
        print("check_calls: %s" % error, file=sys.stderr)
        return 2
    if chosen.json:
        with open(chosen.json, "w") as file:
            json.dump(figures, file, indent=1, sort_keys=True)
    for text in wrong:
        print("WRONG:", text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
