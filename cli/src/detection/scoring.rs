//! Scores of a head on annotated images: precision, recall and F1 by the middles of boxes, counting
//! error, and average precision (AP50).

use std::fmt;

use offshoot::{Detection, Error, Mark, SpatialHead};

use super::lessons::Seen;

/// Candidates of a frame that are ranked for the average precision.
const CANDIDATES: usize = 256;

/// Intersection over union from which a box is right, of AP50.
const RIGHT: f32 = 0.5;

/// Scores of one class.
#[derive(Debug, Clone, Default)]
pub struct ClassScore {
    /// Name.
    pub name: String,
    /// Detections whose middle lies in a box of the class that no other one has.
    pub hits: usize,
    /// Detections.
    pub found: usize,
    /// Objects.
    pub objects: usize,
    /// Average precision of the boxes; [`None`] without objects.
    pub ap50: Option<f64>,
}

impl ClassScore {
    /// Returns the share of detections that were right.
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.hits as f64 / self.found.max(1) as f64
    }

    /// Returns the share of objects that were found.
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.hits as f64 / self.objects.max(1) as f64
    }

    /// Returns the harmonic mean of both.
    #[must_use]
    pub fn f1(&self) -> f64 {
        2.0 * self.hits as f64 / (self.found + self.objects).max(1) as f64
    }
}

/// Scores of a head.
#[derive(Debug, Clone)]
pub struct Scores {
    /// Scores of each class.
    pub classes: Vec<ClassScore>,
    /// Number of images.
    pub images: usize,
    /// Difference of counts, summed over classes, mean over images.
    pub counting_error: f64,
    /// Hits of each image among its detections and objects.
    pub by_image: Vec<[usize; 3]>,
}

impl Scores {
    /// Measures a head.
    ///
    /// # Errors
    /// Fails if the head is not fitted.
    pub fn measure(head: &mut SpatialHead, seen: &[Seen]) -> Result<Self, Error> {
        let count = head.class_count();
        let name = |class: usize| head.class_name(class as u8).unwrap_or_default().to_string();
        let mut classes: Vec<ClassScore> = (0..count)
            .map(|class| ClassScore { name: name(class), ..ClassScore::default() })
            .collect();
        let mut ranked: Vec<Vec<(f32, bool)>> = vec![Vec::new(); count];
        let unknown = head.unknown_size();
        let mut by_image = Vec::new();
        let mut off = 0;
        for own in seen {
            let cells = own.cells(head)?;
            let mut room = [Detection::NONE; CANDIDATES];
            let candidates = head.candidates(&cells, &mut room)?;
            for (score, is_right, class) in boxes(candidates, &own.marks, unknown) {
                ranked[class].push((score, is_right));
            }
            let found: Vec<Detection> = candidates
                .iter()
                .copied()
                .filter(|own| own.score >= head.threshold(own.class))
                .collect();
            let hits = hits(&found, &own.marks, unknown);
            by_image.push([
                hits.iter().filter(|hit| hit.is_some()).count(),
                found.len(),
                own.marks.len(),
            ]);
            for (class, score) in classes.iter_mut().enumerate() {
                let is_own = |of: u8| usize::from(of) == class;
                let seen = found.iter().filter(|own| is_own(own.class)).count();
                let there = own.marks.iter().filter(|mark| is_own(mark.class)).count();
                score.found += seen;
                score.objects += there;
                let own_hits = found.iter().zip(&hits).filter(|(own, _)| is_own(own.class));
                score.hits += own_hits.filter(|(_, hit)| hit.is_some()).count();
                off += seen.abs_diff(there);
            }
        }
        for (score, mut ranked) in classes.iter_mut().zip(ranked) {
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
            score.ap50 = average_precision(&ranked, score.objects);
        }
        let images = seen.len();
        Ok(Self { classes, images, counting_error: off as f64 / images.max(1) as f64, by_image })
    }

    /// Returns the scores of all classes together; the average precision is the mean of the classes'.
    #[must_use]
    pub fn all(&self) -> ClassScore {
        let sum = |part: fn(&ClassScore) -> usize| self.classes.iter().map(part).sum();
        let aps: Vec<f64> = self.classes.iter().filter_map(|class| class.ap50).collect();
        let mean = aps.iter().sum::<f64>() / aps.len().max(1) as f64;
        ClassScore {
            name: "all".to_string(),
            hits: sum(|class| class.hits),
            found: sum(|class| class.found),
            objects: sum(|class| class.objects),
            ap50: (!aps.is_empty()).then_some(mean),
        }
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all();
        let widest = self.classes.iter().map(|class| class.name.chars().count()).max();
        let width = widest.unwrap_or(0).max(5);
        writeln!(f, "  {:<width$}  precision  recall  F1     AP50   objects", "class")?;
        for class in self.classes.iter().chain([&all]) {
            let ap = class.ap50.map_or("-".to_string(), |ap| format!("{ap:.3}"));
            writeln!(
                f,
                "  {:<width$}  {:<9.3}  {:<6.3}  {:<5.3}  {ap:<5}  {}",
                class.name,
                class.precision(),
                class.recall(),
                class.f1(),
                class.objects
            )?;
        }
        let per_image = all.objects as f64 / self.images.max(1) as f64;
        write!(
            f,
            "  counting error {:.2} of {per_image:.1} objects a picture, {} pictures",
            self.counting_error, self.images
        )
    }
}

