//! The report as one self-contained page: opening it fetches nothing.

use btfhub_build::report::Report;
use btfhub_build::support::Changes;
use include_dir::{Dir, include_dir};
use pulldown_cmark::{Event, Options, Parser, html};

use super::json::document;
use super::markdown;
use crate::failure::Failure;
use crate::output::shown_json;

static ASSETS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/report/assets");

/// Places shown for each relocation; some are used at thousands of places.
const SITES: usize = 12;

pub(super) fn render(report: &Report, changes: Option<&Changes>) -> Result<String, Failure> {
    // Inside a script element, only the end tag and the start of a comment have a meaning.
    let data = shown_json(&serde_json::to_string(&document(report, changes, SITES)?)?);
    let data = data.replace('<', "\\u003c");
    let scripts = [
        "1-model.js",
        "2-map.js",
        "3-heads.js",
        "4-details.js",
        "5-overview.js",
        "6-main.js",
    ];
    let scripts = scripts
        .map(asset)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let script = scripts.join("\n");
    let printed = printed(&markdown::render(report, changes));
    let mut page = String::new();
    let mut rest = asset("page.html")?;
    for (mark, text) in [
        ("/*STYLE*/", asset("style.css")?),
        ("/*DOCUMENT*/", printed.as_str()),
        ("/*DATA*/", data.as_str()),
        ("/*SCRIPT*/", script.as_str()),
    ] {
        let (before, after) = rest
            .split_once(mark)
            .ok_or_else(|| Failure::new(format!("page.html has no place for {mark}")))?;
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

/// The report for printing and for reading without JavaScript: the Markdown, as HTML.
fn printed(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
    // Markdown may contain HTML; names from objects and archives must not add any.
    let events = Parser::new_ext(markdown, options).map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        event => event,
    });
    let mut page = String::new();
    html::push_html(&mut page, events);
    page
}

fn asset(name: &str) -> Result<&'static str, Failure> {
    (ASSETS.get_file(name).and_then(|file| file.contents_utf8()))
        .ok_or_else(|| Failure::new(format!("the program was built without {name}")))
}
