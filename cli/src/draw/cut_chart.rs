//! Chart of accuracy against time, drawn by `plotters` as SVG or in pixels.

use std::sync::Once;

use image::RgbImage;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{Circle, DashedPathElement, PathElement, Text};
use plotters::prelude::{
    BitMapBackend, Cartesian2d, ChartBuilder, ChartContext, DrawingArea, DrawingAreaErrorKind,
    DrawingBackend, IntoDrawingArea, LabelAreaPosition, SVGBackend,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle, WHITE, register_font,
};

use crate::measure::compare_cuts::{Budget, Row, frontier};

/// Size of the whole image in points; a PNG has [`SHARP`] pixels per point.
const SIZE: (u32, u32) = (1120, 640);
const SHARP: u32 = 2;

/// Area of the chart with its axes: left, top, width, height in points.
const PLOT: (i32, i32, i32, i32) = (20, 84, 640, 510);
/// Room for the labels of the axes in points.
const AXES: (u32, u32) = (48, 50);

/// Left edge of the list of cuts, its columns, and the maximum number of characters of a name.
const LIST: i32 = 692;
const COLUMNS: [(&str, i32); 5] =
    [("map", 118), ("accuracy", 196), ("ms", 256), ("package", 330), ("arena", 400)];
const NAME: usize = 58;

const INK: RGBColor = RGBColor(31, 41, 51);
const PALE: RGBColor = RGBColor(97, 110, 124);
const GRID: RGBColor = RGBColor(228, 231, 235);
const SPREAD: RGBColor = RGBColor(159, 179, 200);
const BEST: RGBColor = RGBColor(217, 72, 15);
const FRONT: RGBColor = RGBColor(11, 114, 133);
const OTHER: RGBColor = RGBColor(130, 154, 177);

/// Content of the chart.
#[derive(Debug, Clone, Copy)]
pub struct Drawing<'a> {
    /// Title.
    pub title: &'a str,
    /// Subtitle: conditions of the measurement.
    pub below: &'a str,
    /// Cuts, drawn as numbered points and as a list.
    pub rows: &'a [Row],
    /// Index of the highlighted cut.
    pub chosen: Option<usize>,
    /// Budget, drawn as a line.
    pub budget: Budget,
}

