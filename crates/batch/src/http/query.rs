//! The query of a request.

/// Its parameters, decoded, in the order in which they were sent.
#[derive(Clone, Debug, Default)]
pub struct Query(pub Vec<(String, String)>);

impl Query {
    /// Reads a query; a parameter without `=` is empty.
    pub fn parse(text: &str) -> Query {
        Query(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The value of a parameter, if it was given at all.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter, empty if it was not given.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether a parameter was given and is not false.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.eq_ignore_ascii_case("false"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("Marker&MaxItemCount=10&a=%2Fx%20y&b=%zz&IsReverse=True&c=false");
        assert_eq!(query.get("Marker"), Some(""));
        assert_eq!((query.text("a"), query.text("b"), query.text("none")), ("/x y", "%zz", ""));
        assert!(query.is_set("IsReverse") && !query.is_set("c") && !query.is_set("d"));
    }
}
