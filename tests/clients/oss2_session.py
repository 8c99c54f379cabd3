"""The everyday operations of the object store's own Python client, one function each.

    oss2_session.py ENDPOINT v1|v4 path|host FOLDER

The keys are ID/SECRET (account `me`), OTHER/SECRET2 (account `you`) and VIEW/SECRET3 (account `me`, may only read).
With `host` the endpoint is a proxy, and buckets stand in the host name as in the original's addresses.
"""
import os
import sys
import time
import traceback
import urllib.parse

import oss2
import requests
from oss2.models import BucketCors, CorsRule, PartInfo, Tagging, TaggingRule

endpoint, version, style, folder = sys.argv[1:]
REGION = 'cn-test'
if style == 'host':
    address, proxies = f'http://oss-{REGION}.aliyuncs.com', {'http': endpoint}
else:
    address, proxies = endpoint, None


def auth(key='ID', secret='SECRET'):
    return (oss2.AuthV4 if version == 'v4' else oss2.Auth)(key, secret)


def bucket_of(who, name='first-bucket'):
    return oss2.Bucket(who, address, name, region=REGION, proxies=proxies, connect_timeout=20)


def service_of(who):
    return oss2.Service(who, address, region=REGION, proxies=proxies)


bucket = bucket_of(auth())


def refused(kind, call, status=None, code=None):
    try:
        call()
    except kind as error:
        assert status in (None, error.status), error
        assert code in (None, error.code), error
        assert error.status == 304 or error.request_id, error
        return error
    raise AssertionError(f'no {kind.__name__}')


def local(name, size):
    path = os.path.join(folder, name)
    with open(path, 'wb') as file:
        file.write(os.urandom(size))
    return path


def buckets():
    refused(oss2.exceptions.NoSuchBucket, lambda: bucket.get_object('k'))
    refused(oss2.exceptions.NoSuchBucket, lambda: bucket.get_object_meta('k'))
    bucket.create_bucket()
    bucket.create_bucket(oss2.BUCKET_ACL_PRIVATE)
    bucket_of(auth(), 'second-bucket').create_bucket(oss2.BUCKET_ACL_PUBLIC_READ)
    names = [found.name for found in oss2.BucketIterator(service_of(auth()))]
    assert names == ['first-bucket', 'second-bucket'], names
    assert [found.name for found in service_of(auth()).list_buckets(prefix='sec').buckets] == ['second-bucket']
    page = service_of(auth()).list_buckets(max_keys=1)
    assert page.is_truncated and page.next_marker == 'first-bucket'
    info = bucket.get_bucket_info()
    assert (info.name, info.acl.grant, info.owner.id, info.storage_class) == ('first-bucket', 'private', 'me', 'Standard')
    assert info.location == bucket.get_bucket_location().location == 'oss-local'
    assert bucket_of(auth(), 'second-bucket').get_bucket_acl().acl == 'public-read'
    bucket_of(auth(), 'second-bucket').put_bucket_acl(oss2.BUCKET_ACL_PRIVATE)
    assert bucket_of(auth(), 'second-bucket').get_bucket_acl().acl == 'private'
    refused(oss2.exceptions.ServerError, lambda: bucket_of(auth('OTHER', 'SECRET2')).create_bucket(), 409, 'BucketAlreadyExists')
    bucket_of(auth(), 'second-bucket').delete_bucket()
    refused(oss2.exceptions.NoSuchBucket, lambda: bucket_of(auth(), 'second-bucket').delete_bucket())


