#!/usr/bin/env python3
"""Checks what the GATK workflows made of one sample against what was planted in it. Needs samtools for BAM files.

    check_run.py --data DIR --sample NAME [--sorted BAM] [--bam BAM] [--metrics FILE] [--bqsr FILE] [--vcf FILE]
                 [--expected FILE]

Only what is given is checked. With --expected the figures must also be exactly those of a file like expected.json,
which holds for the data set made without arguments. Exit status 1 when a check fails.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys

import check_calls
import truth

# A read group that lies about its qualities has so much less mean quality than the others after recalibration. Little
# is left of the lie, since the workflows round qualities to 10, 20 and 30.
DROP_SEEN = 0.2
# How far recalibration may be off, in Phred: it rounds, and it sees only part of the bases.
QUALITY_SLACK, DROP_SLACK = 1.5, 1.6


class Report:
    """Lines of what was checked, and whether all of it was right."""

    def __init__(self):
        self.failed = []

    def __call__(self, name, is_right, seen):
        print("%-4s %-46s %s" % ("ok" if is_right else "FAIL", name, seen))
        if not is_right:
            self.failed.append(name)


def near(seen, wanted, share):
    return abs(seen - wanted) <= max(2, share * wanted)


def samtools(*words):
    done = subprocess.run(("samtools",) + words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode:
        raise truth.BadFile("samtools %s: %s" % (" ".join(words), done.stderr.strip()))
    return done.stdout


def fingerprint(path):
    """MD5 of the records without the tag PG. It names a line of the header; where shards saw the reference at different
    paths, the header has several such lines with made-up names, so that equal records would differ."""
    digest = hashlib.md5()
    with subprocess.Popen(["samtools", "view", "-x", "PG", path], stdout=subprocess.PIPE) as program:
        for block in iter(lambda: program.stdout.read(1 << 20), b""):
            digest.update(block)
    if program.returncode:
        raise truth.BadFile("samtools cannot read `%s`" % path)
    return digest.hexdigest()


def index_of(path):
    places = [path + ".bai", re.sub(r"\.bam$", ".bai", path), path + ".csi"]
    return next((place for place in places if os.path.exists(place)), None)


def check_bam(report, path, planted):
    complete = subprocess.run(["samtools", "quickcheck", path], stderr=subprocess.PIPE).returncode == 0
    report("bam: is complete", complete, path)
    if not complete:
        return
    header = samtools("view", "-H", path)
    report("bam: in order of coordinates", "SO:coordinate" in header, header.split("\n")[0])
    groups = sorted(re.findall(r"^@RG\t(?:.*\t)?ID:(\S+)", header, re.M))
    report("bam: read groups", groups == sorted(group["id"] for group in planted["read_groups"]), " ".join(groups))
    count = {name: int(samtools("view", "-c", option, flag, path)) for name, option, flag in
             (("primary", "-F", "0x900"), ("unmapped", "-f", "4"), ("duplicate", "-f", "1024"))}
    report("bam: no read is lost or doubled", count["primary"] == planted["reads"], "%d of %d" % (count["primary"], planted["reads"]))
    report("bam: unmapped reads", near(count["unmapped"], 2 * planted["contaminant_pairs"], 0.02), count["unmapped"])
    report("bam: reads marked as copies", near(count["duplicate"], 2 * planted["planted_duplicate_pairs"], 0.03), count["duplicate"])
    report("bam: an index lies beside it", index_of(path) is not None, index_of(path) or "none")
    if os.path.exists(path + ".md5"):
        with open(path, "rb") as file, open(path + ".md5") as sums:
            report("bam: its .md5 file agrees", sums.read().split()[0] == hashlib.md5(file.read()).hexdigest(), path + ".md5")
    check_qualities(report, path, planted)


def check_qualities(report, path, planted):
    """Recalibrated qualities must have arrived in the file."""
    sums = {}
    for line in samtools("view", path).splitlines():
        fields = line.split("\t")
        group = next(field[5:] for field in fields[11:] if field.startswith("RG:Z:"))
        total = sums.setdefault(group, [0, 0])
        total[0] += sum(fields[10].encode()) - 33 * len(fields[10])
        total[1] += len(fields[10])
    means = {group: total / bases for group, (total, bases) in sums.items()}
    liars = {group["id"] for group in planted["read_groups"] if group["quality_drop"]}
    honest = [mean for group, mean in means.items() if group not in liars]
    if honest and liars <= set(means):
        seen = ", ".join("%s %.1f" % pair for pair in sorted(means.items()))
        report("bam: what lied has lower qualities", all(means[liar] < min(honest) - DROP_SEEN for liar in liars), seen)


def metrics(path):
    """The first row of a file of Picard's metrics."""
    with open(path) as file:
        lines = file.read().split("\n")
    start = next((number for number, line in enumerate(lines) if line.startswith("## METRICS CLASS")), None)
    if start is None or len(lines) < start + 3:
        raise truth.BadFile("`%s` is no file of metrics" % path)
    return dict(zip(lines[start + 1].split("\t"), lines[start + 2].split("\t")))


