//! `os-release(5)`: how a distribution identifies itself.

use core::fmt;

use crate::printable::Printable;

/// The longest os-release file that is read. Real ones have less than 1 KiB.
pub(super) const OS_RELEASE_MAX: u64 = 64 * 1024;

/// The fields of an os-release file that name a distribution and its version.
///
/// Parsing never fails: lines that `os-release(5)` does not allow are skipped,
/// and a field that is missing, empty, not UTF-8 or not printable is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    id: Option<String>,
    id_like: Vec<String>,
    version_id: Option<String>,
    version_codename: Option<String>,
    ubuntu_codename: Option<String>,
}

impl OsRelease {
    /// Parses the content of an os-release file: shell-like assignments, bare or quoted values,
    /// LF or CRLF. As in a shell, the last assignment wins.
    pub fn parse(content: &[u8]) -> Self {
        let mut fields = Self::default();
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        for line in content.split(|byte| *byte == b'\n') {
            let Ok(line) = core::str::from_utf8(line) else {
                continue;
            };
            let Some((name, value)) = line.trim().split_once('=') else {
                continue;
            };
            let field = match name {
                "ID" => &mut fields.id,
                "VERSION_ID" => &mut fields.version_id,
                "VERSION_CODENAME" => &mut fields.version_codename,
                "UBUNTU_CODENAME" => &mut fields.ubuntu_codename,
                "ID_LIKE" => {
                    fields.id_like.clear();
                    for name in unquote(value).split_whitespace() {
                        if is_sound(name) {
                            fields.id_like.push(name.to_owned());
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            *field = Some(unquote(value)).filter(|value| is_sound(value));
        }
        fields
    }

    /// `ID`: the distribution, as `ubuntu` or `ol`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// `ID_LIKE`: the distributions it derives from, nearest first.
    pub fn id_like(&self) -> impl Iterator<Item = &str> {
        self.id_like.iter().map(String::as_str)
    }

    /// `VERSION_ID`, as `20.04`. Rolling releases have none.
    pub fn version_id(&self) -> Option<&str> {
        self.version_id.as_deref()
    }

    /// `VERSION_CODENAME`, as `bookworm`.
    pub fn version_codename(&self) -> Option<&str> {
        self.version_codename.as_deref()
    }

    /// `UBUNTU_CODENAME`: the Ubuntu release that a derivative is built on.
    pub fn ubuntu_codename(&self) -> Option<&str> {
        self.ubuntu_codename.as_deref()
    }
}

/// The first word of a shell assignment's right side, its quotes resolved.
fn unquote(value: &str) -> String {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let kept = match (quote, c) {
            (None, '"' | '\'') => {
                quote = Some(c);
                continue;
            }
            (Some(open), c) if c == open => {
                quote = None;
                continue;
            }
            (None | Some('"'), '\\') => match chars.next() {
                // In double quotes, a backslash is literal unless one of these follows.
                Some(next @ ('$' | '"' | '\\' | '`')) => next,
                Some(next) => {
                    if quote.is_some() {
                        word.push('\\');
                    }
                    next
                }
                None => '\\',
            },
            (None, c) if c.is_whitespace() => break,
            (_, c) => c,
        };
        word.push(kept);
    }
    word
}

/// Whether a text may go into a log line.
pub(super) fn is_sound(text: &str) -> bool {
    !text.is_empty() && Printable(text).is_plain()
}

impl fmt::Display for OsRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Printable(self.id().unwrap_or("(no ID)")))?;
        match self.version_id().or(self.version_codename()) {
            Some(version) => write!(f, " {}", Printable(version)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OsRelease;

    fn id_and_version(content: &[u8]) -> (Option<String>, Option<String>) {
        let parsed = OsRelease::parse(content);
        (
            parsed.id().map(str::to_owned),
            parsed.version_id().map(str::to_owned),
        )
    }

    /// Each spelling as a shell would read it (the rule of os-release(5)).
    #[test]
    fn spellings() {
        for (content, id, version) in [
            ("ID=ubuntu\nVERSION_ID=\"20.04\"\n", "ubuntu", "20.04"),
            ("ID='ol'\r\nVERSION_ID='7.9'\r\n", "ol", "7.9"),
            ("\u{feff}ID=\"rhel\"\nVERSION_ID=8.5", "rhel", "8.5"),
            ("  ID=a\n#ID=b\nID2=c\nVERSION_ID=1 # why\n", "a", "1"),
            ("ID=a\nID=b\nVERSION_ID=\"1\"'.'2\n", "b", "1.2"),
            (
                r#"ID="a\"b\$\x"
VERSION_ID=a\ b"#,
                r#"a"b$\x"#,
                "a b",
            ),
            ("ID=\"open\nVERSION_ID=1\n", "open", "1"),
        ] {
            let parsed = id_and_version(content.as_bytes());
            assert_eq!(
                parsed,
                (Some(id.into()), Some(version.into())),
                "{content:?}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_absent() {
        for content in [
            &b""[..],
            b"ID=",
            b"ID=\"\"",
            b"ID",
            b"=",
            b"ID=\xff\n",
            b"ID=\x1b[2J\n",
            b"\0\0\n\n=",
        ] {
            assert_eq!(id_and_version(content), (None, None), "{content:?}");
        }
    }

    #[test]
    fn id_like_is_a_list() {
        let parsed = OsRelease::parse(b"ID_LIKE=\"rhel  centos fedora\"");
        assert_eq!(
            parsed.id_like().collect::<Vec<_>>(),
            ["rhel", "centos", "fedora"]
        );
    }
}
