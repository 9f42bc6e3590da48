//! Answers to labelled samples: what is taken for what, and samples that were right and wrong.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::colour_ramp::{ink_on, share_colour};
use super::noise_chart::escape;

/// Most samples shown of the right and of the wrong ones, and most of the latter with the same
/// classes.
const RIGHT: usize = 6;
const WRONG: usize = 12;
const ALIKE: usize = 3;

/// Classes up to which cells are wide enough for three digits.
const WIDE: usize = 16;

/// Answers to labelled samples.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Protocol of the questions, as a sentence.
    pub how: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Counts, row by row: a row per true class, a column per predicted class.
    pub confusion: Vec<u32>,
    /// Samples that were right, then those that were wrong.
    pub examples: Vec<Example>,
}

/// One of the samples.
#[derive(Debug, Clone)]
pub struct Example {
    /// Answers to it.
    pub answers: Answers,
    /// File name, or its place in a file.
    pub name: String,
    /// The sample itself.
    pub shown: Shown,
}

/// Picture or words of a sample.
#[derive(Debug, Clone)]
pub enum Shown {
    /// A small JPEG image.
    Image(Vec<u8>),
    /// First words of a text.
    Text(String),
}

/// Answers to a sample in all draws that asked about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// Index of the sample.
    pub sample: usize,
    /// True class.
    pub class: usize,
    /// Class of most answers; among the wrong ones, if any was wrong.
    pub said: usize,
    /// Number of these answers, and of all.
    pub times: u32,
    /// Number of draws that asked about the sample.
    pub asked: u32,
}

impl Answers {
    /// Returns the answers to each sample that was asked about; `counts` has a row per sample and a
    /// column per class.
    fn all(labels: &[usize], classes: usize, counts: &[u32]) -> Vec<Self> {
        let rows = counts.chunks_exact(classes.max(1)).zip(labels).enumerate();
        let asked = rows.filter(|(_, (row, _))| row.iter().any(|&count| count > 0));
        asked.map(|(sample, (row, &class))| Self::of(sample, class, row)).collect()
    }

    fn of(sample: usize, class: usize, row: &[u32]) -> Self {
        let wrong = row.iter().enumerate().filter(|(said, count)| *said != class && **count > 0);
        // The first of those that are alike.
        let most = wrong.max_by_key(|(said, count)| (**count, std::cmp::Reverse(*said)));
        let (said, times) = most.map_or((class, row[class]), |(said, &times)| (said, times));
        Self { sample, class, said, times, asked: row.iter().sum() }
    }

    fn is_right(&self) -> bool {
        self.said == self.class
    }

    /// Returns samples that were always right, class by class in turns, and then those that were
    /// wrong, the most certain first.
    pub fn chosen(labels: &[usize], classes: usize, counts: &[u32]) -> Vec<Self> {
        let all = Self::all(labels, classes, counts);
        let (right, mut wrong): (Vec<Self>, Vec<Self>) = all.into_iter().partition(Self::is_right);
        let mut turns = vec![0usize; classes];
        let mut in_turns: Vec<(usize, Self)> = Vec::new();
        for one in right {
            in_turns.push((turns[one.class], one));
            turns[one.class] += 1;
        }
        in_turns.sort_by_key(|(turn, one)| (*turn, one.class));
        let mut chosen: Vec<Self> = in_turns.into_iter().map(|(_, one)| one).take(RIGHT).collect();
        let share = |one: &Self| f64::from(one.times) / f64::from(one.asked);
        wrong.sort_by(|a, b| share(b).total_cmp(&share(a)).then(b.times.cmp(&a.times)));
        let mut taken = vec![0usize; classes * classes];
        let rare = wrong.into_iter().filter(|one| {
            let count = &mut taken[one.class * classes + one.said];
            *count += 1;
            *count <= ALIKE
        });
        chosen.extend(rare.take(WRONG));
        chosen
    }
}

/// Writes the section.
pub(super) fn write(page: &mut String, evidence: &Evidence) {
    let _ = write!(
        page,
        "<h2>Answers on your data</h2><p>{} Rows are true classes, columns predictions; a cell is the share of its row \
         in percent.</p>",
        escape(&evidence.how)
    );
    matrix(page, evidence);
    let (right, wrong): (Vec<_>, Vec<_>) =
        evidence.examples.iter().partition(|one| one.answers.is_right());
    let none = "<p class=\"note\">None.</p>";
    let _ = write!(page, "<h3>Wrong, the most certain first</h3>");
    let drawn = examples(evidence, &wrong);
    let _ = write!(page, "{}", if wrong.is_empty() { none } else { &drawn });
    let _ = write!(page, "<h3>Right in every draw</h3>");
    let drawn = examples(evidence, &right);
    let _ = write!(page, "{}", if right.is_empty() { none } else { &drawn });
}

