//! Address of a broker, and the name of the device there.

use std::fmt;
use std::str::FromStr;

/// Port of MQTT without TLS.
const PORT: u16 = 1883;

/// Longest name of a device.
const LONGEST: usize = 32;

/// Broker, as text `HOST[:PORT][/NAME]`; an IPv6 address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Name or address of the broker's machine.
    pub host: String,
    /// Port, 1883 unless given.
    pub port: u16,
    /// Name of this device in topics, that of the machine unless given.
    pub name: String,
}

/// Reason why a text is no broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("needs HOST[:PORT][/NAME], such as homeassistant.local/kitchen; {0}")]
pub struct BrokerError(&'static str);

impl FromStr for Broker {
    type Err = BrokerError;

    fn from_str(text: &str) -> Result<Self, BrokerError> {
        let (address, name) = match text.split_once('/') {
            Some((address, name)) => (address, name.to_string()),
            None => (text, own_name()),
        };
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(is_plain) {
            return Err(BrokerError("a NAME has 1 to 32 letters, digits, - and _"));
        }
        let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some(""))),
            None => match address.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (address, Some("")),
            },
        };
        let port = match port {
            Some("") if !address.ends_with(':') => Ok(PORT),
            Some(port) => port.parse().map_err(|_| ()),
            None => Err(()),
        };
        let port = port.ok().filter(|port| *port > 0);
        let port = port.ok_or(BrokerError("a PORT is a number from 1 to 65535"))?;
        let is_host = |byte: u8| is_plain(byte) || b".:%".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(BrokerError("HOST is a name or an address"));
        }
        Ok(Self { host: host.to_string(), port, name })
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, name } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}/{name}"),
            false => write!(f, "{host}:{port}/{name}"),
        }
    }
}

/// Topics have `/`, `+` and `#` as signs of their own.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Name of this machine, as far as a topic can have it.
fn own_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = host.bytes().take_while(|byte| is_plain(*byte)).take(LONGEST);
    let name: String = plain.map(char::from).collect();
    if name.is_empty() { "board".to_string() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_read_and_written() {
        for (text, host, port, name) in [
            ("10.0.0.2/kitchen", "10.0.0.2", 1883, "kitchen"),
            ("homeassistant.local:1884/a_b-2", "homeassistant.local", 1884, "a_b-2"),
            ("[::1]/k", "::1", 1883, "k"),
            ("[fe80::1%eth0]:99/k", "fe80::1%eth0", 99, "k"),
        ] {
            let broker: Broker = text.parse().unwrap();
            assert_eq!(
                (broker.host.as_str(), broker.port, broker.name.as_str()),
                (host, port, name)
            );
            assert_eq!(broker.to_string().parse(), Ok(broker));
        }
        let bare: Broker = "pi".parse().unwrap();
        assert_eq!((bare.port, bare.name), (1883, own_name()));
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "/k",
            ":1883/k",
            "a/",
            "a/b/c",
            "a/b+",
            "a/#",
            "a:/k",
            "a:0/k",
            "a:65536/k",
            "a:x/k",
            "[::1/k",
            "[::1]x/k",
            "::1/k",
            "a b/k",
            "mqtt://a/k",
        ] {
            assert!(text.parse::<Broker>().is_err(), "{text}");
        }
        assert!(format!("a/{}", "x".repeat(33)).parse::<Broker>().is_err());
    }
}
