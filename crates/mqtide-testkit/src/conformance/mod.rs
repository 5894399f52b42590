//! The page that tells, for each numbered statement of the standards, where it is kept and what proves it.
//!
//! The statements are data (`data/requirements-*.tsv`); where they are kept and proven is read from the sources,
//! which name them: `MQTT-3.3.1-4` for MQTT 5.0, `v3.1.1 MQTT-3.3.1-4` for MQTT 3.1.1. What cannot be proven by a
//! test, or does not apply, is told with its reason in `data/remarks.tsv`.

mod page;
mod scan;
mod table;

use std::path::{Path, PathBuf};

pub use page::render;
pub use scan::{Findings, Place, scan};
pub use table::{Edition, Remark, Statement, Tables};

/// The page for the sources below `root`, and the names in them that no table has.
///
/// # Errors
/// A table or source that cannot be read.
pub fn generate(root: &Path) -> Result<(String, Vec<String>), String> {
    let tables = Tables::load()?;
    let findings = scan(root)?;
    let unknown = findings.unknown(&tables);
    let choices = root.join("docs/conformance-choices.md");
    let choices = std::fs::read_to_string(&choices)
        .map_err(|error| format!("{}: {error}", choices.display()))?;
    Ok((render(&tables, &findings, &choices), unknown))
}

/// Where the page lies below `root`.
pub fn page_path(root: &Path) -> PathBuf {
    root.join("docs/conformance.md")
}

/// The root of this workspace.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
