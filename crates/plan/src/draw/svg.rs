//! As much of SVG 1.1 as the picture needs.

use std::fmt::Write as _;

/// Shapes, in the order in which they are painted.
#[derive(Debug, Default)]
pub(super) struct Svg(String);

pub(super) const DARK: &str = "#1d2733";
pub(super) const TEXT: &str = "#3c4a57";
pub(super) const GREY: &str = "#5b6b7b";
pub(super) const WHITE: &str = "#ffffff";
pub(super) const RUST: &str = "#8a3f20";

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    size: i32,
    fill: &'static str,
    bold: bool,
    /// Whether its end stands at its point, not its beginning.
    end: bool,
}

impl Ink {
    pub(super) const fn new(size: i32, fill: &'static str) -> Self {
        Self {
            size,
            fill,
            bold: false,
            end: false,
        }
    }

    pub(super) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) const fn end(self) -> Self {
        Self { end: true, ..self }
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// A count in pixels.
pub(super) fn px(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX / 1024)
}

impl Svg {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
        self.0.push('\n');
    }

    /// A rectangle with round corners.
    pub(super) fn rect(&mut self, at: Area, fill: &str, stroke: &str, radius: i32) {
        let Area {
            x,
            y,
            width,
            height,
        } = at;
        self.line(format_args!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" fill="{fill}" stroke="{stroke}"/>"#
        ));
    }

    /// A line along `path`.
    pub(super) fn path(&mut self, path: &str, stroke: &str, width: i32, dashes: Option<&str>) {
        let dashes = dashes.map_or(String::new(), |d| format!(r#" stroke-dasharray="{d}""#));
        self.line(format_args!(
            r#"<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"{dashes}/>"#
        ));
    }

    /// A text on one line.
    pub(super) fn text(&mut self, (x, y): (i32, i32), ink: Ink, text: &str) {
        let Ink { size, fill, .. } = ink;
        let weight = if ink.bold {
            r#" font-weight="600""#
        } else {
            ""
        };
        let anchor = if ink.end { r#" text-anchor="end""# } else { "" };
        let text = escaped(text);
        self.line(format_args!(
            r#"<text x="{x}" y="{y}" font-size="{size}"{weight}{anchor} fill="{fill}">{text}</text>"#
        ));
    }

    /// A text cut to `width` pixels.
    pub(super) fn fitted(&mut self, at: (i32, i32), ink: Ink, width: i32, text: &str) {
        self.text(at, ink, &fit(text, ink.size, width));
    }

    /// A text that stays readable over lines.
    pub(super) fn halo_text(&mut self, (x, y): (i32, i32), ink: Ink, text: &str) {
        let Ink { size, fill, .. } = ink;
        let weight = if ink.bold { "600" } else { "400" };
        let text = escaped(text);
        self.line(format_args!(
            r##"<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}" stroke="#ffffff" stroke-width="4" paint-order="stroke">{text}</text>"##
        ));
    }

    /// How full something is: a bar of `percent`.
    pub(super) fn bar(&mut self, at: Area, percent: u64) {
        let fill = match percent {
            90.. => "#c0392b",
            75.. => "#d99a1c",
            _ => "#5f9e6e",
        };
        self.rect(at, "#e6eaee", "none", 2);
        let part = i32::try_from(percent.min(100)).unwrap_or(100);
        let width = (at.width * part / 100).max(2);
        self.rect(Area { width, ..at }, fill, "none", 2);
    }

    /// A site's ground, in its fill and stroke, with its name and what it is.
    pub(super) fn panel(
        &mut self,
        (width, height): (i32, i32),
        (fill, stroke): (&str, &str),
        name: &str,
        about: &str,
    ) {
        let all = Area {
            x: 0,
            y: 0,
            width,
            height,
        };
        self.rect(all, fill, stroke, 10);
        self.text((20, 34), Ink::new(20, DARK).bold(), name);
        let x = 20 + px(name.chars().count()) * 13 + 14;
        self.text((x, 33), Ink::new(13, GREY), about);
    }

    /// Other shapes, moved.
    pub(super) fn group_at(&mut self, x: i32, y: i32, inner: &Self) {
        self.line(format_args!(r#"<g transform="translate({x} {y})">"#));
        self.0.push_str(&inner.0);
        self.line(format_args!("</g>"));
    }

    /// The document.
    pub(super) fn document(self, width: i32, height: i32, title: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"Inter, 'Helvetica Neue', Arial, \
             'DejaVu Sans', sans-serif\">\n<title>{}</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            escaped(title),
            self.0
        )
    }
}

/// The text as XML's character data; characters that XML 1.0 §2.2 does not allow are
/// replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// `text` cut to about `width` pixels at a font size.
pub(super) fn fit(text: &str, size: i32, width: i32) -> String {
    // The mean width of a character is a bit over half of its size.
    let most = usize::try_from((width * 100 / (size * 57)).max(2)).unwrap_or(2);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{kept}…")
}
