//! Single requests, signed by our own functions in each of the schemes.

#![expect(clippy::disallowed_methods, reason = "starts the store")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod endpoint;

use batchyard_objects::sign::{Message, Pair, UNSIGNED_PAYLOAD, compact_date, encode, oss_v1, oss_v4, s3};
use endpoint::{Answer, Client, Endpoint};

const PAIR: Pair<'_> = Pair { id: "ID", secret: "SECRET" };

fn store() -> (Endpoint, Client) {
    let endpoint = Endpoint::start(&[]);
    let client = endpoint.client();
    assert_eq!(client.send("PUT", "/my-bucket", &[], b"").code, 200);
    (endpoint, client)
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn with_query(path: &str, query: &[(String, String)]) -> String {
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false))).collect();
    format!("{path}?{}", query.join("&"))
}

fn get(client: &Client, target: &str) -> Answer {
    client.raw("GET", target, &[], b"").unwrap()
}

#[test]
fn each_scheme_signs_what_the_server_accepts() {
    let (_endpoint, client) = store();
    client.send("PUT", "/my-bucket/a%20b", &[], b"");
    client.send("PUT", "/my-bucket/k", &[], b"content");
    let message = Message { method: "GET", path: "/my-bucket/k", bucket: Some("my-bucket"), key: "k", query: &[], headers: &[] };

    let date = compact_date(now());
    let mut headers = pairs(&[("x-oss-date", &date), ("x-oss-content-sha256", UNSIGNED_PAYLOAD)]);
    let value = oss_v4::authorization(&Message { headers: &headers, ..message }, PAIR, "cn-any", now());
    headers.push(("authorization".to_owned(), value));
    assert_eq!(client.raw("GET", "/my-bucket/k", &headers, b"").unwrap().body, b"content");
    assert_eq!(client.raw("DELETE", "/my-bucket/k", &headers, b"").unwrap().element("Code"), "SignatureDoesNotMatch");

    let mut headers = pairs(&[("host", &client.address), ("x-amz-content-sha256", UNSIGNED_PAYLOAD), ("x-amz-date", &date)]);
    let signed: Vec<String> = headers.iter().map(|(name, _)| name.clone()).collect();
    let value = s3::authorization(&Message { headers: &headers, ..message }, PAIR, "us-east-1", &signed, now());
    headers.push(("authorization".to_owned(), value));
    let answer = client.raw("GET", "/my-bucket/k", &headers[1..], b"").unwrap();
    assert!(answer.body == b"content" && answer.header("x-amz-request-id").is_some(), "{}", answer.text());

    let url = with_query("/my-bucket/k", &oss_v1::presign(&message, PAIR, now() + 60));
    assert_eq!(get(&client, &url).body, b"content");
    let url = with_query("/my-bucket/k", &oss_v4::presign(&message, PAIR, "cn-any", now(), 60));
    assert_eq!(get(&client, &url).body, b"content");
    let host = &headers[..1];
    let url = with_query("/my-bucket/k", &s3::presign(&Message { headers: host, ..message }, PAIR, "us-east-1", now(), 60));
    assert_eq!(get(&client, &url).body, b"content");
    assert_eq!(client.raw("PUT", &url, &[], b"").unwrap().element("Code"), "SignatureDoesNotMatch");
    let late = with_query("/my-bucket/k", &oss_v4::presign(&message, PAIR, "cn-any", now() - 120, 60));
    assert_eq!(get(&client, &late).element("Code"), "AccessDenied");
}

#[test]
fn the_start_of_logs_that_are_short_or_not_there() {
    let (_endpoint, client) = store();
    let start = [("range", "bytes=0-100")];
    assert_eq!(client.send("GET", "/my-bucket/log", &start, b"").element("Code"), "NoSuchKey");
    for content in [&b""[..], b"short", &[b'x'; 500]] {
        client.send("PUT", "/my-bucket/log", &[], content);
        let got = client.send("GET", "/my-bucket/log", &start, b"");
        assert_eq!((got.code, got.body.as_slice()), (if content.is_empty() { 200 } else { 206 }, &content[..content.len().min(101)]));
    }
}

#[test]
fn what_clients_read_from_answers() {
    let (_endpoint, client) = store();
    // How the command line of the original makes a folder.
    let empty = client.send("PUT", "/my-bucket/folder/", &[("transfer-encoding", "chunked")], b"0\r\n\r\n");
    assert_eq!((empty.code, client.send("GET", "/my-bucket/folder/", &[], b"").body.len()), (200, 0));
    let put = client.send("PUT", "/my-bucket/k", &[("x-oss-meta-a", "1"), ("content-type", "text/x")], b"hello");
    assert_eq!(put.header("etag"), Some("\"5D41402ABC4B2A76B9719D911017C592\""));
    assert_eq!(put.header("content-md5"), Some("XUFAKrxLKna5cZ2REBfFkg=="));
    let crc = put.header("x-oss-hash-crc64ecma").unwrap().to_owned();
    // The clients' own figure for these bytes.
    assert_eq!(crc, "11177612005948864433");
    let head = client.send("HEAD", "/my-bucket/k", &[], b"");
    assert_eq!((head.header("content-length"), head.header("x-oss-meta-a")), (Some("5"), Some("1")));
    assert_eq!((head.header("x-oss-hash-crc64ecma"), head.header("x-oss-object-type")), (Some(crc.as_str()), Some("Normal")));
    assert!(head.header("last-modified").is_some() && head.header("x-oss-request-id").is_some() && head.header("date").is_some());

    let copy = client.send("PUT", "/my-bucket/copy", &[("x-oss-copy-source", "/my-bucket/k")], b"");
    assert_eq!((copy.header("etag"), copy.element("ETag")), (put.header("etag"), put.header("etag").unwrap().to_owned()));
    let upload = client.send("POST", "/my-bucket/parts?uploads", &[], b"").element("UploadId");
    let target = format!("/my-bucket/parts?partNumber=1&uploadId={upload}");
    let part = client.send("PUT", &target, &[("x-oss-copy-source", "/my-bucket/k")], b"");
    assert_eq!((part.code, part.header("etag")), (200, put.header("etag")));

    let gone = client.send("DELETE", "/my-bucket/never", &[], b"");
    assert_eq!((gone.code, gone.body.len()), (204, 0));
    let listed = client.send("GET", "/my-bucket?prefix=c&encoding-type=url", &[], b"");
    assert_eq!((listed.element("Key").as_str(), listed.element("IsTruncated").as_str()), ("copy", "false"));
}
