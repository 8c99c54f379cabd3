#!/bin/bash
# Submits the workflow. `bcs asub cromwell -h` shows all options; for 30x data add --timeout 172800.

bcs asub cromwell gatk-job \
    --config ClassicNetwork=false \
    --input_from_file_WDL src/joint-genotyping-gatk4.wdl \
    --input_from_file_WORKFLOW_INPUTS src/joint-genotyping-gatk4.hg38.wgs.inputs.json \
    --input_from_file_WORKFLOW_OPTIONS src/generic.batchcompute-papi.options.json \
    --input_WORKING_DIR "#{{DEFAULT_OSS_PATH}}gatk4/gatk4-joint-genotyping/worker_dir/" \
    --output_OUTPUTS_DIR "#{{DEFAULT_OSS_PATH}}gatk4/gatk4-joint-genotyping/outputs/" \
    -t "#{{INSTANCE_TYPE:4:8}}" -d cloud_efficiency
