//! Messaging through its gRPC interface: real mail, real HTTP, a virtual clock, and made-up identity and profile.

#[cfg(test)]
mod people;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod sink;
#[cfg(test)]
mod wechat;
#[cfg(test)]
mod world;

#[cfg(test)]
mod channels;
#[cfg(test)]
mod fallback;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod official_account;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod webhooks;
