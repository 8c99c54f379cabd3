"""The chain from reads to variants by every door: the command line, the server of workflows, the BatchCompute service."""

import glob
import json
import os
import re
import subprocess
import sys
import threading

from house import HERE, PROJECT, Broken, Server, tool, wait_for

SAMPLE = "SIM001"
DRAFT2 = ("PreProcessingForVariantDiscovery_GATK4", "HaplotypeCallerGvcf_GATK4")
PUBLISHED = {
    "gatk4-data-processing/src/processing-for-variant-discovery-gatk4.wdl": "847ef720737b08c4023ba5e878f57d5b",
    "gatk4-germline-snps-indels/src/haplotypecaller-gvcf-gatk4.wdl": "67d50c9671905a8a5f2595ace8ddc0f5",
}
# What a second run may cost, as a share of the first.
CACHED_SHARE = 0.03


class Doors:
    """Runs the chain and compares what comes out."""

    def __init__(self, house, checks, package, published):
        self.house, self.checks, self.package = house, checks, package
        self.processing, self.calling = (os.path.join(published, name) for name in PUBLISHED)
        with open(os.path.join(HERE, "expected.json")) as file:
            self.expected = json.load(file)
        # That of a data set of one sample; its reads are the same here.
        del self.expected["manifest_md5"]
        self.figures = house.write("expected.json", self.expected)

    # -- what everything is compared with

    def by_hand(self):
        """The reference: the same programs, started by a shell script."""
        self.checks.step("the chain by hand, without an engine")
        out = self.house.path("by-hand")
        environment = dict(os.environ, GATK=os.path.join(self.house.gatk, "gatk"), GATK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1")
        done = subprocess.run([os.path.join(PROJECT, "examples/gatk/by_hand.sh"), self.house.data, out, SAMPLE], env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        if done.returncode:
            raise Broken("by_hand.sh: %s" % done.stdout[-3000:])
        with open(os.path.join(out, "times.tsv")) as file:
            rows = [line.split("\t") for line in file if line.strip()]
        self.checks.figure("by hand, CPU s", round(sum(float(row[1]) for row in rows if re.match(r"[0-9.]+$", row[1])), 1))
        self.records("by hand", os.path.join(out, SAMPLE + ".sorted.bam"), os.path.join(out, SAMPLE + ".tiny.bam"))
        self.variants("by hand", os.path.join(out, SAMPLE + ".tiny.g.vcf.gz"))

    def records(self, door, sorted_bam, ready_bam):
        """Records are the same, whoever ran the programs."""
        from check_run import fingerprint
        for what, bam, key in (("sorted", sorted_bam, "sorted_records_md5"), ("analysis-ready", ready_bam, "analysis_ready_records_md5")):
            if bam:
                seen = fingerprint(bam)
                self.checks("%s: %s records are those of the reference" % (door, what), seen == self.expected[key], seen)

    def against_truth(self, door, bam, metrics, recalibration):
        """What was planted is found: duplicates, the read group that lies."""
        words = [sys.executable, os.path.join(HERE, "check_run.py"), "--data", self.house.data, "--sample", SAMPLE]
        words += ["--bam", bam, "--metrics", metrics, "--bqsr", recalibration, "--expected", self.figures]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        wrong = "; ".join(line for line in done.stdout.splitlines() if line.startswith("FAIL")) or done.stdout[-300:]
        right = done.returncode == 0
        self.checks("%s: duplicates, read groups and recalibration are as planted" % door, right, "" if right else wrong)

    def variants(self, door, gvcf):
        """Genotypes of a gVCF against the truth, and the file itself."""
        gatk, reference = os.path.join(self.house.gatk, "gatk"), os.path.join(self.house.data, "ref/ref.fasta")
        calls = self.house.path("checked", re.sub(r"\W+", "-", door) + ".vcf.gz")
        os.makedirs(os.path.dirname(calls), exist_ok=True)
        tool(gatk, "ValidateVariants", "-gvcf", "-R", reference, "-V", gvcf, "-L", os.path.join(self.house.data, "intervals/calling.interval_list"))
        self.checks("%s: ValidateVariants -gvcf has nothing to say" % door, True)
        tool(gatk, "GenotypeGVCFs", "-R", reference, "-V", gvcf, "-O", calls)
        self.truth(door, calls, [SAMPLE])

    def truth(self, door, vcf, samples):
        figures = self.house.path("checked", re.sub(r"\W+", "-", door) + ".json")
        words = [sys.executable, os.path.join(HERE, "check_calls.py"), "--data", self.house.data, "--json", figures, vcf]
        for sample in samples:
            words += ["--sample", sample]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        seen = done.stdout[-600:]
        if os.path.exists(figures):
            with open(figures) as file:
                numbers = json.load(file)
            self.checks.figure(door + ", calls", numbers)
            parts = ["%s %s recall %.3f precision %.3f genotypes %.3f" % (sample, of, one["recall"], one["precision"], one["genotype"])
                     for sample, kinds in sorted(numbers.items()) for of, one in sorted(kinds.items())]
            seen = "; ".join(parts)
        self.checks("%s: variants are the true ones, no copied error is called" % door, done.returncode == 0, seen)

    # -- the command line

    def command_line(self):
        """The published files, byte for byte, and what a second run and a changed parameter cost."""
        self.checks.step("the published draft-2 files by `batchyard run`")
        processing = self.house.inputs("inputs.data-processing.draft2.%s.json" % SAMPLE)
        first = self.house.run(self.processing, self.house.write("in/dp.json", processing), "-d", "draft2-dp")
        outputs = first.document()["outputs"]
        value = lambda name: outputs["%s.%s" % (DRAFT2[0], name)]
        sorted_bam = glob.glob(self.house.path("draft2-dp/call-SortAndFixTags/execution/*.bam"))[0]
        self.records("run", sorted_bam, value("analysis_ready_bam"))
        self.against_truth("run", value("analysis_ready_bam"), value("duplication_metrics"), value("bqsr_report"))
        calling = self.house.inputs("inputs.haplotypecaller.draft2.%s.json" % SAMPLE, input_bam=value("analysis_ready_bam"),
                                    input_bam_index=value("analysis_ready_bam_index"))
        inputs = self.house.write("in/hc.json", calling)
        second = self.house.run(self.calling, inputs, "-d", "draft2-hc")
        gvcf = second.document()["outputs"]["%s.output_merged_gvcf" % DRAFT2[1]]
        self.variants("run", gvcf)
        cpu = first.cpu + second.cpu
        self.checks.figure("run, CPU s", round(cpu, 1))
        self.checks.figure("run, s", round(first.seconds + second.seconds, 1))
        self._mapping()
        self._again(cpu)
        self._changed(calling)

    def _mapping(self):
        calls = json.loads(self.house.call("show", "last", "--json").out)["calls"]
        seen = [call["start"]["image"]["used"] for call in calls]
        self.checks("run: metadata tells what stood in for the images", all("GATK 4.6.2.0" in used for used in seen), seen[:1])

    def _again(self, cpu):
        self.checks.step("the same once more")
        again = [self.house.run(wdl, self.house.path(inputs)) for wdl, inputs in ((self.processing, "in/dp.json"), (self.calling, "in/hc.json"))]
        counts = [re.search(r"(\d+) from cache", run.err) for run in again]
        counts = [int(count.group(1)) if count else 0 for count in counts]
        wanted = [self.expected["workflow_calls"][name] for name in ("data_processing", "haplotypecaller")]
        self.checks("second run: every call is taken from the first", counts == wanted, counts)
        share = sum(run.cpu for run in again) / cpu
        self.checks("second run: less than %d %% of the first one's CPU" % (100 * CACHED_SHARE), share < CACHED_SHARE, "%.2f %%" % (100 * share))
        self.checks.figure("second run, share of CPU", round(share, 4))

    def _changed(self, calling):
        self.checks.step("another padding of intervals")
        name = [key for key in calling if key.endswith("HaplotypeCaller.interval_padding")][0]
        changed = self.house.run(self.calling, self.house.write("in/hc-150.json", dict(calling, **{name: 150})))
        states = {(task_of(call), call["cached"]) for call in json.loads(self.house.call("show", "last", "--json").out)["calls"]}
        changed.document()
        self.checks("changed parameter: what depends on it runs again", states == {("HaplotypeCaller", False), ("MergeGVCFs", False)}, sorted(states))
        why = json.loads(self.house.call("why", "last", "HaplotypeCaller[0]", "--json").out)
        parts = [difference["part"] for difference in why[0]["differences"]]
        self.checks("changed parameter: `why` names it", parts == ["input interval_padding"], parts)
        again = self.house.run(self.processing, self.house.path("in/dp.json"))
        self.checks("changed parameter: what came before it does not", "17 from cache" in again.err)

    # -- the server of workflows, and BatchCompute, both killed in the middle

    def servers(self):
        """Both doors of one server at once; it is killed in the middle of both chains."""
        server = Server(self.house)
        server.start()
        try:
            self._store_data(server)
            self.checks.step("the guide's chapter by `bcs`: reads to unmapped BAMs by :fastq_to_ubam")
            self._reads(server)
            self.checks.step("the published files by REST and by the guide's main.sh at once, the server killed in the middle")
            rest = Attempt(lambda: self._rest(server))
            jobs = Attempt(lambda: self._jobs(server))
            self._kill_in_the_middle(server)
            rest.join()
            jobs.join()
        finally:
            server.stop()

    def _kill_in_the_middle(self, server):
        def at(name):
            runs = self.house.call("ls", "--json")
            return any(self._has_begun(run["id"], name) for run in json.loads(runs.out) if run["state"] == "Running")
        wait_for("recalibration to begin", lambda: at("BaseRecalibrator"))
        server.kill()
        server.start()
        self.checks.step("killed and started again")

    def _has_begun(self, run, name):
        shown = self.house.call("show", run, "--json")
        calls = json.loads(shown.out)["calls"] if shown.code == 0 else []
        return any(task_of(call) == name and call["state"] == "Running" for call in calls)

    def _rest(self, server):
        options = {"read_from_cache": False}
        processing = self.house.inputs("inputs.data-processing.draft2.%s.json" % SAMPLE)
        state, metadata = server.wait(server.submit(self.processing, processing, options))
        self.checks("REST: data processing succeeds though the server was killed", state == "Succeeded", metadata.get("failures", ""))
        calls = metadata["calls"]
        again = [name for name, attempts in calls.items() for call in attempts if call.get("attempt", 1) > 1]
        self.checks("REST: no call needed a second attempt", not again, again)
        outputs = metadata["outputs"]
        value = lambda name: outputs["%s.%s" % (DRAFT2[0], name)]
        sorted_bam = calls["%s.SortAndFixTags" % DRAFT2[0]][0]["outputs"]["output_bam"]
        self.records("REST", sorted_bam, value("analysis_ready_bam"))
        used = calls["%s.ApplyBQSR" % DRAFT2[0]][0].get("imageMapping", {})
        self.checks("REST: imageMapping in metadata", used.get("mode") == "host" and "GATK 4.6.2.0" in used.get("used", ""), used)
        calling = self.house.inputs("inputs.haplotypecaller.draft2.%s.json" % SAMPLE, input_bam=value("analysis_ready_bam"),
                                    input_bam_index=value("analysis_ready_bam_index"))
        state, metadata = server.wait(server.submit(self.calling, calling, options))
        self.checks("REST: calling succeeds", state == "Succeeded", metadata.get("failures", ""))
        self.variants("REST", metadata["outputs"]["%s.output_merged_gvcf" % DRAFT2[1]])

    def _store_data(self, server):
        """The data set in the object store, with lists and inputs that name it there."""
        server.login("oss://batchyard/jobs/")
        server.bcs("o", "up", self.house.data, "oss://batchyard/tiny/")
        for name in ("intervals/scattered.txt",):
            with open(os.path.join(self.house.data, name)) as file:
                lists = file.read().replace(self.house.data + "/", "oss://batchyard/tiny/")
            server.bcs("o", "up", self.house.write("stored/" + name, lists), "oss://batchyard/tiny/" + name)

    def _stored(self, inputs):
        text = json.dumps(inputs).replace(json.dumps(self.house.data + "/")[1:-1], "oss://batchyard/tiny/")
        return json.loads(text)

    def _reads(self, server):
        with open(os.path.join(self.house.data, "manifest.json")) as file:
            groups = json.load(file)["samples"][SAMPLE]["read_groups"]
        jobs = []
        for group in groups:
            pair = ["oss://batchyard/tiny/%s/%s_%d.fastq.gz" % (SAMPLE, group["id"], mate) for mate in (1, 2)]
            named = {"FASTQ": pair[0], "FASTQ2": pair[1], "OUT_PREFIX": group["id"], "SPLIT_TO_N_FILES": 1, "SAMPLE_NAME": SAMPLE,
                     "LIBRARY_NAME": group["library"], "PLATFORM": group["platform"], "PLATFORM_UNIT": group["platform_unit"],
                     "SEQUENCING_CENTER": group["center"], "READ_GROUP_NAME": group["id"]}
            words = [word for name, value in named.items() for word in ("--input_" + name, value)]
            jobs.append(server.asub(":fastq_to_ubam", "reads", "--config", "ClassicNetwork=false", *words,
                                    "--output_OUTPUTS_DIR", "oss://batchyard/ubam/", "-t", "ecs.sn1ne.large"))
        states = [server.wait_job(job) for job in jobs]
        self.checks("bcs: FASTQ files become unmapped BAMs by :fastq_to_ubam", states == ["Finished"] * len(jobs), states)
        names = ["oss://batchyard/ubam/%s.unmapped.bam" % group["id"] for group in groups]
        server.bcs("o", "up", self.house.write("stored/ubams.txt", "\n".join(names) + "\n"), "oss://batchyard/ubam/ubams.txt")

    def _main_sh(self, server, project, inputs):
        """The script of the template, with these inputs in the place of those for a whole genome. The job, and where its outputs go."""
        folder = self.house.path("guide", project)
        if not os.path.exists(folder):
            server.bcs("gen", self.house.path("guide"), "-t", "gatk", "--source", self.package)
        target = glob.glob(os.path.join(folder, "src/*.hg38.wgs.inputs.json"))[0]
        with open(target, "w") as file:
            json.dump(inputs, file)
        programs = self.house.path("bin")
        os.makedirs(programs, exist_ok=True)
        if not os.path.exists(os.path.join(programs, "bcs")):
            os.symlink(self.house.program, os.path.join(programs, "bcs"))
        environment = self.house.environment(PATH=programs + ":" + os.environ["PATH"])
        done = subprocess.run(["sh", "main.sh"], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True)
        found = re.search(r"Job created: (job-\w+)", done.stdout)
        if not found:
            raise Broken("main.sh: %s" % done.stdout[-2000:])
        return found.group(1), "oss://batchyard/jobs/gatk4/%s/outputs/" % project

    def _submit_job(self, server, wdl, name, inputs):
        options = self.house.write("in/options.json", {"read_from_cache": False, "default_runtime_attributes": {"autoReleaseJob": True}})
        return server.asub("cromwell", name, "--config", "ClassicNetwork=false", "--input_from_file_WDL", wdl,
                           "--input_from_file_WORKFLOW_INPUTS", self.house.write("in/%s.json" % name, inputs),
                           "--input_from_file_WORKFLOW_OPTIONS", options, "--input_WORKING_DIR", "oss://batchyard/%s/work-dir/" % name,
                           "--output_OUTPUTS_DIR", "oss://batchyard/%s/outputs/" % name, "--timeout", "172800",
                           "-t", "ecs.sn1ne.large", "-d", "cloud_efficiency"), "oss://batchyard/%s/outputs/" % name

    def _metadata(self, server, name, folder):
        listed = server.bcs("o", "ls", folder)
        self.checks("bcs o ls: %s has left workflow_metadata.json" % name, "workflow_metadata.json" in listed)
        with open(server.fetch(folder + "workflow_metadata.json", name + ".json")) as file:
            return json.load(file)

    def _jobs(self, server):
        processing = self._stored(self.house.inputs("inputs.data-processing.draft2.%s.json" % SAMPLE))
        processing["%s.flowcell_unmapped_bams_list" % DRAFT2[0]] = "oss://batchyard/ubam/ubams.txt"
        job, outputs = self._main_sh(server, "gatk4-data-processing", processing)
        state = server.wait_job(job)
        self.checks("sh main.sh: data processing finishes on AutoCluster though the server was killed", state == "Finished", server.job(job)["Message"])
        self.checks("bcs log: tells of the workflow", "is Succeeded" in server.bcs("log", job))
        self.checks("bcs j: lists it", job in server.bcs("j", "-a"))
        metadata = self._metadata(server, "processing", outputs)
        value = lambda name: metadata["outputs"]["%s.%s" % (DRAFT2[0], name)]
        bam, index = (server.fetch(value(name), os.path.basename(value(name))) for name in ("analysis_ready_bam", "analysis_ready_bam_index"))
        self.records("bcs", None, bam)
        self.checks("bcs: the index lies beside the BAM", os.path.exists(index))

        cluster = re.search(r"cls-\w+", server.bcs("cc", "gatk", "-n", "2", "-i", "img-gatk4", "-t", "ecs.sn1ne.large")).group(0)
        calling = self._stored(self.house.inputs("inputs.haplotypecaller.draft2.%s.json" % SAMPLE, input_bam=value("analysis_ready_bam"),
                                                 input_bam_index=value("analysis_ready_bam_index"), cluster_config=cluster))
        job, outputs = self._submit_job(server, self.calling, "calling", calling)
        state = server.wait_job(job)
        self.checks("bcs asub: calling finishes on a cluster", state == "Finished", server.job(job)["Message"])
        gvcf = self._metadata(server, "calling", outputs)["outputs"]["%s.output_merged_gvcf" % DRAFT2[1]]
        path = server.fetch(gvcf, "bcs.g.vcf.gz")
        tool("tabix", "-f", "-p", "vcf", path)
        self.variants("bcs", path)


def task_of(call):
    """The name of a call without the place in its scatter."""
    return call["call"].split("[")[0]


class Attempt:
    """Something that goes on beside other things; its end is waited for, and its failure told."""

    def __init__(self, what):
        self.error = None

        def go():
            try:
                what()
            except Exception as error:  # told by join
                self.error = error
        self.thread = threading.Thread(target=go)
        self.thread.start()

    def join(self):
        self.thread.join()
        if self.error:
            raise self.error