impl Drawing<'_> {
    /// Returns the chart as SVG.
    ///
    /// # Errors
    /// Returns the message of `plotters`.
    pub fn svg(&self) -> Result<String, String> {
        let mut text = String::new();
        self.on(SVGBackend::with_string(&mut text, SIZE), 1)?;
        Ok(text)
    }

    /// Returns the chart in pixels.
    ///
    /// # Errors
    /// Returns the message of `plotters`.
    pub fn pixels(&self) -> Result<RgbImage, String> {
        let width = SHARP * SIZE.0;
        let height = SHARP * SIZE.1;
        let mut image = RgbImage::new(width, height);
        self.on(BitMapBackend::with_buffer(&mut image, (width, height)), SHARP as i32)?;
        Ok(image)
    }

    fn on<DB: DrawingBackend>(&self, backend: DB, scale: i32) -> Result<(), String> {
        static FONTS: Once = Once::new();
        // Registration of the built-in fonts cannot fail.
        FONTS.call_once(|| {
            let name = FontFamily::SansSerif.as_str();
            let _ = register_font(name, FontStyle::Normal, dejavu::sans::regular());
            let _ = register_font(name, FontStyle::Bold, dejavu::sans::bold());
        });
        let sheet = Sheet { root: backend.into_drawing_area(), scale };
        let drawn = self.draw(&sheet).and_then(|()| sheet.root.present());
        drawn.map_err(|e| e.to_string())
    }

    fn draw<DB: DrawingBackend>(&self, sheet: &Sheet<DB>) -> Drawn<DB> {
        sheet.root.fill(&WHITE)?;
        sheet.write((28, 34), 20, INK, HPos::Left, FontStyle::Bold, self.title)?;
        sheet.write((28, 60), 13, PALE, HPos::Left, FontStyle::Normal, self.below)?;
        self.chart(sheet)?;
        self.list(sheet)?;
        legend(sheet)
    }

    fn chart<DB: DrawingBackend>(&self, sheet: &Sheet<DB>) -> Drawn<DB> {
        let [fastest, slowest] =
            [f64::min, f64::max].map(|f| self.rows.iter().map(Row::ms).reduce(f).unwrap_or(1.0));
        // The axis starts at 0 if that leaves enough room between the points.
        let from = if fastest > slowest / 3.0 { fastest - 0.1 * (slowest - fastest) } else { 0.0 };
        let across = from..slowest + 0.05 * (slowest - from).max(1e-3);
        let low = self.rows.iter().map(|r| r.accuracy() - r.half_width()).fold(1.0, f64::min);
        let high = self.rows.iter().map(|r| r.accuracy() + r.half_width()).fold(0.0, f64::max);
        let air = 0.05 * (high - low).max(0.01);
        let down = 100.0 * (low - air).max(0.0)..100.0 * (high + air).min(1.01);

        let (left, top, width, height) = PLOT;
        let area = sheet.root.clone().shrink(sheet.at((left, top)), sheet.at((width, height)));
        let mut chart = ChartBuilder::on(&area)
            .set_label_area_size(LabelAreaPosition::Left, AXES.0 * sheet.scale as u32)
            .set_label_area_size(LabelAreaPosition::Bottom, AXES.1 * sheet.scale as u32)
            .build_cartesian_2d(across.clone(), down.clone())?;
        chart
            .configure_mesh()
            .x_labels(8)
            .y_labels(8)
            .max_light_lines(0)
            .bold_line_style(sheet.line(GRID, 1))
            .axis_style(sheet.line(GRID, 1))
            .label_style(sheet.font(12, PALE, FontStyle::Normal))
            .axis_desc_style(sheet.font(13, INK, FontStyle::Normal))
            .x_desc("milliseconds for one extraction, on this machine")
            .y_desc("right answers, %")
            .draw()?;
        if let Some(ms) = self.budget.ms.filter(|ms| across.contains(ms)) {
            let ends = [(ms, down.start), (ms, down.end)].map(|end| chart.backend_coord(&end));
            let dash = 5 * sheet.scale;
            let gap = 4 * sheet.scale;
            let line = DashedPathElement::new(ends, dash, gap, sheet.line(BEST, 1));
            sheet.root.draw(&line)?;
            let x = ends[1].0 / sheet.scale;
            let y = ends[1].1 / sheet.scale - 8;
            sheet.write(
                (x, y),
                12,
                BEST,
                HPos::Center,
                FontStyle::Normal,
                &format!("budget {ms} ms"),
            )?;
        }
        self.points(sheet, &chart)
    }

    fn points<DB: DrawingBackend>(&self, sheet: &Sheet<DB>, chart: &Chart<'_, DB>) -> Drawn<DB> {
        let front = frontier(self.rows);
        let path: Vec<_> = front
            .iter()
            .map(|&i| position(chart, self.rows[i].ms(), self.rows[i].accuracy()))
            .collect();
        sheet
            .root
            .draw(&PathElement::new(path, FRONT.mix(0.45).stroke_width(2 * sheet.scale as u32)))?;
        for row in self.rows {
            let ends = [-1.0, 1.0]
                .map(|side| position(chart, row.ms(), row.accuracy() + side * row.half_width()));
            sheet.root.draw(&PathElement::new(ends.to_vec(), sheet.line(SPREAD, 2)))?;
        }
        // The most important points are drawn last, on top.
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|&i| (self.chosen == Some(i), front.contains(&i)));
        for i in order {
            let (x, y) = position(chart, self.rows[i].ms(), self.rows[i].accuracy());
            let colour = self.colour(i, &front);
            sheet.dot((x / sheet.scale, y / sheet.scale), 10, colour, Some(i + 1))?;
        }
        Ok(())
    }

    fn colour(&self, i: usize, front: &[usize]) -> RGBColor {
        match (self.chosen == Some(i), front.contains(&i)) {
            (true, _) => BEST,
            (false, true) => FRONT,
            _ => OTHER,
        }
    }

    fn list<DB: DrawingBackend>(&self, sheet: &Sheet<DB>) -> Drawn<DB> {
        let front = frontier(self.rows);
        for (name, at) in COLUMNS {
            sheet.write_right((LIST + at, 94), 11, PALE, name)?;
        }
        // Names are left out if the rows are too low for them.
        let height = (500 / self.rows.len().max(1) as i32).min(40);
        for (i, row) in self.rows.iter().enumerate() {
            let y = 118 + height * i as i32;
            sheet.dot((LIST + 9, y), 9, self.colour(i, &front), Some(i + 1))?;
            let cells = [
                row.map.map_or(String::new(), |m| m.to_string()),
                format!("{:.1} %", 100.0 * row.accuracy()),
                format!("{:.2}", row.ms()),
                size(row.package),
                row.arena.map_or("-".to_string(), size),
            ];
            for (cell, (_, column)) in cells.iter().zip(COLUMNS) {
                sheet.write_right((LIST + column, y), 12, INK, cell)?;
            }
            if height >= 30 {
                let own = if row.automatic { "  (convert's own)" } else { "" };
                let name = format!("{}{own}", end_of(&row.cut, NAME - own.len()));
                sheet.write((LIST + 26, y + 16), 10, PALE, HPos::Left, FontStyle::Normal, &name)?;
            }
        }
        Ok(())
    }
}

