//! JSON objects with a checksum: if a disk alters a digit, the JSON stays valid but holds another
//! address or another device.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

/// The key of the checksum.
const KEY: &str = "checksum";

/// A document that is not as it was written.
#[derive(Debug, Error)]
pub enum SealError {
    /// It is not JSON, or not of the expected type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The checksum does not match the content.
    #[error("its checksum is not that of what it holds: it was cut off, altered or edited")]
    Checksum,
}

/// A value as a JSON object with its checksum under `checksum`. A value that is no object gets
/// none.
///
/// # Errors
/// If the value cannot be serialised.
pub fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut value = serde_json::to_value(value)?;
    let sum = checksum(&value)?;
    if let Value::Object(object) = &mut value {
        object.insert(KEY.to_owned(), sum.into());
    }
    serde_json::to_vec_pretty(&value)
}

/// Writes a value with its checksum to a file of mode 0600, in place of what was there. When this
/// returns it survives a power cut; until then the former one is there whole.
///
/// # Errors
/// If a file cannot be written or renamed, or the value cannot be serialised.
pub fn save(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let text = to_vec(value).map_err(io::Error::other)?;
    super::replace(path, &text)
}

/// Reads what [`to_vec`] wrote; also what has no checksum, which earlier versions wrote.
///
/// # Errors
/// [`SealError`].
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, SealError> {
    let mut value: Value = serde_json::from_slice(text)?;
    let stored = value.as_object_mut().and_then(|object| object.remove(KEY));
    if let Some(stored) = stored
        && stored != checksum(&value)?
    {
        return Err(SealError::Checksum);
    }
    Ok(serde_json::from_value(value)?)
}

/// FNV-1a with 64 bits over the value's compact form. Detects accidents, not tampering.
fn checksum(value: &Value) -> Result<String, serde_json::Error> {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let text = serde_json::to_vec(value)?;
    let sum = text
        .iter()
        .fold(OFFSET, |h, b| (h ^ u64::from(*b)).wrapping_mul(PRIME));
    Ok(format!("{sum:016x}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Kept = BTreeMap<String, Vec<String>>;

    #[test]
    fn no_cut_and_no_flipped_bit_reads_as_another_value() {
        let kept = Kept::from([
            ("ranges".to_owned(), vec!["10.100.16.0/24".to_owned()]),
            ("nic".to_owned(), vec!["eth0".to_owned()]),
        ]);
        let whole = to_vec(&kept).expect("JSON");
        let read = |bytes: &[u8]| from_slice::<Kept>(bytes);
        assert_eq!(read(&whole).expect("reads"), kept);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut off after {end}");
        }
        let mut refused = 0;
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match read(&bytes) {
                Err(_) => refused += 1,
                // White space, or the checksum's key, which is then one more.
                Ok(other) => assert!(kept.iter().all(|(k, v)| other.get(k) == Some(v)), "{bit}"),
            }
        }
        assert!(refused > 6 * whole.len(), "{refused} of {}", whole.len());
        let earlier = serde_json::to_vec(&kept).expect("JSON");
        assert_eq!(read(&earlier).expect("without a checksum"), kept);
    }
}
