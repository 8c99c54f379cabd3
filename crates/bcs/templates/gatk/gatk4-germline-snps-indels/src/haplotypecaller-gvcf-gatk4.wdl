version 1.0

# Calls germline variants of one sample, interval list by interval list, and merges them into one gVCF.
#
# Needs an analysis-ready BAM of one sample with its index, a reference with index and dictionary, and a text file that names
# the interval lists to scatter over. Every GATK from 4.0 on will do.

workflow HaplotypeCallerGvcf_GATK4 {
  input {
    File input_bam
    File input_bam_index
    File ref_dict
    File ref_fasta
    File ref_fasta_index
    File scattered_calling_intervals_list
    String gatk_docker
    String gatk_path
  }

  meta {
    allowNestedInputs: true
  }

  Array[File] scattered_calling_intervals = read_lines(scattered_calling_intervals_list)
  String gvcf_name = basename(input_bam, ".bam") + ".g.vcf.gz"

  scatter (interval_file in scattered_calling_intervals) {
    call HaplotypeCaller {
      input:
        input_bam = input_bam,
        input_bam_index = input_bam_index,
        interval_list = interval_file,
        gvcf_name = gvcf_name,
        ref_dict = ref_dict,
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        docker_image = gatk_docker,
        gatk_path = gatk_path
    }
  }

  call MergeGVCFs {
    input:
      input_vcfs = HaplotypeCaller.output_gvcf,
      vcf_name = gvcf_name,
      vcf_index = gvcf_name + ".tbi",
      docker_image = gatk_docker,
      gatk_path = gatk_path
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
    Int interval_padding = 100
    Float contamination = 0
    Int max_alt_alleles = 3

    String docker_image
    String gatk_path
    String java_opt
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -e
    # The tools look for these beside the files they belong to.
    test -e "~{input_bam_index}" && test -e "~{ref_fasta_index}" && test -e "~{ref_dict}"
    ~{gatk_path} --java-options "~{java_opt}" HaplotypeCaller \
      -R "~{ref_fasta}" \
      -I "~{input_bam}" \
      -L "~{interval_list}" \
      -ip ~{interval_padding} \
      -contamination ~{contamination} \
      --max-alternate-alleles ~{max_alt_alleles} \
      -ERC GVCF \
      -O "~{gvcf_name}"
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    maxRetries: preemptible_tries
  }

  output {
    File output_gvcf = gvcf_name
  }
}

task MergeGVCFs {
  input {
    Array[File]+ input_vcfs
    String vcf_name
    String vcf_index

    String docker_image
    String gatk_path
    String java_opt
    String cluster_config
    Int disk_size
    Int preemptible_tries
  }

  command <<<
    set -e
    ~{gatk_path} --java-options "~{java_opt}" MergeVcfs \
      --INPUT ~{sep=" --INPUT " input_vcfs} \
      --OUTPUT "~{vcf_name}"
  >>>

  runtime {
    dockerTag: docker_image
    cluster: cluster_config
    systemDisk: "cloud_efficiency " + disk_size
    maxRetries: preemptible_tries
  }

  output {
    File output_vcf = vcf_name
    File output_vcf_index = vcf_index
  }
}
