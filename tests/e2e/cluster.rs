//! Schedulers of a few lines that take exactly the words of the documented recipes and really run the jobs, as processes
//! that nobody else knows of. Files in their folder make them fail: `refuse`, `lose`, `lie`, `deaf`.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::{Child, Command},
};

use crate::yard::{Done, Yard, done, lines};

/// All programs in one; its name decides.
const PROGRAM: &str = r#"#!/bin/bash
tool=$(basename "$0")
here=$(cd "$(dirname "$0")" && pwd)
echo "$tool $*" >> "$here/calls"
mkdir -p "$here/jobs"
refuse() { echo "$tool: did not expect '$1'" >&2; exit 2; }
check_names() { [ -z "$BATCHYARD_HOME$BATCHYARD_ATTEMPT" ] || { echo "$tool: the server's own variables leaked" >&2; exit 3; }; }

# The first line of `refuse` is how often, the rest is said.
turned_away() {
  [ -e "$here/refuse" ] || return
  exec 8> "$here/lock"
  flock 8
  left=$(head -n 1 "$here/refuse")
  [ "$left" -gt 0 ] || { exec 8>&-; return; }
  { echo $((left - 1)); tail -n +2 "$here/refuse"; } > "$here/refuse.new"
  mv "$here/refuse.new" "$here/refuse"
  tail -n +2 "$here/refuse" >&2
  exit 1
}

# submit OUT ERR DIR COMMAND...: sets `id`.
submit() {
  check_names
  turned_away
  local out=$1 err=$2 dir=$3
  shift 3
  {
    flock 8
    id=$(cat "$here/next" 2> /dev/null || echo 100)
    echo $((id + 1)) > "$here/next"
  } 8> "$here/lock"
  mkdir "$here/jobs/$id"
  [ ! -e "$here/lie" ] || return
  (cd "$dir" && exec setsid env -i PATH="$PATH" HOME="$HOME" "$@") > "$out" 2> "$err" < /dev/null &
  echo $! > "$here/jobs/$id/pid"
  if [ -e "$here/lose" ]; then
    rm "$here/lose"
    (sleep 0.3; kill -KILL -- "-$(cat "$here/jobs/$id/pid")") > /dev/null 2>&1 &
  fi
}

alive() {
  [ ! -e "$here/deaf" ] || { echo "$tool: unable to contact the controller" >&2; exit 1; }
  [ -e "$here/jobs/$1/pid" ] || { echo "$tool: job $1 is unknown" >&2; exit 1; }
  case $(ps -o stat= -p "$(cat "$here/jobs/$1/pid")") in Z* | '') echo "$tool: job $1 is unknown" >&2; exit 1 ;; esac
}

end() { kill -KILL -- "-$(cat "$here/jobs/$1/pid")"; }

case $tool in
  qsub)
    name= out=/dev/null err=/dev/null dir=. terse=
    while [ $# -gt 0 ]; do
      case $1 in
        -terse) terse=yes; shift ;;
        -V) shift ;;
        -b) [ "$2" = y ] || refuse "$2"; shift 2 ;;
        -N) name=$2; shift 2 ;;
        -wd | -d) dir=$2; shift 2 ;;
        -o) out=$2; shift 2 ;;
        -e) err=$2; shift 2 ;;
        -pe) [ "$2" = smp ] || refuse "$2"; shift 3 ;;
        -l | -q | -P) shift 2 ;;
        -*) refuse "$1" ;;
        *) break ;;
      esac
    done
    [ -d "$dir" ] && [[ $name =~ ^cromwell_[0-9a-f]{8}_ ]] || refuse "$name in $dir"
    if [ -n "$terse" ]; then
      submit "$out" "$err" "$dir" "$@"
      echo "$id"
    else
      [ -r "$1" ] && [ $# = 1 ] || refuse "$*"
      submit "$out" "$err" "$dir" bash "$1"
      echo "$id.server"
    fi
    ;;
  qstat) [ "$1" != -j ] || shift; alive "${1%%.*}" ;;
  qdel) end "${1%%.*}" ;;
  sbatch)
    out=/dev/null err=/dev/null dir=. command=
    while [ $# -gt 0 ]; do
      case $1 in
        -J | -t | -p | -n | -c) shift 2 ;;
        --mem-per-cpu=*) shift ;;
        -D) dir=$2; shift 2 ;;
        -o) out=$2; shift 2 ;;
        -e) err=$2; shift 2 ;;
        --wrap) command=$2; shift 2 ;;
        *) refuse "$1" ;;
      esac
    done
    submit "$out" "$err" "$dir" bash -c "$command"
    echo "Submitted batch job $id"
    ;;
  squeue) [ "$1" = -j ] || refuse "$1"; alive "$2" ;;
  scancel) end "$1" ;;
  bsub)
    [ "$1 $3 $5 $7" = "-J -cwd -o -e" ] || refuse "$*"
    submit "$6" "$8" "$4" "${@:9}"
    echo "Job <$id> is submitted to default queue <normal>."
    ;;
  bjobs) alive "$1" ;;
  bkill) end "$1" ;;
  condor_submit)
    value() { sed -n "s/^$1=//p" "$file"; }
    file=$1
    [ "$(tail -n 1 "$file")" = queue ] && [ -x "$(value executable)" ] || refuse "$(cat "$file")"
    submit "$(value log)" "$(value log)" "$(value Iwd)" "$(value executable)"
    printf 'Submitting job(s).\n1 job(s) submitted to cluster %s.\n' "$id"
    ;;
  condor_q) alive "$1" ;;
  condor_rm) end "$1" ;;
  *) refuse "$tool" ;;
