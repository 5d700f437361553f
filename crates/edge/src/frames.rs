//! Where websocket frames begin and end (RFC 6455, 5.2), told from the bytes that pass. Headers only: payloads are not
//! looked at.

/// A frame of a client with the Engine.IO packet `close`; its mask is zero.
pub(crate) const CLOSE_PACKET: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'1'];

/// Follows one direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// Of the frame that is passing: its header, as far as it was seen.
    header: [u8; 14],
    seen: u8,
    /// Bytes of the payload that are still to come.
    payload: u64,
    /// A message is split into several frames, and the last has not come.
    fragmented: bool,
    /// Bytes of the data message that is passing.
    message: u64,
}

/// What passed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Text and binary messages that ended.
    pub(crate) messages: u64,
    /// The largest message that was announced, whole or in part.
    pub(crate) largest: u64,
}

impl Frames {
    /// Between two messages: here a frame could be put in.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.seen == 0 && self.payload == 0 && !self.fragmented
    }

    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Passed {
        let mut passed = Passed::default();
        while !bytes.is_empty() {
            if self.payload > 0 {
                let part = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= part as u64;
                bytes = &bytes[part..];
                continue;
            }
            self.header[usize::from(self.seen)] = bytes[0];
            self.seen += 1;
            bytes = &bytes[1..];
            if self.seen < 2 || usize::from(self.seen) < self.header_length() {
                continue;
            }
            self.begin(&mut passed);
        }
        passed
    }

    fn header_length(&self) -> usize {
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    /// The header is whole.
    fn begin(&mut self, passed: &mut Passed) {
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        self.payload = match self.header[1] & 0x7f {
            126 => number(&self.header[2..4]),
            127 => number(&self.header[2..10]),
            short => u64::from(short),
        };
        self.seen = 0;
        let (last, opcode) = (self.header[0] & 0x80 != 0, self.header[0] & 0x0f);
        // Control frames may come in between the parts of a message.
        if opcode < 8 {
            self.message = self.message.saturating_add(self.payload);
            passed.largest = passed.largest.max(self.message);
            self.fragmented = !last;
            if last {
                passed.messages += 1;
                self.message = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame; masked ones have a key of zeros, so that their payload is readable.
    fn frame(first: u8, masked: bool, length: usize) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0, if masked { 4 } else { 0 }));
        frame.extend(std::iter::repeat_n(b'x', length));
        frame
    }

    #[test]
    fn messages_are_counted_however_the_bytes_arrive() {
        for masked in [true, false] {
            let lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000];
            let bytes: Vec<u8> = lengths.iter().flat_map(|length| frame(0x81, masked, *length)).collect();
            for step in [1, 2, 3, 7, 1000, bytes.len()] {
                let mut frames = Frames::default();
                let (mut messages, mut largest) = (0, 0);
                for part in bytes.chunks(step) {
                    let passed = frames.pass(part);
                    messages += passed.messages;
                    largest = largest.max(passed.largest);
                }
                assert_eq!((messages, largest), (8, 70_000), "in steps of {step}");
                assert!(frames.is_between_messages());
            }
        }
    }

    #[test]
    fn a_message_in_parts_is_one_and_pings_in_between_do_not_end_it() {
        let mut frames = Frames::default();
        assert_eq!(frames.pass(&frame(0x01, true, 10)), Passed { messages: 0, largest: 10 });
        assert!(!frames.is_between_messages());
        assert_eq!(frames.pass(&frame(0x89, true, 5)), Passed::default());
        assert!(!frames.is_between_messages());
        assert_eq!(frames.pass(&frame(0x80, true, 10)), Passed { messages: 1, largest: 20 });
        assert!(frames.is_between_messages());
    }

    #[test]
    fn inside_of_a_frame_is_not_between_messages() {
        let bytes = frame(0x82, true, 3);
        for end in 1..bytes.len() {
            let mut frames = Frames::default();
            frames.pass(&bytes[..end]);
            assert!(!frames.is_between_messages(), "after {end} bytes");
        }
    }

    #[test]
    fn a_length_beyond_all_limits_is_told_from_the_header() {
        let mut frames = Frames::default();
        let mut header = vec![0x82, 0xff];
        header.extend(u64::MAX.to_be_bytes());
        header.extend([0; 4]);
        assert_eq!(frames.pass(&header).largest, u64::MAX);
    }
}
