//! What a command that failed has said: the lines that tell why, and what to do about mistakes that everybody makes.
//!
//! Programs in Java put the reason above a page of stack frames, others below a page of progress. Whoever reads a failure
//! wants the reason.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// Bytes read from the end of a log.
const TAIL_BYTES: u64 = 64 << 10;
/// By them lines that speak of an error are known.
const ERROR_WORDS: [&str; 8] = ["Exception", "USER ERROR", "ERROR", "Error:", "error:", "[E::", "FATAL", "Fatal"];
/// Longest line shown, in characters.
const MAX_LINE: usize = 600;

/// The last lines of a log that tell something, at most so many, and before them the line that tells the reason, where it is
/// further up: in a row of programs the others go on talking. Bytes that are no text are replaced.
pub fn telling(path: &Path, lines: usize) -> Vec<String> {
    let Ok(text) = tail(path, TAIL_BYTES) else { return Vec::new() };
    let kept: Vec<&str> = text.lines().filter(|line| !is_frame(line)).collect();
    let mut told: Vec<String> = Vec::new();
    for line in kept {
        // A row of blank lines, or of the same words, is one.
        if told.last().is_some_and(|last| last == line) {
            continue;
        }
        told.push(line.chars().take(MAX_LINE).collect());
    }
    while told.last().is_some_and(|line| line.trim().is_empty()) {
        told.pop();
    }
    let rest = told.split_off(told.len().saturating_sub(lines));
    match reason(&told).filter(|_| reason(&rest).is_none()) {
        Some(reason) => [reason.clone(), "...".into()].into_iter().chain(rest).collect(),
        None => rest,
    }
}

/// The line that tells why: one that there is advice about, or the last one that speaks of an error.
fn reason(told: &[String]) -> Option<&String> {
    let known = |line: &&String| ADVICE.iter().any(|(words, _)| words.iter().any(|word| line.contains(word)));
    let speaks = |line: &&String| ERROR_WORDS.iter().any(|word| line.contains(word));
    told.iter().rfind(known).or_else(|| told.iter().rfind(speaks))
}

/// What to do about what the log tells, where it is known.
pub fn advice(path: &Path) -> Option<&'static str> {
    let text = tail(path, TAIL_BYTES).ok()?;
    ADVICE.iter().find(|(words, _)| words.iter().any(|word| text.contains(word))).map(|(_, advice)| *advice)
}

/// The end of a log, at most so many bytes of it.
pub(crate) fn tail(path: &Path, most: u64) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line of a stack of calls, as Java prints it.
fn is_frame(line: &str) -> bool {
    let line = line.trim_start();
    let more = line.strip_prefix("... ").is_some_and(|rest| rest.ends_with(" more"));
    more || line.strip_prefix("at ").is_some_and(|rest| rest.ends_with(')') && rest.contains('(') && !rest.contains(' '))
}

