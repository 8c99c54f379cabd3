"""Second step: each instance counts the levels in its part of the log."""

import json
import os

import oss_tool
from conf import conf

LEVELS = ('INFO', 'WARN', 'ERROR', 'DEBUG')


def main():
    number = os.environ['BATCH_COMPUTE_DAG_INSTANCE_ID']
    folder = conf['data_path'].rpartition('/')[0]
    oss_tool.download_file('%s/split_results/%s.txt' % (folder, number), 'part.txt')
    counts = dict.fromkeys(LEVELS, 0)
    with open('part.txt') as part:
        for line in part:
            for level in LEVELS:
                counts[level] += line.count(level)
    print(counts)
    oss_tool.put_data(json.dumps(counts), '%s/count_results/%s.json' % (folder, number))


if __name__ == '__main__':
    main()
