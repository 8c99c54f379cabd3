//! `image@oss://path`, or an image of a registry.

use crate::failure::Failure;

/// A container image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name.
    pub name: String,
    /// Where the object store keeps it, if it does.
    pub registry: Option<String>,
}

/// The variables by which an instance is told its image.
pub const IMAGE: &str = "BATCH_COMPUTE_DOCKER_IMAGE";
/// See [`IMAGE`].
pub const REGISTRY: &str = "BATCH_COMPUTE_DOCKER_REGISTRY_OSS_PATH";
/// Images that the object store keeps are named like this.
const LOCAL: &str = "localhost:5000/";

/// Reads the option.
///
/// # Errors
///
/// The original's text.
pub fn image(text: &str) -> Result<Image, Failure> {
    if text.starts_with("registry") {
        return Ok(Image { name: text.to_owned(), registry: None });
    }
    match text.split_once("@oss://") {
        Some((name, path)) if !name.is_empty() => {
            let name = if name.starts_with(LOCAL) { name.to_owned() } else { format!("{LOCAL}{name}") };
            Ok(Image { name, registry: Some(format!("oss://{path}")) })
        }
        _ => Err(Failure::told(format!("Invalid docker option format: `{text}` is neither registry... nor <image>@oss://<path>"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_and_store() {
        assert_eq!(image("registry.x/y:1").unwrap(), Image { name: "registry.x/y:1".to_owned(), registry: None });
        let stored = Image { name: "localhost:5000/ubuntu".to_owned(), registry: Some("oss://b/dockers/".to_owned()) };
        assert_eq!(image("ubuntu@oss://b/dockers/").unwrap(), stored);
        assert_eq!(image("localhost:5000/ubuntu@oss://b/dockers/").unwrap(), stored);
        assert!(image("ubuntu").unwrap_err().to_string().starts_with("Invalid docker option format"));
    }
}
