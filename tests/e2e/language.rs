//! What the language means, case by case: each folder of `tests/golden/language` holds a document and what comes out of it.
//!
//! `source.wdl` is run with `inputs.json` and the words of `arguments`, where they exist. `expected` is the outputs, or what is
//! said when the run fails. `BLESS=1` writes it anew.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use crate::yard::Yard;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/language")
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a case gives, with the folders of this test named alike on every machine.
fn result(case: &Path) -> String {
    let yard = Yard::new();
    let folder = fs::canonicalize(yard.path("")).unwrap();
    copy(case, &folder);
    let config = yard.write("config.toml", "[containers]\nengine = \"none\"\n");
    let config = config.to_string_lossy();
    let mut arguments = vec!["--config", &config, "run", "source.wdl", "-d", "run", "--quiet", "--no-cache"];
    if case.join("inputs.json").exists() {
        arguments.extend(["-i", "inputs.json"]);
    }
    let more = fs::read_to_string(case.join("arguments")).unwrap_or_default();
    arguments.extend(more.split_whitespace());
    let done = yard.call(&arguments);
    let mut text = if done.code == 0 {
        let document: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        let mut lines = String::new();
        for (name, value) in document["outputs"].as_object().unwrap() {
            writeln!(lines, "{name}: {value}").unwrap();
        }
        lines
    } else {
        // What a run says about where it lies differs each time.
        let told = done.err.lines().filter(|line| !line.starts_with("run ") && !line.contains("batchyard resume"));
        told.map(|line| line.trim_end().to_owned() + "\n").collect()
    };
    for (place, name) in [(folder.join("run"), "RUN"), (folder, "HERE")] {
        text = text.replace(&*place.to_string_lossy(), name);
    }
    without_hashes(&text)
}

/// Folders of localized files are named by hashes of where the files come from.
fn without_hashes(text: &str) -> String {
    let mut parts = text.split("/inputs/");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit());
        out += "/inputs/";
        out += if rest.len() < part.len() { "N" } else { "" };
        out += rest;
    }
    out
}

#[test]
fn every_case_gives_what_is_expected() {
    let mut cases: Vec<PathBuf> = fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut wrong = String::new();
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let found = result(&case);
        if std::env::var_os("BLESS").is_some() {
            fs::write(case.join("expected"), &found).unwrap();
        }
        let expected = fs::read_to_string(case.join("expected")).unwrap_or_default();
        if found != expected {
            writeln!(wrong, "--- {name}: expected\n{expected}--- found\n{found}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const CARELESS: &str = r#"version 1.1
task t {
  input { Int n Int unused }
  command <<< echo ${n} >>>
  output { Int o = n }
  runtime { docker: "ubuntu" }
}
"#;

#[test]
fn warnings_have_names_and_can_be_switched() {
    let yard = Yard::new();
    yard.write("t.wdl", CARELESS);
    let names = |arguments: &[&str]| {
        let done = yard.call(&[&["check", "t.wdl"], arguments].concat());
        let told = ["dollar-in-heredoc", "unused-input", "unpinned-container"].map(|name| done.err.contains(&format!("[{name}]")));
        (done.code, told)
    };
    assert_eq!(names(&[]), (0, [true, true, true]));
    assert_eq!(names(&["--allow", "unused-input,dollar-in-heredoc"]), (0, [false, false, true]));
    assert_eq!(names(&["--deny", "all", "--allow", "unpinned-container"]), (2, [true, true, false]));
    assert_eq!(names(&["--quiet", "--deny", "unused-input"]), (2, [false, true, false]));
    yard.write("config.toml", "[check]\nallow = [\"all\"]\nwarn = [\"unused-input\"]\n");
    assert_eq!(names(&["--config", "config.toml"]), (0, [false, true, false]));
    assert_eq!(names(&["--config", "config.toml", "--warn", "all"]), (0, [true, true, true]));
    let wrong = yard.call(&["check", "t.wdl", "--allow", "unused"]);
    assert!(wrong.code == 2 && wrong.err.contains("names no kind of warning"), "{}", wrong.err);
    let list = yard.call(&["check", "--list-warnings", "--deny", "coercion"]);
    assert!(list.code == 0 && list.out.contains("coercion               deny "), "{}", list.out);
    // A run tells only what may go wrong in it.
    let run = yard.call(&["run", "t.wdl", "n=1", "unused=2", "--quiet"]);
    assert!(!run.err.contains("unused-input"), "{}", run.err);
}

#[test]
fn all_problems_are_told_at_once() {
    let yard = Yard::new();
    yard.write("t.wdl", "version 1.1\nworkflow w {\n  Int a = 1 +\n  Int b = nowhere\n  Boolean c = length([1])\n}\n");
    let done = yard.call(&["check", "t.wdl"]);
    for part in ["expected an expression", "unknown name `nowhere`", "`c` is of type `Boolean`", "3 errors"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    let run = yard.call(&["run", "t.wdl"]);
    assert!(run.code == 2 && run.err.contains("3 errors"), "{}", run.err);
}

#[test]
fn documents_are_laid_out_in_place() {
    let yard = Yard::new();
    yard.write("t.wdl", "version 1.1\ntask t{command<<<\necho # kept\n>>>}\n");
    let check = yard.call(&["format", "--check", "t.wdl"]);
    assert!(check.code == 1 && check.err.contains("t.wdl: would change"), "{}", check.err);
    assert_eq!(yard.call(&["format", "t.wdl"]).code, 0);
    assert_eq!(yard.read("t.wdl"), "version 1.1\n\ntask t {\n  command <<<\n    echo # kept\n  >>>\n}\n");
    assert_eq!(yard.call(&["format", "--check", "t.wdl"]).code, 0);
    yard.write("broken.wdl", "version 1.1\ntask {");
    let broken = yard.call(&["format", "broken.wdl"]);
    assert!(broken.code == 2 && broken.err.contains("the name of the task"), "{}", broken.err);
    assert_eq!(yard.read("broken.wdl"), "version 1.1\ntask {");
}

const OLD: &str = r#"task t {
  Int n
  String word = "a b"
  command <<<
    echo "${word}" "~{plain}" ${n}
    head -c 3000 /dev/zero > big
  >>>
  output { String said = read_string(stdout()) Float kilo = size("big", "KB") String moved = sub(word, "(a) b", "<$1>") }
}
workflow w { Int n = 2
  call t { input: n = n } }
"#;

#[test]
fn upgraded_documents_mean_the_same() {
    let yard = Yard::new();
    yard.write("w.wdl", OLD);
    let before = yard.outputs(&["run", "w.wdl", "-d", "before"]);
    let done = yard.call(&["upgrade", "w.wdl"]);
    assert!(done.code == 0 && done.err.contains("w.wdl: is of version 1.1 now"), "{}", done.err);
    assert!(yard.read("w.wdl").starts_with("version 1.1\n"));
    let after = yard.outputs(&["run", "w.wdl", "-d", "after", "--no-cache"]);
    for output in ["said", "kilo", "moved"] {
        assert_eq!(before[format!("w.t.{output}")], after[format!("w.t_{output}")], "{output}");
    }
    assert!(yard.call(&["upgrade", "w.wdl"]).err.contains("is of version 1.1 already"));
    yard.write("loose.wdl", "version 1.0\nworkflow w { Array[Int] a = [1] String s = \"~{a}\" }\n");
    let refused = yard.call(&["upgrade", "loose.wdl"]);
    assert!(refused.code == 2 && refused.err.contains("has no text"), "{}", refused.err);
    assert!(yard.read("loose.wdl").starts_with("version 1.0"));
}