def objects():
    result = bucket.put_object('dir/hello ü+%.txt', 'hello', headers={'Content-Type': 'text/x', 'x-oss-meta-who': 'Ada', 'Cache-Control': 'no-cache'})
    assert result.etag == '5D41402ABC4B2A76B9719D911017C592' and result.crc, result.headers
    got = bucket.get_object('dir/hello ü+%.txt')
    assert got.read() == b'hello' and got.content_type == 'text/x' and got.headers['x-oss-meta-who'] == 'Ada'
    assert got.headers['cache-control'] == 'no-cache' and got.object_type == 'Normal' and got.server_crc == got.client_crc
    head = bucket.head_object('dir/hello ü+%.txt')
    assert head.content_length == 5 and head.etag == result.etag and abs(head.last_modified - time.time()) < 60
    meta = bucket.get_object_meta('dir/hello ü+%.txt')
    assert meta.content_length == 5 and meta.etag == result.etag
    assert bucket.object_exists('dir/hello ü+%.txt') and not bucket.object_exists('none')
    refused(oss2.exceptions.NoSuchKey, lambda: bucket.get_object('none'))
    refused(oss2.exceptions.NotFound, lambda: bucket.head_object('none'), 404, 'NoSuchKey')
    bucket.put_object('empty', b'')
    assert bucket.get_object('empty').read() == b''
    bucket.put_object('folder/', b'')
    assert bucket.head_object('folder/').content_length == 0
    bucket.put_object('generated', (f'{n}\n'.encode() for n in range(1000)))
    assert bucket.get_object('generated').read() == b''.join(b'%d\n' % n for n in range(1000))
    large = local('large', 3_000_000)
    bucket.put_object_from_file('large', large)
    bucket.get_object_to_file('large', large + '.back')
    assert open(large, 'rb').read() == open(large + '.back', 'rb').read()
    bucket.put_object('md5', b'x', headers={'Content-MD5': oss2.utils.content_md5(b'x')})
    refused(oss2.exceptions.InvalidDigest, lambda: bucket.put_object('md5', b'y', headers={'Content-MD5': oss2.utils.content_md5(b'x')}))
    assert bucket.get_object('md5').read() == b'x'
    bucket.put_object('compressed', b'z' * 10, headers={'Content-Encoding': 'identity'})
    bucket.update_object_meta('md5', {'x-oss-meta-new': 'yes', 'Content-Type': 'text/y'})
    assert bucket.head_object('md5').headers['x-oss-meta-new'] == 'yes'
    refused(oss2.exceptions.ServerError, lambda: bucket.put_object('md5', b'z', headers={'x-oss-forbid-overwrite': 'true'}), 409, 'FileAlreadyExists')
    refused(oss2.exceptions.ServerError, lambda: bucket.put_object('m', b'', headers={'x-oss-meta-big': 'x' * 9000}), 400, 'MetadataTooLarge')
    for key in ['a/../../b', './c', 'a//b', 'tab\tnew\nline', 'q?x=1&y#z', '汉字/文件', '%2F', ' leading', 'trailing ']:
        bucket.put_object(key, key.encode())
        assert bucket.get_object(key).read() == key.encode(), key
        assert key in [found.key for found in oss2.ObjectIterator(bucket, prefix=key)], key
        bucket.delete_object(key)


def ranges():
    bucket.put_object('digits', b'0123456789')
    assert bucket.get_object('digits', byte_range=(2, 4)).read() == b'234'
    got = bucket.get_object('digits', byte_range=(7, None))
    assert got.read() == b'789' and got.status == 206 and got.headers['content-range'] == 'bytes 7-9/10'
    assert bucket.get_object('digits', byte_range=(None, 3)).read() == b'789'
    assert bucket.get_object('digits', byte_range=(0, 100)).read() == b'0123456789'
    assert bucket.get_object('digits', byte_range=(100, 200)).read() == b'0123456789'
    assert bucket.get_object('empty', byte_range=(0, 100)).read() == b''
    strict = {'x-oss-range-behavior': 'standard'}
    refused(oss2.exceptions.ServerError, lambda: bucket.get_object('digits', byte_range=(100, 200), headers=strict), 416, 'InvalidRange')


def conditions():
    etag = bucket.head_object('digits').etag
    early, late = oss2.http_date(time.time() - 3600), oss2.http_date(time.time() + 3600)
    get = lambda **headers: bucket.get_object('digits', headers={name.replace('_', '-'): value for name, value in headers.items()})
    assert get(if_match=etag).read() and get(if_none_match='"x"').read() and get(if_modified_since=early).read() and get(if_unmodified_since=late).read()
    refused(oss2.exceptions.NotModified, lambda: get(if_none_match=etag))
    refused(oss2.exceptions.NotModified, lambda: get(if_modified_since=late))
    refused(oss2.exceptions.PreconditionFailed, lambda: get(if_match='"x"'))
    refused(oss2.exceptions.PreconditionFailed, lambda: get(if_unmodified_since=early))


