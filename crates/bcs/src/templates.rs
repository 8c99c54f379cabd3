//! The files that `gen` and `project create` write.

/// What a project is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A job of one Python program.
    Empty,
    /// A job of three steps in Python.
    Python,
    /// A job of one script.
    Shell,
    /// A job of three steps in Java.
    Java,
    /// A small workflow.
    Wdl,
    /// Germline variant discovery.
    Gatk,
}

impl Kind {
    /// By its name.
    pub fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "empty" => Kind::Empty,
            "python" => Kind::Python,
            "shell" => Kind::Shell,
            "java" => Kind::Java,
            "wdl" => Kind::Wdl,
            "gatk" => Kind::Gatk,
            _ => return None,
        })
    }

    /// Whether it holds a `job.json`.
    pub fn is_job(self) -> bool {
        !matches!(self, Kind::Wdl | Kind::Gatk)
    }
}

/// Files with a path below `templates/<folder>/`, and one that several kinds share.
macro_rules! files {
    ($folder:literal: $($name:literal),+ $(; $shared:expr)?) => {
        &[$(($name, include_str!(concat!("../templates/", $folder, "/", $name)))),+ $(, $shared)?]
    };
}

/// What projects in Python have in common.
const OSS_TOOL: (&str, &str) = ("src/oss_tool.py", include_str!("../templates/python/src/oss_tool.py"));
const EMPTY: &[(&str, &str)] = files!("empty": "Readme.md", "job.json", "project.json", "src/print.py", "src/conf.py"; OSS_TOOL);
const PYTHON: &[(&str, &str)] = files!("python": "Readme.md", "job.json", "project.json", "src/split.py", "src/count.py", "src/merge.py",
    "src/conf.py"; OSS_TOOL);
const SHELL: &[(&str, &str)] = files!("shell": "Readme.md", "job.json", "project.json", "src/Main.sh");
const JAVA: &[(&str, &str)] = files!("java": "Readme.md", "job.json", "project.json", "pom.xml",
    "src/main/resources/config.properties",
    "src/main/java/com/aliyun/batchcompute/job/logcount/Split.java",
    "src/main/java/com/aliyun/batchcompute/job/logcount/Count.java",
    "src/main/java/com/aliyun/batchcompute/job/logcount/Merge.java",
    "src/main/java/com/aliyun/batchcompute/job/logcount/util/Config.java",
    "src/main/java/com/aliyun/batchcompute/job/logcount/util/Store.java",
    "src/main/java/com/aliyun/batchcompute/job/logcount/pojo/Counts.java");
const WDL: &[(&str, &str)] = files!("wdl": "Readme.md", "main.sh", "src/echo.wdl", "src/inputs.json", "src/options.json");
/// The folder that copies what it imports from the others: a workflow goes to a server with all of its documents. Published files
/// do not take the place of these, or it would import other versions than it was written for.
pub const PIPELINE: &str = "gatk4-germline-pipeline/";
const GATK: &[(&str, &str)] = files!("gatk": "Readme.md",
    "fastq-to-ubam/main.sh",
    "fastq-to-ubam/src/paired-fastq-to-unmapped-bam.inputs.json",
    "fastq-to-ubam/src/paired-fastq-to-unmapped-bam.wdl",
    "gatk4-data-processing/main.sh",
    "gatk4-data-processing/src/LICENSE",
    "gatk4-data-processing/src/README.md",
    "gatk4-data-processing/src/generic.batchcompute-papi.options.json",
    "gatk4-data-processing/src/processing-for-variant-discovery-gatk4.hg38.wgs.inputs.30x.ondemand.json",
    "gatk4-data-processing/src/processing-for-variant-discovery-gatk4.hg38.wgs.inputs.30x.spot.json",
    "gatk4-data-processing/src/processing-for-variant-discovery-gatk4.hg38.wgs.inputs.json",
    "gatk4-data-processing/src/processing-for-variant-discovery-gatk4.wdl",
    "gatk4-germline-snps-indels/main.sh",
    "gatk4-germline-snps-indels/src/LICENSE",
    "gatk4-germline-snps-indels/src/README.md",
    "gatk4-germline-snps-indels/src/generic.batchcompute-papi.options.json",
    "gatk4-germline-snps-indels/src/haplotypecaller-gvcf-gatk4.hg38.wgs.inputs.30x.ondemand.json",
    "gatk4-germline-snps-indels/src/haplotypecaller-gvcf-gatk4.hg38.wgs.inputs.30x.spot.json",
    "gatk4-germline-snps-indels/src/haplotypecaller-gvcf-gatk4.hg38.wgs.inputs.json",
    "gatk4-germline-snps-indels/src/haplotypecaller-gvcf-gatk4.wdl",
    "gatk4-joint-genotyping/main.sh",
    "gatk4-joint-genotyping/src/README.md",
    "gatk4-joint-genotyping/src/generic.batchcompute-papi.options.json",
    "gatk4-joint-genotyping/src/joint-genotyping-gatk4.hg38.wgs.inputs.json",
    "gatk4-joint-genotyping/src/joint-genotyping-gatk4.wdl",
    "gatk4-quality-report/main.sh",
    "gatk4-quality-report/src/README.md",
    "gatk4-quality-report/src/generic.batchcompute-papi.options.json",
    "gatk4-quality-report/src/quality-page-gatk4.wdl",
    "gatk4-quality-report/src/quality-report-gatk4.hg38.wgs.inputs.json",
    "gatk4-quality-report/src/quality-report-gatk4.wdl",
    "gatk4-germline-pipeline/main.sh",
    "gatk4-germline-pipeline/src/README.md",
    "gatk4-germline-pipeline/src/generic.batchcompute-papi.options.json",
    "gatk4-germline-pipeline/src/germline-pipeline-gatk4.hg38.wgs.inputs.json",
    "gatk4-germline-pipeline/src/germline-pipeline-gatk4.wdl",
    "gatk4-germline-pipeline/src/haplotypecaller-gvcf-gatk4.wdl",
    "gatk4-germline-pipeline/src/joint-genotyping-gatk4.wdl",
    "gatk4-germline-pipeline/src/paired-fastq-to-unmapped-bam.wdl",
    "gatk4-germline-pipeline/src/processing-for-variant-discovery-gatk4.wdl",
    "gatk4-germline-pipeline/src/quality-page-gatk4.wdl",
    "gatk4-germline-pipeline/src/quality-report-gatk4.wdl");

/// The files of a kind: path and text.
pub fn files(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Empty => EMPTY,
        Kind::Python => PYTHON,
        Kind::Shell => SHELL,
        Kind::Java => JAVA,
        Kind::Wdl => WDL,
        Kind::Gatk => GATK,
    }
}
