#!/bin/bash
# Makes unmapped BAM files of a pair of FASTQ files. `bcs asub :fastq_to_ubam -h` shows all options.

bcs asub :fastq_to_ubam fastq_to_ubam_job \
    --config ClassicNetwork=false \
    --min_disk_size 40 \
    --disk_type cloud_ssd \
    --input_FASTQ "oss://#{{GENOMICS_PUBLIC_BUCKET}}/batch-compute/data/fastq/1.fastq.gz" \
    --input_FASTQ2 "oss://#{{GENOMICS_PUBLIC_BUCKET}}/batch-compute/data/fastq/2.fastq.gz" \
    --input_OUT_PREFIX test \
    --input_SPLIT_TO_N_FILES 3 \
    --input_SAMPLE_NAME sample-name \
    --input_LIBRARY_NAME library-name \
    --input_PLATFORM illumina \
    --input_PLATFORM_UNIT platform-unit \
    --input_SEQUENCING_CENTER SC \
    --input_READ_GROUP_NAME read-group \
    --output_OUTPUTS_DIR "#{{DEFAULT_OSS_PATH}}gatk4/fastq-to-ubam/outputs/" \
    -t "#{{INSTANCE_TYPE:4:8}}"
