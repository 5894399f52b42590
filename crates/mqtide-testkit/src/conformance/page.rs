//! Writing the page.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::scan::{Findings, Place};
use super::table::{Edition, Statement, Tables};

/// The page in Markdown: the choices, a summary, and one row for each statement.
pub fn render(tables: &Tables, findings: &Findings, choices: &str) -> String {
    let mut page = String::from(HEAD);
    for edition in [Edition::V5, Edition::V311] {
        page.push_str(&summary(tables, findings, edition));
    }
    page.push('\n');
    page.push_str(choices.trim_end());
    page.push('\n');
    for edition in [Edition::V5, Edition::V311] {
        let _ = write!(page, "\n## {}\n\n{TABLE}", edition.name());
        for statement in tables.statements(edition) {
            page.push_str(&row(tables, findings, edition, statement));
        }
    }
    page
}

fn summary(tables: &Tables, findings: &Findings, edition: Edition) -> String {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for statement in tables.statements(edition) {
        *states
            .entry(state(tables, findings, edition, statement).0)
            .or_default() += 1;
    }
    let count = |state: &str| states.get(state).copied().unwrap_or(0);
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        edition.name(),
        tables.statements(edition).len(),
        count("proven"),
        count("by construction"),
        count("not applicable"),
        count("open"),
    )
}

/// A test proves; without one a remark says why none is needed; else the statement is open.
fn state(
    tables: &Tables,
    findings: &Findings,
    edition: Edition,
    statement: &Statement,
) -> (String, String) {
    let remark = tables.remark(edition, &statement.id);
    match (findings.tests(edition, &statement.id).is_empty(), remark) {
        (false, remark) => (
            "proven".to_owned(),
            remark
                .map(|remark| remark.reason.clone())
                .unwrap_or_default(),
        ),
        (true, Some(remark)) => (remark.state.clone(), remark.reason.clone()),
        (true, None) => ("open".to_owned(), String::new()),
    }
}

fn row(tables: &Tables, findings: &Findings, edition: Edition, statement: &Statement) -> String {
    let (state, reason) = state(tables, findings, edition, statement);
    let state = if reason.is_empty() {
        state
    } else {
        format!("{state}: {reason}")
    };
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        statement.id,
        escaped(&statement.requirement),
        statement.layer,
        listed(&findings.code(edition, &statement.id)),
        listed(&findings.tests(edition, &statement.id)),
        escaped(&state),
    )
}

/// The first places, by crate and file; the count of the others.
fn listed(places: &[&Place]) -> String {
    let mut texts: Vec<String> = places.iter().take(SHOWN).map(|place| link(place)).collect();
    if places.len() > SHOWN {
        texts.push(format!("and {} more", places.len() - SHOWN));
    }
    texts.join("<br>")
}

fn link(place: &Place) -> String {
    let short = place
        .file
        .trim_start_matches("crates/")
        .trim_start_matches("mqtide-")
        .replace("/src/", "/");
    let link = format!("[{short}](../{})", place.file);
    if place.test.is_empty() {
        link
    } else {
        format!("{link} {}", escaped(&place.test))
    }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('#', "\\#")
        .replace('*', "\\*")
        .replace('_', "\\_")
}

const HEAD: &str = "\
# Conformance

Every numbered statement of MQTT 5.0 and 3.1.1 in our own words, where the code names it, and what proves it.
This page is generated from `crates/mqtide-testkit/data` and the sources by
`cargo run -p mqtide-testkit --bin conformance`; a test fails when it is stale.

A statement is *proven* when at least one test names it, *by construction* when the types leave no way to break it,
*not applicable* when it asks something of software that we do not make, and *open* otherwise.

| standard | statements | proven | by construction | not applicable | open |
|---|---|---|---|---|---|
";

const TABLE: &str = "\
| id | requirement | layer | code | test | state |
|---|---|---|---|---|---|
";

const SHOWN: usize = 3;
