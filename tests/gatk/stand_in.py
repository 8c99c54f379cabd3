#!/usr/bin/env python3
"""A stand-in for the launcher of GATK, for tests that must be fast. It is not GATK, and says so.

Tools of Picard are run by the real Picard. Some others have simple replacements on samtools and bcftools: recalibration
knows nothing but the read group, calling looks at the pile of bases. The files have the names and forms that the
workflows expect, their contents are good enough for a genome of examples/gatk/data, and for nothing else.

scripts/gatk/layout.sh DIR tests/gatk/stand_in.py puts it where workflows look for GATK.
"""

import hashlib
import math
import os
import re
import subprocess
import sys
import tempfile

NAME = "stand-in"
PICARD = os.environ.get("PICARD_JAR", "/usr/share/java/picard.jar")
# Options without a value, of the tools below.
SWITCHES = ("use-original-qualities", "add-output-sam-program-record", "create-output-bam-md5", "gvcf", "merge-input-intervals",
            "overwrite-existing-genomicsdb-workspace")
# Other names of the same option.
LONG = {"input": "I", "output": "O", "reference": "R", "variant": "V", "intervals": "L", "interval-padding": "ip",
        "emit-ref-confidence": "ERC", "bqsr-recal-file": "bqsr", "feature-file": "F"}
# GATK leaves bases of lower quality alone.
LEAST_QUALITY = 6
# Calls in the folder that stands for a database of GenomicsDB.
IMPORTED = "calls.vcf.gz"
# Reads that recalibration looks at: mapped, primary, not copies, placed.
COUNTED = ("-F", "0xF04", "-q", "1")


def stop(text, status=2):
    print("[%s] %s" % (NAME, text), file=sys.stderr)
    sys.exit(status)


def output_of(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, universal_newlines=True)
    if done.returncode:
        stop("`%s` failed" % " ".join(words))
    return done.stdout


def run(*words):
    if subprocess.run(words).returncode:
        stop("`%s` failed" % " ".join(words))


class Options:
    """Values of a tool's options, by the short names."""

    def __init__(self, words):
        self.values, words = {}, list(words)
        while words:
            word = words.pop(0)
            if not word.startswith("-"):
                stop("`%s` is no option" % word)
            name = word.lstrip("-")
            name = LONG.get(name, name)
            if name in SWITCHES:
                self.values[name] = ["true"]
            elif not words:
                stop("option `%s` needs a value" % word)
            else:
                self.values.setdefault(name, []).append(words.pop(0))

    def all(self, name):
        return self.values.get(name, [])

    def one(self, *names):
        for name in names:
            if name in self.values:
                return self.values[name][0]
        return stop("option `-%s` is missing" % names[0])

    def has(self, name):
        return name in self.values


class Reference:
    """Contigs in order, with their lengths; sequences where they are asked for."""

    def __init__(self, path):
        with open(path + ".fai") as lines:
            self.lengths = {line.split("\t")[0]: int(line.split("\t")[1]) for line in lines}
        self.path = path

    def sequences(self):
        found = {}
        with open(self.path) as lines:
            for line in lines:
                if line.startswith(">"):
                    bases = found[line[1:].split()[0]] = []
                else:
                    bases.append(line.strip().upper())
        return {name: "".join(bases) for name, bases in found.items()}

    def intervals(self, words):
        """(contig, first, last) of interval words and files, from 1; and whether `unmapped` is among them."""
        found = []
        for word in words:
            if os.path.exists(word):
                found += self.intervals_of(word)
            elif word in self.lengths:
                found.append((word, 1, self.lengths[word]))
            elif word != "unmapped":
                found.append(self.interval(word))
        return found, "unmapped" in words

    def intervals_of(self, path):
        shift = 1 if path.endswith(".bed") else 0
        with open(path) as lines:
            rows = [line.split("\t") for line in lines if line.strip() and not line.startswith("@")]
        return [(row[0], int(row[1]) + shift, int(row[2])) for row in rows]

    def interval(self, word):
        """`chr:5-10`, `chr:5` or `chr:5+`."""
        contig, _, places = word.rpartition(":")
        if contig not in self.lengths or not re.match(r"\d+(\+|-\d+)?$", places):
            stop("`%s` is no interval of the reference" % word)
        first, _, last = places.rstrip("+").partition("-")
        return contig, int(first), self.lengths[contig] if places.endswith("+") else int(last or first)

    def padded(self, intervals, padding):
        """In order, wider, and those that touch made one."""
        order, merged = list(self.lengths), []
        for contig, first, last in sorted(intervals, key=lambda interval: (order.index(interval[0]), interval[1])):
            first, last = max(1, first - padding), min(self.lengths[contig], last + padding)
            if merged and merged[-1][0] == contig and first <= merged[-1][2] + 1:
                merged[-1][2] = max(merged[-1][2], last)
            else:
                merged.append([contig, first, last])
        return merged


