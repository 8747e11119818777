//! All services in one process.

use chassis::{Assembly, Layers};

/// All seven services, with these settings (`section.key=value`).
pub fn all(settings: impl IntoIterator<Item = String>) -> Assembly {
    let mut assembly = Assembly::new(Layers::default())
        .with::<ingest::Ingest>()
        .with::<identity::Identity>()
        .with::<profile::Profile>()
        .with::<segmentation::Segmentation>()
        .with::<journey::Journey>()
        .with::<messaging::Messaging>()
        .with::<analytics::Analytics>();
    assembly.layers.set.extend(settings);
    assembly
}
