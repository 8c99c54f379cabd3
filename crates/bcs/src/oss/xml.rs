//! Answers of the object store as small trees.

use quick_xml::{Reader, XmlVersion, events::Event};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 16;

/// An element with its text and children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name without prefix.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its children.
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn read(text: &str) -> Result<Element, String> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Element> = vec![Element::default()];
        loop {
            let event = reader.read_event().map_err(|e| e.to_string())?;
            match event {
                Event::Start(start) => {
                    if open.len() > MAX_DEPTH {
                        return Err("it is nested too deeply".to_owned());
                    }
                    open.push(Element { name: name(start.local_name().as_ref()), ..Element::default() });
                }
                Event::Empty(start) => {
                    let child = Element { name: name(start.local_name().as_ref()), ..Element::default() };
                    add(&mut open, child);
                }
                Event::End(_) => {
                    if let Some(done) = open.pop() {
                        add(&mut open, done);
                    }
                }
                Event::Text(piece) => append(&mut open, &piece.xml_content(XmlVersion::Implicit1_0)),
                Event::CData(piece) => append(&mut open, &piece.xml_content(XmlVersion::Implicit1_0)),
                Event::GeneralRef(reference) => {
                    let letter = match reference.resolve_char_ref().map_err(|e| e.to_string())? {
                        Some(letter) => letter.to_string(),
                        None => entity(&reference.xml_content(XmlVersion::Implicit1_0)).to_owned(),
                    };
                    append(&mut open, &letter);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let root = open.into_iter().next().and_then(|top| top.children.into_iter().next());
        root.ok_or_else(|| "it has no element".to_owned())
    }

    /// The text of the first child of this name.
    pub fn child(&self, name: &str) -> &str {
        self.children.iter().find(|c| c.name == name).map_or("", |c| c.text.trim())
    }

    /// All children of this name.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |c| c.name == name)
    }
}

/// A text that may stand in a document.
pub fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

fn name(local: &str) -> String {
    local.to_owned()
}

fn add(open: &mut [Element], child: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(child);
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn entity(name: &str) -> &'static str {
    match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_with_entities() {
        let text =
            "<?xml version=\"1.0\"?>\n<Error xmlns=\"x\"><Code>No&amp;Key</Code><Message>a&#60;b <![CDATA[<c>]]></Message><X/></Error>";
        let error = Element::read(text).unwrap();
        assert_eq!((error.name.as_str(), error.child("Code"), error.child("Message")), ("Error", "No&Key", "a<b <c>"));
        assert_eq!(error.all("X").count(), 1);
        assert!(Element::read("not xml").is_err());
        assert!(Element::read(&"<a>".repeat(50)).is_err());
        assert_eq!(escaped("a<b&c"), "a&lt;b&amp;c");
    }
}
