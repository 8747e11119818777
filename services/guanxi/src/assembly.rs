//! Which services there are, and their settings from the command line.

use chassis::{Assembly, Layers};
use kernel::{Error, Result};

use crate::cli::Run;

/// Names of all services.
pub(crate) const ALL: [&str; 7] =
    ["ingest", "identity", "profile", "segmentation", "journey", "messaging", "analytics"];

/// Whether these names are every service.
pub(crate) fn is_all(names: &[String]) -> bool {
    names.iter().any(|name| name == "all")
        || ALL.iter().all(|service| names.iter().any(|name| name == service))
}

/// The services of that name (`all`: every one) with the settings of `run`.
///
/// # Errors
/// [`kernel::Kind::Precondition`] for an unknown name.
pub(crate) fn of(names: &[String], run: &Run) -> Result<Assembly> {
    let mut layers = Layers::from_environment();
    layers.file.clone_from(&run.config);
    layers.set.clone_from(&run.set);
    let all = names.iter().any(|name| name == "all");
    let chosen: Vec<&str> = if all { ALL.to_vec() } else { names.iter().map(String::as_str).collect() };
    chosen.into_iter().try_fold(Assembly::new(layers), |assembly, name| {
        Ok(match name {
            "ingest" => assembly.with::<ingest::Ingest>(),
            "identity" => assembly.with::<identity::Identity>(),
            "profile" => assembly.with::<profile::Profile>(),
            "segmentation" => assembly.with::<segmentation::Segmentation>(),
            "journey" => assembly.with::<journey::Journey>(),
            "messaging" => assembly.with::<messaging::Messaging>(),
            "analytics" => assembly.with::<analytics::Analytics>(),
            unknown => {
                let message =
                    format!("there is no service `{unknown}`; there are {} and all", ALL.join(", "));
                return Err(Error::precondition("SERVICE_UNKNOWN", message));
            }
        })
    })
}
