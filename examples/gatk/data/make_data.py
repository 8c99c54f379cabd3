#!/usr/bin/env python3
"""Makes a small resequencing data set of which everything is known. Needs only Python; index.sh does the rest.

    make_data.py OUT [--samples 3] [--coverage 30] [--contigs chrA:60000,chrB:45000] [--genome FILE.fasta.gz] ...

Writes below OUT: the reference (ref), known sites (known), interval lists (intervals), for every sample its reads and
true variants, inputs of the workflows (inputs.*.json, samples.csv), and manifest.json, which says all that was planted.
The same arguments give the same bytes, on every version of Python.
"""

import argparse
import gzip
import hashlib
import json
import os
import sys

from simulated import genome, inputs, reads, variants
from simulated.randomness import Dice

# The name under which the golden figures were made.
GENERATOR = "make_tiny_genome.py/1"
# Of these the manifest has checksums.
SUMMED = (".fasta", ".vcf", ".fastq.gz", ".bed", ".fai", ".dict")


def contig_lengths(text):
    lengths = []
    for word in text.split(","):
        name, _, length = word.partition(":")
        if not name or not length.isdigit() or int(length) < 2000:
            raise argparse.ArgumentTypeError("`%s` is not NAME:LENGTH with 2000 bases or more" % word)
        lengths.append((name, int(length)))
    if len(dict(lengths)) != len(lengths):
        raise argparse.ArgumentTypeError("`%s` names a contig twice" % text)
    return lengths


def at_least(kind, least):
    def number(text):
        value = kind(text)
        if value < least:
            raise argparse.ArgumentTypeError("`%s` is less than %s" % (text, least))
        return value

    return number


def arguments():
    parser = argparse.ArgumentParser(description="Makes a small resequencing data set of which everything is known.")
    count, share = at_least(int, 1), at_least(float, 0.0)
    parser.add_argument("out", help="folder to fill")
    parser.add_argument("--seed", default="20180622", help="all follows from it (%(default)s)")
    parser.add_argument("--contigs", type=contig_lengths, default="chrA:60000,chrB:45000,chrC:15000", help="%(default)s")
    parser.add_argument("--genome", metavar="FASTA", help="take this genome instead of making one up")
    parser.add_argument("--max-len", type=at_least(int, 0), default=0, help="cut its contigs to so many bases")
    parser.add_argument("--coverage", type=share, default=30.0, help="reads over every base (%(default)s)")
    parser.add_argument("--samples", type=count, default=1, help="from one population (%(default)s)")
    parser.add_argument("--read-groups", type=count, default=3, help="of every sample (%(default)s); the last one lies")
    parser.add_argument("--snp-rate", type=share, default=1 / 300.0, help="a base, in the population (1/300)")
    parser.add_argument("--indel-rate", type=share, default=1 / 1500.0, help="likewise (1/1500)")
    parser.add_argument("--duplicates", type=share, default=0.06, help="share of pairs that are copied (%(default)s)")
    parser.add_argument("--optical", type=share, default=0.34, help="share of the copies that are optical (%(default)s)")
    parser.add_argument("--contaminant", type=share, default=0.01, help="share of pairs from nowhere (%(default)s)")
    parser.add_argument("--jackpots", type=at_least(int, 0), default=10, help="errors copied ten times (%(default)s)")
    parser.add_argument("--scatter", type=count, default=4, help="interval lists (%(default)s)")
    parser.add_argument("--base-url", help="what locations in lists and inputs begin with (the folder itself)")
    chosen = parser.parse_args()
    if chosen.snp_rate + chosen.indel_rate <= 0:
        parser.error("without --snp-rate and --indel-rate there is nothing to find")
    return chosen


class Folder:
    """Where everything is written."""

    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def write_compressed(self, name, text):
        with open(os.path.join(self.path, name), "wb") as raw:
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as file:
                file.write(text.encode("ascii"))

    def write_json(self, name, value):
        self.write(name, json.dumps(value, indent=1, sort_keys=True) + "\n")

    def checksums(self):
        """MD5 of the contents, not of what the compressor made of them."""
        sums = {}
        for folder, folders, names in os.walk(self.path):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith(SUMMED):
                    with (gzip.open if name.endswith(".gz") else open)(path, "rb") as file:
                        sums[os.path.relpath(path, self.path)] = hashlib.md5(file.read()).hexdigest()
        return sums


