//! JSON text as a value, if all readers find the same one in it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Misshapen;
use super::pointer::push_segment;

/// The value of the text.
///
/// # Errors
/// [`Misshapen`] if an object has a name twice, of which readers take the first or the last, or a number is beyond what
/// a double can hold.
pub(super) fn parse(json: &str) -> Result<Value, Misshapen> {
    let mut place = Place::default();
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = Reader(&mut place).deserialize(&mut reader);
    value.map_err(|_| {
        let message = if place.is_twice { "is there more than once" } else { "cannot be read" };
        Misshapen { path: place.path, message: message.into() }
    })
}

/// Where the reader is; after a failure, where that was.
#[derive(Default)]
struct Place {
    path: String,
    is_twice: bool,
}

struct Reader<'p>(&'p mut Place);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        let length = self.0.path.len();
        loop {
            push_segment(&mut self.0.path, &list.len().to_string());
            let item = items.next_element_seed(Reader(self.0))?;
            self.0.path.truncate(length);
            match item {
                Some(item) => list.push(item),
                None => return Ok(list.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let length = self.0.path.len();
        while let Some(name) = members.next_key::<String>()? {
            push_segment(&mut self.0.path, &name);
            if object.contains_key(&name) {
                self.0.is_twice = true;
                return Err(A::Error::custom("a name is there twice"));
            }
            let value = members.next_value_seed(Reader(self.0))?;
            self.0.path.truncate(length);
            object.insert(name, value);
        }
        Ok(object.into())
    }
}
