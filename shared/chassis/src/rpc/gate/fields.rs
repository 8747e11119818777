//! Entries of a message, counted as its bytes come: an empty one takes two bytes on the way and hundreds once it is decoded,
//! so that the length of a message does not say what it will take.
//!
//! Only fields at the top are counted, where lists of a call stand; nothing is decoded.

/// At the most of one message; calls take far shorter lists.
pub(super) const MOST: u32 = 16 << 10;

/// Where the next byte belongs.
#[derive(Clone, Copy, Debug)]
enum At {
    /// In front of a message (gRPC's five bytes): so many were seen, and the length as far as it is known.
    Front(u8, u32),
    /// A field's number and form, as far as they are known.
    Tag(u64, u32),
    /// The length of a field, as far as it is known.
    Length(u64, u32),
    /// A number that ends by itself.
    Number,
    /// So many bytes that mean nothing here.
    Rest(u64),
}

/// The messages of one call.
#[derive(Debug)]
pub(super) struct Fields {
    at: At,
    /// Bytes of the present message that are to come.
    left: u32,
    /// Fields of the present message.
    seen: u32,
}

impl Default for Fields {
    fn default() -> Self {
        Self { at: At::Front(0, 0), left: 0, seen: 0 }
    }
}

impl Fields {
    /// Goes on with these bytes; says whether all messages up to here have no more fields than they may.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.at {
                At::Front(seen, length) => {
                    // The first byte says whether it is compressed, which no service here takes.
                    let length = if seen == 0 { 0 } else { (length << 8) | u32::from(byte) };
                    bytes = rest;
                    self.at = At::Front(seen + 1, length);
                    if seen == 4 {
                        (self.left, self.seen) = (length, 0);
                        self.begin();
                    }
                }
                At::Rest(more) => {
                    let skipped = usize::try_from(more.min(u64::from(self.left)))
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    bytes = bytes.get(skipped..).unwrap_or_default();
                    self.left -= u32::try_from(skipped).unwrap_or(self.left);
                    self.at = At::Rest(more - skipped as u64);
                    if more == skipped as u64 || self.left == 0 {
                        self.begin();
                    }
                }
                At::Tag(value, shift) => {
                    bytes = rest;
                    self.left -= 1;
                    let value = value | (u64::from(byte & 0x7f) << shift.min(63));
                    if byte & 0x80 != 0 {
                        self.at = At::Tag(value, shift.saturating_add(7));
                        self.end();
                        continue;
                    }
                    self.seen += 1;
                    if self.seen > MOST {
                        return false;
                    }
                    self.at = match value & 7 {
                        0 => At::Number,
                        1 => At::Rest(8),
                        2 => At::Length(0, 0),
                        5 => At::Rest(4),
                        // Groups, and what cannot be.
                        _ => At::Tag(0, 0),
                    };
                    self.end();
                }
                At::Length(value, shift) => {
                    bytes = rest;
                    self.left -= 1;
                    let value = value | (u64::from(byte & 0x7f) << shift.min(63));
                    self.at = match (byte & 0x80, value) {
                        (0, 0) => At::Tag(0, 0),
                        (0, length) => At::Rest(length),
                        _ => At::Length(value, shift.saturating_add(7)),
                    };
                    self.end();
                }
                At::Number => {
                    bytes = rest;
                    self.left -= 1;
                    if byte & 0x80 == 0 {
                        self.at = At::Tag(0, 0);
                    }
                    self.end();
                }
            }
        }
        true
    }

    /// The next field, or the next message.
    fn begin(&mut self) {
        self.at = At::Tag(0, 0);
        self.end();
    }

    /// A message that ends within a field is no message; decoding says so.
    fn end(&mut self) {
        if self.left == 0 {
            self.at = At::Front(0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use wire::event::Event;
    use wire::ingest::IngestEventsRequest;

    use super::*;

    /// As gRPC sends them, one after the other.
    fn sent(messages: &[Vec<u8>]) -> Vec<u8> {
        let frame = |message: &Vec<u8>| {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            [&[0], &length[..], message].concat()
        };
        messages.iter().flat_map(frame).collect()
    }

    fn of(events: usize) -> Vec<u8> {
        let event = Event { id: "事件".repeat(events % 50), depth: 7, ..Event::default() };
        IngestEventsRequest { events: vec![event; events], source_key: "app".to_owned() }.encode_to_vec()
    }

    #[test]
    fn entries_are_counted_however_the_bytes_come() {
        let most = MOST as usize;
        for (messages, good) in [
            (vec![of(0), of(1), of(2_500), of(most - 1)], true),
            (vec![of(2_500), of(most)], false),
            (vec![[0x0a, 0].repeat(most)], true),
            (vec![[0x0a, 0].repeat(most + 1)], false),
            (vec![[0x08, 0x80, 1].repeat(most), Vec::new(), [0x15, 1, 2, 3, 4].repeat(most)], true),
            (vec![Vec::new(), [0x15, 1, 2, 3, 4].repeat(most + 1)], false),
            (vec![[0x09, 1, 2, 3, 4, 5, 6, 7, 8].repeat(most + 1)], false),
        ] {
            let bytes = sent(&messages);
            for step in [1, 2, 7, 4_096, bytes.len()] {
                let mut fields = Fields::default();
                assert_eq!(
                    bytes.chunks(step).all(|chunk| fields.read(chunk)),
                    good,
                    "{step} bytes at a time"
                );
            }
        }
    }

    #[test]
    fn what_is_no_message_is_left_to_who_decodes() {
        let mut wrong =
            vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        wrong.extend([7; 100]);
        let next = [0x0a, 0].repeat(MOST as usize + 1);
        let mut fields = Fields::default();
        assert!(fields.read(&sent(&[wrong])));
        // The next one is found all the same.
        assert!(!fields.read(&sent(&[next])));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _counted = Fields::default().read(&bytes);
        }
    }
}
