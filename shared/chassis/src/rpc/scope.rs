//! What the descriptors say of every method: the scope it requires and whether its changes are audited (options), the
//! enums of its request, whether it may be repeated.

use std::collections::HashMap;
use std::sync::Arc;

use kernel::{Error, Result};
use prost_reflect::{DescriptorPool, MethodDescriptor, Value};
use prost_types::method_options::IdempotencyLevel;

use super::choices::Choices;

/// Required scopes by method path (`/guanxi.profile.v1.ProfileService/GetProfile`). Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scopes {
    pool: DescriptorPool,
    by_path: Arc<HashMap<String, Method>>,
}

#[derive(Debug)]
struct Method {
    scope: String,
    audited: bool,
    choices: Option<Choices>,
    may_repeat: bool,
    streams_in: bool,
}

impl Scopes {
    /// Reads the descriptors of `wire`.
    ///
    /// # Errors
    /// When they cannot be read, or a method of ours declares no scope.
    pub fn load() -> Result<Self> {
        let damaged = |cause| Error::internal("the protobuf descriptors cannot be read").caused_by(cause);
        let pool = DescriptorPool::decode(wire::DESCRIPTORS).map_err(damaged)?;
        let option = |name: &str| {
            let missing = || Error::internal(format!("the option {name} is missing"));
            pool.get_extension_by_name(name).ok_or_else(missing)
        };
        let (scope, audited) = (option("guanxi.auth.v1.scope")?, option("guanxi.audit.v1.audited")?);
        let mut by_path = HashMap::new();
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            let options = method.options();
            match options.get_extension(&scope).into_owned() {
                Value::String(scope) if !scope.is_empty() => {
                    let method = Method {
                        audited: options.get_extension(&audited).as_bool().unwrap_or(false),
                        choices: Choices::of(method.input()),
                        may_repeat: may_repeat(&method, &scope),
                        streams_in: method.is_client_streaming(),
                        scope,
                    };
                    by_path.insert(path, method)
                }
                _ => return Err(Error::internal(format!("{path} declares no scope"))),
            };
        }
        Ok(Self { by_path: Arc::new(by_path), pool })
    }

    /// The scope of a method; `None` for methods that are not ours (health, reflection).
    pub fn of(&self, path: &str) -> Option<&str> {
        self.by_path.get(path).map(|method| method.scope.as_str())
    }

    /// Whether a method's changes are kept in the audit log.
    pub fn is_audited(&self, path: &str) -> bool {
        self.by_path.get(path).is_some_and(|method| method.audited)
    }

    /// The descriptors themselves.
    pub(crate) fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The enums of a method's request, if it has any.
    pub(crate) fn choices(&self, path: &str) -> Option<&Choices> {
        self.by_path.get(path)?.choices.as_ref()
    }

    /// Whether a call that may have been carried out already may be made once more.
    pub(crate) fn may_repeat(&self, path: &str) -> bool {
        self.by_path.get(path).is_some_and(|method| method.may_repeat)
    }

    /// Whether a call brings a stream of requests.
    pub(crate) fn streams_in(&self, path: &str) -> bool {
        self.by_path.get(path).is_none_or(|method| method.streams_in)
    }

    /// Paths of all methods.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.by_path.keys().map(String::as_str)
    }
}

/// As the method declares (`idempotency_level`); otherwise what only reads.
fn may_repeat(method: &MethodDescriptor, scope: &str) -> bool {
    match method.method_descriptor_proto().options.as_ref().map(|options| options.idempotency_level()) {
        Some(IdempotencyLevel::NoSideEffects | IdempotencyLevel::Idempotent) => true,
        _ => scope.ends_with(".read"),
    }
}
