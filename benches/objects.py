"""Measures the object store against the file system below it, in one run on the same disk.

Large objects: against `dd` with fsync of the same size. Small ones: against creating, writing and fsyncing as many files.
Alternates between both, so that what else the machine does hits both alike, and prints the medians and their ratios.
"""
import argparse
import base64
import email.utils
import hashlib
import hmac
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

arguments = argparse.ArgumentParser()
arguments.add_argument('--endpoint', required=True, help='the program that serves a folder')
arguments.add_argument('--folder', default=tempfile.gettempdir(), help='on the disk to be measured')
arguments.add_argument('--megabytes', type=int, default=1024)
arguments.add_argument('--files', type=int, default=10000)
arguments.add_argument('--connections', type=int, nargs='+', default=[1, 16])
arguments.add_argument('--repetitions', type=int, default=3)
options = arguments.parse_args()

home = tempfile.mkdtemp(prefix='objects-bench-', dir=options.folder)
server = subprocess.Popen([options.endpoint, os.path.join(home, 'store'), '0', 'ID:SECRET'], stdout=subprocess.PIPE, text=True)
host, port = server.stdout.readline().strip().removeprefix('http://').split(':')


def head(method, path, length):
    date = email.utils.formatdate(usegmt=True)
    text = f'{method}\n\n\n{date}\n{path}'
    signature = base64.b64encode(hmac.new(b'SECRET', text.encode(), hashlib.sha1).digest()).decode()
    return f'{method} {path} HTTP/1.1\r\nhost: {host}\r\ndate: {date}\r\nauthorization: OSS ID:{signature}\r\ncontent-length: {length}\r\n\r\n'.encode()


class Connection:
    def __init__(self):
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def answer(self):
        """The head of the next answer; its body, if it has one, is read and thrown away."""
        data = b''
        while b'\r\n\r\n' not in data:
            more = self.socket.recv(65536)
            assert more, 'the connection was closed'
            data += more
        start, _, body = data.partition(b'\r\n\r\n')
        assert start.startswith(b'HTTP/1.1 200'), data
        length = [int(line.split(b':')[1]) for line in start.split(b'\r\n') if line.lower().startswith(b'content-length')]
        left = (length[0] if length else 0) - len(body)
        buffer = bytearray(1 << 20)
        while left > 0:
            left -= self.socket.recv_into(buffer)
        return start

    def put(self, path, body):
        self.socket.sendall(head('PUT', path, len(body)) + body)
        self.answer()


def seconds(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def dd():
    target = os.path.join(home, 'dd')
    subprocess.run(['dd', f'if={source}', f'of={target}', 'bs=1M', 'conv=fsync'], check=True, stderr=subprocess.DEVNULL)
    os.unlink(target)


def put_large():
    connection = Connection()
    with open(source, 'rb') as file:
        connection.socket.sendall(head('PUT', '/bench/large', os.path.getsize(source)))
        connection.socket.sendfile(file)
    connection.answer()


def get_large():
    connection = Connection()
    connection.socket.sendall(head('GET', '/bench/large', 0))
    connection.answer()


small = os.urandom(4096)


def create_files():
    folder = os.path.join(home, 'files')
    os.mkdir(folder)
    for number in range(options.files):
        file = os.open(f'{folder}/{number}', os.O_CREAT | os.O_WRONLY)
        os.write(file, small)
        os.fsync(file)
        os.close(file)
    shutil.rmtree(folder)


def put_small(connections):
    def work(first):
        connection = Connection()
        for number in range(first, options.files, connections):
            connection.put(f'/bench/small/{number:07}', small)
    threads = [threading.Thread(target=work, args=(first,)) for first in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory():
    with open(f'/proc/{server.pid}/status') as status:
        lines = dict(line.split(':') for line in status if line.startswith(('VmHWM', 'RssAnon')))
    return ', '.join(f'{name} {int(value.split()[0]) // 1024} MB' for name, value in lines.items())


def compare(floor_name, floor, cases):
    times = {name: [] for name in [floor_name, *(name for name, _ in cases)]}
    for _ in range(options.repetitions):
        times[floor_name].append(seconds(floor))
        for name, work in cases:
            times[name].append(seconds(work))
    base = statistics.median(times[floor_name])
    for name, all_times in times.items():
        middle = statistics.median(all_times)
        print(f'{name:40} {middle:8.2f} s   rate against the floor {base / middle:5.2f}')


try:
    Connection().put('/bench/', b'')
    source = os.path.join(home, 'source')
    with open(source, 'wb') as file:
        block = os.urandom(1 << 20)
        for _ in range(options.megabytes):
            file.write(block)
    if options.megabytes:
        compare(f'dd of {options.megabytes} MB with fsync', dd, [('put', put_large), ('get', get_large)])
    if options.files:
        cases = [(f'put with {count} connections', lambda count=count: put_small(count)) for count in options.connections]
        compare(f'create and fsync {options.files} files of 4 kB', create_files, cases)
    print('memory of the server:', memory())
finally:
    server.kill()
    server.wait()
    shutil.rmtree(home)