def listings():
    keys = [f'list/{letter}/{number}' for letter in 'abc' for number in range(5)] + ['list/x', 'list/ü y']
    for key in keys:
        bucket.put_object(key, b'x')
    assert [found.key for found in oss2.ObjectIterator(bucket, prefix='list/', max_keys=4)] == sorted(keys, key=str.encode)
    assert [found.key for found in oss2.ObjectIteratorV2(bucket, prefix='list/', max_keys=4)] == sorted(keys, key=str.encode)
    for iterator in (oss2.ObjectIterator, oss2.ObjectIteratorV2):
        found = list(iterator(bucket, prefix='list/', delimiter='/', max_keys=2))
        assert [(entry.key, entry.is_prefix()) for entry in found] == [
            ('list/a/', True), ('list/b/', True), ('list/c/', True), ('list/x', False), ('list/ü y', False)], found
    page = bucket.list_objects(prefix='list/a/', marker='list/a/2')
    assert [entry.key for entry in page.object_list] == ['list/a/3', 'list/a/4'] and not page.is_truncated
    entry = page.object_list[0]
    assert (entry.size, entry.type, entry.storage_class, entry.owner.id) == (1, 'Normal', 'Standard', 'me') and len(entry.etag) == 32
    page = bucket.list_objects_v2(prefix='list/', start_after='list/c/4', fetch_owner=True)
    assert [entry.key for entry in page.object_list] == ['list/x', 'list/ü y'] and page.object_list[0].owner.id == 'me'
    refused(oss2.exceptions.InvalidArgument, lambda: bucket.list_objects(max_keys=1001))
    deleted = bucket.batch_delete_objects(keys[:10] + ['list/none'])
    assert sorted(deleted.deleted_keys) == sorted(keys[:10] + ['list/none'])
    assert len(list(oss2.ObjectIterator(bucket, prefix='list/'))) == len(keys) - 10
    odd = [' leading ', 'a&b<c>', 'tab\tnew\nline', '汉字 ü']
    for key in odd:
        bucket.put_object(key, b'')
    assert sorted(bucket.batch_delete_objects(odd).deleted_keys) == sorted(odd)
    assert not any(bucket.object_exists(key) for key in odd)
    assert bucket.get_bucket_stat().object_count >= len(keys) - 10


def copies():
    bucket.put_object('source ü', b'copied', headers={'x-oss-meta-a': '1', 'Content-Type': 'text/x'})
    result = bucket.copy_object('first-bucket', 'source ü', 'target')
    assert result.etag == bucket.head_object('source ü').etag
    head = bucket.head_object('target')
    assert head.headers['x-oss-meta-a'] == '1' and head.content_type == 'text/x'
    bucket.copy_object('first-bucket', 'source ü', 'target', headers={'x-oss-metadata-directive': 'REPLACE', 'x-oss-meta-b': '2'})
    head = bucket.head_object('target')
    assert head.headers['x-oss-meta-b'] == '2' and 'x-oss-meta-a' not in head.headers and bucket.get_object('target').read() == b'copied'
    refused(oss2.exceptions.PreconditionFailed, lambda: bucket.copy_object('first-bucket', 'source ü', 'target', headers={'x-oss-copy-source-if-match': 'x'}))
    refused(oss2.exceptions.NoSuchKey, lambda: bucket.copy_object('first-bucket', 'none', 'target'))


def appending():
    first = bucket.append_object('log', 0, b'one', init_crc=0)
    assert first.next_position == 3
    second = bucket.append_object('log', 3, b'two' * 10000, init_crc=first.crc)
    assert second.next_position == 30003 and bucket.get_object('log').read() == b'one' + b'two' * 10000
    head = bucket.head_object('log')
    assert head.object_type == 'Appendable' and head.headers['x-oss-next-append-position'] == '30003'
    error = refused(oss2.exceptions.PositionNotEqualToLength, lambda: bucket.append_object('log', 1, b'x'))
    assert error.next_position == 30003
    refused(oss2.exceptions.ObjectNotAppendable, lambda: bucket.append_object('target', 6, b'x'))


