//! What a stranger downloads from the registry: complete, licensed, and nothing that belongs elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{MetadataCommand, Package};

/// Files that every published crate must carry.
const REQUIRED: &[&str] = &[
    "Cargo.toml",
    "Cargo.toml.orig",
    "README.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

/// Folders of a crate whose files may be published.
const FOLDERS: &[&str] = &["src", "tests", "examples"];

/// Endings of files that may be published: code, prose and test data as text.
const ENDINGS: &[&str] = &["rs", "toml", "md", "json", "jsonl", "tsv", "txt"];

/// No crate of ours needs more than this, uncompressed.
const MOST_BYTES: u64 = 2 * 1024 * 1024;

#[test]
fn packages_hold_what_they_should() {
    for package in published() {
        let files = listed(&package);
        for required in REQUIRED {
            assert!(
                files.iter().any(|file| file == Path::new(required)),
                "{} lacks {required}",
                package.name
            );
        }
        let roots = ["src/lib.rs", "src/main.rs"];
        assert!(
            roots
                .iter()
                .any(|root| files.iter().any(|file| file == Path::new(root))),
            "{}",
            package.name
        );
    }
}

#[test]
fn packages_hold_nothing_else() {
    for package in published() {
        for file in listed(&package) {
            assert!(
                belongs(&file),
                "{} would publish {}",
                package.name,
                file.display()
            );
        }
    }
}

#[test]
fn packages_stay_small() {
    for package in published() {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        let size = |file: &PathBuf| {
            fs::metadata(folder.join(file.to_str()?))
                .map(|found| found.len())
                .ok()
        };
        let bytes: u64 = listed(&package).iter().filter_map(size).sum();
        assert!(
            bytes > 0 && bytes < MOST_BYTES,
            "{} would publish {bytes} bytes",
            package.name
        );
    }
}

#[test]
fn licence_texts_are_those_of_the_workspace() {
    for package in published() {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        for text in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let of_crate = fs::read(folder.join(text)).expect("a licence text of the crate");
            let of_workspace =
                fs::read(folder.join("../..").join(text)).expect("a licence text of the workspace");
            assert_eq!(of_crate, of_workspace, "{text} of {}", package.name);
        }
    }
}

#[test]
fn manifests_say_what_a_registry_shows() {
    for package in published() {
        let name = &package.name;
        assert_eq!(
            package.license.as_deref(),
            Some("MIT OR Apache-2.0"),
            "{name}"
        );
        assert!(
            package
                .description
                .as_ref()
                .is_some_and(|text| !text.ends_with('.')),
            "{name}"
        );
        assert!(
            package.repository.is_some() && package.rust_version.is_some(),
            "{name}"
        );
        assert!(package.readme.is_some(), "{name}");
        assert!((1..=5).contains(&package.keywords.len()), "{name}");
        assert!((1..=5).contains(&package.categories.len()), "{name}");
    }
}

/// `unsafe_code = "forbid"` and `missing_docs = "deny"` stand once, for the workspace.
#[test]
fn members_take_the_lints_of_the_workspace() {
    for package in published() {
        let manifest = fs::read_to_string(&package.manifest_path).expect("a manifest is text");
        assert!(
            manifest.contains("[lints]\nworkspace = true\n"),
            "{}",
            package.name
        );
    }
}

fn published() -> Vec<Package> {
    let workspace = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata reads this workspace");
    let packages = workspace.workspace_packages().into_iter().cloned();
    let published: Vec<_> = packages
        .filter(|package| package.publish.is_none())
        .collect();
    assert!(!published.is_empty(), "the workspace publishes something");
    published
}

fn listed(package: &Package) -> Vec<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args([
            "package",
            "--list",
            "--allow-dirty",
            "--package",
            package.name.as_str(),
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("cargo writes text")
        .lines()
        .map(PathBuf::from)
        .collect()
}

/// At the top only what cargo and [`REQUIRED`] name; below it, text in a known folder.
fn belongs(file: &Path) -> bool {
    if file.components().count() == 1 {
        let made_by_cargo = [".cargo_vcs_info.json", "Cargo.lock"];
        return REQUIRED
            .iter()
            .chain(&made_by_cargo)
            .any(|known| file == Path::new(known));
    }
    let folder = FOLDERS.iter().any(|folder| file.starts_with(folder));
    folder
        && file
            .extension()
            .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}
