//! One eBPF instruction, and how libbpf patches it for a relocation (`bpf_core_patch_insn`).
//!
//! A relocation that resolves can still be refused here, if its value does not fit the
//! instruction that the compiler chose.

use std::fmt;

use crate::btf::Endian;
use crate::relo::{LocalLoad, LocalValue, Resolution};

/// One eBPF instruction, `struct bpf_insn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Insn {
    /// Operation, size, mode or source, class.
    pub code: u8,
    /// Destination register.
    pub dst: u8,
    /// Source register.
    pub src: u8,
    /// Offset of a load, a store or a jump.
    pub off: i16,
    /// The immediate.
    pub imm: i32,
}

/// Bytes of an instruction.
pub(crate) const INSN: usize = 8;

// `BPF_CLASS`.
pub(crate) const LD: u8 = 0;
pub(crate) const LDX: u8 = 1;
pub(crate) const ST: u8 = 2;
pub(crate) const STX: u8 = 3;
pub(crate) const ALU: u8 = 4;
pub(crate) const JMP: u8 = 5;
pub(crate) const JMP32: u8 = 6;
pub(crate) const ALU64: u8 = 7;
const LDIMM64: u8 = 0x18;
pub(crate) const CALL: u8 = 0x85;

impl Insn {
    /// The instruction at byte `offset` of a section's code.
    pub fn at(code: &[u8], offset: usize, endian: Endian) -> Option<Self> {
        let bytes: &[u8; INSN] = code.get(offset..)?.first_chunk()?;
        let &[code, registers, off0, off1, imm0, imm1, imm2, imm3] = bytes;
        let (low, high) = (registers & 15, registers >> 4);
        let (off, imm) = ([off0, off1], [imm0, imm1, imm2, imm3]);
        Some(match endian {
            Endian::Little => Self {
                code,
                dst: low,
                src: high,
                off: i16::from_le_bytes(off),
                imm: i32::from_le_bytes(imm),
            },
            Endian::Big => Self {
                code,
                dst: high,
                src: low,
                off: i16::from_be_bytes(off),
                imm: i32::from_be_bytes(imm),
            },
        })
    }

    /// `BPF_CLASS`.
    pub(crate) fn class(self) -> u8 {
        self.code & 7
    }

    /// `BPF_OP`, of arithmetic and jumps.
    pub(crate) fn op(self) -> u8 {
        self.code & 0xf0
    }

    /// `is_ldimm64_insn`: the first of two slots.
    pub(crate) fn is_ldimm64(self) -> bool {
        self.code == LDIMM64
    }

    /// Whether `BPF_SRC` is `BPF_K`: the operand is the immediate.
    pub(crate) fn has_immediate(self) -> bool {
        self.code & 8 == 0
    }

    /// A call of another function of the object (`BPF_PSEUDO_CALL`).
    pub(crate) fn is_call_of_program(self) -> bool {
        self.code == CALL && self.src == 1
    }

    /// Whether it calls a helper, with the number in `imm`.
    pub(crate) fn is_call_of_helper(self) -> bool {
        self.code == CALL && self.src == 0
    }

    /// Whether it is a load that keeps the sign (`BPF_MEMSX`).
    pub(crate) fn is_sign_extending(self) -> bool {
        self.class() == LDX && self.code & 0xe0 == 0x80
    }

    /// Bytes of a load or store (`insn_bpf_size_to_bytes`).
    pub(crate) fn bytes(self) -> u32 {
        match self.code & 0x18 {
            0x00 => 4,
            0x08 => 2,
            0x10 => 1,
            _ => 8,
        }
    }
}

/// What happens to the instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patched {
    /// It takes the value.
    Value(u64),
    /// It becomes a call of a function that does not exist: the verifier refuses a program that
    /// reaches it.
    Poisoned,
    /// `bpf_object__load` fails.
    Refused(Refusal),
}

