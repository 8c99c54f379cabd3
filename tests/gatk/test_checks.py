"""The checks themselves: each must see what it is for. Needs only Python.

    python3 -m unittest discover -s tests/gatk
"""

import contextlib
import io
import json
import os
import tempfile
import unittest

import check_calls
import check_run
import truth

#             1234567890123456789012345678901234567890
SEQUENCE = "GATTACACACACGGTTTTTCATGCATCCCCAGTAGGCTTA"
HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
TRUE = ["c\t3\t.\tT\tG\t.\tPASS\t.\tGT\t0|1", "c\t4\t.\tTAC\tT\t.\tPASS\t.\tGT\t1|1", "c\t30\t.\tC\tT\t.\tPASS\t.\tGT\t1|1"]
# What a caller would write of the same: without phase, the deletion further to the right.
FOUND = ["c\t3\t.\tT\tG\t50\t.\t.\tGT:DP\t0/1:30", "c\t9\t.\tACA\tA\t50\t.\t.\tGT:DP\t1/1:30", "c\t30\t.\tC\tT\t50\t.\t.\tGT:DP\t1/1:30"]


def vcf(rows, *samples):
    columns = HEADER + "".join("\t" + word for word in (("FORMAT",) + samples if samples else ()))
    return "\n".join([columns] + rows) + "\n"


