//! Which BTF to prefer.

/// Names a [`Policy`](crate::Policy) that overrides the program's; see
/// [`Host::detect`](crate::Host::detect).
pub const POLICY_VARIABLE: &str = "BTFHUB_POLICY";

/// Which BTF to prefer if there is a choice.
///
/// The default prefers the kernel's own BTF and infers nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub(crate) source: Source,
    pub(crate) bracketed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    #[default]
    PreferKernel,
    PreferEmbedded,
    EmbeddedOnly,
}

impl Source {
    /// Looks up the name that the operator's variable uses.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let all = [Self::PreferKernel, Self::PreferEmbedded, Self::EmbeddedOnly];
        all.into_iter().find(|source| source.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PreferKernel => "prefer-kernel",
            Self::PreferEmbedded => "prefer-embedded",
            Self::EmbeddedOnly => "embedded-only",
        }
    }
}

impl Policy {
    /// The kernel's own BTF if it has one, else the bundle's, else what libbpf
    /// would find on disk. The default.
    pub const PREFER_KERNEL: Self = Self::with_source(Source::PreferKernel);

    /// The bundle's BTF if it serves this kernel, else the kernel's own.
    ///
    /// Tailored BTF is parsed almost instantly, while a kernel's full BTF is several
    /// megabytes. But it holds only what the relocations need: don't use this for
    /// objects with typed ksyms or kfuncs under aya, which looks those up in the BTF
    /// it is given.
    pub const PREFER_EMBEDDED: Self = Self::with_source(Source::PreferEmbedded);

    /// The bundle's BTF or an error: tests a bundle on a kernel that has BTF.
    pub const EMBEDDED_ONLY: Self = Self::with_source(Source::EmbeddedOnly);

    const fn with_source(source: Source) -> Self {
        Self {
            source,
            bracketed: false,
        }
    }

    /// Whether a release that the bundle does not hold may get the class of its
    /// neighbours: the nearest kernels below and above it with the same distribution,
    /// version, kernel version and flavour, if both are in one class. If the kernel may
    /// be from several distributions or versions, all of them must agree, or the host's
    /// os-release must name one. Default: no. This is an inference: only good practice
    /// keeps a distribution from changing a struct and changing it back.
    pub const fn bracketed(self, bracketed: bool) -> Self {
        Self { bracketed, ..self }
    }
}
