//! Markup that is taken out of texts.

use std::collections::{HashMap, HashSet};

use ammonia::{Builder, UrlRelative};

/// Most tags and texts with markup that are cleaned in one event. Time and output grow with the square of the tags: each
/// paragraph opens all elements again that were not closed before it.
const MAX_PIECES: usize = 100;
/// Most bytes of texts that are cleaned in one event. Time grows with the square of the attributes of one tag.
const MAX_BYTES: usize = 32_768;

/// What cleaning the texts of one event has cost so far.
#[derive(Debug, Default)]
pub(super) struct Effort {
    pieces: usize,
    bytes: usize,
}

impl Effort {
    /// Counts a text that is to be cleaned.
    ///
    /// # Errors
    /// It is too much; the message says so.
    pub(super) fn spend(&mut self, text: &str) -> Result<(), String> {
        // Before anything else `<` is a text (HTML, 13.2.5.6).
        let is_tag = |pair: &&[u8]| {
            pair[0] == b'<' && matches!(pair[1], b'a'..=b'z' | b'A'..=b'Z' | b'/' | b'!' | b'?')
        };
        self.pieces += 1 + text.as_bytes().windows(2).filter(is_tag).count();
        self.bytes += text.len();
        if self.pieces > MAX_PIECES || self.bytes > MAX_BYTES {
            return Err(format!(
                "the event has too much markup, at most {MAX_PIECES} tags in {MAX_BYTES} bytes are cleaned"
            ));
        }
        Ok(())
    }
}

/// Cleans texts.
#[derive(Debug)]
pub(super) struct Cleaner(Builder<'static>);

impl Cleaner {
    /// # Errors
    /// Tags that cannot be let through.
    pub(super) fn new(tags: &[String], links: bool) -> Result<Self, Vec<String>> {
        let known = Builder::default().clone_tags();
        let (mut allowed, mut unknown) = (HashSet::new(), Vec::new());
        for tag in tags {
            if let Some(tag) = known.get(tag.as_str()) {
                allowed.insert(*tag);
            } else {
                unknown.push(format!("`{tag}` is no tag that may stay, such as `b`, `code` and `p` may"));
            }
        }
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let mut attributes = HashMap::new();
        if links {
            allowed.insert("a");
            attributes.insert("a", HashSet::from(["href"]));
        }
        let mut builder = Builder::default();
        builder
            .tags(allowed)
            .tag_attributes(attributes)
            .generic_attributes(HashSet::new())
            .url_schemes(HashSet::from(["http", "https", "mailto"]))
            .url_relative(UrlRelative::Deny)
            .link_rel(links.then_some("noopener"));
        Ok(Self(builder))
    }

    /// Whether cleaning can change the text at all.
    pub(super) fn concerns(text: &str) -> bool {
        text.contains(['<', '>', '&', '\0', '\r', '\u{a0}', '\u{feff}'])
    }

    pub(super) fn clean(&self, text: &str) -> String {
        self.0.clean(text).to_string()
    }
}
