version 1.1

# The summary page of a germline analysis: one HTML file with its pictures, in English and Chinese.
#
# The script lies in the command, not beside this document, so that the document alone is all that has
# to be sent to a server.

# What was measured of a sample.
struct SampleMeasures {
  String name
  # CollectAlignmentSummaryMetrics, CollectWgsMetrics, `samtools stats`.
  File alignment
  File coverage
  File stats
  # MarkDuplicates.
  File? duplication
  # Recalibration reports.
  File? before
  File? after
  # Contig, position, alleles and genotype, a line each.
  File? truth_calls
  File? sample_calls
}

task MakeQualityPage {
  input {
    String title
    String page_name
    Array[SampleMeasures] samples
    # `bcftools stats` with all samples, and how many sites each filter has.
    File? variant_stats
    File? filter_counts

    Float mem_size_gb = 1
    String docker_image = "python:3.11-slim"
    String? cluster_config
    Int preemptible_tries = 3
  }

  command <<<
    cat > page.py <<'CODE'
    import html
    import json
    import sys

    # Colours that also people with colour-blindness tell apart.
    BLUE, ORANGE, GREEN, RED, GREY = '#0072b2', '#e69f00', '#009e73', '#d55e00', '#999999'
    WIDTH, HEIGHT = 460, 260
    LEFT, RIGHT, TOP, BOTTOM = 64, 14, 14, 44


    def both(english, chinese):
        """A text in both languages; the page shows one."""
        return '<span class="en">%s</span><span class="zh">%s</span>' % (html.escape(english), html.escape(chinese))


    def label(x, y, english, chinese, more=''):
        """The same inside a picture."""
        return ''.join('<text class="%s" x="%.1f" y="%.1f" %s>%s</text>' % (language, x, y, more, html.escape(text))
                       for language, text in (('en', english), ('zh', chinese)))


    def number(value, digits=0):
        return '–' if value is None else '{:,.{}f}'.format(value, digits)


    def percent(part, whole=1.0, digits=2):
        return '–' if part is None or not whole else '%.*f %%' % (digits, 100.0 * part / whole)


    def short(value):
        """A number on an axis."""
        for size, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
            if abs(value) >= size:
                return '%g%s' % (round(value / size, 3), letter)
        return '%g' % round(value, 6)


    # ---- what the programs wrote

    def picard(path):
        """Rows of the metrics, and the histogram as rows."""
        metrics, histogram, into = [], [], None
        for line in open(path):
            line = line.rstrip('\n')
            if line.startswith('## METRICS CLASS') or line.startswith('## HISTOGRAM'):
                into, head = (metrics if 'METRICS' in line else histogram), None
            elif into is not None and line and not line.startswith('#'):
                if head is None:
                    head = line.split('\t')
                else:
                    into.append(dict(zip(head, line.split('\t'))))
        return metrics, histogram


    def real(row, name):
        try:
            return float(row[name])
        except (KeyError, ValueError):
            return None


    def sections(path):
        """Lines of `samtools stats` or `bcftools stats` by their first word."""
        found = {}
        for line in open(path):
            if not line.startswith('#'):
                fields = line.rstrip('\n').split('\t')
                found.setdefault(fields[0], []).append(fields[1:])
        return found


    def recalibration(path):
        """By read group and by read group and quality: reported, empirical, observations."""
        groups, qualities, table, head = {}, [], '', None
        for line in open(path):
            if line.startswith('#:GATKTable:'):
                table, head = line.rstrip('\n').split(':')[2], None
            elif line.strip() and table in ('RecalTable0', 'RecalTable1'):
                fields = line.split()
                if head is None:
                    head = fields
                    continue
                row = dict(zip(head, fields))
                if row.get('EventType') != 'M':
                    continue
                seen = int(row['Observations'])
                if table == 'RecalTable0':
                    groups[row['ReadGroup']] = (float(row['EstimatedQReported']), float(row['EmpiricalQuality']), seen)
                elif seen:
                    qualities.append((float(row['QualityScore']), float(row['EmpiricalQuality']), seen, row['ReadGroup']))
        return groups, qualities


    def calls(path):
        """Allele counts by place, reference and alternative allele."""
        found = {}
        for line in open(path):
            contig, position, reference, alternative, genotype = line.rstrip('\n').split('\t')
            copies = sum(allele not in '0.' for allele in genotype.replace('|', '/').split('/'))
            if copies and alternative not in ('*', '.', '<NON_REF>'):
                found[contig, int(position), reference, alternative] = copies
        return found


    def compared(truth_path, calls_path):
        """True positives, of them with the right genotype, false positives, false negatives; of SNPs and of the rest."""
        truth, called = calls(truth_path), calls(calls_path)
        result = {}
        for kind in ('SNP', 'INDEL'):
            wanted = {k: v for k, v in truth.items() if (len(k[2]) == len(k[3])) == (kind == 'SNP')}
            got = {k: v for k, v in called.items() if (len(k[2]) == len(k[3])) == (kind == 'SNP')}
            shared = wanted.keys() & got.keys()
            same = sum(wanted[k] == got[k] for k in shared)
            result[kind] = {'tp': len(shared), 'gt': same, 'fp': len(got) - len(shared), 'fn': len(wanted) - len(shared)}
        return result


    def ratio(part, whole):
        return part / whole if whole else None


    # ---- pictures

    def ticks(low, high, wanted=5):
        """Round numbers between the two."""
        span = (high - low) or 1.0
        step = 10.0 ** len(str(int(span)))
        while span / step < wanted:
            for divide in (2, 2.5, 2):
                step /= divide
                if span / step >= wanted:
                    break
        first = -(-low // step) * step
        return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


    class Picture:
        def __init__(self, x, y, x_name, y_name, height=HEIGHT):
            self.low_x, self.high_x = x
            self.low_y, self.high_y = y
            self.height, self.parts = height, []
            for value in ticks(*y):
                at = self.y(value)
                self.parts.append('<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>' % (LEFT, WIDTH - RIGHT, at, at))
                self.parts.append('<text x="%d" y="%.1f" text-anchor="end">%s</text>' % (LEFT - 6, at + 4, short(value)))
            for value in ticks(*x):
                self.parts.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (self.x(value), height - BOTTOM + 16, short(value)))
            self.parts.append('<path class="axis" d="M%d %dV%dH%d"/>' % (LEFT, TOP, height - BOTTOM, WIDTH - RIGHT))
            self.parts.append(label((LEFT + WIDTH - RIGHT) / 2, height - 8, *x_name, more='text-anchor="middle"'))
            middle = (TOP + height - BOTTOM) / 2
            self.parts.append(label(14, middle, *y_name, more='text-anchor="middle" transform="rotate(-90 14 %.1f)"' % middle))

        def x(self, value):
            return LEFT + (value - self.low_x) / ((self.high_x - self.low_x) or 1) * (WIDTH - LEFT - RIGHT)

        def y(self, value):
            return self.height - BOTTOM - (value - self.low_y) / ((self.high_y - self.low_y) or 1) * (self.height - TOP - BOTTOM)

        def bars(self, points, width, colour):
            for at, value in points:
                left, right, top = self.x(at - width / 2), self.x(at + width / 2), self.y(value)
                self.parts.append('<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"><title>%s: %s</title></rect>' % (
                    left, top, max(0.4, (right - left) * 0.92), self.height - BOTTOM - top, colour, short(at), number(value)))

        def line(self, points, colour, more=''):
            path = ' '.join('%.1f,%.1f' % (self.x(x), self.y(y)) for x, y in points)
            self.parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5" %s/>' % (path, colour, more))

        def svg(self):
            return '<svg viewBox="0 0 %d %d" role="img">%s</svg>' % (WIDTH, self.height, ''.join(self.parts))


    def figure(title, picture, legend=()):
        keys = ''.join('<span class="key"><i style="background:%s"></i>%s</span>' % (colour, both(*name)) for colour, name in legend)
        return '<figure><figcaption>%s</figcaption>%s<div class="keys">%s</div></figure>' % (both(*title), picture, keys)


    def binned(points, most=80):
        """Neighbours together, if there are too many to tell apart. Points, and how wide each is."""
        if not points:
            return [], 1
        low, high = min(p[0] for p in points), max(p[0] for p in points)
        width = max(1, -(-int(high - low + 1) // most))
        sums = {}
        for at, value in points:
            sums[(at - low) // width] = sums.get((at - low) // width, 0) + value
        return [(low + (place + 0.5) * width - 0.5, value) for place, value in sorted(sums.items())], width


    def without_tail(points, share=0.995):
        """What lies below the share of all."""
        total, so_far, kept = sum(value for _, value in points), 0, []
        for at, value in sorted(points):
            kept.append((at, value))
            so_far += value
            if so_far >= share * total:
                break
        return kept


    def histogram_figure(points, title, x_name, y_name, colour, mark, mark_name):
        points, width = binned(without_tail(points))
        if not points:
            return ''
        top = max(value for _, value in points) * 1.05
        picture = Picture((max(0, points[0][0] - width), points[-1][0] + width), (0, top), x_name, y_name)
        picture.bars(points, width, colour)
        if mark is not None:
            picture.line([(mark, 0), (mark, top)], RED, 'stroke-dasharray="5 4"')
        return figure(title, picture.svg(), [(RED, mark_name)] if mark is not None else [])


    def coverage_figure(sample):
        points = [(real(row, 'coverage'), next((real(row, n) for n in row if n.startswith('high_quality_coverage')), None))
                  for row in sample['coverage_histogram']]
        points = [(x, y) for x, y in points if x is not None and y]
        return histogram_figure(points, ('Coverage', '覆盖深度'), ('coverage (×)', '深度（×）'), ('bases', '碱基数'), BLUE,
                                sample['coverage'], ('mean', '平均值'))


    def insert_figure(sample):
        return histogram_figure(sample['inserts'], ('Insert size', '插入片段长度'), ('insert size (bp)', '片段长度（bp）'),
                                ('read pairs', '读段对数'), GREEN, sample['insert_median'], ('median', '中位数'))


    def duplicate_figure(samples):
        """One bar for each sample: single, copied by PCR, read twice by the machine."""
        samples = [s for s in samples if s['pairs']]
        if not samples:
            return ''
        row = 30
        height = 20 + row * len(samples) + BOTTOM
        parts, span = [], WIDTH - 110 - RIGHT
        for value in range(0, 101, 20):
            x = 110 + span * value / 100
            parts.append('<line class="grid" x1="%.1f" x2="%.1f" y1="10" y2="%d"/>' % (x, x, height - BOTTOM))
            parts.append('<text x="%.1f" y="%d" text-anchor="middle">%d</text>' % (x, height - BOTTOM + 16, value))
        for i, sample in enumerate(samples):
            y, x = 16 + row * i, 110.0
            parts.append('<text x="104" y="%d" text-anchor="end">%s</text>' % (y + 14, html.escape(sample['name'][:14])))
            copies, optical = sample['duplicate_pairs'], sample['optical_pairs']
            for value, colour in ((sample['pairs'] - copies, BLUE), (copies - optical, ORANGE), (optical, RED)):
                wide = span * value / sample['pairs']
                parts.append('<rect x="%.2f" y="%d" width="%.2f" height="20" fill="%s"><title>%s</title></rect>' % (
                    x, y, wide, colour, number(value)))
                x += wide
        parts.append(label(110 + span / 2, height - 8, 'read pairs (%)', '读段对（%）', 'text-anchor="middle"'))
        svg = '<svg viewBox="0 0 %d %d" role="img">%s</svg>' % (WIDTH, height, ''.join(parts))
        return figure(('Duplicates', '重复读段'), svg, [
            (BLUE, ('unique', '非重复')), (ORANGE, ('copied (PCR)', 'PCR 重复')), (RED, ('optical', '光学重复'))])


    def group_figure(sample):
        """For each read group what the machine said, and what the mismatches say."""
        before, after = sample['before'][0], (sample['after'] or ({}, []))[0]
        rows = [(group, table, name) for group in sorted(before) for table, name in ((before, 'before'), (after, 'after')) if group in table]
        rows = rows[:60]
        row, left = 22, 150
        height = 14 + row * len(rows) + BOTTOM
        values = [v for group, table, _ in rows for v in table[group][:2]]
        low, high = int(min(values)) - 2, int(max(values)) + 3
        at = lambda v: left + (v - low) / (high - low) * (WIDTH - left - RIGHT)
        parts = []
        for value in ticks(low, high, 6):
            parts.append('<line class="grid" x1="%.1f" x2="%.1f" y1="8" y2="%d"/>' % (at(value), at(value), height - BOTTOM))
            parts.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (at(value), height - BOTTOM + 16, short(value)))
        for i, (group, table, name) in enumerate(rows):
            y = 20 + row * i
            reported, empirical, _ = table[group]
            words = {'before': (' before', ' 前'), 'after': (' after', ' 后')}[name]
            parts.append(label(left - 8, y + 4, group[-16:] + words[0], group[-16:] + words[1], 'text-anchor="end"'))
            parts.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s" stroke-width="2"/>' % (at(reported), at(empirical), y, y, GREY))
            parts.append('<circle cx="%.1f" cy="%d" r="5" fill="%s"><title>%.2f</title></circle>' % (at(reported), y, ORANGE, reported))
            parts.append('<rect x="%.1f" y="%.1f" width="9" height="9" fill="%s"><title>%.2f</title></rect>' % (
                at(empirical) - 4.5, y - 4.5, BLUE, empirical))
        parts.append(label(left + (WIDTH - left - RIGHT) / 2, height - 8, 'base quality (Phred)', '碱基质量（Phred）', 'text-anchor="middle"'))
        svg = '<svg viewBox="0 0 %d %d" role="img">%s</svg>' % (WIDTH, height, ''.join(parts))
        return figure(('Quality of each read group', '各读段组的碱基质量'), svg, [
            (ORANGE, ('● reported', '● 报告值')), (BLUE, ('■ by mismatches', '■ 实测值'))])


    def quality_figure(sample):
        """Reported against empirical quality; on the line they agree."""
        top = 10 + max(max(p[0], p[1]) for table in (sample['before'], sample['after']) if table for p in table[1])
        top = min(60, top - top % 5)
        picture = Picture((0, top), (0, top), ('reported quality (Phred)', '报告质量（Phred）'), ('empirical quality (Phred)', '实测质量（Phred）'), 300)
        picture.line([(0, 0), (top, top)], GREY, 'stroke-dasharray="4 4"')
        for table, colour in ((sample['before'], ORANGE), (sample['after'], BLUE)):
            most = max((p[2] for p in table[1]), default=1) if table else 1
            for reported, empirical, seen, group in table[1] if table else ():
                picture.parts.append('<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s" fill-opacity=".6"><title>%s: %s</title></circle>' % (
                    picture.x(reported), picture.y(min(empirical, top)), 2 + 4 * (seen / most) ** 0.5, colour, html.escape(group),
                    number(seen)))
        return figure(('Reported and empirical quality', '报告质量与实测质量'), picture.svg(),
                      [(ORANGE, ('before recalibration', '校正前')), (BLUE, ('after recalibration', '校正后'))])


    def column_figure(title, columns, y_name, legend=()):
        """Named columns: name, value, colour."""
        top = max([value for _, value, _ in columns] + [1]) * 1.1
        picture = Picture((0, len(columns)), (0, top), ('', ''), y_name)
        picture.parts = [part for part in picture.parts if 'y="%d" text-anchor="middle"' % (HEIGHT - BOTTOM + 16) not in part]
        for i, (name, value, colour) in enumerate(columns):
            picture.bars([(i + 0.5, value)], 0.8, colour)
            x, y = picture.x(i + 0.5), HEIGHT - BOTTOM + 14
            small = '' if len(columns) < 14 else ' style="font-size:10px"'
            picture.parts.append('<text x="%.1f" y="%d" text-anchor="middle"%s>%s</text>' % (x, y, small, html.escape(name)))
        return figure(title, picture.svg(), legend)


    def variant_figures(stats):
        changes = [(kind.replace('>', '→'), int(count)) for _, kind, count in stats.get('ST', ())]
        transitions = {'A→G', 'G→A', 'C→T', 'T→C'}
        out = column_figure(('Substitutions', '碱基替换'), [(n, v, BLUE if n in transitions else ORANGE) for n, v in changes], ('SNPs', 'SNP 数'),
                            [(BLUE, ('transitions', '转换')), (ORANGE, ('transversions', '颠换'))]) if changes else ''
        lengths = {}
        for row in stats.get('IDD', ()):
            length = max(-8, min(8, int(row[1])))
            lengths[length] = lengths.get(length, 0) + int(row[2])
        if lengths:
            columns = [('%s%+d' % ({-8: '≤', 8: '≥'}.get(n, ''), n), lengths.get(n, 0), RED if n < 0 else GREEN)
                       for n in range(-8, 9) if n]
            out += column_figure(('Length of insertions and deletions (bp)', '插入与缺失的长度（bp）'), columns, ('indels', '插入缺失数'),
                                 [(RED, ('deletions', '缺失')), (GREEN, ('insertions', '插入'))])
        return out


    # ---- the page

    def collect(entry):
        """What is known of a sample."""
        sample = dict.fromkeys(('pairs', 'duplicate_pairs', 'optical_pairs', 'duplication', 'before', 'after', 'truth'))
        sample['name'] = entry['name']
        rows = {row['CATEGORY']: row for row in picard(entry['alignment'])[0]}
        total = rows.get('PAIR') or rows.get('UNPAIRED') or {}
        sample['reads'], sample['aligned'] = real(total, 'TOTAL_READS'), real(total, 'PF_READS_ALIGNED')
        sample['mismatches'] = real(total, 'PF_MISMATCH_RATE')
        metrics, sample['coverage_histogram'] = picard(entry['coverage'])
        sample['coverage'], sample['median'] = real(metrics[0], 'MEAN_COVERAGE'), real(metrics[0], 'MEDIAN_COVERAGE')
        sample['at_10'], sample['at_20'] = real(metrics[0], 'PCT_10X'), real(metrics[0], 'PCT_20X')
        sample['inserts'] = [(int(row[0]), int(row[1])) for row in sections(entry['stats']).get('IS', ()) if int(row[1])]
        half, so_far, sample['insert_median'] = sum(n for _, n in sample['inserts']) / 2, 0, None
        for size, pairs in sample['inserts']:
            so_far += pairs
            if so_far >= half:
                sample['insert_median'] = size
                break
        if entry.get('duplication'):
            rows = picard(entry['duplication'])[0]
            sums = lambda name: sum(real(row, name) or 0 for row in rows)
            sample['pairs'], sample['duplicate_pairs'] = sums('READ_PAIRS_EXAMINED'), sums('READ_PAIR_DUPLICATES')
            sample['optical_pairs'] = sums('READ_PAIR_OPTICAL_DUPLICATES')
            reads = 2 * sample['pairs'] + sums('UNPAIRED_READS_EXAMINED')
            sample['duplication'] = ratio(2 * sample['duplicate_pairs'] + sums('UNPAIRED_READ_DUPLICATES'), reads)
        for part in ('before', 'after'):
            if entry.get(part):
                sample[part] = recalibration(entry[part])
        if entry.get('truth_calls') and entry.get('sample_calls'):
            sample['truth'] = compared(entry['truth_calls'], entry['sample_calls'])
        return sample


    def table(head, rows):
        cells = lambda row, tag: ''.join('<%s>%s</%s>' % (tag, cell, tag) for cell in row)
        return '<div class="wide"><table><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>' % (
            cells(head, 'th'), ''.join('<tr>%s</tr>' % cells(row, 'td') for row in rows))


    def overview(samples):
        head = [both(*words) for words in (
            ('Sample', '样本'), ('Reads', '读段数'), ('Mapped', '比对率'), ('Mismatches', '错配率'), ('Duplicates', '重复率'), ('Optical', '光学重复率'),
            ('Mean coverage', '平均深度'), ('≥ 10×', '≥ 10×'), ('≥ 20×', '≥ 20×'), ('Median insert', '片段中位数'))]
        return table(head, [[
            html.escape(s['name']), number(s['reads']), percent(s['aligned'], s['reads']), percent(s['mismatches']), percent(s['duplication']),
            percent(s['optical_pairs'], s['pairs']), '–' if s['coverage'] is None else '%.2f×' % s['coverage'], percent(s['at_10'], digits=1),
            percent(s['at_20'], digits=1), '–' if s['insert_median'] is None else '%d bp' % s['insert_median']] for s in samples])


    def variants(stats, filters):
        """Counts of all samples and of each, without what a filter took out."""
        known = {row[1].rstrip(':'): int(row[2]) for row in stats.get('SN', ())}
        both_kinds = stats.get('TSTV', [[None, 0, 0, 0]])[0]
        head = [both(*words) for words in (('Sample', '样本'), ('SNPs', 'SNP'), ('Indels', '插入缺失'), ('Heterozygous SNPs', '杂合 SNP'),
                                          ('Homozygous SNPs', '纯合 SNP'), ('Ts/Tv', '转换/颠换'), ('Mean depth', '平均深度'))]
        rows = [[both('all samples', '全部样本'), number(known.get('number of SNPs', 0)), number(known.get('number of indels', 0)), '–', '–',
                 both_kinds[3], '–']]
        for row in stats.get('PSC', ()):
            hom, het, ts, tv, indels = int(row[3]), int(row[4]), int(row[5]), int(row[6]), int(row[7])
            rows.append([html.escape(row[1]), number(hom + het), number(indels), number(het), number(hom),
                         '%.2f' % (ts / tv) if tv else '–', row[8] if float(row[8]) else '–'])
        out = table(head, rows)
        if filters:
            names = ', '.join('%s %s' % (html.escape(name), number(count)) for name, count in filters)
            out += '<p>%s%s</p>' % (both('Sites by filter (PASS are counted above): ', '各过滤结果的位点数（上表只计 PASS）：'), names)
        return out


    def truth_table(samples):
        head = [both(*words) for words in (('Sample', '样本'), ('Kind', '类型'), ('Found', '检出'), ('Missed', '漏检'), ('False', '误检'),
                                          ('Recall', '召回率'), ('Precision', '精确率'), ('Genotype concordance', '基因型一致率'))]
        rows = []
        for s in samples:
            for kind, words in (('SNP', ('SNP', 'SNP')), ('INDEL', ('indel', '插入缺失'))):
                n = s['truth'][kind]
                shares = (n['tp'], n['tp'] + n['fn']), (n['tp'], n['tp'] + n['fp']), (n['gt'], n['tp'])
                rows.append([html.escape(s['name']), both(*words), number(n['tp']), number(n['fn']), number(n['fp'])]
                            + [percent(part, whole) for part, whole in shares])
        return table(head, rows)


    STYLE = '''
    :root{--ink:#1b1f24;--paper:#fff;--soft:#f4f6f8;--line:#d5dae0;--quiet:#5b6570}
    @media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--paper:#14181c;--soft:#1d2329;--line:#39424b;--quiet:#9aa5b0}}
    body{margin:0 auto;max-width:1000px;padding:1.5rem;font:15px/1.55 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;
     color:var(--ink);background:var(--paper)}
    h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
    h3{font-size:1rem;margin:1.4rem 0 .4rem}header{display:flex;justify-content:space-between;align-items:center;gap:1rem}
    button{font:inherit;color:inherit;background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.3rem .8rem;cursor:pointer}
    .wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
    th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid var(--line)}
    th{font-weight:600;color:var(--quiet)}td:first-child,th:first-child{text-align:left}td{white-space:nowrap}
    .figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:1rem;align-items:start}
    figure{margin:0;background:var(--soft);border-radius:8px;padding:.8rem}figcaption{font-weight:600;margin-bottom:.3rem}
    svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);font-size:11.5px}.grid{stroke:var(--line);stroke-width:1}
    .axis{fill:none;stroke:var(--quiet)}.keys{font-size:.85rem;color:var(--quiet)}.key{margin-right:1.1rem;white-space:nowrap}
    .key i{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.35rem;vertical-align:-1px}
    p{color:var(--quiet)}[data-language=en] .zh,[data-language=zh] .en{display:none}@media print{button{display:none}}
    '''
    SCRIPT = '''
    const page = document.documentElement
    const speak = language => { page.dataset.language = language; page.lang = language }
    speak(navigator.language.startsWith('zh') ? 'zh' : 'en')
    document.querySelector('button').onclick = () => speak(page.dataset.language === 'zh' ? 'en' : 'zh')
    '''


    def page(title, samples, stats, filters):
        parts = ['<h2>%s</h2>' % both('Samples', '样本'), overview(samples)]
        compared_samples = [s for s in samples if s['truth']]
        if compared_samples:
            parts += ['<h2>%s</h2>' % both('Comparison with the truth', '与真值比较'), truth_table(compared_samples)]
        if stats:
            parts += ['<h2>%s</h2>' % both('Variants', '变异'), variants(stats, filters),
                      '<div class="figures">%s</div>' % variant_figures(stats)]
        duplicates = duplicate_figure(samples)
        if duplicates:
            parts += ['<h2>%s</h2>' % both('Duplication', '重复'), '<div class="figures">%s</div>' % duplicates]
        for sample in samples:
            figures = coverage_figure(sample) + insert_figure(sample)
            if sample['before'] and sample['before'][0]:
                figures += group_figure(sample) + quality_figure(sample)
            parts += ['<h2>%s</h2>' % html.escape(sample['name']), '<div class="figures">%s</div>' % figures]
            if sample['after']:
                parts.append('<p>%s</p>' % both(
                    'After recalibration qualities are rounded to 10, 20 and 30, as in the published pipeline.',
                    '校正后的质量值按公开流程取整为 10、20、30。'))
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%s</title><style>%s</style>' % (
            html.escape(title), STYLE)
        switch = '<button><span class="en">中文</span><span class="zh">English</span></button>'
        return ('<!DOCTYPE html>\n<html lang="en" data-language="en"><head>%s</head>\n<body><header><h1>%s</h1>%s</header>\n%s\n'
                '<script>%s</script></body></html>\n') % (head, html.escape(title), switch, '\n'.join(parts), SCRIPT)


    def main(title, samples_file, stats_file, filters_file, out):
        samples = [collect(entry) for entry in json.load(open(samples_file))]
        stats = sections(stats_file) if stats_file else {}
        filters = [line.split() for line in open(filters_file)] if filters_file else []
        text = page(title, samples, stats, [(name, int(count)) for count, name in filters])
        open(out + '.html', 'w', encoding='utf-8').write(text)
        facts = [{k: v for k, v in s.items() if k not in ('coverage_histogram', 'inserts', 'before', 'after')} for s in samples]
        for fact, sample in zip(facts, samples):
            for part in ('before', 'after'):
                groups = sample[part][0] if sample[part] else {}
                fact['quality_' + part] = {name: {'reported': v[0], 'empirical': v[1]} for name, v in groups.items()}
        json.dump({'samples': facts}, open(out + '.json', 'w'), indent=2, sort_keys=True)


    main(*sys.argv[1:])
    CODE
    "$(command -v python3 || command -v python)" page.py "~{title}" "~{write_json(samples)}" \
      "~{variant_stats}" "~{filter_counts}" "~{page_name}"
  >>>

  runtime {
    docker: sub(docker_image, " .*", "")
    dockerTag: docker_image
    cluster: cluster_config
    memory: "~{mem_size_gb} GiB"
    preemptible: preemptible_tries
  }

  output {
    File page = page_name + ".html"
    # The same figures for programs.
    File summary = page_name + ".json"
  }
}
