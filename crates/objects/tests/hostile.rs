//! Requests that no client sends: refused with a clear answer, nothing lost, nobody in.

#![expect(clippy::disallowed_methods, reason = "starts the store")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod endpoint;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use endpoint::{Client, Endpoint};

fn store() -> (Endpoint, Client) {
    let endpoint = Endpoint::start(&["--host", "store.lab"]);
    let client = endpoint.client();
    assert_eq!(client.send("PUT", "/bad-bucket", &[], b"").code, 200);
    (endpoint, client)
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn tricks_with_paths() {
    let (endpoint, client) = store();
    for key in ["..", "../../../etc/passwd", "a/../../x", "./.", "a//b", "index.redb", "data"] {
        let target = format!("/bad-bucket/{key}");
        assert_eq!(client.send("PUT", &target, &[], &[b'x'; 20_000]).code, 200, "{key}");
        assert_eq!(client.send("GET", &target, &[], b"").body, [b'x'; 20_000], "{key}");
    }
    let mut names: Vec<String> =
        fs::read_dir(endpoint.path("store")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["data", "index.redb"]);
    assert_eq!(endpoint.data_files(), 7);
    for target in ["/../store", "/..", "/.hidden/x", "/bad%2Fbucket/x", "/BAD/x", "/%00abc/x"] {
        let answer = client.raw("PUT", target, &[], b"x").unwrap();
        assert!((400..500).contains(&answer.code), "{target}: {}", answer.code);
    }
    assert_eq!(client.raw("GET", "/bad-bucket/%FF", &[], b"").unwrap().element("Code"), "InvalidURI");
    let long = "k".repeat(1024);
    assert_eq!(client.send("PUT", &format!("/bad-bucket/{long}"), &[], b"").element("Code"), "InvalidObjectName");
    assert_eq!(client.send("PUT", &format!("/bad-bucket/{}", &long[1..]), &[], b"").code, 200);
    assert_eq!(endpoint.complaints(), "");
}

#[test]
fn forged_and_malformed_signatures() {
    let (_endpoint, client) = store();
    client.send("PUT", "/bad-bucket/k", &[], b"treasure");
    let date = ("date", "Thu, 17 Nov 2005 18:49:58 GMT");
    type Row<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);
    let table: [Row<'_>; 10] = [
        (&[], 403, "AccessDenied"),
        (&[("authorization", "OSS ID:xxx"), date], 403, "SignatureDoesNotMatch"),
        (&[("authorization", "OSS ID"), date], 400, "InvalidArgument"),
        (&[("authorization", "OSS NOBODY:xxx"), date], 403, "InvalidAccessKeyId"),
        (&[("authorization", "Basic xyz")], 400, "InvalidArgument"),
        (&[("authorization", "OSS4-HMAC-SHA256 Credential=ID/x/y")], 400, "InvalidArgument"),
        (
            &[("authorization", "OSS4-HMAC-SHA256 Credential=ID/20260101/r/oss/aliyun_v4_request,Signature=ab"), ("x-oss-date", "never")],
            400,
            "InvalidArgument",
        ),
        (
            &[("authorization", "AWS4-HMAC-SHA256 Credential=ID/20260101/r/s3/aws4_request, SignedHeaders=, Signature=ab")],
            400,
            "AuthorizationHeaderMalformed",
        ),
        (&[("authorization", "AWS ID:old")], 400, "AuthorizationHeaderMalformed"),
        (&[("authorization", "OSS4-HMAC-SHA256")], 400, "InvalidArgument"),
    ];
    for (headers, code, word) in table {
        let answer = client.raw("GET", "/bad-bucket/k", &pairs(headers), b"").unwrap();
        assert_eq!((answer.code, answer.element("Code").as_str()), (code, word), "{headers:?}: {}", answer.text());
        assert!(!answer.text().contains("treasure"));
        assert!(!answer.element("RequestId").is_empty() && !answer.element("Message").is_empty());
    }
    let head = client.raw("HEAD", "/bad-bucket/k", &[], b"").unwrap();
    assert!(head.code == 403 && head.header("x-oss-err").is_some());
}