def tag(fields, name):
    return next((field[5:] for field in fields[11:] if field.startswith(name + ":Z:")), None)


def qualities(fields, options):
    original = tag(fields, "OQ") if options.has("use-original-qualities") else None
    return original or fields[10]


def platform_units(bam):
    """What reports call a read group: its platform unit, or else its id."""
    units = {}
    for line in output_of("samtools", "view", "-H", bam).splitlines():
        if line.startswith("@RG"):
            about = dict(field.split(":", 1) for field in line.split("\t")[1:])
            units[about["ID"]] = about.get("PU", about["ID"])
    return units


class Report:
    """The table of read groups of a recalibration report: [expected errors, bases, errors] for each."""

    def __init__(self, rows):
        self.rows = rows

    @classmethod
    def read(cls, path):
        rows, inside = {}, False
        with open(path) as lines:
            for line in lines:
                if line.startswith("#:GATKTable:RecalTable0"):
                    inside = True
                elif inside and not line.strip():
                    break
                elif inside and not line.startswith("ReadGroup"):
                    unit, _, empirical, reported, bases, errors = line.split()
                    rows[unit] = [int(bases) * 10 ** (-float(reported) / 10), int(bases), float(errors)]
                    rows[unit] += [float(empirical), float(reported)]
        return cls(rows)

    def write(self, path):
        with open(path, "w") as file:
            file.write("#:GATKReport.v1.1:1\n#:GATKTable:6:%d:%%s:%%s:%%.4f:%%.4f:%%d:%%.2f:;\n" % len(self.rows))
            file.write("#:GATKTable:RecalTable0:%s\n" % NAME)
            file.write("ReadGroup  EventType  EmpiricalQuality  EstimatedQReported  Observations  Errors\n")
            for unit, (expected, bases, errors) in sorted(self.rows.items()):
                empirical = -10 * math.log10((errors + 1.0) / (bases + 2.0))
                reported = -10 * math.log10(expected / bases) if bases else 0.0
                file.write("%s  M  %.4f  %.4f  %d  %.2f\n" % (unit, empirical, reported, bases, errors))
            file.write("\n")

    def shifts(self):
        return {unit: int(round(row[3] - row[4])) for unit, row in self.rows.items()}


def known_places(paths):
    places = {}
    for path in paths:
        for line in output_of("bcftools", "view", "-H", path).splitlines():
            contig, position, _, reference = line.split("\t")[:4]
            start = int(position) - 1
            places.setdefault(contig, set()).update(range(start, start + len(reference)))
    return places


def aligned(cigar, start):
    """Stretches that lie on the reference: (in the read, on the reference, length)."""
    read = 0
    for length, operation in re.findall(r"(\d+)([MIDNSHP=X])", cigar):
        if operation in "M=X":
            yield read, start, int(length)
        read += int(length) if operation in "MIS=X" else 0
        start += int(length) if operation in "MDN=X" else 0


