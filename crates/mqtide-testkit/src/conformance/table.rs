//! The statements of the standards and the remarks on them, as data.

use std::collections::BTreeMap;

/// Which standard a statement belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edition {
    /// MQTT 3.1.1, OASIS Standard, 29 October 2014.
    V311,
    /// MQTT 5.0, OASIS Standard, 07 March 2019.
    V5,
}

/// One numbered statement.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its name in the standard.
    pub id: String,
    /// What it asks, in our words.
    pub requirement: String,
    /// The layer that keeps it or proves it first.
    pub layer: String,
}

/// Why a statement has no test of its own.
#[derive(Debug, Clone)]
pub struct Remark {
    /// `by construction` or `not applicable`.
    pub state: String,
    /// The reason, in words.
    pub reason: String,
}

/// All statements, in the order of the standards, and the remarks by statement.
#[derive(Debug)]
pub struct Tables {
    statements: BTreeMap<Edition, Vec<Statement>>,
    remarks: BTreeMap<(Edition, String), Remark>,
}

impl Edition {
    /// Its name, as a heading.
    pub fn name(self) -> &'static str {
        match self {
            Self::V311 => "MQTT 3.1.1",
            Self::V5 => "MQTT 5.0",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "3.1.1" => Ok(Self::V311),
            "5.0" => Ok(Self::V5),
            _ => Err(format!("no such standard: {text}")),
        }
    }
}

impl Tables {
    /// Reads the tables that belong to this crate.
    ///
    /// # Errors
    /// A line of another form, or a remark on a statement that does not exist.
    pub fn load() -> Result<Self, String> {
        let mut statements = BTreeMap::new();
        statements.insert(
            Edition::V5,
            read_statements(include_str!("../../data/requirements-5.0.tsv"))?,
        );
        statements.insert(
            Edition::V311,
            read_statements(include_str!("../../data/requirements-3.1.1.tsv"))?,
        );
        let mut tables = Self {
            statements,
            remarks: BTreeMap::new(),
        };
        tables.read_remarks(include_str!("../../data/remarks.tsv"))?;
        Ok(tables)
    }

    /// The statements of one standard.
    pub fn statements(&self, edition: Edition) -> &[Statement] {
        self.statements.get(&edition).map_or(&[], Vec::as_slice)
    }

    /// Whether the standard has this statement.
    pub fn has(&self, edition: Edition, id: &str) -> bool {
        self.statements(edition)
            .iter()
            .any(|statement| statement.id == id)
    }

    /// What is remarked on a statement.
    pub fn remark(&self, edition: Edition, id: &str) -> Option<&Remark> {
        self.remarks.get(&(edition, id.to_owned()))
    }

    fn read_remarks(&mut self, text: &str) -> Result<(), String> {
        for line in text.lines().skip(1) {
            let [edition, id, state, reason] = columns(line)?;
            let edition = Edition::parse(edition)?;
            if !self.has(edition, id) {
                return Err(format!(
                    "a remark on a statement that does not exist: {line}"
                ));
            }
            let remark = Remark {
                state: state.to_owned(),
                reason: reason.to_owned(),
            };
            self.remarks.insert((edition, id.to_owned()), remark);
        }
        Ok(())
    }
}

fn read_statements(text: &str) -> Result<Vec<Statement>, String> {
    let read = |line| {
        let [id, _section, _role, requirement, layer] = columns(line)?;
        Ok(Statement {
            id: id.to_owned(),
            requirement: requirement.to_owned(),
            layer: layer.to_owned(),
        })
    };
    text.lines().skip(1).map(read).collect()
}

fn columns<const N: usize>(line: &str) -> Result<[&str; N], String> {
    let columns: Vec<&str> = line.split('\t').collect();
    columns
        .try_into()
        .map_err(|_| format!("not {N} columns: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_whole() {
        let tables = Tables::load().unwrap();
        assert_eq!(tables.statements(Edition::V5).len(), 251);
        assert_eq!(tables.statements(Edition::V311).len(), 141);
    }
}