/// Why libbpf does not patch an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Arithmetic on two registers has no operand for a value.
    NoImmediate,
    /// The instruction does not hold the value that the compiler should have put there.
    Unexpected {
        /// What it holds.
        found: u64,
        /// What belongs there.
        expected: u64,
    },
    /// Loads and stores have 16 bits for the offset, one of them for the sign.
    OffsetTooBig(u64),
    /// The size changes, but the instruction does not have the original size.
    LoadSize {
        /// Bytes the instruction loads or stores.
        instruction: u32,
        /// Bytes of the local field.
        field: u32,
    },
    /// The size changes to one that no load or store has.
    NoLoadOf(u32),
    /// Not a valid 64-bit immediate.
    Ldimm64Form,
    /// Any other instruction, by its code.
    Unrecognised(u8),
    /// The record points outside the code.
    Outside,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoImmediate => f.write_str("the instruction computes with two registers"),
            Self::Unexpected { found, expected } => write!(
                f,
                "the instruction holds {found} where the compiler's own offset or size is \
                 {expected}"
            ),
            Self::OffsetTooBig(offset) => write!(
                f,
                "offset {offset} is beyond the 32767 that a load or store can hold"
            ),
            Self::LoadSize { instruction, field } => write!(
                f,
                "the instruction accesses {instruction} bytes of a field of {field}, so it can't \
                 be adjusted to the kernel's size"
            ),
            Self::NoLoadOf(size) => write!(f, "no load or store takes {size} bytes"),
            Self::Ldimm64Form => f.write_str("the 64-bit immediate has an unexpected form"),
            Self::Unrecognised(code) => {
                write!(f, "instruction {code:#04x} cannot be relocated")
            }
            Self::Outside => f.write_str("the record does not point at an instruction"),
        }
    }
}

/// Patches the instruction at byte `offset` of `code` as `bpf_core_patch_insn` does.
///
/// `None` for resolutions with which libbpf refuses the object before it looks at
/// instructions.
pub fn patch(
    code: &[u8],
    offset: usize,
    endian: Endian,
    local: LocalValue,
    load: LocalLoad,
    resolution: &Resolution,
) -> Option<Patched> {
    let Some(insn) = Insn::at(code, offset, endian) else {
        return Some(Patched::Refused(Refusal::Outside));
    };
    let (value, size, wrong_load) = match *resolution {
        Resolution::Resolved {
            value,
            size,
            wrong_load,
            found: _,
        } => (value, size, wrong_load),
        Resolution::Poisoned => return Some(Patched::Poisoned),
        Resolution::Ambiguous | Resolution::Refused(_) => return None,
    };
    let next = offset
        .checked_add(INSN)
        .and_then(|offset| Insn::at(code, offset, endian));
    Some(
        match plain(insn, next, local, load, value, size, wrong_load) {
            Ok(patched) => patched,
            Err(refusal) => Patched::Refused(refusal),
        },
    )
}

fn plain(
    insn: Insn,
    next: Option<Insn>,
    local: LocalValue,
    load: LocalLoad,
    value: u64,
    size: u32,
    wrong_load: bool,
) -> Result<Patched, Refusal> {
    let validate = |found: u64| {
        if local.validate && found != local.value {
            return Err(Refusal::Unexpected {
                found,
                expected: local.value,
            });
        }
        Ok(())
    };
    match insn.class() {
        ALU | ALU64 => {
            if !insn.has_immediate() {
                return Err(Refusal::NoImmediate);
            }
            validate(sign_extend(insn.imm.into()))?;
        }
        LDX | ST | STX => {
            validate(sign_extend(insn.off.into()))?;
            if value > i16::MAX.unsigned_abs().into() {
                return Err(Refusal::OffsetTooBig(value));
            }
            if wrong_load {
                return Ok(Patched::Poisoned);
            }
            if size != load.size {
                if insn.bytes() != load.size {
                    return Err(Refusal::LoadSize {
                        instruction: insn.bytes(),
                        field: load.size,
                    });
                }
                if !matches!(size, 1 | 2 | 4 | 8) {
                    return Err(Refusal::NoLoadOf(size));
                }
            }
        }
        LD => {
            let second = next.filter(|next| {
                insn.is_ldimm64()
                    && (insn.src, insn.off) == (0, 0)
                    && (next.code, next.dst, next.src, next.off) == (0, 0, 0, 0)
            });
            let second = second.ok_or(Refusal::Ldimm64Form)?;
            validate(wide_immediate(insn, second))?;
        }
        _ => return Err(Refusal::Unrecognised(insn.code)),
    }
    Ok(Patched::Value(value))
}

/// The 64 bits of a `ldimm64`.
pub(crate) fn wide_immediate(first: Insn, second: Insn) -> u64 {
    let low = sign_extend(first.imm.into()) & u64::from(u32::MAX);
    low | sign_extend(second.imm.into()) << 32
}

/// Like the conversion to an unsigned type in C.
pub(crate) fn sign_extend(value: i64) -> u64 {
    u64::from_ne_bytes(value.to_ne_bytes())
}