fn matrix(page: &mut String, evidence: &Evidence) {
    let count = evidence.classes.len().max(1);
    let width = if count > WIDE { " narrow" } else { "" };
    let _ = write!(
        page,
        "<div class=\"scroll\" role=\"group\" aria-label=\"confusion matrix\" tabindex=\"0\">\
         <table class=\"confusion{width}\"><tr><td></td>"
    );
    for class in &evidence.classes {
        let _ =
            write!(page, "<th scope=\"col\" title=\"{0}\"><span>{0}</span></th>", escape(class));
    }
    let _ = write!(page, "</tr>");
    for (row, class) in evidence.confusion.chunks_exact(count).zip(&evidence.classes) {
        let class = escape(class);
        let _ = write!(page, "<tr><th scope=\"row\" title=\"{class}\"><span>{class}</span></th>");
        let all = row.iter().sum::<u32>();
        for (&taken, said) in row.iter().zip(&evidence.classes) {
            cell(page, &class, &escape(said), Part { taken, all });
        }
        let _ = write!(page, "</tr>");
    }
    let _ = write!(page, "</table></div>{}", scale());
}

/// Part of a row.
struct Part {
    taken: u32,
    all: u32,
}

fn cell(page: &mut String, class: &str, said: &str, part: Part) {
    let share = f64::from(part.taken) / f64::from(part.all.max(1));
    let how = if class == said { "right" } else { "taken for" };
    let what = if class == said { how.to_string() } else { format!("{how} {said}") };
    let title = format!("{class} {what}: {} of {}", part.taken, part.all);
    if part.taken == 0 {
        let _ = write!(page, "<td title=\"{title}\"></td>");
        return;
    }
    let [colour, ink] = [share_colour(share), ink_on(share_colour(share))].map(hex);
    let percent = 100.0 * share;
    let number = if percent < 0.5 { "&lt;1".to_string() } else { format!("{percent:.0}") };
    let _ = write!(
        page,
        "<td title=\"{title}\" style=\"background:{colour};color:{ink}\">{number}</td>"
    );
}

fn hex(colour: [u8; 3]) -> String {
    let [r, g, b] = colour;
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Returns the scale of the colours, linear in the share.
fn scale() -> String {
    let stops: Vec<String> =
        (0..=20).map(|part| hex(share_colour(f64::from(part) / 20.0 + 1e-4))).collect();
    format!(
        "<div class=\"scale\"><span>0 %</span><i style=\"background:linear-gradient(to right,{})\"></i><span>100 % of a row\
         </span></div>",
        stops.join(",")
    )
}

fn examples(evidence: &Evidence, examples: &[&Example]) -> String {
    let mut page = "<div class=\"examples\">".to_string();
    for Example { answers, name, shown } in examples {
        let class = escape(&evidence.classes[answers.class]);
        let said = escape(&evidence.classes[answers.said]);
        let name = escape(name);
        let words = match answers.is_right() {
            true => format!("<b title=\"{class}\">{class}</b>"),
            false => format!(
                "<b title=\"{class}\">{class}</b> taken for <b title=\"{said}\">{said}</b> in {} of {} draws",
                answers.times, answers.asked
            ),
        };
        let shown = match shown {
            Shown::Image(jpeg) => {
                format!(
                    "<img alt=\"{name}\" src=\"data:image/jpeg;base64,{}\">",
                    STANDARD.encode(jpeg)
                )
            }
            Shown::Text(text) => format!("<blockquote>{}</blockquote>", escape(text)),
        };
        let _ = write!(
            page,
            "<figure title=\"{name}\">{shown}<figcaption>{words}</figcaption></figure>"
        );
    }
    page + "</div>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_ones_take_turns_and_wrong_ones_are_sorted() {
        let labels = [0, 0, 0, 1, 1, 1, 1, 1, 2];
        #[rustfmt::skip]
        let counts = [
            4, 0, 0,   4, 0, 0,   1, 2, 1, // two right, one taken for 1
            0, 3, 0,   4, 0, 0,   3, 1, 0,   4, 0, 0,   4, 0, 0, // one right, four taken for 0
            0, 0, 0, // never asked
        ];
        let chosen = Answers::chosen(&labels, 3, &counts);
        let samples: Vec<usize> = chosen.iter().map(|one| one.sample).collect();
        assert_eq!(samples, [0, 3, 1, 4, 6, 7, 2], "at most three of 1 taken for 0");
        let answers = chosen[6];
        assert_eq!(answers, Answers { sample: 2, class: 0, said: 1, times: 2, asked: 4 });
    }

    #[test]
    fn every_cell_says_what_it_is_and_names_are_escaped() {
        let evidence = Evidence {
            how: "Asked.".to_string(),
            classes: ["<b>", "bee"].map(String::from).to_vec(),
            confusion: vec![9, 1, 0, 20],
            examples: vec![Example {
                answers: Answers { sample: 0, class: 0, said: 1, times: 1, asked: 2 },
                name: "a\"b.jpg".to_string(),
                shown: Shown::Image(vec![255, 216]),
            }],
        };
        let mut page = String::new();
        write(&mut page, &evidence);
        assert!(page.contains("title=\"&lt;b&gt; taken for bee: 1 of 10\""), "{page}");
        assert!(page.contains("title=\"bee right: 20 of 20\"") && page.contains(">90</td>"));
        assert!(
            page.contains("src=\"data:image/jpeg;base64,/9g=\"") && page.contains("a&quot;b.jpg")
        );
        assert!(page.contains("in 1 of 2 draws") && page.contains("<p class=\"note\">None.</p>"));
        assert!(!page.contains("<b>\""), "{page}");
    }
}
