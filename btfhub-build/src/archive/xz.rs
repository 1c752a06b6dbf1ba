//! The xz decoder behind one name: liblzma by default; a pure Rust one for
//! dependency graphs in which another crate already claims `links = "lzma"`.

use std::io::{self, Read};

/// The most a decoder may allocate: `xz -9` needs 65 MiB, the format allows 4 GiB.
const MEMORY_LIMIT: u32 = 256 << 20;

/// Decodes the xz streams in `compressed`, checking their integrity.
#[cfg(feature = "liblzma")]
pub(crate) fn reader(compressed: &[u8]) -> io::Result<impl Read> {
    use xz2::bufread::XzDecoder;
    use xz2::stream::{CONCATENATED, Stream};
    let stream = Stream::new_stream_decoder(u64::from(MEMORY_LIMIT), CONCATENATED)?;
    Ok(XzDecoder::new_stream(compressed, stream))
}

/// Whether a read failed for want of memory. (liblzma's wrapper has no kind of
/// `io::Error` for it.)
#[cfg(feature = "liblzma")]
pub(crate) fn is_out_of_memory(error: &io::Error) -> bool {
    use xz2::stream::Error;
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(Error::Mem))
}

/// Whether a read failed for want of memory.
#[cfg(all(feature = "lzma-rust2", not(feature = "liblzma")))]
pub(crate) fn is_out_of_memory(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
}

/// Decodes the xz streams in `compressed`, checking their integrity.
#[cfg(all(feature = "lzma-rust2", not(feature = "liblzma")))]
pub(crate) fn reader(compressed: &[u8]) -> io::Result<impl Read> {
    Ok(lzma_rust2::XzReader::new_mem_limit(
        compressed,
        true,
        MEMORY_LIMIT >> 10,
    ))
}

#[cfg(not(any(feature = "liblzma", feature = "lzma-rust2")))]
compile_error!(
    "btfhub-build needs an xz decoder: its default feature `liblzma`, or `lzma-rust2` in pure Rust"
);
