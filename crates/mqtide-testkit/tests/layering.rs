//! The architecture as a test: which crate may use which, ours and others'.
//!
//! `docs/architecture.md` draws the same table for readers. An edge that is missing here is a change of
//! architecture and deserves a discussion, not a new line.

use std::{collections::BTreeSet, process::Command};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// A crate of the workspace and the crates of the workspace that it may build upon.
struct Layer {
    name: &'static str,
    below: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    Layer {
        name: "mqtide-topic",
        below: &[],
    },
    Layer {
        name: "mqtide-codec",
        below: &["mqtide-topic"],
    },
    Layer {
        name: "mqtide-session",
        below: &["mqtide-codec", "mqtide-topic"],
    },
    Layer {
        name: "mqtide-client",
        below: &["mqtide-session", "mqtide-codec", "mqtide-topic"],
    },
    Layer {
        name: "mqtide-broker",
        below: &["mqtide-session", "mqtide-codec", "mqtide-topic"],
    },
    Layer {
        name: "mqtide",
        below: &[
            "mqtide-broker",
            "mqtide-client",
            "mqtide-session",
            "mqtide-codec",
            "mqtide-topic",
        ],
    },
];

/// Members that stand beside the stack: never published, free to use any layer.
const BESIDE: &[&str] = &["mqtide-testkit", "mqtide-fuzz", "mqtide-no-std-probe"];

/// What a layer must never reach, directly or through others, with which of its features on.
struct NeverSees {
    name: &'static str,
    features: &'static [&'static str],
    outside: &'static [&'static str],
}

const ALL_FEATURES: &[&str] = &["--all-features"];
const DEFAULT_FEATURES: &[&str] = &[];
const RUNTIMES: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "futures-core",
    "async-trait",
];

const NEVER_SEES: &[NeverSees] = &[
    NeverSees {
        name: "mqtide-topic",
        features: ALL_FEATURES,
        outside: RUNTIMES,
    },
    NeverSees {
        name: "mqtide-topic",
        features: ALL_FEATURES,
        outside: &["nom", "parking_lot", "tracing"],
    },
    NeverSees {
        name: "mqtide-codec",
        features: DEFAULT_FEATURES,
        outside: RUNTIMES,
    },
    NeverSees {
        name: "mqtide-codec",
        features: ALL_FEATURES,
        outside: &["parking_lot", "tracing", "rand"],
    },
    NeverSees {
        name: "mqtide-session",
        features: ALL_FEATURES,
        outside: RUNTIMES,
    },
    NeverSees {
        name: "mqtide-session",
        features: ALL_FEATURES,
        outside: &["parking_lot", "tracing", "rand"],
    },
];

#[test]
fn every_member_has_a_place_in_the_house() {
    let placed: BTreeSet<_> = LAYERS
        .iter()
        .map(|layer| layer.name)
        .chain(BESIDE.iter().copied())
        .collect();
    for package in workspace().workspace_packages() {
        assert!(
            placed.contains(package.name.as_str()),
            "{} is in no layer",
            package.name
        );
    }
}

#[test]
fn dependencies_point_downward() {
    let workspace = workspace();
    for layer in LAYERS {
        let package = member(&workspace, layer.name);
        for dependency in &package.dependencies {
            let (name, kind) = (dependency.name.as_str(), dependency.kind);
            if dependency.path.is_none() || kind == DependencyKind::Development {
                continue;
            }
            assert!(
                layer.below.contains(&name),
                "{} must not build upon {name}",
                layer.name
            );
        }
    }
}

/// A development dependency that is not below is named by path alone: without a version, cargo leaves
/// it out of the published manifest, so that it can make no cycle in the registry.
#[test]
fn upward_development_dependencies_stay_out_of_the_registry() {
    let workspace = workspace();
    for layer in LAYERS {
        let package = member(&workspace, layer.name);
        for dependency in &package.dependencies {
            let inside =
                dependency.path.is_some() && dependency.kind == DependencyKind::Development;
            if !inside || layer.below.contains(&dependency.name.as_str()) {
                continue;
            }
            let name = &dependency.name;
            assert_eq!(
                dependency.req.to_string(),
                "*",
                "{} names {name} with a version",
                layer.name
            );
        }
    }
}

#[test]
fn what_stands_beside_the_stack_is_not_published() {
    let workspace = workspace();
    for package in workspace.workspace_packages() {
        let beside = BESIDE.contains(&package.name.as_str());
        let unpublished = package.publish.as_ref().is_some_and(Vec::is_empty);
        assert_eq!(beside, unpublished, "publish of {}", package.name);
    }
}

#[test]
fn lower_layers_never_see_runtimes_clocks_and_locks() {
    for rule in NEVER_SEES {
        let reached = reached_from(rule.name, rule.features);
        for outside in rule.outside {
            assert!(
                !reached.contains(*outside),
                "{} {:?} reaches {outside}",
                rule.name,
                rule.features
            );
        }
    }
}

fn workspace() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata reads this workspace")
}

fn member<'a>(workspace: &'a Metadata, name: &str) -> &'a Package {
    workspace
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == name)
        .unwrap_or_else(|| panic!("{name} is a member"))
}

/// Names of all packages in the dependency tree of `name`, without development dependencies.
fn reached_from(name: &str, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            name,
        ])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).expect("cargo writes text");
    let names: BTreeSet<_> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert!(names.contains(name), "the tree of {name} holds itself");
    names
}
