//! Reading the files of cases.

use std::fs;
use std::path::Path;

/// One dialogue.
#[derive(Debug, Clone)]
pub struct Case {
    /// What the case shows, in words.
    pub title: String,
    /// The file it stands in.
    pub file: String,
    /// The line of its title.
    pub line: usize,
    /// The statements that it proves, as written.
    pub ids: String,
    /// The protocol levels it is played for.
    pub versions: Vec<u8>,
    /// The name of the broker's configuration.
    pub broker: String,
    /// Why the broker is known to fail it, if it is.
    pub gap: Option<String>,
    /// Its steps.
    pub steps: Vec<Line>,
}

/// One step, as written.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its line in the file.
    pub number: usize,
    /// Its text, without the version mark.
    pub text: String,
    /// The protocol levels it is for, when not all.
    pub versions: Option<Vec<u8>>,
}

/// Reads all cases of a file.
///
/// # Errors
/// A file that cannot be read, or a line that stands where it cannot, told with its number.
pub fn load(path: &Path) -> Result<Vec<Case>, String> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut cases: Vec<Case> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        read_line(&mut cases, &name, at + 1, line)
            .map_err(|error| format!("{name}:{}: {error}", at + 1))?;
    }
    Ok(cases)
}

fn read_line(cases: &mut Vec<Case>, file: &str, number: usize, line: &str) -> Result<(), String> {
    if let Some(title) = line.strip_prefix("case ") {
        cases.push(Case::new(title, file, number));
        return Ok(());
    }
    let case = cases.last_mut().ok_or("a line before the first case")?;
    match line.split_once(' ') {
        Some(("ids", ids)) => case.ids = ids.to_owned(),
        Some(("versions", list)) => case.versions = versions(list)?,
        Some(("broker", name)) => case.broker = name.to_owned(),
        Some(("gap", reason)) => case.gap = Some(reason.to_owned()),
        _ => case.steps.push(step(number, line)?),
    }
    Ok(())
}

impl Case {
    fn new(title: &str, file: &str, line: usize) -> Self {
        Self {
            title: title.to_owned(),
            file: file.to_owned(),
            line,
            ids: String::new(),
            versions: vec![5],
            broker: "default".to_owned(),
            gap: None,
            steps: Vec::new(),
        }
    }
}

fn step(number: usize, line: &str) -> Result<Line, String> {
    let (marked, text) = match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((list, text)) => (Some(versions(list)?), text.trim()),
        None => (None, line),
    };
    Ok(Line {
        number,
        text: text.to_owned(),
        versions: marked,
    })
}

fn versions(list: &str) -> Result<Vec<u8>, String> {
    list.split_whitespace()
        .map(|word| match word {
            "3" => Ok(3),
            "4" => Ok(4),
            "5" => Ok(5),
            _ => Err(format!("no protocol level: {word}")),
        })
        .collect()
}
