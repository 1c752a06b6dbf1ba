//! libbpf's relocation core, in process.
//!
//! `bpf_core_add_cands`, `bpf_core_calc_relo_insn` and `bpf_core_patch_insn`
//! are global symbols of the static libbpf 1.7.0 that the pinned crate
//! libbpf-sys builds, though not part of its public API; their declarations
//! here follow that version's `libbpf_internal.h` and `relo_core.h`.
//!
//! libbpf trusts its input more than the engine may: it divides by the size of a bitfield's type,
//! follows typedef cycles forever and indexes members with negative numbers. Such input must not
//! be passed to it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Once;

use libbpf_sys::{bpf_core_relo, bpf_insn, btf};

/// `BPF_CORE_SPEC_MAX_LEN`
const SPEC_MAX_LEN: usize = 64;

#[repr(C)]
struct RawAccessor {
    type_id: u32,
    idx: u32,
    name: *const c_char,
}

#[repr(C)]
struct RawSpec {
    btf: *const btf,
    spec: [RawAccessor; SPEC_MAX_LEN],
    root_type_id: u32,
    relo_kind: u32,
    len: c_int,
    raw_spec: [c_int; SPEC_MAX_LEN],
    raw_len: c_int,
    bit_offset: u32,
}

/// A candidate for a local type (`struct bpf_core_cand`). The BTF must outlive it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    btf: *const btf,
    /// Its number there.
    pub id: u32,
}

// SAFETY: a `Btf` may be read by any thread.
unsafe impl Send for Candidate {}
// SAFETY: as above.
unsafe impl Sync for Candidate {}

#[repr(C)]
struct RawCandidates {
    cands: *mut Candidate,
    len: c_int,
}

#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
struct RawResult {
    orig_val: u64,
    new_val: u64,
    poison: bool,
    validate: bool,
    fail_memsz_adjust: bool,
    orig_sz: u32,
    orig_type_id: u32,
    new_sz: u32,
    new_type_id: u32,
}

unsafe extern "C" {
    fn bpf_core_essential_name_len(name: *const c_char) -> usize;
    fn bpf_core_add_cands(
        local: *mut Candidate,
        local_essential_len: usize,
        target: *const btf,
        target_name: *const c_char,
        first_id: c_int,
        candidates: *mut RawCandidates,
    ) -> c_int;
    fn bpf_core_calc_relo_insn(
        program: *const c_char,
        relo: *const bpf_core_relo,
        index: c_int,
        local: *const btf,
        candidates: *mut RawCandidates,
        scratch: *mut RawSpec,
        result: *mut RawResult,
    ) -> c_int;
    fn bpf_core_patch_insn(
        program: *const c_char,
        insn: *mut bpf_insn,
        insn_index: c_int,
        relo: *const bpf_core_relo,
        index: c_int,
        result: *const RawResult,
    ) -> c_int;
    fn free(memory: *mut c_void);
}

/// How libbpf resolves one relocation: `struct bpf_core_relo_res` without the type ids, which only
/// libbpf itself uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// The value in the instruction before patching, unless `validate` is false.
    pub orig_val: u64,
    /// The value after patching.
    pub new_val: u64,
    /// The instruction is replaced by a call that the verifier refuses.
    pub poison: bool,
    /// The instruction must hold `orig_val`.
    pub validate: bool,
    /// A load or store of this field can't be adjusted to its new size.
    pub fail_memsz_adjust: bool,
    /// The size of a load of the field, locally.
    pub orig_sz: u32,
    /// The same for the target.
    pub new_sz: u32,
}

/// A resolution, or the negative errno of a refusal.
pub type Answer = Result<Verdict, i32>;

/// The result for one candidate alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateAnswer {
    /// It does not fit the access.
    NoMatch,
    /// It fits: the offset in bits that candidates must agree on, and the verdict.
    Match {
        /// `bit_offset` of the target spec.
        bit_offset: u32,
        /// The result if it were the only one.
        verdict: Verdict,
    },
    /// libbpf refuses the relocation.
    Refused(i32),
}

/// A BTF that libbpf has parsed.
#[derive(Debug)]
pub struct Btf(*mut btf);

