#!/bin/bash
# Submits the workflow. `bcs asub :cromwell -h` shows all options.

bcs asub :cromwell wdl-job \
    --config ClassicNetwork=false \
    --input_from_file_WDL src/echo.wdl \
    --input_from_file_WORKFLOW_INPUTS src/inputs.json \
    --input_from_file_WORKFLOW_OPTIONS src/options.json \
    --input_WORKING_DIR "#{{DEFAULT_OSS_PATH}}worker_dir/" \
    --output_OUTPUTS_DIR "#{{DEFAULT_OSS_PATH}}outputs/" \
    -t "#{{INSTANCE_TYPE:2:4}}" -d cloud_efficiency
