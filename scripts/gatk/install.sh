#!/bin/bash
# Installs GATK from Maven into a folder of the project, with a launcher, and a tree of programs that stands in for the
# images of published workflows. Says what it did and nothing else; run it as often as you like.
#
#   scripts/gatk/install.sh
#
# The folder is .cache/gatk/VERSION, or what $BATCHYARD_GATK names. In it come to lie
#   jars/          GATK and all it needs, as jars.sha256 has them
#   gatk.jar       starts it: java -jar gatk.jar TOOL ...
#   gatk           the launcher that workflows call
#   classes.jsa    classes as the Java machine keeps them, for quick starts
#   root/          programs at the paths where images have them
#   images.toml    the configuration that lays root/ over tasks
# What was begun and not ended leaves only folders ending in .part.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
version=$(sed -n 's,.*<gatk.version>\(.*\)</gatk.version>.*,\1,p' "$here/pom.xml")
target=${BATCHYARD_GATK:-$project/.cache/gatk/$version}
log=$target/install.log
maven_goal=org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies
foreign=osx-x86_64,osx-aarch_64,windows-x86_64,linux-riscv64

fail() {
  echo "gatk: $1" >&2
  shift
  for hint in "$@"; do echo "hint: $hint" >&2; done
  exit 1
}

java=$(command -v java) || fail "java is missing" "scripts/setup.sh gatk installs what is needed"
machine=$(dirname "$(dirname "$(readlink -f "$java")")")/lib/server/libjvm.so

# All that decides what the folder holds. The class archive also depends on the very build of the Java machine.
wanted() {
  cat "$here"/{pom.xml,jars.sha256,gatk,main_jar.py,layout.sh,images.sh,install.sh} | sha256sum
  stat -c '%n %s %Y' "$machine"
  echo "$target" "${PICARD_JAR:-}"
}

is_current() { [ -e "$target/$1" ] && [ "$(cat "$target/$1")" = "$2" ]; }

check_machine() {
  local program major
  for program in mvn bwa samtools bgzip tabix python3; do
    command -v $program > /dev/null || fail "\`$program\` is missing" "scripts/setup.sh gatk installs what is needed"
  done
  major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
  [ "${major:-0}" -ge 17 ] || fail "GATK $version needs Java 17 or newer, \`$java\` is ${major:-unknown}"
}

# The jars as Maven resolves them, each checked against the list before the folder gets its name.
fetch_jars() {
  local part=$target/jars.part differing
  if is_current jars.sha256 "$(cat "$here/jars.sha256")"; then return; fi
  rm -rf "$part"
  mvn -B -q -f "$here/pom.xml" "$maven_goal" -DincludeScope=runtime -DexcludeClassifiers=$foreign \
    -DoutputDirectory="$part" > "$log" 2>&1 < /dev/null || {
    tail -n 15 "$log" >&2
    fail "Maven could not fetch GATK $version" "run it again, what came is kept in ~/.m2" "the whole log is $log"
  }
  differing=$(cd "$part" && sha256sum --check --strict --quiet "$here/jars.sha256" 2> /dev/null | sed 's/:.*//') || true
  differing+=$(comm -3 <(sed 's/^[0-9a-f]* .//' "$here/jars.sha256" | LC_ALL=C sort) <(cd "$part" && LC_ALL=C ls) | sed 's/^\t*/ /')
  if [ -n "$differing" ]; then
    fail "these jars are not those of jars.sha256: $(echo $differing)" \
      "remove them from ~/.m2 and run it again; if they are meant to differ, write the list anew"
  fi
  rm -rf "$target/jars" "$target/jars.sha256"
  mv "$part" "$target/jars"
  cp "$here/jars.sha256" "$target/jars.sha256"
  echo "installed: GATK $version"
}

# A small run of the whole chain shows that the installation works, and which classes it loads.
archive_classes() {
  local stamp part=$target/classes.part
  stamp=$(cat "$target/gatk.jar" "$here/jars.sha256" | sha256sum; stat -c '%n %s %Y' "$machine")
  if [ -e "$target/classes.jsa" ] && is_current classes.txt "$stamp"; then return; fi
  rm -rf "$part" "$target"/classes.{jsa,txt}
  mkdir -p "$part"
  {
    python3 "$project/examples/gatk/data/make_data.py" "$part/data" --contigs chrA:8000 --coverage 15 --read-groups 1 \
      --scatter 1 --jackpots 0
    "$project/examples/gatk/data/index.sh" "$part/data"
    GATK=$target/gatk PICARD=gatk GATK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1 -XX:DumpLoadedClassList=$part/%p.classes" \
      "$project/examples/gatk/by_hand.sh" "$part/data" "$part/run"
    awk '!/^#/ && !seen[$0]++' "$part"/*.classes > "$part/classes"
    java -Xshare:dump -XX:SharedClassListFile="$part/classes" -XX:SharedArchiveFile="$part/classes.jsa" \
      -jar "$target/gatk.jar"
  } > "$log" 2>&1 < /dev/null || {
    tail -n 25 "$log" >&2
    fail "GATK is there, but a small run of it failed" "the whole log is $log"
  }
  mv "$part/classes.jsa" "$target/classes.jsa"
  echo "$stamp" > "$target/classes.txt"
  rm -rf "$part"
  echo "made: an archive of its classes"
}

lay_out() {
  rm -rf "$target/root.part"
  "$here/layout.sh" "$target/root.part" "$target/gatk"
  # What the tree is, for who compares trees: the links alone do not tell one version from another.
  cp "$here/jars.sha256" "$target/root.part/gatk/jars.sha256"
  rm -rf "$target/root"
  mv "$target/root.part" "$target/root"
  "$here/images.sh" "GATK $version, tools of this machine" "$target/root" > "$target/images.toml"
}

if is_current installed.txt "$(wanted)"; then exit 0; fi
mkdir -p "$target"
exec 9> "$target/lock"
flock 9
if is_current installed.txt "$(wanted)"; then exit 0; fi
check_machine
rm -f "$target/installed.txt"
fetch_jars
python3 "$here/main_jar.py" "$target/jars" "$target/gatk.jar"
# The archive of classes, and callers that compare times, take a changed time for a changed program.
touch -d '2025-01-01T00:00:00Z' "$target/gatk.jar"
install -m 755 "$here/gatk" "$target/gatk"
archive_classes
lay_out
wanted > "$target/installed.txt"
