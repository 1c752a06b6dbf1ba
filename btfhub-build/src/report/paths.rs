//! Source paths without the part that only the machine that compiled the objects knows.

use super::Report;

impl Report {
    /// Removes the longest matching directory from the front of every source path:
    /// `/build/probe-1.2/src/probe.bpf.c` is `src/probe.bpf.c` below `/build/probe-1.2`. A
    /// leading `./` is removed too.
    pub fn shorten_paths(&mut self, directories: &[String]) {
        let sites = self.relocations.iter_mut().flat_map(|row| &mut row.sites);
        for line in sites.filter_map(|site| site.line.as_mut()) {
            let below = directories
                .iter()
                .filter_map(|directory| below(&line.file, directory));
            let shortest = below.min_by_key(|short| short.len());
            line.file = (shortest.unwrap_or(line.file.trim_start_matches("./"))).to_owned();
        }
    }
}

/// For any system that the objects may have been compiled on.
const SEPARATORS: [char; 2] = ['/', '\\'];

/// The path within a directory, if it is below it.
fn below<'p>(path: &'p str, directory: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(directory.trim_end_matches(SEPARATORS))?;
    let short = rest
        .strip_prefix(SEPARATORS)?
        .trim_start_matches(SEPARATORS);
    (!short.is_empty()).then_some(short)
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn whole_names_only() {
        for (path, directory, short) in [
            ("/a/b/c.h", "/a", Some("b/c.h")),
            ("/a/b/c.h", "/a/b/", Some("c.h")),
            ("/a//c.h", "/a", Some("c.h")),
            ("/ab/c.h", "/a", None),
            ("/a", "/a", None),
            ("src/a.c", "/", None),
            ("/a/c.h", "/", Some("a/c.h")),
            (r"C:\a\b\c.h", r"C:\a", Some(r"b\c.h")),
        ] {
            assert_eq!(below(path, directory), short, "{path} below {directory}");
        }
    }
}
