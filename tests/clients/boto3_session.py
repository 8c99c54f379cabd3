"""The everyday operations of an S3 client, one function each: boto3_session.py ENDPOINT FOLDER

The keys are ID/SECRET (account `me`) and VIEW/SECRET3 (account `me`, may only read).
"""
import hashlib
import io
import os
import sys
import traceback
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, folder = sys.argv[1:]


def client(key='ID', secret='SECRET', **config):
    options = Config(s3={'addressing_style': 'path'}, retries={'total_max_attempts': 1}, **config)
    return boto3.client('s3', endpoint_url=endpoint, region_name='us-east-1', aws_access_key_id=key, aws_secret_access_key=secret, config=options)


s3 = client()
B = 's3-bucket'


def refused(code, call, status=None):
    try:
        call()
    except ClientError as error:
        found = error.response['Error']['Code'], error.response['ResponseMetadata']['HTTPStatusCode']
        assert found[0] == code and status in (None, found[1]), found
        return error
    raise AssertionError(f'no {code}')


def buckets():
    refused('404', lambda: s3.head_bucket(Bucket=B))
    refused('NoSuchBucket', lambda: s3.list_objects_v2(Bucket=B), 404)
    s3.create_bucket(Bucket=B)
    s3.head_bucket(Bucket=B)
    assert [found['Name'] for found in s3.list_buckets()['Buckets']] == [B]
    assert s3.get_bucket_location(Bucket=B)['LocationConstraint'] == 'local'
    assert 'Status' not in s3.get_bucket_versioning(Bucket=B)
    grants = s3.get_bucket_acl(Bucket=B)['Grants']
    assert [grant['Permission'] for grant in grants] == ['FULL_CONTROL']
    refused('NoSuchBucketPolicy', lambda: s3.get_bucket_policy(Bucket=B), 404)
    refused('NoSuchTagSet', lambda: s3.get_bucket_tagging(Bucket=B), 404)


def objects():
    put = s3.put_object(Bucket=B, Key='dir/ü +%', Body=b'hello', ContentType='text/x', Metadata={'who': 'Ada'}, CacheControl='no-cache')
    assert put['ETag'] == '"5d41402abc4b2a76b9719d911017c592"'
    got = s3.get_object(Bucket=B, Key='dir/ü +%')
    assert got['Body'].read() == b'hello' and got['ContentType'] == 'text/x' and got['Metadata'] == {'who': 'Ada'}
    assert got['ETag'] == put['ETag'] and got['CacheControl'] == 'no-cache'
    assert s3.head_object(Bucket=B, Key='dir/ü +%')['ContentLength'] == 5
    refused('404', lambda: s3.head_object(Bucket=B, Key='none'))
    refused('NoSuchKey', lambda: s3.get_object(Bucket=B, Key='none'), 404)
    s3.put_object(Bucket=B, Key='empty', Body=b'')
    assert s3.get_object(Bucket=B, Key='empty')['Body'].read() == b''
    for algorithm in ('CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'):
        try:
            s3.put_object(Bucket=B, Key=algorithm, Body=b'sum', ChecksumAlgorithm=algorithm)
        except Exception as error:
            # Some algorithms need a library in C on the client's side.
            assert type(error).__name__ == 'MissingDependencyException', error
    class Stream(io.RawIOBase):
        def __init__(self, data):
            self.data = io.BytesIO(data)
        def read(self, size=-1):
            return self.data.read(size)
        def seek(self, *where):
            return self.data.seek(*where)
        def tell(self):
            return self.data.tell()
    data = os.urandom(300_000)
    s3.put_object(Bucket=B, Key='stream', Body=Stream(data), ContentLength=len(data))
    assert s3.get_object(Bucket=B, Key='stream')['Body'].read() == data
    refused('BadDigest', lambda: s3.put_object(Bucket=B, Key='x', Body=b'a', ChecksumCRC32='AAAAAA=='), 400)
    refused('BadDigest', lambda: s3.put_object(Bucket=B, Key='x', Body=b'a', ContentMD5='1B2M2Y8AsgTpgAmY7PhCfg=='), 400)
    refused('PreconditionFailed', lambda: s3.put_object(Bucket=B, Key='empty', Body=b'a', IfNoneMatch='*'), 412)
    s3.put_object(Bucket=B, Key='empty', Body=b'', IfMatch=s3.head_object(Bucket=B, Key='empty')['ETag'])
    refused('PreconditionFailed', lambda: s3.put_object(Bucket=B, Key='empty', Body=b'a', IfMatch='"x"'), 412)


