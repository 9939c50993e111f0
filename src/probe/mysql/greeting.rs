//! The server's greeting: its version, its nonce, what it can do. Pure.
//!
//! MySQL documentation, "Protocol::HandshakeV10". The library's own reader computes lengths that overflow when they are made
//! to, so a greeting is read here.

use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;

use super::refusal::Refusal;
use super::wire::{Trouble, Violation};

/// Length of a nonce, which is what a password is mixed with.
pub const NONCE: usize = 20;

/// What a MariaDB server puts before its version, for replicas that take 10 for less than 5.
const MARIADB_PREFIX: &str = "5.5.5-";
/// The X protocol greets with a notice of an empty capability: its type, and its length before it.
const X_NOTICE: u8 = 0x0b;
const LONGEST_X_NOTICE: usize = 16;

/// What the server said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Its version, such as 8.4.3 or 10.11.6-MariaDB.
    pub version: Box<str>,
    /// What it can do.
    pub capabilities: CapabilityFlags,
    /// What the password is to be mixed with.
    pub nonce: [u8; NONCE],
    /// How it usually authenticates.
    pub plugin: Box<str>,
}

impl Greeting {
    /// Reads the first packet of a server.
    pub fn read(packet: &[u8]) -> Result<Greeting, Trouble> {
        if let Some(refusal) = Refusal::read(packet) {
            return Err(Trouble::Refused(refusal));
        }
        match packet {
            [10, rest @ ..] => Greeting::version_10(rest).ok_or(Violation::Malformed("the greeting").into()),
            [X_NOTICE, ..] if packet.len() <= LONGEST_X_NOTICE => Err(Violation::XProtocol.into()),
            [version, ..] => Err(Violation::Version(*version).into()),
            [] => Err(Violation::Malformed("the greeting").into()),
        }
    }

    fn version_10(bytes: &[u8]) -> Option<Greeting> {
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let version = String::from_utf8_lossy(&bytes[..end]);
        let version = version.strip_prefix(MARIADB_PREFIX).unwrap_or(&version).into();
        let mut rest = ParseBuf(&bytes[end + 1..]);
        let _connection = rest.checked_eat_u32_le()?;
        let mut nonce = rest.checked_eat(8)?.to_vec();
        let _filler = rest.checked_eat(1)?;
        let low = rest.checked_eat_u16_le()?;
        let _collation_and_status = rest.checked_eat(3)?;
        let high = rest.checked_eat_u16_le()?;
        let capabilities = CapabilityFlags::from_bits_retain(u32::from(low) | u32::from(high) << 16);
        let nonce_length = usize::from(rest.checked_eat_u8()?);
        let _reserved = rest.checked_eat(10)?;
        // The rest of the nonce is said to be that long, and is at least 13 bytes, the last of which ends it.
        nonce.extend(rest.checked_eat(nonce_length.saturating_sub(8).max(13))?);
        let plugin = rest.0.split(|byte| *byte == 0).next().unwrap_or_default();
        let plugin = String::from_utf8_lossy(plugin).into();
        Some(Greeting { version, capabilities, nonce: self::nonce(&nonce)?, plugin })
    }

    /// Whether it offers TLS.
    pub fn offers_tls(&self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_SSL)
    }
}

/// A nonce, which may end in a zero of its own.
pub fn nonce(bytes: &[u8]) -> Option<[u8; NONCE]> {
    match bytes {
        [nonce @ .., 0] if nonce.len() == NONCE => nonce.try_into().ok(),
        nonce => nonce.try_into().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn greeting() -> Vec<u8> {
        let mut packet = b"\x0a5.5.5-10.11.6-MariaDB\0\x07\0\0\0abcdefgh\0".to_vec();
        packet.extend([0xfe, 0xf7, 0x2d, 2, 0, 0xff, 0x81, 21]);
        packet.extend([0; 10]);
        packet.extend(b"ijklmnopqrst\0mysql_native_password\0");
        packet
    }

    #[test]
    fn a_greeting_is_read() {
        let read = Greeting::read(&greeting()).expect("a greeting");
        assert_eq!(&*read.version, "10.11.6-MariaDB");
        assert_eq!(&read.nonce, b"abcdefghijklmnopqrst");
        assert_eq!(&*read.plugin, "mysql_native_password");
        assert!(!read.offers_tls());
    }

    #[test]
    fn what_is_no_greeting_is_told() {
        let told = |packet: &[u8]| match Greeting::read(packet) {
            Err(Trouble::Violation(violation)) => violation,
            other => panic!("{other:?}"),
        };
        assert_eq!(told(&[0x0b, 8, 5, 0x1a, 0]), Violation::XProtocol);
        assert_eq!(told(&[9; 40]), Violation::Version(9));
        for cut in 1..greeting().len() - 22 {
            assert_eq!(told(&greeting()[..cut]), Violation::Malformed("the greeting"), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, length: u8, greets in any::<bool>()) {
            if greets {
                let mut packet = greeting();
                packet[44] = length;
                packet.extend(&bytes);
                bytes = packet;
            }
            let _ = Greeting::read(&bytes);
        }
    }
}
