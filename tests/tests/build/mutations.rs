//! Stable counterparts of the fuzz targets: the same functions with inputs mutated from fixed
//! seeds, so that every test run exercises them a little.

use btfhub_runtime::Bundle;
use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::bundle::{Failure, Provenance, When};
use btfhub_tests::hostile::{self, small_bundle};
use btfhub_tests::hostile_atlas;
use btfhub_tests::hostile_bundle;
use btfhub_tests::pack::{self, Member};
use btfhub_tests::rules::{Pair, pairs};

/// Numbers from a seed: xorshift64*.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("a length");
        usize::try_from(self.next() % bound).expect("a length")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    /// The input with a few bytes changed, and sometimes truncated or repeated.
    fn mutated(&mut self, input: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let Some(slot) = bytes.get_mut(at) else { break };
            *slot = match self.below(4) {
                0 => 0,
                1 => 0xff,
                2 => *slot ^ 1 << self.below(8),
                _ => self.byte(),
            };
        }
        match self.below(8) {
            0 => bytes.truncate(self.below(input.len())),
            1 => bytes.extend_from_within(self.below(input.len())..),
            _ => {}
        }
        bytes
    }
}

fn mutate(rounds: u32, inputs: &[Vec<u8>], target: impl Fn(&[u8])) {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for input in inputs {
        target(input);
    }
    for _ in 0..rounds {
        let input = numbers.below(inputs.len());
        target(&numbers.mutated(&inputs[input]));
    }
}

fn kernels() -> Vec<Vec<u8>> {
    pairs().into_iter().map(|pair| pair.kernel).collect()
}

#[test]
fn btf() {
    mutate(4000, &kernels(), hostile::btf);
}

#[test]
fn split_btf() {
    let inputs: Vec<Vec<u8>> = kernels()
        .iter()
        .filter_map(|kernel| {
            let len = u16::try_from(kernel.len()).ok()?.to_le_bytes();
            Some([&len, kernel.as_slice(), kernel].concat())
        })
        .collect();
    mutate(2000, &inputs, hostile::split_btf);
}

#[test]
fn objects() {
    let inputs: Vec<Vec<u8>> =
        btfhub_tests::objects::objects_in(&btfhub_tests::objects::own_dir(), ".o")
            .into_iter()
            .map(|object| object.elf)
            .collect();
    mutate(1500, &inputs, hostile::object);
}

#[test]
fn btf_ext() {
    let elf = std::fs::read(btfhub_tests::objects::own_dir().join("field.bpf.o")).unwrap();
    let magic = [0x9f, 0xeb, 1, 0, 0x20, 0, 0, 0];
    let at = elf.windows(8).position(|window| window == magic);
    mutate(
        20_000,
        &[elf[at.expect("a .BTF.ext section")..].to_vec()],
        hostile::btf_ext,
    );
}

#[test]
fn entries() {
    let content = b"not BTF, but that is not read here".repeat(50);
    let tar = pack::tar(&[
        Member::file("v", &content),
        Member::file("vmlinux", &content),
    ]);
    let packed = pack::xz(&tar);
    let inputs = [
        [&[0], packed.as_slice()].concat(),
        [&[1], tar.as_slice()].concat(),
    ];
    mutate(1000, &inputs, hostile::entry);
}

#[test]
fn bundles() {
    let file = small_bundle();
    let open = hostile_bundle::open(&file);
    let again = hostile_bundle::close(&open).expect("what was opened");
    assert_eq!(
        hostile_bundle::open(&again),
        open,
        "the format changed: open and close must follow"
    );
    let failing = {
        let bundle = Bundle::parse(&file).expect("a bundle");
        let kernel = bundle
            .kernels()
            .next()
            .expect("a kernel")
            .expect("an index");
        let provenance = Provenance::default().with_objects(&[("probe.o", [1; 32])]);
        let mut writer = Writer::new(provenance);
        writer
            .add_kernel(
                kernel.kernel(),
                bundle.btf(kernel.class()).expect("its BTF"),
            )
            .expect("a kernel");
        let failure = |program: &str, when| Failure {
            object: "probe.o".to_owned(),
            program: program.to_owned(),
            when,
            reason: "the kernel has no bpf_new".to_owned(),
        };
        let failures = [
            failure("a", When::Always),
            failure("b", When::WithoutKernelBtf),
        ];
        writer
            .add_failures(kernel.kernel(), failures)
            .expect("failures");
        hostile_bundle::open(&writer.finish().expect("a bundle"))
    };
    mutate(6000, &[file, open, failing], hostile::bundle);
}

#[test]
fn atlases() {
    let kernels = kernels();
    let mut inputs = Vec::new();
    for kernels in kernels.chunks(8) {
        let file = hostile_atlas::small_atlas(kernels.iter().map(Vec::as_slice));
        let open = hostile_atlas::open(&file);
        let again = hostile_atlas::close(&open).expect("what was opened");
        assert_eq!(
            hostile_atlas::open(&again),
            open,
            "the format changed: open and close must follow"
        );
        inputs.extend([file, open]);
    }
    let pairs = pairs();
    let asked = |data: &[u8]| &pairs[data.len() % pairs.len()].relocations;
    mutate(1500, &inputs, |data| {
        hostile_atlas::atlas(asked(data), data)
    });
}

#[test]
fn hosts() {
    let bundle = small_bundle();
    let bundle = Bundle::parse(&bundle).unwrap();
    let inputs: Vec<Vec<u8>> = [
        "5.4.0-80-generic\0#90~18.04.1-Ubuntu SMP\0x86_64\0ID=ubuntu\nVERSION_ID=\"18.04\"\n",
        "5.4.0-81-generic\0#91-Ubuntu SMP\0x86_64\0ID=ubuntu\nUBUNTU_CODENAME=focal\n",
        "4.18.0-147.0.3.el8_1.aarch64\0#1 SMP\0aarch64\0ID='ol'\nVERSION_ID=8.1\n",
        "4.14.334-252.552.amzn2.x86_64\0\0x86_64\0ID=amzn\nID_LIKE=\"centos rhel\"\n",
    ]
    .into_iter()
    .map(|host| host.as_bytes().to_vec())
    .collect();
    mutate(2000, &inputs, |data| hostile::host(&bundle, data));
}

/// Structure-aware: changes words of real BTF, most of which remains valid.
#[test]
fn tailoring() {
    mutate_words(6000, |pair, mutations| {
        hostile::tailoring(&pair.relocations, &pair.kernel, mutations);
    });
}

/// The same through an atlas.
#[test]
fn kept_in_an_atlas() {
    mutate_words(1500, |pair, mutations| {
        hostile_atlas::kept(&pair.relocations, &pair.kernel, mutations);
    });
}

fn mutate_words(rounds: usize, target: impl Fn(&Pair, &[u8])) {
    let mut numbers = Numbers(0x6a09_e667_f3bc_c908);
    let pairs: Vec<Pair> = pairs();
    for round in 0..rounds {
        let pair = &pairs[round % pairs.len()];
        let count = 6 * (1 + numbers.below(6));
        let mutations: Vec<u8> = (0..count).map(|_| numbers.byte()).collect();
        // Small numbers are ids of existing types.
        let mutations: Vec<u8> = mutations
            .chunks_exact(6)
            .flat_map(|m| {
                let small = m[5] % 2 == 0;
                [m[0], m[1], m[2], m[3], if small { 0 } else { m[4] }, 0]
            })
            .collect();
        target(pair, &mutations);
    }
}
