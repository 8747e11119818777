//! The section `identity` of the settings; `config.toml` explains every option.

use serde::{Deserialize, Serialize};
use store::DatabaseConfig;

/// Options of this service.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Events in one transaction at the most.
    pub batch: usize,
    /// Identifiers, and pairs of them, kept in memory per workspace.
    pub cache: usize,
    /// From the strongest to the weakest.
    pub namespaces: Vec<Namespace>,
    /// Limit of all other namespaces.
    pub other_limit: usize,
    /// Values that name nobody.
    pub blocked: Vec<String>,
    /// Where the tables are.
    pub database: DatabaseConfig,
}

/// One namespace, or all that begin alike.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// Its name; one that ends in `*` stands for all that begin like it.
    pub name: String,
    /// Identifiers of it in one customer at the most.
    pub limit: usize,
}
