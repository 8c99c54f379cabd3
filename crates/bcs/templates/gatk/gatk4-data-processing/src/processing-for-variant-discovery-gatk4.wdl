version 1.0

# From unmapped reads of one sample to a BAM that is ready for variant calling: align, merge with the unmapped reads, mark
# duplicates, sort, recalibrate base qualities.
#
# Needs one unmapped BAM for each read group, named in a text file, all with the same suffix; a reference with its bwa index,
# FASTA index and dictionary; known sites with their indexes. Written after GATK's best practice for germline data.

workflow PreProcessingForVariantDiscovery_GATK4 {
  input {
    String sample_name
    String ref_name
    File flowcell_unmapped_bams_list
    String unmapped_bam_suffix

    File ref_fasta
    File ref_fasta_index
    File ref_dict
    File dbSNP_vcf
    File dbSNP_vcf_index
    Array[File] known_indels_sites_VCFs
    Array[File] known_indels_sites_indices

    String bwa_commandline
    Int compression_level

    String gotc_docker
    String picard_docker
    String gatk_docker
    String python_docker
    String gotc_path
    String picard_path
    String gatk_path

    Int flowcell_small_disk
    Int flowcell_medium_disk
    Int agg_small_disk
    Int agg_medium_disk
    Int agg_large_disk
    Int preemptible_tries
    Int agg_preemptible_tries
  }

  meta {
    allowNestedInputs: true
  }

  String base_file_name = sample_name + "." + ref_name
  Array[File] flowcell_unmapped_bams = read_lines(flowcell_unmapped_bams_list)

  call GetBwaVersion {
    input:
      docker_image = gotc_docker,
      bwa_path = gotc_path,
      preemptible_tries = preemptible_tries
  }

  scatter (unmapped_bam in flowcell_unmapped_bams) {
    String bam_basename = basename(unmapped_bam, unmapped_bam_suffix)

    call SamToFastqAndBwaMem {
      input:
        input_bam = unmapped_bam,
        bwa_commandline = bwa_commandline,
        output_bam_basename = bam_basename + ".unmerged",
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        docker_image = gotc_docker,
        bwa_path = gotc_path,
        picard_path = gotc_path,
        disk_size = flowcell_medium_disk,
        preemptible_tries = preemptible_tries,
        compression_level = compression_level
    }

    call MergeBamAlignment {
      input:
        unmapped_bam = unmapped_bam,
        aligned_bam = SamToFastqAndBwaMem.output_bam,
        bwa_commandline = bwa_commandline,
        bwa_version = GetBwaVersion.version,
        output_bam_basename = bam_basename + ".aligned.unsorted",
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        docker_image = picard_docker,
        picard_path = picard_path,
        disk_size = flowcell_medium_disk,
        preemptible_tries = preemptible_tries,
        compression_level = compression_level
    }
  }

  call MarkDuplicates {
    input:
      input_bams = MergeBamAlignment.output_bam,
      output_bam_basename = base_file_name + ".aligned.unsorted.duplicates_marked",
      metrics_filename = base_file_name + ".duplicate_metrics",
      docker_image = picard_docker,
      picard_path = picard_path,
      disk_size = agg_large_disk,
      preemptible_tries = agg_preemptible_tries,
      compression_level = compression_level
  }

  call SortAndFixTags {
    input:
      input_bam = MarkDuplicates.output_bam,
      output_bam_basename = base_file_name + ".aligned.duplicate_marked.sorted",
      ref_fasta = ref_fasta,
      ref_fasta_index = ref_fasta_index,
      ref_dict = ref_dict,
      docker_image = picard_docker,
      picard_path = picard_path,
      disk_size = agg_large_disk,
      preemptible_tries = 0,
      compression_level = compression_level
  }

  call CreateSequenceGroupingTSV {
    input:
      ref_dict = ref_dict,
      docker_image = python_docker,
      preemptible_tries = preemptible_tries
  }

  scatter (subgroup in CreateSequenceGroupingTSV.sequence_grouping) {
    call BaseRecalibrator {
      input:
        input_bam = SortAndFixTags.output_bam,
        input_bam_index = SortAndFixTags.output_bam_index,
        recalibration_report_filename = base_file_name + ".recal_data.csv",
        sequence_group_interval = subgroup,
        dbSNP_vcf = dbSNP_vcf,
        dbSNP_vcf_index = dbSNP_vcf_index,
        known_indels_sites_VCFs = known_indels_sites_VCFs,
        known_indels_sites_indices = known_indels_sites_indices,
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        docker_image = gatk_docker,
        gatk_path = gatk_path,
        disk_size = agg_small_disk,
        preemptible_tries = agg_preemptible_tries
    }
  }

  call GatherBqsrReports {
    input:
      input_bqsr_reports = BaseRecalibrator.recalibration_report,
      output_report_filename = base_file_name + ".recal_data.csv",
      docker_image = gatk_docker,
      gatk_path = gatk_path,
      disk_size = flowcell_small_disk,
      preemptible_tries = preemptible_tries
  }

  scatter (subgroup in CreateSequenceGroupingTSV.sequence_grouping_with_unmapped) {
    call ApplyBQSR {
      input:
        input_bam = SortAndFixTags.output_bam,
        input_bam_index = SortAndFixTags.output_bam_index,
        output_bam_basename = base_file_name + ".aligned.duplicates_marked.recalibrated",
        recalibration_report = GatherBqsrReports.output_bqsr_report,
        sequence_group_interval = subgroup,
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        docker_image = gatk_docker,
        gatk_path = gatk_path,
        disk_size = agg_small_disk,
        preemptible_tries = agg_preemptible_tries
    }
  }

  call GatherBamFiles {
    input:
      input_bams = ApplyBQSR.recalibrated_bam,
      output_bam_basename = base_file_name,
      docker_image = picard_docker,
      picard_path = picard_path,
      disk_size = agg_large_disk,
      preemptible_tries = agg_preemptible_tries,
      compression_level = compression_level
  }

  output {
    File duplication_metrics = MarkDuplicates.duplicate_metrics
    File bqsr_report = GatherBqsrReports.output_bqsr_report
    File analysis_ready_bam = GatherBamFiles.output_bam
    File analysis_ready_bam_index = GatherBamFiles.output_bam_index
    File analysis_ready_bam_md5 = GatherBamFiles.output_bam_md5
  }
}

