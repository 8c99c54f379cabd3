"""Interval lists, lists of reads, sample sheets, and the inputs of the workflows."""

PROCESSING, CALLING = "PreProcessingForVariantDiscovery_GATK4.", "HaplotypeCallerGvcf_GATK4."
PIPELINE = "GermlinePipeline_GATK4."
BWA_INDEX = ("amb", "ann", "bwt", "pac", "sa")
HEAP = "-Xms256m -Xmx1500m"
CLUSTER = "OnDemand ecs.sn1ne.large img-gatk4"
SHEET = ("sample", "read_group", "library", "platform_unit", "platform", "center", "fastq_1", "fastq_2")


def interval_lists(contigs, scatter):
    """Pieces of about equal size, dealt to at most `scatter` lists in order: [[(name, begin, end)]] from 1."""
    per_list = sum(len(bases) for _, bases in contigs) / float(scatter)
    pieces = []
    for name, bases in contigs:
        count = max(1, int(round(len(bases) / per_list)))
        edges = [len(bases) * number // count for number in range(count + 1)]
        pieces += [(name, edges[number] + 1, edges[number + 1]) for number in range(count)]
    lists = [[] for _ in range(min(scatter, len(pieces)))]
    for number, piece in enumerate(pieces):
        lists[number * len(lists) // len(pieces)].append(piece)
    return lists


def interval_file(dictionary, intervals):
    return dictionary + "".join("%s\t%d\t%d\t+\t.\n" % interval for interval in intervals)


class Inputs:
    """What workflows are given. Every location begins with `base`, a folder or the address of one."""

    def __init__(self, base):
        self.base = base
        self.fasta = base + "ref/ref.fasta"

    def reference(self):
        return {"ref_fasta": self.fasta, "ref_fasta_index": self.fasta + ".fai", "ref_dict": self.base + "ref/ref.dict"}

    def bwa_index(self):
        return {"ref_" + kind: self.fasta + "." + kind for kind in BWA_INDEX}

    def known_sites(self):
        indels = [self.base + "known/%s.vcf.gz" % name for name in ("gold_indels", "known_indels")]
        sites = self.base + "known/dbsnp.vcf.gz"
        return {
            "dbSNP_vcf": sites,
            "dbSNP_vcf_index": sites + ".tbi",
            "known_indels_sites_VCFs": indels,
            "known_indels_sites_indices": [indel + ".tbi" for indel in indels],
        }

    def unmapped_reads(self, sample, groups):
        return "".join(self.base + "%s/%s.unmapped.bam\n" % (sample, group["id"]) for group in groups)

    def processing(self, sample):
        """Of the published file in WDL 1.0, and of ours, which takes the same."""
        values = dict(self.reference(), **self.known_sites())
        values.update(self.bwa_index())
        values.update(self.processing_of(sample))
        return named(PROCESSING, values)

    def processing_of(self, sample):
        return {
            "sample_name": sample,
            "ref_name": "tiny",
            "unmapped_bam_suffix": ".unmapped.bam",
            "flowcell_unmapped_bams_list": self.base + sample + "/ubams.txt",
            "bwa_commandline": "bwa mem -K 100000000 -p -v 3 -t 2 -Y $bash_ref_fasta",
            "compression_level": 5,
        }

    def processing_draft2(self, sample):
        """Of the published file in draft-2, which asks for much that its calls do not set."""
        cloud, gatk = "broadinstitute/genomes-in-the-cloud:2.3.0-1501082129", "broadinstitute/gatk:4.0.0.0"
        values = dict(self.reference(), **self.known_sites())
        values.update(self.processing_of(sample))
        values.update(gotc_docker=cloud, picard_docker=cloud, gatk_docker=gatk, python_docker="python:2.7")
        values.update(gotc_path="/usr/gitc/", picard_path="/usr/gitc/", gatk_path="/gatk/gatk")
        values.update(preemptible_tries=1, agg_preemptible_tries=1)
        disks = ("flowcell_small", "flowcell_medium", "agg_small", "agg_medium", "agg_large")
        values.update({disk + "_disk": 10 for disk in disks})
        values.update({"SamToFastqAndBwaMem." + key: value for key, value in self.bwa_index().items()})
        values["SamToFastqAndBwaMem.num_cpu"] = "2"
        heaps = "SamToFastqAndBwaMem MergeBamAlignment MarkDuplicates BaseRecalibrator GatherBqsrReports ApplyBQSR GatherBamFiles"
        values.update({task + ".java_opt": HEAP for task in heaps.split()})
        values.update({"SortAndFixTags.java_opt_" + part: HEAP for part in ("sort", "fix")})
        others = "GetBwaVersion SortAndFixTags CreateSequenceGroupingTSV"
        values.update({task + ".cluster_config": CLUSTER for task in heaps.split() + others.split()})
        remark = {"##_COMMENT1": "keys that start with ## are remarks, as in the published input files"}
        return dict(remark, **named(PROCESSING, values))

    def calling(self, sample):
        values = self.reference()
        values.update(
            input_bam=self.base + sample + "/%s.tiny.bam" % sample,
            input_bam_index=self.base + sample + "/%s.tiny.bai" % sample,
            scattered_calling_intervals_list=self.base + "intervals/scattered.txt",
        )
        return named(CALLING, values)

    def calling_draft2(self, sample):
        values = {"gatk_docker": "broadinstitute/gatk:4.0.0.0", "gatk_path": "/gatk/gatk", "HaplotypeCaller.interval_padding": 100}
        for task in ("HaplotypeCaller", "MergeGVCFs"):
            # The command takes it as one word.
            values[task + ".java_opt"] = "-Xmx1500m"
            values.update({task + ".disk_size": 10, task + ".preemptible_tries": 1, task + ".cluster_config": CLUSTER})
        return dict(self.calling(sample), **named(CALLING, values))

    def rows(self, groups):
        """Read groups as rows of a sample sheet."""
        for group in groups:
            paths = [self.base + "%s/%s_%d.fastq.gz" % (group["sample"], group["id"], mate) for mate in (1, 2)]
            known = [group[key] for key in ("sample", "id", "library", "platform_unit", "platform", "center")]
            yield dict(zip(SHEET, known + paths))

    def sheet(self, groups):
        lines = [",".join(SHEET)] + [",".join(row[key] for key in SHEET) for row in self.rows(groups)]
        return "".join(line + "\n" for line in lines)

    def pipeline(self, samples, groups):
        """Of our workflow from reads to joint calls."""
        values = dict(self.reference(), **self.known_sites())
        values.update(self.bwa_index())
        values.update(
            read_groups=list(self.rows(groups)),
            callset_name="joint",
            ref_name="tiny",
            calling_intervals=self.base + "intervals/calling.interval_list",
            truths=[self.truth(sample) for sample in samples],
        )
        return named(PIPELINE, values)

    def truth(self, sample):
        calls = self.base + sample + "/truth.vcf.gz"
        return {"sample": sample, "vcf": calls, "vcf_index": calls + ".tbi", "confident_bed": self.base + "ref/confident.bed"}


def named(workflow, values):
    return {workflow + key: value for key, value in values.items()}
