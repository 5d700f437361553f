//! Rules for texts among the arguments.

use std::borrow::Cow;

use super::Misshapen;
use super::html::{Cleaner, Effort};
use super::pointer::{Pointer, splice};
use crate::config::{ControlCharacters, Html, TextSettings};

/// A compiled rule.
#[derive(Debug)]
pub(super) struct TextRule {
    pointer: Pointer,
    control: ControlCharacters,
    cleaner: Option<Cleaner>,
    trim: bool,
    max_chars: usize,
}

impl TextRule {
    /// # Errors
    /// Everything that is wrong, by its key.
    pub(super) fn new(settings: &TextSettings) -> Result<Self, Vec<(&'static str, String)>> {
        let mut wrong = Vec::new();
        let pointer = settings.path.parse::<Pointer>().map_err(|message| wrong.push(("path", message)));
        let cleaner = match settings.html {
            Html::Clean => Cleaner::new(&settings.tags, settings.links)
                .map(Some)
                .map_err(|messages| wrong.extend(messages.into_iter().map(|message| ("tags", message)))),
            Html::Keep => {
                let none = "has no effect: set `html = \"clean\"`, or leave it out";
                for (key, is_set) in [("tags", !settings.tags.is_empty()), ("links", settings.links)] {
                    if is_set {
                        wrong.push((key, none.into()));
                    }
                }
                Ok(None)
            }
        };
        let (control, trim, max_chars) = (settings.control, settings.trim, settings.max_chars);
        let says_nothing = control == ControlCharacters::Keep && !trim && max_chars == 0;
        if says_nothing && settings.html == Html::Keep {
            wrong.push(("path", "this rule has no effect: set what is to be done with the text".into()));
        }
        match (pointer, cleaner) {
            (Ok(pointer), Ok(cleaner)) if wrong.is_empty() => {
                Ok(Self { pointer, control, cleaner, trim, max_chars })
            }
            _ => Err(wrong),
        }
    }

    /// The list of arguments with the texts as the rule wants them; `None` if they are so already.
    pub(super) fn apply(&self, list: &str, effort: &mut Effort) -> Result<Option<String>, Misshapen> {
        let mut places = Vec::new();
        for found in self.pointer.texts(list)? {
            let json = &list[found.range.clone()];
            let result = match serde_json::from_str::<String>(json) {
                Ok(text) => self.mended(&text, effort).map(|new| (new != text).then(|| new.into_owned())),
                Err(_) => Err("cannot be read".into()),
            };
            match result {
                Ok(None) => {}
                Ok(Some(mended)) => places.push((found.range, mended)),
                Err(message) => return Err(Misshapen { path: found.path, message }),
            }
        }
        Ok((!places.is_empty()).then(|| splice(list, &places)))
    }

    /// The text as the rule wants it.
    fn mended<'a>(&self, text: &'a str, effort: &mut Effort) -> Result<Cow<'a, str>, String> {
        let mut text = self.without_control(text.into())?;
        if let Some(cleaner) = &self.cleaner
            && Cleaner::concerns(&text)
        {
            effort.spend(&text)?;
            // In HTML a character can be written as a number: `&#8238;`.
            text = self.without_control(cleaner.clean(&text).into())?;
        }
        if self.trim {
            text = match text {
                Cow::Borrowed(text) => text.trim().into(),
                Cow::Owned(text) => text.trim().to_owned().into(),
            };
        }
        if self.max_chars > 0 && text.len() > self.max_chars {
            let chars = text.chars().count();
            if chars > self.max_chars {
                return Err(format!(
                    "the text has {chars} characters, at most {} are allowed",
                    self.max_chars
                ));
            }
        }
        Ok(text)
    }

    fn without_control<'a>(&self, text: Cow<'a, str>) -> Result<Cow<'a, str>, String> {
        if self.control == ControlCharacters::Keep {
            return Ok(text);
        }
        let Some(first) = text.chars().find(|c| is_control(*c)) else {
            return Ok(text);
        };
        if self.control == ControlCharacters::Reject {
            let number = u32::from(first);
            return Err(format!("the text has a control character that is not allowed, U+{number:04X}"));
        }
        Ok(text.chars().filter(|c| !is_control(*c)).collect::<String>().into())
    }
}

/// Control characters, and those that turn the direction of what follows: with them a text can look like another one.
fn is_control(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
