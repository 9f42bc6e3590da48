//! Images and pages of results: canvas, charts, heat maps, reports.

pub mod canvas;
pub mod confusion;
pub mod cut_chart;
pub mod heatmap;
mod noise_chart;
pub mod report_html;
pub mod report_json;
