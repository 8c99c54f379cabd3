"""The original Python SDK, unmodified, against a server: what its own guide does, one function a capability.

    batchcompute_session.py API_PORT OSS_ENDPOINT KEY_ID KEY_SECRET FOLDER

The SDK itself checks the type of every field of every reply, so that each call here is also a check of the reply. Ends
with status 1 when a capability failed, and names it.
"""
import datetime
import sys
import tarfile
import time
import traceback
import uuid

import oss2
from batchcompute import Client, ClientError
from batchcompute.resources import (
    AppDescription, AppJobDescription, AutoCluster, ClusterDescription, Configs, DAG, GroupDescription, ImageDescription, JobDescription,
    ModifyClusterDescription, TaskDescription,
)

port, oss_endpoint, key_id, key_secret, folder = sys.argv[1:]
HOST = '127.0.0.1'
BUCKET = 'demo-bucket'
# Longest wait for anything, in seconds.
PATIENCE = 90

Client.register_region('cn-test', HOST, int(port))
client = Client(HOST, key_id, key_secret)
bucket = oss2.Bucket(oss2.Auth(key_id, key_secret), oss_endpoint, BUCKET)


def refused(call, status, code, words=''):
    try:
        call()
    except ClientError as error:
        found = (error.get_status_code(), error.get_code())
        assert found == (status, code), error
        assert error.get_requestid(), error
        assert words in error.get_msg(), error
        return error
    raise AssertionError(f'not refused: {code}')


def wait_for(what, done):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f'waited in vain for {what}')


def task(command, instances=1, package='', **fields):
    made = TaskDescription()
    made.Parameters.Command.CommandLine = command
    made.Parameters.Command.PackagePath = package
    made.Parameters.StdoutRedirectPath = f'oss://{BUCKET}/logs/'
    made.Parameters.StderrRedirectPath = f'oss://{BUCKET}/logs/'
    made.InstanceCount = instances
    made.AutoCluster = AutoCluster()
    made.AutoCluster.ImageId = 'img-ubuntu'
    made.AutoCluster.InstanceType = 'ecs.sn1.medium'
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def job(name, tasks, dependencies=None, **fields):
    made, dag = JobDescription(), DAG()
    for each, description in tasks.items():
        dag.add_task(task_name=each, task=description)
    if dependencies:
        dag.Dependencies = dependencies
    made.DAG, made.Name, made.Priority, made.JobFailOnInstanceFail = dag, name, 99, True
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def finished(job_id):
    errors = client.poll(job_id, timeout=PATIENCE, interval=0.05)
    assert not errors, (errors, client.get_job(job_id).Message)


def log(job_id, name, number=0, kind='Stdout'):
    path = getattr(client.get_instance(job_id, name, number), f'{kind}RedirectPath')
    assert path == f'oss://{BUCKET}/logs/{kind.lower()}.{job_id}.{name}.{number}', path
    return bucket.get_object(path.split('/', 3)[3]).read().decode()


def is_time(value):
    return isinstance(value, datetime.datetime)


def a_minimal_job():
    created = client.create_job(job('minimal', {'only': task('echo hello')}))
    assert created.StatusCode == 201 and created.RequestId, created
    assert created.Id.startswith('job-0') and len(created.Id) == 36, created.Id
    finished(created.Id)
    found = client.get_job(created)
    assert (found.Name, found.State, found.Priority, found.Message or '') == ('minimal', 'Finished', 99, ''), str(found)
    assert is_time(found.CreationTime) and is_time(found.StartTime) and is_time(found.EndTime)
    assert found.CreationTime <= found.StartTime <= found.EndTime
    for metrics in (found.TaskMetrics, found.InstanceMetrics):
        counts = [getattr(metrics, f'{state}Count') for state in ('Waiting', 'Running', 'Finished', 'Failed', 'Stopped')]
        assert counts == [0, 0, 1, 0, 0], counts
    assert log(created.Id, 'only') == 'hello\n'
    assert client.delete_job(created).StatusCode in (200, 202, 204)
    refused(lambda: client.get_job(created), 404, 'InvalidResource.NotFound')