def ranges():
    s3.put_object(Bucket=B, Key='digits', Body=b'0123456789')
    got = s3.get_object(Bucket=B, Key='digits', Range='bytes=2-4')
    assert got['Body'].read() == b'234' and got['ContentRange'] == 'bytes 2-4/10'
    assert s3.get_object(Bucket=B, Key='digits', Range='bytes=-3')['Body'].read() == b'789'
    assert s3.get_object(Bucket=B, Key='digits', Range='bytes=0-100')['Body'].read() == b'0123456789'
    refused('InvalidRange', lambda: s3.get_object(Bucket=B, Key='digits', Range='bytes=10-'), 416)
    tag = s3.head_object(Bucket=B, Key='digits')['ETag']
    refused('304', lambda: s3.get_object(Bucket=B, Key='digits', IfNoneMatch=tag))
    refused('PreconditionFailed', lambda: s3.get_object(Bucket=B, Key='digits', IfMatch='"x"'), 412)


def listings():
    keys = [f'list/{letter}/{number}' for letter in 'ab' for number in range(5)] + ['list/ü y']
    for key in keys:
        s3.put_object(Bucket=B, Key=key, Body=b'')
    for name in ('list_objects', 'list_objects_v2'):
        pages = s3.get_paginator(name).paginate(Bucket=B, Prefix='list/', PaginationConfig={'PageSize': 3})
        assert [found['Key'] for page in pages for found in page['Contents']] == keys, name
        pages = list(s3.get_paginator(name).paginate(Bucket=B, Prefix='list/', Delimiter='/', PaginationConfig={'PageSize': 1}))
        assert [found['Prefix'] for page in pages for found in page.get('CommonPrefixes', [])] == ['list/a/', 'list/b/']
        assert [found['Key'] for page in pages for found in page.get('Contents', [])] == ['list/ü y']
    page = s3.list_objects_v2(Bucket=B, Prefix='list/', StartAfter='list/b/3')
    assert [found['Key'] for found in page['Contents']] == ['list/b/4', 'list/ü y'] and page['KeyCount'] == 2
    done = s3.delete_objects(Bucket=B, Delete={'Objects': [{'Key': key} for key in keys]})
    assert sorted(found['Key'] for found in done['Deleted']) == sorted(keys)
    assert 'Contents' not in s3.list_objects_v2(Bucket=B, Prefix='list/')


def copies():
    s3.copy_object(Bucket=B, Key='copy', CopySource={'Bucket': B, 'Key': 'dir/ü +%'})
    assert s3.head_object(Bucket=B, Key='copy')['Metadata'] == {'who': 'Ada'}
    done = s3.copy_object(Bucket=B, Key='copy', CopySource=f'{B}/copy', MetadataDirective='REPLACE', Metadata={'new': '1'})
    assert done['CopyObjectResult']['ETag'] == '"5d41402abc4b2a76b9719d911017c592"'
    assert s3.head_object(Bucket=B, Key='copy')['Metadata'] == {'new': '1'}
    refused('NoSuchKey', lambda: s3.copy_object(Bucket=B, Key='copy', CopySource=f'{B}/none'), 404)


