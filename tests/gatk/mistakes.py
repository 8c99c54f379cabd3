"""Bad input: the run stops, names the call, shows what the tool said and tells what to do."""

import glob
import os
import subprocess

from house import tool

SAMPLE = "SIM001"


def samtools(*words, text=None):
    return subprocess.run(("samtools",) + words, input=text, stdout=subprocess.PIPE, check=True).stdout


class Mistakes:
    """Each is made with the published files, so the tools' own messages are what is seen."""

    def __init__(self, house, checks, doors, own_calling, own_joint):
        self.house, self.checks, self.doors = house, checks, doors
        self.own_calling, self.own_joint = own_calling, own_joint

    def all(self):
        self.checks.step("mistakes")
        self.truncated()
        self.other_dictionary()
        self.unsorted()
        bam = glob.glob(self.house.path("draft2-dp/call-GatherBamFiles/execution/*.bam"))[0]
        self.no_index(bam)
        self.index_elsewhere(bam)
        self.no_intervals(bam)
        self.sample_clash()

    def _fails(self, name, wdl, inputs, call, said, advice):
        run = self.house.run(wdl, self.house.write("in/mistake.json", inputs), "--no-cache")
        holds = run.code == 1 and call in run.err and said in run.err and "hint: " in run.err and advice in run.err
        self.checks(name, holds, "" if holds else "%d: %s" % (run.code, run.err[-2500:]))

    def _processing(self, **changed):
        return self.house.inputs("inputs.data-processing.draft2.%s.json" % SAMPLE, **changed)

    def _reads(self, name, bam):
        """A list with one unmapped BAM of that content."""
        path = self.house.path("mistakes", name + ".unmapped.bam")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(bam)
        return self.house.write("mistakes/%s.txt" % name, path + "\n")

    def _first_reads(self):
        with open(os.path.join(self.house.data, SAMPLE, "ubams.txt")) as file:
            return file.readline().strip()

    def truncated(self):
        with open(self._first_reads(), "rb") as file:
            half = file.read(400000)
        inputs = self._processing(flowcell_unmapped_bams_list=self._reads("half", half))
        self._fails("truncated BAM", self.doors.processing, inputs, "SamToFastqAndBwaMem", "Premature end of file", "cut off")

    def other_dictionary(self):
        folder = self.house.path("mistakes/reference")
        os.makedirs(folder)
        for path in glob.glob(os.path.join(self.house.data, "ref/ref.*")):
            os.link(path, os.path.join(folder, os.path.basename(path)))
        dictionary = os.path.join(folder, "ref.dict")
        with open(dictionary) as file:
            text = file.read()
        os.unlink(dictionary)
        with open(dictionary, "w") as file:
            file.write(text.replace("SN:chrA\tLN:60000", "SN:chrA\tLN:50000"))
        changed = {"ref_fasta": os.path.join(folder, "ref.fasta"), "ref_fasta_index": os.path.join(folder, "ref.fasta.fai"), "ref_dict": dictionary}
        bam = glob.glob(self.house.path("draft2-dp/call-GatherBamFiles/execution/*.bam"))[0]
        inputs = self.house.inputs("inputs.haplotypecaller.draft2.%s.json" % SAMPLE, input_bam=bam, input_bam_index=bam[:-1] + "i", **changed)
        self._fails("wrong reference dictionary", self.doors.calling, inputs, "HaplotypeCaller", "dictionary", "one genome")

    def unsorted(self):
        header = samtools("view", "-H", self._first_reads())
        lines = samtools("view", self._first_reads()).splitlines(True)
        # Far from their mates, and always the same order.
        mixed = b"".join(lines[0::2] + lines[1::2][::-1])
        bam = samtools("view", "-b", "-", text=header + mixed)
        inputs = self._processing(flowcell_unmapped_bams_list=self._reads("mixed", bam))
        self._fails("unsorted unmapped BAM", self.doors.processing, inputs, "MergeBamAlignment", "not found in unmapped bam", "order of their names")

    def _calling(self, bam, index, **changed):
        return self.house.inputs("inputs.haplotypecaller.draft2.%s.json" % SAMPLE, input_bam=bam, input_bam_index=index, **changed)

    def no_index(self, bam):
        none = self.house.write("mistakes/none.bai", "")
        self._fails("missing index", self.doors.calling, self._calling(bam, none), "HaplotypeCaller", "not indexed", "beside its file")

    def index_elsewhere(self, bam):
        index = self.house.path("mistakes", "elsewhere", os.path.basename(bam)[:-1] + "i")
        os.makedirs(os.path.dirname(index))
        os.link(bam[:-1] + "i", index)
        self._fails("BAM and index in different folders", self.doors.calling, self._calling(bam, index), "HaplotypeCaller", "not indexed", "beside its file")

    def no_intervals(self, bam):
        with open(os.path.join(self.house.data, "ref/ref.dict")) as file:
            empty = self.house.write("mistakes/empty.interval_list", file.read())
        listed = self.house.write("mistakes/scattered.txt", empty + "\n")
        inputs = self._calling(bam, bam[:-1] + "i", scattered_calling_intervals_list=listed)
        self._fails("empty interval list", self.own_calling, inputs, "HaplotypeCaller", "no intervals", "list of intervals")

    def sample_clash(self):
        gvcf = glob.glob(self.house.path("draft2-hc/call-MergeGVCFs/execution/*.g.vcf.gz"))[0]
        pair = []
        for name in ("one", "two"):
            path = self.house.path("mistakes", name + ".g.vcf.gz")
            os.link(gvcf, path)
            tool("tabix", "-f", "-p", "vcf", path)
            pair.append(path)
        self._fails("sample name clash", self.own_joint, self._joint(pair), "ImportGVCFs", "Duplicate sample", "twice")

    def _joint(self, gvcfs):
        reference = os.path.join(self.house.data, "ref/ref.fasta")
        inputs = {"callset_name": "clash", "input_gvcfs": gvcfs, "input_gvcf_indices": [path + ".tbi" for path in gvcfs],
                  "ref_fasta": reference, "ref_fasta_index": reference + ".fai", "ref_dict": reference[:-6] + ".dict"}
        return {"JointGenotyping_GATK4." + name: value for name, value in inputs.items()}