SPLIT = '''import os
text = open('/home/in/log.txt').read().splitlines()
for part in range(3):
    with open('/home/parts/%d.txt' % part, 'w') as out:
        out.write('\\n'.join(text[part::3]))
'''
COUNT = '''import collections, json, os
number = os.environ['BATCH_COMPUTE_DAG_INSTANCE_ID']
lines = open('/home/parts/%s.txt' % number).read().split('\\n')
json.dump(collections.Counter(line.split()[0] for line in lines), open('/home/counts/%s.json' % number, 'w'))
'''
MERGE = '''import collections, json, os
total = collections.Counter()
for name in sorted(os.listdir('/home/counts')):
    total.update(json.load(open('/home/counts/' + name)))
json.dump(total, open('/home/result/result.json', 'w'), sort_keys=True)
'''


def split_count_and_merge():
    bucket.put_object('count/log.txt', 'INFO a\nWARN b\nINFO c\nDEBUG d\n' * 100)
    archive = f'{folder}/worker.tar.gz'
    with tarfile.open(archive, 'w:gz') as tar:
        for name, text in (('split.py', SPLIT), ('count.py', COUNT), ('merge.py', MERGE)):
            path = f'{folder}/{name}'
            with open(path, 'w') as file:
                file.write(text)
            tar.add(path, name)
    bucket.put_object_from_file('count/worker.tar.gz', archive)
    package, place = f'oss://{BUCKET}/count/worker.tar.gz', f'oss://{BUCKET}/count/'
    tasks = {
        'split': task('python3 split.py', package=package, InputMapping={place + 'log.txt': '/home/in/log.txt'},
                      OutputMapping={'/home/parts/': place + 'parts/'}),
        'count': task('python3 count.py', 3, package, InputMapping={place + 'parts/': '/home/parts/'},
                      OutputMapping={'/home/counts/': place + 'counts/'}),
        'merge': task('python3 merge.py', package=package, InputMapping={place + 'counts/': '/home/counts/'},
                      OutputMapping={'/home/result/': place + 'result/'}),
    }
    description = job('split-count-merge', tasks, {'split': ['count'], 'count': ['merge']}, Description='as in the guide')
    job_id = client.create_job(description).Id
    finished(job_id)
    assert bucket.get_object('count/result/result.json').read() == b'{"DEBUG": 100, "INFO": 200, "WARN": 100}'

    kept = client.get_job_description(job_id)
    assert (kept.Name, kept.Type, kept.Description) == ('split-count-merge', 'DAG', 'as in the guide'), str(kept)
    assert dict(kept.DAG.Dependencies)['split'] == ['count'], kept.DAG.Dependencies
    count = kept.DAG.get_task('count')
    assert (count.InstanceCount, count.Timeout, count.MaxRetryCount) == (3, 3600, 0), str(count)
    assert count.Parameters.Command.CommandLine == 'python3 count.py'
    assert count.AutoCluster.InstanceType == 'ecs.sn1.medium'
    assert count.OutputMapping['/home/counts/'] == place + 'counts/'

    tasks = client.list_tasks(job_id, '', 100)
    assert sorted(each.TaskName for each in tasks.Items) == ['count', 'merge', 'split'] and tasks.NextMarker == ''
    assert {each.State for each in tasks.Items} == {'Finished'}
    ends = {each.TaskName: (each.StartTime, each.EndTime) for each in tasks.Items}
    assert ends['split'][1] <= ends['count'][0] and ends['count'][1] <= ends['merge'][0], ends
    one = client.get_task(job_id, 'count')
    assert (one.InstanceMetrics.FinishedCount, one.InstanceMetrics.WaitingCount) == (3, 0)
    first = client.list_instances(job_id, 'count', '', 2)
    rest = client.list_instances(job_id, 'count', first.NextMarker, 2)
    assert [each.InstanceId for each in list(first.Items) + list(rest.Items)] == [0, 1, 2] and rest.NextMarker == ''
    instance = client.get_instance(job_id, 'count', 1)
    assert (instance.State, instance.RetryCount, instance.Progress, instance.Result.ExitCode) == ('Finished', 0, 100, 0), str(instance)
    assert is_time(instance.StartTime) and is_time(instance.EndTime) and instance.NodeIp
    # The helper starts lists of instances with the number 0.
    assert len(list(client.easy_list('instances', job_id, 'count', State='Finished'))) == 3
    assert [each.TaskName for each in client.easy_list('tasks', job_id, TaskName=lambda name: name.startswith('m'))] == ['merge']
    client.delete_job(job_id)


