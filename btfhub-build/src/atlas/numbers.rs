//! Numbers of the tables of an atlas. Each table has its own type, so that no number is looked
//! up in the wrong one. Among the words of a definition, numbers are plain `u32`.

/// A number of any table.
pub(super) trait Number: Copy {
    fn new(number: u32) -> Self;
    fn get(self) -> u32;
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $visibility:vis $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility struct $name($visibility u32);

        impl $name {
            /// The index in a list by number.
            #[inline(always)]
            $visibility fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl Number for $name {
            #[inline(always)]
            fn new(number: u32) -> Self {
                Self(number)
            }

            #[inline(always)]
            fn get(self) -> u32 {
                self.0
            }
        }
    )*};
}

numbers! {
    /// A candidate group; they are sorted by kind and name.
    pub(super) GroupNumber
    /// A definition; they are sorted by group.
    pub(super) DefinitionNumber
    /// A string: the name of a member, an enumerator, or a definition with a flavor.
    pub(super) StringNumber
    /// A module's name, which modules of several kernels may share.
    pub(super) ModuleNumber

    /// A candidate group of an [`AtlasWriter`](super::AtlasWriter), in order of arrival.
    pub(super) ProvisionalGroup
    /// A definition of an `AtlasWriter`.
    pub(crate) ProvisionalDefinition
    /// A string of an `AtlasWriter`.
    pub(super) ProvisionalString
}

impl StringNumber {
    /// The empty string.
    pub(super) const EMPTY: Self = Self(0);
}

impl ProvisionalString {
    /// The empty string.
    pub(super) const EMPTY: Self = Self(0);
}

/// A kernel of an atlas; they are sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelNumber(pub usize);