esac
"#;

const TOOLS: [&str; 12] =
    ["qsub", "qstat", "qdel", "sbatch", "squeue", "scancel", "bsub", "bjobs", "bkill", "condor_submit", "condor_q", "condor_rm"];

/// The documented stanza for Grid Engine, with a short period so that tests need not wait.
pub const SGE: &str = r#"
[[providers]]
name = "SGE"
exit-code-timeout-seconds = 1
script-epilogue = ":"
runtime-attributes = """
Int cpu = 1
Float? memory_gb
String? sge_queue
String? sge_project
"""
submit = """
qsub \
-terse \
-V \
-b y \
-N ${job_name} \
-wd ${cwd} \
-o ${out}.qsub \
-e ${err}.qsub \
-pe smp ${cpu} \
${"-l mem_free=" + memory_gb + "g"} \
${"-q " + sge_queue} \
${"-P " + sge_project} \
/usr/bin/env bash ${script}
"""
kill = "qdel ${job_id}"
check-alive = "qstat -j ${job_id}"
job-id-regex = "(\\d+)"
"#;

/// A configuration file of the original, as its documents have it.
pub fn original(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crates/hocon/tests/documents/cromwell").join(name)
}

/// A yard with schedulers in `bin`.
pub struct Cluster {
    pub yard: Yard,
}

impl Cluster {
    /// With this configuration.
    pub fn new(configuration: &str) -> Self {
        let cluster = Cluster { yard: Yard::new() };
        cluster.program("cluster", PROGRAM);
        for tool in TOOLS {
            symlink("cluster", cluster.yard.path("bin").join(tool)).unwrap();
        }
        cluster.configure(configuration);
        cluster
    }

    pub fn configure(&self, configuration: &str) {
        self.yard.write("config/batchyard/config.toml", configuration);
    }

    pub fn program(&self, name: &str, text: &str) {
        let path = self.yard.write(&format!("bin/{name}"), text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.yard.command(arguments);
        command.env("PATH", format!("{}:{}", self.yard.path("bin").display(), std::env::var("PATH").unwrap()));
        command
    }

    pub fn call(&self, arguments: &[&str]) -> Done {
        done(&mut self.command(arguments))
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        let out = fs::File::create(self.yard.path("background.out")).unwrap();
        let err = fs::File::create(self.yard.path("background.err")).unwrap();
        self.command(arguments).stdout(out).stderr(err).spawn().unwrap()
    }

    /// Runs and expects success; returns the outputs.
    pub fn outputs(&self, arguments: &[&str]) -> serde_json::Value {
        let done = self.call(arguments);
        assert_eq!(done.code, 0, "{}\n{}", done.out, done.err);
        serde_json::from_str::<serde_json::Value>(&done.out).unwrap()["outputs"].clone()
    }

    /// Makes the schedulers fail in this way.
    pub fn switch(&self, name: &str, text: &str) {
        self.yard.write(&format!("bin/{name}"), text);
    }

    /// Calls of one program so far.
    pub fn calls(&self, tool: &str) -> Vec<String> {
        lines(&self.yard.path("bin/calls")).into_iter().filter(|line| line.split(' ').next() == Some(tool)).collect()
    }

    /// Jobs that live.
    pub fn living(&self) -> usize {
        let Ok(jobs) = fs::read_dir(self.yard.path("bin/jobs")) else { return 0 };
        let pids = jobs.filter_map(|job| fs::read_to_string(job.unwrap().path().join("pid")).ok());
        pids.filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
        })
        .count()
    }
}
