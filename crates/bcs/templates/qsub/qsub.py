#!/usr/bin/env python3
"""Runs a script on a node as a batch system would; the only argument is its order, as JSON in base64."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys


def variables(order, folder):
    """The environment of the script: what the client passed on, and what a batch system says."""
    passed = dict(os.environ)
    passed.update(order.get('env') or {})
    passed.update({
        'PBS_O_HOST': socket.gethostname(),
        'PBS_SERVER': 'Default Server',
        'PBS_O_QUEUE': '1',
        'PBS_O_WORKDIR': folder,
        'PBS_ARRAYID': os.environ.get('BATCH_COMPUTE_DAG_INSTANCE_ID') or '1',
        'PBS_ENVIRONMENT': 'PBS_BATCH',
        'PBS_JOBID': os.environ.get('BATCH_COMPUTE_DAG_JOB_ID') or '',
        'PBS_JOBNAME': order.get('job_name') or '',
        'PBS_NODEFILE': '',
        'PBS_QUEUE': '1',
    })
    return passed


def opened(path):
    """A result file, its folder made when needed."""
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    return open(path, 'wb')


def main(text):
    order = json.loads(base64.b64decode(text).decode('utf-8'))
    folder = order['work_path']
    os.makedirs(folder, exist_ok=True)
    script = os.path.join(folder, order['script_name'])
    if os.path.abspath(order['script_name']) != os.path.abspath(script):
        shutil.copyfile(order['script_name'], script)
    command = order.get('shell', '/bin/bash').split() + [script]
    join = order.get('join') or 'n'
    with opened(order['stdout_path']) as out, opened(order['stderr_path']) as err:
        streams = {'stdout': out, 'stderr': err}
        if join in ('oe', 'eo'):
            streams = {'stdout': out, 'stderr': subprocess.STDOUT}
        # Unlike the program it stands in for, the script's exit status is the job's.
        return subprocess.call(command, cwd=folder, env=variables(order, folder), **streams)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
