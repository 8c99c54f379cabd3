version 1.1

# Quality of a germline analysis: measures reads, coverage, insert sizes and base qualities of each
# sample, counts variants, compares with known truth where there is one, and makes a page of it.

import "quality-page-gatk4.wdl" as quality_page

# A sample to report on.
struct QualitySample {
  # As in the BAM and the VCF.
  String name
  File bam
  File bam_index
  # What the data processing left: metrics of MarkDuplicates, and the recalibration report.
  File? duplication_metrics
  File? bqsr_report
  # Known variants, compressed and with an index, and where they are known to be complete.
  File? truth_vcf
  File? truth_vcf_index
  File? confident_bed
}

workflow QualityReport_GATK4 {
  input {
    String report_name
    Array[QualitySample] samples
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    # Filtered variants of all samples. Without them there is nothing to compare with truth.
    File? vcf
    File? vcf_index

    # With these the base qualities of the recalibrated reads are looked at again.
    Array[File] known_sites_VCFs = []
    Array[File] known_sites_indices = []
    # Where to look; a chromosome is enough for a genome.
    String? recalibration_interval

    Boolean run_multiqc = false
    # The 1.35 of the Python index on `PATH` will do, too.
    String multiqc_docker = "multiqc/multiqc:v1.35"
    String gatk_docker = "broadinstitute/gatk:4.6.2.0"
    String gatk_path = "/gatk/gatk"
    String python_docker = "python:3.11-slim"
  }

  meta {
    allowNestedInputs: true
  }

  scatter (sample in samples) {
    call MeasureReads {
      input:
        sample = sample.name,
        bam = sample.bam,
        bam_index = sample.bam_index,
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        docker_image = gatk_docker,
        gatk_path = gatk_path,
    }

    if (length(known_sites_VCFs) > 0 && defined(sample.bqsr_report)) {
      call RecalibrateAgain {
        input:
          sample = sample.name,
          bam = sample.bam,
          bam_index = sample.bam_index,
          known_sites_VCFs = known_sites_VCFs,
          known_sites_indices = known_sites_indices,
          interval = recalibration_interval,
          ref_fasta = ref_fasta,
          ref_fasta_index = ref_fasta_index,
          ref_dict = ref_dict,
          docker_image = gatk_docker,
          gatk_path = gatk_path,
      }
    }

    if (defined(sample.truth_vcf) && defined(vcf)) {
      call PrepareComparison {
        input:
          sample = sample.name,
          vcf = select_first([vcf]),
          vcf_index = vcf_index,
          truth_vcf = select_first([sample.truth_vcf]),
          truth_vcf_index = sample.truth_vcf_index,
          confident_bed = sample.confident_bed,
          ref_fasta = ref_fasta,
          ref_fasta_index = ref_fasta_index,
          docker_image = gatk_docker,
      }
    }

    SampleMeasures measures = SampleMeasures {
      name: sample.name,
      alignment: MeasureReads.alignment_metrics,
      coverage: MeasureReads.coverage_metrics,
      stats: MeasureReads.stats,
      duplication: sample.duplication_metrics,
      before: sample.bqsr_report,
      after: RecalibrateAgain.report,
      truth_calls: PrepareComparison.truth_calls,
      sample_calls: PrepareComparison.sample_calls,
    }
    Array[File] read_files = select_all([
      MeasureReads.alignment_metrics,
      MeasureReads.coverage_metrics,
      MeasureReads.stats,
      sample.duplication_metrics,
      sample.bqsr_report,
    ])
  }

  if (defined(vcf)) {
    call CountVariants {
      input:
        vcf = select_first([vcf]),
        vcf_index = vcf_index,
        docker_image = gatk_docker,
    }
  }

  call quality_page.MakeQualityPage {
    input:
      title = report_name,
      page_name = report_name + ".quality",
      samples = measures,
      variant_stats = CountVariants.stats,
      filter_counts = CountVariants.filter_counts,
      docker_image = python_docker,
  }

  if (run_multiqc) {
    call MultiQC {
      input:
        report_name = report_name,
        files = flatten([flatten(read_files), select_all([CountVariants.stats])]),
        docker_image = multiqc_docker,
    }
  }

  output {
    File quality_page_html = MakeQualityPage.page
    File quality_summary = MakeQualityPage.summary
    File? multiqc_report = MultiQC.report
    Array[File] alignment_metrics = MeasureReads.alignment_metrics
    Array[File] coverage_metrics = MeasureReads.coverage_metrics
    Array[File] samtools_stats = MeasureReads.stats
    Array[File?] bqsr_reports_after = RecalibrateAgain.report
    File? variant_stats = CountVariants.stats
  }
}

