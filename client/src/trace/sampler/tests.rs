//! Brave's rules: by example, by counting, and against a plain model of a second.

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;

#[test]
fn probabilities_are_zero_or_at_least_a_ten_thousandth() {
    for wrong in [-0.1, 0.00001, 1.1, f32::NAN] {
        assert!(Sampler::probability(wrong).is_err(), "{wrong}");
    }
    assert!(!Sampler::probability(0.0).unwrap().is_sampled(1));
    assert!(Sampler::probability(1.0).unwrap().is_sampled(1));
}

#[test]
fn the_boundary_is_braves() {
    let sampler = Sampler::salted(0.01, 0).unwrap();
    // Brave keeps the boundary itself too.
    for (id, kept) in [
        (0, true),
        (100, true),
        (101, false),
        (9_999, false),
        (10_100, true),
    ] {
        assert_eq!(sampler.is_sampled(id), kept, "{id}");
    }
    assert!(sampler.is_sampled((-100_i64).cast_unsigned()));
    // The one without an absolute value is kept, as in Java.
    assert!(sampler.is_sampled(i64::MIN.cast_unsigned()));
    let salted = Sampler::salted(0.01, 101).unwrap();
    assert!(salted.is_sampled(101) && !salted.is_sampled(0x1000));
}

#[test]
fn one_percent_is_one_percent() {
    let sampler = Sampler::salted(0.01, 0x5eed).unwrap();
    let mut ids = fastrand::Rng::with_seed(7);
    let kept = (0..1_000_000)
        .filter(|_| sampler.is_sampled(ids.u64(..)))
        .count();
    assert!((9_500..10_800).contains(&kept), "{kept}");
}

#[test]
fn a_sampler_is_exchanged_while_it_is_used() {
    let live = LiveSampler::new(Sampler::never());
    let same = live.clone();
    assert!(!same.is_sampled(1));
    live.set(Sampler::always());
    assert!(same.is_sampled(1));
}

proptest! {
    /// A second begins with the first question after the last one ended; within it as many are kept
    /// as its tenths allow so far.
    #[test]
    fn rates_agree_with_a_plain_model(
        rate in 1_u32..60,
        steps in proptest::collection::vec(0_u64..400, 1..300),
    ) {
        let clock = Arc::new(ManualClock::new(0));
        let sampler = Sampler::rate(rate, Arc::<ManualClock>::clone(&clock));
        let (mut now, mut begun, mut kept) = (0, 0, 0);
        for step in steps {
            clock.advance(Duration::from_millis(step));
            now += step;
            if now - begun >= 1000 {
                (begun, kept) = (now, 0);
            }
            let tenths = u32::try_from((now - begun) / 100).unwrap() + 1;
            let exact_border = (now - begun) % 100 == 0 && now != begun;
            let most = if rate < 10 {
                rate
            } else {
                // On the border of two tenths Brave still counts the earlier one.
                let tenths = if exact_border { tenths - 1 } else { tenths };
                rate % 10 + rate / 10 * tenths
            };
            let expected = kept < most;
            kept += u32::from(expected);
            let kept_so_far = sampler.is_sampled(1);
            prop_assert_eq!(kept_so_far, expected, "{} ms, {} of {}", now - begun, kept, most);
        }
    }
}