fn legend<DB: DrawingBackend>(sheet: &Sheet<DB>) -> Drawn<DB> {
    let kinds =
        [(BEST, "chosen"), (FRONT, "none is both faster and more accurate"), (OTHER, "others")];
    let mut x = PLOT.0 + AXES.0 as i32;
    let y = 616;
    for (colour, text) in kinds {
        sheet.dot((x + 5, y), 5, colour, None)?;
        x = sheet.write((x + 16, y), 12, PALE, HPos::Left, FontStyle::Normal, text)? + 28;
    }
    sheet.write((x, y), 12, PALE, HPos::Left, FontStyle::Normal, "bars: 95 % of such means")?;
    Ok(())
}

type Drawn<DB, T = ()> = Result<T, DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;
type Chart<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Drawing area, in points.
struct Sheet<DB: DrawingBackend> {
    root: DrawingArea<DB, Shift>,
    /// Pixels per point.
    scale: i32,
}

impl<DB: DrawingBackend> Sheet<DB> {
    fn at(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x * self.scale, y * self.scale)
    }

    fn line(&self, colour: RGBColor, width: i32) -> ShapeStyle {
        colour.stroke_width((width * self.scale) as u32)
    }

    fn font(&self, size: i32, colour: RGBColor, style: FontStyle) -> TextStyle<'static> {
        // Sizes of `plotters` are those of a line, not of a letter.
        let size = 1.24 * f64::from(size * self.scale);
        let font = FontDesc::new(FontFamily::SansSerif, size, style);
        TextStyle { color: colour.to_backend_color(), ..TextStyle::from(font) }
    }

    /// Draws a line of text, centred vertically; returns its right end.
    fn write(
        &self,
        at: (i32, i32),
        size: i32,
        colour: RGBColor,
        side: HPos,
        style: FontStyle,
        text: &str,
    ) -> Drawn<DB, i32> {
        let font = self.font(size, colour, style).pos(Pos::new(side, VPos::Center));
        let (width, _) = self.root.estimate_text_size(text, &font)?;
        let (x, y) = self.at(at);
        // Bitmap text is centred as if letters filled their line.
        let down = if self.scale > 1 { size * self.scale * 22 / 100 } else { 0 };
        self.root.draw(&Text::new(text.to_string(), (x, y + down), font))?;
        Ok(at.0 + width as i32 / self.scale)
    }

    /// Draws a line of text that ends at `at`.
    fn write_right(&self, at: (i32, i32), size: i32, colour: RGBColor, text: &str) -> Drawn<DB> {
        self.write(at, size, colour, HPos::Right, FontStyle::Normal, text).map(|_| ())
    }

    /// Draws a point with a white rim, and its number if given.
    fn dot(
        &self,
        at: (i32, i32),
        radius: i32,
        colour: RGBColor,
        number: Option<usize>,
    ) -> Drawn<DB> {
        self.root.draw(&Circle::new(self.at(at), (radius + 1) * self.scale, WHITE.filled()))?;
        self.root.draw(&Circle::new(self.at(at), radius * self.scale, colour.filled()))?;
        if let Some(number) = number {
            let white = RGBColor(255, 255, 255);
            self.write(at, 11, white, HPos::Center, FontStyle::Bold, &number.to_string())?;
        }
        Ok(())
    }
}

/// Returns the position of a time and an accuracy in pixels.
fn position<DB: DrawingBackend>(chart: &Chart<'_, DB>, ms: f64, accuracy: f64) -> (i32, i32) {
    chart.backend_coord(&(ms, 100.0 * accuracy))
}

/// Returns a number of bytes in kilobytes or megabytes.
fn size(bytes: usize) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{:.2} MB", bytes as f64 / 1e6),
    }
}

/// Returns the end of a name, which distinguishes it from the others.
fn end_of(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_string();
    }
    "...".chars().chain(name.chars().skip(length + 3 - most)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(end_of("short", 44), "short");
        let long = format!("{}{}", "a".repeat(50), "/Relu_output_0");
        let end = end_of(&long, 44);
        assert!(end.starts_with("...aa") && end.ends_with("/Relu_output_0"));
        assert_eq!(end.len(), 44);
    }
}
