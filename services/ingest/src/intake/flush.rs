//! Saves the keys of accepted events now and then, so that a restart reads little of the log.

use std::sync::Arc;

use kernel::{Result, Time};

use super::admission::Admission;
use crate::domain::seen::day;
use crate::store::seen;

impl Admission {
    /// Saves when enough is new or long enough; says when to look again.
    pub(super) async fn flush(self: Arc<Self>) -> Result<Option<Time>> {
        let now = self.clock.now();
        let (mut keys, place) = {
            let state = self.lock();
            if state.unflushed.is_empty() {
                return Ok(None);
            }
            let due = state.unflushed_since.plus(self.flush_after);
            if state.unflushed.len() < self.flush_events && now < due {
                return Ok(Some(due));
            }
            (state.unflushed.clone(), state.place.clone())
        };
        let saved = keys.len();
        // By day: a block is of one day.
        keys.sort_by_key(|(_, day)| *day);
        let unit = self.db.begin().await?;
        seen::save(unit.db(), &keys, &place).await?;
        seen::forget_before(unit.db(), day(now).saturating_sub(self.window_days)).await?;
        unit.commit().await?;
        let mut state = self.lock();
        state.unflushed.drain(..saved);
        state.unflushed_since = now;
        Ok((!state.unflushed.is_empty()).then(|| now.plus(self.flush_after)))
    }
}
