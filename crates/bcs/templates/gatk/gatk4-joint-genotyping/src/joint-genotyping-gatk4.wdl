version 1.1

# From the gVCFs of several samples to one VCF with all their genotypes: import and genotype interval
# by interval, filter SNPs and the rest by GATK's recommended thresholds, gather.
#
# All sites stay; those that fail say why in FILTER. Filtering by a trained model (VQSR) is not done
# here: it needs training resources, and many more sites than a few samples have.

workflow JointGenotyping_GATK4 {
  input {
    String callset_name
    Array[File] input_gvcfs
    Array[File] input_gvcf_indices
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    # Where to call: an interval list or BED; without it the whole reference.
    File? calling_intervals
    # Most parts that this is cut into; follows the size of the reference if it is not given.
    Int? scatter_count

    # Names known variants and lets the metrics tell known from new ones.
    File? dbSNP_vcf
    File? dbSNP_vcf_index

    # Name and expression of each filter.
    Map[String, String] snp_filters = {
      "QD2": "QD < 2.0",
      "QUAL30": "QUAL < 30.0",
      "SOR3": "SOR > 3.0",
      "FS60": "FS > 60.0",
      "MQ40": "MQ < 40.0",
      "MQRankSum-12.5": "MQRankSum < -12.5",
      "ReadPosRankSum-8": "ReadPosRankSum < -8.0",
    }
    Map[String, String] indel_filters = {
      "QD2": "QD < 2.0",
      "QUAL30": "QUAL < 30.0",
      "FS200": "FS > 200.0",
      "ReadPosRankSum-20": "ReadPosRankSum < -20.0",
    }

    String gatk_docker = "broadinstitute/gatk:4.6.2.0"
    String gatk_path = "/gatk/gatk"
  }

  meta {
    allowNestedInputs: true
  }

  call SplitIntervals {
    input:
      calling_intervals = calling_intervals,
      # About 60 million bases each.
      scatter_count = select_first([
        scatter_count,
        min(50, max(2, ceil(size(ref_fasta, "MiB") / 60))),
      ]),
      ref_fasta = ref_fasta,
      ref_fasta_index = ref_fasta_index,
      ref_dict = ref_dict,
      docker_image = gatk_docker,
      gatk_path = gatk_path,
  }

  scatter (part in SplitIntervals.parts) {
    call ImportGVCFs {
      input:
        gvcfs = input_gvcfs,
        gvcf_indices = input_gvcf_indices,
        interval_list = part,
        docker_image = gatk_docker,
        gatk_path = gatk_path,
    }

    call GenotypeGVCFs {
      input:
        workspace = ImportGVCFs.workspace,
        interval_list = part,
        vcf_name = callset_name + ".unfiltered.vcf.gz",
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        dbSNP_vcf = dbSNP_vcf,
        dbSNP_vcf_index = dbSNP_vcf_index,
        docker_image = gatk_docker,
        gatk_path = gatk_path,
    }

    call FilterVariants {
      input:
        vcf = GenotypeGVCFs.vcf,
        vcf_index = GenotypeGVCFs.vcf_index,
        vcf_name = callset_name + ".filtered.vcf.gz",
        snp_filters = snp_filters,
        indel_filters = indel_filters,
        docker_image = gatk_docker,
        gatk_path = gatk_path,
    }
  }

  call GatherVariants {
    input:
      vcfs = FilterVariants.filtered_vcf,
      vcf_indices = FilterVariants.filtered_vcf_index,
      callset_name = callset_name,
      docker_image = gatk_docker,
      gatk_path = gatk_path,
  }

  if (defined(dbSNP_vcf)) {
    call CollectMetrics {
      input:
        vcf = GatherVariants.vcf,
        vcf_index = GatherVariants.vcf_index,
        metrics_name = callset_name,
        dbSNP_vcf = select_first([dbSNP_vcf]),
        dbSNP_vcf_index = select_first([dbSNP_vcf_index]),
        ref_dict = ref_dict,
        docker_image = gatk_docker,
        gatk_path = gatk_path,
    }
  }

  output {
    File output_vcf = GatherVariants.vcf
    File output_vcf_index = GatherVariants.vcf_index
    File sites_only_vcf = GatherVariants.sites_only_vcf
    File sites_only_vcf_index = GatherVariants.sites_only_vcf_index
    File? summary_metrics = CollectMetrics.summary_metrics
    File? detail_metrics = CollectMetrics.detail_metrics
  }
}

# Cuts between intervals, never inside one, so that no variant lies in two parts.
task SplitIntervals {
  input {
    File? calling_intervals
    Int scatter_count
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    String gatk_path
    String? java_opt
    Float mem_size_gb = 2
    String docker_image
    String? cluster_config
    Int preemptible_tries = 3
  }

  Int heap_mb = floor(820 * mem_size_gb)

  command <<<
    set -e
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" SplitIntervals \
      -R "~{ref_fasta}" \
      ~{"-L '" + calling_intervals + "'"} \
      --scatter-count ~{scatter_count} \
      --subdivision-mode BALANCING_WITHOUT_INTERVAL_SUBDIVISION_WITH_OVERFLOW \
      -O parts
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{mem_size_gb} GiB"
    preemptible: preemptible_tries
  }

  output {
    Array[File] parts = glob("parts/*.interval_list")
  }
}