# The aligner tells its version only together with a complaint, and ends with an error.
task GetBwaVersion {
  input {
    String bwa_path
    String docker_image
    String cluster_config
    Int preemptible_tries
  }

  command <<<
    ~{bwa_path}bwa 2>&1 | sed -n 's/^Version: //p'
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    maxRetries: preemptible_tries
  }

  output {
    String version = read_string(stdout())
  }
}

# Reads go from one program to the next without touching the disk.
task SamToFastqAndBwaMem {
  input {
    File input_bam
    String bwa_commandline
    String output_bam_basename
    File ref_fasta
    File ref_fasta_index
    File ref_dict
    File? ref_alt
    File ref_amb
    File ref_ann
    File ref_bwt
    File ref_pac
    File ref_sa

    String bwa_path
    String picard_path
    String java_opt
    Int compression_level
    String num_cpu
    String docker_image
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -eo pipefail

    # Used by the command line of the aligner.
    bash_ref_fasta="~{ref_fasta}"

    java -Dsamjdk.compression_level=~{compression_level} ~{java_opt} -jar ~{picard_path}picard.jar SamToFastq \
      INPUT="~{input_bam}" FASTQ=/dev/stdout INTERLEAVE=true NON_PF=true \
    | ~{bwa_path}~{bwa_commandline} /dev/stdin - 2> >(tee "~{output_bam_basename}.bwa.stderr.log" >&2) \
    | samtools view -1 - > "~{output_bam_basename}.bam"
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    cpu: num_cpu
    maxRetries: preemptible_tries
  }

  output {
    File output_bam = "~{output_bam_basename}.bam"
    File bwa_stderr_log = "~{output_bam_basename}.bwa.stderr.log"
  }
}

