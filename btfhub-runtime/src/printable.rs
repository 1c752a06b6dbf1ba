//! Shows text from outside safely.

use core::fmt;
use std::path::Path;

/// Shows text from an untrusted source: names of files, kernels and types, or what a
/// distribution says about itself. Characters that would end the line, control a terminal or
/// reorder the text around them are shown as escapes, and so is what begins a command in the
/// log of a CI (`::` at the beginning of a line, `##` before a word or `[`). The result is one
/// line that can't pretend to be anything else. `{}` is for names: of text longer than 255
/// bytes, it shows the beginning and `…`. `{:.8192}` does so for more than 8,192 bytes, and
/// `{:#}` shows all.
///
/// Every message of these crates shows such text this way.
///
/// ```
/// use btfhub_runtime::Printable;
/// assert_eq!(Printable("5.10.0-46-amd64").to_string(), "5.10.0-46-amd64");
/// assert_eq!(Printable("5.10\n\x1b[31m").to_string(), r"5.10\n\u{1b}[31m");
/// assert_eq!(Printable(&"x".repeat(1 << 20)).to_string().chars().count(), 256);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Printable<'a>(pub &'a str);

/// No file name is longer, and no name of a kernel, a program or a type that anyone reads.
const LONGEST_NAME: usize = 255;

impl Printable<'_> {
    /// Whether nothing in the text has to be escaped.
    pub fn is_plain(self) -> bool {
        let mut chars = self.0.char_indices();
        chars.all(|(at, c)| Self::is_plain_char(c) && !begins_command(self.0, at, c))
    }

    /// Whether a character is shown as it is: not control characters, line ends, marks of
    /// direction, or any that [`char::escape_debug`] takes for unprintable.
    pub fn is_plain_char(c: char) -> bool {
        matches!(c, ' '..='~') || (!c.is_ascii() && c.escape_debug().len() == 1)
    }
}

/// Whether a command for a CI that reads the log begins with this character: `::error::` at the
/// beginning of a line (GitHub), or `##[group]`, `##vso[…]` and `##teamcity[…]` anywhere.
fn begins_command(text: &str, at: usize, c: char) -> bool {
    let Some((before, from)) = text.split_at_checked(at) else {
        return false;
    };
    match c {
        ':' => from.starts_with("::") && before.trim().is_empty(),
        // Not a heading.
        '#' if before.ends_with('#') => {
            let next = from.chars().nth(1);
            next.is_some_and(|next| !matches!(next, ' ' | '#'))
        }
        _ => false,
    }
}

/// A path, as all of it may be shown.
pub(crate) fn shown(path: &Path) -> String {
    format!("{:#}", Printable(&path.to_string_lossy()))
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = match (f.alternate(), f.precision()) {
            (true, _) => self.0.len(),
            (false, given) => given.unwrap_or(LONGEST_NAME),
        };
        // Not in the midst of a character.
        let mut cuts = (0..=longest.min(self.0.len())).rev();
        let name = cuts.find_map(|end| self.0.get(..end)).unwrap_or("");
        let mut shown = 0;
        for (at, c) in name.char_indices() {
            let is_plain = Self::is_plain_char(c);
            if is_plain && !begins_command(name, at, c) {
                continue;
            }
            f.write_str(name.get(shown..at).unwrap_or(""))?;
            match is_plain {
                true => write!(f, "{}", c.escape_unicode())?,
                false => write!(f, "{}", c.escape_debug())?,
            }
            shown = at + c.len_utf8();
        }
        f.write_str(name.get(shown..).unwrap_or(""))?;
        f.write_str(if name.len() < self.0.len() { "…" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::Printable;

    #[test]
    fn what_is_shown_as_it_is() {
        for plain in [
            "",
            "vmlinux-5.10.0_a~b+c",
            r"C:\btf\'x'",
            "köln/ядро/内核",
            "Builder::pin: #1, #[x]",
            "### Heading #",
            "a ##",
        ] {
            assert_eq!(Printable(plain).to_string(), plain);
            assert!(Printable(plain).is_plain());
        }
    }

    #[test]
    fn what_is_shown_as_an_escape() {
        for (odd, shown) in [
            ("a\nb", r"a\nb"),
            ("\t\r\0", r"\t\r\0"),
            ("\x1b]0;x\x07", r"\u{1b}]0;x\u{7}"),
            ("\u{7f}\u{9b}2J", r"\u{7f}\u{9b}2J"),
            ("a\u{202e}b\u{2028}", r"a\u{202e}b\u{2028}"),
            ("\u{200b}\u{feff}", r"\u{200b}\u{feff}"),
            ("::error::x", r"\u{3a}:error::x"),
            ("  ::error::x", r"  \u{3a}:error::x"),
            ("a ##vso[task.x]", r"a #\u{23}vso[task.x]"),
            ("###[group]", r"##\u{23}[group]"),
        ] {
            assert_eq!(Printable(odd).to_string(), shown);
            assert!(!Printable(odd).is_plain());
        }
    }

    #[test]
    fn how_much_is_shown() {
        let name = "x".repeat(255);
        assert_eq!(Printable(&name).to_string(), name);
        let long = format!("{name}yz");
        assert_eq!(Printable(&long).to_string(), format!("{name}…"));
        assert_eq!(format!("{:#}", Printable(&long)), long);
        assert_eq!(format!("{:.256}", Printable(&long)), format!("{name}y…"));
        let odd = format!("{}äö", "\n".repeat(254));
        assert_eq!(Printable(&odd).to_string(), r"\n".repeat(254) + "…");
    }
}