def failures_are_told():
    failing = task('echo bad >&2; exit 3', 2, MaxRetryCount=1)
    job_id = client.create_job(job('failing', {'bad': failing, 'never': task('true')}, {'bad': ['never']})).Id
    assert client.poll([job_id], timeout=PATIENCE, interval=0.05) == [f'Job {job_id} failed.']
    found = client.get_job(job_id)
    assert found.State == 'Failed' and found.Message, str(found)
    ended = [each for each in client.list_instances(job_id, 'bad', '', 100).Items if each.State == 'Failed']
    assert ended and ended[0].RetryCount == 1, [str(each) for each in ended]
    assert ended[0].Result.ExitCode == 3 and ended[0].Result.ErrorCode and ended[0].Result.ErrorMessage
    assert 'bad' in log(job_id, 'bad', ended[0].InstanceId, 'Stderr')
    never = client.list_instances(job_id, 'never', '', 100).Items
    assert [(each.StartTime, each.EndTime) for each in never] == [(None, None)] or never[0].State == 'Stopped', str(never[0])
    client.delete_job(job_id)
    tolerated = client.create_job(job('tolerated', {'bad': task('exit 1')}, JobFailOnInstanceFail=False)).Id
    finished(tolerated)
    assert client.get_job(tolerated).InstanceMetrics.FailedCount == 1
    slow = client.create_job(job('slow', {'slow': task('sleep 300', Timeout=1)})).Id
    assert client.poll(slow, timeout=PATIENCE, interval=0.05) == [f'Job {slow} failed.']
    assert client.get_instance(slow, 'slow', 0).Result.ErrorCode == 'Timeout'


def stop_start_priority_and_delete():
    job_id = client.create_job(job('long', {'long': task('test -e /home/in/go || sleep 300', InputMapping={f'oss://{BUCKET}/go/': '/home/in/'})})).Id
    wait_for('the job to run', lambda: client.get_job(job_id).State == 'Running')
    assert client.get_job(job_id).EndTime is None
    refused(lambda: client.delete_job(job_id), 409, 'StateConflict', 'The current resource state is Running')
    refused(lambda: client.start_job(job_id), 409, 'StateConflict')
    refused(lambda: client.change_job_priority(job_id, 5), 409, 'StateConflict')
    assert client.stop_job(job_id).StatusCode in (200, 201)
    assert client.get_job(job_id).State == 'Stopped'
    refused(lambda: client.stop_job(job_id), 409, 'StateConflict')
    assert client.change_job_priority(job_id, 5).StatusCode in (200, 201)
    assert client.get_job(job_id).Priority == 5
    bucket.put_object('go/go', b'')
    assert client.start_job(job_id).StatusCode in (200, 201)
    finished(job_id)
    refused(lambda: client.start_job(job_id), 409, 'StateConflict')
    client.delete_job(job_id)
    # Stopping and deleting without waiting.
    job_id = client.create_job(job('gone', {'long': task('sleep 300')})).Id
    client.stop_job(job_id)
    client.delete_job(job_id)
    refused(lambda: client.get_job_description(job_id), 404, 'InvalidResource.NotFound')
    errors = client.poll([client.create_job(job('late', {'long': task('sleep 300')})).Id], timeout=0.5, interval=0.05)
    assert errors == ['Timeout(0.5).'], errors


def lists_of_jobs():
    made = [client.create_job(job(f'listed{number}', {'t': task('true')})).Id for number in range(5)]
    finished(made)
    listed, marker = [], ''
    while True:
        page = client.list_jobs(marker, 2)
        assert len(page.Items) <= 2
        listed += [each.Id for each in page.Items]
        marker = page.NextMarker
        if not marker:
            break
    assert set(made) <= set(listed) and len(set(listed)) == len(listed), listed
    assert set(made) <= {each.Id for each in client.list_jobs('', 100, state='Finished').Items}
    assert not set(made) & {each.Id for each in client.list_jobs('', 100, state='Running').Items}
    assert len(list(client.list_jobs('', 100, OrderBy='CreationTime', IsReverse='True').Items)) >= 5
    found = list(client.easy_list('jobs', Name='listed3', State=['Finished', 'Waiting']))
    assert [each.Id for each in found] == [made[3]]
    for each in made:
        client.delete_job(each)


