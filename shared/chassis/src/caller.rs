//! Who is calling: the workspace and the scopes, from the token and never from the request.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel::{Error, Kind, Result, Workspace};

/// The workspace that `guanxi dev` serves.
pub const DEV_WORKSPACE: &str = "demo";
/// The token, and write key, that development mode accepts.
pub const DEV_TOKEN: &str = "dev";

/// An authenticated caller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant it acts for.
    pub workspace: Workspace,
    /// Its name, for audit and merge records.
    pub subject: Arc<str>,
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
        Self { workspace, subject: service.into(), scopes: Scopes::All }
    }

    /// A caller limited to some scopes.
    pub fn limited(workspace: Workspace, subject: &str, scopes: impl IntoIterator<Item = String>) -> Self {
        Self {
            workspace,
            subject: subject.into(),
            scopes: Scopes::Only(Arc::new(scopes.into_iter().collect())),
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

/// Turns tokens into callers.
#[derive(Clone, Debug)]
pub struct Authenticator {
    dev: bool,
}

impl Authenticator {
    /// In development mode the token `dev` stands for the workspace `demo`; outside it no token is known yet.
    pub fn new(dev: bool) -> Self {
        Self { dev }
    }

    /// The caller behind an `authorization` header's value.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] that says what to send.
    pub fn authenticate(&self, header: Option<&str>) -> Result<Caller> {
        let refused = |message| Error::new(Kind::Unauthenticated, "TOKEN_REFUSED", message);
        let header = header.ok_or_else(|| refused("send `authorization: Bearer <token>`"))?;
        let token = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| refused("the authorization header must read `Bearer <token>`"))?;
        if self.dev && token == DEV_TOKEN {
            return Ok(Caller {
                workspace: Workspace::new(DEV_WORKSPACE),
                subject: "dev".into(),
                scopes: Scopes::All,
            });
        }
        Err(refused(if self.dev {
            "the token is not known here: development mode knows `dev`; give it by --token or GUANXI_TOKEN, or as \
             `authorization: Bearer dev`"
        } else {
            "the token is not known here: outside development mode (common.dev) no token is known yet; give one that \
             is by --token or GUANXI_TOKEN, or as `authorization: Bearer <token>`"
        }))
    }
}