def check_metrics(report, seen, planted):
    wanted = (
        ("READ_PAIRS_EXAMINED", planted["pairs"] - planted["contaminant_pairs"], 0.002),
        ("READ_PAIR_DUPLICATES", planted["planted_duplicate_pairs"], 0.03),
        ("READ_PAIR_OPTICAL_DUPLICATES", planted["planted_optical_pairs"], 0.05),
    )
    for name, count, share in wanted:
        report("metrics: " + name, near(int(seen[name]), count, share), "%s, planted %d" % (seen[name], count))


def recalibration(path):
    """The first table of a report of BaseRecalibrator: {group: [empirical, reported, bases, errors]}."""
    rows, inside = {}, False
    with open(path) as lines:
        for line in lines:
            if line.startswith("#:GATKTable:RecalTable0"):
                inside = True
            elif inside and not line.strip():
                break
            elif inside and not line.startswith("ReadGroup"):
                fields = line.split()
                rows[fields[0]] = [float(fields[2]), float(fields[3]), int(fields[4]), float(fields[5])]
    if not rows:
        raise truth.BadFile("`%s` holds no table of read groups" % path)
    return rows


def check_recalibration(report, rows, planted):
    for group in planted["read_groups"]:
        unit = group["platform_unit"]
        if unit not in rows:
            report("bqsr: read group %s" % unit, False, " ".join(sorted(rows)))
            continue
        empirical, reported = rows[unit][:2]
        name = "bqsr: %s is as good as its true %.2f" % (unit, group["mean_true_phred"])
        report(name, abs(empirical - group["mean_true_phred"]) <= QUALITY_SLACK, empirical)
        drop = reported - empirical
        report("bqsr: %s reports too much" % unit, abs(drop - group["quality_drop"]) <= DROP_SLACK, "%.2f, planted %.0f" % (drop, group["quality_drop"]))


def check_variants(report, path, data, sample):
    reference, records = check_calls.Reference(data), truth.Records(path)
    comparisons = reference.compare(records, sample)
    for of, comparison in comparisons.items():
        missed = check_calls.below({of: comparison}, check_calls.LEAST)
        report("calls: %s" % of, not missed, " ".join("%s=%s" % pair for pair in comparison.numbers().items()))
    called = reference.jackpots_called(records, sample)
    report("calls: no copied error is among them", not called, called or "none of %d" % len(reference.samples[sample]["jackpots"]))
    return {of: comparison.numbers() for of, comparison in comparisons.items()}


def check_expected(report, expected, seen):
    """The very figures of an earlier run."""
    for name, value in seen.items():
        if name not in expected:
            continue
        wanted = expected[name]
        if isinstance(wanted, dict) and isinstance(value, dict):
            # A file of metrics has more than is remembered, and all of it as text.
            value = {key: value.get(key) for key in wanted}
        report("expected: " + name, wanted == value, value if wanted == value else "%s, expected %s" % (value, wanted))


def manifest(data, sample):
    with open(os.path.join(data, "manifest.json"), "rb") as file:
        text = file.read()
    samples = json.loads(text.decode())["samples"]
    if sample not in samples:
        raise truth.BadFile("`%s` has no sample `%s`, but %s" % (data, sample, sorted(samples)))
    return samples[sample], hashlib.md5(text).hexdigest()


def check(report, chosen):
    planted, digest = manifest(chosen.data, chosen.sample)
    seen = {"manifest_md5": digest}
    if chosen.sorted:
        seen["sorted_records_md5"] = fingerprint(chosen.sorted)
    if chosen.bam:
        check_bam(report, chosen.bam, planted)
        seen["analysis_ready_records_md5"] = fingerprint(chosen.bam)
    if chosen.metrics:
        found = metrics(chosen.metrics)
        check_metrics(report, found, planted)
        seen["duplicates"] = found
    if chosen.bqsr:
        seen["recalibration"] = recalibration(chosen.bqsr)
        check_recalibration(report, seen["recalibration"], planted)
    if chosen.vcf:
        seen["calls"] = check_variants(report, chosen.vcf, chosen.data, chosen.sample)
    if chosen.expected:
        with open(chosen.expected) as file:
            check_expected(report, json.load(file), seen)


def main(words=None):
    parser = argparse.ArgumentParser(description="Checks the results of the GATK workflows against what was planted.")
    parser.add_argument("--data", required=True)
    parser.add_argument("--sample", required=True)
    for name in ("sorted", "bam", "metrics", "bqsr", "vcf", "expected"):
        parser.add_argument("--" + name)
    chosen, report = parser.parse_args(words), Report()
    try:
        check(report, chosen)
    except (OSError, ValueError, truth.BadFile) as error:
        report("files can be read", False, error)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
