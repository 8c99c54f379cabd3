//! An image as `docker save` writes it, the one form that all engines take.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use serde_json::json;

use super::manifest::Image;

/// Writes the image to a file under one name.
pub fn write(image: &Image, name: &str, path: &Path) -> io::Result<()> {
    let mut archive = tar::Builder::new(io::BufWriter::new(File::create(path)?));
    let description = format!("{}.json", image.id);
    append(&mut archive, &description, image.description.len() as u64, image.description.as_slice())?;
    let mut layers = Vec::new();
    for (number, layer) in image.layers.iter().enumerate() {
        let file = format!("{number}-{}/layer.tar", layer.digest);
        append(&mut archive, &file, layer.blob.size, layer.blob.reader())?;
        layers.push(file);
    }
    let manifest = json!([{ "Config": description, "RepoTags": [name], "Layers": layers }]).to_string();
    append(&mut archive, "manifest.json", manifest.len() as u64, manifest.as_bytes())?;
    archive.into_inner()?.flush()
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, size: u64, content: impl Read) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, content)
}
