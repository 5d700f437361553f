//! `Reader::skip`: it skips what is one value when read token by token, and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use roomcast_adapter::wire::WireError;
use roomcast_adapter::wire::reader::{Reader, Token};

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let mut at = 0;
    while let Ok(value) = reader.skip() {
        assert_eq!(&bytes[at..at + value.len()], value, "values follow each other without a gap");
        at += value.len();
        assert!(Reader::new(&value[..value.len() - 1]).skip().is_err(), "a value that is cut is no value");
        let mut walked = Reader::new(value);
        match walk(&mut walked, 0) {
            Ok(()) => assert_eq!(walked.finish(), Ok(())),
            Err(error) => assert_eq!(error, WireError::TooDeep),
        }
    }
    if at == bytes.len() {
        assert_eq!(reader.finish(), Ok(()));
    } else {
        assert!(walk(&mut Reader::new(&bytes[at..]), 0).is_err(), "a value that was not skipped");
    }
});

fn walk(reader: &mut Reader<'_>, depth: usize) -> Result<(), WireError> {
    // What is below would not fit on the stack.
    if depth > 1000 {
        return Err(WireError::TooDeep);
    }
    match reader.token()? {
        Token::Array(len) => (0..len).try_for_each(|_| walk(reader, depth + 1)),
        Token::Map(len) => (0..len).try_for_each(|_| {
            walk(reader, depth + 1)?;
            walk(reader, depth + 1)
        }),
        _ => Ok(()),
    }
}
