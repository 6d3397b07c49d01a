//! Stands in for the crate `wasm-opt` when `substrate-wasm-builder` makes the runtime's blob.
//!
//! The builder asks for two things only: that DWARF is taken out, and that sign extension
//! instructions are lowered to those of the first version of Wasm. The crate whose name this one
//! has brings the whole of Binaryen for that, a C++ project that compiles for many minutes. DWARF
//! lies in custom sections, which [`strip`] leaves out; and the runtime is compiled for
//! `wasm32v1-none`, which has no sign extension instructions to begin with.
//!
//! Only what the builder calls is here, under the names that it calls.

use std::{fs, io, path::Path};

/// The first bytes of every module: its name and the version of the format.
const HEADER: &[u8] = b"\0asm\x01\0\0\0";

/// Number of custom sections.
const CUSTOM: u8 = 0;

/// Most bytes of a number of 32 bits.
const LONGEST_NUMBER: usize = 5;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizationError {
    /// A file could not be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The file is no module, or ends too early.
    #[error("not a Wasm module of version 1: byte {at}")]
    Malformed {
        /// Where it was noticed.
        at: usize,
    },
}

/// What to do with a module. All of it comes to [`strip`].
#[derive(Clone, Copy, Debug)]
pub struct OptimizationOptions(());

/// What the builder wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pass {
    /// Debug sections are taken out: what [`strip`] does.
    StripDwarf,
    /// There is nothing to lower in code for `wasm32v1-none`.
    SignextLowering,
}

impl OptimizationOptions {
    /// The code stays as it is.
    pub const fn new_opt_level_0() -> Self {
        Self(())
    }

    /// The target has no others.
    pub const fn mvp_features_only(&mut self) -> &mut Self {
        self
    }

    /// Names of functions stay, so that a trap can be told.
    pub const fn debug_info(&mut self, _names: bool) -> &mut Self {
        self
    }

    /// See [`Pass`].
    pub const fn add_pass(&mut self, _pass: Pass) -> &mut Self {
        self
    }

    /// Writes the stripped module of `from` to `to`, which may be the same file.
    ///
    /// # Errors
    /// [`OptimizationError`]; `to` is then as it was, unless writing failed.
    pub fn run(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
    ) -> Result<(), OptimizationError> {
        let stripped = strip(&fs::read(from)?)?;
        Ok(fs::write(to, stripped)?)
    }
}

/// The module without its custom sections named `.debug…`.
///
/// # Errors
/// [`OptimizationError::Malformed`].
pub fn strip(module: &[u8]) -> Result<Vec<u8>, OptimizationError> {
    if !module.starts_with(HEADER) {
        return Err(OptimizationError::Malformed { at: 0 });
    }
    let mut stripped = HEADER.to_vec();
    let mut at = HEADER.len();
    while at < module.len() {
        let malformed = OptimizationError::Malformed { at };
        let end = section_end(module, at).ok_or(malformed)?;
        if !is_debug(module, at, end) {
            stripped.extend_from_slice(&module[at..end]);
        }
        at = end;
    }
    Ok(stripped)
}

/// The end of the section that begins at `at`; `None` if the module ends before.
fn section_end(module: &[u8], at: usize) -> Option<usize> {
    let (length, content) = number(module, at + 1)?;
    content.checked_add(length).filter(|&end| end <= module.len())
}

fn is_debug(module: &[u8], at: usize, end: usize) -> bool {
    let name = || {
        let (_, content) = number(module, at + 1)?;
        let (length, name) = number(module, content)?;
        module[..end].get(name..name.checked_add(length)?)
    };
    module[at] == CUSTOM && name().is_some_and(|name| name.starts_with(b".debug"))
}

/// A number in LEB128 at `at`, and where it ends.
fn number(module: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, &byte) in module.get(at..)?.iter().take(LONGEST_NUMBER).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, at + index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        // The length in two bytes, as linkers pad it.
        let length = content.len();
        [&[id, (length & 0x7f) as u8 | 0x80, (length >> 7) as u8], content].concat()
    }

    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        section(CUSTOM, &[&[name.len() as u8], name.as_bytes(), content].concat())
    }

    #[test]
    fn debug_sections_go_and_everything_else_stays_in_its_place() {
        let (types, code) = (section(1, &[7; 300]), section(10, b".debug"));
        let (names, version) = (custom("name", &[1, 2]), custom("runtime_version", &[3; 200]));
        let module = [
            HEADER,
            &types,
            &custom(".debug_info", &[9; 500]),
            &code,
            &custom(".debug_line", &[]),
            &names,
            &version,
        ]
        .concat();
        let stripped = strip(&module).expect("a module");
        assert_eq!(stripped, [HEADER, &types, &code, &names, &version].concat());
        assert_eq!(strip(&stripped).expect("a module"), stripped);
    }

    #[test]
    fn what_is_no_module_is_refused_wherever_it_ends() {
        assert!(matches!(strip(b"\0asm\x02\0\0\0"), Err(OptimizationError::Malformed { at: 0 })));
        let module = [HEADER, &section(1, &[7; 20]), &custom("name", &[1])].concat();
        let ends = [HEADER.len(), HEADER.len() + 23, module.len()];
        for length in 0..=module.len() {
            assert_eq!(strip(&module[..length]).is_ok(), ends.contains(&length), "{length}");
        }
        assert!(strip(&[HEADER, &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0]].concat()).is_err());
    }

    #[test]
    fn a_file_may_be_stripped_in_place_and_a_bad_one_is_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("runtime.wasm");
        let module = [HEADER, &custom(".debug_str", &[1; 50]), &section(1, &[7])].concat();
        fs::write(&path, &module).expect("written");
        let mut options = OptimizationOptions::new_opt_level_0();
        options
            .mvp_features_only()
            .debug_info(true)
            .add_pass(Pass::StripDwarf)
            .add_pass(Pass::SignextLowering);
        options.run(&path, &path).expect("stripped");
        assert_eq!(fs::read(&path).expect("read"), [HEADER, &section(1, &[7])].concat());
        fs::write(&path, b"garbage").expect("written");
        assert!(options.run(&path, &path).is_err());
        assert_eq!(fs::read(&path).expect("read"), b"garbage");
        assert!(matches!(
            options.run(folder.path().join("none"), &path),
            Err(OptimizationError::File(_))
        ));
    }
}
