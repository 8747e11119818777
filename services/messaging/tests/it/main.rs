//! Messaging through its gRPC interface: real mail, real HTTP, a virtual clock, and made-up identity and profile.

mod people;
mod receiver;
mod sink;
mod wechat;
mod world;

mod channels;
mod fallback;
mod idempotency;
mod listing;
mod mail;
mod official_account;
mod pace;
mod restart;
mod secrets;
mod sending;
mod templates;
mod webhooks;
