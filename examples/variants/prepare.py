"""Makes the inputs of variants.wdl; called by prepare.sh with the folder of the examples and the one to fill."""

import gzip
import json
import os
import sys

LANES = 3
# One pair in so many is written twice.
DUPLICATED = 40
# Places in the original genome where the reference is changed, far from what the simulator changed.
SUBSTITUTED = [1700, 4550, 8050, 11500, 16000, 19700, 23700, 26800, 31300, 33800, 38110, 42050, 46100]
# Bases taken out of the reference (the reads then have an insertion), and put into it (a deletion).
REMOVED = [(20150, 2)]
ADDED = [(36050, "GATC")]
CHANGED = {"A": "C", "C": "A", "G": "T", "T": "G"}
CONTIG = "NC_001416.1"


def opened(examples, name):
    """A file of the package; documentation may be compressed or not."""
    path = os.path.join(examples, name)
    return gzip.open(path + ".gz", "rt") if os.path.exists(path + ".gz") else open(path)


def written(path):
    """A compressed file that is the same every time."""
    return gzip.GzipFile(path, "wb", compresslevel=6, mtime=0)


def changed_reference(original):
    """The reference with the known changes, and the variants the reads therefore show, as (position, before, after)."""
    edits = {place: (1, CHANGED[original[place - 1]]) for place in SUBSTITUTED}
    edits.update({place: (count, "") for place, count in REMOVED})
    edits.update({place: (0, bases) for place, bases in ADDED})
    text, variants, done = "", [], 0
    for place, (count, bases) in sorted(edits.items()):
        text += original[done : place - 1]
        taken = original[place - 1 : place - 1 + count]
        if count == 1 and bases:
            variants.append((len(text) + 1, bases, taken))
        else:
            # A record of an insertion or deletion begins with the base before it, as far left as it can be.
            variants.append(leftmost(text, bases, taken, original[place - 1 + count :]))
        text += bases
        done = place - 1 + count
    return text + original[done:], variants


def leftmost(left, before, after, right):
    """An insertion or deletion moved to the left while the sequence stays the same."""
    moved = before or after
    while left.endswith(moved[-1]):
        moved = moved[-1] + moved[:-1]
        left = left[:-1]
    anchor = left[-1]
    return (len(left), anchor + (moved if before else ""), anchor + (moved if after else ""))


def fasta(examples):
    with opened(examples, "reference/lambda_virus.fa") as lines:
        return "".join(line.strip() for line in lines if not line.startswith(">"))


def write_reference(folder, original):
    sequence, variants = changed_reference(original)
    reference = os.path.join(folder, "reference.fa")
    with open(reference, "w") as file:
        file.write(">%s\n" % CONTIG)
        for begin in range(0, len(sequence), 70):
            file.write(sequence[begin : begin + 70] + "\n")
    expected = os.path.join(folder, "expected.vcf")
    with open(expected, "w") as file:
        file.write("##fileformat=VCFv4.2\n##contig=<ID=%s,length=%d>\n" % (CONTIG, len(sequence)))
        file.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for position, before, after in variants:
            file.write("%s\t%d\t.\t%s\t%s\t.\t.\t.\n" % (CONTIG, position, before, after))
    return reference, expected


def write_lanes(examples, folder):
    paths = {}
    for mate in (1, 2):
        paths[mate] = [os.path.join(folder, "lane%d_%d.fastq.gz" % (lane + 1, mate)) for lane in range(LANES)]
        files = [written(path) for path in paths[mate]]
        with opened(examples, "reads/reads_%d.fq" % mate) as lines:
            for number, record in enumerate(zip(lines, lines, lines, lines)):
                name, rest = record[0].rstrip("\n"), "".join(record[1:])
                copies = ["", "_again"] if number % DUPLICATED == 0 else [""]
                for copy in copies:
                    files[number % LANES].write(("%s%s\n%s" % (name, copy, rest)).encode())
        for file in files:
            file.close()
    return paths


def main():
    examples, folder = sys.argv[1:3]
    reference, expected = write_reference(folder, fasta(examples))
    paths = write_lanes(examples, folder)
    groups = [
        {"id": "lane%d" % (lane + 1), "sample": "lambda", "fastq1": paths[1][lane], "fastq2": paths[2][lane]} for lane in range(LANES)
    ]
    inputs = {"variants.reference": reference, "variants.read_groups": groups, "variants.ploidy": 1, "variants.expected": expected}
    with open(os.path.join(folder, "inputs.json"), "w") as file:
        json.dump(inputs, file, indent=2)
        file.write("\n")
    print(os.path.join(folder, "inputs.json"))


main()
