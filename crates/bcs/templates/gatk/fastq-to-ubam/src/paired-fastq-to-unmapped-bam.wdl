version 1.1

# From pairs of FASTQ files to unmapped BAM files, one for each read group, and a text file that
# names them: what `flowcell_unmapped_bams_list` of the data processing wants. A row that has an
# unmapped BAM already is passed on.

# A row of a sample sheet.
struct ReadGroup {
  String sample
  # Must be unique in the sample; no blanks.
  String read_group
  # The sample's name if it is not given.
  String? library
  # Flow cell and lane; the read group's name if it is not given.
  String? platform_unit
  String? platform
  String? center
  # Either both of these or an unmapped BAM.
  File? fastq_1
  File? fastq_2
  File? ubam
}

workflow PairedFastqToUnmappedBam {
  input {
    Array[ReadGroup] read_groups
    String gatk_docker = "broadinstitute/gatk:4.6.2.0"
    String gatk_path = "/gatk/gatk"
  }

  meta {
    allowNestedInputs: true
  }

  scatter (row in read_groups) {
    if (!defined(row.ubam)) {
      call FastqToUnmappedBam {
        input:
          fastq_1 = row.fastq_1,
          fastq_2 = row.fastq_2,
          sample = row.sample,
          read_group = row.read_group,
          library = select_first([row.library, row.sample]),
          platform_unit = select_first([row.platform_unit, row.read_group]),
          platform = select_first([row.platform, "illumina"]),
          center = row.center,
          docker_image = gatk_docker,
          gatk_path = gatk_path,
      }
    }
    File unmapped_bam = select_first([row.ubam, FastqToUnmappedBam.unmapped_bam])
    String path = "~{unmapped_bam}"
  }

  call ListFiles {
    input:
      files = path,
      docker_image = gatk_docker,
  }

  output {
    # In the order of the rows.
    Array[File] unmapped_bams = unmapped_bam
    File unmapped_bams_list = ListFiles.list
  }
}

task FastqToUnmappedBam {
  input {
    # Without both there is nothing to do, which the command tells.
    File? fastq_1
    File? fastq_2
    String sample
    String read_group
    String library
    String platform_unit
    String platform
    String? center

    String gatk_path
    String? java_opt
    Float? mem_size_gb
    String docker_image
    String? cluster_config
    Int? disk_size
    Int preemptible_tries = 3
  }

  # Reads are sorted by name in memory and on the disk.
  Float memory_gb = select_first([
    mem_size_gb,
    min(7.0, 2 + 0.2 * size(select_all([fastq_1, fastq_2]), "GiB"))
  ])
  Int heap_mb = floor(820 * memory_gb)
  Int disk_gb = select_first([
    disk_size,
    ceil(5 * size(select_all([fastq_1, fastq_2]), "GiB")) + 40
  ])
  String bam_name = read_group + ".unmapped.bam"

  command <<<
    set -e
    if [ -z "~{fastq_1}" ] || [ -z "~{fastq_2}" ]; then
      echo "read group ~{read_group} of ~{sample} has neither fastq_1 and fastq_2 nor a ubam" >&2
      exit 1
    fi
    ~{gatk_path} --java-options "~{select_first([java_opt, "-Xmx~{heap_mb}m"])}" FastqToSam \
      --FASTQ "~{fastq_1}" \
      --FASTQ2 "~{fastq_2}" \
      --OUTPUT "~{bam_name}" \
      --READ_GROUP_NAME "~{read_group}" \
      --SAMPLE_NAME "~{sample}" \
      --LIBRARY_NAME "~{library}" \
      --PLATFORM_UNIT "~{platform_unit}" \
      --PLATFORM "~{platform}" ~{"--SEQUENCING_CENTER '" + center + "'"}
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
    File unmapped_bam = bam_name
  }
}

# Takes the names, not the files: what is in the list must be of use to another workflow.
task ListFiles {
  input {
    Array[String] files
    String list_name = "unmapped_bams.list"
    String docker_image
    String? cluster_config
    Int preemptible_tries = 3
  }

  command <<<
    cp "~{write_lines(files)}" "~{list_name}"
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "1 GiB"
    preemptible: preemptible_tries
  }

  output {
    File list = list_name
  }
}
