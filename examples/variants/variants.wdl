version 1.1

## From reads to variants: index the reference, align every read group, merge and mark duplicates, call variants,
## and write a report. `prepare.sh` makes the inputs from data that Debian ships.

struct ReadGroup {
  String id
  String sample
  File fastq1
  File fastq2
}

struct Genome {
  File fasta
  File fai
  File dict
  Array[File] bwa
}

workflow variants {
  meta {
    description: "Short-read alignment and variant calling of a small genome"
  }

  parameter_meta {
    reference: "FASTA file, not compressed"
    read_groups: "One entry for each pair of FASTQ files"
    ploidy: "Copies of the genome in a cell: 1 for a phage or a bacterium"
    expected: "VCF of variants that should be found; the report compares"
    picard: "Path of picard.jar on the machine that runs the task"
  }

  input {
    File reference
    Array[ReadGroup]+ read_groups
    Int ploidy = 1
    File? expected
    String picard = "/usr/share/java/picard.jar"
  }

  call index_reference { input: reference = reference }

  Genome genome = Genome {
    fasta: index_reference.fasta,
    fai: index_reference.fai,
    dict: index_reference.dict,
    bwa: index_reference.bwa
  }

  scatter (group in read_groups) {
    call align { input: group = group, genome = genome }
  }

  call merge_and_mark_duplicates { input: bams = align.bam, picard = picard }

  call call_variants {
    input:
      bam = merge_and_mark_duplicates.bam,
      bam_index = merge_and_mark_duplicates.bam_index,
      genome = genome,
      ploidy = ploidy
  }

  call statistics {
    input:
      bam = merge_and_mark_duplicates.bam,
      bam_index = merge_and_mark_duplicates.bam_index,
      vcf = call_variants.vcf
  }

  call report {
    input:
      vcf = call_variants.vcf,
      depth = statistics.depth,
      flagstat = statistics.flagstat,
      expected = expected
  }

  output {
    File bam = merge_and_mark_duplicates.bam
    File bam_index = merge_and_mark_duplicates.bam_index
    File duplicate_metrics = merge_and_mark_duplicates.metrics
    File vcf = call_variants.vcf
    File vcf_index = call_variants.vcf_index
    File flagstat = statistics.flagstat
    File coverage = statistics.coverage
    File variant_statistics = statistics.variant_statistics
    File report_html = report.html
    File report_png = report.png
    Float mean_depth = report.mean_depth
    Int variants_found = report.found
    Int expected_variants = report.expected_total
    Int expected_variants_found = report.expected_found
  }
}

task index_reference {
  input {
    File reference
  }

  command <<<
    set -euo pipefail
    cp "~{reference}" reference.fa
    bwa index reference.fa
    samtools faidx reference.fa
    samtools dict -o reference.dict reference.fa
  >>>

  output {
    File fasta = "reference.fa"
    File fai = "reference.fa.fai"
    File dict = "reference.dict"
    Array[File] bwa = ["reference.fa.amb", "reference.fa.ann", "reference.fa.bwt", "reference.fa.pac", "reference.fa.sa"]
  }

  runtime {
    cpu: 1
    memory: "500 MB"
  }
}

task align {
  input {
    ReadGroup group
    Genome genome
    Int threads = 1
  }

  command <<<
    set -euo pipefail
    bwa mem -t ~{threads} -R '@RG\tID:~{group.id}\tSM:~{group.sample}\tLB:~{group.sample}\tPL:ILLUMINA' \
      "~{genome.fasta}" "~{group.fastq1}" "~{group.fastq2}" > aligned.sam
    samtools sort -o "~{group.id}.bam" aligned.sam
    rm aligned.sam
  >>>

  output {
    File bam = "~{group.id}.bam"
  }

  runtime {
    cpu: threads
    memory: "500 MB"
  }
}

task merge_and_mark_duplicates {
  input {
    Array[File] bams
    String picard
  }

  command <<<
    set -euo pipefail
    java -Xmx700m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -jar "~{picard}" MarkDuplicates \
      ~{sep(" ", prefix("--INPUT ", quote(bams)))} \
      --OUTPUT merged.bam --METRICS_FILE duplicates.txt --ASSUME_SORT_ORDER coordinate \
      --VALIDATION_STRINGENCY LENIENT --QUIET true --VERBOSITY WARNING
    samtools index merged.bam
  >>>

  output {
    File bam = "merged.bam"
    File bam_index = "merged.bam.bai"
    File metrics = "duplicates.txt"
  }

  runtime {
    cpu: 1
    memory: "1 GB"
  }
}