def tokens_repeat_nothing():
    token = uuid.uuid4().hex
    description = job('once', {'t': task('true')})
    first = client.create_job(description, token).Id
    assert client.create_job(description, token).Id == first
    refused(lambda: client.create_job(job('other', {'t': task('true')}), token), 400, 'IdempotentTokenMismatch')
    finished(first)


def errors():
    refused(lambda: client.get_job('job-000000005C49BE3100006A5F00301D8E'), 404, 'InvalidResource.NotFound', 'Specified resource is not found')
    refused(lambda: client.create_job(job('1 bad', {'t': task('true')})), 400, 'InvalidParameter', '`Name`')
    refused(lambda: client.create_job(job('cycle', {'a': task('true'), 'b': task('true')}, {'a': ['b'], 'b': ['a']})), 400, 'BadDAG')
    refused(lambda: client.create_job(job('lost', {'t': task('true', ClusterId='cls-none')})), 400, 'InvalidClusterId')
    refused(lambda: Client(HOST, key_id, 'guess').list_jobs('', 1), 400, 'SignatureNotMatch')
    refused(lambda: Client(HOST, 'nobody', key_secret).list_jobs('', 1), 403, 'InvalidAccessKeyId.NotFound')
    # Filters and a session token are signed too.
    assert Client(HOST, key_id, key_secret, 'STSTOKEN').list_jobs('', 10, state='Running', OrderBy='CreationTime').NextMarker == ''


def clusters():
    description = ClusterDescription()
    group = GroupDescription()
    group.DesiredVMCount, group.InstanceType, group.ResourceType = 1, 'bcs.a2.large', 'OnDemand'
    description.add_group('group1', group)
    description.add_group('spot', GroupDescription({
        'DesiredVMCount': 0, 'InstanceType': 'bcs.a2.large', 'ResourceType': 'Spot', 'SpotStrategy': 'SpotAsPriceGo',
    }))
    description.Name, description.Description, description.ImageId = 'cluster-1', 'of the SDK', 'img-ubuntu'
    description.UserData, description.EnvVars = {'DATA': 'data'}, {'ENV': 'old'}
    description.Configs = Configs()
    description.Configs.add_system_disk(50, 'cloud_efficiency')
    created = client.create_cluster(description)
    cluster = created.Id
    assert created.StatusCode == 201 and cluster.startswith('cls-')
    found = client.get_cluster(cluster)
    assert (found.Name, found.State, found.ImageId) == ('cluster-1', 'Active', 'img-ubuntu'), str(found)
    assert isinstance(found.OwnerId, int) and is_time(found.CreationTime) and found.OperationLogs
    assert (found.UserData, found.EnvVars) == ({'DATA': 'data'}, {'ENV': 'old'}), str(found)
    group = found.Groups['group1']
    assert (group.DesiredVMCount, group.InstanceType, group.ResourceType) == (1, 'bcs.a2.large', 'OnDemand'), str(found)
    assert found.Configs.Disks.SystemDisk.Size == 50
    wait_for('a node', lambda: client.get_cluster(cluster).Groups['group1'].ActualVMCount == 1)
    assert client.get_cluster(cluster).Metrics.RunningCount == 1
    assert cluster in [each.Id for each in client.list_clusters('', 100).Items]
    assert [each.Id for each in client.easy_list('clusters', Name='cluster-1')] == [cluster]

    on_it = client.create_job(job('on-cluster', {'t': task('echo $ENV $DATA $BATCH_COMPUTE_CLUSTER_ID', ClusterId=cluster)})).Id
    finished(on_it)
    assert log(on_it, 't') == f'old data {cluster}\n'
    assert [each.Id for each in client.list_jobs('', 100, cluster_id=cluster).Items] == [on_it]

    assert client.change_cluster_desired_vm_count(cluster, group1=3).StatusCode == 200
    wait_for('more nodes', lambda: client.get_cluster(cluster).Groups['group1'].ActualVMCount == 3)
    nodes = client.list_cluster_instances(cluster, 'group1', '', 2)
    assert len(nodes.Items) == 2 and nodes.NextMarker
    node = nodes.Items[0]
    assert node.State == 'Running' and node.HostName and node.IpAddress and is_time(node.CreationTime), str(node)
    assert client.get_cluster_instance(cluster, 'group1', node.Id).Id == node.Id
    client.recreate_cluster_instance(cluster, 'group1', node.Id)
    refused(lambda: client.get_cluster_instance(cluster, 'group1', node.Id), 404, 'InvalidResource.NotFound')
    other = client.list_cluster_instances(cluster, 'group1', '', 100).Items[0].Id
    client.delete_cluster_instance(cluster, 'group1', other)
    wait_for('one node less', lambda: client.get_cluster(cluster).Groups['group1'].DesiredVMCount == 2)

    client.change_cluster_env_vars(cluster, {'ENV': 'new'})
    client.change_cluster_user_data(cluster, {'MORE': '1'})
    client.change_cluster_spot_config(cluster, 'spot', 'SpotWithPriceLimit', 0.5)
    refused(lambda: client.change_cluster_spot_config(cluster, 'group1', 'SpotAsPriceGo'), 400, 'InvalidParameter', 'SpotStrategy')
    changes = ModifyClusterDescription({'Groups': {'group1': {'DesiredVMCount': 1}}, 'ImageId': 'img-ubuntu-vpc'})
    assert client.modify_cluster(cluster, changes).StatusCode == 200
    found = client.get_cluster(cluster)
    assert (found.EnvVars, found.UserData, found.ImageId) == ({'ENV': 'new'}, {'MORE': '1'}, 'img-ubuntu-vpc'), str(found)
    assert (found.Groups['spot'].SpotStrategy, found.Groups['spot'].SpotPriceLimit) == ('SpotWithPriceLimit', 0.5), str(found)
    client.delete_cluster(cluster)
    wait_for('the cluster to go', lambda: cluster not in [each.Id for each in client.list_clusters('', 100).Items])