// SAFETY: after `open`, libbpf only reads it: `open` already asks for the one field that libbpf
// fills in lazily, the pointer size.
unsafe impl Send for Btf {}
// SAFETY: as above.
unsafe impl Sync for Btf {}

impl Drop for Btf {
    fn drop(&mut self) {
        // SAFETY: made by btf__new, freed once.
        unsafe { libbpf_sys::btf__free(self.0) }
    }
}

/// Nobody reads libbpf's messages here, and formatting them takes time.
fn silence() {
    static ONCE: Once = Once::new();
    // SAFETY: libbpf takes a null printer as "print nothing".
    ONCE.call_once(|| unsafe {
        libbpf_sys::libbpf_set_print(None);
    });
}

impl Btf {
    /// Parses a kernel's BTF as `bpf_object__load` does with a custom path;
    /// libbpf guesses the pointer size.
    ///
    /// # Errors
    /// libbpf's errno.
    pub fn target(bytes: &[u8]) -> Result<Self, i32> {
        silence();
        let len = u32::try_from(bytes.len()).map_err(|_| -libbpf_errno::E2BIG)?;
        // SAFETY: libbpf copies `len` bytes.
        let raw = unsafe { libbpf_sys::btf__new(bytes.as_ptr().cast(), len) };
        Self::opened(raw)
    }

    /// Parses a module's BTF on top of a kernel's. `base` must outlive it.
    ///
    /// # Errors
    /// libbpf's errno.
    pub fn split(bytes: &[u8], base: &Btf) -> Result<Self, i32> {
        silence();
        let len = u32::try_from(bytes.len()).map_err(|_| -libbpf_errno::E2BIG)?;
        // SAFETY: libbpf copies `len` bytes; the caller keeps `base`.
        let raw = unsafe { libbpf_sys::btf__new_split(bytes.as_ptr().cast(), len, base.0) };
        Self::opened(raw)
    }

    /// Parses an object's BTF. eBPF pointers have 8 bytes, whatever the size of `long`, as
    /// `bpf_object__init_btf` sets.
    ///
    /// # Errors
    /// libbpf's errno.
    pub fn local(bytes: &[u8]) -> Result<Self, i32> {
        let btf = Self::target(bytes)?;
        // SAFETY: a valid BTF.
        unsafe { libbpf_sys::btf__set_pointer_size(btf.0, 8) };
        Ok(btf)
    }

    /// A distilled base for this module's BTF, and the module's BTF on top of it
    /// (`btf__distill_base`), as files.
    ///
    /// # Errors
    /// libbpf's errno.
    pub fn distill(&self) -> Result<(Vec<u8>, Vec<u8>), i32> {
        let (mut base, mut split) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: a valid BTF; libbpf makes two new ones.
        let err = unsafe { libbpf_sys::btf__distill_base(self.0, &raw mut base, &raw mut split) };
        if err < 0 {
            return Err(err);
        }
        let (base, split) = (Self(base), Self(split));
        Ok((base.bytes(), split.bytes()))
    }

    /// Makes a BTF with a distilled base one of `kernel` (`btf__relocate`), which
    /// must outlive it.
    ///
    /// # Errors
    /// libbpf's errno.
    pub fn relocate(&self, kernel: &Btf) -> Result<(), i32> {
        // SAFETY: both are valid.
        let err = unsafe { libbpf_sys::btf__relocate(self.0, kernel.0) };
        if err < 0 { Err(err) } else { Ok(()) }
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut len = 0;
        // SAFETY: libbpf keeps the bytes as long as the BTF.
        unsafe {
            let data = libbpf_sys::btf__raw_data(self.0, &raw mut len);
            std::slice::from_raw_parts(data.cast(), len as usize).to_vec()
        }
    }

