version 1.1

# From FASTQ to VCF in one go: unmapped BAMs, data processing and gVCF of each sample, joint genotypes
# of all, and a report on their quality. Each step is a workflow of its own beside this one.

import "haplotypecaller-gvcf-gatk4.wdl" as calling
import "joint-genotyping-gatk4.wdl" as joint
import "paired-fastq-to-unmapped-bam.wdl" as reads
import "processing-for-variant-discovery-gatk4.wdl" as processing
import "quality-report-gatk4.wdl" as quality

# What is known of a sample before.
struct Truth {
  String sample
  File vcf
  File vcf_index
  # Where it is known to be complete.
  File? confident_bed
}

workflow GermlinePipeline_GATK4 {
  input {
    String callset_name
    # One row of a sample sheet each.
    Array[ReadGroup] read_groups
    Array[Truth] truths = []

    String ref_name
    File ref_fasta
    File ref_fasta_index
    File ref_dict
    File? ref_alt
    File ref_amb
    File ref_ann
    File ref_bwt
    File ref_pac
    File ref_sa
    File dbSNP_vcf
    File dbSNP_vcf_index
    Array[File] known_indels_sites_VCFs
    Array[File] known_indels_sites_indices

    # Where to call, and most parts that this is cut into; the whole reference by its size.
    File? calling_intervals
    Int? scatter_count
    Boolean run_multiqc = false

    String gatk_docker = "broadinstitute/gatk:4.6.2.0"
    String gatk_path = "/gatk/gatk"
    String gotc_docker = "broadinstitute/genomes-in-the-cloud:2.3.1-1512499786"
    String gotc_path = "/usr/gitc/"
    String python_docker = "python:3.11-slim"
  }

  meta {
    allowNestedInputs: true
  }

  call reads.PairedFastqToUnmappedBam {
    input:
      read_groups = read_groups,
      gatk_docker = gatk_docker,
      gatk_path = gatk_path,
  }

  call joint.SplitIntervals {
    input:
      calling_intervals = calling_intervals,
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

  scatter (row in read_groups) {
    String sample_of_row = row.sample
  }

  # Samples in the order of their first rows.
  scatter (
    group in as_pairs(collect_by_key(zip(sample_of_row, PairedFastqToUnmappedBam.unmapped_bams)))
  ) {
    call processing.PreProcessingForVariantDiscovery_GATK4 {
      input:
        sample_name = group.left,
        ref_name = ref_name,
        flowcell_unmapped_bams_list = write_lines(group.right),
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        ref_alt = ref_alt,
        ref_amb = ref_amb,
        ref_ann = ref_ann,
        ref_bwt = ref_bwt,
        ref_pac = ref_pac,
        ref_sa = ref_sa,
        dbSNP_vcf = dbSNP_vcf,
        dbSNP_vcf_index = dbSNP_vcf_index,
        known_indels_sites_VCFs = known_indels_sites_VCFs,
        known_indels_sites_indices = known_indels_sites_indices,
        gotc_docker = gotc_docker,
        gatk_docker = gatk_docker,
        python_docker = python_docker,
        gotc_path = gotc_path,
        gatk_path = gatk_path,
    }

    call calling.HaplotypeCallerGvcf_GATK4 {
      input:
        input_bam = PreProcessingForVariantDiscovery_GATK4.analysis_ready_bam,
        input_bam_index = PreProcessingForVariantDiscovery_GATK4.analysis_ready_bam_index,
        scattered_calling_intervals_list = write_lines(SplitIntervals.parts),
        ref_fasta = ref_fasta,
        ref_fasta_index = ref_fasta_index,
        ref_dict = ref_dict,
        gatk_docker = gatk_docker,
        gatk_path = gatk_path,
    }

    scatter (truth in truths) {
      if (truth.sample == group.left) {
        Truth truth_of_sample = truth
      }
    }
    Array[Truth] its_truth = select_all(truth_of_sample)
    if (length(its_truth) > 0) {
      Truth first_truth = its_truth[0]
      File truth_vcf = first_truth.vcf
      File truth_vcf_index = first_truth.vcf_index
    }
    if (length(its_truth) > 0 && defined(its_truth[0].confident_bed)) {
      File confident_bed = select_first([its_truth[0].confident_bed])
    }

    QualitySample quality_sample = QualitySample {
      name: group.left,
      bam: PreProcessingForVariantDiscovery_GATK4.analysis_ready_bam,
      bam_index: PreProcessingForVariantDiscovery_GATK4.analysis_ready_bam_index,
      duplication_metrics: PreProcessingForVariantDiscovery_GATK4.duplication_metrics,
      bqsr_report: PreProcessingForVariantDiscovery_GATK4.bqsr_report,
      truth_vcf: truth_vcf,
      truth_vcf_index: truth_vcf_index,
      confident_bed: confident_bed,
    }
  }

  call joint.JointGenotyping_GATK4 {
    input:
      callset_name = callset_name,
      input_gvcfs = HaplotypeCallerGvcf_GATK4.output_merged_gvcf,
      input_gvcf_indices = HaplotypeCallerGvcf_GATK4.output_merged_gvcf_index,
      ref_fasta = ref_fasta,
      ref_fasta_index = ref_fasta_index,
      ref_dict = ref_dict,
      calling_intervals = calling_intervals,
      scatter_count = scatter_count,
      dbSNP_vcf = dbSNP_vcf,
      dbSNP_vcf_index = dbSNP_vcf_index,
      gatk_docker = gatk_docker,
      gatk_path = gatk_path,
  }

  call quality.QualityReport_GATK4 {
    input:
      report_name = callset_name,
      samples = quality_sample,
      ref_fasta = ref_fasta,
      ref_fasta_index = ref_fasta_index,
      ref_dict = ref_dict,
      vcf = JointGenotyping_GATK4.output_vcf,
      vcf_index = JointGenotyping_GATK4.output_vcf_index,
      known_sites_VCFs = flatten([[dbSNP_vcf], known_indels_sites_VCFs]),
      known_sites_indices = flatten([[dbSNP_vcf_index], known_indels_sites_indices]),
      run_multiqc = run_multiqc,
      gatk_docker = gatk_docker,
      gatk_path = gatk_path,
      python_docker = python_docker,
  }

  output {
    Array[File] analysis_ready_bams = PreProcessingForVariantDiscovery_GATK4.analysis_ready_bam
    Array[File] analysis_ready_bam_indices = PreProcessingForVariantDiscovery_GATK4.analysis_ready_bam_index
    Array[File] duplication_metrics = PreProcessingForVariantDiscovery_GATK4.duplication_metrics
    Array[File] bqsr_reports = PreProcessingForVariantDiscovery_GATK4.bqsr_report
    Array[File] gvcfs = HaplotypeCallerGvcf_GATK4.output_merged_gvcf
    Array[File] gvcf_indices = HaplotypeCallerGvcf_GATK4.output_merged_gvcf_index
    File vcf = JointGenotyping_GATK4.output_vcf
    File vcf_index = JointGenotyping_GATK4.output_vcf_index
    File sites_only_vcf = JointGenotyping_GATK4.sites_only_vcf
    File sites_only_vcf_index = JointGenotyping_GATK4.sites_only_vcf_index
    File? variant_summary_metrics = JointGenotyping_GATK4.summary_metrics
    File? variant_detail_metrics = JointGenotyping_GATK4.detail_metrics
    File quality_page = QualityReport_GATK4.quality_page_html
    File quality_summary = QualityReport_GATK4.quality_summary
    File? multiqc_report = QualityReport_GATK4.multiqc_report
  }
}
