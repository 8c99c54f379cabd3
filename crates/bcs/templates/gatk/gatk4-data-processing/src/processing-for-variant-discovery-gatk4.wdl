version 1.1

# From unmapped reads of one sample to a BAM that is ready for variant calling: align, merge with the
# unmapped reads, mark duplicates, sort, recalibrate base qualities. Written after GATK's best
# practice for germline data.
#
# Needs one unmapped BAM for each read group, named in a text file, all with the same suffix; a
# reference with its bwa index, FASTA index and dictionary; known sites with their indexes.
#
# Takes the inputs of the published versions, draft-2 as well as 1.0. What is not given follows the
# sizes of the inputs: memory (`Task.mem_size_gb`), heap (`Task.java_opt`) and disks.

workflow PreProcessingForVariantDiscovery_GATK4 {
  input {
    String sample_name
    String ref_name
    File flowcell_unmapped_bams_list
    String unmapped_bam_suffix = ".unmapped.bam"

    File ref_fasta
    File ref_fasta_index
    File ref_dict
    # The bwa index lies beside the reference. These, or inputs of `SamToFastqAndBwaMem` of the same
    # names; `ref_alt` only for references with alternative contigs.
    File? ref_alt
    File? ref_amb
    File? ref_ann
    File? ref_bwt
    File? ref_pac
    File? ref_sa

    File dbSNP_vcf
    File dbSNP_vcf_index
    Array[File] known_indels_sites_VCFs
    Array[File] known_indels_sites_indices

    # May use `$bash_ref_fasta`. If it is not given, `bwa_threads` says how many threads it gets.
    String? bwa_commandline
    Int? bwa_threads
    Int compression_level = 5

    String gotc_docker = "broadinstitute/genomes-in-the-cloud:2.3.1-1512499786"
    String? picard_docker
    String gatk_docker = "broadinstitute/gatk:4.6.2.0"
    String python_docker = "python:3.11-slim"
    String gotc_path = "/usr/gitc/"
    String? picard_path
    String gatk_path = "/gatk/gatk"

    # In GB.
    Int? flowcell_small_disk
    Int? flowcell_medium_disk
    Int? agg_small_disk
    Int? agg_medium_disk
    Int? agg_large_disk

    Int preemptible_tries = 3
    Int? agg_preemptible_tries
  }

  meta {
    allowNestedInputs: true
  }

  String base_file_name = sample_name + "." + ref_name
  String picard_image = select_first([picard_docker, gotc_docker])
  String picard_folder = select_first([picard_path, gotc_path])
  Int agg_tries = select_first([agg_preemptible_tries, preemptible_tries])
  Array[File] bwa_index = select_all([ref_alt, ref_amb, ref_ann, ref_bwt, ref_pac, ref_sa])
  Array[File] flowcell_unmapped_bams = read_lines(flowcell_unmapped_bams_list)

  call GetBwaVersion {
    input:
      docker_image = gotc_docker,
      bwa_path = gotc_path,
      preemptible_tries = preemptible_tries,
  }

  scatter (unmapped_bam in flowcell_unmapped_bams) {
    String bam_basename = basename(unmapped_bam, unmapped_bam_suffix)
    # 16 threads as published, fewer for what they would only wait for.
    Int threads = select_first([bwa_threads, min(16, max(2, ceil(8 * size(unmapped_bam, "GiB"))))])
    String bwa_command = select_first([
      bwa_commandline,
      "bwa mem -K 100000000 -p -v 3 -t ~{threads} -Y $bash_ref_fasta",
    ])

    call SamToFastqAndBwaMem {
      input:
        input_bam = unmapped_bam,
        bwa_commandline = bwa_command,
        threads = threads,
        output_bam_basename = bam_basename + ".unmerged",
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        bwa_index = bwa_index,
        docker_image = gotc_docker,
        bwa_path = gotc_path,
        picard_path = gotc_path,
        disk_size = flowcell_medium_disk,
        preemptible_tries = preemptible_tries,
        compression_level = compression_level,
    }

    call MergeBamAlignment {
      input:
        unmapped_bam = unmapped_bam,
        aligned_bam = SamToFastqAndBwaMem.output_bam,
        bwa_commandline = bwa_command,
        bwa_version = GetBwaVersion.version,
        output_bam_basename = bam_basename + ".aligned.unsorted",
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        docker_image = picard_image,
        picard_path = picard_folder,
        disk_size = flowcell_medium_disk,
        preemptible_tries = preemptible_tries,
        compression_level = compression_level,
    }
  }

  call MarkDuplicates {
    input:
      input_bams = MergeBamAlignment.output_bam,
      output_bam_basename = base_file_name + ".aligned.unsorted.duplicates_marked",
      metrics_filename = base_file_name + ".duplicate_metrics",
      docker_image = picard_image,
      picard_path = picard_folder,
      disk_size = agg_large_disk,
      preemptible_tries = agg_tries,
      compression_level = compression_level,
  }

  call SortAndFixTags {
    input:
      input_bam = MarkDuplicates.output_bam,
      output_bam_basename = base_file_name + ".aligned.duplicate_marked.sorted",
      ref_fasta = ref_fasta,
      ref_fasta_index = ref_fasta_index,
      ref_dict = ref_dict,
      docker_image = picard_image,
      picard_path = picard_folder,
      disk_size = agg_large_disk,
      preemptible_tries = 0,
      compression_level = compression_level,
  }

  call CreateSequenceGroupingTSV {
    input:
      ref_dict = ref_dict,
      docker_image = python_docker,
      preemptible_tries = preemptible_tries,
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
        preemptible_tries = agg_tries,
    }
  }

  call GatherBqsrReports {
    input:
      input_bqsr_reports = BaseRecalibrator.recalibration_report,
      output_report_filename = base_file_name + ".recal_data.csv",
      docker_image = gatk_docker,
      gatk_path = gatk_path,
      disk_size = flowcell_small_disk,
      preemptible_tries = preemptible_tries,
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
        # One contig or some small ones of the sorted BAM go out, but all of it comes in.
        disk_size = agg_small_disk,
        preemptible_tries = agg_tries,
    }
  }

  call GatherBamFiles {
    input:
      input_bams = ApplyBQSR.recalibrated_bam,
      output_bam_basename = base_file_name,
      docker_image = picard_image,
      picard_path = picard_folder,
      disk_size = agg_large_disk,
      preemptible_tries = agg_tries,
      compression_level = compression_level,
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
    Float mem_size_gb = 1
    String docker_image
    String? cluster_config
    Int preemptible_tries
  }

  command <<<
    ~{bwa_path}bwa 2>&1 | sed -n 's/^Version: //p' | grep .
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{mem_size_gb} GiB"
    preemptible: preemptible_tries
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
    Int threads
    String output_bam_basename
    File ref_fasta
    File ref_fasta_index
    File ref_dict
    # The files of the bwa index in one way or the other.
    Array[File] bwa_index = []
    File? ref_alt
    File? ref_amb
    File? ref_ann
    File? ref_bwt
    File? ref_pac
    File? ref_sa

    String bwa_path
    String picard_path
    String? java_opt
    Int compression_level
    String num_cpu = "~{threads}"
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries
  }

  # bwa holds its index in memory, and a batch of reads for all its threads with what comes of them.
  Float index_gb = size(bwa_index, "GiB") + size(
    select_all([ref_alt, ref_amb, ref_ann, ref_bwt, ref_pac, ref_sa]),
    "GiB"
  )
  Float memory_gb = select_first([mem_size_gb, 3 + 1.1 * index_gb + 0.25 * threads])
  Int heap_mb = if memory_gb < 6 then 1024 else 2048
  Int disk_gb = select_first([
    disk_size,
    ceil(3 * size(input_bam, "GiB") + size(ref_fasta, "GiB") + index_gb) + 40
  ])

  command <<<
    set -eo pipefail

    # Used by the command line of the aligner.
    bash_ref_fasta="~{ref_fasta}"
    for part in amb ann bwt pac sa; do
      if [ ! -e "$bash_ref_fasta.$part" ] && [ ! -e "$bash_ref_fasta.64.$part" ]; then
        echo "no bwa index beside $bash_ref_fasta: set the input ref_$part" >&2
        exit 1
      fi
    done

    java -Dsamjdk.compression_level=~{compression_level} ~{select_first([java_opt, "-Xmx~{heap_mb}m"])} \
      -jar ~{picard_path}picard.jar SamToFastq \
      INPUT="~{input_bam}" FASTQ=/dev/stdout INTERLEAVE=true NON_PF=true \
    | ~{bwa_path}~{bwa_commandline} /dev/stdin - 2> >(tee "~{output_bam_basename}.bwa.stderr.log" >&2) \
    | samtools view -1 - > "~{output_bam_basename}.bam"
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    cpu: num_cpu
    memory: "~{memory_gb} GiB"
    disks: "local-disk ~{disk_gb} HDD"
    systemDisk: "cloud_efficiency ~{disk_gb}"
    preemptible: preemptible_tries
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
    String? java_opt
    Int compression_level
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries
  }

  # Two million records, and a contig of the reference.
  Float memory_gb = select_first([
    mem_size_gb,
    min(5.0, 2.5 + size(unmapped_bam, "GiB") + size(ref_fasta, "GiB"))
  ])
  Int heap_mb = floor(820 * memory_gb)
  Int disk_gb = select_first([
    disk_size,
    ceil(3 * size([unmapped_bam, aligned_bam], "GiB") + size(ref_fasta, "GiB")) + 40
  ])

  command <<<
    set -e
    # Stands in the command line of the aligner, which is recorded: without its folder, or the records
    # of one run would differ from those of the next.
    bash_ref_fasta="~{basename(ref_fasta)}"
    java -Dsamjdk.compression_level=~{compression_level} ~{select_first([java_opt, "-Xmx~{heap_mb}m"])} \
      -jar ~{picard_path}picard.jar MergeBamAlignment \
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
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{memory_gb} GiB"
    disks: "local-disk ~{disk_gb} HDD"
    systemDisk: "cloud_efficiency ~{disk_gb}"
    preemptible: preemptible_tries
  }

  output {
    File output_bam = "~{output_bam_basename}.bam"
  }
}

