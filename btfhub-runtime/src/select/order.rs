//! The order of releases within a series.

use core::cmp::Ordering;

/// Compares runs of digits as numbers, and everything else as bytes.
pub(super) fn numeric(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Runs(a), Runs(b));
    loop {
        let (run_a, run_b) = (a.next(), b.next());
        if (run_a, run_b) == (None, None) {
            return Ordering::Equal;
        }
        match compare_runs(run_a.unwrap_or(""), run_b.unwrap_or("")) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
}

/// Compares releases of one series: the same kernel version (major and minor), and the same
/// text except for the numbers, so the same flavour. `None` if they are not of one series.
///
/// ```text
/// 5.4.0-80-generic   Less      5.4.0-81-generic
/// 5.4.0-80-generic   no order  5.4.0-80-azure, 5.8.0-80-generic
/// ```
pub(super) fn within_series(a: &str, b: &str) -> Option<Ordering> {
    let mut numbers = 0;
    let mut order = Ordering::Equal;
    let (mut runs_a, mut runs_b) = (Runs(a), Runs(b));
    loop {
        let (run_a, run_b) = match (runs_a.next(), runs_b.next()) {
            (Some(run_a), Some(run_b)) => (run_a, run_b),
            (None, None) => return Some(order),
            _ => return None,
        };
        let both_numbers = is_number(run_a) && is_number(run_b);
        let here = compare_runs(run_a, run_b);
        if here != Ordering::Equal && (!both_numbers || numbers < 2) {
            return None;
        }
        numbers += usize::from(both_numbers);
        order = order.then(here);
    }
}

fn compare_runs(a: &str, b: &str) -> Ordering {
    if !is_number(a) || !is_number(b) {
        return a.cmp(b);
    }
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then(a.cmp(b))
}

fn is_number(run: &str) -> bool {
    run.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

/// Alternating runs of digits and of anything else.
struct Runs<'a>(&'a str);

impl<'a> Iterator for Runs<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let number = is_number(self.0);
        let mut bytes = self.0.bytes();
        let end = bytes
            .position(|byte| byte.is_ascii_digit() != number)
            .unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!run.is_empty()).then_some(run)
    }
}

#[cfg(test)]
mod tests {
    use core::cmp::Ordering::{Equal, Greater, Less};

    use super::{numeric, within_series};

    #[test]
    fn releases_of_a_series() {
        for (a, b, order) in [
            ("5.4.0-80-generic", "5.4.0-100-generic", Some(Less)),
            ("5.4.0-80-generic", "5.4.0-80-generic", Some(Equal)),
            ("5.4.0-80-generic", "5.4.0-81-azure", None),
            ("5.4.0-80-generic", "5.8.0-80-generic", None),
            ("5.4.0-80-generic", "5.4.0-80-generic-64k", None),
            (
                "4.18.0-348.7.1.el8_5.x86_64",
                "4.18.0-348.2.1.el8_5.x86_64",
                Some(Greater),
            ),
            ("4.18.0-348.el8.x86_64", "4.18.0-348.2.1.el8_5.x86_64", None),
            ("6.12.43+deb12-amd64", "6.12.9+deb12-amd64", Some(Greater)),
            ("", "", Some(Equal)),
            ("", "5", None),
        ] {
            assert_eq!(within_series(a, b), order, "{a} {b}");
        }
    }

    #[test]
    fn versions() {
        assert_eq!(numeric("9", "10"), Less);
        assert_eq!(numeric("18.04", "20.04"), Less);
        assert_eq!(numeric("18.04", "18.04"), Equal);
        assert_eq!(numeric("18.04.1", "18.04"), Greater);
    }
}
