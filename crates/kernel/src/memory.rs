//! Giving memory back to the kernel.

/// Gives what the allocator holds free back to the kernel, in all its arenas.
///
/// glibc keeps the memory of a short peak for ever, once for each thread that had one. Does
/// nothing with another C library.
#[allow(unsafe_code)]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) has no precondition and is thread safe; it takes no pointer and
    // moves nothing that is in use.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