class Folder(unittest.TestCase):
    """A data set of one made-up contig, with two samples that have the same variants."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name
        self.write("ref/ref.fasta", ">c some text\n%s\n%s\n" % (SEQUENCE[:20], SEQUENCE[20:]))
        self.write("ref/confident.bed", "c\t0\t35\n")
        about = {"jackpots": ["c:21:T>A"]}
        self.write("manifest.json", json.dumps({"samples": {"one": about, "two": about}}))
        for sample in ("one", "two"):
            self.write(sample + "/truth.vcf", vcf(TRUE, sample))

    def write(self, name, text):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path

    def calls(self, rows, *samples, words=()):
        """Exit status and what was printed, of comparing these records."""
        path = self.write("calls.vcf", vcf(rows, *(samples or ("one",))))
        out, errors = io.StringIO(), io.StringIO()
        words = list(words) or ["--sample", "one"]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            status = check_calls.main(["--data", self.path, "--list", path] + words)
        return status, out.getvalue() + errors.getvalue()


class Calls(Folder):
    def test_the_same_written_differently(self):
        self.assertEqual(self.calls(FOUND)[0], 0)

    def test_missed(self):
        status, said = self.calls(FOUND[1:])
        self.assertEqual(status, 1)
        self.assertIn("one snp truth=2 called=1 missed=1 invented=0 recall=0.5", said)
        self.assertIn("missed c 3 T G", said)
        self.assertIn("WRONG: one: snp_recall", said)

    def test_missed_indel(self):
        status, said = self.calls([FOUND[0], FOUND[2]])
        self.assertEqual(status, 1)
        self.assertIn("WRONG: one: indel_recall", said)

    def test_invented(self):
        status, said = self.calls(FOUND + ["c\t25\t.\tA\tC\t50\t.\t.\tGT\t0/1"])
        self.assertEqual(status, 1)
        self.assertIn("invented c 25 A C", said)
        self.assertIn("WRONG: one: snp_precision", said)

    def test_invented_outside_of_what_is_known(self):
        self.assertEqual(self.calls(FOUND + ["c\t38\t.\tT\tC\t50\t.\t.\tGT\t0/1"])[0], 0)

    def test_filtered_or_not_carried_is_not_called(self):
        self.assertEqual(self.calls(FOUND + ["c\t25\t.\tA\tC\t50\tlow\t.\tGT\t0/1", "c\t26\t.\tT\tC\t50\t.\t.\tGT\t0/0"])[0], 0)
        self.assertEqual(self.calls([FOUND[0].replace("\t.\t.\tGT", "\tlow\t.\tGT")] + FOUND[1:])[0], 1)

    def test_genotype(self):
        status, said = self.calls([FOUND[0].replace("0/1", "1/1")] + FOUND[1:])
        self.assertEqual(status, 1)
        self.assertIn("WRONG: one: snp_genotype", said)

    def test_another_allele(self):
        status, said = self.calls([FOUND[0].replace("\tT\tG", "\tT\tC")] + FOUND[1:])
        self.assertEqual(status, 1)
        self.assertIn("WRONG: one: snp_recall", said)
        self.assertIn("WRONG: one: snp_precision", said)

    def test_alleles_of_a_gvcf(self):
        rows = ["c\t1\t.\tG\t<NON_REF>\t.\t.\tEND=2\tGT\t0/0", "c\t3\t.\tT\tG,<NON_REF>\t50\t.\t.\tGT\t0/1"] + FOUND[1:]
        self.assertEqual(self.calls(rows)[0], 0)

    def test_several_alleles_in_one_record(self):
        rows = ["c\t3\t.\tTTAC\tTTGC,GTAC\t50\t.\t.\tGT\t0/2"] + FOUND[1:]
        self.assertEqual(self.calls(rows)[0], 0)

    def test_copied_errors(self):
        status, said = self.calls(FOUND + ["c\t21\t.\tT\tA\t50\t.\t.\tGT\t0/1"], words=["--sample", "one", "--precision", "0"])
        self.assertEqual(status, 1)
        self.assertIn("copied error c:21:T:A called", said)

    def test_nothing_called(self):
        self.assertEqual(self.calls([])[0], 1)

    def test_bad_files(self):
        self.assertEqual(self.calls(["c\t3"])[0], 2)
        self.assertEqual(self.calls([FOUND[0].replace("c\t", "d\t", 1)])[0], 2)
        self.assertEqual(self.calls(FOUND, "other")[0], 2)
        path = self.write("calls.vcf", "no header\n")
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(check_calls.main(["--data", self.path, path]), 2)
        self.assertIn("line 1: not a record", errors.getvalue())


class Joint(Folder):
    def joint(self, second, samples=("one", "two")):
        return self.calls([row + "\t" + other for row, other in zip(FOUND, second)], *samples, words=["--json", os.path.join(self.path, "figures")])

    def test_all_samples_are_checked(self):
        status, said = self.joint(["0/1:9", "1/1:9", "1/1:9"])
        self.assertEqual(status, 0, said)
        with open(os.path.join(self.path, "figures")) as file:
            self.assertEqual(json.load(file)["two"]["snp"]["recall"], 1.0)

    def test_one_sample_is_wrong(self):
        status, said = self.joint(["0/0:9", "1/1:9", "0/1:9"])
        self.assertEqual(status, 1)
        self.assertIn("WRONG: two: snp_recall", said)
        self.assertIn("WRONG: two: snp_genotype", said)
        self.assertNotIn("WRONG: one", said)

    def test_samples_changed_places(self):
        self.write("two/truth.vcf", vcf(TRUE[1:], "two"))
        self.assertEqual(self.joint(["0/0:9", "1/1:9", "1/1:9"])[0], 0)
        self.assertEqual(self.joint(["0/0:9", "1/1:9", "1/1:9"], ("two", "one"))[0], 1)

    def test_a_sample_is_missing_or_too_many(self):
        status, said = self.calls(FOUND, words=["--json", os.path.join(self.path, "figures")])
        self.assertEqual(status, 2)
        self.assertIn("has no sample `two`", said)
        status, said = self.calls([row + "\t0/0:1" for row in FOUND], "one", "three", words=["--sample", "one"])
        self.assertEqual(status, 1)
        self.assertIn("should not be there: three", said)


class Normal(unittest.TestCase):
    def test_changes(self):
        for given, wanted in (
            ((9, "ACA", "A"), (4, "TAC", "T")),
            ((12, "C", "CAC"), (4, "T", "TAC")),
            ((15, "T", "TT"), (14, "G", "GT")),
            ((19, "TC", "C"), (14, "GT", "G")),
            ((3, "TTAC", "GTAC"), (3, "T", "G")),
            ((2, "ATT", "ATG"), (4, "T", "G")),
        ):
            self.assertEqual(truth.normal(SEQUENCE, *given), wanted, given)

    def test_the_changed_sequence_stays_the_same(self):
        def changed(position, reference, alternative):
            self.assertEqual(SEQUENCE[position - 1 : position - 1 + len(reference)], reference)
            return SEQUENCE[: position - 1] + alternative + SEQUENCE[position - 1 + len(reference) :]

        for position in range(2, 36):
            for length in range(1, 4):
                deleted = (position, SEQUENCE[position - 1 : position + length], SEQUENCE[position - 1])
                self.assertEqual(changed(*deleted), changed(*truth.normal(SEQUENCE, *deleted)))
                inserted = (position, SEQUENCE[position - 1], SEQUENCE[position - 1] + "CA"[:length])
                self.assertEqual(changed(*inserted), changed(*truth.normal(SEQUENCE, *inserted)))


class Run(Folder):
    """Checks of metrics and reports; those of BAM files are seen to fail in the end-to-end tests."""

    def setUp(self):
        super().setUp()
        groups = [{"id": "L%d" % n, "platform_unit": "F.%d" % n, "quality_drop": drop, "mean_true_phred": true}
                  for n, drop, true in ((1, 0.0, 33.0), (2, 8.0, 25.0))]
        about = {"jackpots": [], "pairs": 1000, "contaminant_pairs": 10, "planted_duplicate_pairs": 60,
                 "planted_optical_pairs": 20, "read_groups": groups}
        self.write("manifest.json", json.dumps({"samples": {"one": about}}))

    def run_with(self, option, text):
        path = self.write("given", text)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = check_run.main(["--data", self.path, "--sample", "one", option, path])
        return status, out.getvalue()

    def metrics(self, examined, copies, optical):
        names = "LIBRARY\tREAD_PAIRS_EXAMINED\tREAD_PAIR_DUPLICATES\tREAD_PAIR_OPTICAL_DUPLICATES"
        return self.run_with("--metrics", "# made by hand\n## METRICS CLASS\tD\n%s\nlib\t%d\t%d\t%d\n" % (names, examined, copies, optical))

    def test_metrics(self):
        self.assertEqual(self.metrics(990, 60, 20)[0], 0)
        self.assertIn("FAIL metrics: READ_PAIRS_EXAMINED", self.metrics(980, 60, 20)[1])
        self.assertIn("FAIL metrics: READ_PAIR_DUPLICATES", self.metrics(990, 0, 20)[1])
        self.assertIn("FAIL metrics: READ_PAIR_OPTICAL_DUPLICATES", self.metrics(990, 60, 0)[1])
        self.assertEqual(self.run_with("--metrics", "nothing\n")[0], 1)

    def bqsr(self, *rows):
        table = "".join("%s  M  %.4f  %.4f  1000  5.00\n" % row for row in rows)
        head = "#:GATKReport.v1.1:1\n#:GATKTable:RecalTable0:\nReadGroup  EventType  Empirical  Reported  Observations  Errors\n"
        return self.run_with("--bqsr", head + table + "\n#:GATKTable:RecalTable1:\nF.1 M 1 1 1 1\n")

    def test_recalibration(self):
        self.assertEqual(self.bqsr(("F.1", 32.0, 33.0), ("F.2", 25.0, 33.2))[0], 0)
        self.assertIn("FAIL bqsr: F.2", self.bqsr(("F.1", 32.0, 33.0), ("F.2", 33.0, 33.2))[1])
        self.assertIn("FAIL bqsr: read group F.2", self.bqsr(("F.1", 32.0, 33.0))[1])
        self.assertEqual(self.bqsr()[0], 1)

    def test_expected(self):
        path = self.write("expected", json.dumps({"manifest_md5": "0", "recalibration": {"F.1": [32.0, 33.0, 1000, 5.0]}}))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(check_run.main(["--data", self.path, "--sample", "one", "--expected", path]), 1)
        self.assertIn("FAIL expected: manifest_md5", out.getvalue())

    def test_unknown_sample_and_missing_file(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(check_run.main(["--data", self.path, "--sample", "none"]), 1)
            self.assertEqual(check_run.main(["--data", self.path, "--sample", "one", "--bqsr", "/not/there"]), 1)


if __name__ == "__main__":
    unittest.main()
