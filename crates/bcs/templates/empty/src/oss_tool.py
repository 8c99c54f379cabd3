"""The object store with nothing but the standard library."""

import base64
import hashlib
import hmac
import os
import re
import shutil
from email.utils import formatdate
from urllib.parse import quote
from urllib.request import Request, urlopen

from conf import conf


def parse_oss_path(oss_path):
    """oss://bucket/key -> (bucket, key)"""
    bucket, _, key = oss_path[len('oss://'):].partition('/')
    return bucket, key


def _url(bucket, key):
    endpoint = os.environ.get('BATCH_COMPUTE_OSS_HOST') or 'localhost:8002'
    scheme, _, host = endpoint.rpartition('://')
    name = host.split(':')[0]
    # The bucket is part of the host, unless the host is a number or has no domain.
    if '.' not in name or re.match(r'^[0-9.]+$', name):
        return '%s://%s/%s/%s' % (scheme or 'http', host, bucket, quote(key))
    return '%s://%s.%s/%s' % (scheme or 'http', bucket, host, quote(key))


def _open(method, oss_path, data=None, size=None):
    bucket, key = parse_oss_path(oss_path)
    date = formatdate(usegmt=True)
    kind = 'application/octet-stream' if data is not None else ''
    text = '\n'.join([method, '', kind, date, '/%s/%s' % (bucket, key)])
    digest = hmac.new(conf['access_key_secret'].encode(), text.encode(), hashlib.sha1).digest()
    request = Request(_url(bucket, key), data=data, method=method)
    request.add_header('Date', date)
    request.add_header('Authorization', 'OSS %s:%s' % (conf['access_key_id'], base64.b64encode(digest).decode()))
    if data is not None:
        request.add_header('Content-Type', kind)
        request.add_header('Content-Length', str(size))
    return urlopen(request)


def download_file(oss_path, filename):
    with _open('GET', oss_path) as answer, open(filename, 'wb') as out:
        shutil.copyfileobj(answer, out)


def upload_file(filename, oss_path):
    with open(filename, 'rb') as data:
        _open('PUT', oss_path, data, os.path.getsize(filename)).close()


def put_data(text, oss_path):
    data = text.encode('utf-8')
    _open('PUT', oss_path, data, len(data)).close()
