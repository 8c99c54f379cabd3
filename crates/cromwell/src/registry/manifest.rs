//! Manifests of images (OCI image specification; Docker schema 2): what they say of sizes.

use std::env::consts::ARCH;

use batchyard_workflow::digests::name::is_digest;
use serde::Deserialize;

/// The system that the images we run are made for.
const SYSTEM: &str = "linux";

/// A list of manifests, one for each kind of machine.
#[derive(Deserialize)]
struct List {
    manifests: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// The manifest of an image for one kind of machine.
#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    size: u64,
}

/// If this is a list: the digest of its manifest for machines like this one, or of the first.
pub(super) fn one_of(content: &[u8]) -> Option<String> {
    let list: List = serde_json::from_slice(content).ok()?;
    let is_ours = |listed: &Listed| listed.platform.as_ref().is_some_and(|of| of.os == SYSTEM && of.architecture == processor(ARCH));
    let place = list.manifests.iter().position(is_ours).unwrap_or(0);
    list.manifests.into_iter().nth(place).map(|listed| listed.digest).filter(|digest| is_digest(digest))
}

/// Bytes of all layers as they are transferred. Manifests of the first schema do not tell them.
pub(super) fn bytes_of(content: &[u8]) -> Option<u64> {
    let manifest: Manifest = serde_json::from_slice(content).ok()?;
    manifest.layers.iter().try_fold(0_u64, |sum, layer| sum.checked_add(layer.size))
}

/// What images call a processor, by the name that Rust has for it.
fn processor(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u8) -> String {
        format!("sha256:{}", format!("{n:02x}").repeat(32))
    }

    #[test]
    fn the_image_for_this_machine_is_taken_from_a_list() {
        let listed = |n: u8, os: &str, of: &str| {
            format!("{{\"digest\": \"{}\", \"size\": 1, \"platform\": {{\"os\": \"{os}\", \"architecture\": \"{of}\"}}}}", digest(n))
        };
        let list = |listed: &[String]| format!("{{\"schemaVersion\": 2, \"manifests\": [{}]}}", listed.join(", "));
        let ours = processor(ARCH);
        let mixed = [listed(1, "windows", ours), listed(2, "linux", "s390x"), listed(3, "linux", ours), listed(4, "unknown", "unknown")];
        assert_eq!(one_of(list(&mixed).as_bytes()), Some(digest(3)));
        assert_eq!(one_of(list(&mixed[..2]).as_bytes()), Some(digest(1)), "none for this machine");
        for wrong in [&list(&[]), "{\"layers\": []}", "[]", "", "{\"manifests\": [{\"digest\": \"../x\"}]}"] {
            assert_eq!(one_of(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn layers_are_added_up() {
        assert_eq!(bytes_of(b"{\"layers\": [{\"size\": 7}, {\"size\": 5, \"digest\": \"d\"}]}"), Some(12));
        assert_eq!(bytes_of(b"{\"layers\": []}"), Some(0));
        let most = u64::MAX;
        let too_many = format!("{{\"layers\": [{{\"size\": {most}}}, {{\"size\": 1}}]}}");
        for wrong in ["{\"fsLayers\": []}", "{\"layers\": [{\"size\": -1}]}", "{\"layers\": [{}]}", &too_many, "\u{0}"] {
            assert_eq!(bytes_of(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
