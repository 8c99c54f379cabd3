#!/bin/bash
# Makes the inputs of variants.wdl in a folder: lambda phage, as Debian's package bowtie2-examples ships it.
#
#   examples/variants/prepare.sh DIR
#
# The reads of the package (10,000 simulated pairs) are dealt to three read groups, and some pairs are written
# twice, as PCR duplicates would be. The reference is changed at known places, so that the reads differ from it
# there: those are the variants that must be found (expected.vcf). The reads themselves come from a mutated genome,
# so the caller also finds about eighty others, for which the package has no list.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 DIR" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
for examples in /usr/share/doc/bowtie2/examples "$here/../../.cache/bowtie2-examples/usr/share/doc/bowtie2/examples"; do
  [ -e "$examples/reads/reads_1.fq.gz" ] && break
done
if [ ! -e "$examples/reads/reads_1.fq.gz" ]; then
  echo "$0: the data of the package bowtie2-examples is missing" >&2
  echo "hint: run scripts/setup.sh demo, or install the package" >&2
  exit 1
fi
mkdir -p "$1"
exec python3 "$here/prepare.py" "$examples" "$(cd "$1" && pwd)"