def uploads():
    path = os.path.join(folder, 'boto')
    data = os.urandom(13_000_000)
    open(path, 'wb').write(data)
    s3.upload_file(path, B, 'many', Config=TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20))
    s3.download_file(B, 'many', path + '.back', Config=TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20))
    assert hashlib.md5(open(path + '.back', 'rb').read()).digest() == hashlib.md5(data).digest()
    assert s3.head_object(Bucket=B, Key='many')['ETag'].endswith('-3"')
    upload = s3.create_multipart_upload(Bucket=B, Key='hand')['UploadId']
    one = s3.upload_part(Bucket=B, Key='hand', UploadId=upload, PartNumber=1, Body=data[:200_000])
    two = s3.upload_part_copy(Bucket=B, Key='hand', UploadId=upload, PartNumber=2, CopySource=f'{B}/many', CopySourceRange='bytes=5-104')
    assert [part['Size'] for part in s3.list_parts(Bucket=B, Key='hand', UploadId=upload)['Parts']] == [200_000, 100]
    assert [found['UploadId'] for found in s3.list_multipart_uploads(Bucket=B)['Uploads']] == [upload]
    parts = [{'PartNumber': 1, 'ETag': one['ETag']}, {'PartNumber': 2, 'ETag': two['CopyPartResult']['ETag']}]
    refused('InvalidPartOrder', lambda: s3.complete_multipart_upload(Bucket=B, Key='hand', UploadId=upload, MultipartUpload={'Parts': parts[::-1]}), 400)
    s3.complete_multipart_upload(Bucket=B, Key='hand', UploadId=upload, MultipartUpload={'Parts': parts})
    assert s3.get_object(Bucket=B, Key='hand')['Body'].read() == data[:200_000] + data[5:105]
    gone = s3.create_multipart_upload(Bucket=B, Key='hand')['UploadId']
    s3.abort_multipart_upload(Bucket=B, Key='hand', UploadId=gone)
    refused('NoSuchUpload', lambda: s3.list_parts(Bucket=B, Key='hand', UploadId=gone), 404)


def tags():
    s3.put_object_tagging(Bucket=B, Key='copy', Tagging={'TagSet': [{'Key': 'a', 'Value': 'b c'}]})
    assert s3.get_object_tagging(Bucket=B, Key='copy')['TagSet'] == [{'Key': 'a', 'Value': 'b c'}]
    s3.delete_object_tagging(Bucket=B, Key='copy')
    assert s3.get_object_tagging(Bucket=B, Key='copy')['TagSet'] == []


def fetch(url, method='GET', data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def signed_urls():
    # Without a signature of its own choice the client signs URLs in a way that only regions of old still know.
    signer = client(signature_version='s3v4')
    put = signer.generate_presigned_url('put_object', {'Bucket': B, 'Key': 'by url ü'}, ExpiresIn=60)
    assert fetch(put, 'PUT', b'signed')[0] == 200
    get = signer.generate_presigned_url('get_object', {'Bucket': B, 'Key': 'by url ü'}, ExpiresIn=60)
    assert fetch(get) == (200, b'signed')
    assert fetch(get, 'DELETE')[0] == 403 and b'SignatureDoesNotMatch' in fetch(get.replace('by%20url', 'by%20xrl'))[1]


def rights():
    viewer = client('VIEW', 'SECRET3')
    assert viewer.get_object(Bucket=B, Key='copy')['Body'].read() == b'hello'
    refused('AccessDenied', lambda: viewer.put_object(Bucket=B, Key='copy', Body=b''), 403)
    refused('SignatureDoesNotMatch', lambda: client('ID', 'wrong').get_object(Bucket=B, Key='copy'), 403)
    refused('InvalidAccessKeyId', lambda: client('NOBODY', 'x').get_object(Bucket=B, Key='copy'), 403)
    assert fetch(f'{endpoint}/{B}/copy')[0] == 403
    s3.put_object_acl(Bucket=B, Key='copy', ACL='public-read')
    assert fetch(f'{endpoint}/{B}/copy') == (200, b'hello')
    assert [grant['Permission'] for grant in s3.get_object_acl(Bucket=B, Key='copy')['Grants']] == ['FULL_CONTROL', 'READ']


def cleaning():
    refused('BucketNotEmpty', lambda: s3.delete_bucket(Bucket=B), 409)
    keys = [found['Key'] for found in s3.list_objects_v2(Bucket=B)['Contents']]
    s3.delete_objects(Bucket=B, Delete={'Objects': [{'Key': key} for key in keys], 'Quiet': True})
    s3.delete_bucket(Bucket=B)
    assert s3.list_buckets()['Buckets'] == []


failed = 0
for step in (buckets, objects, ranges, listings, copies, uploads, tags, signed_urls, rights, cleaning):
    try:
        step()
        print('ok', step.__name__)
    except Exception:
        failed += 1
        print('FAILED', step.__name__)
        traceback.print_exc(file=sys.stdout)
sys.exit(1 if failed else 0)
