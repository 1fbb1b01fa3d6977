//! Picks for the generators. The numbers come from [`speargun_e2e::Chance`].

use speargun_e2e::Chance;

/// What `E2E_SEED` replaces: the same cases in every run of the suite.
const SEED: u64 = 20_261_124;

/// Returns the generator of a test and says its seed, which is shown when the test fails.
pub(crate) fn seeded(name: &str) -> Pick {
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
    let given = std::env::var("E2E_SEED").ok();
    let seed = given.map_or(SEED, |text| text.parse().unwrap());
    println!("{name}: E2E_SEED={seed}");
    Pick {
        chance: Chance::new(seed),
        care: 1,
    }
}

/// A generator that picks.
pub(crate) struct Pick {
    chance: Chance,
    care: usize,
}

impl Pick {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.chance.below(end as u64) as usize
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.chance.bits()
    }

    /// Returns true once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Decides how careful the writer of the next body is.
    pub(crate) fn change_writer(&mut self) {
        self.care = [1, 12, 40, 40][self.below(4)];
    }

    /// Returns true once in `n` mistakes that a careless writer could make.
    pub(crate) fn slips_in(&mut self, n: usize) -> bool {
        self.once_in(n * self.care)
    }

    pub(crate) fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Damages bytes as a network or a bad writer would: cut, drop, repeat, insert, replace.
    pub(crate) fn damage(&mut self, body: &mut Vec<u8>, with: &[u8]) {
        if body.is_empty() {
            return;
        }
        let at = self.below(body.len());
        let end = body.len().min(at + 1 + self.below(6));
        let byte = with[self.below(with.len())];
        match self.below(6) {
            0 => body.truncate(at),
            1 => drop(body.drain(at..end)),
            2 => {
                let again = body[at..end].to_vec();
                body.splice(at..at, again);
            }
            3 => body.insert(at, byte),
            4 => body[at] ^= 1 << self.below(8),
            _ => body[at] = byte,
        }
    }
}
