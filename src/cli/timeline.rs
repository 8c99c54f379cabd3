//! Pictures of a run, as SVG: when each call ran, and what each call needs.

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result};
use batchyard_model::CallState;
use batchyard_store::{CallRecord, RunSummary};
use batchyard_workflow::plan::{DrawnCall, Plan};

use super::{
    documents::{ImportArgs, load_checked},
    show::shown_call,
};
use crate::config::Config;

const ROW: i64 = 22;
const LEFT: i64 = 260;
const WIDTH: i64 = 760;
const TOP: i64 = 54;

/// Writes the picture.
pub fn write(path: &Path, run: &RunSummary, calls: &[(String, CallRecord)]) -> Result<()> {
    fs::write(path, draw(run, calls)).with_context(|| format!("cannot write the timeline to `{}`", path.display()))
}

fn draw(run: &RunSummary, calls: &[(String, CallRecord)]) -> String {
    let rows: Vec<_> = calls.iter().filter_map(|(path, call)| Some((path, call, call.started_ms.or(call.ended_ms)?))).collect();
    let start = rows.iter().map(|(_, _, s)| *s).min().or(run.started_ms).unwrap_or(0);
    let end = rows.iter().map(|(_, c, s)| c.ended_ms.unwrap_or(*s)).max().unwrap_or(start).max(start + 1);
    let x = |ms: i64| LEFT + (ms - start) * WIDTH / (end - start);
    let height = TOP + ROW * rows.len() as i64 + 20;
    let mut svg = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(svg, "{text}");
    };
    line(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{height}" font-family="sans-serif" font-size="12">"#,
        LEFT + WIDTH + 90
    ));
    line(format_args!(r##"<rect width="100%" height="100%" fill="#fff"/>"##));
    line(format_args!(r#"<text x="10" y="20" font-size="15" font-weight="bold">{} {} {}</text>"#, escape(&run.name), run.id, run.state));
    for tick in 0..=4 {
        let ms = start + (end - start) * tick / 4;
        line(format_args!(r##"<line x1="{0}" y1="{1}" x2="{0}" y2="{2}" stroke="#ddd"/>"##, x(ms), TOP - 6, height - 14));
        line(format_args!(
            r##"<text x="{}" y="{}" fill="#666" text-anchor="middle">{:.1} s</text>"##,
            x(ms),
            TOP - 12,
            (ms - start) as f64 / 1000.0
        ));
    }
    for (n, (path, call, began)) in rows.iter().enumerate() {
        let y = TOP + ROW * n as i64;
        let ended = call.ended_ms.unwrap_or(end);
        let colour = match (call.state, call.cached) {
            (CallState::Done, true) => "#9ecae1",
            (CallState::Done, false) => "#41ab5d",
            (CallState::Failed | CallState::Retried, _) => "#d7301f",
            (CallState::Aborted, _) => "#969696",
            _ => "#fdae6b",
        };
        line(format_args!(r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#, LEFT - 8, y + 14, escape(&shown_call(path, &call.id))));
        line(format_args!(
            r#"<rect x="{}" y="{y}" width="{}" height="{}" rx="2" fill="{colour}"/>"#,
            x(*began),
            (x(ended) - x(*began)).max(2),
            ROW - 5
        ));
        line(format_args!(r##"<text x="{}" y="{}" fill="#444">{:.2} s</text>"##, x(ended) + 5, y + 14, (ended - began) as f64 / 1000.0));
    }
    line(format_args!("</svg>"));
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const BOX_WIDTH: i64 = 220;
const BOX_HEIGHT: i64 = 40;
const GAP_X: i64 = 40;
const GAP_Y: i64 = 50;

/// Writes the picture of a workflow's calls.
pub fn write_graph(path: &Path, wdl: &str, config: &Config) -> Result<()> {
    let Some(loaded) = load_checked(wdl, &ImportArgs::default(), config, true)? else { return Ok(()) };
    let Some(workflow) = &loaded.module.document.workflow else { return Ok(()) };
    let calls = Plan::new(&loaded.module, workflow)?.calls();
    fs::write(path, draw_graph(&calls)).with_context(|| format!("cannot write the picture to `{}`", path.display()))
}

/// Calls in layers: each stands one below the lowest call it needs.
fn draw_graph(calls: &[DrawnCall]) -> String {
    let mut layers: Vec<usize> = Vec::new();
    for call in calls {
        // A call needs only calls listed before it.
        let layer = call.needs.iter().filter_map(|n| layers.get(*n)).max().map_or(0, |l| l + 1);
        layers.push(layer);
    }
    let mut columns: Vec<i64> = Vec::new();
    for (n, layer) in layers.iter().enumerate() {
        columns.push(layers.iter().take(n).filter(|l| *l == layer).count() as i64);
    }
    let depth = layers.iter().max().map_or(0, |l| *l as i64 + 1);
    let wide = columns.iter().max().map_or(0, |c| c + 1);
    let (width, height) = (wide * (BOX_WIDTH + GAP_X) + GAP_X, depth * (BOX_HEIGHT + GAP_Y) + GAP_Y);
    let place = |n: usize| {
        let (layer, column) = (layers.get(n).map_or(0, |l| *l as i64), columns.get(n).copied().unwrap_or(0));
        let in_layer = layers.iter().filter(|l| **l as i64 == layer).count() as i64;
        let indent = (wide - in_layer) * (BOX_WIDTH + GAP_X) / 2;
        (GAP_X + indent + column * (BOX_WIDTH + GAP_X), GAP_Y / 2 + layer * (BOX_HEIGHT + GAP_Y))
    };
    let mut svg = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(svg, "{text}");
    };
    line(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="13">"#
    ));
    line(format_args!(
        r##"<defs><marker id="a" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>"##
    ));
    line(format_args!(r##"<rect width="100%" height="100%" fill="#fff"/>"##));
    for (n, call) in calls.iter().enumerate() {
        let (x, y) = place(n);
        for need in &call.needs {
            let (fx, fy) = place(*need);
            let (x1, y1, x2, y2) = (fx + BOX_WIDTH / 2, fy + BOX_HEIGHT, x + BOX_WIDTH / 2, y - 2);
            let bend = (y2 - y1) / 2;
            line(format_args!(
                r##"<path d="M{x1},{y1} C{x1},{} {x2},{} {x2},{y2}" fill="none" stroke="#555" marker-end="url(#a)"/>"##,
                y1 + bend,
                y2 - bend
            ));
        }
    }
    for (n, call) in calls.iter().enumerate() {
        let (x, y) = place(n);
        if call.scattered {
            line(format_args!(
                r##"<rect x="{}" y="{}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="#deebf7" stroke="#3182bd"/>"##,
                x + 5,
                y + 5
            ));
        }
        let dashes = if call.conditional { r#" stroke-dasharray="5 3""# } else { "" };
        line(format_args!(
            r##"<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="#deebf7" stroke="#3182bd"{dashes}/>"##
        ));
        line(format_args!(
            r#"<text x="{}" y="{}" text-anchor="middle">{}</text>"#,
            x + BOX_WIDTH / 2,
            y + BOX_HEIGHT / 2 + 5,
            escape(&call.name)
        ));
    }
    line(format_args!("</svg>"));
    svg
}
