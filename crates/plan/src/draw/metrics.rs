//! How wide a text is, and where it breaks.
//!
//! Which font a viewer has is not known when the picture is made. The widths are those of the
//! widest fonts that `font-family` leads to: of each character the larger of Arial's (the
//! Adobe metrics of Helvetica, which Liberation Sans shares) and DejaVu Sans's advance. A text
//! is as wide as measured here, or narrower.

use super::picture::Font;

/// Advances of U+0020 to U+007E in thousandths of the font size, of the normal weight.
#[rustfmt::skip]
const NORMAL: [i32; 95] = [
    318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 500, 838, 318, 361, 318, 337,
    637, 637, 637, 637, 637, 637, 637, 637, 637, 637, 337, 337, 838, 838, 838, 556,
    1015, 685, 687, 722, 771, 667, 611, 778, 752, 295, 500, 667, 558, 863, 749, 788,
    667, 788, 722, 667, 611, 732, 685, 989, 686, 667, 686, 391, 337, 391, 838, 556,
    500, 613, 635, 550, 635, 616, 353, 635, 634, 278, 278, 580, 278, 975, 634, 612,
    635, 635, 412, 521, 393, 634, 592, 818, 592, 592, 525, 637, 337, 637, 838,
];

/// The same of the bold weight.
#[rustfmt::skip]
const BOLD: [i32; 95] = [
    349, 457, 521, 838, 696, 1002, 873, 307, 458, 458, 523, 838, 380, 416, 380, 366,
    696, 696, 696, 696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 611,
    1000, 774, 763, 734, 831, 684, 684, 821, 837, 373, 556, 775, 638, 996, 837, 851,
    733, 851, 771, 721, 683, 813, 774, 1104, 771, 725, 726, 458, 366, 458, 838, 556,
    500, 675, 716, 593, 716, 679, 436, 716, 712, 343, 343, 666, 343, 1042, 712, 688,
    716, 716, 494, 596, 479, 712, 652, 924, 646, 652, 583, 712, 366, 712, 838,
];

/// After these a name may go on in the next line.
const BREAKS: &[char] = &[' ', '-', '.', '/', ':', ',', '_', '·'];

/// The advance of a character in thousandths of the font size; of a character outside ASCII
/// the most that any of its block has.
fn advance(c: char, bold: bool) -> i32 {
    let table = if bold { &BOLD } else { &NORMAL };
    if let Some(of_ascii) = u32::from(c)
        .checked_sub(0x20)
        .and_then(|i| table.get(usize::try_from(i).ok()?))
    {
        return *of_ascii;
    }
    match c {
        c if joins(c) => 0,
        '·' => 380,
        '…' => 1000,
        '→' | '↔' => 838,
        '\u{a0}'..='\u{17f}' => 1170,
        '\u{370}'..='\u{3ff}' => 1100,
        '\u{400}'..='\u{6ff}' => 1410,
        // One em wide by design: CJK, kana, hangul, full-width forms.
        '\u{2e80}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff00}'..='\u{ffef}'
        | '\u{20000}'..='\u{3ffff}' => 1000,
        '\u{1f000}'..='\u{1faff}' => 1400,
        _ => 2050,
    }
}

/// Whether a character is set on the one before it, and has no width of its own.
fn joins(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// The text as it is drawn: what XML 1.0 §2.2 does not allow, what turns the direction of
/// writing round and what no font sets in two em becomes U+FFFD.
pub(super) fn shown(text: &str) -> String {
    let of = |c: char| match c {
        '\u{0}'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{2e3a}'
        | '\u{2e3b}'
        | '\u{fdfa}'..='\u{fdfd}'
        | '\u{fffe}'
        | '\u{ffff}'
        | '\u{12000}'..='\u{1254f}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(of).collect()
}

/// How wide a text is at most, in pixels.
pub(super) fn width(text: &str, font: Font) -> i32 {
    let advances = text.chars().map(|c| i64::from(advance(c, font.bold)));
    let pixels = advances.sum::<i64>() * i64::from(font.size) / 1000 + 1;
    i32::try_from(pixels).unwrap_or(i32::MAX / 1024)
}

/// The text in lines of at most `room` pixels, without the spaces at which it was broken.
///
/// Breaks after a space, a hyphen or the like; where there is none, anywhere between two
/// characters. Only a single character may be wider than the room.
pub(super) fn wrap(text: &str, font: Font, room: i32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while let Some(at) = break_at(rest, font, room) {
        let (line, next) = rest.split_at(at);
        lines.push(line.trim_end().to_owned());
        rest = next.trim_start();
    }
    if !rest.is_empty() {
        lines.push(rest.to_owned());
    }
    lines
}

/// Where a text that does not fit is to be broken, as an offset in bytes that is neither its
/// beginning nor its end; none: it fits, or is a single character.
fn break_at(text: &str, font: Font, room: i32) -> Option<usize> {
    // As [`width`] rounds: up to the next pixel.
    let most = room * 1000 - 1;
    let (mut used, mut before) = (0, None);
    let (mut anywhere, mut after_sign) = (None, None);
    for (at, c) in text.char_indices() {
        let over = used > most;
        if let Some(before) = before
            && !joins(c)
        {
            if over {
                return after_sign.or(anywhere).or(Some(at));
            }
            anywhere = Some(at);
            if BREAKS.contains(&before) {
                after_sign = Some(at);
            }
        }
        used += advance(c, font.bold) * font.size;
        before = Some(c);
    }
    if used > most {
        after_sign.or(anywhere)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FONT: Font = Font::new(10, "#000000");

    #[test]
    fn a_text_is_measured_by_its_widest_font() {
        // DejaVu Sans is the wider one, but for Arial's J.
        assert_eq!(width("W", FONT), 10);
        assert_eq!(width("W", FONT.bold()), 12);
        assert_eq!(width("J", FONT), 6);
        assert_eq!(width("網路", FONT), 21);
        assert_eq!(width("", FONT), 1);
    }

    #[test]
    fn a_text_breaks_after_signs_and_else_anywhere_and_loses_nothing() {
        let lines = wrap("rack-17 upper", FONT, 45);
        assert_eq!(lines, ["rack-17", "upper"]);
        let name = "an-unusually-long.name_with/every:sign,and·moreWithoutAnySignAtAllUntilTheEnd";
        for room in 20..200 {
            let lines = wrap(name, FONT, room);
            assert_eq!(lines.concat(), name);
            assert!(lines.iter().all(|l| width(l, FONT) <= room), "{lines:?}");
        }
    }

    #[test]
    fn a_mark_stays_with_its_letter() {
        let lines = wrap("e\u{301}e\u{301}e\u{301}", FONT, 8);
        assert_eq!(lines, ["e\u{301}", "e\u{301}", "e\u{301}"]);
    }

    #[test]
    fn what_would_break_the_document_or_turn_the_text_round_is_replaced() {
        assert_eq!(
            shown("a\u{1}\n\u{202e}b\u{85}"),
            "a\u{fffd}\u{fffd}\u{fffd}b\u{fffd}"
        );
        assert_eq!(shown("<&>\"' 機房 ü"), "<&>\"' 機房 ü");
    }
}
