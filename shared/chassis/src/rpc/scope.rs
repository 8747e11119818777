//! The scope every method requires, read from its option in the descriptors.

use std::collections::HashMap;
use std::sync::Arc;

use kernel::{Error, Result};
use prost_reflect::{DescriptorPool, Value};

/// Required scopes by method path (`/guanxi.profile.v1.ProfileService/GetProfile`). Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scopes {
    by_path: Arc<HashMap<String, String>>,
}

impl Scopes {
    /// Reads the descriptors of `wire`.
    ///
    /// # Errors
    /// When they cannot be read, or a method of ours declares no scope.
    pub fn load() -> Result<Self> {
        let damaged = |cause| Error::internal("the protobuf descriptors cannot be read").caused_by(cause);
        let pool = DescriptorPool::decode(wire::DESCRIPTORS).map_err(damaged)?;
        let extension = pool
            .get_extension_by_name("guanxi.auth.v1.scope")
            .ok_or_else(|| Error::internal("the option guanxi.auth.v1.scope is missing"))?;
        let mut by_path = HashMap::new();
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            match method.options().get_extension(&extension).into_owned() {
                Value::String(scope) if !scope.is_empty() => by_path.insert(path, scope),
                _ => return Err(Error::internal(format!("{path} declares no scope"))),
            };
        }
        Ok(Self { by_path: Arc::new(by_path) })
    }

    /// The scope of a method; `None` for methods that are not ours (health, reflection).
    pub fn of(&self, path: &str) -> Option<&str> {
        self.by_path.get(path).map(String::as_str)
    }

    /// Paths of all methods.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.by_path.keys().map(String::as_str)
    }
}
