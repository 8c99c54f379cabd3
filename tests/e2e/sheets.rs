//! `gen inputs --samplesheet`.

use serde_json::{Value as Json, json};

use crate::yard::Yard;

const MANY: &str = r#"version 1.1
struct ReadGroup { String sample String read_group String? library Int? lane Array[File]? more File fastq_1 File? fastq_2 }
task count { input { ReadGroup group File reference } command <<< cat ~{group.fastq_1} ~{reference} | wc -l >>> output { Int n = read_int(stdout()) } }
workflow many {
  input { Array[ReadGroup] read_groups File reference Float share = 0.5 }
  scatter (group in read_groups) { call count { input: group = group, reference = reference } }
  output { Array[Int] n = count.n }
}
"#;

/// As the published workflow for one sample asks for its reads.
const ONE: &str = r#"
task show { String sample_name Array[File] bams command { echo ${sample_name} ${length(bams)} } output { String said = read_string(stdout()) } }
workflow one {
  String sample_name
  File bams_list
  Array[String] lanes
  Array[File] bams = read_lines(bams_list)
  call show { input: sample_name = sample_name, bams = bams }
  output { String said = show.said }
}
"#;

fn files(yard: &Yard, names: &[&str]) {
    names.iter().for_each(|name| drop(yard.write(&format!("data/{name}"), "@r\nA\n+\nI\n")));
}

#[test]
fn rows_become_members_of_an_input() {
    let yard = Yard::new();
    yard.write("w.wdl", MANY);
    files(&yard, &["a1.fq", "a2.fq", "b1.fq", "x.fq", "y.fq", "ref.fa"]);
    let sheet = "Sample,Read Group,lane,R1,fastq_2,more,remark\nA,A.1,1,a1.fq,a2.fq,x.fq; y.fq,good\nB,B.1,,b1.fq,,,\n";
    yard.write("data/samples.csv", sheet);
    let words = ["gen", "inputs", "w.wdl", "-s", "data/samples.csv", "reference=data/ref.fa", "--map", "fastq_1=R1", "-o", "inputs.json"];
    let done = yard.call(&words);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("nothing of many takes the columns remark"), "{}", done.err);
    let inputs: Json = serde_json::from_str(&yard.read("inputs.json")).unwrap();
    let path = |name: &str| yard.path("data").join(name).to_string_lossy().into_owned();
    let first = json!({ "sample": "A", "read_group": "A.1", "lane": 1, "more": [path("x.fq"), path("y.fq")], "fastq_1": path("a1.fq"), "fastq_2": path("a2.fq") });
    let second = json!({ "sample": "B", "read_group": "B.1", "fastq_1": path("b1.fq") });
    assert_eq!(inputs, json!({ "many.read_groups": [first, second], "many.reference": "data/ref.fa" }));
    assert_eq!(yard.outputs(&["run", "w.wdl", "-i", "inputs.json"]), json!({ "many.n": [8, 8] }));

    yard.write("common.json", "{\"many.reference\": \"data/ref.fa\"}");
    let printed = yard.call(&["gen", "inputs", "w.wdl", "-s", "data/samples.csv", "-i", "common.json", "--map", "fastq_1=R1"]);
    assert_eq!(serde_json::from_str::<Json>(&printed.out).unwrap(), inputs);
}

#[test]
fn each_sample_gets_inputs_of_its_own() {
    let yard = Yard::new();
    yard.write("w.wdl", ONE);
    files(&yard, &["a1.bam", "a2.bam", "b.bam"]);
    yard.write("data/samples.tsv", "sample\tlanes\tubam\nA\tl1\ta1.bam\nB\tl1\tb.bam\nA\tl2\ta2.bam\n");
    let done = yard.call(&["gen", "inputs", "w.wdl", "-s", "data/samples.tsv", "--list", "bams_list=ubam", "-o", "out"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let inputs: Json = serde_json::from_str(&yard.read("out/A.inputs.json")).unwrap();
    let list = yard.path("out/A.bams_list.txt").to_string_lossy().into_owned();
    assert_eq!(inputs, json!({ "one.sample_name": "A", "one.lanes": ["l1", "l2"], "one.bams_list": list }));
    assert_eq!(yard.outputs(&["run", "w.wdl", "-i", "out/A.inputs.json"]), json!({ "one.said": "A 2" }));
    assert_eq!(yard.outputs(&["run", "w.wdl", "-i", "out/B.inputs.json"]), json!({ "one.said": "B 1" }));
}

#[test]
fn what_is_wrong_with_a_sheet_is_told_with_its_line() {
    let yard = Yard::new();
    yard.write("w.wdl", MANY);
    files(&yard, &["a1.fq", "b1.fq", "ref.fa"]);
    let refused = |sheet: &str, more: &[&str]| {
        yard.write("data/s.csv", sheet);
        let words: Vec<&str> = ["gen", "inputs", "w.wdl", "-s", "data/s.csv"].iter().chain(more).copied().collect();
        let done = yard.call(&words);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{sheet}\n{}", done.err);
        done.err
    };
    let sheet = "sample,read_group,fastq_1,lane\nA,g1,a1.fq,1\nB,g1,b1.fq,1\nA b,g2,a1.fq,1\nC,,none.fq,1\n";
    let told = refused(sheet, &["reference=data/ref.fa"]);
    for problem in [
        "lines 2 and 3: read group `g1` in two samples",
        "line 4: sample `A b` must not hold ' '",
        "line 4: the file `",
        "is named on line 2 too",
        "line 5: `read_group` is empty",
        "line 5: there is no file `",
    ] {
        assert!(told.contains(problem), "{problem}\n{told}");
    }
    let told = refused("sample,read_group,fastq_1,lane\nA,g1,a1.fq,two\n", &["reference=data/ref.fa"]);
    assert!(told.contains("many.read_groups") && told.contains("Int"), "{told}");
    let told = refused("sample,read_group,fastq_1\nA,g1,a1.fq\n", &[]);
    assert!(told.contains("many.reference") && told.contains("hint: what is the same for all samples"), "{told}");
    let told = refused("sample,fastq_1\nA,a1.fq\n", &[]);
    assert!(told.contains("name a folder for them with `--output`"), "{told}");
    let told = refused("sample,fastq_1\nA,a1.fq\n", &["--into", "share"]);
    assert!(told.contains("`many.share` is no list of structs but Float"), "{told}");
    assert!(refused("sample,fastq_1\nA\n", &[]).contains("line 2 has 1 cells where the first line names 2 columns"));
}
