//! The bytes of one simulated file: as a program sees them, and as they are on the platter. It
//! knows no names.

use super::super::random::Random;

const SECTOR_BYTES: usize = 512;

/// A change that a power cut may undo.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What a program sees.
    pub(super) content: Vec<u8>,
    /// What is on the platter for certain.
    synced: Vec<u8>,
    /// What came since the last sync, oldest first.
    unsynced: Vec<Change>,
}

impl Inode {
    pub(super) fn with_content(content: Vec<u8>) -> Self {
        Self {
            synced: content.clone(),
            content,
            unsynced: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, offset: u64, bytes: Vec<u8>) {
        let change = Change::Write { offset, bytes };
        apply(&mut self.content, &change);
        self.unsynced.push(change);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let change = Change::Length(len);
        apply(&mut self.content, &change);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            apply(&mut self.synced, &change);
        }
    }

    /// A sync that failed: the program goes on seeing all of it, but what was not written now is
    /// taken for clean and is never written.
    pub(super) fn sync_badly(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.unsynced) {
            apply_by_chance(&mut self.synced, change, random);
        }
    }

    pub(super) fn crash(&mut self, random: &mut Random) {
        self.sync_badly(random);
        self.content.clone_from(&self.synced);
    }

    pub(super) fn flip_bit(&mut self, at: usize, bit: u8) -> bool {
        let mask = 1 << (bit & 7);
        if let Some(byte) = self.synced.get_mut(at) {
            *byte ^= mask;
        }
        match self.content.get_mut(at) {
            Some(byte) => *byte ^= mask,
            None => return false,
        }
        true
    }
}

fn apply(target: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(len) => target.resize(*len as usize, 0),
        Change::Write { offset, bytes } => {
            if bytes.is_empty() {
                return;
            }
            let start = *offset as usize;
            let end = start + bytes.len();
            if target.len() < end {
                target.resize(end, 0);
            }
            target[start..end].copy_from_slice(bytes);
        }
    }
}

fn apply_by_chance(target: &mut Vec<u8>, change: Change, random: &mut Random) {
    let fate = random.below(4);
    let (offset, mut bytes) = match change {
        Change::Length(_) if fate < 2 => return,
        Change::Length(_) => return apply(target, &change),
        Change::Write { offset, bytes } => (offset, bytes),
    };
    match fate {
        0 => {}
        1 => apply(target, &Change::Write { offset, bytes }),
        2 => {
            bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
            apply(target, &Change::Write { offset, bytes });
        }
        _ => {
            let mut at = 0;
            while at < bytes.len() {
                // Sectors are those of the file, not of the write.
                let into = (offset as usize + at) % SECTOR_BYTES;
                let end = (at + SECTOR_BYTES - into).min(bytes.len());
                if random.coin() {
                    let sector = bytes[at..end].to_vec();
                    let offset = offset + at as u64;
                    apply(
                        target,
                        &Change::Write {
                            offset,
                            bytes: sector,
                        },
                    );
                }
                at = end;
            }
        }
    }
}
