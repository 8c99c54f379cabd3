#!/bin/bash
# Submits the workflow. `bcs asub cromwell -h` shows all options; for 30x data add --timeout 172800.

# What the workflow imports goes with it.
python3 -m zipfile -c imports.zip src/*.wdl

bcs asub cromwell gatk-job \
    --config ClassicNetwork=false \
    --input_from_file_WDL src/germline-pipeline-gatk4.wdl \
    --input_from_file_WORKFLOW_INPUTS src/germline-pipeline-gatk4.hg38.wgs.inputs.json \
    --input_from_file_WORKFLOW_OPTIONS src/generic.batchcompute-papi.options.json \
    --input_from_file_WORKFLOW_DEPENDENCIES imports.zip \
    --input_WORKING_DIR "#{{DEFAULT_OSS_PATH}}gatk4/gatk4-germline-pipeline/worker_dir/" \
    --output_OUTPUTS_DIR "#{{DEFAULT_OSS_PATH}}gatk4/gatk4-germline-pipeline/outputs/" \
    -t "#{{INSTANCE_TYPE:4:8}}" -d cloud_efficiency