def uploads():
    path = local('resumable', 1_100_000)
    store = oss2.ResumableStore(root=folder)
    oss2.resumable_upload(bucket, 'resumed', path, store=store, multipart_threshold=200_000, part_size=150_000, num_threads=3,
                          headers={'x-oss-meta-via': 'parts', 'Content-Type': 'text/z'})
    head = bucket.head_object('resumed')
    assert head.object_type == 'Multipart' and head.etag.endswith('-8') and head.headers['x-oss-meta-via'] == 'parts'
    oss2.resumable_download(bucket, 'resumed', path + '.back', multiget_threshold=200_000, part_size=130_000, num_threads=3,
                            store=oss2.ResumableDownloadStore(root=folder))
    data = open(path, 'rb').read()
    assert open(path + '.back', 'rb').read() == data and bucket.get_object('resumed').read() == data
    bucket.copy_object('first-bucket', 'resumed', 'resumed-copy')
    assert bucket.get_object('resumed-copy').read() == data

    upload = bucket.init_multipart_upload('by hand').upload_id
    parts = []
    for number in (1, 2):
        result = bucket.upload_part('by hand', upload, number, bytes([number]) * 110_000)
        parts.append(PartInfo(number, result.etag, size=110_000, part_crc=result.crc))
    result = bucket.upload_part_copy('first-bucket', 'resumed', (10, 120_009), 'by hand', upload, 3)
    parts.append(PartInfo(3, result.etag))
    listed = list(oss2.PartIterator(bucket, 'by hand', upload, max_parts=2))
    assert [(part.part_number, part.size, part.etag) for part in listed] == [(1, 110_000, parts[0].etag), (2, 110_000, parts[1].etag), (3, 120_000, parts[2].etag)]
    other = bucket.init_multipart_upload('by hand too').upload_id
    assert [found.upload_id for found in oss2.MultipartUploadIterator(bucket, prefix='by hand', max_uploads=1)] == [upload, other]
    assert [found.upload_id for found in oss2.ObjectUploadIterator(bucket, 'by hand')] == [upload]
    refused(oss2.exceptions.ServerError, lambda: bucket.complete_multipart_upload('by hand', upload, [PartInfo(1, 'x')]), 400, 'InvalidPart')
    refused(oss2.exceptions.ServerError, lambda: bucket.complete_multipart_upload('by hand', upload, [PartInfo(9, 'x')]), 400, 'InvalidPart')
    bucket.complete_multipart_upload('by hand', upload, parts)
    assert bucket.get_object('by hand').read() == b'\1' * 110_000 + b'\2' * 110_000 + data[10:120_010]
    refused(oss2.exceptions.NoSuchUpload, lambda: bucket.complete_multipart_upload('by hand', upload, parts))
    bucket.upload_part('by hand too', other, 1, b'tiny')
    two = bucket.upload_part('by hand too', other, 2, b'tiny')
    refused(oss2.exceptions.ServerError, lambda: bucket.complete_multipart_upload(
        'by hand too', other, [PartInfo(1, two.etag), PartInfo(2, two.etag)]), 400, 'EntityTooSmall')
    bucket.abort_multipart_upload('by hand too', other)
    refused(oss2.exceptions.NoSuchUpload, lambda: bucket.upload_part('by hand too', other, 1, b'x'))
    refused(oss2.exceptions.NoSuchUpload, lambda: bucket.abort_multipart_upload('by hand too', other))


def links():
    bucket.put_symlink('target', 'link ü')
    assert bucket.get_symlink('link ü').target_key == 'target'
    got = bucket.get_object('link ü')
    assert got.read() == b'copied' and got.object_type == 'Symlink'
    bucket.put_symlink('none', 'dangling')
    refused(oss2.exceptions.ServerError, lambda: bucket.get_object('dangling'), 404, 'SymlinkTargetNotExist')
    refused(oss2.exceptions.ServerError, lambda: bucket.get_symlink('target'), 400, 'NotSymlink')


