import os

for name, value in sorted(os.environ.items()):
    if name.startswith('BATCH_COMPUTE_'):
        print('%s=%s' % (name, value))
