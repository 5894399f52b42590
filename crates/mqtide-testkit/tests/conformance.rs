//! The conformance page says what the sources say. Whether its links are fresh to the letter is told by
//! `cargo run -p mqtide-testkit --bin conformance -- --check`.

use mqtide_testkit::conformance::{generate, page_path, workspace_root};

#[test]
fn sources_name_only_statements_that_exist() {
    let (_, unknown) = generate(&workspace_root()).unwrap();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn the_page_has_the_state_of_every_statement() {
    let root = workspace_root();
    let (page, _) = generate(&root).unwrap();
    let found = std::fs::read_to_string(page_path(&root)).unwrap();
    let stale = "docs/conformance.md is stale: cargo run -p mqtide-testkit --bin conformance";
    assert_eq!(states(&found), states(&page), "{stale}");
    assert!(states(&page).len() > 300);
}

/// The name and the state of each row.
fn states(page: &str) -> Vec<(&str, &str)> {
    let rows = page.lines().filter(|line| line.starts_with("| MQTT-"));
    rows.map(|row| {
        let columns: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        (columns[0], columns[columns.len() - 1])
    })
    .collect()
}
