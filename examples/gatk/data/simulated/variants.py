"""What differs from the reference: in the population, in lists of known sites, in one sample."""

import collections

# Bases between neighbours at least, and at the ends of contigs.
DISTANCE, MARGIN = 35, 400
TRANSITION = {"A": "G", "G": "A", "C": "T", "T": "C"}
TRANSITIONS = 0.67
LONGEST_INDEL = 25
# Shares of the population that lists of known sites have.
KNOWN_SNPS, KNOWN_INDELS = 0.92, 0.85
# Which genotype a sample has at a site, as shares that add up; the rest does not carry it.
GENOTYPES = ((0.22, "1|1"), (0.42, "0|1"), (0.62, "1|0"))
# The name under which the golden figures were made; it is part of the files.
SOURCE = "make_tiny_genome"


class Variant(collections.namedtuple("Variant", "contig position reference alternative name")):
    """One difference; positions count from 1, indels stand as far left as they can, with the base before them."""

    __slots__ = ()

    @property
    def is_snp(self):
        return len(self.reference) == 1 and len(self.alternative) == 1


def population(dice, contigs, snp_rate, indel_rate):
    """The sites at which anyone may differ, in order."""
    found, serial, rate = [], 1000, snp_rate + indel_rate
    for contig, bases in contigs:
        place = MARGIN
        while True:
            place += DISTANCE + int(dice.exponential() / rate)
            if place > len(bases) - MARGIN:
                break
            if "N" in bases[place - 5 : place + 40]:
                continue
            serial += 1
            alleles = snp(dice, bases[place]) if dice.share() < snp_rate / rate else indel(dice, bases, place)
            if alleles:
                found.append(Variant(contig, place + 1, alleles[0], alleles[1], "rs%d" % serial))
    return found


def snp(dice, base):
    if dice.share() < TRANSITIONS:
        return base, TRANSITION[base]
    return base, dice.another(base, TRANSITION[base])


def indel(dice, bases, place):
    """None where the indel could be moved to the left."""
    anchor = bases[place]
    length = 1 + min(int(dice.exponential() * 3.0), LONGEST_INDEL - 1)
    if dice.share() < 0.5:
        deleted = bases[place + 1 : place + 1 + length]
        return None if deleted[-1] == anchor else (anchor + deleted, anchor)
    inserted = dice.bases(length)
    return None if inserted[-1] == anchor else (anchor, anchor + inserted)


def known(dice, sites):
    """Those that lists of known sites have."""
    return [site for site in sites if dice.share() < (KNOWN_SNPS if site.is_snp else KNOWN_INDELS)]


def carried(dice, sites):
    """What one sample has, as (variant, genotype)."""
    chosen = []
    for site in sites:
        draw = dice.share()
        genotype = next((words for limit, words in GENOTYPES if draw < limit), None)
        if genotype:
            chosen.append((site, genotype))
    return chosen


def haplotypes(contigs, carried_sites):
    """The two sequences of every contig."""
    return {
        name: tuple(changed(bases, [site for site, words in carried_sites if site.contig == name and words[side] == "1"]) for side in (0, 2))
        for name, bases in contigs
    }


def changed(bases, sites):
    pieces, at = [], 0
    for site in sites:
        pieces += [bases[at : site.position - 1], site.alternative]
        at = site.position - 1 + len(site.reference)
    return "".join(pieces) + bases[at:]


def header(contigs, sample=None):
    lines = ["##fileformat=VCFv4.2", "##source=" + SOURCE]
    if sample:
        lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines += ["##contig=<ID=%s,length=%d>" % (name, len(bases)) for name, bases in contigs]
    columns = "#CHROM POS ID REF ALT QUAL FILTER INFO".split() + (["FORMAT", sample] if sample else [])
    return "\n".join(lines + ["\t".join(columns)]) + "\n"


def sites_file(contigs, sites, named=True):
    return header(contigs) + "".join(row(site, site.name if named else ".") + "\n" for site in sites)


def truth_file(contigs, sample, carried_sites):
    return header(contigs, sample) + "".join("%s\tGT\t%s\n" % (row(site, site.name), words) for site, words in carried_sites)


def row(site, name):
    return "%s\t%d\t%s\t%s\t%s\t.\tPASS\t." % (site.contig, site.position, name, site.reference, site.alternative)


def tally(carried_sites):
    counts = {"snp": 0, "indel": 0, "het": 0, "hom": 0}
    for site, words in carried_sites:
        counts["snp" if site.is_snp else "indel"] += 1
        counts["hom" if words == "1|1" else "het"] += 1
    return counts
