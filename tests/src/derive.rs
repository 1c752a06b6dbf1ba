//! Neighbours of real kernels, for scale: real BTF in which members moved, as from one patch
//! release to the next, under new releases.
//!
//! Real patch releases change 0 to 120 of a kernel's ten thousand types. A program uses a few
//! dozen of these, among them the large ones that change often. So each step of a series moves
//! members of some random types, and every fourth step also of a type that programs use.

use std::collections::HashMap;

/// Types that programs use and that change often.
const BUSY: [&str; 12] = [
    "task_struct",
    "sock",
    "inode",
    "super_block",
    "request",
    "dentry",
    "mm_struct",
    "sk_buff",
    "tcp_sock",
    "net_device",
    "file",
    "cfs_rq",
];

/// How many random types change in each step.
const MOVED_AT_RANDOM: usize = 8;
/// After how many steps a busy type changes.
const BUSY_EVERY: u64 = 4;

/// Raw BTF in the machine's byte order, whose members move step by step.
#[derive(Debug, Clone)]
pub struct Series {
    btf: Vec<u8>,
    /// Names of structs and the offsets of their records.
    structs: Vec<(String, usize)>,
    /// The index in `structs` of the first struct with each name.
    by_name: HashMap<String, usize>,
    random: Random,
    step: u64,
}

/// A xorshift generator: the same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From any seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound.max(1) as u64).unwrap_or(0)
    }
}

const HEADER_LEN: usize = 24;
const STRUCT: u32 = 4;

impl Series {
    /// A series that starts with this BTF.
    ///
    /// # Panics
    /// If it is not a little-endian BTF with a header of 24 bytes.
    #[must_use]
    pub fn new(btf: Vec<u8>, seed: u64) -> Self {
        let word = |at: usize| u32::from_le_bytes(btf[at..at + 4].try_into().expect("4 bytes"));
        assert_eq!(word(0) & 0xffff, 0xeb9f, "a little-endian BTF");
        assert_eq!(word(4) as usize, HEADER_LEN, "a plain header");
        let strings = HEADER_LEN + word(16) as usize;
        let end = HEADER_LEN + word(12) as usize;
        let name = |offset: u32| {
            let tail = &btf[strings + offset as usize..];
            let len = tail
                .iter()
                .position(|b| *b == 0)
                .expect("a terminated name");
            String::from_utf8_lossy(&tail[..len]).into_owned()
        };
        let mut structs = Vec::new();
        let mut by_name = HashMap::new();
        let mut at = HEADER_LEN;
        while at < end {
            let (name_offset, info) = (word(at), word(at + 4));
            let vlen = (info & 0xffff) as usize;
            let kind = info >> 24 & 0x1f;
            if kind == STRUCT && name_offset != 0 && vlen > 1 {
                let name = name(name_offset);
                by_name.entry(name.clone()).or_insert(structs.len());
                structs.push((name, at));
            }
            at += 12
                + match kind {
                    1 | 14 | 17 => 4,
                    3 => 12,
                    4 | 5 | 15 | 19 => 12 * vlen,
                    6 | 13 => 8 * vlen,
                    _ => 0,
                };
        }
        Self {
            btf,
            structs,
            by_name,
            random: Random::new(seed),
            step: 0,
        }
    }

    /// The BTF as it is now.
    #[must_use]
    pub fn btf(&self) -> &[u8] {
        &self.btf
    }

    /// Steps to the next release: members of some structs move. Returns the structs' names.
    pub fn advance(&mut self) -> Vec<String> {
        self.step += 1;
        let mut moved = Vec::new();
        for _ in 0..MOVED_AT_RANDOM {
            moved.push(self.random.below(self.structs.len()));
        }
        if self.step % BUSY_EVERY == 0 {
            let name = BUSY[self.random.below(BUSY.len())];
            moved.extend(self.by_name.get(name));
        }
        let grow = |place: usize| {
            let (name, at) = self.structs[place].clone();
            self.grow(at);
            name
        };
        moved.into_iter().map(grow).collect()
    }