def rights():
    anonymous, other, viewer = bucket_of(oss2.AnonymousAuth()), bucket_of(auth('OTHER', 'SECRET2')), bucket_of(auth('VIEW', 'SECRET3'))
    denied = oss2.exceptions.AccessDenied
    for stranger in (anonymous, other):
        refused(denied, lambda: stranger.get_object('target'))
        refused(denied, lambda: stranger.put_object('target', b''))
        refused(denied, lambda: stranger.list_objects())
        refused(denied, lambda: stranger.put_bucket_acl('public-read'))
    refused(denied, lambda: service_of(oss2.AnonymousAuth()).list_buckets())
    refused(denied, lambda: other.copy_object('first-bucket', 'target', 'x'))
    assert list(oss2.BucketIterator(service_of(auth('OTHER', 'SECRET2')))) == []
    assert viewer.get_object('target').read() == b'copied'
    for call in (lambda: viewer.put_object('v', b''), lambda: viewer.delete_object('target'), lambda: viewer.put_bucket_acl('public-read'),
                 lambda: viewer.init_multipart_upload('v'), lambda: viewer.batch_delete_objects(['target']), lambda: viewer.delete_bucket()):
        refused(denied, call)
    assert bucket.get_object_acl('target').acl == 'default'
    bucket.put_object_acl('target', oss2.OBJECT_ACL_PUBLIC_READ)
    assert bucket.get_object_acl('target').acl == 'public-read' and anonymous.get_object('target').read() == b'copied'
    refused(denied, lambda: anonymous.delete_object('target'))
    bucket.put_bucket_acl(oss2.BUCKET_ACL_PUBLIC_READ_WRITE)
    anonymous.put_object('from nobody', b'x')
    bucket.put_object('private', b'x', headers={'x-oss-object-acl': 'private'})
    refused(denied, lambda: anonymous.get_object('private'))
    refused(denied, lambda: anonymous.put_object_acl('private', 'public-read'))
    anonymous.put_symlink('private', 'peep', headers={'x-oss-object-acl': 'public-read'})
    refused(denied, lambda: anonymous.get_object('peep'))
    refused(denied, lambda: anonymous.copy_object('first-bucket', 'peep', 'peeped'))
    assert anonymous.batch_delete_objects(['private', 'from nobody']).deleted_keys == ['from nobody']
    assert bucket.get_object('private').read() == b'x'
    refused(denied, lambda: anonymous.put_bucket_acl('private'))
    bucket.put_bucket_acl(oss2.BUCKET_ACL_PRIVATE)
    refused(oss2.exceptions.ServerError, lambda: bucket_of(auth('NOBODY', 'x')).get_object('target'), 403, 'InvalidAccessKeyId')
    refused(oss2.exceptions.ServerError, lambda: bucket_of(auth('ID', 'wrong')).get_object('target'), 403, 'SignatureDoesNotMatch')
    now = time.time
    utc = oss2.auth.datetime
    try:
        if version == 'v1':
            time.time = lambda: now() - 3600
            oss2.utils.time.time = time.time
        else:
            class Slow(utc):
                @classmethod
                def utcnow(cls):
                    return utc.fromtimestamp(now() - 3600, oss2.compat.__dict__.get('tz') or __import__('datetime').timezone.utc)
            oss2.auth.datetime = Slow
        refused(oss2.exceptions.ServerError, lambda: bucket.get_object('target'), 403, 'RequestTimeTooSkewed')
    finally:
        time.time = now
        oss2.auth.datetime = utc


def other_origins():
    refused(oss2.exceptions.NoSuchCors, lambda: bucket.get_bucket_cors())
    rule = CorsRule(allowed_origins=['http://*.lab'], allowed_methods=['GET', 'PUT'], allowed_headers=['x-oss-*'], expose_headers=['x-oss-request-id'], max_age_seconds=60)
    bucket.put_bucket_cors(BucketCors([rule]))
    found = bucket.get_bucket_cors().rules[0]
    assert (found.allowed_origins, found.allowed_methods, found.max_age_seconds) == (['http://*.lab'], ['GET', 'PUT'], 60)
    url = bucket.sign_url('GET', 'target', 60)
    got = requests.get(url, headers={'Origin': 'http://a.lab'}, proxies=proxies)
    assert got.headers['access-control-allow-origin'] == 'http://a.lab' and got.headers['access-control-expose-headers'] == 'x-oss-request-id'
    assert 'access-control-allow-origin' not in requests.get(url, headers={'Origin': 'http://evil'}, proxies=proxies).headers
    ask = {'Origin': 'http://a.lab', 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'x-oss-meta-a'}
    got = requests.options(url, headers=ask, proxies=proxies)
    assert got.status_code == 200 and got.headers['access-control-allow-headers'] == 'x-oss-meta-a' and got.headers['access-control-max-age'] == '60'
    for wrong in ({'Origin': 'http://evil'}, {'Access-Control-Request-Method': 'DELETE'}, {'Access-Control-Request-Headers': 'authorization'}):
        assert requests.options(url, headers={**ask, **wrong}, proxies=proxies).status_code == 403
    bucket.delete_bucket_cors()
    refused(oss2.exceptions.NoSuchCors, lambda: bucket.get_bucket_cors())