# A database of many files, packed into one. Samples are taken in groups to keep few files open.
task ImportGVCFs {
  input {
    Array[File] gvcfs
    Array[File] gvcf_indices
    File interval_list
    Int batch_size = 50

    String gatk_path
    String? java_opt
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries = 3
  }

  # Half of it is for the database's own library, which is not part of the heap.
  Float memory_gb = select_first([
    mem_size_gb,
    min(24.0, 3 + 0.2 * min(batch_size, length(gvcfs)) + 0.02 * size(gvcfs, "GiB")),
  ])
  Int heap_mb = floor(550 * memory_gb)
  Int disk_gb = select_first([disk_size, ceil(2.5 * size(gvcfs, "GiB")) + 40])

  command <<<
    set -e
    arguments=()
    while read -r gvcf; do
      arguments+=(-V "$gvcf")
    done < "~{write_lines(gvcfs)}"
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" GenomicsDBImport \
      "${arguments[@]}" \
      -L "~{interval_list}" \
      --genomicsdb-workspace-path workspace \
      --batch-size ~{batch_size} \
      --merge-input-intervals
    tar -cf workspace.tar workspace
    rm -r workspace
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
    File workspace = "workspace.tar"
  }
}

task GenotypeGVCFs {
  input {
    File workspace
    File interval_list
    String vcf_name
    File ref_fasta
    File ref_fasta_index
    File ref_dict
    File? dbSNP_vcf
    File? dbSNP_vcf_index

    String gatk_path
    String? java_opt
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries = 3
  }

  Float memory_gb = select_first([
    mem_size_gb,
    min(24.0, 3 + size(ref_fasta, "GiB") + 0.2 * size(workspace, "GiB")),
  ])
  Int heap_mb = floor(650 * memory_gb)
  Int disk_gb = select_first([
    disk_size,
    ceil(4 * size(workspace, "GiB") + size(select_all([ref_fasta, dbSNP_vcf]), "GiB")) + 40,
  ])

  command <<<
    set -e
    tar -xf "~{workspace}"
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" GenotypeGVCFs \
      -R "~{ref_fasta}" \
      -V gendb://workspace \
      -L "~{interval_list}" \
      ~{"-D '" + dbSNP_vcf + "'"} \
      --merge-input-intervals \
      --only-output-calls-starting-in-intervals \
      -O "~{vcf_name}"
    rm -r workspace
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
    File vcf = vcf_name
    File vcf_index = vcf_name + ".tbi"
  }
}

# SNPs by one set of thresholds; insertions, deletions and mixed sites by the other.
task FilterVariants {
  input {
    File vcf
    File vcf_index
    String vcf_name
    Map[String, String] snp_filters
    Map[String, String] indel_filters

    String gatk_path
    String? java_opt
    Float mem_size_gb = 2
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries = 3
  }

  Int heap_mb = floor(820 * mem_size_gb)
  Int disk_gb = select_first([disk_size, ceil(4 * size(vcf, "GiB")) + 40])

  command <<<
    set -e
    gatk() {
      ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" "$@"
    }
    # What is selected, by which thresholds, under which name.
    filter() {
      local arguments=()
      while IFS=$'\t' read -r name expression; do
        arguments+=(--filter-name "$name" --filter-expression "$expression")
      done < "$2"
      gatk SelectVariants -V "~{vcf}" "$1" SNP -O $3.vcf.gz
      gatk VariantFiltration -V $3.vcf.gz "${arguments[@]}" -O $3.filtered.vcf.gz
    }
    filter --select-type-to-include "~{write_map(snp_filters)}" snps
    filter --select-type-to-exclude "~{write_map(indel_filters)}" others
    gatk MergeVcfs --INPUT snps.filtered.vcf.gz --INPUT others.filtered.vcf.gz --OUTPUT "~{vcf_name}"
    rm snps.* others.*
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
    File filtered_vcf = vcf_name
    File filtered_vcf_index = vcf_name + ".tbi"
  }
}

task GatherVariants {
  input {
    Array[File] vcfs
    Array[File] vcf_indices
    String callset_name

    String gatk_path
    String? java_opt
    Float mem_size_gb = 2
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries = 3
  }

  Int heap_mb = floor(820 * mem_size_gb)
  Int disk_gb = select_first([disk_size, ceil(3 * size(vcfs, "GiB")) + 40])

  command <<<
    set -e
    gatk() {
      ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" "$@"
    }
    gatk MergeVcfs ~{sep(" ", prefix("--INPUT ", quote(vcfs)))} --OUTPUT "~{callset_name}.vcf.gz"
    gatk MakeSitesOnlyVcf --INPUT "~{callset_name}.vcf.gz" --OUTPUT "~{callset_name}.sites_only.vcf.gz"
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
    File vcf = "~{callset_name}.vcf.gz"
    File vcf_index = "~{callset_name}.vcf.gz.tbi"
    File sites_only_vcf = "~{callset_name}.sites_only.vcf.gz"
    File sites_only_vcf_index = "~{callset_name}.sites_only.vcf.gz.tbi"
  }
}

task CollectMetrics {
  input {
    File vcf
    File vcf_index
    String metrics_name
    File dbSNP_vcf
    File dbSNP_vcf_index
    File ref_dict

    String gatk_path
    String? java_opt
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries = 3
  }

  # It holds a bit for each known site.
  Float memory_gb = select_first([mem_size_gb, min(7.0, 2 + 0.5 * size(dbSNP_vcf, "GiB"))])
  Int heap_mb = floor(820 * memory_gb)
  Int disk_gb = select_first([disk_size, ceil(size([vcf, dbSNP_vcf], "GiB")) + 40])

  command <<<
    set -e
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" CollectVariantCallingMetrics \
      --INPUT "~{vcf}" \
      --DBSNP "~{dbSNP_vcf}" \
      --SEQUENCE_DICTIONARY "~{ref_dict}" \
      --OUTPUT "~{metrics_name}"
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
    File summary_metrics = "~{metrics_name}.variant_calling_summary_metrics"
    File detail_metrics = "~{metrics_name}.variant_calling_detail_metrics"
  }
}
