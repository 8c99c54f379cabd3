//! All interfaces over TLS on one port: `batchyard server --tls-port`.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

use crate::{
    clients::program,
    containers::not_tested,
    service::{Service, keys},
    yard::{Done, Yard, done, wait_for},
};

/// Where the server says that the port is.
fn address(yard: &Yard) -> String {
    let mut found = String::new();
    wait_for("the encrypted port", || {
        let told = yard.read("server.err");
        found = told.lines().find_map(|line| line.split_once("all of them on ")).map(|(_, url)| url.to_owned()).unwrap_or_default();
        !found.is_empty()
    });
    found
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|done| done.status.success())
}

fn curl(arguments: &[&str]) -> Done {
    done(Command::new("curl").args(["--silent", "--show-error", "--max-time", "20"]).args(arguments))
}

#[test]
fn everything_is_served_over_tls() {
    let yard = Yard::new();
    let service = Service::start_with(&yard, &["--tls-port", "0"]);
    let url = address(&yard);
    let told = yard.read("server.err");
    assert!(told.contains("the server's own") && told.lines().any(|line| line.trim().split(':').count() == 32), "{told}");
    let certificate = yard.path("home/tls/certificate.pem");
    let key = std::fs::metadata(yard.path("home/tls/key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    service.put("data", "", b"");

    // Jobs and objects, by our own command line; without a word it does not trust the certificate.
    let link = yard.path("bcs");
    symlink(env!("CARGO_BIN_EXE_batchyard"), &link).unwrap();
    let bcs = |words: &[&str]| done(Command::new(&link).args(words).current_dir(yard.path("")).env("HOME", yard.path("")));
    let keys = keys();
    let login = ["login", "local", &keys.id, &keys.secret, "--endpoint", &url, "--oss-endpoint", &url];
    let refused = bcs(&login);
    assert!(refused.code != 0 && refused.out.contains("certificate"), "{}", refused.out);
    // Whoever names it trusts it.
    let naming = |program: &str, words: &[&str]| {
        done(Command::new(program).args(words).current_dir(yard.path("")).env("HOME", yard.path("")).env("SSL_CERT_FILE", &certificate))
    };
    let named = naming(link.to_str().unwrap(), &login);
    assert!(named.out.ends_with("login success\n"), "{}", named.out);
    yard.write("w.wdl", "version 1.0\nworkflow w { }");
    let batchyard = env!("CARGO_BIN_EXE_batchyard");
    let submitted = naming(batchyard, &["cromwell", "submit", "w.wdl", "-h", &url]);
    assert_eq!(submitted.code, 0, "{}{}", submitted.out, submitted.err);
    let unknown = done(Command::new(batchyard).args(["cromwell", "submit", "w.wdl", "-h", &url]).current_dir(yard.path("")));
    assert!(unknown.code != 0 && unknown.err.contains("certificate"), "{}{}", unknown.out, unknown.err);
    let trusting = bcs(&[login.as_slice(), &["--insecure"]].concat());
    assert!(trusting.out.ends_with("login success\n"), "{}", trusting.out);
    yard.write("in.txt", "over tls\n");
    for words in [
        ["set", "-o", "oss://data/bcs/", "-t", "ecs.sn1.medium", "--insecure"].as_slice(),
        &["o", "up", "in.txt", "oss://data/in.txt", "--insecure"],
    ] {
        let done = bcs(words);
        assert_eq!(done.code, 0, "{words:?}: {}", done.out);
    }
    assert_eq!(service.text("data", "in.txt"), "over tls\n");
    let told = bcs(&["sub", "cat /home/in.txt", "-r", "oss://data/in.txt:/home/in.txt", "--insecure"]).out;
    let id = told.lines().find_map(|line| line.strip_prefix("Job created: ")).unwrap();
    assert_eq!(service.wait(id), "Finished");

    if has("curl") {
        let trust = certificate.to_str().unwrap();
        let version = curl(&["--cacert", trust, &format!("{url}/engine/v1/version")]);
        assert!(version.out.contains("cromwell"), "{}{}", version.out, version.err);
        assert_ne!(curl(&[&format!("{url}/engine/v1/version")]).code, 0, "nobody vouches for the certificate");
        // Who is not signed hears it from the interface that is meant.
        assert!(curl(&["--cacert", trust, &format!("{url}/jobs")]).out.contains("InvalidAuthorization"));
        assert!(curl(&["--cacert", trust, &format!("{url}/data/in.txt")]).out.contains("<Code>AccessDenied</Code>"));
        // Not encrypted, or not to the end: others are served all the same.
        let plain = url.replace("https", "http");
        assert_ne!(curl(&[&format!("{plain}/engine/v1/version")]).code, 0);
        let open = std::net::TcpStream::connect(url.strip_prefix("https://").unwrap()).unwrap();
        assert_eq!(curl(&["--cacert", trust, &format!("{url}/healthz")]).code, 0);
        drop(open);
    } else {
        not_tested("curl", "install curl");
    }

    // The same certificate after a restart.
    let before = std::fs::read(&certificate).unwrap();
    service.kill();
    let _service = Service::start_with(&yard, &["--tls-port", "0"]);
    address(&yard);
    assert_eq!(std::fs::read(&certificate).unwrap(), before);
}

#[test]
fn clients_in_python_trust_what_they_are_given() {
    let Some(python) = program("batchcompute", "python3") else { return };
    let yard = Yard::new();
    let service = Service::start_with(&yard, &["--tls-port", "0"]);
    let url = address(&yard);
    let script = "import requests, sys\nurl, trust = sys.argv[1:]\nassert 'cromwell' in requests.get(url + '/engine/v1/version', verify=trust).json()\n\
        try:\n    requests.get(url + '/engine/v1/version')\nexcept requests.exceptions.SSLError:\n    print('hold')\n";
    let told = done(Command::new(&python).args(["-c", script, &url]).arg(yard.path("home/tls/certificate.pem")));
    assert_eq!((told.code, told.out.as_str()), (0, "hold\n"), "{}", told.err);
    // The original's command line speaks HTTPS unless it is told otherwise.
    let hosts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/original_hosts");
    let port = |url: &str| url.rsplit(':').next().unwrap().to_owned();
    let keys = keys();
    let mut bcs = Command::new(python.with_file_name("bcs"));
    bcs.args(["login", "cn-beijing", &keys.id, &keys.secret]).current_dir(yard.path("")).env("HOME", yard.path(""));
    bcs.env("PYTHONPATH", hosts)
        .env("BATCHCOMPUTE_PORT", port(&url))
        .env("OSS_PORT", port(&service.oss))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let told = done(&mut bcs);
    assert!(told.out.contains("login success"), "{}\n{}", told.out, told.err);
}

#[test]
fn certificates_that_cannot_be_used_are_explained() {
    let yard = Yard::new();
    yard.write("not.pem", "hello\n");
    for (arguments, words) in [
        (["--tls-port", "0", "--tls-cert", "not.pem", "--tls-key", "not.pem"].as_slice(), "there is no certificate in it"),
        (&["--tls-port", "0", "--tls-cert", "none.pem", "--tls-key", "none.pem"], "cannot read `none.pem`"),
        (&["--tls-port", "0", "--tls-cert", "not.pem"], "--tls-key"),
        (&["--tls-cert", "not.pem", "--tls-key", "not.pem"], "--tls-port"),
    ] {
        let done = yard.call(&[["server", "--port", "0"].as_slice(), arguments].concat());
        assert!(done.code == 2 && done.err.contains(words), "{arguments:?}: {}", done.err);
    }
}

/// A certificate for this machine under a name of its own, and its key.
fn made(name: &str) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let pair = rcgen::KeyPair::generate().unwrap();
    (params.self_signed(&pair).unwrap().pem(), pair.serialize_pem())
}

#[test]
fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let yard = Yard::new();
    let (first, key) = made("first");
    yard.write("c.pem", &first);
    yard.write("k.pem", &key);
    yard.write("first.pem", &first);
    let _service = Service::start_with(&yard, &["--tls-port", "0", "--tls-cert", "c.pem", "--tls-key", "k.pem"]);
    let url = format!("{}/healthz", address(&yard));
    let told = || yard.read("server.err");
    // Whether a client that trusts this certificate alone is served.
    let serves = |trusted: &str| {
        let pem = ureq::tls::Certificate::from_pem(trusted.as_bytes()).unwrap();
        let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::from(vec![pem])).build();
        let agent = ureq::Agent::config_builder().tls_config(tls).http_status_as_error(false).max_idle_connections(0).build();
        ureq::Agent::new_with_config(agent).get(&url).call().is_ok()
    };
    assert!(serves(&first));

    let (second, second_key) = made("second");
    assert!(!serves(&second));
    yard.write("c.pem", &second);
    // Half of the pair is new: nobody is refused meanwhile, and after a while it is told.
    wait_for("the complaint", || {
        assert!(serves(&first));
        told().contains("the former one is used on")
    });
    yard.write("k.pem", &second_key);
    wait_for("the new certificate", || serves(&second));
    assert!(!serves(&first) && told().contains("is used from now on"), "{}", told());

    std::fs::remove_file(yard.path("c.pem")).unwrap();
    wait_for("the complaint", || {
        assert!(serves(&second));
        told().contains("cannot read `c.pem`")
    });
    assert_eq!(told().matches("the former one is used on").count(), 2, "each trouble is told once");
    // As tools that renew do it: beside its place, then renamed.
    let (third, third_key) = made("third");
    yard.write("new", &third_key);
    std::fs::rename(yard.path("new"), yard.path("k.pem")).unwrap();
    yard.write("new", &third);
    std::fs::rename(yard.path("new"), yard.path("c.pem")).unwrap();
    wait_for("the third certificate", || serves(&third));
}
