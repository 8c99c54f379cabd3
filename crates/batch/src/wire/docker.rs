//! Images of containers, as clients name them.

use super::{Problems, mounts::check_oss};
use crate::image::Reference;

/// Finds what is wrong with the name of an image and where it lies; empty texts for none.
pub fn check_image(image: &str, registry: &str, at: &str, problems: &mut Problems) {
    problems.unless(!image.starts_with('-') && !image.contains(char::is_whitespace), format!("{at}.Image"), "is no name of an image");
    if registry.is_empty() {
        return;
    }
    problems.unless(!image.is_empty(), format!("{at}.Image"), "is missing: which image at `RegistryOSSPath`?");
    if !image.is_empty()
        && let Err(error) = Reference::parse(image)
    {
        problems.add(format!("{at}.Image"), error.to_string());
    }
    if let Err(text) = check_oss(registry, true) {
        problems.add(format!("{at}.RegistryOSSPath"), text);
    }
}