# Insert sizes are taken from samtools: the tool of Picard for them fails where there is no R for its
# chart.
task MeasureReads {
  input {
    String sample
    File bam
    File bam_index
    File ref_fasta
    File ref_fasta_index
    File ref_dict

    String gatk_path
    String? java_opt
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries = 3
  }

  Float memory_gb = select_first([mem_size_gb, min(4.0, 2 + size(ref_fasta, "GiB"))])
  Int heap_mb = floor(820 * memory_gb)
  Int disk_gb = select_first([disk_size, ceil(size([bam, ref_fasta], "GiB")) + 40])

  command <<<
    set -e
    gatk() {
      ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" "$@"
    }
    gatk CollectAlignmentSummaryMetrics --INPUT "~{bam}" --REFERENCE_SEQUENCE "~{ref_fasta}" \
      --OUTPUT "~{sample}.alignment_summary_metrics"
    # By default most of the time goes into an estimate of sensitivity that nothing here shows.
    gatk CollectWgsMetrics --SAMPLE_SIZE 100 --INPUT "~{bam}" --REFERENCE_SEQUENCE "~{ref_fasta}" \
      --OUTPUT "~{sample}.wgs_metrics"
    samtools stats "~{bam}" > "~{sample}.samtools_stats"
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
    File alignment_metrics = "~{sample}.alignment_summary_metrics"
    File coverage_metrics = "~{sample}.wgs_metrics"
    File stats = "~{sample}.samtools_stats"
  }
}

# How well the recalibrated qualities agree with the mismatches: the same table from the new values.
task RecalibrateAgain {
  input {
    String sample
    File bam
    File bam_index
    Array[File] known_sites_VCFs
    Array[File] known_sites_indices
    String? interval
    File ref_fasta
    File ref_fasta_index
    File ref_dict

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
    min(6.0, 2 + size(ref_fasta, "GiB") + 0.02 * size(bam, "GiB"))
  ])
  Int heap_mb = floor(820 * memory_gb)
  Int disk_gb = select_first([
    disk_size,
    ceil(size([bam, ref_fasta], "GiB") + size(known_sites_VCFs, "GiB")) + 40
  ])

  command <<<
    set -e
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" BaseRecalibrator \
      -R "~{ref_fasta}" \
      -I "~{bam}" \
      ~{"-L '" + interval + "'"} \
      ~{sep(" ", prefix("--known-sites ", quote(known_sites_VCFs)))} \
      -O "~{sample}.recal_data.after.csv"
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
    File report = "~{sample}.recal_data.after.csv"
  }
}

# Both sides in one form: one allele a line, moved to the left, inside the confident places only.
task PrepareComparison {
  input {
    String sample
    File vcf
    File? vcf_index
    File truth_vcf
    File? truth_vcf_index
    File? confident_bed
    File ref_fasta
    File ref_fasta_index

    Float mem_size_gb = 2
    String docker_image
    String? cluster_config
    Int preemptible_tries = 3
  }

  command <<<
    set -eo pipefail
    bed=(~{"-T '" + confident_bed + "'"})
    calls() {
      bcftools view -s "$2" -f PASS,. "$1" | bcftools norm -m -any -f "~{ref_fasta}" \
      | bcftools view -i 'GT="alt"' "${bed[@]}" | bcftools query -f '%CHROM\t%POS\t%REF\t%ALT[\t%GT]\n'
    }
    # The truth may go by another name.
    known_as=$(bcftools query -l "~{truth_vcf}" | grep -Fx "~{sample}" || bcftools query -l "~{truth_vcf}" | sed -n 1p)
    calls "~{truth_vcf}" "$known_as" > "~{sample}.truth.tsv"
    calls "~{vcf}" "~{sample}" > "~{sample}.calls.tsv"
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{mem_size_gb} GiB"
    preemptible: preemptible_tries
  }

  output {
    File truth_calls = "~{sample}.truth.tsv"
    File sample_calls = "~{sample}.calls.tsv"
  }
}

task CountVariants {
  input {
    File vcf
    File? vcf_index

    Float mem_size_gb = 2
    String docker_image
    String? cluster_config
    Int preemptible_tries = 3
  }

  String name = basename(vcf, ".vcf.gz")

  command <<<
    set -eo pipefail
    bcftools stats -s - -f PASS,. "~{vcf}" > "~{name}.bcftools_stats"
    bcftools query -f '%FILTER\n' "~{vcf}" | sort | uniq -c | sort -rn > "~{name}.filter_counts"
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{mem_size_gb} GiB"
    preemptible: preemptible_tries
  }

  output {
    File stats = "~{name}.bcftools_stats"
    File filter_counts = "~{name}.filter_counts"
  }
}

task MultiQC {
  input {
    String report_name
    Array[File] files

    Float mem_size_gb = 2
    String docker_image
    String? cluster_config
    Int preemptible_tries = 3
  }

  command <<<
    set -e
    if ! command -v multiqc; then
      echo "multiqc is not on PATH: install it (pip install multiqc) or set run_multiqc to false" >&2
      exit 1
    fi
    multiqc --file-list "~{write_lines(files)}" --filename "~{report_name}.multiqc.html" --no-data-dir
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{mem_size_gb} GiB"
    preemptible: preemptible_tries
  }

  output {
    File report = "~{report_name}.multiqc.html"
  }
}
