//! A registry of these tests on the loopback address, asked as others are.

use std::net::TcpListener;

use super::*;
use crate::canned::{answer, server};

const DIGEST: &str = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";

fn found(digest: &str) -> String {
    answer("200 OK", &[&format!("Docker-Content-Digest: {digest}")], "")
}

fn client(retries: u32) -> RegistryClient {
    RegistryClient { retries, accounts: None, wants_sizes: true, sizes: Mutex::default() }
}

/// The digest alone.
fn digest(client: &RegistryClient, image: &ImageName) -> Result<String, String> {
    client.meaning(image).map(|meaning| meaning.digest.to_string())
}

fn image(address: &str) -> ImageName {
    ImageName::parse(&format!("{address}/lab/tool:1")).unwrap().unwrap()
}

#[test]
fn the_head_of_a_manifest_has_the_digest() {
    let (address, served) = server(vec![found(DIGEST)]);
    assert_eq!(digest(&client(0), &image(&address)).unwrap(), DIGEST);
    let asked = served.join().unwrap().remove(0);
    assert!(asked.starts_with("HEAD /v2/lab/tool/manifests/1 HTTP/1.1"), "{asked}");
    assert!(asked.contains("application/vnd.oci.image.index.v1+json") && !asked.to_lowercase().contains("authorization"), "{asked}");
}

#[test]
fn a_token_is_fetched_where_one_is_wanted() {
    let challenge = "WWW-Authenticate: Bearer realm=\"http://HERE/token?a=b\",service=\"reg\",scope=\"repository:lab/tool:pull\"";
    let answers = vec![answer("401 Unauthorized", &[challenge], ""), answer("200 OK", &[], "{\"token\": \"t0k\"}"), found(DIGEST)];
    let (address, served) = server(answers);
    let (client, _folder) = with_account(&address);
    assert_eq!(digest(&client, &image(&address)).unwrap(), DIGEST);
    let asked = served.join().unwrap();
    assert!(asked[1].starts_with("GET /token?a=b&service=reg&scope=repository%3Alab%2Ftool%3Apull HTTP/1.1"), "{}", asked[1]);
    assert!(asked[1].to_lowercase().contains("authorization: basic bwu6chc="), "{}", asked[1]);
    assert!(asked[2].starts_with("HEAD /v2/") && asked[2].contains("Bearer t0k"), "{}", asked[2]);
}

/// A client with an account at a registry, and the folder that has it.
fn with_account(address: &str) -> (RegistryClient, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let accounts = folder.path().join("config.json");
    std::fs::write(&accounts, format!("{{\"auths\": {{\"{address}\": {{\"auth\": \"bWU6cHc=\"}}}}}}")).unwrap();
    (RegistryClient { retries: 0, accounts: Some(accounts), wants_sizes: true, sizes: Mutex::default() }, folder)
}

#[test]
fn accounts_go_to_nobody_else() {
    // Where a registry redirects to is no registry of this account.
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("Location: http://{}/v2/lab/tool/manifests/1", elsewhere.local_addr().unwrap());
    let (address, _served) = server(vec![answer("307 Temporary Redirect", &[&location], "")]);
    let (client, _folder) = with_account(&address);
    assert!(digest(&client, &image(&address)).unwrap_err().contains("answers 307"));
    assert!(elsewhere.accept().is_err(), "one on this machine is not redirected");
    let url = "https://registry.example/v2/lab/tool/manifests/1";
    for (answered, is_asked) in [
        ("https://registry.example/other", true),
        ("https://Registry.Example:443/v2/", true),
        ("https://mirror.example/v2/lab/tool/manifests/1", false),
        ("https://registry.example:8443/v2/", false),
        ("http://registry.example/v2/", false),
    ] {
        let checked = check_asked(url, &answered.parse().unwrap());
        assert_eq!(checked.is_ok(), is_asked, "{answered}: {checked:?}");
    }
    // Who gives tokens is another machine, and not spoken to encrypted.
    for realm in ["http://harbor.lan/token", "http://127.0.0.1.example.org/token", "ftp://localhost/token", "token", ""] {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\"");
        let (address, served) = server(vec![answer("401 Unauthorized", &[&challenge], "")]);
        let (client, _folder) = with_account(&address);
        let error = digest(&client, &image(&address)).unwrap_err();
        let expected = if realm.is_empty() { "does not say how" } else { "no address to send an account to" };
        assert!(error.contains(expected) && served.join().unwrap().len() == 1, "{realm}: {error}");
    }
    // A registry elsewhere has nothing to ask for on this machine.
    for (is_here, realm, is_taken) in [
        (false, "https://auth.docker.io/token", true),
        (false, "http://auth.docker.io/token", false),
        (false, "http://localhost:2375/token", false),
        (false, "https://127.0.0.1/token", false),
        (true, "https://[::1]:5001/token", true),
        (true, "https://auth.example/token", true),
        (true, "http://me@harbor.lan/token", false),
    ] {
        assert_eq!(token_agent(is_here, realm).is_ok(), is_taken, "{realm}");
    }
}