def base_recalibrator(options):
    reference, bam = Reference(options.one("R")), options.one("I")
    sequences, units = reference.sequences(), platform_units(bam)
    intervals, _ = reference.intervals(options.all("L") or list(reference.lengths))
    known = known_places(options.all("known-sites"))
    chance = [10 ** (-quality / 10.0) for quality in range(100)]
    rows = {unit: [0.0, 0, 0] for unit in units.values()}
    words = ("samtools", "view") + COUNTED + (bam,) + tuple("%s:%d-%d" % interval for interval in intervals)
    for line in output_of(*words).splitlines():
        fields = line.split("\t")
        row, skipped, bases = rows[units[tag(fields, "RG")]], known.get(fields[2], ()), sequences[fields[2]]
        reported = qualities(fields, options)
        for read, place, length in aligned(fields[5], int(fields[3]) - 1):
            for step in range(length):
                quality = ord(reported[read + step]) - 33
                if quality >= LEAST_QUALITY and place + step not in skipped:
                    row[0] += chance[quality]
                    row[1] += 1
                    row[2] += fields[9][read + step] != bases[place + step]
    Report(rows).write(options.one("O"))


def gather_reports(options):
    total = {}
    for path in options.all("I"):
        for unit, row in Report.read(path).rows.items():
            total[unit] = [one + other for one, other in zip(total.get(unit, [0.0, 0, 0.0]), row)]
    Report(total).write(options.one("O"))


def shifted(shift):
    """Qualities as they become, by the character they were."""
    kept = [max(2, min(60, quality + shift)) if quality >= LEAST_QUALITY else quality for quality in range(94)]
    return {33 + quality: chr(33 + value) for quality, value in enumerate(kept)}


def apply_recalibration(options):
    reference, bam, out = Reference(options.one("R")), options.one("I"), options.one("O")
    shifts = Report.read(options.one("bqsr")).shifts()
    tables = {group: shifted(shifts.get(unit, 0)) for group, unit in platform_units(bam).items()}
    intervals, unmapped = reference.intervals(options.all("L") or list(reference.lengths) + ["unmapped"])
    places = ["%s:%d-%d" % interval for interval in intervals] + (["*"] if unmapped else [])
    lines = [output_of("samtools", "view", "-H", bam), "@PG\tID:ApplyBQSR-%s\tPN:%s\n" % (NAME, NAME)]
    for line in output_of("samtools", "view", bam, *places).splitlines():
        fields = line.split("\t")
        if fields[10] != "*":
            fields[10] = qualities(fields, options).translate(tables[tag(fields, "RG")])
        lines.append("\t".join(fields) + "\n")
    writing = ["samtools", "view", "-b", "--no-PG", "-o", out, "-"]
    if subprocess.run(writing, input="".join(lines), universal_newlines=True).returncode:
        stop("`%s` cannot be written" % out)
    run("samtools", "index", out, re.sub(r"\.bam$", "", out) + ".bai")
    if options.has("create-output-bam-md5"):
        with open(out, "rb") as file, open(out + ".md5", "w") as sums:
            sums.write(hashlib.md5(file.read()).hexdigest())


def haplotype_caller(options):
    if options.has("bamout"):
        stop("option `-bamout` is not there")
    reference, out = Reference(options.one("R")), options.one("O")
    intervals, _ = reference.intervals(options.all("L") or list(reference.lengths))
    padding = int(options.one("ip")) if options.has("ip") else 0
    blocks = ["-g", "10"] if options.has("ERC") and options.one("ERC") == "GVCF" else []
    with tempfile.NamedTemporaryFile("w", suffix=".bed") as bed:
        for contig, first, last in reference.padded(intervals, padding):
            bed.write("%s\t%d\t%d\n" % (contig, first - 1, last))
        bed.flush()
        pile = ["bcftools", "mpileup", "-Ou", "-f", reference.path, "-a", "AD,DP", "-q", "1", "-R", bed.name] + blocks
        call = ["bcftools", "call", "-m", "--ploidy", "2"] + (blocks or ["-v"]) + ["-Oz", "-o", out]
        with subprocess.Popen(pile + [options.one("I")], stdout=subprocess.PIPE) as piling:
            calling = subprocess.run(call, stdin=piling.stdout)
        if piling.returncode or calling.returncode:
            stop("bcftools cannot call `%s`" % options.one("I"))
    run("tabix", "-f", "-p", "vcf", out)


