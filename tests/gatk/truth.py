"""Called variants beside true ones: reading both, writing them the same way, and counting."""

import collections
import gzip

CLASSES = ("snp", "indel")

Variant = collections.namedtuple("Variant", "contig position reference alternative")


class BadFile(Exception):
    """A file that is not what it should be; the text says which and where."""


def opened(path):
    return gzip.open(path, "rt") if path.endswith(".gz") else open(path)


def sequences(path):
    """Contigs of a FASTA file."""
    found = {}
    with opened(path) as lines:
        for line in lines:
            if line.startswith(">"):
                bases = found[line[1:].split()[0]] = []
            elif found:
                bases.append(line.strip().upper())
    if not found:
        raise BadFile("`%s` holds no sequence" % path)
    return {name: "".join(bases) for name, bases in found.items()}


def regions(path):
    """Intervals of a BED file, as (contig, begin, end) from 0."""
    with opened(path) as lines:
        fields = [line.split() for line in lines if line.strip() and not line.startswith(("#", "track", "browser"))]
    return [(contig, int(begin), int(end)) for contig, begin, end in (field[:3] for field in fields)]


def normal(bases, position, reference, alternative):
    """The same change with the fewest bases and as far left as it can stand; positions count from 1."""
    while len(reference) > 1 and len(alternative) > 1 and reference[-1] == alternative[-1]:
        reference, alternative = reference[:-1], alternative[:-1]
    while len(reference) > 1 and len(alternative) > 1 and reference[0] == alternative[0]:
        position, reference, alternative = position + 1, reference[1:], alternative[1:]
    if len(reference) != len(alternative):
        while position > 1 and reference[-1] == alternative[-1]:
            position -= 1
            before = bases[position - 1]
            reference, alternative = before + reference[:-1], before + alternative[:-1]
    return position, reference, alternative


def kind(variant):
    return "snp" if len(variant.reference) == len(variant.alternative) else "indel"


class Records:
    """The records of a VCF file that are not filtered out, one field list each, and the samples it has."""

    def __init__(self, path):
        self.path, self.samples, self.rows = path, None, []
        with opened(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith("##"):
                    continue
                fields = line.rstrip("\n").split("\t")
                if line.startswith("#"):
                    self.samples = fields[9:]
                elif self.samples is None or len(fields) != 8 + (len(self.samples) + 1 if self.samples else 0):
                    raise BadFile("`%s`, line %d: not a record with %d samples" % (path, number, len(self.samples or [])))
                elif fields[6] in (".", "PASS"):
                    self.rows.append(fields)
        if self.samples is None:
            raise BadFile("`%s` has no header" % path)

    def carried(self, contigs, sample):
        """What one sample has, {variant: copies}. Alleles that stand for any other (<NON_REF>, *) are none."""
        if sample not in self.samples:
            raise BadFile("`%s` has no sample `%s`, but %s" % (self.path, sample, self.samples))
        column, found = 9 + self.samples.index(sample), {}
        for fields in self.rows:
            values = dict(zip(fields[8].split(":"), fields[column].split(":")))
            genotype = values.get("GT", ".").replace("|", "/").split("/")
            for number, alternative in enumerate(fields[4].upper().split(","), 1):
                copies = genotype.count(str(number))
                if copies == 0 or set(alternative) - set("ACGTN"):
                    continue
                if fields[0] not in contigs:
                    raise BadFile("`%s` names contig `%s`, which the reference has not" % (self.path, fields[0]))
                place = normal(contigs[fields[0]], int(fields[1]), fields[3].upper(), alternative)
                variant = Variant(fields[0], *place)
                found[variant] = max(copies, found.get(variant, 0))
        return found


class Comparison:
    """True and called variants of one class, inside the regions where the truth is known."""

    def __init__(self, true, called):
        self.true, self.called = true, called
        self.shared = set(true) & set(called)
        self.missed = sorted(set(true) - set(called))
        self.invented = sorted(set(called) - set(true))

    @property
    def recall(self):
        return len(self.shared) / len(self.true) if self.true else 1.0

    @property
    def precision(self):
        return len(self.shared) / len(self.called) if self.called else float(not self.true)

    @property
    def genotype(self):
        """Share of what was found that was found in as many copies as there are."""
        agreeing = sum(self.true[variant] == self.called[variant] for variant in self.shared)
        return agreeing / len(self.shared) if self.shared else float(not self.true)

    def numbers(self):
        return {
            "truth": len(self.true),
            "called": len(self.called),
            "missed": len(self.missed),
            "invented": len(self.invented),
            "recall": round(self.recall, 4),
            "precision": round(self.precision, 4),
            "genotype": round(self.genotype, 4),
        }


def compare(true, called, trusted):
    """A comparison for each class."""

    def inside(variant):
        begin, end = variant.position - 1, variant.position - 1 + len(variant.reference)
        return any(variant.contig == contig and first <= begin and end <= last for contig, first, last in trusted)

    def chosen(variants, of):
        return {variant: copies for variant, copies in variants.items() if kind(variant) == of and inside(variant)}

    return {of: Comparison(chosen(true, of), chosen(called, of)) for of in CLASSES}
