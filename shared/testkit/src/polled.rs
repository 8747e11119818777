//! Calls that are cut off on their way.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// The work's answer, unless it takes more polls than these; it is dropped then, as a caller who goes away drops it.
pub async fn polled<T>(work: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut work = pin!(work);
    for _ in 0..polls {
        if let Poll::Ready(answer) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}