#[test]
fn accounts_that_cannot_be_read_matter_to_a_refusal_alone() {
    let bearer = || answer("401 Unauthorized", &["WWW-Authenticate: Bearer realm=\"http://HERE/t\""], "");
    let token = || answer("200 OK", &[], "{\"token\": \"t\"}");
    let without_size = answer("404 Not Found", &[], "");
    let (address, served) =
        server(vec![bearer(), token(), found(DIGEST), without_size, bearer(), token(), answer("403 Forbidden", &[], "")]);
    let (client, folder) = with_account(&address);
    std::fs::write(folder.path().join("config.json"), "no json").unwrap();
    assert_eq!(digest(&client, &image(&address)).unwrap(), DIGEST);
    let told = digest(&client, &image(&address)).unwrap_err();
    assert!(told.contains("does not show it") && told.ends_with("cannot be read: wrong at line 1"), "{told}");
    assert!(served.join().unwrap().iter().all(|head| !head.contains("Basic")));
}

#[test]
fn a_registry_without_heads_is_asked_for_the_manifest() {
    let body = "{\"schemaVersion\": 2}";
    let expected = format!("sha256:{}", hex(ring::digest::digest(&ring::digest::SHA256, body.as_bytes()).as_ref()));
    let plain = answer("200 OK", &[], body);
    let (address, served) = server(vec![answer("405 Method Not Allowed", &[], ""), plain.clone()]);
    assert_eq!(digest(&client(0), &image(&address)).unwrap(), expected);
    assert!(served.join().unwrap()[1].starts_with("GET /v2/lab/tool/manifests/1"));
    // A head that does not tell it.
    let (address, _served) = server(vec![answer("200 OK", &[], ""), plain]);
    assert_eq!(digest(&client(0), &image(&address)).unwrap(), expected);
    let other = answer("200 OK", &[&format!("Docker-Content-Digest: {DIGEST}")], body);
    let (address, _served) = server(vec![answer("501 Not Implemented", &[], ""), other]);
    assert!(digest(&client(0), &image(&address)).unwrap_err().contains("and sent"));
}

/// A manifest with this content, and its digest.
fn manifest(content: &str) -> (String, String) {
    let digest = format!("sha256:{}", hex(ring::digest::digest(&ring::digest::SHA256, content.as_bytes()).as_ref()));
    (answer("200 OK", &[&format!("Docker-Content-Digest: {digest}")], content), digest)
}

#[test]
fn the_size_of_an_image_is_that_of_its_layers_and_asked_for_once() {
    let (of_image, one) = manifest("{\"config\": {\"size\": 9}, \"layers\": [{\"size\": 100}, {\"size\": 23}]}");
    let (of_list, list) = manifest(&format!("{{\"manifests\": [{{\"digest\": \"{one}\"}}]}}"));
    let (address, served) = server(vec![found(&list), of_list, of_image.clone(), found(&list)]);
    let client = client(0);
    for _ in 0..2 {
        assert_eq!(client.meaning(&image(&address)), Ok(Meaning { bytes: Some(123), ..list.clone().into() }));
    }
    let asked: Vec<String> = served.join().unwrap().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect();
    let at = |method: &str, reference: &str| format!("{method} /v2/lab/tool/manifests/{reference} HTTP/1.1");
    assert_eq!(asked, [at("HEAD", "1"), at("GET", &list), at("GET", &one), at("HEAD", "1")]);
    // By GET alone, and with the token that was wanted.
    let challenge = answer("401 Unauthorized", &["WWW-Authenticate: Bearer realm=\"http://HERE/t\""], "");
    let token = answer("200 OK", &[], "{\"token\": \"t0k\"}");
    let (address, served) = server(vec![challenge, token, answer("405 Method Not Allowed", &[], ""), of_image]);
    assert_eq!(self::client(0).meaning(&image(&address)).unwrap().bytes, Some(123));
    assert!(served.join().unwrap()[3].contains("Bearer t0k"));
}

