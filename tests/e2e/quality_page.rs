//! The page on the quality of a germline analysis, of files as the programs write them.

use serde_json::json;

use crate::yard::Yard;

const ALIGNMENT: &str = "## htsjdk\n\n## METRICS CLASS\tpicard.analysis.AlignmentSummaryMetrics\nCATEGORY\tTOTAL_READS\tPF_READS_ALIGNED\t\
    PF_MISMATCH_RATE\nFIRST_OF_PAIR\t1000\t980\t0.003\nPAIR\t2000\t1950\t0.0025\n\n## HISTOGRAM\tjava.lang.Integer\nREAD_LENGTH\tALIGNED\n\
    150\t1950\n";
const COVERAGE: &str = "## METRICS CLASS\tpicard.analysis.WgsMetrics\nGENOME_TERRITORY\tMEAN_COVERAGE\tMEDIAN_COVERAGE\tPCT_10X\tPCT_20X\n\
    1000\t29.5\t30\t0.98\t0.9\n\n## HISTOGRAM\tjava.lang.Integer\ncoverage\thigh_quality_coverage_count\n0\t20\n29\t500\n30\t480\n";
const STATS: &str = "# samtools\nSN\traw total sequences:\t2000\nIS\t0\t0\t0\t0\t0\nIS\t380\t10\t10\t0\t0\nIS\t400\t30\t30\t0\t0\n";
const DUPLICATION: &str = "## METRICS CLASS\tpicard.sam.DuplicationMetrics\nLIBRARY\tUNPAIRED_READS_EXAMINED\tREAD_PAIRS_EXAMINED\t\
    UNPAIRED_READ_DUPLICATES\tREAD_PAIR_DUPLICATES\tREAD_PAIR_OPTICAL_DUPLICATES\na\t0\t600\t0\t60\t12\nb\t0\t400\t0\t20\t8\n";
const VARIANTS: &str = "SN\t0\tnumber of SNPs:\t3\nSN\t0\tnumber of indels:\t1\nTSTV\t0\t2\t1\t2.00\t2\t1\t2.00\nST\t0\tA>C\t1\nST\t0\tA>G\t2\n\
    IDD\t0\t-2\t1\t0\t.\nPSC\t0\tS1\t0\t1\t2\t2\t1\t1\t28.5\t0\t0\t0\t0\n";

/// A report of recalibration: a read group's reported and empirical quality.
fn recalibration(reported: f64, empirical: f64) -> String {
    format!(
        "#:GATKReport.v1.1:5\n#:GATKTable:2:1:%s:%s:;\n#:GATKTable:Arguments:Arguments\nArgument  Value\ncovariate  ReadGroupCovariate\n\n\
         #:GATKTable:6:1:%s:;\n#:GATKTable:RecalTable0:\nReadGroup  EventType  EmpiricalQuality  EstimatedQReported  Observations  Errors\n\
         FC.3  M  {empirical:.4}  {reported:.4}  5000  15.00\n\n#:GATKTable:6:1:%s:;\n#:GATKTable:RecalTable1:\n\
         ReadGroup  QualityScore  EventType  EmpiricalQuality  Observations  Errors\nFC.3  33  M  {empirical:.4}  5000  15.00\n\n"
    )
}

#[test]
fn what_was_measured_is_shown() {
    let yard = Yard::new();
    for (name, text) in
        [("alignment", ALIGNMENT), ("coverage", COVERAGE), ("stats", STATS), ("duplication", DUPLICATION), ("variants", VARIANTS)]
    {
        yard.write(name, text);
    }
    yard.write("before", &recalibration(33.2, 25.0));
    yard.write("after", &recalibration(25.1, 25.0));
    // Four are known: one is missed, one has another genotype; one call is wrong. A spanning deletion is no call.
    yard.write("truth", "c\t10\tA\tG\t0|1\nc\t20\tA\tC\t1|1\nc\t30\tA\tG\t0|1\nc\t40\tACC\tA\t1|0\n");
    yard.write("calls", "c\t10\tA\tG\t0/1\nc\t20\tA\tC\t0/1\nc\t40\tACC\tA\t0/1\nc\t50\tG\tT\t0/1\nc\t60\tG\t*\t0/1\n");
    yard.write("filters", "      4 PASS\n      2 QD2;FS60\n");
    let inputs = json!({
        "title": "three <samples>", "page_name": "p", "variant_stats": "variants", "filter_counts": "filters",
        "samples": [
            {"name": "S1", "alignment": "alignment", "coverage": "coverage", "stats": "stats", "duplication": "duplication",
             "before": "before", "after": "after", "truth_calls": "truth", "sample_calls": "calls"},
            {"name": "S2", "alignment": "alignment", "coverage": "coverage", "stats": "stats"},
        ],
    });
    yard.write("inputs.json", &inputs.to_string());
    yard.write("config.toml", "[containers]\npolicy = \"off\"\n");
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/bcs/templates/gatk/gatk4-quality-report/src/quality-page-gatk4.wdl");
    let outputs = yard.outputs(&["--config", "config.toml", "run", document, "--task", "MakeQualityPage", "--inputs", "inputs.json"]);
    let read = |name: &str| std::fs::read_to_string(outputs[format!("MakeQualityPage.{name}")].as_str().unwrap()).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&read("summary")).unwrap();
    let first = &summary["samples"][0];
    assert_eq!(first["truth"]["SNP"], json!({"tp": 2, "gt": 1, "fp": 1, "fn": 1}));
    assert_eq!(first["truth"]["INDEL"], json!({"tp": 1, "gt": 1, "fp": 0, "fn": 0}));
    assert_eq!((&first["duplicate_pairs"], &first["optical_pairs"], &first["insert_median"]), (&json!(80.0), &json!(20.0), &json!(400)));
    assert_eq!(first["quality_before"]["FC.3"], json!({"reported": 33.2, "empirical": 25.0}));
    assert_eq!(first["quality_after"]["FC.3"], json!({"reported": 25.1, "empirical": 25.0}));
    assert_eq!(summary["samples"][1]["truth"], json!(null));
    let page = read("page");
    for text in ["three &lt;samples&gt;", "97.50 %", "8.00 %", "2.00 %", "29.50×", "66.67 %", "QD2;FS60 2", "召回率", "Recall", "28.5"]
    {
        assert!(page.contains(text), "no `{text}` in the page");
    }
    // Nothing is loaded from elsewhere, and the second sample has the two pictures that need no more.
    assert!(!page.contains("src=") && !page.contains("href=") && !page.contains("http"), "the page needs other files");
    assert_eq!(page.matches("<svg").count(), 2 + 1 + 4 + 2);
}
