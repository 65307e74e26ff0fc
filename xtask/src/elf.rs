//! What a binary needs to run: a dynamic linker, shared libraries (ELF-64 Object File Format 1.5, "Program
//! Header" and "Dynamic Table").

use anyhow::{Context, Result};
use object::LittleEndian;
use object::elf::{DT_NEEDED, FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};

/// Whether the file asks for an interpreter: a dynamically linked program does (PT_INTERP),
/// a static one, position-independent or not, does not.
///
/// # Errors
/// If it is not a little-endian ELF-64 file, or is cut short.
pub(crate) fn needs_interpreter(file: &[u8]) -> Result<bool> {
    let header = FileHeader64::<LittleEndian>::parse(file);
    let header = header.context("not a little-endian ELF-64 file")?;
    let endian = header.endian().context("not a little-endian ELF-64 file")?;
    let headers = header.program_headers(endian, file);
    let headers = headers.context("the ELF file is cut short")?;
    Ok(headers.iter().any(|h| h.p_type(endian) == PT_INTERP))
}

/// What the dynamic linker loads for a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    /// The dynamic linker itself, as an absolute path (PT_INTERP): programs have it, libraries mostly not.
    pub(crate) interpreter: Option<String>,
    /// Names of libraries, such as `libc.so.6` (DT_NEEDED), without what those need in turn.
    pub(crate) libraries: Vec<String>,
}

/// What a program or a library needs; nothing where it is static.
///
/// # Errors
/// If it is not a little-endian ELF-64 file, or is cut short.
pub(crate) fn needed(file: &[u8]) -> Result<Needed> {
    let header = FileHeader64::<LittleEndian>::parse(file);
    let header = header.context("not a little-endian ELF-64 file")?;
    let endian = header.endian().context("not a little-endian ELF-64 file")?;
    let mut needed = Needed::default();
    for segment in header.program_headers(endian, file)? {
        if let Some(path) = segment.interpreter(endian, file)? {
            needed.interpreter = Some(String::from_utf8(path.to_vec())?);
        }
    }
    let table = header.sections(endian, file)?;
    let table = table.dynamic_table(endian, file)?;
    for entry in table.iter().filter(|entry| entry.tag == DT_NEEDED) {
        let name = table.string(entry)?;
        needed.libraries.push(String::from_utf8(name.to_vec())?);
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header and program headers of the given types.
    fn elf(types: &[u32]) -> Vec<u8> {
        let mut file = vec![0u8; 64];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
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
        let needed = needed(&me).expect("an ELF file");
        // The test is linked as rustc's default target does: on Debian with the C library.
        assert_eq!(
            needed.interpreter.is_some(),
            needed.libraries.iter().any(|l| l.starts_with("libc.so"))
        );
    }
}