# All read groups of the sample together, so that duplicates across lanes are seen.
task MarkDuplicates {
  input {
    Array[File] input_bams
    String output_bam_basename
    String metrics_filename

    String picard_path
    String? java_opt
    Int compression_level
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries
  }

  Float memory_gb = select_first([mem_size_gb, min(16.0, 2.5 + 0.1 * size(input_bams, "GiB"))])
  Int heap_mb = floor(820 * memory_gb)
  Int disk_gb = select_first([disk_size, ceil(3 * size(input_bams, "GiB")) + 40])

  command <<<
    set -e
    if [ ~{length(input_bams)} = 0 ]; then
      echo "there are no reads: flowcell_unmapped_bams_list names no file" >&2
      exit 1
    fi
    java -Dsamjdk.compression_level=~{compression_level} ~{select_first([java_opt, "-Xmx~{heap_mb}m"])} \
      -jar ~{picard_path}picard.jar MarkDuplicates \
      ~{sep(" ", prefix("INPUT=", quote(input_bams)))} \
      OUTPUT="~{output_bam_basename}.bam" \
      METRICS_FILE="~{metrics_filename}" \
      VALIDATION_STRINGENCY=SILENT \
      ASSUME_SORT_ORDER=queryname \
      OPTICAL_DUPLICATE_PIXEL_DISTANCE=2500 \
      CREATE_MD5_FILE=true
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{memory_gb} GiB"
    disks: "local-disk ~{disk_gb} HDD"
    systemDisk: "cloud_efficiency ~{disk_gb}"
    preemptible: preemptible_tries
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
    String? java_opt_sort
    String? java_opt_fix
    Int compression_level
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries
  }

  # Sorting spills to the disk; the second program holds a contig of the reference.
  Float memory_gb = select_first([
    mem_size_gb,
    min(10.0, 3 + 0.1 * size(input_bam, "GiB") + size(ref_fasta, "GiB"))
  ])
  Int heap_sort_mb = floor(550 * memory_gb)
  Int heap_fix_mb = floor(270 * memory_gb)
  Int disk_gb = select_first([
    disk_size,
    ceil(4 * size(input_bam, "GiB") + size(ref_fasta, "GiB")) + 40
  ])

  command <<<
    set -eo pipefail
    java -Dsamjdk.compression_level=~{compression_level} ~{select_first([java_opt_sort, "-Xmx~{heap_sort_mb}m"])} \
      -jar ~{picard_path}picard.jar SortSam \
      INPUT="~{input_bam}" OUTPUT=/dev/stdout SORT_ORDER=coordinate CREATE_INDEX=false CREATE_MD5_FILE=false \
    | java -Dsamjdk.compression_level=~{compression_level} ~{select_first([java_opt_fix, "-Xmx~{heap_fix_mb}m"])} \
      -jar ~{picard_path}picard.jar SetNmAndUqTags \
      INPUT=/dev/stdin OUTPUT="~{output_bam_basename}.bam" REFERENCE_SEQUENCE="~{ref_fasta}" \
      CREATE_INDEX=true CREATE_MD5_FILE=true
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    cpu: 2
    memory: "~{memory_gb} GiB"
    disks: "local-disk ~{disk_gb} HDD"
    systemDisk: "cloud_efficiency ~{disk_gb}"
    preemptible: preemptible_tries
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
    Float mem_size_gb = 1
    String docker_image
    String? cluster_config
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
    if not contigs:
        sys.exit('no contigs in the dictionary ' + sys.argv[1])
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
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{mem_size_gb} GiB"
    preemptible: preemptible_tries
  }

  output {
    Array[Array[String]] sequence_grouping = read_tsv("sequence_grouping.txt")
    Array[Array[String]] sequence_grouping_with_unmapped = read_tsv(
      "sequence_grouping_with_unmapped.txt"
    )
  }
}

