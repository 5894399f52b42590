//! Which codecs and cases a run covers.

use crate::case::{Case, Version};
use crate::codec::{Contender, Direction};
use crate::peers;

/// One line of a table: a case in one direction, with everyone who can do it.
pub struct Line {
    /// Decoding or encoding.
    pub direction: Direction,
    /// What is decoded or encoded.
    pub case: Case,
    /// Who takes part.
    pub contenders: Vec<Contender>,
}

impl Line {
    /// `v5/decode/publish q1 256B`, as benches and programs name it.
    pub fn name(&self) -> String {
        format!(
            "{}/{}/{}",
            self.case.version.name(),
            self.direction.name(),
            self.case.name
        )
    }
}

/// Every line whose name contains `pattern`.
pub fn lines(pattern: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Version::ALL.into_iter().flat_map(of_version).collect();
    lines.retain(|line| line.name().contains(pattern));
    lines
}

fn of_version(version: Version) -> impl Iterator<Item = Line> {
    Direction::ALL.into_iter().flat_map(move |direction| {
        let cases = Case::all(version).into_iter();
        cases
            .filter(move |case| direction == Direction::Decode || case.is_single())
            .map(move |case| {
                let contenders = peers::all()
                    .into_iter()
                    .filter(|codec| codec.version == version)
                    .collect();
                Line {
                    direction,
                    case,
                    contenders,
                }
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An adapter panics where its codec refuses a case or writes back another length.
    #[test]
    fn every_codec_handles_every_case_that_it_claims() {
        for line in lines("") {
            for contender in &line.contenders {
                let Some(mut pass) = contender.pass(line.direction, &line.case) else {
                    continue;
                };
                pass.prepare();
                pass.measured();
            }
        }
    }

    #[test]
    fn a_pattern_selects_lines_by_name() {
        let names: Vec<String> = lines("decode/subscribe").iter().map(Line::name).collect();
        assert_eq!(
            names,
            ["v3.1.1/decode/subscribe 10", "v5/decode/subscribe 10"]
        );
    }
}
