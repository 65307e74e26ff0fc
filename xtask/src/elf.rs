//! Just enough ELF to see whether a binary needs a dynamic linker (ELF-64 Object File
//! Format 1.5, "ELF Header" and "Program Header").

use std::ops::Range;

use anyhow::{Result, bail, ensure};

const PT_INTERP: u32 = 3;
const ELF_CLASS_64: u8 = 2;
const ELF_DATA_LITTLE_ENDIAN: u8 = 1;

/// Whether the file asks for an interpreter: a dynamically linked program does (PT_INTERP),
/// a static one, position-independent or not, does not.
///
/// # Errors
/// If it is not a little-endian ELF-64 file, or is cut short.
pub(crate) fn needs_interpreter(file: &[u8]) -> Result<bool> {
    ensure!(file.starts_with(b"\x7fELF"), "not an ELF file");
    let ident = (field(file, 4..5)?, field(file, 5..6)?);
    if ident != (u64::from(ELF_CLASS_64), u64::from(ELF_DATA_LITTLE_ENDIAN)) {
        bail!("not a little-endian ELF-64 file");
    }
    let table = field(file, 32..40)?;
    let entry_size = field(file, 54..56)?;
    let entries = field(file, 56..58)?;
    for index in 0..entries {
        let at = table
            .checked_add(index * entry_size)
            .and_then(|at| usize::try_from(at).ok())
            .filter(|at| *at <= file.len());
        // Beyond the end is as good as cut short.
        let at = at.unwrap_or(file.len());
        if field(file, at..at + 4)? == u64::from(PT_INTERP) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A little-endian number of up to eight bytes.
fn field(file: &[u8], at: Range<usize>) -> Result<u64> {
    let Some(bytes) = file.get(at) else {
        bail!("the ELF file is cut short");
    };
    Ok(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header and program headers of the given types.
    fn elf(types: &[u32]) -> Vec<u8> {
        let mut file = vec![0u8; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64;
        file[54] = 56;
        file[56] = u8::try_from(types.len()).expect("a few");
        for kind in types {
            let mut header = vec![0u8; 56];
            header[..4].copy_from_slice(&kind.to_le_bytes());
            file.extend(header);
        }
        file
    }

    #[test]
    fn a_static_program_has_no_interpreter() {
        assert!(!needs_interpreter(&elf(&[1, 1, 2])).expect("an ELF file"));
        assert!(needs_interpreter(&elf(&[6, 3, 1])).expect("an ELF file"));
    }

    #[test]
    fn what_is_cut_short_or_foreign_is_an_error_and_no_panic() {
        let whole = elf(&[1, 3]);
        for length in 0..whole.len() - 56 {
            assert!(
                needs_interpreter(&whole[..length]).is_err(),
                "{length} bytes"
            );
        }
        assert!(needs_interpreter(b"#!/bin/sh\n").is_err());
        let mut far = elf(&[1]);
        far[32..40].fill(0xff);
        assert!(needs_interpreter(&far).is_err());
    }

    #[test]
    fn this_test_itself_can_be_read() {
        let me = std::fs::read("/proc/self/exe").expect("the test's own binary");
        needs_interpreter(&me).expect("an ELF file");
    }
}
