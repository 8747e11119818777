//! A service's own database: connecting, migrations, and the unit of work that commits effects, outgoing events and
//! the position in the log together.

pub mod audit;
pub mod bulk;
mod connect;
pub mod consumer;
pub mod database;
pub mod dead_letter;
mod error;
mod gathered;
pub mod lag;
pub mod lease;
pub mod migration;
pub mod outbox;
pub mod position;
mod reader;
pub mod relay;
pub mod rows;
mod tenant;
pub mod unit;

pub use consumer::{Applied, Consumer, Delivery, Handler};
pub use database::{Database, DatabaseConfig, Pool};
pub use error::{StoreResult, db_error};
pub use gathered::Gathered;
pub use lag::{Lag, Waiting};
pub use lease::{Held, Leases};
pub use migration::Migrations;
pub use reader::Reader;
pub use relay::Relay;
pub use rows::Rows;
pub use tenant::Tenant;
pub use unit::{Publishing, Unit};
