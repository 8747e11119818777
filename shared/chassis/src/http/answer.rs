//! Answers of others over HTTP: nobody fills this process's memory by one.

use reqwest::{Error, Response};

/// The whole answer; `None` for one that has more than `most` bytes, of which no more is read.
///
/// # Errors
/// What breaks on the way.
pub async fn at_most(mut answer: Response, most: usize) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if bytes.len() + piece.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes))
}