#[test]
fn documents_that_are_none() {
    let (endpoint, client) = store();
    let deep = "<a>".repeat(100_000);
    let many = format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(1001));
    let entities = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><Delete><Object><Key>&b;</Key></Object></Delete>";
    for document in ["", "<", "<Delete>", "nonsense", "<Delete/>", &deep, &many, entities, "<Delete><Object></Object></Delete>"] {
        let answer = client.send("POST", "/bad-bucket?delete", &[], document.as_bytes());
        assert_eq!((answer.code, answer.element("Code").as_str()), (400, "MalformedXML"), "{:.60}: {}", document, answer.text());
    }
    let huge = vec![b' '; 5 << 20];
    assert_eq!(client.send("POST", "/bad-bucket?delete", &[], &huge).element("Code"), "EntityTooLarge");
    for (target, word) in [
        ("/bad-bucket?max-keys=x", "InvalidArgument"),
        ("/bad-bucket?max-keys=0", "InvalidArgument"),
        ("/bad-bucket?encoding-type=base64", "InvalidArgument"),
        ("/bad-bucket?list-type=2&continuation-token=!!", "InvalidArgument"),
        ("/bad-bucket?versions", "NotImplemented"),
        ("/bad-bucket/k?uploadId=zz", "NoSuchUpload"),
        ("/no-bucket/k", "NoSuchBucket"),
    ] {
        assert_eq!(client.send("GET", target, &[], b"").element("Code"), word, "{target}");
    }
    assert_eq!(client.send("PATCH", "/bad-bucket/k", &[], b"").element("Code"), "MethodNotAllowed");
    assert_eq!(client.send("PUT", "/bad-bucket/k?partNumber=0&uploadId=0", &[], b"").element("Code"), "InvalidArgument");
    assert_eq!(endpoint.complaints(), "");
}

#[test]
fn bodies_that_break_off() {
    let (endpoint, client) = store();
    client.send("PUT", "/bad-bucket/k", &[], b"before");
    for _ in 0..5 {
        let mut stream = TcpStream::connect(&client.address).unwrap();
        let presigned = presigned("/bad-bucket/k");
        write!(stream, "PUT {presigned} HTTP/1.1\r\nhost: {}\r\ncontent-length: 10000000\r\n\r\n", client.address).unwrap();
        stream.write_all(&vec![b'x'; 3 << 20]).unwrap();
        drop(stream);
    }
    let end = Instant::now() + Duration::from_secs(20);
    while endpoint.data_files() > 0 {
        assert!(Instant::now() < end, "a half-written file is left");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(client.send("GET", "/bad-bucket/k", &[], b"").body, b"before");
    let too_large = (5_u64 << 30) + 1;
    let headers = [("content-length", too_large.to_string())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(client.send("PUT", "/bad-bucket/k", &headers, b"").element("Code"), "EntityTooLarge");
    assert_eq!(endpoint.complaints(), "");
}

/// A refusal is heard, and the connection goes on, although the body comes later.
#[test]
fn refusals_before_the_body() {
    let (_endpoint, client) = store();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(&client.address).unwrap();
        stream.set_nodelay(true).unwrap();
        write!(stream, "PUT /bad-bucket/k HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n").unwrap();
        std::thread::yield_now();
        stream.write_all(b"treasu").unwrap();
        write!(stream, "GET /bad-bucket/k HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 403").count(), 2, "{answers}");
    }
}

/// A target with a signature of version 1 in it.
fn presigned(path: &str) -> String {
    use batchyard_objects::sign::{Message, Pair, encode, oss_v1};
    let (bucket, key) = path[1..].split_once('/').unwrap();
    let message = Message { method: "PUT", path, bucket: Some(bucket), key, query: &[], headers: &[] };
    let query = oss_v1::presign(&message, Pair { id: "ID", secret: "SECRET" }, i64::from(u32::MAX));
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encode(value, false))).collect();
    format!("{path}?{}", query.join("&"))
}

/// A reader that takes its time does not hold up others, whatever their number.
#[test]
fn slow_readers() {
    let (_endpoint, client) = store();
    client.send("PUT", "/bad-bucket/large", &[("x-oss-object-acl", "public-read")], &vec![b'x'; 20 << 20]);
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&client.address).unwrap();
            write!(stream, "GET /bad-bucket/large HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            stream
        })
        .collect();
    for number in 0..20 {
        assert_eq!(client.send("PUT", &format!("/bad-bucket/{number}"), &[], b"x").code, 200);
    }
    drop(slow);
}