    /// Inserts 8 bytes before some member, so that it and later ones move.
    fn grow(&mut self, at: usize) {
        let vlen = (self.word(at + 4) & 0xffff) as usize;
        let size = self.word(at + 8);
        self.set_word(at + 8, size + 8);
        for member in self.random.below(vlen)..vlen {
            let offset = at + 12 + 12 * member + 8;
            let bits = self.word(offset);
            // With the kind flag, the upper byte is a bitfield's width.
            self.set_word(offset, bits & 0xff00_0000 | (bits + 64) & 0xff_ffff);
        }
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.btf[at..at + 4].try_into().expect("4 bytes"))
    }

    fn set_word(&mut self, at: usize, value: u32) {
        self.btf[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// A derived kernel's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// Distribution, as in the archive's directories.
    pub distro: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The release.
    pub release: String,
}

/// The names of one series: `5.4.0-<n>-generic` and so on, in the shapes that
/// the archive's distributions use.
#[derive(Debug, Clone)]
pub struct Names {
    distro: &'static str,
    version: &'static str,
    shape: usize,
    base: (usize, usize),
    number: usize,
    random: Random,
}

/// Distribution, version, first and last shape.
const PUBLISHERS: [(&str, &str, &[&str]); 12] = [
    ("ubuntu", "16.04", &["generic", "aws", "azure", "gcp"]),
    (
        "ubuntu",
        "18.04",
        &["generic", "aws", "azure", "gcp", "oracle"],
    ),
    (
        "ubuntu",
        "20.04",
        &["generic", "aws", "azure", "gcp", "kvm"],
    ),
    ("debian", "10", &["amd64", "cloud-amd64", "rt-amd64"]),
    ("debian", "11", &["amd64", "cloud-amd64", "rt-amd64"]),
    ("amzn", "2", &["amzn2.x86_64"]),
    ("amzn", "2018", &["amzn1.x86_64"]),
    ("ol", "7", &["el7uek.x86_64", "el7.x86_64"]),
    ("ol", "8", &["el8uek.x86_64", "el8_4.x86_64"]),
    ("centos", "8", &["el8.x86_64", "el8_3.x86_64"]),
    ("fedora", "32", &["fc32.x86_64"]),
    ("sles", "15.3", &["default"]),
];

impl Names {
    /// The names of series number `series`.
    #[must_use]
    pub fn new(series: usize) -> Self {
        let all = PUBLISHERS
            .iter()
            .flat_map(|p| p.2.iter().map(move |s| (p, s)));
        let shape = series % all.clone().count();
        let ((distro, version, _), _) = all.clone().nth(shape).expect("a shape");
        let round = series / all.count();
        Self {
            distro,
            version,
            shape,
            base: (4 + round % 3, 4 + 5 * round % 16),
            number: 10 + 7 * round,
            random: Random::new(series as u64),
        }
    }
}

impl Iterator for Names {
    type Item = Name;

    fn next(&mut self) -> Option<Name> {
        let shapes = PUBLISHERS.iter().flat_map(|p| p.2);
        let suffix = shapes.clone().nth(self.shape)?;
        let (major, minor) = self.base;
        // Releases are skipped, and build numbers jump.
        self.number += 1 + self.random.below(3);
        let (n, build) = (self.number, self.random.below(40));
        let release = match self.distro {
            "ubuntu" | "debian" => format!("{major}.{minor}.0-{n}-{suffix}"),
            "sles" => format!(
                "{major}.{minor}.18-{}.{}-{suffix}",
                50 + n / 12,
                2 * n + build
            ),
            "amzn" => format!(
                "{major}.{minor}.{n}-{}.{}.{suffix}",
                60 + n / 2,
                500 + build
            ),
            "fedora" => format!("{major}.{minor}.{n}-{}.{suffix}", 200 + build / 20 * 100),
            _ => format!(
                "{major}.{minor}.0-{}.{n}.{}.{suffix}",
                147 + n / 9,
                1 + build % 4
            ),
        };
        Some(Name {
            distro: self.distro,
            version: self.version,
            release,
        })
    }
}
