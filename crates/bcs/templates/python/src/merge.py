"""Last step: adds up what the instances counted."""

import json

import oss_tool
from conf import conf
from split import PARTS


def main():
    folder = conf['data_path'].rpartition('/')[0]
    total = {}
    for n in range(PARTS):
        oss_tool.download_file('%s/count_results/%d.json' % (folder, n), 'count.json')
        with open('count.json') as counts:
            for level, count in json.load(counts).items():
                total[level] = total.get(level, 0) + count
    print(total)
    oss_tool.put_data(json.dumps(total), '%s/merge_result.json' % folder)


if __name__ == '__main__':
    main()