def signed_urls():
    put = bucket.sign_url('PUT', 'by url ü', 60, headers={'Content-Type': 'text/q'}, slash_safe=True)
    assert requests.put(put, data=b'signed', headers={'Content-Type': 'text/q'}, proxies=proxies).status_code == 200
    assert requests.put(put, data=b'signed', headers={'Content-Type': 'text/other'}, proxies=proxies).status_code == 403
    get = bucket.sign_url('GET', 'by url ü', 60, params={'response-content-disposition': 'attachment; filename="a b"'})
    got = requests.get(get, proxies=proxies)
    assert got.content == b'signed' and got.headers['content-disposition'] == 'attachment; filename="a b"' and got.headers['content-type'] == 'text/q'
    assert bucket.get_object_with_url(bucket.sign_url('GET', 'by url ü', 60)).read() == b'signed'
    assert requests.delete(get, proxies=proxies).status_code == 403
    assert requests.get(get.replace('by%20url', 'by%20xrl'), proxies=proxies).status_code == 403
    short = bucket.sign_url('GET', 'by url ü', 1)
    end = time.time() + 20
    while requests.get(short, proxies=proxies).status_code == 200:
        assert time.time() < end
        time.sleep(0.2)


def tags():
    rule = TaggingRule()
    rule.add('k 1', 'v ü')
    bucket.put_object_tagging('target', Tagging(rule))
    assert bucket.get_object_tagging('target').tag_set.tagging_rule == {'k 1': 'v ü'}
    assert bucket.head_object('target').headers['x-oss-tagging-count'] == '1'
    bucket.delete_object_tagging('target')
    assert bucket.get_object_tagging('target').tag_set.tagging_rule == {}
    bucket.put_object('tagged', b'', headers={'x-oss-tagging': 'a=1&b=' + urllib.parse.quote('x y')})
    assert bucket.get_object_tagging('tagged').tag_set.tagging_rule == {'a': '1', 'b': 'x y'}


def errors():
    refused(oss2.exceptions.MalformedXml, lambda: bucket._Bucket__do_bucket('PUT', data=b'<CORS', params={'cors': ''}))
    refused(oss2.exceptions.ServerError, lambda: bucket._Bucket__do_bucket('PUT', data=b'', params={'website': ''}), 400, 'NotImplemented')
    refused(oss2.exceptions.NoSuchLifecycle, lambda: bucket.get_bucket_lifecycle())
    refused(oss2.exceptions.ServerError, lambda: bucket.put_object('/slash', b''), 400, 'InvalidObjectName')
    answer = requests.get(address + '/first-bucket/none' if style == 'path' else f'http://first-bucket.oss-{REGION}.aliyuncs.com/none', proxies=proxies)
    assert answer.status_code == 403 and answer.text.startswith('<?xml'), answer.text
    for element in ('<Code>AccessDenied</Code>', '<Message>', '<RequestId>' + answer.headers['x-oss-request-id'], '<HostId>'):
        assert element in answer.text, answer.text


def cleaning():
    error = refused(oss2.exceptions.BucketNotEmpty, lambda: bucket.delete_bucket())
    assert error.details['BucketName'] == 'first-bucket'
    keys = [found.key for found in oss2.ObjectIterator(bucket)]
    for start in range(0, len(keys), 1000):
        bucket.batch_delete_objects(keys[start:start + 1000])
    bucket.delete_bucket()


failed = 0
for step in (buckets, objects, ranges, conditions, listings, copies, appending, uploads, links, rights, other_origins, signed_urls, tags, errors, cleaning):
    try:
        step()
        print('ok', step.__name__)
    except Exception:
        failed += 1
        print('FAILED', step.__name__)
        traceback.print_exc(file=sys.stdout)
sys.exit(1 if failed else 0)
