#!/bin/bash
# Lays out the paths that published GATK workflows expect inside their images, as links to what this machine has.
#
#   scripts/gatk/layout.sh DIR LAUNCHER
#
# LAUNCHER is what `/gatk/gatk` and `gatk` become. The folder can be laid over the root of a task (key `root` of an
# image in the configuration); images.toml beside it says for which images.
set -euo pipefail

fail() {
  echo "layout: $1" >&2
  exit 1
}

[ $# -eq 2 ] || fail "usage: $0 DIR LAUNCHER"
[ -x "$2" ] || fail "launcher \`$2\` is missing or cannot be run"
launcher=$(readlink -f "$2")
picard=${PICARD_JAR:-/usr/share/java/picard.jar}
[ -e "$picard" ] || fail "\`$picard\` is missing; scripts/setup.sh gatk installs it"

# Python's own, not the one of an environment that happens to be active.
python=/usr/bin/python3
[ -x $python ] || python=$(command -v python3) || fail "python3 is missing"

link() {
  mkdir -p "$(dirname "$2")"
  ln -sfn "$1" "$2"
}

for program in bwa samtools; do
  path=$(command -v $program) || fail "\`$program\` is missing; scripts/setup.sh gatk installs it"
  link "$path" "$1/usr/gitc/$program"
done
link "$picard" "$1/usr/gitc/picard.jar"
link "$picard" "$1/usr/picard/picard.jar"
link "$launcher" "$1/gatk/gatk"
link "$launcher" "$1/usr/local/bin/gatk"
link "$python" "$1/usr/local/bin/python"
