//! Which parts a customer is in, and since when; as few bytes as possible, for it is read with every event.

use kernel::{Error, Result, Time};

/// Parts by id, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memberships(Vec<(u32, Time)>);

/// Bytes of one: id and time, little-endian.
const WIDTH: usize = 12;

impl Memberships {
    pub(crate) fn since(&self, part: u32) -> Option<Time> {
        let at = self.0.binary_search_by_key(&part, |(id, _)| *id).ok()?;
        self.0.get(at).map(|(_, since)| *since)
    }

    pub(crate) fn contains(&self, part: u32) -> bool {
        self.since(part).is_some()
    }

    /// Sets `since` in any case.
    pub(crate) fn insert(&mut self, part: u32, since: Time) {
        match self.0.binary_search_by_key(&part, |(id, _)| *id) {
            Ok(at) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.1 = since;
                }
            }
            Err(at) => self.0.insert(at, (part, since)),
        }
    }

    /// Says whether it was there.
    pub(crate) fn remove(&mut self, part: u32) -> bool {
        let found = self.0.binary_search_by_key(&part, |(id, _)| *id);
        if let Ok(at) = found {
            self.0.remove(at);
        }
        found.is_ok()
    }

    pub(crate) fn retain(&mut self, wanted: impl Fn(u32) -> bool) {
        self.0.retain(|(id, _)| wanted(*id));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Time)> {
        self.0.iter().copied()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * WIDTH);
        for (id, since) in &self.0 {
            bytes.extend(id.to_le_bytes());
            bytes.extend(since.0.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let one = |chunk: &[u8]| {
            let (id, since) = chunk.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*id), Time(i64::from_le_bytes(*since.first_chunk::<8>()?))))
        };
        let (chunks, rest) = bytes.as_chunks::<WIDTH>();
        let all = chunks.iter().map(|chunk| one(chunk)).collect::<Option<Vec<_>>>();
        all.filter(|_| rest.is_empty()).map(Self).ok_or_else(|| Error::internal("memberships are damaged"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_sorted_and_go_to_bytes_and_back() {
        let mut memberships = Memberships::default();
        for (part, since) in [(7, 70), (2, 20), (9, 90), (2, 10)] {
            memberships.insert(part, Time(since));
        }
        assert!(memberships.remove(9) && !memberships.remove(9));
        assert_eq!(memberships.iter().collect::<Vec<_>>(), [(2, Time(10)), (7, Time(70))]);
        assert_eq!(Memberships::decode(&memberships.encode()).unwrap(), memberships);
        assert!(Memberships::decode(&[0; 13]).is_err());
    }
}
