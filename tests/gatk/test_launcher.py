"""The launcher of GATK: what of its words goes to Java, and what to GATK. Starts no Java."""

import os
import subprocess
import tempfile
import unittest

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/gatk/gatk")


class Launcher(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        open(os.path.join(self.folder.name, "gatk.jar"), "w").close()

    def start(self, *words, **more):
        kept = {name: value for name, value in os.environ.items() if name != "GATK_JAVA_OPTIONS"}
        environment = dict(kept, GATK_HOME=self.folder.name, **more)
        done = subprocess.run((LAUNCHER,) + words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        return done.returncode, done.stdout, done.stderr

    def split(self, *words, **more):
        """Words before the program and after it."""
        code, out, err = self.start("--dry-run", *words, **more)
        self.assertEqual(code, 0, err)
        line = next(line for line in out.splitlines() if "-jar" in line).split()
        at = line.index("-jar")
        return line[:at], line[at + 2:]

    def test_options_of_java_may_stand_anywhere(self):
        java, gatk = self.split("--java-options", "-Xmx2g -Dx=y", "MarkDuplicates", "-I", "a.bam", "--java-options", "-Xms1g")
        self.assertEqual([word for word in java if word in ("-Xmx2g", "-Dx=y", "-Xms1g")], ["-Xmx2g", "-Dx=y", "-Xms1g"])
        self.assertEqual(gatk, ["MarkDuplicates", "-I", "a.bam"])
        self.assertIn("-XX:+IgnoreUnrecognizedVMOptions", java)

    def test_options_of_the_environment_come_first(self):
        java, _ = self.split("--java-options", "-Xmx2g", "X", GATK_JAVA_OPTIONS="-Xmx1g")
        self.assertLess(java.index("-Xmx1g"), java.index("-Xmx2g"))

    def test_old_words_are_split_and_others_left(self):
        _, gatk = self.split("MergeVcfs", "--INPUT=a=b.vcf", "--OUTPUT", "c.vcf", "-V=x", "text=--y=z")
        self.assertEqual(gatk, ["MergeVcfs", "--INPUT", "a=b.vcf", "--OUTPUT", "c.vcf", "-V=x", "text=--y=z"])

    def test_who_chooses_a_collector_gets_it(self):
        self.assertIn("-XX:+UseSerialGC", self.split("X")[0])
        java, _ = self.split("--java-options", "-XX:+UseParallelGC", "X")
        self.assertNotIn("-XX:+UseSerialGC", java)

    def test_spark_runs_here_or_not_at_all(self):
        self.assertEqual(self.split("CountReadsSpark", "-I", "a.bam", "--", "--spark-runner", "LOCAL")[1], ["CountReadsSpark", "-I", "a.bam"])
        code, _, err = self.start("X", "--", "--spark-runner", "GCS")
        self.assertEqual(code, 3)
        self.assertIn("`--spark-runner GCS` is not there", err)

    def test_a_debugger_may_attach(self):
        java, _ = self.split("--debug-suspend", "X")
        self.assertTrue(any("suspend=y,address=5005" in word for word in java))

    def test_what_is_missing_is_named(self):
        os.unlink(os.path.join(self.folder.name, "gatk.jar"))
        code, _, err = self.start("X")
        self.assertEqual(code, 3)
        self.assertIn("no `gatk.jar`", err)
        open(os.path.join(self.folder.name, "gatk.jar"), "w").close()
        code, _, err = self.start("X", "--java-options")
        self.assertEqual(code, 3)
        self.assertIn("`--java-options` needs a value", err)

    def test_help_needs_no_java(self):
        code, out, _ = self.start()
        self.assertEqual(code, 0)
        self.assertIn("--java-options", out)


if __name__ == "__main__":
    unittest.main()
