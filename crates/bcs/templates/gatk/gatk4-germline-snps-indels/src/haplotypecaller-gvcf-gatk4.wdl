version 1.1

# Calls germline variants of one sample, interval list by interval list, and merges them into one
# gVCF.
#
# Needs an analysis-ready BAM (or CRAM) of one sample with its index, a reference with index and
# dictionary, and a text file that names the interval lists to scatter over. Every GATK from 4.0 on
# will do.
#
# Takes the inputs of the published versions, draft-2 as well as 1.0. Memory, heap and disks follow
# the sizes of the inputs where they are not given.

workflow HaplotypeCallerGvcf_GATK4 {
  input {
    File input_bam
    File input_bam_index
    File ref_dict
    File ref_fasta
    File ref_fasta_index
    File scattered_calling_intervals_list
    # Otherwise an ordinary VCF of the sample alone.
    Boolean make_gvcf = true
    String gatk_docker = "broadinstitute/gatk:4.6.2.0"
    String gatk_path = "/gatk/gatk"
  }

  meta {
    allowNestedInputs: true
  }

  Array[File] scattered_calling_intervals = read_lines(scattered_calling_intervals_list)
  String sample_basename = sub(basename(input_bam), "\\.(bam|cram)$", "")
  String gvcf_name = sample_basename + (if make_gvcf then ".g.vcf.gz" else ".vcf.gz")

  scatter (interval_file in scattered_calling_intervals) {
    call HaplotypeCaller {
      input:
        input_bam = input_bam,
        input_bam_index = input_bam_index,
        interval_list = interval_file,
        gvcf_name = gvcf_name,
        make_gvcf = make_gvcf,
        shards = length(scattered_calling_intervals),
        ref_dict = ref_dict,
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        docker_image = gatk_docker,
        gatk_path = gatk_path,
    }
  }

  call MergeGVCFs {
    input:
      input_vcfs = HaplotypeCaller.output_gvcf,
      vcf_name = gvcf_name,
      vcf_index = gvcf_name + ".tbi",
      docker_image = gatk_docker,
      gatk_path = gatk_path,
  }

  output {
    File output_merged_gvcf = MergeGVCFs.output_vcf
    File output_merged_gvcf_index = MergeGVCFs.output_vcf_index
  }
}

task HaplotypeCaller {
  input {
    File input_bam
    File input_bam_index
    File ref_dict
    File ref_fasta
    File ref_fasta_index
    File interval_list
    String gvcf_name
    Boolean make_gvcf = true
    # Without it parts of the genome do not overlap: overlapping ones leave records twice, which
    # GenomicsDBImport refuses.
    Int? interval_padding
    Float? contamination
    Int? max_alt_alleles

    # How many parts the calling has.
    Int shards = 1
    String gatk_path
    String? java_opt
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries = 3
  }

  # The assembly of an active region needs room for its reads, whatever the part of the genome.
  Float memory_gb = select_first([
    mem_size_gb,
    min(7.0, 2 + size(ref_fasta, "GiB") + 0.1 * size(input_bam, "GiB")),
  ])
  Int heap_mb = floor(820 * memory_gb)
  Int disk_gb = select_first([
    disk_size,
    ceil(size(input_bam, "GiB") * (1 + 1.0 / shards) + size(ref_fasta, "GiB")) + 40,
  ])

  command <<<
    set -e
    # GATK takes a list that only has a header for a success, and a part of the genome is missing.
    if ! grep -qv -e '^@' -e '^[[:space:]]*$' "~{interval_list}"; then
      echo "~{basename(interval_list)} contains no intervals" >&2
      exit 1
    fi
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" HaplotypeCaller \
      -R "~{ref_fasta}" \
      -I "~{input_bam}" \
      -L "~{interval_list}" \
      ~{if defined(interval_padding) then "-ip ~{interval_padding}" else ""} \
      -contamination ~{select_first([contamination, 0])} \
      --max-alternate-alleles ~{select_first([max_alt_alleles, 3])} \
      ~{if make_gvcf then "-ERC GVCF" else ""} \
      -O "~{gvcf_name}"
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
    File output_gvcf = gvcf_name
  }
}

task MergeGVCFs {
  input {
    Array[File] input_vcfs
    String vcf_name
    String vcf_index

    String gatk_path
    String? java_opt
    Float mem_size_gb = 2
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries = 3
  }

  Int heap_mb = floor(820 * mem_size_gb)
  Int disk_gb = select_first([disk_size, ceil(2.5 * size(input_vcfs, "GiB")) + 40])

  command <<<
    set -e
    if [ ~{length(input_vcfs)} = 0 ]; then
      echo "nothing was called: scattered_calling_intervals_list names no interval list" >&2
      exit 1
    fi
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" MergeVcfs \
      ~{sep(" ", prefix("--INPUT ", quote(input_vcfs)))} \
      --OUTPUT "~{vcf_name}"
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
    File output_vcf = vcf_name
    File output_vcf_index = vcf_index
  }
}
