"""The original command line `bcs`, unmodified, against a server: the command sequences of its guide, one function each.

    original_bcs_session.py API_PORT OSS_PORT KEY_ID KEY_SECRET FOLDER [SEQUENCE ...]

It finds the servers through `original_hosts`. Its status is always 0, so what it prints is compared. Ends with status 1
when a sequence failed, and names it.
"""
import json
import os
import re
import subprocess
import sys
import time
import traceback

api_port, oss_port, key_id, key_secret, folder, *chosen = sys.argv[1:]
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.dirname(sys.executable)
# The bucket that a new server has.
OSS = 'oss://batchyard/cli/'
# Its templates of workflows are for some regions only.
REGION = 'cn-beijing'
# Longest wait for anything, in seconds.
PATIENCE = 90

environment = {
    'HOME': folder, 'PYTHONDONTWRITEBYTECODE': '1', 'LANG': 'C.UTF-8', 'TZ': 'UTC', 'PATH': PROGRAMS + os.pathsep + os.environ['PATH'],
    'PYTHONPATH': os.path.join(HERE, 'original_hosts'), 'BATCHCOMPUTE_PORT': api_port, 'OSS_PORT': oss_port,
}


def run(words, at='.'):
    done = subprocess.run(words, cwd=os.path.join(folder, at), env=environment, stdin=subprocess.DEVNULL, timeout=PATIENCE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert 'Traceback' not in done.stdout, done.stdout
    return done.stdout


def bcs(*words, at='.'):
    out = run([os.path.join(PROGRAMS, 'bcs'), *words], at)
    assert '  ERROR: ' not in out, (words, out)
    return out


def refused(said, *words):
    out = run([os.path.join(PROGRAMS, 'bcs'), *words])
    assert '  ERROR: ' in out and said in out, (words, out)


def has(out, *said):
    """Whether all of it is said in this order, whatever the spaces."""
    rest = re.sub(r' +', ' ', out)
    for each in said:
        assert each in rest, (each, out)
        rest = rest.split(each, 1)[1]


def rows(out):
    """The rows of all tables with a head, by its names."""
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in out.splitlines() if line.startswith('|')]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def column(out, name):
    return [row[name] for row in rows(out)]


