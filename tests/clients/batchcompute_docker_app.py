"""The guide's own example of an app with an image, through the original Python SDK, unmodified.

    batchcompute_docker_app.py API_PORT KEY_ID KEY_SECRET

The images `demodockerimage:0.1` and `:0.2` lie at `oss://demo-bucket/dockers/`; their program `tool` says which it is.
"""
import sys

from batchcompute import Client

port, key_id, key_secret = sys.argv[1:]
HOST = '127.0.0.1'
Client.register_region('cn-test', HOST, int(port))
client = Client(HOST, key_id, key_secret)


def description(tag):
    return {
        'Name': 'Docker-app-demo',
        'Daemonize': False,
        'Docker': {'Image': 'localhost:5000/demodockerimage:%s' % tag, 'RegistryOSSPath': 'oss://demo-bucket/dockers/'},
        'CommandLine': 'tool > /home/out/result.txt',
        'EnvVars': {},
    }


def run(target):
    job = {
        'Name': 'demo', 'Type': 'App',
        'App': {
            'AppName': 'Docker-app-demo', 'Inputs': {}, 'Outputs': {'result': 'oss://demo-bucket/%s' % target}, 'Config': {},
            'Logging': {'StdoutPath': 'oss://demo-bucket/logs/', 'StderrPath': 'oss://demo-bucket/logs/'},
        },
    }
    made = client.create_job(job)
    errors = client.poll(made.Id, timeout=90, interval=0.05)
    assert not errors, (errors, client.get_job(made.Id).Message)


first = description('0.1')
first['OutputParameters'] = {'result': {'Type': 'String', 'Default': None, 'LocalPath': '/home/out/result.txt', 'Description': ''}}
assert client.create_app(first).Name == 'Docker-app-demo'
run('first.txt')
changed = client.modify_app('Docker-app-demo', description('0.2'))
assert changed.StatusCode == 200, changed
run('second.txt')
print('all hold')
