"""Leads the names of the original's hosts to servers of a test; the clients themselves stay as they were published.

BATCHCOMPUTE_PORT and OSS_PORT are the ports on this machine.
"""
import os
import re
import socket

HOSTS = (
    (re.compile(r'batchcompute\.[\w-]+\.aliyuncs\.com'), 'BATCHCOMPUTE_PORT'),
    (re.compile(r'([\w-]+\.)?oss-[\w-]+\.aliyuncs\.com'), 'OSS_PORT'),
)
_resolve = socket.getaddrinfo


def getaddrinfo(host, port, *args, **kwargs):
    for pattern, variable in HOSTS:
        if pattern.fullmatch(str(host)):
            return _resolve('127.0.0.1', int(os.environ[variable]), *args, **kwargs)
    return _resolve(host, port, *args, **kwargs)


socket.getaddrinfo = getaddrinfo
