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

/// Has all threads allocate from one arena, and memory at its end given back from 128 KiB on. To be
/// called before threads are started.
///
/// glibc makes an arena for each thread, and each keeps the peak that passed through it: with 250
/// attachments netd's anonymous memory after some reconciles is 7.7 MB instead of 12.9. Does
/// nothing with another C library.
#[allow(unsafe_code)]
pub fn use_one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes two numbers and is thread safe; a value that it does not take
    // changes nothing.
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1);
        nix::libc::mallopt(nix::libc::M_TRIM_THRESHOLD, 128 << 10);
    }
}
