#!/bin/bash
# The whole chain without an engine: from unmapped reads to the variants of every sample, and, where there are several
# samples, of all together. What an engine makes of the workflows is compared with what this makes.
#
#   examples/gatk/by_hand.sh DATA OUT [SAMPLE ...]
#
# DATA is a folder that data/make_data.py and data/index.sh filled. GATK names the launcher (the installed one
# otherwise), PICARD the jar of Picard, or `gatk` for the Picard inside GATK. GATK_JAVA_OPTIONS is heeded by both. Every
# step adds a line to OUT/times.tsv: step, CPU seconds, seconds, exit status. What programs say goes to OUT/log.
set -euo pipefail

fail() {
  echo "by_hand: $1" >&2
  exit 1
}

[ $# -ge 2 ] || fail "usage: $0 DATA OUT [SAMPLE ...]"
[ -e "$1/manifest.json" ] || fail "no \`manifest.json\` in \`$1\`; data/make_data.py makes it"
here=$(cd "$(dirname "$0")" && pwd)
data=$(cd "$1" && pwd)
mkdir -p "$2/log"
cd "$2"
shift 2
if [ $# -eq 0 ]; then
  mapfile -t samples < <(cd "$data" && find . -mindepth 2 -maxdepth 2 -name ubams.txt -printf '%h\n' | sed 's,^\./,,' | sort)
else
  samples=("$@")
fi
[ ${#samples[@]} -gt 0 ] || fail "\`$data\` holds no sample"

gatk_program=${GATK:-${BATCHYARD_GATK:-$here/../../.cache/gatk/4.6.2.0}/gatk}
picard_jar=${PICARD:-/usr/share/java/picard.jar}
reference=$data/ref/ref.fasta
name=tiny
heap='-Xms256m -Xmx1500m'
# As the published workflows have them.
chunk=100000000
optical_distance=2500
padding=100

[ -x "$gatk_program" ] || fail "no launcher \`$gatk_program\`; scripts/setup.sh gatk installs GATK, or set GATK"

gatk() { "$gatk_program" --java-options "$heap" "$@"; }

# Both spellings of options are understood by Picard's own program, only the newer one by GATK.
picard() {
  if [ "$picard_jar" = gatk ]; then
    "$gatk_program" --java-options "-Dsamjdk.compression_level=5 $heap" "$@"
  else
    # shellcheck disable=SC2086 # options are several words
    java -Dsamjdk.compression_level=5 -XX:+UseSerialGC $heap ${GATK_JAVA_OPTIONS:-} -jar "$picard_jar" "$@"
  fi
}

# step NAME FUNCTION ARGUMENTS: runs it, remembers what it cost.
step() {
  local label=$1 status=0
  shift
  echo "$label" >&2
  exec 3> "log/$label.txt"
  local TIMEFORMAT='%U %S %R' cost
  cost=$({ time "$@" > /dev/null 2>&3; } 2>&1) || status=$?
  exec 3>&-
  awk -v step="$label" -v status="$status" 'END { printf "%s\t%.2f\t%.2f\t%d\n", step, $1 + $2, $3, status }' <<< "$cost" >> times.tsv
  if [ "$status" -ne 0 ]; then
    tail -n 20 "log/$label.txt" >&2
    fail "step \`$label\` ended with $status; all it said is in \`$PWD/log/$label.txt\`"
  fi
}

align() {
  local ubam=$1 out=$2
  picard SamToFastq --INPUT "$ubam" --FASTQ /dev/stdout --INTERLEAVE true --NON_PF true |
    bwa mem -K $chunk -p -v 3 -t 2 -Y "$reference" /dev/stdin - |
    samtools view -1 - > "$out"
}

merge_alignment() {
  local ubam=$1 aligned=$2 out=$3 version
  version=$(bwa 2>&1 | sed -n 's/^Version: //p' || true)
  picard MergeBamAlignment --VALIDATION_STRINGENCY SILENT --EXPECTED_ORIENTATIONS FR --ATTRIBUTES_TO_RETAIN X0 \
    --ALIGNED_BAM "$aligned" --UNMAPPED_BAM "$ubam" --OUTPUT "$out" --REFERENCE_SEQUENCE "$reference" \
    --PAIRED_RUN true --SORT_ORDER unsorted --IS_BISULFITE_SEQUENCE false --ALIGNED_READS_ONLY false \
    --CLIP_ADAPTERS false --MAX_RECORDS_IN_RAM 2000000 --ADD_MATE_CIGAR true --MAX_INSERTIONS_OR_DELETIONS -1 \
    --PRIMARY_ALIGNMENT_STRATEGY MostDistant --PROGRAM_RECORD_ID bwamem --PROGRAM_GROUP_VERSION "$version" \
    --PROGRAM_GROUP_COMMAND_LINE "bwa mem -K $chunk -p -v 3 -t 2 -Y ref.fasta" --PROGRAM_GROUP_NAME bwamem \
    --UNMAPPED_READ_STRATEGY COPY_TO_TAG --ALIGNER_PROPER_PAIR_FLAGS true --UNMAP_CONTAMINANT_READS true
}

mark_duplicates() {
  local sample=$1 inputs=() bam
  shift
  for bam in "$@"; do inputs+=(--INPUT "$bam"); done
  picard MarkDuplicates "${inputs[@]}" --OUTPUT "$sample.marked.bam" --METRICS_FILE "$sample.$name.duplicate_metrics" \
    --VALIDATION_STRINGENCY SILENT --OPTICAL_DUPLICATE_PIXEL_DISTANCE $optical_distance \
    --ASSUME_SORT_ORDER queryname --CREATE_MD5_FILE true
}

sort_and_fix_tags() {
  picard SortSam --INPUT "$1.marked.bam" --OUTPUT /dev/stdout --SORT_ORDER coordinate \
    --CREATE_INDEX false --CREATE_MD5_FILE false |
    picard SetNmMdAndUqTags --INPUT /dev/stdin --OUTPUT "$1.sorted.bam" --CREATE_INDEX true --CREATE_MD5_FILE true \
      --REFERENCE_SEQUENCE "$reference"
}

# Contigs in the order of the dictionary, packed as long as a group is no longer than the longest contig.
sequence_groups() {
  awk -F '\t' '
    /^@SQ/ { n++; name[n] = substr($2, 4) ":1+"; size[n] = substr($3, 4) + 0; if (size[n] > longest) longest = size[n] }
    END {
      for (i = 1; i <= n; i++) {
        if (i > 1 && sum + size[i] > longest) { printf "\n"; sum = 0 } else if (i > 1) printf "\t"
        printf "%s", name[i]; sum += size[i]
      }
      printf "\n"
    }' "$data/ref/ref.dict"
}

recalibrate() {
  local sample=$1 out=$2 contig intervals=()
  shift 2
  for contig in "$@"; do intervals+=(-L "$contig"); done
  gatk BaseRecalibrator -R "$reference" -I "$sample.sorted.bam" --use-original-qualities -O "$out" \
    --known-sites "$data/known/dbsnp.vcf.gz" --known-sites "$data/known/gold_indels.vcf.gz" \
    --known-sites "$data/known/known_indels.vcf.gz" "${intervals[@]}"
}

apply_recalibration() {
  local sample=$1 out=$2 contig intervals=()
  shift 2
  for contig in "$@"; do intervals+=(-L "$contig"); done
  gatk ApplyBQSR -R "$reference" -I "$sample.sorted.bam" -O "$out" -bqsr "$sample.$name.recal_data.csv" \
    --static-quantized-quals 10 --static-quantized-quals 20 --static-quantized-quals 30 \
    --add-output-sam-program-record --create-output-bam-md5 --use-original-qualities "${intervals[@]}"
}

call_variants() {
  gatk HaplotypeCaller -R "$reference" -I "$1.$name.bam" -L "$2" -O "$3" \
    -ip $padding -contamination 0 --max-alternate-alleles 3 -ERC GVCF
}

# sample: from unmapped reads to calls, its own and those for a joint run.
sample() {
  local sample=$1 ubam lane lanes=() reports=() parts=() shards=() n=0 group list
  while read -r ubam; do
    lane=$(basename "$ubam" .unmapped.bam)
    step "$lane.align" align "$ubam" "$lane.aligned.bam"
    step "$lane.merge" merge_alignment "$ubam" "$lane.aligned.bam" "$lane.merged.bam"
    lanes+=("$lane.merged.bam")
  done < "$data/$sample/ubams.txt"
  step "$sample.duplicates" mark_duplicates "$sample" "${lanes[@]}"
  step "$sample.sort" sort_and_fix_tags "$sample"
  while IFS=$'\t' read -ra group; do
    step "$sample.recalibrate-$n" recalibrate "$sample" "$sample.recal-$n.csv" "${group[@]}"
    reports+=(-I "$sample.recal-$n.csv") n=$((n + 1))
  done < <(sequence_groups)
  step "$sample.gather-reports" gatk GatherBQSRReports "${reports[@]}" -O "$sample.$name.recal_data.csv"
  n=0
  while IFS=$'\t' read -ra group; do
    step "$sample.apply-$n" apply_recalibration "$sample" "$sample.part-$n.bam" "${group[@]}"
    parts+=(--INPUT "$sample.part-$n.bam") n=$((n + 1))
  done < <(sequence_groups && echo unmapped)
  step "$sample.gather-bams" picard GatherBamFiles "${parts[@]}" --OUTPUT "$sample.$name.bam" --CREATE_INDEX true --CREATE_MD5_FILE true
  n=0
  while read -r list; do
    step "$sample.call-$n" call_variants "$sample" "$list" "$sample.shard-$n.g.vcf.gz"
    shards+=(--INPUT "$sample.shard-$n.g.vcf.gz") n=$((n + 1))
  done < "$data/intervals/scattered.txt"
  step "$sample.merge-calls" gatk MergeVcfs "${shards[@]}" --OUTPUT "$sample.$name.g.vcf.gz"
  step "$sample.validate" gatk ValidateVariants -R "$reference" -V "$sample.$name.g.vcf.gz" -gvcf \
    -L "$data/intervals/calling.interval_list"
  step "$sample.genotype" gatk GenotypeGVCFs -R "$reference" -V "$sample.$name.g.vcf.gz" -O "$sample.$name.vcf.gz"
}

# Not by GenomicsDBImport: calling with padded intervals leaves some records twice where two lists meet, which it refuses.
joint() {
  local inputs=() sample
  for sample in "${samples[@]}"; do inputs+=(-V "$sample.$name.g.vcf.gz"); done
  step joint.combine gatk CombineGVCFs -R "$reference" "${inputs[@]}" -O joint.g.vcf.gz
  step joint.genotype gatk GenotypeGVCFs -R "$reference" -V joint.g.vcf.gz -O joint.vcf.gz
}

: > times.tsv
for one in "${samples[@]}"; do sample "$one"; done
if [ ${#samples[@]} -gt 1 ]; then joint; fi
awk -F '\t' '{ cpu += $2; real += $3 } END { printf "%d steps, %.1f s of CPU, %.1f s\n", NR, cpu, real }' times.tsv
