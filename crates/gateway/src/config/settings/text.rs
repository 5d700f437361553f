//! What is done with texts among the arguments of events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[namespaces.events.text]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextSettings {
    /// Where the text is: a JSON Pointer into the list of arguments, the room not counted, such as `/0` or `/0/title`. `*`
    /// stands for each element of a list: `/0/lines/*`. Where it finds no text, the rule says nothing.
    #[schemars(example = "/0")]
    pub path: String,
    /// Control characters but tab and line feed, and those that override the direction of text. `keep` them, `reject` the
    /// event, or `strip` them.
    #[serde(default = "default_control")]
    pub control: ControlCharacters,
    /// `keep`: the text is plain, or whoever shows it takes care. `clean`: the text is HTML, and all markup but `tags` is
    /// taken out of it, scripts and styles with what is in them. `&` and `<` become `&amp;` and `&lt;`.
    #[serde(default = "default_html")]
    pub html: Html,
    /// The tags that stay, without attributes, such as `b` and `code`. None: the text has no markup at all.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Links stay as well: the tag `a` with an `href` that begins with `http:`, `https:` or `mailto:`, and
    /// `rel="noopener"`.
    #[serde(default)]
    pub links: bool,
    /// White space at both ends is taken away.
    #[serde(default)]
    pub trim: bool,
    /// Most characters (Unicode scalar values) of what is left after all that; 0: no limit.
    #[serde(default)]
    pub max_chars: usize,
}

/// What is done with control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum ControlCharacters {
    Keep,
    Reject,
    Strip,
}

/// What is done with markup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[allow(missing_docs, reason = "the field that uses it says what they mean, in one place for all values")]
pub enum Html {
    Keep,
    Clean,
}

fn default_control() -> ControlCharacters {
    ControlCharacters::Keep
}
fn default_html() -> Html {
    Html::Keep
}

impl TextSettings {
    /// A rule for the text at `path` that changes and refuses nothing.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            control: default_control(),
            html: default_html(),
            tags: vec![],
            links: false,
            trim: false,
            max_chars: 0,
        }
    }
}
