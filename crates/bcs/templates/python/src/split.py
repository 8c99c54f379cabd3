"""First step: cuts the data into as many parts as the next step has instances."""

import oss_tool
from conf import conf

PARTS = 3


def main():
    folder = conf['data_path'].rpartition('/')[0]
    oss_tool.download_file(conf['data_path'], 'data.txt')
    parts = ['part_%d.txt' % n for n in range(PARTS)]
    outs = [open(part, 'w') for part in parts]
    with open('data.txt') as data:
        for n, line in enumerate(data):
            outs[n % PARTS].write(line)
    for n, part in enumerate(parts):
        outs[n].close()
        target = '%s/split_results/%d.txt' % (folder, n)
        print('upload to %s' % target)
        oss_tool.upload_file(part, target)


if __name__ == '__main__':
    main()