/// Returns for each detection, in order, the nearest unused mark that its middle is in.
pub fn hits(found: &[Detection], marks: &[Mark], unknown: [f32; 2]) -> Vec<Option<usize>> {
    let mut used = vec![false; marks.len()];
    let mut hits = Vec::new();
    for own in found {
        let off = |mark: &Mark| {
            (0..2).map(|axis| (mark.centre[axis] - own.centre[axis]).powi(2)).sum::<f32>()
        };
        let inside = (0..marks.len()).filter(|&at| !used[at] && own.is_in(&marks[at], unknown));
        let best = inside.min_by(|&a, &b| off(&marks[a]).total_cmp(&off(&marks[b])));
        best.into_iter().for_each(|at| used[at] = true);
        hits.push(best);
    }
    hits
}

/// Returns score, class, and true for each candidate whose box overlaps that of an unused mark by
/// half.
fn boxes(found: &[Detection], marks: &[Mark], unknown: [f32; 2]) -> Vec<(f32, bool, usize)> {
    let mut used = vec![false; marks.len()];
    let mut all = Vec::new();
    for own in found {
        let overlap = |mark: &Mark| overlap(own, mark, unknown);
        let of_class = (0..marks.len()).filter(|&at| marks[at].class == own.class);
        let best = of_class.max_by(|&a, &b| overlap(&marks[a]).total_cmp(&overlap(&marks[b])));
        let is_right = best.is_some_and(|at| !used[at] && overlap(&marks[at]) >= RIGHT);
        if let (Some(at), true) = (best, is_right) {
            used[at] = true;
        }
        all.push((own.score, is_right, own.class.into()));
    }
    all
}

/// Returns the intersection over union of two boxes.
fn overlap(found: &Detection, mark: &Mark, unknown: [f32; 2]) -> f32 {
    let own = found.size.unwrap_or(unknown);
    let other = mark.size.unwrap_or(unknown);
    let common = |axis: usize| {
        let low = (found.centre[axis] - own[axis] / 2.0).max(mark.centre[axis] - other[axis] / 2.0);
        let high =
            (found.centre[axis] + own[axis] / 2.0).min(mark.centre[axis] + other[axis] / 2.0);
        (high - low).max(0.0)
    };
    let both = common(0) * common(1);
    both / (own[0] * own[1] + other[0] * other[1] - both)
}

/// Returns the area under the curve of precision over recall, with the precision at a recall the
/// highest at it or above (PASCAL VOC from 2010 on).
fn average_precision(ranked: &[(f32, bool)], objects: usize) -> Option<f64> {
    let mut right = 0.0;
    let mut points = Vec::new();
    for (at, &(_, is_right)) in ranked.iter().enumerate() {
        right += f64::from(u8::from(is_right));
        points.push((right / objects.max(1) as f64, right / (at + 1) as f64));
    }
    let mut highest = 0.0f64;
    let mut area = 0.0;
    for (at, &(recall, precision)) in points.iter().enumerate().rev() {
        highest = highest.max(precision);
        let before = at.checked_sub(1).map_or(0.0, |before| points[before].0);
        area += (recall - before) * highest;
    }
    (objects > 0).then_some(area)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(class: u8, x: f32, score: f32) -> Detection {
        Detection { class, score, centre: [x, 0.5], size: Some([0.2, 0.2]) }
    }

    #[test]
    fn an_object_is_hit_once_and_by_its_class() {
        let marks = [Mark::boxed(0, [0.1, 0.4, 0.2, 0.2]), Mark::boxed(1, [0.6, 0.4, 0.2, 0.2])];
        let all = [found(0, 0.2, 0.9), found(0, 0.25, 0.8), found(0, 0.7, 0.7), found(1, 0.7, 0.6)];
        assert_eq!(hits(&all, &marks, [0.1; 2]), [Some(0), None, None, Some(1)]);
        let right: Vec<bool> = boxes(&all, &marks, [0.1; 2]).iter().map(|own| own.1).collect();
        assert_eq!(right, [true, false, false, true]);
        // A third beside: the middle is still inside, half of the box is not.
        assert!(!boxes(&[found(0, 0.28, 0.9)], &marks, [0.1; 2])[0].1);
    }

    #[test]
    fn average_precision_of_known_curves() {
        assert_eq!(average_precision(&[(0.9, true), (0.8, true)], 2), Some(1.0));
        assert_eq!(average_precision(&[(0.9, false), (0.8, true)], 1), Some(0.5));
        assert_eq!(
            average_precision(&[(0.9, true), (0.8, false), (0.7, true)], 2),
            Some(0.5 + 0.5 * 2.0 / 3.0)
        );
        assert_eq!(average_precision(&[], 3), Some(0.0));
        assert_eq!(average_precision(&[(0.9, false)], 0), None);
    }
}