def write(path, text):
    path = os.path.join(folder, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as file:
        file.write(text)


def read(path):
    with open(os.path.join(folder, path)) as file:
        return file.read()


def created(out):
    return re.search(r'^Job created: (job-0[0-9A-F]{31})$', out, re.M).group(1)


def state(job):
    return [row['State'] for row in rows(bcs('j', '-a')) if row.get('Id') == job][0]


def ended(job, wanted='Finished'):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = state(job)
        if found in ('Finished', 'Failed', 'Stopped'):
            assert found == wanted, (found, bcs('j', job), bcs('log', job))
            return
    raise AssertionError(f'{job} does not end')


def log_in():
    assert bcs('set', '-s', 'false') == 'done\n'
    refused('SignatureNotMatch', 'login', REGION, key_id, 'guess')
    refused('You need to login first', 'j')
    out = bcs('login', REGION, key_id, key_secret)
    has(out, 'default osspath is recommended to set', 'defaultimage: img-ubuntu', 'login success')
    refused('bucket `nobucket` does not exist', 'set', '-o', 'oss://nobucket/x')
    assert bcs('set', '-o', OSS[:-1]) == 'done\n'
    refused("'ecs.none' is invalid", 'set', '-t', 'ecs.none')
    bcs('set', '-t', 'ecs.sn1.medium')
    has(bcs('set'), f'region: {REGION}', f'accesskeyid: {key_id}', 'accesskeysecret: SEC******456', f'osspath: {OSS}', 'ssl: false',
        'defaultimage: img-ubuntu', 'defaulttype: ecs.sn1.medium')
    assert bcs('login', REGION, key_id, key_secret).endswith('login success\n')


def what_there_is():
    has(bcs('t'), 'Instance types:', '| ecs.sn1.medium | 2 | 4 |', '| bcs.a2.large | 4 | 8 |', 'Spot Instance types:', '| ecs.sn1.medium | 2 | 4 |')
    assert column(bcs('r'), 'Name') == ['OnDemand', 'Spot']
    has(bcs('d'), 'System Disk Types:', 'cloud_efficiency', 'Data Disk Types:', 'cloud_efficiency')
    has(bcs('e'), 'OnClusterDeleted', 'OnInstanceFinished')
    images = rows(bcs('img'))
    assert [image['Id'] for image in images if image['Type'] == 'System'][:2] == ['img-ubuntu', 'img-ubuntu-vpc'], images
    has(bcs('img', '1'), 'exec: bcs image img-ubuntu', 'Name: img-ubuntu', 'Platform: Linux (System)')
    made = bcs('ci', 'mine', 'm-28ga7wbnb', '-d', 'an image').strip().split('Image create: ')[1]
    own = [image for image in rows(bcs('img')) if image['Id'] == made][0]
    assert (own['Name'], own['EcsImageId'], own['Type']) == ('mine', 'm-28ga7wbnb', 'Self'), own
    has(bcs('img', made), 'an image')
    has(bcs('di', made, '-y'), f'exec: bcs delete_image {made}', 'done')
    assert made not in bcs('img')


def a_job_with_a_package():
    write('program/main.py', "import os\nprint('from the package', os.environ['BATCH_COMPUTE_DAG_INSTANCE_ID'])\n")
    write('program/lib/words.txt', 'a word\n')
    out = bcs('sub', 'echo hello; python3 main.py; cat lib/words.txt; echo $K >&2', 'night', '-p', 'program', '-n', '2', '-e', 'K:v,L:w',
              '--timeout', '100', '--priority', '7', '-d', 'by night')
    has(out, 'packing folder..', 'add main.py', 'Upload: ', f'==> {OSS}')
    job = created(out)
    ended(job)
    row = rows(bcs('j'))[0]
    assert (row['No.'], row['Id'], row['Name'], row['Counts']) == ('1.', job, 'night', '1 / 1'), row
    assert row['StartTime'] != 'null' and row['EndTime'] != 'null', row
    has(bcs('j', '1'), f'exec: bcs j {job}', f'Id: {job}', 'Name: night', 'State: Finished', 'JobFailOnInstanceFail: True AutoRelease: False',
        'Type: DAG', 'Priority: 7', 'Description: by night', '| 1. | task | Finished | 2 / 2 |', 'img=img-ubuntu:type=ecs.sn1.medium')
    has(bcs('j', '1', '1'), f'exec: bcs j {job} task', 'Timeout: 100 MaxRetryCount: 0 WriteSupport: True', 'CommandLine: echo hello; python3 main.py',
        f'PackagePath: {OSS}', 'K: v', f'StdoutRedirectPath:: {OSS}', '| 0 | Finished | 100% | 0 |', '| 1 | Finished | 100% | 0 |')
    has(bcs('j', job, 'task', '1'), f'/logs/stdout.{job}.task.1', f'/logs/stderr.{job}.task.1', '-stdout-', 'hello\nfrom the package 1\na word', '-stderr-', 'v\n')
    has(bcs('log', job), 'Stdout [TaskName:task, InstanceId:0]', 'hello\nfrom the package 0\na word\n', 'Stderr [TaskName:task, InstanceId:0]', 'v\n',
        'Stdout [TaskName:task, InstanceId:1]', 'from the package 1')
    assert 'hello' not in bcs('log', job, 'task', '0', '-e')
    assert bcs('log', job, '-d', 'logs').endswith('done\n')
    assert read(f'logs/stdout.{job}.task.1') == 'hello\nfrom the package 1\na word\n'
    assert json.loads(read(f'logs/result.{job}.task.1')) == {'ExitCode': 0, 'ErrorCode': '', 'ErrorMessage': '', 'Detail': ''}
    has(bcs('check', job), 'JobName: night (Finished)', 'TaskName: task (Finished)', 'InstanceId: 0 (Finished)', 'InstanceId: 1 (Finished)')
    assert column(bcs('j', '-s', 'finished', '-n', 'night', '-t', '1'), 'Id') == [job]
    assert column(bcs('j', '-s', 'failed', '-n', 'night'), 'Id') == []
    bcs('dj', job, '-y')


def mounts_and_mappings():
    write('in.txt', 'data\n')
    bcs('o', 'up', 'in.txt')
    job = created(bcs('sub', 'cat /home/in/hello.txt; ls /home/m/in.txt; echo out > /home/w/o.txt; echo lg > /home/l.log; exit 3', 'maps',
                      '-r', OSS + 'in.txt:/home/in/hello.txt', '-m', OSS + ':/home/m/:true', '-w', OSS + 'w/:/home/w/',
                      '--log_mapping', OSS + 'lm/:/home/l.log'))
    ended(job, 'Failed')
    has(bcs('j', job), 'State: Failed', 'Failed Message:', 'exit status 3', '| 1. | task | Failed | 1 / 1 |')
    has(bcs('j', job, 'task'), 'OutputMapping:', f'/home/w/: {OSS}w/', 'LogMapping:', f'/home/l.log: {OSS}lm/')
    has(bcs('log', job), 'Stdout [TaskName:task, InstanceId:0]', 'data\n/home/m/in.txt\n', 'Log [TaskName:task, InstanceId:0]',
        f'{OSS}lm/l.log.{job}.task.0', 'lg\n')
    has(bcs('check', job), 'JobName: maps (Failed)', 'Result [TaskName:task, InstanceId:0]', '"ExitCode": 3')
    assert bcs('o', 'cat', 'w/o.txt').strip() == 'out'
    bcs('dj', job, '-y')


def what_is_refused():
    refused('`cls-none` is no cluster', 'sub', 'true', '-c', 'cls-none')
    refused('is a network file system', 'sub', 'true', '-m', 'nas://x.nas.aliyuncs.com:/:/home/nas/')
    refused('`ecs.none` is no instance type', 'sub', 'true', '-t', 'ecs.none')
    refused('Invalid docker option format', 'sub', 'true', '--docker', 'nginx')
    refused('InvalidResource.NotFound', 'j', 'job-000000005C49BE3100006A5F00301D8E')
    refused('NotFound App named nothing', 'asub', 'nothing')


def jobs_are_changed():
    job = created(bcs('sub', 'sleep 300', 'long'))
    refused('StateConflict', 'uj', job, '-p', '5', '-y')
    has(bcs('sj', job, '-y'), f'exec: bcs stop_job {job}', 'done')
    refused('The current resource state is Stopped', 'sj', job, '-y')
    assert state(job) == 'Stopped'
    bcs('uj', job, '-p', '5', '-y')
    has(bcs('j', job), 'Priority: 5')
    has(bcs('rj', job, '-y'), f'exec: bcs restart_job {job}', 'done')
    assert state(job) in ('Waiting', 'Running')
    # Stops it first, and does not wait.
    has(bcs('dj', job, '-y'), f'exec: bcs delete_job {job}', 'done')
    refused('InvalidResource.NotFound', 'j', job)
    assert job not in bcs('j', '-a')


def jobs_of_several_tasks():
    write('job.cfg', f'''[DEFAULT]
job_name=chain
description=of a file
deps=first->second,third
force=true
env=ALL:1
[first]
cmd=echo first $ALL
[second]
cmd=echo second $OWN
env=OWN:2
nodes=2
[third]
cmd=echo third
''')
    out = bcs('sub', '--file', 'job.cfg')
    job = created(out)
    ended(job)
    has(bcs('j', job), 'Name: chain', 'JobFailOnInstanceFail: False', 'DAG:', 'first', 'Tasks:', '| 1. | first | Finished | 1 / 1 |')
    has(bcs('log', job, 'second', '1'), 'second 2\n')
    has(bcs('log', job, 'first'), 'first 1\n')
    description = json.loads(bcs('sub', 'echo x', '--show_json'))
    description['DAG']['Tasks']['task']['Timeout'] = 77
    write('description.json', json.dumps(description))
    other = created(bcs('cj', '-f', 'description.json'))
    ended(other)
    has(bcs('j', other, 'task'), 'Timeout: 77')
    bcs('dj', f'{job},{other}', '-y')


def clusters():
    made = bcs('cc', 'c1', '-n', '2', '-t', 'bcs.a2.large', '-u', 'A:b', '-e', 'E:f', '--disk', 'system:default:40,data:cloud:500:/home/data',
               '-d', 'a cluster', '-m', OSS + ':/home/cli/')
    cluster = re.search(r'Cluster created: (cls-\w+)', made).group(1)
    row = [row for row in rows(bcs('c')) if row['Id'] == cluster][0]
    assert (row['Name'], row['State'], row['Counts']) == ('c1', 'Active', '2 / 2'), row
    has(bcs('c', cluster, '-l'), f'Id: {cluster}', 'ImageId: img-ubuntu', 'System Disk: / (cloud_efficiency) 40GB', 'Data Disk: /home/data (cloud) 500GB',
        f'/home/cli/ <- {OSS}', 'Description: a cluster', 'Running: 2', 'A : b', 'E : f', '| 1. | group | 2 / 2 | bcs.a2.large, 4Cores, 8GB | OnDemand |',
        'Operation Logs:', 'Creating cluster successfully')
    assert bcs('uc', cluster, '-n', '3', '-e', 'E:g', '-y') == 'done\n'
    nodes = [row for row in rows(bcs('c', cluster, 'group')) if row.get('No.')]
    assert '3 / 3' in nodes[0].values(), nodes
    found = re.findall(r'\| (ins-\w+) +\| (\S+) +\| (\S+) .*Running', bcs('c', cluster, 'group'))
    assert len(found) == 3, found
    has(bcs('rci', cluster, 'group', found[0][0], '-y'), 'done')
    has(bcs('dci', cluster, 'group', found[1][0], '-y'), 'done')
    nodes = bcs('c', cluster, 'group')
    assert '2 / 2' in nodes and found[0][0] not in nodes and found[1][0] not in nodes, nodes
    assert json.loads(bcs('c', cluster, '-d').split('\n', 1)[1])['EnvVars'] == {'E': 'g'}
    job = created(bcs('sub', 'echo $E $BATCH_COMPUTE_CLUSTER_ID; ls /home/cli/in.txt', '-c', cluster))
    ended(job)
    has(bcs('j', job), cluster)
    has(bcs('log', job), f'g {cluster}\n/home/cli/in.txt\n')
    spot = re.search(r'cls-\w+', bcs('cc', 'c2', '-n', '1', '--resource_type', 'Spot', '--spot_price_limit', '0.5')).group()
    bcs('uc', spot, '-n', '0', '--spot_price_limit', '0.7', '-y')
    has(bcs('c', spot), '| 1. | group | 0 / 0 | ecs.sn1.medium, 2Cores, 4GB | Spot, <=0.7 |')
    has(bcs('dc', f'{cluster},{spot}', '-y'), f'exec: bcs delete_cluster {cluster}', 'done')
    end = time.monotonic() + PATIENCE
    while cluster in bcs('c') and time.monotonic() < end:
        pass
    assert 'Total: 0' in bcs('c')
    bcs('dj', job, '-y')


def apps():
    write('in.txt', 'data\n')
    made = bcs('ca', 'copy', 'cp ${in} ${out}; echo ${greeting}', '-i', 'img-ubuntu', '--inputs', 'in:String:/home/in/in.txt:what,greeting:String:::hello',
               '--outputs', 'out:String:/home/out/res.txt', '-t', 'ecs.sn1.medium:true', '-e', 'A:b')
    assert made.strip() == 'App created: copy', made
    listed = rows(bcs('a'))
    assert [(row['Name'], row['Scope']) for row in listed if row['Name'] in ('copy', ':cromwell')] == [(':cromwell', 'Public'), ('copy', 'Private')], listed
    has(bcs('a', 'copy'), 'Name: copy', 'InputParameters:', '/home/in/in.txt', 'OutputParameters:', '/home/out/res.txt', 'InstanceType', 'Revisions:', '| 0 |')
    has(bcs('asub', 'copy', '-h'), '--input_in', 'what', '--input_greeting', 'Default: hello', '--output_out')
    job = created(bcs('asub', 'copy', 'aj', '--input_from_file_in', 'in.txt', '--output_out', OSS + 'res.txt'))
    ended(job)
    has(bcs('j', job), 'Name: aj', 'Type: App', '| 1. | task | Finished |')
    has(bcs('j', job, 'task'), 'AppName: copy', 'Inputs:', f'in: {OSS}', 'Outputs:', f'out: {OSS}res.txt', '| 0 | Finished | 100% |')
    has(bcs('j', job, 'task', '0'), f'{OSS}res.txt', 'hello')
    assert bcs('o', 'cat', OSS + 'res.txt').strip() == 'data'
    assert 'done' in bcs('ua', 'copy', 'tr a-z A-Z < ${in} > ${out}', '-y')
    has(bcs('a', 'copy'), 'Revisions:', '| 0 |', '| 1 |')
    has(bcs('a', 'copy', '1'), 'CommandLine: tr a-z A-Z', 'ECSImageId: img-ubuntu', 'A: b', '| out | null | String | /home/out/res.txt |')
    has(bcs('a', 'copy', '0', '-d'), '"CommandLine": "cp ${in} ${out}; echo ${greeting}"')
    again = created(bcs('asub', 'copy', 'aj', '--iin', OSS + 'res.txt', '--oout', OSS + 'upper.txt'))
    ended(again)
    assert bcs('o', 'cat', OSS + 'upper.txt').strip() == 'DATA'
    bcs('da', 'copy', '0', '-y')
    bcs('da', 'copy', '-y')
    refused('InvalidResource.NotFound', 'a', 'copy')
    bcs('dj', f'{job},{again}', '-y')


def objects():
    write('up/a.txt', 'one\n')
    write('up/sub/b.txt', 'two\n')
    write('up/empty', '')
    has(bcs('o', 'pwd'), f'osspath : {OSS}', 'bucket : batchyard', 'key : cli/')
    has(bcs('o', 'up', 'up', OSS + 'up/'), 'upload folder: ', f'=> {OSS}up/sub/b.txt', '100%', 'done (')
    assert bcs('o', 'ls', 'up/').splitlines() == [f'exec: bcs o ls {OSS}up/', 'sub/', 'a.txt (4B)', 'empty (0B)']
    os.makedirs(os.path.join(folder, 'down'))
    has(bcs('o', 'down', OSS + 'up/', './down'), 'Download folder : ', 'done (')
    assert (read('down/a.txt'), read('down/sub/b.txt'), read('down/empty')) == ('one\n', 'two\n', '')
    bcs('o', 'down', 'up/a.txt', 'one.txt')
    assert read('one.txt') == 'one\n'
    assert bcs('o', 'cat', 'up/a.txt', 'up/sub/b.txt').split() == ['one', 'two']
    has(bcs('o', 'cp', OSS + 'up/a.txt', OSS + 'copied.txt'), 'done')
    has(bcs('o', 'cp', OSS + 'up/', OSS + 'cp/'), 'cli/cp/b.txt done')
    assert bcs('o', 'ls', 'cp/').splitlines()[1:] == ['a.txt (4B)', 'b.txt (4B)', 'empty (0B)']
    assert bcs('o', 'cat', 'copied.txt').strip() == 'one'
    big = os.urandom(9 << 20)
    with open(os.path.join(folder, 'big.bin'), 'wb') as file:
        file.write(big)
    bcs('o', 'up', 'big.bin', 'big/')
    bcs('o', 'down', 'big/big.bin', 'again.bin')
    with open(os.path.join(folder, 'again.bin'), 'rb') as file:
        assert file.read() == big
    has(bcs('o', 'del', 'up/', '-y'), 'done')
    assert bcs('o', 'ls', 'up/').splitlines()[1:] == []
    refused('NoSuchKey', 'o', 'cat', 'up/none')
    refused('NoSuchBucket', 'o', 'ls', 'oss://nobucket/x/')


def a_project():
    bcs('set', '-g', '1')
    has(bcs('gen', 'demo', '-t', 'python'), 'init with [python] template', 'Done')
    bcs('o', 'up', write_log(), OSS + 'count/log.txt')
    conf = read('demo/src/conf.py')
    for name, value in (('access_key_id', key_id), ('access_key_secret', key_secret), ('data_path', OSS + 'count/log.txt')):
        assert f"'{name}': ''" in conf, conf
        conf = conf.replace(f"'{name}': ''", f"'{name}': '{value}'")
    write('demo/src/conf.py', conf)
    # The template is for Python 2 and brings an object store library that runs there only: this machine's Python, with
    # the library of today, stands for it.
    subprocess.run(['rm', '-r', os.path.join(folder, 'demo/src/oss2')], check=True)
    write('demo/job.json', read('demo/job.json').replace('"python ', f'"{sys.executable} '))
    has(bcs('p', 'build', at='demo'), 'add split.py', 'Done')
    has(bcs('p', 'st', at='demo'), 'Name: log-count', 'DAG:', 'split', 'count', 'merge', 'Task Descriptions:', '1.split', '2.count', 'InstanceCount: 3', '3.merge', 'OK')
    has(bcs('p', 'update', '-c', 'img=img-ubuntu:type=ecs.sn1.large', at='demo'), 'task[count] use cluster', 'Done')
    job = created(bcs('p', 'submit', at='demo'))
    ended(job)
    has(bcs('j', job), 'Name: log-count', '| 1. | split | Finished | 1 / 1 |', '| 2. | count | Finished | 3 / 3 |', '| 3. | merge | Finished | 1 / 1 |',
        'img=img-ubuntu:type=ecs.sn1.large')
    assert json.loads(bcs('o', 'cat', 'count/merge_result.json')) == {'INFO': 4000, 'WARN': 4000, 'ERROR': 0, 'DEBUG': 0}
    for kind in ('shell', 'java', 'empty'):
        has(bcs('gen', kind, '-t', kind), 'Done')
    bcs('p', 'build', at='shell')
    job = created(bcs('p', 'submit', at='shell'))
    ended(job)
    has(bcs('log', job), job, 'print')
    bcs('set', '-g', '0')


def write_log():
    write('log.txt', 'INFO a\nWARN b\n' * 4000)
    return 'log.txt'


def a_workflow():
    has(bcs('gen', 'small', '-t', 'wdl'), 'init with [wdl] template', 'Done')
    out = run(['sh', 'main.sh'], 'small')
    has(out, 'Upload: src/echo.wdl ==> ', 'Upload: src/inputs.json ==> ')
    job = created(out)
    ended(job)
    has(bcs('j', job, 'task'), 'AppName: :cromwell', f'WORKING_DIR: {OSS}worker_dir/', f'OUTPUTS_DIR: {OSS}outputs/', 'ClassicNetwork: False')
    has(bcs('log', job), 'is Succeeded')
    has(bcs('o', 'ls', OSS + 'worker_dir/'), 'wf_echo/')
    has(bcs('o', 'ls', OSS + 'outputs/'), 'workflow_metadata.json')
    metadata = json.loads(bcs('o', 'cat', OSS + 'outputs/workflow_metadata.json'))
    assert metadata['outputs']['wf_echo.echo.content'] == ['Hello World!'], metadata['outputs']
    has(bcs('check', job), 'JobName: wdl-job (Finished)', 'BillingInfo(cromwell):', '| wf_echo.echo | 1 | 2 |', 'Total core * hours')


def the_pipelines_of_the_guide():
    has(bcs('gen', 'demo-gatk', '-t', 'gatk'), 'init with [gatk] template', 'Done')
    for pipeline in ('gatk4-data-processing', 'gatk4-germline-snps-indels'):
        # The private app `cromwell` does not exist: the client takes the public one.
        job = created(run(['sh', 'main.sh'], f'demo-gatk/{pipeline}'))
        has(bcs('j', job, 'task'), 'AppName: :cromwell', 'WDL: ', 'WORKFLOW_INPUTS: ', 'WORKFLOW_OPTIONS: ', f'WORKING_DIR: {OSS}', f'OUTPUTS_DIR: {OSS}')
        # Its data lie in a bucket of the original cloud.
        ended(job, 'Failed')
        has(bcs('j', job), 'Failed Message:', 'oss://genomics-public-data-beijing/', 'bucket `genomics-public-data-beijing` does not exist')


SEQUENCES = [
    log_in, what_there_is, a_job_with_a_package, mounts_and_mappings, what_is_refused, jobs_are_changed, jobs_of_several_tasks, clusters, apps, objects,
    a_project, a_workflow, the_pipelines_of_the_guide,
]
wanted = [each for each in SEQUENCES if not chosen or each.__name__ in chosen]
failed = []
for sequence in wanted:
    begun = time.monotonic()
    try:
        sequence()
        print(f'{sequence.__name__}: {time.monotonic() - begun:.1f} s', flush=True)
    except Exception:
        failed.append(sequence.__name__)
        traceback.print_exc()
        if sequence is log_in:
            break
if failed:
    sys.exit('failed: ' + ', '.join(failed))
print(f'{len(wanted)} sequences hold')
