set -euo pipefail
# Everything a job says comes as a variable, never as text of this script.
fail() { echo "fastq_to_ubam: $2" >&2; exit "$1"; }

jar=${PICARD_JAR:-}
[ -n "$jar" ] || jar=$SERVER_PICARD_JAR
if [ -n "$jar" ] && [ ! -r "$jar" ]; then fail 127 "there is no file $jar, which PICARD_JAR names"; fi
if [ -z "$jar" ] && [ -r /usr/share/java/picard.jar ]; then jar=/usr/share/java/picard.jar; fi
if [ -n "$jar" ]; then
  command -v java >/dev/null || fail 127 "Picard is there ($jar), but no java: install a Java runtime (on Debian default-jre-headless)"
  tool=(java -Djava.io.tmpdir="$PWD/tmp" -jar "$jar") form=plain
elif command -v picard >/dev/null; then
  tool=(picard) form=plain
elif command -v gatk >/dev/null; then
  tool=(gatk) form=dashes
else
  fail 127 "Picard is not on this machine: install it (on Debian picard-tools), or name its picard.jar by PICARD_JAR in the server's environment"
fi

# Runs a tool of Picard with NAME VALUE pairs; empty values are left out.
run() {
  local name=$1 words=()
  shift
  while [ $# -gt 1 ]; do
    if [ -n "$2" ]; then
      if [ $form = plain ]; then words+=("$1=$2"); else words+=("--$1" "$2"); fi
    fi
    shift 2
  done
  echo "fastq_to_ubam: $name" >&2
  "${tool[@]}" "$name" ${words[@]+"${words[@]}"} || fail $? "$name has failed, see above"
}

mkdir -p tmp parts
run FastqToSam FASTQ "$FASTQ_FILE" FASTQ2 "$FASTQ2_FILE" OUTPUT whole.bam TMP_DIR "$PWD/tmp" \
  SAMPLE_NAME "$SAMPLE_NAME" READ_GROUP_NAME "$READ_GROUP_NAME" LIBRARY_NAME "$LIBRARY_NAME" PLATFORM "$PLATFORM" \
  PLATFORM_UNIT "$PLATFORM_UNIT" SEQUENCING_CENTER "$SEQUENCING_CENTER"
if [ "$SPLIT_TO_N_FILES" -gt 1 ]; then
  run SplitSamByNumberOfReads INPUT whole.bam OUTPUT parts OUT_PREFIX "$OUT_PREFIX" SPLIT_TO_N_FILES "$SPLIT_TO_N_FILES" TMP_DIR "$PWD/tmp"
  rm -f whole.bam
else
  mv whole.bam "parts/$OUT_PREFIX.unmapped.bam"
fi
mkdir -p "$OUTPUTS_FOLDER"
: >list
for part in parts/*.bam; do
  echo "$OUTPUTS_DIR${part#parts/}" >>list
  mv "$part" "$OUTPUTS_FOLDER"
done
mv list "$OUTPUTS_FOLDER$OUT_PREFIX.list"
cat "$OUTPUTS_FOLDER$OUT_PREFIX.list"