#[test]
fn an_image_is_known_without_its_size() {
    let (other, _) = manifest("{\"layers\": [{\"size\": 1}]}");
    for refused in [answer("429 Too Many Requests", &[], ""), answer("200 OK", &[], "no manifest"), answer("404 Not Found", &[], ""), other]
    {
        // Nor is it asked for again.
        let (address, served) = server(vec![found(DIGEST), refused, found(DIGEST)]);
        let client = client(3);
        for _ in 0..2 {
            assert_eq!(client.meaning(&image(&address)), Ok(DIGEST.to_owned().into()));
        }
        assert!(served.join().unwrap()[2].starts_with("HEAD "));
    }
    let (address, served) = server(vec![found(DIGEST)]);
    assert_eq!(RegistryClient { wants_sizes: false, ..client(0) }.meaning(&image(&address)), Ok(DIGEST.to_owned().into()));
    assert_eq!(served.join().unwrap().len(), 1);
}

#[test]
fn trouble_that_passes_is_tried_again_and_other_trouble_is_not() {
    let (address, _served) =
        server(vec![answer("503 Service Unavailable", &[], ""), answer("429 Too Many Requests", &[], ""), found(DIGEST)]);
    assert_eq!(digest(&client(2), &image(&address)).unwrap(), DIGEST);
    let (address, _served) = server(vec![answer("502 Bad Gateway", &[], "")]);
    assert_eq!(digest(&client(0), &image(&address)).unwrap_err(), "its registry answers 502");
    let (address, _served) = server(vec![answer("404 Not Found", &[], "")]);
    assert!(digest(&client(3), &image(&address)).unwrap_err().contains("no such image (404)"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(digest(&client(1), &image(&closed)).unwrap_err().starts_with("its registry cannot be asked"));
}

#[test]
fn wrong_answers_are_told() {
    let basic = answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\""], "");
    let silent = answer("401 Unauthorized", &[], "");
    for (first, told) in [(basic, "wants an account"), (silent, "does not say how")] {
        let (address, _served) = server(vec![first]);
        let error = digest(&client(3), &image(&address)).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
    let bearer = || answer("401 Unauthorized", &["WWW-Authenticate: Bearer realm=\"http://HERE/t\""], "");
    for token in ["{}", "no json", "{\"token\": \"a\\nb\"}"] {
        let (address, _served) = server(vec![bearer(), answer("200 OK", &[], token)]);
        let error = digest(&client(3), &image(&address)).unwrap_err();
        assert!(error.ends_with("gives none"), "{error}");
    }
    let huge = answer("200 OK", &[], &"x".repeat(TOKEN_BYTES as usize + 1));
    let (address, _served) = server(vec![bearer(), huge]);
    assert!(digest(&client(3), &image(&address)).unwrap_err().contains("longer than"));
    let refused = vec![bearer(), answer("200 OK", &[], "{\"access_token\": \"t\"}"), answer("401 Unauthorized", &[], "")];
    let (address, _served) = server(refused);
    assert!(digest(&client(3), &image(&address)).unwrap_err().contains("does not show it"));
}

#[test]
fn only_this_machine_is_asked_without_encryption() {
    for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["localhost.example.org", "127.0.0.1.example.org", "registry-1.docker.io", "10.0.0.1:5000", "[::2]:5000", "0.0.0.0"] {
        assert!(!is_loopback(host), "{host}");
    }
    let (address, _served) = server(vec![found(DIGEST)]);
    let refused = agent(false).get(format!("http://{address}/v2/")).call();
    assert!(matches!(refused, Err(ureq::Error::RequireHttpsOnly(_))));
}
