//! Images and pages of results: canvas, charts, heat maps, reports.

pub mod canvas;
pub mod check_html;
pub mod colour_ramp;
pub mod confusion;
pub mod contact_sheet;
pub mod cut_chart;
pub mod heatmap;
pub mod report_html;
pub mod report_json;