/// Words of programs, and what to do when one of them says so. The first entry that fits counts.
const ADVICE: [(&[&str], &str); 14] = [
    (
        &[
            "some input files are not indexed",
            "An index is required",
            "index file is missing",
            "could not retrieve index file",
            "Could not load the index",
        ],
        "the index must lie beside its file: give both from one folder, named `x.bam` and `x.bai` or `x.bam.bai`, `x.vcf.gz` and \
         `x.vcf.gz.tbi`; `samtools index`, `tabix -p vcf` or `gatk IndexFeatureFile` make one",
    ),
    (
        &[
            "Index length does not match dictionary length",
            "have incompatible contigs",
            "No overlapping contigs found",
            "sequence dictionaries are not the same",
            "do not have the same number of contigs",
            "not found in sequence dictionary",
            "not in the sequence dictionary",
        ],
        "reference, `.fai`, `.dict`, reads and known sites must be of one genome: take the reference that the reads were aligned to, and make \
         its companions from it with `samtools faidx` and `gatk CreateSequenceDictionary`",
    ),
    (
        &[
            "Premature end of file",
            "FileTruncatedException",
            "EOF marker is absent",
            "Truncated file",
            "truncated file",
            "Premature EOF",
            ".gz: unexpected end of file",
        ],
        "a file is cut off: bring it here again and compare its size or checksum; `samtools quickcheck` finds such files",
    ),
    (
        &[
            "not found in unmapped bam",
            "is behind the unmapped reads",
            "not in queryname order",
            "queryname sorted",
            "not sorted by query name",
            "Unmapped reads must be",
        ],
        "the unmapped BAM must hold the reads that were aligned, in the order of their names: `gatk SortSam --SORT_ORDER queryname` sorts it",
    ),
    (
        &["Duplicate sample", "Can only be used in single sample mode", "duplicate sample name"],
        "a sample is there twice, or a file holds several: give each sample one file, and samples of different people different names \
         (`samtools reheader` or `gatk RenameSampleInVcf` change one)",
    ),
    (
        &["two lines with the same genomic position", "Incorrect cell order found"],
        "a gVCF holds records twice, as calling in overlapping parts leaves them: call it without padding of intervals, or combine with \
         `gatk CombineGVCFs`, which takes such files",
    ),
    (
        &[
            "It contains no intervals",
            "contains no intervals",
            "No intervals to process",
            "no overlapping intervals",
            "The intervals are empty",
        ],
        "the list of intervals is empty: give one that names regions of this reference",
    ),
    (
        &["java.lang.OutOfMemoryError", "Java heap space", "GC overhead limit exceeded"],
        "give Java more memory (`-Xmx` in the Java options of the task), and the task as much and a little more",
    ),
    (
        &["embedded '='", "Can't parse option name containing"],
        "GATK 4.1.8 and later want `--NAME value`: change the command, or take the launcher of this project, which splits the words",
    ),
    (
        &["Unrecognized VM option", "Could not create the Java Virtual Machine"],
        "an option of Java is not known to the Java that is installed: drop it, or put `-XX:+IgnoreUnrecognizedVMOptions` before it",
    ),
    (&["UnsupportedClassVersionError"], "the program was made for a newer Java: install it and put it first on PATH"),
    (
        &["No space left on device", "Disk quota exceeded"],
        "the disk is full: make room, or run in a folder on another disk (`-d`, `runs_dir`)",
    ),
    (&["Too many open files"], "raise the limit of open files (`ulimit -n`), or give the task fewer files at once"),
    (
        &[": command not found", "No such file or directory: '/gatk/gatk'", "/gatk/gatk: No such file"],
        "a program is missing: install it, give the task an image that has it, or map its image to a tree of programs (`[[images]]`, `root`)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn the_reason_stays_when_the_frames_go() {
        let frames = "\tat picard.sam.SamToFastq.doWork(SamToFastq.java:204)\n\tat picard.cmdline.PicardCommandLine.main(PicardCommandLine.java:113)\n";
        let text = format!(
            "INFO 1\nException in thread \"main\" htsjdk.samtools.FileTruncatedException: Premature end of file: /a.bam\n{}\t... 12 more\n\n\n",
            frames.repeat(30)
        );
        let file = log(&text);
        let told = telling(file.path(), 2);
        assert_eq!(
            told.last().unwrap(),
            "Exception in thread \"main\" htsjdk.samtools.FileTruncatedException: Premature end of file: /a.bam"
        );
        assert!(advice(file.path()).unwrap().contains("cut off"));
        let others = format!("{text}{}", (0..20).map(|n| format!("[M::mem] line {n}\n")).collect::<String>());
        let told = telling(log(&others).path(), 3);
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(told[0].contains("Premature end of file") && told[1] == "..." && told[4] == "[M::mem] line 19", "{told:?}");
        // What only begins like a frame is none.
        assert_eq!(telling(log("at noon (or later)\nat last\n").path(), 5), ["at noon (or later)", "at last"]);
        assert_eq!(telling(log("x\nx\n\n\ny\n").path(), 5), ["x", "", "y"]);
        assert!(telling(Path::new("/not/there"), 5).is_empty() && advice(Path::new("/not/there")).is_none());
    }

    #[test]
    fn known_mistakes_have_advice() {
        for (text, part) in [
            ("A USER ERROR has occurred: Traversal by intervals was requested but some input files are not indexed.", "beside its file"),
            ("Error was: Index length does not match dictionary length for contig: chrA", "one genome"),
            ("picard.PicardException: Second read from pair not found in unmapped bam: A, B", "order of their names"),
            ("Bad input: Duplicate sample: SIM001. Sample was found in both b.g.vcf.gz and a.g.vcf.gz.", "twice"),
            ("File file:///none.list is malformed: It contains no intervals.", "list of intervals"),
            ("bash: line 3: bwa: command not found", "install it"),
        ] {
            assert!(advice(log(text).path()).is_some_and(|advice| advice.contains(part)), "{text}");
        }
        // Of bash, about a command that is written wrong.
        for other in ["all is well\n", "script: line 9: syntax error: unexpected end of file\n"] {
            assert_eq!(advice(log(other).path()), None);
        }
    }
}
