//! The body of a request in one piece, with a cap for itself and one for all bodies being read.
//! Memory grows with the bytes that came, never with what a header promises.

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

use crate::handover::Budget;

/// Why a body was not read to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyError {
    /// More bytes than one body may have.
    TooLarge,
    /// All bodies being read have more bytes than they may have together.
    Busy,
    /// The connection broke, or the bytes are not HTTP.
    Broken,
}

/// What bodies may take.
#[derive(Debug)]
pub struct BodyBounds {
    /// Bytes of one body.
    pub bytes_max: usize,
    /// Bytes of all bodies being read.
    pub together: Budget,
}

/// The first room made for a body that comes in pieces; a header alone gets no more.
const FIRST_ROOM: usize = 256 << 10;

/// Reads the body. It is always copied out of the connection's read buffer, which it would
/// otherwise keep alive as long as its spans.
pub async fn read<B>(mut body: B, bounds: &BodyBounds) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > bounds.bytes_max as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut taken = Taken {
        budget: &bounds.together,
        bytes: 0,
    };
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        taken.add(data.len(), bounds.bytes_max)?;
        if all.is_empty() {
            let promised = data.len() as u64 + body.size_hint().lower();
            all.reserve_exact(promised.min(FIRST_ROOM as u64) as usize);
        }
        all.extend_from_slice(&data);
    }
    Ok(all.into())
}

/// What one body took of the budget; given back when the body is read or given up.
struct Taken<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Taken<'_> {
    fn add(&mut self, bytes: usize, bytes_max: usize) -> Result<(), BodyError> {
        if self.bytes + bytes > bytes_max {
            return Err(BodyError::TooLarge);
        }
        if !self.budget.take(bytes) {
            return Err(BodyError::Busy);
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Frame;
    use http_body_util::Full;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A body that comes in pieces.
    struct Pieces(VecDeque<usize>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let size = self.0.pop_front();
            Poll::Ready(size.map(|size| Ok(Frame::data(Bytes::from(vec![b'x'; size])))))
        }
    }

    fn pieces(sizes: &[usize]) -> Pieces {
        Pieces(sizes.iter().copied().collect())
    }

    fn bounds(bytes_max: usize, together: usize) -> BodyBounds {
        BodyBounds {
            bytes_max,
            together: Budget::new(together),
        }
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn pieces_come_as_one() {
        let bounds = bounds(100, 100);
        assert_eq!(now(read(pieces(&[40, 0, 60]), &bounds)).unwrap().len(), 100);
        let one = Full::new(Bytes::from_static(b"one"));
        assert_eq!(now(read(one, &bounds)).unwrap(), "one");
        assert_eq!(now(read(pieces(&[]), &bounds)).unwrap(), "");
        assert_eq!(bounds.together.used(), 0);
    }

    #[test]
    fn a_body_beyond_its_cap_is_refused() {
        let bounds = bounds(100, 1000);
        let error = Err(BodyError::TooLarge);
        assert_eq!(now(read(pieces(&[40, 61]), &bounds)), error);
        let promised = Full::new(Bytes::from(vec![0; 101]));
        assert_eq!(now(read(promised, &bounds)), error);
        assert_eq!(bounds.together.used(), 0);
    }

    #[test]
    fn bodies_together_have_a_cap() {
        let bounds = bounds(100, 150);
        assert!(bounds.together.take(90));
        let busy = now(read(pieces(&[40, 40]), &bounds));
        assert_eq!(busy, Err(BodyError::Busy));
        assert_eq!(bounds.together.used(), 90);
        assert_eq!(now(read(pieces(&[40, 20]), &bounds)).unwrap().len(), 60);
    }
}
