//! Messaging through its gRPC interface: real mail, real HTTP, a virtual clock, and made-up identity and profile.

mod people;
mod world;

mod sending;
