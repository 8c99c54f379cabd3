#!/usr/bin/env python3
"""The chain from FASTQ to variants with real GATK, by every door of the program, checked against what was planted in
the data. What `make gatk` runs.

    main.py --program FILE --gatk DIR [--work DIR] [--only PART,...] [--figures FILE]

Parts: reference, run, servers, pipeline, newer, mistakes, documents. The published draft-2 files come out of the source
package of the original's client in .cache; the newer ones of WDL 1.0 are run where $GATK_WORKFLOWS names a folder that
holds them. Exit status 1 when something does not hold.
"""

import argparse
import glob
import hashlib
import json
import os
import shutil
import sys
import tarfile
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from doors import PUBLISHED, SAMPLE, Doors
from house import PROJECT, Broken, Checks, House, tool
from mistakes import Mistakes

PARTS = ("reference", "run", "servers", "pipeline", "newer", "mistakes", "documents")
PACKAGE = "batchcompute-cli-1.7.7.tar.gz"
SAMPLES = ("SIM001", "SIM002", "SIM003")
# Fingerprints of the newer files that the checks know.
NEWER = {"processing-for-variant-discovery-gatk4.wdl": "c52eb53f34fd832bed970db44dc08f1e",
         "haplotypecaller-gvcf-gatk4.wdl": "237585f29a9f099bf84e02266dacc899"}


def data_set(folder):
    """Three samples of which everything is known; made once."""
    if os.path.exists(os.path.join(folder, "index.done")):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    tool(sys.executable, os.path.join(PROJECT, "examples/gatk/data/make_data.py"), folder, "--samples", str(len(SAMPLES)))
    tool(os.path.join(PROJECT, "examples/gatk/data/index.sh"), folder)
    open(os.path.join(folder, "index.done"), "w").close()
    return folder


def published(house, checks):
    """The template as the original's package carries it."""
    folder = house.path("published")
    with tarfile.open(os.path.join(PROJECT, ".cache", PACKAGE)) as package:
        name = next(name for name in package.getnames() if name.endswith("templates/gatk.zip"))
        with zipfile.ZipFile(package.extractfile(name)) as template:
            template.extractall(folder)
    for name, fingerprint in PUBLISHED.items():
        with open(os.path.join(folder, name), "rb") as file:
            checks("published, byte for byte: %s" % os.path.basename(name), hashlib.md5(file.read()).hexdigest() == fingerprint)
    return folder


def pipeline(house, checks, doors, demo):
    """Our own workflow from a sample sheet to joint calls and a report."""
    checks.step("three samples from a sheet by our pipeline")
    wdl = os.path.join(demo, "gatk4-germline-pipeline/src/germline-pipeline-gatk4.wdl")
    common = house.inputs("inputs.germline-pipeline.json")
    common.pop("GermlinePipeline_GATK4.read_groups")
    # More parts than contigs, so that there are borders within them.
    common["GermlinePipeline_GATK4.scatter_count"] = 4
    has_multiqc = os.path.exists(os.path.join(house.gatk, "root/usr/local/bin/multiqc"))
    if has_multiqc:
        common["GermlinePipeline_GATK4.run_multiqc"] = True
    made = house.call("gen", "inputs", wdl, "--samplesheet", os.path.join(house.data, "samples.csv"), "-i",
                      house.write("in/common.json", common), "-o", house.path("in/pipeline.json"))
    if not checks("pipeline: inputs from the sample sheet", made.code == 0, made.err[-500:] if made.code else ""):
        return
    run = house.run(wdl, house.path("in/pipeline.json"), "-d", "pipeline")
    outputs = {name.split(".", 1)[1]: value for name, value in run.document()["outputs"].items()}
    checks.figure("pipeline of three samples, CPU s", round(run.cpu, 1))
    checks.figure("pipeline of three samples, s", round(run.seconds, 1))
    sorted_bam = glob.glob(house.path("pipeline/**/call-SortAndFixTags/execution/%s*.bam" % SAMPLE), recursive=True)
    ready = next(bam for bam in outputs["analysis_ready_bams"] if os.path.basename(bam).startswith(SAMPLE))
    doors.records("pipeline", sorted_bam[0], ready)
    doors.truth("pipeline, joint", outputs["vcf"], SAMPLES)
    with open(outputs["quality_page"]) as file:
        page = file.read()
    checks("pipeline: the report shows every sample, with pictures", all(name in page for name in SAMPLES) and page.count("<svg") >= 5)
    if has_multiqc:
        checks("pipeline: MultiQC has read the results", os.path.getsize(outputs["multiqc_report"]) > 100_000)
    else:
        print("  not tested: multiqc (scripts/setup.sh gatk installs it from the Python index)")


