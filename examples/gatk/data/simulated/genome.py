"""The reference: made up or read from a file, with the files that belong to it, and where it can be trusted."""

import gzip
import hashlib

# Bases of one line of the FASTA file.
WIDTH = 60
# Bases with one content of G and C.
BLOCK = 2000
# A stretch that is there twice, so that reads of it cannot be placed.
COPIED = 1500
# Bases at the ends of contigs, around the copied stretch, and around unknown bases, where no truth is claimed.
END_MARGIN, COPY_MARGIN, UNKNOWN_MARGIN = 500, 400, 200


def made_up(dice, lengths):
    """Contigs as (name, sequence), and the copied stretch as places in them, (name, begin, end) from 0."""
    return with_copy(dice, [(name, contig(dice, length)) for name, length in lengths])


def contig(dice, length):
    """Bases one by one, G and C drifting between a third and a half, and a repeat about every 6 kb."""
    bases = []
    while len(bases) < length:
        gc = 0.35 + 0.20 * dice.share()
        for _ in range(min(length - len(bases), BLOCK)):
            kind = dice.share()
            bases.append(dice.pick("GC") if kind < gc else dice.pick("AT"))
    place = 3000
    while place < length - 200:
        if dice.share() < 0.5:
            unit = dice.pick("ACGT")
            times = 8 + dice.below(8)
        else:
            unit = dice.bases(2 + dice.below(3))
            times = 5 + dice.below(6)
        bases[place : place + len(unit) * times] = unit * times
        place += 4000 + dice.below(4000)
    return "".join(bases[:length])


def with_copy(dice, contigs):
    """Puts a stretch of the first contig into the last one, if both are long enough."""
    (source, first), (target, last) = contigs[0], contigs[-1]
    if len(first) < 12000 or len(last) < 9000:
        return contigs, []
    begin = 5000 + dice.below(len(first) // 3)
    into = len(last) - 3000 - COPIED
    if len(contigs) == 1 and begin + COPIED + 2000 > into:
        return contigs, []
    sequences = dict(contigs)
    piece = first[begin : begin + COPIED]
    sequences[target] = last[:into] + piece + last[into + COPIED :]
    places = [(source, begin, begin + COPIED), (target, into, into + COPIED)]
    return [(name, sequences[name]) for name, _ in contigs], places


def read(path, longest):
    """Contigs of a FASTA file, each cut to `longest` bases if that is not 0."""
    contigs = []
    with (gzip.open if path.endswith(".gz") else open)(path, "rt") as lines:
        for line in lines:
            if line.startswith(">"):
                contigs.append((contig_name(line[1:]), []))
            elif contigs:
                contigs[-1][1].append(line.strip().upper())
            elif line.strip():
                raise ValueError("`%s` does not begin with the name of a contig" % path)
    known = [(name, "".join(base if base in "ACGT" else "N" for base in "".join(lines))) for name, lines in contigs]
    return [(name, bases[:longest] if longest else bases) for name, bases in known]


def contig_name(title):
    """The first word without what the words of intervals cannot hold."""
    return title.split()[0].rstrip("|").split("|")[-1].replace(":", "_")


def fasta(contigs):
    return "".join(">%s\n%s" % (name, "".join(row + "\n" for row in rows(bases))) for name, bases in contigs)


def rows(bases):
    return [bases[start : start + WIDTH] for start in range(0, len(bases), WIDTH)]


def fasta_index(contigs):
    lines, offset = [], 0
    for name, bases in contigs:
        offset += len(name) + 2
        lines.append("%s\t%d\t%d\t%d\t%d\n" % (name, len(bases), offset, WIDTH, WIDTH + 1))
        offset += len(bases) + len(rows(bases))
    return "".join(lines)


def dictionary(contigs):
    lines = ["@HD\tVN:1.6\tSO:unsorted\n"]
    for name, bases in contigs:
        digest = hashlib.md5(bases.encode()).hexdigest()
        lines.append("@SQ\tSN:%s\tLN:%d\tM5:%s\tUR:ref.fasta\n" % (name, len(bases), digest))
    return "".join(lines)


def confident(contigs, copies):
    """Where the truth is complete and reads can be placed, as (name, begin, end) from 0."""
    doubtful = {name: [(0, END_MARGIN), (len(bases) - END_MARGIN, len(bases))] for name, bases in contigs}
    for name, begin, end in copies:
        doubtful[name].append((begin - COPY_MARGIN, end + COPY_MARGIN))
    regions = []
    for name, bases in contigs:
        doubtful[name] += [(begin - UNKNOWN_MARGIN, end + UNKNOWN_MARGIN) for begin, end in unknown(bases)]
        at = 0
        for begin, end in sorted(doubtful[name]):
            if begin > at:
                regions.append((name, at, begin))
            at = max(at, end)
        if at < len(bases):
            regions.append((name, at, len(bases)))
    return regions


def unknown(bases):
    """Runs of N."""
    begin = bases.find("N")
    while begin >= 0:
        end = begin
        while end < len(bases) and bases[end] == "N":
            end += 1
        yield begin, end
        begin = bases.find("N", end)