task BaseRecalibrator {
  input {
    File input_bam
    File input_bam_index
    String recalibration_report_filename
    Array[String] sequence_group_interval
    File dbSNP_vcf
    File dbSNP_vcf_index
    Array[File] known_indels_sites_VCFs
    Array[File] known_indels_sites_indices
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    String gatk_path
    String? java_opt
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries
  }

  Float memory_gb = select_first([
    mem_size_gb,
    min(6.0, 2 + size(ref_fasta, "GiB") + 0.02 * size(input_bam, "GiB"))
  ])
  Int heap_mb = floor(820 * memory_gb)
  Float sites_gb = size(dbSNP_vcf, "GiB") + size(known_indels_sites_VCFs, "GiB")
  Int disk_gb = select_first([
    disk_size,
    ceil(size(input_bam, "GiB") + size(ref_fasta, "GiB") + sites_gb) + 40
  ])

  command <<<
    set -e
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" BaseRecalibrator \
      -R "~{ref_fasta}" \
      -I "~{input_bam}" \
      --use-original-qualities \
      -O "~{recalibration_report_filename}" \
      ~{sep(" ", prefix("--known-sites ", quote(flatten([[dbSNP_vcf], known_indels_sites_VCFs]))))} \
      ~{sep(" ", prefix("-L ", sequence_group_interval))}
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{memory_gb} GiB"
    disks: "local-disk ~{disk_gb} HDD"
    systemDisk: "cloud_efficiency ~{disk_gb}"
    preemptible: preemptible_tries
  }

  output {
    File recalibration_report = recalibration_report_filename
  }
}