def images():
    description = ImageDescription()
    description.Name, description.EcsImageId, description.Platform, description.Description = 'mine', 'm-28ga7wbnb', 'Linux', 'of the SDK'
    image = client.create_image(description).Id
    assert image.startswith('img-')
    found = client.get_image(image)
    assert (found.Name, found.EcsImageId, found.Platform, found.Type) == ('mine', 'm-28ga7wbnb', 'Linux', 'Self'), str(found)
    assert isinstance(found.OwnerId, int) and is_time(found.CreationTime)
    assert image in [each.Id for each in client.list_images('', 100).Items]
    assert 'img-ubuntu' in [each.Id for each in client.list_images('', 100, 'System').Items]
    client.delete_image(image)
    refused(lambda: client.get_image(image), 404, 'InvalidResource.NotFound')


APP = {
    'Name': 'copy', 'Description': 'copies', 'Daemonize': False, 'CommandLine': 'cp ${in} ${out}; echo ${count} $count',
    'VM': {'ECSImageId': 'img-ubuntu'}, 'EnvVars': {'K': 'v'},
    'InputParameters': {
        'in': {'Type': 'String', 'Default': None, 'LocalPath': '/home/in/file.txt', 'Description': 'what is copied'},
        'count': {'Type': 'Number', 'Default': 7, 'LocalPath': '', 'Description': ''},
    },
    'OutputParameters': {'out': {'Type': 'String', 'LocalPath': '/home/out/file.txt', 'Description': 'the copy'}},
    'Config': {'InstanceType': {'Default': 'ecs.sn1.medium', 'Description': '', 'Overwritable': True}},
}


def app_job(sync=False, **app):
    document = {
        'Name': 'app-job', 'Type': 'App', 'Description': 'of an app',
        'App': {
            'AppName': 'copy', 'Inputs': {'in': f'oss://{BUCKET}/app/in.txt'}, 'Outputs': {'out': f'oss://{BUCKET}/app/out.txt'},
            'Logging': {'StdoutPath': f'oss://{BUCKET}/logs/', 'StderrPath': f'oss://{BUCKET}/logs/'}, 'Config': {}, **app,
        },
    }
    return client.create_job(AppJobDescription(document), sync=sync)


