#!/bin/bash
# Second half of making the data set, where programs are needed: index of the reference, compressed and indexed lists
# of variants, and unmapped reads as BAM files, one for every read group.
#
#   examples/gatk/data/index.sh DIR
#
# PICARD_JAR names the jar of Picard. What is there already is not made again.
set -euo pipefail

fail() {
  echo "index: $1" >&2
  exit 1
}

[ $# -eq 1 ] || fail "usage: $0 DIR"
[ -e "$1/manifest.json" ] || fail "no \`manifest.json\` in \`$1\`; make_data.py makes it"
cd "$1"
picard=${PICARD_JAR:-/usr/share/java/picard.jar}
[ -e "$picard" ] || fail "\`$picard\` is missing; scripts/setup.sh gatk installs it"
for program in bwa bgzip tabix java python3; do
  command -v $program > /dev/null || fail "\`$program\` is missing; scripts/setup.sh gatk installs it"
done
log=$PWD/index.log
: > "$log"

# A file is made under another name first, so that an interrupted run leaves no half of it.
made() { [ "$1" -nt "$2" ]; }

if ! made ref/ref.fasta.sa ref/ref.fasta; then
  bwa index -p ref/part ref/ref.fasta 2>> "$log" || fail "bwa cannot index the reference; see \`$log\`"
  for kind in amb ann bwt pac sa; do mv ref/part.$kind ref/ref.fasta.$kind; done
fi

for variants in known/*.vcf */truth.vcf; do
  made "$variants.gz.tbi" "$variants" && continue
  bgzip -c "$variants" > "$variants.gz.part"
  mv "$variants.gz.part" "$variants.gz"
  tabix -f -p vcf "$variants.gz"
done

# One line for every read group, with tabs between the fields.
read_groups() {
  python3 -c '
import json
for sample in json.load(open("manifest.json"))["samples"].values():
    for group in sample["read_groups"]:
        print(*(group[key] for key in "id sample library platform platform_unit center".split()), sep="\t")'
}

read_groups | while IFS=$'\t' read -r id sample library platform unit center; do
  made "$sample/$id.unmapped.bam" "$sample/${id}_2.fastq.gz" && continue
  java -Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -jar "$picard" FastqToSam \
    --FASTQ "$sample/${id}_1.fastq.gz" --FASTQ2 "$sample/${id}_2.fastq.gz" --OUTPUT "$sample/$id.part.bam" \
    --READ_GROUP_NAME "$id" --SAMPLE_NAME "$sample" --LIBRARY_NAME "$library" --PLATFORM "$platform" \
    --PLATFORM_UNIT "$unit" --SEQUENCING_CENTER "$center" --RUN_DATE 2018-06-22T00:00:00+0000 \
    < /dev/null >> "$log" 2>&1 || fail "Picard cannot read the reads of \`$id\`; see \`$log\`"
  mv "$sample/$id.part.bam" "$sample/$id.unmapped.bam"
done
