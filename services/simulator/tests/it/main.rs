//! The simulator through its real HTTP interface, with a test server in the connector's place.

#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod envelope;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod world;