def merge(calls, out):
    """Calls of several samples in one file."""
    if len(calls) == 1:
        run("bcftools", "view", "-Oz", "-o", out, calls[0])
    else:
        run("bcftools", "merge", "-g", "-", "-Oz", "-o", out, *calls)
    run("tabix", "-f", "-p", "vcf", out)


def combine(options):
    merge(options.all("V"), options.one("O"))


def import_calls(options):
    """What is imported lies as one file in the folder that the database would be."""
    calls, folder = options.all("V"), options.one("genomicsdb-workspace-path")
    for path in options.all("sample-name-map"):
        with open(path) as lines:
            calls += [line.rstrip("\n").split("\t")[1] for line in lines if line.strip()]
    try:
        os.mkdir(folder)
    except OSError as error:
        stop("workspace: %s" % error)
    merge(calls, os.path.join(folder, IMPORTED))


def genotype(options):
    calls = options.one("V")
    if calls.startswith("gendb://"):
        calls = os.path.join(calls[len("gendb://") :], IMPORTED)
    run("bcftools", "view", "-i", 'GT="alt"', "-a", "-Oz", "-o", options.one("O"), calls)
    run("tabix", "-f", "-p", "vcf", options.one("O"))


def validate(options):
    """Can be read from end to end, no more."""
    run("bcftools", "view", "-o", os.devnull, options.one("V"))


def index(options):
    run("tabix", "-f", "-p", "vcf", options.one("I", "F"))


REPLACED = {
    "BaseRecalibrator": base_recalibrator,
    "GatherBQSRReports": gather_reports,
    "ApplyBQSR": apply_recalibration,
    "HaplotypeCaller": haplotype_caller,
    "CombineGVCFs": combine,
    "GenomicsDBImport": import_calls,
    "GenotypeGVCFs": genotype,
    "ValidateVariants": validate,
    "IndexFeatureFile": index,
}


def split(words):
    """`--NAME=value` in two words, as the launcher of the project does."""
    for word in words:
        found = re.match(r"(--[A-Za-z][A-Za-z0-9_-]*)=(.*)$", word, re.S)
        yield from found.groups() if found else (word,)


def main(words):
    java = ["-XX:+IgnoreUnrecognizedVMOptions"]
    while "--java-options" in words:
        place = words.index("--java-options")
        if place + 1 == len(words):
            stop("`--java-options` needs a value", 3)
        java += words[place + 1].split()
        del words[place : place + 2]
    if not words or words[0] in ("--help", "-h", "--list", "--version"):
        print("This is a %s, not GATK. It replaces %s, and runs tools of Picard." % (NAME, ", ".join(REPLACED)))
        return
    tool, rest = words[0], list(split(words[1:]))
    if tool in REPLACED:
        print("[%s] this is not GATK: a simple replacement of %s" % (NAME, tool), file=sys.stderr)
        REPLACED[tool](Options(rest))
        return
    if not os.path.exists(PICARD):
        stop("`%s` is not replaced, and there is no Picard in `%s`" % (tool, PICARD), 1)
    print("[%s] Picard runs %s" % (NAME, tool), file=sys.stderr)
    os.execvp("java", ["java"] + java + ["-jar", PICARD, tool] + rest)


if __name__ == "__main__":
    main(sys.argv[1:])
