//! What of a batch cannot be applied: found, set aside, and tried once more when an operator says so.

use bus::Entry;
use kernel::{Error, Result, chain};

use super::{Consumer, Delivery, Handler, Place};
use crate::dead_letter::{self, row::Model as Letter};

/// Events given to the service again between two batches.
const AGAIN: u64 = 100;

impl<H: Handler> Consumer<H> {
    /// Applies entries of which something cannot be applied, half by half: the others wait for a few small batches, not
    /// for a transaction each, and what fails at last alone is set aside.
    pub(super) async fn apply_apart(
        &self,
        partition: u32,
        entries: &[Entry],
        place: &mut Place,
    ) -> Result<()> {
        // Each piece stands before those below it.
        let mut pieces: Vec<&[Entry]> = halves(entries);
        while let Some(piece) = pieces.pop() {
            let mut next = place.position.clone();
            let fresh: Vec<&Entry> = piece.iter().filter(|entry| next.pass(entry)).collect();
            let done = match self.wanted(partition, &fresh) {
                Ok(batch) => self.apply(partition, &batch, &next).await,
                Err(error) => Err(error),
            };
            match (done, piece) {
                (Ok(()), _) => self.handler.committed(),
                (Err(error), _) if error.kind.retryable() => return Err(error),
                (Err(error), [entry]) => {
                    tracing::error!(
                        service = self.service, stream = %self.stream, partition, position = entry.position,
                        reason = error.reason, %error, "an event was set aside as a dead letter"
                    );
                    let unit = self.db.begin().await?;
                    dead_letter::keep(unit.db(), self.stream, partition, entry, &error).await?;
                    next.save(unit.db(), self.stream, partition).await?;
                    unit.commit().await?;
                }
                (Err(_), _) => {
                    pieces.extend(halves(piece));
                    continue;
                }
            }
            *place = Place::saved(place.held.clone(), next);
        }
        Ok(())
    }

    /// Applies what was set aside and is asked for again, of the partitions that are this process's.
    pub(super) async fn redrive(&self, places: &[Option<Place>]) {
        for (partition, place) in (0..).zip(places) {
            let Some(place) = place else { continue };
            if let Err(error) = place.held.clone().scope(self.redrive_partition(partition)).await {
                tracing::warn!(service = self.service, stream = %self.stream, partition, error = %chain(&error), "what was set aside cannot be tried now; trying again");
            }
        }
    }

    async fn redrive_partition(&self, partition: u32) -> Result<()> {
        for letter in dead_letter::asked(self.db.read(), self.stream, partition, AGAIN).await? {
            match self.try_again(partition, &letter).await {
                Ok(()) => self.handler.committed(),
                Err(error) if error.kind.retryable() => return Err(error),
                Err(error) => {
                    tracing::error!(
                        service = self.service, stream = %self.stream, partition, position = letter.position,
                        reason = error.reason, %error, "a dead letter could not be applied this time either"
                    );
                    let unit = self.db.begin().await?;
                    dead_letter::keep_again(unit.db(), letter, &error).await?;
                    unit.commit().await?;
                }
            }
        }
        Ok(())
    }

    /// The effects, and that it is a dead letter no more, in one transaction.
    async fn try_again(&self, partition: u32, letter: &Letter) -> Result<()> {
        let delivery = [Delivery::of_letter(partition, letter)?];
        let wanted = delivery.iter().all(|one| self.handler.wants(&one.workspace, &one.event.name));
        if wanted {
            self.handler.prepare(&delivery).await?;
        }
        let mut unit = self.db.begin().await?;
        let applied = if wanted { self.handler.apply(&mut unit, &delivery).await } else { Ok(()) };
        let done = match applied {
            Ok(()) => match dead_letter::forget(unit.db(), letter.id).await {
                Ok(()) => unit.commit().await,
                Err(error) => Err(error),
            },
            Err(error) => unit.roll_back().await.and(Err(error)),
        };
        if done.is_err() {
            self.handler.rolled_back();
        }
        done
    }
}

impl Delivery {
    /// Reads what was set aside.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] for what is no event.
    pub fn of_letter(partition: u32, letter: &Letter) -> Result<Self> {
        let record = bus::Record {
            workspace: kernel::Workspace::new(letter.workspace.as_str()),
            key: bytes::Bytes::new(),
            producer: "".into(),
            sequence: 0,
            payload: letter.payload.clone().into(),
        };
        let position =
            u64::try_from(letter.position).map_err(|_| Error::internal("a dead letter is damaged"))?;
        Self::read(partition, &Entry { position, record })
    }
}

/// The first half on top; one entry is a half of its own.
fn halves(entries: &[Entry]) -> Vec<&[Entry]> {
    let (first, rest) = entries.split_at(entries.len().div_ceil(2));
    [rest, first].into_iter().filter(|half| !half.is_empty()).collect()
}
