"""Asks the S3 server of moto as its user would: makes a user and a bucket, stores an object, reads one.

moto_session.py URL setup BUCKET              prints the key pair of a new user as JSON
moto_session.py URL put BUCKET KEY ID SECRET  stores what comes in
moto_session.py URL get BUCKET KEY ID SECRET  prints an object
"""

import json
import sys

import boto3


def client(url, service, key_id, secret):
    return boto3.client(
        service, endpoint_url=url, region_name="us-east-1", aws_access_key_id=key_id, aws_secret_access_key=secret
    )


def setup(url, bucket):
    """The first requests are not checked, so that there can be a user at all."""
    iam = client(url, "iam", "first", "first")
    iam.create_user(UserName="yard")
    key = iam.create_access_key(UserName="yard")["AccessKey"]
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="yard", PolicyName="objects", PolicyDocument=policy)
    client(url, "s3", key["AccessKeyId"], key["SecretAccessKey"]).create_bucket(Bucket=bucket)
    print(json.dumps({"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}))


def main():
    url, command, bucket, *rest = sys.argv[1:]
    if command == "setup":
        setup(url, bucket)
        return
    key, key_id, secret = rest
    s3 = client(url, "s3", key_id, secret)
    if command == "put":
        s3.put_object(Bucket=bucket, Key=key, Body=sys.stdin.buffer.read())
    else:
        sys.stdout.buffer.write(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


main()