task GatherBqsrReports {
  input {
    Array[File] input_bqsr_reports
    String output_report_filename

    String gatk_path
    String? java_opt
    Float mem_size_gb = 2
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries
  }

  Int heap_mb = floor(820 * mem_size_gb)
  Int disk_gb = select_first([disk_size, ceil(3 * size(input_bqsr_reports, "GiB")) + 40])

  command <<<
    set -e
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" GatherBQSRReports \
      ~{sep(" ", prefix("-I ", quote(input_bqsr_reports)))} \
      -O "~{output_report_filename}"
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{mem_size_gb} GiB"
    disks: "local-disk ~{disk_gb} HDD"
    systemDisk: "cloud_efficiency ~{disk_gb}"
    preemptible: preemptible_tries
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
    Array[String] sequence_group_interval
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    String gatk_path
    String? java_opt
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries
  }

  Float memory_gb = select_first([mem_size_gb, min(4.0, 2 + size(ref_fasta, "GiB"))])
  Int heap_mb = floor(820 * memory_gb)
  Int disk_gb = select_first([
    disk_size,
    ceil(2 * size(input_bam, "GiB") + size(ref_fasta, "GiB")) + 40
  ])

  command <<<
    set -e
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" ApplyBQSR \
      -R "~{ref_fasta}" \
      -I "~{input_bam}" \
      -O "~{output_bam_basename}.bam" \
      ~{sep(" ", prefix("-L ", sequence_group_interval))} \
      -bqsr "~{recalibration_report}" \
      --static-quantized-quals 10 --static-quantized-quals 20 --static-quantized-quals 30 \
      --add-output-sam-program-record \
      --create-output-bam-md5 \
      --use-original-qualities
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{memory_gb} GiB"
    disks: "local-disk ~{disk_gb} HDD"
    systemDisk: "cloud_efficiency ~{disk_gb}"
    preemptible: preemptible_tries
  }

  output {
    File recalibrated_bam = "~{output_bam_basename}.bam"
  }
}

# The parts are in the order of the reference already, so they are joined as they come.
task GatherBamFiles {
  input {
    Array[File] input_bams
    String output_bam_basename

    String picard_path
    String? java_opt
    Int compression_level
    Float mem_size_gb = 2
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries
  }

  Int heap_mb = floor(820 * mem_size_gb)
  Int disk_gb = select_first([disk_size, ceil(2.5 * size(input_bams, "GiB")) + 40])

  command <<<
    set -e
    java -Dsamjdk.compression_level=~{compression_level} ~{select_first([java_opt, "-Xmx~{heap_mb}m"])} \
      -jar ~{picard_path}picard.jar GatherBamFiles \
      ~{sep(" ", prefix("INPUT=", quote(input_bams)))} \
      OUTPUT="~{output_bam_basename}.bam" \
      CREATE_INDEX=true \
      CREATE_MD5_FILE=true
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{mem_size_gb} GiB"
    disks: "local-disk ~{disk_gb} HDD"
    systemDisk: "cloud_efficiency ~{disk_gb}"
    preemptible: preemptible_tries
  }

  output {
    File output_bam = "~{output_bam_basename}.bam"
    File output_bam_index = "~{output_bam_basename}.bai"
    File output_bam_md5 = "~{output_bam_basename}.bam.md5"
  }
}