# What the aligner dropped (tags, unmapped reads, read groups) comes back from the unmapped BAM.
task MergeBamAlignment {
  input {
    File unmapped_bam
    File aligned_bam
    String bwa_commandline
    String bwa_version
    String output_bam_basename
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    String picard_path
    String java_opt
    Int compression_level
    String docker_image
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -e
    # Stands in the command line of the aligner, which is recorded.
    bash_ref_fasta="~{ref_fasta}"
    java -Dsamjdk.compression_level=~{compression_level} ~{java_opt} -jar ~{picard_path}picard.jar MergeBamAlignment \
      ALIGNED_BAM="~{aligned_bam}" \
      UNMAPPED_BAM="~{unmapped_bam}" \
      OUTPUT="~{output_bam_basename}.bam" \
      REFERENCE_SEQUENCE="~{ref_fasta}" \
      VALIDATION_STRINGENCY=SILENT \
      SORT_ORDER=unsorted \
      EXPECTED_ORIENTATIONS=FR \
      PAIRED_RUN=true \
      IS_BISULFITE_SEQUENCE=false \
      ALIGNED_READS_ONLY=false \
      ALIGNER_PROPER_PAIR_FLAGS=true \
      ATTRIBUTES_TO_RETAIN=X0 \
      ADD_MATE_CIGAR=true \
      CLIP_ADAPTERS=false \
      MAX_RECORDS_IN_RAM=2000000 \
      MAX_INSERTIONS_OR_DELETIONS=-1 \
      PRIMARY_ALIGNMENT_STRATEGY=MostDistant \
      UNMAPPED_READ_STRATEGY=COPY_TO_TAG \
      UNMAP_CONTAMINANT_READS=true \
      PROGRAM_RECORD_ID=bwamem \
      PROGRAM_GROUP_NAME=bwamem \
      PROGRAM_GROUP_VERSION="~{bwa_version}" \
      PROGRAM_GROUP_COMMAND_LINE="~{bwa_commandline}"
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    maxRetries: preemptible_tries
  }

  output {
    File output_bam = "~{output_bam_basename}.bam"
  }
}

# All read groups of the sample together, so that duplicates across lanes are seen.
task MarkDuplicates {
  input {
    Array[File]+ input_bams
    String output_bam_basename
    String metrics_filename

    String picard_path
    String java_opt
    Int compression_level
    String docker_image
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -e
    java -Dsamjdk.compression_level=~{compression_level} ~{java_opt} -jar ~{picard_path}picard.jar MarkDuplicates \
      INPUT=~{sep=" INPUT=" input_bams} \
      OUTPUT="~{output_bam_basename}.bam" \
      METRICS_FILE="~{metrics_filename}" \
      VALIDATION_STRINGENCY=SILENT \
      ASSUME_SORT_ORDER=queryname \
      OPTICAL_DUPLICATE_PIXEL_DISTANCE=2500 \
      CREATE_MD5_FILE=true
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    maxRetries: preemptible_tries
  }

  output {
    File output_bam = "~{output_bam_basename}.bam"
    File duplicate_metrics = metrics_filename
  }
}

# Sorts by position, then computes the tags that depend on the reference.
task SortAndFixTags {
  input {
    File input_bam
    String output_bam_basename
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    String picard_path
    String java_opt_sort
    String java_opt_fix
    Int compression_level
    String docker_image
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -eo pipefail
    java -Dsamjdk.compression_level=~{compression_level} ~{java_opt_sort} -jar ~{picard_path}picard.jar SortSam \
      INPUT="~{input_bam}" OUTPUT=/dev/stdout SORT_ORDER=coordinate CREATE_INDEX=false CREATE_MD5_FILE=false \
    | java -Dsamjdk.compression_level=~{compression_level} ~{java_opt_fix} -jar ~{picard_path}picard.jar SetNmAndUqTags \
      INPUT=/dev/stdin OUTPUT="~{output_bam_basename}.bam" REFERENCE_SEQUENCE="~{ref_fasta}" CREATE_INDEX=true CREATE_MD5_FILE=true
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    maxRetries: preemptible_tries
  }

  output {
    File output_bam = "~{output_bam_basename}.bam"
    File output_bam_index = "~{output_bam_basename}.bai"
    File output_bam_md5 = "~{output_bam_basename}.bam.md5"
  }
}

