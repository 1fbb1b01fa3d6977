//! Bodies of requests: read within limits of size and time, unpacked within the same size.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::App;

const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyError {
    /// It is larger than this.
    TooLarge(usize),
    /// It did not come in time, or broke off.
    Incomplete,
    /// It is packed in a way that is not known, or not packed as it says.
    Packing,
}

// === impl BodyError ===

impl BodyError {
    /// Returns code and words of the answer.
    pub fn answer(self) -> (StatusCode, String) {
        match self {
            Self::TooLarge(bytes_max) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("body: more than {bytes_max} bytes"),
            ),
            Self::Incomplete => (StatusCode::BAD_REQUEST, "body: incomplete".to_owned()),
            Self::Packing => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Content-Encoding: gzip or nothing".to_owned(),
            ),
        }
    }
}

/// Reads a body.
pub async fn read(
    app: &App,
    headers: &HeaderMap,
    body: Incoming,
    bytes_max: usize,
) -> Result<Bytes, BodyError> {
    let reading = async {
        // The semaphore is never closed.
        let _place = app
            .bodies
            .acquire()
            .await
            .map_err(|_| BodyError::Incomplete)?;
        let collected = Limited::new(body, bytes_max).collect().await;
        let bytes = collected.map_err(|error| {
            if error.is::<LengthLimitError>() {
                BodyError::TooLarge(bytes_max)
            } else {
                BodyError::Incomplete
            }
        })?;
        Ok(bytes.to_bytes())
    };
    let bytes = match timeout(BODY_WITHIN, reading).await {
        Ok(bytes) => bytes?,
        Err(_) => return Err(BodyError::Incomplete),
    };
    match headers
        .get(CONTENT_ENCODING)
        .map(http::HeaderValue::as_bytes)
    {
        None | Some(b"" | b"identity") => Ok(bytes),
        Some(b"gzip") => unpack(&bytes, bytes_max),
        Some(_) => Err(BodyError::Packing),
    }
}

fn unpack(bytes: &[u8], bytes_max: usize) -> Result<Bytes, BodyError> {
    let mut plain = Vec::new();
    let mut packed = MultiGzDecoder::new(bytes).take(bytes_max as u64 + 1);
    packed
        .read_to_end(&mut plain)
        .map_err(|_| BodyError::Packing)?;
    if plain.len() > bytes_max {
        return Err(BodyError::TooLarge(bytes_max));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn what_grows_beyond_the_limit_is_refused() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&vec![b'a'; 100_000]).unwrap();
        let packed = packed.finish().unwrap();
        assert!(packed.len() < 1000);
        assert_eq!(unpack(&packed, 99_999), Err(BodyError::TooLarge(99_999)));
        assert_eq!(unpack(&packed, 100_000).unwrap().len(), 100_000);
        assert_eq!(unpack(&packed[..50], 100_000), Err(BodyError::Packing));
        assert_eq!(unpack(b"plain", 100_000), Err(BodyError::Packing));
    }
}
