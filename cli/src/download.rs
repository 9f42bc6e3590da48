//! Download of a backbone: over HTTPS, resumable, verified before it gets its name.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use offshoot_convert::import::MAX_BYTES;
use offshoot_convert::preprocess::catalog::Recipe;
use sha2::{Digest, Sha256};
use thiserror::Error;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

/// Maximum time without data before the download is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes per read.
const BLOCK: usize = 1 << 16;

/// Reason why a backbone was not downloaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PullError {
    /// Catalogue entry without an address.
    #[error("{name}: no download address; source: {from}")]
    NoAddress {
        /// Name of the entry.
        name: String,
        /// Source of the model, or how to make it.
        from: String,
    },
    /// Address without transport security: data could be changed on the way.
    #[error("{url}: not https; http is allowed only from this machine itself")]
    NotHttps {
        /// Address.
        url: String,
    },
    /// Catalogue entry without a digest.
    #[error(
        "{name}: unverified, because no copy of it was there to compute a digest from; --trust downloads it, and what \
         it is, is then for you to judge"
    )]
    NoDigest {
        /// Name of the entry.
        name: String,
    },
    /// Output file exists already.
    #[error("{path}: exists; choose another --output, or remove it")]
    Exists {
        /// Path of the file.
        path: PathBuf,
    },
    /// Server did not answer, or with an error.
    #[error("{url}: {reason}")]
    Server {
        /// Address.
        url: String,
        /// Description of the failure.
        reason: String,
    },
    /// Connection closed or stalled before the end.
    #[error("{url}: interrupted after {bytes} bytes ({reason}); run the command again to resume")]
    BrokeOff {
        /// Address.
        url: String,
        /// Bytes that are kept.
        bytes: u64,
        /// Cause.
        reason: String,
    },
    /// Server sent more than it announced, or more than the limit.
    #[error("{url}: more than {limit} bytes; download deleted")]
    TooLong {
        /// Address.
        url: String,
        /// Maximum number of bytes.
        limit: u64,
    },
    /// Digest differs from the one in the catalogue.
    #[error("{url}: SHA-256 is {found}, {wanted} required by the catalogue; download deleted")]
    WrongDigest {
        /// Address.
        url: String,
        /// SHA-256 of the download.
        found: String,
        /// SHA-256 in the catalogue.
        wanted: String,
    },
    /// File cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Cause reported by the system.
        source: io::Error,
    },
}

impl PullError {
    fn server(url: &str, reason: String) -> Self {
        Self::Server { url: url.to_string(), reason }
    }

    fn broke_off(url: &str, bytes: u64, reason: String) -> Self {
        Self::BrokeOff { url: url.to_string(), bytes, reason }
    }

    fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }
}

/// Downloaded file.
#[derive(Debug)]
pub struct Pulled {
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Size in bytes.
    pub bytes: u64,
    /// Bytes kept from an earlier attempt.
    pub resumed: u64,
}

/// Downloads a backbone to `output`; `trust` allows an entry whose digest was
/// not computed from a copy. Until complete,
/// the data is in `output` with the suffix `.part`; `progress` is called with the bytes received
/// and the total, if known.
///
/// # Errors
/// Returns any [`PullError`]; `output` has not been written then.
pub fn pull(
    recipe: &Recipe,
    output: &Path,
    trust: bool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Pulled, PullError> {
    let name = recipe.name.clone();
    let Some(url) = &recipe.url else {
        return Err(PullError::NoAddress { name, from: recipe.source.clone() });
    };
    if recipe.sha256.is_none() && !trust {
        return Err(PullError::NoDigest { name });
    }
    if output.exists() {
        return Err(PullError::Exists { path: output.to_path_buf() });
    }
    let mut part = output.as_os_str().to_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let (bytes, resumed) = fetch(url, recipe.bytes, &part, PATIENCE, progress)?;
    // Digest of the whole file on disk, not only of the bytes of this attempt.
    let sha256 = digest(&part).map_err(|source| PullError::write(&part, source))?;
    let wanted = recipe.sha256.or(recipe.published_sha256);
    if let Some(wanted) = wanted.filter(|wanted| *wanted != sha256) {
        std::fs::remove_file(&part).map_err(|source| PullError::write(&part, source))?;
        let found = hex(&sha256);
        let wanted = hex(&wanted);
        return Err(PullError::WrongDigest { url: url.clone(), found, wanted });
    }
    std::fs::rename(&part, output).map_err(|source| PullError::write(&part, source))?;
    Ok(Pulled { sha256, bytes, resumed })
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&block[..n]),
        }
    }
}

/// Returns lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Returns true if the address is plain HTTP to this machine, where the data cannot be changed on
/// the way.
fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else { return false };
    uri.scheme_str() == Some("http")
        && matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// Creates a client that allows only HTTPS, also after redirects; to this machine itself plain HTTP