# Packs the contigs, in their order, into groups that are no longer than the longest contig.
task CreateSequenceGroupingTSV {
  input {
    File ref_dict
    String docker_image
    String cluster_config
    Int preemptible_tries
  }

  command <<<
    cat > grouping.py <<'CODE'
    import sys
    contigs = []
    for line in open(sys.argv[1]):
        if line.startswith('@SQ'):
            fields = dict(field.split(':', 1) for field in line.rstrip('\n').split('\t')[1:])
            contigs.append((fields['SN'], int(fields['LN'])))
    longest = max(length for _, length in contigs)
    groups, size = [[]], 0
    for name, length in contigs:
        if groups[-1] and size + length > longest:
            groups.append([])
            size = 0
        # The suffix protects names that hold a colon themselves.
        groups[-1].append(name + ':1+')
        size += length
    lines = ['\t'.join(group) for group in groups]
    open('sequence_grouping.txt', 'w').write('\n'.join(lines))
    open('sequence_grouping_with_unmapped.txt', 'w').write('\n'.join(lines + ['unmapped']))
    CODE
    "$(command -v python3 || command -v python)" grouping.py "~{ref_dict}"
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    maxRetries: preemptible_tries
  }

  output {
    Array[Array[String]] sequence_grouping = read_tsv("sequence_grouping.txt")
    Array[Array[String]] sequence_grouping_with_unmapped = read_tsv("sequence_grouping_with_unmapped.txt")
  }
}

task BaseRecalibrator {
  input {
    File input_bam
    File input_bam_index
    String recalibration_report_filename
    Array[String]+ sequence_group_interval
    File dbSNP_vcf
    File dbSNP_vcf_index
    Array[File] known_indels_sites_VCFs
    Array[File] known_indels_sites_indices
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    String gatk_path
    String java_opt
    String docker_image
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -e
    ~{gatk_path} --java-options "~{java_opt}" BaseRecalibrator \
      -R "~{ref_fasta}" \
      -I "~{input_bam}" \
      --use-original-qualities \
      -O "~{recalibration_report_filename}" \
      --known-sites "~{dbSNP_vcf}" \
      ~{if length(known_indels_sites_VCFs) > 0 then "--known-sites " else ""}~{sep=" --known-sites " known_indels_sites_VCFs} \
      -L ~{sep=" -L " sequence_group_interval}
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    maxRetries: preemptible_tries
  }

  output {
    File recalibration_report = recalibration_report_filename
  }
}

task GatherBqsrReports {
  input {
    Array[File]+ input_bqsr_reports
    String output_report_filename

    String gatk_path
    String java_opt
    String docker_image
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -e
    ~{gatk_path} --java-options "~{java_opt}" GatherBQSRReports \
      -I ~{sep=" -I " input_bqsr_reports} \
      -O "~{output_report_filename}"
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    maxRetries: preemptible_tries
  }

  output {
    File output_bqsr_report = output_report_filename
  }
}

task ApplyBQSR {
  input {
    File input_bam
    File input_bam_index
    String output_bam_basename
    File recalibration_report
    Array[String]+ sequence_group_interval
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    String gatk_path
    String java_opt
    String docker_image
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -e
    ~{gatk_path} --java-options "~{java_opt}" ApplyBQSR \
      -R "~{ref_fasta}" \
      -I "~{input_bam}" \
      -O "~{output_bam_basename}.bam" \
      -L ~{sep=" -L " sequence_group_interval} \
      -bqsr "~{recalibration_report}" \
      --static-quantized-quals 10 --static-quantized-quals 20 --static-quantized-quals 30 \
      --add-output-sam-program-record \
      --create-output-bam-md5 \
      --use-original-qualities
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    maxRetries: preemptible_tries
  }

  output {
    File recalibrated_bam = "~{output_bam_basename}.bam"
  }
}

# The parts are in the order of the reference already, so they are joined as they come.
task GatherBamFiles {
  input {
    Array[File]+ input_bams
    String output_bam_basename

    String picard_path
    String java_opt
    Int compression_level
    String docker_image
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -e
    java -Dsamjdk.compression_level=~{compression_level} ~{java_opt} -jar ~{picard_path}picard.jar GatherBamFiles \
      INPUT=~{sep=" INPUT=" input_bams} \
      OUTPUT="~{output_bam_basename}.bam" \
      CREATE_INDEX=true \
      CREATE_MD5_FILE=true
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    maxRetries: preemptible_tries
  }

  output {
    File output_bam = "~{output_bam_basename}.bam"
    File output_bam_index = "~{output_bam_basename}.bai"
    File output_bam_md5 = "~{output_bam_basename}.bam.md5"
  }
}
