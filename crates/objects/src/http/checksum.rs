//! What a client says about its bytes, compared with what came.

use base64::{Engine, prelude::BASE64_STANDARD};
use crc_fast::CrcAlgorithm;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{auth::Payload, head::Head, problem::Problem};
use crate::{ObjectError, Sums};

/// Sums that are made while bytes come in.
pub(super) struct Sieve {
    pub(super) sums: Sums,
    sha256: Option<Sha256>,
    extra: Option<Extra>,
}

/// One of the checksums that S3 clients choose from.
enum Extra {
    Crc(CrcAlgorithm, crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

/// What the sums should be.
#[derive(Default)]
pub(super) struct Expected {
    md5: Option<Vec<u8>>,
    sha256: Option<String>,
    crc64: Option<u64>,
    /// Algorithm and value in Base64; the value may still come after the body.
    extra: Option<(String, Option<String>)>,
}

const EXTRA: &str = "x-amz-checksum-";

impl Expected {
    pub(super) fn of(head: &Head, payload: &Payload) -> Result<Self, Problem> {
        let invalid =
            |value: &str| Problem::new(400, "InvalidDigest", format!("the `Content-MD5` header `{value}` is not the Base64 of 16 bytes"));
        let md5 = head.header("content-md5").map(|value| {
            let bytes = BASE64_STANDARD.decode(value).ok().filter(|bytes| bytes.len() == 16);
            bytes.ok_or_else(|| invalid(value))
        });
        let sha256 = if let Payload::Hashed(hash) = payload { Some(hash.clone()) } else { None };
        let crc64 = head.header("x-oss-hash-crc64ecma").and_then(|text| text.parse().ok());
        let direct = head.headers.iter().find_map(|(name, value)| Some((algorithm(name)?, Some(value.clone()))));
        let later = head.header("x-amz-trailer").and_then(|name| Some((algorithm(&name.to_lowercase())?, None)));
        Ok(Self { md5: md5.transpose()?, sha256, crc64, extra: direct.or(later) })
    }

    pub(super) fn sieve(&self) -> Sieve {
        let extra = self.extra.as_ref().map(|(name, _)| match name.as_str() {
            "crc32" => crc(CrcAlgorithm::Crc32IsoHdlc),
            "crc32c" => crc(CrcAlgorithm::Crc32Iscsi),
            "crc64nvme" => crc(CrcAlgorithm::Crc64Nvme),
            "sha1" => Extra::Sha1(Sha1::new()),
            _ => Extra::Sha256(Sha256::new()),
        });
        Sieve { sums: Sums::default(), sha256: self.sha256.as_ref().map(|_| Sha256::new()), extra }
    }

    /// A checksum that came after the body.
    pub(super) fn trailer(&mut self, name: &str, value: &str) {
        if let Some((wanted, expected)) = &mut self.extra
            && algorithm(name).as_ref() == Some(wanted)
        {
            *expected = Some(value.to_owned());
        }
    }

    /// # Errors
    /// Something differs.
    pub(super) fn compare(&self, sieve: Sieve) -> Result<(), ObjectError> {
        let (sum, crc) = sieve.sums.values();
        let bad = |what, expected: String, found: String| {
            if expected == found { Ok(()) } else { Err(ObjectError::BadDigest { what, expected, found }) }
        };
        if let Some(md5) = &self.md5 {
            bad("MD5", hex::encode(md5), hex::encode(sum))?;
        }
        if let Some(crc64) = self.crc64 {
            bad("CRC-64", crc64.to_string(), crc.to_string())?;
        }
        if let (Some(expected), Some(sha256)) = (&self.sha256, sieve.sha256) {
            bad("SHA-256", expected.clone(), hex::encode(sha256.finalize()))?;
        }
        if let (Some((_, Some(expected))), Some(extra)) = (&self.extra, sieve.extra) {
            bad("checksum", expected.clone(), extra.text())?;
        }
        Ok(())
    }
}

impl Sieve {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sums.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        match &mut self.extra {
            None => {}
            Some(Extra::Crc(_, digest)) => digest.update(bytes),
            Some(Extra::Sha1(digest)) => digest.update(bytes),
            Some(Extra::Sha256(digest)) => digest.update(bytes),
        }
    }
}

impl Extra {
    fn text(self) -> String {
        BASE64_STANDARD.encode(match self {
            Self::Crc(CrcAlgorithm::Crc64Nvme, digest) => digest.finalize().to_be_bytes().to_vec(),
            // The upper half of a 32-bit sum is empty.
            Self::Crc(_, digest) => digest.finalize().to_be_bytes().into_iter().skip(4).collect(),
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
        })
    }
}

fn crc(algorithm: CrcAlgorithm) -> Extra {
    Extra::Crc(algorithm, crc_fast::Digest::new(algorithm))
}

/// The algorithm that a header or trailer is about, if we know it.
fn algorithm(header: &str) -> Option<String> {
    let name = header.strip_prefix(EXTRA)?;
    ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"].contains(&name).then(|| name.to_owned())
}
