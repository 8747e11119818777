//! Who is calling: the workspace and the scopes, from the token and never from the request.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel::{Error, Kind, Result, Workspace};

/// The workspace that `guanxi dev` serves.
pub const DEV_WORKSPACE: &str = "demo";
/// The token, and write key, that development mode accepts.
pub const DEV_TOKEN: &str = "dev";

/// Stands for every scope in a token.
pub const EVERY_SCOPE: &str = "*";

/// An authenticated caller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant it acts for.
    pub workspace: Workspace,
    /// Its name, for audit and merge records: the token's subject, `service:journey` for a service acting by itself.
    pub subject: Arc<str>,
    /// The service that called on its behalf, if one did.
    pub via: Option<Arc<str>>,
    scopes: Scopes,
}

#[derive(Clone, Debug)]
enum Scopes {
    All,
    Only(Arc<BTreeSet<String>>),
}

impl Caller {
    /// A service of the platform acting for a workspace by itself.
    pub fn system(workspace: Workspace, service: &'static str) -> Self {
        Self::new(workspace, format!("service:{service}"), Scopes::All)
    }

    /// A caller limited to some scopes.
    pub fn limited(workspace: Workspace, subject: &str, scopes: impl IntoIterator<Item = String>) -> Self {
        Self::new(workspace, subject, Scopes::Only(Arc::new(scopes.into_iter().collect())))
    }

    /// A caller with the scopes that a token lists: words with spaces between them; `*` among them: every scope.
    pub fn with_scope(workspace: Workspace, subject: &str, scope: &str) -> Self {
        if scope.split_whitespace().any(|word| word == EVERY_SCOPE) {
            return Self::new(workspace, subject, Scopes::All);
        }
        Self::limited(workspace, subject, scope.split_whitespace().map(str::to_owned))
    }

    fn new(workspace: Workspace, subject: impl Into<Arc<str>>, scopes: Scopes) -> Self {
        Self { workspace, subject: subject.into(), via: None, scopes }
    }

    /// Whether a service of the platform acts by itself (a journey, a job), and nobody through it.
    pub fn acts_by_itself(&self) -> bool {
        let itself = |via: &str| self.subject.strip_prefix("service:") == Some(via);
        self.via.as_deref().is_some_and(itself)
    }

    /// What it may, as a token lists it.
    pub fn scope(&self) -> String {
        match &self.scopes {
            Scopes::All => EVERY_SCOPE.to_owned(),
            Scopes::Only(granted) => granted.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        }
    }

    /// Refuses a caller whose token lacks `scope`.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] that names the scope.
    pub fn require(&self, scope: &str) -> Result<()> {
        match &self.scopes {
            Scopes::Only(granted) if !granted.contains(scope) => Err(Error::new(
                Kind::Forbidden,
                "SCOPE_MISSING",
                format!("the token lacks the scope `{scope}`"),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_that_calls_for_itself_acts_by_itself() {
        let demo = || Workspace::new(DEV_WORKSPACE);
        let via = |caller: Caller, via: &str| Caller { via: Some(via.into()), ..caller }.acts_by_itself();
        assert!(via(Caller::system(demo(), "journey"), "journey"));
        assert!(!via(Caller::system(demo(), "profile"), "journey"));
        assert!(!via(Caller::with_scope(demo(), "li.wei", "*"), "journey"));
        // Whoever only calls itself so, from outside.
        assert!(!Caller::with_scope(demo(), "service:journey", "*").acts_by_itself());
    }
}