task call_variants {
  input {
    File bam
    File bam_index
    Genome genome
    Int ploidy
    Int least_quality = 30
  }

  command <<<
    set -euo pipefail
    bcftools mpileup --fasta-ref "~{genome.fasta}" --max-depth 1000 --annotate AD,DP --output-type u "~{bam}" > piled.bcf
    bcftools call --multiallelic-caller --variants-only --ploidy ~{ploidy} --output-type u piled.bcf > called.bcf
    bcftools norm --fasta-ref "~{genome.fasta}" --output-type u called.bcf \
      | bcftools view --include 'QUAL >= ~{least_quality}' --output-type z --output variants.vcf.gz
    bcftools index --tbi variants.vcf.gz
    rm piled.bcf called.bcf
  >>>

  output {
    File vcf = "variants.vcf.gz"
    File vcf_index = "variants.vcf.gz.tbi"
  }

  runtime {
    cpu: 1
    memory: "500 MB"
  }
}

task statistics {
  input {
    File bam
    File bam_index
    File vcf
  }

  command <<<
    set -euo pipefail
    samtools flagstat "~{bam}" > flagstat.txt
    samtools coverage "~{bam}" > coverage.txt
    samtools depth -a "~{bam}" > depth.tsv
    bcftools stats "~{vcf}" > variants.stats.txt
  >>>

  output {
    File flagstat = "flagstat.txt"
    File coverage = "coverage.txt"
    File depth = "depth.tsv"
    File variant_statistics = "variants.stats.txt"
  }

  runtime {
    cpu: 1
    memory: "500 MB"
  }
}

