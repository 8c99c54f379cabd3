//! A cluster's id, or `img=<image>:type=<instance type>`.

use crate::failure::Failure;

/// Where a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On an existing cluster.
    Cluster(String),
    /// On nodes of its own; what is not said comes from the configuration.
    Own {
        /// Image.
        image: Option<String>,
        /// Instance type.
        kind: Option<String>,
    },
}

/// Reads the option.
///
/// # Errors
///
/// The original's texts.
pub fn place(text: &str) -> Result<Place, Failure> {
    if !text.contains('=') {
        return Ok(Place::Cluster(text.to_owned()));
    }
    let (mut image, mut kind) = (None, None);
    for item in text.split(':') {
        match item.split_once('=') {
            Some(("img", value)) => image = Some(checked_image(value)?.to_owned()),
            Some(("type", value)) => kind = Some(value.to_owned()),
            Some(_) => {}
            None => return Err(Failure::told(format!("Invalid cluster format: `{item}` is not img=<image> or type=<instance type>"))),
        }
    }
    Ok(Place::Own { image, kind })
}

/// An image id.
///
/// # Errors
///
/// The original's text when it begins neither with `img-` nor with `m-`.
pub fn checked_image(image: &str) -> Result<&str, Failure> {
    if image.starts_with("img-") || image.starts_with("m-") { Ok(image) } else { Err(Failure::told(format!("Invalid imageId: {image}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_or_halves() {
        assert_eq!(place("cls-x").unwrap(), Place::Cluster("cls-x".to_owned()));
        assert_eq!(place("img=img-a:type=t").unwrap(), Place::Own { image: Some("img-a".into()), kind: Some("t".into()) });
        assert_eq!(place("type=t").unwrap(), Place::Own { image: None, kind: Some("t".into()) });
        assert_eq!(place("img=x").unwrap_err().to_string(), "Invalid imageId: x");
        assert!(place("img=img-x:t").unwrap_err().to_string().starts_with("Invalid cluster format"));
    }
}
