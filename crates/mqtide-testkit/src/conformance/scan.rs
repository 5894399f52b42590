//! Finding the names of statements in the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::table::{Edition, Tables};

/// Where a statement is named: a file below the root, and for a test what the test is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The path below the root, with `/`.
    pub file: String,
    /// The test function or the case; empty in code.
    pub test: String,
}

/// What the sources name.
#[derive(Debug, Default)]
pub struct Findings {
    code: BTreeMap<(Edition, String), BTreeSet<Place>>,
    tests: BTreeMap<(Edition, String), BTreeSet<Place>>,
}

impl Findings {
    /// Where the code keeps a statement.
    pub fn code(&self, edition: Edition, id: &str) -> Vec<&Place> {
        places(&self.code, edition, id)
    }

    /// The tests that prove a statement.
    pub fn tests(&self, edition: Edition, id: &str) -> Vec<&Place> {
        places(&self.tests, edition, id)
    }

    /// Names that no table has, with where they stand.
    pub fn unknown(&self, tables: &Tables) -> Vec<String> {
        self.code
            .iter()
            .chain(&self.tests)
            .filter(|((edition, id), _)| !tables.has(*edition, id))
            .flat_map(|((edition, id), places)| {
                places
                    .iter()
                    .map(move |place| format!("{}: {id} is not in {}", place.file, edition.name()))
            })
            .collect()
    }
}

/// Reads all sources below `root/crates`.
///
/// # Errors
/// A file or folder that cannot be read.
pub fn scan(root: &Path) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let mut folders = vec![root.join("crates")];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let relative = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .replace('\\', "/");
            if relative.starts_with(OURSELVES) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if relative.ends_with(".rs") || relative.ends_with(".txt") {
                let text =
                    fs::read_to_string(&path).map_err(|error| format!("{relative}: {error}"))?;
                scan_file(&relative, &text, &mut findings);
            }
        }
    }
    Ok(findings)
}

fn scan_file(file: &str, text: &str, findings: &mut Findings) {
    if file.ends_with(".txt") {
        return scan_cases(file, text, findings);
    }
    let all_tests = file.contains("/tests/") || file.ends_with("/tests.rs");
    let mut in_tests = all_tests;
    let mut waiting = Vec::new();
    for line in text.lines() {
        in_tests |= line.trim_start().starts_with("#[cfg(test)]");
        let named = names(line);
        match (in_tests, function(line)) {
            (false, _) => record(&mut findings.code, named, file, ""),
            (true, Some(test)) => {
                waiting.extend(named);
                record(
                    &mut findings.tests,
                    std::mem::take(&mut waiting),
                    file,
                    test,
                );
            }
            (true, None) => waiting.extend(named),
        }
    }
}

/// In a file of cases, a line `ids` belongs to the line `case` before it. What a gap names is not proven.
fn scan_cases(file: &str, text: &str, findings: &mut Findings) {
    let (mut case, mut named, mut gap) = ("", Vec::new(), false);
    for line in text.lines().chain(["case "]) {
        if let Some(title) = line.strip_prefix("case ") {
            let proven = if gap {
                Vec::new()
            } else {
                std::mem::take(&mut named)
            };
            record(&mut findings.tests, proven, file, case);
            (case, named, gap) = (title, Vec::new(), false);
        }
        gap |= line.starts_with("gap ");
        if line.starts_with("ids ") {
            named = names(line);
        }
    }
}

fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line
        .strip_prefix("pub(crate) ")
        .or(line.strip_prefix("pub "))
        .unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}

/// All names of statements in a line, each of 5.0 unless `v3.1.1` stands before it.
fn names(line: &str) -> Vec<(Edition, String)> {
    line.match_indices("MQTT-")
        .filter_map(|(at, mark)| {
            let rest = &line[at + mark.len()..];
            let end = rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
                .unwrap_or(rest.len());
            let number = rest[..end].trim_end_matches(['.', '-']);
            let edition = if line[..at]
                .trim_end_matches(['`', '['])
                .trim_end()
                .ends_with("v3.1.1")
            {
                Edition::V311
            } else {
                Edition::V5
            };
            let whole = number.starts_with(|c: char| c.is_ascii_digit()) && number.contains('-');
            whole.then(|| (edition, format!("MQTT-{number}")))
        })
        .collect()
}

fn record(
    into: &mut BTreeMap<(Edition, String), BTreeSet<Place>>,
    named: Vec<(Edition, String)>,
    file: &str,
    test: &str,
) {
    for name in named {
        into.entry(name).or_default().insert(Place {
            file: file.to_owned(),
            test: test.to_owned(),
        });
    }
}

fn places<'a>(
    found: &'a BTreeMap<(Edition, String), BTreeSet<Place>>,
    edition: Edition,
    id: &str,
) -> Vec<&'a Place> {
    found
        .get(&(edition, id.to_owned()))
        .into_iter()
        .flatten()
        .collect()
}

/// This crate's own sources name statements as examples.
const OURSELVES: &str = "crates/mqtide-testkit/src/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_standard() {
        let found = names("/// v3.1.1 MQTT-4.7.1-1, `[MQTT-3.3.1-4]`. See MQTT-3.1.2-24.");
        let expected = [
            (Edition::V311, "MQTT-4.7.1-1"),
            (Edition::V5, "MQTT-3.3.1-4"),
            (Edition::V5, "MQTT-3.1.2-24"),
        ];
        assert_eq!(
            found,
            expected.map(|(edition, id)| (edition, id.to_owned()))
        );
        assert!(names("MQTT-3.1 is no statement").is_empty());
    }

    #[test]
    fn tests_are_told_from_code() {
        let text = "/// MQTT-1.5.4-1\nfn check() {}\n#[cfg(test)]\nmod tests {\n/// MQTT-1.5.4-2\n#[test]\nfn refused() {}\n}\n";
        let mut findings = Findings::default();
        scan_file("crates/x/src/lib.rs", text, &mut findings);
        assert_eq!(findings.code(Edition::V5, "MQTT-1.5.4-1").len(), 1);
        assert_eq!(
            findings.tests(Edition::V5, "MQTT-1.5.4-2")[0].test,
            "refused"
        );
        assert!(findings.tests(Edition::V5, "MQTT-1.5.4-1").is_empty());
    }
}