task report {
  input {
    File vcf
    File depth
    File flagstat
    File? expected
  }

  command <<<
    set -euo pipefail
    cat > report.py <<'PYTHON'
    import base64, gzip, html, json, struct, sys, zlib

    vcf_path, depth_path, flagstat_path, expected_path = sys.argv[1:5]

    def variants(path):
        """Contig, position, reference, alternative and quality of every record of a VCF."""
        rows = []
        if path:
            opener = gzip.open if path.endswith(".gz") else open
            with opener(path, "rt") as lines:
                for line in lines:
                    if not line.startswith("#"):
                        contig, position, _, before, after, quality = line.split("\t")[:6]
                        rows.append((contig, int(position), before, after, quality))
        return rows

    with open(depth_path) as lines:
        depths = [int(line.split("\t")[2]) for line in lines]
    found, expected = variants(vcf_path), variants(expected_path)
    found_keys = {row[:4] for row in found}
    expected_keys = {row[:4] for row in expected}
    hits = len(expected_keys & found_keys)
    mean = sum(depths) / max(1, len(depths))

    # The picture: coverage above, one tick for every variant below. Three by five dots make a digit.
    WIDTH, HEIGHT, LEFT, RIGHT, TOP, BASE = 1200, 360, 44, 16, 12, 286
    DIGITS = dict(zip("0123456789", ["75557", "26227", "71747", "71717", "55711", "74717", "74757", "71122", "75757", "75717"]))
    white, grey, ink = (255, 255, 255), (225, 229, 235), (70, 78, 92)
    area, line_colour = (158, 202, 240), (33, 102, 172)
    green, orange, red = (26, 152, 80), (240, 150, 40), (215, 48, 39)
    pixels = [bytearray(bytes(white) * WIDTH) for _ in range(HEIGHT)]

    def dot(x, y, colour):
        if 0 <= x < WIDTH and 0 <= y < HEIGHT:
            pixels[y][3 * x:3 * x + 3] = bytes(colour)

    def box(x0, y0, x1, y1, colour):
        for y in range(y0, y1):
            for x in range(x0, x1):
                dot(x, y, colour)

    def number(x, y, value):
        for character in str(value):
            for row, bits in enumerate(DIGITS[character]):
                for column in range(3):
                    if int(bits) >> (2 - column) & 1:
                        box(x + 2 * column, y + 2 * row, x + 2 * column + 2, y + 2 * row + 2, ink)
            x += 8

    def round_step(most, parts):
        step = 1
        while step * parts < most:
            step = step * 2 if str(step)[0] in "15" else step * 5 // 2
        return step

    length, highest = max(1, len(depths)), max(depths, default=1)
    wide, high = WIDTH - LEFT - RIGHT, BASE - TOP
    step = round_step(max(1, highest), 5)
    top = step * max(1, -(-highest // step))
    for mark in range(0, top + 1, step):
        y = BASE - high * mark // top
        box(LEFT, y, WIDTH - RIGHT, y + 1, grey)
        number(LEFT - 8 - 8 * len(str(mark)), y - 5, mark)
    for x in range(wide):
        part = depths[length * x // wide:max(length * x // wide + 1, length * (x + 1) // wide)]
        level = BASE - round(high * (sum(part) / max(1, len(part))) / top)
        box(LEFT + x, level, LEFT + x + 1, BASE, area)
        box(LEFT + x, level - 1, LEFT + x + 1, level + 1, line_colour)
    box(LEFT, BASE, WIDTH - RIGHT, BASE + 1, ink)
    step = round_step(length, 10)
    for mark in range(0, length + 1, step):
        x = LEFT + wide * mark // length
        box(x, BASE, x + 1, BASE + 5, ink)
        number(min(x - 4 * len(str(mark)), WIDTH - 8 * len(str(mark))), BASE + 8, mark)
    for row in sorted(set(found) | set(expected), key=lambda row: row[:4] in expected_keys):
        colour = red if row[:4] not in found_keys else green if row[:4] in expected_keys else orange
        x = LEFT + wide * (row[1] - 1) // length
        box(x, BASE + 28 if colour is orange else BASE + 24, x + 2, HEIGHT - 22 if colour is orange else HEIGHT - 12, colour)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    raw = b"".join(b"\0" + bytes(row) for row in pixels)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    with open("report.png", "wb") as file:
        file.write(png)

    def table(head, rows):
        cells = "".join("<th>%s</th>" % html.escape(name) for name in head)
        body = "".join("<tr>%s</tr>" % "".join("<td>%s</td>" % cell for cell in row) for row in rows)
        return "<table><tr>%s</tr>%s</table>" % (cells, body)

    def described(row, verdict):
        return [html.escape(str(row[1])), "<code>%s</code>" % html.escape(row[2]), "<code>%s</code>" % html.escape(row[3]), verdict]

    checked = [described(row, '<b class="yes">found</b>' if row[:4] in found_keys else '<b class="no">missed</b>') for row in expected]
    others = [described(row, row[4]) for row in found if row[:4] not in expected_keys]
    with open(flagstat_path) as file:
        flagstat = html.escape(file.read())
    parts = ["<h1>Variants</h1>", "<p>%d variants found; %d of %d expected ones among them. Mean depth %.1f over %d bases.</p>"
             % (len(found), hits, len(expected), mean, len(depths))]
    parts.append('<img alt="coverage and variants" src="data:image/png;base64,%s">' % base64.b64encode(png).decode())
    parts.append('<p>Above: reads over each position. Below, one tick a variant: <b class="yes">expected and found</b>, '
                 '<b class="new">found</b>, <b class="no">expected and missed</b>.</p>')
    if expected:
        parts += ["<h2>Expected variants</h2>", table(["position", "reference", "reads", "result"], checked)]
    parts += ["<h2>Other variants</h2>", table(["position", "reference", "reads", "quality"], others)]
    parts += ["<h2>Reads</h2>", "<pre>%s</pre>" % flagstat]
    style = ("body{font:15px system-ui,sans-serif;max-width:1240px;margin:2em auto;color:#222}img{max-width:100%}"
             "table{border-collapse:collapse}td,th{padding:2px 14px 2px 0;text-align:left;border-bottom:1px solid #ddd}"
             "code{overflow-wrap:anywhere}.yes{color:#1a9850}.new{color:#d07000}.no{color:#d73027}")
    with open("report.html", "w") as file:
        file.write('<!doctype html><html lang="en"><meta charset="utf-8"><title>Variants</title><style>%s</style>%s</html>\n'
                   % (style, "\n".join(parts)))
    with open("summary.json", "w") as file:
        json.dump({"mean_depth": round(mean, 2), "found": len(found), "expected_total": len(expected), "expected_found": hits}, file)
    PYTHON
    python3 report.py "~{vcf}" "~{depth}" "~{flagstat}" "~{expected}"
  >>>

  output {
    File html = "report.html"
    File png = "report.png"
    Map[String, Float] summary = read_json("summary.json")
    Float mean_depth = summary["mean_depth"]
    Int found = round(summary["found"])
    Int expected_total = round(summary["expected_total"])
    Int expected_found = round(summary["expected_found"])
  }

  runtime {
    cpu: 1
    memory: "500 MB"
  }
}