def newer(house, checks, doors):
    """The published files of WDL 1.0, where the user has them."""
    folder = os.environ.get("GATK_WORKFLOWS")
    if not folder:
        print("  not tested: published WDL 1.0 files (name their folder in GATK_WORKFLOWS)")
        return
    checks.step("the published files of WDL 1.0")
    found = {}
    for name, fingerprint in NEWER.items():
        for path in glob.glob(os.path.join(folder, "**", name), recursive=True):
            with open(path, "rb") as file:
                if hashlib.md5(file.read()).hexdigest() == fingerprint:
                    found[name] = path
    if not checks("newer: the files are there", len(found) == len(NEWER), sorted(found)):
        return
    processing, calling = (found[name] for name in NEWER)
    first = house.run(processing, house.write("in/v1-dp.json", house.inputs("inputs.data-processing.v1.%s.json" % SAMPLE)), "-d", "v1-dp")
    outputs = {name.split(".", 1)[1]: value for name, value in first.document()["outputs"].items()}
    doors.records("newer", glob.glob(house.path("v1-dp/call-SortAndFixTags/execution/*.bam"))[0], outputs["analysis_ready_bam"])
    inputs = house.inputs("inputs.haplotypecaller.v1.%s.json" % SAMPLE, input_bam=outputs["analysis_ready_bam"],
                          input_bam_index=outputs["analysis_ready_bam_index"])
    second = house.run(calling, house.write("in/v1-hc.json", inputs), "-d", "v1-hc").document()["outputs"]
    doors.variants("newer", next(value for name, value in second.items() if name.endswith("output_vcf")))
    checks.figure("newer, CPU s", round(first.cpu, 1))


def documents(house, checks, folders):
    """The inputs of whole genomes fit the documents."""
    checks.step("documents and their inputs")
    for what, folder in folders:
        for wdl in sorted(glob.glob(os.path.join(folder, "gatk4-*/src/*-gatk4.wdl"))):
            stem = os.path.basename(wdl)[:-4]
            for inputs in sorted(glob.glob(os.path.join(os.path.dirname(wdl), stem + "*.json"))):
                seen = house.call("check", wdl, "-i", inputs, "--quiet")
                checks("check, %s: %s" % (what, os.path.basename(inputs)), seen.code == 0, seen.err[-800:] if seen.code else "")


def main():
    parser = argparse.ArgumentParser(description="The GATK chain by every door, checked against the truth.")
    parser.add_argument("--program", required=True)
    parser.add_argument("--gatk", required=True)
    parser.add_argument("--data", default=os.path.join(PROJECT, ".cache/gatk/data"))
    parser.add_argument("--work", default=os.path.join(PROJECT, "target/gatk"))
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--figures")
    chosen = parser.parse_args()
    parts = chosen.only.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        parser.error("no such part: %s" % ", ".join(unknown))

    checks = Checks()
    checks.step("data: three samples at 30x")
    data = data_set(os.path.abspath(chosen.data))
    house = House(os.path.abspath(chosen.work), os.path.abspath(chosen.program), os.path.abspath(chosen.gatk), data)
    original = published(house, checks)
    demo = house.path("demo")
    checks("bcs gen -t gatk writes our pipelines", house.call("bcs", "gen", demo, "-t", "gatk", "--offline").code == 0)
    doors = Doors(house, checks, os.path.join(PROJECT, ".cache", PACKAGE), original)
    own = [os.path.join(demo, name) for name in ("gatk4-germline-snps-indels/src/haplotypecaller-gvcf-gatk4.wdl",
                                                 "gatk4-joint-genotyping/src/joint-genotyping-gatk4.wdl")]
    steps = {
        "reference": doors.by_hand, "run": doors.command_line, "servers": doors.servers,
        "pipeline": lambda: pipeline(house, checks, doors, demo), "newer": lambda: newer(house, checks, doors),
        "mistakes": Mistakes(house, checks, doors, *own).all,
        "documents": lambda: documents(house, checks, (("published", original), ("ours", demo))),
    }
    for part in parts:
        try:
            steps[part]()
        except (Broken, OSError, KeyError, IndexError, StopIteration) as error:
            checks("%s: goes on to its end" % part, False, repr(error))
    if chosen.figures:
        with open(chosen.figures, "w") as file:
            json.dump(checks.figures, file, indent=1, sort_keys=True)
    for name, value in checks.figures.items():
        print("figure: %s: %s" % (name, json.dumps(value)))
    checks.step("%d checks, %d do not hold" % (checks.count, len(checks.failed)))
    for name in checks.failed:
        print("does not hold: %s" % name)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
