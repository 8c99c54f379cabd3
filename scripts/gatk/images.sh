#!/bin/bash
# Prints the part of a configuration that lets a tree of programs stand in for the images of published GATK workflows.
#
#   scripts/gatk/images.sh NAME ROOT
#
# NAME is what people read in metadata, ROOT a folder that layout.sh filled.
set -euo pipefail

if [ $# -ne 2 ]; then
  echo "usage: $0 NAME ROOT" >&2
  exit 2
fi
root=$(cd "$2" && pwd)
# Of the files of 2018 (draft-2), of those in WDL 1.0, and of the pipelines that followed them.
images=(
  'broadinstitute/genomes-in-the-cloud:*' 'broadinstitute/gatk:*' 'python:*'
  'us.gcr.io/broad-gatk/gatk:*' 'us.gcr.io/broad-gotc-prod/*' 'ubuntu:*'
  # Of our own pipelines, and of clusters of the BatchCompute service.
  'python:3*' 'multiqc/multiqc:*' 'img-gatk4'
)
for image in "${images[@]}"; do
  printf '[[images]]\nmatch = "%s"\nname = "%s"\nroot = "%s"\n\n' "$image" "$1" "$root"
done