    fn opened(raw: *mut btf) -> Result<Self, i32> {
        if raw.is_null() {
            return Err(-std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
        }
        // SAFETY: a valid BTF. Makes libbpf compute the pointer size now.
        unsafe { libbpf_sys::btf__pointer_size(raw) };
        Ok(Self(raw))
    }

    /// Number of types, including void.
    #[must_use]
    pub fn type_count(&self) -> u32 {
        // SAFETY: a valid BTF.
        unsafe { libbpf_sys::btf__type_cnt(self.0) }
    }

    /// The pointer size that libbpf guessed, 0 if it could not.
    #[must_use]
    pub fn pointer_size(&self) -> usize {
        // SAFETY: a valid BTF.
        usize::try_from(unsafe { libbpf_sys::btf__pointer_size(self.0) }).unwrap_or(0)
    }

    fn name(&self, id: u32) -> Option<&CStr> {
        // SAFETY: libbpf returns null for ids and offsets out of range, and strings live as long
        // as the BTF.
        unsafe {
            let ty = libbpf_sys::btf__type_by_id(self.0, id);
            if ty.is_null() {
                return None;
            }
            let name = libbpf_sys::btf__name_by_offset(self.0, (*ty).name_off);
            (!name.is_null()).then(|| CStr::from_ptr(name))
        }
    }

    /// Kind of a type, `BTF_KIND_*`.
    #[must_use]
    pub fn kind(&self, id: u32) -> Option<u32> {
        // SAFETY: as in `name`.
        unsafe {
            let ty = libbpf_sys::btf__type_by_id(self.0, id);
            (!ty.is_null()).then(|| ((*ty).info >> 24) & 0x1f)
        }
    }

    /// The part of a type's name by which candidates are found; `None` without a name, which libbpf
    /// refuses.
    #[must_use]
    pub fn essential_name(&self, id: u32) -> Option<Vec<u8>> {
        let name = self.name(id).filter(|n| !n.is_empty())?;
        // SAFETY: a C string.
        let len = unsafe { bpf_core_essential_name_len(name.as_ptr()) };
        Some(name.to_bytes()[..len].to_vec())
    }
}

/// The part of `name` that libbpf compares.
#[must_use]
pub fn essential_len(name: &CStr) -> usize {
    // SAFETY: a C string.
    unsafe { bpf_core_essential_name_len(name.as_ptr()) }
}

mod libbpf_errno {
    pub(super) const E2BIG: i32 = 7;
    pub(super) const EINVAL: i32 = 22;
}

/// The types of `target`, from `first_id` on, that are candidates for a local type, in libbpf's
/// order.
///
/// # Errors
/// libbpf's errno: it has no candidates for types without a name.
pub fn candidates_from(
    local: &Btf,
    local_id: u32,
    target: &Btf,
    first_id: u32,
) -> Result<Vec<Candidate>, i32> {
    let name = local
        .name(local_id)
        .filter(|n| !n.is_empty())
        .ok_or(-libbpf_errno::EINVAL)?;
    let mut local_candidate = Candidate {
        btf: local.0,
        id: local_id,
    };
    let mut list = RawCandidates {
        cands: std::ptr::null_mut(),
        len: 0,
    };
    // SAFETY: both BTFs are valid, the id has a name; libbpf allocates the list
    // with realloc, and it is copied out before it is freed.
    unsafe {
        let err = bpf_core_add_cands(
            &raw mut local_candidate,
            bpf_core_essential_name_len(name.as_ptr()),
            target.0,
            c"target".as_ptr(),
            c_int::try_from(first_id).unwrap_or(c_int::MAX),
            &raw mut list,
        );
        let len = usize::try_from(list.len).unwrap_or(0);
        let found = (0..len).map(|i| *list.cands.add(i)).collect();
        free(list.cands.cast());
        if err < 0 { Err(err) } else { Ok(found) }
    }
}

/// The ids of the candidates in one BTF.
///
/// # Errors
/// As [`candidates_from`].
pub fn candidates(local: &Btf, local_id: u32, target: &Btf) -> Result<Vec<u32>, i32> {
    let found = candidates_from(local, local_id, target, 1)?;
    Ok(found.iter().map(|candidate| candidate.id).collect())
}

/// One relocation record as libbpf takes it.
#[must_use]
pub fn record(record: &super::records::Record) -> bpf_core_relo {
    bpf_core_relo {
        insn_off: record.insn_off,
        type_id: record.type_id,
        access_str_off: record.access_off,
        kind: record.kind,
    }
}

/// Resolves one record against a list of candidates, which libbpf prunes in place. After a refusal
/// the list is unchanged: libbpf would load nothing more, so its own list means nothing then.
///
/// # Errors
/// libbpf's errno.
pub fn resolve(local: &Btf, relo: &bpf_core_relo, candidates: &mut Vec<Candidate>) -> Answer {
    let (answer, left, _) = calc(local, relo, candidates);
    let verdict = answer?;
    *candidates = left;
    Ok(verdict.into())
}

/// Resolves one record against one candidate alone.
#[must_use]
pub fn resolve_one(local: &Btf, relo: &bpf_core_relo, candidate: Candidate) -> CandidateAnswer {
    match calc(local, relo, &[candidate]) {
        (Err(errno), _, _) => CandidateAnswer::Refused(errno),
        (Ok(_), _, None) => CandidateAnswer::NoMatch,
        (Ok(raw), _, Some(bit_offset)) => CandidateAnswer::Match {
            bit_offset,
            verdict: raw.into(),
        },
    }
}

/// Resolves a record and patches the instructions at its place in `code`.
///
/// # Errors
/// libbpf's errno from either step.
pub fn resolve_and_patch(
    local: &Btf,
    relo: &bpf_core_relo,
    candidates: &[Candidate],
    code: &mut [u8],
) -> Result<(), i32> {
    let raw = calc(local, relo, candidates).0?;
    let index = relo.insn_off as usize / 8;
    let mut insns: Vec<bpf_insn> = code
        .chunks_exact(8)
        .skip(index)
        .take(2)
        // SAFETY: eight bytes of plain integers.
        .map(|c| unsafe { std::ptr::read_unaligned(c.as_ptr().cast()) })
        .collect();
    if insns.is_empty() {
        return Err(-libbpf_errno::EINVAL);
    }
    let patched = insns.len();
    insns.push(bpf_insn::default()); // the second half of a wide load at the end
    // SAFETY: two instructions can be written.
    let err = unsafe {
        bpf_core_patch_insn(
            c"program".as_ptr(),
            insns.as_mut_ptr(),
            0,
            relo,
            0,
            &raw const raw,
        )
    };
    if err < 0 {
        return Err(err);
    }
    for (i, insn) in insns.iter().take(patched).enumerate() {
        let at = (index + i) * 8;
        // SAFETY: an instruction is eight bytes of plain integers.
        let bytes: [u8; 8] = unsafe { std::mem::transmute_copy(insn) };
        code[at..at + 8].copy_from_slice(&bytes);
    }
    Ok(())
}

fn calc(
    local: &Btf,
    relo: &bpf_core_relo,
    candidates: &[Candidate],
) -> (Result<RawResult, i32>, Vec<Candidate>, Option<u32>) {
    let mut raw = candidates.to_vec();
    let mut list = RawCandidates {
        cands: raw.as_mut_ptr(),
        len: c_int::try_from(raw.len()).unwrap_or(c_int::MAX),
    };
    // SAFETY: zero is a valid value for every field.
    let mut scratch: [RawSpec; 3] = unsafe { std::mem::zeroed() };
    let mut result = RawResult::default();
    // libbpf's core looks up the local type without checking that it exists; its caller checks.
    if relo.type_id >= local.type_count() {
        return (Err(-libbpf_errno::EINVAL), candidates.to_vec(), None);
    }
    // SAFETY: every pointer is valid for the call; libbpf does not write beyond the list's length.
    let err = unsafe {
        bpf_core_calc_relo_insn(
            c"program".as_ptr(),
            relo,
            0,
            local.0,
            &raw mut list,
            scratch.as_mut_ptr(),
            &raw mut result,
        )
    };
    if err < 0 {
        return (Err(err), candidates.to_vec(), None);
    }
    raw.truncate(usize::try_from(list.len).unwrap_or(0));
    // libbpf copies the target spec of the first fitting candidate there.
    let matched = (!scratch[2].btf.is_null()).then_some(scratch[2].bit_offset);
    (Ok(result), raw, matched)
}

impl From<RawResult> for Verdict {
    fn from(raw: RawResult) -> Self {
        Self {
            orig_val: raw.orig_val,
            new_val: raw.new_val,
            poison: raw.poison,
            validate: raw.validate,
            fail_memsz_adjust: raw.fail_memsz_adjust,
            orig_sz: raw.orig_sz,
            new_sz: raw.new_sz,
        }
    }
}
