//! Bodies that were packed before the run: what is packed can't be written over, so there are as
//! many as the run needs, up to a bound, and behind the last the first is sent again.

use anyhow::{Context, Result};
use libdeflater::{CompressionLvl, Compressor};

use super::{Filled, Pool};

/// All packed bodies together.
const BYTES_MAX: usize = 1 << 30;
/// The level senders use that do not choose one.
const LEVEL: i32 = 6;

#[derive(Debug)]
pub(super) struct Packed {
    bodies: Vec<(Vec<u8>, u32)>,
}

impl Packed {
    /// Packs the first `count` bodies of a pool, or as many as the bound allows.
    pub(super) fn new(pool: &Pool, count: u64) -> Result<Self> {
        let level = CompressionLvl::new(LEVEL).ok().context("no such level")?;
        let mut compressor = Compressor::new(level);
        let mut filled = Filled::default();
        let (mut bodies, mut total) = (Vec::new(), 0);
        for number in 0..count.max(1) {
            pool.renew(number, &mut filled);
            let mut packed = vec![0; compressor.gzip_compress_bound(filled.bytes.len())];
            let size = compressor.gzip_compress(&filled.bytes, &mut packed)?;
            packed.truncate(size);
            packed.shrink_to_fit();
            total += size;
            bodies.push((packed, filled.spans));
            if total > BYTES_MAX {
                break;
            }
        }
        Ok(Self { bodies })
    }

    pub(super) fn len(&self) -> u64 {
        self.bodies.len() as u64
    }

    pub(super) fn fill(&self, number: u64, into: &mut Filled) {
        into.bytes.clear();
        if let Some((bytes, spans)) = self.bodies.get((number % self.len()) as usize) {
            into.bytes.extend_from_slice(bytes);
            into.spans = *spans;
        }
    }
}
