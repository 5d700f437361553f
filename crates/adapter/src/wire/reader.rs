//! A MessagePack reader over a slice: no allocation, no recursion, nothing reserved for a claimed length.

use rmp::Marker;

use super::WireError;

/// One MessagePack value; of arrays and maps only the head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'a> {
    /// `nil`: JavaScript's `null`, or `undefined` in an array.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer that is not negative.
    Uint(u64),
    /// A negative integer.
    Int(i64),
    /// A 32- or 64-bit float.
    Float(f64),
    /// A UTF-8 string.
    Str(&'a str),
    /// A string that is not UTF-8. notepack ends some with a byte of old memory: those that were cut in the middle of
    /// a character. As in Node that is no reason to drop the event.
    Garbled(&'a [u8]),
    /// Bytes: a `Buffer` in Node.
    Bin(&'a [u8]),
    /// An extension value.
    Ext {
        /// The application's type number.
        kind: i8,
        /// The payload.
        data: &'a [u8],
        /// Whether one of the fixed-length forms was used: notepack 2.x tells `undefined`, dates and buffers apart
        /// by that.
        fixed: bool,
    },
    /// The head of an array of that many values.
    Array(u32),
    /// The head of a map of that many pairs.
    Map(u32),
}

/// Reads one value after the other from a slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Fails unless everything was read.
    ///
    /// # Errors
    /// [`WireError::Trailing`] if bytes are left.
    pub fn finish(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }

    /// The next value, or the head of it.
    ///
    /// # Errors
    /// [`WireError::Truncated`], or [`WireError::Shape`] for the reserved marker.
    pub fn token(&mut self) -> Result<Token<'a>, WireError> {
        let [marker] = self.fixed::<1>()?;
        Ok(match Marker::from_u8(marker) {
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::FixPos(value) => Token::Uint(value.into()),
            Marker::U8 => Token::Uint(u8::from_be_bytes(self.fixed()?).into()),
            Marker::U16 => Token::Uint(u16::from_be_bytes(self.fixed()?).into()),
            Marker::U32 => Token::Uint(u32::from_be_bytes(self.fixed()?).into()),
            Marker::U64 => Token::Uint(u64::from_be_bytes(self.fixed()?)),
            Marker::FixNeg(value) => signed(value.into()),
            Marker::I8 => signed(i8::from_be_bytes(self.fixed()?).into()),
            Marker::I16 => signed(i16::from_be_bytes(self.fixed()?).into()),
            Marker::I32 => signed(i32::from_be_bytes(self.fixed()?).into()),
            Marker::I64 => signed(i64::from_be_bytes(self.fixed()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.fixed()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.fixed()?)),
            Marker::FixStr(len) => self.string(len.into())?,
            Marker::Str8 => self.u8().and_then(|len| self.string(len))?,
            Marker::Str16 => self.u16().and_then(|len| self.string(len))?,
            Marker::Str32 => self.u32().and_then(|len| self.string(len))?,
            Marker::Bin8 => self.u8().and_then(|len| self.take(len)).map(Token::Bin)?,
            Marker::Bin16 => self.u16().and_then(|len| self.take(len)).map(Token::Bin)?,
            Marker::Bin32 => self.u32().and_then(|len| self.take(len)).map(Token::Bin)?,
            Marker::FixArray(len) => Token::Array(len.into()),
            Marker::Array16 => Token::Array(self.u16()?),
            Marker::Array32 => Token::Array(self.u32()?),
            Marker::FixMap(len) => Token::Map(len.into()),
            Marker::Map16 => Token::Map(self.u16()?),
            Marker::Map32 => Token::Map(self.u32()?),
            Marker::FixExt1 => self.ext(1, true)?,
            Marker::FixExt2 => self.ext(2, true)?,
            Marker::FixExt4 => self.ext(4, true)?,
            Marker::FixExt8 => self.ext(8, true)?,
            Marker::FixExt16 => self.ext(16, true)?,
            Marker::Ext8 => self.u8().and_then(|len| self.ext(len, false))?,
            Marker::Ext16 => self.u16().and_then(|len| self.ext(len, false))?,
            Marker::Ext32 => self.u32().and_then(|len| self.ext(len, false))?,
            Marker::Reserved => return Err(WireError::Shape("marker")),
        })
    }

    /// Skips one whole value and returns its bytes.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub fn skip(&mut self) -> Result<&'a [u8], WireError> {
        let start = self.rest;
        let mut pending: u64 = 1;
        while pending > 0 {
            pending -= 1;
            pending += match self.token()? {
                Token::Array(len) => u64::from(len),
                Token::Map(len) => 2 * u64::from(len),
                _ => 0,
            };
        }
        Ok(&start[..start.len() - self.rest.len()])
    }

    /// The next value, which must be a string; `what` names it in the error.
    ///
    /// # Errors
    /// As [`token`](Self::token), [`WireError::Utf8`], and [`WireError::Shape`] for another type.
    pub fn str(&mut self, what: &'static str) -> Result<&'a str, WireError> {
        match self.token()? {
            Token::Str(value) => Ok(value),
            Token::Garbled(_) => Err(WireError::Utf8),
            _ => Err(WireError::Shape(what)),
        }
    }

    /// The length of the map that must come next; `what` names it in the error.
    ///
    /// # Errors
    /// As [`token`](Self::token), and [`WireError::Shape`] for another type.
    pub fn map(&mut self, what: &'static str) -> Result<u32, WireError> {
        match self.token()? {
            Token::Map(len) => Ok(len),
            _ => Err(WireError::Shape(what)),
        }
    }

    fn take(&mut self, len: u32) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(len as usize).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u32, WireError> {
        Ok(u8::from_be_bytes(self.fixed()?).into())
    }

    fn u16(&mut self) -> Result<u32, WireError> {
        Ok(u16::from_be_bytes(self.fixed()?).into())
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.fixed()?))
    }

    fn string(&mut self, len: u32) -> Result<Token<'a>, WireError> {
        let bytes = self.take(len)?;
        Ok(std::str::from_utf8(bytes).map_or(Token::Garbled(bytes), Token::Str))
    }

    fn ext(&mut self, len: u32, fixed: bool) -> Result<Token<'a>, WireError> {
        let kind = i8::from_be_bytes(self.fixed()?);
        Ok(Token::Ext { kind, data: self.take(len)?, fixed })
    }
}

fn signed(value: i64) -> Token<'static> {
    u64::try_from(value).map_or(Token::Int(value), Token::Uint)
}