def apps():
    created = client.create_app(AppDescription(APP))
    assert created.StatusCode == 201 and created.Id == 'copy', str(created)
    refused(lambda: client.create_app(AppDescription(APP)), 403, 'InvalidResource.AlreadyExisting')
    found = client.get_app('copy')
    assert (found.Name, found.Description) == ('copy', 'copies') and is_time(found.CreationTime), str(found)
    assert found.InputParameters['count'].Default == 7 and found.InputParameters['in'].Default is None
    assert 'copy' in [each.Name for each in client.list_apps().Items]
    assert 'cromwell' in [each.Name for each in client.list_apps('Public').Items]
    assert client.get_app('cromwell', 'Public').OutputParameters['OUTPUTS_DIR']
    refused(lambda: client.get_app('cromwell'), 404, 'InvalidResource.NotFound')

    bucket.put_object('app/in.txt', b'data of the app')
    job_id = app_job().Id
    finished(job_id)
    assert bucket.get_object('app/out.txt').read() == b'data of the app'
    name = client.list_tasks(job_id, '', 100).Items[0].TaskName
    assert log(job_id, name) == '7 7\n'
    assert client.get_instance(job_id, name, 0).get_output('out') == f'oss://{BUCKET}/app/out.txt'
    kept = client.get_job_description(job_id)
    assert (kept.Type, kept.App.AppName, kept.App.Inputs['in']) == ('App', 'copy', f'oss://{BUCKET}/app/in.txt'), str(kept)
    answer = app_job(sync=True)
    assert answer.get_output('out') == f'oss://{BUCKET}/app/out.txt' and is_time(answer.EndTime), str(answer)
    refused(lambda: app_job(Inputs={}), 400, 'MissingParameter', 'in')
    refused(lambda: app_job(AppName='none'), 400, 'InvalidParameter', '`none`')

    # The guide's example: only what is to change.
    detail = client.get_app_detail('copy')
    assert (detail.CommandLine, detail.VM.ECSImageId, detail.EnvVars) == (APP['CommandLine'], 'img-ubuntu', {'K': 'v'}), str(detail)
    assert client.modify_app('copy', {'Name': 'copy', 'CommandLine': 'tr a-z A-Z < ${in} > ${out}', 'VM': {'ECSImageId': 'img-ubuntu'}}).StatusCode == 200
    revisions = client.get_app_revisions('copy').Items
    assert [each.Revision for each in revisions] == [0, 1] and is_time(revisions[1].UpdateTime), [str(each) for each in revisions]
    assert client.get_app_detail('copy', '0').CommandLine == APP['CommandLine']
    assert client.get_app_detail('copy').InputParameters['count'].Default == 7
    finished(app_job().Id)
    assert bucket.get_object('app/out.txt').read() == b'DATA OF THE APP'
    client.delete_app('copy', '0')
    assert [each.Revision for each in client.get_app_revisions('copy').Items] == [1]
    client.delete_app('copy')
    refused(lambda: client.get_app('copy'), 404, 'InvalidResource.NotFound')


def quotas_and_resources():
    quotas = client.get_quotas()
    for name in ('ClusterInstanceType', 'SpotInstanceType', 'ClusterResourceType', 'ClusterInstanceSystemDiskType', 'ClusterInstanceDataDiskType'):
        found = getattr(quotas, 'Available' + name)
        assert found and all(isinstance(each, str) for each in found), name
    assert 'OnDemand' in quotas.AvailableClusterResourceType
    available = client.get_available_resource()
    types = {each['InstanceType']: each for each in available.AvailableClusterInstanceType}
    assert (types['ecs.sn1.medium']['CpuCore'], types['ecs.sn1.medium']['MemorySize']) == (2, 4), types['ecs.sn1.medium']
    assert available.AvailableSystemDiskType and available.AvailableDataDiskType and available.AvailableSpotInstanceType


CAPABILITIES = [
    a_minimal_job, split_count_and_merge, failures_are_told, stop_start_priority_and_delete, lists_of_jobs, tokens_repeat_nothing, errors, clusters,
    images, apps, quotas_and_resources,
]
try:
    bucket.create_bucket()
except oss2.exceptions.ServerError as error:
    assert error.code == 'BucketAlreadyExists', error
failed = []
for capability in CAPABILITIES:
    begun = time.monotonic()
    try:
        capability()
        print(f'{capability.__name__}: {time.monotonic() - begun:.1f} s', flush=True)
    except Exception:
        failed.append(capability.__name__)
        traceback.print_exc()
if failed:
    sys.exit('failed: ' + ', '.join(failed))
print(f'{len(CAPABILITIES)} capabilities hold')