class Experiment:
    """The genome and its population, from which samples are taken."""

    def __init__(self, chosen):
        self.seed = chosen.seed
        dice = Dice(chosen.seed, "ref")
        if chosen.genome:
            self.contigs, self.copies = genome.read(chosen.genome, chosen.max_len), []
        else:
            self.contigs, self.copies = genome.made_up(dice, chosen.contigs)
        self.regions = genome.confident(self.contigs, self.copies)
        self.sites = variants.population(Dice(chosen.seed, "pop"), self.contigs, chosen.snp_rate, chosen.indel_rate)
        self.known = variants.known(Dice(chosen.seed, "known"), self.sites)
        self.dictionary = genome.dictionary(self.contigs)

    def write(self, folder):
        folder.write("ref/ref.fasta", genome.fasta(self.contigs))
        folder.write("ref/ref.fasta.fai", genome.fasta_index(self.contigs))
        folder.write("ref/ref.dict", self.dictionary)
        folder.write("ref/confident.bed", "".join("%s\t%d\t%d\n" % region for region in self.regions))
        indels = [site for site in self.known if not site.is_snp]
        folder.write("known/dbsnp.vcf", variants.sites_file(self.contigs, self.known))
        folder.write("known/known_indels.vcf", variants.sites_file(self.contigs, indels))
        # A second list, of every other one.
        folder.write("known/gold_indels.vcf", variants.sites_file(self.contigs, indels[::2], named=False))

    def is_confident(self, site):
        begin, end = site.position - 1, site.position - 1 + len(site.reference)
        return any(site.contig == name and first <= begin and end <= last for name, first, last in self.regions)

    def summary(self, coverage):
        return {
            "generator": GENERATOR,
            "seed": self.seed,
            "read_length": reads.READ_LENGTH,
            "coverage": coverage,
            "contigs": [[name, len(bases)] for name, bases in self.contigs],
            "planted_duplication": self.copies,
            "confident_bases": sum(end - begin for _, begin, end in self.regions),
            "population_sites": len(self.sites),
            "dbsnp_sites": len(self.known),
            "known_indel_sites": sum(not site.is_snp for site in self.known),
        }

    def sample(self, number, plan, folder):
        """Makes the reads of one sample and says what was planted in them."""
        name = "SIM%03d" % number
        dice = Dice(self.seed, name)
        carried = variants.carried(dice, self.sites)
        folder.write(name + "/truth.vcf", variants.truth_file(self.contigs, name, carried))
        wrong = reads.jackpots(dice, self.contigs, self.regions, self.sites, plan.jackpots)
        sample = reads.Sample(number, name, self.contigs, variants.haplotypes(self.contigs, carried))
        lanes = [self.lane(sample, group, plan, wrong) for group in range(1, plan.read_groups + 1)]
        for lane in lanes:
            for mate in (1, 2):
                path = "%s/%s.L%d_%d.fastq.gz" % (name, name, lane.number, mate)
                folder.write_compressed(path, "".join(lane.files[mate - 1]))
        return name, {
            "truth": variants.tally(carried),
            "truth_confident": variants.tally([pair for pair in carried if self.is_confident(pair[0])]),
            "read_groups": [lane.summary() for lane in lanes],
            "pairs": sum(lane.pairs for lane in lanes),
            "reads": 2 * sum(lane.pairs for lane in lanes),
            "planted_duplicate_pairs": sum(lane.copies for lane in lanes),
            "planted_optical_pairs": sum(lane.optical for lane in lanes),
            "contaminant_pairs": sum(lane.strangers for lane in lanes),
            "jackpots": [description for description, _ in wrong],
        }

    def lane(self, sample, number, plan, wrong):
        wanted = int(plan.coverage * sum(len(bases) for _, bases in self.contigs) / (2.0 * reads.READ_LENGTH) / plan.read_groups)
        lie = reads.LIE if number == plan.read_groups else 0.0
        lane = reads.Lane(Dice(self.seed, "%s.L%d" % (sample.name, number), "reads"), sample, number, lie)
        if number == 1:
            lane.add_jackpots([fragment for _, fragment in wrong])
        lane.add_strangers(int(wanted * plan.contaminant))
        lane.fill(wanted, plan)
        return lane


def write_inputs(folder, base, experiment, samples, scatter):
    lists = inputs.interval_lists(experiment.contigs, scatter)
    names = ["intervals/%04d-scattered.interval_list" % number for number in range(len(lists))]
    for name, intervals in zip(names, lists):
        folder.write(name, inputs.interval_file(experiment.dictionary, intervals))
    folder.write("intervals/scattered.txt", "".join(base + name + "\n" for name in names))
    whole = [(name, 1, len(bases)) for name, bases in experiment.contigs]
    folder.write("intervals/calling.interval_list", inputs.interval_file(experiment.dictionary, whole))
    given = inputs.Inputs(base)
    groups = [group for about in samples.values() for group in about["read_groups"]]
    for sample, about in samples.items():
        folder.write(sample + "/ubams.txt", given.unmapped_reads(sample, about["read_groups"]))
        folder.write_json("inputs.data-processing.draft2.%s.json" % sample, given.processing_draft2(sample))
        folder.write_json("inputs.data-processing.v1.%s.json" % sample, given.processing(sample))
        folder.write_json("inputs.haplotypecaller.draft2.%s.json" % sample, given.calling_draft2(sample))
        folder.write_json("inputs.haplotypecaller.v1.%s.json" % sample, given.calling(sample))
    folder.write("samples.csv", given.sheet(groups))
    folder.write_json("inputs.germline-pipeline.json", given.pipeline(list(samples), groups))


def main():
    chosen = arguments()
    folder = Folder(chosen.out)
    try:
        experiment = Experiment(chosen)
    except (OSError, ValueError) as error:
        sys.exit("make_data: %s" % error)
    experiment.write(folder)
    plan = reads.Plan(
        chosen.coverage, chosen.read_groups, chosen.duplicates, chosen.optical, chosen.contaminant, chosen.jackpots
    )
    samples = dict(experiment.sample(number, plan, folder) for number in range(1, chosen.samples + 1))
    base = (os.path.abspath(chosen.out) if chosen.base_url is None else chosen.base_url).rstrip("/") + "/"
    write_inputs(folder, base, experiment, samples, chosen.scatter)
    folder.write_json("manifest.json", dict(experiment.summary(chosen.coverage), samples=samples, md5=folder.checksums()))
    for name, about in samples.items():
        truth = about["truth_confident"]
        print("%s: %d pairs, %d SNPs and %d indels to be found" % (name, about["pairs"], truth["snp"], truth["indel"]), file=sys.stderr)


if __name__ == "__main__":
    main()
