//! Writes `docs/conformance.md`, or with `--check` tells whether it is stale.

use std::process::ExitCode;

use mqtide_testkit::conformance::{generate, page_path, workspace_root};

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    match run(check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(check: bool) -> Result<(), String> {
    let root = workspace_root();
    let (page, unknown) = generate(&root)?;
    if !unknown.is_empty() {
        return Err(unknown.join("\n"));
    }
    let path = page_path(&root);
    if !check {
        return std::fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()));
    }
    match std::fs::read_to_string(&path) {
        Ok(found) if found == page => Ok(()),
        _ => Err(
            "docs/conformance.md is stale: cargo run -p mqtide-testkit --bin conformance"
                .to_owned(),
        ),
    }
}

#[expect(clippy::print_stderr, reason = "a program that speaks to its user")]
fn complain(error: &str) {
    eprintln!("{error}");
}
