//! Tables of costs per packet, whatever the cost is counted in.

use crate::codec::{Contender, Direction, Ownership};
use crate::selection::{Line, lines};

/// Measures the lines that the program's arguments select, and prints a table: ours against the
/// fastest rivals, or with `--all` everyone.
pub fn run(unit: &str, costs: impl for<'a> Fn(&'a Line) -> Vec<(&'a Contender, f64)>) {
    let (flags, patterns): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let all = flags.iter().any(|flag| flag == "--all");
    println!(
        "{}",
        if all {
            head_of_all(unit)
        } else {
            head_of_ratios(unit)
        }
    );
    for line in lines(patterns.first().map_or("", String::as_str)) {
        let costs = Costs {
            line: &line,
            costs: costs(&line),
        };
        println!("{}", if all { costs.all() } else { costs.ratios() });
    }
}

fn head_of_all(unit: &str) -> String {
    format!("| case | codec | {unit} |\n|---|---|---|")
}

fn head_of_ratios(unit: &str) -> String {
    format!("| case | form | {unit} | fastest rival | {unit} | ratio |\n|---|---|---|---|---|---|")
}

/// What every codec needs for a line.
struct Costs<'a> {
    line: &'a Line,
    costs: Vec<(&'a Contender, f64)>,
}

impl Costs<'_> {
    /// Everyone, a row each.
    fn all(&self) -> String {
        let name = self.line.name();
        let row = |(codec, cost): &(&Contender, f64)| {
            format!("| {name} | {} | {} |", codec.name, figure(*cost))
        };
        rows(self.costs.iter().map(row))
    }

    /// Each form of ours against its fastest rival, a row each.
    fn ratios(&self) -> String {
        let ours = self.costs.iter().filter(|(codec, _)| codec.is_ours());
        rows(ours.map(|(form, cost)| self.ratio(form, *cost)))
    }

    fn ratio(&self, form: &Contender, cost: f64) -> String {
        let (name, ours) = (self.line.name(), figure(cost));
        match self.fastest_rival(form) {
            Some((rival, best)) => {
                let ratio = cost / best;
                format!(
                    "| {name} | {} | {ours} | {} | {} | {ratio:.2} |",
                    form.name,
                    rival.name,
                    figure(best)
                )
            }
            None => format!("| {name} | {} | {ours} | - | - | - |", form.name),
        }
    }

    /// A decoder of owned packets competes with its like; whoever borrows, and whoever encodes,
    /// competes with everyone.
    fn fastest_rival(&self, form: &Contender) -> Option<(&Contender, f64)> {
        let among_its_like =
            self.line.direction == Direction::Decode && form.ownership == Ownership::Owned;
        self.costs
            .iter()
            .filter(|(codec, _)| !codec.is_ours())
            .filter(|(codec, _)| !among_its_like || codec.ownership == Ownership::Owned)
            .min_by(|(_, left), (_, right)| left.total_cmp(right))
            .map(|(codec, cost)| (*codec, *cost))
    }
}

fn rows(rows: impl Iterator<Item = String>) -> String {
    rows.collect::<Vec<_>>().join("\n")
}

/// Whole instructions as they are, nanoseconds with one decimal.
fn figure(cost: f64) -> String {
    if cost.fract() == 0.0 {
        format!("{cost}")
    } else {
        format!("{cost:.1}")
    }
}
