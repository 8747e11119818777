//! Events that were set aside and are given to the service again.

use bus::Stream;
use kernel::Result;
use store::{Delivery, dead_letter};
use tokio::time::Instant;

use super::{LOOK, Reader, Reading};
use crate::events;

/// Events of a partition that are taken again between two flushes.
const AGAIN: u64 = 100;

impl Reader {
    /// Takes what is asked for again, and says whether there was anything. A flush is due then at once, with which it
    /// ceases to be set aside; what is refused once more stays.
    pub(super) async fn take_again(&self, reading: &mut Reading) -> Result<bool> {
        let Reading { opened, read, look, .. } = reading;
        if look.elapsed() < LOOK {
            return Ok(false);
        }
        *look = Instant::now();
        let mut worked = false;
        for partition in self.partitions() {
            for letter in dead_letter::asked(self.db.read(), Stream::Events, partition, AGAIN).await? {
                let taken = Delivery::of_letter(partition, &letter)
                    .and_then(|delivery| events::take(&opened.engine, &delivery));
                worked = true;
                match taken {
                    Ok(()) => {
                        read.taken.push(letter.id);
                        opened.set_flush_at(kernel::Time::MIN);
                    }
                    Err(error) => {
                        tracing::error!(
                            partition, position = letter.position, reason = error.reason, %error,
                            "a dead letter could not be taken this time either"
                        );
                        let unit = self.db.begin().await?;
                        dead_letter::keep_again(unit.db(), letter, &error).await?;
                        unit.commit().await?;
                    }
                }
            }
        }
        Ok(worked)
    }
}