/// without redirects.
fn agent(url: &str) -> Result<Agent, PullError> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // A second request must not reuse a connection that the server has just closed.
        .max_idle_connections(0)
        .user_agent(concat!("offshoot/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)));
    if is_loopback(url) {
        return Ok(config.proxy(None).max_redirects(0).build().new_agent());
    }
    match url.starts_with("https://") {
        true => Ok(config.https_only(true).build().new_agent()),
        false => Err(PullError::NotHttps { url: url.to_string() }),
    }
}

/// Downloads the missing bytes of `part`; returns the total and the bytes that were there before.
fn fetch(
    url: &str,
    stated: Option<u64>,
    part: &Path,
    patience: Duration,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(u64, u64), PullError> {
    let agent = agent(url)?;
    let have = std::fs::metadata(part).map_or(0, |m| m.len());
    if have > 0 && Some(have) == stated {
        return Ok((have, have));
    }
    let response = answer(&agent, url, have)?;
    let resumed = if goes_on(&response, have) { have } else { 0 };
    let total = stated.or_else(|| response.body().content_length().map(|n| n + resumed));
    let limit = total.unwrap_or(MAX_BYTES).min(MAX_BYTES);
    let mut file = OpenOptions::new();
    let file = match resumed {
        0 => file.write(true).create(true).truncate(true).open(part),
        _ => file.append(true).open(part),
    };
    let mut file = file.map_err(|source| PullError::write(part, source))?;
    let blocks = blocks(response.into_body().into_reader());
    let blocks = blocks.map_err(|e| PullError::server(url, e.to_string()))?;
    let mut done = resumed;
    loop {
        progress(done, total);
        let block = next(&blocks, patience);
        let block = block.map_err(|reason| PullError::broke_off(url, done, reason))?;
        let Some(block) = block else { break };
        done += block.len() as u64;
        if done > limit {
            std::fs::remove_file(part).map_err(|source| PullError::write(part, source))?;
            return Err(PullError::TooLong { url: url.to_string(), limit });
        }
        file.write_all(&block).map_err(|source| PullError::write(part, source))?;
    }
    if let Some(total) = total.filter(|total| done < *total) {
        return Err(PullError::broke_off(url, done, format!("{total} announced")));
    }
    file.sync_all().map_err(|source| PullError::write(part, source))?;
    Ok((done, resumed))
}

/// Requests the bytes from `have` on, or all if they do not continue what the server has.
fn answer(agent: &Agent, url: &str, have: u64) -> Result<Response<Body>, PullError> {
    let mut response = ask(agent, url, have)?;
    if goes_on(&response, have) {
        return Ok(response);
    }
    // The kept bytes are not the beginning of the file on the server any more.
    if have > 0 && response.status() != StatusCode::OK {
        response = ask(agent, url, 0)?;
    }
    if response.status() != StatusCode::OK {
        return Err(PullError::server(url, format!("server answered {}", response.status())));
    }
    Ok(response)
}

fn ask(agent: &Agent, url: &str, from: u64) -> Result<Response<Body>, PullError> {
    let mut request = agent.get(url);
    if from > 0 {
        request = request.header("Range", format!("bytes={from}-"));
    }
    request.call().map_err(|e| PullError::server(url, e.to_string()))
}

/// Returns the next block; `None` at the end.
///
/// # Errors
/// Returns the reason why there is none.
fn next(
    blocks: &Receiver<io::Result<Vec<u8>>>,
    patience: Duration,
) -> Result<Option<Vec<u8>>, String> {
    match blocks.recv_timeout(patience) {
        Ok(block) => block.map(Some).map_err(|e| e.to_string()),
        Err(RecvTimeoutError::Disconnected) => Ok(None),
        Err(RecvTimeoutError::Timeout) => {
            Err(format!("no data for {} seconds", patience.as_secs_f32()))
        }
    }
}

/// Spawns a thread that reads to the end or to a failure. It waits as long as the server does, and
/// is left behind when the receiver is dropped.
fn blocks(body: impl Read + Send + 'static) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (out, blocks) = sync_channel(2);
    thread::Builder::new().name("pull".to_string()).spawn(move || send_blocks(body, &out))?;
    Ok(blocks)
}

fn send_blocks(mut body: impl Read, out: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = vec![0; BLOCK];
        let read = body.read(&mut block);
        let length = read.as_ref().map_or(0, |&length| length);
        if matches!(read, Ok(0)) {
            return;
        }
        block.truncate(length);
        if out.send(read.map(|_| block)).is_err() || length == 0 {
            return;
        }
    }
}

/// Returns true if the response continues the kept bytes.
fn goes_on<T>(response: &Response<T>, have: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok());
    have > 0
        && response.status() == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|r| r.starts_with(&format!("bytes {have}-")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    /// Server that sends a part and then nothing, without closing: the data received is kept.
    #[test]
    fn a_stalled_body_is_given_up_and_gone_on_with() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/m.onnx", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            let (mut stalled, _) = listener.accept().unwrap();
            stalled.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").unwrap();
            let (mut good, _) = listener.accept().unwrap();
            let head = "HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\ncontent-range: bytes 4-7/8\r\n\r\n";
            // Closing with unread data would reset the connection.
            assert!(good.read(&mut [0; 4096]).unwrap() > 0);
            good.write_all(head.as_bytes()).unwrap();
            good.write_all(b" end").unwrap();
            stalled
        });
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("m.onnx.part");
        let start = Instant::now();
        let error =
            fetch(&url, None, &part, Duration::from_millis(300), &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, PullError::BrokeOff { bytes: 4, .. }), "{error}");
        assert!(error.to_string().contains("no data for 0.3 seconds"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(20));
        assert_eq!(fetch(&url, None, &part, PATIENCE, &mut |_, _| {}).unwrap(), (8, 4));
        assert_eq!(std::fs::read(&part).unwrap(), b"half end");
        drop(serving.join());
    }
}
