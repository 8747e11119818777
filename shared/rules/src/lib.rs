//! The condition language: CEL plus behavioural functions, parsed, type-checked, and evaluated in two ways that agree.
//!
//! - [`Condition`] is made from text with a [`Schema`]; mistakes come back as [`Problems`] with places.
//! - Whole-history: [`Condition::holds`] computes everything from all events (estimates, backfills, explanations).
//! - Incremental: a [`Plan`] of many conditions updates a [`State`] per record event by event and says what to evaluate
//!   again, and until when each answer stays.
//!
//! A condition is true or false: what can only be a number, a text or another value is refused where it stands. An
//! attribute or property whose type the [`Schema`] does not know may be a yes-or-no, so it is taken alone
//! (`profile.vip`), and anything but `true` in it counts as false.
//!
//! Missing values are null: comparing them with `<` and its like is false, `==` and `!=` work. Types that do not fit are
//! false as well. Numbers are 64-bit floating point; sums are kept in millionths, so any order of events gives the same.

mod behaviour;
mod check;
mod condition;
mod depth;
mod eval;
mod explain;
mod facts;
mod field;
mod hash;
mod history;
mod names;
mod plan;
mod problem;
mod schema;
mod series;
mod state;
mod sums;
mod syntax;
mod tree;
mod uses;
mod value;

pub use condition::Condition;
pub use explain::Explained;
pub use facts::Facts;
pub use history::Customer;
pub use names::is_behaviour;
pub use plan::{Answer, Plan, PlannedSeries, Touched, View};
pub use problem::{Problem, Problems};
pub use schema::{Known, Schema, Type};
pub use state::State;
pub use uses::Uses;
